"""A clock that moves only when it is told to."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from gate.deadline import Deadline

START = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


class SettableClock:
    """The Clock port, and a monotonic clock in seconds that moves with it. Thread-safe."""

    def __init__(self, now: datetime = START, monotonic: float = 1000.0) -> None:
        self._lock = threading.Lock()
        self._now = now
        self._monotonic = monotonic

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        with self._lock:
            return self._monotonic

    def set(self, now: datetime) -> None:
        """Only the wall clock, as an administrator or NTP moves it."""
        with self._lock:
            self._now = now

    def advance(self, seconds: float) -> None:
        """Both clocks."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
            self._monotonic += seconds

    def deadline(self, seconds: float = 10.0) -> Deadline:
        return Deadline.after(seconds, self.monotonic)
