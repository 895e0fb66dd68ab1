"""What some signers trust, as names: whoever reviews turns it into keys and authorities to verify with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gate.trust.authority import Authority
    from gate.trust.key import PublicKey

PUBLIC_GOOD: Final = "public-good"
"""The trust root of sigstore.dev, built in."""


@dataclass(frozen=True, slots=True)
class PrivateAuthorities:
    """A private PKI.

    Attributes:
        name: tells it from others: made of its certificates and its trust root's name.
        authorities: its roots, with the intermediates that are known.
        root: the trust root whose logs and timestamping authorities count for it; "" where none is wanted.
    """

    name: str
    authorities: tuple[Authority, ...]
    root: str


@dataclass(frozen=True, slots=True)
class TrustNeeds:
    """Everything that signatures of one image have to be tried against.

    Attributes:
        keys: that may have signed.
        logs_of_keys: whether somebody looks at log entries and timestamps beside signatures by keys.
        roots: names of the trust roots whose authorities may have issued a signer's certificate.
        private: private PKIs likewise.
    """

    keys: tuple[PublicKey, ...] = ()
    logs_of_keys: bool = False
    roots: tuple[str, ...] = ()
    private: tuple[PrivateAuthorities, ...] = ()


NOTHING: Final = TrustNeeds()
"""Nobody is trusted, and nothing is verified."""
