"""The schema that others read: one for the documents of all kinds, as editors complete and complain well by it.

It refuses nothing that `lint` accepts, and whatever the schema of the document's kind refuses.
"""

from __future__ import annotations

from typing import Final

from gate.policy.reading.schema.kinds import API_VERSION, DRAFT, KINDS, document_of
from gate.policy.reading.schema.parts import CLUSTER_MARK, FILE_MARK, Schema, field
from gate.policy.reading.schema.signers import BY

ID: Final = "https://imagegate.dev/schema/imagegate.dev_v1.json"


def published() -> Schema:
    """The schema of a document of any kind.

    A chain of `if` and `then` instead of `oneOf`: what is wrong is said of the document's own kind and of no other.
    """
    kinds = [{"if": _is(kind), "then": {"$ref": f"#/definitions/{kind}"}} for kind in KINDS]
    return {
        "$schema": DRAFT,
        "$id": ID,
        "title": f"Documents of {API_VERSION}",
        "description": "Policies of Imagegate, and what belongs to them.",
        "type": "object",
        "properties": {
            "apiVersion": field({"const": API_VERSION}, "The version of the language."),
            "kind": field({"enum": list(KINDS)}, "The kind of the document."),
        },
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "allOf": kinds,
        "definitions": {"by": BY, **{kind: available(kind) for kind in KINDS}},
    }


def published_of(kind: str) -> Schema:
    """The schema of documents of one kind."""
    return {"$schema": DRAFT, "title": f"{kind} of {API_VERSION}", "definitions": {"by": BY}, **available(kind)}


def available(kind: str) -> Schema:
    """The schema of one kind's document with only what it may have."""
    return without(document_of(kind), {CLUSTER_MARK, FILE_MARK} if kind == "GatePolicy" else set())


def without(schema: Schema, marks: set[str]) -> Schema:
    """The schema without the fields that have one of these marks, and those that are nothing without them."""
    found = dict(schema)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            found[name] = without(schema[name], marks)
    if "properties" in schema:
        kept = {name: inner for name, inner in schema["properties"].items() if not _is_gone(inner, marks)}
        found["properties"] = {name: without(inner, marks) for name, inner in kept.items()}
        if "dependencies" in schema:
            found["dependencies"] = {name: then for name, then in schema["dependencies"].items() if name in kept}
    return found


def _is_gone(schema: Schema, marks: set[str]) -> bool:
    if schema.get("$comment") in marks:
        return True
    fields = schema.get("properties", {})
    needed = [fields[name] for name in schema.get("required", ()) if name in fields]
    return any(_is_gone(inner, marks) for inner in needed)


def _is(kind: str) -> Schema:
    return {"properties": {"kind": {"const": kind}}, "required": ["kind"]}
