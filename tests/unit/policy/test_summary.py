from __future__ import annotations

import random

import pytest

from gate.codes import Code
from gate.policy.decision import Decision
from gate.policy.finding import Finding, Verdict
from gate.policy.summary import MAX_TOLD, summed_up


def finding(number: int, code: Code = Code.VULNERABILITY_DENIED) -> Finding:
    return Finding(code, Verdict.DENY, f"{1000 - number}", "update it", "p", "scan", rank=number)


@pytest.mark.parametrize("seed", range(5))
def test_the_worst_are_told_first_whatever_order_they_come_in(seed: int) -> None:
    found = [finding(number) for number in range(200)]
    random.Random(seed).shuffle(found)
    decision = Decision.of(summed_up([*found, *found]))
    *told, rest = decision.findings
    assert [f.rank for f in told] == list(range(MAX_TOLD))
    assert (rest.message, rest.count, rest.verdict, rest.remedy) == ("… and 190 more", 190, Verdict.DENY, "")
    assert sum(f.count for f in decision.findings) == 200


def test_ten_are_told_without_a_count() -> None:
    found = [finding(number) for number in range(MAX_TOLD)]
    assert summed_up(found) == tuple(found)


def test_codes_of_which_there_are_few_are_told_in_full() -> None:
    found = [finding(number, Code.SBOM_INCOMPLETE) for number in range(MAX_TOLD + 1)]
    assert summed_up(found) == tuple(found)
    assert len(summed_up([*found, *(finding(number) for number in range(12))])) == MAX_TOLD + 1 + MAX_TOLD + 1
