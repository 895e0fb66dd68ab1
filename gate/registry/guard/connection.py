"""A connection over which one request after another is asked, and what is answered.

What is sent, and the heads of what comes back, are made and read here, for http.client and the libraries above it go a
long way between a request and its bytes: half of what one costs. Bodies are read by http.client.
"""

from __future__ import annotations

import re
from contextlib import suppress
from http.client import HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING, Final

from gate.registry.guard.head import Head, ProtocolError
from gate.registry.guard.sockets import DeadlineSocket

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from gate.registry.guard.sockets import Guard

# RFC 9112, 3; RFC 9110, 5.5 and 5.6.2.
_REQUEST: Final = re.compile(rb"[A-Z]+ [!-~]+ HTTP/1\.1\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t -~\x80-\xff]*\r\n)+\r\n")
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})  # that say so even if it is empty (RFC 9110, 8.6)


class Answer(HTTPResponse):
    """http.client's reading of a body, behind a head that was not read by it.

    Attributes:
        head: status and headers, as they came.
        length: bytes of the body that are still to come; None where only its end will tell.
        ends: nothing more can be asked over the connection.
    """

    head: Head
    ends = True  # until its head says otherwise

    def begin(self) -> None:
        """Read the head.

        Raises:
            RemoteDisconnected, ProtocolError: as `Head.read`, and of how the body ends.
        """
        self.head = head = Head.read(self.fp.readline)
        self.status, self.reason, self.version = head.status, "", head.version
        self.chunked, self.chunk_left = head.chunked, None  # None: before the first
        method: str = self._method  # type: ignore[attr-defined]
        self.length = None if self.chunked else head.length(method)
        self.ends = head.ends or (self.length is None and not self.chunked)
        self.will_close = self.ends
        if self.length == 0 or method == "HEAD":
            self.close()  # nothing of it is ever read, and the connection is free

    def read(self, amt: int | None = None) -> bytes:
        """So many bytes of the body, or what is left of it; b"" at its end.

        Raises:
            IncompleteRead: it ended before it was as long as announced.
        """
        chunk = super().read(amt)
        if not chunk and amt and self.length:
            raise IncompleteRead(b"", self.length)
        return chunk

    def drop(self) -> None:
        """Read no more of it: nothing else can then be read from the connection, either."""
        self.ends = True
        self.close()


class Connection:
    """To one origin, or to a proxy for it."""

    def __init__(self, connected: socket.socket, guard: Guard, host: str) -> None:
        """Ask over `connected`, on which HTTP may begin, in the time that `guard` leaves.

        Args:
            connected: is closed with this.
            guard: that knows the time.
            host: as the header of this name has it.
        """
        self._socket = DeadlineSocket(connected, guard)
        self._host = host
        self._answer: Answer | None = None

    def release(self) -> bool:
        """Let go of the last answer, if it was read to its end and is not the last of all.

        Returns:
            Whether something else can be asked.
        """
        if self._answer is not None and self._answer.isclosed() and not self._answer.ends:
            self._answer = None
        return self._answer is None

    @property
    def is_silent(self) -> bool:
        """Whether the server has neither hung up nor said what nobody asked for."""
        return self._socket.is_silent

    def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """Send a request, as one piece.

        Returns:
            The answer, of which the head has been read.

        Raises:
            ValueError: the request would be malformed.
            OSError, HTTPException, ProtocolError: there is no answer, or none that is one.
        """
        if not self.release():
            raise ProtocolError("the connection is not free for another request")
        sent = _head(method, target, self._host, headers, body) + (body or b"")
        with suppress(ConnectionError):  # what a server said before it hung up can still be read
            self._socket.sendall(sent)
        self._answer = Answer(self._socket, method=method)  # type: ignore[arg-type]  # as much of one as it needs
        self._answer.begin()
        return self._answer

    def close(self) -> None:
        """Close it, and what is left of an answer."""
        try:
            self._socket.close()
        finally:
            if self._answer is not None:
                self._answer.close()


def _head(method: str, target: str, host: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    if body is not None or method in _WITH_BODY:
        lines.append(f"Content-Length: {len(body or b'')}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    if not _REQUEST.fullmatch(head) or head.count(b"\n") != len(lines) + 1:  # one that looks like two is none
        raise ValueError("the request would be malformed")
    return head
