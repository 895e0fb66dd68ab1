"""Problems of policies for people: the place, what is wrong, the line with the text underlined, and what to write."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

import click

from gate.cli.common import one_line
from gate.cli.render.problems import severity
from gate.documents import lines_of

if TYPE_CHECKING:
    from gate.cli.render.problems import Linted
    from gate.policy.reading.problems import Problem

_COLORS: Final = {"error": "red", "warning": "yellow"}
_UNDERLINED: Final = 200  # problems that are shown with their line
_WIDTH: Final = 100  # characters of a line that are shown
_BEFORE: Final = 30  # of them before what is underlined, where a line is longer
_ZERO_WIDTH: Final = frozenset({"Mn", "Me", "Cf"})


def render(linted: Linted, *, color: bool) -> str:
    """One block a problem, in the order of their places; then one line that sums up."""
    lines: dict[str, list[str]] = {}
    blocks = []
    for number, problem in enumerate(linted.problems):
        file = problem.place.file
        if file not in lines:
            lines[file] = lines_of(linted.texts[file]) if file in linted.texts else []
        # To look at a line takes as long as it is, and of a hostile one there are as many problems.
        blocks.append(_block(problem, lines[file] if number < _UNDERLINED else [], color=color))
    return "\n".join([*blocks, _summary(linted)]) + "\n"


def _block(problem: Problem, lines: list[str], *, color: bool) -> str:
    def styled(text: str, **style: str | bool) -> str:
        return click.style(text, **style) if color else text  # type: ignore[arg-type]

    kind = severity(problem)
    tint = _COLORS[kind]
    place = one_line(str(problem.place))
    said = [
        f"{styled(place, bold=True)}: {styled(kind, fg=tint, bold=True)}: {one_line(problem.message)} [{problem.check}]"
    ]
    line = problem.place.line
    margin = " " * len(str(line))
    if 1 <= line <= len(lines):
        source, mark = underlined(lines[line - 1], problem.place.column, problem.place.end)
        said.append(f" {styled(f'{line} |', fg='cyan')} {source}".rstrip())
        said.append(f" {styled(f'{margin} |', fg='cyan')} {' ' * mark[0]}{styled('^' * mark[1], fg=tint, bold=True)}")
    if problem.remedy:
        said.append(f" {margin} {styled('= help:', fg='cyan')} {one_line(problem.remedy)}")
    return "\n".join(said)


def underlined(line: str, column: int, end: int) -> tuple[str, tuple[int, int]]:
    """A line as it is shown, and where the marks below it go: behind how many cells, and how many.

    Args:
        line: the text.
        column: of the first character that is meant, from 1.
        end: the column behind the last; 0 for all that follows.
    """
    text = one_line(line).rstrip()
    first = column - 1
    last = end - 1 if end > column else first + 1 if end == column else max(len(text), first + 1)
    cut, more = 0, ""
    if len(text) > _WIDTH:
        cut = max(0, min(first - _BEFORE, len(text) - _WIDTH))
        more = "…" if cut + _WIDTH < len(text) else ""
        last = min(last, cut + _WIDTH)
    shown = text[cut : cut + _WIDTH]
    before = ("…" if cut else "") + shown[: first - cut]
    return f"{'…' if cut else ''}{shown}{more}", (_cells(before), max(1, _cells(text[first:last])))


def _cells(text: str) -> int:
    """How wide a terminal shows it."""
    return sum(
        0 if unicodedata.category(c) in _ZERO_WIDTH else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _summary(linted: Linted) -> str:
    files = _count(linted.files, "file")
    counted = [_count(linted.errors, "problem")] if linted.errors else []
    counted += [_count(linted.warnings, "warning")] if linted.warnings else []
    if linted.errors:
        return f"{' and '.join(counted)} in {files}"
    what = _count(linted.policies, "policy", "policies")
    what += f" and {_count(linted.tests, 'test')}" if linted.tests else ""
    return f"{what} in {files}: {', '.join(counted) or 'no problems'}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"
