"""What no longer counts, whoever says it does: digests, keys and identities (POLICY §6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.evidence.facts import CertificateSigner, KeySigner
from gate.policy.finding import Reason

if TYPE_CHECKING:
    from datetime import datetime

    from gate.evidence.facts import Signer, Witness
    from gate.image.digest import Digest

_REMEDY: Final = "build it anew, and have it signed by somebody who is still trusted"


@dataclass(frozen=True, slots=True)
class RevokedDigest:
    """An image that may not run.

    Attributes:
        why: for people, with the name of the revocation.
    """

    digest: Digest
    why: str


@dataclass(frozen=True, slots=True)
class RevokedSigner:
    """A key or identity whose signatures and attestations do not count any more.

    Attributes:
        fingerprint: lower-case hex SHA-256 of a public key's SPKI: the signer's own, or of an authority above its
            certificate; "" where an identity is meant.
        issuer: of the identity.
        subject: of the identity.
        signed_after: what is proved to have been signed before still counts; None: nothing does.
        why: for people, with the name of the revocation.
    """

    fingerprint: str = ""
    issuer: str = ""
    subject: str = ""
    signed_after: datetime | None = None
    why: str = ""

    def is_about(self, signer: Signer) -> bool:
        """Whether it is this signer."""
        match signer:
            case KeySigner():
                return self.fingerprint == signer.key.fingerprint
            case CertificateSigner() if self.fingerprint:
                return self.fingerprint in (signer.key, *signer.issuers)
            case CertificateSigner():
                return self.issuer == signer.identity.issuer and self.subject in signer.identity.subjects

    def spares(self, witness: Witness) -> bool:
        """Whether a log or a timestamping authority says that it was there in time."""
        earliest = witness.earliest
        return self.signed_after is not None and earliest is not None and earliest.at < self.signed_after


@dataclass(frozen=True, slots=True)
class Revocations:
    """All of them."""

    digests: tuple[RevokedDigest, ...] = ()
    signers: tuple[RevokedSigner, ...] = ()

    def of_digest(self, digest: Digest) -> Reason | None:
        """Why an image may not run; None where nothing is against it."""
        found = next((one for one in self.digests if one.digest == digest), None)
        return (
            None
            if found is None
            else Reason(Code.REVOKED, f"{digest} is revoked by {found.why}", "use another version")
        )

    def of_signature(self, signer: Signer, witness: Witness) -> Reason | None:
        """Why what somebody signed does not count; None where nothing is against it."""
        for one in self.signers:
            if one.is_about(signer) and not one.spares(witness):
                since = (
                    f", and nothing proves it older than {one.signed_after:%Y-%m-%dT%H:%M:%SZ}"
                    if one.signed_after
                    else ""
                )
                return Reason(Code.REVOKED, f"signed by {signer}, who is revoked by {one.why}{since}", _REMEDY)
        return None


NONE: Final = Revocations()
"""Nothing is revoked."""
