"""`ClusterGatePolicy` and `GatePolicy` documents, after their schema holds (POLICY §1)."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from gate.policy.patterns import ImagePattern
from gate.policy.policy import LabelExpression, Match, Mode, NamespaceSelector, Policy, Rule, SignatureRequirement
from gate.policy.reading.checks import Check
from gate.policy.reading.exceptions import check_rules, parse_waivers
from gate.policy.reading.principals import check_counted
from gate.policy.reading.remedies import nearest
from gate.policy.reading.rules import parse_rules
from gate.policy.reading.schema.policies import RULE_TYPES, WORKLOAD_KINDS
from gate.policy.reading.signers import parse_signers
from gate.policy.signers import anchor_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.policy.reading.notes import Notes
    from gate.policy.signers import SignerSpec
    from gate.policy.trust import TrustRoot

_NEAR: Final = 0.7
"""How like another kind a misspelt one is: as Deploy is like Deployment, and more so than JobSet is like Job."""


def parse_policy(kind: str, notes: Notes, roots: Mapping[str, TrustRoot], custom_kinds: frozenset[str]) -> Policy:
    """A `ClusterGatePolicy` or `GatePolicy`, which is usable only where no problem was noted.

    Args:
        kind: which of them.
        notes: of the document.
        roots: the trust roots of the set, by name.
        custom_kinds: those that the set's GateConfig declares.
    """
    spec = notes.data["spec"]
    metadata = notes.data["metadata"]
    own = kind == "GatePolicy"
    match = parse_match(notes, spec.get("match", {}))
    _check_kinds(notes, match.kinds, custom_kinds)
    signers = parse_signers(notes, spec.get("signers", {}), roots)
    rules = parse_rules(notes, spec["rules"], signers, namespaced=own)
    if len(rules) == len(spec["rules"]):  # else nobody knows whom the others speak of
        _warn_unused(notes, signers, rules)
        _check_principals(notes, signers, rules)
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
    """Of a kind that nobody declares no object is judged, and one that is misspelt looks just so."""
    known = (*WORKLOAD_KINDS, *sorted(custom))
    for i, kind in enumerate(kinds):
        if kind in known:
            continue
        meant = nearest(kind, known, _NEAR)
        remedy = f"declare it in GateConfig.customResources; known are {', '.join(known)}"
        notes.add(
            Check.UNDECLARED_KIND,
            ("spec", "match", "kinds", i),
            f"{kind} is no kind of Kubernetes' own that runs images, and no GateConfig here declares it",
            f"did you mean {meant}? Else {remedy}" if meant is not None else remedy,
        )


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
