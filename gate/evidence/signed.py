"""A candidate taken apart, whatever it was stored as.

What is signed, the signature, who it says it is by, and what stands beside it. Nothing here is verified, and nothing
unsigned decides more than which bytes are tried.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from gate import protojson, strictjson
from gate.codes import Code
from gate.errors import ParseError
from gate.evidence import cosign
from gate.evidence.bundle import Bundle, MessageSignature
from gate.evidence.dsse import ENVELOPE, Envelope
from gate.evidence.entry import LogEntry
from gate.evidence.facts import Format
from gate.evidence.message import Message
from gate.evidence.refusal import Refused
from gate.evidence.witness import Countersigned
from gate.trust.authority import MAX_CHAIN, parse_certificate, parse_pem_certificates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography import x509

    from gate.evidence.candidate import Candidate


@dataclass(frozen=True, slots=True)
class Signed:
    """The parts of a candidate.

    Attributes:
        message: what the signature is over.
        signatures: over it; of several any one that holds suffices.
        envelope: where the message is one's pre-authentication encoding.
        leaf: the certificate it says it is by; None where it names none.
        intermediates: what came with the certificate.
        by_key: whether it may be by a key at all: a bundle says which it is, a layer's annotations do not.
        key_hint: hex SHA-256 of the key it names; "" where it names none.
        beside: log entries and timestamps.
        stored: the envelope's bytes as they were stored; None where a bundle encoded them anew.
    """

    message: Message
    signatures: tuple[bytes, ...]
    envelope: Envelope | None
    leaf: x509.Certificate | None = field(repr=False)
    intermediates: tuple[x509.Certificate, ...] = field(repr=False)
    by_key: bool
    key_hint: str
    beside: Countersigned
    stored: bytes | None = field(default=None, repr=False)


def take_apart(candidate: Candidate) -> Signed:
    """Read a candidate.

    Raises:
        ParseError: it is malformed.
        Refused: it is something that is not supported.
    """
    match candidate.format:
        case Format.BUNDLE:
            parsed = Bundle.parse(candidate.content)
            if isinstance(parsed.content, MessageSignature):
                raise Refused(Code.SIGNATURE_UNSUPPORTED, "a bundle over a message, not over an in-toto statement")
            return of_bundle(parsed, Message.of(parsed.content.pae))
        case Format.LEGACY | Format.REFERRER_LEGACY:
            return _of_layer(candidate)
        case Format.NOTATION:
            raise Refused(Code.SIGNATURE_UNSUPPORTED, "a Notary Project signature, which is not supported yet")
        case _:
            assert_never(candidate.format)


def of_bundle(bundle: Bundle, message: Message) -> Signed:
    """The parts of a bundle over a message: of an envelope its pre-authentication encoding.

    Raises:
        ParseError: the bundle states another digest of the message.
        Refused: SIGNATURE_UNSUPPORTED: the digest that it states is not known of the message.
    """
    content = bundle.content
    if isinstance(content, MessageSignature):
        content.check(message)
    envelope = content if isinstance(content, Envelope) else None
    signature = content.signatures[0] if isinstance(content, Envelope) else content.signature
    return Signed(
        message,
        (signature,),
        envelope,
        bundle.leaf,
        bundle.intermediates,
        bundle.leaf is None,
        bundle.key_hint,
        Countersigned(bundle.entries, bundle.needs_proof, bundle.timestamps, signature),
    )


def _of_layer(candidate: Candidate) -> Signed:
    """A layer of cosign's: a simple-signing payload with its signature in an annotation, or a DSSE envelope."""
    content = candidate.content
    if candidate.media_type == cosign.SIMPLE_SIGNING:
        encoded = candidate.annotations.get(cosign.SIGNATURE, "")
        if not encoded:
            raise ParseError(f"the layer has no annotation {cosign.SIGNATURE}")
        # As Go reads it: `base64` of GNU breaks lines, and people attach what it prints.
        signature = protojson.decode_base64(encoded.replace("\r", "").replace("\n", ""), "the signature")
        return _layer(candidate, Message.of(content), (signature,), None, signature)
    if candidate.media_type == ENVELOPE:
        envelope = Envelope.parse(strictjson.loads_unsigned(content))
        return _layer(candidate, Message.of(envelope.pae), envelope.signatures, envelope, content)
    raise Refused(
        Code.SIGNATURE_UNSUPPORTED,
        f"layer of type {candidate.media_type[:100]}, which is no signature that is supported",
    )


def _layer(
    candidate: Candidate, message: Message, signatures: tuple[bytes, ...], envelope: Envelope | None, stamped: bytes
) -> Signed:
    annotations = candidate.annotations
    leaf = _pem(annotations.get(cosign.CERTIFICATE, ""), "certificate")
    chain = _pem(annotations.get(cosign.CHAIN, ""), "chain") if leaf else ()
    if len(leaf) > 1:
        raise ParseError(f"the annotation {cosign.CERTIFICATE} holds {len(leaf)} certificates, expected one")
    if len(chain) > MAX_CHAIN:
        raise ParseError(f"the annotation {cosign.CHAIN} holds {len(chain)} certificates; at most {MAX_CHAIN} are read")
    return Signed(
        message,
        signatures,
        envelope,
        leaf[0] if leaf else None,
        chain,
        by_key=True,
        key_hint="",
        beside=_beside(annotations, stamped),
        stored=candidate.content if envelope else None,
    )


def _pem(text: str, what: str) -> tuple[x509.Certificate, ...]:
    if not text:
        return ()
    try:
        return tuple(map(parse_certificate, parse_pem_certificates(strictjson.encoded(text))))
    except ParseError as error:
        raise ParseError(f"the {what} beside it: {error.message}") from error


def _beside(annotations: Mapping[str, str], stamped: bytes) -> Countersigned:
    """What a layer's annotations hold; what cannot be read is a problem only for a signer that wants it."""
    entries: tuple[LogEntry, ...] = ()
    timestamps: tuple[bytes, ...] = ()
    broken_entry = broken_timestamp = ""
    if text := annotations.get(cosign.LOG_BUNDLE):
        try:
            entries = (LogEntry.of_annotation(text),)
        except ParseError as error:
            broken_entry = error.message
    if text := annotations.get(cosign.TIMESTAMP):
        try:
            value = strictjson.as_object(strictjson.loads_text(text), "the timestamp")
            timestamps = (protojson.raw(value, "SignedRFC3161Timestamp", "the timestamp"),)
        except ParseError as error:
            broken_timestamp = error.message
    return Countersigned(
        entries,
        timestamps=timestamps,
        stamped=stamped,
        broken_entry=broken_entry,
        broken_timestamp=broken_timestamp,
    )
