"""Bad input, made from the schema: at every value of a valid document each thing that may not stand there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from gate.policy.reading.schema.kinds import KINDS, schema_of
from gate.policy.reading.tests import parse_test
from tests.unit.policy.build import Json, parsed
from tests.unit.policy.reading.test_reading_schema import EXAMPLES
from tests.unit.policy.reading.walking import values_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.documents import Path
    from gate.policy.reading.schema.parts import Schema

ONE_OF_EACH: Final[dict[str, object]] = {
    "null": None,
    "boolean": True,
    "integer": 7,
    "number": 0.5,
    "string": "text",
    "array": [],
    "object": {},
}
MARK: Final = "<here>"
UNKNOWN: Final = "unheardOf"


def allowed(schema: Schema) -> set[str]:
    """The types of JSON that may stand there."""
    if "enum" in schema or "const" in schema:
        return {"string"}
    found = schema["type"]
    types = {found} if isinstance(found, str) else set(found)
    return types | {"integer"} if "number" in types else types


def wrong(schema: Schema) -> Iterator[tuple[str, object]]:
    """What may not stand there, and what it is."""
    yield from ((name, value) for name, value in ONE_OF_EACH.items() if name not in allowed(schema))
    if "enum" in schema or "const" in schema:
        yield "unknown word", "unheard-of"
    if schema.get("minLength"):
        yield "empty text", ""
    if schema.get("minItems"):
        yield "empty list", []
    if schema.get("minProperties"):
        yield "empty mapping", {}
    if "pattern" in schema:
        yield "text of another form", "\n"


def with_value(document: Json, path: Path, value: object) -> str:
    """The document with another value at `path`, every value on a line of its own but for that one."""
    copy: Any = json.loads(json.dumps(document))
    at(copy, path[:-1])[path[-1]] = MARK
    return json.dumps(copy, indent=1).replace(json.dumps(MARK), json.dumps(value))


def line_of(document: Json, path: Path) -> int:
    lines = with_value(document, path, MARK).splitlines()
    (line,) = [number for number, line in enumerate(lines, 1) if MARK in line]
    return line


def named(path: Path) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def told(text: str, *, broken: bool = True) -> list[tuple[int, str]]:
    """Line and message of everything that makes a document invalid; `broken`: nothing of it may be in the set."""
    found = parsed(text)
    assert found.set.policies == () or not broken
    problems = list(found.errors)
    for document in found.tests:
        assert parse_test(document, problems, lambda *_: b"") is None or not broken
    return [(problem.place.line, problem.message) for problem in problems]


def at(document: Json, path: Path) -> Any:
    place: Any = document
    for step in path:
        place = place[step]
    return place


CASES = [
    (kind, number, path, schema)
    for kind in KINDS
    for number, document in enumerate(EXAMPLES[kind])
    for path, schema in values_of(schema_of(kind), document)
    if path
]


def _later(kind: str) -> tuple[pytest.MarkDecorator, ...]:
    """A GatePolicy's fields are those of a ClusterGatePolicy: they are tried again where there is time."""
    return (pytest.mark.property,) if kind == "GatePolicy" else ()


@pytest.mark.parametrize(
    ("kind", "number", "path", "schema"),
    [pytest.param(*case, marks=_later(case[0])) for case in CASES],
    ids=[f"{kind}-{number}-{named(path)}" for kind, number, path, _ in CASES],
)
def test_what_may_not_stand_there_is_refused_with_its_place(kind: str, number: int, path: Path, schema: Schema) -> None:
    document = EXAMPLES[kind][number]
    line = line_of(document, path)
    # What kind a document is comes before its schema.
    said = named(path) if path in (("kind",), ("apiVersion",)) else f"`{named(path)}`"
    missed = []
    for what, value in wrong(schema):
        problems = told(with_value(document, path, value))
        if not any(place == line and said in message for place, message in problems):
            missed.append((what, problems))
    assert missed == []
    assert list(wrong(schema))


OBJECTS = [
    (kind, number, path)
    for kind, number, path, schema in CASES
    if isinstance(at(EXAMPLES[kind][number], path), dict) and schema.get("additionalProperties") is False
]


@pytest.mark.parametrize(
    ("kind", "number", "path"), OBJECTS, ids=[f"{kind}-{number}-{named(path)}" for kind, number, path in OBJECTS]
)
def test_an_unknown_field_is_refused_everywhere(kind: str, number: int, path: Path) -> None:
    document, added = EXAMPLES[kind][number], (*path, UNKNOWN)
    problem = (line_of(document, added), f"unknown field `{UNKNOWN}` in `{named(path)}`")
    found = told(with_value(document, added, 1))
    assert problem in found
    of_example = {message for _, message in told(json.dumps(document), broken=False)}
    more = {message for _, message in found} - {problem[1], *of_example}
    forms = f"`{named(path)}`: expected "
    assert [message for message in more if not message.startswith(forms)] == [], "nothing is said of what follows"
