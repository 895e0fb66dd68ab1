from __future__ import annotations

import base64
import hashlib
from functools import cache
from itertools import count

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from gate.demo.signing import PrivateKey, SigningKey
from gate.errors import ParseError
from gate.trust.key import MAX_KEY, Hash, PublicKey
from tests.fakes.fulcio import Keypair

MESSAGE = b"a message"
FUNCTIONS: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
    "sha3-256": hashes.SHA3_256(),
}
NAMES = {
    "p256": "ECDSA P-256",
    "p384": "ECDSA P-384",
    "p521": "ECDSA P-521",
    "rsa2048": "RSA 2048",
    "rsa3072": "RSA 3072",
    "ed25519": "Ed25519",
}
OWN_HASH = {"p256": "sha256", "p384": "sha384", "p521": "sha512"}

DSA = b"""\
-----BEGIN PUBLIC KEY-----
MIIBtjCCASsGByqGSM44BAEwggEeAoGBAIRUslcTsnTPSF5RoDDtmBUJ5z1BIevq
oya4IIqco1+yYWKNd18s/e308jUcLVhe1RyEcDBXPQllWHrgFbyfb0gKn7E3iy5b
cUuGo1Y2P5IFjSUrS1lYQSD6vugAqAHKYEWyFvX195k3GT6zsb0R8V6PjGQPxUOZ
71YGzth8ORMbAhUA1JYTimfbIGJ0Lm9RhIMmM1pd9dsCgYBbd82kgih2RC4M/2aZ
G2EQ3zGzkt5v8jAdzP5nwrEIOmWgMJyhHdem9lzaJZ/iWkQSdWpeI3QwMFLJccoV
mWoEk2PA13ojBF3X4vs32cKb9ASCEiuRDpJ2i/d+l549vRZX28KUPsrUxL80+zK0
Dqk22j9kRM+M1YuokerFMGcxQQOBhAACgYAMXPcg9QNLkyj5wrfBTFBSAPQ0/8kx
b6wLHAcHYVJz1rWjy2xqqutPvog3Pag7Vl0KWekBJ+HSVuWO7iYZ1ziw31vIvZMS
8L9p0msV/mJffYBO4jhi86FR2W2m5RJc6OPGW9tIM2eF98KHMDJ4VPPsVilHQ8P2
ZOo1eJLM0O9eVw==
-----END PUBLIC KEY-----
"""
P192 = b"""\
-----BEGIN PUBLIC KEY-----
MEkwEwYHKoZIzj0CAQYIKoZIzj0DAQEDMgAE/7s1mp9fYlO+D+58ZsSZOf9/JYIr
CmXG0V7NLfE5RPpwgrLrlIYrScmSyObyB+lR
-----END PUBLIC KEY-----
"""
P224 = b"""\
-----BEGIN PUBLIC KEY-----
ME4wEAYHKoZIzj0CAQYFK4EEACEDOgAE60BkVK+bEiEygL6od4sanJlRVQ0opn5p
TTH2ayvxA759lwgG84r/gRuOcEVp//10vhPx9VquUH4=
-----END PUBLIC KEY-----
"""
SECP256K1 = b"""\
-----BEGIN PUBLIC KEY-----
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAE+uixeUXEzHrs3Aw+Ay1FLH3sRve0e2fP
GTKoihlXebORp8yPcsAjurssc2oT/7EsKgeqYW/Vk32dIAyco9MvUQ==
-----END PUBLIC KEY-----
"""
BRAINPOOL = b"""\
-----BEGIN PUBLIC KEY-----
MFowFAYHKoZIzj0CAQYJKyQDAwIIAQEHA0IABKe5hpHNFGI6FG1oX32ouB/NulPP
kCW4LBaFECM+0gfECUad9/GACwaKy9vyYVp78Dc+g0oMiTiJpTGVoG6Ev44=
-----END PUBLIC KEY-----
"""
X25519 = b"""\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VuAyEA6Tnc8O2Zr3KzdWZ4HrclU/NKpY8NJvW0PnR2P+swhjU=
-----END PUBLIC KEY-----
"""
ED448 = b"""\
-----BEGIN PUBLIC KEY-----
MEMwBQYDK2VxAzoADs3bL6FAPqbiFYDeLCv1sLJSYsPlsnTc4YyiyafKNxJiPLQi
WisOmA+dVL/uCuPK8kxWPExFt4YA
-----END PUBLIC KEY-----
"""
RSA1024 = b"""\
-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC5ntE+3GFIR83HEhFAOYy8zhzm
bq5nJcJFmzcMolRhszWkgGo1YcTO5aBpA4sza+/bRCgvVlMm5C5kxuRIXiuBaCWe
LelA1urdhTRIVewNw8mJjdnLVJzbpQMcE71le9thVNptZrwY9Xt5Uw6X0i0hvwhb
7akAyF9fJ+mGWypuFwIDAQAB
-----END PUBLIC KEY-----
"""
RSA2047 = b"""\
-----BEGIN PUBLIC KEY-----
MIIBITANBgkqhkiG9w0BAQEFAAOCAQ4AMIIBCQKCAQBQqW6VhKbpzVYoeJzCt/IH
LS6pvcqqsi8aQN9R5ilwix+RFXaBA5umO9LOHebtvLE5LUd4m/XtjxYPz7AawBz8
Af1Gnj2i02AxEPw5hCwq1DYDO69OumhCqpTSC7cqBxkxpJk7b1wlwgcWsItyye/s
a4rIO+1SwyWwY/EB6fk7PFZ2mCVuB7Q4GL25n+7N1gwp6pmLIWfCXqsFga1294JS
Mnem8/bzoOeguQkmstvLwWEONDd74Yp+mTnBakDmI+wHAk/DxGPZywiOOiBY3k72
9xAa3kY/iMzEZP+PKeP7BS8sFBOJqsE7Tl6AoVvHLAiqoHrGoqNQ1JhkB2snvJ6d
AgMBAAE=
-----END PUBLIC KEY-----
"""
CERTIFICATE = b"""\
-----BEGIN CERTIFICATE-----
MIIBbzCCARWgAwIBAgIUPkMa36/132cy4L54uB3LDsffrlIwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBeDAgFw0yNjExMjQxNjA1NDJaGA8yMTI2MTAzMTE2MDU0Mlow
DDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFGg7CeTaL5V
MT56cR5atCr8Aa1AH3ZObv0H8OEv1d2lT90JyG39SNmflPF0Z8i0oY9TTWV94TpD
KV7ZH55CmJmjUzBRMB0GA1UdDgQWBBRKA0KDNNr+vD6LDiVX9F4vbhb/oDAfBgNV
HSMEGDAWgBRKA0KDNNr+vD6LDiVX9F4vbhb/oDAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0gAMEUCIQChgxlHrvrvwgZ590L3AAJKtfsJC9cMaIGKLkrYbLGT
LAIgV2IXSRv5px7P1t9GPIl6Mdqz7nHmn1VBoD99kUqK8Gk=
-----END CERTIFICATE-----
"""
COMPRESSED = b"""\
-----BEGIN PUBLIC KEY-----
MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgADUaDsJ5NovlUxPnpxHlq0KvwBrUAf
dk5u/Qfw4S/V3aU=
-----END PUBLIC KEY-----
"""
UNCOMPRESSED = b"""\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEUaDsJ5NovlUxPnpxHlq0KvwBrUAf
dk5u/Qfw4S/V3aVP3QnIbf1I2Z+U8XRnyLShj1NNZX3hOkMpXtkfnkKYmQ==
-----END PUBLIC KEY-----
"""


