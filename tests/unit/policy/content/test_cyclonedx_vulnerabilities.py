from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gate.policy.content import cyclonedx_vulnerabilities as cyclonedx
from gate.policy.content.document import Unreadable
from gate.policy.content.scan import Fix, Severity, Vulnerability
from gate.policy.content.vex import Product, Statement, Status
from tests.fakes import reports
from tests.fakes.reports import V31_HIGH, cyclonedx_vulnerability

MADE = datetime(2026, 11, 20, 12, 20, 30, tzinfo=UTC)
SERIAL = "urn:cdx:3ff14136-e09f-4df9-80ea-000000000010/1"


def only(**fields: Any) -> Vulnerability:
    (finding,) = cyclonedx.read_scan(reports.cyclonedx(cyclonedx_vulnerability(**fields))).findings
    return finding


def stated(**fields: Any) -> Statement:
    (statement,) = cyclonedx.read_vex(reports.cyclonedx(cyclonedx_vulnerability(**fields))).statements
    return statement


def test_a_scan_says_all_that_is_read_of_it() -> None:
    scan = cyclonedx.read_scan(
        reports.cyclonedx(
            cyclonedx_vulnerability(references=[{"id": "GHSA-2p68-f74v-9wc6", "source": {"name": "GitHub"}}])
        )
    )
    assert (scan.tool, scan.version, scan.at, scan.database) == ("trivy", "0.67.0", MADE, None)
    assert scan.findings == (
        Vulnerability(
            ids=("CVE-2020-8165", "GHSA-2p68-f74v-9wc6"),
            severity=Severity.CRITICAL,
            source="nvd",
            cvss=9.8,
            fix=Fix.UNKNOWN,
            package="activesupport",
            version="6.0.2.1",
            purl="pkg:gem/activesupport@6.0.2.1",
            published=datetime(2020, 6, 19, 18, 15, tzinfo=UTC),
        ),
    )


@pytest.mark.parametrize(
    ("ratings", "severity", "score"),
    [
        ([{"severity": "low"}, {"severity": "high"}], Severity.HIGH, None),
        ([{"severity": "unknown"}, {"score": 9.8, "method": "CVSSv31"}], Severity.CRITICAL, 9.8),
        ([{"score": 9.8, "method": "CVSSv2"}], Severity.HIGH, 9.8),
        ([{"vector": V31_HIGH}], Severity.HIGH, 7.5),
        ([{"vector": V31_HIGH, "method": "CVSSv31"}], Severity.HIGH, 7.5),
        ([{"score": 0.4, "method": "other"}], Severity.UNKNOWN, None),
        ([{"score": 60, "method": "OWASP"}], Severity.UNKNOWN, None),
        ([{"score": 3.0}], Severity.UNKNOWN, None),
        ([{"vector": "SSVCv2/E:N", "method": "SSVC"}], Severity.UNKNOWN, None),
        ([{"severity": "info"}], Severity.LOW, None),
        ([], Severity.UNKNOWN, None),
    ],
)
def test_the_worst_of_several_ratings_and_only_cvss_is_cvss(
    ratings: object, severity: Severity, score: float | None
) -> None:
    finding = only(ratings=ratings)
    assert (finding.severity, finding.cvss) == (severity, score)


def test_each_component_that_is_affected_is_a_finding() -> None:
    elsewhere = "urn:cdx:1455c02d-64ca-453e-a5df-ddfb70a7c804/1#pkg:rpm/centos/bash@4.2"
    affects = [{"ref": "gem"}, {"ref": "image"}, {"ref": elsewhere}, {"ref": "nothing"}]
    document = reports.cyclonedx(cyclonedx_vulnerability(affects=affects))
    assert [(one.package, one.purl) for one in cyclonedx.read_scan(document).findings] == [
        ("nothing", ""),
        (elsewhere, ""),
        ("activesupport", "pkg:gem/activesupport@6.0.2.1"),
        ("ghcr.io/acme/api", "pkg:oci/api@sha256%3Aaa?repository_url=ghcr.io/acme/api"),
    ]


def test_a_link_into_the_document_itself_is_one_of_its_components() -> None:
    assert only(affects=[{"ref": f"{SERIAL}#gem"}]).purl == "pkg:gem/activesupport@6.0.2.1"
    assert only(affects=[{"ref": f"{SERIAL}1#gem"}]).purl == ""


def test_a_vulnerability_that_affects_nothing_by_name_is_found() -> None:
    finding = only(affects=[])
    assert (finding.ids, finding.package, finding.purl) == (("CVE-2020-8165",), "", "")


