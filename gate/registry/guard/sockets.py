"""Sockets that give each read and write only what is left of a request's time.

Python's own timeouts start anew at every byte; a server that drips one byte a second holds them for ever. These sockets
ask their guard before each call to the system, and whatever is built upon them (`tls_stream`, `reading`) goes back to
them for every piece.
"""

from __future__ import annotations

import re
import select
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import socket

MAX_HEAD: Final = 16 * 1024
"""Bytes of a proxy's answer to CONNECT."""

_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")


class Guard(Protocol):
    """What the sockets ask."""

    def remaining(self) -> float:
        """Seconds left for the request of this thread; raises TimeoutError when there are none."""

    def asked(self) -> None:
        """All that was to be said for now has been: an answer is waited for."""

    def hear(self) -> None:
        """Something came."""


class Stream(Protocol):
    """Bytes to and from a server, with TLS or without."""

    @property
    def peer(self) -> str:
        """The address that it is connected to: a proxy's, where there is one."""

    @property
    def is_silent(self) -> bool:
        """Whether there is nothing to read, nor the end: as it has to be before something is asked."""

    def recv(self, size: int) -> bytes:
        """At least one byte and at most so many, within the time that is left; b"" at the end.

        Raises:
            OSError: TimeoutError and others.
        """

    def sendall(self, data: bytes) -> None:
        """Send all, within the time that is left.

        Raises:
            ConnectionError: the connection is closed.
            OSError: TimeoutError and others.
        """

    def close(self) -> None:
        """Close it."""


class DeadlineSocket:
    """A connection, without TLS.

    The socket itself never waits: `poll` does, for as long as there is time. To give it a timeout for each read would
    take a call to the system more, and at each of those another thread takes its turn.
    """

    def __init__(self, connection: socket.socket, guard: Guard) -> None:
        """Of a socket that is connected, and is closed with this."""
        self._connection = connection
        self._guard = guard
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(connection.fileno(), select.POLLIN)
        self._writable.register(connection.fileno(), select.POLLOUT)
        connection.settimeout(0)

    @property
    def peer(self) -> str:
        """As `Stream`."""
        return str(self._connection.getpeername()[0])

    @property
    def is_silent(self) -> bool:
        """As `Stream`."""
        return not self._readable.poll(0)

    def recv(self, size: int) -> bytes:
        """As `Stream`."""
        while True:
            self._wait(self._readable)
            try:
                received = self._connection.recv(size)
            except BlockingIOError:
                continue  # it looked readable
            if received:
                self._guard.hear()
            return received

    def sendall(self, data: bytes) -> None:
        """As `Stream`."""
        self._guard.remaining()
        left = memoryview(data)
        while left:
            try:
                left = left[self._connection.send(left) :]
            except BlockingIOError:
                self._wait(self._writable)
        self._guard.asked()

    def close(self) -> None:
        """As `Stream`."""
        self._connection.close()

    def _wait(self, poll: select.poll) -> None:
        if not poll.poll(1000 * self._guard.remaining()):
            raise TimeoutError("the time allowed ran out")


def ask_head(stream: Stream, question: bytes) -> bytes:
    """Send `question`, and read until the headers of the answer end or `MAX_HEAD` bytes have come.

    Returns:
        All that was received: it may have no end, where the connection did or it is too long, or more behind it.

    Raises:
        OSError: TimeoutError and others.
    """
    stream.sendall(question)
    received = b""
    while len(received) < MAX_HEAD and not _HEAD_END.search(received):
        more = stream.recv(MAX_HEAD - len(received))
        if not more:
            break
        received += more
    return received
