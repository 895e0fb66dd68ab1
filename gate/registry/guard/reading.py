"""Reads lines and pieces of an answer from a stream, and knows when there were too many before its body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gate.registry.guard.sockets import Stream

MAX_HEADERS: Final = 32 * 1024
"""Bytes of an answer's status line and headers; as many of what stands between and behind the chunks of a body."""

_PIECE: Final = 8 * 1024


class HeadTooLong(Exception):
    """Status line and headers have more bytes than are read."""


class Reader:
    """Of one answer."""

    def __init__(self, stream: Stream) -> None:
        """Nothing is read yet."""
        self._stream = stream
        self._buffer = b""
        self._at = 0  # what is before has been given out
        self._left = MAX_HEADERS

    @property
    def is_empty(self) -> bool:
        """Whether all that was received has been given out."""
        return self._at == len(self._buffer)

    def line(self) -> bytes:
        r"""The next, with its `\n`; where the connection ended, what there is of it, or b"".

        Raises:
            HeadTooLong: there were too many bytes of lines since the last piece of a body.
            OSError: TimeoutError and others.
        """
        searched = self._at
        while (end := self._buffer.find(b"\n", searched)) < 0:
            if len(self._buffer) - self._at > self._left:
                raise HeadTooLong
            searched = len(self._buffer) - self._at
            received = self._stream.recv(_PIECE)
            self._buffer, self._at = self._buffer[self._at :] + received, 0
            if not received:
                end = len(self._buffer) - 1
                break
        line = self._buffer[self._at : end + 1]
        self._at = end + 1
        self._left -= len(line)
        if self._left < 0:
            raise HeadTooLong
        return line

    def piece(self, size: int) -> bytes:
        """At most so many bytes of a body; b"" where the connection ended.

        Raises:
            OSError: TimeoutError and others.
        """
        if self.is_empty:
            return self._stream.recv(min(size, _PIECE))
        piece = self._buffer[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def begin_body(self) -> None:
        """The lines before it are over: those of a body have a measure of their own."""
        self._left = MAX_HEADERS
