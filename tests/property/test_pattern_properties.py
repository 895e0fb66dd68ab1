"""Patterns that are compared without a regular expression match what the regular expression would."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from gate.policy.patterns import ImagePattern, glob

QUICK = settings(max_examples=300, deadline=None)

texts = st.text("ab*/.\n", max_size=7)


def as_regex(pattern: str) -> str:
    parts = re.split(r"(\*\*|\*)", pattern)
    return "(?s)" + "".join({"**": ".*", "*": "[^/]*"}.get(p, re.escape(p)) for p in parts)


@given(texts, texts)
@QUICK
def test_globs(pattern: str, value: str) -> None:
    assert bool(glob(pattern).fullmatch(value)) is bool(re.fullmatch(as_regex(pattern), value))


segments = st.sampled_from(["a", "b", "ab", "*", "**", "a*", "*b", "a*b", "a*b*"])
names = st.lists(st.sampled_from(["a", "b", "ab", "aab", "abb"]), min_size=1, max_size=4)


def segment_matches(pattern: str, name: str) -> bool:
    return re.fullmatch("[^/]*".join(map(re.escape, pattern.split("*"))), name) is not None


def covers(pattern: list[str], name: list[str]) -> bool:
    """By the words of POLICY §3."""
    if not pattern:
        return not name
    if pattern[0] == "**":
        return covers(pattern[1:], name) or (bool(name) and covers(pattern, name[1:]))
    return bool(name) and segment_matches(pattern[0], name[0]) and covers(pattern[1:], name[1:])


@given(st.lists(segments, max_size=4), names)
@QUICK
def test_image_patterns(pattern: list[str], name: list[str]) -> None:
    text = "/".join(["ghcr.io", *pattern, "a"])
    for whole in (text, "/".join(["ghcr.io", *pattern, "**"]), "/".join(["ghcr.io", "b", *pattern])):
        found = ImagePattern.parse(whole)._matcher.fullmatch(f"/ghcr.io/{'/'.join(name)}")
        assert bool(found) is covers(whole.split("/"), ["ghcr.io", *name])
