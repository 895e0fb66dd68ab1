"""Public keys. The algorithm comes from the key, never from the signature (research: CVE class "alg confusion")."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, assert_never

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from gate.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_KEY: Final = 64 * 1024
_RSA_BITS: Final = (2048, 16384)

_Key = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey


class Hash(StrEnum):
    """Hash functions a signer may be set to use. SHA-1 is not among them."""

    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"

    @property
    def algorithm(self) -> hashes.HashAlgorithm:
        """The function itself."""
        match self:
            case Hash.SHA256:
                return hashes.SHA256()
            case Hash.SHA384:
                return hashes.SHA384()
            case Hash.SHA512:
                return hashes.SHA512()


# What a key without a stated hash may have signed with: cosign up to 2.5 always took SHA-256, from 2.6 on the
# curve's own. The list is fixed by the key; nothing in a signature chooses from it.
_CURVES: Final[dict[str, tuple[str, tuple[Hash, ...]]]] = {
    "secp256r1": ("ECDSA P-256", (Hash.SHA256,)),
    "secp384r1": ("ECDSA P-384", (Hash.SHA384, Hash.SHA256)),
    "secp521r1": ("ECDSA P-521", (Hash.SHA512, Hash.SHA256)),
}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that signatures are verified with. Two are equal when key and hashes are.

    Attributes:
        spki: DER of its SubjectPublicKeyInfo.
        fingerprint: lower-case hex SHA-256 of `spki`; names the principal in decisions.
        algorithm: for people, such as `ECDSA P-256`.
        hashes: the hash functions its signatures may use; empty for Ed25519, which has its own.
    """

    spki: bytes
    fingerprint: str
    algorithm: str
    hashes: tuple[Hash, ...]
    _key: _Key = field(compare=False, repr=False)

    @classmethod
    def parse(cls, pem: bytes, hash_name: Hash | None = None) -> PublicKey:
        """Read one PEM public key: ECDSA P-256, P-384, P-521, RSA of 2048 bits or more, Ed25519.

        Args:
            pem: the text; exactly one `PUBLIC KEY` block.
            hash_name: the one hash its signatures use, where a policy states it.

        Raises:
            ParseError: not such a key, and what it seems to be instead.
        """
        _check_pem(pem)
        try:
            key = serialization.load_pem_public_key(pem)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ParseError(f"not a public key: {str(error)[:150]}") from error
        return cls.of(key, hash_name)

    @classmethod
    def parse_der(cls, der: bytes, hash_name: Hash | None = None) -> PublicKey:
        """Read the DER of a SubjectPublicKeyInfo, or of an RSA key by PKCS #1; otherwise as `parse`."""
        if len(der) > MAX_KEY:
            raise ParseError(f"not a public key: {len(der)} bytes")
        try:
            key = serialization.load_der_public_key(der)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ParseError(f"not a public key: {str(error)[:150]}") from error
        return cls.of(key, hash_name)

    @classmethod
    def of(cls, key: object, hash_name: Hash | None = None) -> PublicKey:
        """A key that `cryptography` has read, of a certificate for instance; otherwise as `parse`."""
        algorithm, allowed = _algorithm(key)
        if hash_name is not None:
            if not allowed:
                raise ParseError(f"an {algorithm} key has its own hash", remedy="remove `hash`")
            allowed = (hash_name,)
        assert isinstance(key, _Key)
        spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return cls(spki, hashlib.sha256(spki).hexdigest(), algorithm, allowed, key)

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` over `message` was made by the holder of this key.

        ECDSA (DER), RSA PKCS #1 v1.5, Ed25519 and Ed25519ph (RFC 8032, 5.1): cosign signs with the second where its
        signature goes to a log. Which of them a signature may be is the key's; they cannot be taken for each other.
        """
        key = self._key
        match key:
            case ed25519.Ed25519PublicKey():
                return _is_pure(key, signature, message) or _is_prehashed(key, signature, message)
            case ec.EllipticCurvePublicKey() | rsa.RSAPublicKey():
                return any(_verifies_with(key, h.algorithm, signature, message) for h in self.hashes)
            case _:
                assert_never(key)

    def verifies_digests(self, signature: bytes, digests: Mapping[Hash, bytes]) -> bool | None:
        """As `verifies`, of a message of which only some digests are known; None where this key would need more.

        Ed25519 always does: it hashes the message itself, and not before something else (RFC 8032, 5.1.6).
        """
        key = self._key
        if isinstance(key, ed25519.Ed25519PublicKey):
            return None
        known = [h for h in self.hashes if h in digests]
        if any(_verifies_with(key, Prehashed(h.algorithm), signature, digests[h]) for h in known):
            return True
        return False if len(known) == len(self.hashes) else None

    @property
    def short(self) -> str:
        """For people: the algorithm and the first twelve digits of the fingerprint."""
        return f"{self.algorithm} key {self.fingerprint[:12]}"


def _check_pem(pem: bytes) -> None:
    if len(pem) > MAX_KEY:
        raise ParseError(f"not a public key: {len(pem)} bytes")
    if b"PRIVATE KEY-----" in pem:
        raise ParseError(
            "this is a private key",
            remedy="use the public one (cosign public-key --key …) and replace the private key: it has been exposed",
        )
    if b"-----BEGIN CERTIFICATE-----" in pem:
        raise ParseError("this is a certificate, not a public key")
    blocks = pem.count(b"-----BEGIN ")
    if blocks != 1:
        raise ParseError(f"expected one PEM block `-----BEGIN PUBLIC KEY-----`, found {blocks}")


def _algorithm(key: object) -> tuple[str, tuple[Hash, ...]]:
    match key:
        case ec.EllipticCurvePublicKey() if key.curve.name in _CURVES:
            return _CURVES[key.curve.name]
        case ec.EllipticCurvePublicKey():
            raise ParseError(f"curve {key.curve.name} is not supported", remedy="use P-256, P-384 or P-521")
        case rsa.RSAPublicKey():
            least, most = _RSA_BITS
            if not least <= key.key_size <= most:
                raise ParseError(
                    f"an RSA key of {key.key_size} bits is not accepted", remedy=f"use {least} bits or more"
                )
            return f"RSA {key.key_size}", (Hash.SHA256,)
        case ed25519.Ed25519PublicKey():
            return "Ed25519", ()
        case _:
            raise ParseError(f"keys of type {type(key).__name__} are not supported", remedy="use ECDSA, RSA or Ed25519")


def _is_pure(key: ed25519.Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _is_prehashed(key: ed25519.Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    """Ed25519ph with an empty context, which `cryptography` does not have."""
    from nacl import bindings, exceptions  # noqa: PLC0415 - few signatures want it

    state = bindings.crypto_sign_ed25519ph_state()
    bindings.crypto_sign_ed25519ph_update(state, message)
    try:
        return bool(bindings.crypto_sign_ed25519ph_final_verify(state, signature, key.public_bytes_raw()))
    except (exceptions.CryptoError, ValueError, TypeError):
        return False


def _verifies_with(
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    algorithm: hashes.HashAlgorithm | Prehashed,
    signature: bytes,
    message: bytes,
) -> bool:
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), algorithm)
        else:
            key.verify(signature, message, ec.ECDSA(algorithm))
    except (InvalidSignature, ValueError):
        return False
    return True
