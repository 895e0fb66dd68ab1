"""Why an image got its verdict: the decision taken apart, along the policies of its set.

Nothing is decided here. States and findings are those of the decision; what stands below them is asked of the same
functions that the decision asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gate.authoring.explanation import (
    Excepted,
    Explanation,
    Glass,
    Pinning,
    PlatformSearch,
    PolicyExplained,
    RuleExplained,
    State,
    Use,
)
from gate.authoring.weighing import search
from gate.codes import Code
from gate.policy.acceptance import Case
from gate.policy.finding import Verdict
from gate.policy.matching import misfits
from gate.policy.plan import Stage, outcomes_by_reference, plan
from gate.policy.policy import AttestationRequirement, Mode, SignatureRequirement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from gate.image.digest import Digest
    from gate.image.reference import Reference
    from gate.policy.break_glass import BreakGlass
    from gate.policy.finding import Finding
    from gate.policy.matching import Matched, Outcome
    from gate.policy.plan import Plan
    from gate.policy.policy import Policy, Rule
    from gate.policy.policy_set import PolicySet
    from gate.policy.waiver import Waiver
    from gate.review.review import ImageReview


def explain(policies: PolicySet, review: ImageReview, now: datetime) -> Explanation:
    """Take a decision of `Stage.CHECK` apart.

    Args:
        policies: the set that decided.
        review: what it decided.
        now: the instant that it was decided at.
    """
    config, namespace = policies.config, review.subject.workload.namespace
    excluded = namespace is not None and namespace in config.exclude_namespaces
    told = Explanation(
        review=review,
        policies=tuple(_unasked(policy, "the text is no image reference") for policy in policies.policies),
        findings=review.decision.findings,
        excluded=excluded,
        covered_by=(),
        unmatched=config.unmatched,
        revocations=(len(policies.revocations.digests), len(policies.revocations.signers)),
        glasses=(),
        pinning=Pinning.STOPPED if review.decision.verdict.stops else Pinning.NOT_WANTED,
        where=config.pinning,
    )
    if review.reference is None:
        return told
    planned = plan(policies, review.reference, review.subject.workload, Stage.CHECK, now)
    # Of the rules that were asked; where the digest could not be had, of those that ask for none.
    outcomes = review.decision.outcomes or tuple(
        outcomes_by_reference(planned.matched, planned.shown, review.reference)
    )
    teller = _Teller(policies, review, review.reference, planned, now, outcomes)
    explained = tuple(map(teller.policy, policies.policies))
    placed = {finding for policy in explained for rule in policy.rules for finding in rule.findings}
    return replace(
        told,
        policies=explained,
        findings=tuple(finding for finding in review.decision.findings if finding not in placed),
        covered_by=tuple(m.policy.name for m in planned.matched if _covers(m.policy)),
        glasses=tuple(Glass(glass, teller.glass(glass)) for glass in policies.break_glasses),
        pinning=teller.pinning,
    )


def _covers(policy: Policy) -> bool:
    return policy.kind == "ClusterGatePolicy" and policy.mode is not Mode.AUDIT


def _unasked(policy: Policy, why: str) -> PolicyExplained:
    return PolicyExplained(policy, rules=tuple(RuleExplained(r, State.NOT_ASKED, not_asked=why) for r in policy.rules))


@dataclass(frozen=True, slots=True)
class _Teller:
    """What one image's decision is made of.

    Attributes:
        outcomes: of the rules that were asked.
        own: the findings of the decision that are some outcome's.
    """

    policies: PolicySet
    review: ImageReview
    reference: Reference
    plan: Plan
    now: datetime
    outcomes: tuple[Outcome, ...]
    own: frozenset[Finding] = field(init=False)

    def __post_init__(self) -> None:
        """Gather what outcomes have found."""
        own = self._decided(finding for one in self.outcomes for finding in one.findings)
        object.__setattr__(self, "own", frozenset(own))

    def policy(self, policy: Policy) -> PolicyExplained:
        workload = self.review.subject.workload
        if not self.plan.matched and workload.namespace in self.policies.config.exclude_namespaces:
            return _unasked(policy, f"nothing is judged in namespace {workload.namespace}")
        matched = next((m for m in self.plan.matched if m.policy is policy), None)
        if matched is None:
            return PolicyExplained(policy, misfits(policy, self.reference, workload))
        rules = tuple(self._rule(matched, rule) for rule in policy.rules)
        return PolicyExplained(policy, caveat=matched.caveat, rules=rules)

    def _rule(self, matched: Matched, rule: Rule) -> RuleExplained:
        outcome = next((o for o in self.outcomes if o.matched.policy is matched.policy and o.rule is rule), None)
        findings = tuple(self._findings(matched, rule, outcome))
        state = State.of(findings, asked=outcome is not None)
        why = self._why_not_asked if state is State.NOT_ASKED else ""
        told = RuleExplained(rule, state, findings, why, exceptions=tuple(self._exceptions(matched, rule, findings)))
        requirement, known = rule.requirement, self.review.known
        if known is None or not isinstance(requirement, SignatureRequirement | AttestationRequirement):
            return told
        case = Case(matched.policy.signers, self.reference, self.plan.revocations, self.now)
        place = requirement.kept.of(self.reference.name)
        found = search(requirement, case, known, known.digest)
        images = known.platforms if isinstance(known.platforms, tuple) else ()
        platforms = (
            PlatformSearch(image, search(requirement, case, known, image.digest))
            for image in images
            if requirement.platform_evidence
            if (place, image.digest) in known.by_platform
        )
        return replace(told, search=replace(found, platforms=tuple(platforms)))

    def _findings(self, matched: Matched, rule: Rule, outcome: Outcome | None) -> Iterator[Finding]:
        """Those of the decision that are this rule's.

        Its outcome's, as a break-glass left them; and those of no outcome that bear its name: that a digest could not
        be had, or has to be written because nothing pins it.
        """
        own, of = self._decided(outcome.findings if outcome is not None else ()), matched.policy
        for finding in self.review.decision.findings:
            named = (finding.namespace, finding.policy, finding.rule) == (of.namespace or "", of.name, rule.name)
            if finding in own or (named and finding not in self.own):
                yield finding

    def _decided(self, findings: Iterable[Finding]) -> set[Finding]:
        """Findings of outcomes as they stand in the decision: a break-glass makes warnings of what stops."""
        found = set(findings)
        softened = (replace(finding, verdict=Verdict.WARN) for finding in found if finding.verdict.stops)
        return found.union(softened) if self._is_let_through else found

    @property
    def _is_let_through(self) -> bool:
        return any(finding.code is Code.BREAK_GLASS_USED for finding in self.review.decision.findings)

    @property
    def _why_not_asked(self) -> str:
        if self.plan.digest_wanted:
            return "its digest is not known, and nothing that needs it could be judged"
        return "what the reference alone shows stops the image: its registry was not asked"

    def _exceptions(self, matched: Matched, rule: Rule, findings: tuple[Finding, ...]) -> Iterator[Excepted]:
        """Every exception that names the rule, the policy's own first."""
        applicable = [one for one in matched.exceptions if one.waiver.rule == rule.name and self._holds(one.waiver)]
        used = next((one.waiver for one in applicable if not one.over), None)
        if not any(finding.code is Code.EXCEPTION_USED for finding in findings):
            used = None
        over = [one.waiver for one in applicable if one.over]
        counting = [one.waiver for one in applicable]
        for waiver, granted in self._named(matched.policy, rule):
            if waiver == used:
                yield Excepted(waiver, Use.USED)
            elif waiver in over:
                yield Excepted(waiver, Use.EXPIRED)
            elif granted and waiver in counting:
                yield Excepted(waiver, Use.NOT_NEEDED)
            else:
                yield Excepted(waiver, self._why_not(waiver, granted=granted))

    def _why_not(self, waiver: Waiver, *, granted: bool) -> Use:
        if not granted:
            return Use.NOT_GRANTED
        workload = self.review.subject.workload
        about = waiver.scope.covers(self.reference.name, workload.namespace) and self._holds(waiver)
        return Use.NOT_YET if about else Use.OTHER_IMAGE

    def _named(self, policy: Policy, rule: Rule) -> Iterator[tuple[Waiver, bool]]:
        """Exceptions that name a rule, and whether whoever wrote them may."""
        namespace = self.review.subject.workload.namespace
        yield from ((waiver, True) for waiver in policy.waivers if waiver.rule == rule.name)
        for lent in self.policies.exceptions:
            granted = lent.namespace == namespace and lent.namespace in policy.exceptions_from
            if policy.name in lent.policies:
                yield from ((waiver, granted) for waiver in lent.waivers if waiver.rule == rule.name)

    def _holds(self, waiver: Waiver) -> bool:
        return waiver.scope.holds(self._digest)

    @property
    def _digest(self) -> Digest | None:
        return self.review.digest or self.reference.digest

    def glass(self, glass: BreakGlass) -> Use:
        """What became of a break-glass."""
        counting = [one for one in self.plan.glasses if one.scope.holds(self._digest)]
        if glass in counting:
            return Use.USED if self._is_let_through and glass is counting[0] else Use.NOT_NEEDED
        if glass.stamp is None:
            return Use.NOT_GRANTED
        if self.now >= glass.end:
            return Use.EXPIRED
        counts = glass.counts(self.now, self.policies.config.longest_break_glass)
        return Use.OTHER_IMAGE if counts else Use.NOT_YET

    @property
    def pinning(self) -> Pinning:
        """What `/mutate` would do."""
        if self.reference.digest is not None:
            return Pinning.WRITTEN
        if self.review.decision.verdict.stops:
            return Pinning.STOPPED
        return Pinning.PINS if self.plan.pins else Pinning.NOT_WANTED
