"""Sockets that give each read and write only what is left of a request's time.

http.client and urllib3 start their timeouts anew at every byte; a server that drips one byte a second holds them for
ever. These connections ask their guard before each call to the system.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final, Protocol

from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

_CHUNK: Final = 64 * 1024


class Guard(Protocol):
    """What the sockets ask."""

    def remaining(self) -> float:
        """Seconds left for the request of this thread; raises TimeoutError when there are none."""

    def reading(self, reader: DeadlineRaw) -> None:
        """Told what this thread reads its answer from."""


class DeadlineRaw(io.RawIOBase):
    """Reads a socket, each read allowed only what is left of the request's time."""

    def __init__(self, connection: socket.socket, guard: Guard) -> None:
        """Read `connection` as `guard` allows. `ended` says whether the last read met the end."""
        self._connection = connection
        self._guard = guard
        self._inner = connection.makefile("rb", buffering=0)
        self.ended = False

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """One read within the time that is left."""
        self._connection.settimeout(self._guard.remaining())
        count = self._inner.readinto(buffer)
        self.ended = count == 0
        return count

    def readall(self) -> bytes:
        """Refuse: nothing here reads without a bound, but http.client takes a chunk of size -1 to mean it."""
        raise OSError("a chunk of negative size")

    def close(self) -> None:
        """Let go of the socket."""
        self._inner.close()
        super().close()


class DeadlineSocket:
    """What http.client and urllib3 see as the socket."""

    def __init__(self, connection: socket.socket, guard: Guard) -> None:
        self._connection = connection
        self._guard = guard

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        """What http.client reads the answer from."""
        reader = DeadlineRaw(self._connection, self._guard)
        self._guard.reading(reader)
        return io.BufferedReader(reader, _CHUNK)

    def sendall(self, data: bytes) -> None:
        """Send within the time that is left."""
        self._connection.settimeout(self._guard.remaining())
        self._connection.sendall(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class GuardedHTTP(HTTPConnection):
    """A plain connection; subclasses bind `guard` and `dial`, which connects to a checked address."""

    guard: Guard
    dial: Callable[[], socket.socket]

    def _new_conn(self) -> socket.socket:
        return self.dial()

    def connect(self) -> None:
        """Connect, and put the deadline around the socket."""
        super().connect()
        self.sock = DeadlineSocket(self.sock, self.guard)


class GuardedHTTPS(HTTPSConnection):
    """A TLS connection; otherwise as `GuardedHTTP`."""

    guard: Guard
    dial: Callable[[], socket.socket]

    def _new_conn(self) -> socket.socket:
        connection = self.dial()
        connection.settimeout(self.guard.remaining())  # for the handshake, which Python times as a whole
        return connection

    def connect(self) -> None:
        """Connect, and put the deadline around the socket."""
        super().connect()
        self.sock = DeadlineSocket(self.sock, self.guard)
