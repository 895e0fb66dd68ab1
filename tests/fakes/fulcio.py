"""Keys, and certificates for them as Fulcio issues them, with the timestamps of CT logs in them (RFC 6962).

Real cryptography under roots of its own. Everything a verifier may look at can be set to something wrong.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final, Literal, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from nacl import bindings

from gate.trust.key import PublicKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
KeyType = Literal["P-256", "P-384", "P-521", "P-384/SHA-256", "P-521/SHA-256", "RSA-2048", "Ed25519", "Ed25519ph"]
Period = tuple[datetime, datetime]

AT: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
"""When everything happens, unless a test says otherwise."""

AGES: Final[Period] = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC))
"""When certificates of authorities are valid, unless a test says otherwise."""

LIFETIME: Final = timedelta(minutes=10)
"""Of a signing certificate."""

ISSUER: Final = "https://token.actions.githubusercontent.com"
SUBJECT: Final = "https://github.com/acme/api/.github/workflows/release.yml@refs/heads/main"

_FULCIO: Final = "1.3.6.1.4.1.57264.1"
_USER_NAME: Final = ObjectIdentifier(f"{_FULCIO}.7")
_SCTS: Final = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_OCTETS, _UTF8 = 0x04, 0x0C
_CURVES: Final[dict[str, ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
# The hash of its signatures, and its `PublicKeyDetails` in Sigstore's protocol buffers.
_KINDS: Final[dict[KeyType, tuple[hashes.SHA256 | hashes.SHA384 | hashes.SHA512, str]]] = {
    "P-256": (hashes.SHA256(), "PKIX_ECDSA_P256_SHA_256"),
    "P-384": (hashes.SHA384(), "PKIX_ECDSA_P384_SHA_384"),
    "P-521": (hashes.SHA512(), "PKIX_ECDSA_P521_SHA_512"),
    "P-384/SHA-256": (hashes.SHA256(), "PKIX_ECDSA_P384_SHA_256"),
    "P-521/SHA-256": (hashes.SHA256(), "PKIX_ECDSA_P521_SHA_256"),
    "RSA-2048": (hashes.SHA256(), "PKIX_RSA_PKCS1V15_2048_SHA256"),
    "Ed25519": (hashes.SHA512(), "PKIX_ED25519"),
    "Ed25519ph": (hashes.SHA512(), "PKIX_ED25519_PH"),
}


@dataclass(frozen=True, slots=True)
class Keypair:
    """A private key and how it signs. cosign up to 2.5 signs with SHA-256 whatever the curve: `P-384/SHA-256`."""

    kind: KeyType
    private: PrivateKey = field(repr=False)

    @classmethod
    def generate(cls, kind: KeyType = "P-256") -> Self:
        """A new key."""
        if kind == "RSA-2048":
            return cls(kind, rsa.generate_private_key(65537, 2048))
        if kind in {"Ed25519", "Ed25519ph"}:
            return cls(kind, ed25519.Ed25519PrivateKey.generate())
        return cls(kind, ec.generate_private_key(_CURVES[kind.partition("/")[0]]))

    @property
    def hash(self) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
        """What its signatures hash with."""
        return _KINDS[self.kind][0]

    @property
    def details(self) -> str:
        """Its `PublicKeyDetails` in Sigstore's protocol buffers."""
        return _KINDS[self.kind][1]

    @property
    def spki(self) -> bytes:
        """DER of the public half."""
        return self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def raw(self) -> bytes:
        """The 32 bytes of an Ed25519 public key; of any other the SubjectPublicKeyInfo."""
        public = self.private.public_key()
        return public.public_bytes_raw() if isinstance(public, ed25519.Ed25519PublicKey) else self.spki

    @property
    def pem(self) -> bytes:
        """PEM of the public half."""
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def id(self) -> bytes:
        """SHA-256 of the SubjectPublicKeyInfo."""
        return hashlib.sha256(self.spki).digest()

    @property
    def public(self) -> PublicKey:
        """The public half as the gate reads it."""
        return PublicKey.parse(self.pem)

    def sign(self, message: bytes) -> bytes:
        """A raw signature over `message`."""
        match self.private:
            case ec.EllipticCurvePrivateKey():
                return self.private.sign(message, ec.ECDSA(self.hash))
            case rsa.RSAPrivateKey():
                return self.private.sign(message, padding.PKCS1v15(), self.hash)
            case ed25519.Ed25519PrivateKey() if self.kind == "Ed25519ph":
                return self._sign_prehashed(message)
            case ed25519.Ed25519PrivateKey():
                return self.private.sign(message)

    def _sign_prehashed(self, message: bytes) -> bytes:
        assert isinstance(self.private, ed25519.Ed25519PrivateKey)
        state = bindings.crypto_sign_ed25519ph_state()
        bindings.crypto_sign_ed25519ph_update(state, message)
        return bindings.crypto_sign_ed25519ph_final_create(state, self.private.private_bytes_raw() + self.raw)


