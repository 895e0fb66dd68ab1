from __future__ import annotations

import pytest

from gate.errors import ParseError
from gate.policy.content.sbom import Component
from gate.policy.packages import Coverage, PackagePattern, covered

NO, UNSURE, YES = Coverage.NO, Coverage.UNSURE, Coverage.YES
LOG4J = "pkg:maven/org.apache.logging.log4j/log4j-core@<2.17.1"


def covers(pattern: str, purl: str) -> Coverage:
    return PackagePattern.parse(pattern).covers(purl)


@pytest.mark.parametrize(
    ("pattern", "yes", "no", "unsure"),
    [
        (
            LOG4J,
            [
                "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1",
                "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1?type=jar&classifier=x#sub",
                "pkg:Maven/org.apache.logging.log4j/Log4j-Core@2.14.1",
                "pkg://maven/org.apache.logging.log4j/log4j-core@2.14.1",
                "pkg:maven/org.apache.logging.log4j/log4j%2Dcore@2.14.1",
                "pkg:maven/org.apache.logging.log4j%2Flog4j-core@2.14.1",
                "pkg:maven/org.apache.logging.log4j:log4j-core@2.14.1",
                "pkg:maven/org.apache.logging.log4j/log4j-core/@2.14.1",
                "pkg:maven/org.apache.logging.log4j/log4j-core@2%2E14.1",
            ],
            [
                "pkg:maven/org.apache.logging.log4j/log4j-core@2.17.1",
                "pkg:maven/org.apache.logging.log4j/log4j-api@2.14.1",
                "pkg:maven/com.example/log4j-core@2.14.1",
                "pkg:maven/org.apache.logging.log4j/my-log4j-core@2.14.1",
                "pkg:npm/log4j-core@2.14.1",
                "pkg:maven/log4j-core@2.17.1",
                "",
            ],
            [
                "pkg:maven/org.apache.logging.log4j/log4j-core",
                "pkg:maven/org.apache.logging.log4j/log4j-core@",
                "pkg:maven/org.apache.logging.log4j/log4j-core@unknown",
                "pkg:maven/log4j-core@2.14.1",
            ],
        ),
        ("pkg:maven/*/log4j-core", ["pkg:maven/a.b/log4j-core@9", "pkg:maven/a/log4j-core"], ["pkg:maven/a/b"], []),
        ("pkg:pypi/django@<4", ["pkg:PyPI/Django@3.2"], ["pkg:pypi/django@4.0", "pkg:pypi/django-x@3.2"], []),
        ("pkg:PyPI/Zope_Interface", ["pkg:pypi/zope.interface@1", "pkg:pypi/zope-interface"], ["pkg:pypi/zope"], []),
        (
            "pkg:npm/@angular/core@<12",
            ["pkg:npm/%40angular/core@11.0.0", "pkg:npm/@angular/core@11.0.0", "pkg:npm/%40Angular/core@v11"],
            ["pkg:npm/core@11.0.0", "pkg:npm/%40angular/core@12.0.0", "pkg:npm/%40evil/core@11.0.0"],
            ["pkg:npm/@angular/core"],
        ),
        ("pkg:npm/%40angular/core", ["pkg:npm/@angular/core"], [], []),
        ("pkg:npm/@evil/*", ["pkg:npm/%40evil/x@1"], ["pkg:npm/evil@1", "pkg:npm/%40evil2/x"], []),
        ("pkg:npm/**", ["pkg:npm/x", "pkg:npm/%40a/b@1"], ["pkg:cargo/x"], []),
        ("pkg:npm/lodash", ["pkg:npm/lodash", "pkg:npm/lodash@4.17.21"], ["pkg:npm/lodash.merge@4.6.2"], []),
        (
            "pkg:golang/github.com/gin-gonic/gin@<1.9.1",
            ["pkg:golang/github.com/gin-gonic/gin@v1.9.0", "pkg:golang/github.com/Gin-Gonic/gin@v1.9.0#x"],
            ["pkg:golang/github.com/gin-gonic/gin@v1.9.1", "pkg:golang/github.com/gin-gonic/gin/v2@v1.9.0"],
            ["pkg:golang/github.com/gin-gonic/gin@(devel)"],
        ),
        ("pkg:golang/stdlib@<1.22.1", ["pkg:golang/stdlib@1.22.0", "pkg:golang/stdlib@go1.22"], [], []),
        (
            "pkg:deb/*/openssl@<3.0.11-1~deb12u2",
            ["pkg:deb/debian/openssl@3.0.11-1~deb12u1?arch=amd64&distro=debian-12"],
            ["pkg:deb/debian/openssl@3.0.11-1~deb12u2", "pkg:deb/debian/libssl3@1"],
            ["pkg:deb/openssl@1"],
        ),
        (
            "pkg:rpm/redhat/openssl@<1:3.0.7-27",
            ["pkg:rpm/redhat/openssl@3.0.7-26.el9?epoch=1", "pkg:rpm/redhat/openssl@9?arch=x86_64"],
            ["pkg:rpm/redhat/openssl@3.0.7-27.el9?epoch=1&arch=x86_64", "pkg:rpm/fedora/openssl@1"],
            [],
        ),
        ("pkg:deb/debian/vim@<2:9.1", ["pkg:deb/debian/vim@2%3A9.0-1"], ["pkg:deb/debian/vim@2%3A9.1-1"], []),
        ("pkg:generic/openssl@1.1.1k", ["pkg:generic/openssl@1.1.1k"], ["pkg:generic/openssl@1.1.1l"], []),
    ],
)
def test_what_a_pattern_covers(pattern: str, yes: list[str], no: list[str], unsure: list[str]) -> None:
    assert [purl for purl in yes if covers(pattern, purl) is not YES] == []
    assert [purl for purl in no if covers(pattern, purl) is not NO] == []
    assert [purl for purl in unsure if covers(pattern, purl) is not UNSURE] == []


