"""Merkle inclusion proofs (RFC 6962, 2.1.1; RFC 9162, 2.1.3.2)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from gate.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Sequence

HASH_BYTES: Final = 32
_LEAF, _NODE = b"\x00", b"\x01"


def leaf_hash(body: bytes) -> bytes:
    """The hash of a leaf; the prefix keeps it from being taken for a node."""
    return hashlib.sha256(_LEAF + body).digest()


def root_of(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that a proof leads to.

    Args:
        leaf: the leaf's hash.
        index: of the leaf, from 0.
        size: of the tree, in leaves.
        proof: the siblings' hashes, from the leaf up.

    Raises:
        ParseError: the index is not in the tree, or the proof has another length than such a tree has.
    """
    if not 0 <= index < size:
        raise ParseError(f"index {index} is not in a tree of {size}")
    found, node, last = leaf, index, size - 1
    for sibling in proof:
        if last == 0:
            raise ParseError(f"the proof has {len(proof)} hashes: too many for index {index} of {size}")
        if node % 2 == 1 or node == last:
            found = hashlib.sha256(_NODE + sibling + found).digest()
            while node % 2 == 0 and node != 0:
                node, last = node // 2, last // 2
        else:
            found = hashlib.sha256(_NODE + found + sibling).digest()
        node, last = node // 2, last // 2
    if last != 0:
        raise ParseError(f"the proof has {len(proof)} hashes: too few for index {index} of {size}")
    return found
