"""Large answers: on disk while they arrive, few in memory at a time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from gate.image.reference import Repository
from gate.registry.answer import Question
from gate.registry.guard.body import LARGE, Body, Room
from tests.fakes.clients import client_of, soon
from tests.fakes.hostile_server import HostileServer, answer
from tests.fakes.scripted_server import Reply, ScriptedServer

if TYPE_CHECKING:
    from tests.fakes.hostile_server import Peer

QUESTION = Question("GET", "/v2/x", {}, 4 * LARGE)


@pytest.mark.parametrize("size", [0, 1, LARGE, LARGE + 1, 3 * LARGE])
def test_a_body_is_what_was_added(size: int) -> None:
    body = Body()
    content = bytes(range(256)) * (size // 256 + 1)
    for start in range(0, size, 1000):
        body.add(content[start : min(size, start + 1000)])
    assert (body.size, body.content()) == (size, content[:size])
    assert (body._file is not None) is (size > LARGE)
    body.close()


def test_without_a_disk_it_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr("gate.registry.guard.body.TemporaryFile", none)
    body = Body()
    for _ in range(5):
        body.add(bytes(LARGE))
    assert body.content() == bytes(5 * LARGE)
    body.close()


def test_two_large_ones_at_a_time_and_small_ones_always() -> None:
    room = Room()

    def moment() -> float:
        return 0.05

    def one(size: int) -> bool:
        with room.entered():
            try:
                room.take(size, moment)
            except TimeoutError:
                return False
            room.take(size, moment)  # the same thread's next is counted once
            gate.wait(5)
            return True

    gate = threading.Event()
    with ThreadPoolExecutor(8) as pool:
        large = [pool.submit(one, LARGE + 1) for _ in range(4)]
        small = [pool.submit(one, LARGE) for _ in range(4)]
        time.sleep(0.3)
        gate.set()
        assert sorted(future.result() for future in large) == [False, False, True, True]
        assert all(future.result() for future in small)
    with room.entered():  # all of it was given back
        room.take(LARGE + 1, moment)


def test_who_is_outside_needs_no_room() -> None:
    room = Room()
    for _ in range(5):
        room.take(LARGE * 2, lambda: 0.0)
    room.leave()


def test_slow_large_answers_do_not_hold_a_large_one_that_is_there() -> None:
    """Room is taken when all has come."""
    over = threading.Event()
    content = b"x" * (2 * LARGE)

    def slow(peer: Peer) -> bool:
        peer.send(answer(200, (), content)[: -LARGE // 2])
        over.wait(20)
        return False

    with (
        HostileServer(slow) as hostile,
        ScriptedServer(lambda _: Reply(body=content)) as good,
        client_of(hostile.host, good.host) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        ask = client._asker.ask
        waiting = [pool.submit(ask, Repository(hostile.host, "a/b"), QUESTION, soon(20)) for _ in range(6)]
        time.sleep(0.3)
        with client._asker.room.entered():
            assert ask(Repository(good.host, "a/b"), QUESTION, soon(10)).response.body == content
        over.set()
        for future in waiting:
            assert future.exception() is not None
