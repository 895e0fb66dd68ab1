"""What the schemas of several kinds are made of."""

from __future__ import annotations

import re
from typing import Any, Final

Schema = dict[str, Any]

LATER_MARK: Final = "later"
LATER: Final[Schema] = {"not": {}, "$comment": LATER_MARK}
NAME: Final = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
TAG_PREFIX: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,51}$"
SIGNER_NAME: Final = r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$"


def is_tag_prefix(text: str) -> bool:
    """Whether cosign's tags may begin so: with it they are at most 128 characters."""
    return re.fullmatch(TAG_PREFIX.strip("^$"), text, re.ASCII) is not None


def obj(properties: Schema, required: tuple[str, ...] = (), **more: object) -> Schema:
    """A mapping with these fields and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
        **more,
    }


def texts(description: str = "a list of texts", **more: object) -> Schema:
    """A list of texts, none empty."""
    return {"type": "array", "items": {"type": "string", "minLength": 1}, "description": description, **more}


def later(*names: str) -> Schema:
    """Fields that this version does not know yet."""
    return dict.fromkeys(names, LATER)


TEXT: Final[Schema] = {"type": "string", "minLength": 1}
LABELS: Final[Schema] = {"type": "object", "additionalProperties": {"type": "string"}}

NAMESPACE_NAMES: Final[Schema] = {
    "type": "array",
    "items": {
        "type": "string",
        "pattern": r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        "description": "a namespace's name: a-z, 0-9 and -",
    },
}

ONE: Final[Schema] = {"minProperties": 1, "maxProperties": 1}
SECRET: Final = obj({"name": TEXT, "key": TEXT}, ("name", "key"))
MATERIAL: Final[Schema] = {"pem": TEXT, "file": TEXT, "secret": SECRET}
INSTANT: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "description": "a day such as 2026-12-31, or an instant such as 2026-12-31T12:00:00Z",
}
TRUST_ROOT: Final[Schema] = {"type": "string", "pattern": NAME, "description": "the name of a GateTrustRoot"}
FLAG: Final[Schema] = {"type": "boolean"}
DURATION: Final[Schema] = {
    "type": "string",
    "pattern": r"^[0-9]{1,6}[smhd]$",
    "description": "such as 30s, 5m, 2h or 1d",
}

NARROWED: Final[Schema] = {
    "images": texts("image patterns such as ghcr.io/acme/**", minItems=1),
    "digests": texts("digests", minItems=1),
    "namespaces": {**NAMESPACE_NAMES, "minItems": 1},
}
EXCEPTIONS: Final[Schema] = {
    "type": "array",
    "items": obj(
        {
            "rule": TEXT,
            **NARROWED,
            "vulnerabilities": texts("identifiers such as CVE-2026-0001", minItems=1),
            "components": texts("package URLs", minItems=1),
            "licenses": texts("SPDX identifiers", minItems=1),
            "until": INSTANT,
            "reason": {**TEXT, "maxLength": 500},
            "ticket": {**TEXT, "maxLength": 200},
            "approvedBy": {**TEXT, "maxLength": 200},
        },
        ("rule", "until", "reason"),
    ),
    "maxItems": 1000,
}
