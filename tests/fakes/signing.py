"""Keys that tests share; made once a process, on first use."""

from __future__ import annotations

from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gate.demo.signing import SigningKey


@cache
def alice() -> SigningKey:
    return SigningKey.generate()


@cache
def bob() -> SigningKey:
    return SigningKey.generate()


@cache
def mallory() -> SigningKey:
    """Nobody trusts this one."""
    return SigningKey.generate()


@cache
def rsa_key() -> SigningKey:
    """RSA 2048: slow to make, so there is one."""
    return SigningKey(rsa.generate_private_key(65537, 2048), hashes.SHA256())


@cache
def p384_key() -> SigningKey:
    return SigningKey(ec.generate_private_key(ec.SECP384R1()), hashes.SHA384())


@cache
def ed25519_key() -> SigningKey:
    return SigningKey(ed25519.Ed25519PrivateKey.generate(), hashes.SHA256())
