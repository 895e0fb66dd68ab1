"""What was found about an image and proved true, and why the rest was rejected. Policy judges these, nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.codes import Code
    from gate.image.digest import Digest
    from gate.image.reference import Repository
    from gate.trust.key import PublicKey


class Format(StrEnum):
    """How a signature is stored."""

    LEGACY = "legacy"
    """cosign's `sha256-….sig` tag."""

    REFERRER_LEGACY = "referrer-legacy"
    """The same layers in a manifest with a `subject` (OCI 1.1)."""

    BUNDLE = "bundle"
    """A Sigstore bundle in a manifest with a `subject`."""

    NOTATION = "notation"
    """A Notary Project signature: seen, named in messages, not verified."""


@dataclass(frozen=True, slots=True)
class KeySigner:
    """Somebody known by a public key."""

    key: PublicKey

    @property
    def principal(self) -> str:
        """Who this is, however the key is named or configured: two equal principals count once."""
        return f"key:{self.key.fingerprint}"

    def __str__(self) -> str:
        return self.key.short


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """A signature over this image's digest whose cryptography holds.

    Attributes:
        format: where it was stored.
        digest: of the stored payload or bundle, for people.
        signer: who made it.
        annotations: signed `key=value` pairs.
        docker_reference: the signed name, normalised where it parses; None where none was signed.
        log_entry_unchecked: it carries a transparency log entry that nobody has verified; whether it may count
            is the signer's policy.
    """

    format: Format
    digest: Digest
    signer: KeySigner
    annotations: Mapping[str, str] = field(hash=False)
    docker_reference: Repository | str | None = None
    log_entry_unchecked: bool = False


@dataclass(frozen=True, slots=True)
class Rejection:
    """A candidate that counts for nothing, and why."""

    format: Format
    digest: Digest
    code: Code
    reason: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A place that could not be asked: while there is one, "none found" is not known to be true."""

    code: Code
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one digest's signatures."""

    signatures: tuple[VerifiedSignature, ...] = ()
    rejected: tuple[Rejection, ...] = ()
    unavailable: tuple[Unavailable, ...] = ()
