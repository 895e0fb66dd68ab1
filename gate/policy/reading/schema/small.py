"""The schemas of exceptions, revocations, break-glasses and trust roots (POLICY §6, §7)."""

from __future__ import annotations

from typing import Final

from gate.policy.reading.schema.parts import EXCEPTIONS, INSTANT, NARROWED, SECRET, TEXT, obj, texts

BREAK_GLASS_SPEC: Final = obj(
    {
        **NARROWED,
        "until": INSTANT,
        "reason": {**TEXT, "maxLength": 500},
        "ticket": {**TEXT, "maxLength": 200},
    },
    ("until", "reason"),
)

REVOCATION_SPEC: Final = obj(
    {
        "digests": texts("digests"),
        "signers": {
            "type": "array",
            "items": obj({"fingerprint": TEXT, "issuer": TEXT, "subject": TEXT, "signedAfter": INSTANT}),
        },
        "reason": {**TEXT, "maxLength": 500},
    },
    ("reason",),
)

EXCEPTION_SPEC: Final = obj(
    {
        "policies": texts("names of policies", minItems=1),
        "exceptions": {**EXCEPTIONS, "minItems": 1},
    },
    ("policies", "exceptions"),
)

TRUST_ROOT_SPEC: Final = obj(
    {
        "json": {"type": "object"},
        "file": TEXT,
        "secret": SECRET,
        "tuf": obj(
            {
                "url": {
                    "type": "string",
                    "pattern": r"^https://(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[1-9][0-9]{0,4})?(?:/[A-Za-z0-9_./~%-]*)?$",
                    "description": "the URL of a TUF repository, https://HOST/PATH",
                },
                "root": obj({"json": {"type": "object"}, "file": TEXT, "secret": SECRET}),
            },
            ("url", "root"),
        ),
    }
)
