"""The schema of signers, and of `by` (POLICY §5)."""

from __future__ import annotations

from typing import Final

from gate.policy.reading.schema.parts import FLAG, INSTANT, MATERIAL, TEXT, TRUST_ROOT, Schema, obj, texts

_KEY: Final = obj(
    {
        **MATERIAL,
        "hash": {"enum": ["sha256", "sha384", "sha512"]},
        "validFrom": INSTANT,
        "validUntil": INSTANT,
        "transparencyLog": {"enum": ["optional", "required", "ignore"]},
        "trustRoot": TRUST_ROOT,
    }
)

_AUTHORITY: Final[Schema] = {
    "trustRoot": TRUST_ROOT,
    "transparencyLog": {"enum": ["required", "none"]},
    "timestamp": obj({"required": FLAG}),
    "insecureIgnoreSct": FLAG,
}

_KEYLESS: Final = obj({"issuer": TEXT, "issuerRegex": TEXT, "subject": TEXT, "subjectRegex": TEXT, **_AUTHORITY})

_NUMBER: Final[Schema] = {
    "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[1-9][0-9]{0,18}$"}],
    "description": "a number, as GitHub's API tells it",
}

_GITHUB: Final = obj(
    {
        "workflow": TEXT,
        "refs": texts("refs such as refs/heads/main or refs/tags/v*", minItems=1),
        "repository": {
            "type": "string",
            "pattern": r"^[A-Za-z0-9_-]{1,39}/[A-Za-z0-9._-]{1,100}$",
            "description": "owner/name of a repository of github.com",
        },
        "sourceRefs": texts("refs such as refs/heads/main or refs/tags/v*", minItems=1),
        "events": texts("events such as push or release", minItems=1),
        "repositoryId": _NUMBER,
        "ownerId": _NUMBER,
        **_AUTHORITY,
    },
    ("workflow", "refs"),
)

_CERTIFICATE: Final = obj(
    {
        "roots": obj(MATERIAL),
        "intermediates": obj(MATERIAL),
        "subject": TEXT,
        "subjectRegex": TEXT,
        "timestamp": obj({"required": FLAG, "trustRoot": TRUST_ROOT}),
    },
    ("roots",),
)

SIGNER: Final = obj(
    {"key": _KEY, "keyless": _KEYLESS, "github": _GITHUB, "certificate": _CERTIFICATE},
    minProperties=1,
    maxProperties=1,
)

BY: Final[Schema] = {
    "anyOf": [
        TEXT,
        {"type": "array", "items": {"$ref": "#/definitions/by"}, "minItems": 1},
        obj({"all": {"type": "array", "items": {"$ref": "#/definitions/by"}, "minItems": 1}}, ("all",)),
        obj(
            {
                "atLeast": {"type": "integer", "minimum": 1},
                "of": {"type": "array", "items": {"$ref": "#/definitions/by"}, "minItems": 1},
            },
            ("atLeast", "of"),
        ),
    ],
    "description": "a signer's name, a list of which any suffices, {all: […]} or {atLeast: n, of: […]}",
}
