"""CustomResourceDefinitions: their schemas are structural, as Kubernetes defines it.

A real API server says so too: tests/e2e/test_custom_resources.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import re2

from gate.policy.reading.schema.kinds import BY_NAME, KINDS, TEST_KIND, schema_of
from gate.policy.reading.schema.parts import CLUSTER_MARK, FILE_MARK
from gate.policy.reading.schema.structural import RESOURCES, definition, structural
from tests.unit.policy.reading.walking import ANY, fields_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.policy.reading.schema.parts import Schema

PRESERVE = "x-kubernetes-preserve-unknown-fields"
INT_OR_TEXT = "x-kubernetes-int-or-string"
KNOWN = {
    *("type", "description", "format", "enum", "pattern", "minLength", "maxLength", "minItems", "maxItems"),
    *("minimum", "maximum", "minProperties", "maxProperties", "required", "properties", "items"),
    *("additionalProperties", "x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
    *(PRESERVE, INT_OR_TEXT),
}
"""Of what `JSONSchemaProps` of apiextensions.k8s.io/v1 may hold: neither references nor alternatives."""


def violations(schema: Schema, path: str = "") -> Iterator[str]:
    """What keeps a schema from being structural, by the rules of Kubernetes' documentation."""
    yield from (f"{path}: {name}" for name in schema.keys() - KNOWN)
    kind = schema.get("type")
    if not isinstance(kind, str) and not (schema.get(PRESERVE) is True or schema.get(INT_OR_TEXT) is True):
        yield f"{path}: no type"
    if not path and kind != "object":
        yield "the root is no object"
    if kind is not None and schema.get(INT_OR_TEXT):
        yield f"{path}: a type beside {INT_OR_TEXT}"
    beyond = schema.get("additionalProperties")
    if beyond is not None and ("properties" in schema or not isinstance(beyond, dict)):
        yield f"{path}: additionalProperties"
    if set(schema.get("required", ())) - schema.get("properties", {}).keys():
        yield f"{path}: requires what is not there"
    if "pattern" in schema and re2.compile(schema["pattern"]).search("\x00") is not None:
        yield f"{path}: a pattern that is not anchored"
    for name, inner in _inside(schema):
        yield from violations(inner, f"{path}.{name}")


def _inside(schema: Schema) -> Iterator[tuple[str, Schema]]:
    yield from schema.get("properties", {}).items()
    yield from (
        (name, schema[name]) for name in ("items", "additionalProperties") if isinstance(schema.get(name), dict)
    )


def openapi(kind: str) -> Schema:
    (version,) = definition(kind)["spec"]["versions"]
    schema: Schema = version["schema"]["openAPIV3Schema"]
    return schema


def paths_of(schema: Schema, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """Every field of a structural schema, as `fields_of` calls those of the whole one."""
    for name, inner in schema.get("properties", {}).items():
        yield (*path, name), inner
        yield from paths_of(inner, (*path, name))
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from paths_of(schema[name], (*path, ANY))


@pytest.mark.parametrize("kind", RESOURCES)
def test_the_schema_is_structural(kind: str) -> None:
    assert list(violations(openapi(kind))) == []
    assert openapi(kind)["properties"]["metadata"] == {"type": "object"}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "object", "properties": {"a": {}}},
        {"type": "object", "properties": {"a": {"type": ["string", "array"]}}},
        {"type": "object", "properties": {"a": {"$ref": "#/definitions/a", PRESERVE: True}}},
        {"type": "object", "properties": {"a": {"type": "string", "anyOf": [{"minLength": 1}]}}},
        {"type": "object", "properties": {"a": {"type": "string", "const": "a"}}},
        {"type": "object", "properties": {"a": {"type": "string", INT_OR_TEXT: True}}},
        {"type": "object", "properties": {}, "additionalProperties": False},
        {"type": "object", "properties": {"a": {"type": "object", "additionalProperties": {}}}},
        {"type": "object", "properties": {"a": {"type": "array", "items": {"minLength": 1}}}},
        {"type": "object", "required": ["a"]},
        {"type": "object", "properties": {"a": {"type": "string", "pattern": ".*"}}},
        {"type": "object", "patternProperties": {}},
    ],
)
def test_what_is_not_structural_is_seen(schema: Schema) -> None:
    assert len(list(violations(schema))) == 1


@pytest.mark.parametrize("kind", RESOURCES)
def test_it_has_every_field_that_the_cluster_may_have(kind: str) -> None:
    marks = {FILE_MARK} | ({CLUSTER_MARK} if kind == "GatePolicy" else set())
    wanted = dict(fields_of(schema_of(kind)))
    marked = {path for path, form in wanted.items() if form.get("$comment") in marks}
    left_out = {path for path in wanted if any(path[:i] in marked for i in range(1, len(path) + 1))}
    inside = {("spec", "credentials", "dockerConfig")}  # nothing but a file
    found = dict(paths_of(openapi(kind)))
    of_by = {path for path in found if "by" in path[:-1]}
    spec = {path for path in found if path[0] == "spec"} - of_by
    assert spec == {path for path in wanted if path[0] == "spec" and "by" not in path[:-1]} - left_out - inside
    assert [path for path, form in found.items() if not form.get("description") and path != ("metadata",)] == []
    assert {found[path]["description"] for path in spec} == {wanted[path]["description"] for path in spec}


def test_the_kinds_are_those_of_the_language() -> None:
    assert set(RESOURCES) == set(KINDS) - {TEST_KIND}  # of files only
    scopes = {kind: definition(kind)["spec"]["scope"] for kind in RESOURCES}
    assert {kind for kind, scope in scopes.items() if scope == "Namespaced"} == {"GatePolicy", "GateException"}
    assert {BY_NAME[kind].namespaced for kind in ("GatePolicy", "GateException")} == {True}


def test_names_of_resources_are_unlike_each_other() -> None:
    names = [definition(kind)["spec"]["names"] for kind in RESOURCES]
    every = [name for entry in names for name in (entry["plural"], entry["singular"], *entry["shortNames"])]
    assert len(set(every)) == len(every)
    assert {name for entry in names for name in entry["categories"]} == {"imagegate"}


def test_a_union_has_no_type_and_refuses_what_it_can() -> None:
    form = structural({"type": ["string", "array"], "minLength": 1, "minItems": 1, "items": {"type": "string"}})
    assert form == {
        PRESERVE: True, "minimum": 1, "maximum": 0, "minLength": 1, "minItems": 1, "items": {"type": "string"}
    }  # fmt: skip
    assert structural({"type": ["integer", "string"], "pattern": "^1$"}) == {INT_OR_TEXT: True, "pattern": "^1$"}
    assert structural({"enum": ["a"]}) == {"type": "string", "enum": ["a"]}


def test_a_mapping_keeps_fields_that_it_does_not_know() -> None:
    """Pruned, they would make a policy ask for less than its author wrote."""
    assert structural({"type": "object", "properties": {}, "additionalProperties": False})[PRESERVE] is True
    assert structural({"type": "object", "additionalProperties": {"type": "string"}}).get(PRESERVE) is None
    for kind in RESOURCES:
        spec = openapi(kind)["properties"]["spec"]
        forms = [spec, *(form for _, form in paths_of(spec))]
        assert all(form.get(PRESERVE) is True for form in forms if "properties" in form)


@pytest.mark.parametrize("schema", [{"type": "string", "anyOf": []}, {"const": "a"}, {"minLength": 1}, {"not": {}}])
def test_what_has_no_structural_form_is_refused(schema: Schema) -> None:
    with pytest.raises(ValueError, match=r"no structural form|without a type"):
        structural(schema)
