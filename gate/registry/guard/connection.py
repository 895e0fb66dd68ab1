"""A connection over which one request after another is asked, and what is answered (RFC 9112).

What is not as it should be is refused. Programs that mend what is broken, as most do, do not all see the same answer.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from gate.registry.guard.head import Head, ProtocolError
from gate.registry.guard.reading import Reader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.registry.guard.sockets import Stream

# RFC 9112, 3; RFC 9110, 5.5 and 5.6.2.
_REQUEST: Final = re.compile(rb"[A-Z]+ [!-~]+ HTTP/1\.1\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t -~\x80-\xff]*\r\n)+\r\n")
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})  # that say so even if it is empty (RFC 9110, 8.6)
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t -~\x80-\xff]*)?\r?\n")  # RFC 9112, 7.1
_END: Final = frozenset({b"\r\n", b"\n"})


class Answer:
    """What was answered: the head, which has been read, and a body to be read.

    Attributes:
        head: status and headers.
        is_read: the body has been read to its end, or there is none.
        ends: nothing more can be asked over the connection.
    """

    def __init__(self, reader: Reader, method: str) -> None:
        """Read the head of the answer to a request of this method.

        Raises:
            Unanswered, ProtocolError: as `Head.read`, and of how the body ends.
            HeadTooLong, OSError: as `Reader.line`.
        """
        self._reader = reader
        self.head = head = Head.read(reader.line)
        reader.begin_body()
        self._chunked = head.chunked and not head.is_bare
        self._chunk = -1  # bytes that are left of it; before the first
        self._length = None if self._chunked else head.length(method)  # bytes that are left; None: to the end
        self.is_read = self._length == 0 or method == "HEAD"
        self.ends = head.ends or (self._length is None and not self._chunked and not self.is_read)

    def read(self, size: int) -> bytes:
        """At most so many bytes of the body, as they come; b"" at its end.

        Raises:
            ProtocolError: it is not whole, or not as it should be.
            HeadTooLong, OSError: as `Reader.line`.
        """
        if self.is_read:
            return b""
        if self._chunked:
            return self._chunked_piece(size)
        piece = self._reader.piece(size if self._length is None else min(size, self._length))
        if self._length is not None:
            if not piece:
                raise ProtocolError(f"the connection ended {self._length} bytes before its body")
            self._length -= len(piece)
        self.is_read = self._length == 0 or not piece
        return piece

    def drop(self) -> None:
        """Read no more of it: nothing else can then be read from the connection, either."""
        self.is_read = self.ends = True

    def _chunked_piece(self, size: int) -> bytes:
        if self._chunk <= 0:
            self._next_chunk()
            if self.is_read:
                return b""
        piece = self._reader.piece(min(size, self._chunk))
        if not piece:
            raise ProtocolError(f"the connection ended {self._chunk} bytes before the end of a chunk")
        self._reader.begin_body()
        self._chunk -= len(piece)
        return piece

    def _next_chunk(self) -> None:
        if self._chunk == 0 and self._reader.line() not in _END:
            raise ProtocolError("a chunk is longer than it says")
        size = _CHUNK.fullmatch(self._reader.line())
        if size is None:
            raise ProtocolError("a chunk does not say how long it is")
        self._chunk = int(size[1], 16)
        if self._chunk:
            return
        while (trailer := self._reader.line()) not in _END:
            if not trailer.endswith(b"\n"):
                raise ProtocolError("the connection ended within what stands behind the body")
        self.is_read = True


class Connection:
    """To one origin, or to a proxy for it."""

    def __init__(self, stream: Stream, host: str) -> None:
        """Ask over `stream`, on which HTTP may begin, and which is closed with this; `host` as its header has it."""
        self._stream = stream
        self._host = host
        self._reader: Reader | None = None  # of an answer that has not been let go of
        self._answer: Answer | None = None

    @property
    def is_silent(self) -> bool:
        """Whether the server has neither hung up nor said what nobody asked for."""
        return self._stream.is_silent

    def release(self) -> bool:
        """Let go of the last answer, if it was read to its end, is not the last of all, and nothing came behind it.

        Returns:
            Whether something else can be asked.
        """
        reader, answer = self._reader, self._answer
        if reader is not None and answer is not None and answer.is_read and not answer.ends and reader.is_empty:
            self._reader = self._answer = None
        return self._reader is None

    def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """Send a request, as one piece.

        Returns:
            The answer, of which the head has been read.

        Raises:
            ValueError: the request would be malformed; nothing was sent.
            Unanswered: the connection ended without an answer.
            OSError, ProtocolError, HeadTooLong: there is none that is one.
        """
        if not self.release():
            raise ProtocolError("the connection is not free for another request")
        sent = _head(method, target, self._host, headers, body) + (body or b"")
        with suppress(ConnectionError):  # what a server said before it hung up can still be read
            self._stream.sendall(sent)
        self._reader = Reader(self._stream)
        self._answer = Answer(self._reader, method)
        return self._answer

    def close(self) -> None:
        """Close it."""
        self._stream.close()


def _head(method: str, target: str, host: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    if body is not None or method in _WITH_BODY:
        lines.append(f"Content-Length: {len(body or b'')}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    if not _REQUEST.fullmatch(head) or head.count(b"\n") != len(lines) + 1:  # one that looks like two is none
        raise ValueError("the request would be malformed")
    return head
