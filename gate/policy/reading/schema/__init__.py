"""The JSON Schema (draft-07) of policy documents: the one source of their shape, a file a part."""
