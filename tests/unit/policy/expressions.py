"""`by` expressions as tests write them."""

from __future__ import annotations

from gate.policy.signers import AnyOf, AtLeast, Expression, One

A, B, C, D = map(One, "abcd")


def found(text: str) -> dict[str, frozenset[str]]:
    """`a=1 b=1,2`: signer a was met by principal 1, b by 1 and 2."""
    pairs = (entry.split("=") for entry in text.split())
    return {name: frozenset(principals.split(",")) for name, principals in pairs}


def at_least(count: int, *entries: Expression) -> AtLeast:
    return AtLeast(count, entries)


def every(*entries: Expression) -> AtLeast:
    return AtLeast(len(entries), entries)


def either(*options: Expression) -> AnyOf:
    return AnyOf(options)
