"""What has failed is left alone for some seconds, so that it costs few reviews its time limit."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Pause:
    """Says whether to try. After the seconds one caller may, and the others when that has worked. Thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._paused = False
        self._until = 0.0
        self._seconds = 0.0

    def passes(self) -> bool:
        """Whether this caller may try."""
        if not self._paused:  # mostly; a look without the lock is as good as one just before
            return True
        with self._lock:
            now = self._clock()
            if now < self._until:
                return False
            self._until = now + self._seconds
            return True

    def begin(self, seconds: float) -> None:
        """It failed: nobody tries for so long."""
        with self._lock:
            self._seconds = seconds
            self._until = self._clock() + seconds
            self._paused = True

    def end(self) -> None:
        """It worked."""
        if self._paused:
            with self._lock:
                self._paused = False
