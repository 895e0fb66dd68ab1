from __future__ import annotations

import pytest

from gate.policy.content.scan import Severity
from gate.policy.content.severity import Score, by_vector, highest, of_word, scored, settled
from tests.fakes.reports import V2_MEDIUM, V4_CRITICAL, V31_HIGH


@pytest.mark.parametrize(
    ("words", "severity"),
    [
        (["CRITICAL", "Critical", "defcon1"], Severity.CRITICAL),
        (["HIGH", "High", "important", "Important", " high "], Severity.HIGH),
        (["MEDIUM", "Moderate", "moderate"], Severity.MEDIUM),
        (["LOW", "Negligible", "unimportant", "Minimal", "info", "informational"], Severity.LOW),
        (["none"], Severity.NONE),
        (["UNKNOWN", "Unknown", "", None, "urgent", "not yet assigned", "kritisch", "high!"], Severity.UNKNOWN),
    ],
)
def test_words_of_every_tool(words: list[str | None], severity: Severity) -> None:
    assert [of_word(word) for word in words] == [severity] * len(words)


@pytest.mark.parametrize(
    ("score", "second", "later"),
    [
        (0.0, Severity.LOW, Severity.NONE),
        (0.1, Severity.LOW, Severity.LOW),
        (3.9, Severity.LOW, Severity.LOW),
        (4.0, Severity.MEDIUM, Severity.MEDIUM),
        (6.9, Severity.MEDIUM, Severity.MEDIUM),
        (7.0, Severity.HIGH, Severity.HIGH),
        (8.9, Severity.HIGH, Severity.HIGH),
        (9.0, Severity.HIGH, Severity.CRITICAL),
        (10.0, Severity.HIGH, Severity.CRITICAL),
    ],
)
def test_official_bands(score: float, second: Severity, later: Severity) -> None:
    assert Score(score, second=True).severity is second
    assert Score(score).severity is later


@pytest.mark.parametrize(
    ("vector", "score"),
    [
        (V31_HIGH, Score(7.5)),
        ("CVSS:3.0/AV:N/AC:H/PR:N/UI:N/S:U/C:L/I:L/A:N", Score(4.8)),
        (V2_MEDIUM, Score(5.0, second=True)),
        (V4_CRITICAL, Score(9.3)),
        ("CVSS:3.1/AV:N", None),
        ("CVSS:9.9/AV:N/AC:L", None),
        ("high", None),
        ("/", None),
        ("CVSS:4.0/", None),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H" + "/E:X" * 100, None),
        (V31_HIGH + "\N{ARABIC-INDIC DIGIT ONE}", None),
    ],
)
def test_vectors(vector: str, score: Score | None) -> None:
    assert by_vector(vector) == score


def test_a_score_goes_before_its_vector_and_zero_is_none_as_go_writes_it() -> None:
    assert scored(9.9, V31_HIGH) == Score(9.9)
    assert scored(0.0, V31_HIGH) == Score(7.5)
    assert scored(None, V31_HIGH) == Score(7.5)
    assert scored(0.0, None) is None
    assert scored(9.5, V2_MEDIUM) == Score(9.5, second=True)
    assert scored(9.5, "", "2.0") == Score(9.5, second=True)
    assert scored(9.5, "") == Score(9.5)


def test_a_word_goes_before_scores_and_unknown_is_no_word() -> None:
    assert settled(Severity.MEDIUM, [Score(9.8)]) == (Severity.MEDIUM, False)
    assert settled(Severity.NONE, [Score(9.8)]) == (Severity.NONE, False)
    assert settled(Severity.UNKNOWN, [None, Score(5.0), Score(9.8)]) == (Severity.CRITICAL, True)
    assert settled(Severity.UNKNOWN, [None]) == (Severity.UNKNOWN, False)
    assert highest([None, Score(5.0), Score(9.8)]) == 9.8
    assert highest([]) is None
