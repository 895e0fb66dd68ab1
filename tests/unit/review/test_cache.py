from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.deadline import Deadline
from gate.errors import EvidenceUnavailable
from gate.review.cache import Bounds, FlightCache
from tests.fakes.clock import SettableClock

if TYPE_CHECKING:
    from collections.abc import Callable


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
    cache: FlightCache[int] = FlightCache(Bounds(5, 0), clock.monotonic, lambda _: 10)
    values = []
    for _ in range(4):
        values.append(cache.get("k", load, clock.deadline()))
        clock.advance(5)
    assert values == [1, 1, 2, 2]
    clock.advance(5)
    assert cache.peek("k") is None


def test_the_wall_clock_decides_nothing() -> None:
    clock, load = SettableClock(), Loader()
    cache: FlightCache[int] = FlightCache(Bounds(5, 0), clock.monotonic, lambda _: 10)
    cache.get("k", load, clock.deadline())
    clock.set(clock.now().replace(year=2030))
    assert cache.get("k", load, clock.deadline()) == 1


def test_without_time_nothing_is_kept() -> None:
    clock, load = SettableClock(), Loader()
    cache: FlightCache[int] = FlightCache(Bounds(5, 0), clock.monotonic, lambda _: 0)
    assert [cache.get("k", load, clock.deadline()) for _ in range(3)] == [1, 2, 3]
    assert cache.peek("k") is None


def test_what_must_not_be_kept_is_not() -> None:
    clock, load = SettableClock(), Loader()
    cache: FlightCache[int] = FlightCache(Bounds(5, 0), clock.monotonic, lambda v: 10.0 if v > 1 else 0.0)
    assert [cache.get("k", load, clock.deadline()) for _ in range(3)] == [1, 2, 2]


def test_the_oldest_leave_first() -> None:
    clock, load = SettableClock(), Loader()
    cache: FlightCache[int] = FlightCache(Bounds(2, 0), clock.monotonic, lambda _: 10)
    for key in "abc":
        cache.get(key, load, clock.deadline())
    assert [cache.peek(key) for key in "abc"] == [None, 2, 3]


def test_keys_do_not_share() -> None:
    clock, load = SettableClock(), Loader()
    cache: FlightCache[int] = FlightCache(Bounds(9, 0), clock.monotonic, lambda _: 10)
    assert [cache.get(k, load, clock.deadline()) for k in [("a", ""), ("a", "x"), ("b", "")]] == [1, 2, 3]


def test_a_failure_is_not_kept() -> None:
    clock = SettableClock()
    cache: FlightCache[int] = FlightCache(Bounds(5, 0), clock.monotonic, lambda _: 10)

    def fail() -> int:
        raise EvidenceUnavailable(Code.REGISTRY_TIMEOUT, "no answer")

    for _ in range(2):
        with pytest.raises(EvidenceUnavailable, match="no answer"):
            cache.get("k", fail, clock.deadline())
    assert cache.get("k", lambda: 7, clock.deadline()) == 7


@pytest.mark.parametrize("seconds", [0, 10])
def test_all_who_ask_at_once_share_one_flight(seconds: float) -> None:
    clock = SettableClock()
    cache: FlightCache[int] = FlightCache(Bounds(5, 0), clock.monotonic, lambda _: seconds)
    held = Held(lambda: 7)
    leader, first = in_threads(1, lambda: cache.get("k", held, clock.deadline(60)))
    assert held.entered.wait(30)
    waiters, others = in_threads(10, lambda: cache.get("k", held, clock.deadline(60)))
    # another key is not held up
    assert cache.get("other", lambda: 1, clock.deadline()) == 1
    held.go.set()
    for thread in [*leader, *waiters]:
        thread.join(30)
    assert [*first, *others] == [7] * 11
    # those that came after a flight that was not kept made one of their own, one at a time
    assert held.loads == 1 if seconds else held.loads <= 11


