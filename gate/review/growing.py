"""Values that grow while they are fetched: one flight for all who ask, of whom each takes as much as suffices."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from gate.codes import Code
from gate.errors import EvidenceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from concurrent.futures import Executor, Future

    from gate.deadline import Deadline

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")
_LATE: Final = "the time allowed ran out while the registry was asked for signatures"
_NOT_BEGUN: Final = "the time allowed ran out before the registry was asked: too many other images were under way"


@dataclass(slots=True)
class _Flight(Generic[V]):
    """Versions of a value as they come.

    Attributes:
        begun: it has a thread.
        left: seconds that it had left in the end.
    """

    changed: threading.Condition = field(default_factory=threading.Condition)
    value: V | None = None
    version: int = 0
    begun: bool = False
    done: bool = False
    failure: BaseException | None = None
    left: float = 0.0

    def wait(self, seen: int, seconds: float) -> bool:
        """Whether there is something newer, or nothing more to come, within the time."""
        return self.changed.wait_for(lambda: self.version > seen or self.done, max(0.0, seconds))


@dataclass(frozen=True, slots=True)
class Watching(Generic[V]):
    """A place at a flight's window.

    Attributes:
        leads: whether it began the flight, which has its time.
    """

    leads: bool
    _flight: _Flight[V]

    @property
    def left(self) -> float:
        """Seconds that the flight had left, once it is over."""
        return self._flight.left

    def versions(self, deadline: Deadline) -> Iterator[V]:
        """Each value that is newer than the one before, until the flight is over; some may be passed over.

        Raises:
            EvidenceUnavailable: of this deadline, whatever the flight's is: DEADLINE_EXCEEDED, or OVERLOADED where it
                has not even begun.
        """
        flight, seen = self._flight, 0
        while True:
            with flight.changed:
                if not flight.wait(seen, deadline.remaining()):
                    if flight.begun:
                        raise EvidenceUnavailable(Code.DEADLINE_EXCEEDED, _LATE, remedy="retry")
                    raise EvidenceUnavailable(Code.OVERLOADED, _NOT_BEGUN, remedy="retry", hurried=True)
                value, version = flight.value, flight.version
            if version == seen:
                if flight.failure is not None:
                    raise flight.failure
                return
            assert value is not None
            yield value
            seen = version


class Growing(Generic[K, V]):
    """Flights by key. Thread-safe.

    A flight goes on in a thread of its own until it has landed, whoever still watches it: who leaves cancels nothing.
    So many may be up that nobody watches any more, and those of one registry leave threads to the others.
    """

    def __init__(self, lane: Callable[[K], Executor]) -> None:
        """`lane` says what runs the flight of a key: that of its registry, and nothing that waits for one."""
        self._lane = lane
        self._lock = threading.Lock()
        self._flights: dict[K, _Flight[V]] = {}

    def watch(
        self, key: K, grow: Callable[[Deadline], Iterator[V]], land: Callable[[V], None], deadline: Deadline
    ) -> Watching[V]:
        """Join the flight of a key, or begin it.

        Args:
            key: names the value.
            grow: the versions of it, until a deadline; run by the flight.
            land: is given the last, before the flight is over: who asks after that finds what it kept.
            deadline: of the flight, if this begins it.
        """
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return Watching(leads=False, _flight=flight)
            flight = self._flights[key] = _Flight()
        try:
            submitted = self._lane(key).submit(self._fly, key, flight, grow, land, deadline)
        except BaseException as error:
            self._end(key, flight, error, deadline)
            raise
        submitted.add_done_callback(partial(self._cancelled, key, flight, deadline))
        return Watching(leads=True, _flight=flight)

    def _cancelled(self, key: K, flight: _Flight[V], deadline: Deadline, submitted: Future[None]) -> None:
        """Nothing runs it, for there are no more threads: who asks next begins another."""
        if submitted.cancelled():
            failure = EvidenceUnavailable(Code.OVERLOADED, "there are no more threads", remedy="retry", hurried=True)
            self._end(key, flight, failure, deadline)

    def _fly(
        self,
        key: K,
        flight: _Flight[V],
        grow: Callable[[Deadline], Iterator[V]],
        land: Callable[[V], None],
        deadline: Deadline,
    ) -> None:
        failure: BaseException | None = None
        flight.begun = True
        try:
            value: V | None = None
            for value in grow(deadline):
                with flight.changed:
                    flight.value, flight.version = value, flight.version + 1
                    flight.changed.notify_all()
            assert value is not None
            land(value)
        except BaseException as error:  # noqa: BLE001 - those who watch are told
            failure = error
        self._end(key, flight, failure, deadline)

    def _end(self, key: K, flight: _Flight[V], failure: BaseException | None, deadline: Deadline) -> None:
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]
        with flight.changed:
            flight.done, flight.failure, flight.left = True, failure, deadline.remaining()
            flight.changed.notify_all()
