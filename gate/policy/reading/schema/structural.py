"""CustomResourceDefinitions from the same schema, in the form that Kubernetes calls structural.

See "Specifying a structural schema" in Kubernetes' documentation of custom resources. What that form cannot say is left
to the gate, which reads every custom resource by the whole schema: in `by`, a text, list or mapping, what stands deeper
than `_DEPTH`; names of signers; alternatives of fields. Fields that are not known are kept instead of pruned: without
them a policy would silently ask for less, and with them the gate finds it invalid. `default` is left out: written into
objects, it would outlive the version that had it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gate.policy.reading.schema.kinds import API_VERSION, BY_NAME, document_of
from gate.policy.reading.schema.parts import CLUSTER_MARK, FILE_MARK, Schema
from gate.policy.reading.schema.published import without
from gate.policy.reading.schema.signers import BY

GROUP, _, VERSION = API_VERSION.partition("/")
_DEPTH: Final = 2
_KEEP: Final = "x-kubernetes-preserve-unknown-fields"
_INT_OR_TEXT: Final = "x-kubernetes-int-or-string"
_RULES: Final = "x-kubernetes-validations"
_SAME: Final = frozenset(
    {"description", "enum", "pattern", "minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum",
     "minProperties", "maxProperties"}
)  # fmt: skip
_ELSEWHERE: Final = frozenset({"default", "errorMessage", "$comment", "dependencies", "propertyNames"})
"""What is for readers of the whole schema; what it says is checked by the gate."""

_BUILT: Final = frozenset({"type", "required", "properties", "items", "additionalProperties", "$ref"})
_NO_NUMBER: Final[Schema] = {"minimum": 1, "maximum": 0}
"""Beside no type: said of numbers only, and no number is between."""


@dataclass(frozen=True, slots=True)
class _Resource:
    """How a kind is a resource of the cluster's.

    Attributes:
        columns: of `kubectl get`: name, JSON path, and which are wide only.
        rules: CEL over the object: rule and message.
        spec_rules: CEL over its spec.
    """

    plural: str
    short: str
    columns: tuple[tuple[str, str], ...]
    rules: tuple[tuple[str, str], ...] = ()
    spec_rules: tuple[tuple[str, str], ...] = ()


_VALID: Final = ("Valid", '.status.conditions[?(@.type=="Valid")].status')
_MODE: Final = ("Mode", ".spec.mode")
_REASON: Final = ("Reason", ".spec.reason")
_RESOURCES: Final = {
    "ClusterGatePolicy": _Resource("clustergatepolicies", "cgpol", (_MODE, _VALID)),
    "GatePolicy": _Resource("gatepolicies", "gpol", (_MODE, _VALID)),
    "GateException": _Resource(
        "gateexceptions", "gexc", (("Policies", ".spec.policies"), ("Until", ".spec.exceptions[*].until"), _VALID)
    ),
    "GateRevocation": _Resource(
        "gaterevocations",
        "grev",
        (_REASON, _VALID),
        spec_rules=(("has(self.digests) || has(self.signers)", "it revokes nothing: give digests or signers"),),
    ),
    "GateBreakGlass": _Resource(
        "gatebreakglasses",
        "gbg",
        (("Until", ".spec.until"), _REASON, _VALID),
        spec_rules=(
            ("self == oldSelf", "a break-glass stays as it was created: create another, or delete it"),
            (
                "has(self.images) || has(self.digests) || has(self.namespaces)",
                "it lets everything through: give images, digests or namespaces",
            ),
        ),
    ),
    "GateTrustRoot": _Resource(
        "gatetrustroots",
        "gtr",
        (("TUF", ".spec.tuf.url"), _VALID),
        rules=(
            ("self.metadata.name != 'public-good'", "the trust root public-good is built in: name yours otherwise"),
        ),
        spec_rules=(
            (
                "[has(self.json), has(self.secret), has(self.tuf)].exists_one(given, given)",
                "give exactly one of json, secret and tuf; a file can't be read from here",
            ),
        ),
    ),
    "GateConfig": _Resource(
        "gateconfigs",
        "gcfg",
        (("Unmatched", ".spec.unmatched"), _VALID),
        rules=(("self.metadata.name == 'default'", "there is one GateConfig, and its name is default"),),
    ),
}
RESOURCES: Final = tuple(_RESOURCES)
"""The kinds that are custom resources."""

_CONDITION: Final[Schema] = {
    "type": "object",
    "required": ["type", "status", "lastTransitionTime", "reason", "message"],
    "properties": {
        "type": {"type": "string", "description": "What it is about: `Valid`.", "maxLength": 316},
        "status": {"type": "string", "description": "Whether it holds.", "enum": ["True", "False", "Unknown"]},
        "reason": {"type": "string", "description": "Why, in one word.", "maxLength": 1024},
        "message": {"type": "string", "description": "Why, for people.", "maxLength": 32768},
        "lastTransitionTime": {"type": "string", "format": "date-time", "description": "Since when."},
        "observedGeneration": {
            "type": "integer",
            "format": "int64",
            "minimum": 0,
            "description": "The generation of the object that it is about.",
        },
    },
}
_STATUS: Final[Schema] = {
    "type": "object",
    "description": "What the gate makes of it.",
    "properties": {
        "observedGeneration": {
            "type": "integer",
            "format": "int64",
            "minimum": 0,
            "description": "The generation of the object that was read last.",
        },
        "message": {"type": "string", "description": "What is wrong with it, for people.", "maxLength": 32768},
        "conditions": {
            "type": "array",
            "description": "Kubernetes' conditions.",
            "items": _CONDITION,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    },
}


def definition(kind: str) -> Schema:
    """The CustomResourceDefinition of a kind."""
    resource = _RESOURCES[kind]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{GROUP}", "labels": {"app.kubernetes.io/part-of": "imagegate"}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if BY_NAME[kind].namespaced else "Cluster",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": resource.plural,
                "singular": kind.lower(),
                "shortNames": [resource.short],
                "categories": ["imagegate"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        *({"name": name, "type": "string", "jsonPath": path} for name, path in resource.columns),
                        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                    ],
                    "schema": {"openAPIV3Schema": _object(kind, resource)},
                }
            ],
        },
    }


def _object(kind: str, resource: _Resource) -> Schema:
    """An object as the API server has it: it knows `metadata` itself."""
    marks = {FILE_MARK} | ({CLUSTER_MARK} if kind == "GatePolicy" else set())
    document = document_of(kind)
    spec = structural(without(document["properties"]["spec"], marks))
    return {
        "type": "object",
        "description": document["description"],
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "The version of the language."},
            "kind": {"type": "string", "description": "The kind of the object."},
            "metadata": {"type": "object"},
            "spec": {**spec, **_validations(resource.spec_rules)},
            "status": _STATUS,
        },
        **_validations(resource.rules),
    }


def _validations(rules: tuple[tuple[str, str], ...]) -> Schema:
    return {_RULES: [{"rule": rule, "message": message} for rule, message in rules]} if rules else {}


def structural(schema: Schema, depth: int = _DEPTH) -> Schema:
    """The structural form of a schema.

    Args:
        schema: of a value; unions are lists of types.
        depth: how often `by` is unfolded.

    Raises:
        ValueError: it says something for which there is no such form.
    """
    if "$ref" in schema:
        return {**_by(depth), "description": schema["description"]} if "description" in schema else _by(depth)
    if unknown := schema.keys() - _SAME - _ELSEWHERE - _BUILT:
        raise ValueError(f"no structural form of {', '.join(sorted(unknown))}")
    found = _type(schema) | {name: value for name, value in schema.items() if name in _SAME}
    if schema.get("required"):
        found["required"] = schema["required"]
    if "properties" in schema:
        found["properties"] = {name: structural(inner, depth) for name, inner in schema["properties"].items()}
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            found[name] = structural(schema[name], depth)
    return found


def _type(schema: Schema) -> Schema:
    types = schema.get("type", "string" if "enum" in schema else None)
    match types:
        case "object":
            # A mapping of anything, or one with fields of its own: `additionalProperties` is never beside it.
            return (
                {"type": types}
                if isinstance(schema.get("additionalProperties"), dict)
                else {"type": types, _KEEP: True}
            )
        case str():
            return {"type": types}
        case ["integer", "string"]:
            return {_INT_OR_TEXT: True}
        case list():
            return {_KEEP: True, **({} if {"integer", "number"} & set(types) else _NO_NUMBER)}
        case _:
            raise ValueError(f"a value without a type: {schema}")


def _by(depth: int) -> Schema:
    """`by` down to a depth; below it only what every form of it has in common."""
    if depth == 0:
        return structural({name: value for name, value in BY.items() if name not in ("items", "properties")})
    return structural(BY, depth - 1)
