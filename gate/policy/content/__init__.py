"""What attested documents say: bytes of a predicate in, frozen models out; an unknown shape is never an empty list."""
