"""The schema of `GateConfig` (POLICY §7)."""

from __future__ import annotations

from typing import Final

from gate.policy.reading.schema.parts import DURATION, FLAG, NAMESPACE_NAMES, ONE, SECRET, TEXT, later, obj, texts

_REGISTRY: Final = obj(
    {
        "host": TEXT,
        "prefix": TEXT,
        "mirrors": texts("mirrors such as mirror.example.com/hub"),
        "mirrorOf": TEXT,
        "authoritative": FLAG,
        "ca": {**obj({"file": TEXT, "secret": SECRET}), **ONE},
        "clientCert": {
            "anyOf": [
                obj({"file": TEXT, "keyFile": TEXT}, ("file", "keyFile")),
                obj({"secret": obj({"name": TEXT}, ("name",))}, ("secret",)),
            ],
            "description": "{file, keyFile}, or the Secret of type kubernetes.io/tls {secret: {name}}",
        },
        "insecure": FLAG,
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

CONFIG_SPEC: Final = obj(
    {
        "unmatched": {"enum": ["deny", "warn", "audit"]},
        "excludeNamespaces": NAMESPACE_NAMES,
        "pinning": obj({"where": {"enum": ["pods", "all", "none"]}}),
        "staleIfError": DURATION,
        "exceptions": obj({"max": DURATION}, ("max",)),
        "breakGlass": obj({"max": DURATION}, ("max",)),
        "registries": {"type": "array", "items": _REGISTRY, "maxItems": 200},
        "credentials": obj(
            {
                "pullSecrets": FLAG,
                "keychains": {"type": "array", "items": {"enum": ["ecr", "google", "azure"]}},
                "dockerConfig": obj({"file": TEXT}, ("file",)),
            }
        ),
        **later(
            "clusterName",
            "limits",
            "customResources",
        ),
    }
)
