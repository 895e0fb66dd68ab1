"""Which store a place names."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.errors import UsageError
from gate.store.database import APPLICATION, has_our_table
from gate.store.file import NEIGHBOURS
from gate.store.memory import MemoryStore
from gate.store.sqlite import SqliteStore
from gate.store.valkey import ValkeyStore

if TYPE_CHECKING:
    from collections.abc import Callable

MEMORY_BYTES: Final = 32 * 1024 * 1024
"""Of a store in memory."""

FILE_BYTES: Final = 256 * 1024 * 1024
"""Of a store in a file."""

# What a database begins with (sqlite.org/fileformat.html, 1.3 and 1.6).
_MAGIC: Final = b"SQLite format 3\0"
_PAGE_SIZE: Final = slice(16, 18)
_FRACTIONS: Final = slice(21, 24)
_APPLICATION: Final = slice(68, 72)
_KIND: Final = slice(100, 101)
_CELLS: Final = slice(103, 105)
_SMALLEST: Final = 512  # bytes of a page, and of a database
_LARGEST: Final = 65536
_KINDS: Final = (b"\x05", b"\x0d")  # of the first page: it points to others, or is all there is of the schema

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
    if not _can_be(path):
        return MemoryStore(MEMORY_BYTES, clock, instead=True)
    return SqliteStore(path, FILE_BYTES, now, clock)


def check_place(path: Path) -> None:
    """Whether somebody's file would be put out of the way for a store: what is named by mistake is not.

    Ours are known by their application id, or by our table; what a process that was killed left of one may be in its
    log. What is too short to be a database but begins like one is nobody's, and so is one with nothing in it.

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
    except (OSError, ValueError):  # nothing there, or nothing that can be seen: then nothing is kept
        return
    head = _beginning(path)
    beside = [_beginning(path.with_name(path.name + suffix)) for suffix in NEIGHBOURS if suffix != "-shm"]
    if not head or any(has_our_table(content or b"") for content in (head, *beside)):
        return
    named = path.suffix == ".sqlite"
    alone = all(content == b"" for content in beside)
    if not (_is_free(head, named=named, alone=alone) if head.startswith(_MAGIC) else named):
        raise UsageError(f"--cache {path} is no cache of imagegate", remedy="name another file, or remove it")


def _is_free(head: bytes, *, named: bool, alone: bool) -> bool:
    """Whether a database may be used or put out of the way: ours by its id, or nobody's.

    Args:
        head: its first bytes.
        named: as ours are.
        alone: there is neither log nor journal, which could have what it lacks.
    """
    if head[_APPLICATION] == APPLICATION.to_bytes(4) or len(head) < _SMALLEST:
        return True
    if not alone:
        return False
    return named if _is_damaged(head) else head[_APPLICATION] == bytes(4) and head[_CELLS] == bytes(2)


def _is_damaged(head: bytes) -> bool:
    """Whether SQLite would refuse it at its first page."""
    size = int.from_bytes(head[_PAGE_SIZE])
    size = _LARGEST if size == 1 else size
    is_size = _SMALLEST <= size <= _LARGEST and size & (size - 1) == 0
    return not is_size or len(head) < size or head[_FRACTIONS] != b"\x40\x20\x20" or head[_KIND] not in _KINDS


def _beginning(path: Path) -> bytes | None:
    """What could be the first page of a file, or of a log: nothing where there is none, None for what can't be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as opened:
            return opened.read(_LARGEST)
    except FileNotFoundError:
        return b""
    except OSError:
        return None


def _can_be(path: Path) -> bool:
    """Whether a file can be there: made, or at least read."""
    try:
        path.parent.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
        if path.is_symlink():
            return False
        return os.access(path.parent, os.W_OK | os.X_OK) or os.access(path, os.R_OK)
    except (OSError, ValueError):  # ValueError: a zero byte in its name
        return False
