"""The connections that urllib3's pools keep, with what is sent and the heads of what comes back made and read here.

http.client and urllib3 go a long way from a request to its bytes, and from an answer's bytes to its headers: half of
what a request costs. What they do with bodies, errors and kept connections is left to them.
"""

from __future__ import annotations

import re
from functools import cached_property
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import urllib3
from urllib3 import HTTPHeaderDict
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ProtocolError

from gate.registry.guard.head import Head
from gate.registry.guard.proxies import bracketed
from gate.registry.guard.sockets import DeadlineSocket

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from gate.registry.guard.sockets import Guard

# RFC 9112, 3; RFC 9110, 5.5 and 5.6.2.
_REQUEST: Final = re.compile(rb"[A-Z]+ [!-~]+ HTTP/1\.1\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t -~\x80-\xff]*\r\n)+\r\n")
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})  # that say so even if it is empty (RFC 9110, 8.6)


class _Body(HTTPResponse):
    """http.client's reading of a body, behind a head that was not read by it."""

    head: Head

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
        self.will_close = head.ends or (self.length is None and not self.chunked)
        if self.length == 0 or method == "HEAD":
            self.close()  # nothing of it is ever read, and the connection is free


class Answer(urllib3.HTTPResponse):
    """urllib3's, with the head beside it: of that it is told nothing, and so decodes nothing."""

    def __init__(self, body: _Body) -> None:
        super().__init__(
            body=body,
            headers=HTTPHeaderDict(),
            status=body.status,
            version=body.version,
            preload_content=False,
            decode_content=False,
            original_response=body,
        )
        self.length_remaining = body.length
        self.head = body.head


class _Guarded(HTTPConnection):
    """What both kinds do; subclasses bind `guard` and `dial`, which connects as far as HTTP begins."""

    guard: Guard
    dial: Callable[[], socket.socket]
    sock: DeadlineSocket | None
    _method = ""
    _body: _Body | None = None

    def connect(self) -> None:
        """Connect, and put the deadline around the socket."""
        self.sock = DeadlineSocket(self.dial(), self.guard)

    @property
    def is_connected(self) -> bool:
        """Whether something can be asked: the server has neither hung up nor said what nobody asked for."""
        return self.sock is not None and self.sock.is_silent

    def request(  # type: ignore[override]  # of what urllib3 can do, what is used
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, **_: Any
    ) -> None:
        """Send a request, as one piece.

        Raises:
            ValueError: it would be malformed.
            ProtocolError: the last answer has not been read.
        """
        if self._body is not None and not self._body.isclosed():
            raise ProtocolError("there is an answer to be read first")
        self._method = method
        host = urlsplit(url).netloc if url.startswith("http") else self._named  # of what a proxy passes on, its own
        lines = [f"{method} {url} HTTP/1.1", f"Host: {host}"]
        if body is not None or method in _WITH_BODY:
            lines.append(f"Content-Length: {len(body or b'')}")
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        if not _REQUEST.fullmatch(head) or head.count(b"\n") != len(lines) + 1:  # one that looks like two is none
            raise ValueError("the request would be malformed")
        self.send(head + (body or b""))

    def getresponse(self) -> Answer:  # type: ignore[override]  # as urllib3's
        """The answer, of which the head has been read.

        Raises:
            OSError, ProtocolError: there is none that is one.
        """
        body = _Body(self.sock, method=self._method)  # type: ignore[arg-type]
        try:
            body.begin()
            if body.will_close:
                self.close()  # the body keeps it open for itself
            else:
                self._body = body
            return Answer(body)
        except BaseException:
            body.close()
            raise

    def close(self) -> None:
        """Close it, and what is left of an answer."""
        body, self._body = self._body, None
        try:
            super().close()
        finally:
            if body is not None:
                body.close()

    @cached_property
    def _named(self) -> str:
        """The host as its own header has it (RFC 9110, 7.2): an address without its zone, a name in ASCII."""
        host = self.host if self.host.isascii() else self.host.encode("idna").decode("ascii")
        name = bracketed(host.partition("%")[0] if ":" in host else host)
        return name if self.port == self.default_port else f"{name}:{self.port}"


class GuardedHTTP(_Guarded):
    """A connection for http URLs."""


class GuardedHTTPS(_Guarded, HTTPSConnection):
    """The same for https URLs: `dial` has done TLS (`secure`), and compared the certificate's name."""

    def connect(self) -> None:
        """Connect, and put the deadline around the socket."""
        super().connect()
        self.is_verified = True  # or urllib3 warns that it is not
