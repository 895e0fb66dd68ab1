"""Predicate types by the short names that cosign has for them (cosign, cmd/cosign/cli/options/predicate.go)."""

from __future__ import annotations

from typing import Final

from gate.errors import ParseError

_SPDX: Final = "https://spdx.dev/Document"
_SLSA_02: Final = "https://slsa.dev/provenance/v0.2"

ALIASES: Final = {
    "custom": "https://cosign.sigstore.dev/attestation/v1",
    "cyclonedx": "https://cyclonedx.org/bom",
    "link": "https://in-toto.io/Link/v1",
    "openvex": "https://openvex.dev/ns",
    "slsaprovenance": _SLSA_02,
    "slsaprovenance02": _SLSA_02,
    "slsaprovenance1": "https://slsa.dev/provenance/v1",
    "spdx": _SPDX,
    "spdxjson": _SPDX,
    "vuln": "https://cosign.sigstore.dev/attestation/vuln/v1",
}


def parse_predicate_type(text: str) -> str:
    """The URI of a short name, or the URI itself.

    Raises:
        ParseError: neither.
    """
    known = ALIASES.get(text)
    if known is not None:
        return known
    if "://" not in text or not text.isprintable() or " " in text:
        raise ParseError(
            f"{text[:100]!r} is no predicate type", remedy=f"write a URI, or one of {', '.join(sorted(ALIASES))}"
        )
    return text
