"""Expressions that are made to cost much, or to hide a licence."""

from __future__ import annotations

from time import process_time

import pytest

from gate.policy.licenses import LicenseRule, Outcome

RULE = LicenseRule.parse([], ["AGPL-3.0-*"])


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000,
        "(" * 8_000,
        "(" * 4_000 + "MIT" + ")" * 4_000,
        "(MIT OR " * 1_000,
        " OR ".join(["MIT"] * 20_000),
        " OR ".join(f"(MIT OR LicenseRef-{i}) AND (MIT OR LicenseRef-x{i})" for i in range(200)),
        "MIT AND " * 999 + "MIT",
        "MIT" + " " * 100_000,
        "a" * 100_000,
        "MIT WITH " * 900,
        "+" * 8_000,
    ],
)
def test_no_expression_costs_much(text: str) -> None:
    assert RULE.judge(("MIT",)).outcome is Outcome.ALLOWED
    began = process_time()
    found = RULE.judge((text,))
    assert process_time() - began < 0.5
    assert found.outcome is not Outcome.DENIED


def test_a_choice_in_each_of_many_parts_is_not_multiplied_out() -> None:
    parts = [f"(MIT OR LicenseRef-{i})" for i in range(120)]
    assert RULE.judge((" AND ".join(parts),)).outcome is Outcome.ALLOWED
    assert RULE.judge((" AND ".join([*parts, "AGPL-3.0"]),)).because == ("AGPL-3.0-only",)


@pytest.mark.parametrize(
    "text",
    [
        "AGPL-3.0+",
        "agpl-3.0-only",
        "AGPL-3.0-or-later WITH Classpath-exception-2.0",
        "AGPL-3.0-only WITH Anything-goes",
        "((AGPL-3.0))",
        "MIT\tAND\nAGPL-3.0",
        "MIT AND AGPL-3.0 OR AGPL-3.0",
        "AGPL-3.0-only+",
        "AGPL-3.0-only;",
    ],
)
def test_a_denied_licence_is_not_hidden_by_its_spelling(text: str) -> None:
    assert RULE.judge((text,)).outcome is Outcome.DENIED


@pytest.mark.parametrize("text", ["A\u200bGPL-3.0", "\uff21GPL-3.0", "AGPLv3", "AGPL", "MIT OR", "MIT\x00"])
def test_what_cannot_be_read_is_never_allowed(text: str) -> None:
    assert RULE.judge((text,)).outcome is Outcome.UNKNOWN


def test_a_document_may_not_say_what_a_reference_stands_for() -> None:
    """ScanCode takes `LicenseRef-MIT-Bootstrap` for MIT; a document may have any text under that name."""
    assert LicenseRule.parse(["MIT", "**"], []).judge(("LicenseRef-MIT-Bootstrap",)).outcome is Outcome.UNKNOWN


def test_a_name_that_goes_on_where_nobody_reads_is_not_that_name() -> None:
    rule = LicenseRule.parse(["Acme License"], [])
    assert rule.judge(("Acme  License",)).outcome is Outcome.ALLOWED
    assert rule.judge(("Acme License" + " " * 10_000 + "AND AGPL-3.0",)).outcome is Outcome.UNKNOWN


def test_many_components_cost_little() -> None:
    rule = LicenseRule.parse(
        ["MIT", "Apache-2.0", "BSD-*"], [f"{name}-*" for name in ("GPL-2.0", "GPL-3.0", "AGPL-3.0")]
    )
    sets = [(f"MIT AND (Apache-2.0 OR LicenseRef-{i % 30})",) for i in range(5_000)]
    list(rule.judge_all(sets))
    began = process_time()
    list(rule.judge_all(sets))
    assert process_time() - began < 0.5  # some 3 ms
