"""Transparency logs: Rekor v1 and v2. Entries of every kind, trees, checkpoints with their signatures, promises.

Stateless: an entry is put at a stated place of a tree whose other leaves are made up.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import rfc8785

from tests.fakes.fulcio import AT, Keypair

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tests.fakes.signing_authority import Signature

Json = dict[str, object]
Kind = tuple[
    Literal["hashedrekord", "dsse", "intoto"],
    Literal["0.0.1", "0.0.2"],
]

HASHEDREKORD_1: Final[Kind] = ("hashedrekord", "0.0.1")
HASHEDREKORD_2: Final[Kind] = ("hashedrekord", "0.0.2")
DSSE_1: Final[Kind] = ("dsse", "0.0.1")
DSSE_2: Final[Kind] = ("dsse", "0.0.2")
INTOTO_1: Final[Kind] = ("intoto", "0.0.1")
INTOTO_2: Final[Kind] = ("intoto", "0.0.2")

_KEY_HASH: Final = 4
_NOTE_ED25519, _NOTE_COSIGNATURE = b"\x01", b"\x04"
_V2_HASHES: Final = {"sha256": "SHA2_256", "sha384": "SHA2_384", "sha512": "SHA2_512"}


def b64(content: bytes) -> str:
    """Standard base64."""
    return base64.b64encode(content).decode()


def compact(value: object) -> bytes:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":")).encode()


def body(kind: Kind, signature: Signature) -> Json:
    """What a log keeps of a signature. Canonical JSON (`rfc8785.dumps`) is what becomes a leaf."""
    specs = {
        HASHEDREKORD_1: _hashedrekord_1,
        HASHEDREKORD_2: _hashedrekord_2,
        DSSE_1: _dsse_1,
        DSSE_2: _dsse_2,
        INTOTO_1: _intoto_1,
        INTOTO_2: _intoto_2,
    }
    return {"apiVersion": kind[1], "kind": kind[0], "spec": specs[kind](signature)}


def _hashedrekord_1(signature: Signature) -> Json:
    name = signature.signer.key.hash.name
    return {
        "data": {"hash": {"algorithm": name, "value": hashlib.new(name, signature.message).hexdigest()}},
        "signature": {"content": b64(signature.content), "publicKey": {"content": b64(signature.signer.pem)}},
    }


def _hashedrekord_2(signature: Signature) -> Json:
    name = signature.signer.key.hash.name
    digest = hashlib.new(name, signature.message).digest()
    data = {"algorithm": _V2_HASHES[name], "digest": b64(digest)}
    return {"hashedRekordV002": {"data": data, "signature": _signature_2(signature)}}


def _dsse_1(signature: Signature) -> Json:
    return {
        "envelopeHash": _sha256(signature.stored),
        "payloadHash": _sha256(signature.payload),
        "signatures": [{"signature": b64(signature.content), "verifier": b64(signature.signer.pem)}],
    }


def _dsse_2(signature: Signature) -> Json:
    digest = hashlib.sha256(signature.payload or b"").digest()
    return {
        "dsseV002": {
            "payloadHash": {"algorithm": "SHA2_256", "digest": b64(digest)},
            "signatures": [_signature_2(signature)],
        }
    }


def _intoto_1(signature: Signature) -> Json:
    return {
        "content": {"hash": _sha256(signature.stored), "payloadHash": _sha256(signature.payload)},
        "publicKey": b64(signature.signer.pem),
    }


def _intoto_2(signature: Signature) -> Json:
    logged = {"publicKey": b64(signature.signer.pem), "sig": b64(b64(signature.content).encode())}
    return {
        "content": {
            "envelope": {"payloadType": signature.payload_type, "signatures": [logged]},
            "hash": _sha256(signature.stored),
            "payloadHash": _sha256(signature.payload),
        }
    }


def _signature_2(signature: Signature) -> Json:
    signer = signature.signer
    kind = "x509Certificate" if signer.chain else "publicKey"
    verifier = {kind: {"rawBytes": b64(signer.der)}, "keyDetails": signer.key.details}
    return {"content": b64(signature.content), "verifier": verifier}


def _sha256(content: bytes | None) -> Json:
    assert content is not None
    return {"algorithm": "sha256", "value": hashlib.sha256(content).hexdigest()}


@dataclass(frozen=True, slots=True)
class Proof:
    """Where in a log's tree an entry is."""

    index: int
    size: int
    root: bytes
    hashes: tuple[bytes, ...]
    checkpoint: str

    def json(self) -> Json:
        """As a bundle has it."""
        value: Json = {
            "logIndex": str(self.index),
            "rootHash": b64(self.root),
            "treeSize": str(self.size),
            "hashes": [b64(h) for h in self.hashes],
        }
        return value | ({"checkpoint": {"envelope": self.checkpoint}} if self.checkpoint else {})


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it is carried. `dataclasses.replace` makes a wrong one of it.

    Attributes:
        promise: the signed entry timestamp; b"" leaves it out.
        proof: None leaves it out.
    """

    log_id: bytes
    index: int
    integrated_time: int
    kind: str
    version: str
    body: bytes = field(repr=False)
    promise: bytes = field(repr=False)
    proof: Proof | None = field(repr=False)

    def json(self) -> Json:
        """As a bundle has it."""
        value: Json = {
            "logIndex": str(self.index),
            "logId": {"keyId": b64(self.log_id)},
            "kindVersion": {"kind": self.kind, "version": self.version},
            "integratedTime": str(self.integrated_time),
            "canonicalizedBody": b64(self.body),
        }
        if self.promise:
            value["inclusionPromise"] = {"signedEntryTimestamp": b64(self.promise)}
        if self.proof:
            value["inclusionProof"] = self.proof.json()
        return value

    def annotation(self) -> str:
        """As cosign's annotation has it: the promise and what it is over."""
        payload = {
            "body": b64(self.body),
            "integratedTime": self.integrated_time,
            "logIndex": self.index,
            "logID": self.log_id.hex(),
        }
        return compact({"SignedEntryTimestamp": b64(self.promise), "Payload": payload}).decode()


