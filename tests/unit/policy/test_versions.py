from __future__ import annotations

from itertools import pairwise, product

import pytest

from gate.errors import ParseError
from gate.policy.versions import Version, VersionRange, compare

# Older first, from each ecosystem's own specification or tests.
ORDERS = {
    "maven": "1-alpha-1 1-beta 1-milestone-2 1-rc1 1-SNAPSHOT 1 1-sp 1.0.1 1.1 1.10 2.0-beta9 2.17.1 2.17.1.redhat-1",
    "npm": "0.0.1 1.0.0-RC 1.0.0-alpha 1.0.0-alpha.1 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 v1.0.1 1.2 1.10.0 10",
    "cargo": "0.9.9 1.0.0-alpha 1.0.0 1.10.0",
    "golang": "v0.0.0-20191109021931-daa7c04131f5 v0.1.0 go1.21 1.21.1 v2.0.0-rc1 v2.0.0+incompatible v2.0.1",
    "pypi": "1.0.dev1 1.0a1 1.0b2 1.0rc1 1.0 1.0+local 1.0.post1 1.1 1.10 1!0.5",
    "deb": "1.0~rc1 1.0 1.0-0ubuntu1 1.0-1 1.0-1+b1 1.0-2 1.0a 1.0+dfsg-1 1.1 1.10 1:0.5",
    "rpm": "1.0~rc1 1.0 1.0-1.el8 1.0-1.el9 1.0-2 1.0^git1 1.0.1 1.1 1.10 1:0.1",
    "apk": "1.0_alpha1 1.0_beta 1.0_rc1 1.0 1.0-r1 1.0-r10 1.0_p1 1.0a 1.0.1 1.1 1.10",
    "alpm": "1.0alpha 1.0beta 1.0rc 1.0 1.0.1 1.1 1.10 1:0.1",
    "nuget": "1.0.0-alpha 1.0.0-Beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc 1.0.0 1.0.0.1 1.0.1 1.10.0",
    "gem": "1.0.a 1.0.a.2 1.0.b1 1.0 1.0.1 1.1 1.10 1.10.0.1",
    "composer": "1.0 v1.0.1 1.2 1.10.0.1",
    "generic": "1.0 1.0.1 v1.2 1.10",
}


@pytest.mark.parametrize("ecosystem", ORDERS)
def test_orders(ecosystem: str) -> None:
    versions = ORDERS[ecosystem].split()
    for (i, left), (j, right) in product(enumerate(versions), enumerate(versions)):
        order = compare(ecosystem, left, right)
        assert order == (i > j) - (i < j), (left, right)


@pytest.mark.parametrize(
    ("ecosystem", "left", "right"),
    [
        ("maven", "1", "1.0.0"),
        ("maven", "1.0-final", "1"),
        ("maven", "5.3.17.RELEASE", "5.3.17"),
        ("npm", "1.2", "1.2.0"),
        ("npm", "1.0.0+a", "1.0.0+b"),
        ("golang", "v2.0.0+incompatible", "2.0.0"),
        ("golang", "go1.22.1", "v1.22.1"),
        ("pypi", "1.0", "1"),
        ("pypi", "1.0RC1", "1.0rc1"),
        ("deb", "0:1.0-0", "1.0"),
        ("rpm", "001.0", "0:1.0"),
        ("nuget", "1.0", "1.0.0.0"),
        ("nuget", "1.0.0-BETA", "1.0.0-beta+x"),
        ("gem", "1", "1.0.0"),
        ("generic", "1", "1.0"),
    ],
)
def test_one_version_in_two_spellings(ecosystem: str, left: str, right: str) -> None:
    assert compare(ecosystem, left, right) == 0


@pytest.mark.parametrize(
    ("ecosystem", "version"),
    [
        ("maven", ""),
        ("maven", "unspecified"),
        ("maven", "${log4j.version}"),
        ("maven", "[2.0,3.0)"),
        ("npm", "1.2.3.4"),
        ("npm", "latest"),
        ("npm", "^1.2"),
        ("npm", "1.0.0-"),
        ("golang", "(devel)"),
        ("golang", "go1.21rc2"),
        ("pypi", "2004d-x"),
        ("deb", "abc"),
        ("deb", "x:1.0"),
        ("rpm", "1.0\n"),
        ("rpm", "~"),
        ("apk", "1.0-rc1"),
        ("nuget", "1.0.0.0.0"),
        ("gem", "1..0"),
        ("composer", "dev-main"),
        ("composer", "1.0.0-RC1"),
        ("generic", "1.0a"),
        ("generic", "2024-01-01"),
        ("maven", "1" * 129),
        ("maven", "\u0661.0"),
    ],
)
def test_no_order(ecosystem: str, version: str) -> None:
    assert compare(ecosystem, version, "1.0") is None
    assert compare(ecosystem, "1.0", version) is None


def covers(ecosystem: str, spec: str, version: str, epoch: str = "") -> bool | None:
    return VersionRange.parse(ecosystem, spec).covers(Version(version, epoch))


