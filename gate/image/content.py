"""Content that was compared with its digest, and may be too large to be in memory before somebody reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from gate.image.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Iterator


class Content(Protocol):
    """Bytes in memory or on disk."""

    @property
    def size(self) -> int:
        """How many."""

    @property
    def digest(self) -> Digest:
        """Computed of them."""

    def read(self) -> bytes:
        """All of them."""

    def chunks(self) -> Iterator[bytes]:
        """All of them, bit by bit."""

    def close(self) -> None:
        """Let go of them; nothing is read after that."""


@dataclass(frozen=True, slots=True)
class InMemory:
    """Bytes in memory."""

    content: bytes = field(repr=False)
    algorithm: str = "sha256"

    @property
    def size(self) -> int:
        """How many."""
        return len(self.content)

    @property
    def digest(self) -> Digest:
        """Computed anew."""
        return Digest.of(self.content, self.algorithm)

    def read(self) -> bytes:
        """All of them."""
        return self.content

    def chunks(self) -> Iterator[bytes]:
        """All of them, at once."""
        yield self.content

    def close(self) -> None:
        """Nothing to let go of."""
