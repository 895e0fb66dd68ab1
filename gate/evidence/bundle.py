"""Sigstore bundles v0.3 in JSON (sigstore/protobuf-specs, sigstore_bundle.proto). Nothing is verified here."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from gate import strictjson
from gate.errors import ParseError
from gate.evidence.dsse import Envelope

MEDIA_TYPE_PREFIX: Final = "application/vnd.dev.sigstore.bundle"
_V03: Final = frozenset(
    {"application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.dev.sigstore.bundle+json;version=0.3"}
)
MAX_LOG_ENTRIES: Final = 32


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle's parts.

    Attributes:
        envelope: its DSSE envelope; None where it holds a bare message signature.
        key_hint: hex SHA-256 of the public key it names; "" where the hint is something else.
        by_certificate: its verification material is a certificate and no key.
        log_entries: how many transparency log entries it carries.
    """

    envelope: Envelope | None
    key_hint: str
    by_certificate: bool
    log_entries: int

    @classmethod
    def parse(cls, content: bytes) -> Bundle:
        """Read a v0.3 bundle.

        Raises:
            ParseError: not JSON, another version, no verification material or content, or two of one.
        """
        value = strictjson.as_object(strictjson.loads(content), "the bundle")
        media_type = strictjson.text(value, "mediaType", "the bundle")
        if media_type not in _V03:
            raise ParseError(f"bundle version {media_type[:100]!r} is not supported: only v0.3 is")
        material = strictjson.as_object(
            strictjson.get(value, "verificationMaterial"), "the bundle's verificationMaterial"
        )
        kinds = [
            k for k in ("publicKey", "certificate", "x509CertificateChain") if strictjson.get(material, k) is not None
        ]
        if len(kinds) != 1:
            raise ParseError(f"the bundle names {len(kinds)} keys or certificates, expected one")
        return cls(
            _envelope(value),
            _hint(material) if kinds == ["publicKey"] else "",
            kinds != ["publicKey"],
            _log_entries(material),
        )


def _envelope(value: dict[str, object]) -> Envelope | None:
    envelope = strictjson.get(value, "dsseEnvelope")
    message = strictjson.get(value, "messageSignature")
    if (envelope is None) == (message is None):
        raise ParseError("the bundle has to hold exactly one of `dsseEnvelope` and `messageSignature`")
    return None if envelope is None else Envelope.parse(envelope)


def _hint(material: dict[str, object]) -> str:
    hint = strictjson.get(strictjson.as_object(strictjson.get(material, "publicKey"), "the bundle's publicKey"), "hint")
    if not isinstance(hint, str):
        return ""
    try:
        return base64.b64decode(hint, validate=True).hex()
    except (binascii.Error, ValueError):
        return ""


def _log_entries(material: dict[str, object]) -> int:
    entries = strictjson.get(material, "tlogEntries")
    if entries is None:
        return 0
    if not isinstance(entries, list):
        raise ParseError("the bundle's tlogEntries is not a list")
    if len(entries) > MAX_LOG_ENTRIES:
        raise ParseError(f"the bundle has {len(entries)} log entries; at most {MAX_LOG_ENTRIES} are read")
    return len(entries)
