"""The use case: images in, decisions out, within a deadline."""
