"""What has to be read of attestations, and what rules want of that: here kinds of content are told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

import msgspec

from gate.codes import Code
from gate.policy.acceptance import accepted_of, who_counts
from gate.policy.age import AHEAD
from gate.policy.content.predicate import Raw, Reading
from gate.policy.content.provenance import Provenance
from gate.policy.content.sbom import Sbom, SbomFormat
from gate.policy.content.scan import Scan
from gate.policy.content.vex import Vex
from gate.policy.contents import AnyContent, ProvenanceContent, SbomContent, ScanContent
from gate.policy.finding import Reason
from gate.policy.known import Wanted
from gate.policy.predicate_types import VEX_TYPES
from gate.policy.requirements import attestation, cel, provenance, sbom, scan
from gate.policy.requirements.attestation import Judging
from gate.policy.requirements.cel import Judged
from gate.policy.variables import Over

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from gate.evidence.facts import Evidence, VerifiedAttestation
    from gate.image.digest import Digest
    from gate.policy.acceptance import Case
    from gate.policy.content.predicate import Predicate
    from gate.policy.contents import VexUse
    from gate.policy.expressions import Condition
    from gate.policy.known import Known
    from gate.policy.policy import AttestationRequirement
    from gate.policy.requirements.attestation import Candidate

    _Read = Mapping[Wanted, Predicate | Reason | None]

_OVER: Final = {Over.COMPONENT: Reading.SBOM, Over.FINDING: Reading.SCAN}
_NOT_READ: Final = Raw({}, None, None)
_UNREAD: Final = Reason(Code.DEADLINE_EXCEEDED, "the time allowed ran out before it was read", "retry")


def reading_of(wanted: AttestationRequirement) -> Reading | None:
    """What a rule takes predicates for; None where it does not matter what they say."""
    match wanted.content:
        case SbomContent():
            return Reading.SBOM
        case ScanContent():
            return Reading.SCAN
        case ProvenanceContent():
            return Reading.PROVENANCE
        case AnyContent():
            over = wanted.condition.over if wanted.condition is not None else Over.STATEMENT
            return _OVER.get(over, Reading.RAW) if wanted.looks_inside else None
        case _:
            assert_never(wanted.content)


def to_read(
    wanted: AttestationRequirement, case: Case, evidence: Evidence
) -> Iterator[tuple[VerifiedAttestation, Reading]]:
    """The attestations that have to be read to judge a rule: those by accepted signers, and no stranger's."""
    reading = reading_of(wanted)
    if reading is not None:
        for fact in _accepted(wanted, case, evidence):
            yield fact, reading
    if wanted.vex is not None:
        for fact in _words_of(wanted.vex, case, evidence):
            yield fact, Reading.VEX


def check(
    wanted: AttestationRequirement, case: Case, evidence: Evidence, known: Known, digest: Digest
) -> Iterator[Reason]:
    """What is wrong with the attestations of an image that a rule is about; nothing where they suffice.

    Args:
        wanted: the requirement.
        case: what it is asked about.
        evidence: of the place it looks in.
        known: what attestations say, and what runs.
        digest: of the image that they are of.
    """
    return attestation.check(wanted, case, evidence, judging(wanted, case, evidence, known, digest))


def judging(wanted: AttestationRequirement, case: Case, evidence: Evidence, known: Known, digest: Digest) -> Judging:
    """How attestations of a rule are read and judged; as `check`."""
    reading = reading_of(wanted)

    def says(one: Candidate) -> Iterator[Reason]:
        assert not isinstance(one.said, Reason)
        return _says(wanted, one, case, evidence, known, digest)

    if reading is None:
        return Judging(wanted.types[0], lambda _fact: _NOT_READ, lambda _one: ())
    stale = Code.SCAN_STALE if reading is Reading.SCAN else Code.ATTESTATION_STALE
    return Judging(_what(wanted, reading), lambda fact: _said(known.predicates, fact, reading), says, stale)


def _what(wanted: AttestationRequirement, reading: Reading) -> str:
    """What a rule is about, for people."""
    match wanted.content:
        case AnyContent():
            return wanted.types[0]
        case SbomContent(formats=formats) if len(formats) < len(SbomFormat):
            return f"{reading.what} ({' or '.join(formats)})"
        case _:
            return reading.what


