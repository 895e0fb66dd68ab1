"""Bytes and trusted keys in, verified facts and reasons for rejection out. Pure."""
