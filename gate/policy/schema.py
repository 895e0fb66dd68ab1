"""The JSON Schema (draft-07) of a policy document: the one source of its shape.

What POLICY.md names but this version does not evaluate is in it as `LATER`: refused by name, never ignored.
"""

from __future__ import annotations

import re
from typing import Any, Final

API_VERSION: Final = "imagegate.dev/v1"
KINDS: Final = (
    "ClusterGatePolicy",
    "GatePolicy",
    "GateException",
    "GateRevocation",
    "GateBreakGlass",
    "GateTrustRoot",
    "GateConfig",
)
LATER_KINDS: Final = ("GateTest",)
LATER_MARK: Final = "later"

Schema = dict[str, Any]

LATER: Final[Schema] = {"not": {}, "$comment": LATER_MARK}
_NAME: Final = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
_TAG_PREFIX: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,51}$"
_SIGNER_NAME: Final = r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$"


def is_tag_prefix(text: str) -> bool:
    """Whether cosign's tags may begin so: with it they are at most 128 characters."""
    return re.fullmatch(_TAG_PREFIX.strip("^$"), text, re.ASCII) is not None


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

_ONE: Final[Schema] = {"minProperties": 1, "maxProperties": 1}
_SECRET: Final = _object({"name": _TEXT, "key": _TEXT}, ("name", "key"))
_MATERIAL: Final[Schema] = {"pem": _TEXT, "file": _TEXT, "secret": _SECRET}
_INSTANT: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "description": "a day such as 2026-12-31, or an instant such as 2026-12-31T12:00:00Z",
}
_TRUST_ROOT: Final[Schema] = {"type": "string", "pattern": _NAME, "description": "the name of a GateTrustRoot"}
_FLAG: Final[Schema] = {"type": "boolean"}
_DURATION: Final[Schema] = {
    "type": "string",
    "pattern": r"^[0-9]{1,6}[smhd]$",
    "description": "such as 30s, 5m, 2h or 1d",
}

_KEY: Final = _object(
    {
        **_MATERIAL,
        "hash": {"enum": ["sha256", "sha384", "sha512"]},
        "validFrom": _INSTANT,
        "validUntil": _INSTANT,
        "transparencyLog": {"enum": ["optional", "required", "ignore"]},
        "trustRoot": _TRUST_ROOT,
    }
)

_AUTHORITY: Final[Schema] = {
    "trustRoot": _TRUST_ROOT,
    "transparencyLog": {"enum": ["required", "none"]},
    "timestamp": _object({"required": _FLAG}),
    "insecureIgnoreSct": _FLAG,
}

_KEYLESS: Final = _object(
    {"issuer": _TEXT, "issuerRegex": _TEXT, "subject": _TEXT, "subjectRegex": _TEXT, **_AUTHORITY}
)

_NUMBER: Final[Schema] = {
    "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[1-9][0-9]{0,18}$"}],
    "description": "a number, as GitHub's API tells it",
}

_GITHUB: Final = _object(
    {
        "workflow": _TEXT,
        "refs": _texts("refs such as refs/heads/main or refs/tags/v*", minItems=1),
        "repository": {
            "type": "string",
            "pattern": r"^[A-Za-z0-9_-]{1,39}/[A-Za-z0-9._-]{1,100}$",
            "description": "owner/name of a repository of github.com",
        },
        "sourceRefs": _texts("refs such as refs/heads/main or refs/tags/v*", minItems=1),
        "events": _texts("events such as push or release", minItems=1),
        "repositoryId": _NUMBER,
        "ownerId": _NUMBER,
        **_AUTHORITY,
    },
    ("workflow", "refs"),
)

_CERTIFICATE: Final = _object(
    {
        "roots": _object(_MATERIAL),
        "intermediates": _object(_MATERIAL),
        "subject": _TEXT,
        "subjectRegex": _TEXT,
        "timestamp": _object({"required": _FLAG, "trustRoot": _TRUST_ROOT}),
    },
    ("roots",),
)

_SIGNER: Final = _object(
    {"key": _KEY, "keyless": _KEYLESS, "github": _GITHUB, "certificate": _CERTIFICATE},
    minProperties=1,
    maxProperties=1,
)

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
        "tagPrefix": {
            "type": "string",
            "pattern": _TAG_PREFIX,
            "description": "what tags may begin with: letters, digits, and . _ - between",
        },
        "reference": {"enum": ["match"]},
        "maxAge": _DURATION,
        "minAge": _DURATION,
        "unless": _object({"by": {"$ref": "#/definitions/by"}}, ("by",)),
        **_later("platformEvidence"),
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

