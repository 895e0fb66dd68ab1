"""Signs image digests with a key as cosign does: simple signing, and DSSE in a Sigstore bundle v0.3."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from gate.evidence import cosign, dsse
from gate.trust.key import PublicKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.image.digest import Digest

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key that lives in memory only."""

    private: PrivateKey
    hash: hashes.HashAlgorithm

    @classmethod
    def generate(cls) -> Self:
        """A new ECDSA P-256 key, as `cosign generate-key-pair` makes."""
        return cls(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())

    @property
    def pem(self) -> bytes:
        """The public half, PEM."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def public(self) -> PublicKey:
        """The public half, as the gate reads it."""
        return PublicKey.parse(self.pem)

    def sign(self, message: bytes) -> bytes:
        """A raw signature over `message`."""
        match self.private:
            case ec.EllipticCurvePrivateKey():
                return self.private.sign(message, ec.ECDSA(self.hash))
            case rsa.RSAPrivateKey():
                return self.private.sign(message, padding.PKCS1v15(), self.hash)
            case ed25519.Ed25519PrivateKey():
                return self.private.sign(message)

    def simple_signing(
        self, digest: Digest, docker_reference: str, annotations: Mapping[str, str] | None = None
    ) -> tuple[bytes, dict[str, str]]:
        """A payload naming `digest`, and its layer's annotations with the signature."""
        payload = _compact(
            {
                "critical": {
                    "identity": {"docker-reference": docker_reference},
                    "image": {"docker-manifest-digest": str(digest)},
                    "type": cosign.TYPE,
                },
                "optional": dict(annotations) if annotations else None,
            }
        )
        return payload, {cosign.SIGNATURE: _b64(self.sign(payload))}

    def bundle(
        self, digest: Digest, annotations: Mapping[str, str] | None = None, predicate_type: str = dsse.COSIGN_SIGN
    ) -> bytes:
        """A bundle whose statement names `digest`."""
        subject: dict[str, object] = {"digest": {digest.algorithm: digest.hex}}
        if annotations:
            subject["annotations"] = dict(annotations)
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [subject],
            "predicateType": predicate_type,
            "predicate": {},
        }
        return self.bundle_of(_compact(statement))

    def bundle_of(self, payload: bytes) -> bytes:
        """A bundle over any payload."""
        envelope = dsse.Envelope(dsse.PAYLOAD_TYPE, payload, ())
        return _compact(
            {
                "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
                "verificationMaterial": {"publicKey": {"hint": _b64(bytes.fromhex(self.public.fingerprint))}},
                "dsseEnvelope": {
                    "payload": _b64(payload),
                    "payloadType": dsse.PAYLOAD_TYPE,
                    "signatures": [{"sig": _b64(self.sign(envelope.pae))}],
                },
            }
        )
