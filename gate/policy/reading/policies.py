"""`ClusterGatePolicy` and `GatePolicy` documents, after their schema holds (POLICY §1)."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from gate.policy.patterns import ImagePattern
from gate.policy.policy import LabelExpression, Match, Mode, NamespaceSelector, Policy, Rule, SignatureRequirement
from gate.policy.reading.checks import Check
from gate.policy.reading.exceptions import check_rules, parse_waivers
from gate.policy.reading.remedies import nearest
from gate.policy.reading.rules import check_times, parse_rules
from gate.policy.reading.schema.policies import RULE_TYPES, WORKLOAD_KINDS
from gate.policy.reading.signers import check_counted, parse_signers
from gate.policy.signers import anchor_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.policy.reading.notes import Notes
    from gate.policy.signers import SignerSpec
    from gate.policy.trust import TrustRoot

_NEAR: Final = 0.85
"""How like another kind a misspelt one is: more so than JobSet is like Job, or DeploymentConfig like Deployment."""


def parse_policy(
    kind: str, notes: Notes, roots: Mapping[str, TrustRoot], custom_kinds: frozenset[str] | None = None
) -> Policy:
    """A `ClusterGatePolicy` or `GatePolicy`, which is usable only where no problem was noted.

    Args:
        kind: which of them.
        notes: of the document.
        roots: the trust roots of the set, by name.
        custom_kinds: those that `GateConfig.customResources` has; None where that is not known.
    """
    spec = notes.data["spec"]
    metadata = notes.data["metadata"]
    own = kind == "GatePolicy"
    match = parse_match(notes, spec.get("match", {}))
    if custom_kinds is not None:
        _check_kinds(notes, match.kinds, custom_kinds)
    signers = parse_signers(notes, spec.get("signers", {}), roots)
    rules = parse_rules(notes, spec["rules"], namespaced=own)
    if len(rules) == len(spec["rules"]):  # else nobody knows whom the others speak of
        _warn_unused(notes, signers, rules)
        _check_principals(notes, signers, rules)
    check_times(notes, rules, signers)
    excepted = spec.get("exceptions", [])
    check_rules(notes, ("spec", "exceptions"), excepted, _rule_names(spec["rules"]))
    return Policy(
        kind,
        metadata["name"],
        Mode(spec.get("mode", "enforce")),
        match,
        rules,
        signers,
        metadata["namespace"] if own else None,
        _hash(kind, metadata, spec, signers),
        parse_waivers(notes, ("spec", "exceptions"), excepted),
        frozenset(spec.get("exceptionsFrom", {}).get("names", ())),
    )


def _warn_unused(notes: Notes, signers: Mapping[str, SignerSpec], rules: tuple[Rule, ...]) -> None:
    used = {name for rule in rules for name in rule.signers}
    for name in signers:
        if name not in used:
            said = f"no rule speaks of the signer {name}"
            notes.add(Check.UNUSED_SIGNER, ("spec", "signers", name), said, "use it, or remove it", key=True)


def _check_principals(notes: Notes, signers: Mapping[str, SignerSpec], rules: tuple[Rule, ...]) -> None:
    for i, rule in enumerate(rules):
        wanted = rule.requirement
        if isinstance(wanted, SignatureRequirement):
            path = ("spec", "rules", i, "signature")
            check_counted(notes, (*path, "by"), wanted.by, signers)
            if wanted.unless is not None:
                check_counted(notes, (*path, "unless", "by"), wanted.unless, signers)


def _rule_names(raw: list[dict[str, Any]]) -> list[str]:
    """What rules are called, those included that are wrong: that is no reason to say that there is none."""
    return [entry.get("name") or next((kind for kind in RULE_TYPES if kind in entry), "") for entry in raw]


def parse_match(notes: Notes, raw: dict[str, Any]) -> Match:
    """What a policy is about; what is wrong with it is noted."""
    path = ("spec", "match")
    return Match(
        _patterns(notes, (*path, "images"), raw.get("images", ["**"])),
        _patterns(notes, (*path, "exclude"), raw.get("exclude", [])),
        _namespaces(notes, raw.get("namespaces", {})),
        tuple(raw.get("kinds", ())),
        tuple(raw.get("serviceAccounts", ())),
    )


def _check_kinds(notes: Notes, kinds: tuple[str, ...], custom: frozenset[str]) -> None:
    """Of a kind that is not read no object is judged: one that is nearly Kubernetes' own is misspelt."""
    for i, kind in enumerate(kinds):
        if kind in WORKLOAD_KINDS or kind in custom:
            continue
        path = ("spec", "match", "kinds", i)
        if (meant := nearest(kind, (*WORKLOAD_KINDS, *custom), _NEAR)) is not None:
            notes.add(Check.WRONG_VALUE, path, f"no kind is called {kind}", f"did you mean {meant}?")
        else:
            said = f"no GateConfig here has the kind {kind} in `customResources`: its objects are not judged"
            notes.add(Check.UNDECLARED_KIND, path, said, f"add it there; known are {', '.join(WORKLOAD_KINDS)}")


def _patterns(notes: Notes, path: tuple[str, ...], raw: list[str]) -> tuple[ImagePattern, ...]:
    found = (notes.attempt(Check.IMAGE_PATTERN, (*path, i), ImagePattern.parse, text) for i, text in enumerate(raw))
    return tuple(p for p in found if p is not None)


def _namespaces(notes: Notes, raw: dict[str, Any]) -> NamespaceSelector:
    expressions = []
    for i, entry in enumerate(raw.get("matchExpressions", [])):
        values = tuple(entry.get("values", ()))
        if (entry["operator"] in ("In", "NotIn")) != bool(values):
            wrong, remedy = ("takes no values", "remove `values`") if values else ("needs values", "add `values`")
            notes.add(
                Check.LABEL_OPERATOR,
                ("spec", "match", "namespaces", "matchExpressions", i),
                f"the operator {entry['operator']} {wrong}",
                remedy,
            )
        expressions.append(LabelExpression(entry["key"], entry["operator"], values))
    return NamespaceSelector(tuple(raw.get("names", ())), raw.get("matchLabels", {}), tuple(expressions))


def _hash(kind: str, metadata: dict[str, Any], spec: dict[str, Any], signers: Mapping[str, SignerSpec]) -> str:
    """`sha256:…` over what the policy says and what it read from elsewhere: keys, certificates, trust roots."""
    content = {
        "kind": kind,
        "name": metadata["name"],
        "namespace": metadata.get("namespace"),
        "spec": spec,
        "trust": {name: anchor for name, spec in sorted(signers.items()) if (anchor := anchor_of(spec))},
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
