"""Connections that are kept for the next request: so many over all hosts, and for so long.

Not so many for each pool, and for ever: whoever names many hosts would fill our memory and our descriptors with
connections that nobody needs any more.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.registry.guard.connection import Connection

MAX_IDLE: Final = 128
"""Connections that nothing is asked over, to all hosts together."""

IDLE_SECONDS: Final = 60.0
"""That one is kept after its last answer."""


class Idle:
    """What is idle, of all pools. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = MAX_IDLE) -> None:
        """`clock` is monotonic, in seconds."""
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._since: OrderedDict[Connection, tuple[Pool, float]] = OrderedDict()

    def take(self, pool: Pool) -> Connection | None:
        """The one that was used last; None where there is none that is not too old."""
        with self._lock:
            over = self._over(self._clock())
            connection = pool.kept.pop() if pool.kept else None
            if connection is not None:
                del self._since[connection]
        for one in over:
            one.close()
        return connection

    def keep(self, pool: Pool, connection: Connection) -> None:
        """Until it is taken, or its time is over, or there are too many that came after it."""
        with self._lock:
            now = self._clock()
            if pool.closed:
                over = [connection]
            else:
                pool.kept.append(connection)
                self._since[connection] = pool, now
                over = self._over(now)
        for one in over:
            one.close()

    def end(self, pool: Pool) -> None:
        """Close what is idle of a pool, and what comes back to it later."""
        with self._lock:
            pool.closed = True
            over, pool.kept = pool.kept, []
            for one in over:
                del self._since[one]
        for one in over:
            one.close()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._since)

    def _over(self, now: float) -> list[Connection]:
        """The oldest, as far as they are too old or too many; the lock is held."""
        over = []
        while self._since:
            connection, (pool, since) = next(iter(self._since.items()))
            if len(self._since) <= self._most and now - since < IDLE_SECONDS:
                break
            del self._since[connection]
            pool.kept.remove(connection)
            over.append(connection)
        return over


class Pool:
    """Connections to one origin. Thread-safe."""

    def __init__(self, idle: Idle, connect: Callable[[], Connection]) -> None:
        """Keep them in `idle`, with those of other pools; `connect` makes a new one."""
        self._idle = idle
        self._connect = connect
        self.kept: list[Connection] = []
        """Those of them that are idle, the latest last: for `Idle`, under its lock."""
        self.closed = False
        """Whether what comes back is kept no more: the same."""

    def take(self) -> Connection | None:
        """An idle one that something can be asked over; None where there is none."""
        while (connection := self._idle.take(self)) is not None:
            if connection.is_silent:
                return connection
            connection.close()
        return None

    def connect(self) -> Connection:
        """A new one.

        Raises:
            OSError, EvidenceUnavailable: it could not be made.
        """
        return self._connect()

    def give(self, connection: Connection) -> None:
        """One that was taken, and is needed no more."""
        if connection.release():
            self._idle.keep(self, connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close what is idle; what is under way ends by itself."""
        self._idle.end(self)
