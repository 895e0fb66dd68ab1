"""`gate check`: the images of manifests, judged before they are deployed."""

from __future__ import annotations

import io
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gate.cli.common import Exit, begin, common_flags, deliver, say, settings_of, worst
from gate.cli.render import json_report, stats
from gate.cli.render.text import TextRenderer
from gate.cli.report import Report, SourceFinding, entries_of
from gate.cli.target import OCI, Target, parse_target
from gate.codes import Code
from gate.errors import Place, SourceError, UsageError
from gate.feeds.folder import BASELINE, require
from gate.policy.decision import Verdict
from gate.policy.matching import Workload
from gate.policy.plan import Stage
from gate.review.kinds import kinds_of
from gate.review.review import Subject
from gate.settings import wants_color, with_config
from gate.sources.files import read_all, read_sources
from gate.sources.manifests import Found, ImageUse, Location
from gate.wiring import build

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gate.cli.report import Entry
    from gate.deadline import Deadline
    from gate.image.reference import Repository
    from gate.kubernetes.workload import Kinds
    from gate.policy.policy import PolicySet
    from gate.registry.layout import Layout
    from gate.review.review import ImageReview
    from gate.wiring import Gate

_IMAGE: Final = "image:"
_NAMESPACE: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_FORMATS: Final = ("text", "json", "sarif", "junit", "github", "gitlab", "cyclonedx")
_PROGRESS_EVERY: Final = 50  # files
_NOW: Final = ("text", "json")
_EXITS: Final = {Verdict.DENY: Exit.DENIED, Verdict.ERROR: Exit.NOT_EVALUATED}


@click.command("check")
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option(
    "-p",
    "--policy",
    "policies",
    multiple=True,
    metavar="POLICY",
    show_envvar=True,
    envvar="IMAGEGATE_POLICY",
    help="Policy file or folder; none: the built-in baseline.",
)
@click.option("--namespace", metavar="NAME", help="Namespace of what names none.")
@click.option(
    "--namespace-label", multiple=True, metavar="K=V", help="A label of namespaces whose labels are not known."
)
@click.option("--namespaces", multiple=True, metavar="FILE", help="Namespace documents, for their labels.")
@click.option("--as", "as_", metavar="REF", help="The name an oci: image is judged under.")
@click.option(
    "--output",
    "-o",
    type=click.Choice(_FORMATS),
    default="text",
    show_default=True,
    help="What to print; only text and json yet.",
)
@click.option("--output-file", metavar="F", help="Write it to a file instead.")
@click.option(
    "--fail-on", type=click.Choice(["deny", "warn"]), default="deny", show_default=True, help="What gives exit code 1."
)
@click.option(
    "--stats",
    is_flag=True,
    help="What each image cost (requests, waves, bytes, time), on stderr or in the JSON.",
)
@click.option("--allow-empty", is_flag=True, help="No image in any SOURCE is no error.")
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
        raise UsageError(
            f"--output {flags['output']} is not supported yet by this version of imagegate", remedy="use text or json"
        )
    if not sources or "" in sources or "" in flags["policies"]:
        raise UsageError(
            "no SOURCE" if not sources else "an empty SOURCE or POLICY",
            remedy="name files or folders, - for stdin, or image:REF",
        )
    _check_namespace(flags["namespace"])
    settings = settings_of(flags)
    deadline = begin(settings.timeout)
    policies = _policies(flags["policies"], deadline)
    settings = with_config(settings, policies.config)
    targets = [_target(s.removeprefix(_IMAGE), flags["as_"]) for s in sources if s.startswith(_IMAGE)]
    if flags["as_"] is not None and not any(target.layouts for target in targets):
        raise UsageError("--as without an oci: image", remedy="it names the image of image:oci:DIR")

    gate = build(settings, _layouts(targets))
    try:
        kinds = kinds_of(policies.config.custom_resources)
        found = _read([s for s in sources if not s.startswith(_IMAGE)], kinds, deadline)
        report = _judge(gate, policies, found, targets, flags, deadline)
    finally:
        gate.close()
    report = replace(report, store_trouble=gate.reviewer.store_trouble)
    _write(report, flags["output"], flags["output_file"], stats=flags["stats"])
    _mention(found)
    if flags["stats"] and flags["output"] != "json":
        for line in stats.lines(report):
            say(line)
    sys.exit(_exit_code(report, flags))


def _check_namespace(name: str | None) -> None:
    if name is not None and not _NAMESPACE.fullmatch(name):
        raise UsageError(f"--namespace {name[:100]!r} is no namespace", remedy="write a name of a-z, 0-9 and -")


def _policies(paths: Sequence[str], deadline: Deadline) -> PolicySet:
    return require([Path(p) for p in paths] or [BASELINE], deadline).set


def _target(ref: str, name: str | None) -> Target:
    if ref.startswith(OCI) and name is None:
        raise UsageError(
            "an oci: image has no name to judge it by", remedy="add --as REF, such as --as ghcr.io/acme/api:v1"
        )
    return parse_target(ref, name)


def _layouts(targets: Sequence[Target]) -> Mapping[Repository, Layout]:
    return {name: layout for target in targets for name, layout in target.layouts.items()}


def _read(sources: list[str], kinds: Kinds, deadline: Deadline) -> Found:
    terminal = sys.stderr is not None and sys.stderr.isatty()
    seen = 0

    def progress(file: str) -> None:
        nonlocal seen
        seen += 1
        if terminal and seen % _PROGRESS_EVERY == 0:
            click.echo(f"\r\033[Kreading: {seen} files, {file[-60:]}", err=True, nl=False)

    found = read_sources(sources, lambda: _stdin(deadline), deadline, progress, kinds)
    if terminal and seen >= _PROGRESS_EVERY:
        click.echo("\r\033[K", err=True, nl=False)
    return found


