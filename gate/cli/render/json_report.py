"""The JSON of `gate check` (CLI.md): `imagegate.dev/report/v1`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from gate.policy.decision import Verdict

if TYPE_CHECKING:
    from gate.cli.report import Entry, Report
    from gate.evidence.facts import Evidence, VerifiedSignature
    from gate.policy.decision import Finding
    from gate.sources.manifests import Location


def render(report: Report) -> str:
    """The report as one JSON document."""
    return json.dumps(_report(report), indent=2) + "\n"


def _report(report: Report) -> dict[str, object]:
    return {
        "apiVersion": "imagegate.dev/report/v1",
        "at": report.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "verdict": report.verdict.value,
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
                "locations": [_location(f.location)],
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
        "locations": [_location(location) for location in entry.locations],
        "findings": [finding_json(finding) for finding in entry.findings],
        **evidence_json(entry.evidence),
    }


def evidence_json(evidence: Evidence) -> dict[str, object]:
    """`signatures`, `attestations` and `rejected` of an image."""
    return {
        "signatures": [_signature(signature) for signature in evidence.signatures],
        "attestations": [],
        "rejected": [
            {"format": r.format.value, "digest": str(r.digest), "code": r.code.value, "reason": r.reason}
            for r in evidence.rejected
        ],
    }


def _location(location: Location) -> dict[str, object]:
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


def _signature(signature: VerifiedSignature) -> dict[str, object]:
    key = signature.signer.key
    return {
        "format": signature.format.value,
        "digest": str(signature.digest),
        "signer": {"kind": "key", "fingerprint": key.fingerprint, "algorithm": key.algorithm},
        "time": None,
        "timeSource": None,
        "annotations": dict(signature.annotations),
        "dockerReference": str(signature.docker_reference) if signature.docker_reference else None,
    }
