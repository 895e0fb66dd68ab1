"""What `gate policy lint` found, before it is written in some format."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from gate.policy.reading.problems import Problem


@dataclass(frozen=True, slots=True)
class Linted:
    """The result of a run.

    Attributes:
        problems: all of them, in the order of their places.
        policies: how many there are, those with problems included.
        tests: how many `GateTest`s.
        files: how many were read.
        texts: of those files, by their names as they were given, and of those that tests name.
        at: the instant that was linted at.
    """

    problems: tuple[Problem, ...]
    policies: int
    tests: int
    files: int
    texts: Mapping[str, str]
    at: datetime

    @property
    def errors(self) -> int:
        """How many are no warnings."""
        return sum(not problem.warning for problem in self.problems)

    @property
    def warnings(self) -> int:
        """How many are."""
        return len(self.problems) - self.errors


def in_order(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """By their places, each once: two rules may find the same."""
    ordered = sorted(problems, key=lambda p: (p.place.file, p.place.line, p.place.column, p.check, p.message))
    return tuple(dict.fromkeys(ordered))


def severity(problem: Problem) -> str:
    """`error` or `warning`."""
    return "warning" if problem.warning else "error"


def relative(file: str, root: Path) -> Path:
    """A file as it is called from a folder, where it is in it; else as it was given."""
    path = Path(os.path.normpath(file))
    return path.relative_to(root) if path.is_absolute() and path.is_relative_to(root) else path


def as_uri(path: Path) -> str:
    """A URI reference; `file:` for an absolute path. Whatever a name holds, it is a path in it and nothing else."""
    return ("file://" if path.is_absolute() else "") + quote(os.fsencode(path.as_posix()))
