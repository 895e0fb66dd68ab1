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


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a cache may hold: so many entries, of so much weight together (bytes, if that is what is weighed)."""

    entries: int
    weight: int


@dataclass(frozen=True, slots=True)
class _Kept(Generic[V]):
    value: V
    until: float
    weight: int


@dataclass(slots=True)
class _Flight(Generic[V]):
    """Work under way: those who wait for it get its value or its failure."""

    done: threading.Event = field(default_factory=threading.Event)
    value: V | None = None
    failure: BaseException | None = None


class FlightCache(Generic[V]):
    """Values by key for `seconds`, within bounds; the oldest leave first. Thread-safe.

    With `seconds` 0 nothing is kept, and those who ask at the same moment still share one flight.
    """

    def __init__(
        self, seconds: float, bounds: Bounds, clock: Callable[[], float], weigh: Callable[[V], int] = lambda _: 0
    ) -> None:
        """`clock` is monotonic, in seconds; `weigh` says what a value weighs: one over a quarter of all is not kept."""
        self._seconds = seconds
        self._bounds = bounds
        self._clock = clock
        self._weigh = weigh
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, _Kept[V]] = OrderedDict()
        self._weight = 0
        self._flights: dict[Hashable, _Flight[V]] = {}

    def peek(self, key: Hashable) -> V | None:
        """The value, if it is there and fresh."""
        kept = self._kept.get(key)
        return kept.value if kept is not None and kept.until > self._clock() else None

    def get(
        self,
        key: Hashable,
        load: Callable[[], V],
        deadline: Deadline,
        *,
        keep: Callable[[V], bool] = lambda _: True,
        timed_out: Callable[[V], bool] = lambda _: False,
    ) -> V:
        """The value, loaded by the first who asks; the others wait for it, each at most until its own deadline.

        Args:
            key: names the value.
            load: fetches it within this caller's deadline; a failure goes to those who are waiting and is not kept.
            deadline: of this caller.
            keep: whether a value may be kept at all.
            timed_out: whether a value is what it is because its loader's time was up: those who waited for it and
                have time left load it themselves.
        """
        while True:
            found = self.peek(key)
            if found is not None:
                return found
            with self._lock:
                flight = self._flights.get(key)
                leads = flight is None
                if flight is None:
                    found = self.peek(key)  # by a flight that has landed since
                    if found is not None:
                        return found
                    flight = self._flights[key] = _Flight()
            if leads:
                return self._lead(key, flight, load, keep)
            found = self._wait(flight, deadline, timed_out)
            if found is not None:
                return found

    def _lead(self, key: Hashable, flight: _Flight[V], load: Callable[[], V], keep: Callable[[V], bool]) -> V:
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

    def _wait(self, flight: _Flight[V], deadline: Deadline, timed_out: Callable[[V], bool]) -> V | None:
        """What the flight brought; None where it only ran out of a time that was shorter than this caller's."""
        if not flight.done.wait(max(0.0, deadline.remaining())):
            raise EvidenceUnavailable(
                Code.DEADLINE_EXCEEDED, "the time allowed ran out while another review was fetching the same"
            )
        failure = flight.failure
        if isinstance(failure, EvidenceUnavailable) and failure.code in (Code.DEADLINE_EXCEEDED, Code.REGISTRY_TIMEOUT):
            deadline.check("fetching what another review had no time for")
            return None
        if failure is not None:
            raise failure
        assert flight.value is not None
        if timed_out(flight.value) and deadline.remaining() > 0:
            return None
        return flight.value

    def _store(self, key: Hashable, value: V) -> None:
        weight = self._weigh(value)
        if self._seconds <= 0 or weight * 4 > self._bounds.weight:
            return
        now = self._clock()
        with self._lock:
            self._drop(key)
            self._kept[key] = _Kept(value, now + self._seconds, weight)
            self._weight += weight
            # All are kept equally long, so that the oldest are the first to expire.
            while self._kept:
                oldest, kept = next(iter(self._kept.items()))
                over = len(self._kept) > self._bounds.entries or self._weight > self._bounds.weight
                if not over and kept.until > now:
                    break
                self._drop(oldest)

    def _drop(self, key: Hashable) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._weight -= kept.weight
