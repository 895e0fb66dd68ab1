"""Why an image got its verdict, as values: what `gate policy explain` prints (POLICY §8)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from gate.codes import NOTES, Code
from gate.policy.finding import Verdict, worst

if TYPE_CHECKING:
    from gate.evidence.facts import Rejection, Storage, Unavailable, VerifiedAttestation, VerifiedSignature
    from gate.image.digest import Digest
    from gate.image.platforms import PlatformImage
    from gate.policy.break_glass import BreakGlass
    from gate.policy.config import Unmatched, Where
    from gate.policy.contents import Select
    from gate.policy.finding import Finding, Reason
    from gate.policy.matching import Misfit
    from gate.policy.policy import Policy, Rule
    from gate.policy.requirements.attestation import Candidate
    from gate.policy.signers import Expression, SignerSpec
    from gate.policy.waiver import Waiver
    from gate.review.review import ImageReview

    Fact = VerifiedSignature | VerifiedAttestation


class State(StrEnum):
    """What a rule came to."""

    HOLDS = "holds"
    WAIVED = "waived"
    """It does not hold, and an exception says that this does not matter."""

    RECORDED = "recorded"
    """It does not hold, and its policy only audits."""

    WARNED = "warned"
    DENIED = "denied"
    NOT_JUDGED = "notJudged"
    NOT_ASKED = "notAsked"

    @classmethod
    def of(cls, findings: tuple[Finding, ...], *, asked: bool) -> State:
        """What findings amount to.

        Args:
            findings: of one rule.
            asked: whether it was put to the image.
        """
        told = [finding.verdict for finding in findings if finding.code not in NOTES]
        if told:
            return _STATES[worst(told)]
        if any(finding.code is Code.EXCEPTION_USED for finding in findings):
            return cls.WAIVED
        return cls.HOLDS if asked else cls.NOT_ASKED


_STATES: Final = {
    Verdict.DENY: State.DENIED,
    Verdict.ERROR: State.NOT_JUDGED,
    Verdict.WARN: State.WARNED,
    Verdict.ALLOW: State.RECORDED,
}


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that is a signer's, and does not count for them."""

    fact: Fact
    reason: Reason


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a part of `by` came to.

    Attributes:
        expression: the part.
        met: whether what was found suffices for it, taken alone.
        principals: how many different ones count for its signers.
        parts: of it; none of a signer.
        signer: where it is one.
        chosen: what counts for that signer, the first of it found first.
        refused: what is that signer's, and does not count.
        missing: why nothing can be said of that signer; "" where something can.
    """

    expression: Expression
    met: bool
    principals: int
    parts: tuple[Wanted, ...] = ()
    signer: SignerSpec | None = None
    chosen: tuple[Fact, ...] = ()
    refused: tuple[Refused, ...] = ()
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """An attestation by an accepted signer that a rule has read.

    Attributes:
        found: it, whose it is, of when, and what it says.
        counts: whether it has to pass, or of `any` may; of VEX whether it is heard. Not what is older than the newest.
        against: why it does not pass, or is not heard.
        vex: whether it is a word on what another one has found.
    """

    found: Candidate
    counts: bool
    against: tuple[Reason, ...] = ()
    vex: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """What was found for a rule that wants signatures or attestations.

    Attributes:
        place: where it was looked for.
        by: whose is wanted.
        unless: whose signatures make `minAge` void; None where the rule says nothing of it.
        strangers: verified, and of nobody that the rule speaks of.
        rejected: what does not verify.
        other_types: attestations that were passed over for what they say that they are.
        unavailable: places that could not be asked.
        stale: that an old listing stands in; "" where none does.
        documents: what was read of those that count; () where it does not matter what they say.
        select: which of them have to pass; None where that is asked of none.
        platforms: the same for every image of the index, where the rule lets those stand in and they were looked at.
    """

    place: Storage
    by: Wanted
    unless: Wanted | None
    strangers: tuple[Fact, ...]
    rejected: tuple[Rejection, ...]
    other_types: tuple[str, ...]
    unavailable: tuple[Unavailable, ...]
    stale: str = ""
    documents: tuple[Document, ...] = ()
    select: Select | None = None
    platforms: tuple[PlatformSearch, ...] = ()

    @property
    def suffices(self) -> bool:
        """Whether what was found meets the rule: for the digest itself, or for every image of its index."""
        return self.by.met or (bool(self.platforms) and all(one.search.by.met for one in self.platforms))


@dataclass(frozen=True, slots=True)
class PlatformSearch:
    """What was found for a rule of one image of an index."""

    image: PlatformImage
    search: Search


class Use(StrEnum):
    """What became of an exception or break-glass."""

    USED = "used"
    NOT_NEEDED = "notNeeded"
    EXPIRED = "expired"
    OTHER_IMAGE = "otherImage"
    NOT_YET = "notYet"
    """It reaches farther ahead than `GateConfig` lets it."""

    NOT_GRANTED = "notGranted"
    """Whoever wrote it may not."""


@dataclass(frozen=True, slots=True)
class Excepted:
    """An exception for a rule, and what became of it."""

    waiver: Waiver
    use: Use


@dataclass(frozen=True, slots=True)
class Glass:
    """A break-glass, and what became of it."""

    glass: BreakGlass
    use: Use


@dataclass(frozen=True, slots=True)
class RuleExplained:
    """One rule of a policy that is about the image.

    Attributes:
        findings: what the decision has of it.
        not_asked: why it was not put to the image; "" where it was.
        search: what was looked at; None where nothing is, or was not asked for.
        exceptions: that name it.
    """

    rule: Rule
    state: State
    findings: tuple[Finding, ...] = ()
    not_asked: str = ""
    search: Search | None = None
    exceptions: tuple[Excepted, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyExplained:
    """One policy of the set.

    Attributes:
        misfits: why it is not about the image; () where it is.
        caveat: why it applies although not all is known; "" where all is.
        rules: in its order; () where it is not about the image.
    """

    policy: Policy
    misfits: tuple[Misfit, ...] = ()
    caveat: str = ""
    rules: tuple[RuleExplained, ...] = ()


class Pinning(StrEnum):
    """What `/mutate` would do to the reference."""

    WRITTEN = "written"
    """Nothing: its digest is there."""

    PINS = "pins"
    STOPPED = "stopped"
    """Nothing: the image may not run."""

    NOT_WANTED = "notWanted"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One image.

    Attributes:
        review: what was decided.
        policies: all of the set, in its order.
        findings: those that are no rule's.
        excluded: whether nothing is judged where it stands.
        covered_by: policies that keep it from being unmatched.
        unmatched: what becomes of images that are.
        revocations: how many digests and how many signers are revoked.
        glasses: all of the set.
        pinning: what `/mutate` would do.
        where: which objects it pins.
    """

    review: ImageReview
    policies: tuple[PolicyExplained, ...]
    findings: tuple[Finding, ...]
    excluded: bool
    covered_by: tuple[str, ...]
    unmatched: Unmatched
    revocations: tuple[int, int]
    glasses: tuple[Glass, ...]
    pinning: Pinning
    where: Where

    @property
    def digest(self) -> Digest | None:
        """What was judged; None where it is not known."""
        reference = self.review.reference
        return self.review.digest or (reference.digest if reference else None)

    @property
    def verdict(self) -> Verdict:
        """What the tree amounts to: the worst of what its rules found and of what is no rule's."""
        own = [finding.verdict for finding in self.findings]
        return worst([*own, *(f.verdict for p in self.policies for rule in p.rules for f in rule.findings)])

    @property
    def decisive(self) -> tuple[tuple[PolicyExplained, RuleExplained], ...]:
        """The rules whose findings have that verdict, where it is not allow."""
        verdict = self.verdict
        rules = [(policy, rule) for policy in self.policies for rule in policy.rules]
        return () if verdict is Verdict.ALLOW else tuple(r for r in rules if _has(r[1].findings, verdict))


def _has(findings: tuple[Finding, ...], verdict: Verdict) -> bool:
    return any(finding.verdict is verdict for finding in findings)
