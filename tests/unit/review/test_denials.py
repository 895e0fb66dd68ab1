"""The words of every denial, as they stand in tests/golden/denials.txt."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from gate.cli.render.text import TextRenderer
from gate.cli.report import Report, entries_of
from gate.codes import INABILITY, NOTES, Code
from gate.review.words import MOST, denial
from tests.fakes.clock import START
from tests.unit.review.content_denials import many_findings
from tests.unit.review.denials import DENIALS, words

ROOT = Path(__file__).parents[3]
GOLDEN = (ROOT / "tests" / "golden" / "denials.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n\n")
OF_FILES = frozenset({Code.SOURCE_UNREADABLE})


def _given() -> set[Code]:
    """The codes that something in `gate` gives."""
    found = set()
    for path in (ROOT / "gate").rglob("*.py"):
        if path.name == "codes.py" or "demo" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Code":
                found.add(Code(node.attr))
    return found


def test_every_code_that_stops_an_image_has_its_words() -> None:
    assert _given() - NOTES - OF_FILES - DENIALS.keys() == set()
    assert len(GOLDEN) == len(DENIALS)


@pytest.mark.parametrize(("code", "expected"), list(zip([c for c in Code if c in DENIALS], GOLDEN, strict=True)))
def test_the_words_of_a_denial(code: Code, expected: str) -> None:
    """To write them anew: python -m tests.unit.review.denials > tests/golden/denials.txt."""
    told = words(code)
    assert told == expected
    assert len(told) <= MOST
    first, *rest = told.split("\n")
    if code in INABILITY:
        # what could not be judged is one line, and is never taken for a denial
        assert first.startswith("NOT JUDGED ")
        assert f": {code}: " in first
        assert rest == []
    else:
        assert first.startswith("DENIED ")
        assert rest[0].startswith(f"{code}: ")
        assert rest[1].startswith("Fix: ")
        assert ("Explain: gate policy explain " in rest[1]) is (code is not Code.REFERENCE_INVALID)
        assert len(rest) == 2


def test_of_many_findings_the_worst_are_told_and_the_rest_counted() -> None:
    review = many_findings()
    *told, rest = [f.message for f in review.decision.findings if f.code is Code.VULNERABILITY_DENIED]
    assert [message.split()[1] for message in told] == ["critical"] * 4 + ["high"] * 6
    assert rest == "… and 190 more"
    text = denial([(review, "container api")])
    assert text.splitlines()[1] == f"VULNERABILITY_DENIED: {told[0]}"
    assert text.endswith("(+199 findings)")
    (entry,) = entries_of([(review, ())])
    shown = TextRenderer().render(Report(START, (), (entry,)))
    assert shown.index(told[0]) < shown.index(told[-1]) < shown.index(rest)
