"""OCI values: references, digests, descriptors, manifests. Pure."""
