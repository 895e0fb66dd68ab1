"""Checkpoints: a log's signed word on its tree (C2SP tlog-checkpoint.md over signed-note.md).

A note is text, an empty line, and signature lines `— name base64(key hash ‖ signature)`. Signatures by keys that are
not asked about (witnesses, other logs) say nothing here.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from gate.errors import ParseError
from gate.evidence.inclusion import HASH_BYTES
from gate.evidence.limits import MAX_CHECKPOINT, MAX_NOTE_SIGNATURES
from gate.protojson import decode_base64

if TYPE_CHECKING:
    from gate.trust.root import Log

_SIGNATURE: Final = re.compile(r"\u2014 ([^\s+]+) ([A-Za-z0-9+/=]+)")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_KEY_HASH: Final = 4  # bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint's parts. Nothing is verified yet.

    Attributes:
        origin: the log's name for itself.
        size: of its tree, in leaves.
        root: hash of its tree.
        text: what is signed.
        signatures: name, key hash and signature of each signature line.
    """

    origin: str
    size: int
    root: bytes
    text: bytes
    signatures: tuple[tuple[str, bytes, bytes], ...]

    @classmethod
    def parse(cls, envelope: str) -> Checkpoint:
        """Read a signed note that holds a checkpoint.

        Raises:
            ParseError: too long, without a part, or with a malformed one.
        """
        if len(envelope) > MAX_CHECKPOINT:
            raise ParseError(f"the checkpoint has {len(envelope)} characters; at most {MAX_CHECKPOINT} are read")
        text, separator, notes = envelope.rpartition("\n\n")
        lines = text.split("\n")
        if not separator or len(lines) < 3 or not lines[0]:  # noqa: PLR2004 - origin, size, root
            raise ParseError("the checkpoint is no signed note of an origin, a size and a root")
        if not _SIZE.fullmatch(lines[1]):
            raise ParseError(f"the checkpoint's size is {lines[1][:50]!r}")
        root = decode_base64(lines[2], "the checkpoint's root")
        if len(root) != HASH_BYTES or base64.b64encode(root).decode() != lines[2]:
            raise ParseError("the checkpoint's root is no SHA-256")
        return cls(lines[0], int(lines[1]), root, f"{text}\n".encode(), _signatures(notes))

    def is_signed_by(self, log: Log) -> bool:
        """Whether the log's key signed it: every line that names its key has to hold (signed-note.md, "Verifying").

        Of lines that name other keys nothing is known, and nothing is wanted.
        """
        own = [(name, signature) for name, hint, signature in self.signatures if hint in _hints(log)]
        return bool(own) and all(log.key.verifies(signature, self.text) for _, signature in own)

    def is_named_after(self, log: Log) -> bool:
        """Whether origin and key name are the log's own: of Rekor v2 (rekor-tiles) the host of its URL, and its path.

        One key may sign for several logs.
        """
        names = {name for name, hint, _ in self.signatures if hint in _hints(log)}
        return self.origin in _names(log) and names == {self.origin}

    def is_of_host_of(self, log: Log) -> bool:
        """Whether the origin is one of Rekor v1 at the log's URL: its host (port, path), ` - ` and a tree's id.

        Which trees it has nothing states beforehand (sigstore/rekor, pkg/util/checkpoint.go).
        """
        return self.origin.partition(" - ")[0] in _names(log) | {urlsplit(log.url).hostname}


def _names(log: Log) -> set[str]:
    """Host, and host with path, of the log's URL."""
    parts = urlsplit(log.url)
    return {parts.netloc, parts.netloc + parts.path.rstrip("/")} - {""}


def _hints(log: Log) -> set[bytes]:
    return {identifier[:_KEY_HASH] for identifier in log.ids}


def _signatures(notes: str) -> tuple[tuple[str, bytes, bytes], ...]:
    if not notes.endswith("\n"):
        raise ParseError("the checkpoint's last line has no end")
    lines = notes[:-1].split("\n")
    if len(lines) > MAX_NOTE_SIGNATURES:
        raise ParseError(f"the checkpoint has {len(lines)} signatures; at most {MAX_NOTE_SIGNATURES} are read")
    found: list[tuple[str, bytes, bytes]] = []
    for line in lines:
        parts = _SIGNATURE.fullmatch(line)
        if not parts:
            raise ParseError(f"the checkpoint has a line that is no signature: {line[:50]!r}")
        content = decode_base64(parts[2], "a signature of the checkpoint")
        if len(content) <= _KEY_HASH:
            raise ParseError("a signature of the checkpoint is too short")
        found.append((parts[1], content[:_KEY_HASH], content[_KEY_HASH:]))
    return tuple(found)
