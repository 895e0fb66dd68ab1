"""What every adapter of the Store port has to do, run against each of them."""

from __future__ import annotations

import itertools
import math
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from gate.store.memory import MemoryStore
from gate.store.sqlite import SqliteStore
from gate.store.valkey import ValkeyStore
from tests.fakes.clock import SettableClock
from tests.fakes.valkey_server import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gate.review.ports import Store
    from gate.store.opening import AnyStore

_LIMIT = 4 * 1024 * 1024


@dataclass
class World:
    """An adapter, and the clock by which values expire. What the adapter waits for itself takes its real time."""

    store: AnyStore
    clock: SettableClock
    largest: int = _LIMIT // 4
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def settle(self) -> None:
        """Wait until everything put so far has been written: it is written in order."""
        self.wait_for(f"marker-{next(self.numbers)}")

    def wait_for(self, key: str) -> None:
        """Put it until it is there: a machine that is busy may make a store pause."""
        while not self.store.get([key]):
            self.store.put(key, b"", 1e6)
            time.sleep(0.002)

    def put(self, key: str, value: bytes, seconds: float = 60.0) -> None:
        self.store.put(key, value, seconds)
        self.settle()


@pytest.fixture(params=["memory", "sqlite", "valkey"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    clock = SettableClock()
    if request.param == "memory":
        yield World(MemoryStore(_LIMIT, clock.monotonic), clock)
    elif request.param == "sqlite":
        sqlite = SqliteStore(tmp_path / "cache.sqlite", _LIMIT, lambda: clock.now().timestamp())
        yield World(sqlite, clock)
        sqlite.close()
    else:
        with ValkeyServer(clock=clock.monotonic) as server:
            valkey = ValkeyStore(server.url)
            yield World(valkey, clock, 16 * 1024 * 1024)
            valkey.close()


def test_it_fits_the_port(world: World) -> None:
    store: Store = world.store
    assert store.get(["a"]) == {}


@pytest.mark.parametrize("value", [b"", b"\0", b"\r\n$-1\r\n", bytes(range(256)) * 40, "ü".encode()], ids=len)
def test_what_was_put_is_given(world: World, value: bytes) -> None:
    world.put("key", value)
    assert world.store.get(["key"]) == {"key": value}


@pytest.mark.parametrize("key", ["", "ü", "a b\r\nc", "a\0b", "'; DROP TABLE entry; --", "x" * 5000, "*"])
def test_any_text_is_a_key(world: World, key: str) -> None:
    world.put(key, b"value")
    world.put("other", b"other")
    assert world.store.get([key, "other", "a"]) == {key: b"value", "other": b"other"}


def test_what_is_absent_is_left_out(world: World) -> None:
    world.put("a", b"1")
    world.put("b", b"2")
    assert world.store.get(["b", "c", "a"]) == {"a": b"1", "b": b"2"}
    assert world.store.get(["c"]) == {}


def test_asking_for_nothing_and_for_the_same_twice(world: World) -> None:
    world.put("a", b"1")
    assert world.store.get([]) == {}
    assert world.store.get(["a", "a"]) == {"a": b"1"}


def test_the_last_word_counts(world: World) -> None:
    world.store.put("a", b"1", 60)
    world.put("a", b"2")
    assert world.store.get(["a"]) == {"a": b"2"}


def test_it_is_kept_for_so_long_and_not_longer(world: World) -> None:
    world.put("short", b"1", 10)
    world.put("long", b"2", 100)
    world.clock.advance(9)
    assert world.store.get(["short", "long"]) == {"short": b"1", "long": b"2"}
    world.clock.advance(2)
    assert world.store.get(["short", "long"]) == {"long": b"2"}


def test_a_new_word_has_its_own_time(world: World) -> None:
    world.put("a", b"1", 10)
    world.put("a", b"2", 100)
    world.clock.advance(50)
    assert world.store.get(["a"]) == {"a": b"2"}


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, -math.inf])
def test_no_time_is_not_kept(world: World, seconds: float) -> None:
    world.put("a", b"1", seconds)
    assert world.store.get(["a"]) == {}


@pytest.mark.parametrize("seconds", [math.inf, 1e300])
def test_for_ever_is_kept(world: World, seconds: float) -> None:
    world.put("a", b"1", seconds)
    world.clock.advance(1e6)
    assert world.store.get(["a"]) == {"a": b"1"}


def test_what_is_too_large_is_not_kept(world: World) -> None:
    world.put("large", bytes(world.largest))
    world.put("larger", bytes(world.largest + 1))
    while not (found := world.store.get(["large", "larger"])):  # so much may take a busy server too long
        time.sleep(0.1)
    assert list(found) == ["large"]


def test_very_many_keys(world: World) -> None:
    keys = [f"key-{number}" for number in range(2000)]
    for key in keys:
        world.store.put(key, key.encode(), 60)
    world.settle()
    assert world.store.get(keys) == {key: key.encode() for key in keys}


def test_a_key_that_is_no_text_is_no_reason_to_fail(world: World) -> None:
    world.store.put("\ud800", b"1", 60)
    world.put("a", b"2")
    assert world.store.get(["\ud800"]) in ({}, {"\ud800": b"1"})
    assert world.store.get(["a"]) == {"a": b"2"}


def test_many_at_once(world: World) -> None:
    wrong: list[object] = []

    def work(name: str) -> None:
        for number in range(40):
            world.store.put(f"{name}-{number}", name.encode(), 60)
            found = world.store.get([f"{other}-{number}" for other in "abcdef"])
            wrong.extend(item for item in found.items() if item[0][0] != item[1].decode())

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.settle()
    assert wrong == []
    assert len(world.store.get([f"{name}-{number}" for name in "abcdef" for number in range(40)])) == 240


def test_nothing_went_wrong(world: World) -> None:
    assert world.store.get(["a"]) == {}
    world.put("a", b"1")
    assert world.store.counts == {"set_aside": 0, "dropped": 0, "failed": 0}


def test_closed_it_gives_nothing_and_takes_nothing(world: World) -> None:
    world.put("a", b"1")
    world.store.close()
    world.store.close()
    assert world.store.get(["a"]) == {}
    world.store.put("a", b"2", 60)
