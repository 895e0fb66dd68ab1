"""When something is valid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` to `end`, both inclusive, both aware; None is open."""

    start: datetime | None = None
    end: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Whether an instant is in it."""
        return (self.start is None or self.start <= at) and (self.end is None or at <= self.end)

    def within(self, other: Window) -> Window:
        """The part of it that is in `other` too; it may hold nothing."""
        starts = [s for s in (self.start, other.start) if s is not None]
        ends = [e for e in (self.end, other.end) if e is not None]
        return Window(max(starts, default=None), min(ends, default=None))

    def __str__(self) -> str:
        start = f"{self.start:%Y-%m-%dT%H:%M:%SZ}" if self.start else "ever"
        end = f"{self.end:%Y-%m-%dT%H:%M:%SZ}" if self.end else "open"
        return f"{start} to {end}"


ALWAYS: Final = Window()
"""Open at both ends."""