@dataclass(frozen=True, slots=True)
class NoteKey:
    """Who signs checkpoints: a log, or a witness.

    Attributes:
        name: as the signature line has it.
        key: what signs.
        witness: whether it cosigns (C2SP tlog-cosignature) instead of signing; then the key is Ed25519.
        id: its key id; None is the truth (C2SP signed-note).
        at: when a witness saw it.
    """

    name: str
    key: Keypair
    witness: bool = False
    id: bytes | None = None
    at: datetime = AT

    @property
    def key_id(self) -> bytes:
        """All of the key id; lines have its first four bytes."""
        if self.id is not None:
            return self.id
        if not self.key.kind.startswith("Ed25519"):
            return self.key.id
        kind = _NOTE_COSIGNATURE if self.witness else _NOTE_ED25519
        return hashlib.sha256(self.name.encode() + b"\n" + kind + self.key.raw).digest()

    def line(self, text: str) -> str:
        """The signature line under a note."""
        seconds = int(self.at.timestamp())
        if self.witness:
            signed = f"cosignature/v1\ntime {seconds}\n{text}".encode()
            signature = seconds.to_bytes(8, "big") + self.key.sign(signed)
        else:
            signature = self.key.sign(text.encode())
        return f"\u2014 {self.name} {b64(self.key_id[:_KEY_HASH] + signature)}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an entry is put, and how its checkpoint looks.

    Attributes:
        index: in the tree of the log's current shard.
        size: of that tree.
        before: who signs the checkpoint before the log does.
        signers: who signs it in the log's stead; None is the log.
        after: who signs it after the log.
        origin: its first line; None is the log's own.
        lines: its further lines, behind the root.
        promise: whether the log promises the entry; Rekor v2 never does.
        proof: whether there is an inclusion proof.
        checkpoint: whether there is a checkpoint in it.
    """

    index: int = 3
    size: int = 7
    before: tuple[NoteKey, ...] = ()
    signers: tuple[NoteKey, ...] | None = None
    after: tuple[NoteKey, ...] = ()
    origin: str | None = None
    lines: tuple[str, ...] = ()
    promise: bool = True
    proof: bool = True
    checkpoint: bool = True


@dataclass(frozen=True, slots=True)
class TransparencyLog:
    """One log.

    Attributes:
        url: its base URL.
        key: what it signs with.
        version: of Rekor: 1 promises entries and states times, 2 does neither.
        offset: entries of the shards before: an entry's own index is that much higher than the one in the tree.
    """

    url: str
    key: Keypair
    version: Literal[1, 2] = 1
    offset: int = 0

    @classmethod
    def rekor(
        cls, url: str = "https://rekor.test", key: Keypair | None = None, offset: int = 1_000_000
    ) -> TransparencyLog:
        """Rekor v1, in its second shard."""
        return cls(url, key or Keypair.generate("P-256"), 1, offset)

    @classmethod
    def rekor2(cls, url: str = "https://log2026-1.rekor.test", key: Keypair | None = None) -> TransparencyLog:
        """Rekor v2."""
        return cls(url, key or Keypair.generate("Ed25519"), 2)

    @property
    def name(self) -> str:
        """Its host: how it signs checkpoints."""
        return self.url.removeprefix("https://")

    @property
    def origin(self) -> str:
        """The first line of its checkpoints. Rekor v1 names its tree there too."""
        return self.name if self.version > 1 else f"{self.name} - 2605736670972794746"

    @property
    def note_key(self) -> NoteKey:
        """How it signs checkpoints."""
        return NoteKey(self.name, self.key)

    @property
    def id(self) -> bytes:
        """As entries and trusted roots name it: the whole id of its checkpoint key."""
        return self.note_key.key_id

    def enter(self, kind: Kind, body: Json | bytes, at: datetime = AT, place: Place | None = None) -> Entry:
        """Log a body; bytes are logged as they are."""
        place = place or Place()
        leaf = body if isinstance(body, bytes) else rfc8785.dumps(body)  # type: ignore[arg-type]
        integrated = int(at.timestamp()) if self.version == 1 else 0
        index = self.offset + place.index
        promised = place.promise and self.version == 1
        return Entry(
            self.id,
            index,
            integrated,
            *kind,
            leaf,
            self.promise(leaf, index, integrated) if promised else b"",
            self.prove(leaf, place) if place.proof else None,
        )

    def promise(self, leaf: bytes, index: int, integrated_time: int, *, key: Keypair | None = None) -> bytes:
        """A signed entry timestamp."""
        promised: dict[str, str | int] = {
            "body": b64(leaf),
            "integratedTime": integrated_time,
            "logID": self.id.hex(),
            "logIndex": index,
        }
        return (key or self.key).sign(rfc8785.dumps(promised))

    def prove(self, leaf: bytes, place: Place) -> Proof:
        """An inclusion proof, among leaves that are made up."""
        leaves = [b"leaf %d" % i for i in range(place.size)]
        leaves[place.index] = leaf
        root = merkle_root(leaves)
        checkpoint = self.checkpoint(root, place) if place.checkpoint else ""
        return Proof(place.index, place.size, root, merkle_path(place.index, leaves), checkpoint)

    def checkpoint(self, root: bytes, place: Place) -> str:
        """A signed note on a tree."""
        own = (self.note_key,) if place.signers is None else place.signers
        text = "\n".join((place.origin or self.origin, str(place.size), b64(root), *place.lines, ""))
        return f"{text}\n" + "".join(signer.line(text) for signer in (*place.before, *own, *place.after))


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The hash of a tree (RFC 6962, 2.1)."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    half = _half(len(leaves))
    return hashlib.sha256(b"\x01" + merkle_root(leaves[:half]) + merkle_root(leaves[half:])).digest()


def merkle_path(index: int, leaves: Sequence[bytes]) -> tuple[bytes, ...]:
    """The siblings on the way from a leaf to the root (RFC 6962, 2.1.1)."""
    if len(leaves) == 1:
        return ()
    half = _half(len(leaves))
    if index < half:
        return (*merkle_path(index, leaves[:half]), merkle_root(leaves[half:]))
    return (*merkle_path(index - half, leaves[half:]), merkle_root(leaves[:half]))


def _half(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
