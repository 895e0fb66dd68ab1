from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gate.policy.content import grype
from gate.policy.content.document import Unreadable
from gate.policy.content.scan import Fix, Severity, Vulnerability
from gate.policy.content.vex import Status
from tests.fakes import reports
from tests.fakes.reports import V4_CRITICAL, grype_match


def read_one(match: dict[str, Any]) -> Vulnerability:
    (finding,) = grype.read(reports.grype(match)).findings
    return finding


def with_record(**fields: Any) -> dict[str, Any]:
    match = grype_match(relatedVulnerabilities=[])
    match["vulnerability"] |= fields
    return match


def test_a_report_says_all_that_is_read_of_it() -> None:
    scan = grype.read(reports.grype(grype_match()))
    assert (scan.tool, scan.version) == ("grype", "0.119.0")
    assert scan.at == datetime(2026, 11, 20, 18, 15, 25, 270329, tzinfo=UTC)
    assert scan.database == datetime(2026, 11, 20, 6, 10, tzinfo=UTC)
    assert scan.findings == (
        Vulnerability(
            ids=("GHSA-9vvw-cc9w-f27h", "CVE-2017-20165"),
            severity=Severity.HIGH,
            source="github:language:javascript",
            cvss=7.5,
            fix=Fix.AVAILABLE,
            fixed_in=("2.6.9",),
            package="debug",
            version="2.6.8",
            purl="pkg:npm/debug@2.6.8",
        ),
    )


@pytest.mark.parametrize(
    ("state", "versions", "fix"),
    [
        ("fixed", ["1"], Fix.AVAILABLE),
        ("fixed", [], Fix.AVAILABLE),
        ("", ["1"], Fix.AVAILABLE),
        ("not-fixed", [], Fix.NONE),
        ("not-fixed", None, Fix.NONE),
        ("wont-fix", [""], Fix.WONT_FIX),
        ("unknown", [], Fix.UNKNOWN),
        ("", [], Fix.UNKNOWN),
        ("someday", [], Fix.UNKNOWN),
    ],
)
def test_fix_states(state: str, versions: list[str] | None, fix: Fix) -> None:
    assert read_one(with_record(fix={"versions": versions, "state": state})).fix is fix


def test_negligible_is_low() -> None:
    assert read_one(with_record(severity="Negligible")).severity is Severity.LOW


def test_where_its_own_record_says_nothing_the_related_ones_do() -> None:
    """Debian's records have neither a word nor a score of what is new; NVD's have."""
    match = with_record(severity="Unknown", cvss=[])
    match["relatedVulnerabilities"] = [
        {"id": "CVE-1", "severity": "Low", "cvss": []},
        {"id": "CVE-2", "severity": "Critical", "cvss": [{"version": "3.1", "metrics": {"baseScore": 9.1}}]},
    ]
    finding = read_one(match)
    assert (finding.severity, finding.cvss) == (Severity.CRITICAL, 9.1)
    assert finding.ids == ("GHSA-9vvw-cc9w-f27h", "CVE-1", "CVE-2")


def test_its_own_word_goes_before_related_ones_and_scores() -> None:
    match = with_record(severity="Low")
    match["relatedVulnerabilities"] = [{"id": "CVE-1", "severity": "Critical"}]
    assert read_one(match).severity is Severity.LOW


@pytest.mark.parametrize(
    ("cvss", "severity"),
    [
        ([{"version": "4.0", "vector": V4_CRITICAL, "metrics": {"baseScore": 0}}], Severity.CRITICAL),
        ([{"version": "4.0", "vector": V4_CRITICAL}], Severity.CRITICAL),
        ([{"version": "2.0", "vector": "", "metrics": {"baseScore": 10}}], Severity.HIGH),
        ([{"version": "3.1", "vector": "?", "metrics": {}}], Severity.UNKNOWN),
        (None, Severity.UNKNOWN),
    ],
)
def test_without_a_word_cvss_says_how_bad_it_is(cvss: object, severity: Severity) -> None:
    assert read_one(with_record(severity="", cvss=cvss)).severity is severity


