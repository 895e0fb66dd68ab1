"""The schemas of exceptions, revocations, break-glasses and trust roots (POLICY §6, §7)."""

from __future__ import annotations

from typing import Final

from gate.policy.reading.schema.parts import (
    BEGINNING,
    END,
    EXCEPTIONS,
    NARROWED,
    REASON,
    TEXT,
    TICKET,
    Schema,
    field,
    file_of,
    formed,
    instant,
    obj,
    secret_of,
    texts,
)

BREAK_GLASS_SPEC: Final = obj(
    {
        **NARROWED,
        "until": instant("Until when, at most `GateConfig.breakGlass.max` after its creation", END),
        "reason": REASON,
        "ticket": TICKET,
    },
    ("until", "reason"),
    description="What is let through: one of `images`, `digests`, `namespaces` at least, and all given have to fit.",
)

REVOCATION_SPEC: Final = obj(
    {
        "digests": texts("Digests, sha256:…, of images that are denied in every mode, matched or not."),
        "signers": {
            "type": "array",
            "items": obj(
                {
                    "fingerprint": field(TEXT, "A key: the SHA-256 of its SPKI in hex, as `gate inspect` shows it."),
                    "issuer": field(TEXT, "Who vouches for the identity; with `subject`."),
                    "subject": field(TEXT, "The identity; with `issuer`."),
                    "signedAfter": instant("From when on its signatures do not count (default ever)", BEGINNING),
                }
            ),
            "description": "Keys, by `fingerprint`, and identities, by `issuer` and `subject`, that no longer count.",
        },
        "reason": REASON,
    },
    ("reason",),
    description="What no longer counts; `digests` or `signers` at least.",
)

EXCEPTION_SPEC: Final = obj(
    {
        "policies": texts(
            "Names of the policies that it is about: their `exceptionsFrom` has to list this namespace.", minItems=1
        ),
        "exceptions": field(EXCEPTIONS, "What is waived in this namespace.", minItems=1),
    },
    ("policies", "exceptions"),
    description="Dated exceptions of one namespace.",
)

_TRUSTED_ROOT: Final = "a Sigstore trusted_root.json"
_ROOT_METADATA: Final = "the root.json that the repository began with"


def _document(what: str) -> Schema:
    inline = field({"type": "object"}, f"The content of {what}, inline.")
    return {"json": inline, "file": file_of(what), "secret": secret_of(what)}


TRUST_ROOT_SPEC: Final = obj(
    {
        **_document(_TRUSTED_ROOT),
        "tuf": obj(
            {
                "url": field(
                    formed(
                        r"^https://(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[1-9][0-9]{0,4})?(?:/[A-Za-z0-9_./~%-]*)?$",
                        "the URL of a TUF repository, https://HOST/PATH",
                    ),
                    "Where the repository is, https://HOST/PATH.",
                ),
                "root": obj(
                    _document(_ROOT_METADATA),
                    description="What it is trusted by, got by a safe way; exactly one of `json`, `file`, `secret`.",
                ),
            },
            ("url", "root"),
            description="A TUF repository that has a trusted_root.json and keeps it fresh.",
        ),
    },
    description="Where its authorities, logs and keys stand; exactly one of `json`, `file`, `secret`, `tuf`.",
)
