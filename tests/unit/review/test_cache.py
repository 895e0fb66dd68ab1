from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.deadline import Deadline
from gate.errors import EvidenceUnavailable
from gate.review.cache import FlightCache
from tests.fakes.clock import SettableClock

if TYPE_CHECKING:
    from collections.abc import Callable


def keep(_: int) -> bool:
    return True


class Loader:
    """Counts what it loads; each load is one more than the last."""

    def __init__(self) -> None:
        self.loads = 0

    def __call__(self) -> int:
        self.loads += 1
        return self.loads


class Held:
    """A load that is under way until it is let go."""

    def __init__(self, result: Callable[[], int]) -> None:
        self.entered = threading.Event()
        self.go = threading.Event()
        self.loads = 0
        self._result = result

    def __call__(self) -> int:
        self.loads += 1
        self.entered.set()
        assert self.go.wait(30)
        return self._result()


def in_threads(count: int, work: Callable[[], int]) -> tuple[list[threading.Thread], list[int | BaseException]]:
    results: list[int | BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test looks at it
            results.append(error)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads, results


def test_a_value_is_kept_for_its_time() -> None:
    clock, load = SettableClock(), Loader()
    cache: FlightCache[int] = FlightCache(10, 5, clock.monotonic)
    values = []
    for _ in range(4):
        values.append(cache.get("k", load, clock.deadline(), keep=keep))
        clock.advance(5)
    assert values == [1, 1, 2, 2]
    clock.advance(5)
    assert cache.peek("k") is None


def test_the_wall_clock_decides_nothing() -> None:
    clock, load = SettableClock(), Loader()
    cache: FlightCache[int] = FlightCache(10, 5, clock.monotonic)
    cache.get("k", load, clock.deadline(), keep=keep)
    clock.set(clock.now().replace(year=2030))
    assert cache.get("k", load, clock.deadline(), keep=keep) == 1


def test_without_time_nothing_is_kept() -> None:
    clock, load = SettableClock(), Loader()
    cache: FlightCache[int] = FlightCache(0, 5, clock.monotonic)
    assert [cache.get("k", load, clock.deadline(), keep=keep) for _ in range(3)] == [1, 2, 3]
    assert cache.peek("k") is None


def test_what_must_not_be_kept_is_not() -> None:
    clock, load = SettableClock(), Loader()
    cache: FlightCache[int] = FlightCache(10, 5, clock.monotonic)
    assert [cache.get("k", load, clock.deadline(), keep=lambda v: v > 1) for _ in range(3)] == [1, 2, 2]


def test_the_oldest_leave_first() -> None:
    clock, load = SettableClock(), Loader()
    cache: FlightCache[int] = FlightCache(10, 2, clock.monotonic)
    for key in "abc":
        cache.get(key, load, clock.deadline(), keep=keep)
    assert [cache.peek(key) for key in "abc"] == [None, 2, 3]


def test_keys_do_not_share() -> None:
    clock, load = SettableClock(), Loader()
    cache: FlightCache[int] = FlightCache(10, 9, clock.monotonic)
    assert [cache.get(k, load, clock.deadline(), keep=keep) for k in [("a", ""), ("a", "x"), ("b", "")]] == [1, 2, 3]


def test_a_failure_is_not_kept() -> None:
    clock = SettableClock()
    cache: FlightCache[int] = FlightCache(10, 5, clock.monotonic)

    def fail() -> int:
        raise EvidenceUnavailable(Code.REGISTRY_TIMEOUT, "no answer")

    for _ in range(2):
        with pytest.raises(EvidenceUnavailable, match="no answer"):
            cache.get("k", fail, clock.deadline(), keep=keep)
    assert cache.get("k", lambda: 7, clock.deadline(), keep=keep) == 7


@pytest.mark.parametrize("seconds", [0, 10])
def test_all_who_ask_at_once_share_one_flight(seconds: float) -> None:
    clock = SettableClock()
    cache: FlightCache[int] = FlightCache(seconds, 5, clock.monotonic)
    held = Held(lambda: 7)
    leader, first = in_threads(1, lambda: cache.get("k", held, clock.deadline(60), keep=keep))
    assert held.entered.wait(30)
    waiters, others = in_threads(10, lambda: cache.get("k", held, clock.deadline(60), keep=keep))
    # another key is not held up
    assert cache.get("other", lambda: 1, clock.deadline(), keep=keep) == 1
    held.go.set()
    for thread in [*leader, *waiters]:
        thread.join(30)
    assert [*first, *others] == [7] * 11
    # those that came after a flight that was not kept made one of their own, one at a time
    assert held.loads == 1 if seconds else held.loads <= 11


@pytest.mark.parametrize("failure", [EvidenceUnavailable(Code.REGISTRY_TIMEOUT, "no"), RuntimeError("broken")])
def test_a_failure_goes_to_those_who_wait(failure: Exception) -> None:
    clock = SettableClock()
    cache: FlightCache[int] = FlightCache(10, 5, clock.monotonic)

    def fail() -> int:
        raise failure

    held = Held(fail)
    leader, first = in_threads(1, lambda: cache.get("k", held, clock.deadline(60), keep=keep))
    assert held.entered.wait(30)
    asked: list[float] = []

    def waiting_clock() -> float:
        asked.append(clock.monotonic())
        return clock.monotonic()

    # a waiter reads its deadline once it is in line
    waiter, second = in_threads(
        1, lambda: cache.get("k", held, Deadline(clock.monotonic() + 60, waiting_clock), keep=keep)
    )
    while not asked:
        threading.Event().wait(0.001)
    held.go.set()
    for thread in [*leader, *waiter]:
        thread.join(30)
    assert (first, second) == ([failure], [failure])
    assert held.loads == 1
    assert cache.get("k", lambda: 3, clock.deadline(), keep=keep) == 3


def test_nobody_waits_longer_than_their_own_deadline() -> None:
    clock = SettableClock()
    cache: FlightCache[int] = FlightCache(10, 5, clock.monotonic)
    held = Held(lambda: 7)
    threads, results = in_threads(1, lambda: cache.get("k", held, clock.deadline(60), keep=keep))
    assert held.entered.wait(30)
    with pytest.raises(EvidenceUnavailable) as caught:
        cache.get("k", held, clock.deadline(0), keep=keep)
    assert caught.value.code is Code.DEADLINE_EXCEEDED
    held.go.set()
    threads[0].join(30)
    assert results == [7]
    assert cache.peek("k") == 7


def test_a_flight_that_landed_between_two_looks_is_seen() -> None:
    # one asks, finds nothing, and another's flight lands before it can take off itself
    clock, load = SettableClock(), Loader()
    landed: list[int] = []

    class Racing(FlightCache[int]):
        def peek(self, key: object) -> int | None:
            found = super().peek("k")
            if not landed:
                landed.append(0)
                landed.append(self.get("k", load, clock.deadline(), keep=keep))
            return found

    cache = Racing(10, 5, clock.monotonic)
    assert cache.get("k", load, clock.deadline(), keep=keep) == 1
    assert load.loads == 1
