"""What was found of an image, weighed for each signer that a rule speaks of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar, assert_never

from gate.authoring.explanation import Document, Refused, Search, Wanted
from gate.policy import attested
from gate.policy.acceptance import accepted_of, counted, standing, unreadable
from gate.policy.assignment import satisfied
from gate.policy.policy import AttestationRequirement, SignatureRequirement
from gate.policy.requirements import attestation, signature
from gate.policy.signers import AnyOf, AtLeast, One

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gate.evidence.facts import Evidence, VerifiedAttestation, VerifiedSignature
    from gate.image.digest import Digest
    from gate.policy.acceptance import Case
    from gate.policy.finding import Reason
    from gate.policy.known import Known
    from gate.policy.requirements.attestation import Judging
    from gate.policy.signers import Expression, SignerSpec

_Fact = TypeVar("_Fact", bound="VerifiedSignature | VerifiedAttestation")


def search(
    requirement: SignatureRequirement | AttestationRequirement, case: Case, known: Known, digest: Digest
) -> Search:
    """What was found for a rule, and what of it counts for whom.

    Args:
        requirement: the rule's.
        case: what it is asked about.
        known: what was found.
        digest: of the image that the evidence is of: what runs, or one of its index.
    """
    place = requirement.kept.of(case.reference.name)
    evidence = known.evidence[place] if digest == known.digest else known.by_platform[place, digest]
    match requirement:
        case SignatureRequirement():
            least = signature.least_age(requirement, case, evidence)
            asked = signature.asked_of(requirement, case, least)
            by = _weighed(requirement.by, case, evidence.signatures, asked)
            unless = (
                _weighed(requirement.unless, case, evidence.signatures, signature.asked_of(requirement, case, None))
                if requirement.unless is not None
                else None
            )
            return _search(requirement, case, evidence, evidence.signatures, by, unless)
        case AttestationRequirement():
            of_type = attestation.of_types(evidence, requirement.types)
            judging = attested.judging(requirement, case, evidence, known, digest)
            by = _weighed(requirement.by, case, of_type, attestation.asked_of(case, judging))
            found = _search(requirement, case, evidence, of_type, by, None)
            documents = tuple(_documents(requirement, case, evidence, judging, known))
            return replace(found, documents=documents, select=requirement.select if requirement.looks_inside else None)
        case _:
            assert_never(requirement)


def _search(
    requirement: SignatureRequirement | AttestationRequirement,
    case: Case,
    evidence: Evidence,
    facts: Sequence[VerifiedSignature | VerifiedAttestation],
    by: Wanted,
    unless: Wanted | None,
) -> Search:
    is_attestation = isinstance(requirement, AttestationRequirement)
    names = frozenset().union(*(one.names for one in requirement.expressions))
    specs = [case.signers[name] for name in sorted(names)]
    types = {a.predicate_type for a in evidence.attestations}
    types -= set(requirement.fetched_types) if isinstance(requirement, AttestationRequirement) else set()
    return Search(
        requirement.kept.of(case.reference.name),
        by,
        unless,
        tuple(f for f in facts if not any(standing(s, f, case.now, _nothing).theirs for s in specs)),
        tuple(r for r in evidence.rejected if r.attestation is not (not is_attestation)),
        tuple(sorted({*types, *evidence.passed_over})) if is_attestation else (),
        evidence.unavailable,
        evidence.stale,
    )


def _documents(
    wanted: AttestationRequirement, case: Case, evidence: Evidence, judging: Judging, known: Known
) -> Iterator[Document]:
    """What was read for a rule; nothing where it does not matter what is said."""
    if not wanted.looks_inside:
        return
    facts = attestation.of_types(evidence, wanted.types)
    accepted, _ = accepted_of(wanted.by, case.signers, facts, case.now, attestation.asked_of(case, judging))
    every = attestation.candidates(accepted, case, judging)
    selected = {id(one) for one in attestation.selected(wanted, every)}
    for one in every:
        counts = id(one) in selected
        yield Document(one, counts, tuple(attestation.wrong(wanted, one, case, judging)) if counts else ())
    if wanted.vex is not None:
        words = attested.vex_documents(wanted.vex, case, evidence, known.predicates)
        newest = {id(word) for word in attestation.newest(words, wanted.vex.by)}
        for word in words:
            against = attested.unheard(wanted.vex, word, case) if id(word) in newest else None
            yield Document(word, id(word) in newest, () if against is None else (against,), vex=True)


def _nothing(_spec: SignerSpec, _fact: object) -> None:
    """Nothing more is asked: whose it is does not depend on it."""


def _weighed(
    by: Expression,
    case: Case,
    facts: Sequence[_Fact],
    asked: Callable[[SignerSpec, _Fact], Reason | None],
) -> Wanted:
    found, _ = counted(by, case.signers, facts, case.now, asked)

    def part(expression: Expression) -> Wanted:
        principals = len(frozenset().union(*(found[name] for name in expression.names)))
        match expression:
            case One():
                return _signer(expression, principals, case, facts, asked)
            case AnyOf(inner) | AtLeast(_, inner):
                return Wanted(expression, satisfied(expression, found), principals, tuple(map(part, inner)))
            case _:
                assert_never(expression)

    return part(by)


def _signer(
    expression: One,
    principals: int,
    case: Case,
    facts: Sequence[_Fact],
    asked: Callable[[SignerSpec, _Fact], Reason | None],
) -> Wanted:
    spec = case.signers[expression.name]
    stood = [(fact, standing(spec, fact, case.now, asked)) for fact in facts]
    return Wanted(
        expression,
        principals > 0,
        principals,
        signer=spec,
        chosen=tuple(fact for fact, one in stood if one.counts),
        refused=tuple(Refused(fact, one.against) for fact, one in stood if one.against is not None),
        missing=next((why.message for why in unreadable(expression, case.signers)), ""),
    )
