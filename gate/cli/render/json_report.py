"""The JSON of `gate check` (CLI.md): `imagegate.dev/report/v1`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Final, assert_never

from gate.evidence.dsse import COSIGN_SIGN
from gate.evidence.facts import CertificateSigner, KeySigner
from gate.policy.finding import Verdict
from gate.spent import Spent

if TYPE_CHECKING:
    from gate.cli.report import Entry, Report
    from gate.evidence.facts import Claim, Evidence, Rejection, Signer, VerifiedAttestation, VerifiedSignature, Witness
    from gate.policy.finding import Finding
    from gate.sources.manifests import Location

_TROUBLE: Final = {"set_aside": "setAside", "dropped": "dropped", "failed": "failed", "corrupt": "corrupt"}


def render(report: Report, *, stats: bool = False) -> str:
    """The report as one JSON document; with `stats`, each image has what it cost."""
    document = _report(report)
    if stats:
        document["images"] = [{**_entry(e), "stats": _spent(e.spent)} for e in report.entries]
        trouble = {name: report.store_trouble.get(key, 0) for key, name in _TROUBLE.items()}
        document["stats"] = {**_spent(sum((e.spent for e in report.entries), Spent())), "cacheTrouble": trouble}
    return json.dumps(document, indent=2) + "\n"


def _spent(spent: Spent) -> dict[str, object]:
    """Times in seconds."""
    return {
        "requests": spent.requests,
        "waves": spent.waves,
        "bytes": spent.received,
        "cacheHits": spent.hits,
        "registrySeconds": round(spent.registry, 6),
        "verifySeconds": round(spent.verify, 6),
        "evaluateSeconds": round(spent.evaluate, 6),
    }


def _report(report: Report) -> dict[str, object]:
    return {
        "apiVersion": "imagegate.dev/report/v1",
        "at": report.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "verdict": report.verdict.value,
        **({"cluster": report.cluster} if report.cluster else {}),
        "summary": {
            "images": len(report.entries),
            **{v.value: report.count(v) for v in (Verdict.ALLOW, Verdict.WARN, Verdict.DENY, Verdict.ERROR)},
        },
        "policies": [
            {
                "name": p.name,
                "kind": p.kind,
                **({"namespace": p.namespace} if p.namespace else {}),
                "mode": p.mode.value,
                "hash": p.hash,
            }
            for p in report.policies
        ],
        "findings": [
            {
                "code": f.code.value,
                "verdict": "error",
                "locations": [location_json(f.location)],
                "message": f.message,
                "remedy": f.remedy,
            }
            for f in report.source_findings
        ],
        "images": [_entry(entry) for entry in report.entries],
    }


def _entry(entry: Entry) -> dict[str, object]:
    return {
        "image": entry.text,
        "resolved": entry.resolved,
        "verdict": entry.verdict.value,
        "locations": [location_json(location) for location in entry.locations],
        "findings": [finding_json(finding) for finding in entry.findings],
        **evidence_json(entry.evidence),
    }


def evidence_json(evidence: Evidence) -> dict[str, object]:
    """`signatures`, `attestations` and `rejected` of an image."""
    return {
        "signatures": [signature_json(signature) for signature in evidence.signatures],
        "attestations": [attestation_json(attestation) for attestation in evidence.attestations],
        "rejected": [rejected_json(r) for r in evidence.rejected],
    }


def rejected_json(rejection: Rejection) -> dict[str, object]:
    """What does not verify, and why."""
    return {
        "kind": kind_of(rejection),
        "format": rejection.format.value,
        "digest": str(rejection.digest),
        "code": rejection.code.value,
        "reason": rejection.reason,
        **({"claims": claims} if (claims := _claims(rejection.claim)) else {}),
    }


def _claims(claim: Claim) -> dict[str, object]:
    """What it says of itself, which is not verified."""
    who = claim.identity
    whole = {
        "keyHint": claim.key_hint,
        "issuer": who.issuer if who else "",
        "subject": who.subject if who else "",
        "predicateType": claim.predicate_type,
    }
    return {key: value for key, value in whole.items() if value}


def kind_of(rejection: Rejection) -> str:
    """What it is stored as, or says that it is: `signature`, `attestation` or `unknown`."""
    match rejection.attestation:
        case None if rejection.claim.predicate_type:
            return "signature" if rejection.claim.predicate_type == COSIGN_SIGN else "attestation"
        case None:
            return "unknown"
        case True:
            return "attestation"
        case False:
            return "signature"


def location_json(location: Location) -> dict[str, object]:
    """Where an image is written; what is not known is left out."""
    whole = {
        "file": location.file,
        "line": location.line,
        "column": location.column,
        "path": location.path,
        "kind": location.kind,
        "namespace": location.namespace,
        "name": location.name,
        "container": location.container,
    }
    return {key: value for key, value in whole.items() if value not in ("", 0)}


def finding_json(finding: Finding) -> dict[str, object]:
    """One finding."""
    whole = {
        "code": finding.code.value,
        "verdict": finding.verdict.value,
        "policy": finding.policy,
        "rule": finding.rule,
        "message": finding.message,
        "remedy": finding.remedy,
    }
    return {key: value for key, value in whole.items() if value or key == "message"}


def signature_json(signature: VerifiedSignature) -> dict[str, object]:
    """A verified signature."""
    return {
        "format": signature.format.value,
        "digest": str(signature.digest),
        "signer": signer_json(signature.signer),
        **_time(signature.witness),
        "annotations": dict(signature.annotations),
        "dockerReference": str(signature.docker_reference) if signature.docker_reference else None,
    }


def attestation_json(attestation: VerifiedAttestation) -> dict[str, object]:
    """A verified attestation, without what it says."""
    return {
        "predicateType": attestation.predicate_type,
        "format": attestation.format.value,
        "digest": str(attestation.digest),
        "signer": signer_json(attestation.signer),
        **_time(attestation.witness),
    }


def signer_json(signer: Signer) -> dict[str, object]:
    """Who made it: a key, or an identity with the claims of its certificate."""
    match signer:
        case KeySigner():
            return {"kind": "key", "fingerprint": signer.key.fingerprint, "algorithm": signer.key.algorithm}
        case CertificateSigner():
            identity = signer.identity
            claims = {name: value for name, value in asdict(identity.claims).items() if value}
            return {
                "kind": "keyless" if identity.issuer else "certificate",
                **({"issuer": identity.issuer} if identity.issuer else {}),
                "subject": identity.subject,
                "root": signer.issuers[-1],
                **({"claims": claims} if claims else {}),
            }
        case _:
            assert_never(signer)


def _time(witness: Witness) -> dict[str, object]:
    """The earliest verified time and who says it."""
    earliest = witness.earliest
    if earliest is None:
        return {"time": None, "timeSource": None}
    return {"time": f"{earliest.at:%Y-%m-%dT%H:%M:%SZ}", "timeSource": earliest.source.value}
