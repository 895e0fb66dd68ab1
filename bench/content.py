"""`python -m bench.content`: what it costs to judge what is inside, and what memory a large SBOM takes.

An SBOM of 5,000 components as syft writes it (CycloneDX 1.5, 5.9 MB; SPDX 2.3) and a report of trivy with 5,000
findings (5.9 MB), each attested. Cold: read and judged by a rule with denials, licences or VEX, as at a first
admission; CPU, for the machine may be shared. Warm: planned and concluded when what it says is remembered.
"""

from __future__ import annotations

import gc
import hashlib
import json
import multiprocessing
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.rows import Row, table
from gate.deadline import Deadline
from gate.demo.signing import SigningKey
from gate.documents import Document
from gate.evidence.facts import Evidence, Format, KeySigner, VerifiedAttestation, Witness
from gate.image.digest import Digest
from gate.image.reference import Reference
from gate.policy.evaluate import conclude, to_read
from gate.policy.finding import Verdict
from gate.policy.known import Known
from gate.policy.matching import Workload
from gate.policy.plan import Stage, plan
from gate.policy.reading.sets import parse_set
from gate.policy.trust import PUBLIC_GOOD
from gate.review.predicates import PredicateReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.policy.policy_set import PolicySet

COUNT, TIMES, ROUNDS, LARGE = 5_000, 9, 100, 40_000_000
BAR_COLD, BAR_WARM, BAR_MEMORY = 60.0, 100.0, 6.0
_KEY = SigningKey.generate()
_NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
_AT = "2026-11-23T10:00:00Z"
_LICENSES = ("MIT", "Apache-2.0", "ISC", "BSD-3-Clause")
_IMAGE = Digest.of(b"image")
_RULES: dict[str, dict[str, Any]] = {
    "sbom": {
        "denyComponents": ["pkg:maven/org.apache.logging.log4j/log4j-core@<2.17.1", "pkg:npm/event-stream@3.3.6"],
        "denyLicenses": ["AGPL-3.0-*"],
    },
    "scan": {"maxAge": "7d", "deny": [{"severity": "critical"}, {"severity": "high", "fix": "available"}]},
}


def _cyclonedx(i: int) -> dict[str, Any]:
    purl = f"pkg:npm/%40acme-{i % 97}/package-{i}@{i % 7}.{i % 11}.{i % 13}"
    return {
        "type": "library", "bom-ref": f"{purl}?package-id={i:016x}", "group": f"@acme-{i % 97}", "name": f"package-{i}",
        "version": f"{i % 7}.{i % 11}.{i % 13}", "description": "What it does for whoever uses it, in a sentence. " * 3,
        "hashes": [{"alg": "SHA-512", "content": hashlib.sha512(str(i).encode()).hexdigest()}],
        "licenses": [{"license": {"id": _LICENSES[i % 4]}}], "purl": purl,
        "externalReferences": [
            {"type": "website", "url": f"https://example.com/acme/package-{i}#readme"},
            {"type": "vcs", "url": f"git+https://github.com/acme/package-{i}.git"},
        ],
        "properties": [
            {"name": "syft:package:foundBy", "value": "javascript-package-cataloger"},
            {"name": "syft:location:0:path", "value": f"/app/node_modules/package-{i}/package.json"},
        ],
    }  # fmt: skip


def cyclonedx(count: int = COUNT) -> dict[str, Any]:
    """An SBOM."""
    metadata = {"timestamp": _AT, "tools": [{"vendor": "anchore", "name": "syft", "version": "1.0"}]}
    components = [_cyclonedx(i) for i in range(count)]
    depends = [{"ref": one["bom-ref"], "dependsOn": [components[i - 1]["bom-ref"]]} for i, one in enumerate(components)]
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "metadata": metadata, "components": components,
        "dependencies": depends,
    }  # fmt: skip


