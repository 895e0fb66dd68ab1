"""`gate policy`: work on policies."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gate.cli.common import Exit, begin, emit, printable, reports_errors, say
from gate.cli.policy_schema import schema
from gate.documents import MAX_TEXT
from gate.feeds.folder import load_policies
from gate.local import read_local

if TYPE_CHECKING:
    from gate.policy.reading.problems import Problem

_PIPE_SECONDS: Final = 60.0


@click.group("policy")
def command() -> None:
    """Work on policies.

    \b
    Example:
      gate policy lint policies/
    """


command.add_command(schema)


@command.command("lint")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--strict", is_flag=True, help="Exit code 2 for warnings too.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@reports_errors
def lint(paths: tuple[str, ...], *, strict: bool) -> None:
    """Find what is wrong with policy files, each with its place and a remedy. Exit code 2 when something is.

    What can't be seen from here, such as Secrets and trust roots of a cluster, is a warning.

    \b
    Example:
      gate policy lint policies/
    """
    folder = load_policies([Path(p) for p in paths], begin(_PIPE_SECONDS))
    problems = sorted(folder.parsed.problems, key=lambda p: (p.place.file, p.place.line, p.place.column))
    lines = [printable(_shown(problem)) for problem in problems]
    policies = len(folder.parsed.set.policies)
    if folder.parsed.tests:
        say(f"gate: {folder.parsed.tests} GateTest not read: not supported yet by this version of imagegate")
    files = _count(folder.files, "file")
    errors = len(folder.parsed.errors)
    counted = [_count(errors, "problem")] if errors else []
    counted += [_count(len(problems) - errors, "warning")] if len(problems) > errors else []
    what = _count(policies, "policy", "policies")
    lines.append(
        f"{' and '.join(counted)} in {files}" if errors else f"{what} in {files}: {', '.join(counted) or 'no problems'}"
    )
    emit("\n".join(lines) + "\n")
    sys.exit(Exit.USAGE if errors or (strict and problems) else Exit.PASS)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def _shown(problem: Problem) -> str:
    """The problem, with the line of text it is in and a mark below it."""
    lines = [str(problem)]
    place = problem.place
    if place.line:
        try:
            # A pipe was read to its end, and to open it again would wait for another writer.
            text = read_local(place.file, MAX_TEXT).decode("utf-8-sig").splitlines()[place.line - 1]
        except (OSError, IndexError, UnicodeDecodeError):
            return lines[0]
        lines += [f"    {text.replace(chr(9), ' ')}", f"    {' ' * (place.column - 1)}^"]
    return "\n".join(lines)
