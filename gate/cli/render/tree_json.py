"""The JSON of `gate policy explain`: `imagegate.dev/explain/v1` (docs/policy-explain.md)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, assert_never

from gate.cli.render.contents import content_json
from gate.cli.render.json_report import (
    attestation_json,
    finding_json,
    location_json,
    rejected_json,
    signature_json,
)
from gate.evidence.facts import VerifiedSignature
from gate.policy.bases import BaseRequirement
from gate.policy.finding import Reason
from gate.policy.policy import (
    AttestationRequirement,
    CelRequirement,
    DenyRequirement,
    ImageRequirement,
    SignatureRequirement,
    Unusable,
)
from gate.policy.signers import AnyOf, AtLeast, One

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from gate.authoring.explanation import Document, Explanation, Fact, PolicyExplained, RuleExplained, Search, Wanted
    from gate.cli.report import SourceFinding
    from gate.policy.finding import Verdict
    from gate.policy.matching import Workload
    from gate.policy.policy import Requirement
    from gate.sources.manifests import Location

_Json = dict[str, object]


def render(
    told: Sequence[tuple[Explanation, Sequence[Location]]],
    sources: Sequence[SourceFinding],
    verdict: Verdict,
    at: datetime,
) -> str:
    """Explanations as one JSON document.

    Args:
        told: of each image, with the places that it is written in.
        sources: findings about files.
        verdict: over all.
        at: the instant that was decided at.
    """
    document = {
        "apiVersion": "imagegate.dev/explain/v1",
        "at": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "verdict": verdict.value,
        "findings": [
            {"code": f.code.value, "locations": [location_json(f.location)], "message": f.message, "remedy": f.remedy}
            for f in sources
        ],
        "images": [_image(one, places) for one, places in told],
    }
    return json.dumps(document, indent=2) + "\n"


def _image(told: Explanation, places: Sequence[Location]) -> _Json:
    review = told.review
    reference = review.reference
    digests, signers = told.revocations
    return {
        "image": review.subject.text,
        "normalised": str(reference) if reference is not None else None,
        "resolved": review.resolved,
        "verdict": told.verdict.value,
        "decisive": [{"policy": p.policy.name, "rule": rule.rule.name} for p, rule in told.decisive],
        "locations": [location_json(place) for place in places],
        "workload": _workload(review.subject.workload),
        "excludedNamespace": told.excluded,
        "policies": [_policy(policy) for policy in told.policies],
        "coveredBy": list(told.covered_by),
        "unmatched": told.unmatched.value,
        "revocations": {"digests": digests, "signers": signers},
        "breakGlasses": [{"name": g.glass.name, "use": g.use.value, "until": g.glass.until} for g in told.glasses],
        "findings": [finding_json(finding) for finding in told.findings],
        "pinning": told.pinning.value,
    }


def _workload(workload: Workload) -> _Json:
    """What is null is not known."""
    labels = workload.namespace_labels
    return {
        "kind": workload.kind,
        "namespace": workload.namespace,
        "namespaceLabels": dict(labels) if labels is not None else None,
        "serviceAccount": workload.service_account,
    }


def _policy(told: PolicyExplained) -> _Json:
    policy = told.policy
    return {
        "kind": policy.kind,
        "name": policy.name,
        "namespace": policy.namespace,
        "mode": policy.mode.value,
        "hash": policy.hash,
        "matched": not told.misfits,
        "caveat": told.caveat,
        "misfits": [{"field": misfit.field, "message": misfit.why} for misfit in told.misfits],
        "rules": [_rule(rule) for rule in told.rules],
    }


def _rule(told: RuleExplained) -> _Json:
    return {
        "name": told.rule.name,
        "type": _type(told.rule.requirement),
        "state": told.state.value,
        "notAsked": told.not_asked,
        "findings": [finding_json(finding) for finding in told.findings],
        "exceptions": [
            {"use": one.use.value, "until": one.waiver.until, "reason": one.waiver.reason, "origin": one.waiver.origin}
            for one in told.exceptions
        ],
        "search": _search(told.search) if told.search is not None else None,
    }


def _type(requirement: Requirement) -> str:
    match requirement:
        case ImageRequirement():
            return "image"
        case DenyRequirement():
            return "deny"
        case SignatureRequirement():
            return "signature"
        case AttestationRequirement():
            return requirement.kind
        case BaseRequirement():
            return "base"
        case CelRequirement():
            return "cel"
        case Unusable():
            return "unusable"
        case _:
            assert_never(requirement)


def _search(found: Search) -> _Json:
    return {
        "repository": str(found.place.repository),
        "tagPrefix": found.place.tag_prefix,
        "by": _wanted(found.by),
        "unless": _wanted(found.unless) if found.unless is not None else None,
        "strangers": [_fact(fact) for fact in found.strangers],
        "rejected": [rejected_json(rejection) for rejection in found.rejected],
        "otherTypes": list(found.other_types),
        "unavailable": [{"code": u.code.value, "message": u.message, "remedy": u.remedy} for u in found.unavailable],
        "stale": found.stale,
        "select": found.select.value if found.select is not None else None,
        "documents": [_document(one) for one in found.documents],
        "platforms": [
            {
                "platform": str(one.image.platform) if one.image.platform is not None else None,
                "digest": str(one.image.digest),
                "search": _search(one.search),
            }
            for one in found.platforms
        ],
    }


def _wanted(wanted: Wanted) -> _Json:
    met: _Json = {"met": wanted.met, "principals": wanted.principals}
    match wanted.expression:
        case One(name):
            chosen = [_fact(fact) for fact in wanted.chosen]
            refused = [
                {**_fact(r.fact), "code": r.reason.code.value, "message": r.reason.message, "remedy": r.reason.remedy}
                for r in wanted.refused
            ]
            return {"signer": name, **met, "chosen": chosen, "refused": refused, "missing": wanted.missing}
        case AnyOf():
            return {"anyOf": [_wanted(part) for part in wanted.parts], **met}
        case AtLeast(count):
            return {"atLeast": count, "of": [_wanted(part) for part in wanted.parts], **met}
        case _:
            assert_never(wanted.expression)


def _document(told: Document) -> _Json:
    """What was read; `counts` whether it has to pass, or, of VEX, is heard. `against` is why it does not."""
    said = told.found.said
    return {
        **attestation_json(told.found.fact),
        "by": told.found.signer,
        "at": f"{told.found.at:%Y-%m-%dT%H:%M:%SZ}" if told.found.at is not None else None,
        "vex": told.vex,
        "counts": told.counts,
        "summary": content_json(said) if not isinstance(said, Reason) else None,
        "unread": {"code": said.code.value, "message": said.message} if isinstance(said, Reason) else None,
        "against": [{"code": one.code.value, "message": one.message, "remedy": one.remedy} for one in told.against],
    }


def _fact(fact: Fact) -> _Json:
    return signature_json(fact) if isinstance(fact, VerifiedSignature) else attestation_json(fact)
