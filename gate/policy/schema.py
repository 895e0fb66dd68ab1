"""The JSON Schema (draft-07) of a policy document: the one source of its shape.

What POLICY.md names but this version does not evaluate is in it as `LATER`: refused by name, never ignored.
"""

from __future__ import annotations

from typing import Any, Final

API_VERSION: Final = "imagegate.dev/v1"
KINDS: Final = ("ClusterGatePolicy", "GatePolicy", "GateConfig")
LATER_KINDS: Final = ("GateException", "GateTrustRoot", "GateRevocation", "GateBreakGlass", "GateTest")
LATER_MARK: Final = "later"

Schema = dict[str, Any]

LATER: Final[Schema] = {"not": {}, "$comment": LATER_MARK}
_NAME: Final = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
_SIGNER_NAME: Final = r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$"


def _object(properties: Schema, required: tuple[str, ...] = (), **more: object) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
        **more,
    }


def _texts(description: str = "a list of texts", **more: object) -> Schema:
    return {"type": "array", "items": {"type": "string", "minLength": 1}, "description": description, **more}


def _later(*names: str) -> Schema:
    return dict.fromkeys(names, LATER)


_TEXT: Final[Schema] = {"type": "string", "minLength": 1}
_LABELS: Final[Schema] = {"type": "object", "additionalProperties": {"type": "string"}}

_METADATA: Final[Schema] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": _NAME, "description": "a lower-case name of a-z, 0-9, - and ."},
        "namespace": {"type": "string", "pattern": _NAME, "description": "a namespace"},
    },
    "required": ["name"],
}

WORKLOAD_KINDS: Final = (
    "Pod", "PodTemplate", "ReplicationController", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job",
    "CronJob",
)  # fmt: skip
"""The kinds that a policy may be narrowed to: those that `gate.kubernetes.workload` reads."""

_NAMESPACE_NAMES: Final[Schema] = {
    "type": "array",
    "items": {
        "type": "string",
        "pattern": r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        "description": "a namespace's name: a-z, 0-9 and -",
    },
}
_NAMESPACES: Final = _object(
    {
        "names": _NAMESPACE_NAMES,
        "matchLabels": _LABELS,
        "matchExpressions": {
            "type": "array",
            "items": _object(
                {
                    "key": _TEXT,
                    "operator": {"enum": ["In", "NotIn", "Exists", "DoesNotExist"]},
                    "values": {"type": "array", "items": {"type": "string"}},
                },
                ("key", "operator"),
            ),
        },
    }
)

_MATCH: Final = _object(
    {
        "images": _texts("image patterns such as ghcr.io/acme/**", minItems=1),
        "exclude": _texts("image patterns"),
        "namespaces": _NAMESPACES,
        "kinds": {"type": "array", "items": {"enum": list(WORKLOAD_KINDS)}},
        "serviceAccounts": _texts("service account names"),
    }
)

_KEY: Final = _object(
    {
        "pem": _TEXT,
        "file": _TEXT,
        "secret": _object({"name": _TEXT, "key": _TEXT}, ("name", "key")),
        "hash": {"enum": ["sha256", "sha384", "sha512"]},
        "transparencyLog": {"enum": ["optional", "ignore", "required"]},
        **_later("validFrom", "validUntil"),
    }
)

_SIGNER: Final = _object({"key": _KEY, **_later("keyless", "github", "certificate")}, minProperties=1, maxProperties=1)

_BY: Final[Schema] = {
    "anyOf": [
        _TEXT,
        {"type": "array", "items": {"$ref": "#/definitions/by"}, "minItems": 1},
        _object({"all": {"type": "array", "items": {"$ref": "#/definitions/by"}, "minItems": 1}}, ("all",)),
        _object(
            {
                "atLeast": {"type": "integer", "minimum": 1},
                "of": {"type": "array", "items": {"$ref": "#/definitions/by"}, "minItems": 1},
            },
            ("atLeast", "of"),
        ),
    ],
    "description": "a signer's name, a list of which any suffices, {all: […]} or {atLeast: n, of: […]}",
}

_IMAGE: Final = _object(
    {
        "registries": _texts("registries such as ghcr.io/acme", minItems=1),
        "tags": {"enum": ["pin", "digest", "unsafeAny"]},
        "denyTags": _texts("tags or patterns of tags"),
        "denyTagsWithDigest": {"type": "boolean"},
        "denyDigests": _texts("digests"),
        **_later("maxAge", "platforms", "labels", "nonRoot"),
    }
)

_SIGNATURE: Final = _object(
    {
        "by": {"$ref": "#/definitions/by"},
        "annotations": _LABELS,
        "repository": _TEXT,
        "reference": {"enum": ["match"]},
        **_later("maxAge", "minAge", "unless", "platformEvidence"),
    },
    ("by",),
)

RULE_TYPES: Final = ("image", "deny", "signature")
LATER_RULES: Final = ("attestation", "sbom", "scan", "provenance", "base", "cel")

_RULE: Final = _object(
    {
        "name": {"type": "string", "pattern": _SIGNER_NAME, "description": "a name"},
        "image": _IMAGE,
        "deny": _object({"message": {"type": "string", "maxLength": 500}}),
        "signature": _SIGNATURE,
        **_later(*LATER_RULES),
    }
)

_POLICY_SPEC: Final = _object(
    {
        "mode": {"enum": ["enforce", "warn", "audit"]},
        "match": _MATCH,
        "signers": {
            "type": "object",
            "propertyNames": {"pattern": _SIGNER_NAME, "description": "a name of letters, digits, and . _ - between"},
            "additionalProperties": _SIGNER,
        },
        "rules": {"type": "array", "items": _RULE, "minItems": 1, "maxItems": 100},
        **_later("exceptions", "exceptionsFrom"),
    },
    ("rules",),
)

_CONFIG_SPEC: Final = _object(
    {
        "unmatched": {"enum": ["deny", "warn", "audit"]},
        "excludeNamespaces": _NAMESPACE_NAMES,
        "pinning": _object({"where": {"enum": ["pods", "all", "none"]}}),
        **_later(
            "clusterName",
            "staleIfError",
            "limits",
            "registries",
            "credentials",
            "customResources",
            "exceptions",
            "breakGlass",
        ),
    }
)


def schema_of(kind: str) -> Schema:
    """The whole schema of one kind's document."""
    spec = _CONFIG_SPEC if kind == "GateConfig" else _POLICY_SPEC
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {"by": _BY},
        **_object(
            {"apiVersion": {"const": API_VERSION}, "kind": {"const": kind}, "metadata": _METADATA, "spec": spec},
            ("apiVersion", "kind", "metadata", "spec"),
        ),
    }
