"""The same bytes for the guard's connection and for urllib3's own, which has http.client read the head."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING

from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

from gate.errors import EvidenceUnavailable
from gate.registry.guard.body import Body
from gate.registry.guard.connection import Connection
from gate.registry.guard.head import ProtocolError
from gate.registry.guard.reading import HeadTooLong
from gate.registry.guard.sockets import DeadlineSocket

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.registry.guard.sockets import Stream

LIMIT = 1 << 20
_INTERIM = re.compile(rb"\A(?:HTTP/1\.[0-9] 1(?!01)[0-9]{2}(?: [^\n]*)?\n(?:[^\n]+\n)*?\r?\n)+")
REFUSALS = (HTTPError, HTTPException, ProtocolError, HeadTooLong, EvidenceUnavailable, OSError, ValueError)


class Patient:
    """A guard that always has time."""

    def __init__(self, seconds: float = 10.0) -> None:
        self.seconds = seconds

    def remaining(self) -> float:
        return self.seconds

    def asked(self) -> None:
        """From now on an answer is waited for."""

    def hear(self) -> None:
        """Something came."""


@dataclass(frozen=True)
class Read:
    """An answer as it was understood; `kept` says whether the connection is good for another request."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    kept: bool


def guarded(end: socket.socket, host: str = "registry.test") -> Connection:
    return Connection(DeadlineSocket(end, Patient()), host)


def theirs(end: socket.socket, host: str = "registry.test", port: int = 80) -> HTTPConnection:
    connection = HTTPConnection(host, port)
    end.settimeout(10)
    connection.sock = end
    return connection


def read(content: bytes, method: str = "GET", *, ours: bool) -> Read | str:
    """What one of the two makes of `content`, behind which the connection ends; of a refusal, why."""
    end, peer = socket.socketpair()
    feeding = threading.Thread(target=_feed, args=(peer, content))
    with closing(guarded(end)) as guard, closing(theirs(end)) as connection, closing(peer):
        try:
            return _ours(guard, method, feeding) if ours else _theirs(connection, method, feeding)
        except REFUSALS as error:
            return repr(error)
        finally:
            end.close()
            feeding.join(10)


def _ours(connection: Connection, method: str, feeding: threading.Thread) -> Read:
    feeding.start()
    answer = connection.ask(method, "/v2/", {})
    body = Body()
    body.fill(answer, LIMIT, "registry.test", cut=False)
    return Read(answer.head.status, answer.head.headers, body.read(), kept=connection.release())


def _theirs(connection: HTTPConnection, method: str, feeding: threading.Thread) -> Read:
    connection.request(method, "/v2/")
    feeding.start()
    # It takes the body at once where it is not told otherwise.
    connection._response_options = connection._response_options and connection._response_options._replace(
        preload_content=False, decode_content=False
    )
    response = connection.getresponse()
    body = Body()
    while chunk := response.read(LIMIT):
        body.add(chunk)
    headers = {name.lower(): response.headers[name] for name in response.headers}
    raw = response._original_response
    assert raw is not None
    return Read(response.status, headers, body.read(), kept=raw.isclosed() and not connection.is_closed)


def _feed(peer: socket.socket, content: bytes) -> None:
    try:
        peer.sendall(content)
        peer.shutdown(socket.SHUT_WR)
    except (OSError, ssl.SSLError):
        return  # it has been refused meanwhile


def _solid(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value.replace(" ", "").replace("\t", "") for name, value in headers.items()}


def agree(content: bytes, method: str = "GET") -> bool:
    """Whether the guard takes an answer; what it takes, http.client and urllib3 take, and understand as it does."""
    mine = read(content, method, ours=True)
    if isinstance(mine, str):
        return False
    other = read(_INTERIM.sub(b"", content), method, ours=False)  # which http.client takes for the answer
    assert isinstance(other, Read), (mine, other)
    assert mine.status == other.status
    # Blanks at the end of a value are no part of it (RFC 9112, 5.1): http.client leaves them there.
    assert _solid(mine.headers) == _solid(other.headers)
    assert mine.body == other.body
    assert other.kept or not mine.kept
    return True


def carry_large(stream: Stream, peer: socket.socket) -> None:
    """What is large arrives whole, from either end."""
    large = b"0123456789abcdef" * 200_000
    received: list[bytes] = []
    reading = threading.Thread(target=lambda: received.append(_drained(peer, len(large))))
    reading.start()
    stream.sendall(large)
    reading.join(30)
    assert received == [large]
    sending = threading.Thread(target=peer.sendall, args=(large,))
    sending.start()
    content = b""
    while len(content) < len(large):
        content += stream.recv(100_000)
    sending.join(30)
    assert content == large


def _drained(peer: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        content += peer.recv(4096)
    return content