@cache
def private(name: str) -> PrivateKey:
    match name:
        case "p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
        case "p521":
            return ec.generate_private_key(ec.SECP521R1())
        case "rsa2048" | "rsa3072":
            return rsa.generate_private_key(65537, int(name[3:]))
        case _:
            return ed25519.Ed25519PrivateKey.generate()


def signer(name: str, function: str = "sha256") -> SigningKey:
    return SigningKey(private(name), FUNCTIONS[function])


def public(name: str, hash_name: Hash | None = None) -> PublicKey:
    return PublicKey.parse(signer(name).pem, hash_name)


def private_pem(key: PrivateKey, form: serialization.PrivateFormat, password: bytes = b"") -> bytes:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, encryption)


def pem(label: str, der: bytes) -> bytes:
    return b"-----BEGIN %b-----\n%b-----END %b-----\n" % (label.encode(), base64.encodebytes(der), label.encode())


@pytest.mark.parametrize("name", NAMES)
def test_reads_a_key(name: str) -> None:
    key = public(name)
    assert key.algorithm == NAMES[name]
    assert key.fingerprint == hashlib.sha256(key.spki).hexdigest()
    assert key.short == f"{NAMES[name]} key {key.fingerprint[:12]}"
    assert serialization.load_der_public_key(key.spki) == private(name).public_key()
    assert key == public(name)
    assert len({key, public(name)}) == 1


