"""Stores in files, with a clock that is set, for tests that do things to the file."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gate.store.sqlite import SqliteStore
from tests.fakes.clock import SettableClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMIT = 4 * 1024 * 1024


@dataclass
class Kept:
    """A store in a file, and its clock, which is that of expiry, too."""

    path: Path
    limit: int = LIMIT
    clock: SettableClock = field(default_factory=SettableClock)

    def __post_init__(self) -> None:
        self.store = SqliteStore(self.path, self.limit, self.clock.monotonic, self.clock.monotonic)
        self._markers = 0

    @property
    def corrupt(self) -> Path:
        return self.path.with_name(f"{self.path.name}.corrupt")

    def settle(self) -> None:
        """Wait until everything put so far has been written, or lost."""
        background = self.store._background
        while background._weight:
            time.sleep(0.001)

    def put(self, key: str, value: bytes = b"value", seconds: float = 3600.0) -> None:
        self.store.put(key, value, seconds)
        self.settle()

    def works(self) -> bool:
        """Whether it takes and gives something, within a minute of its clock."""
        for number in range(10):
            self.put(f"works-{number}", b"yes")
            if self.store.get([f"works-{number}"]) == {f"works-{number}": b"yes"}:
                return True
            self.clock.advance(6)
        return False


@contextmanager
def kept(path: Path, limit: int = LIMIT) -> Iterator[Kept]:
    """Closed at the end."""
    world = Kept(path, limit)
    try:
        yield world
    finally:
        world.store.close()
