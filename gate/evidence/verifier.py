"""One candidate, one image digest, the keys that are trusted: verified facts, or the reason there are none.

The order of the steps is the defence: nothing of a payload is read before its signature is known to be by a trusted
key, and nothing unsigned (annotations, media types, hints) decides anything but which bytes are tried.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from gate.codes import Code
from gate.errors import ParseError
from gate.evidence import bundle, cosign
from gate.evidence.dsse import COSIGN_SIGN, Envelope, Statement, decode_base64
from gate.evidence.facts import Format, KeySigner, Rejection, VerifiedSignature

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gate.image.digest import Digest
    from gate.image.reference import Repository
    from gate.trust.key import PublicKey


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something stored beside an image that may be a signature of it. Not verified.

    Attributes:
        format: where it was found.
        digest: of `content`, which has been compared with it.
        media_type: what its layer calls it.
        content: the payload or bundle.
        annotations: its layer's, unsigned.
    """

    format: Format
    digest: Digest
    media_type: str
    content: bytes = field(repr=False)
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)


class _Refused(Exception):  # an answer on its way to becoming a Rejection, never seen outside
    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Claims:
    """What verified bytes say."""

    annotations: Mapping[str, str]
    docker_reference: Repository | str | None


def verify(candidate: Candidate, image: Digest, keys: Sequence[PublicKey]) -> tuple[VerifiedSignature, ...] | Rejection:
    """Judge one candidate.

    Returns:
        A fact for each trusted key that made it (one key with two hash settings can give two), or why it is
        rejected.
    """
    try:
        match candidate.format:
            case Format.BUNDLE:
                return _verify_bundle(candidate, image, keys)
            case Format.LEGACY | Format.REFERRER_LEGACY:
                return _verify_simple_signing(candidate, image, keys)
            case Format.NOTATION:
                raise _Refused(Code.SIGNATURE_UNSUPPORTED, "a Notary Project signature, which is not supported yet")
            case _:
                assert_never(candidate.format)
    except _Refused as refused:
        return Rejection(candidate.format, candidate.digest, refused.code, refused.reason)
    except ParseError as error:
        return Rejection(candidate.format, candidate.digest, Code.SIGNATURE_INVALID, error.message)


def _verify_simple_signing(
    candidate: Candidate, image: Digest, keys: Sequence[PublicKey]
) -> tuple[VerifiedSignature, ...]:
    # 1. The layer is a simple-signing payload with a signature beside it.
    if candidate.media_type != cosign.SIMPLE_SIGNING:
        raise _Refused(
            Code.SIGNATURE_UNSUPPORTED,
            f"layer of type {candidate.media_type[:100]}, which is no signature that is supported",
        )
    encoded = candidate.annotations.get(cosign.SIGNATURE, "")
    if not encoded:
        raise _Refused(Code.SIGNATURE_INVALID, f"the layer has no annotation {cosign.SIGNATURE}")
    signature = decode_base64(encoded, "the signature")
    # 2. The signature over the raw payload is by a trusted key.
    signers = [key for key in keys if key.verifies(signature, candidate.content)]
    if not signers:
        raise _mismatch(keys, by_certificate=cosign.CERTIFICATE in candidate.annotations)
    # 3. Only now the payload is read: type, digest.
    payload = cosign.SimpleSigning.parse(candidate.content)
    if payload.digest != image:
        raise _Refused(Code.SIGNATURE_INVALID, f"it signs {payload.digest}, not this image, {image}")
    # 4. What it carries of a transparency log is not verified here; policy decides whether that matters.
    claims = _Claims(payload.annotations, payload.docker_reference)
    return _facts(candidate, signers, claims, logged=cosign.LOG_BUNDLE in candidate.annotations)


def _verify_bundle(candidate: Candidate, image: Digest, keys: Sequence[PublicKey]) -> tuple[VerifiedSignature, ...]:
    # 1. A v0.3 bundle holding a DSSE envelope with exactly one signature.
    parsed = bundle.Bundle.parse(candidate.content)
    envelope = parsed.envelope
    if envelope is None:
        raise _Refused(Code.SIGNATURE_UNSUPPORTED, "a bundle over a message, not over an in-toto statement")
    if len(envelope.signatures) != 1:
        raise _Refused(Code.SIGNATURE_INVALID, f"the bundle has {len(envelope.signatures)} signatures, expected one")
    # 2. It is a key's: a certificate's bundle must not be taken for one (sigstore-go, "expected key signature").
    if parsed.by_certificate:
        raise _mismatch(keys, by_certificate=True)
    # 3. The signature over the pre-authentication encoding is by a trusted key.
    signers = [key for key in keys if key.verifies(envelope.signatures[0], envelope.pae)]
    if not signers:
        raise _mismatch(keys, hint=parsed.key_hint)
    # 4. Only now the statement is read: subject, predicate type.
    claims = _signed_claims(envelope, image)
    # 5. As step 4 of simple signing.
    return _facts(candidate, signers, claims, logged=parsed.log_entries > 0)


def _signed_claims(envelope: Envelope, image: Digest) -> _Claims:
    statement = Statement.parse(envelope.payload)
    if statement.predicate_type != COSIGN_SIGN:
        raise _Refused(
            Code.SIGNATURE_MISSING, f"an attestation of type {statement.predicate_type[:100]}, not a signature"
        )
    subject = next((s for s in statement.subjects if s.names(image)), None)
    if subject is None:
        named = ", ".join(f"{a}:{h}" for s in statement.subjects[:3] for a, h in s.digests.items())
        raise _Refused(Code.SIGNATURE_INVALID, f"it signs {named[:200] or 'no digest'}, not this image, {image}")
    return _Claims(subject.annotations, None)


def _facts(
    candidate: Candidate, signers: Sequence[PublicKey], claims: _Claims, *, logged: bool
) -> tuple[VerifiedSignature, ...]:
    return tuple(
        VerifiedSignature(
            candidate.format, candidate.digest, KeySigner(key), claims.annotations, claims.docker_reference, logged
        )
        for key in signers
    )


def _mismatch(keys: Sequence[PublicKey], *, hint: str = "", by_certificate: bool = False) -> _Refused:
    if by_certificate:
        return _Refused(Code.KEY_MISMATCH, "signed with a certificate, by none of the accepted keys")
    if any(key.fingerprint == hint for key in keys):
        return _Refused(Code.SIGNATURE_INVALID, f"it names key {hint[:12]}, but its signature is not by that key")
    by = f"by key {hint[:12]}" if hint else "by another key"
    return _Refused(Code.KEY_MISMATCH, f"signed {by}, by none of the accepted keys")
