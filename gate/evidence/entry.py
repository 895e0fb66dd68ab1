"""Transparency log entries as they are carried: in bundles (sigstore_rekor.proto) and in cosign's annotation."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from gate import protojson, strictjson
from gate.errors import ParseError
from gate.evidence.inclusion import HASH_BYTES
from gate.evidence.limits import MAX_BODY, MAX_PROOF

_HEX: Final = re.compile(r"(?:[0-9a-f]{2})+", re.ASCII)
_REKOR_2: Final = {("hashedrekord", "0.0.2"), ("dsse", "0.0.2")}
_ENTRY: Final = (
    "logIndex", "logId", "kindVersion", "integratedTime", "inclusionPromise", "inclusionProof", "canonicalizedBody",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """Where in a log's tree an entry is. `index` counts within the shard, unlike the entry's own."""

    index: int
    size: int
    root: bytes
    hashes: tuple[bytes, ...]
    checkpoint: str


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An entry. Nothing in it is verified yet.

    Attributes:
        log_id: which log it claims to be of.
        index: over all shards of the log.
        integrated_time: seconds since 1970; 0 where the log states none. Worth something only under a promise.
        kind: of its body and `version`, as stated beside it; "" in cosign's annotation.
        body: what was logged, canonical JSON.
        promise: the log's signed entry timestamp; b"" where there is none.
        proof: that it is in the log; None where there is none.
    """

    log_id: bytes
    index: int
    integrated_time: int
    kind: str
    version: str
    body: bytes = field(repr=False)
    promise: bytes
    proof: InclusionProof | None

    @property
    def of_rekor_2(self) -> bool:
        """Whether it says it is of Rekor v2 (rekor-tiles, entry.proto); `check_body` holds its body to that."""
        return (self.kind, self.version) in _REKOR_2

    @classmethod
    def of_bundle(cls, raw: object) -> LogEntry:
        """Read a `TransparencyLogEntry`.

        Raises:
            ParseError: a part is absent or malformed.
        """
        value = strictjson.as_object(raw, "the log entry")
        protojson.only(value, _ENTRY, "the log entry")
        kind = _part(value, "kindVersion", ("kind", "version"))
        promise = _part(value, "inclusionPromise", ("signedEntryTimestamp",))
        entry = cls(
            protojson.raw(_part(value, "logId", ("keyId",)), "keyId", "the log entry's logId.keyId"),
            protojson.int64(value, "logIndex", "the log entry's logIndex"),
            protojson.int64(value, "integratedTime", "the log entry's integratedTime"),
            protojson.string(kind, "kind", "the log entry's kind"),
            protojson.string(kind, "version", "the log entry's version"),
            protojson.raw(value, "canonicalizedBody", "the log entry's canonicalizedBody"),
            protojson.raw(promise, "signedEntryTimestamp", "the log entry's signedEntryTimestamp"),
            _proof(value),
        )
        if not entry.kind or not entry.version:
            raise ParseError("the log entry has no kindVersion")
        return entry.checked()

    @classmethod
    def of_annotation(cls, text: str) -> LogEntry:
        """Read cosign's `dev.sigstore.cosign/bundle`: the promise and what it is over, nothing else.

        Raises:
            ParseError: a part is absent or malformed.
        """
        value = strictjson.as_object(strictjson.loads_text(text), "the log entry")
        payload = protojson.message(value, "Payload", "the log entry's Payload")
        log_id = protojson.string(payload, "logID", "the log entry's logID")
        if not _HEX.fullmatch(log_id):
            raise ParseError("the log entry's logID is not hexadecimal")
        return cls(
            bytes.fromhex(log_id),
            _number(payload, "logIndex"),
            _number(payload, "integratedTime"),
            "",
            "",
            protojson.raw(payload, "body", "the log entry's body"),
            protojson.raw(value, "SignedEntryTimestamp", "the log entry's SignedEntryTimestamp"),
            None,
        ).checked()

    def checked(self) -> LogEntry:
        """Itself.

        Raises:
            ParseError: what no entry can be without is missing.
        """
        if not self.log_id or not self.body:
            raise ParseError("the log entry has no log id or no body")
        if len(self.body) > MAX_BODY:
            raise ParseError(f"the log entry's body has {len(self.body)} bytes; at most {MAX_BODY} are read")
        if self.index < 0 or self.integrated_time < 0:
            raise ParseError("the log entry has a negative index or time")
        return self


def _part(entry: dict[str, object], key: str, fields: tuple[str, ...]) -> dict[str, object]:
    value = protojson.message(entry, key, f"the log entry's {key}")
    protojson.only(value, fields, f"the log entry's {key}")
    return value


def _number(payload: dict[str, object], key: str) -> int:
    """A number and not its digits: the annotation is no protocol buffer, and what is promised is a number."""
    if isinstance(payload.get(key), str):
        raise ParseError(f"the log entry's {key} is a text")
    return protojson.int64(payload, key, f"the log entry's {key}")


def _proof(entry: dict[str, object]) -> InclusionProof | None:
    if strictjson.get(entry, "inclusionProof") is None:
        return None
    value = protojson.message(entry, "inclusionProof", "the inclusion proof")
    protojson.only(value, ("logIndex", "rootHash", "treeSize", "hashes", "checkpoint"), "the inclusion proof")
    hashes = protojson.repeated(value, "hashes", "the inclusion proof's hashes", MAX_PROOF)
    decoded = tuple(protojson.decode_base64(_text(h), "a hash of the inclusion proof") for h in hashes)
    root = protojson.raw(value, "rootHash", "the inclusion proof's rootHash")
    if any(len(h) != HASH_BYTES for h in (root, *decoded)):
        raise ParseError("the inclusion proof has a hash that is no SHA-256")
    checkpoint = protojson.message(value, "checkpoint", "the inclusion proof's checkpoint")
    protojson.only(checkpoint, ("envelope",), "the inclusion proof's checkpoint")
    return InclusionProof(
        protojson.int64(value, "logIndex", "the inclusion proof's logIndex"),
        protojson.int64(value, "treeSize", "the inclusion proof's treeSize"),
        root,
        decoded,
        protojson.string(checkpoint, "envelope", "the checkpoint"),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ParseError("a hash of the inclusion proof is not a text")
    return value