@pytest.mark.parametrize(
    ("database", "built"),
    [
        ({"built": "2024-05-02T03:00:00Z", "schemaVersion": 5, "error": None}, datetime(2024, 5, 2, 3, tzinfo=UTC)),
        ({"status": {"built": "2024-05-02T03:00:00Z"}, "providers": {}}, datetime(2024, 5, 2, 3, tzinfo=UTC)),
        ({"built": "0001-01-01T00:00:00Z"}, None),
        ({"status": None}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_database_in_every_shape_it_had(database: object, built: datetime | None) -> None:
    descriptor = {"name": "grype", "version": "0.80.2", "db": database}
    assert grype.read(reports.grype(descriptor=descriptor)).database == built


def test_the_timestamp_can_be_turned_off() -> None:
    assert grype.read(reports.grype(descriptor={"name": "grype", "timestamp": ""})).at is None


def test_no_matches_are_a_clean_scan() -> None:
    assert grype.read(reports.grype()).findings == ()


def ignored(*rules: dict[str, Any]) -> tuple[Vulnerability, ...]:
    match = grype_match(appliedIgnoreRules=list(rules))
    return grype.read(reports.grype(ignoredMatches=[match])).findings


HEADERS = {
    "namespace": "",
    "package": {"name": "linux-libc-dev", "language": "", "type": "deb", "upstream-name": "linux"},
    "match-type": "exact-indirect-match",
}
FIXED = {"vulnerability": "CVE-1", "include-aliases": True, "reason": "DistroPackageFixed", "namespace": ""}


@pytest.mark.parametrize(
    ("rules", "analysis"),
    [
        ([{"vulnerability": "CVE-1", "reason": "not reachable"}], None),
        ([{"fix-state": "not-fixed"}], None),
        ([{"namespace": "vex", "vex-status": "not_affected"}], Status.NOT_AFFECTED),
        ([{"namespace": "vex", "vex-status": "fixed"}], Status.FIXED),
        ([{"vex-status": "fixed"}, {"vex-status": "not_affected"}], None),
        ([{"vex-status": "whatever"}], None),
        ([], None),
        ([FIXED, {"vulnerability": "CVE-1"}], None),
        ([FIXED | {"vex-status": "not_affected"}], Status.NOT_AFFECTED),
        ([HEADERS | {"vulnerability": "CVE-1"}], None),
        ([HEADERS | {"match-type": ""}], None),
        ([HEADERS | {"fix-state": "unknown"}], None),
        ([HEADERS | {"package": {"name": "linux.*", "type": "deb", "upstream-name": "linux"}}], None),
    ],
)
def test_what_grype_was_told_to_ignore_is_found_all_the_same(
    rules: list[dict[str, Any]], analysis: Status | None
) -> None:
    (finding,) = ignored(*rules)
    assert finding.analysis is analysis


@pytest.mark.parametrize("rules", [[FIXED], [HEADERS], [HEADERS, FIXED], [{"reason": "Explicit APK NAK"}]])
def test_what_grype_leaves_out_of_itself_is_not_found(rules: list[dict[str, Any]]) -> None:
    assert ignored(*rules) == ()


def test_ignored_matches_without_rules_are_found() -> None:
    (finding,) = grype.read(reports.grype(ignoredMatches=[grype_match()])).findings
    assert finding.package == "debug"


@pytest.mark.parametrize(
    ("report", "why"),
    [
        (reports.trivy(), "no `matches`"),
        ({"matches": []}, "no `matches` and `descriptor`"),
        (reports.grype(matches=None), "matches"),
        (reports.grype(descriptor={"name": "another"}), "another"),
        (reports.grype(descriptor={"name": ""}), "of ''"),
        (reports.grype(descriptor={"name": "grype", "timestamp": "now"}), "time that is none"),
        (reports.grype(with_record(id="")), "no name"),
        (reports.grype(with_record(cvss=[{"metrics": {"baseScore": 11}}])), "baseScore"),
        ([], "no `matches`"),
    ],
)
def test_what_is_not_grypes_or_can_not_be_meant_is_unreadable(report: object, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        grype.read(report)
