"""What SOURCEs and flags ask about: images, each in the workload that it stands in."""

from __future__ import annotations

import io
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gate.cli.common import say
from gate.cli.report import SourceFinding
from gate.cli.target import OCI, Target, parse_target
from gate.codes import Code
from gate.errors import Place, SourceError, UsageError
from gate.feeds.folder import BASELINE, require
from gate.policy.matching import Workload
from gate.review.review import Subject
from gate.sources.files import read_all, read_sources
from gate.sources.manifests import Location

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gate.deadline import Deadline
    from gate.image.reference import Repository
    from gate.kubernetes.workload import Kinds
    from gate.policy.policy_set import PolicySet
    from gate.registry.layout import Layout
    from gate.review.review import ImageReview
    from gate.sources.manifests import Found, ImageUse

IMAGE: Final = "image:"
"""What a SOURCE that is one image begins with."""

_NAMESPACE: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_PROGRESS_EVERY: Final = 50  # files

_FLAGS: Final[tuple[Any, ...]] = (
    click.option(
        "-p",
        "--policy",
        "policies",
        multiple=True,
        metavar="POLICY",
        show_envvar=True,
        envvar="IMAGEGATE_POLICY",
        help="Policy file or folder; none: the built-in baseline.",
    ),
    click.option("--namespace", metavar="NAME", help="Namespace of what names none."),
    click.option(
        "--namespace-label", multiple=True, metavar="K=V", help="A label of namespaces whose labels are not known."
    ),
    click.option("--namespaces", multiple=True, metavar="FILE", help="Namespace documents, for their labels."),
    click.option("--as", "as_", metavar="REF", help="The name an oci: image is judged under."),
    click.option(
        "--fail-on",
        type=click.Choice(["deny", "warn"]),
        default="deny",
        show_default=True,
        help="What gives exit code 1.",
    ),
    click.option("--allow-empty", is_flag=True, help="No image in any SOURCE is no error."),
)


def subject_flags(command: Any) -> Any:
    """The flags that say by which policies images are judged, in which namespace, and what fails the command."""
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about.

    Attributes:
        found: in manifests.
        subjects: each once, with the places that it stands in.
        targets: images that were named.
    """

    found: Found
    subjects: Mapping[Subject, Sequence[Location]]
    targets: Sequence[Target]

    def as_written(self, review: ImageReview) -> ImageReview:
        """An oci: image is judged under another name than it is written by; people are shown what was written."""
        target = next((t for t in self.targets if t.layouts and t.reference.text == review.subject.text), None)
        if target is None or review.reference is None or review.reference.digest is None:
            return review
        reference = replace(review.reference, text=target.resolved(review.reference.digest))
        return replace(review, subject=replace(review.subject, text=target.text), reference=reference)

    def source_findings(self, *, allow_empty: bool) -> tuple[SourceFinding, ...]:
        """What could not be read; and that there is no image: a wrong path must not pass."""
        unreadable = tuple(
            SourceFinding(
                Code.SOURCE_UNREADABLE,
                e.message,
                e.remedy,
                Location(e.place.file, e.place.line, e.place.column) if e.place else Location(""),
            )
            for e in self.found.errors
        )
        if self.subjects or unreadable or allow_empty:
            return unreadable
        remedy = "check the paths, or pass --allow-empty"
        return (SourceFinding(Code.SOURCE_UNREADABLE, "no image in any SOURCE", remedy, Location("")),)


def policies_of(paths: Sequence[str], deadline: Deadline) -> PolicySet:
    """The set of -p.

    Raises:
        UsageError: one that cannot be used.
        EvidenceUnavailable: DEADLINE_EXCEEDED.
    """
    return require([Path(p) for p in paths] or [BASELINE], deadline).set


def check_namespace(name: str | None) -> None:
    """Refuse a --namespace that cannot be one.

    Raises:
        UsageError: it is none.
    """
    if name is not None and not _NAMESPACE.fullmatch(name):
        raise UsageError(f"--namespace {name[:100]!r} is no namespace", remedy="write a name of a-z, 0-9 and -")


def targets_of(refs: Sequence[str], name: str | None) -> list[Target]:
    """Images that are named; `name` is that of --as.

    Raises:
        UsageError: one that cannot be used, or --as without what it names.
    """
    targets = []
    for ref in refs:
        if ref.startswith(OCI) and name is None:
            raise UsageError(
                "an oci: image has no name to judge it by", remedy="add --as REF, such as --as ghcr.io/acme/api:v1"
            )
        targets.append(parse_target(ref, name))
    if name is not None and not any(target.layouts for target in targets):
        raise UsageError("--as without an oci: image", remedy="it names the image of image:oci:DIR")
    return targets


def layouts_of(targets: Sequence[Target]) -> Mapping[Repository, Layout]:
    """The folders that answer for them."""
    return {name: layout for target in targets for name, layout in target.layouts.items()}


def read_asked(
    sources: list[str], targets: Sequence[Target], flags: dict[str, Any], kinds: Kinds, deadline: Deadline
) -> Asked:
    """What manifests and named images ask about.

    Args:
        sources: files, folders, `-`.
        targets: images.
        flags: those of `subject_flags`.
        kinds: of objects that run images.
        deadline: of pipes.

    Raises:
        UsageError: a flag that cannot be used.
        EvidenceUnavailable: DEADLINE_EXCEEDED.
    """
    found = _read(sources, kinds, deadline)
    labels = _namespace_labels(flags, found, deadline)
    subjects: dict[Subject, list[Location]] = {}
    for use in found.uses:
        subjects.setdefault(_subject(use, flags, labels), []).append(use.location)
    for target in targets:
        subjects.setdefault(_image_subject(target, flags, labels), [])
    return Asked(found, subjects, targets)


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


def mention(found: Found) -> None:
    """What was passed over, so that nobody takes it for judged."""
    for file, what in sorted(found.later.items()):
        say(f"gate: {file} was not judged: {what} is not supported yet by this version of imagegate")
    if found.skipped:
        plural = "s" if found.skipped > 1 else ""
        say(f"gate: {found.skipped} document{plural} or file{plural} skipped that run no image")