@pytest.mark.parametrize(
    ("ecosystem", "spec", "inside", "outside", "unsure"),
    [
        (
            "maven",
            "<2.17.1",
            ["2.14.1", "2.17.1-rc1", "2.0-beta9", "0", "2.17.0.redhat-1"],
            ["2.17.1", "2.17.2", "3", "2.17.1.redhat-1"],
            ["", "unspecified", "${v}", "v2.14.1"],
        ),
        ("maven", ">=2,<2.17.1", ["2", "2.0", "2.17.0"], ["1.2.17", "2-rc1", "2.17.1"], ["", "x"]),
        ("maven", ">= 2, <= 2.17.1", ["2", "2.17.1", "2.17.1.0"], ["2.17.2"], []),
        ("maven", "2.14.1", ["2.14.1", "2.14.1.Final"], ["2.14.10", "2.14"], ["", "x"]),
        ("maven", "=2.14.1", ["2.14.1"], ["2.14.2"], []),
        (
            "maven",
            "2.14.*",
            ["2.14", "2.14.0", "2.14.1-rc1", "2.14-SNAPSHOT", "02.14.1"],
            ["2.140", "2.1.4", "12.14", "2", "2.15"],
            ["", "v2.14.1", "x-2.14"],
        ),
        ("maven", "2.0.*", ["2", "2.0.1"], ["2.1", "20.0"], []),
        ("golang", "<1.2.3", ["v1.2.2", "1.2.2+incompatible", "v0.0.0-2019-abc"], ["v1.2.3", "1.2.3+x"], ["(devel)"]),
        ("golang", "1.22.*", ["go1.22", "v1.22.9"], ["v1.23.0"], ["(devel)"]),
        ("npm", "<2.0.0", ["1.9.9", "2.0.0-rc.1", "v1"], ["2.0.0", "2.0.0+x"], ["next"]),
        ("pypi", "<=2.0", ["2.0", "1.9", "2.0rc1"], ["2.0.1"], ["2.0+cu118"]),
        ("pypi", "2.14.*", ["2.14rc1", "2.14.post1"], ["1!2.15"], ["x"]),
        ("deb", "<3.0.11-1~deb12u2", ["3.0.11-1~deb12u1", "1.1"], ["3.0.11-1~deb12u2"], ["1:3.0.9-1"]),
        ("deb", "<=3.0.11", ["3.0.10-9"], ["3.0.12-1"], ["3.0.11-1~deb12u2"]),
        ("deb", "<2:9.1", ["9.2-1", "1:10", "2:9.0-1"], ["2:9.1-1", "3:1"], []),
        ("rpm", "<3.0.7", ["3.0.1-43.el9"], ["3.0.7-1.el9"], ["1:3.0.1-43.el9"]),
        ("rpm", "3.0.7", ["3.0.7"], ["3.0.8-1"], ["3.0.7-27.el9", "1:3.0.7-27.el9"]),
        ("apk", "<=1.2.3-r1", ["1.2.3-r0", "1.2.3-r1", "1.2.3"], ["1.2.3-r2"], ["abc"]),
        ("apk", "<=1.2.3", ["1.2.3-r0"], ["1.2.4-r0"], ["1.2.3-r5"]),
        ("composer", "dev-main", ["dev-main", "DEV-MAIN"], ["1.0", "dev-x"], [""]),
        ("composer", "<2", ["1.9", "v1.9.9"], ["2.0"], ["1.0.0-RC1", "dev-main"]),
        ("generic", "<2", ["1.9"], ["2.0"], ["1.9a"]),
        ("generic", "1.9a", ["1.9a", "1.9A"], ["2.0", "1.9b"], []),
    ],
)
def test_ranges(ecosystem: str, spec: str, inside: list[str], outside: list[str], unsure: list[str]) -> None:
    assert [v for v in inside if covers(ecosystem, spec, v) is not True] == []
    assert [v for v in outside if covers(ecosystem, spec, v) is not False] == []
    assert [v for v in unsure if covers(ecosystem, spec, v) is not None] == []


def test_an_epoch_beside_the_version() -> None:
    assert covers("rpm", "<1:2.0", "1.9", epoch="1") is True
    assert covers("rpm", "<1:2.0", "2.1", epoch="1") is False
    assert covers("rpm", "<1:2.0", "2.1") is True
    assert covers("rpm", "<3.0.7", "3.0.1-43.el9", epoch="1") is None
    assert covers("deb", "<1:2.0", "2:1.0", epoch="0") is False


@pytest.mark.parametrize(
    ("ecosystem", "spec", "message"),
    [
        ("maven", "", "not a range"),
        ("maven", "*", "not a range"),
        ("maven", "2.*.1", "not a range"),
        ("maven", "2.14*", "not a range"),
        ("maven", "<2,", "not a range"),
        ("maven", "<", "not a range"),
        ("maven", "==2", "not a range"),
        ("maven", "!=2", "not a range"),
        ("maven", "~>2", "not a range"),
        ("maven", "^2", "not a range"),
        ("maven", "[2,3)", "not a range"),
        ("maven", "<2 || >3", "not a range"),
        ("maven", "2,<3", "not a range"),
        ("maven", "=2,=3", "not a range"),
        ("maven", "<latest", "'latest' has no order among the versions of maven"),
        ("npm", "<1.2.3.4", "no order"),
        ("generic", "<1.0a", "no order that is known here"),
        ("maven", "<2,>=3", "no version is in it"),
        ("maven", ">2,<2.0", "no version is in it"),
        ("maven", ">=2,<2", "no version is in it"),
        ("maven", "<" + "1" * 200, "too long"),
    ],
)
def test_no_ranges(ecosystem: str, spec: str, message: str) -> None:
    with pytest.raises(ParseError, match=message) as caught:
        VersionRange.parse(ecosystem, spec)
    assert caught.value.remedy


@pytest.mark.parametrize("ecosystem", ORDERS)
def test_ranges_follow_the_order(ecosystem: str) -> None:
    for older, newer in pairwise(ORDERS[ecosystem].split()):
        assert covers(ecosystem, f"<{newer}", older) is True
        assert covers(ecosystem, f">{older}", newer) is True
