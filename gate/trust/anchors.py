"""What signatures are tried against: the keys and authorities that some signers accept, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gate.trust.authority import Authority
    from gate.trust.key import PublicKey
    from gate.trust.root import TrustedRoot


@dataclass(frozen=True, slots=True)
class Issuers:
    """Authorities whose certificates sign, and who witnesses that.

    Attributes:
        name: of the trust root, or of a private PKI; tells facts under one from facts under another.
        authorities: who may issue.
        root: whose logs, CT logs and timestamping authorities count.
    """

    name: str
    authorities: tuple[Authority, ...]
    root: TrustedRoot


@dataclass(frozen=True, slots=True)
class Anchors:
    """What is trusted. Hashable: verified facts are kept by it.

    Attributes:
        keys: that sign.
        root: whose logs and timestamping authorities count for signatures by keys; None where none is needed or none
            could be had: then such signatures have no witness.
        issuers: authorities whose certificates sign.
    """

    keys: tuple[PublicKey, ...] = ()
    root: TrustedRoot | None = None
    issuers: tuple[Issuers, ...] = ()
