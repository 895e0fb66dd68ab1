"""What a signature is over: bytes, or something of which only the SHA-256 is known."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

_HASHES: Final = {"sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}


@dataclass(frozen=True, slots=True)
class Message:
    """The signed message.

    Attributes:
        sha256: its digest.
        content: itself; None where it is not at hand.
    """

    sha256: bytes
    content: bytes | None = field(default=None, repr=False)

    @classmethod
    def of(cls, content: bytes) -> Message:
        """A message that is at hand."""
        return cls(hashlib.sha256(content).digest(), content)

    def digest(self, algorithm: str) -> bytes | None:
        """Its digest by `sha256`, `sha384` or `sha512`; None where it is not known."""
        if algorithm == "sha256":
            return self.sha256
        if self.content is None or algorithm not in _HASHES:
            return None
        return _HASHES[algorithm](self.content).digest()