_NARROWED: Final[Schema] = {
    "images": _texts("image patterns such as ghcr.io/acme/**", minItems=1),
    "digests": _texts("digests", minItems=1),
    "namespaces": {**_NAMESPACE_NAMES, "minItems": 1},
}
_EXCEPTIONS: Final[Schema] = {
    "type": "array",
    "items": _object(
        {
            "rule": _TEXT,
            **_NARROWED,
            "vulnerabilities": _texts("identifiers such as CVE-2026-0001", minItems=1),
            "components": _texts("package URLs", minItems=1),
            "licenses": _texts("SPDX identifiers", minItems=1),
            "until": _INSTANT,
            "reason": {**_TEXT, "maxLength": 500},
            "ticket": {**_TEXT, "maxLength": 200},
            "approvedBy": {**_TEXT, "maxLength": 200},
        },
        ("rule", "until", "reason"),
    ),
    "maxItems": 1000,
}

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
        "exceptions": _EXCEPTIONS,
        "exceptionsFrom": _object({"names": _NAMESPACE_NAMES}, ("names",)),
    },
    ("rules",),
)

_BREAK_GLASS_SPEC: Final = _object(
    {
        **_NARROWED,
        "until": _INSTANT,
        "reason": {**_TEXT, "maxLength": 500},
        "ticket": {**_TEXT, "maxLength": 200},
    },
    ("until", "reason"),
)

_REVOCATION_SPEC: Final = _object(
    {
        "digests": _texts("digests"),
        "signers": {
            "type": "array",
            "items": _object({"fingerprint": _TEXT, "issuer": _TEXT, "subject": _TEXT, "signedAfter": _INSTANT}),
        },
        "reason": {**_TEXT, "maxLength": 500},
    },
    ("reason",),
)

_EXCEPTION_SPEC: Final = _object(
    {
        "policies": _texts("names of policies", minItems=1),
        "exceptions": {**_EXCEPTIONS, "minItems": 1},
    },
    ("policies", "exceptions"),
)

_REGISTRY: Final = _object(
    {
        "host": _TEXT,
        "prefix": _TEXT,
        "mirrors": _texts("mirrors such as mirror.example.com/hub"),
        "mirrorOf": _TEXT,
        "authoritative": _FLAG,
        "ca": {**_object({"file": _TEXT, "secret": _SECRET}), **_ONE},
        "clientCert": {
            "anyOf": [
                _object({"file": _TEXT, "keyFile": _TEXT}, ("file", "keyFile")),
                _object({"secret": _object({"name": _TEXT}, ("name",))}, ("secret",)),
            ],
            "description": "{file, keyFile}, or the Secret of type kubernetes.io/tls {secret: {name}}",
        },
        "insecure": _FLAG,
        "tokenRealms": {
            "type": "array",
            "items": {
                "type": "string",
                "pattern": r"^https://[a-z0-9.-]{1,253}(?::[1-9][0-9]{0,4})?$",
                "description": "an origin such as https://auth.example.com",
            },
        },
    },
    ("host",),
)

_CONFIG_SPEC: Final = _object(
    {
        "unmatched": {"enum": ["deny", "warn", "audit"]},
        "excludeNamespaces": _NAMESPACE_NAMES,
        "pinning": _object({"where": {"enum": ["pods", "all", "none"]}}),
        "staleIfError": _DURATION,
        "exceptions": _object({"max": _DURATION}, ("max",)),
        "breakGlass": _object({"max": _DURATION}, ("max",)),
        "registries": {"type": "array", "items": _REGISTRY, "maxItems": 200},
        "credentials": _object(
            {
                "pullSecrets": _FLAG,
                "keychains": {"type": "array", "items": {"enum": ["ecr", "google", "azure"]}},
                "dockerConfig": _object({"file": _TEXT}, ("file",)),
            }
        ),
        **_later(
            "clusterName",
            "limits",
            "customResources",
        ),
    }
)


_TRUST_ROOT_SPEC: Final = _object(
    {
        "json": {"type": "object"},
        "file": _TEXT,
        "secret": _SECRET,
        "tuf": _object(
            {
                "url": {
                    "type": "string",
                    "pattern": r"^https://(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[1-9][0-9]{0,4})?(?:/[A-Za-z0-9_./~%-]*)?$",
                    "description": "the URL of a TUF repository, https://HOST/PATH",
                },
                "root": _object({"json": {"type": "object"}, "file": _TEXT, "secret": _SECRET}),
            },
            ("url", "root"),
        ),
    }
)

_SPECS: Final = {
    "GateConfig": _CONFIG_SPEC,
    "GateException": _EXCEPTION_SPEC,
    "GateRevocation": _REVOCATION_SPEC,
    "GateBreakGlass": _BREAK_GLASS_SPEC,
    "GateTrustRoot": _TRUST_ROOT_SPEC,
}


def schema_of(kind: str) -> Schema:
    """The whole schema of one kind's document."""
    spec = _SPECS.get(kind, _POLICY_SPEC)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {"by": _BY},
        **_object(
            {"apiVersion": {"const": API_VERSION}, "kind": {"const": kind}, "metadata": _METADATA, "spec": spec},
            ("apiVersion", "kind", "metadata", "spec"),
        ),
    }
