"""One pool of threads for the requests to all registries, of which none takes more than its lane.

Who waits for a turn waits in a list and not in a thread: a registry that does not answer keeps as many threads as it
may have, and no request of another's.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class Lanes:
    """Lanes by name, over one pool. Thread-safe."""

    def __init__(self, pool: Executor, most: int) -> None:
        """`most` is how many of one lane run at a time."""
        self._pool = pool
        self._most = most
        self._lock = threading.Lock()
        self._lanes: dict[str, Lane] = {}

    def of(self, name: str) -> Lane:
        """The lane of a registry; one that nothing runs in is forgotten."""
        with self._lock:
            lane = self._lanes.get(name)
            if lane is None:
                for idle in [key for key, other in self._lanes.items() if other.idle]:
                    del self._lanes[idle]
                lane = self._lanes[name] = Lane(self._pool, self._most)
            return lane


class Lane(Executor):
    """Runs what is submitted, so many at a time, the others in their order."""

    def __init__(self, pool: Executor, most: int) -> None:
        """As `Lanes`."""
        self._pool = pool
        self._most = most
        self._lock = threading.Lock()
        self._running = 0
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

    @property
    def idle(self) -> bool:
        """Whether nothing runs in it or waits for that."""
        return not self._running and not self._waiting

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run it when its turn has come; until then it can be cancelled."""
        future: Future[T] = Future()
        with self._lock:
            self._waiting.append((future, lambda: fn(*args, **kwargs)))
            starts = self._running < self._most
            self._running += starts
        if starts:
            try:
                self._pool.submit(self._run)
            except BaseException:
                with self._lock:
                    self._running -= 1
                raise
        return future

    def _run(self) -> None:
        """One after the other, as long as there are any."""
        while True:
            with self._lock:
                if not self._waiting:
                    self._running -= 1
                    return
                future, work = self._waiting.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - whoever waits is told
                future.set_exception(error)
            del future, work
