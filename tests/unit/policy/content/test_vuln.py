from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gate.policy.content import reports as readers
from gate.policy.content import vuln
from gate.policy.content.document import Unreadable
from gate.policy.content.scan import Fix, Severity
from tests.fakes import reports
from tests.fakes.reports import V31_HIGH, grype_match, in_toto_entry, in_toto_vulns, trivy_finding

WRITTEN = datetime(2026, 11, 21, 8, tzinfo=UTC)
SARIF = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": []}


def test_a_predicate_around_trivys_report() -> None:
    scan = vuln.read(reports.vuln(reports.trivy(trivy_finding())))
    assert (scan.tool, scan.version, len(scan.findings)) == ("trivy", "0.67.0", 1)


def test_a_predicate_around_grypes_report() -> None:
    scan = vuln.read(reports.vuln(reports.grype(grype_match())))
    assert (scan.tool, scan.version, len(scan.findings)) == ("grype", "0.119.0", 1)
    assert scan.database == datetime(2026, 11, 20, 6, 10, tzinfo=UTC)


def test_an_old_scan_that_is_written_again_stays_old() -> None:
    """`trivy convert --format cosign-vuln` says that the scan was finished just now."""
    scan = vuln.read(reports.vuln(reports.trivy(CreatedAt="2026-01-01T00:00:00Z")))
    assert scan.at == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("metadata", "created", "at"),
    [
        ({"scanFinishedOn": "2026-11-21T08:00:00Z"}, "2026-11-22T00:00:00Z", WRITTEN),
        ({"scanFinishedOn": "2026-11-21T08:00:00Z"}, None, WRITTEN),
        ({"scanFinishedOn": "2026-11-21T09:00:00.123456789+01:00"}, None, WRITTEN.replace(microsecond=123456)),
        ({"scanFinishedOn": "0001-01-01T00:00:00Z"}, "2026-11-21T08:00:00Z", WRITTEN),
        ({"scanFinishedOn": "0001-01-01T00:00:00Z"}, None, None),
        ({}, None, None),
        (None, None, None),
    ],
)
def test_the_earliest_time_holds_and_gos_zero_is_none(metadata: object, created: str | None, at: object) -> None:
    assert vuln.read(reports.vuln(reports.trivy(CreatedAt=created), metadata=metadata)).at == at


def test_the_database_has_the_earliest_time_too() -> None:
    predicate = reports.vuln(reports.grype())
    predicate["scanner"]["db"] = {"lastUpdate": "2026-11-01T00:00:00Z"}
    assert vuln.read(predicate).database == datetime(2026, 11, 1, tzinfo=UTC)


def test_the_version_is_the_reports_else_the_predicates() -> None:
    report = reports.trivy()
    del report["Trivy"]
    assert vuln.read(reports.vuln(report)).version == "0.67.0"


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("uri", "", "`scanner.uri` is empty"),
        ("uri", None, "uri"),
        ("result", None, "`scanner.result` is null"),
        ("result", {}, "an empty object"),
        ("result", [], "a list"),
        ("result", "[]", "neither object nor list"),
        ("result", {"vulnerabilities": [], "image": "x"}, "an object with image, vulnerabilities"),
        ("result", SARIF, "SARIF"),
        ("result", reports.trivy() | reports.grype(), "of Trivy and of one of Grype"),
        ("result", reports.cyclonedx(), "no report of Trivy or Grype"),
        ("db", {"lastUpdate": "now"}, "time that is none"),
    ],
)
def test_without_scanner_or_report_it_is_unreadable(field: str, value: object, why: str) -> None:
    predicate = reports.vuln(reports.trivy())
    predicate["scanner"][field] = value
    with pytest.raises(Unreadable, match=why):
        vuln.read(predicate)


@pytest.mark.parametrize("member", ["uri", "result"])
@pytest.mark.parametrize("read", [vuln.read, vuln.read_in_toto])
def test_what_is_required_is_not_left_out(member: str, read: Any) -> None:
    predicate = in_toto_vulns()
    del predicate["scanner"][member]
    with pytest.raises(Unreadable, match=member):
        read(predicate)


