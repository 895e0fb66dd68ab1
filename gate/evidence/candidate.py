"""What is collected to be verified. Importing this reads no cryptography: most runs have nothing to verify."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.evidence.facts import Format
    from gate.image.digest import Digest

BUNDLE_PREFIX: Final = "application/vnd.dev.sigstore.bundle"
"""Media types of Sigstore bundles begin so, whatever their version."""

PREDICATE_TYPE: Final = "dev.sigstore.bundle.predicateType"
"""An annotation of a bundle's manifest, and of its entry in a list of referrers: nobody has signed it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something stored beside an image that may be a signature or attestation of it. Not verified.

    Attributes:
        format: where it was found.
        digest: of `content`, which has been compared with it.
        media_type: what its layer calls it.
        content: the payload, envelope or bundle.
        annotations: its layer's, unsigned.
    """

    format: Format
    digest: Digest
    media_type: str
    content: bytes = field(repr=False)
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
