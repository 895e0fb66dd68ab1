"""Payloads on their way: each once, however many who trust differently want it at a time."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.errors import EvidenceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from concurrent.futures import Executor, Future

    from gate.deadline import Deadline
    from gate.image.content import Content
    from gate.image.digest import Digest


class _Flight:
    """Content that is fetched, or has been and is still read.

    Attributes:
        future: done when there is something, or a failure.
        readers: who want it and have not left.
        left: seconds that the fetch had left in the end.
        lock: for reading.
    """

    def __init__(self, fetch: Callable[[Deadline], Content], executor: Executor, deadline: Deadline) -> None:
        self.readers = 0
        self.left = 0.0
        self.lock = threading.Lock()
        self.future = executor.submit(self._fetch, fetch, deadline)

    def _fetch(self, fetch: Callable[[Deadline], Content], deadline: Deadline) -> Content:
        try:
            return fetch(deadline)
        finally:
            self.left = deadline.remaining()

    @property
    def has_failed(self) -> bool:
        """Whether nothing came of it: that is theirs who have waited."""
        return self.future.done() and (self.future.cancelled() or self.future.exception() is not None)


@dataclass(frozen=True, slots=True)
class _Shared:
    """Content that others read as well, one at a time: it may be one file."""

    _content: Content
    _lock: threading.Lock

    @property
    def size(self) -> int:
        """How many bytes."""
        return self._content.size

    @property
    def digest(self) -> Digest:
        """Computed of them."""
        return self._content.digest

    def read(self) -> bytes:
        """All of them."""
        with self._lock:
            return self._content.read()

    def chunks(self) -> Iterator[bytes]:
        """All of them, at once."""
        yield self.read()

    def close(self) -> None:
        """Nothing: who has a download leaves that."""


@dataclass(frozen=True, slots=True)
class Download:
    """One's part in a fetch. It is left once.

    Attributes:
        future: done when there is something, or a failure.
        leads: whether it is by this one's deadline.
    """

    future: Future[Content]
    leads: bool
    _key: Hashable
    _flight: _Flight
    _downloads: Downloads

    @property
    def left(self) -> float:
        """Seconds that the fetch had left, once it is done."""
        return self._flight.left

    def outcome(self) -> Content | EvidenceUnavailable:
        """What came, to be read until this is left; or why nothing did."""
        failure = self.future.exception()
        if isinstance(failure, EvidenceUnavailable):  # not raised here: it would collect the traces of all who wait
            return failure
        return _Shared(self.future.result(), self._flight.lock)

    def leave(self) -> None:
        """No more of it is wanted here. The last who leaves ends it."""
        self._downloads.leave(self._key, self._flight)


class Downloads:
    """What is under way. Thread-safe."""

    def __init__(self) -> None:
        """Nothing is."""
        self._lock = threading.Lock()
        self._flights: dict[Hashable, _Flight] = {}

    def join(
        self, key: Hashable, fetch: Callable[[Deadline], Content], executor: Executor, deadline: Deadline
    ) -> Download:
        """Take part in the fetch of a key, or begin it.

        Args:
            key: names the content, and with whose credentials it is asked for.
            fetch: run by who begins.
            executor: that runs it.
            deadline: of the fetch, if this begins it.
        """
        with self._lock:
            flight = self._flights.get(key)
            leads = flight is None or flight.has_failed
            if flight is None or leads:
                flight = self._flights[key] = _Flight(fetch, executor, deadline)
            flight.readers += 1
        return Download(flight.future, leads, key, flight, self)

    def leave(self, key: Hashable, flight: _Flight) -> None:
        """As `Download.leave`."""
        with self._lock:
            flight.readers -= 1
            if flight.readers:
                return
            if self._flights.get(key) is flight:
                del self._flights[key]
        flight.future.cancel()
        flight.future.add_done_callback(_close)


def _close(future: Future[Content]) -> None:
    """Nobody wants what may still come."""
    if not future.cancelled() and future.exception() is None:
        future.result().close()
