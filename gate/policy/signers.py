"""Who must have signed: the kinds of signers, a rule's `by`, and whether principals meet it (POLICY §5)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

from gate.policy.trust import (
    SIGSTORE,
    GivenRoot,
    PrivateAuthorities,
    TrustNeeds,
    TrustRoot,
    TufRoot,
    WitnessedKey,
)
from gate.trust.window import ALWAYS, Window

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.policy.identity import IdentityPattern
    from gate.trust.key import PublicKey


class LogUse(StrEnum):
    """What a signer wants of a transparency log entry."""

    OPTIONAL = "optional"
    """Checked when present."""

    REQUIRED = "required"
    """At least one that holds."""

    IGNORE = "ignore"
    """Not looked at."""


@dataclass(frozen=True, slots=True)
class KeySpec:
    """A signer known by a key.

    Attributes:
        name: as the policy calls it.
        key: None where it could not be read, `missing` saying why: then nothing can be said about it.
        log: what its signatures' log entries are to it.
        missing: why there is no key.
        trust_root: whose logs and timestamping authorities count for it.
        window: when the key counts: every verified time of a signature, or now where it has none, is in it.
        witnesses: the trust root whose word is wanted; None where nothing beside its signatures is looked at.
    """

    name: str
    key: PublicKey | None
    log: LogUse = LogUse.OPTIONAL
    missing: str = ""
    window: Window = ALWAYS
    trust_root: TrustRoot = SIGSTORE
    witnesses: TrustRoot | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        alone = self.log is LogUse.IGNORE and self.window == ALWAYS
        object.__setattr__(self, "witnesses", None if alone else self.trust_root)


@dataclass(frozen=True, slots=True)
class KeylessSpec:
    """A signer known by the identity in a certificate that a trust root's authority issued.

    Attributes:
        identity: who the certificate names.
        trust_root: whose authorities issue, and whose logs and timestamping authorities count.
        log: REQUIRED; IGNORE where timestamps stand in for the log.
        timestamp: whether a timestamping authority has to say when.
        sct: whether a CT log has to have seen the certificate.
    """

    name: str
    identity: IdentityPattern
    trust_root: TrustRoot = SIGSTORE
    log: LogUse = LogUse.REQUIRED
    timestamp: bool = False
    sct: bool = True


@dataclass(frozen=True, slots=True)
class CertificateSpec:
    """A signer known by the identity in a certificate of a private PKI.

    Attributes:
        authorities: the PKI; None where it could not be read, `missing` saying why.
        log: what log entries are to it.
        timestamp: whether a timestamping authority has to say when; else the certificate has to be valid now.
        sct: whether a CT log has to have seen the certificate.
    """

    name: str
    identity: IdentityPattern
    authorities: PrivateAuthorities | None
    log: LogUse = LogUse.IGNORE
    timestamp: bool = True
    sct: bool = False
    missing: str = ""


SignerSpec = KeySpec | KeylessSpec | CertificateSpec


@dataclass(frozen=True, slots=True)
class One:
    """A signer by name."""

    name: str
    names: frozenset[str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", frozenset({self.name}))

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Any of these suffices. Never empty."""

    options: tuple[Expression, ...]
    names: frozenset[str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", _of_all(self.options))

    def __str__(self) -> str:
        return " or ".join(map(str, self.options))


@dataclass(frozen=True, slots=True)
class AtLeast:
    """So many entries, each met by a principal of its own. `all` is this with every entry."""

    count: int
    entries: tuple[Expression, ...]
    names: frozenset[str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", _of_all(self.entries))

    def __str__(self) -> str:
        what = "all" if self.count == len(self.entries) else str(self.count)
        return f"{what} of ({', '.join(map(str, self.entries))})"


Expression = One | AnyOf | AtLeast
"""Whose `names` are those of every signer that it speaks of."""


def _of_all(expressions: tuple[Expression, ...]) -> frozenset[str]:
    return frozenset().union(*(expression.names for expression in expressions))


def is_witnessed(spec: SignerSpec) -> bool:
    """Whether anybody is asked when this signer signed."""
    match spec:
        case KeySpec():
            return spec.witnesses is not None
        case KeylessSpec():
            return True
        case CertificateSpec():
            return spec.authorities is None or spec.authorities.root is not None
        case _:
            assert_never(spec)


def wants_one(expression: Expression) -> bool:
    """Whether one principal can meet it."""
    match expression:
        case One():
            return True
        case AnyOf(inner):
            return all(map(wants_one, inner))
        case AtLeast(count, inner):
            return count == 1 and all(map(wants_one, inner))
        case _:
            assert_never(expression)


def needs_of(signers: Iterable[SignerSpec]) -> TrustNeeds:
    """What signatures have to be tried against for these signers, each once, in their order."""
    keys: dict[PublicKey, dict[TrustRoot | None, None]] = {}
    roots: dict[TrustRoot, None] = {}
    private: dict[PrivateAuthorities, None] = {}
    for spec in signers:
        match spec:
            case KeySpec():
                if spec.key is not None:
                    keys.setdefault(spec.key, {})[spec.witnesses] = None
            case KeylessSpec():
                roots[spec.trust_root] = None
            case CertificateSpec():
                if spec.authorities is not None:
                    private[spec.authorities] = None
            case _:
                assert_never(spec)
    # To whom no witness matters, what is found with one is as good.
    witnessed = (WitnessedKey(key, root) for key, wanted in keys.items() for root in wanted if root or len(wanted) == 1)
    return TrustNeeds(tuple(witnessed), tuple(roots), tuple(private))


def anchor_of(spec: SignerSpec) -> str:
    """What a signer's trust rests on beside what its policy says: a key, certificates, a trust root; for hashes."""
    match spec:
        case KeySpec():
            own, root = spec.key.fingerprint if spec.key else "", spec.witnesses
        case KeylessSpec():
            own, root = "", spec.trust_root
        case CertificateSpec():
            own, root = (spec.authorities.name, spec.authorities.root) if spec.authorities else ("", None)
        case _:
            assert_never(spec)
    match root:
        case GivenRoot():
            return f"{own}/{root.root.digest}"
        case TufRoot():
            return f"{own}/{hashlib.sha256(root.metadata).hexdigest()}"
        case _:
            return own
