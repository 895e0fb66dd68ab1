"""A whole Sigstore world: authority, CT log, two transparency logs, timestamping; what it vouches for, and what is
signed in it in every form that is stored. Nothing is patched: the signatures, proofs and certificates are real.

    world = shared_world()
    signer = world.issue()                                    # a certificate; `Signer(key)` is a managed key
    made = Signature.of_payload(signer, statement(image))     # or `of_message`
    content = encode(world.bundle(made))                      # a Sigstore bundle, logged in Rekor v1
    root = TrustedRoot.parse(world.trusted_root())

To attack, make one part wrong: give `issue` another profile, other SCTs or another Fulcio, `entry` another body,
place or log, `bundle` somebody else's entries and timestamps, `trusted_root` other windows; `dataclasses.replace` an
entry; or change the dict that comes out.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Final, Literal

from cryptography.hazmat.primitives.serialization import Encoding

from gate.evidence import cosign, dsse
from gate.trust.window import Window
from tests.fakes.fulcio import AT, CtLog, Fulcio, Keypair, Profile, Sct, Signer
from tests.fakes.timestamp_authority import TimestampAuthority
from tests.fakes.transparency_log import (
    DSSE_1,
    HASHEDREKORD_1,
    HASHEDREKORD_2,
    Entry,
    Json,
    Kind,
    Place,
    TransparencyLog,
    b64,
    body,
    compact,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gate.image.digest import Digest

BundleVersion = Literal["0.1", "0.2", "0.3", "0.3-parameter"]

MEDIA_TYPES: Final[dict[BundleVersion, str]] = {
    "0.1": "application/vnd.dev.sigstore.bundle+json;version=0.1",
    "0.2": "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "0.3": "application/vnd.dev.sigstore.bundle.v0.3+json",
    "0.3-parameter": "application/vnd.dev.sigstore.bundle+json;version=0.3",
}
ROOT_MEDIA_TYPE: Final = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
OPEN: Final = Window(datetime(2025, 1, 1, tzinfo=UTC))
"""When everybody in a trusted root counts, unless a test says otherwise."""

encode = compact


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature and what it is over.

    Attributes:
        signer: who made it.
        message: what is signed: a blob, a simple-signing payload, or an envelope's pre-authentication encoding.
        content: the signature itself.
        payload: of the DSSE envelope; None where there is none.
        payload_type: of the DSSE envelope.
    """

    signer: Signer
    message: bytes = field(repr=False)
    content: bytes = field(repr=False)
    payload: bytes | None = field(default=None, repr=False)
    payload_type: str = dsse.PAYLOAD_TYPE

    @classmethod
    def of_message(cls, signer: Signer, message: bytes) -> Signature:
        """A signature over bytes."""
        return cls(signer, message, signer.key.sign(message))

    @classmethod
    def of_payload(cls, signer: Signer, payload: bytes, payload_type: str = dsse.PAYLOAD_TYPE) -> Signature:
        """A signature in a DSSE envelope."""
        encoded = pae(payload, payload_type)
        return cls(signer, encoded, signer.key.sign(encoded), payload, payload_type)

    @property
    def envelope(self) -> Json:
        """The DSSE envelope."""
        assert self.payload is not None
        return {
            "payloadType": self.payload_type,
            "payload": b64(self.payload),
            "signatures": [{"keyid": "", "sig": b64(self.content)}],
        }

    @property
    def stored(self) -> bytes:
        """The DSSE envelope as a layer, and as it is uploaded to a log."""
        return compact(self.envelope)