@pytest.mark.parametrize("failure", [EvidenceUnavailable(Code.REGISTRY_UNAUTHORIZED, "no"), RuntimeError("broken")])
def test_a_failure_goes_to_those_who_wait(failure: Exception) -> None:
    clock = SettableClock()
    cache: FlightCache[int] = FlightCache(Bounds(5, 0), clock.monotonic, lambda _: 10)

    def fail() -> int:
        raise failure

    held = Held(fail)
    leader, first = in_threads(1, lambda: cache.get("k", held, clock.deadline(60)))
    assert held.entered.wait(30)
    asked: list[float] = []

    def waiting_clock() -> float:
        asked.append(clock.monotonic())
        return clock.monotonic()

    # a waiter reads its deadline once it is in line
    waiter, second = in_threads(1, lambda: cache.get("k", held, Deadline(clock.monotonic() + 60, waiting_clock)))
    while not asked:
        threading.Event().wait(0.001)
    held.go.set()
    for thread in [*leader, *waiter]:
        thread.join(30)
    assert (first, second) == ([failure], [failure])
    assert held.loads == 1
    assert cache.get("k", lambda: 3, clock.deadline()) == 3


def test_nobody_waits_longer_than_their_own_deadline() -> None:
    clock = SettableClock()
    cache: FlightCache[int] = FlightCache(Bounds(5, 0), clock.monotonic, lambda _: 10)
    held = Held(lambda: 7)
    threads, results = in_threads(1, lambda: cache.get("k", held, clock.deadline(60)))
    assert held.entered.wait(30)
    with pytest.raises(EvidenceUnavailable) as caught:
        cache.get("k", held, clock.deadline(0))
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
                landed.append(self.get("k", load, clock.deadline()))
            return found

    cache = Racing(Bounds(5, 0), clock.monotonic, lambda _: 10)
    assert cache.get("k", load, clock.deadline()) == 1
    assert load.loads == 1


# what is kept is bounded


def weighing(limit: int, clock: SettableClock, entries: int = 100) -> FlightCache[bytes]:
    return FlightCache(Bounds(entries, limit), clock.monotonic, lambda _: 10, len)


def put(cache: FlightCache[bytes], key: str, size: int, clock: SettableClock) -> None:
    assert len(cache.get(key, lambda: bytes(size), clock.deadline())) == size


def kept(cache: FlightCache[bytes], keys: str) -> str:
    return "".join(key for key in keys if cache.peek(key) is not None)


def test_the_oldest_leave_where_all_together_weigh_too_much() -> None:
    clock = SettableClock()
    cache = weighing(100, clock)
    for key in "abcd":
        put(cache, key, 25, clock)
    assert kept(cache, "abcd") == "abcd"
    put(cache, "e", 1, clock)
    assert kept(cache, "abcde") == "bcde"
    put(cache, "f", 24, clock)
    assert kept(cache, "abcdef") == "bcdef"
    put(cache, "g", 25, clock)
    assert kept(cache, "abcdefg") == "cdefg"
    assert cache._kept._weight == sum(entry.weight for entry in cache._kept._kept.values()) <= 100


def test_what_weighs_more_than_a_quarter_is_given_and_not_kept() -> None:
    clock = SettableClock()
    cache = weighing(100, clock)
    put(cache, "a", 25, clock)
    put(cache, "b", 26, clock)
    put(cache, "c", 10**6, clock)
    assert kept(cache, "abc") == "a"


def test_what_has_expired_is_dropped_by_the_next_that_is_kept() -> None:
    clock = SettableClock()
    cache = weighing(100, clock)
    for key in "abc":
        put(cache, key, 10, clock)
        clock.advance(1)
    clock.advance(8)  # a and b are over, c is not
    put(cache, "d", 10, clock)
    assert list(cache._kept._kept) == ["c", "d"]
    assert cache._kept._weight == 20


def test_what_is_kept_anew_weighs_once() -> None:
    clock = SettableClock()
    cache = weighing(100, clock)
    for _ in range(20):
        put(cache, "a", 25, clock)
        clock.advance(10)
    assert (len(cache._kept._kept), cache._kept._weight) == (1, 25)
    put(cache, "a", 5, clock)
    assert (len(cache._kept._kept), cache._kept._weight) == (1, 5)


def test_entries_are_counted_whatever_they_weigh() -> None:
    clock = SettableClock()
    cache = weighing(100, clock, entries=2)
    for key in "abc":
        put(cache, key, 0, clock)
    assert kept(cache, "abc") == "bc"


# a leader with less time than those who wait


class Late:
    """Loads, for a leader, that run out of time once let go; afterwards each load is one more than the last."""

    def __init__(self, late: Callable[[], int]) -> None:
        self.first = Held(late)
        self.then = Loader()

    def __call__(self) -> int:
        return self.first() if not self.first.loads else self.then()


