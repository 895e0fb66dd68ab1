"""The store in memory: what leaves first."""

from __future__ import annotations

from gate.store.memory import OVERHEAD, MemoryStore
from tests.fakes.clock import SettableClock

_ROOM = OVERHEAD + 1  # what a value takes with a key of one character


def test_the_least_recently_read_leaves_first() -> None:
    store = MemoryStore(4 * (_ROOM + 10), SettableClock().monotonic)
    for key in "abcd":
        store.put(key, bytes(10), 60)
    store.get(["a"])
    store.put("e", bytes(10), 60)
    store.put("f", bytes(10), 60)
    assert list(store.get(list("abcdef"))) == ["a", "d", "e", "f"]


def test_room_of_what_has_expired_is_free_once_it_was_asked_for() -> None:
    clock = SettableClock()
    store = MemoryStore(4 * (_ROOM + 10), clock.monotonic)
    store.put("z", bytes(10), 60)
    for key in "abc":
        store.put(key, bytes(10), 10)
    clock.advance(20)
    assert list(store.get(list("abcz"))) == ["z"]
    for key in "def":
        store.put(key, bytes(10), 60)
    assert list(store.get(list("zdef"))) == ["z", "d", "e", "f"]


def test_a_value_replaces_the_one_before_even_if_it_is_not_kept() -> None:
    store = MemoryStore(4000, SettableClock().monotonic)
    store.put("a", b"1", 60)
    store.put("a", bytes(1001), 60)
    assert store.get(["a"]) == {}


def test_bytes_are_given_back() -> None:
    store = MemoryStore(1 << 20, SettableClock().monotonic)
    for _ in range(100):
        store.put("a", bytes(100_000), 60)
    store.put("a", b"", 0)
    assert (store._weight, len(store._kept)) == (0, 0)
