"""Sigstore bundles v0.1 to v0.3 in JSON (sigstore/protobuf-specs, sigstore_bundle.proto). Nothing is verified here."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate import protojson, strictjson
from gate.codes import Code
from gate.errors import ParseError
from gate.evidence.dsse import Envelope
from gate.evidence.entry import LogEntry
from gate.evidence.limits import MAX_LOG_ENTRIES, MAX_SIGNATURES, MAX_TIMESTAMPS
from gate.evidence.refusal import Refused
from gate.trust.authority import MAX_CHAIN, parse_certificate
from gate.trust.key import Hash

if TYPE_CHECKING:
    from cryptography import x509

    from gate.evidence.message import Message

_VERSIONS: Final = {
    "application/vnd.dev.sigstore.bundle+json;version=0.1": (0, 1),
    "application/vnd.dev.sigstore.bundle+json;version=0.2": (0, 2),
    "application/vnd.dev.sigstore.bundle+json;version=0.3": (0, 3),
    "application/vnd.dev.sigstore.bundle.v0.3+json": (0, 3),
}
_OLD: Final = "base64Signature"  # sigstore/cosign, pkg/cosign/fetch.go, LocalSignedPayload
_SIGN_ANEW: Final = "sign it again: cosign sign-blob --bundle FILE writes a Sigstore bundle since 3.0"
_TOP: Final = ("mediaType", "verificationMaterial", "messageSignature", "dsseEnvelope")
_MATERIAL: Final = ("publicKey", "certificate", "x509CertificateChain", "tlogEntries", "timestampVerificationData")
_HASHES: Final = {"SHA2_256": Hash.SHA256, "SHA2_384": Hash.SHA384, "SHA2_512": Hash.SHA512}


@dataclass(frozen=True, slots=True)
class MessageSignature:
    """A signature over a message that is elsewhere.

    Attributes:
        signature: over it.
        digest: what the bundle says of it, not signed; b"" where nothing.
        algorithm: of that digest; None where there is none.
    """

    signature: bytes
    digest: bytes = b""
    algorithm: Hash | None = None

    def check(self, message: Message) -> None:
        """Compare what the bundle says of its message with a message: the digest that it states, by its algorithm.

        Raises:
            ParseError: it is another's.
            Refused: SIGNATURE_UNSUPPORTED: that digest of the message is not known.
        """
        if self.algorithm is None:
            return
        known = message.digest(self.algorithm)
        if known is None:
            raise Refused(
                Code.SIGNATURE_UNSUPPORTED,
                f"the bundle states a {self.algorithm} of the file, and only its sha256 is known: the file is needed",
            )
        if known != self.digest:
            raise ParseError(f"the bundle's messageDigest ({self.algorithm}) is another file's")


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
            Refused: SIGNATURE_UNSUPPORTED: it is another format, and known.
        """
        value = strictjson.as_object(strictjson.loads_unsigned(content), "the bundle")
        if _OLD in value and "mediaType" not in value:
            raise Refused(Code.SIGNATURE_UNSUPPORTED, "cosign's format from before Sigstore bundles", _SIGN_ANEW)
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
        raws = protojson.repeated(material, "tlogEntries", "the bundle's tlogEntries", MAX_LOG_ENTRIES)
        entries = tuple(map(LogEntry.of_bundle, raws))
        if _has_one_twice(entries):
            raise ParseError("the bundle has one log entry twice")
        return cls(
            version,
            _content(value),
            hint,
            certificates[0] if certificates else None,
            certificates[1:],
            entries,
            _timestamps(material),
        )


def _has_one_twice(entries: tuple[LogEntry, ...]) -> bool:
    """By the index that they state; and by body and place in the tree, as nothing vouches for an index alone."""
    stated = {(entry.log_id, entry.index) for entry in entries}
    placed = [(entry.log_id, entry.body, entry.proof.index) for entry in entries if entry.proof]
    return len(stated) < len(entries) or len(set(placed)) < len(placed)


