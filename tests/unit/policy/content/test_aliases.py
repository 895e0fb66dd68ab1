from __future__ import annotations

import itertools
from datetime import UTC, datetime

import msgspec
import pytest

from gate.policy.content.aliases import bare, covers, earliest, merged, names
from gate.policy.content.scan import Fix, Severity, Vulnerability
from gate.policy.content.vex import Status

EARLY = datetime(2026, 1, 1, tzinfo=UTC)
LATE = datetime(2026, 2, 1, tzinfo=UTC)
FINDING = Vulnerability(("CVE-1", "GHSA-1"), Severity.LOW, purl="pkg:deb/debian/x@1?arch=amd64&distro=debian-12")


def test_names_are_the_first_then_the_others_sorted_each_once() -> None:
    assert names("GHSA-1", ["CVE-2", "", "CVE-1", "GHSA-1", "CVE-2"]) == ("GHSA-1", "CVE-1", "CVE-2")
    assert names("CVE-1", ()) == ("CVE-1",)


@pytest.mark.parametrize(
    ("ids", "said", "covered"),
    [
        (("GHSA-1", "CVE-1"), {"CVE-1"}, True),
        (("CVE-1", "GHSA-1"), {"GHSA-1"}, True),
        (("ELSA-1", "CVE-1", "CVE-2"), {"CVE-1"}, False),
        (("ELSA-1", "CVE-1", "CVE-2"), {"ELSA-1"}, False),
        (("ELSA-1", "CVE-1", "CVE-2"), {"CVE-1", "CVE-2"}, True),
        (("CVE-2", "DSA-4686-1"), {"CVE-1", "DSA-4686-1"}, False),  # one advisory, two vulnerabilities
        (("CVE-1", "DSA-4686-1"), {"CVE-1", "DSA-4686-1"}, True),
        (("openSUSE-SU-2020:51",), {"openSUSE-SU-2020:51"}, True),
        (("CVE-1",), set(), False),
        (("CVE-1",), {"CVE-11", ""}, False),
    ],
)
def test_what_is_said_of_names_is_said_of_a_finding(ids: tuple[str, ...], said: set[str], *, covered: bool) -> None:
    assert covers(said, ids) is covered


@pytest.mark.parametrize(
    ("purl", "without"),
    [
        ("pkg:deb/debian/x@1?arch=amd64&distro=debian-12", "pkg:deb/debian/x@1"),
        ("pkg:golang/x@1?type=module#sub/dir", "pkg:golang/x@1#sub/dir"),
        ("pkg:golang/x@1#sub/dir", "pkg:golang/x@1#sub/dir"),
        ("", ""),
    ],
)
def test_a_package_without_qualifiers(purl: str, without: str) -> None:
    assert bare(purl) == without


def test_one_vulnerability_in_one_package_is_one_and_the_worse_of_everything_holds() -> None:
    low = msgspec.structs.replace(
        FINDING,
        source="debian",
        cvss=3.0,
        fix=Fix.NONE,
        published=LATE,
        analysis=Status.NOT_AFFECTED,
    )
    high = Vulnerability(
        ("GHSA-1", "CVE-1"),
        Severity.HIGH,
        source="ghsa",
        cvss=7.5,
        fix=Fix.AVAILABLE,
        fixed_in=("2",),
        purl="pkg:deb/debian/x@1?arch=arm64",
        published=EARLY,
    )
    for both in itertools.permutations([low, high]):
        (one,) = merged(both)
        assert (one.severity, one.source, one.cvss, one.fix) == (Severity.HIGH, "ghsa", 7.5, Fix.AVAILABLE)
        assert one.fixed_in == ("2",)
        assert one.published == EARLY
        assert one.analysis is None


def test_a_fix_that_is_not_known_outweighs_none_and_a_date_that_is_missing_any_date() -> None:
    none = msgspec.structs.replace(FINDING, fix=Fix.WONT_FIX, published=EARLY)
    unknown = msgspec.structs.replace(FINDING, fix=Fix.UNKNOWN)
    for both in itertools.permutations([none, unknown]):
        (one,) = merged(both)
        assert one.fix is Fix.UNKNOWN
        assert one.published is None


def test_findings_that_share_an_advisory_or_a_package_only_stay_apart() -> None:
    apart = [
        FINDING,
        msgspec.structs.replace(FINDING, ids=("CVE-2", "GHSA-1")),
        msgspec.structs.replace(FINDING, ids=("CVE-1",)),
        msgspec.structs.replace(FINDING, purl="pkg:deb/debian/x@2"),
        msgspec.structs.replace(FINDING, purl="", package="x", version="1"),
        msgspec.structs.replace(FINDING, purl="", package="x", version="2"),
        msgspec.structs.replace(FINDING, purl="", package="y", version="1"),
    ]
    assert len(merged(apart)) == len(apart)


def test_the_worst_stands_first_in_whatever_order_they_are_read() -> None:
    findings = [
        Vulnerability(("CVE-3",), Severity.CRITICAL, cvss=9.1),
        Vulnerability(("CVE-4",), Severity.CRITICAL, cvss=9.9),
        Vulnerability(("CVE-1",), Severity.HIGH),
        Vulnerability(("CVE-2",), Severity.HIGH),
        Vulnerability(("CVE-5",), Severity.UNKNOWN),
    ]
    for order in itertools.permutations(findings):
        assert [one.ids[0] for one in merged(order)] == ["CVE-4", "CVE-3", "CVE-1", "CVE-2", "CVE-5"]


def test_the_earliest_of_the_times_that_there_are() -> None:
    assert earliest(None, LATE, EARLY) == EARLY
    assert earliest(None, None) is None
