"""What replicas keep together: a Valkey or Redis server.

Whoever asks does so with all keys at once, and waits a quarter of a second at most: an image once for its listing and
once for its payloads, of which each large one comes by itself. A server that failed is left alone for some seconds.
What it holds is anybody's who can reach it: nothing is believed of it but that it may be a value.
"""

from __future__ import annotations

import importlib
import time
from collections import deque
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any, Final

from gate.errors import UsageError
from gate.store.counts import Counts
from gate.store.home import Home
from gate.store.lines import Client, Line
from gate.store.memory import OVERHEAD
from gate.store.pause import Pause
from gate.store.server import Server
from gate.store.writing import Background

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PREFIX: Final = "imagegate:"
"""Of every key, so that others may use the same database."""

MAX_VALUE: Final = 16 * 1024 * 1024
"""Bytes of a value."""

_READ: Final = 0.25  # seconds for everything: to connect, be let in, ask, and read
_WRITE: Final = 2.0  # seconds, in the background
_PAUSE: Final = 5.0  # seconds
_LINES: Final = 16  # at once
_CLOSE: Final = 1.0  # seconds
_ANSWERS: Final = 2 * MAX_VALUE  # bytes of all the values that are read at once
_ANSWER: Final = 1024  # bytes of what is said of a value written, or about one that is read
_LONGEST: Final = 10 * 365 * 86400.0  # seconds: servers refuse what ends beyond their calendar


@dataclass(frozen=True, slots=True)
class _Entry:
    key: bytes
    value: bytes
    until: float


class ValkeyStore:
    """Values by key at a server. Thread-safe.

    Nothing is connected before the first use. In a process forked after that it holds nothing and takes nothing.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        """A store at `url`, see `Server`. `clock` is monotonic, in seconds.

        Raises:
            UsageError: the URL can't be used, or the client isn't installed.
        """
        self._server = Server.parse(url)
        self._client = Client(_package(self._server), self._server, clock)
        self._clock = clock
        self._counts = Counts()
        self._pause = Pause(clock)
        self._home = Home()
        self._slots = BoundedSemaphore(_LINES)
        self._idle: deque[Line] = deque()
        self._background: Background[_Entry] = Background(self._write, self._hang_up, "store-valkey")
        self._closed = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._server.shown})"

    @property
    def counts(self) -> dict[str, int]:
        """`dropped`, `failed`: how often, in this process; `set_aside` stays 0."""
        return self._counts.so_far()

    def get(self, keys: Sequence[str]) -> dict[str, bytes]:
        """What there is of these keys, by one MGET. What can't be had in a moment is absent."""
        wanted = list(dict.fromkeys(keys))
        if not wanted or self._closed or not self._home.is_here():
            return {}
        command = ("MGET", *map(_named, wanted))
        answers = self._ask([command], _READ, _ANSWERS + _ANSWER * len(wanted))
        values = answers[0] if answers else None
        if not isinstance(values, list) or len(values) != len(wanted):
            return {}
        pairs = zip(wanted, values, strict=True)
        return {key: value for key, value in pairs if isinstance(value, bytes) and len(value) <= MAX_VALUE}

    def put(self, key: str, value: bytes, seconds: float) -> None:
        """Have it written soon, unless it is too large or too much is waiting."""
        if len(value) > MAX_VALUE or not seconds > 0:
            return
        entry = _Entry(_named(key), value, self._clock() + min(seconds, _LONGEST))
        if not (self._home.is_here() and self._background.put(entry, len(key) + len(value) + OVERHEAD)):
            self._counts.add("dropped")

    def close(self) -> None:
        """Write what is waiting, for at most a second, and hang up."""
        if not self._home.is_here():
            return
        lost = self._background.close(_CLOSE)
        if lost:
            self._counts.add("dropped", lost)
        self._closed = True
        self._hang_up()

    def _write(self, batch: Sequence[_Entry]) -> None:
        """In the background. Values that can't be written are lost."""
        now = self._clock()
        commands = [
            ("SET", entry.key, entry.value, "PX", max(1, int((entry.until - now) * 1000)))
            for entry in batch
            if entry.until > now
        ]
        if not commands:
            return
        answers = self._ask(commands, _WRITE, _ANSWER * len(commands))
        refused = len(commands) - sum(answer == b"OK" for answer in answers or ())
        if refused:
            self._counts.add("dropped", refused)

    def _ask(self, commands: Sequence[tuple[Any, ...]], seconds: float, size: int) -> list[Any] | None:
        """The answers; None where there are none. Raises nothing."""
        if not self._pause.passes():
            return None
        try:
            answers = self._answers(commands, self._clock() + seconds, size)
        except Exception:  # noqa: BLE001 - the client raises whatever a server's words make it raise
            self._counts.add("failed")
            self._pause.begin(_PAUSE)
            return None
        self._pause.end()
        refused = sum(isinstance(answer, Exception) for answer in answers)
        if refused:
            self._counts.add("failed", refused)
        return answers

    def _answers(self, commands: Sequence[tuple[Any, ...]], until: float, size: int) -> list[Any]:
        if not self._slots.acquire(timeout=max(0.0, until - self._clock())):
            raise TimeoutError
        try:
            line = self._quiet_line() or self._client.dial(until)
            try:
                answers = line.ask(commands, until, size)
            except BaseException:
                line.close()
                raise
            self._idle.append(line)
            return answers
        finally:
            self._slots.release()

    def _quiet_line(self) -> Line | None:
        """The line that was used last, if the server hasn't hung up since."""
        while self._idle:
            try:
                line = self._idle.pop()
            except IndexError:  # another thread took it
                return None
            if line.is_quiet():
                return line
            line.close()
        return None

    def _hang_up(self) -> None:
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:
                return


def _named(key: str) -> bytes:
    """A key as the server has it. What is no text is no reason to fail either."""
    return (PREFIX + key).encode("utf-8", "surrogatepass")


def _package(server: Server) -> Any:
    try:
        return importlib.import_module("valkey")
    except ImportError as error:
        raise UsageError(
            f"the store {server.shown} needs the package valkey, which is not installed",
            remedy="pip install 'imagegate[valkey]'",
        ) from error
