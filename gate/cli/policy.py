"""`gate policy`: work on policies. `lint` is here; the others are imported when they run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gate.cli.common import Exit, begin, deliver, reports_errors
from gate.cli.lazy import LazyGroup
from gate.errors import UsageError

if TYPE_CHECKING:
    from gate.cli.render.problems import Linted

_PIPE_SECONDS: Final = 60.0
_FORMATS: Final = ("text", "json", "sarif", "github")
_COMMANDS: Final = {
    "explain": ("gate.cli.policy_explain", "Show how an image is judged, rule by rule, and why."),
    "new": ("gate.cli.policy_new", "Write a policy from what an image carries already."),
    "schema": ("gate.cli.policy_schema", "Print the JSON Schema of policy documents."),
    "test": ("gate.cli.policy_test", "Compare what policies say of images with what is expected, offline."),
}


@click.group("policy", cls=LazyGroup, lazy=_COMMANDS)
def command() -> None:
    """Work on policies.

    \b
    Examples:
      gate policy lint policies/
      gate policy test policies/
    """


@command.command("lint")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--strict", is_flag=True, help="Exit code 2 for warnings too.")
@click.option("--output", "-o", type=click.Choice(_FORMATS), default="text", show_default=True, help="What to print.")
@click.option("--output-file", metavar="F", help="Write it to a file instead.")
@click.option("--at", metavar="RFC3339", show_envvar=True, envvar="IMAGEGATE_AT", help="Lint as at this instant.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@reports_errors
def lint(paths: tuple[str, ...], **flags: Any) -> None:
    """Find what is wrong with policy files, each with its place and a remedy. Exit code 2 when something is.

    What is only unused, ended or can't be seen from here, such as Secrets of a cluster, is a warning.

    \b
    Examples:
      gate policy lint policies/
      gate policy lint policies/ --strict --output sarif
    """
    if "" in paths:
        raise UsageError("an empty PATH", remedy="name files or folders")
    linted = _linted(paths, flags["at"])
    deliver(_rendered(linted, flags["output"], flags["output_file"]), flags["output_file"])
    sys.exit(Exit.USAGE if linted.errors or (flags["strict"] and linted.problems) else Exit.PASS)


def _linted(paths: tuple[str, ...], at: str | None) -> Linted:
    from gate import settings
    from gate.authoring.lint import lint as lint_set
    from gate.cli.render.problems import Linted, in_order
    from gate.feeds.folder import load_policies
    from gate.feeds.policy_tests import prepare_tests

    now = settings.instant(at)
    folder = load_policies([Path(path) for path in paths], begin(_PIPE_SECONDS))
    machine = settings.Settings()
    tests = prepare_tests(folder.parsed.tests, lambda config: settings.with_config(machine, config).hosts.upstream)
    of_tests = (*tests.problems, *tests.policy_problems)
    return Linted(
        in_order([*folder.parsed.problems, *lint_set(folder.parsed, now), *of_tests]),
        len(folder.parsed.set.policies),
        len(folder.parsed.tests),
        folder.files,
        {**tests.texts, **folder.texts},
        now,
    )


def _rendered(linted: Linted, output: str, file: str | None) -> str:
    from gate.cli.render import problems_github, problems_json, problems_sarif, problems_text
    from gate.settings import wants_color

    match output:
        case "json":
            return problems_json.render(linted)
        case "sarif":
            return problems_sarif.render(linted, Path.cwd())
        case "github":
            return problems_github.render(linted, Path.cwd())
        case _:
            color = file is None and wants_color(terminal=sys.stdout is not None and sys.stdout.isatty())
            return problems_text.render(linted, color=color)
