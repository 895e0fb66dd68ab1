"""The schema of signers, and of `by` (POLICY §5)."""

from __future__ import annotations

from typing import Final

from gate.policy.reading.schema.parts import (
    BEGINNING,
    END,
    FLAG,
    TEXT,
    TRUST_ROOT,
    Schema,
    either,
    field,
    formed,
    instant,
    material,
    obj,
    texts,
)

_PUBLIC_GOOD: Final = "public-good"

_KEY: Final = obj(
    {
        **material("the public key"),
        "hash": field(
            {"enum": ["sha256", "sha384", "sha512"]},
            "The hash of its signatures; default what its type and size go with. The algorithm comes from the key.",
        ),
        "validFrom": instant("From when on its signatures count, by their verified time", BEGINNING),
        "validUntil": instant("Until when its signatures count, by their verified time", END),
        "transparencyLog": field(
            {"enum": ["optional", "required", "ignore"]},
            "What of a log entry: `optional` checks one that is there, `required` wants one, `ignore` looks at none.",
            default="optional",
        ),
        "trustRoot": field(
            TRUST_ROOT, "The GateTrustRoot whose logs and timestamp authorities count.", default=_PUBLIC_GOOD
        ),
    },
    description="Whoever holds the private key; exactly one of `pem`, `file`, `secret`.",
)

_AUTHORITY: Final[Schema] = {
    "trustRoot": field(
        TRUST_ROOT,
        "The GateTrustRoot whose certificate authorities, logs and timestamp authorities count.",
        default=_PUBLIC_GOOD,
    ),
    "transparencyLog": field(
        {"enum": ["required", "none"]},
        "Whether an entry in a transparency log is wanted; `none` needs `timestamp: {required: true}`.",
        default="required",
    ),
    "timestamp": obj(
        {"required": field(FLAG, "Whether a timestamp (RFC 3161) is wanted.", default=False)},
        description="What of timestamps.",
    ),
    "insecureIgnoreSct": field(
        FLAG, "Whether certificates count that are in no CT log; for a Fulcio of your own.", default=False
    ),
}

_KEYLESS: Final = obj(
    {
        "issuer": field(TEXT, "Who vouches for the identity, such as https://accounts.google.com."),
        "issuerRegex": field(TEXT, "The same as a regular expression (RE2) that has to match the whole."),
        "subject": field(TEXT, "Whom the certificate names: an e-mail address, a URI or a host name."),
        "subjectRegex": field(TEXT, "The same as a regular expression (RE2) that has to match the whole."),
        **_AUTHORITY,
    },
    description="An identity in a short-lived certificate (Fulcio); one of `issuer`, `issuerRegex` and one of"
    " `subject`, `subjectRegex`.",
)

_NUMBER: Final[Schema] = {
    "type": ["integer", "string"],
    "minimum": 1,
    "pattern": "^[1-9][0-9]{0,18}$",
    "errorMessage": "expected a number, as GitHub's API tells it",
}

_GITHUB: Final = obj(
    {
        "workflow": field(TEXT, "The workflow that signs: OWNER/REPOSITORY/.github/workflows/FILE.yml."),
        "refs": texts("Refs of the workflow, such as refs/heads/main or refs/tags/v*.", minItems=1),
        "repository": field(
            formed(r"^[A-Za-z0-9_-]{1,39}/[A-Za-z0-9._-]{1,100}$", "owner/name of a repository of github.com"),
            "The repository whose code the workflow ran for, owner/name; default the workflow's own.",
        ),
        "sourceRefs": texts("Refs of that repository, such as refs/tags/v*; default `refs`.", minItems=1),
        "events": texts(
            "What may have started the workflow.",
            minItems=1,
            default=["push", "release", "workflow_dispatch", "schedule"],
        ),
        "repositoryId": field(_NUMBER, "The repository's number, which stays when it is renamed; default any."),
        "ownerId": field(_NUMBER, "The owner's number, which stays when they are renamed; default any."),
        **_AUTHORITY,
    },
    ("workflow", "refs"),
    description="A workflow of GitHub Actions, and the repository it ran for.",
)

_ROOTS: Final = "certificates of the root authorities"
_BETWEEN: Final = "certificates of authorities in between"
_CERTIFICATE: Final = obj(
    {
        "roots": obj(material(_ROOTS), description=f"The {_ROOTS}; exactly one of `pem`, `file`, `secret`."),
        "intermediates": obj(
            material(_BETWEEN),
            description=f"The {_BETWEEN}, beside those that signatures bring; exactly one of `pem`, `file`, `secret`.",
        ),
        "subject": field(TEXT, "Whom the certificate names: an e-mail address, a URI or a host name."),
        "subjectRegex": field(TEXT, "The same as a regular expression (RE2) that has to match the whole."),
        "timestamp": obj(
            {
                "required": field(FLAG, "Whether a timestamp (RFC 3161) is wanted.", default=True),
                "trustRoot": field(
                    TRUST_ROOT, "The GateTrustRoot whose timestamp authorities count.", default=_PUBLIC_GOOD
                ),
            },
            description="What of timestamps.",
        ),
    },
    ("roots",),
    description="A certificate of a private PKI; one of `subject`, `subjectRegex`.",
)

SIGNER: Final = obj(
    {"key": _KEY, "keyless": _KEYLESS, "github": _GITHUB, "certificate": _CERTIFICATE},
    minProperties=1,
    maxProperties=1,
)

_FORM: Final = "a signer's name, a list of which any suffices, {all: […]} or {atLeast: n, of: […]}"
_ENTRIES: Final[Schema] = {"type": "array", "items": {"$ref": "#/definitions/by"}, "minItems": 1}

BY: Final[Schema] = {
    "type": ["string", "array", "object"],
    "minLength": 1,
    "items": {"$ref": "#/definitions/by"},
    "minItems": 1,
    "properties": {
        "all": field(_ENTRIES, "Entries that each have to be met, by a principal of its own."),
        "atLeast": {
            "type": "integer",
            "minimum": 1,
            "description": "How many entries of `of` have to be met, each by a principal of its own.",
        },
        "of": field(_ENTRIES, "The entries that `atLeast` counts."),
    },
    "additionalProperties": False,
    **either(_FORM, "all", "atLeast", "of"),
    "description": f"Signers: {_FORM}.",
}
