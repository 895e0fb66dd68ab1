"""Short-lived answers, each fetched once however many ask: a bounded cache with single flight.

It holds evidence, never verdicts: policy runs on every request.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from gate.codes import Code
from gate.errors import EvidenceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from gate.deadline import Deadline

V = TypeVar("V")
_LATE: Final = "the time allowed ran out while another review was fetching the same"


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
    """Work under way: those who wait for it get its value or its failure.

    Attributes:
        left: seconds that who did it had left in the end.
    """

    done: threading.Event = field(default_factory=threading.Event)
    value: V | None = None
    failure: BaseException | None = None
    left: float = 0.0


class Kept(Generic[V]):
    """Values by key, each for its seconds, within bounds: the oldest leave first. Thread-safe."""

    def __init__(self, bounds: Bounds, clock: Callable[[], float], weigh: Callable[[V], int] = lambda _: 0) -> None:
        """`clock` is monotonic, in seconds; `weigh` says what a value weighs: one over a quarter of all is not kept."""
        self._bounds = bounds
        self._clock = clock
        self._weigh = weigh
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, _Kept[V]] = OrderedDict()
        self._weight = 0

    def peek(self, key: Hashable) -> V | None:
        """The value, if it is there and fresh."""
        kept = self._kept.get(key)
        return kept.value if kept is not None and kept.until > self._clock() else None

    def left(self, key: Hashable) -> float | None:
        """Seconds until a value is no longer fresh; None where there is none."""
        kept = self._kept.get(key)
        return None if kept is None else kept.until - self._clock()

    def store(self, key: Hashable, value: V, seconds: float) -> None:
        """Keep a value for so long; not at all for 0. What was kept before it is over in any case."""
        weight = self._weigh(value)
        now = self._clock()
        with self._lock:
            self._drop(key)
            if seconds <= 0 or weight * 4 > self._bounds.weight:
                return
            self._kept[key] = _Kept(value, now + seconds, weight)
            self._weight += weight
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


class FlightCache(Generic[V]):
    """Values that are loaded once however many ask at a time, and kept for some seconds. Thread-safe."""

    def __init__(
        self,
        bounds: Bounds,
        clock: Callable[[], float],
        seconds: Callable[[V], float],
        weigh: Callable[[V], int] = lambda _: 0,
    ) -> None:
        """As `Kept`; `seconds` says how long a value is kept: 0 for not at all, and a flight is shared still."""
        self._kept = Kept(bounds, clock, weigh)
        self._seconds = seconds
        self._lock = threading.Lock()
        self._flights: dict[Hashable, _Flight[V]] = {}

    def peek(self, key: Hashable) -> V | None:
        """The value, if it is there and fresh."""
        return self._kept.peek(key)

    def get(
        self,
        key: Hashable,
        load: Callable[[], V],
        deadline: Deadline,
        *,
        timed_out: Callable[[V], bool] = lambda _: False,
        seconds: Callable[[V], float] | None = None,
    ) -> V:
        """The value, loaded by the first who asks; the others wait for it, each at most until its own deadline.

        Args:
            key: names the value.
            load: fetches it within this caller's deadline; a failure goes to those who are waiting and is not kept.
            deadline: of this caller.
            timed_out: whether a value is what it is because its loader's time was up: those who waited for it and
                have much more load it themselves.
            seconds: how long the value is kept, where it is not as long as others.
        """
        while True:
            found = self.peek(key)
            if found is not None:
                return _hit(found, deadline)
            with self._lock:
                flight = self._flights.get(key)
                leads = flight is None
                if flight is None:
                    found = self.peek(key)  # by a flight that has landed since
                    if found is not None:
                        return _hit(found, deadline)
                    flight = self._flights[key] = _Flight()
            if leads:
                return self._lead(key, flight, load, deadline, seconds or self._seconds)
            found = _wait(flight, deadline, timed_out)
            if found is not None:
                return _hit(found, deadline)

    def _lead(
        self,
        key: Hashable,
        flight: _Flight[V],
        load: Callable[[], V],
        deadline: Deadline,
        seconds: Callable[[V], float],
    ) -> V:
        try:
            value = load()
            flight.value = value
            self._kept.store(key, value, seconds(value))
        except BaseException as failure:
            flight.failure = failure
            raise
        finally:
            with self._lock:
                del self._flights[key]
            flight.left = deadline.remaining()
            flight.done.set()
        return value


def _hit(value: V, deadline: Deadline) -> V:
    if deadline.meter is not None:
        deadline.meter.hit()
    return value


def _wait(flight: _Flight[V], deadline: Deadline, timed_out: Callable[[V], bool]) -> V | None:
    """What the flight brought; None where it only ran out of a time that was shorter than this caller's."""
    if not flight.done.wait(max(0.0, deadline.remaining())):
        raise EvidenceUnavailable(Code.DEADLINE_EXCEEDED, _LATE)
    failure = flight.failure
    if isinstance(failure, EvidenceUnavailable) and failure.hurried and deadline.outlasts(flight.left):
        return None
    if failure is not None:
        raise failure
    assert flight.value is not None
    if timed_out(flight.value) and deadline.outlasts(flight.left):
        return None
    return flight.value
