"""What the listings of all images that are under way may weigh together.

A listing waits, in memory, for payloads that a slow registry does not give. One image's is bounded, and many images may
be asked for at a time: so large ones have a budget in common. Where it is spent, a large listing is an error at once,
and a small one, as nearly all are, is none of its business.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

FREE_BYTES: Final = 48 * 1024
"""Bytes of entries, about, that each image has without being charged."""

MAX_CHARGED: Final = 7 * 1024 * 1024
"""Bytes of all others together, about."""


class Spent(Exception):
    """The budget is."""


class OfOneImage(Exception):
    """One image has more than one image may have."""


class Budget:
    """Bytes to be spent. Thread-safe."""

    def __init__(self, most: int = MAX_CHARGED) -> None:
        """Nothing is spent yet."""
        self._left = most
        self._held: dict[str, int] = {}
        self._returned: deque[tuple[str, int]] = deque()
        self._lock = threading.Lock()

    def charge(self, registry: str, size: int) -> Charge:
        """Spend so many bytes, for as long as what is returned is held.

        Raises:
            Spent: the registry would leave less to others than it has.
        """
        with self._lock:
            self._take_back()
            held, left = self._held.get(registry, 0), self._left - size
            enough = held + size <= left
            if enough:
                self._left, self._held[registry] = left, held + size
        if not enough:
            raise Spent
        return Charge(self, registry, size)

    def release(self, registry: str, size: int) -> None:
        """Something that was charged is no longer there. Takes no lock: the collector may call it at any moment."""
        self._returned.append((registry, size))

    @property
    def left(self) -> int:
        """Bytes that can be spent."""
        with self._lock:
            self._take_back()
            return self._left

    def _take_back(self) -> None:
        """The lock is held; what is returned meanwhile is taken the next time."""
        for _ in range(len(self._returned)):
            registry, size = self._returned.popleft()
            self._left += size
            self._held[registry] -= size
            if not self._held[registry]:
                del self._held[registry]


class Charge:
    """Stands beside what it was charged for, wherever that goes, and ends with it."""

    __slots__ = ("_budget", "_registry", "_size")

    def __init__(self, budget: Budget, registry: str, size: int) -> None:
        self._budget = budget
        self._registry = registry
        self._size = size

    def __del__(self) -> None:
        self._budget.release(self._registry, self._size)


class Account:
    """One image's: a little is free, and with all that is charged there is a most. Thread-safe."""

    def __init__(self, budget: Budget, registry: str, most: int) -> None:
        """`most` bytes of this image, about, of what a registry says."""
        self._budget = budget
        self._registry = registry
        self._lock = threading.Lock()
        self._free = FREE_BYTES
        self._left = most
        self.exceeded = False
        """Whether the image has more than it may have."""

    def charge(self, size: int) -> Charge | None:
        """As of the budget; None for what is free.

        Raises:
            Spent: as of the budget.
            OfOneImage: the image has had its most.
        """
        with self._lock:
            if size > self._left:
                self.exceeded = True
                raise OfOneImage
            self._left -= size
            if size <= self._free:
                self._free -= size
                return None
        return self._budget.charge(self._registry, size)
