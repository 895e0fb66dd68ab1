"""The same bytes for the guard's connection and for urllib3's own, which has http.client read the head."""

from __future__ import annotations

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
from gate.registry.guard.connection import Answer, GuardedHTTP
from gate.registry.guard.sockets import HeadTooLong

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT = 1 << 20


class Patient:
    """A guard that always has time."""

    def __init__(self, seconds: float = 10.0) -> None:
        self.seconds = seconds

    def remaining(self) -> float:
        return self.seconds


@dataclass(frozen=True)
class Read:
    """An answer as it was understood; `kept` says whether the connection is good for another request."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    kept: bool


def guarded(end: socket.socket, host: str = "registry.test", port: int = 80) -> GuardedHTTP:
    bound = {"guard": Patient(), "dial": staticmethod(lambda: end)}
    connection: GuardedHTTP = type("_Bound", (GuardedHTTP,), bound)(host, port)
    return connection


def theirs(end: socket.socket, host: str = "registry.test", port: int = 80) -> HTTPConnection:
    connection = HTTPConnection(host, port)
    end.settimeout(10)
    connection.sock = end
    return connection


def read(content: bytes, method: str = "GET", *, ours: bool) -> Read | str:
    """What one of the two makes of `content`, behind which the connection ends; of a refusal, why."""
    end, peer = socket.socketpair()
    connection = guarded(end) if ours else theirs(end)
    feeding = threading.Thread(target=_feed, args=(peer, content))
    with closing(connection), closing(peer):
        connection.request(method, "/v2/")
        feeding.start()
        try:
            return _understood(connection)
        except (HTTPError, HTTPException, HeadTooLong, EvidenceUnavailable, OSError, ValueError) as error:
            return repr(error)
        finally:
            connection.close()
            end.close()
            feeding.join(10)


def _understood(connection: HTTPConnection) -> Read:
    # urllib3's takes the body at once where it is not told otherwise.
    connection._response_options = connection._response_options and connection._response_options._replace(
        preload_content=False, decode_content=False
    )
    response = connection.getresponse()
    body = Body()
    body.fill(response, LIMIT, "registry.test", cut=False)
    if isinstance(response, Answer):
        headers = response.head.headers
    else:
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


def agree(content: bytes, method: str = "GET") -> bool:
    """Whether the guard takes an answer; what it takes, http.client and urllib3 take, and understand as it does."""
    mine = read(content, method, ours=True)
    if isinstance(mine, str):
        return False
    other = read(content, method, ours=False)
    assert isinstance(other, Read), (mine, other)
    assert mine.status == other.status
    assert dict(mine.headers) == dict(other.headers)
    assert mine.body == other.body
    assert other.kept or not mine.kept
    return True
