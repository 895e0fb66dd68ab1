"""What worker processes and commands of one machine keep together: a SQLite file.

Reads are made by whoever asks, with one connection; writes by a thread of their own, with another. Neither waits for
other processes for long: what can't be had soon is absent. What is in the file is for no other user to read or write.

The file has at most so many bytes, and while it is written to some megabytes more are beside it (its log).
"""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from gate.store.counts import Counts
from gate.store.database import file_bytes, give_back, rows, used_bytes
from gate.store.file import StoreFile
from gate.store.home import Home
from gate.store.memory import LARGEST_SHARE, OVERHEAD
from gate.store.session import Session
from gate.store.writing import Background

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

MAX_VALUE: Final = 16 * 1024 * 1024
"""Bytes of a value, however large the file may be."""

_READ_BUSY: Final = 0.05  # seconds that a review may wait
_WRITE_BUSY: Final = 2.0  # seconds, in the background
_READ: Final = 0.5  # seconds of all the rows of one read
_ANSWERS: Final = 2 * MAX_VALUE  # bytes of all the values that are read at once
_STEPS: Final = 10_000  # of SQLite's, about a millisecond, between two looks at the clock
_LOOK: Final = 1.0  # seconds between two looks at which file it is, when reading
_USED: Final = 3600.0  # seconds between two notes that a value is still read
_NOTES: Final = 4096  # of them at once
_CLOSE: Final = 1.0  # seconds
_MOST_KEYS: Final = 500  # of one statement: SQLite has allowed 999 for ever
_LOWEST: Final = 0.9  # of the limit: what is freed when it is reached
_OLDEST: Final = 64  # values that leave at once
_LOG: Final = 16 * 1024 * 1024  # bytes: as long as somebody reads for ever, the log can only grow
_SELECT: Final = "SELECT key, value, used FROM entry WHERE until > ? AND typeof(value) = 'blob' AND length(value) <= ?"
_EXPIRED: Final = "DELETE FROM entry WHERE until <= ?"
_UNUSED: Final = "DELETE FROM entry WHERE rowid IN (SELECT rowid FROM entry ORDER BY used LIMIT ?)"
_INSERT: Final = "INSERT OR REPLACE INTO entry (key, until, used, value) VALUES (?, ?, ?, ?)"
_NOTE: Final = "UPDATE entry SET used = ? WHERE key = ?"


@dataclass(frozen=True, slots=True)
class _Entry:
    key: str
    value: bytes
    until: float

    @property
    def weight(self) -> int:
        """Bytes that it takes, about."""
        return len(self.key) + len(self.value) + OVERHEAD


@dataclass(frozen=True, slots=True)
class _Read:
    """A value was read, and nobody had noted that for long."""

    key: str


