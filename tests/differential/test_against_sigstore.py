"""Our verdict equals `sigstore`'s on generated bundles, but for the differences that are meant (docs/verification.md).

A difference that is not in the table fails, and so does one in the table that is gone.
"""

from __future__ import annotations

import importlib
import os
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.cli import verify_blob
from gate.evidence import limits, message
from gate.image import manifest
from gate.review import limits as review_limits
from gate.trust import authority, key, root
from tests.differential.differences import DIFFERENCES, Difference
from tests.differential.knobs import KNOBS
from tests.differential.plans import Plan, Question, bases, name_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

BASES: Final = tuple(bases())
QUICK: Final = tuple(
    base
    for base in BASES
    if name_of(base) in {"0.1-dsse-rekor1", "0.2-message-rekor2-tsa", "0.3-dsse-rekor2-tsa", "0.3-message-rekor1-tsa"}
)
"""Each version, content, log and source of time."""

ROOMS: Final = (limits, message, authority, key, root, review_limits, verify_blob, manifest)
"""Whose caps the reading of a signature meets; each has to be in the table of the docs."""

DIFFERENT: Final = {knob: difference for difference in DIFFERENCES for knob in difference.knobs}
TOGETHER: Final = {"intermediates in the bundle", "logs without ids", "two strange certificate timestamps"}
"""Those that make a difference together with another; each such pair is a knob by itself: `intermediate in the bundle
only`, `logs with checkpoint key ids only`, `PAIRS`."""

ALIKE: Final = sorted(knob for knob in KNOBS.keys() - DIFFERENT.keys() - TOGETHER if "window" not in knob)
"""Those that never make a difference. Windows do where another knob moves the time: only we hold to them."""

RANDOM: Final = os.environ.get("FUZZ") == "1"  # noqa: TID251 - for `make fuzz`
"""Whether combinations are looked for that nobody has tried; otherwise they are the same every time."""

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
@settings(
    max_examples=600,
    deadline=None,
    derandomize=not RANDOM,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
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


def caps_in_docs() -> dict[tuple[str, str], int]:
    """Of the table of caps: file and name -> value. A row that names no file is of `limits`."""
    rows = re.findall(r"^\| `(MAX_\w+)` \| (\d+) \| (.*) \|$", DOCS.read_text(), re.MULTILINE)
    files = [re.search(r"\((gate/\S+\.py)\)$", of) for _, _, of in rows]
    return {
        (file[1] if file else "gate/evidence/limits.py", name): int(value)
        for (name, value, _), file in zip(rows, files, strict=True)
    }


def test_the_table_of_caps_is_the_code() -> None:
    for (file, name), value in caps_in_docs().items():
        module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
        assert getattr(module, name) == value, (file, name)


@pytest.mark.parametrize("module", ROOMS, ids=lambda module: module.__name__)
def test_every_cap_is_documented(module: ModuleType) -> None:
    file = f"{module.__name__.replace('.', '/')}.py"
    source = Path(__file__).parents[2].joinpath(file).read_text()
    own = set(re.findall(r"^(MAX_\w+): Final", source, re.MULTILINE))
    assert own
    assert {name for where, name in caps_in_docs() if where == file} >= own


@pytest.mark.parametrize("file", sorted(Path(__file__).parents[2].joinpath("gate/evidence").glob("*.py")), ids=str)
def test_caps_of_evidence_are_in_one_place(file: Path) -> None:
    found = re.findall(r"^_?(?:MAX|MOST)_\w+: Final = .*", file.read_text(), re.MULTILINE)
    assert file.name in {"limits.py", "message.py"} or found == []
