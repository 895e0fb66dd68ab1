from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gate.policy.content import trivy
from gate.policy.content.document import Unreadable
from gate.policy.content.scan import Fix, Severity, Vulnerability
from gate.policy.content.vex import Status
from tests.fakes import reports
from tests.fakes.reports import V2_MEDIUM, V4_CRITICAL, V31_HIGH, trivy_finding


def only(**fields: Any) -> Vulnerability:
    (finding,) = trivy.read(reports.trivy(trivy_finding(**fields))).findings
    return finding


def test_a_report_says_all_that_is_read_of_it() -> None:
    scan = trivy.read(reports.trivy(trivy_finding(VendorIDs=["GHSA-9vvw-cc9w-f27h"])))
    assert (scan.tool, scan.version, scan.database) == ("trivy", "0.67.0", None)
    assert scan.at == datetime(2026, 11, 20, 7, 21, 9, 230231, tzinfo=UTC)
    assert scan.findings == (
        Vulnerability(
            ids=("CVE-2017-20165", "GHSA-9vvw-cc9w-f27h"),
            severity=Severity.HIGH,
            source="ghsa",
            cvss=7.5,
            fix=Fix.AVAILABLE,
            fixed_in=("3.1.0", "2.6.9"),
            package="debug",
            version="3.0.1",
            purl="pkg:npm/debug@3.0.1",
            published=datetime(2023, 1, 9, 10, 15, 10, 447000, tzinfo=UTC),
        ),
    )


@pytest.mark.parametrize(
    ("fixed", "status", "fix"),
    [
        ("1.2", "fixed", Fix.AVAILABLE),
        ("1.2", "", Fix.AVAILABLE),
        ("1.2", "will_not_fix", Fix.AVAILABLE),
        ("", "fixed", Fix.AVAILABLE),
        ("", "affected", Fix.NONE),
        ("", "under_investigation", Fix.NONE),
        ("", "fix_deferred", Fix.NONE),
        ("", "will_not_fix", Fix.WONT_FIX),
        ("", "end_of_life", Fix.WONT_FIX),
        ("", "", Fix.UNKNOWN),  # before v0.42
        ("", "unknown", Fix.UNKNOWN),
        ("", "not_affected", Fix.UNKNOWN),
        (" , ", "affected", Fix.NONE),
    ],
)
def test_fix_states(fixed: str, status: str, fix: Fix) -> None:
    assert only(FixedVersion=fixed, Status=status).fix is fix


@pytest.mark.parametrize(
    ("word", "cvss", "severity", "source", "score"),
    [
        ("LOW", {"nvd": {"V3Score": 9.8}}, Severity.LOW, "ghsa", 9.8),
        ("UNKNOWN", {"nvd": {"V3Score": 9.8}}, Severity.CRITICAL, "cvss", 9.8),
        ("UNKNOWN", {"nvd": {"V3Vector": V31_HIGH}, "x": {"V2Score": 5, "V2Vector": V2_MEDIUM}}, 3, "cvss", 7.5),
        ("UNKNOWN", {"nvd": {"V40Vector": V4_CRITICAL}}, Severity.CRITICAL, "cvss", 9.3),
        ("UNKNOWN", {"nvd": {"V2Score": 9.5}}, Severity.HIGH, "cvss", 9.5),
        ("UNKNOWN", {"nvd": {"V3Vector": "garbage"}}, Severity.UNKNOWN, "ghsa", None),
        ("UNKNOWN", None, Severity.UNKNOWN, "ghsa", None),
        ("", {}, Severity.UNKNOWN, "ghsa", None),
    ],
)
def test_severity_is_the_word_else_what_cvss_says(
    word: str, cvss: object, severity: Severity, source: str, score: float | None
) -> None:
    finding = only(Severity=word, CVSS=cvss)
    assert (finding.severity, finding.source, finding.cvss) == (severity, source, score)


def test_vendors_that_disagree_do_not_change_the_word() -> None:
    assert only(Severity="MEDIUM", VendorSeverity={"nvd": 4, "redhat": 1}).severity is Severity.MEDIUM


@pytest.mark.parametrize("published", [None, "0001-01-01T00:00:00Z"])
def test_a_date_that_is_missing_or_gos_zero_is_none(published: str | None) -> None:
    assert only(PublishedDate=published).published is None


@pytest.mark.parametrize("created", [None, "", "0001-01-01T00:00:00Z"])
def test_a_report_without_time_has_none(created: str | None) -> None:
    assert trivy.read(reports.trivy(trivy_finding(), CreatedAt=created)).at is None