def _says(
    wanted: AttestationRequirement, one: Candidate, case: Case, evidence: Evidence, known: Known, digest: Digest
) -> Iterator[Reason]:
    """What is wrong with what one attestation says."""
    match wanted.content, one.said:
        case SbomContent(), Sbom():
            return sbom.check(wanted.content, one.said, one.by)
        case ProvenanceContent(), Provenance():
            return provenance.check(wanted.content, one.said, one.by)
        case ScanContent(), Scan():
            words, silent = _words(wanted.content.vex, one, case, evidence, known.predicates)
            report = scan.Report(digest, one.said, one.at, one.signer, words, silent)
            return scan.check(wanted.content, report, case.now)
        case AnyContent(), _:
            judged = Judged(case.reference, digest, known.platforms, case.now)
            return _meets(wanted.condition, one, judged)
        case _:
            raise AssertionError(f"{wanted.content} was read as {type(one.said)}")


def _meets(condition: Condition | None, one: Candidate, judged: Judged) -> Iterator[Reason]:
    said, whose = one.said, f"the attestation {one.by}"
    match said:
        case _ if condition is None:
            return iter(())
        case Raw():
            return cel.check_statement(condition, whose, judged, {**said.statement, "predicate": said.predicate})
        case Sbom():
            return cel.check_components(condition, whose, judged, said.components)
        case Scan():
            return cel.check_findings(condition, whose, judged, said.findings)
        case _:
            raise AssertionError(f"an expression is over no {type(said)}")


def _accepted(wanted: AttestationRequirement, case: Case, evidence: Evidence) -> list[VerifiedAttestation]:
    facts = attestation.of_types(evidence, wanted.types)
    return _each(accepted_of(wanted.by, case.signers, facts, case.now, attestation.asked_of(case))[0])


def _words_of(vex: VexUse, case: Case, evidence: Evidence) -> list[VerifiedAttestation]:
    facts = attestation.of_types(evidence, VEX_TYPES)
    return _each(accepted_of(vex.by, case.signers, facts, case.now, attestation.asked_of(case))[0])


def _each(accepted: Mapping[str, Sequence[VerifiedAttestation]]) -> list[VerifiedAttestation]:
    """Each once."""
    return list({id(fact): fact for some in accepted.values() for fact in some}.values())


def _words(
    vex: VexUse | None, one: Candidate, case: Case, evidence: Evidence, read: _Read
) -> tuple[tuple[scan.Word, ...], str]:
    """Whose word on the findings of a scan counts, and why that of others does not: of each the newest documents."""
    if vex is None:
        return (), ""
    found: list[scan.Word] = []
    silent: list[str] = []
    for word in attestation.newest(vex_documents(vex, case, evidence, read), vex.by):
        if (against := unheard(vex, word, case)) is not None:
            silent.append(f"the VEX document {word.by} does not count: {against.message}")
        else:
            assert isinstance(word.said, Vex)
            found.append(scan.Word(word.signer, word.principal, _dated(word.said, case.now)))
    fresh = vex.max_age is None or not attestation.too_old(one, vex.max_age, case.now, Code.ATTESTATION_STALE)
    own, _ = accepted_of(vex.by, case.signers, [one.fact], case.now, attestation.asked_of(case))
    found.extend(
        scan.Word(name, who, None) for name, principals in who_counts(own).items() if fresh for who in principals
    )
    return tuple(found), "; ".join(silent)


def vex_documents(vex: VexUse, case: Case, evidence: Evidence, read: _Read) -> tuple[Candidate, ...]:
    """The VEX documents of those whose word counts."""
    facts = attestation.of_types(evidence, VEX_TYPES)
    judging = Judging(Reading.VEX.what, lambda fact: _said(read, fact, Reading.VEX), lambda _one: ())
    accepted, _ = accepted_of(vex.by, case.signers, facts, case.now, attestation.asked_of(case, judging))
    return attestation.candidates(accepted, case, judging)


def unheard(vex: VexUse, word: Candidate, case: Case) -> Reason | None:
    """Why a VEX document does not count; None where it does."""
    stale = None
    if vex.max_age is not None:
        stale = attestation.too_old(word, vex.max_age, case.now, Code.ATTESTATION_STALE)
    return stale or (word.said if isinstance(word.said, Reason) else None)


def _dated(vex: Vex, now: datetime) -> Vex:
    """Without times that have not been yet: what is said tomorrow does not beat what is said today."""

    def past(at: datetime | None) -> datetime | None:
        return at if at is not None and at <= now + AHEAD else None

    statements = tuple(msgspec.structs.replace(one, at=past(one.at)) for one in vex.statements)
    return msgspec.structs.replace(vex, at=past(vex.at), statements=statements)


def _said(read: _Read, fact: VerifiedAttestation, reading: Reading) -> Predicate | Reason | None:
    return read.get(Wanted(fact.digest, reading), _UNREAD)