@cache
def shared_key(kind: KeyType = "P-256", name: str = "") -> Keypair:
    """A key that tests share: one of each kind and name, made once a process."""
    return Keypair.generate(kind)


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: a managed key, or a key with the certificate path for it (leaf first, root last)."""

    key: Keypair
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def leaf(self) -> x509.Certificate | None:
        """Its certificate; None for a managed key."""
        return self.chain[0] if self.chain else None

    @property
    def der(self) -> bytes:
        """What its signatures verify with: the certificate, or the SubjectPublicKeyInfo."""
        return self.chain[0].public_bytes(Encoding.DER) if self.chain else self.key.spki

    @property
    def pem(self) -> bytes:
        """The same in PEM."""
        return self.chain[0].public_bytes(Encoding.PEM) if self.chain else self.key.pem


@dataclass(frozen=True, slots=True)
class Issuer:
    """A certificate and its key. Which of them may issue is for the verifier to find out."""

    key: Keypair
    certificate: x509.Certificate

    @classmethod
    def root(
        cls,
        name: str,
        *,
        kind: KeyType = "P-384",
        key: Keypair | None = None,
        valid: Period = AGES,
        usages: Sequence[ObjectIdentifier] = (),
        bare: bool = False,
    ) -> Self:
        """A root of its own; arguments as of `intermediate`."""
        key = key or Keypair.generate(kind)
        builder = _authority(name, key, valid, None, usages, bare=bare).issuer_name(_name(name))
        return cls(key, builder.sign(key.private, _signing_hash(key)))

    def intermediate(
        self,
        name: str,
        *,
        kind: KeyType = "P-384",
        key: Keypair | None = None,
        valid: Period = AGES,
        usages: Sequence[ObjectIdentifier] = (),
        bare: bool = False,
    ) -> Issuer:
        """One below it that may issue too.

        Args:
            name: its common name.
            kind: of its key.
            key: its key; None is a new one.
            valid: when it is valid.
            usages: its extended key usages; () leaves the extension out.
            bare: whether it says no more than that it may issue, and that not critically, as OpenSSL's own do.
        """
        key = key or Keypair.generate(kind)
        return Issuer(key, self.sign(_authority(name, key, valid, 0, usages, bare=bare)))

    def sign(self, builder: x509.CertificateBuilder, last: x509.ExtensionType | None = None) -> x509.Certificate:
        """Issue what `builder` holds, and `last` as its last extension."""
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.private.public_key())
        named = builder.issuer_name(self.certificate.subject).add_extension(identifier, critical=False)
        if last is not None:
            named = named.add_extension(last, critical=False)
        return named.sign(self.key.private, _signing_hash(self.key))


@dataclass(frozen=True, slots=True)
class CtLog:
    """A certificate transparency log."""

    url: str = "https://ctfe.test/2026"
    key: Keypair = field(default_factory=Keypair.generate)

    @property
    def id(self) -> bytes:
        """As SCTs name it."""
        return self.key.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Sct:
    """A CT log's timestamp to be embedded.

    Attributes:
        log: whose it is.
        at: when it saw the certificate.
        extensions: of the timestamp itself (a leaf index by newer logs).
        log_id: what it calls the log; None is the truth.
        issuer: whose key it says has issued; None is the truth.
        key: what it signs with; None is the log's.
        precertificate: what it is over; None is the truth.
    """

    log: CtLog
    at: datetime = AT
    extensions: bytes = b""
    log_id: bytes | None = None
    issuer: Keypair | None = None
    key: Keypair | None = None
    precertificate: bytes | None = None

    def encode(self, precertificate: bytes, issuer: Keypair) -> bytes:
        """The serialised timestamp (RFC 6962, 3.2) of a TBSCertificate."""
        tbs = self.precertificate or precertificate
        milliseconds = (int(self.at.timestamp() * 1000)).to_bytes(8, "big")
        entry = (self.issuer or issuer).id + len(tbs).to_bytes(3, "big") + tbs
        extensions = len(self.extensions).to_bytes(2, "big") + self.extensions
        signature = (self.key or self.log.key).sign(b"\x00\x00" + milliseconds + b"\x00\x01" + entry + extensions)
        head = b"\x00" + (self.log_id or self.log.id) + milliseconds + extensions
        algorithm = b"\x04\x01" if self.log.key.kind == "RSA-2048" else b"\x04\x03"  # SHA-256 with RSA, or ECDSA
        return head + algorithm + len(signature).to_bytes(2, "big") + signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a signing certificate says.

    Attributes:
        names: its subject alternative names; empty leaves the extension out.
        issuer: the OpenID Connect issuer, extension .8; None leaves it out.
        issuer_v1: extension .1, raw; "" is the same as `issuer`, None leaves it out.
        claims: Fulcio's extensions from .9 on by their last number, as texts.
        usages: its extended key usages; None leaves the extension out.
        signs: whether its key usage holds digital signatures; None leaves the extension out.
        starts: when it begins to be valid; None is when it is issued.
        lifetime: how long it is valid.
        more: further extensions and whether they are critical; they replace those of the same OID.
    """

    names: tuple[x509.GeneralName, ...] = (x509.UniformResourceIdentifier(SUBJECT),)
    issuer: str | None = ISSUER
    issuer_v1: str | None = ""
    claims: Mapping[int, str] = field(default_factory=dict)
    usages: tuple[ObjectIdentifier, ...] | None = (ExtendedKeyUsageOID.CODE_SIGNING,)
    signs: bool | None = True
    starts: datetime | None = None
    lifetime: timedelta = LIFETIME
    more: tuple[tuple[x509.ExtensionType, bool], ...] = ()

    def builder(self, key: Keypair, at: datetime) -> x509.CertificateBuilder:
        """A certificate for `key`, to be signed."""
        starts = self.starts or at
        builder = _builder(x509.Name([]), key, (starts, starts + self.lifetime))
        replaced = {extension.oid for extension, _ in self.more}
        for extension, critical in (*(e for e in self._extensions() if e[0].oid not in replaced), *self.more):
            builder = builder.add_extension(extension, critical)
        return builder

    def _extensions(self) -> list[tuple[x509.ExtensionType, bool]]:
        found: list[tuple[x509.ExtensionType, bool]] = []
        if self.signs is not None:
            found.append((key_usage(signs=self.signs), True))
        if self.usages is not None:
            found.append((x509.ExtendedKeyUsage(self.usages), False))
        if self.names:
            found.append((x509.SubjectAlternativeName(self.names), True))
        issuer_v1 = self.issuer if self.issuer_v1 == "" else self.issuer_v1
        if issuer_v1 is not None:
            found.append((fulcio_extension(1, issuer_v1.encode()), False))
        if self.issuer is not None:
            found.append((fulcio_extension(8, utf8_string(self.issuer)), False))
        found.extend((fulcio_extension(n, utf8_string(text)), False) for n, text in self.claims.items())
        return found


