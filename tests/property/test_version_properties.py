"""Versions of one ecosystem have an order, ranges follow it, and any package URL has an answer."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gate.errors import ParseError
from gate.policy.packages import Coverage, PackagePattern
from gate.policy.versions import _SCHEMES, Version, VersionRange, compare

QUICK = settings(max_examples=300, deadline=None)

ecosystems = st.sampled_from([*_SCHEMES, "generic"])
versions = st.from_regex(r"\A[0-9]{1,3}(\.[0-9]{1,2}){0,3}([-+~_.]?(rc|a|b|alpha|r|el|x)[0-9]?){0,2}\Z") | st.text(
    "019.-+~^:_avr!", max_size=8
)


@given(ecosystems, versions, versions, versions)
@QUICK
def test_an_order_is_one(ecosystem: str, a: str, b: str, c: str) -> None:
    forward, backward = compare(ecosystem, a, b), compare(ecosystem, b, a)
    assert (forward is None) is (backward is None)
    if forward is not None and backward is not None:
        assert forward == -backward
        assert compare(ecosystem, a, a) == 0
    if ecosystem in ("maven", "alpm"):  # their own rules are no order of odd versions: `1.x` < `1rc` < `1` < `1.x`
        return
    onward, through = compare(ecosystem, b, c), compare(ecosystem, a, c)
    if forward is not None and onward is not None and through is not None and forward <= 0 and onward <= 0:
        assert through <= 0


@given(ecosystems, versions, versions)
@QUICK
def test_a_range_and_its_opposite_leave_nothing_out(ecosystem: str, bound: str, version: str) -> None:
    try:
        below, above = VersionRange.parse(ecosystem, f"<{bound}"), VersionRange.parse(ecosystem, f">={bound}")
    except ParseError:
        return
    found = [below.covers(Version(version)), above.covers(Version(version))]
    assert found != [False, False]
    assert found != [True, True]


@given(st.text("pkg:maven/log4j-core@2.14%?#&=. ", max_size=40) | st.text(max_size=20))
@QUICK
def test_any_text_is_answered(text: str) -> None:
    pattern = PackagePattern.parse("pkg:maven/**@<2.17.1")
    for purl in (text, f"pkg:maven/{text}", f"pkg:maven/org/log4j-core@{text}"):
        assert pattern.covers(purl) in Coverage
