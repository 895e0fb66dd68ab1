"""Ways through the schemas of documents, and through documents beside their schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gate.policy.reading.schema.signers import BY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.documents import Path
    from gate.policy.reading.schema.parts import Schema

ANY = "*"
"""In a path of the schema: each entry of a list or mapping."""


def resolved(schema: Schema) -> Schema:
    """What a `$ref` stands for; the only one there is leads to `by`."""
    assert schema.get("$ref") in (None, "#/definitions/by")
    return BY if "$ref" in schema else schema


def fields_of(schema: Schema, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """Every field, by its path from the top; of `by`, which holds itself, the outermost ones."""
    for name, inner in schema.get("properties", {}).items():
        yield (*path, name), inner
        yield from fields_of(resolved(inner), (*path, name))
    for name in ("items", "additionalProperties"):
        if isinstance(inner := schema.get(name), dict) and "$ref" not in inner:
            yield from fields_of(inner, (*path, ANY))


def values_of(schema: Schema, value: object, path: Path = ()) -> Iterator[tuple[Path, Schema]]:
    """Every value of a valid document that its schema says something of."""
    schema = resolved(schema)
    yield path, schema
    for key, inner in _entries(value):
        known: Any = schema.get("items" if isinstance(key, int) else "properties", {})
        beyond = schema.get("additionalProperties")
        form = known if isinstance(key, int) else known.get(key, beyond)
        if isinstance(form, dict) and form:
            yield from values_of(form, inner, (*path, key))


def _entries(value: object) -> list[tuple[str | int, object]]:
    match value:
        case dict():
            return list(value.items())
        case list():
            return list(enumerate(value))
        case _:
            return []