def _content(value: dict[str, object]) -> Envelope | MessageSignature:
    envelope = strictjson.get(value, "dsseEnvelope")
    message = strictjson.get(value, "messageSignature")
    if (envelope is None) == (message is None):
        raise ParseError("the bundle has to hold exactly one of `dsseEnvelope` and `messageSignature`")
    if envelope is not None:
        _check_envelope(envelope)
        parsed = Envelope.parse(envelope)
        if len(parsed.signatures) != 1:
            raise ParseError(f"the bundle has {len(parsed.signatures)} signatures, expected one")
        return parsed
    held = strictjson.as_object(message, "the bundle's messageSignature")
    protojson.only(held, ("messageDigest", "signature"), "the bundle's messageSignature")
    digest = protojson.message(held, "messageDigest", "the bundle's messageDigest")
    protojson.only(digest, ("algorithm", "digest"), "the bundle's messageDigest")
    stated = protojson.raw(digest, "digest", "the bundle's messageDigest")
    named = protojson.string(digest, "algorithm", "the bundle's messageDigest")
    if stated and named not in _HASHES:
        raise ParseError(f"the bundle's messageDigest is by {named[:30]!r}, expected {', '.join(_HASHES)}")
    signature = protojson.raw(held, "signature", "the bundle's signature")
    if not signature:
        raise ParseError("the bundle has no signature")
    return MessageSignature(signature, stated, _HASHES[named]) if stated else MessageSignature(signature)


def _check_envelope(raw: object) -> None:
    """Strict where the bundle is: stored by itself, an envelope may say more (and cosign reads that)."""
    value = strictjson.as_object(raw, "the DSSE envelope")
    protojson.only(value, ("payload", "payloadType", "signatures"), "the DSSE envelope")
    for signature in protojson.repeated(value, "signatures", "the DSSE envelope's signatures", MAX_SIGNATURES):
        protojson.only(strictjson.as_object(signature, "a DSSE signature"), ("sig", "keyid"), "a DSSE signature")


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
            protojson.only(chain, ("certificates",), "the bundle's chain")
            raws = protojson.repeated(chain, "certificates", "the bundle's chain", MAX_CHAIN)
    if not raws:
        raise ParseError("the bundle's certificate chain is empty")
    return "", tuple(_certificate(raw) for raw in raws)


def _certificate(raw: object) -> x509.Certificate:
    value = strictjson.as_object(raw, "the bundle's certificate")
    protojson.only(value, ("rawBytes",), "the bundle's certificate")
    certificate = parse_certificate(protojson.raw(value, "rawBytes", "the bundle's certificate"))
    if certificate.subject == certificate.issuer and certificate.subject.rdns:
        raise ParseError("the bundle's chain holds a root, and roots come from the trusted root alone")
    return certificate


def _hint(material: dict[str, object]) -> str:
    value = strictjson.as_object(strictjson.get(material, "publicKey"), "the bundle's publicKey")
    protojson.only(value, ("hint",), "the bundle's publicKey")
    hint = protojson.string(value, "hint", "the bundle's publicKey.hint")
    try:
        return base64.b64decode(hint, validate=True).hex()
    except (binascii.Error, ValueError):
        return ""


def _timestamps(material: dict[str, object]) -> tuple[bytes, ...]:
    data = protojson.message(material, "timestampVerificationData", "the bundle's timestampVerificationData")
    protojson.only(data, ("rfc3161Timestamps",), "the bundle's timestampVerificationData")
    stamps = protojson.repeated(data, "rfc3161Timestamps", "the bundle's timestamps", MAX_TIMESTAMPS)
    return tuple(dict.fromkeys(map(_timestamp, stamps)))


def _timestamp(raw: object) -> bytes:
    value = strictjson.as_object(raw, "a timestamp")
    protojson.only(value, ("signedTimestamp",), "a timestamp")
    return protojson.raw(value, "signedTimestamp", "a timestamp")