@pytest.mark.parametrize("name", NAMES)
def test_verifies_its_own_and_no_others(name: str) -> None:
    signature = signer(name, OWN_HASH.get(name, "sha256")).sign(MESSAGE)
    assert {other for other in NAMES if public(other).verifies(signature, MESSAGE)} == {name}
    assert not public(name).verifies(signature, MESSAGE + b"\n")
    assert not public(name).verifies(signature, b"")


@pytest.mark.parametrize("name", NAMES)
def test_another_key_of_the_same_algorithm(name: str) -> None:
    signature = signer(name, OWN_HASH.get(name, "sha256")).sign(MESSAGE)
    strangers: dict[str, PrivateKey] = {
        "p256": ec.generate_private_key(ec.SECP256R1()),
        "p384": ec.generate_private_key(ec.SECP384R1()),
        "p521": ec.generate_private_key(ec.SECP521R1()),
        "rsa2048": rsa.generate_private_key(65537, 2048),
        "rsa3072": rsa.generate_private_key(65537, 3072),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
    }
    stranger = SigningKey(strangers[name], hashes.SHA256()).public
    assert stranger.algorithm == NAMES[name]
    assert stranger != public(name)
    assert not stranger.verifies(signature, MESSAGE)


@pytest.mark.parametrize("name", NAMES)
def test_damaged_signatures(name: str) -> None:
    signature = signer(name, OWN_HASH.get(name, "sha256")).sign(MESSAGE)
    key = public(name)
    assert key.verifies(signature, MESSAGE)
    assert not any(key.verifies(signature[:length], MESSAGE) for length in range(len(signature)))
    assert not any(key.verifies(bad, MESSAGE) for bad in (signature + b"\0", b"\0" + signature, signature * 2))
    assert not any(key.verifies(b * 64, MESSAGE) for b in (b"\0", b"\xff", b"0"))
    flipped = (signature[:i] + bytes([signature[i] ^ 1]) + signature[i + 1 :] for i in range(len(signature)))
    assert not any(key.verifies(bad, MESSAGE) for bad in flipped)


