"""What is said of patterns that name a mirror, and what they should be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gate.authoring.lint import lint
from gate.policy.patterns import ImagePattern
from gate.policy.reading.checks import Check
from tests.fakes.clock import START
from tests.unit.policy.build import Json, config, parsed, policy

if TYPE_CHECKING:
    from collections.abc import Sequence

REGISTRIES: Json = {
    "registries": [
        {"host": "docker.io", "mirrors": ["hub.test"]},
        {"host": "harbor.test", "prefix": "quay", "mirrorOf": "quay.io"},
        {"host": "harbor.test", "prefix": "quay/old", "mirrorOf": "old.test"},
    ]
}
WAIVED: Json = {"rule": "image", "until": "2026-12-31", "reason": "r"}


def told(rules: Sequence[Json] = ({"image": {}},), **spec: Any) -> list[str]:
    text = "\n---\n".join(map(json.dumps, (policy(list(rules), **spec), config(**REGISTRIES))))
    found = parsed(text)
    assert found.errors == ()
    return [problem.remedy for problem in lint(found, START) if problem.check is Check.MIRROR_PATTERN]


@pytest.mark.parametrize(
    ("pattern", "better"),
    [
        ("hub.test/**", "docker.io/**"),
        ("hub.test/acme/api", "docker.io/acme/api"),
        ("hub.test/nginx", "docker.io/library/nginx"),
        ("hub.test/*", "docker.io/library/*"),
        ("harbor.test/quay/acme/**", "quay.io/acme/**"),
        ("harbor.test/quay/old/acme", "old.test/acme"),
    ],
)
def test_a_pattern_of_a_mirror_comes_with_that_of_its_origin(pattern: str, better: str) -> None:
    assert told(match={"images": ["a.test/**", pattern]}) == [f"write {better}"]
    assert told(match={"exclude": [pattern]}) == [f"write {better}"]
    assert told(exceptions=[{**WAIVED, "images": [pattern]}]) == [f"write {better}"]
    assert str(ImagePattern.parse(better)) == better


@pytest.mark.parametrize(
    "pattern", ["docker.io/**", "harbor.test/**", "harbor.test/*/acme", "harbor.test/quayx/a", "*/acme/api", "**/api"]
)
def test_what_fits_images_elsewhere_too_is_no_pattern_of_a_mirror(pattern: str) -> None:
    assert told(match={"images": [pattern]}) == []


def test_registries_are_prefixes() -> None:
    registries = ["hub.test", "hub.test/acme", "harbor.test/quay", "harbor.test", "quay.io"]
    found = told(rules=[{"image": {"registries": registries}}])
    assert found == ["write docker.io", "write docker.io/acme", "write quay.io"]
