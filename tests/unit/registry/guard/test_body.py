"""Large answers: on disk while they arrive, few in memory at a time."""

from __future__ import annotations

import errno
import json
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.digest import Digest
from gate.image.reference import Repository
from gate.registry.answer import Question
from gate.registry.guard.body import LARGE, Body, Room
from tests.fakes.clients import client_of, soon
from tests.fakes.hostile_server import HostileServer, answer
from tests.fakes.scripted_server import Asked, Reply, ScriptedServer

if TYPE_CHECKING:
    from tests.fakes.hostile_server import Peer

QUESTION = Question("GET", "/v2/x", {}, 4 * LARGE)


@pytest.mark.parametrize("size", [0, 1, LARGE, LARGE + 1, 3 * LARGE])
def test_a_body_is_what_was_added(size: int) -> None:
    body = Body()
    content = bytes(range(256)) * (size // 256 + 1)
    for start in range(0, size, 1000):
        body.add(content[start : min(size, start + 1000)])
    assert (body.size, body.read()) == (size, content[:size])
    assert (body._file is not None) is (size > LARGE)
    body.close()


def test_without_a_disk_it_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(buffering: int) -> None:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr("gate.registry.guard.body.TemporaryFile", none)
    body = Body()
    for _ in range(5):
        body.add(bytes(LARGE))
    assert body.read() == bytes(5 * LARGE)
    body.close()


def test_a_disk_that_fills_leaves_the_rest_in_memory() -> None:
    body = Body()
    content = bytes(range(256)) * (4 * LARGE // 256)
    body.add(content[: 2 * LARGE])
    assert body._file is not None
    full = _Full(body._file)
    body._file = full  # type: ignore[assignment]
    for start in range(2 * LARGE, 4 * LARGE, LARGE):
        body.add(content[start : start + LARGE])
    assert body.read() == content
    assert full.inner.closed


class _Full:
    """Takes ten bytes more."""

    def __init__(self, inner: IO[bytes]) -> None:
        self.inner = inner
        self.left = 10

    def write(self, content: bytes) -> int:
        if not self.left:
            raise OSError(errno.ENOSPC, "No space left on device")
        written, self.left = self.inner.write(content[: self.left]), 0
        return written

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)


def test_one_large_one_at_a_time_and_small_ones_always() -> None:
    room = Room()

    def moment() -> float:
        return 0.05

    def one(size: int) -> bool:
        with room.entered():
            try:
                room.take(size, moment)
            except EvidenceUnavailable as error:
                return "other large answers" not in error.message  # it is nobody's fault who is asked
            room.take(size, moment)  # the same thread's next is counted once
            gate.wait(5)
            return True

    gate = threading.Event()
    with ThreadPoolExecutor(8) as pool:
        large = [pool.submit(one, LARGE + 1) for _ in range(4)]
        small = [pool.submit(one, LARGE) for _ in range(4)]
        time.sleep(0.3)
        gate.set()
        assert sorted(future.result() for future in large) == [False, False, False, True]
        assert all(future.result() for future in small)
    with room.entered():  # all of it was given back
        room.take(LARGE + 1, moment)


class _Content:
    """Something that a weak reference can be made to, as none can to bytes."""


def test_a_failure_that_is_kept_keeps_no_content() -> None:
    held: list[weakref.ref[_Content]] = []

    def parse() -> None:
        content = _Content()
        held.append(weakref.ref(content))
        raise ValueError("not what it should be")

    def read() -> None:
        try:
            parse()
        except ValueError as error:
            raise EvidenceUnavailable(Code.REGISTRY_PROTOCOL, "cannot be read", remedy="") from error

    with pytest.raises(EvidenceUnavailable) as kept, Room().entered():
        read()
    assert kept.value.__cause__ is not None
    assert held[0]() is None


def test_two_failures_that_name_each_other_end() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    with pytest.raises(ValueError, match="first"), Room().entered():
        raise first


def test_who_is_outside_needs_no_room() -> None:
    room = Room()
    for _ in range(5):
        room.take(LARGE * 2, lambda: 0.0)
    room.leave()


def test_a_list_whose_next_page_does_not_come_holds_no_room() -> None:
    """Its first page was large; what is waited for needs none."""
    over = threading.Event()
    content = b"x" * (2 * LARGE)
    index = json.dumps({"schemaVersion": 2, "manifests": [], "annotations": {"x": "y" * 2 * LARGE}}).encode()

    def listing(asked: Asked) -> Reply:
        if "next" in asked.query:
            over.wait(20)
        return Reply(200, (("Link", f'<{asked.path}?next=1>; rel="next"'),), index)

    with (
        ScriptedServer(listing) as hostile,
        ScriptedServer(lambda _: Reply(body=content)) as good,
        client_of(hostile.host, good.host) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        digest = Digest.of(b"image")
        lists = [pool.submit(client.referrers, Repository(hostile.host, "a/b"), digest, soon(20)) for _ in range(4)]
        while sum("next" in asked.query for asked in hostile.asked) < 4:
            time.sleep(0.01)
        with client._asker.room.entered():
            answer = client._asker.ask(Repository(good.host, "a/b"), QUESTION, soon(10))
        assert answer.response.body == content
        over.set()
        for future in lists:
            assert future.exception() is not None  # in a circle


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
