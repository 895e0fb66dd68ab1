"""What was found of an image, told once and numbered, and what of it counts for the signers of a rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from gate.cli.render import contents
from gate.cli.render.drawing import Branch, Mark
from gate.cli.render.json_report import kind_of
from gate.codes import Code
from gate.evidence.dsse import COSIGN_SIGN
from gate.evidence.facts import CertificateSigner, VerifiedAttestation
from gate.policy.finding import Reason
from gate.policy.signers import AnyOf, AtLeast, CertificateSpec, KeylessSpec, KeySpec, One

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gate.authoring.explanation import Document, Fact, Refused, Search, Wanted
    from gate.evidence.facts import Evidence, Rejection, Storage
    from gate.image.reference import Reference
    from gate.policy.contents import Select
    from gate.policy.known import Known
    from gate.policy.signers import SignerSpec

_MOST: Final = 20  # of one kind, such as signatures that do not verify; JSON has all


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, place by place, with the numbers that it is called by.

    Attributes:
        places: what each is called, and what was found there.
        facts: their numbers.
        rejected: their numbers.
    """

    places: tuple[tuple[str, Evidence], ...]
    facts: Mapping[Fact, int]
    rejected: Mapping[Rejection, int]

    @classmethod
    def of(cls, known: Known | None, reference: Reference | None) -> Found:
        """Number what was found: what is verified first, place by place."""
        places = tuple(_places(known, reference)) if known is not None else ()
        facts: dict[Fact, int] = {}
        for _, found in places:
            for fact in _facts_of(found):
                facts.setdefault(fact, len(facts) + 1)
        rejected = dict.fromkeys(one for _, found in places for one in found.rejected)
        return cls(places, facts, {one: index for index, one in enumerate(rejected, len(facts) + 1)})

    @property
    def branches(self) -> tuple[Branch, ...]:
        """One for each place."""
        return tuple(self._place(title, found) for title, found in self.places)

    def _place(self, title: str, found: Evidence) -> Branch:
        rejected = len(found.rejected)
        counts = {
            _count(len(found.signatures), "signature"): found.signatures,
            _count(len(found.attestations), "attestation"): found.attestations,
            f"{rejected} that {'does' if rejected == 1 else 'do'} not verify": found.rejected,
        }
        told = ", ".join(words for words, some in counts.items() if some) or "nothing"
        more = "; not every place could be asked, there may be more" if found.unavailable else ""
        below = _cut([*map(self._fact, _facts_of(found)), *map(self._rejection, found.rejected)])
        if found.passed_over:
            below.append(Branch(f"of types that no rule wants, not read: {', '.join(found.passed_over)}"))
        below += [Branch(u.message, Mark.UNKNOWN, f"{u.code.value}:") for u in found.unavailable]
        if found.stale:
            below.append(Branch(found.stale, Mark.NOTE))
        return Branch(f"{title}: {told}{more}", below=tuple(below))

    def _fact(self, fact: Fact) -> Branch:
        what = f"attestation {fact.predicate_type}" if isinstance(fact, VerifiedAttestation) else "signature"
        stored = f"{fact.format.value} {fact.digest.short}"
        return Branch(f"#{self.facts[fact]} {what} ({stored}) by {fact.signer}; {_when(fact)}")

    def _rejection(self, one: Rejection) -> Branch:
        what, type_ = kind_of(one), one.claim.predicate_type
        named = f"{what} {type_}" if what == "attestation" and type_ not in ("", COSIGN_SIGN) else what
        named = "signature or attestation" if what == "unknown" else named
        text = f"{named} ({one.format.value} {one.digest.short}): {one.reason}"
        return Branch(f"#{self.rejected[one]} {text}", Mark.NOTE, f"{one.code.value}:")

    # for one rule

    def searched(self, search: Search) -> Iterator[Branch]:
        """What a rule wants, which of what was found counts, and why the rest does not."""
        yield self._wanted(search.by, "by ")
        if search.unless is not None:
            effect = "minAge is void" if search.unless.met else "minAge counts"
            yield self._wanted(search.unless, f"unless by ({effect}) ")
        documents = [self._document(one, search.select) for one in search.documents]
        yield from _cut(documents)
        if search.strangers:
            yield Branch(f"by nobody that this rule names: {_numbers(self.facts[fact] for fact in search.strangers)}")
        if search.rejected:
            yield Branch(f"not verified: {_numbers(self.rejected[one] for one in search.rejected)}")
        if search.other_types:
            yield Branch(f"of other types: {', '.join(search.other_types[:_MOST])}")
        for one in search.platforms:
            mark = Mark.GOOD if one.search.by.met else Mark.BAD
            yield Branch("", mark, f"{one.image} by itself", tuple(self.searched(one.search)))

    def _document(self, one: Document, select: Select | None) -> Branch:
        """Which it is, by whom and of when, what it says, and what is wrong with it."""
        said = one.found.said
        what = said.message if isinstance(said, Reason) else contents.line(said)
        told = f"#{self.facts[one.found.fact]} {one.found.by}{f': {what}' if what else ''}"
        if not one.counts:
            return Branch(told, Mark.NOTE, "older, set aside:")
        codes = ", ".join(dict.fromkeys(reason.code.value for reason in one.against))
        told = f"{told}; {codes}" if codes else told
        if one.vex:
            return Branch(told, Mark.NOTE if codes else Mark.GOOD, "VEX, not heard:" if codes else "VEX, heard:")
        return Branch(told, Mark.BAD if codes else Mark.GOOD, f"{select}:")

    def _wanted(self, wanted: Wanted, before: str = "") -> Branch:
        mark = Mark.GOOD if wanted.met else Mark.BAD
        if wanted.signer is not None:
            return self._signer(wanted, wanted.signer, mark, before)
        parts = tuple(self._wanted(part) for part in wanted.parts)
        met = sum(part.met for part in wanted.parts)
        same = f"(signed by {_count(wanted.principals, 'principal')} in all)" if met > wanted.principals else ""
        return Branch(same, mark, f"{before}{_expression(wanted)}:", parts)

    def _signer(self, wanted: Wanted, spec: SignerSpec, mark: Mark, before: str) -> Branch:
        lead = f"{before}{spec.name}:"
        if wanted.missing:
            return Branch(wanted.missing, Mark.UNKNOWN, lead)
        own = [one for one in wanted.refused if not _is_of_another_issuer(spec, one)]
        refused = _cut([self._refused(one) for one in own])
        if len(own) < len(wanted.refused):
            numbers = _numbers(self.facts[one.fact] for one in wanted.refused if _is_of_another_issuer(spec, one))
            refused.append(Branch(f"{numbers}: another issuer vouches", Mark.NOTE, f"{Code.IDENTITY_MISMATCH}:"))
        counts = _numbers(self.facts[fact] for fact in wanted.chosen)
        if counts:
            return Branch(f"{counts} of {_described(spec)}", mark, lead, tuple(refused))
        none = "" if refused else "nothing of "
        return Branch(f"{none}{_described(spec)}", mark, lead, tuple(refused))

    def _refused(self, one: Refused) -> Branch:
        reason = one.reason
        return Branch(f"#{self.facts[one.fact]}: {reason.message}", Mark.NOTE, f"{reason.code.value}:")


