"""What is said of two image patterns holds for every repository: held against brute force."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.authoring.covering import Comparer, below

QUICK = settings(max_examples=300, deadline=None)
SEARCH = settings(max_examples=5000, deadline=None)

SEGMENTS = [a + b for a, b in itertools.product(["", "a", "b"], repeat=2) if a + b]
REPOSITORIES = ["/".join(path) for size in (1, 2, 3) for path in itertools.product(["a", "b", "ab", "ba"], repeat=size)]
segments = st.sampled_from(["a", "b", "ab", "*", "**", "a*", "*b", "a*b", "*a*"])
patterns = st.lists(segments, min_size=1, max_size=4).map("/".join)


def matching(pattern: str) -> set[str]:
    """Of some repositories those that a pattern covers, by a regular expression."""
    parts = [
        "(?:/[^/]+)*" if s == "**" else "/" + "[^/]*".join(map(re.escape, s.split("*"))) for s in pattern.split("/")
    ]
    return {name for name in REPOSITORIES if re.fullmatch("".join(parts), f"/{name}")}


def check(one: str, other: str) -> None:
    comparer = Comparer()
    first, second = matching(one), matching(other)
    if comparer.covers(one, other):
        assert second <= first
    # Of so simple patterns what is apart in the small is apart: nothing is left unsaid, either.
    assert comparer.apart(one, other) is comparer.apart(other, one)
    if comparer.apart(one, other):
        assert not first & second
    assert comparer.covers(one, one)
    assert comparer.covers("**", one)


@given(patterns, patterns)
@QUICK
def test_what_is_said_holds(one: str, other: str) -> None:
    check(one, other)


@pytest.mark.property
@given(patterns, patterns)
@SEARCH
def test_what_is_said_holds_searched(one: str, other: str) -> None:
    check(one, other)


@given(patterns, st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=3).map("/".join))
@QUICK
def test_of_a_repository_without_wildcards_everything_is_known(pattern: str, name: str) -> None:
    comparer = Comparer()
    covered = name in matching(pattern)
    assert comparer.covers(pattern, name) is covered
    assert comparer.apart(pattern, name) is not covered


@pytest.mark.parametrize(
    ("wide", "narrow", "covers"),
    [
        ("ghcr.io/acme/**", "ghcr.io/acme", True),
        ("ghcr.io/acme/**", "ghcr.io/acme/api", True),
        ("ghcr.io/acme/**", "ghcr.io/acme/*/x", True),
        ("ghcr.io/acme/*", "ghcr.io/acme/**", False),
        ("ghcr.io/**/api", "ghcr.io/acme/team/api", True),
        ("ghcr.io/acme/**", "ghcr.io/acme-evil/api", False),
        ("*/acme/**", "ghcr.io/acme/x", True),
        ("ghcr.io/acme-*", "ghcr.io/acme-*-x", True),
        ("ghcr.io/acme-*-x", "ghcr.io/acme-*", False),
    ],
)
def test_covering(wide: str, narrow: str, covers: bool) -> None:  # noqa: FBT001
    assert Comparer().covers(wide, narrow) is covers


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("docker.io/**", "ghcr.io/**", True),
        ("ghcr.io/acme/**", below("ghcr.io/acme-evil"), True),
        ("ghcr.io/acme", below("ghcr.io/acme"), False),
        ("ghcr.io/acme-*/x", "ghcr.io/*-prod/x", False),
        ("ghcr.io/a*c/x", "ghcr.io/b*c/x", True),
        ("ghcr.io/*/x", "ghcr.io/*/*/x", True),
        ("**/api", "ghcr.io/acme/web", True),
        ("**/api", "ghcr.io/**", False),
    ],
)
def test_apart(one: str, other: str, apart: bool) -> None:  # noqa: FBT001
    assert Comparer().apart(one, other) is apart
    assert Comparer().apart(other, one) is apart


def test_so_much_is_compared_and_no_more() -> None:
    comparer = Comparer(most=120)
    assert [(comparer.covers("**", "a"), comparer.exhausted()) for _ in range(4)] == [
        (True, False),
        (True, False),
        (False, True),
        (False, True),
    ]
    assert not comparer.apart("a", "b")


def test_long_patterns_are_compared_soon() -> None:
    hostile = "/".join(["**", "a*a*a"] * 60)
    comparer = Comparer()
    assert comparer.covers(hostile, hostile)
    assert not comparer.apart(hostile, f"{hostile}/**")
