"""What a log entry says was logged, bound to what was really signed, by whom and over what.

An entry that is genuine and about something else proves nothing (CVE-2022-36056, CVE-2026-22703): signature, verifier
and content each have to be the candidate's own. The shapes are Rekor's (sigstore/rekor, pkg/types; sigstore/
rekor-tiles, entry.proto).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gate import protojson, strictjson
from gate.errors import ParseError
from gate.evidence.limits import MAX_SIGNATURES
from gate.evidence.message import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.evidence.dsse import Envelope
    from gate.evidence.entry import LogEntry

Digests = Callable[[str], bytes | None]
"""Digests of something by algorithm name; None for one that is not known."""

_V2_HASHES: Final = {"SHA2_256": "sha256", "SHA2_384": "sha384", "SHA2_512": "sha512"}


@dataclass(frozen=True, slots=True)
class Logged:
    """What an entry has to be about.

    Attributes:
        message: what the signature is over: a payload, a blob, or an envelope's pre-authentication encoding.
        signature: the raw signature.
        verifier: DER of the certificate, or of the SubjectPublicKeyInfo, that it verifies with.
        envelope: the DSSE envelope, where there is one.
        stored: the envelope's bytes as they were stored, where nothing encoded them anew.
    """

    message: Message
    signature: bytes
    verifier: bytes = field(repr=False)
    envelope: Envelope | None = None
    stored: bytes | None = field(default=None, repr=False)


def check_body(entry: LogEntry, logged: Logged) -> None:
    """Compare an entry's body with what was signed.

    Raises:
        ParseError: it is of an unknown kind, malformed, or about something else; says which part differs.
    """
    body = strictjson.as_object(strictjson.loads_unsigned(entry.body), "the log entry's body")
    kind = strictjson.text(body, "kind", "the log entry's body")
    version = strictjson.text(body, "apiVersion", "the log entry's body")
    if entry.kind and (entry.kind, entry.version) != (kind, version):
        raise ParseError(f"the log entry is called {entry.kind} {entry.version}, its body {kind} {version}")
    spec = protojson.message(body, "spec", "the log entry's spec")
    match (kind, version):
        case ("hashedrekord", "0.0.1"):
            _hashedrekord_1(spec, logged)
        case ("hashedrekord", "0.0.2"):
            _hashedrekord_2(protojson.message(spec, "hashedRekordV002", "hashedRekordV002"), logged)
        case ("dsse", "0.0.1"):
            _dsse_1(spec, logged)
        case ("dsse", "0.0.2"):
            _dsse_2(protojson.message(spec, "dsseV002", "dsseV002"), logged)
        case ("intoto", "0.0.1"):
            _intoto_1(spec, logged)
        case ("intoto", "0.0.2"):
            _intoto_2(spec, logged)
        case _:
            raise ParseError(f"log entries of kind {kind[:50]} {version[:20]} are not supported")


def _hashedrekord_1(spec: dict[str, object], logged: Logged) -> None:
    data = protojson.message(spec, "data", "the logged data")
    _same_hash(protojson.message(data, "hash", "the logged hash"), logged.message.digest, "message")
    signature = protojson.message(spec, "signature", "the logged signature")
    _same_signature(protojson.raw(signature, "content", "the logged signature"), logged)
    key = protojson.message(signature, "publicKey", "the logged public key")
    _same_pem(protojson.raw(key, "content", "the logged public key"), logged)


def _hashedrekord_2(spec: dict[str, object], logged: Logged) -> None:
    _same_v2_hash(protojson.message(spec, "data", "the logged data"), logged.message.digest, "message")
    _same_v2_signature(protojson.message(spec, "signature", "the logged signature"), logged)


def _dsse_1(spec: dict[str, object], logged: Logged) -> None:
    envelope = _envelope(logged)
    _same_hash(
        protojson.message(spec, "payloadHash", "the logged payload hash"), _digest_of(envelope.payload), "payload"
    )
    (signature,) = _one(spec, "signatures")
    _same_signature(protojson.raw(signature, "signature", "the logged signature"), logged)
    _same_pem(protojson.raw(signature, "verifier", "the logged verifier"), logged)


def _dsse_2(spec: dict[str, object], logged: Logged) -> None:
    envelope = _envelope(logged)
    _same_v2_hash(
        protojson.message(spec, "payloadHash", "the logged payload hash"), _digest_of(envelope.payload), "payload"
    )
    (signature,) = _one(spec, "signatures")
    _same_v2_signature(signature, logged)


def _intoto_1(spec: dict[str, object], logged: Logged) -> None:
    """It has no signature of its own: only the hash over the whole envelope, as it was stored, binds it."""
    envelope = _envelope(logged)
    content = protojson.message(spec, "content", "the logged content")
    if logged.stored is None:
        raise ParseError("an intoto 0.0.1 entry is about an envelope's stored bytes, and a bundle does not have them")
    _same_hash(protojson.message(content, "hash", "the logged hash"), _digest_of(logged.stored), "envelope")
    if strictjson.get(content, "payloadHash") is not None:
        payload_hash = protojson.message(content, "payloadHash", "the logged payload hash")
        _same_hash(payload_hash, _digest_of(envelope.payload), "payload")
    _same_pem(protojson.raw(spec, "publicKey", "the logged public key"), logged)


def _intoto_2(spec: dict[str, object], logged: Logged) -> None:
    envelope = _envelope(logged)
    content = protojson.message(spec, "content", "the logged content")
    payload_hash = protojson.message(content, "payloadHash", "the logged payload hash")
    _same_hash(payload_hash, _digest_of(envelope.payload), "payload")
    shown = protojson.message(content, "envelope", "the logged envelope")
    if protojson.string(shown, "payloadType", "the logged payload type") != envelope.payload_type:
        raise ParseError("the log entry is about another payload type")
    (signature,) = _one(shown, "signatures")
    twice = protojson.raw(signature, "sig", "the logged signature")  # Rekor encodes the envelope's base64 again
    try:
        encoded = twice.decode("ascii")
    except UnicodeDecodeError as error:
        raise ParseError("the logged signature is not base64") from error
    _same_signature(protojson.decode_base64(encoded, "the logged signature"), logged)
    _same_pem(protojson.raw(signature, "publicKey", "the logged public key"), logged)


def _envelope(logged: Logged) -> Envelope:
    if logged.envelope is None:
        raise ParseError("the log entry is about a DSSE envelope, and what was signed is none")
    return logged.envelope


def _one(value: dict[str, object], key: str) -> list[dict[str, object]]:
    """The one signature of an entry: with more, which of them was checked by the log is anybody's guess."""
    found = protojson.repeated(value, key, "the logged signatures", MAX_SIGNATURES)
    if len(found) != 1:
        raise ParseError(f"the log entry has {len(found)} signatures, expected one")
    return [strictjson.as_object(found[0], "a logged signature")]


