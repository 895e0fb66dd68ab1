"""Whether one image pattern covers another, or the two have nothing in common.

"Yes" is a proof; "no" also stands for what was not compared. What patterns are is POLICY §3: `*` is any run inside one
segment, `**` any number of whole segments. A segment of a repository is never empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_COMPARED: Final = 20_000_000
"""Pairs of characters that are compared in one run: patterns of a thousand policies, many times over."""

_PAIR: Final = 50  # what a pair costs at least


class Comparer:
    """Compares patterns, as many as one run may."""

    def __init__(self, most: int = MAX_COMPARED) -> None:
        self._left = most

    def exhausted(self) -> bool:
        """Whether some were not compared."""
        return self._left <= 0

    def covers(self, wide: str, narrow: str) -> bool:
        """Whether everything that `narrow` covers `wide` covers too."""
        if not self._may_compare(wide, narrow) or _apart(wide, narrow):
            return False
        return wide == narrow or _path_covers(wide.split("/"), narrow.split("/"))

    def any_covers(self, wides: Iterable[str], narrow: str) -> bool:
        """Whether one of some covers it: what only several of them do together is not seen."""
        return any(self.covers(wide, narrow) for wide in wides)

    def apart(self, one: str, other: str) -> bool:
        """Whether there is no repository that both cover."""
        if not self._may_compare(one, other):
            return False
        return _apart(one, other) or not _paths_meet(one.split("/"), other.split("/"))

    def all_apart(self, some: Iterable[str], others: Iterable[str]) -> bool:
        """Whether none of some has anything in common with one of the others."""
        known = tuple(others)
        return all(self.apart(one, other) for one in some for other in known)

    def _may_compare(self, one: str, other: str) -> bool:
        self._left -= max(_PAIR, len(one) * len(other))
        return not self.exhausted()


def below(registry: str) -> str:
    """The image pattern that covers what an entry of `registries` covers."""
    return f"{registry}/**"


def _apart(one: str, other: str) -> bool:
    """Whether what stands before their first wildcards differs already. Most pairs are told apart by that."""
    fixed, also_fixed = (text.partition("*")[0].rstrip("/") for text in (one, other))
    return not (fixed.startswith(also_fixed) or also_fixed.startswith(fixed))


def _path_covers(wide: list[str], narrow: list[str]) -> bool:
    """By the ends of both, from the shortest: `row[j]` is whether `wide[i:]` covers `narrow[j:]`."""
    size = len(narrow)
    row = [False] * size + [True]
    for segment in reversed(wide):
        if segment == "**":
            # It stands for nothing, or takes one segment more; `**` itself is one to it.
            below_it = row
            row = [False] * size + [below_it[size]]
            for j in reversed(range(size)):
                row[j] = below_it[j] or row[j + 1]
        else:
            row = [narrow[j] != "**" and row[j + 1] and _segment_covers(segment, narrow[j]) for j in range(size)]
            row.append(False)
    return row[0]


def _segment_covers(wide: str, narrow: str) -> bool:
    """`*` of the narrow one is a letter that only `*` of the wide one takes."""
    if "*" not in wide or wide in ("*", narrow):
        return wide in ("*", narrow)
    first, *middle, last = wide.split("*")
    end = len(narrow) - len(last)
    if not narrow.startswith(first) or not narrow.endswith(last) or len(first) > end:
        return False
    at = len(first)
    for part in middle:
        found = narrow.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _paths_meet(one: list[str], other: list[str]) -> bool:
    """`row[j]` is whether `one[i:]` and `other[j:]` have a path in common."""
    size = len(other)
    row = [False] * size + [True]
    for j in reversed(range(size)):
        row[j] = other[j] == "**" and row[j + 1]
    for segment in reversed(one):
        later, row = row, [False] * (size + 1)
        row[size] = segment == "**" and later[size]
        for j in reversed(range(size)):
            if segment == "**" or other[j] == "**":
                row[j] = (segment == "**" and (later[j] or row[j + 1])) or (
                    other[j] == "**" and (row[j + 1] or later[j])
                )
            else:
                row[j] = later[j + 1] and _segments_meet(segment, other[j])
    return row[0]


def _segments_meet(one: str, other: str) -> bool:
    """`row[j]` is whether `one[i:]` and `other[j:]` have a text in common."""
    if "*" not in one and "*" not in other:
        return one == other
    size = len(other)
    row = [False] * size + [True]
    for j in reversed(range(size)):
        row[j] = other[j] == "*" and row[j + 1]
    for letter in reversed(one):
        later, row = row, [False] * (size + 1)
        row[size] = letter == "*" and later[size]
        for j in reversed(range(size)):
            if letter == "*" or other[j] == "*":
                row[j] = (letter == "*" and (later[j] or row[j + 1])) or (other[j] == "*" and (row[j + 1] or later[j]))
            else:
                row[j] = letter == other[j] and later[j + 1]
    return row[0]