@dataclass(frozen=True, slots=True)
class Fulcio:
    """A certificate authority: who issues first, its root last."""

    uri: str
    issuers: tuple[Issuer, ...]

    @classmethod
    def create(
        cls,
        name: str = "fulcio.test",
        *,
        intermediate: bool = True,
        kind: KeyType = "P-384",
        root_valid: Period = AGES,
        intermediate_valid: Period = AGES,
    ) -> Self:
        """A new one: a root, and an intermediate that issues unless it is left out."""
        root = Issuer.root(name, kind=kind, valid=root_valid)
        if not intermediate:
            return cls(f"https://{name}", (root,))
        below = root.intermediate(f"{name} intermediate", kind=kind, valid=intermediate_valid)
        return cls(f"https://{name}", (below, root))

    def issue(self, key: Keypair, profile: Profile, at: datetime, scts: Sequence[Sct] = ()) -> Signer:
        """A certificate for `key` with the timestamps of `scts` in it.

        They are its last extension: without it, what is left is the precertificate that they are over.
        """
        issuer = self.issuers[0]
        builder = profile.builder(key, at)
        leaf = issuer.sign(builder)
        if scts:
            encoded = [sct.encode(leaf.tbs_certificate_bytes, issuer.key) for sct in scts]
            leaf = issuer.sign(builder, sct_extension(encoded))
        return Signer(key, (leaf, *(i.certificate for i in self.issuers)))