def _digest_of(content: bytes) -> Digests:
    """Digests of some bytes by algorithm name, computed when asked."""
    return Message.of(content).digest


def _same_hash(stated: Mapping[str, object], digests: Digests, what: str) -> None:
    value = dict(stated)
    algorithm = strictjson.text(value, "algorithm", "the logged hash")
    try:
        logged = bytes.fromhex(strictjson.text(value, "value", "the logged hash"))
    except ValueError as error:
        raise ParseError("the logged hash is not hexadecimal") from error
    _compare(algorithm, logged, digests, what)


def _same_v2_hash(stated: dict[str, object], digests: Digests, what: str) -> None:
    algorithm = protojson.string(stated, "algorithm", "the logged hash")
    _compare(_V2_HASHES.get(algorithm, algorithm), protojson.raw(stated, "digest", "the logged hash"), digests, what)


def _compare(algorithm: str, logged: bytes, digests: Digests, what: str) -> None:
    got = digests(algorithm)
    if got is None:
        raise ParseError(f"the log entry's {what} hash is by {algorithm[:20]!r}, which cannot be compared here")
    if not logged or logged != got:
        raise ParseError(f"the log entry is about another {what}")


def _same_signature(logged: bytes, expected: Logged) -> None:
    if not logged or logged != expected.signature:
        raise ParseError("the log entry is about another signature")


def _same_pem(pem: bytes, logged: Logged) -> None:
    if _pem_to_der(pem) != logged.verifier:
        raise ParseError("the log entry is about another key or certificate")


def _same_v2_signature(signature: dict[str, object], logged: Logged) -> None:
    _same_signature(protojson.raw(signature, "content", "the logged signature"), logged)
    verifier = protojson.message(signature, "verifier", "the logged verifier")
    kinds = [k for k in ("publicKey", "x509Certificate") if strictjson.get(verifier, k) is not None]
    if len(kinds) != 1:
        raise ParseError(f"the log entry names {len(kinds)} verifiers, expected one")
    named = protojson.message(verifier, kinds[0], "the logged verifier")
    if protojson.raw(named, "rawBytes", "the logged verifier") != logged.verifier:
        raise ParseError("the log entry is about another key or certificate")


def _pem_to_der(pem: bytes) -> bytes:
    """A PEM certificate or public key in DER; clients differ in line lengths and final newlines."""
    try:
        if b"-----BEGIN CERTIFICATE-----" in pem:
            return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
        key = serialization.load_pem_public_key(pem)
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, TypeError, KeyError, x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise ParseError("the log entry's verifier is no PEM certificate or public key") from error
