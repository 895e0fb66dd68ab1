"""What the attested documents of an image say, for whoever has no policy: of known types only, whoever signed them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from gate.cli.render.contents import by_severity, content_json, counts, line, more
from gate.policy.age import shown
from gate.policy.content.predicate import Reading
from gate.policy.content.sbom import Sbom, SbomFormat
from gate.policy.content.scan import Scan
from gate.policy.content.vex import Vex
from gate.policy.finding import Reason
from gate.policy.known import Wanted
from gate.policy.predicate_types import (
    IN_TOTO_VULNS_TYPES,
    PROVENANCE_TYPES,
    SBOM_TYPES,
    VEX_TYPES,
    VULN_TYPES,
)
from gate.policy.requirements import scan
from gate.policy.signers import One
from gate.review.predicates import PredicateReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from gate.deadline import Deadline
    from gate.evidence.facts import VerifiedAttestation
    from gate.image.digest import Digest
    from gate.policy.content.predicate import Predicate
    from gate.policy.content.scan import Vulnerability

_ANYBODY: Final = One("anybody")
_CYCLONEDX: Final = SBOM_TYPES[SbomFormat.CYCLONEDX]
_LATE: Final = "the time allowed ran out before it was read"


@dataclass(frozen=True, slots=True)
class Said:
    """What one document says.

    Attributes:
        contents: by what it was taken for.
        unread: why it could not be read as something; "" where it could.
        late: whether it was for want of time.
        remaining: findings of a scan that no VEX document takes away; None where there is no such document.
    """

    contents: Mapping[Reading, Predicate] = field(default_factory=dict)
    unread: str = ""
    late: bool = False
    remaining: Sequence[Vulnerability] | None = None

    def lines(self, now: datetime) -> list[str]:
        """For people."""
        lines = []
        for said in self.contents.values():
            lines += [f"{line(said)}{self._after(said)}{_age(said, now)}", *more(said)]
        return [*lines, *([f"not read: {self.unread}"] if self.unread else [])]

    def _after(self, said: Predicate) -> str:
        if not isinstance(said, Scan) or self.remaining is None:
            return ""
        return f"; after VEX, whoever signed it: {by_severity(self.remaining)}"

    @property
    def json(self) -> dict[str, object]:
        """For scripts: by what it was taken for; `unread` where something could not be."""
        told: dict[str, object] = {}
        for reading, said in self.contents.items():
            told[reading.value] = content_json(said)
            if isinstance(said, Scan) and self.remaining is not None:
                told[reading.value] = {**content_json(said), "findingsAfterVex": counts(self.remaining)}
        return {**told, **({"unread": self.unread} if self.unread else {})}


def read(
    attestations: Sequence[VerifiedAttestation], image: Digest, deadline: Deadline
) -> dict[VerifiedAttestation, Said]:
    """What those of known types say.

    Args:
        attestations: verified ones.
        image: that they are of.
        deadline: what is not read by then says so.
    """
    wanted = {Wanted(one.digest, reading): one for one in attestations for reading in _readings(one.predicate_type)}
    found = PredicateReader().read(wanted, deadline)
    told = {one: _said(one, found) for one in attestations if _readings(one.predicate_type)}
    words = _heard((one, said.contents.get(Reading.VEX)) for one, said in told.items())
    return {one: _with_vex(said, image, words) for one, said in told.items()} if words else told


def _readings(predicate_type: str) -> tuple[Reading, ...]:
    """What a predicate type may be taken for. A CycloneDX document may be a scan and VEX, too."""
    if predicate_type in _CYCLONEDX:
        return (Reading.SBOM, Reading.SCAN, Reading.VEX)
    if predicate_type in SBOM_TYPES[SbomFormat.SPDX]:
        return (Reading.SBOM,)
    if predicate_type in (*VULN_TYPES, *IN_TOTO_VULNS_TYPES):
        return (Reading.SCAN,)
    if predicate_type in VEX_TYPES:
        return (Reading.VEX,)
    return (Reading.PROVENANCE,) if predicate_type in PROVENANCE_TYPES else ()


def _said(one: VerifiedAttestation, found: Mapping[Wanted, Predicate | Reason | None]) -> Said:
    contents: dict[Reading, Predicate] = {}
    unread, late = "", False
    for reading in _readings(one.predicate_type):
        key = Wanted(one.digest, reading)
        said = found.get(key)
        if key not in found:
            unread, late = _LATE, True
        elif isinstance(said, Reason):
            unread = unread or said.message
        elif said is not None:
            contents[reading] = said
    full = {reading: content for reading, content in contents.items() if not _is_empty(content)}
    return Said(full or contents, unread, late)


def _is_empty(said: Predicate) -> bool:
    """Whether a CycloneDX document is that only by its type: it may be any of three."""
    match said:
        case Sbom():
            return not said.components
        case Vex():
            return not said.statements
        case _:
            return False


def _heard(documents: Iterable[tuple[VerifiedAttestation, Predicate | None]]) -> tuple[scan.Word, ...]:
    """Of each signer the newest VEX documents; those of which nobody knows when they are of, too."""
    by: dict[tuple[str, object], list[Vex]] = {}
    for one, said in documents:
        if isinstance(said, Vex):
            by.setdefault((one.predicate_type, one.signer), []).append(said)
    found = []
    for (_, signer), some in by.items():
        last = max((vex.at for vex in some if vex.at is not None), default=None)
        found += [scan.Word(_ANYBODY.name, str(signer), vex) for vex in some if vex.at is None or vex.at == last]
    return tuple(found)


def _with_vex(said: Said, image: Digest, words: tuple[scan.Word, ...]) -> Said:
    report = said.contents.get(Reading.SCAN)
    if not isinstance(report, Scan):
        return said
    judged = scan.Report(image, report, report.at, "", words)
    left = [one for one in report.findings if not scan.is_cleared(_ANYBODY, one, judged)]
    return replace(said, remaining=left)


def _age(said: Predicate, now: datetime) -> str:
    return f"; {shown(now - said.at)} old" if said.at is not None else "; of a time that is not stated"
