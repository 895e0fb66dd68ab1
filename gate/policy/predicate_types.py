"""Predicate types by the short names that cosign has for them (cosign, cmd/cosign/cli/options/predicate.go)."""

from __future__ import annotations

from typing import Final

from gate.errors import ParseError
from gate.policy.content.sbom import SbomFormat

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

_CYCLONEDX: Final = (
    "https://cyclonedx.org/bom",
    *(f"https://cyclonedx.org/bom/v1.{minor}" for minor in range(2, 8)),
)
_SPDX_TYPES: Final = (_SPDX, f"{_SPDX}/v2.2", f"{_SPDX}/v2.3", f"{_SPDX}/v3", f"{_SPDX}/v3.0", f"{_SPDX}/v3.0.1")
_OPENVEX: Final = ("https://openvex.dev/ns", "https://openvex.dev/ns/v0.0.1", "https://openvex.dev/ns/v0.2.0")

SBOM_TYPES: Final = {SbomFormat.CYCLONEDX: _CYCLONEDX, SbomFormat.SPDX: _SPDX_TYPES}
"""The predicate types of SBOMs, by format: cosign's, the formats' own, and those with the format's version."""

VULN_TYPES: Final = ("https://cosign.sigstore.dev/attestation/vuln/v1", "cosign.sigstore.dev/attestation/vuln/v1")
"""cosign's `vuln` (specs/COSIGN_VULN_ATTESTATION_SPEC.md), now and before."""

IN_TOTO_VULNS_TYPES: Final = (
    "https://in-toto.io/attestation/vulns/v0.1",
    "https://in-toto.io/attestation/vulns/v0.2",
    "https://in-toto.io/attestation/vulns",
)
SCAN_TYPES: Final = (*VULN_TYPES, *IN_TOTO_VULNS_TYPES, *_CYCLONEDX)
"""Those of scans. CycloneDX documents are scans where they list vulnerabilities beside components."""

VEX_TYPES: Final = (*_OPENVEX, *_CYCLONEDX)
"""Those of VEX documents. CycloneDX documents are, where they analyse vulnerabilities."""

PROVENANCE_V02: Final = (_SLSA_02, "https://slsa.dev/provenance/v0.2.0")
PROVENANCE_V1: Final = ("https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v1.0")
PROVENANCE_TYPES: Final = (*PROVENANCE_V02, *PROVENANCE_V1)
"""Those of SLSA provenance that is read."""

TIMED_TYPES: Final = frozenset(
    {
        *_CYCLONEDX,
        *_SPDX_TYPES,
        *_OPENVEX,
        *SCAN_TYPES,
        *PROVENANCE_TYPES,
        ALIASES["custom"],
        "https://slsa.dev/verification_summary/v1",
    }
)
"""Those of what has a place for when it was made, which its signer has signed too."""


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
