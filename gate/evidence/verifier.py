"""One candidate, what it should be about, what is trusted: verified facts, or the reason there are none.

The steps follow the Sigstore client specification, section 4 (sigstore/architecture-docs, client-spec.md). Their
order is the defence: nothing of a payload decides before its signature is known to be by a trusted signer, and nothing
unsigned (annotations, media types, hints) decides anything but which bytes are tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding

from gate.codes import Code
from gate.errors import ParseError
from gate.evidence import cosign
from gate.evidence.certificate import find_path
from gate.evidence.dsse import COSIGN_SIGN, ENVELOPE, Statement
from gate.evidence.entry_body import Logged
from gate.evidence.facts import (
    CertificateSigner,
    KeySigner,
    Problem,
    Rejection,
    VerifiedAttestation,
    VerifiedSignature,
    Witness,
)
from gate.evidence.identity import identity_of
from gate.evidence.refusal import Refused
from gate.evidence.sct import verify_scts
from gate.evidence.signed import take_apart
from gate.evidence.witness import witness
from gate.trust.key import PublicKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography import x509

    from gate.evidence.candidate import Candidate
    from gate.evidence.facts import Signer
    from gate.evidence.signed import Signed
    from gate.image.digest import Digest
    from gate.trust.anchors import Anchors, Issuers
    from gate.trust.root import TrustedRoot

Fact = VerifiedSignature | VerifiedAttestation

_UNWITNESSED: Final = Witness(
    no_log=Problem(Code.LOG_ENTRY_MISSING, "it has no transparency log entry"),
    no_timestamp=Problem(Code.TIMESTAMP_MISSING, "it has no timestamp"),
)
_UNEXAMINED: Final = Witness(
    no_log=Problem(Code.TRUST_ROOT_UNAVAILABLE, "its log entry was not examined: there is no trusted root"),
    no_timestamp=Problem(Code.TRUST_ROOT_UNAVAILABLE, "its timestamp was not examined: there is no trusted root"),
)


@dataclass(frozen=True, slots=True)
class Proven:
    """A signature that holds, by somebody who is trusted."""

    signer: Signer
    witness: Witness


def verify(candidate: Candidate, image: Digest, anchors: Anchors) -> tuple[Fact, ...] | Rejection:
    """Judge one candidate for an image.

    Returns:
        A fact for each trusted signer that made it (one key with two hash settings can give two), or why it is
        rejected.
    """
    attestation = {cosign.SIMPLE_SIGNING: False, ENVELOPE: True}.get(candidate.media_type)
    try:
        signed = take_apart(candidate)
        proven = prove(signed, anchors)
        return tuple(_facts(candidate, signed, image, proven))
    except Refused as refused:
        return Rejection(candidate.format, candidate.digest, refused.code, refused.reason, attestation)
    except ParseError as error:
        return Rejection(candidate.format, candidate.digest, Code.SIGNATURE_INVALID, error.message, attestation)


def prove(signed: Signed, anchors: Anchors) -> tuple[Proven, ...]:
    """Who made a signature, of those who are trusted, and what is witnessed of it. Its content is not looked at.

    Raises:
        Refused: nobody of them; says the most telling reason.
    """
    proven: list[Proven] = []
    reasons: list[Refused] = []
    if signed.by_key:
        for holder in anchors.holders:
            try:
                signature = _signature_by(signed, holder.key)
            except Refused as refused:  # by another's key it may hold all the same
                reasons.append(refused)
                continue
            if signature is not None:
                seen = _witness(signed, signature, holder.key.spki, holder.root)
                proven.append(Proven(KeySigner(holder.key, holder.trust), seen))
    if signed.leaf is not None:
        for issuers in anchors.issuers:
            try:
                proven.append(_by_certificate(signed, signed.leaf, issuers))
            except Refused as refused:
                reasons.append(refused)
    if not proven:
        raise reasons[-1] if reasons else _mismatch(signed, anchors)
    return tuple(proven)


def _by_certificate(signed: Signed, leaf: x509.Certificate, issuers: Issuers) -> Proven:
    # 4.5 The signature is by the certificate's key; cheap, and nothing else matters where it is not.
    try:
        key = PublicKey.of(leaf.public_key())
    except ParseError as error:
        raise Refused(Code.CERTIFICATE_UNTRUSTED, f"its certificate's key: {error.message}") from error
    signature = _signature_by(signed, key)
    if signature is None:
        raise Refused(Code.SIGNATURE_INVALID, "the signature is not by the certificate's key")
    # 4.2 The times of signing: of timestamps, and of logs that promised one; and 4.4, the log's entries.
    seen = _witness(signed, signature, leaf.public_bytes(Encoding.DER), issuers.root)
    # 4.3 The certificate leads to a trusted authority, and was valid at every one of those times.
    path = find_path(leaf, signed.intermediates, issuers.authorities, [time.at for time in seen.times])
    # 4.3 CT logs have seen it.
    ct_logs, no_sct = frozenset[str](), ""
    try:
        ct_logs = verify_scts(path.certificates, issuers.root.ct_logs)
    except Refused as refused:
        no_sct = refused.reason
    # 4.3 Who it names; whether that is somebody who is wanted is policy's to say.
    identity = identity_of(leaf)
    signer = CertificateSigner(
        identity, issuers.name, issuers.private, key.fingerprint, path.issuers, path.window, ct_logs, no_sct
    )
    return Proven(signer, seen)


def _signature_by(signed: Signed, key: PublicKey) -> bytes | None:
    """The first of its signatures that the key verifies."""
    message = signed.message
    for signature in signed.signatures:
        if message.content is not None:
            holds = key.verifies(signature, message.content)
        else:
            known = key.verifies_digests(signature, message.digests)
            if known is None:
                raise Refused(
                    Code.SIGNATURE_UNSUPPORTED, f"a signature by an {key.algorithm} key needs {message.lacking}"
                )
            holds = known
        if holds:
            return signature
    return None


def _witness(signed: Signed, signature: bytes, verifier: bytes, root: TrustedRoot | None) -> Witness:
    if root is None:
        return _UNWITNESSED if signed.beside.empty else _UNEXAMINED
    return witness(signed.beside, Logged(signed.message, signature, verifier, signed.envelope, signed.stored), root)


def _facts(candidate: Candidate, signed: Signed, image: Digest, proven: tuple[Proven, ...]) -> Iterator[Fact]:
    """Only now the payload is read: its type, and that it is about this image."""
    if signed.envelope is None:
        assert signed.message.content is not None
        payload = cosign.SimpleSigning.parse(signed.message.content)
        if payload.digest != image:
            raise Refused(Code.SIGNATURE_INVALID, f"it signs {payload.digest}, not this image, {image}")
        for found in proven:
            yield VerifiedSignature(
                candidate.format,
                candidate.digest,
                found.signer,
                found.witness,
                payload.annotations,
                payload.docker_reference,
            )
        return
    statement = Statement.parse(signed.envelope.payload)
    subject = next((s for s in statement.subjects if s.names(image)), None)
    if subject is None:
        named = ", ".join(f"{a}:{h}" for s in statement.subjects[:3] for a, h in s.digests.items())
        raise Refused(Code.SIGNATURE_INVALID, f"it signs {named[:200] or 'no digest'}, not this image, {image}")
    for found in proven:
        if statement.predicate_type == COSIGN_SIGN:
            yield VerifiedSignature(
                candidate.format, candidate.digest, found.signer, found.witness, subject.annotations
            )
        else:
            yield VerifiedAttestation(
                candidate.format,
                candidate.digest,
                found.signer,
                found.witness,
                statement.predicate_type,
                signed.envelope.payload,
            )


def _mismatch(signed: Signed, anchors: Anchors) -> Refused:
    hint = signed.key_hint
    if signed.leaf is not None:
        return Refused(Code.KEY_MISMATCH, "signed with a certificate, by none of the accepted keys")
    if not anchors.holders:
        return Refused(Code.IDENTITY_MISMATCH, "signed with a key; a certificate is wanted")
    if any(holder.key.fingerprint == hint for holder in anchors.holders):
        return Refused(Code.SIGNATURE_INVALID, f"it names key {hint[:12]}, but its signature is not by that key")
    by = f"by key {hint[:12]}" if hint else "by another key"
    return Refused(Code.KEY_MISMATCH, f"signed {by}, by none of the accepted keys")
