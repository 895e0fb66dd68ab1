"""`gate policy explain`: why an image may run or not, as a tree."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click

from gate.authoring.explain import explain
from gate.cli.common import Exit, begin, common_flags, deliver, one_line, settings_of, worst
from gate.cli.render import tree_json
from gate.cli.render.drawing import Pen
from gate.cli.render.text import place_of
from gate.cli.render.tree_text import tree
from gate.cli.report import EXITS
from gate.cli.subjects import (
    IMAGE,
    check_namespace,
    layouts_of,
    mention,
    policies_of,
    read_asked,
    subject_flags,
    targets_of,
)
from gate.cli.target import OCI
from gate.errors import UsageError
from gate.local import exists
from gate.policy import finding
from gate.policy.finding import Verdict
from gate.policy.plan import Stage
from gate.review.kinds import kinds_of
from gate.settings import wants_color, with_config
from gate.wiring import build, clock_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.authoring.explanation import Explanation
    from gate.cli.report import SourceFinding
    from gate.sources.manifests import Location

_PAGE: Final = 100  # columns, where nothing says how many there are
_TERMINAL: Final = 80
_MANIFESTS: Final = (".yaml", ".yml", ".json")
_PATHS: Final = ("/", "./", "../", "~")


@click.command("explain")
@click.argument("sources", nargs=-1, metavar="SOURCE...")
@subject_flags
@click.option(
    "--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True, help="What to print."
)
@click.option("--output-file", metavar="F", help="Write it to a file instead.")
@common_flags("60s")
def command(sources: tuple[str, ...], **flags: Any) -> None:
    """Show how each image in SOURCE is judged: which policies are about it, what each rule came to, and why.

    SOURCE is an image reference (`oci:DIR` too), or what `gate check` takes: a file or folder of manifests, `-` for
    stdin, `image:REF`. What exists as a file or folder is taken for that.

    \b
    Examples:
      gate policy explain ghcr.io/acme/api:v1 -p policies/
      gate policy explain deploy.yaml -p policies/ --namespace-label env=prod
    """
    if not sources or "" in sources or "" in flags["policies"]:
        raise UsageError(
            "no SOURCE" if not sources else "an empty SOURCE or POLICY", remedy="name an image, or a manifest"
        )
    check_namespace(flags["namespace"])
    settings = settings_of(flags)
    deadline = begin(settings.timeout)
    policies = policies_of(flags["policies"], deadline)
    now = clock_of(settings)()
    # What is decided and what is explained are of one instant.
    settings = replace(with_config(settings, policies.config), at=now)
    manifests = [source for source in sources if _is_manifest(source)]
    targets = targets_of([s.removeprefix(IMAGE) for s in sources if s not in manifests], flags["as_"])
    gate = build(settings, layouts_of(targets))
    try:
        asked = read_asked(manifests, targets, flags, kinds_of(policies.config.custom_resources), deadline)
        reviews = gate.reviewer.review(policies, list(asked.subjects), Stage.CHECK, deadline)
    finally:
        gate.close()
    told = [
        replace(found, review=asked.as_written(found.review)) for found in (explain(policies, r, now) for r in reviews)
    ]
    unread = asked.source_findings(allow_empty=flags["allow_empty"])
    verdict = finding.worst([*(one.verdict for one in told), *([Verdict.ERROR] if unread else [])])
    placed = list(zip(told, asked.subjects.values(), strict=True))
    deliver(
        tree_json.render(placed, unread, verdict, now)
        if flags["output"] == "json"
        else _text(placed, unread, flags["output_file"]),
        flags["output_file"],
    )
    mention(asked.found)
    codes = [EXITS.get(one.verdict, Exit.PASS) for one in told]
    if flags["fail_on"] == "warn" and any(one.verdict is Verdict.WARN for one in told):
        codes.append(Exit.DENIED)
    sys.exit(worst([*codes, *([Exit.USAGE] if unread else [])]))


def _is_manifest(source: str) -> bool:
    """Whether it is, or looks like, something to read, and not an image."""
    if source.startswith((IMAGE, OCI)):
        return False
    if source == "-" or source.startswith(_PATHS) or source.endswith(_MANIFESTS):
        return True
    try:
        return exists(source)
    except OSError:  # longer than any path
        return False


def _text(
    told: Sequence[tuple[Explanation, Sequence[Location]]], unread: Sequence[SourceFinding], file: str | None
) -> str:
    pen = _pen(file)
    trees = [pen.draw(tree(one, [place_of(place) for place in places])) for one, places in told]
    lines = [one_line(f"{place_of(f.location) or 'gate'}: UNREADABLE {f.message}; {f.remedy}") for f in unread]
    return "\n".join([*trees, *([f"{line}\n" for line in lines])])


def _pen(file: str | None) -> Pen:
    """As wide as the terminal, in its colours; files are UTF-8."""
    if file is not None or sys.stdout is None:
        return Pen(_PAGE)
    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size((_TERMINAL if terminal else _PAGE, 0)).columns
    return Pen.of(sys.stdout.encoding, width, color=wants_color(terminal=terminal))
