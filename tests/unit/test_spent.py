from __future__ import annotations

import itertools
import random
import threading

import pytest

from gate.spent import Meter, Spent

Asked = tuple[float, float]


def metered(*asked: Asked) -> Spent:
    meter = Meter()
    for begun, ended in asked:
        meter.asked(begun, ended, 0)
    return meter.spent()


def longest_row(asked: list[Asked]) -> int:
    """By trying every row: of each the next begins when the one before has ended."""
    for count in range(len(asked), 0, -1):
        for some in itertools.combinations(sorted(asked, key=lambda one: one[1]), count):
            if all(before[1] <= after[0] for before, after in itertools.pairwise(some)):
                return count
    return 0


@pytest.mark.parametrize(
    ("asked", "waves", "covered"),
    [
        ([], 0, 0),
        ([(0, 1)], 1, 1),
        ([(0, 1), (0, 1), (0, 1)], 1, 1),
        ([(0, 1), (1, 2), (2, 3)], 3, 3),
        ([(0, 3), (0, 1), (1, 2), (2, 3)], 3, 3),  # a long one beside three short ones
        ([(0, 1), (0.5, 1.5), (1, 2)], 2, 2),
        ([(0, 10), (1, 2), (3, 4), (12, 13)], 3, 11),
        ([(0, 1), (5, 6)], 2, 2),  # what is between is no time of the registry's
        ([(0, 10), (2, 3)], 1, 10),
        ([(2, 3), (0, 10), (9, 12)], 2, 12),
    ],
)
def test_waves_and_time(asked: list[Asked], waves: int, covered: float) -> None:
    for order in (asked, asked[::-1]):
        spent = metered(*order)
        assert (spent.requests, spent.waves, spent.registry) == (len(asked), waves, covered)


@pytest.mark.parametrize("seed", range(30))
def test_waves_agree_with_trying_every_row(seed: int) -> None:
    choose = random.Random(seed)
    asked = [(float(begun), float(begun + choose.randint(1, 6))) for begun in choose.choices(range(12), k=8)]
    assert metered(*asked).waves == longest_row(asked)


@pytest.mark.parametrize("seed", range(10))
def test_the_time_covered_agrees_with_counting_it(seed: int) -> None:
    choose = random.Random(seed)
    asked = [(begun, begun + choose.randint(1, 6)) for begun in choose.choices(range(30), k=8)]
    seconds = {second for begun, ended in asked for second in range(begun, ended)}
    assert metered(*asked).registry == len(seconds)


def test_quick_requests_that_were_asked_at_once_are_one_wave() -> None:
    assert metered((0, 0.0003), (0, 0.0003), (0.0001, 0.0004)).waves == 1


def test_sums() -> None:
    one = Spent(requests=3, waves=2, received=100, hits=1, registry=0.5, verify=0.25, evaluate=0.125)
    other = Spent(requests=1, waves=3, received=10, hits=2, registry=1, verify=1, evaluate=1)
    # side by side: all that was asked, and the waves of the longer
    assert one + other == Spent(4, 3, 110, 3, 1.5, 1.25, 1.125)
    assert one + other == other + one
    assert one + Spent() == one
    assert sum([one, other], Spent()) == one + other


def test_a_meter_adds_up() -> None:
    meter = Meter()
    assert meter.spent() == Spent()
    meter.asked(0, 1, 100)
    meter.asked(1, 2, 11)
    meter.hit()
    meter.verified(0.5)
    meter.verified(0.25)
    meter.evaluated(2)
    assert meter.requests == 2
    assert meter.spent() == Spent(requests=2, waves=2, received=111, hits=1, registry=2, verify=0.75, evaluate=2)
    # an account is of its instant
    before = meter.spent()
    meter.hit()
    assert (before.hits, meter.spent().hits) == (1, 2)


def test_many_threads_write_into_one() -> None:
    meter = Meter()
    together = threading.Barrier(8)

    def write() -> None:
        together.wait(30)
        for i in range(500):
            meter.asked(i, i + 1, 1)
            meter.hit()
            meter.verified(1)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    spent = meter.spent()
    assert (spent.requests, spent.waves, spent.received, spent.hits) == (4000, 500, 4000, 4000)
    assert (spent.registry, spent.verify) == (500, 4000)
