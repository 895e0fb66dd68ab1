"""docs/policy-cel.md, as it stands."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from gate.policy.expressions import Condition
from gate.policy.variables import Over
from tests.unit.policy.test_expressions import IMAGE, NOW
from tests.unit.test_readme import ROOT

EXAMPLES = re.findall(r"```cel\n// (\w+)\n(.*?)```", (ROOT / "docs" / "policy-cel.md").read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize(("over", "source"), EXAMPLES)
def test_the_examples_of_the_manual_hold(over: str, source: str) -> None:
    entries: dict[str, object] = {
        "predicate": {"result": "PASSED", "failedTests": [], "timeVerified": "2026-11-01T00:00:00Z"},
        "component.purl": "pkg:npm/lodash@4.17.21",
        "component.name": "lodash",
        "finding.severity": "critical",
        "finding.fix": "available",
        "finding.published": NOW - timedelta(days=13),
        "finding.cvss": 8.9,
    }
    assert Condition.parse(source, Over(over)).holds(IMAGE | entries) == ""


def test_the_manual_has_examples_and_names_every_variable() -> None:
    text = (ROOT / "docs" / "policy-cel.md").read_text("utf-8")
    assert {over for over, _ in EXAMPLES} == set(Over)
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    named = set()
    for row in rows:
        names = re.findall(r"`([\w.]+)`", row)
        root = names[0].partition(".")[0]
        named |= {f"{root}{name}" if name.startswith(".") else name for name in names}
    assert named == {name for over in Over for name in over.variables}