@pytest.mark.parametrize(
    ("name", "stated", "used", "holds"),
    [
        # nothing stated: what the key alone allows
        ("p256", None, "sha256", True),
        ("p256", None, "sha384", False),
        ("p256", None, "sha512", False),
        ("p384", None, "sha256", True),
        ("p384", None, "sha384", True),
        ("p384", None, "sha512", False),
        ("p521", None, "sha256", True),
        ("p521", None, "sha384", False),
        ("p521", None, "sha512", True),
        ("rsa2048", None, "sha256", True),
        ("rsa2048", None, "sha384", False),
        ("rsa3072", None, "sha512", False),
        # stated: that one only
        ("p256", Hash.SHA256, "sha256", True),
        ("p256", Hash.SHA512, "sha512", True),
        ("p256", Hash.SHA512, "sha256", False),
        ("p384", Hash.SHA256, "sha256", True),
        ("p384", Hash.SHA256, "sha384", False),
        ("p384", Hash.SHA384, "sha384", True),
        ("p384", Hash.SHA384, "sha256", False),
        ("p521", Hash.SHA512, "sha512", True),
        ("p521", Hash.SHA512, "sha256", False),
        ("p521", Hash.SHA256, "sha512", False),
        ("rsa2048", Hash.SHA512, "sha512", True),
        ("rsa2048", Hash.SHA512, "sha256", False),
        ("rsa3072", Hash.SHA384, "sha384", True),
        # never
        ("p256", None, "sha1", False),
        ("p384", None, "sha1", False),
        ("p521", None, "sha1", False),
        ("rsa2048", None, "sha1", False),
        ("rsa3072", None, "sha1", False),
        ("p256", None, "sha224", False),
        ("rsa2048", None, "sha224", False),
        ("p256", None, "sha3-256", False),
        ("rsa2048", Hash.SHA256, "sha1", False),
        ("p256", Hash.SHA256, "sha3-256", False),
    ],
)
def test_hash_functions(name: str, stated: Hash | None, used: str, holds: bool) -> None:  # noqa: FBT001
    key = public(name, stated)
    assert key.verifies(signer(name, used).sign(MESSAGE), MESSAGE) is holds
    if stated:
        assert key.hashes == (stated,)


def test_a_stated_hash_makes_another_value_of_the_same_principal() -> None:
    assert public("p384", Hash.SHA384) != public("p384")
    assert public("p384", Hash.SHA384).fingerprint == public("p384").fingerprint


@pytest.mark.parametrize("stated", Hash)
def test_ed25519_has_its_own_hash(stated: Hash) -> None:
    with pytest.raises(ParseError, match="own hash"):
        public("ed25519", stated)


# RFC 8032, 7.3: TEST abc
RFC8032_KEY = bytes.fromhex("ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf")
RFC8032_SIGNATURE = bytes.fromhex(
    "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41"
    "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406"
)


def prehashed(message: bytes = MESSAGE) -> bytes:
    """An Ed25519ph signature by the key named ed25519."""
    key = private("ed25519")
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    return Keypair("Ed25519ph", key).sign(message)


def test_ed25519_prehashed_by_the_standard() -> None:
    key = PublicKey.of(ed25519.Ed25519PublicKey.from_public_bytes(RFC8032_KEY))
    assert key.verifies(RFC8032_SIGNATURE, b"abc")
    assert not key.verifies(RFC8032_SIGNATURE, b"abd")
    assert not key.verifies(RFC8032_SIGNATURE, hashlib.sha512(b"abc").digest())


def test_ed25519_pure_and_prehashed_are_not_taken_for_each_other() -> None:
    key, digest = public("ed25519"), hashlib.sha512(MESSAGE).digest()
    pure, hashed = signer("ed25519").sign(MESSAGE), prehashed()
    assert pure != hashed
    for signature in (pure, hashed):
        assert key.verifies(signature, MESSAGE)
        assert not key.verifies(signature, digest)
        assert not key.verifies(signature, b"")
    assert not key.verifies(signer("ed25519").sign(digest), MESSAGE)
    assert not key.verifies(prehashed(digest), MESSAGE)
    # another context, or none with a prefix of its own
    assert not key.verifies(signer("ed25519").sign(b"SigEd25519 no Ed25519 collisions\1\0" + digest), MESSAGE)


def test_ed25519_prehashed_verifies_its_own_and_no_others() -> None:
    stranger = SigningKey(ed25519.Ed25519PrivateKey.generate(), hashes.SHA256()).public
    assert {name for name in NAMES if public(name).verifies(prehashed(), MESSAGE)} == {"ed25519"}
    assert not stranger.verifies(prehashed(), MESSAGE)
    assert not public("ed25519").verifies(prehashed(), MESSAGE + b"\n")


