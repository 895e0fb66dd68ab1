"""The body of an answer as it arrives: small in memory, large on disk until somebody has room for it.

A slow answer may be large as well, and many of them arrive at a time: what is not there yet needs no memory.
"""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import EvidenceUnavailable, empty_frames
from gate.image.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate.registry.guard.connection import Answer

LARGE: Final = 16 * 1024
"""Bytes from which a body is large."""

_CHUNK: Final = 16 * 1024


class Body:
    """Collects. Where nothing can be written to disk, it stays in memory."""

    def __init__(self, algorithm: str = "") -> None:
        """Nothing yet. Of what is added a digest by `algorithm` is computed; "" for none."""
        self.size = 0
        self._algorithm = algorithm
        self._hash = hashlib.new(algorithm) if algorithm else None
        self._chunks: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._no_disk = False

    def add(self, chunk: bytes) -> None:
        """One more piece."""
        self.size += len(chunk)
        if self._hash is not None:
            self._hash.update(chunk)
        if self._file is None and self.size > LARGE and not self._no_disk:
            self._spill()
        if self._file is None:
            self._chunks.append(chunk)
        else:
            try:
                self._write(chunk)
            except OSError:  # it is full by now
                self._unspill(self.size - len(chunk))
                self._chunks.append(chunk)

    def fill(self, answer: Answer, limit: int, host: str, *, cut: bool) -> None:
        """Read an answer to its end; where it has more than `limit` bytes, one more than that if it is to be `cut`.

        Raises:
            EvidenceUnavailable: RESPONSE_TOO_LARGE: it has more, and is not to be cut.
        """
        while chunk := answer.read(min(_CHUNK, limit - self.size + 1)):
            self.add(chunk)
            if self.size > limit:
                answer.drop()
                if cut:
                    return
                raise EvidenceUnavailable(
                    Code.RESPONSE_TOO_LARGE, f"{host} sent more than the {limit} bytes that are read", remedy=""
                )
            if answer.is_read:
                return  # as it announced: no need to ask for more

    def read(self) -> bytes:
        """All of it."""
        if self._file is None:
            return b"".join(self._chunks)
        self._file.seek(0)
        return self._file.read()

    def chunks(self) -> Iterator[bytes]:
        """The same, bit by bit."""
        if self._file is None:
            yield from self._chunks
            return
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK):
            yield chunk

    @property
    def digest(self) -> Digest:
        """Of all that was added."""
        assert self._hash is not None
        return Digest(self._algorithm, self._hash.hexdigest())

    def close(self) -> None:
        """Let go of the disk."""
        if self._file is not None:
            self._file.close()

    def _spill(self) -> None:
        try:
            # Unbuffered: what is written is there, or the chunk is at hand that is not.
            self._file = TemporaryFile(buffering=0)  # noqa: SIM115 - closed by `close`
            self._write(b"".join(self._chunks))
        except OSError:  # a file system that is read-only, or full
            self.close()
            self._file, self._no_disk = None, True
        else:
            self._chunks.clear()

    def _write(self, content: bytes) -> None:
        assert self._file is not None
        written = 0
        while written < len(content):
            written += self._file.write(content[written:])

    def _unspill(self, written: int) -> None:
        """Back into memory, with what had been written."""
        assert self._file is not None
        self._file.seek(0)
        content = self._file.read(written)
        self._file.close()
        self._file, self._no_disk = None, True
        self._chunks = [content]


class Room:
    """For large bodies: one thread at a time has one in memory, until what it does with it is done."""

    def __init__(self) -> None:
        """Empty."""
        self._free = threading.Lock()
        self._current = threading.local()

    @contextmanager
    def entered(self) -> Iterator[None]:
        """What is taken inside is left at its end, or with the next body; nor does a failure keep hold of it."""
        self._current.inside, self._current.holds = True, False
        try:
            yield
        except Exception as error:
            empty_frames(error)
            raise
        finally:
            self._current.inside = False
            self.leave()

    def leave(self) -> None:
        """Nothing that this thread has taken is needed any more: it goes on to another request, a slow one perhaps."""
        if getattr(self._current, "holds", False):
            self._current.holds = False
            self._free.release()

    def take(self, size: int, remaining: Callable[[], float]) -> None:
        """Wait for room for a body of this thread's; small ones need none, nor do those of threads outside.

        Raises:
            TimeoutError: no time is left.
            EvidenceUnavailable: OVERLOADED: none was left when there was room.
        """
        if size <= LARGE or not getattr(self._current, "inside", False) or self._current.holds:
            return
        if not self._free.acquire(timeout=remaining()):
            raise EvidenceUnavailable(
                Code.OVERLOADED,
                "the time allowed ran out while other large answers were being read",
                remedy="retry",
                hurried=True,
            )
        self._current.holds = True
