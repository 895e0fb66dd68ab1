"""The schema of `ClusterGatePolicy` and `GatePolicy` (POLICY §1, §4)."""

from __future__ import annotations

from typing import Final

from gate.policy.reading.schema.parts import (
    DURATION,
    EXCEPTIONS,
    FLAG,
    LABELS,
    NAMESPACE_NAMES,
    SIGNER_NAME,
    TAG_PREFIX,
    TEXT,
    later,
    obj,
    texts,
)
from gate.policy.reading.schema.signers import SIGNER

WORKLOAD_KINDS: Final = (
    "Pod", "PodTemplate", "ReplicationController", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job",
    "CronJob",
)  # fmt: skip
"""The kinds that a policy may be narrowed to: those that `gate.kubernetes.workload` reads."""

_NAMESPACES: Final = obj(
    {
        "names": NAMESPACE_NAMES,
        "matchLabels": LABELS,
        "matchExpressions": {
            "type": "array",
            "items": obj(
                {
                    "key": TEXT,
                    "operator": {"enum": ["In", "NotIn", "Exists", "DoesNotExist"]},
                    "values": {"type": "array", "items": {"type": "string"}},
                },
                ("key", "operator"),
            ),
        },
    }
)

_MATCH: Final = obj(
    {
        "images": texts("image patterns such as ghcr.io/acme/**", minItems=1),
        "exclude": texts("image patterns"),
        "namespaces": _NAMESPACES,
        "kinds": {"type": "array", "items": {"enum": list(WORKLOAD_KINDS)}},
        "serviceAccounts": texts("service account names"),
    }
)

_IMAGE: Final = obj(
    {
        "registries": texts("registries such as ghcr.io/acme", minItems=1),
        "tags": {"enum": ["pin", "digest", "unsafeAny"]},
        "denyTags": texts("tags or patterns of tags"),
        "denyTagsWithDigest": {"type": "boolean"},
        "denyDigests": texts("digests"),
        "maxAge": DURATION,
        "platforms": texts("platforms such as linux/amd64", minItems=1),
        "labels": LABELS,
        "nonRoot": FLAG,
    }
)

_SIGNATURE: Final = obj(
    {
        "by": {"$ref": "#/definitions/by"},
        "annotations": LABELS,
        "repository": TEXT,
        "tagPrefix": {
            "type": "string",
            "pattern": TAG_PREFIX,
            "description": "what tags may begin with: letters, digits, and . _ - between",
        },
        "reference": {"enum": ["match"]},
        "maxAge": DURATION,
        "minAge": DURATION,
        "unless": obj({"by": {"$ref": "#/definitions/by"}}, ("by",)),
        "platformEvidence": {"const": "all"},
    },
    ("by",),
)

RULE_TYPES: Final = ("image", "deny", "signature")
LATER_RULES: Final = ("attestation", "sbom", "scan", "provenance", "base", "cel")

_RULE: Final = obj(
    {
        "name": {"type": "string", "pattern": SIGNER_NAME, "description": "a name"},
        "image": _IMAGE,
        "deny": obj({"message": {"type": "string", "maxLength": 500}}),
        "signature": _SIGNATURE,
        **later(*LATER_RULES),
    }
)

POLICY_SPEC: Final = obj(
    {
        "mode": {"enum": ["enforce", "warn", "audit"]},
        "match": _MATCH,
        "signers": {
            "type": "object",
            "propertyNames": {"pattern": SIGNER_NAME, "description": "a name of letters, digits, and . _ - between"},
            "additionalProperties": SIGNER,
        },
        "rules": {"type": "array", "items": _RULE, "minItems": 1, "maxItems": 100},
        "exceptions": EXCEPTIONS,
        "exceptionsFrom": obj({"names": NAMESPACE_NAMES}, ("names",)),
    },
    ("rules",),
)