def _facts_of(found: Evidence) -> tuple[Fact, ...]:
    return (*found.signatures, *found.attestations)


def _places(known: Known, reference: Reference | None) -> Iterator[tuple[str, Evidence]]:
    """What was found for the digest itself, and then for every image of its index."""
    images = known.platforms if isinstance(known.platforms, tuple) else ()
    named = {image.digest: str(image) for image in images}
    for place, found in sorted(known.evidence.items()):
        yield f"found{_elsewhere(place, reference)}", found
    for (place, digest), found in sorted(known.by_platform.items()):
        yield f"found for {named.get(digest, digest.short)}{_elsewhere(place, reference)}", found


def _elsewhere(place: Storage, reference: Reference | None) -> str:
    home = reference is not None and place.repository == reference.name
    prefix = f", tags that begin with {place.tag_prefix}" if place.tag_prefix else ""
    return f"{'' if home else f' in {place.repository}'}{prefix}"


def _count(number: int, one: str) -> str:
    return f"{number} {one}{'' if number == 1 else 's'}"


def _cut(entries: list[Branch]) -> list[Branch]:
    left = len(entries) - _MOST
    return [*entries[:_MOST], *([Branch(f"and {left} more; --output json has all")] if left > 0 else [])]


def _numbers(numbers: Iterable[int]) -> str:
    found = [f"#{number}" for number in sorted(numbers)]
    more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return f"{', '.join(found[:_MOST])}{more}"


def _expression(wanted: Wanted) -> str:
    match wanted.expression:
        case One(name):
            return name
        case AnyOf() | AtLeast(1):
            return "any of these"
        case AtLeast(count, entries):
            return f"{'all' if count == len(entries) else count} of these, each by another principal"
        case _:
            assert_never(wanted.expression)


def _described(spec: SignerSpec) -> str:
    match spec:
        case KeySpec():
            return spec.key.short if spec.key is not None else "a key"
        case KeylessSpec() | CertificateSpec():
            return str(spec.identity)
        case _:
            assert_never(spec)


def _is_of_another_issuer(spec: SignerSpec, one: Refused) -> bool:
    """Whether it is a stranger's: who that is stands where it was found."""
    signer = one.fact.signer
    if not isinstance(spec, KeylessSpec) or not isinstance(signer, CertificateSigner):
        return False
    issuer = spec.identity.issuer
    return (
        one.reason.code is Code.IDENTITY_MISMATCH and issuer is not None and not issuer.matches(signer.identity.issuer)
    )


def _when(fact: Fact) -> str:
    earliest = fact.witness.earliest
    if earliest is None:
        return "when is not proved"
    return f"{earliest.at:%Y-%m-%dT%H:%M:%SZ} by {earliest.by} ({earliest.source.value})"
