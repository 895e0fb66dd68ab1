"""Package URLs and versions that are written so that a denied package is not found."""

from __future__ import annotations

from time import process_time

import pytest

from gate.policy.content.sbom import Component
from gate.policy.packages import Coverage, PackagePattern, covered
from gate.policy.versions import compare

LOG4J = PackagePattern.parse("pkg:maven/org.apache.logging.log4j/log4j-core@<2.17.1")
GROUP = "org.apache.logging.log4j"


@pytest.mark.parametrize(
    "purl",
    [
        f"pkg:maven/{GROUP}/log4j-core@2.14.1@9.9",
        f"pkg:maven/{GROUP}/log4j-core%402.14.1",
        f"pkg:maven/{GROUP}/log4j%252Dcore@2.14.1",
        f"pkg:maven/{GROUP}/log4j%25252Dcore@2.14.1",
        f" pkg:maven/{GROUP}/log4j-core@2.14.1",
        f"pkg:maven/{GROUP}/log4j-core@2.14.1\n",
        f"PKG:maven/{GROUP}/log4j-core@2.14.1",
        f"purl:maven/{GROUP}/log4j-core@2.14.1",
        f"maven/{GROUP}/log4j-core@2.14.1",
        f"pkg:maven/{GROUP}/./log4j-core@2.14.1",
        f"pkg:maven/{GROUP}/x/../log4j-core@2.14.1",
        f"pkg:maven/{GROUP}/log4j\u200b-core@2.14.1",
        f"pkg:maven/{GROUP}/log4j-\x00core@2.14.1",
        f"pkg:maven/{GROUP}/\uff4cog4j-core@2.14.1",
        f"pkg:maven/{GROUP}/log4j-core@2.14.1?=&&",
        f"pkg:maven/{GROUP}/log4j-core@2.14.1?nothing",
        f"pkg:maven/{GROUP}/log4j-core@" + "2.14.1" * 1000,
        f"pkg:maven/{GROUP}/log4j-core@99\u0661",
        f"pkg:maven/{GROUP}/log4j-core@99%00",
        f"pkg:maven/{GROUP}/log4j-core@{'9' * 500}",
        f"pkg:maven/{GROUP}/log4j-core@>=99",
        f"pkg:maven/{GROUP}/log4j-core?version=9.9",
        f"pkg:maven/{GROUP}/log4j-core#@9.9",
        f"pkg:maven/[/{GROUP}/log4j-core@2.14.1",
        f"pkg:maven/{GROUP}/log4j-core@99%25",
        f"pkg:maven/{GROUP}%zz/log4j-core@2.14.1",
        "pkg:maven/log4j-core@2.14.1",
        "log4j-core",
        "pkg:maven/" + "\u00e9" * 3000 + "/log4j-core@2.14.1",
    ],
)
def test_what_cannot_be_read_or_compared_denies(purl: str) -> None:
    assert LOG4J.covers(purl) is not Coverage.NO


@pytest.mark.parametrize("name", ["lodash:", "x:lodash", "%6Codash", "/lodash", "//lodash", "lodash%2F", "lodash%00"])
def test_odd_names_of_npm(name: str) -> None:
    assert PackagePattern.parse("pkg:npm/lodash@<4.17.21").covers(f"pkg:npm/{name}@4.17.20") is not Coverage.NO


def test_a_name_of_letters_that_are_not_seen() -> None:
    for name in ("log4j\u200b-core", "LOG4J_CORE", "log4j--core", "\uff4cog4j-core"):
        assert LOG4J.covers_component(Component(name, "2.14.1")) is Coverage.UNSURE


@pytest.mark.parametrize(
    ("ecosystem", "left", "right"),
    [
        ("maven", "1" + ".0" * 60, "1" + "-0" * 60),
        ("maven", "1" + "a1" * 60, "1" + "a1" * 60 + "b"),
        ("deb", "1" + "~" * 120, "1" + "-" * 120),
        ("rpm", "a" * 128, "a" * 127 + "b"),
        ("gem", "1" + ".a" * 60 + "!", "1"),
        ("pypi", "1." + "0" * 120, "1.0.0"),
        ("apk", "1" + "_a" * 60, "1" + "_a1" * 30),
        ("npm", "1.0.0-" + "a." * 60, "1.0.0-" + "a-" * 60),
    ],
)
def test_comparing_costs_little(ecosystem: str, left: str, right: str) -> None:
    compare(ecosystem, "1", "2")
    began = process_time()
    compare(ecosystem, left, right)
    assert process_time() - began < 0.5


def test_many_components_and_patterns_cost_little() -> None:
    patterns = [PackagePattern.parse(f"pkg:npm/package-{i}x@<2.17.1") for i in range(19)]
    components = [Component(f"p{i}", "1", purl=f"pkg:npm/%40scope/package-{i}@1.0.{i}") for i in range(5_000)]
    components.append(Component("log4j-core", purl=f"pkg:maven/{GROUP}/log4j-core@2.14.1"))
    list(covered([*patterns, LOG4J], components))
    began = process_time()
    assert [found for *_, found in covered([*patterns, LOG4J], components)] == [Coverage.YES]
    assert process_time() - began < 1  # some 10 ms