def test_an_old_report_has_neither_tool_time_nor_purl() -> None:
    old = reports.trivy(trivy_finding(PkgIdentifier=None))
    del old["Trivy"], old["CreatedAt"]
    scan = trivy.read(old)
    assert (scan.version, scan.at, scan.findings[0].purl) == ("", None, "")


def test_the_database_of_a_server_has_a_time() -> None:
    server = {"Version": "0.67.0", "Server": {"VulnerabilityDB": {"Version": 2, "UpdatedAt": "2026-11-19T00:23:45Z"}}}
    assert trivy.read(reports.trivy(Trivy=server)).database == datetime(2026, 11, 19, 0, 23, 45, tzinfo=UTC)


def test_of_packages_without_vulnerabilities_nothing_is_found() -> None:
    assert trivy.read(reports.trivy()).findings == ()
    null = reports.trivy(Results=[{"Target": "debian", "Class": "os-pkgs", "Vulnerabilities": None}])
    assert trivy.read(null).findings == ()


@pytest.mark.parametrize(
    "results",
    [
        None,
        [],
        [{"Target": "Dockerfile", "Class": "config", "Misconfigurations": []}],
        [{"Target": "/etc/key", "Class": "secret", "Secrets": [{"RuleID": "private-key"}]}],
        [{"Target": "x"}],
    ],
)
def test_where_no_packages_were_looked_through_it_is_no_scan(results: object) -> None:
    with pytest.raises(Unreadable, match="nothing was looked through"):
        trivy.read(reports.trivy(Results=results))


def test_without_results_it_is_no_scan_and_the_remedy_says_how_to_scan() -> None:
    report = reports.trivy()
    del report["Results"]
    with pytest.raises(Unreadable) as caught:
        trivy.read(report)
    assert "--scanners vuln --list-all-pkgs" in caught.value.remedy


def modified(status: str, kind: str = "vulnerability", **fields: Any) -> dict[str, Any]:
    return {"Type": kind, "Status": status, "Statement": "no", "Source": "./vex.json"} | fields


@pytest.mark.parametrize(
    ("status", "analysis"),
    [
        ("ignored", None),
        ("unknown", None),
        ("", None),
        ("not_affected", Status.NOT_AFFECTED),
        ("fixed", Status.FIXED),
        ("affected", Status.AFFECTED),
        ("under_investigation", Status.UNDER_INVESTIGATION),
    ],
)
def test_what_trivy_was_told_to_take_out_is_found_all_the_same(status: str, analysis: Status | None) -> None:
    result = {"Class": "os-pkgs", "ExperimentalModifiedFindings": [modified(status, Finding=trivy_finding("CVE-1"))]}
    (finding,) = trivy.read(reports.trivy(Results=[result])).findings
    assert finding.ids == ("CVE-1",)
    assert finding.analysis is analysis


def test_secrets_that_were_taken_out_are_no_vulnerabilities() -> None:
    out = [modified("ignored", kind, Finding={"ID": "x"}) for kind in ("misconfiguration", "secret", "license")]
    report = reports.trivy(Results=[{"Class": "os-pkgs", "ExperimentalModifiedFindings": out}])
    assert trivy.read(report).findings == ()


def test_one_that_was_taken_out_in_one_place_and_found_in_another_is_not_analysed() -> None:
    out = [modified("not_affected", Finding=trivy_finding())]
    report = reports.trivy(
        Results=[
            {"Class": "lang-pkgs", "Vulnerabilities": [trivy_finding()]},
            {"Class": "lang-pkgs", "ExperimentalModifiedFindings": out},
        ]
    )
    (finding,) = trivy.read(report).findings
    assert finding.analysis is None


@pytest.mark.parametrize(
    ("report", "why"),
    [
        (reports.trivy(SchemaVersion=1), "schema 1"),
        (reports.trivy(SchemaVersion=3), "schema 3"),
        ([{"Target": "debian", "Vulnerabilities": None}], "no `SchemaVersion`"),  # before v0.20
        (reports.grype(), "no `SchemaVersion`"),
        ({}, "no `SchemaVersion`"),
        (reports.trivy(trivy_finding("")), "no name"),
        (reports.trivy(trivy_finding(CVSS={"nvd": {"V3Score": 10.1}})), "V3Score"),
        (reports.trivy(trivy_finding(CVSS={"nvd": {"V3Score": -1}})), "V3Score"),
        (reports.trivy(trivy_finding(PublishedDate="yesterday")), "PublishedDate"),
        (reports.trivy(trivy_finding(PublishedDate="2023-01-09T10:15:10")), "PublishedDate"),
        (reports.trivy(trivy_finding(), CreatedAt="20.11.2026"), "time that is none"),
    ],
)
def test_what_is_not_trivys_or_can_not_be_meant_is_unreadable(report: object, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        trivy.read(report)
