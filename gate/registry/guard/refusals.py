"""What a host said lately of its repositories: that it has too many requests, or that it is out of order."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final, NamedTuple

_KEPT: Final = 1_000  # registries are many names, and who asks chooses them
# Seconds behind the pause that was wanted. An answer ends it no sooner: those of a crowd that were let in one by one
# would be a crowd again.
_LATELY: Final = 3.0
_SAID: Final = 5.0  # seconds for which a host that said it is out of order says so still


class _Refusal(NamedTuple):
    pause_until: float
    lately_until: float


class Refusals:
    """Kept of the latest ones. Thread-safe; times are those of one monotonic clock, in seconds."""

    def __init__(self) -> None:
        """None yet."""
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str], _Refusal] = OrderedDict()

    def add(self, host: str, repository: str, now: float, pause: float) -> None:
        """It was refused, and wants no request for so many seconds; a pause that ends later still holds."""
        key = (host, repository)
        with self._lock:
            known = self._known.get(key)
            until = max(now + pause, known.pause_until if known else now)
            self._known[key] = _Refusal(until, until + _LATELY)
            self._known.move_to_end(key)
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)

    def pause(self, host: str, repository: str, now: float) -> float:
        """Seconds until it may be asked again; not positive where it may be."""
        known = self._known.get((host, repository))
        return known.pause_until - now if known else float("-inf")

    def lately(self, host: str, repository: str, now: float) -> float:
        """Seconds for which it still counts as refused; not positive where it does not."""
        known = self._known.get((host, repository))
        return known.lately_until - now if known else float("-inf")


class _Outage(NamedTuple):
    first: float
    last: float


class Outages:
    """Of which repositories a host says nothing but that it is out of order (5xx). Thread-safe, times as above."""

    def __init__(self) -> None:
        """None yet."""
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str], _Outage] = OrderedDict()

    def add(self, host: str, repository: str, now: float) -> None:
        """It said so."""
        key = (host, repository)
        with self._lock:
            known = self._known.get(key)
            first = known.first if known is not None and now - known.last <= _SAID else now
            self._known[key] = _Outage(first, now)
            self._known.move_to_end(key)
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)

    def end(self, host: str, repository: str) -> None:
        """It said something else."""
        if (host, repository) in self._known:
            with self._lock:
                self._known.pop((host, repository), None)

    def lately(self, host: str, repository: str, begun: float) -> float | None:
        """Seconds from the first to the last time it said so; None where that was long before `begun`, or never."""
        known = self._known.get((host, repository))
        return known.last - known.first if known is not None and known.last >= begun - _SAID else None
