"""What the listings of all images that are under way may weigh together.

A listing waits, in memory, for payloads that a slow registry does not give. One image's is bounded, and many images may
be asked for at a time: so large ones have a budget in common. Where it is spent, a large listing is an error at once,
and a small one, as nearly all are, is none of its business.
"""

from __future__ import annotations

import threading
from typing import Final

FREE_BYTES: Final = 16 * 1024
"""Bytes of entries, about, that each image has without being charged."""

MAX_CHARGED: Final = 8 * 1024 * 1024
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
        self._lock = threading.Lock()

    def charge(self, size: int) -> Charge:
        """Spend so many bytes, for as long as what is returned is held.

        Raises:
            Spent: there are not as many left.
        """
        with self._lock:
            if size > self._left:
                raise Spent
            self._left -= size
        return Charge(self, size)

    def release(self, size: int) -> None:
        """Something that was charged is no longer there."""
        with self._lock:
            self._left += size

    @property
    def left(self) -> int:
        """Bytes that can be spent."""
        return self._left


class Charge:
    """Stands beside what it was charged for, wherever that goes, and ends with it."""

    __slots__ = ("_budget", "_size")

    def __init__(self, budget: Budget, size: int) -> None:
        self._budget = budget
        self._size = size

    def __del__(self) -> None:
        self._budget.release(self._size)


class Account:
    """One image's: a little is free, and with all that is charged there is a most. Thread-safe."""

    def __init__(self, budget: Budget, most: int) -> None:
        """`most` bytes of this image, about."""
        self._budget = budget
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
        return self._budget.charge(size)
