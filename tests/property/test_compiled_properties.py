"""The predicate that a schema is compiled to says what jsonschema says, whatever a document holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.policy.reading import shape
from gate.policy.reading.schema.compiled import compiled
from gate.policy.reading.schema.kinds import KINDS, schema_of
from tests.property.test_policy_properties import every_path, values
from tests.unit.policy.reading.test_reading_schema import EXAMPLES

if TYPE_CHECKING:
    from gate.policy.reading.schema.parts import Schema

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEARCH = settings(max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow])

ODD = [
    '""',
    '"x\\n"',
    '"7d\\n"',
    '"enforce"',
    "0",
    "1",
    "1.0",
    "1.5",
    "true",
    "null",
    "[]",
    "{}",
    "[[]]",
    '["a", ["b"]]',
]
odd: st.SearchStrategy[object] = values | st.sampled_from(ODD).map(json.loads)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, object]:
    """A kind, and a document of it of which a part or two are replaced, removed or new."""
    kind = draw(st.sampled_from(KINDS))
    document = json.loads(json.dumps(draw(st.sampled_from(EXAMPLES[kind]))))
    for _ in range(draw(st.integers(0, 2))):
        path = draw(st.sampled_from([p for p in every_path(document) if p]))
        inner = document
        for part in path[:-1]:
            inner = inner[part]
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                inner[path[-1]] = draw(odd)
            case "remove":
                del inner[path[-1]]
            case _ if isinstance(inner, dict):
                inner[draw(st.text(max_size=4))] = draw(odd)
            case _:
                inner.append(draw(odd))
    return kind, document


def check(found: tuple[str, object]) -> None:
    kind, document = found
    assert compiled(schema_of(kind))(document) is shape._validator(kind).is_valid(document)


@given(documents())
@QUICK
def test_both_say_the_same(found: tuple[str, object]) -> None:
    check(found)


@pytest.mark.property
@given(documents())
@SEARCH
def test_both_say_the_same_searched(found: tuple[str, object]) -> None:
    check(found)


@pytest.mark.parametrize("kind", KINDS)
def test_the_examples_have_their_shape(kind: str) -> None:
    holds = compiled(schema_of(kind))
    assert all(map(holds, EXAMPLES[kind]))
    assert not holds({})


@pytest.mark.parametrize("schema", [{"minContains": 1}, {"type": "null"}, {"type": "object", "patternProperties": {}}])
def test_a_keyword_that_it_does_not_know_is_refused(schema: Schema) -> None:
    with pytest.raises(KeyError):
        compiled(schema)
