"""What one process keeps for itself: the least recently used leave first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.store.counts import Counts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OVERHEAD: Final = 256
"""Bytes that an entry takes beside its key and value, about."""

LARGEST_SHARE: Final = 4
"""A value above this part of a store's limit is not kept: it would drive out too much."""


@dataclass(frozen=True, slots=True)
class _Kept:
    value: bytes
    until: float
    weight: int


class MemoryStore:
    """Values by key, of so many bytes together. Thread-safe."""

    def __init__(self, bytes_limit: int, clock: Callable[[], float], *, instead: bool = False) -> None:
        """Nothing is kept yet.

        Args:
            bytes_limit: counts keys, values and what goes with them.
            clock: monotonic, in seconds.
            instead: it stands in for a file that there cannot be, which is trouble.
        """
        self._limit = bytes_limit
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._weight = 0
        self._counts = Counts()
        if instead:
            self._counts.add("failed")

    @property
    def counts(self) -> dict[str, int]:
        """As of the other stores; nothing is added to them here."""
        return self._counts.so_far()

    def get(self, keys: Sequence[str]) -> dict[str, bytes]:
        """What there is of these keys."""
        found = {}
        with self._lock:
            now = self._clock()
            for key in keys:
                kept = self._kept.get(key)
                if kept is None:
                    continue
                if kept.until <= now:
                    self._remove(key)
                    continue
                self._kept.move_to_end(key)
                found[key] = kept.value
        return found

    def put(self, key: str, value: bytes, seconds: float) -> None:
        """Keep a value for so long, if it isn't too large."""
        weight = len(key) + len(value) + OVERHEAD
        with self._lock:
            self._remove(key)
            if len(value) > self._limit // LARGEST_SHARE or not seconds > 0:
                return
            self._kept[key] = _Kept(value, self._clock() + seconds, weight)
            self._weight += weight
            while self._weight > self._limit:
                self._remove(next(iter(self._kept)))

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._weight = 0

    def _remove(self, key: str) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._weight -= kept.weight
