"""What the schemas of several kinds are made of.

Every field says what it means (`description`, a sentence) and what holds without it (`default`). `errorMessage` is what
was expected, in words, where a pattern or a list of types would say it badly: for `lint`, and for editors that know it.

Alternatives are lists of types, with what is said of each type beside each other, and `either`; one word is an `enum`
of one. So each error has its place, and custom resources come of the same schema (`structural`): with `anyOf` or
`const` they would not.
"""

from __future__ import annotations

import re
from typing import Any, Final

Schema = dict[str, Any]

FILE_MARK: Final = "not in what the cluster feeds"
CLUSTER_MARK: Final = "not in a GatePolicy"
NAME: Final = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
KIND: Final = r"^[A-Z][A-Za-z0-9]{0,62}$"
TAG_PREFIX: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,51}$"
SIGNER_NAME: Final = r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$"


def is_tag_prefix(text: str) -> bool:
    """Whether cosign's tags may begin so: with it they are at most 128 characters."""
    return re.fullmatch(TAG_PREFIX.strip("^$"), text, re.ASCII) is not None


def field(form: Schema, description: str, **more: object) -> Schema:
    """A field of this form, and what it means; `default` is what holds without it."""
    return {**form, "description": description, **more}


def marked(form: Schema, mark: str) -> Schema:
    """A field that is not everywhere: `without` leaves it out by its mark."""
    return {**form, "$comment": mark}


def obj(properties: Schema, required: tuple[str, ...] = (), **more: object) -> Schema:
    """A mapping with these fields and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
        **more,
    }


def either(form: str, alone: str, *together: str) -> Schema:
    """Of a mapping: the field `alone`, or those `together`; nothing is said of what is no mapping.

    No `anyOf`: what is wrong inside of an alternative is said at its own place, here and in editors.
    """
    said = {"errorMessage": f"expected {form}"}
    others = {name: [other for other in together if other != name] for name in together}
    return {"minProperties": 1, "dependencies": {alone: {"maxProperties": 1, **said}, **others}, **said}


def texts(description: str, **more: object) -> Schema:
    """A list of texts, none empty."""
    return {"type": "array", "items": TEXT, "description": description, **more}


def formed(pattern: str, form: str) -> Schema:
    """A text of this form, told in words too."""
    return {"type": "string", "pattern": pattern, "errorMessage": f"expected {form}"}


TEXT: Final[Schema] = {"type": "string", "minLength": 1}
LABELS: Final[Schema] = {"type": "object", "additionalProperties": {"type": "string"}}
FLAG: Final[Schema] = {"type": "boolean"}
DURATION: Final = formed(r"^[0-9]{1,6}[smhd]$", "a duration such as 30s, 5m, 2h or 1d")
NAMESPACE_NAMES: Final[Schema] = {
    "type": "array",
    "items": formed(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", "a namespace's name: a-z, 0-9 and -"),
}

ONE: Final[Schema] = {"minProperties": 1, "maxProperties": 1}
SECRET: Final = obj(
    {"name": field(TEXT, "The Secret's name."), "key": field(TEXT, "The key of its `data` that is read.")},
    ("name", "key"),
)
TRUST_ROOT: Final = formed(NAME, "the name of a GateTrustRoot")


def file_of(what: str) -> Schema:
    """The field `file`."""
    said = f"A file with {what}, relative to the policy's own file; refused in what the cluster feeds."
    return marked(field(TEXT, said), FILE_MARK)


def secret_of(what: str) -> Schema:
    """The field `secret`."""
    return field(SECRET, f"A Secret with {what}: of the gate's own namespace, of a GatePolicy of its own.")


def material(what: str) -> Schema:
    """The three fields by one of which keys and certificates are given."""
    return {"pem": field(TEXT, f"The text of {what}, as PEM."), "file": file_of(what), "secret": secret_of(what)}


BEGINNING: Final = "from its beginning in UTC"
END: Final = "to its end in UTC"


def instant(description: str, day: str) -> Schema:
    """A day of UTC or an instant, as a text.

    Args:
        description: what it means, without the full stop.
        day: which moment of a day is meant: `BEGINNING` or `END`.
    """
    return field(TEXT, f"{description}, such as 2026-12-31 ({day}) or 2026-12-31T12:00:00Z.")


NARROWED: Final[Schema] = {
    "images": texts("Image patterns such as ghcr.io/acme/** of which one has to fit; default any image.", minItems=1),
    "digests": texts("Digests, sha256:…, of which the image's has to be one; default any.", minItems=1),
    "namespaces": field(NAMESPACE_NAMES, "Namespaces of which the workload's has to be one; default any.", minItems=1),
}
REASON: Final = field(TEXT, "Why, for people; it is shown where it counts.", maxLength=500)
TICKET: Final = field(TEXT, "Where that is written down, such as SEC-123.", maxLength=200)
EXCEPTIONS: Final[Schema] = {
    "type": "array",
    "items": obj(
        {
            "rule": field(TEXT, "The rule that is waived: its `name`, or its type where it has none."),
            **NARROWED,
            "vulnerabilities": texts(
                "Identifiers such as CVE-2026-0001, or aliases, of findings that are waived.", minItems=1
            ),
            "components": texts("Package URLs of components whose findings are waived.", minItems=1),
            "licenses": texts("SPDX identifiers of licences whose findings are waived.", minItems=1),
            "until": instant("Until when it counts", END),
            "reason": REASON,
            "ticket": TICKET,
            "approvedBy": field(TEXT, "Who approved it: a claim, and shown as one.", maxLength=200),
        },
        ("rule", "until", "reason"),
    ),
    "maxItems": 1000,
}