@pytest.mark.parametrize(
    ("component", "expected"),
    [
        (Component("log4j-core", "2.14.1"), UNSURE),
        (Component("log4j-core", "2.17.1"), NO),
        (Component("log4j-core"), UNSURE),
        (Component("org.apache.logging.log4j:log4j-core", "2.14.1"), UNSURE),
        (Component("org.apache.logging.log4j/log4j-core", "2.14.1"), UNSURE),
        (Component("com.example/log4j-core", "2.14.1"), NO),
        (Component("log4j-core-test", "2.14.1"), NO),
        (Component("other", "2.14.1", purl="pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1"), YES),
        (Component("log4j-core", "2.14.1", purl="pkg:maven/org.apache.logging.log4j/log4j-core@2.17.1"), NO),
        (Component("log4j-core", "2.14.1", purl="pkg:maven/org.apache.logging.log4j/log4j-core"), YES),
        (Component("log4j-core", "2.14.1", purl="pkg:generic/x@1"), NO),
    ],
)
def test_components(component: Component, expected: Coverage) -> None:
    pattern = PackagePattern.parse(LOG4J)
    assert pattern.covers_component(component) is expected
    found = list(covered([PackagePattern.parse("pkg:npm/x"), pattern], [component, Component("y")]))
    assert found == ([] if expected is NO else [(pattern, component, expected)])


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ("", "not a package URL", "pkg:type"),
        ("log4j-core", "not a package URL", "pkg:type"),
        ("pkg:maven", "not a package URL", "pkg:type"),
        ("pkg:*/log4j-core", "not a package URL", "pkg:type"),
        ("pkg:maven/", "not a package URL", "pkg:type"),
        ("pkg:maven/a//b", "not a package URL", "pkg:type"),
        ("pkg:maven/a/../b", "not a package URL", "pkg:type"),
        ("pkg:maven/a/b c", "not a package URL", "pkg:type"),
        ("pkg:maven/a/b@1@2", "not a package URL", "pkg:type"),
        ("pkg:maven/a/b?type=jar", "not compared", "write pkg:maven/a/b"),
        ("pkg:golang/a/b#c", "not compared", "write pkg:golang/a/b"),
        ("pkg:deb/openssl@<3", "no group or vendor", "pkg:deb/*/openssl@<3 for any"),
        ("pkg:maven/log4j-core", "no group or vendor", "pkg:maven/*/log4j-core for any"),
        ("pkg:maven/a/b@", "not a range", "write <2.17.1"),
        ("pkg:maven/a/b@*", "not a range", "leave it out"),
        ("pkg:npm/" + "x" * 600, "not a package URL", "pkg:type"),
    ],
)
def test_no_patterns(text: str, message: str, remedy: str) -> None:
    with pytest.raises(ParseError, match=message) as caught:
        PackagePattern.parse(text)
    assert remedy in caught.value.remedy


def test_an_encoded_range() -> None:
    assert covers("pkg:maven/a/b@%3E%3D2%2C%3C3", "pkg:maven/a/b@2.5") is YES


def test_lint_can_tell_a_type_that_nobody_knows() -> None:
    assert PackagePattern.parse("pkg:npm/x").known
    assert not PackagePattern.parse("pkg:mvn/a/b").known
