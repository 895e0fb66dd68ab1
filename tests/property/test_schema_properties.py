"""The schema that editors read beside lint and the schemas of the kinds, over documents with anything wrong in them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from gate.documents import Document, read_documents
from gate.policy.reading.schema.kinds import KINDS, schema_of
from gate.policy.reading.schema.published import published
from gate.policy.reading.sets import parse_set
from gate.policy.reading.tests import parse_test
from tests.fakes.signing_authority import shared_world
from tests.unit.policy.reading.test_reading_schema import EXAMPLES

if TYPE_CHECKING:
    from tests.unit.policy.build import Json

QUICK = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEARCH = settings(max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read(text: str) -> list[Any]:
    """The documents of a stream."""
    return [document for document in read_documents(text, "p.yaml") if isinstance(document, Document)]


def lints(document: Json) -> bool:
    parsed = parse_set(read(json.dumps(document)), None)
    problems = list(parsed.errors)
    for test in parsed.tests:
        parse_test(test, problems, lambda *_: ROOT)
    return document["kind"] in KINDS and all(problem.warning for problem in problems)


ROOT = shared_world().trusted_root()
SHOWN = Path(__file__).parents[2] / "docs" / "examples"
BASES: list[Json] = [
    *(example for kind in KINDS for example in EXAMPLES[kind]),
    *(document.data for kind in KINDS for document in read((SHOWN / f"{kind}.yaml").read_text("utf-8"))),
]
EDITOR = Draft7Validator(published())
OWN = {kind: Draft7Validator(schema_of(kind)) for kind in KINDS}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["", "a", "warn", "30s", "\n", "ghcr.io/acme"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["all", "of", "atLeast", "name", "key", "file", "unknown"]), inner, max_size=2
        )
    ),
    max_leaves=4,
)


@st.composite
def documents(draw: st.DrawFn) -> Json:
    """An example with up to three values replaced, taken away or added."""
    document: Any = copy.deepcopy(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(0, 3))):
        place = document
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if not isinstance(place[key], dict | list) or draw(st.integers(0, 3)) == 0:
                break
            place = place[key]
        change(draw, place, keys)
    return {**document, "apiVersion": "imagegate.dev/v1", "kind": document.get("kind")}


def change(draw: st.DrawFn, place: Any, keys: list[Any]) -> None:
    match draw(st.sampled_from(["replace", "remove", "add"])):
        case "replace" if keys:
            place[draw(st.sampled_from(keys))] = draw(json_values)
        case "remove" if keys:
            del place[draw(st.sampled_from(keys))]
        case _ if isinstance(place, dict):
            place[draw(st.sampled_from(["unknown", "name", "namespace", "file", "mode", "exclude"]))] = draw(
                json_values
            )
        case _:
            place.append(draw(json_values))


def check(document: Json) -> None:
    kind = document["kind"]
    if lints(document):
        assert [error.message for error in EDITOR.iter_errors(document)] == []
    if not (kind in KINDS and OWN[kind].is_valid(document)):
        assert not EDITOR.is_valid(document)


@QUICK
@given(documents())
def test_editors_and_lint_agree(document: Json) -> None:
    check(document)


@pytest.mark.property
@SEARCH
@given(documents())
def test_editors_and_lint_agree_searched(document: Json) -> None:
    check(document)


def test_the_search_begins_at_documents_that_lint_accepts() -> None:
    assert {base["kind"] for base in BASES if lints(base)} == set(KINDS)
