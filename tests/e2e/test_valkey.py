"""The store at a real server: Debian's redis-server 7.0, which speaks what Valkey speaks."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
import valkey

from gate.store.opening import open_store
from gate.store.valkey import MAX_VALUE, ValkeyStore
from tests.e2e.redis_server import redis_server
from tests.fakes.clock import SettableClock
from tests.fakes.loopback import certificate_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.registries import Process

pytestmark = pytest.mark.e2e
NONE = {"set_aside": 0, "dropped": 0, "failed": 0}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Process]:
    with redis_server(tmp_path / "server") as process:
        yield process


def _port(server: Process) -> int:
    return int(server.host.rpartition(":")[2])


def _admin(server: Process, *command: str, password: str | None = None) -> Any:
    """What the server says to a command of its administrator."""
    client: Any = valkey.Valkey(port=_port(server), password=password)
    try:
        return client.execute_command(*command)
    finally:
        client.close()


def _settle(store: ValkeyStore) -> None:
    """Wait until everything put so far has been written, or lost."""
    while store._background._weight:
        time.sleep(0.001)


def _put(store: ValkeyStore, key: str = "a", value: bytes = b"value") -> None:
    store.put(key, value, 3600)
    _settle(store)
    assert store.get([key]) == {key: value}


def test_it_keeps_what_it_is_given(server: Process) -> None:
    store = open_store(f"redis://{server.host}", None, time.monotonic, time.monotonic)
    keys = [f"key-{number}" for number in range(1000)]
    for key in keys:
        store.put(key, key.encode() * 100, 3600)
    store.put("binary", bytes(range(256)), 3600)
    store.put("large", bytes(MAX_VALUE // 4), 3600)
    store.close()
    with_others = ValkeyStore(f"valkey://{server.host}/0")
    assert with_others.get(["binary", "large"]) == {"binary": bytes(range(256)), "large": bytes(MAX_VALUE // 4)}
    assert with_others.get([*keys, "none"]) == {key: key.encode() * 100 for key in keys}
    assert store.counts == with_others.counts == NONE
    assert _admin(server, "INFO", "commandstats")["cmdstat_mget"]["calls"] == 2
    assert 0 < _admin(server, "PTTL", "imagegate:key-0") <= 3_600_000
    with_others.close()


def test_it_forgets_in_time(server: Process) -> None:
    store = ValkeyStore(f"valkey://{server.host}")
    store.put("short", b"1", 0.05)
    store.put("long", b"2", 1e9)
    _settle(store)
    while _admin(server, "EXISTS", "imagegate:short"):
        time.sleep(0.01)
    assert store.get(["short", "long"]) == {"long": b"2"}
    store.close()


def test_killed_it_is_left_alone_and_when_it_is_back_it_is_used(tmp_path: Path) -> None:
    clock = SettableClock()
    with redis_server(tmp_path / "first") as first:
        store = ValkeyStore(f"valkey://{first.host}", clock.monotonic)
        _put(store)
        first.kill()
        assert [store.get(["a"]) for _ in range(100)] == [{}] * 100
        store.put("b", b"lost", 60)
        _settle(store)
        assert store.counts == {"set_aside": 0, "dropped": 1, "failed": 1}
    with redis_server(tmp_path / "second", _port(first)) as second:
        assert store.get(["a"]) == {}
        assert _admin(second, "INFO", "clients")["connected_clients"] == 1  # which is the administrator's
        clock.advance(6)
        assert store.get(["a"]) == {}
        _put(store)
        store.close()


def test_restarted_while_nobody_asked_costs_nothing(tmp_path: Path) -> None:
    with redis_server(tmp_path / "first") as first:
        store = ValkeyStore(f"valkey://{first.host}")
        _put(store)
    with redis_server(tmp_path / "second", _port(first)):
        assert store.get(["a"]) == {}
        _put(store)
        assert store.counts == NONE
        store.close()


def test_one_that_never_answers_is_asked_once_in_a_while(server: Process) -> None:
    """The kernel still takes its connections and what is sent."""
    clock = SettableClock()
    store = ValkeyStore(f"valkey://{server.host}", clock.monotonic)
    _put(store)
    os.kill(server._process.pid, signal.SIGSTOP)
    try:
        for failed in (1, 2, 3):
            assert [store.get(["a"]) for _ in range(100)] == [{}] * 100
            assert store.counts["failed"] == failed
            clock.advance(6)
    finally:
        os.kill(server._process.pid, signal.SIGCONT)
    _put(store)
    store.close()


def test_passwords(tmp_path: Path) -> None:
    with redis_server(tmp_path, settings={"requirepass": "open/sesame"}) as server:
        may = ("+mget", "+set", "~imagegate:*")
        _admin(server, "ACL", "SETUSER", "gate", "on", ">of@gate", *may, password="open/sesame")
        for credentials in (":open%2Fsesame", "gate:of%40gate"):
            store = ValkeyStore(f"valkey://{credentials}@{server.host}")
            _put(store)
            assert store.counts == NONE
            store.close()
        for credentials in ("", ":wrong@", "nobody:of%40gate@"):
            store = ValkeyStore(f"valkey://{credentials}{server.host}")
            assert [store.get(["a"]) for _ in range(20)] == [{}] * 20
            assert store.counts["failed"] == 1
            assert "wrong" not in repr(store)
            store.close()


def test_a_database_of_its_own(server: Process) -> None:
    one, other = (ValkeyStore(f"valkey://{server.host}/{number}") for number in (0, 5))
    _put(other)
    assert one.get(["a"]) == {}
    one.close()
    other.close()


def test_one_that_is_full_is_still_read(server: Process) -> None:
    store = ValkeyStore(f"valkey://{server.host}")
    _put(store)
    _admin(server, "CONFIG", "SET", "maxmemory", "1mb")
    for number in range(20):
        store.put(f"key-{number}", bytes(100_000), 3600)
    _settle(store)
    assert store.get(["a"]) == {"a": b"value"}
    assert store.counts["dropped"] > 0
    _admin(server, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    _admin(server, "CONFIG", "SET", "maxmemory", "4mb")
    _put(store, "b")
    store.close()


def test_a_value_of_another_kind_is_absent(server: Process) -> None:
    store = ValkeyStore(f"valkey://{server.host}")
    _put(store)
    _admin(server, "LPUSH", "imagegate:list", "1")
    assert store.get(["list", "a"]) == {"a": b"value"}
    store.close()


def test_tls_and_the_socket(tmp_path: Path) -> None:
    chain, key = certificate_for(tmp_path, ["cache.test"])
    socket = tmp_path / "v.sock"
    settings = {
        "tls-cert-file": str(chain),
        "tls-key-file": str(key),
        "tls-auth-clients": "no",
        "unixsocket": str(socket),
        "requirepass": "open-sesame",
    }
    with redis_server(tmp_path / "server", settings=settings, tls=True) as server:
        for url in (
            f"valkeys://:open-sesame@{server.host}?ca={chain}",
            f"rediss://:open-sesame@{server.host}/1?ca={chain}",
            f"unix://:open-sesame@{socket}?db=2",
        ):
            store = ValkeyStore(url)
            assert store.get(["a"]) == {}
            _put(store)
            assert store.counts == NONE
            store.close()
        for url in (
            f"valkeys://:open-sesame@{server.host}",
            f"valkey://:open-sesame@{server.host}",
            f"valkeys://:open-sesame@localhost:{_port(server)}?ca={chain}",
        ):
            store = ValkeyStore(url)
            assert store.get(["a"]) == {}
            assert store.counts["failed"] == 1
            store.close()
