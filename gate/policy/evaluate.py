"""Policies asked about one image, in two steps (POLICY §2).

`plan` says what the reference alone shows and what else has to be known; `conclude` decides once that is known, or
could not be. Between them lies everything slow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, assert_never

from gate.codes import Code
from gate.policy import revocation
from gate.policy.acceptance import Case
from gate.policy.break_glass import softened
from gate.policy.config import Unmatched, Where
from gate.policy.decision import Decision, Finding, Reason, Verdict
from gate.policy.exceptions import Leniency
from gate.policy.matching import Matched, Workload, match, verdict_in
from gate.policy.policy import (
    AttestationRequirement,
    DenyRequirement,
    ImageRequirement,
    Mode,
    Policy,
    SignatureRequirement,
    Tags,
    names_in,
)
from gate.policy.requirements import attestation, deny, image, signature
from gate.policy.signers import needs_of, wants_one
from gate.policy.trust import NOTHING, TrustNeeds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from gate.evidence.facts import Evidence, Storage
    from gate.image.digest import Digest
    from gate.image.reference import Reference
    from gate.policy.break_glass import BreakGlass
    from gate.policy.config import Config
    from gate.policy.policy import PolicySet, Rule
    from gate.policy.revocation import Revocations
    from gate.policy.signers import SignerSpec


class Stage(StrEnum):
    """Who is asking; it decides what a tag means (POLICY §4, `tags`)."""

    CHECK = "check"
    """CI or a desk: admission will pin what is to be pinned."""

    VALIDATE = "validate"
    """The last word: a Pod that should have been pinned and is not is refused."""

    MUTATE = "mutate"
    """Before that: only what `/validate` could not see any more is denied, and tags are pinned."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of one image before anything is fetched.

    Attributes:
        reference: the image.
        matched: the policies about it; empty where nothing is judged.
        findings: what the reference alone shows.
        digest_wanted: whether its tag has to be resolved.
        sources: where the signatures that are wanted are kept.
        trust: what to try them against.
        types: the predicate types of the attestations that are wanted too.
        pins: whether `/mutate` writes the digest.
        stale_if_error: seconds that an old listing may stand in for a registry that cannot be reached.
        revocations: what counts for nobody.
        glasses: break-glasses that count, and cover the image as far as its digest does not matter.
        stage: who is asking.
    """

    reference: Reference
    stage: Stage
    matched: tuple[Matched, ...] = ()
    findings: tuple[Finding, ...] = ()
    digest_wanted: bool = False
    sources: frozenset[Storage] = frozenset()
    trust: TrustNeeds = NOTHING
    types: frozenset[str] = frozenset()
    pins: bool = False
    stale_if_error: float = 0.0
    revocations: Revocations = revocation.NONE
    glasses: tuple[BreakGlass, ...] = ()


_JUDGED_BY_MUTATE: Final = frozenset(
    {Code.REGISTRY_NOT_ALLOWED, Code.TAG_MUTABLE, Code.TAG_MISSING, Code.DIGEST_REQUIRED}
)
_UNMATCHED: Final = {Unmatched.DENY: Verdict.DENY, Unmatched.WARN: Verdict.WARN, Unmatched.AUDIT: Verdict.ALLOW}


def plan(policies: PolicySet, reference: Reference, workload: Workload, stage: Stage, now: datetime) -> Plan:
    """Ask every policy what the reference alone shows; exceptions are those that count `now`."""
    config = policies.config
    if workload.namespace is not None and workload.namespace in config.exclude_namespaces:
        return Plan(reference, stage)
    leniency = Leniency(now, config.longest_exception, policies.exceptions)
    glasses = tuple(glass for glass in policies.break_glasses if _opens(glass, reference, workload, config, now))
    found = tuple(m for p in policies.policies if (m := match(p, reference, workload, leniency)) is not None)
    # In the cluster what is not known of a namespace is a failure; in CI the policy applies and says so (POLICY §2).
    matched = tuple(m for m in found if stage is Stage.CHECK or not m.caveat)
    findings = [*_reference_findings(matched, reference), *_unpinned(matched, reference, workload, stage, config)]
    findings.extend(_namespace_unknown(m) for m in found if m not in matched)
    findings.extend(_revoked(policies.revocations, reference.digest))
    covered = any(m.policy.kind == "ClusterGatePolicy" and m.policy.mode is not Mode.AUDIT for m in matched)
    if not covered:
        findings.append(_unmatched(config, reference))
    findings = softened(glasses, findings, reference.digest)
    pins = _tags(matched, config) is Tags.PIN and reference.digest is None
    stopped = any(f.verdict.stops for f in findings)
    if stage is Stage.MUTATE:
        pins = pins and not stopped and (workload.kind == "Pod" or config.pinning is Where.ALL)
        shown = tuple(f for f in findings if f.code in _JUDGED_BY_MUTATE)
        return Plan(reference, stage, matched, shown, digest_wanted=pins, pins=pins, glasses=glasses)
    if stopped:
        return Plan(reference, stage, matched, tuple(findings), glasses=glasses)
    if pins and stage is Stage.CHECK:
        findings.append(
            Finding(Code.PINNED_AT_ADMISSION, Verdict.ALLOW, "admission writes the digest its tag has then")
        )
    base = Plan(
        reference,
        stage,
        matched,
        tuple(findings),
        pins=pins,
        stale_if_error=config.stale_if_error,
        revocations=policies.revocations,
        glasses=glasses,
    )
    return _with_needs(base)


def _opens(glass: BreakGlass, reference: Reference, workload: Workload, config: Config, now: datetime) -> bool:
    return glass.counts(now, config.longest_break_glass) and glass.covers(reference.name, workload.namespace)


def conclude(plan: Plan, digest: Digest | None, evidence: Mapping[Storage, Evidence], now: datetime) -> Decision:
    """Decide.

    Args:
        plan: of this image.
        digest: what its tag resolved to; None where it was not wanted.
        evidence: by where it was looked for; all of `plan.sources`.
        now: the instant that is decided at.
    """
    found = list(plan.findings)
    if digest is not None and plan.stage is not Stage.MUTATE:
        found.extend(_revoked(plan.revocations, digest))
        for matched in plan.matched:
            for rule in matched.policy.rules:
                case = _case(plan, matched, now)
                reasons = _judge(rule, case, digest, evidence)
                found.extend(f for reason in reasons for f in matched.findings(rule.name, reason, digest))
        found.extend(Finding(Code.REGISTRY_UNREACHABLE, Verdict.ALLOW, e.stale) for e in evidence.values() if e.stale)
    return Decision.of(softened(plan.glasses, found, digest or plan.reference.digest))


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
    """One finding for all rules that want the digest: of the first that no exception waives, if there is one."""
    wanting = [rule.name for rule in matched.policy.rules if _needs_digest(rule)]
    names = sorted(wanting, key=lambda name: matched.waives(name, None))  # in their order otherwise
    for name in names[:1]:
        yield from matched.findings(name, reason, None)


def invalid(policies: PolicySet, workload: Workload, reason: Reason) -> Decision:
    """The decision on a text that is no reference: no policy can be asked of it, so every one that enforces denies."""
    if workload.namespace is not None and workload.namespace in policies.config.exclude_namespaces:
        return Decision.of(())
    verdict = Verdict.DENY if policies.enforces else Verdict.WARN
    return Decision.of([Finding(reason.code, verdict, reason.message, reason.remedy)])


def _tags(matched: tuple[Matched, ...], config: Config) -> Tags | None:
    """What is wanted of a tag over all policies: `digest` beats `pin` beats `unsafeAny`.

    Only enforce and warn have a say; a `digest` in warn does not keep an enforced `pin` from being done.
    """
    enforced = {_effective(m, config) for m in matched if m.policy.mode is Mode.ENFORCE}
    warned = {_effective(m, config) for m in matched if m.policy.mode is Mode.WARN}
    order = (Tags.DIGEST, Tags.PIN, Tags.UNSAFE_ANY)
    if Tags.DIGEST not in enforced and Tags.PIN in enforced:
        return Tags.PIN
    return next((t for t in order if t in enforced | warned), None)


def _effective(matched: Matched, config: Config) -> Tags | None:
    """Where nothing is pinned, `pin` can only mean that the digest has to be written."""
    return Tags.DIGEST if matched.tags is Tags.PIN and config.pinning is Where.NONE else matched.tags


def _reference_findings(matched: tuple[Matched, ...], reference: Reference) -> Iterator[Finding]:
    for m in matched:
        for rule in m.policy.rules:
            match rule.requirement:
                case ImageRequirement():
                    reasons = image.check_reference(rule.requirement, reference)
                case DenyRequirement():
                    reasons = deny.check(rule.requirement)
                case SignatureRequirement() | AttestationRequirement():
                    continue
                case _:
                    assert_never(rule.requirement)
            yield from (f for reason in reasons for f in m.findings(rule.name, reason, reference.digest))


def _unpinned(
    matched: tuple[Matched, ...], reference: Reference, workload: Workload, stage: Stage, config: Config
) -> Iterator[Finding]:
    """A Pod that should have been pinned by now and is not; anything, where nothing pins."""
    nothing_pins = config.pinning is Where.NONE
    if reference.digest is not None or not (nothing_pins or (stage is Stage.VALIDATE and workload.kind == "Pod")):
        return
    for m in matched:
        if m.tags is Tags.PIN and m.policy.mode is not Mode.AUDIT:
            yield from m.findings(m.tag_rule, image.digest_required(reference), None)


def _namespace_unknown(matched: Matched) -> Finding:
    verdict = verdict_in(matched.policy.mode, Code.NAMESPACE_LOOKUP_FAILED)
    message = f"whether this policy applies is not known: {matched.caveat}"
    return Finding(Code.NAMESPACE_LOOKUP_FAILED, verdict, message, "retry", matched.policy.name, "match")


def _unmatched(config: Config, reference: Reference) -> Finding:
    return Finding(
        Code.NO_POLICY_MATCHED,
        _UNMATCHED[config.unmatched],
        f"no policy in enforce or warn is about {reference.name}",
        "add a ClusterGatePolicy whose `match.images` covers it",
    )


def _with_needs(base: Plan) -> Plan:
    sources: set[Storage] = set()
    signers: list[SignerSpec] = []
    types: set[str] = set()
    wanted = False
    for m in base.matched:
        wanted = wanted or bool(_first_needing(m.policy))
        for rule in m.policy.rules:
            match rule.requirement:
                case SignatureRequirement():
                    sources.add(rule.requirement.kept.of(base.reference.name))
                case AttestationRequirement():
                    sources.add(rule.requirement.kept.of(base.reference.name))
                    types.add(rule.requirement.type)
                case _:
                    continue
            signers.extend(m.policy.signers[name] for name in sorted(names_in(rule.requirement)))
    return replace(
        base,
        digest_wanted=wanted or bool(base.revocations.digests and base.reference.digest is None),
        sources=frozenset(sources),
        trust=needs_of(signers),
        types=frozenset(types),
    )


def _first_needing(policy: Policy) -> str:
    """The first rule that wants the digest."""
    return next((rule.name for rule in policy.rules if _needs_digest(rule)), "")


def _needs_digest(rule: Rule) -> bool:
    match rule.requirement:
        case ImageRequirement():
            return bool(rule.requirement.deny_digests)
        case DenyRequirement():
            return False
        case SignatureRequirement() | AttestationRequirement():
            return True
        case _:
            assert_never(rule.requirement)


def _case(plan: Plan, matched: Matched, now: datetime) -> Case:
    return Case(matched.policy.signers, plan.reference, plan.revocations, now)


def _judge(rule: Rule, case: Case, digest: Digest, evidence: Mapping[Storage, Evidence]) -> Iterator[Reason]:
    match rule.requirement:
        case ImageRequirement():
            return image.check_digest(rule.requirement, digest)
        case DenyRequirement():
            return iter(())
        case SignatureRequirement():
            return signature.check(rule.requirement, case, evidence[rule.requirement.kept.of(case.reference.name)])
        case AttestationRequirement():
            return attestation.check(rule.requirement, case, evidence[rule.requirement.kept.of(case.reference.name)])
        case _:
            assert_never(rule.requirement)


def _revoked(revocations: Revocations, digest: Digest | None) -> Iterator[Finding]:
    """A digest that is revoked is denied in every mode, matched or not (POLICY §6)."""
    reason = revocations.of_digest(digest) if digest is not None else None
    if reason is not None:
        yield Finding(reason.code, Verdict.DENY, reason.message, reason.remedy)