def test_a_report_without_predicate_is_read_by_its_marks() -> None:
    assert readers.read(reports.trivy()).tool == "trivy"
    assert readers.read(reports.grype()).tool == "grype"
    with pytest.raises(Unreadable, match="does not say when"):
        readers.read(SARIF)
    with pytest.raises(Unreadable, match="nothing"):
        readers.read(None)


def test_in_toto_vulns_of_both_versions() -> None:
    flat = in_toto_entry("CVE-1", ("nvd", "medium"), ("cvss_score", "5.2"))
    scan = vuln.read_in_toto(in_toto_vulns(flat, {"vulnerability": in_toto_entry("CVE-2", ("nvd", "HIGH"))}))
    assert (scan.tool, scan.version) == ("trivy", "0.19.2")
    assert scan.at == datetime(2026, 11, 21, 17, 50, 50, 520000, tzinfo=UTC)
    assert scan.database == datetime(2026, 11, 20, 17, 45, 50, 520000, tzinfo=UTC)
    second, first = scan.findings
    assert (second.ids, second.severity, second.source) == (("CVE-2",), Severity.HIGH, "nvd")
    assert (first.severity, first.cvss, first.fix, first.purl) == (Severity.MEDIUM, 5.2, Fix.UNKNOWN, "")


def test_an_empty_list_is_a_clean_in_toto_scan() -> None:
    assert vuln.read_in_toto(in_toto_vulns()).findings == ()


@pytest.mark.parametrize(
    ("ratings", "severity"),
    [
        ([("nvd", "low"), ("redhat", "critical")], Severity.CRITICAL),
        ([("cvss_score", "9.8")], Severity.CRITICAL),
        ([("CVSSv3", 9.8)], Severity.CRITICAL),
        ([("cvss", V31_HIGH)], Severity.HIGH),
        ([("vector", V31_HIGH)], Severity.HIGH),
        ([("epss", "0.03")], Severity.UNKNOWN),
        ([("epss", 0.03)], Severity.UNKNOWN),
        ([("score", "9.8")], Severity.UNKNOWN),
        ([("cvss", "nan")], Severity.UNKNOWN),
        ([("cvss", "1e0")], Severity.UNKNOWN),
        ([("nvd", "bad")], Severity.UNKNOWN),
        ([], Severity.UNKNOWN),
    ],
)
def test_in_toto_ratings_are_words_cvss_or_nothing(ratings: list[tuple[str, Any]], severity: Severity) -> None:
    (finding,) = vuln.read_in_toto(in_toto_vulns(in_toto_entry("CVE-1", *ratings))).findings
    assert finding.severity is severity


@pytest.mark.parametrize("score", ["10.1", "99", 11, -1])
def test_a_score_that_is_none_of_cvss_is_unreadable(score: object) -> None:
    with pytest.raises(Unreadable, match="no score of CVSS"):
        vuln.read_in_toto(in_toto_vulns(in_toto_entry("CVE-1", ("cvss", score))))


@pytest.mark.parametrize("entry", [{}, {"id": ""}, {"id": 1}, "CVE-1", None, {"vulnerability": {}}, [{"id": "CVE-1"}]])
def test_an_entry_without_name_is_unreadable(entry: Any) -> None:
    with pytest.raises(Unreadable):
        vuln.read_in_toto(in_toto_vulns(entry))


@pytest.mark.parametrize("result", [{}, reports.trivy(), "[]", 0])
def test_what_is_no_list_is_no_in_toto_scan(result: object) -> None:
    predicate = in_toto_vulns()
    predicate["scanner"]["result"] = result
    with pytest.raises(Unreadable, match="no list"):
        vuln.read_in_toto(predicate)


@pytest.mark.parametrize(
    ("uri", "tool"),
    [
        ("pkg:github/anchore/grype@3865f4cc", "grype"),
        ("https://github.com/aquasecurity/Trivy", "trivy"),
        ("https://scanner.example/clair/?v=4#x", "clair"),
        ("snyk", "snyk"),
    ],
)
def test_the_tool_is_named_by_its_uri(uri: str, tool: str) -> None:
    predicate = in_toto_vulns()
    predicate["scanner"]["uri"] = uri
    assert vuln.read_in_toto(predicate).tool == tool