def test_damaged_ed25519_prehashed_signatures() -> None:
    signature, key = prehashed(), public("ed25519")
    assert not any(key.verifies(signature[:length], MESSAGE) for length in range(len(signature)))
    assert not any(key.verifies(bad, MESSAGE) for bad in (signature + b"\0", b"\0" + signature, signature * 2))
    flipped = (signature[:i] + bytes([signature[i] ^ 1]) + signature[i + 1 :] for i in range(len(signature)))
    assert not any(key.verifies(bad, MESSAGE) for bad in flipped)
    # s and s + L are one number: the greater is refused (RFC 8032, 5.1.7)
    order = 2**252 + 27742317777372353535851937790883648493
    greater = (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    assert not key.verifies(signature[:32] + greater, MESSAGE)


@pytest.mark.parametrize(
    ("name", "stated", "used", "holds"),
    [
        ("p256", None, "sha256", True),
        ("p256", Hash.SHA256, "sha256", True),
        ("p256", None, "sha384", False),
        ("p256", Hash.SHA512, "sha512", None),
        ("p384", None, "sha256", True),
        # it may be by the curve's own hash: that is not known
        ("p384", None, "sha384", None),
        ("p384", Hash.SHA384, "sha384", None),
        ("p384", Hash.SHA256, "sha256", True),
        ("p384", Hash.SHA256, "sha384", False),
        ("p521", None, "sha256", True),
        ("p521", None, "sha512", None),
        ("p521", Hash.SHA512, "sha512", None),
        ("rsa2048", None, "sha256", True),
        ("rsa2048", None, "sha512", False),
        ("rsa3072", Hash.SHA384, "sha384", None),
        ("ed25519", None, "sha256", None),
    ],
)
def test_a_message_of_which_only_the_digest_is_known(
    name: str,
    stated: Hash | None,
    used: str,
    holds: bool | None,  # noqa: FBT001
) -> None:
    key, digest = public(name, stated), hashlib.sha256(MESSAGE).digest()
    signature = signer(name, used).sign(MESSAGE)
    assert key.verifies_digests(signature, {Hash.SHA256: digest}) is holds
    if holds:
        assert not key.verifies_digests(signature, {Hash.SHA256: hashlib.sha256(b"another").digest()})
        assert not key.verifies_digests(signature + b"\0", {Hash.SHA256: digest})
        # a digest of another length is no digest
        for bad in (b"", digest[:-1], digest + b"\0", MESSAGE):
            assert not key.verifies_digests(signature, {Hash.SHA256: bad})


ALL = frozenset(Hash)
LARGER = frozenset({Hash.SHA384, Hash.SHA512})


def digests(known: frozenset[Hash], message: bytes = MESSAGE) -> dict[Hash, bytes]:
    return {h: hashlib.new(h, message).digest() for h in known}


@pytest.mark.parametrize(
    ("name", "stated", "used", "known", "holds"),
    [
        ("p256", None, "sha256", ALL, True),
        ("p256", None, "sha384", ALL, False),
        ("p256", None, "sha256", LARGER, None),
        ("p256", Hash.SHA512, "sha512", ALL, True),
        ("p256", Hash.SHA512, "sha256", ALL, False),
        ("p384", None, "sha256", ALL, True),
        ("p384", None, "sha384", ALL, True),
        ("p384", None, "sha512", ALL, False),
        ("p384", None, "sha384", LARGER, True),
        # by SHA-256 it could be, and that is not known
        ("p384", None, "sha512", LARGER, None),
        ("p384", Hash.SHA384, "sha256", LARGER, False),
        ("p521", None, "sha256", ALL, True),
        ("p521", None, "sha384", ALL, False),
        ("p521", None, "sha512", ALL, True),
        ("p521", None, "sha512", frozenset(), None),
        ("rsa2048", None, "sha256", ALL, True),
        ("rsa2048", None, "sha512", ALL, False),
        ("rsa3072", Hash.SHA384, "sha384", ALL, True),
        ("ed25519", None, "sha256", ALL, None),
        ("ed25519", None, "sha256", frozenset(), None),
    ],
)
def test_a_message_of_which_some_digests_are_known(
    name: str,
    stated: Hash | None,
    used: str,
    known: frozenset[Hash],
    holds: bool | None,  # noqa: FBT001
) -> None:
    key, signature = public(name, stated), signer(name, used).sign(MESSAGE)
    assert key.verifies_digests(signature, digests(known)) is holds
    if holds:
        assert key.verifies_digests(signature, digests(ALL, b"another")) is False
        assert key.verifies_digests(signature + b"\0", digests(ALL)) is False
        # a digest counts for its own function only
        right = hashlib.new(used, MESSAGE).digest()
        assert key.verifies_digests(signature, {h: right for h in Hash if h != used} | digests(ALL - {Hash(used)})) in (
            None,
            False,
        )


def test_ed25519_prehashed_needs_more_than_digests() -> None:
    assert public("ed25519").verifies_digests(prehashed(), digests(ALL)) is None


@pytest.mark.parametrize("name", NAMES)
def test_der(name: str) -> None:
    spki = public(name).spki
    assert PublicKey.parse_der(spki) == public(name)
    assert PublicKey.of(private(name).public_key()) == public(name)
    for bad in (spki[:-1], spki + b"\0", spki * 2, base64.b64encode(spki), signer(name).pem, b"", b"\0" * 100):
        with pytest.raises(ParseError, match="not a public key"):
            PublicKey.parse_der(bad)


@pytest.mark.parametrize("stated", [None, Hash.SHA512])
def test_der_by_pkcs1(stated: Hash | None) -> None:
    der = private("rsa2048").public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    found = PublicKey.parse_der(der, stated)
    assert found == public("rsa2048", stated)
    assert found.fingerprint == public("rsa2048").fingerprint


def test_der_of_other_things() -> None:
    key = private("p256")
    private_der = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for content in (private_der, base64.b64decode(b"".join(CERTIFICATE.splitlines()[1:-1]))):
        with pytest.raises(ParseError, match="not a public key"):
            PublicKey.parse_der(content)
    for content in (DSA, P192, SECP256K1, BRAINPOOL, X25519, ED448, RSA1024):
        with pytest.raises(ParseError, match=r"support|accepted"):
            PublicKey.parse_der(base64.b64decode(b"".join(content.splitlines()[1:-1])))
    with pytest.raises(ParseError, match=f"{MAX_KEY + 1} bytes"):
        PublicKey.parse_der(b"0" * (MAX_KEY + 1))


@pytest.mark.parametrize("other", [None, b"", "key", private("p256")])
def test_what_is_no_key(other: object) -> None:
    with pytest.raises(ParseError, match="not supported"):
        PublicKey.of(other)


@pytest.mark.parametrize("name", ["rsa2048", "rsa3072"])
@pytest.mark.parametrize("stated", [None, *Hash])
@pytest.mark.parametrize("salt", [0, 20, 32, 64])
def test_rsa_pss_signatures_are_refused(name: str, stated: Hash | None, salt: int) -> None:
    key = private(name)
    assert isinstance(key, rsa.RSAPrivateKey)
    function = (stated or Hash.SHA256).algorithm
    signature = key.sign(MESSAGE, padding.PSS(padding.MGF1(function), salt), function)
    assert not public(name, stated).verifies(signature, MESSAGE)


def test_a_raw_ecdsa_signature_is_refused() -> None:
    signature = signer("p256").sign(MESSAGE)
    r, s = utils.decode_dss_signature(signature)
    assert public("p256").verifies(utils.encode_dss_signature(r, s), MESSAGE)
    assert not public("p256").verifies(r.to_bytes(32, "big") + s.to_bytes(32, "big"), MESSAGE)


ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.mark.parametrize(
    ("r", "s"), [(0, 0), (0, 1), (1, 0), (1, 1), (ORDER, ORDER), (ORDER, 0), (0, ORDER), (ORDER + 1, 1), (2**600, 1)]
)
def test_psychic_signatures(r: int, s: int) -> None:
    # CVE-2022-21449: zero and multiples of the order satisfied a verifier without the range check
    assert not public("p256").verifies(utils.encode_dss_signature(r, s), MESSAGE)


@pytest.mark.parametrize("s", [0, 1, -1])
def test_ecdsa_integers_out_of_range(s: int) -> None:
    key = public("p256")
    good_r, good_s = utils.decode_dss_signature(signer("p256").sign(MESSAGE))
    assert not key.verifies(utils.encode_dss_signature(good_r, good_s + ORDER + s), MESSAGE)
    assert not key.verifies(utils.encode_dss_signature(good_r + ORDER + s, good_s), MESSAGE)


def test_bleichenbacher_padding_is_refused() -> None:
    # a small exponent lets anyone write the start of the padding: all of it has to be checked
    key = rsa.generate_private_key(3, 2048)
    size = 256
    info = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(MESSAGE).digest()
    wanted = int.from_bytes((b"\0\1" + b"\xff" * 8 + b"\0" + info).ljust(size, b"\0"), "big")
    low, high = 0, 1 << 683
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if middle**3 < wanted else (low, middle)
    forged = low.to_bytes(size, "big")
    assert pow(low, 3).to_bytes(size, "big").startswith(b"\0\1" + b"\xff" * 8 + b"\0" + info)
    assert not SigningKey(key, hashes.SHA256()).public.verifies(forged, MESSAGE)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (DSA, "DSA"),
        (P192, "secp192r1"),
        (P224, "secp224r1"),
        (SECP256K1, "secp256k1"),
        (BRAINPOOL, "brainpoolP256r1"),
        (X25519, "X25519"),
        (ED448, "Ed448"),
        (RSA1024, "1024 bits"),
        (RSA2047, "2047 bits"),
    ],
)
@pytest.mark.parametrize("stated", [None, Hash.SHA256])
def test_unsupported_keys(content: bytes, message: str, stated: Hash | None) -> None:
    with pytest.raises(ParseError, match=message) as caught:
        PublicKey.parse(content, stated)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "content",
    [
        private_pem(private("p256"), serialization.PrivateFormat.PKCS8),
        private_pem(private("p256"), serialization.PrivateFormat.PKCS8, b"password"),
        private_pem(private("p256"), serialization.PrivateFormat.TraditionalOpenSSL),
        private_pem(private("rsa2048"), serialization.PrivateFormat.TraditionalOpenSSL),
        private_pem(private("ed25519"), serialization.PrivateFormat.PKCS8),
        private_pem(private("ed25519"), serialization.PrivateFormat.OpenSSH),
        pem("ENCRYPTED SIGSTORE PRIVATE KEY", b"{}"),
        pem("ENCRYPTED COSIGN PRIVATE KEY", b"{}"),
        signer("p256").pem + private_pem(private("p256"), serialization.PrivateFormat.PKCS8),
        private_pem(private("p256"), serialization.PrivateFormat.PKCS8) + signer("p256").pem,
    ],
    ids=count(),
)
def test_a_pasted_private_key(content: bytes) -> None:
    with pytest.raises(ParseError, match="private key") as caught:
        PublicKey.parse(content)
    assert "exposed" in caught.value.remedy
    secret = content.split(b"\n")[1]
    assert secret.decode() not in str(caught.value)


