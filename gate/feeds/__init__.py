"""Where policy sets come from."""
