"""Which store a place names."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.store.memory import MemoryStore
from gate.store.sqlite import SqliteStore
from gate.store.valkey import ValkeyStore

if TYPE_CHECKING:
    from collections.abc import Callable

MEMORY_BYTES: Final = 32 * 1024 * 1024
"""Of a store in memory."""

FILE_BYTES: Final = 256 * 1024 * 1024
"""Of a store in a file."""

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


def _can_be(path: Path) -> bool:
    """Whether a file can be there: made, or at least read."""
    try:
        path.parent.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
        if path.is_symlink():
            return False
        return os.access(path.parent, os.W_OK | os.X_OK) or os.access(path, os.R_OK)
    except (OSError, ValueError):  # ValueError: a zero byte in its name
        return False
