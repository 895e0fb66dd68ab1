"""Short-lived answers, each fetched once however many ask: a bounded cache with single flight.

It holds evidence, never verdicts: policy runs on every request.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from gate.codes import Code
from gate.errors import EvidenceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from gate.deadline import Deadline

V = TypeVar("V")


@dataclass(slots=True)
class _Flight(Generic[V]):
    """Work under way: those who wait for it get its value or its failure."""

    done: threading.Event = field(default_factory=threading.Event)
    value: V | None = None
    failure: BaseException | None = None


class FlightCache(Generic[V]):
    """Values by key for `seconds`; at most `entries`, the oldest leave first. Thread-safe.

    With `seconds` 0 nothing is kept, and those who ask at the same moment still share one flight.
    """

    def __init__(self, seconds: float, entries: int, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds."""
        self._seconds = seconds
        self._entries = entries
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[float, V]] = OrderedDict()
        self._flights: dict[Hashable, _Flight[V]] = {}

    def peek(self, key: Hashable) -> V | None:
        """The value, if it is there and fresh."""
        kept = self._kept.get(key)
        return kept[1] if kept is not None and kept[0] > self._clock() else None

    def get(self, key: Hashable, load: Callable[[], V], deadline: Deadline, *, keep: Callable[[V], bool]) -> V:
        """The value, loaded by the first who asks; the others wait for it, each at most until its own deadline.

        Args:
            key: names the value.
            load: fetches it; a failure goes to those who are waiting and is not kept.
            deadline: of this caller.
            keep: whether a value may be kept at all.
        """
        found = self.peek(key)
        if found is not None:
            return found
        with self._lock:
            found = self.peek(key)  # by a flight that has landed since
            if found is not None:
                return found
            flight = self._flights.get(key)
            leads = flight is None
            if flight is None:
                flight = self._flights[key] = _Flight()
        if not leads:
            return self._wait(flight, deadline)
        try:
            value = load()
            flight.value = value
            if keep(value):
                self._store(key, value)
        except BaseException as failure:
            flight.failure = failure
            raise
        finally:
            with self._lock:
                del self._flights[key]
            flight.done.set()
        return value

    def _wait(self, flight: _Flight[V], deadline: Deadline) -> V:
        if not flight.done.wait(max(0.0, deadline.remaining())):
            raise EvidenceUnavailable(
                Code.DEADLINE_EXCEEDED, "the time allowed ran out while another review was fetching the same"
            )
        if flight.failure is not None:
            raise flight.failure
        assert flight.value is not None
        return flight.value

    def _store(self, key: Hashable, value: V) -> None:
        if self._seconds <= 0:
            return
        with self._lock:
            self._kept[key] = (self._clock() + self._seconds, value)
            self._kept.move_to_end(key)
            while len(self._kept) > self._entries:
                self._kept.popitem(last=False)
