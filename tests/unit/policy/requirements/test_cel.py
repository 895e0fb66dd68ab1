"""The `cel` rule over images, attestations, components and findings."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.image.config import ImageConfig
from gate.image.digest import Digest
from gate.image.manifest import Platform
from gate.image.platforms import PlatformImage
from gate.image.reference import Reference
from gate.policy.content.sbom import Component
from gate.policy.content.scan import Fix, Severity, Vulnerability
from gate.policy.expressions import Condition
from gate.policy.finding import Reason
from gate.policy.requirements import cel
from gate.policy.requirements.cel import Judged
from gate.policy.variables import FIELDS, Over
from tests.fakes.clock import START

if TYPE_CHECKING:
    from collections.abc import Iterator

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64", "v8")
CREATED = "2026-10-20T00:00:00Z"
DIGEST = Digest.of(b"index")
REFERENCE = Reference.parse("ghcr.io/acme/api:v1")


def image(
    platform: Platform | None = AMD64, created: str = "2026-10-20T00:00:00Z", user: str = "65532"
) -> PlatformImage:
    config = ImageConfig(created, platform or AMD64, user, {"team": "payments"})
    return PlatformImage(Digest.of(repr((platform, created, user)).encode()), platform, config)


JUDGED = Judged(REFERENCE, DIGEST, (image(), image(ARM64)), START)


def said(reasons: Iterator[Reason]) -> list[str]:
    return [f"{reason.code}: {reason.message}" for reason in reasons]


def of_image(source: str, judged: Judged = JUDGED, message: str = "") -> list[str]:
    return said(cel.check(Condition.parse(source, Over.IMAGE), message, judged))


@pytest.mark.parametrize(
    "source",
    [
        'image.registry == "ghcr.io" && image.repository == "acme/api" && image.tag == "v1"',
        f'image.digest == "{DIGEST}"',
        "now - image.created < duration('720h') && image.created < now",
        'image.user == "65532" && image.labels.team == "payments"',
        'image.platforms == ["linux/amd64", "linux/arm64/v8"]',
    ],
)
def test_what_is_known_of_an_image(source: str) -> None:
    assert of_image(source) == []


def test_the_rules_own_message_comes_first_and_the_expression_last() -> None:
    source = 'image.tag\n  == "v2"'
    assert of_image(source) == ['PREDICATE_REJECTED: it is false (image.tag == "v2")']
    assert of_image(source, message="no v1") == ['PREDICATE_REJECTED: no v1: it is false (image.tag == "v2")']
    long = f"image.tag == '{'x' * 200}'"
    assert of_image(long) == [f"PREDICATE_REJECTED: it is false ({long[:100]}…)"]


def test_it_has_to_hold_on_every_platform() -> None:
    judged = replace(JUDGED, images=(image(), image(ARM64, user="0")))
    assert of_image('image.user != "0"', judged) == [
        'PREDICATE_REJECTED: it is false on linux/arm64/v8 (image.user != "0")'
    ]
    assert of_image('image.user == "1"', judged) == ['PREDICATE_REJECTED: it is false (image.user == "1")']


@pytest.mark.parametrize(
    "created",
    [
        "",
        "yesterday",
        "0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "2026-11-01T12:05:01Z",
        "9999-12-31T23:59:59-23:59",
    ],
)
def test_a_time_that_can_be_none_has_no_age(created: str) -> None:
    judged = replace(JUDGED, images=(image(created=created),))
    source = 'now - image.created < duration("720h")'
    assert of_image(source, judged) == [f"PREDICATE_REJECTED: image.created is not known of it ({source})"]
    assert of_image(f"{source} || image.tag == 'v1'", judged) == []


def test_a_clock_that_is_a_little_ahead_is_borne() -> None:
    judged = replace(JUDGED, images=(image(created="2026-11-01T12:05:00Z"),))
    assert of_image('now - image.created < duration("720h")', judged) == []


@pytest.mark.parametrize(
    ("source", "images", "reasons"),
    [
        ("image.user != ''", (), ["PLATFORM_MISSING: its index has no image that could run"]),
        ("image.platforms.all(p, false)", (), ["PLATFORM_MISSING: its index has no image that could run"]),
        ("image.user != ''", None, ["INTERNAL: nobody has asked which platforms the image is for"]),
        ("image.user != ''", Reason(Code.REGISTRY_TIMEOUT, "late"), ["REGISTRY_TIMEOUT: late"]),
        (
            "image.user != ''",
            (image(), PlatformImage(DIGEST, ARM64)),
            ["INTERNAL: nobody has read the image's configuration"],
        ),
        (
            "image.platforms.size() == 1",
            (image(), image(None)),
            ["INTERNAL: nobody has read what an image of the index is built for"],
        ),
        ("image.tag == 'v1'", None, []),
        ("image.tag == 'v1'", (), []),
    ],
)
def test_what_is_not_known_is_never_taken_for_true(
    source: str, images: tuple[PlatformImage, ...] | Reason | None, reasons: list[str]
) -> None:
    assert of_image(source, replace(JUDGED, images=images)) == reasons


def test_a_digest_that_is_not_known_is_equal_to_none() -> None:
    assert of_image('image.digest != "sha256:x"', replace(JUDGED, digest=None)) == [
        'PREDICATE_REJECTED: image.digest is not known of it (image.digest != "sha256:x")'
    ]


@pytest.mark.parametrize(
    ("stated", "named"),
    [
        (Platform("Linux", "x86_64"), "linux/amd64"),
        (Platform("linux", "aarch64"), "linux/arm64"),
        (Platform("linux", "arm", "7"), "linux/arm/v7"),
        (Platform("windows", "amd64"), "windows/amd64"),
    ],
)
def test_platforms_have_their_usual_names(stated: Platform, named: str) -> None:
    assert of_image(f'image.platforms == ["{named}"]', replace(JUDGED, images=(image(stated),))) == []


def of_statement(source: str, statement: dict[str, object]) -> list[str]:
    return said(cel.check_statement(Condition.parse(source, Over.STATEMENT), "tests must pass", JUDGED, statement))


def test_of_an_attestation() -> None:
    statement: dict[str, object] = {"predicateType": "t", "predicate": {"result": "PASSED", "of": "acme/api"}}
    assert of_statement("predicate.result == 'PASSED' && predicate.of == image.repository", statement) == []
    assert of_statement("predicate.result != 'PASSED'", statement) == [
        "PREDICATE_REJECTED: tests must pass: it is false (predicate.result != 'PASSED')"
    ]
    assert of_statement("predicate.result == 'PASSED'", {"predicateType": "t"}) == [
        (
            "PREDICATE_REJECTED: tests must pass: it can't be judged: Applying SELECT to non-message type"
            " (predicate.result == 'PASSED')"
        )
    ]


LODASH = Component("lodash", "4.17.21", "pkg:npm/lodash@4.17.21", ("MIT",), supplier=True, hashed=True)


def of_components(source: str, *components: Component) -> list[str]:
    return said(cel.check_components(Condition.parse(source, Over.COMPONENT), "", JUDGED, components))


def test_of_components() -> None:
    source = (
        'component.name == "lodash" && component.version == "4.17.21" && component.licenses == ["MIT"] &&'
        ' component.supplier && component.hash && component.purl.startsWith("pkg:npm/") && image.registry == "ghcr.io"'
    )
    assert of_components(source, LODASH) == []
    assert of_components("component.hash", LODASH, Component("a", "1"), Component("b")) == [
        "PREDICATE_REJECTED: it does not hold for 2 of 3 components: a 1, b (component.hash)"
    ]


def test_of_no_component_nothing_holds() -> None:
    assert of_components("true") == ["PREDICATE_REJECTED: the bill of materials has no component (true)"]


def test_ten_are_named_and_all_are_counted() -> None:
    many = [Component(f"{'n' * 200}{number}") for number in range(13)]
    (found,) = of_components("component.hash", LODASH, *many)
    names = ", ".join(["n" * 100] * 10)
    assert found == (
        f"PREDICATE_REJECTED: it does not hold for 13 of 14 components: {names} and 3 more (component.hash)"
    )


def test_components_on_each_platform() -> None:
    judged = replace(JUDGED, images=(image(), image(ARM64, user="0")))
    condition = Condition.parse('component.hash || image.user != "0"', Over.COMPONENT)
    assert said(cel.check_components(condition, "", judged, (Component("a"),))) == [
        (
            "PREDICATE_REJECTED: it does not hold for 1 of 1 components: a on linux/arm64/v8"
            ' (component.hash || image.user != "0")'
        )
    ]


FINDING = Vulnerability(
    ("GHSA-1", "CVE-2026-1"),
    Severity.CRITICAL,
    cvss=9.8,
    fix=Fix.AVAILABLE,
    fixed_in=("2.0",),
    package="lodash",
    version="1.0",
    purl="pkg:npm/lodash@1.0",
    published=START - timedelta(days=10),
)


def of_findings(source: str, *findings: Vulnerability) -> list[str]:
    return said(cel.check_findings(Condition.parse(source, Over.FINDING), "", JUDGED, findings))


def test_of_findings() -> None:
    source = (
        'finding.id == "GHSA-1" && "CVE-2026-1" in finding.ids && finding.severity == "critical" &&'
        ' finding.cvss > 9 && finding.fix == "available" && finding.fixedIn == ["2.0"] &&'
        ' finding.package == "lodash" && finding.version == "1.0" && finding.purl == "pkg:npm/lodash@1.0" &&'
        ' now - finding.published == duration("240h")'
    )
    assert of_findings(source, FINDING) == []
    why = "it can't be judged: No matching overloads found : _<_(null_type, int64)"
    assert of_findings("finding.cvss < 7", FINDING, replace_cvss(None), replace_cvss(6.9)) == [
        (
            "PREDICATE_REJECTED: it does not hold for 2 of 3 findings: "
            f"GHSA-1 in lodash, GHSA-1 in lodash ({why}) (finding.cvss < 7)"
        )
    ]
    assert of_findings("finding.cvss == null || finding.cvss < 7", replace_cvss(None)) == []


def replace_cvss(score: float | None) -> Vulnerability:
    return Vulnerability(FINDING.ids, FINDING.severity, cvss=score, package=FINDING.package)


def test_of_no_finding_everything_holds() -> None:
    assert of_findings("false") == []


@pytest.mark.parametrize("days", [None, -1, 365 * 100])
def test_a_finding_without_a_time_that_can_be_has_no_grace(days: int | None) -> None:
    at = None if days is None else START - timedelta(days=days)
    finding = Vulnerability(("CVE-1",), Severity.HIGH, package="a", published=at)
    source, why = "now - finding.published < duration('336h')", "finding.published is not known of it"
    assert of_findings(source, finding) == [
        f"PREDICATE_REJECTED: it does not hold for 1 of 1 findings: CVE-1 in a ({why}) ({source})"
    ]


def test_every_variable_gets_its_value() -> None:
    known = cel.image_values(JUDGED, image())
    assert known.keys() == Over.IMAGE.variables.keys()
    every = frozenset(Over.COMPONENT.variables) | frozenset(Over.FINDING.variables)
    assert cel.component_values(LODASH, every).keys() == {f"component.{name}" for name in FIELDS["component"]}
    assert cel.finding_values(FINDING, every, START).keys() == {f"finding.{name}" for name in FIELDS["finding"]}
