"""A connection to the store's file that is opened when it is needed, and anew when the file is another."""

from __future__ import annotations

import ctypes
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from gate.store.database import NotOurs, connect, is_busy, is_damage, is_read_only
from gate.store.pause import Pause

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.store.counts import Counts
    from gate.store.file import Identity, StoreFile

T = TypeVar("T")

_TROUBLE: Final = (sqlite3.Error, NotOurs, OSError, ValueError, TypeError, MemoryError)
_BUSY_PAUSE: Final = 1.0  # seconds
_PAUSE: Final = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class _Open:
    connection: sqlite3.Connection
    identity: Identity
    frozen: bool


class Session:
    """Does work with a connection, and mends what it can when that fails. For one thread at a time."""

    def __init__(
        self, file: StoreFile, largest: int, busy: float, look: float, counts: Counts, clock: Callable[[], float]
    ) -> None:
        """Nothing is opened yet.

        Args:
            file: what to open.
            largest: bytes of a value.
            busy: seconds to wait for other processes.
            look: seconds between two looks whether the file is the same.
            counts: what went wrong.
            clock: monotonic, in seconds.
        """
        self._file = file
        self._largest = largest
        self._busy = busy
        self._look = look
        self._counts = counts
        self._clock = clock
        self._pause = Pause(clock)
        self._open: _Open | None = None
        self._looked = 0.0

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """What the work gives; None where it can't be done, or not now. Raises nothing."""
        if not self._pause.passes():
            return None
        try:
            done = work(self._current().connection)
        except _TROUBLE as error:
            self._counts.add("failed")
            self._mend(error)
            return None
        self._pause.end()
        return done

    def close(self) -> None:
        """Let go of the connection."""
        opened, self._open = self._open, None
        if opened is not None:
            self._let_go(opened)

    def abandon(self) -> None:
        """Never touch the connection again, not even to close it: it is the parent's process's.

        SQLite's library has its locks for held in this one, too, and its mutexes as they were when it was forked.
        """
        opened, self._open = self._open, None
        if opened is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(opened.connection))

    def _current(self) -> _Open:
        """The connection, to the file that is there now."""
        opened = self._open
        now = self._clock()
        if opened is not None and now >= self._looked + self._look:
            self._looked = now
            if self._file.identity() != opened.identity:
                self.close()
                opened = None
        if opened is None:
            opened = self._open = self._opened()
            self._looked = now
        return opened

    def _opened(self) -> _Open:
        """Open it; what isn't ours is set aside, once."""
        with self._file.locked(self._busy):
            self._file.prepare()
            identity = self._file.identity() or (0, 0)
            try:
                return self._connected(identity)
            except _TROUBLE as error:
                if not is_damage(error):
                    raise
            self._file.set_aside(identity)
            self._file.prepare()
            return self._connected(self._file.identity() or (0, 0))

    def _connected(self, identity: Identity) -> _Open:
        try:
            return _Open(connect(self._file.path, self._largest, self._busy), identity, frozen=False)
        except sqlite3.OperationalError as error:
            if is_damage(error) or is_busy(error) or not self._file.is_at_rest():
                raise
        # SQLite needs an index beside the file, which can't be made.
        return _Open(connect(self._file.path, self._largest, self._busy, frozen=True), identity, frozen=True)

    def _mend(self, error: Exception) -> None:
        if isinstance(error, UnicodeError):  # a key that is no text: the file has no part in it
            return
        if is_busy(error):
            self._pause.begin(_BUSY_PAUSE)
            return
        opened, self._open = self._open, None
        if opened is None:
            self._pause.begin(_PAUSE)
            return
        # One that says by itself that it can't be written to is of a version of SQLite's that there is not.
        damaged = is_damage(error) or (is_read_only(error) and self._file.can_be_written())
        if opened.frozen or not damaged:
            self._pause.begin(_PAUSE)
            self._let_go(opened)
            return
        try:
            with self._file.locked(self._busy):
                opened.connection.close()
                self._file.set_aside(opened.identity)
        except (OSError, sqlite3.Error):
            self._pause.begin(_PAUSE)

    def _let_go(self, opened: _Open) -> None:
        """Close a connection, with the folder to ourselves: SQLite may remove what is beside the file."""
        try:
            with self._file.locked(self._busy):
                opened.connection.close()
        except (OSError, sqlite3.Error):
            with suppress(sqlite3.Error):
                opened.connection.close()
