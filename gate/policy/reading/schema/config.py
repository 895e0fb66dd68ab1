"""The schema of `GateConfig` (POLICY §7)."""

from __future__ import annotations

from typing import Final

from gate.policy.reading.schema.parts import (
    DURATION,
    FLAG,
    KIND,
    NAMESPACE_NAMES,
    ONE,
    TEXT,
    either,
    field,
    file_of,
    formed,
    obj,
    secret_of,
    texts,
)

_CLIENT_CERTIFICATE: Final = obj(
    {
        "file": file_of("the certificate and what is between it and its root, as PEM"),
        "keyFile": file_of("its private key, as PEM"),
        "secret": obj(
            {"name": field(TEXT, "The Secret's name.")},
            ("name",),
            description="A Secret of type kubernetes.io/tls, of the gate's own namespace.",
        ),
    },
    description="What the gate shows of itself (mTLS): `file` and `keyFile`, or `secret`.",
    **either("{file, keyFile}, or the Secret of type kubernetes.io/tls {secret: {name}}", "secret", "file", "keyFile"),
)

_REGISTRY: Final = obj(
    {
        "host": field(TEXT, "The registry, HOST[:PORT]; it may have a private address."),
        "prefix": field(TEXT, "Of a mirror: the path below which it keeps what it mirrors; default none."),
        "mirrors": texts(
            "Places that have what it has, HOST[:PORT][/PREFIX]: asked first for what is known by digest."
        ),
        "mirrorOf": field(TEXT, "The registry that it mirrors: Pods that name it are judged under that name."),
        "authoritative": field(FLAG, "Of a mirror: whether its tags and listings count.", default=False),
        "ca": {
            **obj({"file": file_of("certificates of authorities, as PEM"), "secret": secret_of("them")}),
            **ONE,
            "description": "Authorities that are trusted for it, beside the system's; exactly one of `file`, `secret`.",
        },
        "clientCert": _CLIENT_CERTIFICATE,
        "insecure": field(FLAG, "Whether it is spoken to over plain HTTP.", default=False),
        "tokenRealms": {
            "type": "array",
            "items": formed(
                r"^https://[a-z0-9.-]{1,253}(?::[1-9][0-9]{0,4})?$", "an origin such as https://auth.example.com"
            ),
            "description": "Other origins that its credentials may go to, such as https://auth.example.com.",
            "default": [],
        },
    },
    ("host",),
)

_PATH: Final = {
    **formed(
        r"^[A-Za-z0-9_-]+(\[\])*(\.[A-Za-z0-9_-]+(\[\])*)*$",
        "a dotted path such as spec.template.spec, with [] for each element of a list",
    ),
    "maxLength": 500,
}

CONFIG_SPEC: Final = obj(
    {
        "unmatched": field(
            {"enum": ["deny", "warn", "audit"]},
            "What becomes of an image that no ClusterGatePolicy in `enforce` or `warn` matches.",
            default="deny",
        ),
        "excludeNamespaces": field(NAMESPACE_NAMES, "Namespaces in which nothing is judged.", default=[]),
        "pinning": obj(
            {
                "where": field(
                    {"enum": ["pods", "all", "none"]},
                    "What gets digests written in: Pods, templates too, or nothing, which makes `digest` of `pin`.",
                    default="pods",
                )
            },
            description="Where digests are written beside tags.",
        ),
        "staleIfError": field(
            DURATION,
            "How old the last complete listing of signatures may be that stands in for an unreachable registry.",
            default="0s",
        ),
        "exceptions": obj(
            {"max": field(DURATION, "How far ahead the end of an exception may be; farther, it does not count yet.")},
            ("max",),
            description="A bound on exceptions.",
            default={"max": "180d"},
        ),
        "breakGlass": obj(
            {"max": field(DURATION, "How long one may last from its creation, 24h at most.")},
            ("max",),
            description="A bound on GateBreakGlass.",
            default={"max": "8h"},
        ),
        "registries": {
            "type": "array",
            "items": _REGISTRY,
            "maxItems": 200,
            "description": "What the gate has to know of registries, each once.",
            "default": [],
        },
        "credentials": obj(
            {
                "pullSecrets": field(
                    FLAG, "Whether those of the workload and its service account count.", default=True
                ),
                "keychains": field(
                    {"type": "array", "items": {"enum": ["ecr", "google", "azure"]}},
                    "Clouds whose identity of the gate gives credentials for their registries.",
                    default=[],
                ),
                "dockerConfig": obj(
                    {"file": file_of("credentials, as docker's config.json")},
                    ("file",),
                    description="Credentials in a file; default none.",
                ),
            },
            description="Where credentials for registries come from.",
        ),
        "clusterName": field(TEXT, "The cluster's name, for reports and events.", maxLength=100),
        "limits": obj(
            {
                "imagesPerReview": field(
                    {"type": "integer", "minimum": 1, "maximum": 1000},
                    "How many different images one object may name; with more it is an error.",
                    default=100,
                ),
                "attestationBytes": field(
                    formed(r"^[1-9][0-9]{0,5}[KMG]iB$", "a size such as 512KiB or 64MiB"),
                    "How large one attestation may be, 256MiB at most; a larger one is an error.",
                    default="64MiB",
                ),
            },
            description="What one review may ask for.",
        ),
        "customResources": {
            "type": "array",
            "items": obj(
                {
                    "group": field(
                        formed(r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", "an API group such as argoproj.io"),
                        "The API group of the kind, without a version.",
                    ),
                    "kind": field(formed(KIND, "a kind such as Rollout"), "The kind, as objects write it."),
                    "podSpecs": field(
                        {"type": "array", "items": _PATH, "maxItems": 50},
                        "Paths to pod specs, such as spec.template.spec; `[]` is each element of a list.",
                        default=[],
                    ),
                    "images": field(
                        {"type": "array", "items": _PATH, "maxItems": 50},
                        "Paths to single images, such as spec.steps[].image; a text `image` or `image.reference` where "
                        "none leads is an error, and so is any `image.repository`.",
                        default=[],
                    ),
                },
                ("group", "kind"),
            ),
            "maxItems": 200,
            "description": "Kinds beside Kubernetes' own that run images; every image in their objects, but for "
            "metadata and status, has to be where a path leads.",
            "default": [],
        },
    },
    description="What is not a rule.",
)
