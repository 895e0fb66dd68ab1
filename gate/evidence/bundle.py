"""Sigstore bundles v0.1 to v0.3 in JSON (sigstore/protobuf-specs, sigstore_bundle.proto). Nothing is verified here."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate import protojson, strictjson
from gate.errors import ParseError
from gate.evidence.dsse import Envelope
from gate.evidence.entry import LogEntry
from gate.evidence.limits import MAX_LOG_ENTRIES, MAX_TIMESTAMPS
from gate.trust.authority import MAX_CHAIN, parse_certificate

if TYPE_CHECKING:
    from cryptography import x509

_VERSIONS: Final = {
    "application/vnd.dev.sigstore.bundle+json;version=0.1": (0, 1),
    "application/vnd.dev.sigstore.bundle+json;version=0.2": (0, 2),
    "application/vnd.dev.sigstore.bundle+json;version=0.3": (0, 3),
    "application/vnd.dev.sigstore.bundle.v0.3+json": (0, 3),
}
_TOP: Final = ("mediaType", "verificationMaterial", "messageSignature", "dsseEnvelope")
_MATERIAL: Final = ("publicKey", "certificate", "x509CertificateChain", "tlogEntries", "timestampVerificationData")
_SHA256: Final = "SHA2_256"


@dataclass(frozen=True, slots=True)
class MessageSignature:
    """A signature over a message that is elsewhere; `sha256` is what the bundle says of it, b"" where nothing."""

    signature: bytes
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle's parts.

    Attributes:
        version: such as (0, 3).
        content: what is signed.
        key_hint: hex SHA-256 of the public key it names; "" where the hint is something else.
        leaf: its signing certificate; None where it is by a key.
        intermediates: what came with the certificate, never trusted.
        entries: of transparency logs.
        timestamps: RFC 3161 responses in DER, each once.
    """

    version: tuple[int, int]
    content: Envelope | MessageSignature
    key_hint: str
    leaf: x509.Certificate | None = field(repr=False)
    intermediates: tuple[x509.Certificate, ...] = field(repr=False)
    entries: tuple[LogEntry, ...]
    timestamps: tuple[bytes, ...] = field(repr=False)

    @property
    def needs_proof(self) -> bool:
        """Whether its log entries have to carry an inclusion proof; in v0.1 it was the promise that they had to."""
        return self.version > (0, 1)

    @classmethod
    def parse(cls, content: bytes) -> Bundle:
        """Read a bundle.

        Raises:
            ParseError: not JSON, another version, an unknown field, no verification material or content or two of
                one, a chain that is empty or holds a root, more entries or timestamps than are read.
        """
        value = strictjson.as_object(strictjson.loads(content), "the bundle")
        media_type = strictjson.text(value, "mediaType", "the bundle")
        version = _VERSIONS.get(media_type)
        if version is None:
            raise ParseError(f"bundle version {media_type[:100]!r} is not supported: v0.1 to v0.3 are")
        protojson.only(value, _TOP, "the bundle")
        material = strictjson.as_object(
            strictjson.get(value, "verificationMaterial"), "the bundle's verificationMaterial"
        )
        protojson.only(material, _MATERIAL, "the bundle's verificationMaterial")
        hint, certificates = _signer(material, version)
        entries = protojson.repeated(material, "tlogEntries", "the bundle's tlogEntries", MAX_LOG_ENTRIES)
        return cls(
            version,
            _content(value),
            hint,
            certificates[0] if certificates else None,
            certificates[1:],
            tuple(map(LogEntry.of_bundle, entries)),
            _timestamps(material),
        )


def _content(value: dict[str, object]) -> Envelope | MessageSignature:
    envelope = strictjson.get(value, "dsseEnvelope")
    message = strictjson.get(value, "messageSignature")
    if (envelope is None) == (message is None):
        raise ParseError("the bundle has to hold exactly one of `dsseEnvelope` and `messageSignature`")
    if envelope is not None:
        parsed = Envelope.parse(envelope)
        if len(parsed.signatures) != 1:
            raise ParseError(f"the bundle has {len(parsed.signatures)} signatures, expected one")
        return parsed
    held = strictjson.as_object(message, "the bundle's messageSignature")
    protojson.only(held, ("messageDigest", "signature"), "the bundle's messageSignature")
    digest = protojson.message(held, "messageDigest", "the bundle's messageDigest")
    stated = protojson.raw(digest, "digest", "the bundle's messageDigest")
    if stated and protojson.string(digest, "algorithm", "the bundle's messageDigest") != _SHA256:
        raise ParseError("the bundle's messageDigest is not a SHA-256")
    signature = protojson.raw(held, "signature", "the bundle's signature")
    if not signature:
        raise ParseError("the bundle has no signature")
    return MessageSignature(signature, stated)


def _signer(material: dict[str, object], version: tuple[int, int]) -> tuple[str, tuple[x509.Certificate, ...]]:
    """The key hint, or the certificates: one of them."""
    kinds = [k for k in ("publicKey", "certificate", "x509CertificateChain") if strictjson.get(material, k) is not None]
    if len(kinds) != 1:
        raise ParseError(f"the bundle names {len(kinds)} keys or certificates, expected one")
    match kinds[0]:
        case "publicKey":
            return _hint(material), ()
        case "certificate":
            raws = [strictjson.get(material, "certificate")]
        case _:
            if version >= (0, 3):
                raise ParseError("the bundle holds a certificate chain; v0.3 has its signing certificate alone")
            chain = protojson.message(material, "x509CertificateChain", "the bundle's chain")
            raws = protojson.repeated(chain, "certificates", "the bundle's chain", MAX_CHAIN)
    if not raws:
        raise ParseError("the bundle's certificate chain is empty")
    return "", tuple(_certificate(raw) for raw in raws)


def _certificate(raw: object) -> x509.Certificate:
    value = strictjson.as_object(raw, "the bundle's certificate")
    certificate = parse_certificate(protojson.raw(value, "rawBytes", "the bundle's certificate"))
    if certificate.subject == certificate.issuer and certificate.subject.rdns:
        raise ParseError("the bundle's chain holds a root, and roots come from the trusted root alone")
    return certificate


def _hint(material: dict[str, object]) -> str:
    hint = strictjson.get(strictjson.as_object(strictjson.get(material, "publicKey"), "the bundle's publicKey"), "hint")
    if not isinstance(hint, str):
        return ""
    try:
        return base64.b64decode(hint, validate=True).hex()
    except (binascii.Error, ValueError):
        return ""


def _timestamps(material: dict[str, object]) -> tuple[bytes, ...]:
    data = protojson.message(material, "timestampVerificationData", "the bundle's timestampVerificationData")
    stamps = protojson.repeated(data, "rfc3161Timestamps", "the bundle's timestamps", MAX_TIMESTAMPS)
    found = (protojson.raw(strictjson.as_object(s, "a timestamp"), "signedTimestamp", "a timestamp") for s in stamps)
    return tuple(dict.fromkeys(found))
