"""Sockets that do not wait themselves: what is left of the time is what they are waited for."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from gate.registry.guard.sockets import DeadlineSocket
from tests.unit.registry.guard.support import Patient, carry_large

if TYPE_CHECKING:
    from collections.abc import Callable

LARGE = b"0123456789abcdef" * 200_000


class Counting(Patient):
    """Has time for so many looks at it."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    def remaining(self) -> float:
        self.looks -= 1
        if self.looks < 0:
            raise TimeoutError("the time allowed ran out")
        return super().remaining()


class Stubborn(socket.socket):
    """Looks ready, and is not."""

    wants: list[Exception]

    def recv(self, *args: Any) -> bytes:
        if self.wants:
            raise self.wants.pop()
        return super().recv(*args)

    def send(self, *args: Any) -> int:
        if self.wants:
            raise self.wants.pop()
        return super().send(*args)


def _pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair()


def test_silence_is_waited_for_as_long_as_there_is_time() -> None:
    end, peer = _pair()
    with closing(end), closing(peer), pytest.raises(TimeoutError):
        DeadlineSocket(end, Patient(0.05)).recv(1)


def test_a_peer_that_reads_nothing_is_waited_for_as_long_as_there_is_time() -> None:
    end, peer = _pair()
    with closing(end), closing(peer), pytest.raises(TimeoutError):
        DeadlineSocket(end, Patient(0.05)).sendall(LARGE * 4)


@pytest.mark.parametrize("do", [lambda s: s.recv(1), lambda s: s.sendall(b"x")])
def test_nothing_is_read_or_sent_without_time(do: Callable[[DeadlineSocket], object]) -> None:
    end, peer = _pair()
    with closing(end), closing(peer):
        peer.sendall(b"there")
        with pytest.raises(TimeoutError):
            do(DeadlineSocket(end, Counting(0)))
        peer.settimeout(0)
        with pytest.raises(BlockingIOError):
            peer.recv(1)


def test_time_is_looked_at_before_each_read() -> None:
    end, peer = _pair()
    with closing(end), closing(peer):
        peer.sendall(b"abc")
        connection = DeadlineSocket(end, Counting(2))
        assert connection.recv(1) + connection.recv(1) == b"ab"
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_what_is_large_is_sent_and_received_whole() -> None:
    end, peer = _pair()
    with closing(end), closing(peer):
        carry_large(DeadlineSocket(end, Patient()), peer)


def test_whatever_is_wanted_first_is_waited_for() -> None:
    end, peer = _pair()
    stubborn = Stubborn(fileno=end.detach())
    with closing(stubborn), closing(peer):
        stubborn.wants = [BlockingIOError()]
        peer.sendall(b"x")  # there is something to read, and room to write
        connection = DeadlineSocket(stubborn, Patient(5))
        connection.sendall(b"ab")
        assert peer.recv(9) == b"ab"
        stubborn.wants = [BlockingIOError(), BlockingIOError()]
        assert connection.recv(1) == b"x"


def test_wanting_for_ever_ends_with_the_time() -> None:
    end, peer = _pair()
    stubborn = Stubborn(fileno=end.detach())
    with closing(stubborn), closing(peer):
        stubborn.wants = [BlockingIOError() for _ in range(100)]
        peer.sendall(b"x")
        with pytest.raises(TimeoutError):
            DeadlineSocket(stubborn, Counting(20)).recv(1)
        with pytest.raises(TimeoutError):
            DeadlineSocket(stubborn, Counting(20)).sendall(b"x")


def test_a_socket_is_silent_until_there_is_something_or_the_end() -> None:
    end, peer = _pair()
    with closing(end):
        connection = DeadlineSocket(end, Patient())
        seen = [connection.is_silent]
        peer.sendall(b"x")
        seen.append(connection.is_silent)
        assert connection.recv(1) == b"x"
        seen.append(connection.is_silent)
        peer.close()
        seen.append(connection.is_silent)
    assert seen == [True, False, True, False]
