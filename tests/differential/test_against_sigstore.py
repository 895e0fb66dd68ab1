"""Our verdict equals `sigstore`'s on generated bundles, but for the differences that are meant (docs/verification.md).

A difference that is not in the table fails, and so does one in the table that is gone.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.evidence import limits
from tests.differential.differences import DIFFERENCES, Difference
from tests.differential.knobs import KNOBS
from tests.differential.plans import Plan, Question, bases, name_of

if TYPE_CHECKING:
    from collections.abc import Iterable

BASES: Final = tuple(bases())
QUICK: Final = tuple(
    base
    for base in BASES
    if name_of(base) in {"0.1-dsse-rekor1", "0.2-message-rekor2-tsa", "0.3-dsse-rekor2-tsa", "0.3-message-rekor1-tsa"}
)
"""Each version, content, log and source of time."""

DIFFERENT: Final = {knob: difference for difference in DIFFERENCES for knob in difference.knobs}
TOGETHER: Final = {"intermediates in the bundle", "logs without ids"}
"""Those that make a difference together with another; each such pair is a knob by itself: `intermediate in the bundle
only`, `logs with checkpoint key ids only`."""

ALIKE: Final = sorted(knob for knob in KNOBS.keys() - DIFFERENT.keys() - TOGETHER if "window" not in knob)
"""Those that never make a difference. Windows do where another knob moves the time: only we hold to them."""

DOCS: Final = Path(__file__).parents[2] / "docs" / "verification.md"


def compare(knob: str, plans: Iterable[Plan], folder: Path) -> None:
    difference = DIFFERENT.get(knob)
    wrong = []
    for plan in plans:
        question = Question.of(KNOBS[knob](plan))
        ours, theirs = question.ours(), question.theirs(folder)
        expected = difference is not None and difference.where(plan)
        if (ours != theirs) != expected or (difference and expected and ours is not difference.accepted):
            wrong.append(f"{name_of(plan)}: gate {ours}, sigstore {theirs}, a difference is meant: {expected}")
    assert not wrong, f"{knob}: {wrong}"


@pytest.mark.parametrize("knob", KNOBS)
def test_one_knob(knob: str, tmp_path: Path) -> None:
    compare(knob, QUICK, tmp_path)


@pytest.mark.property
@pytest.mark.parametrize("knob", KNOBS)
def test_one_knob_in_every_form(knob: str, tmp_path: Path) -> None:
    compare(knob, (base for base in BASES if base not in QUICK), tmp_path)


@pytest.mark.property
@given(st.sampled_from(BASES), st.lists(st.sampled_from(ALIKE), min_size=2, max_size=3, unique=True))
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_several_knobs(tmp_path: Path, plan: Plan, knobs: list[str]) -> None:
    for knob in knobs:
        plan = KNOBS[knob](plan)
    question = Question.of(plan)
    assert question.ours() == question.theirs(tmp_path)


def test_everything_right_is_accepted(tmp_path: Path) -> None:
    for base in BASES:
        question = Question.of(base)
        assert (question.ours(), question.theirs(tmp_path)) == (True, True), name_of(base)


def test_the_table_is_sound() -> None:
    named = Counter(knob for difference in DIFFERENCES for knob in difference.knobs)
    assert named.keys() <= KNOBS.keys()
    assert set(named.values()) == {1}
    assert all(any(difference.where(base) for base in QUICK) for difference in DIFFERENCES)


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.name)
def test_every_difference_is_documented(difference: Difference) -> None:
    verdict = "accepts" if difference.accepted else "refuses"
    assert f"| {difference.name} | {verdict} | {difference.reason} |" in DOCS.read_text()


@pytest.mark.parametrize("name", [name for name in vars(limits) if name.startswith("MAX_")])
def test_every_cap_is_documented(name: str) -> None:
    assert f"| `{name}` | {getattr(limits, name)} |" in DOCS.read_text()
