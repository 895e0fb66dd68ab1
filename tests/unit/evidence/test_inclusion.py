from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING

import pytest

from gate.errors import ParseError
from gate.evidence.inclusion import leaf_hash, root_of

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZES = range(1, 71)


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


class Reference:
    """RFC 6962, 2.1, over the levels of a tree, from the leaves up: a node without a sibling goes up as it is."""

    def __init__(self, size: int) -> None:
        self.leaves = [b"leaf %d of %d" % (i, size) for i in range(size)]
        self.levels = [[sha256(b"\0" + leaf) for leaf in self.leaves]]
        while len(self.levels[-1]) > 1:
            below = self.levels[-1]
            pairs = [below[i : i + 2] for i in range(0, len(below), 2)]
            self.levels.append([sha256(b"\1" + b"".join(p)) if len(p) == 2 else p[0] for p in pairs])

    @property
    def root(self) -> bytes:
        return self.levels[-1][0]

    def proof(self, index: int) -> list[bytes]:
        siblings = [(level, (index >> height) ^ 1) for height, level in enumerate(self.levels[:-1])]
        return [level[sibling] for level, sibling in siblings if sibling < len(level)]


@cache
def tree(size: int) -> Reference:
    return Reference(size)


def refused_or_other(reference: Reference, leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bool:
    try:
        return root_of(leaf, index, size, proof) != reference.root
    except ParseError as error:
        return bool(error.message)


@pytest.mark.parametrize(
    ("size", "root"),
    [
        # the vectors of certificate-transparency's merkletree tests
        (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
    ],
)
def test_the_reference_is_the_standards(size: int, root: str) -> None:
    leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    reference = Reference(1)
    reference.levels = [[sha256(b"\0" + bytes.fromhex(leaf)) for leaf in leaves[:size]]]
    while len(reference.levels[-1]) > 1:
        below = reference.levels[-1]
        pairs = [below[i : i + 2] for i in range(0, len(below), 2)]
        reference.levels.append([sha256(b"\1" + b"".join(p)) if len(p) == 2 else p[0] for p in pairs])
    assert reference.root.hex() == root
    for index in range(size):
        leaf = leaf_hash(bytes.fromhex(leaves[index]))
        assert root_of(leaf, index, size, reference.proof(index)) == reference.root


def test_a_leaf_is_no_node() -> None:
    assert leaf_hash(b"") == sha256(b"\0")
    assert leaf_hash(b"body") == sha256(b"\0body")
    left, right = tree(2).levels[0]
    assert leaf_hash(left + right) != tree(2).root


@pytest.mark.parametrize("size", SIZES)
def test_every_leaf(size: int) -> None:
    reference = tree(size)
    for index, body in enumerate(reference.leaves):
        assert root_of(leaf_hash(body), index, size, reference.proof(index)) == reference.root


@pytest.mark.parametrize("size", SIZES)
def test_every_hash_counts(size: int) -> None:
    reference = tree(size)
    for index, body in enumerate(reference.leaves):
        proof = reference.proof(index)
        for place, original in enumerate(proof):
            tampered = [*proof[:place], bytes([original[0] ^ 1]) + original[1:], *proof[place + 1 :]]
            assert root_of(leaf_hash(body), index, size, tampered) != reference.root
            if place and proof[place - 1] != original:
                swapped = [*proof[: place - 1], original, proof[place - 1], *proof[place + 1 :]]
                assert root_of(leaf_hash(body), index, size, swapped) != reference.root
        assert root_of(leaf_hash(body + b"x"), index, size, proof) != reference.root


@pytest.mark.parametrize("size", SIZES)
def test_too_few_and_too_many_hashes(size: int) -> None:
    reference = tree(size)
    for index, body in enumerate(reference.leaves):
        leaf, proof = leaf_hash(body), reference.proof(index)
        for length in range(len(proof)):
            for few in (proof[:length], proof[len(proof) - length :]):
                with pytest.raises(
                    ParseError, match=f"the proof has {length} hashes: too few for index {index} of {size}"
                ):
                    root_of(leaf, index, size, few)
        for more in ([reference.root], [leaf], [leaf] * 64):
            with pytest.raises(ParseError, match=f"hashes: too many for index {index} of {size}"):
                root_of(leaf, index, size, [*proof, *more])


@pytest.mark.parametrize("size", range(1, 35))
def test_another_index_or_size(size: int) -> None:
    reference = tree(size)
    for index, body in enumerate(reference.leaves):
        leaf, proof = leaf_hash(body), reference.proof(index)
        assert all(refused_or_other(reference, leaf, other, size, proof) for other in range(size) if other != index)
        # a size that has the same way up is for the checkpoint to tell apart: no other leaf's may be
        for other in (*range(1, size), size + 1, 2 * size, 2**62):
            if (len(reference.proof(index)), index) != way(other, index):
                assert refused_or_other(reference, leaf, index, other, proof)


def way(size: int, index: int) -> tuple[int, int]:
    """How many hashes a proof has there, and for which leaf; -1 is none."""
    if index >= size:
        return -1, index
    inner = (index ^ (size - 1)).bit_length()
    return inner + (index >> inner).bit_count(), index


@pytest.mark.parametrize(
    ("index", "size"),
    [(0, 0), (1, 1), (2, 1), (-1, 1), (-1, 0), (-1, 2), (0, -1), (-2, -1), (7, 7), (2**63, 2**63), (2**63 - 1, 5)],
)
@pytest.mark.parametrize("length", [0, 1, 3, 64])
def test_an_index_that_is_not_in_the_tree(index: int, size: int, length: int) -> None:
    with pytest.raises(ParseError, match=f"index {index} is not in a tree of {size}"):
        root_of(leaf_hash(b""), index, size, [b"\0" * 32] * length)


@pytest.mark.parametrize(("index", "size", "length"), [(0, 2**62, 62), (2**62, 2**62 + 1, 1), (2**62 - 1, 2**62, 62)])
def test_huge_trees(index: int, size: int, length: int) -> None:
    assert len(root_of(leaf_hash(b""), index, size, [b"\0" * 32] * length)) == 32
    for wrong in (length - 1, length + 1):
        with pytest.raises(ParseError, match="hashes: too"):
            root_of(leaf_hash(b""), index, size, [b"\0" * 32] * wrong)


def test_the_length_that_a_proof_needs_is_what_the_reference_has() -> None:
    for size in SIZES:
        assert all(way(size, index) == (len(tree(size).proof(index)), index) for index in range(size))
