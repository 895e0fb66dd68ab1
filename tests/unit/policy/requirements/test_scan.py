"""Which findings of a scan are denied, and whose word takes them away."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from gate.codes import Code
from gate.image.manifest import Platform
from gate.image.platforms import PlatformImage
from gate.policy.matching import Workload
from tests.fakes.clock import START
from tests.fakes.signing import bob, mallory
from tests.unit.policy.build import (
    DIGEST,
    OTHER,
    Json,
    attested,
    codes,
    decide,
    evidence,
    exception,
    policies,
    policy,
    waiver,
)
from tests.unit.policy.requirements.test_selection import DAY, VULN, finding, scan, trivy, vuln, written

if TYPE_CHECKING:
    from datetime import datetime

    from gate.demo.signing import SigningKey
    from gate.evidence.facts import VerifiedAttestation
    from gate.policy.decision import Decision

DENIED = [("VULNERABILITY_DENIED", "deny")]
OPENVEX = "https://openvex.dev/ns"
LOG4J = "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1"
IMAGE = f"pkg:oci/api@{DIGEST}"
CRITICAL: Json = {"severity": "critical"}


def rule(*deny: Json, **spec: object) -> list[Json]:
    return [{"scan": {"by": "a", "maxAge": "7d", "deny": list(deny or (CRITICAL,)), **spec}}]


def judged(*attestations: VerifiedAttestation, rules: list[Json] | None = None, **more: Any) -> Decision:
    return decide(policies(policy(rules or rule(), **more)), facts=evidence(attestations=attestations))


def of(*found: Json, deny: list[Json] | None = None, **spec: object) -> list[tuple[str, str]]:
    return codes(judged(scan(*found), rules=rule(*(deny or []), **spec)))


# severity, fix, grace, score


@pytest.mark.parametrize(
    ("severity", "least", "denied"),
    [
        ("CRITICAL", "critical", True),
        ("HIGH", "critical", False),
        ("HIGH", "high", True),
        ("CRITICAL", "low", True),
        ("LOW", "none", True),
        ("UNKNOWN", "critical", True),  # nobody knows that it is not
    ],
)
def test_a_severity_is_the_least_that_is_meant(severity: str, least: str, *, denied: bool) -> None:
    assert of(finding(severity), deny=[{"severity": least}]) == (DENIED if denied else [])


@pytest.mark.parametrize(
    ("unknown", "denied"),
    [("deny", True), ("ignore", False), ({"as": "high"}, False), ({"as": "critical"}, True)],
)
def test_what_becomes_of_an_unknown_severity_is_the_policys_choice(unknown: object, *, denied: bool) -> None:
    assert of(finding("UNKNOWN"), unknownSeverity=unknown) == (DENIED if denied else [])


@pytest.mark.parametrize(
    ("fixed", "status", "denied"),
    [("2.15.0", "fixed", True), ("", "affected", False), ("", "will_not_fix", False), ("", "", True)],
)
def test_only_what_can_be_fixed_where_that_is_asked(fixed: str, status: str, *, denied: bool) -> None:
    one = finding(FixedVersion=fixed, Status=status)
    assert of(one, deny=[{"severity": "critical", "fix": "available"}]) == (DENIED if denied else [])
    assert of(one) == DENIED


@pytest.mark.parametrize(
    ("published", "denied"),
    [
        (START - 13 * DAY, False),
        (START - 14 * DAY, False),
        (START - 15 * DAY, True),
        (None, True),
        (START + DAY, True),  # nothing is published tomorrow
    ],
)
def test_grace_is_since_the_publication_that_the_report_states(published: datetime | None, *, denied: bool) -> None:
    stated = {"PublishedDate": f"{published:%Y-%m-%dT%H:%M:%SZ}"} if published is not None else {}
    deny = [{"severity": "high", "fix": "available", "grace": "14d"}]
    assert of(finding("HIGH", **stated), deny=deny) == (DENIED if denied else [])


@pytest.mark.parametrize(("score", "denied"), [(9.8, True), (7.0, True), (6.9, False), (None, True)])
def test_a_finding_without_a_score_fits_any(score: float | None, *, denied: bool) -> None:
    given: dict[str, Any] = {"CVSS": {"nvd": {"V3Score": score}}} if score is not None else {}
    assert of(finding("MEDIUM", **given), deny=[{"cvss": 7}]) == (DENIED if denied else [])


def test_any_entry_of_deny_suffices_and_all_of_one_has_to_fit() -> None:
    deny = [CRITICAL, {"severity": "high", "fix": "available"}]
    assert of(finding("HIGH"), deny=deny) == DENIED
    assert of(finding("HIGH", FixedVersion="", Status="affected"), deny=deny) == []
    assert of(finding("CRITICAL", FixedVersion="", Status="affected"), deny=deny) == DENIED


# who scanned, with what


def test_a_scanner_that_is_not_named_is_not_allowed() -> None:
    assert of(scanners=["trivy"]) == []
    assert of(scanners=["Trivy"]) == []
    assert of(scanners=["grype"]) == [("SCANNER_NOT_ALLOWED", "deny")]


@pytest.mark.parametrize(
    ("updated", "stale"), [(START - DAY, False), (START - 3 * DAY, True), (None, True), (START + DAY, True)]
)
def test_a_database_is_as_old_as_it_says(updated: datetime | None, *, stale: bool) -> None:
    predicate = vuln(trivy(at=START), START)
    if updated is not None:
        predicate["scanner"]["db"] = {"lastUpdate": f"{updated:%Y-%m-%dT%H:%M:%SZ}"}
    found = judged(attested(VULN, predicate), rules=rule(maxDatabaseAge="2d"))
    assert codes(found) == ([("SCAN_STALE", "deny")] if stale else [])


def test_the_words_of_a_denial() -> None:
    (said,) = judged(scan(finding())).findings
    assert said.message == (
        "CVE-2021-44228 critical in log4j-core 2.14.1, fixed in 2.15.0; scan by trivy 24h old, signed by a"
    )
    assert said.remedy == "update it, or have an exception made with `until`"


def test_of_two_hundred_findings_ten_are_told_and_the_others_counted() -> None:
    found = judged(scan(*(finding(name=f"CVE-2021-{n:04}") for n in range(200))))
    assert len(found.findings) == 11
    assert [f.message for f in found.findings if f.message.startswith("…")] == ["… and 190 more"]


# VEX


def said(
    status: str = "not_affected",
    name: str = "CVE-2021-44228",
    *products: Json,
    at: timedelta = timedelta(0),
    aliases: tuple[str, ...] = (),
) -> Json:
    why = {"justification": "vulnerable_code_not_in_execute_path"} if status == "not_affected" else {}
    return {
        "vulnerability": {"name": name, "aliases": list(aliases)},
        "status": status,
        "products": list(products) or [{"@id": IMAGE, "subcomponents": [{"@id": LOG4J}]}],
        "timestamp": written(START - DAY + at),
        **why,
    }


def vex(*statements: Json, key: SigningKey | None = None, age: timedelta = DAY) -> VerifiedAttestation:
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://acme.example/vex/1",
        "author": "security",
        "timestamp": written(START - age),
        "version": 1,
        "statements": list(statements),
    }
    return attested(OPENVEX, document, key or bob())


WORD = {"vex": {"by": "b", "maxAge": "90d"}}


def with_vex(*statements: Json, name: str = "CVE-2021-44228", more: Json | None = None, **how: Any) -> list[str]:
    found = scan(finding(name=name, **(more or {})))
    decision = judged(found, vex(*statements, **how), rules=rule(**WORD))
    return [code for code, _ in codes(decision)]


DENY = ["VULNERABILITY_DENIED"]


def test_a_finding_that_does_no_harm_is_taken_away_by_who_may_say_so() -> None:
    assert with_vex(said()) == []
    assert with_vex(said("fixed")) == []
    assert with_vex(said("affected")) == DENY
    assert with_vex(said("under_investigation")) == DENY
    assert with_vex() == DENY


def test_a_strangers_word_counts_for_nothing() -> None:
    assert with_vex(said(), key=mallory()) == DENY
    assert codes(judged(scan(finding()), vex(said()))) == DENIED  # nobody's word was asked for


def test_a_word_that_is_too_old_counts_for_nothing() -> None:
    assert with_vex(said(), age=91 * DAY) == DENY


@pytest.mark.parametrize(
    ("product", "cleared"),
    [
        ({"@id": IMAGE}, True),
        ({"@id": IMAGE, "subcomponents": [{"@id": LOG4J}]}, True),
        ({"@id": IMAGE, "subcomponents": [{"@id": LOG4J.rpartition("@")[0]}]}, True),
        ({"@id": IMAGE, "subcomponents": [{"@id": LOG4J.replace("2.14.1", "2.14.0")}]}, False),
        ({"@id": IMAGE, "subcomponents": [{"@id": "pkg:maven/org.apache.logging.log4j/log4j-api@2.14.1"}]}, False),
        ({"@id": LOG4J}, True),
        ({"@id": f"pkg:oci/api@{OTHER}"}, False),
        ({"@id": f"pkg:oci/api@{OTHER}", "subcomponents": [{"@id": LOG4J}]}, False),
        ({"@id": "pkg:oci/api"}, False),  # of any version of it
        ({"@id": f"ghcr.io/acme/api@{DIGEST}"}, True),
        ({"@id": "acme", "hashes": {"sha-256": DIGEST.hex}}, True),
        ({"@id": "acme", "hashes": {"sha-256": OTHER.hex}}, False),
        ({"@id": "https://acme.example/api"}, False),
    ],
)
def test_it_has_to_be_said_of_this_image_and_component(product: Json, *, cleared: bool) -> None:
    assert with_vex(said("not_affected", "CVE-2021-44228", product)) == ([] if cleared else DENY)


def test_what_is_said_last_counts() -> None:
    hour = timedelta(hours=1)
    assert with_vex(said(at=hour), said("affected")) == []
    assert with_vex(said(), said("affected", at=hour)) == DENY
    assert with_vex(said(), said("affected")) == DENY  # at one time


def test_an_alias_is_the_same_vulnerability() -> None:
    ids = {"VendorIDs": ["CVE-2021-44228"]}
    assert with_vex(said(), name="GHSA-jfh8-c2jp-5v3q", more=ids) == []
    assert with_vex(said("not_affected", "GHSA-jfh8-c2jp-5v3q"), name="GHSA-jfh8-c2jp-5v3q", more=ids) == []


def test_an_advisory_in_common_clears_nothing() -> None:
    shared = said("not_affected", "CVE-2020-0001", aliases=("DSA-4686-1",))
    assert with_vex(shared, name="CVE-2020-0002", more={"VendorIDs": ["DSA-4686-1"]}) == DENY
    assert with_vex(said(), name="ELSA-1", more={"VendorIDs": ["CVE-2021-44228", "CVE-2021-45046"]}) == DENY


def test_unreadable_vex_counts_for_nothing_and_is_told() -> None:
    broken = attested(OPENVEX, {"statements": "none"}, bob())
    (only,) = judged(scan(finding()), broken, rules=rule(**WORD)).findings
    assert "VEX document by b" in only.message
    assert "does not count" in only.message


def test_where_two_have_to_say_so_one_does_not_suffice() -> None:
    two = rule(vex={"by": {"all": ["a", "b"]}})
    by_a = attested(OPENVEX, {**_document(vex(said()))})
    assert codes(judged(scan(finding()), vex(said()), rules=two)) == DENIED
    assert codes(judged(scan(finding()), vex(said()), by_a, rules=two)) == []


def _document(fact: VerifiedAttestation) -> Json:
    found: Json = json.loads(fact.statement)["predicate"]
    return found


# exceptions


@pytest.mark.parametrize(
    ("narrowed", "waived"),
    [
        ({"vulnerabilities": ["CVE-2021-44228"]}, True),
        ({"vulnerabilities": ["cve-2021-44228"]}, True),
        ({"vulnerabilities": ["CVE-2021-45046"]}, False),
        ({"components": ["pkg:maven/org.apache.logging.log4j/log4j-core"]}, True),
        ({"components": ["pkg:maven/org.apache.logging.log4j/log4j-core@<2.15"]}, True),
        ({"components": ["pkg:maven/org.apache.logging.log4j/log4j-core@<2.14"]}, False),
        ({"components": ["pkg:maven/org.apache.logging.log4j/log4j-api"]}, False),
        ({"vulnerabilities": ["CVE-2021-44228"], "components": ["pkg:npm/log4j-core"]}, False),
        ({"licenses": ["Apache-2.0"]}, False),
    ],
)
def test_an_exception_narrowed_to_content_waives_that_alone(narrowed: Json, *, waived: bool) -> None:
    other = finding(name="CVE-1999-0001", PkgName="x", PkgIdentifier={"PURL": "pkg:npm/x@1"}, InstalledVersion="1")
    exceptions = [waiver("scan", "2026-12-31", **narrowed)]
    alone = codes(judged(scan(finding()), exceptions=exceptions))
    assert alone == ([("EXCEPTION_USED", "allow")] if waived else DENIED)
    both = [code for code, _ in codes(judged(scan(finding(), other), exceptions=exceptions))]
    assert both.count("VULNERABILITY_DENIED") == (1 if waived else 2)


def test_an_exception_for_content_waives_no_error_and_no_age() -> None:
    exceptions = [waiver("scan", "2026-12-31", vulnerabilities=["CVE-2021-44228"])]
    assert codes(judged(scan(age=8 * DAY), exceptions=exceptions)) == [("SCAN_STALE", "deny")]
    assert codes(judged(exceptions=exceptions)) == [("ATTESTATION_MISSING", "deny")]


def test_a_finding_for_several_vulnerabilities_needs_each_waived() -> None:
    several = finding(name="ELSA-1", VendorIDs=["CVE-2021-44228", "CVE-2021-45046"])
    one = [waiver("scan", "2026-12-31", vulnerabilities=["CVE-2021-44228"])]
    both = [waiver("scan", "2026-12-31", vulnerabilities=["CVE-2021-44228", "CVE-2021-45046"])]
    assert codes(judged(scan(several), exceptions=one)) == DENIED
    assert codes(judged(scan(several), exceptions=both)) == [("EXCEPTION_USED", "allow")]


def test_an_exception_that_has_ended_is_told_and_waives_nothing() -> None:
    over = [waiver("scan", "2026-10-31", vulnerabilities=["CVE-2021-44228"])]
    assert sorted(codes(judged(scan(finding()), exceptions=over))) == [("EXCEPTION_EXPIRED", "allow"), *DENIED]


def test_two_exceptions_each_waive_their_own() -> None:
    other = finding(name="CVE-1999-0001")
    exceptions = [
        waiver("scan", "2026-12-31", vulnerabilities=["CVE-2021-44228"]),
        waiver("scan", "2026-12-31", vulnerabilities=["CVE-1999-0001"], reason="another"),
    ]
    assert codes(judged(scan(finding(), other), exceptions=exceptions)) == [("EXCEPTION_USED", "allow")] * 2


def test_a_gate_exception_may_be_narrowed_too() -> None:
    lent = exception(waiver("scan", "2026-12-31", vulnerabilities=["CVE-2021-44228"]), namespace="payments")
    found = policies(policy(rule(), exceptionsFrom={"names": ["payments"]}), lent)
    facts = evidence(attestations=[scan(finding())])
    assert codes(decide(found, workload=Workload("Pod", "payments"), facts=facts)) == [("EXCEPTION_USED", "allow")]
    assert codes(decide(found, workload=Workload("Pod", "shop"), facts=facts)) == DENIED


def test_vex_counts_only_where_everything_is_known() -> None:
    """A word may have been taken back where nobody could look."""
    for select in ("newest", "any"):
        found = evidence(attestations=[scan(finding()), vex(said())], unavailable=[Code.REGISTRY_TIMEOUT])
        decided = codes(decide(policies(policy(rule(**WORD, select=select))), facts=found))
        assert decided == [("REGISTRY_TIMEOUT", "error")]


def test_what_is_said_of_an_index_its_images_do_not_unsay() -> None:
    """Clean scans of its images, older or newer, stand in where that of the index is missing."""
    inside = PlatformImage(OTHER, Platform("linux", "amd64"))
    wanted = policies(policy(rule(platformEvidence="all")))
    clean = {OTHER: evidence(attestations=[scan()])}
    for own, expected in (([], []), ([scan(finding())], DENIED)):
        found = evidence(attestations=own)
        assert codes(decide(wanted, facts=found, platforms=(inside,), by_platform=clean)) == expected


def test_what_is_said_tomorrow_beats_nothing() -> None:
    later = said(at=timedelta(days=27_000))
    assert with_vex(later, said("affected")) == DENY


def test_a_scan_of_no_time_there_was_is_not_the_oldest() -> None:
    dirty = attested(VULN, vuln(trivy(finding()), "1970-01-01T00:00:00Z"))
    assert "VULNERABILITY_DENIED" in [code for code, _ in codes(judged(scan(age=3 * DAY), dirty))]


def test_a_product_with_parts_is_not_cleared_itself() -> None:
    part: Json = {"@id": LOG4J, "subcomponents": [{"@id": "pkg:maven/org.acme/inside@1"}]}
    assert with_vex(said("not_affected", "CVE-2021-44228", part)) == DENY


def test_words_without_end_are_not_heard() -> None:
    many = [{"@id": f"pkg:npm/p{i}@1"} for i in range(60_000)]
    assert with_vex(said("not_affected", "CVE-2021-44228", *many, {"@id": LOG4J})) == []
    found = [finding(InstalledVersion=f"2.{i}") for i in range(5)]
    decided = judged(scan(*found), vex(said("not_affected", "CVE-2021-44228", *many)), rules=rule(**WORD))
    assert {code for code, _ in codes(decided)} == {"VULNERABILITY_DENIED"}


def test_a_part_that_only_another_reader_sees_is_unreadable() -> None:
    hidden: Json = {"@id": IMAGE, "Subcomponents": [{"@id": "pkg:npm/other@1"}]}
    assert with_vex(said("not_affected", "CVE-2021-44228", hidden)) == DENY


@pytest.mark.parametrize(("status", "cleared"), [("unaffected", True), ("affected", False), ("unknown", False)])
def test_cyclonedx_that_clears_some_versions_clears_none(status: str, *, cleared: bool) -> None:
    affects = [{"ref": "x", "versions": [{"version": "2.14.1", "status": status}]}]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "metadata": {
            "timestamp": written(START),
            "component": {"type": "library", "name": "log4j-core", "bom-ref": "x", "purl": LOG4J.rpartition("@")[0]},
        },
        "vulnerabilities": [{"id": "CVE-2021-44228", "affects": affects, "analysis": {"state": "resolved"}}],
    }
    word = attested("https://cyclonedx.org/bom", document, bob())
    assert codes(judged(scan(finding()), word, rules=rule(**WORD))) == ([] if cleared else DENIED)
