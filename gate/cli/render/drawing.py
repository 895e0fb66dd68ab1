"""Trees for people: branches that are wrapped to a width beside the lines that hold them together."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import click

from gate.cli.common import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NARROWEST: Final = 40
"""Columns that a tree is never wrapped to less than."""

_LEAST: Final = 16  # columns of words beside the deepest branch
_ENDS: Final = "/@,&?"
"""Characters after which a long word is cut, where one is near: in URLs and references."""
_INDENT: Final = "  "  # of what goes on below its own beginning


class Mark(StrEnum):
    """What a branch came to; the value is its sign."""

    GOOD = "✔"
    BAD = "✘"
    WARNING = "⚠"
    UNKNOWN = "?"
    NOTE = "·"
    SKIPPED = "–"  # noqa: RUF001 - a dash is meant


_PLAIN: Final = {Mark.GOOD: "+", Mark.BAD: "x", Mark.WARNING: "!", Mark.NOTE: ".", Mark.SKIPPED: "-"}
_COLORS: Final = {Mark.GOOD: "green", Mark.BAD: "red", Mark.WARNING: "yellow", Mark.UNKNOWN: "magenta"}
_LINES: Final = ("├─ ", "└─ ", "│  ", "   ")
_PLAIN_LINES: Final = ("|- ", "`- ", "|  ", "   ")


@dataclass(frozen=True, slots=True)
class Branch:
    """One entry of a tree.

    Attributes:
        text: its words, which may be anybody's.
        mark: what it came to; None for what only tells something.
        lead: words of ours before them, in the mark's colour.
        below: what belongs to it.
    """

    text: str
    mark: Mark | None = None
    lead: str = ""
    below: tuple[Branch, ...] = ()


@dataclass(frozen=True, slots=True)
class Pen:
    """How trees are drawn.

    Attributes:
        width: columns.
        color: whether marks and leads are coloured.
        plain: whether lines and marks are ASCII.
    """

    width: int
    color: bool = False
    plain: bool = False

    @classmethod
    def of(cls, encoding: str | None, width: int, *, color: bool) -> Pen:
        """One whose lines and marks an encoding has.

        Args:
            encoding: of what is written to.
            width: its columns.
            color: whether it shows colours.
        """
        try:
            "".join((*_LINES, *Mark)).encode(encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            return cls(max(width, NARROWEST), color, plain=True)
        return cls(max(width, NARROWEST), color)

    def draw(self, tree: Branch) -> str:
        """The lines of a tree."""
        return "\n".join(line.rstrip() for line in self._drawn(tree, "", "")) + "\n"

    def _drawn(self, branch: Branch, first: str, then: str) -> Iterator[str]:
        fork, end, bar, nothing = _PLAIN_LINES if self.plain else _LINES
        hanging = then + (bar[:2] if branch.below else _INDENT)
        yield from self._wrapped(branch, first, hanging)
        for index, child in enumerate(branch.below):
            last = index == len(branch.below) - 1
            yield from self._drawn(child, then + (end if last else fork), then + (nothing if last else bar))

    def _wrapped(self, branch: Branch, first: str, hanging: str) -> Iterator[str]:
        mark = "" if branch.mark is None else _PLAIN.get(branch.mark, branch.mark) if self.plain else branch.mark.value
        head = " ".join(filter(None, (mark, branch.lead)))
        words = one_line(f"{head} {branch.text}" if branch.text else head).split()
        lines = list(filled(words, self.width - columns(first), self.width - columns(hanging)))
        for index, line in enumerate(lines):
            # Where a line goes on, any word may be the first of it.
            yield one_line(hanging + line) if index else (first + self._colored(line, head, branch.mark))

    def _colored(self, line: str, head: str, mark: Mark | None) -> str:
        """The head in its colour, as far as it stands in the first line."""
        if not self.color or mark not in _COLORS:
            return line
        end = len(head) if line.startswith(head) else len(line) if head.startswith(line) else 1
        return click.style(line[:end], fg=_COLORS[mark], bold=mark is Mark.BAD) + line[end:]


def columns(text: str) -> int:
    """How many columns of a terminal a text takes: East Asian characters take two, combining ones none."""
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def filled(words: Iterable[str], first: int, others: int) -> Iterator[str]:
    """Words in lines: the first of so many columns, the others of so many; a word that fits in none is cut."""
    line, room = "", max(first, _LEAST)
    others = max(others, _LEAST)
    for word in words:
        rest = word
        if line and columns(line) + 1 + columns(rest) <= room:
            line = f"{line} {rest}"
            continue
        left = room - columns(line) - 1
        if line and columns(rest) > others and left >= _LEAST:  # it is cut anyway
            cut = _fitting(rest, left)
            line, rest = f"{line} {rest[:cut]}", rest[cut:]
        if line:
            yield line
            line, room = "", others
        while columns(rest) > room:
            cut = _fitting(rest, room)
            yield rest[:cut]
            rest, room = rest[cut:], others
        line = rest
    if line:
        yield line


def _fitting(text: str, room: int) -> int:
    """How many characters of a text go into so many columns, one at least: up to where a name ends, if that is near."""
    taken = 0
    for index, character in enumerate(text):
        taken += _columns(character)
        if taken > room:
            end = max(text.rfind(mark, 0, index) for mark in _ENDS) + 1
            return max(end if end > index * 2 // 3 else index, 1)
    return len(text)
