from __future__ import annotations

import threading
import time
import weakref
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from gate.codes import Code
from gate.review.lanes import Lanes, too_late


def test_who_does_not_answer_keeps_no_more_threads_than_its_lane_has() -> None:
    go = threading.Event()
    with ThreadPoolExecutor(16) as pool:
        lanes = Lanes(pool, 16, 4)
        held = [lanes.of("hanging").submit(go.wait, 30) for _ in range(50)]
        assert [lanes.of("other").submit(pow, 2, n).result(30) for n in range(20)] == [2**n for n in range(20)]
        assert sum(future.running() for future in held) <= 4
        go.set()
        assert all(future.result(30) for future in held)
        assert lanes.of("hanging").submit(pow, 2, 3).result(30) == 8


def test_the_more_hang_the_narrower_their_lanes_and_who_comes_next_finds_a_thread() -> None:
    go = threading.Event()
    with ThreadPoolExecutor(64) as pool:
        lanes = Lanes(pool, 64, 16)
        try:
            for host in range(10):
                for _ in range(100):
                    lanes.of(f"hanging{host}").submit(go.wait, 60)
            taken = [lanes._lanes[f"hanging{host}"].running for host in range(10)]
            assert lanes.of("other").submit(pow, 2, 5).result(30) == 32
            assert taken == sorted(taken, reverse=True)
            assert (taken[0], taken[-1], sum(taken) < 64) == (16, 1, True)
        finally:
            go.set()


def test_where_all_threads_are_taken_each_lane_has_its_turn() -> None:
    """One lane has a long queue, and others come after it: they wait for the next thread and not for the queue."""
    turn = threading.Semaphore(0)
    done: list[str] = []
    lock = threading.Lock()

    def work(name: str) -> None:
        assert turn.acquire(timeout=30)
        with lock:
            done.append(name)

    with ThreadPoolExecutor(2) as pool:
        lanes = Lanes(pool, 2, 1)
        futures = [lanes.of("long").submit(work, "long") for _ in range(20)]
        futures += [lanes.of("held").submit(work, "held")]
        futures += [lanes.of(name).submit(work, name) for name in ("a", "b", "c")]
        turn.release(24)
        for future in futures:
            future.result(30)
    assert max(done.index(name) for name in ("a", "b", "c")) < 10


def test_what_waits_can_be_cancelled_and_failures_are_told() -> None:
    go = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        lane = Lanes(pool, 2, 1).of("x")
        first = lane.submit(go.wait, 30)
        second, third = lane.submit(pow, 2, 2), lane.submit(int, "no number")
        assert second.cancel()
        go.set()
        assert first.result(30)
        with pytest.raises(ValueError, match="no number"):
            third.result(30)
        assert lane.submit(pow, 2, 4).result(30) == 16


def test_nothing_is_lost_however_many_come_at_once() -> None:
    with ThreadPoolExecutor(8) as pool, ThreadPoolExecutor(16) as callers:
        lanes = Lanes(pool, 8, 3)

        def ask(number: int) -> int:
            return lanes.of(f"host{number % 7}").submit(pow, number, 2).result(30)

        assert list(callers.map(ask, range(2000))) == [number**2 for number in range(2000)]
        until = time.monotonic() + 30
        while (lanes._busy or lanes._lanes) and time.monotonic() < until:
            time.sleep(0.001)
        assert (lanes._busy, lanes._lanes, list(lanes._ready)) == (0, {}, [])


def test_a_pool_that_has_ended_refuses() -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    lane = Lanes(pool, 1, 1).of("x")
    for _ in range(3):
        with pytest.raises(RuntimeError):
            lane.submit(pow, 2, 2)


class Large:
    """What a question comes to, or has at hand."""


def test_nothing_is_kept_of_what_a_thread_did_before() -> None:
    queued, go = threading.Event(), threading.Event()
    made: list[weakref.ref[Large]] = []

    def answer() -> Large:
        assert queued.wait(30)
        large = Large()
        made.append(weakref.ref(large))
        return large

    with ThreadPoolExecutor(1) as pool:
        lane = Lanes(pool, 1, 1).of("x")
        first = lane.submit(answer)
        hanging = lane.submit(go.wait, 30)
        queued.set()
        assert isinstance(first.result(30), Large)
        until = time.monotonic() + 30
        while not hanging.running() and time.monotonic() < until:
            time.sleep(0.001)
        del first
        assert made[0]() is None
        go.set()
        assert hanging.result(30)


def test_a_failure_keeps_nothing_that_was_at_hand() -> None:
    made: list[weakref.ref[Large]] = []

    def fail() -> None:
        large = Large()
        made.append(weakref.ref(large))
        try:
            _fail_with(large)
        except ValueError:
            raise KeyError("why") from None

    with ThreadPoolExecutor(1) as pool:
        failed = Lanes(pool, 1, 1).of("x").submit(fail)
        with pytest.raises(KeyError, match="why"):
            failed.result(30)
        assert made[0]() is None


def _fail_with(_large: Large) -> None:
    raise ValueError


def test_why_there_is_no_answer_in_time() -> None:
    begun: Future[int] = Future()
    begun.set_running_or_notify_cancel()
    waiting: Future[int] = Future()
    for asked in (
        too_late("r.test", [waiting, begun], answered=False),
        too_late("r.test", [waiting], answered=True),
    ):
        assert (asked.code, asked.hurried) == (Code.DEADLINE_EXCEEDED, True)
        assert asked.message == "the time allowed ran out while r.test was asked for signatures"
    never = too_late("r.test", [waiting], answered=False)
    assert (never.code, never.hurried) == (Code.OVERLOADED, True)
    assert never.message.endswith("too many other requests were under way")
