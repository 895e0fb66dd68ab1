"""Expressions of licences are judged as their parts are."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gate.policy.licenses import LicenseRule, Outcome

QUICK = settings(max_examples=300, deadline=None)

leaves = st.sampled_from(["MIT", "GPL-3.0-only", "LicenseRef-x", "Apache-2.0", "AGPL-3.0"])
expressions = st.recursive(
    leaves, lambda inner: st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(lambda e: f"({' '.join(e)})")
)
rules = st.builds(LicenseRule.parse, st.just([]) | st.just(["MIT"]), st.just([]) | st.just(["*GPL-*"]))


@given(rules, expressions, expressions)
@QUICK
def test_laws(rule: LicenseRule, left: str, right: str) -> None:
    def of(text: str) -> Outcome:
        return rule.judge((text,)).outcome

    assert of(f"{left} AND {right}") is min(of(left), of(right)) is rule.judge((left, right)).outcome
    assert of(f"{left} OR {right}") is max(of(left), of(right))
    assert of(f"MIT AND {left} OR {right}") is of(f"(MIT AND {left}) OR {right}")
    assert of(f"{left} OR {right} AND MIT") is of(f"{left} OR ({right} AND MIT)")


@given(st.text("MITGPL-3.0 ()+ANDORWITH", max_size=30) | st.text(max_size=20))
@QUICK
def test_any_text_is_judged(text: str) -> None:
    found = LicenseRule.parse(["MIT"], ["GPL-3.0-*"]).judge((text,))
    assert bool(found.because) is (found.outcome is not Outcome.ALLOWED)
