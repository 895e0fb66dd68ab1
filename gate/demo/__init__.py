"""`gate demo`: a registry, signed images and the real webhook on loopback. Tests build on its parts."""
