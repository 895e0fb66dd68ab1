"""How often a store met trouble. Nobody is told of it as it happens: a review goes on without what was kept."""

from __future__ import annotations

import threading
from typing import Final

_NAMES: Final = ("set_aside", "dropped", "failed")


class Counts:
    """Three counters. Thread-safe.

    `set_aside`: files that were no store of ours, or no longer; `dropped`: values that could have been kept and were
    not; `failed`: reads and writes that came to nothing.
    """

    def __init__(self) -> None:
        """All are 0."""
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(_NAMES, 0)

    def add(self, name: str, times: int = 1) -> None:
        """Count."""
        with self._lock:
            self._counts[name] += times

    def so_far(self) -> dict[str, int]:
        """The three, by name."""
        with self._lock:
            return dict(self._counts)
