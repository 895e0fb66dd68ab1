"""Writing in the background: who puts a value never waits for a disk or a network."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bounds:
    """So many items, of so many bytes together."""

    count: int
    weight: int


WAITING: Final = Bounds(8192, 32 * 1024 * 1024)
"""What may wait to be written; what comes when it is full is lost."""

BATCH: Final = Bounds(256, 4 * 1024 * 1024)
"""What is written at once."""


class Background(Generic[T]):
    """One thread that writes what is put, in batches and in order. Thread-safe.

    The thread begins with the first item and is a daemon: it keeps no process from ending.
    """

    def __init__(
        self,
        write: Callable[[Sequence[T]], None],
        finish: Callable[[], None],
        name: str,
        waiting: Bounds = WAITING,
        batch: Bounds = BATCH,
    ) -> None:
        """Both functions are called in the thread, and raise nothing.

        Args:
            write: a batch.
            finish: the last thing done, where anything was.
            name: of the thread.
            waiting: what may be there at once, with what is being written.
            batch: what is written at once; one item that has more is a batch of its own.
        """
        self._write = write
        self._finish = finish
        self._name = name
        self._bounds = waiting
        self._batch = batch
        self._changed = threading.Condition()
        self._waiting: deque[tuple[T, int]] = deque()
        self._weight = 0
        self._closed = False
        self._thread: threading.Thread | None = None

    def put(self, item: T, weight: int) -> bool:
        """Whether it will be written."""
        with self._changed:
            full = len(self._waiting) >= self._bounds.count or self._weight + weight > self._bounds.weight
            if self._closed or full or not self._started():
                return False
            self._waiting.append((item, weight))
            self._weight += weight
            self._changed.notify()
        return True

    def close(self, seconds: float) -> int:
        """Take no more, and wait at most so long for what there is. How many items were given up."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is None:
            return 0
        thread.join(seconds)
        with self._changed:
            lost = len(self._waiting)
            self._waiting.clear()
        return lost

    def _started(self) -> bool:
        """Whether the thread is there; called with the lock."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads, or the interpreter is ending
                return False
            self._thread = thread
        return True

    def _run(self) -> None:
        try:
            while taken := self._take():
                items, weight = taken
                self._write(items)
                del items, taken  # or the last batch would stay while there is nothing to do
                with self._changed:
                    self._weight -= weight
        finally:
            self._finish()

    def _take(self) -> tuple[list[T], int] | None:
        """The next batch and its bytes; None when there will be none."""
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return None
                self._changed.wait()
            items: list[T] = []
            weight = 0
            while self._waiting and len(items) < self._batch.count:
                if items and weight + self._waiting[0][1] > self._batch.weight:
                    break
                item, own = self._waiting.popleft()
                items.append(item)
                weight += own
            return items, weight
