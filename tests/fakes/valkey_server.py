"""A Valkey server on loopback with the few commands a store uses (AUTH, SELECT, MGET, SET with PX), and faults."""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOOPBACK: Final = "127.0.0.1"
OK: Final = b"+OK\r\n"
_AUTHENTICATION: Final = b"-NOAUTH Authentication required.\r\n"


def bulk(value: bytes | None) -> bytes:
    """RESP's bulk string; None is its nil."""
    return b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)


def array(values: list[bytes | None]) -> bytes:
    return b"*%d\r\n" % len(values) + b"".join(map(bulk, values))


class ValkeyServer:
    """Use as a context manager. `asked` keeps every command in order; `connections` counts them.

    `say`, where it is set, gives the raw answer to a command in the place of the usual one; `deaf`, when it is set,
    has everything that comes read and nothing answered.
    """

    def __init__(
        self,
        password: str = "",
        clock: Callable[[], float] = time.monotonic,
        port: int = 0,
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        """`clock` is what values expire by; `tls` the files of a certificate and its key."""
        self.password = password
        self.clock = clock
        self.asked: list[list[bytes]] = []
        self.connections = 0
        self.say: Callable[[list[bytes]], bytes] | None = None
        self.deaf = False
        self.kept: dict[tuple[int, bytes], tuple[bytes, float]] = {}
        self.ended = threading.Event()
        self._server = _Server(self, port, tls)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,), daemon=True)
        self.port = self._server.server_address[1]
        self.url = f"valkey{'s' if tls else ''}://{f':{password}@' if password else ''}{LOOPBACK}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.hang_up()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def hang_up(self) -> None:
        """End every connection."""
        self._server.hang_up()

    def answer(self, command: list[bytes], session: Session) -> bytes:
        """What a server says to a command."""
        name = command[0].upper()
        if name == b"AUTH":
            session.is_in = command[-1] == self.password.encode()
            return OK if session.is_in else b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
        if self.password and not session.is_in:
            return _AUTHENTICATION
        if name == b"SELECT":
            session.database = int(command[1])
            return OK
        if name == b"SET":
            assert command[3] == b"PX"
            self.kept[session.database, command[1]] = command[2], self.clock() + int(command[4]) / 1000
            return OK
        if name == b"MGET":
            return array([self._fresh(session.database, key) for key in command[1:]])
        return b"-ERR unknown command '" + command[0] + b"', with args beginning with: " + command[-1] + b"\r\n"

    def _fresh(self, database: int, key: bytes) -> bytes | None:
        value, until = self.kept.get((database, key), (None, 0.0))
        return value if until > self.clock() else None


class Session:
    """What one connection has said so far."""

    is_in = False
    database = 0


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, owner: ValkeyServer, port: int, tls: tuple[Path, Path] | None) -> None:
        self.owner = owner
        self.context: ssl.SSLContext | None = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*tls)
        self.open: list[socket.socket] = []
        super().__init__((LOOPBACK, port), _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.context is not None:
            request.settimeout(20)
            request = self.context.wrap_socket(request, server_side=True)
        self.open.append(request)
        try:
            super().finish_request(request, client_address)
        finally:
            request.close()

    def hang_up(self) -> None:
        """End every connection, as the end of a process does."""
        while self.open:
            with suppress(OSError):
                socket.socket.shutdown(self.open.pop(), socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients go away."""


class _Handler(socketserver.StreamRequestHandler):
    timeout = 20
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        owner = self.server.owner
        owner.connections += 1
        session = Session()
        while not owner.ended.is_set() and (command := self._command()):
            owner.asked.append(command)
            if owner.deaf:
                continue
            self.wfile.write(owner.say(command) if owner.say else owner.answer(command, session))

    def _command(self) -> list[bytes]:
        head = self.rfile.readline()
        return [self._argument() for _ in range(int(head[1:]))] if head else []

    def _argument(self) -> bytes:
        size = int(self.rfile.readline()[1:])
        return self.rfile.read(size + 2)[:-2]
