"""Connections to a Valkey or Redis server, each use of which has one end of time and one of bytes.

The client's own time limits begin anew at every byte, and it reads as much as a server says it will send.
"""

from __future__ import annotations

import select
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from gate.store.server import Server

_CONNECT_BYTES: Final = 16 * 1024
"""What a server may say until it has let us in."""


class AnswerTooLong(OSError):
    """A server sent more than was to be read."""


class BoundedSocket:
    """What the client takes for its socket. For one thread at a time."""

    def __init__(self, inner: socket.socket, clock: Callable[[], float]) -> None:
        """Nothing may be sent or received before `allow`."""
        self._inner = inner
        self._clock = clock
        self._until = 0.0
        self._size = 0

    def allow(self, until: float, size: int) -> None:
        """Go on until an instant of the clock, and receive so many bytes."""
        self._until = until
        self._size = size

    def is_quiet(self) -> bool:
        """Whether nothing came while nothing was asked: neither an end nor what belongs to no question."""
        poller = select.poll()
        poller.register(self._inner, select.POLLIN)
        return not poller.poll(0)

    def recv(self, size: int) -> bytes:
        """Receive within what is left."""
        self._inner.settimeout(self._left())
        received = self._inner.recv(size)
        self._count(len(received))
        return received

    def recv_into(self, buffer: Any, size: int = 0) -> int:
        """The same, for the client's parser in C."""
        self._inner.settimeout(self._left())
        received = self._inner.recv_into(buffer, size)
        self._count(received)
        return received

    def sendall(self, content: bytes) -> None:
        """Send within the time that is left."""
        rest = memoryview(content)
        while rest:
            self._inner.settimeout(self._left())
            rest = rest[self._inner.send(rest) :]

    def settimeout(self, _: float | None) -> None:
        """Nothing: no time limit of others counts."""

    def shutdown(self, how: int) -> None:
        """End the connection."""
        self._inner.shutdown(how)

    def close(self) -> None:
        """Let go of it."""
        self._inner.close()

    def _left(self) -> float:
        left = self._until - self._clock()
        if left <= 0:
            raise TimeoutError("the time allowed ran out")
        return left

    def _count(self, received: int) -> None:
        self._size -= received
        if self._size < 0:
            raise AnswerTooLong("the server sent more than was to be read")


class Line:
    """A connection that has been let in."""

    def __init__(self, connection: Any, errors: type[Exception]) -> None:
        """`connection` is the client's, with a `BoundedSocket`; `errors` are what a server says of one command."""
        self._connection = connection
        self._errors = errors

    def is_quiet(self) -> bool:
        """Whether it can be used again."""
        return bool(self._connection._sock.is_quiet())  # noqa: SLF001 - put there by `Client`

    def ask(self, commands: Sequence[tuple[Any, ...]], until: float, size: int) -> list[Any]:
        """The answers to commands sent together; what a server has against one is an exception in its place.

        Raises:
            Exception: whatever the client makes of what happened; the line is of no use then.
        """
        self._connection._sock.allow(until, size)  # noqa: SLF001 - put there by `Client`
        self._connection.send_packed_command(self._connection.pack_commands(commands), check_health=False)
        return [self._answer() for _ in commands]

    def close(self) -> None:
        """End it."""
        self._connection.disconnect()

    def _answer(self) -> Any:
        try:
            return self._connection.read_response()
        except self._errors as error:
            return error


class Client:
    """Makes lines to one server, by the `valkey` package."""

    def __init__(self, package: Any, server: Server, clock: Callable[[], float]) -> None:
        """`package` is `valkey`. Nothing is connected yet."""
        self._clock = clock
        self._errors: type[Exception] = package.ResponseError
        self._class, self._options = _plan(package, server)

    def dial(self, until: float) -> Line:
        """A new line.

        Names are looked up, and TLS is begun, by a thread that nobody waits for beyond that instant.

        Raises:
            ConnectionError: there is none.
        """
        attempt = _Attempt(lambda: self._connected(until))
        threading.Thread(target=attempt.run, name="store-connect", daemon=True).start()
        return attempt.wait(until - self._clock())

    def _connected(self, until: float) -> Line:
        def let_in(connection: Any) -> None:
            bounded = BoundedSocket(connection._sock, self._clock)  # noqa: SLF001 - what the client is extended by
            bounded.allow(until, _CONNECT_BYTES)
            connection._sock = bounded  # noqa: SLF001
            connection.on_connect()

        left = max(until - self._clock(), 0.001)
        connection = self._class(
            **self._options, valkey_connect_func=let_in, socket_timeout=left, socket_connect_timeout=left
        )
        try:
            connection.connect()
        except BaseException:
            connection.disconnect()
            raise
        return Line(connection, self._errors)


class _Attempt:
    """To make a line: it goes to who waits for it, or, when nobody does any more, away."""

    def __init__(self, make: Callable[[], Line]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._given_up = False
        self._line: Line | None = None

    def run(self) -> None:
        # What the client makes of a failure may quote the credentials, and keeps the frames that hold them.
        with suppress(Exception):
            line = self._make()
            with self._lock:
                late = self._given_up
                self._line = None if late else line
            if late:
                line.close()
        self._done.set()

    def wait(self, seconds: float) -> Line:
        self._done.wait(seconds)
        with self._lock:
            self._given_up = True
            line = self._line
        if line is None:
            raise ConnectionError("it could not be connected, or not in time")
        return line


def _plan(package: Any, server: Server) -> tuple[Any, dict[str, Any]]:
    """The client's class and what it is made with: no retries, no names of clients, no text made of values."""
    options: dict[str, Any] = {
        "db": server.database,
        "username": server.user or None,
        "password": server.password or None,
        "lib_name": None,
        "lib_version": None,
    }
    if server.path:
        return package.UnixDomainSocketConnection, {**options, "path": server.path}
    options |= {"host": server.host, "port": server.port}
    if not server.is_secure:
        return package.Connection, options
    options |= {
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_ca_certs": server.ca or None,
        "ssl_certfile": server.cert or None,
        "ssl_keyfile": server.key or None,
    }
    return package.SSLConnection, options
