"""What is known of an image before anything is fetched (POLICY §2).

Which policies are about it, what its reference alone shows, and what else has to be known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, assert_never

from gate.codes import Code
from gate.image.platforms import ConfigsWanted
from gate.policy import revocation
from gate.policy.bases import BaseRequirement
from gate.policy.break_glass import softened
from gate.policy.config import MAX_ATTESTATION, Unmatched, Where
from gate.policy.decision import Decision
from gate.policy.exceptions import Leniency
from gate.policy.finding import Finding, Reason, Verdict
from gate.policy.judge import by_reference
from gate.policy.matching import Matched, Outcome, Workload, match, verdict_in
from gate.policy.policy import (
    AttestationRequirement,
    CelRequirement,
    DenyRequirement,
    ImageRequirement,
    Mode,
    SignatureRequirement,
    Tags,
    Unusable,
)
from gate.policy.requirements import image
from gate.policy.signers import needs_of
from gate.policy.trust import NOTHING, TrustNeeds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from gate.evidence.facts import Storage
    from gate.image.digest import Digest
    from gate.image.reference import Reference
    from gate.policy.break_glass import BreakGlass
    from gate.policy.config import Config
    from gate.policy.expressions import Condition
    from gate.policy.policy_set import PolicySet
    from gate.policy.revocation import Revocations
    from gate.policy.signers import SignerSpec

Shown = tuple[tuple[tuple[Reason, ...], ...], ...]
"""Reasons, by policy and rule, each in their order."""


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
        shown: what the reference alone shows to be wrong, by policy and rule.
        findings: what becomes of it.
        digest_wanted: whether its tag has to be resolved.
        sources: where the signatures that are wanted are kept.
        trust: what to try them against.
        types: the predicate types of the attestations that are wanted too.
        configs: the configurations that are wanted of the images that it stands for; None: none.
        bases: whether it matters what it is built on.
        pins: whether `/mutate` writes the digest.
        attestation_bytes: that one attestation may have.
        stale_if_error: seconds that an old listing may stand in for a registry that cannot be reached.
        revocations: what counts for nobody.
        glasses: break-glasses that count, and cover the image as far as its digest does not matter.
        stage: who is asking.
    """

    reference: Reference
    stage: Stage
    matched: tuple[Matched, ...] = ()
    shown: Shown = ()
    findings: tuple[Finding, ...] = ()
    digest_wanted: bool = False
    sources: frozenset[Storage] = frozenset()
    trust: TrustNeeds = NOTHING
    types: frozenset[str] = frozenset()
    configs: ConfigsWanted | None = None
    bases: bool = False
    pins: bool = False
    attestation_bytes: int = MAX_ATTESTATION
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
    index = policies.index
    leniency = Leniency(now, config.longest_exception, index.exceptions.get(workload.namespace or "", ()))
    glasses = tuple(glass for glass in policies.break_glasses if _opens(glass, reference, workload, config, now))
    found = tuple(
        m
        for p in index.candidates(reference.name, workload.namespace)
        if (m := match(p, reference, workload, leniency)) is not None
    )
    # In the cluster what is not known of a namespace is a failure; in CI the policy applies and says so (POLICY §2).
    matched = tuple(m for m in found if stage is Stage.CHECK or not m.caveat)
    shown = tuple(_shown(m, reference) for m in matched)
    findings = [f for outcome in outcomes_by_reference(matched, shown, reference) for f in outcome.findings]
    findings.extend(_unpinned(matched, reference, workload, stage, config))
    findings.extend(_namespace_unknown(m) for m in found if m not in matched)
    findings.extend(revoked(policies.revocations, reference.digest))
    covered = any(m.policy.kind == "ClusterGatePolicy" and m.policy.mode is not Mode.AUDIT for m in matched)
    if not covered:
        findings.append(_unmatched(config, reference))
    findings = softened(glasses, findings, reference.digest)
    pins = _tags(matched, config) is Tags.PIN and reference.digest is None
    stopped = any(f.verdict.stops for f in findings)
    if stage is Stage.MUTATE:
        pins = pins and not stopped and (workload.kind == "Pod" or config.pinning is Where.ALL)
        told = tuple(f for f in findings if f.code in _JUDGED_BY_MUTATE)
        return Plan(reference, stage, matched, shown, told, digest_wanted=pins, pins=pins, glasses=glasses)
    if stopped:
        return Plan(reference, stage, matched, shown, tuple(findings), glasses=glasses)
    if pins and stage is Stage.CHECK:
        findings.append(
            Finding(Code.PINNED_AT_ADMISSION, Verdict.ALLOW, "admission writes the digest its tag has then")
        )
    base = Plan(
        reference,
        stage,
        matched,
        shown,
        tuple(findings),
        pins=pins,
        attestation_bytes=config.limits.attestation,
        stale_if_error=config.stale_if_error,
        revocations=policies.revocations,
        glasses=glasses,
    )
    return _with_needs(base)


