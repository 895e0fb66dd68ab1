"""What some signers trust, as values: whoever reviews turns it into keys and authorities to verify with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.trust.window import ALWAYS

if TYPE_CHECKING:
    from gate.trust.authority import Authority
    from gate.trust.key import PublicKey
    from gate.trust.root import TrustedRoot

PUBLIC_GOOD: Final = "public-good"
"""The name of sigstore.dev's trust root, built in: no `GateTrustRoot` may have it."""


@dataclass(frozen=True, slots=True)
class BuiltInRoot:
    """A trust root that imagegate brings."""

    name: str


@dataclass(frozen=True, slots=True)
class GivenRoot:
    """A `GateTrustRoot` whose content is at hand (`json`, `file`)."""

    name: str
    root: TrustedRoot


@dataclass(frozen=True, slots=True)
class TufRoot:
    """A `GateTrustRoot` that a TUF repository keeps current.

    Attributes:
        url: of the repository.
        metadata: the root metadata that trust in it begins with.
    """

    name: str
    url: str
    metadata: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class MissingRoot:
    """A trust root that cannot be had from here: what needs it can't be judged.

    Attributes:
        why: for people.
    """

    name: str
    why: str


TrustRoot = BuiltInRoot | GivenRoot | TufRoot | MissingRoot

SIGSTORE: Final = BuiltInRoot(PUBLIC_GOOD)
"""The public-good instance."""


@dataclass(frozen=True, slots=True)
class PrivateAuthorities:
    """A private PKI.

    Attributes:
        name: tells it from others: made of its certificates and its trust root's name.
        authorities: its roots, with the intermediates that are known.
        root: the trust root whose logs and timestamping authorities count for it; None where none is wanted.
        ct: whether its CT logs are asked for too.
    """

    name: str
    authorities: tuple[Authority, ...]
    root: TrustRoot | None
    ct: bool = False

    @classmethod
    def of(
        cls,
        what: str,
        roots: tuple[bytes, ...],
        intermediates: tuple[bytes, ...],
        root: TrustRoot | None,
        *,
        ct: bool = False,
    ) -> PrivateAuthorities:
        """The PKI of some certificates in DER.

        Args:
            what: its roots are called, for people.
            roots: each an authority of its own.
            intermediates: that any of them may have issued; they never become roots.
            root: as above.
            ct: as above.

        Raises:
            ParseError: too many, or one that is no certificate.
        """
        from gate.trust.authority import MAX_CERTIFICATES, Authority, check_anchor  # noqa: PLC0415 - few have one

        for anchor in roots:
            check_anchor(anchor)
        name = hashlib.sha256(b"".join((*roots, b"|", *intermediates))).hexdigest()
        chains = [(*intermediates, last) for last in roots]
        most = MAX_CERTIFICATES + 1
        found = [Authority.of(f"{what} [{i}]", chain, ALWAYS, most) for i, chain in enumerate(chains)]
        return cls(f"pki:{name}:{root.name if root else ''}:{ct}", tuple(found), root, ct)


@dataclass(frozen=True, slots=True)
class WitnessedKey:
    """A key that may have signed.

    Attributes:
        root: the trust root whose logs and timestamping authorities are looked at; None where nobody does.
    """

    key: PublicKey
    root: TrustRoot | None = None


@dataclass(frozen=True, slots=True)
class TrustNeeds:
    """Everything that signatures of one image have to be tried against.

    Attributes:
        keys: that may have signed.
        roots: trust roots whose authorities may have issued a signer's certificate.
        private: private PKIs likewise.
    """

    keys: tuple[WitnessedKey, ...] = ()
    roots: tuple[TrustRoot, ...] = ()
    private: tuple[PrivateAuthorities, ...] = ()


NOTHING: Final = TrustNeeds()
"""Nobody is trusted, and nothing is verified."""
