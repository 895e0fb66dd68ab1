"""Decides, once everything that was planned is known, or could not be (POLICY §2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.codes import Code
from gate.policy import attested
from gate.policy.acceptance import Case
from gate.policy.break_glass import softened
from gate.policy.decision import Decision
from gate.policy.finding import Finding, Reason, Verdict
from gate.policy.judge import by_evidence, unmet_by_itself
from gate.policy.known import Wanted
from gate.policy.plan import Stage, outcomes_by_reference, revoked
from gate.policy.policy import AttestationRequirement, Mode, SignatureRequirement, Tags
from gate.policy.requirements import signature
from gate.policy.signers import wants_one

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from gate.evidence.facts import Evidence, Storage, VerifiedAttestation
    from gate.policy.known import Known
    from gate.policy.matching import Matched, Outcome
    from gate.policy.plan import Plan


def conclude(plan: Plan, known: Known | None, now: datetime) -> Decision:
    """Decide.

    Args:
        plan: of this image.
        known: what it wanted; None where it wanted nothing.
        now: the instant that is decided at.
    """
    if plan.stage is Stage.MUTATE:
        return Decision.of(plan.findings)
    if known is None:
        return Decision.of(plan.findings, outcomes_by_reference(plan.matched, plan.shown, plan.reference))
    found = list(plan.findings)
    for digest in known.digests:
        found.extend(revoked(plan.revocations, digest))
    outcomes: list[Outcome] = []
    for matched, of_rules in zip(plan.matched, plan.shown, strict=True):
        case = _case(plan, matched, now)
        for rule, shown in zip(matched.policy.rules, of_rules, strict=True):
            reasons = by_evidence(rule.requirement, case, known) if rule.needs_digest else ()
            outcome = matched.outcome(rule, reasons, known.digest)
            found.extend(outcome.findings)  # what the reference shows is among the plan's
            if shown:
                outcome = matched.outcome(rule, shown, plan.reference.digest).joined(outcome)
            outcomes.append(outcome)
    places = (*known.evidence.values(), *known.by_platform.values())
    stale = dict.fromkeys(evidence.stale for evidence in places if evidence.stale)
    found.extend(Finding(Code.REGISTRY_UNREACHABLE, Verdict.ALLOW, why) for why in stale)
    return Decision.of(softened(plan.glasses, found, known.digest), outcomes)


def early_rules(plan: Plan, source: Storage) -> tuple[SignatureRequirement, ...]:
    """The rules about one place that may be met before all of it is known; () where all of it has to be.

    At admission only: what is shown to people is all there is, whoever answers first. And only where one signer is
    enough: of several, a later signature may show that two are one.
    """
    if plan.types or plan.stage is not Stage.VALIDATE:
        return ()
    rules = [rule.requirement for matched in plan.matched for rule in matched.policy.rules]
    found = [r for r in rules if isinstance(r, SignatureRequirement) and r.kept.of(plan.reference.name) == source]
    return tuple(dict.fromkeys(found)) if all(wants_one(by) for rule in found for by in rule.expressions) else ()


def suffices(plan: Plan, source: Storage, evidence: Evidence, now: datetime) -> bool:
    """Whether the signatures of one place that were found so far decide there: more of them change nothing (POLICY §4).

    Args:
        plan: of the image.
        source: the place.
        evidence: of it, so far.
        now: the instant that is decided at.
    """
    early = early_rules(plan, source)
    return bool(early) and not any(
        True
        for matched in plan.matched
        for wanted in (rule.requirement for rule in matched.policy.rules)
        if isinstance(wanted, SignatureRequirement) and wanted in early
        for _ in signature.check(wanted, _case(plan, matched, now), evidence)
    )


def wanting_platforms(plan: Plan, known: Known, now: datetime) -> frozenset[Storage]:
    """The places where evidence of every image of an index is wanted: that of the index does not suffice some rule."""
    if plan.stage is Stage.MUTATE:
        return frozenset()
    return frozenset(
        rule.requirement.kept.of(plan.reference.name)
        for matched in plan.matched
        for rule in matched.policy.rules
        if isinstance(rule.requirement, SignatureRequirement | AttestationRequirement)
        and unmet_by_itself(rule.requirement, _case(plan, matched, now), known)
    )


def to_read(plan: Plan, known: Known, now: datetime) -> dict[Wanted, VerifiedAttestation]:
    """The attestations whose content some rule has to know, of those that are known and not read yet."""
    found: dict[Wanted, VerifiedAttestation] = {}
    for matched in plan.matched if plan.stage is not Stage.MUTATE else ():
        case = _case(plan, matched, now)
        for rule in matched.policy.rules:
            wanted = rule.requirement
            if not isinstance(wanted, AttestationRequirement):
                continue
            storage = wanted.kept.of(plan.reference.name)
            places = [known.evidence[storage], *(e for (of, _), e in known.by_platform.items() if of == storage)]
            for fact, reading in (one for place in places for one in attested.to_read(wanted, case, place)):
                found[Wanted(fact.digest, reading)] = fact
    return {one: fact for one, fact in found.items() if one not in known.predicates}


def unable(plan: Plan, reason: Reason) -> Decision:
    """The decision where the digest that policies want could not be known."""
    found = list(plan.findings)
    for matched in plan.matched:
        if plan.stage is Stage.MUTATE:
            if matched.policy.mode is not Mode.AUDIT and matched.tags is Tags.PIN:
                found.extend(matched.findings(matched.tag_rule, reason, None))
        else:
            found.extend(_unable(matched, reason))
    if plan.stage is not Stage.MUTATE and plan.revocations.digests:
        found.append(_whether_revoked(plan, reason))
    return Decision.of(softened(plan.glasses, found, plan.reference.digest))


def _whether_revoked(plan: Plan, reason: Reason) -> Finding:
    """Where no rule wants the digest, revocations do."""
    enforced = any(m.policy.mode is Mode.ENFORCE for m in plan.matched)
    verdict = Verdict.ERROR if enforced else Verdict.WARN
    return Finding(reason.code, verdict, f"whether it is revoked is not known: {reason.message}", reason.remedy)


def _unable(matched: Matched, reason: Reason) -> Iterator[Finding]:
    """One finding for all rules that want the digest: of one that no exception waives, if there is one."""
    wanting = {rule.name for rule in matched.policy.rules if rule.needs_digest}
    for name in sorted(wanting, key=lambda name: (matched.waives(name, None), name))[:1]:
        yield from matched.findings(name, reason, None)


def _case(plan: Plan, matched: Matched, now: datetime) -> Case:
    return Case(matched.policy.signers, plan.reference, plan.revocations, now)