class SqliteStore:
    """Values by key in a file. Thread-safe; for one process, of as many as like.

    Nothing is opened before the first use. In a process forked after that it holds nothing and takes nothing.
    """

    def __init__(
        self, path: Path, bytes_limit: int, now: Callable[[], float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Where to keep it, and how much.

        Args:
            path: of the file; its folder is made when it isn't there.
            bytes_limit: of the file: values and what goes with them.
            now: seconds of a clock that all processes go by, such as the time of day.
            clock: monotonic, in seconds, for pauses.
        """
        self._now = now
        self._clock = clock
        self._limit = bytes_limit
        self._largest = min(bytes_limit // LARGEST_SHARE, MAX_VALUE)
        self._counts = Counts()
        self._file = StoreFile(path, self._counts, clock)
        self._home = Home()
        self._lock = threading.Lock()
        self._reader = Session(self._file, self._largest, _READ_BUSY, _LOOK, self._counts, clock)
        self._writer = Session(self._file, self._largest, _WRITE_BUSY, 0, self._counts, clock)
        self._background: Background[_Entry | _Read] = Background(self._write, self._writer.close, "store-sqlite")
        self._notes: set[str] = set()
        self._closed = False

    @property
    def counts(self) -> dict[str, int]:
        """`set_aside`, `dropped`, `failed`: how often, in this process."""
        return self._counts.so_far()

    def get(self, keys: Sequence[str]) -> dict[str, bytes]:
        """What there is of these keys. What can't be read in a moment is absent, and what is too much together."""
        if not keys or not self._is_here():
            return {}
        if not self._lock.acquire(timeout=_READ_BUSY):  # another thread is held up by the disk
            self._counts.add("failed")
            return {}
        try:
            found = None if self._closed else self._reader.run(partial(self._select, list(dict.fromkeys(keys))))
        finally:
            self._lock.release()
        return found or {}

    def put(self, key: str, value: bytes, seconds: float) -> None:
        """Have it written soon, unless it is too large or too much is waiting."""
        if len(value) > self._largest or not seconds > 0:
            return
        entry = _Entry(key, value, self._now() + seconds)
        if not (_is_text(key) and self._is_here() and self._background.put(entry, entry.weight)):
            self._counts.add("dropped")

    def close(self) -> None:
        """Write what is waiting, for at most a second, and let go of the file."""
        if not self._is_here():
            return
        lost = self._background.close(_CLOSE)
        if lost:
            self._counts.add("dropped", lost)
        if self._lock.acquire(timeout=_READ_BUSY):
            try:
                self._closed = True
                self._reader.close()
            finally:
                self._lock.release()

    def _is_here(self) -> bool:
        if self._home.is_here():
            return True
        self._reader.abandon()
        self._writer.abandon()
        return False

    def _select(self, keys: Sequence[str], connection: sqlite3.Connection) -> dict[str, bytes]:
        """One SELECT, unless there are very many keys. It ends where it has too much, or lasts too long."""
        now = self._now()
        end = self._clock() + _READ
        found: dict[str, bytes] = {}
        size = 0
        connection.set_progress_handler(lambda: self._clock() > end, _STEPS)
        try:
            for start in range(0, len(keys), _MOST_KEYS):
                some = keys[start : start + _MOST_KEYS]
                values = (now, self._largest, *some, len(some))
                with closing(connection.execute(_select_of(len(some)), values)) as cursor:
                    for key, value, used in cursor:
                        size += len(value)
                        if size > _ANSWERS or self._clock() > end:
                            return found
                        # A damaged index can lead to another row.
                        if key in some:
                            found[key] = value
                            if not abs(now - used) < _USED:
                                self._note(key)
        finally:
            connection.set_progress_handler(None, 0)
        return found

    def _note(self, key: str) -> None:
        """Have it noted that a value is still read. Called with the lock."""
        if key not in self._notes and len(self._notes) < _NOTES:
            self._notes.add(key)
            if not self._background.put(_Read(key), len(key) + OVERHEAD):
                self._notes.discard(key)

    def _write(self, batch: Sequence[_Entry | _Read]) -> None:
        """In the background. Values that can't be written are lost."""
        entries = [item for item in batch if isinstance(item, _Entry)]
        reads = [item.key for item in batch if isinstance(item, _Read)]
        if not self._writer.run(partial(self._transact, entries, reads)):
            self._counts.add("dropped", len(entries))
        self._notes.difference_update(reads)

    def _transact(self, entries: Sequence[_Entry], reads: Sequence[str], connection: sqlite3.Connection) -> bool:
        self._check_log(connection)
        now = self._now()
        rows(connection, "BEGIN IMMEDIATE")
        try:
            self._make_room(connection, sum(entry.weight for entry in entries), now)
            connection.executemany(_INSERT, [(entry.key, entry.until, now, entry.value) for entry in entries])
            connection.executemany(_NOTE, [(now, key) for key in reads])
            rows(connection, "COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                rows(connection, "ROLLBACK")
            raise
        over = file_bytes(connection) - self._limit
        if over > 0:
            give_back(connection, over)
        return True

    def _make_room(self, connection: sqlite3.Connection, coming: int, now: float) -> None:
        """Have so many bytes fit: what has expired goes first, then what hasn't been read for longest."""
        if used_bytes(connection) + coming <= self._limit:
            return
        rows(connection, _EXPIRED, now)
        most = self._limit * _LOWEST - coming
        while used_bytes(connection) > most:
            if connection.execute(_UNUSED, (_OLDEST,)).rowcount < 1:
                return

    def _check_log(self, connection: sqlite3.Connection) -> None:
        """Write nothing while the log can't be brought into the file."""
        most = max(_LOG, self._limit // 2)
        if self._file.log_size() > most:
            rows(connection, "PRAGMA wal_checkpoint(TRUNCATE)")
            if self._file.log_size() > most:
                raise BlockingIOError("somebody has been reading the store for long")


def _select_of(count: int) -> str:
    """Its values: an instant, bytes, so many keys, and how many. What is no blob was not written by us."""
    return f"{_SELECT} AND key IN ({', '.join('?' * count)}) LIMIT ?"


def _is_text(key: str) -> bool:
    """Whether SQLite takes it; if not, it would be lost with all that are written at once with it."""
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True