@pytest.mark.parametrize(
    ("tools", "tool"),
    [
        ([{"vendor": "anchore", "name": "Grype", "version": "0.119.0"}], ("grype", "0.119.0")),
        ({"components": [], "services": [{"name": "clair"}]}, ("clair", "")),
        ([{"name": "syft"}, {"name": "grype"}], ("", "")),
        ([], ("", "")),
    ],
)
def test_which_of_several_tools_has_scanned_is_not_said(tools: object, tool: tuple[str, str]) -> None:
    scan = cyclonedx.read_scan(reports.cyclonedx(cyclonedx_vulnerability(), metadata={"tools": tools}))
    assert (scan.tool, scan.version, scan.at) == (*tool, None)


@pytest.mark.parametrize("read", [cyclonedx.read_scan, cyclonedx.read_vex])
def test_an_sbom_is_neither_scan_nor_vex(read: Any) -> None:
    document = reports.cyclonedx()
    del document["vulnerabilities"]
    with pytest.raises(Unreadable, match="it is an SBOM"):
        read(document)


def test_an_empty_list_is_what_trivy_writes_without_scanning() -> None:
    with pytest.raises(Unreadable, match="does not say that it was scanned"):
        cyclonedx.read_scan(reports.cyclonedx())
    assert cyclonedx.read_vex(reports.cyclonedx()).statements == ()


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("resolved", Status.FIXED),
        ("resolved_with_pedigree", Status.FIXED),
        ("exploitable", Status.AFFECTED),
        ("in_triage", Status.UNDER_INVESTIGATION),
        ("false_positive", Status.NOT_AFFECTED),
        ("not_affected", Status.NOT_AFFECTED),
    ],
)
def test_states_of_an_analysis(state: str, status: Status) -> None:
    analysis = {"state": state, "justification": "code_not_reachable", "detail": "never called"}
    assert only(analysis=analysis).analysis is status
    assert stated(analysis=analysis) == Statement(
        ids=("CVE-2020-8165",),
        status=status,
        products=(Product(ids=("pkg:gem/activesupport@6.0.2.1",), hashes=("ab" * 32,)),),
        why="code_not_reachable",
        at=MADE,
    )


@pytest.mark.parametrize("analysis", [{}, {"detail": "we look at it"}])
def test_without_a_state_nothing_is_said(analysis: object) -> None:
    document = reports.cyclonedx(cyclonedx_vulnerability(analysis=analysis))
    assert cyclonedx.read_scan(document).findings[0].analysis is None
    assert cyclonedx.read_vex(document).statements == ()


def test_when_and_by_whom_something_is_said() -> None:
    analysis = {"state": "not_affected", "firstIssued": "2026-01-01T00:00:00Z"}
    assert stated(analysis=analysis).at == datetime(2026, 1, 1, tzinfo=UTC)
    assert stated(analysis=analysis | {"lastUpdated": "2026-02-01T00:00:00Z"}).at == datetime(2026, 2, 1, tzinfo=UTC)
    metadata = {
        "authors": [{"name": "Alice"}, {"email": "x@acme.example"}, {"name": "Bob"}],
        "supplier": {"name": "Acme"},
    }
    assert cyclonedx.read_vex(reports.cyclonedx(metadata=metadata)).author == "Alice, Bob"
    assert cyclonedx.read_vex(reports.cyclonedx(metadata={"supplier": {"name": "Acme"}})).author == "Acme"


def test_a_product_of_another_document_is_known_by_its_link_only() -> None:
    link = "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#pkg:maven/x@1"
    assert stated(analysis={"state": "not_affected"}, affects=[{"ref": link}]).products == (Product(ids=(link,)),)


def test_a_statement_that_affects_nothing_by_name_is_about_nothing() -> None:
    assert stated(analysis={"state": "not_affected"}, affects=[]).products == ()


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (reports.cyclonedx(cyclonedx_vulnerability(), bomFormat="SPDX"), "no bomFormat"),
        (reports.cyclonedx(cyclonedx_vulnerability("")), "without `id`"),
        (reports.cyclonedx(cyclonedx_vulnerability(affects=[{"ref": ""}])), "ref"),
        (reports.cyclonedx(cyclonedx_vulnerability(analysis={"state": "fine"})), "/analysis/state"),
        (reports.cyclonedx(cyclonedx_vulnerability(published="2020")), "/published"),
        (reports.cyclonedx(cyclonedx_vulnerability(ratings=[{"score": 10.5, "method": "CVSSv3"}])), "score of CVSS"),
        (reports.cyclonedx(vulnerabilities=None), "/vulnerabilities"),
        (
            reports.cyclonedx(
                cyclonedx_vulnerability(), components=[{"type": "library", "bom-ref": "image", "name": "x"}]
            ),
            "two components with the bom-ref 'image'",
        ),
        (reports.trivy(), "CycloneDX"),
        ("x", "CycloneDX"),
    ],
)
def test_what_is_not_cyclonedx_or_can_not_be_meant_is_unreadable(document: object, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        cyclonedx.read_scan(document)
