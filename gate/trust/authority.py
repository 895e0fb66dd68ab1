"""Certificate authorities: of Fulcio, of a private PKI, of a timestamping service."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from gate.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.trust.window import Window

MAX_CERTIFICATE: Final = 64 * 1024
"""Bytes of one certificate in DER."""

MAX_CHAIN: Final = 10
"""Certificates of one chain, the leaf included."""

MAX_PEM: Final = 1024 * 1024
"""Bytes of one PEM text."""

MAX_CERTIFICATES: Final = 100
"""Certificates of one PEM text."""

_UNREADABLE: Final = (
    ValueError,
    TypeError,
    KeyError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True)
class Authority:
    """One certificate authority. Equal where certificates and window are.

    Attributes:
        name: for people: its URI, or the subject of its root.
        chain: DER, from the one that issues (for a timestamping service the one that signs) to the root.
        window: when it issued; signing times outside are not its word.
        certificates: the chain, read.
        fingerprint: lower-case hex SHA-256 of its root in DER.
    """

    name: str = field(compare=False)
    chain: tuple[bytes, ...] = field(repr=False)
    window: Window
    certificates: tuple[x509.Certificate, ...] = field(compare=False, repr=False)
    fingerprint: str = field(compare=False)

    @classmethod
    def of(cls, name: str, chain: Sequence[bytes], window: Window, most: int = MAX_CHAIN) -> Authority:
        """Read a chain; or, where more may be there, a root with what may be below it.

        Raises:
            ParseError: it is empty or too long, or one of it is no certificate.
        """
        if not 1 <= len(chain) <= most:
            raise ParseError(f"{name} has {len(chain)} certificates, expected 1 to {most}")
        certificates = tuple(map(parse_certificate, chain))
        return cls(name, tuple(chain), window, certificates, hashlib.sha256(chain[-1]).hexdigest())

    @property
    def root(self) -> x509.Certificate:
        """What a path has to end in."""
        return self.certificates[-1]


def check_anchor(der: bytes) -> None:
    """Whether a certificate can be the root of a private PKI here.

    Raises:
        ParseError: it may not issue, or its key is of a kind that paths are not followed through.
    """
    certificate = parse_certificate(der)
    shown = certificate.subject.rfc4514_string()[:200]
    try:
        may_issue = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        may_issue = False
    if not may_issue:
        raise ParseError(f"{shown} is the certificate of no authority (basicConstraints)", remedy="give the PKI's root")
    if not isinstance(certificate.public_key(), (ec.EllipticCurvePublicKey, rsa.RSAPublicKey)):
        raise ParseError(f"{shown} has a key that is neither ECDSA nor RSA", remedy="use an authority of ECDSA or RSA")


@lru_cache(maxsize=256)
def parse_certificate(der: bytes) -> x509.Certificate:
    """Read one certificate, its extensions included, so that later steps find no surprise in it.

    Remembered: an intermediate comes with every signature.

    Raises:
        ParseError: too large, not DER, or with an extension that cannot be read.
    """
    if len(der) > MAX_CERTIFICATE:
        raise ParseError(f"a certificate of {len(der)} bytes; at most {MAX_CERTIFICATE} are read")
    try:
        certificate = x509.load_der_x509_certificate(der)
        # All of these are read when they are asked for, and may then turn out to be malformed.
        list(certificate.extensions)
        certificate.public_key()
        _ = (certificate.subject, certificate.issuer, certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    except _UNREADABLE as error:
        raise ParseError(f"not a certificate: {str(error)[:150]}") from error
    except UnsupportedAlgorithm as error:
        raise ParseError(f"a certificate with an unsupported key: {str(error)[:150]}") from error
    if certificate.public_bytes(Encoding.DER) != der:
        raise ParseError("not a certificate: there are other bytes behind it")
    return certificate


def parse_pem_certificates(pem: bytes) -> tuple[bytes, ...]:
    """The certificates of a PEM text, in DER, in its order.

    Raises:
        ParseError: none, too many, or something that is no certificate.
    """
    if len(pem) > MAX_PEM:
        raise ParseError(f"{len(pem)} bytes of certificates; at most {MAX_PEM} are read")
    if b"PRIVATE KEY-----" in pem:
        raise ParseError("this holds a private key", remedy="keep it out of here and replace it: it has been exposed")
    try:
        found = x509.load_pem_x509_certificates(pem)
    except (*_UNREADABLE, UnsupportedAlgorithm) as error:
        raise ParseError(
            f"not a PEM certificate: {str(error)[:150]}", remedy="give `-----BEGIN CERTIFICATE-----` blocks"
        ) from error
    if len(found) > MAX_CERTIFICATES:
        raise ParseError(f"{len(found)} certificates; at most {MAX_CERTIFICATES} are read")
    ders = tuple(certificate.public_bytes(Encoding.DER) for certificate in found)
    for der in ders:
        parse_certificate(der)
    return ders
