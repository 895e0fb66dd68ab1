"""`gate check`: the images of manifests, judged before they are deployed."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click

from gate.cli.common import Exit, begin, common_flags, deliver, say, settings_of, worst
from gate.cli.render import json_report, stats
from gate.cli.render.text import TextRenderer
from gate.cli.report import EXITS, Report, entries_of
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
from gate.errors import UsageError
from gate.policy.finding import Verdict
from gate.policy.plan import Stage
from gate.review.kinds import kinds_of
from gate.settings import wants_color, with_config
from gate.wiring import build

if TYPE_CHECKING:
    from gate.cli.subjects import Asked
    from gate.deadline import Deadline
    from gate.policy.policy_set import PolicySet
    from gate.wiring import Gate

_FORMATS: Final = ("text", "json", "sarif", "junit", "github", "gitlab", "cyclonedx")
_NOW: Final = ("text", "json", "cyclonedx")


@click.command("check")
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@subject_flags
@click.option(
    "--output",
    "-o",
    type=click.Choice(_FORMATS),
    default="text",
    show_default=True,
    help="What to print; only text, json and cyclonedx yet.",
)
@click.option("--output-file", metavar="F", help="Write it to a file instead.")
@click.option(
    "--stats",
    is_flag=True,
    help="What each image cost (requests, waves, bytes, time), on stderr or in the JSON.",
)
@common_flags("60s")
def command(sources: tuple[str, ...], **flags: Any) -> None:
    """Judge every image in SOURCE: Kubernetes YAML or JSON files, folders, `-` for stdin, `image:REF` for one image.

    \b
    Examples:
      gate check deploy.yaml -p policies/
      helm template ./chart | gate check - -p policies/ --namespace prod
      gate check image:ghcr.io/acme/api:v1 -p policies/ --output json
    """
    if flags["output"] not in _NOW:
        said = f"--output {flags['output']} is not supported yet by this version of imagegate"
        raise UsageError(said, remedy="use text, json or cyclonedx")
    if not sources or "" in sources or "" in flags["policies"]:
        raise UsageError(
            "no SOURCE" if not sources else "an empty SOURCE or POLICY",
            remedy="name files or folders, - for stdin, or image:REF",
        )
    check_namespace(flags["namespace"])
    settings = settings_of(flags)
    deadline = begin(settings.timeout)
    policies = policies_of(flags["policies"], deadline)
    settings = with_config(settings, policies.config)
    targets = targets_of([s.removeprefix(IMAGE) for s in sources if s.startswith(IMAGE)], flags["as_"])

    gate = build(settings, layouts_of(targets))
    try:
        kinds = kinds_of(policies.config.custom_resources)
        asked = read_asked([s for s in sources if not s.startswith(IMAGE)], targets, flags, kinds, deadline)
        report = _judge(gate, policies, asked, deadline, allow_empty=flags["allow_empty"])
    finally:
        gate.close()
    report = replace(report, store_trouble=gate.reviewer.store_trouble)
    _write(report, flags["output"], flags["output_file"], stats=flags["stats"])
    mention(asked.found)
    if flags["stats"] and flags["output"] != "json":
        for line in stats.lines(report):
            say(line)
    sys.exit(_exit_code(report, flags))


def _judge(gate: Gate, policies: PolicySet, asked: Asked, deadline: Deadline, *, allow_empty: bool) -> Report:
    reviews = map(asked.as_written, gate.reviewer.review(policies, list(asked.subjects), Stage.CHECK, deadline))
    entries = entries_of(zip(reviews, asked.subjects.values(), strict=True))
    findings = asked.source_findings(allow_empty=allow_empty)
    return Report(gate.now(), policies.policies, entries, findings, policies.config.cluster)


def _write(report: Report, output: str, file: str | None, *, stats: bool) -> None:
    if output == "json":
        text = json_report.render(report, stats=stats)
    elif output == "cyclonedx":
        from gate.cli.render import cyclonedx  # takes 0.2 s, and no other format needs it

        text = cyclonedx.render(report)
    else:
        color = file is None and wants_color(terminal=sys.stdout is not None and sys.stdout.isatty())
        text = TextRenderer(color).render(report)
    deliver(text, file)


def _exit_code(report: Report, flags: dict[str, Any]) -> Exit:
    codes = [EXITS.get(entry.verdict, Exit.PASS) for entry in report.entries]
    if flags["fail_on"] == "warn" and report.count(Verdict.WARN):
        codes.append(Exit.DENIED)
    if report.source_findings:
        codes.append(Exit.USAGE)
    return worst(codes)