def _stdin(deadline: Deadline) -> bytes:
    if sys.stdin is None:
        raise SourceError("standard input is closed", place=Place("-"), remedy="name a file")
    try:
        descriptor = sys.stdin.fileno()
    except io.UnsupportedOperation:  # not a real stream
        return sys.stdin.buffer.read()
    try:
        return read_all(descriptor, "-", deadline)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", place=Place("-")) from error


def _judge(
    gate: Gate,
    policies: PolicySet,
    found: Found,
    targets: Sequence[Target],
    flags: dict[str, Any],
    deadline: Deadline,
) -> Report:
    labels = _namespace_labels(flags, found, deadline)
    subjects: dict[Subject, list[Location]] = {}
    for use in found.uses:
        subjects.setdefault(_subject(use, flags, labels), []).append(use.location)
    for target in targets:
        subjects.setdefault(_image_subject(target, flags, labels), [])
    reviews = gate.reviewer.review(policies, list(subjects), Stage.CHECK, deadline)
    written = {t.reference.text: t for t in targets if t.layouts}
    shown = [_as_written(review, written.get(review.subject.text)) for review in reviews]
    entries = entries_of(zip(shown, subjects.values(), strict=True))
    findings = [*_source_findings(found), *_nothing_found(entries, found, flags)]
    return Report(gate.now(), policies.policies, entries, tuple(findings), policies.config.cluster)


def _as_written(review: ImageReview, target: Target | None) -> ImageReview:
    """An oci: image is judged under another name than it is written by; the report has what was written."""
    if target is None or review.reference is None or review.reference.digest is None:
        return review
    reference = replace(review.reference, text=target.resolved(review.reference.digest))
    return replace(review, subject=replace(review.subject, text=target.text), reference=reference)


def _subject(use: ImageUse, flags: dict[str, Any], labels: _Labels) -> Subject:
    namespace = use.location.namespace or flags["namespace"]
    return Subject(use.text, Workload(use.location.kind, namespace, labels.of(namespace), use.service_account))


def _image_subject(target: Target, flags: dict[str, Any], labels: _Labels) -> Subject:
    """An image that stands in nothing: of what is not known, only its namespace can be said by a flag."""
    namespace = flags["namespace"]
    return Subject(target.reference.text, Workload(None, namespace, labels.of(namespace)))


@dataclass(frozen=True, slots=True)
class _Labels:
    """Labels by namespace, and those that flags give to the others."""

    known: Mapping[str, Mapping[str, str]]
    given: Mapping[str, str] | None

    def of(self, namespace: str | None) -> Mapping[str, str] | None:
        """The labels of a namespace; None where they are unknown."""
        return self.known.get(namespace, self.given) if namespace is not None else self.given


def _namespace_labels(flags: dict[str, Any], found: Found, deadline: Deadline) -> _Labels:
    """From SOURCE, then --namespaces; --namespace-label speaks for what neither names."""
    known: dict[str, Mapping[str, str]] = dict(found.namespaces)
    if flags["namespaces"]:
        extra = read_sources(list(flags["namespaces"]), lambda: _stdin(deadline), deadline, lambda _: None)
        if extra.errors:
            raise UsageError(str(extra.errors[0]))
        if not extra.namespaces:
            named = ", ".join(flags["namespaces"])
            raise UsageError(f"--namespaces {named} holds no Namespace", remedy="give `kubectl get namespaces -o yaml`")
        known.update(extra.namespaces)
    given = None
    if flags["namespace_label"]:
        pairs = [text.partition("=") for text in flags["namespace_label"]]
        if not all(key and equals for key, equals, _ in pairs):
            raise UsageError("--namespace-label wants K=V", remedy="such as env=prod")
        given = {key: value for key, _, value in pairs}
        if len(given) != len({(key, value) for key, _, value in pairs}):
            raise UsageError("--namespace-label gives one label two values", remedy="keep one of them")
    return _Labels(known, given)


def _source_findings(found: Found) -> tuple[SourceFinding, ...]:
    return tuple(
        SourceFinding(
            Code.SOURCE_UNREADABLE,
            e.message,
            e.remedy,
            Location(e.place.file, e.place.line, e.place.column) if e.place else Location(""),
        )
        for e in found.errors
    )


def _nothing_found(entries: Sequence[Entry], found: Found, flags: dict[str, Any]) -> tuple[SourceFinding, ...]:
    """A wrong path must not pass."""
    if entries or found.errors or flags["allow_empty"]:
        return ()
    message = "no image in any SOURCE"
    return (SourceFinding(Code.SOURCE_UNREADABLE, message, "check the paths, or pass --allow-empty", Location("")),)


def _write(report: Report, output: str, file: str | None, *, stats: bool) -> None:
    if output == "json":
        text = json_report.render(report, stats=stats)
    else:
        color = file is None and wants_color(terminal=sys.stdout is not None and sys.stdout.isatty())
        text = TextRenderer(color).render(report)
    deliver(text, file)


def _mention(found: Found) -> None:
    """What was passed over, so that nobody takes it for judged."""
    for file, what in sorted(found.later.items()):
        say(f"gate: {file} was not judged: {what} is not supported yet by this version of imagegate")
    if found.skipped:
        plural = "s" if found.skipped > 1 else ""
        say(f"gate: {found.skipped} document{plural} or file{plural} skipped that run no image")


def _exit_code(report: Report, flags: dict[str, Any]) -> Exit:
    codes = [_EXITS.get(entry.verdict, Exit.PASS) for entry in report.entries]
    if flags["fail_on"] == "warn" and report.count(Verdict.WARN):
        codes.append(Exit.DENIED)
    if report.source_findings:
        codes.append(Exit.USAGE)
    return worst(codes)
