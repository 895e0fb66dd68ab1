from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gate.review.lanes import Lanes


def test_who_does_not_answer_keeps_no_more_threads_than_its_lane_has() -> None:
    go = threading.Event()
    with ThreadPoolExecutor(8) as pool:
        lanes = Lanes(pool, 4)
        held = [lanes.of("hanging").submit(go.wait, 30) for _ in range(50)]
        assert [lanes.of("other").submit(pow, 2, n).result(30) for n in range(20)] == [2**n for n in range(20)]
        assert sum(future.running() for future in held) == 4
        go.set()
        assert all(future.result(30) for future in held)
        assert lanes.of("hanging").submit(pow, 2, 3).result(30) == 8


def test_what_waits_can_be_cancelled_and_failures_are_told() -> None:
    go = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        lane = Lanes(pool, 1).of("x")
        first = lane.submit(go.wait, 30)
        second, third = lane.submit(pow, 2, 2), lane.submit(int, "no number")
        assert second.cancel()
        go.set()
        assert first.result(30)
        with pytest.raises(ValueError, match="no number"):
            third.result(30)
        assert lane.submit(pow, 2, 4).result(30) == 16


def test_a_pool_that_has_ended_refuses() -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    lane = Lanes(pool, 1).of("x")
    for _ in range(3):
        with pytest.raises(RuntimeError):
            lane.submit(pow, 2, 2)


def test_lanes_that_nothing_runs_in_are_forgotten() -> None:
    with ThreadPoolExecutor(2) as pool:
        lanes = Lanes(pool, 1)
        for n in range(1000):
            lanes.of(str(n)).submit(pow, 2, 2).result(30)
        assert len(lanes._lanes) < 10
