"""What is attested of the images beside the ready policies, in the shapes that tools write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.fakes import reports
from tests.policies.signing import REPOSITORY, WORKFLOW

if TYPE_CHECKING:
    from datetime import datetime

    from gate.image.digest import Digest
    from tests.fakes.reports import Object

CYCLONEDX: Final = "https://cyclonedx.org/bom"
SPDX: Final = "https://spdx.dev/Document"
VULN: Final = "https://cosign.sigstore.dev/attestation/vuln/v1"
OPENVEX: Final = "https://openvex.dev/ns"
SLSA: Final = "https://slsa.dev/provenance/v1"
TEST_RESULT: Final = "https://in-toto.io/attestation/test-result/v0.1"

LOG4J: Final = "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1"


def written(at: datetime) -> str:
    """A time, RFC 3339."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def cyclonedx(*more: Object) -> Object:
    """Some of what cyclonedx-py wrote of an environment, and further components."""
    document: Object = json.loads(Path(__file__).with_name("api.cdx.json").read_text("utf-8"))
    document["components"] += more
    return document


def component(purl: str, *licenses: Object) -> Object:
    """A library of CycloneDX."""
    name, _, version = purl.rpartition("/")[2].partition("@")
    found = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    return {**found, "licenses": list(licenses)} if licenses else found


def spdx(at: datetime) -> Object:
    """As syft writes it: the image, and what it contains."""
    curl = "pkg:deb/debian/curl@7.88.1-10%2Bdeb12u8?arch=amd64&distro=debian-12"
    image = {"SPDXID": "SPDXRef-image", "name": "ghcr.io/acme/api", "primaryPackagePurpose": "CONTAINER"}
    package = {
        "SPDXID": "SPDXRef-Package-deb-curl",
        "name": "curl",
        "versionInfo": "7.88.1-10+deb12u8",
        "supplier": "Organization: Debian",
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "curl",
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": curl},
        ],
    }
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "ghcr.io/acme/api",
        "documentNamespace": "https://anchore.com/syft/image/ghcr.io/acme/api-2f0e1a86",
        "creationInfo": {"creators": ["Organization: Anchore, Inc", "Tool: syft-1.38.0"], "created": written(at)},
        "packages": [{**image, "downloadLocation": "NOASSERTION"}, {**package, "downloadLocation": "NOASSERTION"}],
        "relationships": [
            {
                "spdxElementId": "SPDXRef-DOCUMENT",
                "relatedSpdxElement": "SPDXRef-image",
                "relationshipType": "DESCRIBES",
            },
        ],
    }


def finding(name: str = "CVE-2021-44228", severity: str = "CRITICAL", fixed: str = "2.15.0") -> Object:
    """A finding of Trivy in log4j-core; without `fixed` one that nothing fixes yet."""
    return {
        "VulnerabilityID": name,
        "PkgName": "org.apache.logging.log4j:log4j-core",
        "PkgIdentifier": {"PURL": LOG4J},
        "InstalledVersion": "2.14.1",
        **({"FixedVersion": fixed, "Status": "fixed"} if fixed else {"Status": "affected"}),
        "SeveritySource": "nvd",
        "Severity": severity,
        "PublishedDate": "2021-12-10T10:15:09Z",
    }


def scan(at: datetime, *findings: Object) -> Object:
    """Trivy's report, as `trivy image --format cosign-vuln` wraps it."""
    report = reports.trivy(*findings, CreatedAt=written(at))
    return reports.vuln(report, metadata={"scanStartedOn": written(at), "scanFinishedOn": written(at)})


def vex(at: datetime, image: Digest, name: str = "CVE-2021-44228") -> Object:
    """That a vulnerability in log4j-core does no harm in an image, as vexctl writes it."""
    product = {"@id": f"pkg:oci/api@{str(image).replace(':', '%3A')}", "subcomponents": [{"@id": LOG4J}]}
    said = reports.openvex_statement(vulnerability={"name": name}, products=[product])
    return reports.openvex(said, timestamp=written(at))


def provenance(
    at: datetime, *, workflow: str = WORKFLOW, source: str = REPOSITORY, ref: str = "refs/heads/main"
) -> Object:
    """As GitHub's attest-build-provenance writes it."""
    path = workflow.removeprefix(f"{REPOSITORY}/")
    return {
        "buildDefinition": {
            "buildType": "https://actions.github.io/buildtypes/workflow/v1",
            "externalParameters": {"workflow": {"ref": ref, "repository": source, "path": path}},
            "internalParameters": {"github": {"event_name": "push", "runner_environment": "github-hosted"}},
            "resolvedDependencies": [
                {"uri": f"git+{source}@{ref}", "digest": {"gitCommit": "d37a7f740ee7404914456f24dcd90e865a0509e8"}}
            ],
        },
        "runDetails": {
            "builder": {"id": f"{workflow}@{ref}"},
            "metadata": {"invocationId": f"{source}/actions/runs/1/attempts/1", "finishedOn": written(at)},
        },
    }


def results(result: str = "PASSED", *failed: str) -> Object:
    """in-toto's test-result."""
    return {
        "result": result,
        "configuration": [{"name": "release.yml", "downloadLocation": WORKFLOW, "digest": {"gitCommit": "d37a7f74"}}],
        "passedTests": ["unit", "contract"],
        "warnedTests": [],
        "failedTests": list(failed),
    }