def _opens(glass: BreakGlass, reference: Reference, workload: Workload, config: Config, now: datetime) -> bool:
    return glass.counts(now, config.longest_break_glass) and glass.covers(reference.name, workload.namespace)


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
    wanted: dict[Mode, set[Tags | None]] = {mode: set() for mode in Mode}
    for m in matched:
        wanted[m.policy.mode].add(_effective(m, config))
    enforced, warned = wanted[Mode.ENFORCE], wanted[Mode.WARN]
    order = (Tags.DIGEST, Tags.PIN, Tags.UNSAFE_ANY)
    if Tags.DIGEST not in enforced and Tags.PIN in enforced:
        return Tags.PIN
    return next((t for t in order if t in enforced | warned), None)


def _effective(matched: Matched, config: Config) -> Tags | None:
    """Where nothing is pinned, `pin` can only mean that the digest has to be written."""
    tags = matched.tags
    return Tags.DIGEST if tags is Tags.PIN and config.pinning is Where.NONE else tags


def outcomes_by_reference(matched: tuple[Matched, ...], shown: Shown, reference: Reference) -> Iterator[Outcome]:
    """What the rules come to that the reference alone decides, or breaks."""
    for m, of_rules in zip(matched, shown, strict=True):
        for rule, reasons in zip(m.policy.rules, of_rules, strict=True):
            if reasons or not rule.needs_digest:
                yield m.outcome(rule, reasons, reference.digest)


def _shown(matched: Matched, reference: Reference) -> tuple[tuple[Reason, ...], ...]:
    return tuple(tuple(by_reference(rule.requirement, reference)) for rule in matched.policy.rules)


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
    policy = matched.policy
    return Finding(
        Code.NAMESPACE_LOOKUP_FAILED, verdict, message, "retry", policy.name, "match", policy.namespace or ""
    )


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
    configs: ConfigsWanted | None = None
    wanted = False
    for m in base.matched:
        for rule in m.policy.rules:
            wanted = wanted or rule.needs_digest
            match rule.requirement:
                case SignatureRequirement():
                    sources.add(rule.requirement.kept.of(base.reference.name))
                case AttestationRequirement():
                    sources.add(rule.requirement.kept.of(base.reference.name))
                    types.update(rule.requirement.fetched_types)
                    configs = _both(configs, _configs(rule.requirement.condition))
                case ImageRequirement():
                    configs = _both(configs, rule.requirement.configs)
                    continue
                case BaseRequirement():
                    configs = ConfigsWanted(None)
                case CelRequirement(condition):
                    configs = _both(configs, _configs(condition))
                    continue
                case DenyRequirement() | Unusable():
                    continue
                case _:
                    assert_never(rule.requirement)
            signers.extend(m.policy.signers[name] for name in rule.signers)
    return replace(
        base,
        digest_wanted=wanted or bool(base.revocations.digests and base.reference.digest is None),
        sources=frozenset(sources),
        trust=needs_of(signers),
        types=frozenset(types),
        configs=configs,
        bases=any(isinstance(rule.requirement, BaseRequirement) for m in base.matched for rule in m.policy.rules),
    )


def _configs(condition: Condition | None) -> ConfigsWanted | None:
    """The configurations that an expression wants to be known."""
    if condition is None or not (condition.wants_config or condition.wants_platforms):
        return None
    return ConfigsWanted(None) if condition.wants_config else ConfigsWanted()


def _both(one: ConfigsWanted | None, other: ConfigsWanted | None) -> ConfigsWanted | None:
    return one | other if one and other else one or other


def revoked(revocations: Revocations, digest: Digest | None) -> Iterator[Finding]:
    """A digest that is revoked is denied in every mode, matched or not (POLICY §6)."""
    reason = revocations.of_digest(digest) if digest is not None else None
    if reason is not None:
        yield Finding(reason.code, Verdict.DENY, reason.message, reason.remedy)