def spdx() -> dict[str, Any]:
    """An SBOM."""
    return {
        "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "x", "dataLicense": "CC0-1.0",
        "documentNamespace": "https://acme.example/x",
        "creationInfo": {"created": _AT, "creators": ["Tool: syft-1.0"]},
        "packages": [
            {
                "SPDXID": f"SPDXRef-{i}", "name": f"package-{i}", "versionInfo": f"{i % 7}.{i % 11}.0",
                "downloadLocation": "NOASSERTION", "licenseConcluded": "NOASSERTION",
                "licenseDeclared": _LICENSES[i % 4], "copyrightText": "NOASSERTION", "filesAnalyzed": False,
                "checksums": [{"algorithm": "SHA1", "checksumValue": hashlib.sha1(str(i).encode()).hexdigest()}],
                "externalRefs": [
                    {"referenceCategory": "SECURITY", "referenceType": "cpe23Type",
                     "referenceLocator": f"cpe:2.3:a:acme:package-{i}:{i % 7}:*:*:*:*:*:*:*"},
                    {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                     "referenceLocator": f"pkg:npm/package-{i}@{i % 7}.{i % 11}.0"},
                ],
            }
            for i in range(COUNT)
        ],
    }  # fmt: skip


def trivy() -> dict[str, Any]:
    """A report in cosign's predicate; nothing in it is denied."""
    found = [
        {
            "VulnerabilityID": f"CVE-2020-{i:05}", "VendorIDs": [f"DSA-{i}-1"], "PkgID": f"p{i % 400}@1.2.3",
            "PkgName": f"p{i % 400}", "PkgIdentifier": {"PURL": f"pkg:deb/debian/p{i % 400}@1.2.3?arch=amd64"},
            "InstalledVersion": "1.2.3", "FixedVersion": "1.2.4" if i % 2 else "", "Status": "fixed" if i % 2 else "affected",
            "SeveritySource": "nvd", "PrimaryURL": f"https://avd.aquasec.com/nvd/cve-2020-{i:05}",
            "Title": "a title that says in one line what it is", "Description": "What may happen, and to whom. " * 18,
            "Severity": ("LOW", "MEDIUM")[i % 2], "CweIDs": ["CWE-79"], "VendorSeverity": {"nvd": 2, "debian": 1},
            "CVSS": {"nvd": {"V3Vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", "V3Score": 6.1}},
            "References": [f"https://example.com/{i}/{j}" for j in range(4)],
            "PublishedDate": "2020-05-08T21:15:00Z", "LastModifiedDate": "2024-11-21T05:05:00Z",
        }
        for i in range(COUNT)
    ]  # fmt: skip
    report = {
        "SchemaVersion": 2, "CreatedAt": _AT, "ArtifactName": "ghcr.io/acme/api", "ArtifactType": "container_image",
        "Results": [{"Target": "debian", "Class": "os-pkgs", "Type": "debian", "Vulnerabilities": found}],
    }  # fmt: skip
    scanner = {"uri": "pkg:github/aquasecurity/trivy", "version": "0.58.0", "db": {}, "result": report}
    return {"invocation": {}, "scanner": scanner, "metadata": {"scanFinishedOn": _AT}}


def attested(predicate_type: str, predicate: dict[str, Any]) -> VerifiedAttestation:
    """A fact as verification leaves it."""
    subject = [{"name": "ghcr.io/acme/api", "digest": {"sha256": _IMAGE.hex}}]
    statement = {"_type": "https://in-toto.io/Statement/v1", "subject": subject, "predicateType": predicate_type}
    content = json.dumps({**statement, "predicate": predicate}, separators=(",", ":")).encode()
    signer = KeySigner(_KEY.public, PUBLIC_GOOD)
    return VerifiedAttestation(Format.LEGACY, Digest.of(content), signer, Witness(), predicate_type, content)


def judging(fact: VerifiedAttestation, kind: str) -> Callable[[PredicateReader], None]:
    """Judges an image by one rule, with what a reader remembers."""
    policies = _policies(kind)
    reference, workload = Reference.parse(f"ghcr.io/acme/api:v1@{_IMAGE}"), Workload("Pod", "prod", {})

    def once(reader: PredicateReader) -> None:
        planned = plan(policies, reference, workload, Stage.VALIDATE, _NOW)
        known = Known(_IMAGE, dict.fromkeys(planned.sources, Evidence(attestations=(fact,))))
        wanted = to_read(planned, known, _NOW)
        said = reader.at_hand(wanted) or reader.read(wanted, Deadline.after(60, time.monotonic))
        known = Known(_IMAGE, known.evidence, predicates=said)
        decision = conclude(planned, known, _NOW)
        if decision.verdict is not Verdict.ALLOW or len(said) != 1:
            raise SystemExit(f"nothing was measured: {decision.findings[:3]}")

    return once


