"""`gate policy`: work on policies. `lint` for now."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gate.cli.common import Exit, emit, printable, reports_errors, say
from gate.feeds.folder import load_policies

if TYPE_CHECKING:
    from gate.policy.problems import Problem


@click.group("policy")
def command() -> None:
    """Work on policies.

    \b
    Example:
      gate policy lint policies/
    """


@command.command("lint")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--strict", is_flag=True, help="Warnings are errors too; this version has errors only.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@reports_errors
def lint(paths: tuple[str, ...], *, strict: bool) -> None:  # noqa: ARG001 - a promise for when there are warnings
    """Find what is wrong with policy files, each with its place and a remedy. Exit code 2 when something is.

    \b
    Example:
      gate policy lint policies/
    """
    folder = load_policies([Path(p) for p in paths])
    problems = sorted(folder.parsed.problems, key=lambda p: (p.place.file, p.place.line, p.place.column))
    lines = [printable(_shown(problem)) for problem in problems]
    policies = len(folder.parsed.set.policies)
    if folder.parsed.tests:
        say(f"gate: {folder.parsed.tests} GateTest not read: not supported yet by this version of imagegate")
    files = f"{folder.files} file{'' if folder.files == 1 else 's'}"
    if problems:
        lines.append(f"{len(problems)} problem{'' if len(problems) == 1 else 's'} in {files}")
    else:
        lines.append(f"{policies} polic{'y' if policies == 1 else 'ies'} in {files}: no problems")
    emit("\n".join(lines) + "\n")
    sys.exit(Exit.USAGE if problems else Exit.PASS)


def _shown(problem: Problem) -> str:
    """The problem, with the line of text it is in and a mark below it."""
    lines = [str(problem)]
    place = problem.place
    if place.line:
        try:
            text = Path(place.file).read_text(encoding="utf-8-sig").splitlines()[place.line - 1]
        except (OSError, IndexError, UnicodeDecodeError):
            return lines[0]
        lines += [f"    {text.replace(chr(9), ' ')}", f"    {' ' * (place.column - 1)}^"]
    return "\n".join(lines)
