"""The store at a Valkey server: what is asked, and what becomes of a server that fails."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from gate.errors import UsageError
from gate.store.valkey import ValkeyStore
from tests.fakes.clock import SettableClock
from tests.fakes.loopback import certificate_for
from tests.fakes.valkey_server import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    with ValkeyServer() as running:
        yield running


def _put(store: ValkeyStore, key: str, value: bytes = b"value") -> None:
    """And wait until the server has it."""
    store.put(key, value, 60)
    while store._background._weight:
        time.sleep(0.001)
    assert store.get([key]) == {key: value}


def _names(server: ValkeyServer) -> list[bytes]:
    return [command[0] for command in server.asked]


def test_one_question_and_one_connection(server: ValkeyServer) -> None:
    store = ValkeyStore(server.url)
    store.get(["a", "b", "c"])
    store.get(["d"])
    assert server.asked == [
        [b"MGET", b"imagegate:a", b"imagegate:b", b"imagegate:c"],
        [b"MGET", b"imagegate:d"],
    ]
    assert server.connections == 1
    store.close()


def test_what_is_written_and_for_how_long(server: ValkeyServer) -> None:
    clock = SettableClock()
    store = ValkeyStore(server.url, clock.monotonic)
    store.put("a", b"1", 1.5)
    store.put("b", b"2", 1e300)
    store.close()
    assert server.asked == [
        [b"SET", b"imagegate:a", b"1", b"PX", b"1500"],
        [b"SET", b"imagegate:b", b"2", b"PX", b"315360000000"],
    ]


def test_user_password_and_database(server: ValkeyServer) -> None:
    server.password = "open/sesame"
    store = ValkeyStore(f"redis://gate:open%2Fsesame@127.0.0.1:{server.port}/3")
    _put(store, "a")
    assert server.asked[:2] == [[b"AUTH", b"gate", b"open/sesame"], [b"SELECT", b"3"]]
    assert set(server.kept) == {(3, b"imagegate:a")}
    store.close()


def test_a_wrong_password_is_tried_once_in_a_while_and_told_to_nobody(server: ValkeyServer) -> None:
    server.password = "right"
    clock = SettableClock()
    store = ValkeyStore(f"valkey://:s3cret@127.0.0.1:{server.port}", clock.monotonic)
    assert [store.get(["a"]) for _ in range(20)] == [{}] * 20
    assert _names(server) == [b"AUTH"]
    clock.advance(6)
    assert store.get(["a"]) == {}
    assert _names(server) == [b"AUTH", b"AUTH"]
    assert store.counts["failed"] == 2
    assert "s3cret" not in repr(store)
    assert repr(store) == f"ValkeyStore(valkey://127.0.0.1:{server.port}/0)"
    store.close()


def test_without_the_password_it_wants(server: ValkeyServer) -> None:
    server.password = "right"
    store = ValkeyStore(f"valkey://127.0.0.1:{server.port}")
    assert store.get(["a"]) == {}
    store.put("a", b"1", 60)
    store.close()
    assert store.counts == {"set_aside": 0, "dropped": 1, "failed": 1}


def test_a_server_that_ended_and_came_back() -> None:
    clock = SettableClock()
    with ValkeyServer() as first:
        store = ValkeyStore(first.url, clock.monotonic)
        _put(store, "a")
    assert [store.get(["a"]) for _ in range(20)] == [{}] * 20
    assert store.counts["failed"] == 1
    store.put("a", b"1", 60)
    with ValkeyServer(port=first.port) as second:
        assert store.get(["a"]) == {}
        assert second.connections == 0
        clock.advance(6)
        _put(store, "b")
    store.close()


def test_a_server_that_hung_up_in_between_is_no_failure(server: ValkeyServer) -> None:
    store = ValkeyStore(server.url)
    _put(store, "a")
    server.hang_up()
    assert store.get(["a"]) == {"a": b"value"}
    assert store.counts["failed"] == 0
    store.close()


def test_a_server_that_never_answers_is_asked_once_in_a_while(server: ValkeyServer) -> None:
    server.deaf = True
    clock = SettableClock()
    store = ValkeyStore(server.url, clock.monotonic)
    assert [store.get(["a"]) for _ in range(50)] == [{}] * 50
    assert len(server.asked) == 1
    clock.advance(6)
    assert [store.get(["a"]) for _ in range(50)] == [{}] * 50
    assert len(server.asked) == 2
    server.deaf = False
    clock.advance(6)
    _put(store, "a")
    store.close()


def test_a_server_that_takes_nothing_more_is_still_read(server: ValkeyServer) -> None:
    store = ValkeyStore(server.url)
    _put(store, "a")
    server.say = lambda command: (
        b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
        if command[0] == b"SET"
        else b"*1\r\n$1\r\n7\r\n"
    )
    store.put("b", b"1", 60)
    while store.counts["dropped"] < 1:
        time.sleep(0.002)
    assert store.get(["a"]) == {"a": b"7"}
    assert store.counts == {"set_aside": 0, "dropped": 1, "failed": 1}
    store.close()


def test_names_that_do_not_exist_and_ports_where_nobody_is() -> None:
    for url in ("valkey://cache.invalid", "valkey://127.0.0.1:1", "unix:///nowhere/v.sock"):
        store = ValkeyStore(url)
        assert store.get(["a"]) == {}
        assert store.counts["failed"] == 1
        store.close()


def test_tls_with_its_authority(tmp_path: Path) -> None:
    files = certificate_for(tmp_path, ["cache.test"])
    with ValkeyServer("open-sesame", tls=files) as server:
        store = ValkeyStore(f"{server.url}?ca={files[0]}")
        _put(store, "a")
        assert server.connections == 1
        store.close()


@pytest.mark.parametrize("which", ["authority", "name"])
def test_tls_that_is_not_believed_gets_no_password(tmp_path: Path, which: str) -> None:
    files = certificate_for(tmp_path, ["cache.test"])
    with ValkeyServer("open-sesame", tls=files) as server:
        url = server.url if which == "authority" else f"{server.url}?ca={files[0]}".replace("127.0.0.1", "localhost")
        store = ValkeyStore(url)
        assert store.get(["a"]) == {}
        assert store.counts["failed"] == 1
        assert server.asked == []
        store.close()


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkey", None)
    with pytest.raises(UsageError, match="needs the package valkey") as caught:
        ValkeyStore("valkey://:s3cret@cache")
    assert caught.value.remedy == "pip install 'imagegate[valkey]'"
    assert "s3cret" not in str(caught.value)
