"""Reports of scanners and VEX as the tools write them, small, by hand."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

V31_HIGH = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"  # 7.5
V2_MEDIUM = "AV:N/AC:L/Au:N/C:N/I:N/A:P"  # 5.0
V4_CRITICAL = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"  # 9.3


def trivy_finding(name: str = "CVE-2017-20165", **fields: Any) -> Object:
    return {
        "VulnerabilityID": name,
        "PkgID": "debug@3.0.1",
        "PkgName": "debug",
        "PkgIdentifier": {"PURL": "pkg:npm/debug@3.0.1", "UID": "45acc377fa09cc3"},
        "InstalledVersion": "3.0.1",
        "FixedVersion": "3.1.0, 2.6.9",
        "Status": "fixed",
        "Layer": {},
        "SeveritySource": "ghsa",
        "PrimaryURL": "https://avd.aquasec.com/nvd/cve-2017-20165",
        "Severity": "HIGH",
        "VendorSeverity": {"ghsa": 3, "nvd": 2},
        "CVSS": {
            "ghsa": {"V3Vector": V31_HIGH, "V3Score": 7.5},
            "nvd": {"V2Vector": V2_MEDIUM, "V2Score": 5, "V3Vector": V31_HIGH, "V3Score": 7.5},
        },
        "References": ["https://nvd.nist.gov/vuln/detail/CVE-2017-20165"],
        "PublishedDate": "2023-01-09T10:15:10.447Z",
        "LastModifiedDate": "2024-05-17T01:17:24.28Z",
    } | fields


def trivy(*findings: Object, **fields: Any) -> Object:
    packages = {"Target": "package-lock.json", "Class": "lang-pkgs", "Type": "npm"}
    return {
        "SchemaVersion": 2,
        "Trivy": {"Version": "0.67.0"},
        "CreatedAt": "2026-11-20T13:21:09.230231123+06:00",
        "ArtifactName": "ghcr.io/acme/api",
        "ArtifactType": "container_image",
        "Metadata": {"ImageConfig": {"created": "0001-01-01T00:00:00Z", "os": ""}},
        "Results": [packages | ({"Vulnerabilities": list(findings)} if findings else {})],
    } | fields


def grype_match(name: str = "GHSA-9vvw-cc9w-f27h", **fields: Any) -> Object:
    return {
        "vulnerability": {
            "id": name,
            "dataSource": "https://github.com/advisories/GHSA-9vvw-cc9w-f27h",
            "namespace": "github:language:javascript",
            "severity": "High",
            "urls": [],
            "cvss": [
                {"type": "Secondary", "version": "3.1", "vector": V31_HIGH, "metrics": {"baseScore": 7.5}},
            ],
            "fix": {"versions": ["2.6.9"], "state": "fixed"},
            "advisories": [],
            "risk": 0.4,
        },
        "relatedVulnerabilities": [
            {
                "id": "CVE-2017-20165",
                "dataSource": "https://nvd.nist.gov/vuln/detail/CVE-2017-20165",
                "namespace": "nvd:cpe",
                "severity": "High",
                "cvss": [],
            }
        ],
        "matchDetails": [{"type": "exact-direct-match", "matcher": "javascript-matcher"}],
        "artifact": {
            "id": "ab",
            "name": "debug",
            "version": "2.6.8",
            "type": "npm",
            "licenses": ["MIT"],
            "purl": "pkg:npm/debug@2.6.8",
            "upstreams": [],
        },
    } | fields


def grype(*matches: Object, **fields: Any) -> Object:
    return {
        "matches": list(matches),
        "source": {"type": "image", "target": {"userInput": "ghcr.io/acme/api"}},
        "distro": {"name": "debian", "version": "12", "idLike": []},
        "descriptor": {
            "name": "grype",
            "version": "0.119.0",
            "configuration": {"only-fixed": False},
            "db": {
                "status": {"schemaVersion": "v6.1.0", "built": "2026-11-20T06:10:00Z", "valid": True},
                "providers": {"nvd": {"captured": "2026-11-20T00:07:36Z", "input": "xxh64:00"}},
            },
            "timestamp": "2026-11-20T20:15:25.2703298+02:00",
        },
    } | fields


def vuln(result: Any, **fields: Any) -> Object:
    return {
        "invocation": {"parameters": None, "uri": "", "event_id": "", "builder.id": ""},
        "scanner": {
            "uri": "pkg:github/aquasecurity/trivy@0.67.0",
            "version": "0.67.0",
            "db": {"uri": "", "version": ""},
            "result": result,
        },
        "metadata": {"scanStartedOn": "2026-11-21T08:00:00Z", "scanFinishedOn": "2026-11-21T08:00:00Z"},
    } | fields


def in_toto_vulns(*entries: Object, **fields: Any) -> Object:
    return {
        "scanner": {
            "uri": "pkg:github/aquasecurity/trivy@244fd47e07d1004f0aed9",
            "version": "0.19.2",
            "db": {"uri": "pkg:github/aquasecurity/trivy-db", "lastUpdate": "2026-11-20T17:45:50.52Z"},
            "result": list(entries),
        },
        "metadata": {"scanStartedOn": "2026-11-21T17:45:50Z", "scanFinishedOn": "2026-11-21T17:50:50.52Z"},
    } | fields


def in_toto_entry(name: str = "CVE-2021-44228", *ratings: tuple[str, Any]) -> Object:
    return {"id": name, "severity": [{"method": method, "score": score} for method, score in ratings]}


def cyclonedx_vulnerability(name: str = "CVE-2020-8165", **fields: Any) -> Object:
    return {
        "id": name,
        "source": {"name": "ghsa", "url": "https://github.com/advisories"},
        "ratings": [
            {"source": {"name": "ghsa"}, "severity": "high"},
            {"source": {"name": "nvd"}, "score": 7.5, "severity": "high", "method": "CVSSv2", "vector": V2_MEDIUM},
            {"source": {"name": "nvd"}, "score": 9.8, "severity": "critical", "method": "CVSSv31", "vector": V31_HIGH},
        ],
        "cwes": [502],
        "recommendation": "Upgrade activesupport to version 6.0.3.1, 5.2.4.3",
        "published": "2020-06-19T18:15:00+00:00",
        "affects": [{"ref": "gem", "versions": [{"version": "6.0.2.1", "status": "affected"}]}],
    } | fields


def cyclonedx(*vulnerabilities: Object, **fields: Any) -> Object:
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": "urn:uuid:3ff14136-e09f-4df9-80ea-000000000010",
        "version": 1,
        "metadata": {
            "timestamp": "2026-11-20T12:20:30+00:00",
            "tools": {
                "components": [
                    {"type": "application", "group": "aquasecurity", "name": "trivy", "version": "0.67.0"},
                ]
            },
            "component": {
                "bom-ref": "image",
                "type": "container",
                "name": "ghcr.io/acme/api",
                "purl": "pkg:oci/api@sha256%3Aaa?repository_url=ghcr.io/acme/api",
            },
        },
        "components": [
            {
                "bom-ref": "os",
                "type": "operating-system",
                "name": "debian",
                "version": "12",
                "components": [
                    {
                        "bom-ref": "gem",
                        "type": "library",
                        "name": "activesupport",
                        "version": "6.0.2.1",
                        "purl": "pkg:gem/activesupport@6.0.2.1",
                        "hashes": [{"alg": "SHA-256", "content": "AB" * 32}],
                    }
                ],
            }
        ],
        "vulnerabilities": list(vulnerabilities),
    } | fields


def openvex_statement(**fields: Any) -> Object:
    return {
        "vulnerability": {
            "@id": "https://nvd.nist.gov/vuln/detail/CVE-2021-44228",
            "name": "CVE-2021-44228",
            "aliases": ["GHSA-jfh8-c2jp-5v3q"],
        },
        "products": [
            {
                "@id": "pkg:oci/api@sha256%3Aaa",
                "identifiers": {"purl": "pkg:oci/api@sha256%3Aaa", "cpe23": "cpe:2.3:a:acme:api:1:*:*:*:*:*:*:*"},
                "hashes": {"sha-256": "AA" * 32},
                "subcomponents": [{"@id": "pkg:maven/org.apache.logging.log4j/log4j-core@2.4"}],
            }
        ],
        "status": "not_affected",
        "justification": "vulnerable_code_not_in_execute_path",
    } | fields


def openvex(*statements: Object, **fields: Any) -> Object:
    return {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://openvex.dev/docs/public/vex-2e67563e",
        "author": "Acme Security <security@acme.example>",
        "role": "vendor",
        "timestamp": "2026-11-20T19:07:16.853479631-06:00",
        "version": 1,
        "statements": list(statements),
    } | fields


def openvex_first(*statements: Object, **fields: Any) -> Object:
    """Of v0.0.1, as vexctl wrote it."""
    return {
        "@context": "https://openvex.dev/ns",
        "@id": "my-vexdoc",
        "format": "text/vex+json",
        "author": "John Doe",
        "role": "vex issuer",
        "statements": list(statements),
    } | fields
