from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from gate.codes import Code
from gate.policy.decision import Decision
from gate.policy.finding import Finding, Verdict, worst

ALLOW, WARN, DENY, ERROR = Verdict.ALLOW, Verdict.WARN, Verdict.DENY, Verdict.ERROR


def finding(verdict: Verdict, code: Code = Code.TAG_MUTABLE, message: str = "m", policy: str = "p") -> Finding:
    return Finding(code, verdict, message, "", policy, "image")


@pytest.mark.parametrize(
    ("verdicts", "over_all"),
    [
        ([], ALLOW),
        ([ALLOW], ALLOW),
        ([ALLOW, WARN], WARN),
        ([ALLOW, WARN, ERROR], ERROR),
        ([ALLOW, WARN, ERROR, DENY], DENY),
        ([ERROR, DENY], DENY),
        ([WARN, DENY], DENY),
    ],
)
def test_the_worst_of_several(verdicts: list[Verdict], over_all: Verdict) -> None:
    for order in itertools.permutations(verdicts):
        assert worst(order) is over_all
        assert Decision.of(map(finding, order)).verdict is over_all


@pytest.mark.parametrize(("verdict", "stops"), [(ALLOW, False), (WARN, False), (DENY, True), (ERROR, True)])
def test_what_stops(verdict: Verdict, stops: bool) -> None:  # noqa: FBT001
    assert verdict.stops is stops


def test_findings_are_sorted_and_stand_once() -> None:
    findings = [
        finding(WARN, Code.TAG_MISSING),
        finding(DENY, policy="z"),
        finding(ERROR, Code.REGISTRY_TIMEOUT),
        finding(DENY, policy="a", message="2"),
        finding(DENY, policy="a", message="1"),
        finding(ALLOW, Code.PINNED_AT_ADMISSION),
    ]
    expected = [findings[i] for i in (4, 3, 1, 2, 0, 5)]
    for order in itertools.permutations(findings):
        assert list(Decision.of([*order, *order]).findings) == expected


def test_what_is_ranked_stands_in_its_order_and_is_no_other_finding() -> None:
    low, high = (replace(finding(DENY, message=message), rank=rank) for message, rank in (("a", 2), ("b", 1)))
    assert [f.message for f in Decision.of([low, high]).findings] == ["b", "a"]
    assert low == finding(DENY, message="a")
    assert len({low, finding(DENY, message="a")}) == 1
