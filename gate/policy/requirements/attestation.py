"""Which attestations by accepted signers there are, which of them have to pass, and that they do (POLICY §4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.policy.acceptance import (
    accepted_of,
    principals_of,
    revoked_among,
    summed_up,
    too_few,
    unknown,
    who_counts,
)
from gate.policy.age import AHEAD, EPOCH, shown
from gate.policy.assignment import satisfied
from gate.policy.contents import SbomContent, Select
from gate.policy.finding import Reason
from gate.policy.predicate_types import SBOM_TYPES
from gate.policy.signers import KeylessSpec, wants_one

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from gate.evidence.facts import Evidence, VerifiedAttestation
    from gate.image.reference import Reference
    from gate.policy.acceptance import Case
    from gate.policy.assignment import Principals
    from gate.policy.content.predicate import Predicate
    from gate.policy.policy import AttestationRequirement
    from gate.policy.signers import Expression, SignerSpec

_SHOWN: Final = 3
_STALE: Final = {
    Code.ATTESTATION_STALE: ("attestation", "make it anew and attest it"),
    Code.SCAN_STALE: ("scan", "scan the image again and attest the report"),
}
_OF_SBOMS: Final = frozenset(type_ for types in SBOM_TYPES.values() for type_ in types)


@dataclass(frozen=True, slots=True)
class Judging:
    """How attestations of a rule are read and what is asked of them.

    Attributes:
        what: that the rule is about, for people, such as "a scan".
        read: what one says, or why that can't be known; None where it is not what the rule is about.
        says: what is wrong with what one says.
        stale: the code of what is too old.
    """

    what: str
    read: Callable[[VerifiedAttestation], Predicate | Reason | None]
    says: Callable[[Candidate], Iterable[Reason]]
    stale: Code = Code.ATTESTATION_STALE


@dataclass(frozen=True, slots=True)
class Candidate:
    """An attestation by an accepted signer, as it was read.

    Attributes:
        signer: whose it is, as the policy calls it.
        principal: who that is.
        said: what its predicate says, or why that can't be known.
        at: how old it is: the earlier of the time that it states and of the earliest that is proved; None: unknown.
        dated: where it stands among others; None where that is not sure.
    """

    fact: VerifiedAttestation
    signer: str
    principal: str
    said: Predicate | Reason
    at: datetime | None
    dated: datetime | None

    @property
    def by(self) -> str:
        """For people."""
        return f"by {self.signer}" if self.at is None else f"by {self.signer} of {self.at:%Y-%m-%dT%H:%M:%SZ}"


def check(
    wanted: AttestationRequirement,
    case: Case,
    evidence: Evidence,
    judging: Judging,
) -> Iterator[Reason]:
    """Nothing where accepted attestations suffice, and those that are selected pass; else why not.

    Args:
        wanted: the requirement.
        case: what it is asked about.
        evidence: of the place it looks in.
        judging: what is read and what is asked of it.
    """
    for reason in _check(wanted, case, evidence, judging):
        yield replace(reason, message=f"{wanted.message}: {reason.message}") if wanted.message else reason


def _check(wanted: AttestationRequirement, case: Case, evidence: Evidence, judging: Judging) -> Iterator[Reason]:
    facts = of_types(evidence, wanted.types)
    accepted, refused = accepted_of(wanted.by, case.signers, facts, case.now, asked_of(case, judging))
    found = who_counts(accepted)
    if not satisfied(wanted.by, found):
        yield from _why_not(wanted, case, evidence, judging, found, refused)
        return
    every = candidates(accepted, case, judging)
    # Which is the newest, what all are, and whether somebody took their VEX back, is known only where every place is.
    not_known = list(dict.fromkeys(why for by in wanted.expressions for why in unknown(by, case.signers, evidence)))
    may_stop = wanted.select is Select.ANY and (wanted.vex is None or not not_known)
    if may_stop and _some_pass(wanted, case, every, judging):
        return
    if not_known:
        yield from not_known
        return
    for one in selected(wanted, every):
        yield from wrong(wanted, one, case, judging)


def _some_pass(wanted: AttestationRequirement, case: Case, every: Sequence[Candidate], judging: Judging) -> bool:
    passing: dict[str, set[str]] = {name: set() for name in wanted.by.names}
    for one in every:
        if not any(True for _ in wrong(wanted, one, case, judging)):
            passing[one.signer].add(one.principal)
    return satisfied(wanted.by, {name: frozenset(who) for name, who in passing.items()})


def selected(wanted: AttestationRequirement, every: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Those that have to pass; of `any` those of which one suffices."""
    return tuple(newest(every, wanted.by)) if wanted.select is Select.NEWEST else tuple(every)


def wrong(wanted: AttestationRequirement, one: Candidate, case: Case, judging: Judging) -> Iterator[Reason]:
    """What is wrong with one candidate: that it can't be read, and then its age is not known; its age, what it says."""
    if isinstance(one.said, Reason):
        yield replace(one.said, message=f"the attestation {one.by}: {one.said.message}")
        return
    if wanted.max_age is not None and (stale := too_old(one, wanted.max_age, case.now, judging.stale)):
        yield stale
    yield from judging.says(one)


