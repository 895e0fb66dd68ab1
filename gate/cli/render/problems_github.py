"""Problems of policies as workflow commands: GitHub shows each beside its line of a pull request.

Escapes are those of actions/toolkit (packages/core/src/command.ts).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.cli.common import one_line
from gate.cli.render.problems import relative, severity

if TYPE_CHECKING:
    from pathlib import Path

    from gate.cli.render.problems import Linted
    from gate.policy.reading.problems import Problem


def render(linted: Linted, root: Path) -> str:
    """A line a problem, and nothing else.

    Args:
        linted: the result.
        root: the folder that annotations name files from.
    """
    return "".join(f"{_command(problem, root)}\n" for problem in linted.problems)


def _command(problem: Problem, root: Path) -> str:
    place = problem.place
    properties = {"file": relative(place.file, root).as_posix()}
    if place.line:
        properties |= {"line": str(place.line), "col": str(place.column)}
    if place.end > place.column:
        properties |= {"endLine": str(place.line), "endColumn": str(place.end - 1)}
    properties["title"] = f"gate policy lint: {problem.check}"
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    remedy = f"%0AFix: {_data(problem.remedy)}" if problem.remedy else ""
    return f"::{severity(problem)} {listed}::{_data(problem.message)}{remedy}"


def _data(text: str) -> str:
    """The text without what begins another command."""
    return one_line(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
