from __future__ import annotations

from typing import Any, cast

import pytest

from gate.registry.guard.idle import IDLE_SECONDS, MAX_IDLE, Idle, Pool
from tests.fakes.clock import SettableClock


class Connection:
    """As much of one as its keeper looks at."""

    def __init__(self) -> None:
        self.is_silent = self.is_free = True
        self.closed = 0

    def release(self) -> bool:
        return self.is_free

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


def pools(idle: Idle, count: int) -> list[Pool]:
    return [Pool(idle, cast("Any", Connection)) for _ in range(count)]


def kept(pool: Pool, count: int) -> list[Any]:
    made: list[Any] = [Connection() for _ in range(count)]
    for connection in made:
        pool.give(connection)
    return made


def test_the_one_that_was_used_last_is_used_again(clock: SettableClock) -> None:
    (pool,) = pools(Idle(clock.monotonic), 1)
    first, second = kept(pool, 2)
    assert [pool.take() for _ in range(2)] == [second, first]
    assert pool.take() is None
    assert pool.connect() not in (first, second)
    assert first.closed == second.closed == 0


def test_of_all_hosts_together_the_oldest_leave_first(clock: SettableClock) -> None:
    idle = Idle(clock.monotonic)
    hosts = pools(idle, 8)
    made: list[list[Any]] = [kept(pool, MAX_IDLE // 4) for pool in hosts]
    assert len(idle) == MAX_IDLE
    assert [sum(c.closed for c in connections) for connections in made] == [MAX_IDLE // 4] * 4 + [0] * 4
    assert hosts[0].take() not in made[0]
    assert hosts[4].take() in made[4]


def test_what_was_idle_for_long_is_closed_when_another_comes(clock: SettableClock) -> None:
    idle = Idle(clock.monotonic)
    one, other = pools(idle, 2)
    (old,) = kept(one, 1)
    clock.advance(IDLE_SECONDS - 1)
    (young,) = kept(one, 1)
    clock.advance(1)
    kept(other, 1)
    assert (old.closed, young.closed, len(idle)) == (1, 0, 2)


def test_what_the_server_has_closed_is_no_connection(clock: SettableClock) -> None:
    idle = Idle(clock.monotonic)
    (pool,) = pools(idle, 1)
    first, second = kept(pool, 2)
    second.is_silent = False
    assert pool.take() is first
    assert (second.closed, len(idle)) == (1, 0)
    ended: Any = Connection()
    ended.is_free = False
    pool.give(ended)
    assert (ended.closed, len(idle)) == (1, 0)


def test_a_pool_that_is_closed_keeps_nothing_and_takes_nothing_back(clock: SettableClock) -> None:
    idle = Idle(clock.monotonic)
    one, other = pools(idle, 2)
    under_way, *rest = kept(one, 3)
    (stays,) = kept(other, 1)
    assert one.take() == rest[-1]
    one.close()
    one.give(rest[-1])
    assert (under_way.closed, [c.closed for c in rest], stays.closed, len(idle)) == (1, [1, 1], 0, 1)