def sct_extension(scts: Sequence[bytes]) -> x509.UnrecognizedExtension:
    """The extension that holds serialised timestamps (RFC 6962, 3.3)."""
    listed = b"".join(len(sct).to_bytes(2, "big") + sct for sct in scts)
    return x509.UnrecognizedExtension(_SCTS, der(_OCTETS, len(listed).to_bytes(2, "big") + listed))


def uri(text: str) -> x509.GeneralName:
    """A URI as a subject alternative name: a workflow's."""
    return x509.UniformResourceIdentifier(text)


def email(text: str) -> x509.GeneralName:
    """An e-mail address as a subject alternative name: a person's."""
    return x509.RFC822Name(text)


def user_name(text: str) -> x509.GeneralName:
    """Fulcio's user name as a subject alternative name."""
    return x509.OtherName(_USER_NAME, utf8_string(text))


def key_usage(*, signs: bool = False, issues: bool = False) -> x509.KeyUsage:
    """Digital signatures, or certificates and revocation lists."""
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=not (signs or issues),
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=issues,
        crl_sign=issues,
        encipher_only=False,
        decipher_only=False,
    )


def fulcio_extension(number: int, value: bytes) -> x509.UnrecognizedExtension:
    """The extension 1.3.6.1.4.1.57264.1.`number`."""
    return x509.UnrecognizedExtension(ObjectIdentifier(f"{_FULCIO}.{number}"), value)


def utf8_string(text: str) -> bytes:
    """DER of a UTF8String."""
    return der(_UTF8, text.encode())


def der(tag: int, content: bytes) -> bytes:
    """One DER value."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def leaf_builder(name: str, key: Keypair, valid: Period) -> x509.CertificateBuilder:
    """A certificate that issues nothing, by a name, without any usage yet."""
    return _builder(_name(name), key, valid)


def _authority(
    name: str, key: Keypair, valid: Period, path_length: int | None, usages: Sequence[ObjectIdentifier], *, bare: bool
) -> x509.CertificateBuilder:
    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
    builder = _builder(_name(name), key, valid).add_extension(constraints, critical=not bare)
    if not bare:
        builder = builder.add_extension(key_usage(issues=True), critical=True)
    return builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False) if usages else builder


def _builder(subject: x509.Name, key: Keypair, valid: Period) -> x509.CertificateBuilder:
    public = key.private.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _name(name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "sigstore.test"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )


def _signing_hash(key: Keypair) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    return None if isinstance(key.private, ed25519.Ed25519PrivateKey) else key.hash