def too_old(one: Candidate, most: timedelta, now: datetime, code: Code) -> Reason | None:
    """Why a candidate is too old; None where it is not. One whose time nobody knows is."""
    if one.at is not None and now - one.at <= most:
        return None
    age = "of a time that nobody states or proves" if one.at is None else f"{shown(now - one.at)} old"
    what, remedy = _STALE[code]
    return Reason(code, f"the {what} by {one.signer} is {age}; may be {shown(most)} old", remedy)


def candidates(
    accepted: Mapping[str, Sequence[VerifiedAttestation]], case: Case, judging: Judging
) -> tuple[Candidate, ...]:
    """What was accepted, as it was read; one by two signers' names is two."""
    who = principals_of(fact.signer for some in accepted.values() for fact in some)
    return tuple(
        _candidate(case.signers[name], fact, who[fact.signer], case.now, said)
        for name, some in accepted.items()
        for fact in some
        if (said := judging.read(fact)) is not None
    )


def _candidate(
    signer: SignerSpec, fact: VerifiedAttestation, principal: str, now: datetime, said: Predicate | Reason
) -> Candidate:
    stated = said.at if not isinstance(said, Reason) else None
    proved = fact.witness.earliest.at if fact.witness.earliest is not None else None
    own, seen = (time if time is not None and EPOCH < time <= now + AHEAD else None for time in (stated, proved))
    at = min((time for time in (own, seen) if time is not None), default=None)
    # Whoever may write to the repository can have what a lasting key signed logged or stamped anew, any day.
    is_sure = own is not None or isinstance(signer, KeylessSpec)
    return Candidate(fact, signer.name, principal, said, at, at if is_sure else None)


def newest(every: Sequence[Candidate], by: Expression) -> Iterator[Candidate]:
    """Of each predicate type the newest; where several have to have attested, of each of them.

    With them all that are as new, and all of which it is not known how new they are.
    """
    alone = wants_one(by)
    groups: dict[tuple[str, str], list[Candidate]] = {}
    for one in every:
        groups.setdefault((one.fact.predicate_type, "" if alone else one.principal), []).append(one)
    for group in groups.values():
        last = max((one.dated for one in group if one.dated is not None), default=None)
        yield from (one for one in group if one.dated is None or one.dated == last)


def of_types(evidence: Evidence, types: Sequence[str]) -> list[VerifiedAttestation]:
    """The attestations of some predicate types."""
    return [one for one in evidence.attestations if one.predicate_type in types]


def asked_of(case: Case, judging: Judging | None = None) -> Callable[[SignerSpec, VerifiedAttestation], Reason | None]:
    """What is asked of each attestation that its signer accepts, whatever it says: that it is what is looked for."""

    def content(spec: SignerSpec, attestation: VerifiedAttestation) -> Reason | None:
        if gone := case.revocations.of_signature(attestation.signer, attestation.witness):
            return gone
        if judging is None or judging.read(attestation) is not None:
            return None
        said = f"what {spec.name} attested as {attestation.predicate_type} is not {judging.what}"
        return Reason(Code.ATTESTATION_MISSING, said, f"have {spec.name} attest {judging.what}")

    return content


def _why_not(
    wanted: AttestationRequirement,
    case: Case,
    evidence: Evidence,
    judging: Judging,
    found: Principals,
    refused: Sequence[Reason],
) -> Iterator[Reason]:
    """Why there are too few; the order is that of signatures."""
    if gone := revoked_among(refused):
        yield from gone
    elif not_known := unknown(wanted.by, case.signers, evidence):
        yield from not_known
    elif refused:
        yield from summed_up(refused)
    else:
        yield _denial(wanted, case.reference, evidence, judging.what, found)


def _denial(
    wanted: AttestationRequirement, reference: Reference, evidence: Evidence, what: str, found: Principals
) -> Reason:
    if any(found.values()):
        return too_few("attested", "attest", wanted.by, found)
    rejected = [r for r in evidence.rejected if r.attestation is not False]
    seen = list(dict.fromkeys(r.reason for r in rejected))
    types = sorted({*(a.predicate_type for a in evidence.attestations), *evidence.passed_over})
    if not seen and not types:
        there = "no attestation found"
    elif not seen:
        more = f" and {len(types) - _SHOWN} more" if len(types) > _SHOWN else ""
        there = f"attestations found of other types: {', '.join(types[:_SHOWN])}{more}"
    else:
        there = f"{len(rejected)} found that do not count: {'; '.join(seen[:_SHOWN])}"
    code = Code.ATTESTATION_INVALID if seen else Code.ATTESTATION_MISSING
    if isinstance(wanted.content, SbomContent) and not (_OF_SBOMS - {*wanted.types}).isdisjoint(types):
        code = Code.SBOM_FORMAT
    return Reason(
        code,
        f"{there}; needs {what} by {wanted.by}",
        f"cosign attest --type {wanted.types[0]} --predicate FILE --key … {reference.text}",
    )