@pytest.mark.parametrize("content", [CERTIFICATE, signer("p256").pem + CERTIFICATE, CERTIFICATE * 2])
def test_a_pasted_certificate(content: bytes) -> None:
    with pytest.raises(ParseError, match="certificate"):
        PublicKey.parse(content)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", 0),
        (b"\n", 0),
        (b"garbage", 0),
        (public("p256").spki, 0),
        (base64.b64encode(public("p256").spki), 0),
        (b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBq6 me@example", 0),
        (signer("p256").pem * 2, 2),
        (signer("p256").pem + signer("p384").pem, 2),
        (signer("p256").pem + pem("CERTIFICATE REQUEST", b"x"), 2),
    ],
    ids=count(),
)
def test_exactly_one_block(content: bytes, found: int) -> None:
    with pytest.raises(ParseError, match=f"found {found}"):
        PublicKey.parse(content)


@pytest.mark.parametrize(
    "content",
    [
        b"-----BEGIN PUBLIC KEY-----",
        b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
        pem("PUBLIC KEY", b""),
        pem("PUBLIC KEY", b"garbage"),
        pem("PUBLIC KEY", public("p256").spki[:-1]),
        pem("PUBLIC KEY", public("p256").spki + b"\0"),
        pem("PUBLIC KEY", public("p256").spki[:-1] + bytes([public("p256").spki[-1] ^ 1])),
        pem("PUBLIC KEY", public("rsa2048").spki[:100]),
        pem("CERTIFICATE REQUEST", public("p256").spki),
        pem("PGP PUBLIC KEY BLOCK", public("p256").spki),
        pem("X509 CRL", public("p256").spki),
        signer("p256").pem.replace(b"M", b"*", 1),
        signer("p256").pem.replace(b"END", b"ENDE"),
        signer("p256").pem.lower(),
    ],
    ids=count(),
)
def test_garbage(content: bytes) -> None:
    with pytest.raises(ParseError):
        PublicKey.parse(content)


