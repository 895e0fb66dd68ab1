"""The process that a store works in: the first that uses it, and no child that is forked from it."""

from __future__ import annotations

import os


class Home:
    """Remembers the process. A store that is made before a fork and used after it is the child's.

    Connections, locks and threads don't survive a fork in a state that anybody could use: SQLite's locks, for one,
    belong to the process that took them, and its library would still count them as held.
    """

    def __init__(self) -> None:
        """Nobody's yet."""
        self._process: int | None = None

    def is_here(self) -> bool:
        """Whether this process may use the store."""
        process = os.getpid()
        if self._process is None:
            self._process = process
        return self._process == process
