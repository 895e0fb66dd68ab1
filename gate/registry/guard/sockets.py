"""Sockets that give each read and write only what is left of a request's time.

Python's own timeouts start anew at every byte; a server that drips one byte a second holds them for ever. These sockets
ask their guard before each call to the system. TLS, also within TLS, and a proxy's answer to CONNECT are read in the
same way.
"""

from __future__ import annotations

import io
import re
import select
import socket
import ssl
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast

from urllib3.util.ssltransport import SSLTransport

from gate.registry.guard.head import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

_A = TypeVar("_A")
_R = TypeVar("_R")
MAX_HEADERS: Final = 32 * 1024
"""Bytes of an answer's status line and headers."""

MAX_HEAD: Final = 16 * 1024
"""Bytes of a proxy's answer to CONNECT."""

_CHUNK: Final = 8 * 1024
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")


class Guard(Protocol):
    """What the sockets ask."""

    def remaining(self) -> float:
        """Seconds left for the request of this thread; raises TimeoutError when there are none."""


class DeadlineRaw(io.RawIOBase):
    """Reads a socket, each read allowed only what is left of the request's time."""

    def __init__(self, receive: Callable[[Any], int]) -> None:
        """Read by `receive`."""
        self._receive = receive

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """One read within the time that is left."""
        return self._receive(buffer)

    def readall(self) -> bytes:
        """Refuse: nothing here reads without a bound, but http.client takes a chunk of size -1 to mean it."""
        raise ProtocolError("a chunk of negative size")


class HeadTooLong(Exception):
    """Status line and headers have more bytes than are read."""


class _Reader(io.BufferedReader):
    """Counts the lines before a body, and those between its pieces and behind it: http.client reads them for ever."""

    def __init__(self, raw: DeadlineRaw, size: int) -> None:
        super().__init__(raw, size)
        self._left = MAX_HEADERS

    def readline(self, size: int | None = -1) -> bytes:
        most = self._left + 1  # a line without an end is not kept, either
        line = super().readline(most if size is None or size < 0 else min(size, most))
        self._left -= len(line)
        if self._left < 0:
            raise HeadTooLong
        return line

    def read(self, size: int | None = -1) -> bytes:
        self._left = MAX_HEADERS
        return super().read(size)

    def readinto(self, buffer: Any) -> int:
        self._left = MAX_HEADERS
        return super().readinto(buffer)


class DeadlineSocket:
    """What http.client and a TLS inside see as the socket.

    The socket itself never waits: `poll` does, for as long as there is time. To give it a timeout for each read would
    take a call to the system more, and at each of those another thread takes its turn.
    """

    def __init__(self, connection: socket.socket, guard: Guard) -> None:
        self._connection = connection
        self._guard = guard
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(connection.fileno(), select.POLLIN)
        self._writable.register(connection.fileno(), select.POLLOUT)
        # urllib3's TLS in TLS reads and writes one of these, and that one waits.
        self._waits = isinstance(connection, socket.socket)
        # What OpenSSL has read already is no longer in the socket: there only what comes upon a question is waited for.
        self._always_waits_first = self._waits and not isinstance(connection, ssl.SSLSocket)
        self._waits_first = self._waits
        if self._waits:
            connection.settimeout(0)

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        """What http.client reads the answer from."""
        return _Reader(DeadlineRaw(self.recv_into), _CHUNK)

    def settimeout(self, _: float | None) -> None:
        """Nothing: no timeout of others counts."""

    @property
    def is_silent(self) -> bool:
        """Whether there is nothing to read, nor the end: as it has to be before something is asked."""
        return not self._readable.poll(0)

    def recv(self, size: int) -> bytes:
        """Receive within the time that is left."""
        return self._received(self._connection.recv, size)

    def recv_into(self, buffer: Any) -> int:
        """The same into a buffer; 0 is the end."""
        return self._received(self._connection.recv_into, buffer)

    def sendall(self, data: bytes) -> None:
        """Send within the time that is left.

        A server of TLS 1.3 refuses a client's certificate after the handshake: what we say meets a closed connection,
        but what it said can still be read.

        Raises:
            ConnectionError: the connection is closed.
            OSError: TimeoutError and others.
        """
        self._guard.remaining()
        self._waits_first = self._waits
        try:
            if self._waits:
                self._send(data)
            else:
                self._connection.sendall(data)
        except ssl.SSLEOFError as error:
            raise BrokenPipeError(str(error)) from error

    def _received(self, receive: Callable[[_A], _R], into: _A) -> _R:
        if self._waits_first:
            self._waits_first = self._always_waits_first
            self._wait(self._readable)
        else:
            self._guard.remaining()
        while True:
            try:
                return receive(into)
            except (BlockingIOError, ssl.SSLWantReadError):
                self._wait(self._readable)
            except ssl.SSLWantWriteError:  # TLS has keys to change first
                self._wait(self._writable)

    def _send(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[self._connection.send(left) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                self._wait(self._writable)
            except ssl.SSLWantReadError:
                self._wait(self._readable)

    def _wait(self, poll: select.poll) -> None:
        if not poll.poll(1000 * self._guard.remaining()):
            raise TimeoutError("the time allowed ran out")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


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