def late(code: Code) -> Callable[[], int]:
    def fail() -> int:
        raise EvidenceUnavailable(code, "no time left")

    return fail


def race(
    cache: FlightCache[int], load: Late, clock: SettableClock, *deadlines: Deadline
) -> tuple[list[int | BaseException], list[int | BaseException]]:
    """What a leader gets who runs out of time after 60 seconds, and those who have been waiting for it."""

    def timed_out(value: int) -> bool:
        return value < 0

    leader, first = in_threads(1, lambda: cache.get("k", load, clock.deadline(60), timed_out=timed_out))
    assert load.first.entered.wait(30)
    waiting = threading.Barrier(len(deadlines) + 1)
    told = set[int]()

    def wait(deadline: Deadline) -> int:
        def counted() -> float:
            read = deadline.clock()
            if threading.get_ident() not in told:  # in line, and has read its deadline
                told.add(threading.get_ident())
                waiting.wait(30)
            return read

        return cache.get("k", load, Deadline(deadline.at, counted), timed_out=timed_out)

    threads: list[threading.Thread] = []
    results: list[list[int | BaseException]] = []
    for deadline in deadlines:
        started, result = in_threads(1, lambda deadline=deadline: wait(deadline))  # type: ignore[misc]
        threads += started
        results.append(result)
    waiting.wait(30)
    clock.advance(61)
    load.first.go.set()
    for thread in [*leader, *threads]:
        thread.join(30)
    return first, [result for (result,) in results]


@pytest.mark.parametrize("code", [Code.DEADLINE_EXCEEDED, Code.REGISTRY_TIMEOUT])
def test_who_has_more_time_than_the_leader_loads_itself(code: Code) -> None:
    clock, load = SettableClock(), Late(late(code))
    cache: FlightCache[int] = FlightCache(Bounds(5, 0), clock.monotonic, lambda _: 10)
    first, others = race(cache, load, clock, *[clock.deadline(600) for _ in range(5)])
    assert [type(e) for e in first] == [EvidenceUnavailable]
    # one of them for all
    assert others == [1] * 5
    assert load.then.loads == 1


def test_a_value_cut_short_that_is_not_kept_is_loaded_by_who_has_time() -> None:
    clock, load = SettableClock(), Late(lambda: -1)
    cache: FlightCache[int] = FlightCache(Bounds(5, 0), clock.monotonic, lambda _: 0)
    first, others = race(cache, load, clock, clock.deadline(600))
    assert (first, others) == ([-1], [1])


@pytest.mark.parametrize("code", [Code.DEADLINE_EXCEEDED, Code.REGISTRY_TIMEOUT])
def test_who_has_no_more_time_either_is_told_so(code: Code) -> None:
    clock, load = SettableClock(), Late(late(code))
    cache: FlightCache[int] = FlightCache(Bounds(5, 0), clock.monotonic, lambda _: 10)
    _, others = race(cache, load, clock, clock.deadline(60))
    (failure,) = others
    assert isinstance(failure, EvidenceUnavailable)
    assert failure.code is code
    assert load.then.loads == 0


@pytest.mark.parametrize(("hurried", "loads"), [(True, 1), (False, 0)])
def test_a_refusal_is_passed_on_unless_it_was_for_want_of_time(hurried: bool, loads: int) -> None:  # noqa: FBT001
    def refused() -> int:
        raise EvidenceUnavailable(Code.REGISTRY_RATE_LIMITED, "later", hurried=hurried)

    clock, load = SettableClock(), Late(refused)
    cache: FlightCache[int] = FlightCache(Bounds(5, 0), clock.monotonic, lambda _: 10)
    first, others = race(cache, load, clock, *[clock.deadline(600) for _ in range(5)])
    assert [type(e) for e in first] == [EvidenceUnavailable]
    assert load.then.loads == loads
    assert others == [1] * 5 if hurried else all(isinstance(e, EvidenceUnavailable) for e in others)


def test_a_value_cut_short_is_better_than_none_for_who_has_no_time_left() -> None:
    clock, load = SettableClock(), Late(lambda: -1)
    cache: FlightCache[int] = FlightCache(Bounds(5, 0), clock.monotonic, lambda _: 0)
    assert race(cache, load, clock, clock.deadline(60)) == ([-1], [-1])
