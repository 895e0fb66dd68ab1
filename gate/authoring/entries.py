"""Entries that stand twice in one list."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from gate.policy.reading.checks import Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.documents import Path
    from gate.policy.reading.notes import Notes

_COUNTED: Final = ("all", "of")
"""Lists whose entries are each met by a principal of its own: a name may well stand twice."""


def check_entries(notes: Notes) -> None:
    """Note what a list of a document says twice."""
    for path, entries in _lists(notes.data["spec"], ("spec",)):
        seen: dict[str, int] = {}
        for i, entry in enumerate(entries):
            first = seen.setdefault(json.dumps(entry, sort_keys=True), i)
            if first != i:
                place = notes.document.place((*path, first))
                said = f"the entry stands twice in `{path[-1]}`; the other is in line {place.line}"
                notes.add(Check.DUPLICATE_ENTRY, (*path, i), said, "remove one")


def _lists(value: object, path: Path) -> Iterator[tuple[Path, list[object]]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _lists(inner, (*path, key))
    elif isinstance(value, list):
        if path[-1] not in _COUNTED:
            yield path, value
        for i, inner in enumerate(value):
            yield from _lists(inner, (*path, i))