def _policies(kind: str) -> PolicySet:
    signers = {"a": {"key": {"pem": _KEY.pem.decode(), "transparencyLog": "ignore"}}}
    spec = {"signers": signers, "rules": [{kind: {"by": "a", **_RULES[kind]}}]}
    head = {"apiVersion": "imagegate.dev/v1", "kind": "ClusterGatePolicy", "metadata": {"name": "p"}}
    found = parse_set([Document("p", {**head, "spec": spec}, {}, {})], None)
    if found.errors:
        raise SystemExit(f"nothing was measured: {found.errors[0]}")
    return found.set


def measured(what: str, predicate_type: str, predicate: dict[str, Any], kind: str) -> list[Row]:
    """Cold and warm."""
    fact = attested(predicate_type, predicate)
    once = judging(fact, kind)
    once(PredicateReader())
    cold, warm, reader = [], [], PredicateReader()
    for _ in range(TIMES):
        fresh = PredicateReader()
        gc.collect()
        before = time.process_time()
        once(fresh)
        cold.append((time.process_time() - before) * 1000)
        del fresh
    once(reader)
    for _ in range(TIMES):
        before = time.process_time()
        for _ in range(ROUNDS):
            once(reader)
        warm.append((time.process_time() - before) * 1_000_000 / ROUNDS)
    size = f"{len(fact.statement) / 1e6:.1f} MB"
    return [
        Row.of(f"CPU of {what} ({size}), cold", cold, "ms", BAR_COLD),
        Row.of(f"CPU of {what}, what it says remembered", warm, "µs", BAR_WARM),
    ]


def _large(pipe: Any) -> None:
    """In a process of its own: what memory one SBOM of 40 MB takes, and what is left of that."""
    count = COUNT
    while len(content := json.dumps(cyclonedx(count), separators=(",", ":"))) < LARGE:
        count = int(count * max(1.02, LARGE / len(content)))
    fact = attested("https://cyclonedx.org/bom", json.loads(content))
    size = len(fact.statement)
    del content
    once = judging(fact, "sbom")
    once_small = judging(attested("https://cyclonedx.org/bom", cyclonedx(10)), "sbom")
    once_small(PredicateReader())
    gc.collect()
    pipe.send((size, *peak_of(lambda: once(PredicateReader()))))


def peak_of(work: Callable[[], object]) -> tuple[int, int]:
    """Bytes by which the process has grown at the most, and afterwards."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak from here
    before = _status("VmRSS")
    work()
    gc.collect()
    return _status("VmHWM") - before, _status("VmRSS") - before


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def memory() -> list[Row]:
    """Times its size, at the most and afterwards; the statement itself not counted."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_large, args=(theirs,))
    process.start()
    size, most, left = ours.recv()
    process.join()
    return [
        Row.of(
            f"memory of judging an SBOM of {size / 1e6:.0f} MB, at most", [most / size], "times its size", BAR_MEMORY
        ),
        Row.of("… and when it is judged", [left / size], "times its size", 1.0),
    ]


def rows() -> list[Row]:
    """All figures."""
    return [
        *measured(f"an SBOM of {COUNT} components, CycloneDX", "https://cyclonedx.org/bom", cyclonedx(), "sbom"),
        *measured(f"an SBOM of {COUNT} packages, SPDX", "https://spdx.dev/Document", spdx(), "sbom"),
        *measured(
            f"a report of trivy, {COUNT} findings", "https://cosign.sigstore.dev/attestation/vuln/v1", trivy(), "scan"
        ),
        *memory(),
    ]


if __name__ == "__main__":
    print(table(rows()))
