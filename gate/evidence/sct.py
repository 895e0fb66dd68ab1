"""Signed certificate timestamps embedded in a certificate (RFC 6962, 3.2): a CT log's word that it has seen it."""

from __future__ import annotations

import hashlib
from datetime import UTC
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.certificate_transparency import LogEntryType, SignatureAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID

from gate.codes import Code
from gate.evidence.limits import MAX_SCTS
from gate.evidence.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography.x509.certificate_transparency import SignedCertificateTimestamp

    from gate.trust.root import Log

_CERTIFICATE_TIMESTAMP: Final = b"\x00"
_VERSION_1: Final = b"\x00"
_SIGNATURES: Final = frozenset({SignatureAlgorithm.ECDSA, SignatureAlgorithm.RSA})


def verify_scts(chain: Sequence[x509.Certificate], logs: Sequence[Log]) -> frozenset[str]:
    """The CT logs whose timestamps in a certificate hold, by hex id.

    Args:
        chain: the verified path, leaf first, with its issuer.
        logs: the CT logs that are trusted.

    Raises:
        Refused: SCT_MISSING: there is none, or none that holds; says why.
    """
    leaf = chain[0]
    scts = _embedded(leaf)
    if not scts:
        raise Refused(Code.SCT_MISSING, "its certificate has no signed certificate timestamp")
    issuer_key = _issuer_key_hash(chain)
    reasons: list[str] = []
    found: set[str] = set()
    for sct in scts[:MAX_SCTS]:
        reason = _check(sct, leaf, issuer_key, logs)
        if reason:
            reasons.append(reason)
        else:
            found.add(sct.log_id.hex())
    if not found:
        raise Refused(Code.SCT_MISSING, f"no certificate timestamp of its certificate holds: {'; '.join(reasons[:3])}")
    return frozenset(found)


def _embedded(leaf: x509.Certificate) -> list[SignedCertificateTimestamp]:
    try:
        return list(leaf.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps).value)
    except x509.ExtensionNotFound:
        return []


def _issuer_key_hash(chain: Sequence[x509.Certificate]) -> bytes:
    """SHA-256 of the key that issued the final certificate; a precertificate signing certificate stands in for it."""
    issuers = chain[1:]
    issuer = issuers[1] if len(issuers) > 1 and _signs_precertificates(issuers[0]) else issuers[0]
    spki = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()


def _signs_precertificates(issuer: x509.Certificate) -> bool:
    try:
        usage = issuer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.CERTIFICATE_TRANSPARENCY in usage


def _check(sct: SignedCertificateTimestamp, leaf: x509.Certificate, issuer_key: bytes, logs: Sequence[Log]) -> str:
    """Why the timestamp does not hold; "" where it does."""
    named = [log for log in logs if sct.log_id in log.ids]
    if not named:
        return f"CT log {sct.log_id.hex()[:12]} is not in the trusted root"
    try:
        at = _time(sct)
    except (ValueError, OverflowError):
        return "its time is out of range"
    current = [log for log in named if log.window.holds(at)]
    if not current:
        return f"CT log {named[0].url or sct.log_id.hex()[:12]} was not in use at {at:%Y-%m-%dT%H:%M:%SZ}"
    if sct.entry_type is not LogEntryType.PRE_CERTIFICATE:
        return "it is not of a precertificate"
    if not isinstance(sct.signature_hash_algorithm, hashes.SHA256) or sct.signature_algorithm not in _SIGNATURES:
        return "it is not signed with ECDSA or RSA over SHA-256"
    signed = _signed(sct, leaf.tbs_precertificate_bytes, issuer_key, at)
    if not any(log.key.verifies(sct.signature, signed) for log in current):
        return f"the signature by CT log {current[0].url or sct.log_id.hex()[:12]} is wrong"
    return ""


def _signed(sct: SignedCertificateTimestamp, tbs: bytes, issuer_key: bytes, at: datetime) -> bytes:
    """The structure that is signed: version, type, time, a precertificate entry, extensions."""
    milliseconds = round(at.timestamp() * 1000)
    return b"".join(
        (
            _VERSION_1,
            _CERTIFICATE_TIMESTAMP,
            milliseconds.to_bytes(8, "big"),
            LogEntryType.PRE_CERTIFICATE.value.to_bytes(2, "big"),
            issuer_key,
            len(tbs).to_bytes(3, "big"),
            tbs,
            len(sct.extension_bytes).to_bytes(2, "big"),
            sct.extension_bytes,
        )
    )


def _time(sct: SignedCertificateTimestamp) -> datetime:
    return sct.timestamp.replace(tzinfo=UTC)  # the library gives UTC without saying so