def test_size_cap() -> None:
    content = signer("p256").pem
    assert PublicKey.parse(content.rjust(MAX_KEY, b"\n")) == public("p256")
    for size in (MAX_KEY + 1, 65_537, 66_560, 10_000_000):
        with pytest.raises(ParseError, match=f"{size} bytes"):
            PublicKey.parse(content.rjust(size, b"\n"))


def test_line_ends_and_text_around_the_block_do_not_matter() -> None:
    content = signer("p256").pem
    assert PublicKey.parse(content.replace(b"\n", b"\r\n")) == public("p256")
    assert PublicKey.parse(b"# the release key\n" + content + b"\n\n") == public("p256")
    assert PublicKey.parse(content.rstrip()) == public("p256")


def test_a_compressed_point_is_the_same_principal() -> None:
    assert PublicKey.parse(COMPRESSED) == PublicKey.parse(UNCOMPRESSED)


def tlv(tag: int, content: bytes) -> bytes:
    return (
        bytes([tag, 0x82]) + len(content).to_bytes(2, "big") + content
        if len(content) > 127
        else (bytes([tag, len(content)]) + content)
    )


def rsa_spki(modulus: int, exponent: int) -> bytes:
    numbers = b"".join(tlv(2, n.to_bytes(n.bit_length() // 8 + 1, "big")) for n in (modulus, exponent))
    return tlv(0x30, bytes.fromhex("300d06092a864886f70d0101010500") + tlv(3, b"\0" + tlv(0x30, numbers)))


@pytest.mark.parametrize("exponent", [0, 1, 2, 65536])
def test_a_weak_rsa_exponent_is_refused(exponent: int) -> None:
    # with 1 every padded message is its own signature
    key = private("rsa2048")
    assert isinstance(key, rsa.RSAPrivateKey)
    modulus = key.public_key().public_numbers().n
    assert rsa_spki(modulus, 65537) == public("rsa2048").spki
    with pytest.raises(ParseError):
        PublicKey.parse(pem("PUBLIC KEY", rsa_spki(modulus, exponent)))


def test_the_key_is_not_shown() -> None:
    assert "EllipticCurve" not in repr(public("p256"))
