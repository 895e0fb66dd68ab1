"""Sigstore's trusted_root.json (sigstore/protobuf-specs, sigstore_trustroot.proto), read strictly.

What it vouches for, it vouches for within a window: the keys of logs that are closed, and the certificates of
authorities that were replaced, still verify what was made in their time, and nothing made after it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

from gate import protojson, strictjson
from gate.errors import ParseError
from gate.trust.authority import MAX_CHAIN, Authority
from gate.trust.key import Hash, PublicKey
from gate.trust.window import Window

MAX_ROOT: Final = 4 * 1024 * 1024
MAX_INSTANCES: Final = 100
"""Logs, or authorities, of one kind."""

MEDIA_TYPES: Final = frozenset(
    {
        "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "application/vnd.dev.sigstore.trustedroot+json;version=0.2",
        "application/vnd.dev.sigstore.trustedroot.v0.1+json",
        "application/vnd.dev.sigstore.trustedroot.v0.2+json",
    }
)
# PublicKeyDetails -> what the key has to be, and the hash of its signatures; None where the algorithm has its own.
_KEY_DETAILS: Final[dict[str, tuple[str, Hash | None]]] = {
    "PKCS1_RSA_PKCS1V5": ("RSA", Hash.SHA256),
    "PKIX_RSA_PKCS1V5": ("RSA", Hash.SHA256),
    "PKIX_RSA_PKCS1V15_2048_SHA256": ("RSA 2048", Hash.SHA256),
    "PKIX_RSA_PKCS1V15_3072_SHA256": ("RSA 3072", Hash.SHA256),
    "PKIX_RSA_PKCS1V15_4096_SHA256": ("RSA 4096", Hash.SHA256),
    "PKIX_ECDSA_P256_SHA_256": ("ECDSA P-256", Hash.SHA256),
    "PKIX_ECDSA_P384_SHA_384": ("ECDSA P-384", Hash.SHA384),
    "PKIX_ECDSA_P521_SHA_512": ("ECDSA P-521", Hash.SHA512),
    "PKIX_ED25519": ("Ed25519", None),
    "PKIX_ED25519_PH": ("Ed25519", None),
}
_TOP: Final = ("mediaType", "tlogs", "certificateAuthorities", "ctlogs", "timestampAuthorities")
_LOG: Final = ("baseUrl", "hashAlgorithm", "publicKey", "logId", "checkpointKeyId", "operator")
_KEY: Final = ("rawBytes", "keyDetails", "validFor")
_AUTHORITY: Final = ("subject", "uri", "certChain", "validFor", "operator")
_SUBJECT: Final = ("organization", "commonName")
_HASH: Final = ("SHA2_256", "")


@dataclass(frozen=True, slots=True)
class Log:
    """A transparency log, or a certificate transparency log.

    Attributes:
        url: its base URL, for people.
        key: what it signs with.
        ids: how entries and checkpoints name it: the log id, and the id of its checkpoint key.
        window: when its key was in use.
    """

    url: str
    key: PublicKey
    ids: frozenset[bytes]
    window: Window


@dataclass(frozen=True, slots=True)
class TrustedRoot:
    """Everything one operator vouches for. Equal where the bytes are.

    Attributes:
        digest: hex SHA-256 of the text: the epoch that verified facts are kept under.
        media_type: as it calls itself.
        logs: transparency logs (Rekor).
        ct_logs: certificate transparency logs.
        authorities: that issue signing certificates (Fulcio).
        timestamp_authorities: that sign timestamps (RFC 3161).
        unsupported: keys that this version cannot verify with, by URL: what they signed does not count.
    """

    digest: str
    media_type: str = field(compare=False)
    logs: tuple[Log, ...] = field(compare=False)
    ct_logs: tuple[Log, ...] = field(compare=False)
    authorities: tuple[Authority, ...] = field(compare=False)
    timestamp_authorities: tuple[Authority, ...] = field(compare=False)
    unsupported: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def nothing(cls) -> TrustedRoot:
        """One that vouches for nobody: what is verified against it has no witness."""
        return cls("", "", (), (), (), ())

    @classmethod
    def parse(cls, content: bytes) -> TrustedRoot:
        """Read a trusted root.

        Raises:
            ParseError: not JSON, another media type, an unknown field, a log key without a beginning, a malformed part.
        """
        if len(content) > MAX_ROOT:
            raise ParseError(f"the trusted root has {len(content)} bytes; at most {MAX_ROOT} are read")
        value = strictjson.as_object(strictjson.loads(content), "the trusted root")
        protojson.only(value, _TOP, "the trusted root")
        media_type = protojson.string(value, "mediaType", "the trusted root's mediaType")
        if media_type not in MEDIA_TYPES:
            raise ParseError(f"not a trusted root: its mediaType is {media_type[:100]!r}")
        unsupported: list[str] = []
        return cls(
            hashlib.sha256(content).hexdigest(),
            media_type,
            _logs(value, "tlogs", unsupported),
            _logs(value, "ctlogs", unsupported),
            _authorities(value, "certificateAuthorities"),
            _authorities(value, "timestampAuthorities"),
            tuple(unsupported),
        )


def _logs(root: dict[str, object], key: str, unsupported: list[str]) -> tuple[Log, ...]:
    found = (_log(raw, f"{key}[{i}]") for i, raw in enumerate(protojson.repeated(root, key, key, MAX_INSTANCES)))
    logs: list[Log] = []
    for entry in found:
        if isinstance(entry, Log):
            logs.append(entry)
        else:
            unsupported.append(entry)
    return tuple(logs)


def _log(raw: object, what: str) -> Log | str:
    value = strictjson.as_object(raw, what)
    protojson.only(value, _LOG, what)
    key = protojson.message(value, "publicKey", f"{what}.publicKey")
    protojson.only(key, _KEY, f"{what}.publicKey")
    window = _window(key, f"{what}.publicKey.validFor")
    ids = {_key_id(value, "logId", what), _key_id(value, "checkpointKeyId", what)} - {b""}
    protojson.string(value, "operator", f"{what}.operator")
    url = protojson.string(value, "baseUrl", f"{what}.baseUrl")
    if (named := protojson.string(value, "hashAlgorithm", f"{what}.hashAlgorithm")) not in _HASH:
        return f"{url}: its hash is {named[:50]}"
    if window.start is None:
        raise ParseError(f"{what}.publicKey.validFor has no start")
    details = protojson.string(key, "keyDetails", f"{what}.publicKey.keyDetails")
    if details not in _KEY_DETAILS:
        return f"{url}: its key is {details[:50] or 'of no stated kind'}"
    content = protojson.raw(key, "rawBytes", f"{what}.publicKey.rawBytes")
    algorithm, hash_name = _KEY_DETAILS[details]
    try:
        parsed = PublicKey.parse_der(content)
        if not parsed.algorithm.startswith(algorithm):
            raise ParseError(f"it is called {details} and is {parsed.algorithm}")
        parsed = PublicKey.parse_der(content, hash_name)
    except ParseError as error:
        raise ParseError(f"{what}.publicKey: {error.message}") from error
    if not ids:
        raise ParseError(f"{what} has no logId")
    return Log(url, parsed, frozenset(ids), window)


def _key_id(log: dict[str, object], key: str, what: str) -> bytes:
    value = protojson.message(log, key, f"{what}.{key}")
    protojson.only(value, ("keyId",), f"{what}.{key}")
    return protojson.raw(value, "keyId", f"{what}.{key}.keyId")


def _authorities(root: dict[str, object], key: str) -> tuple[Authority, ...]:
    return tuple(
        _authority(raw, f"{key}[{i}]") for i, raw in enumerate(protojson.repeated(root, key, key, MAX_INSTANCES))
    )


def _authority(raw: object, what: str) -> Authority:
    value = strictjson.as_object(raw, what)
    protojson.only(value, _AUTHORITY, what)
    chain = protojson.message(value, "certChain", f"{what}.certChain")
    protojson.only(chain, ("certificates",), f"{what}.certChain")
    raws = protojson.repeated(chain, "certificates", f"{what}.certChain.certificates", MAX_CHAIN)
    ders = [_der(raw, f"{what}.certChain.certificates[{i}]") for i, raw in enumerate(raws)]
    _check_words(value, what)
    try:
        return Authority.of(
            protojson.string(value, "uri", f"{what}.uri") or what, ders, _window(value, f"{what}.validFor")
        )
    except ParseError as error:
        raise ParseError(f"{what}: {error.message}") from error


def _der(raw: object, what: str) -> bytes:
    value = strictjson.as_object(raw, what)
    protojson.only(value, ("rawBytes",), what)
    return protojson.raw(value, "rawBytes", f"{what}.rawBytes")


def _check_words(authority: dict[str, object], what: str) -> None:
    """What is there for people: texts, that nothing depends on."""
    protojson.string(authority, "operator", f"{what}.operator")
    subject = protojson.message(authority, "subject", f"{what}.subject")
    protojson.only(subject, _SUBJECT, f"{what}.subject")
    for name in _SUBJECT:
        protojson.string(subject, name, f"{what}.subject.{name}")


def _window(value: dict[str, object], what: str) -> Window:
    valid = protojson.message(value, "validFor", what)
    protojson.only(valid, ("start", "end"), what)
    window = Window(
        protojson.timestamp(valid, "start", f"{what}.start"), protojson.timestamp(valid, "end", f"{what}.end")
    )
    if window.start is not None and window.end is not None and window.end < window.start:
        raise ParseError(f"{what} ends before it starts")
    return window