def pae(payload: bytes, payload_type: str = dsse.PAYLOAD_TYPE) -> bytes:
    """DSSE's pre-authentication encoding."""
    kind = payload_type.encode()
    return b" ".join((b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload))


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of cosign's, as it is stored in an image of signatures or attestations."""

    media_type: str
    content: bytes = field(repr=False)
    annotations: dict[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SigningAuthority:
    """Everybody who has a say in a signature."""

    fulcio: Fulcio = field(default_factory=Fulcio.create)
    ct_log: CtLog = field(default_factory=CtLog)
    rekor: TransparencyLog = field(default_factory=TransparencyLog.rekor)
    rekor2: TransparencyLog = field(default_factory=TransparencyLog.rekor2)
    tsa: TimestampAuthority = field(default_factory=TimestampAuthority.create)

    def root(
        self,
        *,
        fulcios: Sequence[Fulcio] | None = None,
        ct_logs: Sequence[CtLog] | None = None,
        logs: Sequence[TransparencyLog] | None = None,
        tsas: Sequence[TimestampAuthority] | None = None,
        windows: Mapping[str, Window] | None = None,
        checkpoint_ids: bool = False,
    ) -> Json:
        """A trusted root, to be changed.

        Args:
            fulcios: certificate authorities; None is its own, and likewise the others.
            ct_logs: certificate transparency logs.
            logs: transparency logs.
            tsas: timestamping authorities.
            windows: when some of them count, by URL.
            checkpoint_ids: whether logs have a `checkpointKeyId` beside their `logId`.
        """
        windows = windows or {}
        fulcios = (self.fulcio,) if fulcios is None else fulcios
        ct_logs = (self.ct_log,) if ct_logs is None else ct_logs
        tsas = (self.tsa,) if tsas is None else tsas
        tlogs = [_log(log, windows) for log in ((self.rekor, self.rekor2) if logs is None else logs)]
        if checkpoint_ids:
            tlogs = [value | {"checkpointKeyId": value["logId"]} for value in tlogs]
        return {
            "mediaType": ROOT_MEDIA_TYPE,
            "tlogs": tlogs,
            "certificateAuthorities": [_authority(f, windows) for f in fulcios],
            "ctlogs": [_log(log, windows) for log in ct_logs],
            "timestampAuthorities": [_authority(t, windows) for t in tsas],
        }

    def trusted_root(
        self,
        *,
        fulcios: Sequence[Fulcio] | None = None,
        ct_logs: Sequence[CtLog] | None = None,
        logs: Sequence[TransparencyLog] | None = None,
        tsas: Sequence[TimestampAuthority] | None = None,
        windows: Mapping[str, Window] | None = None,
    ) -> bytes:
        """A trusted root (trusted_root.json); arguments as of `root`."""
        return encode(self.root(fulcios=fulcios, ct_logs=ct_logs, logs=logs, tsas=tsas, windows=windows))

    def issue(
        self,
        key: Keypair | None = None,
        profile: Profile | None = None,
        *,
        at: datetime = AT,
        scts: Sequence[Sct] | None = None,
        fulcio: Fulcio | None = None,
    ) -> Signer:
        """A signing certificate.

        Args:
            key: what it is for; None is a new P-256 key.
            profile: what it says; None is a workflow's identity and nothing more.
            at: when it is issued.
            scts: timestamps of CT logs in it; None is one of its own, () is none.
            fulcio: who issues; None is its own.
        """
        stamps = (Sct(log=self.ct_log, at=at),) if scts is None else scts
        return (fulcio or self.fulcio).issue(key or Keypair.generate(), profile or Profile(), at, stamps)

    def entry(
        self,
        signature: Signature,
        *,
        log: TransparencyLog | None = None,
        kind: Kind | None = None,
        at: datetime = AT,
        place: Place | None = None,
    ) -> Entry:
        """An entry about a signature, as clients log it: by default in Rekor v1."""
        log = log or self.rekor
        kind = kind or _usual_kind(log, signature)
        return log.enter(kind, body(kind, signature), at, place)

    def bundle(
        self,
        signature: Signature,
        *,
        version: BundleVersion = "0.3",
        entries: Sequence[Entry] | None = None,
        timestamps: Sequence[bytes] = (),
        intermediates: bool = False,
    ) -> Json:
        """A Sigstore bundle, to be changed.

        Args:
            signature: what it holds.
            version: of the bundle.
            entries: of logs; None is one of Rekor v1.
            timestamps: RFC 3161 responses, over `signature.content`.
            intermediates: whether v0.1 and v0.2 have the issuers below the root too.
        """
        entries = (self.entry(signature),) if entries is None else entries
        material = _verifier(signature.signer, version, intermediates=intermediates)
        if entries or signature.signer.chain:
            material["tlogEntries"] = [entry.json() for entry in entries]
        if timestamps:
            stamps = [{"signedTimestamp": b64(stamp)} for stamp in timestamps]
            material["timestampVerificationData"] = {"rfc3161Timestamps": stamps}
        return {"mediaType": MEDIA_TYPES[version], "verificationMaterial": material, **_content(signature)}

    def legacy_signature(
        self,
        signature: Signature,
        *,
        entry: Entry | None = None,
        logged: bool = True,
        timestamp: bytes | None = None,
        chain: bool = True,
    ) -> Layer:
        """A layer of `.sig`.

        Args:
            signature: over a simple-signing payload.
            entry: of a log; None is one of Rekor v1 if `logged`.
            logged: whether there is one at all.
            timestamp: an RFC 3161 response, over `signature.content`.
            chain: whether the certificate's issuers are beside it.
        """
        annotations = {cosign.SIGNATURE: b64(signature.content)}
        annotations |= self._beside(signature, entry, timestamp, logged=logged, chain=chain)
        return Layer(cosign.SIMPLE_SIGNING, signature.message, annotations)

    def legacy_attestation(
        self,
        signature: Signature,
        *,
        entry: Entry | None = None,
        logged: bool = True,
        timestamp: bytes | None = None,
        chain: bool = True,
    ) -> Layer:
        """A layer of `.att`; arguments as of `legacy_signature`, but `timestamp` is over `signature.stored`."""
        annotations = {cosign.SIGNATURE: ""}
        annotations |= self._beside(signature, entry, timestamp, logged=logged, chain=chain)
        return Layer(dsse.ENVELOPE, signature.stored, annotations)

    def _beside(
        self, signature: Signature, entry: Entry | None, timestamp: bytes | None, *, logged: bool, chain: bool
    ) -> dict[str, str]:
        found: dict[str, str] = {}
        if signature.signer.chain:
            leaf, *issuers = (c.public_bytes(Encoding.PEM).decode() for c in signature.signer.chain)
            found[cosign.CERTIFICATE] = leaf
            found |= {cosign.CHAIN: "".join(issuers)} if chain else {}
        if entry or logged:
            found[cosign.LOG_BUNDLE] = (entry or self.entry(signature)).annotation()
        if timestamp is not None:
            found[cosign.TIMESTAMP] = encode({"SignedRFC3161Timestamp": b64(timestamp)}).decode()
        return found


@cache
def shared_world() -> SigningAuthority:
    """One that tests share; made once a process."""
    return SigningAuthority()


def statement(
    image: Digest,
    predicate_type: str = dsse.COSIGN_SIGN,
    predicate: object = None,
    *,
    annotations: Mapping[str, str] | None = None,
    statement_type: str = "https://in-toto.io/Statement/v1",
) -> bytes:
    """An in-toto statement about an image; by default cosign's signature."""
    subject: Json = {"digest": {image.algorithm: image.hex}}
    if annotations:
        subject["annotations"] = dict(annotations)
    return encode(
        {
            "_type": statement_type,
            "subject": [subject],
            "predicateType": predicate_type,
            "predicate": {} if predicate is None else predicate,
        }
    )


def simple_signing(
    image: Digest, docker_reference: str = "ghcr.io/acme/api", annotations: Mapping[str, str] | None = None
) -> bytes:
    """cosign's payload about an image."""
    critical = {
        "identity": {"docker-reference": docker_reference},
        "image": {"docker-manifest-digest": str(image)},
        "type": cosign.TYPE,
    }
    return encode({"critical": critical, "optional": dict(annotations) if annotations else None})


def _usual_kind(log: TransparencyLog, signature: Signature) -> Kind:
    if log.version > 1:
        return HASHEDREKORD_2
    return HASHEDREKORD_1 if signature.payload is None else DSSE_1


def _content(signature: Signature) -> Json:
    if signature.payload is not None:
        return {"dsseEnvelope": signature.envelope}
    return {
        "messageSignature": {
            "messageDigest": _message_digest(signature.signer.key, signature.message),
            "signature": b64(signature.content),
        }
    }


def _message_digest(key: Keypair, message: bytes) -> Json:
    """As cosign 3.1 writes it: by the hash that the key signs with, and for Ed25519 none."""
    if key.kind == "Ed25519":
        return {}
    return {
        "algorithm": f"SHA2_{key.hash.digest_size * 8}",
        "digest": b64(hashlib.new(key.hash.name, message).digest()),
    }


def _verifier(signer: Signer, version: BundleVersion, *, intermediates: bool) -> Json:
    if not signer.chain:
        return {"publicKey": {"hint": b64(signer.key.id)}}
    shown = signer.chain[:-1] if intermediates else signer.chain[:1]
    certificates = [{"rawBytes": b64(c.public_bytes(Encoding.DER))} for c in shown]
    if version in {"0.1", "0.2"} or intermediates:
        return {"x509CertificateChain": {"certificates": certificates}}
    return {"certificate": certificates[0]}


def _log(log: CtLog | TransparencyLog, windows: Mapping[str, Window]) -> Json:
    return {
        "baseUrl": log.url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": b64(log.key.spki),
            "keyDetails": log.key.details,
            "validFor": _valid_for(windows.get(log.url, OPEN)),
        },
        "logId": {"keyId": b64(log.id)},
    }


def _authority(authority: Fulcio | TimestampAuthority, windows: Mapping[str, Window]) -> Json:
    certificates = [{"rawBytes": b64(i.certificate.public_bytes(Encoding.DER))} for i in authority.issuers]
    return {
        "subject": {"organization": "sigstore.test", "commonName": authority.uri.removeprefix("https://")},
        "uri": authority.uri,
        "certChain": {"certificates": certificates},
        "validFor": _valid_for(windows.get(authority.uri, OPEN)),
    }


def _valid_for(window: Window) -> Json:
    return {
        name: f"{at:%Y-%m-%dT%H:%M:%S}.{at:%f}Z"
        for name, at in (("start", window.start), ("end", window.end))
        if at is not None
    }
