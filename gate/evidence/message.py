"""What a signature is over: bytes, or something of which only digests are known."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.trust.key import Hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_KEPT: Final = 64 * 1024 * 1024
"""Bytes of a message that are kept at hand; of a larger one only its digests are."""

_HASHES: Final = {Hash.SHA256: hashlib.sha256, Hash.SHA384: hashlib.sha384, Hash.SHA512: hashlib.sha512}


@dataclass(frozen=True, slots=True)
class Message:
    """The signed message.

    Attributes:
        sha256: its digest.
        content: itself; None where it is not at hand.
        sha384: its digest where it is known; where the message is at hand, `digest` computes it.
        sha512: likewise.
    """

    sha256: bytes
    content: bytes | None = field(default=None, repr=False)
    sha384: bytes | None = None
    sha512: bytes | None = None

    @classmethod
    def of(cls, content: bytes) -> Message:
        """A message that is at hand."""
        return cls(hashlib.sha256(content).digest(), content)

    @classmethod
    def read(cls, chunks: Iterable[bytes], keep: int = MAX_KEPT) -> Message:
        """A message that comes in chunks, hashed by everything there is in one pass.

        Args:
            chunks: of it.
            keep: how many bytes it may have at most to stay at hand.
        """
        hashed = {function: make() for function, make in _HASHES.items()}
        kept: bytearray | None = bytearray()
        for chunk in chunks:
            for hashing in hashed.values():
                hashing.update(chunk)
            if kept is not None:
                kept += chunk
                kept = kept if len(kept) <= keep else None
        digests = {function: hashing.digest() for function, hashing in hashed.items()}
        content = None if kept is None else bytes(kept)
        return cls(digests[Hash.SHA256], content, digests[Hash.SHA384], digests[Hash.SHA512])

    @property
    def digests(self) -> Mapping[Hash, bytes]:
        """Those of its digests that are known without hashing it."""
        known = ((Hash.SHA256, self.sha256), (Hash.SHA384, self.sha384), (Hash.SHA512, self.sha512))
        return {function: digest for function, digest in known if digest is not None}

    @property
    def was_read(self) -> bool:
        """Whether all of it was there, though it may have been too large to be kept; else there was only a digest."""
        return self.content is not None or self.sha512 is not None

    @property
    def lacking(self) -> str:
        """What a signature would need that is over more than the digests that are known."""
        if self.was_read:
            return f"the whole file at hand, which is not done above {MAX_KEPT // 1024**2} MiB"
        return "the file, not its digest"

    def digest(self, algorithm: str) -> bytes | None:
        """Its digest by `sha256`, `sha384` or `sha512`; None where it is not known."""
        if algorithm not in _HASHES:
            return None
        function = Hash(algorithm)
        known = self.digests.get(function)
        return _HASHES[function](self.content).digest() if known is None and self.content is not None else known
