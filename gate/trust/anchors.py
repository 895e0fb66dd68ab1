"""What signatures are tried against: the keys and authorities that some signers accept, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gate.trust.authority import Authority
    from gate.trust.key import PublicKey
    from gate.trust.root import TrustedRoot


@dataclass(frozen=True, slots=True)
class Holder:
    """Whoever holds a key, and who witnesses what it signs.

    Attributes:
        key: the public one.
        trust: the name of the trust root below; "" where there is none.
        root: whose logs and timestamping authorities count; None where none is needed or none could be had: then what
            the key signed has no witness.
    """

    key: PublicKey
    trust: str = ""
    root: TrustedRoot | None = None


@dataclass(frozen=True, slots=True)
class Issuers:
    """Authorities whose certificates sign, and who witnesses that.

    Attributes:
        name: of the trust root, or of a private PKI; tells facts under one from facts under another.
        authorities: who may issue.
        root: whose logs, CT logs and timestamping authorities count.
        private: whether it is a private PKI.
    """

    name: str
    authorities: tuple[Authority, ...]
    root: TrustedRoot
    private: bool = False


@dataclass(frozen=True, slots=True)
class Anchors:
    """What is trusted. Hashable: verified facts are kept by it.

    Attributes:
        holders: of keys that sign.
        issuers: authorities whose certificates sign.
    """

    holders: tuple[Holder, ...] = ()
    issuers: tuple[Issuers, ...] = ()
