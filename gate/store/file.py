"""The store's file and its neighbours: whose they are, and who may put them out of the way.

Everything here goes by names, and several processes do it: a lock on the folder keeps them apart. SQLite opens
`-wal` and `-shm` by name, too, when a connection first reads and when it is closed; that happens under the lock as
well, or a connection to a file that is out of the way could meet the log of the one that took its place.

No file that SQLite may have open is opened here: to close it would take the process's locks off it (POSIX).
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gate.store.counts import Counts

Identity = tuple[int, int]
"""Device and inode."""

NEIGHBOURS: Final = ("-wal", "-shm", "-journal")
"""What SQLite has beside a file, by the ends of their names."""

_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_READERS: Final = stat.S_IRWXG | stat.S_IRWXO
_OWN: Final = stat.S_IRUSR | stat.S_IWUSR
_LOOK: Final = 0.002  # seconds between two tries to lock
_SELDOM: Final = 5.0  # seconds: what is damaged again and again is left alone in between


class StoreFile:
    """Where the store is. Thread-safe; what says so is called with `locked`."""

    def __init__(self, path: Path, counts: Counts, clock: Callable[[], float]) -> None:
        """Nothing is looked at yet. `clock` is monotonic, in seconds."""
        self.path = path
        self._counts = counts
        self._clock = clock
        self._last: float | None = None

    @contextmanager
    def locked(self, seconds: float) -> Iterator[None]:
        """Alone with the folder, which is made if there is none; for nobody else to read.

        Raises:
            BlockingIOError: others had it for so many seconds.
            OSError: there is no such folder to be had.
        """
        self.path.parent.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _lock(folder, seconds)
            yield
        finally:
            os.close(folder)

    def identity(self) -> Identity | None:
        """Which file is there; None for none, or nothing that can be seen."""
        try:
            found = self.path.lstat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def prepare(self) -> None:
        """Have a file there that is ours alone, if it had to be an empty one. With `locked`.

        Raises:
            OSError: there can't be one, or a symbolic link is in its place.
        """
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            self._create()
            return
        if stat.S_ISLNK(found.st_mode):
            raise OSError(errno.ELOOP, "it is a symbolic link", str(self.path))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no file", str(self.path))
        if not (_is_ours(found) and all(map(_is_ours_or_none, self._neighbours()))):
            self.set_aside((found.st_dev, found.st_ino))
            self._create()
        elif found.st_mode & _READERS:
            with suppress(OSError):  # a folder that can only be read: they could read it before
                self.path.chmod(stat.S_IMODE(found.st_mode) & ~_READERS)

    def set_aside(self, identity: Identity) -> None:
        """Rename this file to `NAME.corrupt`, if it is still the one. With `locked`.

        Raises:
            BlockingIOError: one was set aside a moment ago.
            OSError: it can't be renamed.
        """
        if self.identity() != identity or not self.path.is_file():
            return
        if self._last is not None and self._clock() < self._last + _SELDOM:
            raise BlockingIOError(errno.EAGAIN, "one like it was set aside a moment ago", str(self.path))
        self.path.replace(self.path.with_name(f"{self.path.name}.corrupt"))
        self._last = self._clock()
        self._counts.add("set_aside")
        self._sweep()

    def log_size(self) -> int:
        """Bytes of the write-ahead log."""
        try:
            return self._neighbours()[0].lstat().st_size
        except OSError:
            return 0

    def can_be_written(self) -> bool:
        """Whether nothing outside of it keeps us from writing to it."""
        return os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)

    def is_at_rest(self) -> bool:
        """Whether nobody could be writing to it: its folder allows no new files, and there is no log to be read."""
        return self.log_size() == 0 and not os.access(self.path.parent, os.W_OK)

    def _create(self) -> None:
        self._sweep()  # or the log of a file that is gone would be taken for the new one's
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _OWN))

    def _sweep(self) -> None:
        for neighbour in self._neighbours():
            neighbour.unlink(missing_ok=True)

    def _neighbours(self) -> list[Path]:
        return [self.path.with_name(self.path.name + suffix) for suffix in NEIGHBOURS]


def _lock(folder: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise
            time.sleep(_LOOK)
        else:
            return


def _is_ours(found: os.stat_result) -> bool:
    """A regular file of this user that no other can write to."""
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & _OTHERS


def _is_ours_or_none(path: Path) -> bool:
    try:
        return _is_ours(path.lstat())
    except FileNotFoundError:
        return True
