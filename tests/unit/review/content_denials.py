"""Denials by what is attested of an image, and by what it is built on."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from tests.unit.policy.build import policies, policy
from tests.unit.review.scene import CI, DAY, NAME, SBOM, Json, Scene, based_on, built

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from gate.review.review import ImageReview

VULN: Final = "https://cosign.sigstore.dev/attestation/vuln/v1"
SPDX: Final = "https://spdx.dev/Document"
SLSA: Final = "https://slsa.dev/provenance/v1"
BASES: Final = "ghcr.io/acme/bases"
LOG4J: Final = "pkg:maven/org.apache.logging.log4j/log4j-core"


def judged(scene: Scene, kind: str, **rule: object) -> ImageReview:
    return scene.judge(policies(policy([{kind: {"by": "ci", **rule}}], name="acme-prod", signers=CI)))


def finding(name: str = "CVE-2021-44228", severity: str = "CRITICAL", package: str = "log4j-core") -> Json:
    """As Trivy reports it."""
    return {
        "VulnerabilityID": name,
        "PkgName": package,
        "PkgIdentifier": {"PURL": f"pkg:maven/org.apache.logging.log4j/{package}@2.14.1"},
        "InstalledVersion": "2.14.1",
        "FixedVersion": "2.15.0",
        "Status": "fixed",
        "Severity": severity,
    }


def scanned(*findings: Json, at: str) -> Json:
    """A report of Trivy, as cosign attests it."""
    report = {
        "SchemaVersion": 2,
        "CreatedAt": at,
        "ArtifactName": NAME,
        "ArtifactType": "container_image",
        "Results": [{"Target": "app", "Class": "lang-pkgs", "Type": "jar", "Vulnerabilities": list(findings)}],
    }
    scanner = {"uri": "pkg:github/aquasecurity/trivy", "version": "0.67.0", "db": {}, "result": report}
    return {"invocation": {}, "scanner": scanner, "metadata": {"scanStartedOn": at, "scanFinishedOn": at}}


def listed(*components: Json) -> Json:
    """A CycloneDX document."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"timestamp": "2026-10-30T12:00:00Z"},
        "components": list(components),
    }


def component(name: str = "log4j-core", version: str = "2.14.1", licence: str = "Apache-2.0") -> Json:
    licenses = [{"expression": licence}] if licence else []
    purl = f"pkg:maven/org.apache.logging.log4j/{name}@{version}"
    return {"type": "library", "name": name, "version": version, "purl": purl, "licenses": licenses}


def made(
    builder: str = "https://github.com/acme/api/.github/workflows/release.yml@refs/heads/main",
    build_type: str = "https://actions.github.io/buildtypes/workflow/v1",
    ref: str = "refs/heads/main",
) -> Json:
    """SLSA provenance v1, as GitHub makes it."""
    workflow = {"ref": ref, "repository": "https://github.com/acme/api", "path": ".github/workflows/release.yml"}
    source = {"uri": f"git+https://github.com/acme/api@{ref}", "digest": {"gitCommit": "0" * 40}}
    return {
        "buildDefinition": {
            "buildType": build_type,
            "externalParameters": {"workflow": workflow},
            "resolvedDependencies": [source],
        },
        "runDetails": {"builder": {"id": builder}},
    }


def scan(*findings: Json, age: timedelta = 2 * DAY, **rule: object) -> ImageReview:
    scene = Scene()
    scene.attest(VULN, scanned(*findings, at=f"{scene.clock.now() - age:%Y-%m-%dT%H:%M:%SZ}"), age=age)
    return judged(scene, "scan", **{"maxAge": "7d", "deny": [{"severity": "high"}], **rule})


def sbom(*components: Json, type_: str = SBOM, **rule: object) -> ImageReview:
    scene = Scene()
    scene.attest(type_, listed(*components), age=2 * DAY)
    return judged(scene, "sbom", **rule)


def provenance(said: Json, **rule: object) -> ImageReview:
    scene = Scene()
    scene.attest(SLSA, said)
    return judged(scene, "provenance", **rule)


def many_findings() -> ImageReview:
    """Two hundred, of which four are critical, whatever their names come to."""
    found = [
        finding(f"CVE-2026-{1000 + number}", "CRITICAL" if number % 50 == 49 else "HIGH", f"package-{number}")
        for number in range(200)
    ]
    return scan(*found)


def custom(**rule: object) -> ImageReview:
    scene = Scene()
    scene.attest("https://in-toto.io/attestation/test-result/v0.1", {"result": "FAILED"}, age=200 * DAY)
    return judged(scene, "attestation", type="https://in-toto.io/attestation/test-result/v0.1", **rule)


def on_base(*, said: bool) -> ImageReview:
    scene = Scene()
    base = built(scene.registry, f"{BASES}/debian", "12", ["debian"])
    labels = based_on(f"{BASES}/debian:12", base) if said else {}
    scene.digest = built(scene.registry, NAME, "v1.4.2", ["alpine", "api"], labels)
    return scene.judge(policies(policy([{"base": {"images": [f"{BASES}/**"]}}], name="acme-prod")))


CONTENT_DENIALS: Final[dict[Code, Callable[[], ImageReview]]] = {
    Code.BASE_NOT_ALLOWED: partial(on_base, said=True),
    Code.BASE_UNKNOWN: partial(on_base, said=False),
    Code.ATTESTATION_STALE: partial(custom, maxAge="90d"),
    Code.PREDICATE_UNREADABLE: lambda: scan({"VulnerabilityID": 7}),
    Code.PREDICATE_REJECTED: partial(custom, cel="predicate.result == 'PASSED'", message="tests have to pass"),
    Code.SBOM_FORMAT: partial(sbom, component(), formats=["spdx"]),
    Code.SBOM_INCOMPLETE: partial(sbom, component(), {"type": "library", "name": "api"}, requireFields=["version"]),
    Code.COMPONENT_DENIED: partial(sbom, component(), denyComponents=[f"{LOG4J}@<2.17.1"]),
    Code.LICENSE_DENIED: partial(sbom, component(licence="AGPL-3.0-only"), denyLicenses=["AGPL-3.0-*"]),
    Code.LICENSE_UNKNOWN: partial(sbom, component(licence=""), denyLicenses=["AGPL-3.0-*"]),
    Code.SCAN_STALE: partial(scan, age=9 * DAY),
    Code.SCANNER_NOT_ALLOWED: partial(scan, scanners=["grype"]),
    Code.VULNERABILITY_DENIED: lambda: scan(finding()),
    Code.BUILDER_MISMATCH: partial(
        provenance, made("https://builder.example"), builder="https://github.com/acme/api/**"
    ),
    Code.SOURCE_MISMATCH: partial(provenance, made(), source="github.com/acme/orders"),
    Code.BUILD_TYPE_MISMATCH: partial(
        provenance, made(), buildType="https://slsa-framework.github.io/github-actions-buildtypes/**"
    ),
}
"""How to get each."""
