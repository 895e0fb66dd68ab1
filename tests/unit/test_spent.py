from __future__ import annotations

import itertools
import random
import socket
import threading

import pytest

from gate.errors import EvidenceUnavailable
from gate.registry.guard.hosts import Hosts
from gate.registry.guard.transport import Request, Transport
from gate.spent import Meter, Spent
from tests.fakes.clients import soon

Asked = tuple[float, float]


def metered(*asked: Asked) -> Spent:
    meter = Meter()
    for begun, ended in asked:
        meter.end(meter.begin(begun), ended, 0)
    return meter.spent(100)


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
    assert meter.spent(2) == Spent()
    meter.end(meter.begin(0), 1, 100)
    meter.end(meter.begin(1), 2, 11)
    meter.hit()
    meter.verified(0.5)
    meter.verified(0.25)
    meter.evaluated(2)
    assert meter.requests == 2
    assert meter.spent(2) == Spent(requests=2, waves=2, received=111, hits=1, registry=2, verify=0.75, evaluate=2)
    # an account is of its instant
    before = meter.spent(2)
    meter.hit()
    assert (before.hits, meter.spent(2).hits) == (1, 2)


def test_many_threads_write_into_one() -> None:
    meter = Meter()
    together = threading.Barrier(8)

    def write() -> None:
        together.wait(30)
        for i in range(500):
            meter.end(meter.begin(i), i + 1, 1)
            meter.hit()
            meter.verified(1)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    spent = meter.spent(1000)
    assert (spent.requests, spent.waves, spent.received, spent.hits) == (4000, 500, 4000, 4000)
    assert (spent.registry, spent.verify) == (500, 4000)


def test_a_request_counts_from_when_it_is_sent() -> None:
    meter = Meter()
    first, second = meter.begin(0), meter.begin(1)
    assert (meter.requests, meter.spent(3)) == (2, Spent(requests=2, waves=1, registry=3))
    meter.end(first, 2, 10)
    assert meter.spent(3) == Spent(requests=2, waves=1, received=10, registry=3)
    meter.end(second, 4, 5)
    third = meter.begin(5)
    assert meter.spent(6) == Spent(requests=3, waves=2, received=15, registry=5)
    meter.end(third, 7, 0)
    assert meter.spent(9) == Spent(requests=3, waves=2, received=15, registry=6)


def test_the_transport_says_when_it_sends_and_not_only_how_it_went() -> None:
    meter = Meter()

    def resolve(_: str, __: int) -> list[str]:
        assert meter.requests == 1
        raise OSError("no such host")

    with pytest.raises(EvidenceUnavailable):
        Transport(Hosts(), resolve).send(Request("GET", "https://registry.test/v2/", 10), soon().metered(meter))
    assert meter.requests == 1


def test_bytes_of_an_answer_that_breaks_its_limit_count_as_far_as_they_were_read() -> None:
    meter = Meter()
    with socket.create_server(("127.0.0.1", 0)) as server:
        name = f"127.0.0.1:{server.getsockname()[1]}"

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000)

        answering = threading.Thread(target=answer)
        answering.start()
        transport = Transport(Hosts(insecure=frozenset({name})))
        with pytest.raises(EvidenceUnavailable, match="more than the 100 bytes"):
            transport.send(Request("GET", f"http://{name}/v2/", 100), soon().metered(meter))
        answering.join(10)
    assert meter.spent(0).received == 101
