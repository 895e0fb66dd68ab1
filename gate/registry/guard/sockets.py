"""Sockets that give each read and write only what is left of a request's time.

http.client and urllib3 start their timeouts anew at every byte; a server that drips one byte a second holds them for
ever. These connections ask their guard before each call to the system. TLS, also within TLS, and a proxy's answer to
CONNECT are read in the same way.
"""

from __future__ import annotations

import io
import math
import re
import ssl
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssltransport import SSLTransport

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

MAX_HEADERS: Final = 64 * 1024
"""Bytes of an answer's status line and headers."""

MAX_HEAD: Final = 16 * 1024
"""Bytes of a proxy's answer to CONNECT."""

_CHUNK: Final = 64 * 1024
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")


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


class HeadTooLong(Exception):
    """Status line and headers have more bytes than are read."""


class _Reader(io.BufferedReader):
    """Counts the lines before the body: http.client alone reads a hundred of 64 KiB."""

    def __init__(self, raw: DeadlineRaw, size: int) -> None:
        super().__init__(raw, size)
        self._left: float = MAX_HEADERS

    def readline(self, size: int | None = -1) -> bytes:
        line = super().readline(size)
        self._left -= len(line)
        if self._left < 0:
            raise HeadTooLong
        return line

    def read(self, size: int | None = -1) -> bytes:
        self._left = math.inf  # the body has begun
        return super().read(size)

    def readinto(self, buffer: Any) -> int:
        self._left = math.inf
        return super().readinto(buffer)


class DeadlineSocket:
    """What http.client, urllib3 and a TLS inside see as the socket."""

    def __init__(self, connection: socket.socket, guard: Guard) -> None:
        self._connection = connection
        self._guard = guard

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        """What http.client reads the answer from."""
        reader = DeadlineRaw(self._connection, self._guard)
        self._guard.reading(reader)
        return _Reader(reader, _CHUNK)

    def settimeout(self, _: float | None) -> None:
        """Nothing: no timeout of others counts, and to set it takes a call to the system each time."""

    def recv(self, size: int) -> bytes:
        """Receive within the time that is left."""
        self._connection.settimeout(self._guard.remaining())
        return self._connection.recv(size)

    def sendall(self, data: bytes) -> None:
        """Send within the time that is left.

        A server of TLS 1.3 refuses a client's certificate after the handshake: what we say meets a closed connection,
        but what it said can still be read. urllib3 reads on after a BrokenPipeError, and after no other.
        """
        self._connection.settimeout(self._guard.remaining())
        try:
            self._connection.sendall(data)
        except ssl.SSLEOFError as error:
            raise BrokenPipeError(str(error)) from error

    @property
    def _io_refs(self) -> int:
        """How many files read the socket: it is closed after the last. urllib3's TLS in TLS counts there itself."""
        return cast("Any", self._connection)._io_refs  # type: ignore[no-any-return]  # noqa: SLF001

    @_io_refs.setter
    def _io_refs(self, count: int) -> None:
        cast("Any", self._connection)._io_refs = count  # noqa: SLF001

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class GuardedHTTP(HTTPConnection):
    """A connection for http URLs; subclasses bind `guard` and `dial`, which connects as far as HTTP begins."""

    guard: Guard
    dial: Callable[[], socket.socket]

    def connect(self) -> None:
        """Connect, and put the deadline around the socket."""
        self.sock = DeadlineSocket(self.dial(), self.guard)


class GuardedHTTPS(HTTPSConnection):
    """The same for https URLs: `dial` has done TLS (`secure`), and compared the certificate's name."""

    guard: Guard
    dial: Callable[[], socket.socket]

    def connect(self) -> None:
        """Connect, and put the deadline around the socket."""
        self.sock = DeadlineSocket(self.dial(), self.guard)
        self.is_verified = True  # or urllib3 warns that it is not


def secure(connection: socket.socket, context: ssl.SSLContext, host: str, guard: Guard) -> socket.socket:
    """TLS with `host` over a connection that may have TLS itself, as that to a proxy has.

    The connection is closed where this fails.

    Raises:
        OSError: ssl.SSLError, TimeoutError and others.
    """
    name = host.partition("%")[0].rstrip(".")  # certificates know neither an address's zone nor the root's dot
    try:
        if isinstance(connection, ssl.SSLSocket):
            # ssl would take the bare socket from under the TLS that is there.
            outer = cast("socket.socket", DeadlineSocket(connection, guard))
            return cast("socket.socket", SSLTransport(outer, context, name))
        connection.settimeout(guard.remaining())  # for the handshake, which Python times as a whole
        return context.wrap_socket(connection, server_hostname=name)
    except BaseException:
        connection.close()
        raise


def ask_head(connection: socket.socket, question: bytes, guard: Guard) -> bytes:
    """Send `question`, and read until the headers of the answer end or `MAX_HEAD` bytes have come.

    Returns:
        All that was received: it may have no end, where the connection did or it is too long, or more behind it.

    Raises:
        OSError: TimeoutError and others.
    """
    guarded = DeadlineSocket(connection, guard)
    guarded.sendall(question)
    received = b""
    while len(received) < MAX_HEAD and not _HEAD_END.search(received):
        more = guarded.recv(MAX_HEAD - len(received))
        if not more:
            break
        received += more
    return received
