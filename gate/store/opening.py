"""Which store a place names."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.errors import UsageError
from gate.store.database import APPLICATION
from gate.store.memory import MemoryStore
from gate.store.sqlite import SqliteStore
from gate.store.valkey import ValkeyStore

if TYPE_CHECKING:
    from collections.abc import Callable

MEMORY_BYTES: Final = 32 * 1024 * 1024
"""Of a store in memory."""

FILE_BYTES: Final = 256 * 1024 * 1024
"""Of a store in a file."""

_MAGIC: Final = b"SQLite format 3\0"
_APPLICATION_AT: Final = 68  # where a database's head says whose it is (sqlite.org/fileformat.html, 1.3)
_HEAD: Final = 72

FILE: Final = "cache.sqlite"
"""In the folder that is given for it."""

AnyStore = MemoryStore | SqliteStore | ValkeyStore


def open_store(
    place: str | None, folder: Path | None, now: Callable[[], float], clock: Callable[[], float]
) -> AnyStore:
    """A store.

    Args:
        place: a server's URL, or the path of a file; None for a file in `folder`.
        folder: of this user's caches; None for none: what is kept is kept in memory then, and so it is where there
            can be no such file, or a symbolic link is in its place.
        now: seconds of a clock that all processes go by, such as the time of day.
        clock: monotonic, in seconds.

    Raises:
        UsageError: a URL that can't be used.
    """
    if place is not None and "://" in place:
        return ValkeyStore(place, clock)
    if place:
        path = Path(place)
    elif folder is not None:
        path = folder / FILE
    else:
        return MemoryStore(MEMORY_BYTES, clock)
    return SqliteStore(path, FILE_BYTES, now, clock) if _can_be(path) else MemoryStore(MEMORY_BYTES, clock)


def check_place(path: Path) -> None:
    """Whether somebody's file would be put out of the way for a store: what is named by mistake is not.

    Raises:
        UsageError: it is a folder, a device, another program's database, or content of some other kind. A damaged file
            is taken for a store by its name alone, `….sqlite`.
    """
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            return  # it is not followed, nor touched
        if not stat.S_ISREG(found.st_mode):
            raise UsageError(f"--cache {path} is no file", remedy="name a file, which is made if it is not there")
        with path.open("rb") as opened:
            head = opened.read(_HEAD)
    except (OSError, ValueError):  # nothing there, or nothing that can be read: then nothing is kept
        return
    database = head.startswith(_MAGIC)
    ours = database and head[_APPLICATION_AT:_HEAD] == APPLICATION.to_bytes(4)
    if head and not ours and (database or path.suffix != ".sqlite"):
        raise UsageError(f"--cache {path} is no cache of imagegate", remedy="name another file, or remove it")


def _can_be(path: Path) -> bool:
    """Whether a file can be there: made, or at least read."""
    try:
        path.parent.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
        if path.is_symlink():
            return False
        return os.access(path.parent, os.W_OK | os.X_OK) or os.access(path, os.R_OK)
    except (OSError, ValueError):  # ValueError: a zero byte in its name
        return False
