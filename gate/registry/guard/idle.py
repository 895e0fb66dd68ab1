"""Connections that are kept for the next request: so many over all hosts, and for so long.

urllib3 keeps as many as a pool is large, for ever, and a pool for each host: whoever names many hosts would fill our
memory and our descriptors with connections that nobody needs any more.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import urllib3

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.registry.guard.connection import GuardedHTTP, GuardedHTTPS

    _Connection = GuardedHTTP | GuardedHTTPS

MAX_IDLE: Final = 128
"""Connections that nothing is asked over, to all hosts together."""

IDLE_SECONDS: Final = 60.0
"""That one is kept after its last answer."""


@dataclass
class _Host:
    """Connections of one pool, the latest last."""

    kept: list[Any] = field(default_factory=list)
    closed: bool = False


class Idle:
    """What is idle, of all pools. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = MAX_IDLE) -> None:
        """`clock` is monotonic, in seconds."""
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._since: OrderedDict[Any, tuple[_Host, float]] = OrderedDict()

    def take(self, host: _Host) -> _Connection | None:
        """The one that was used last; None where there is none."""
        with self._lock:
            if not host.kept:
                return None
            connection: _Connection = host.kept.pop()
            del self._since[connection]
        return connection

    def keep(self, host: _Host, connection: _Connection) -> None:
        """Until it is taken, or its time is over, or there are too many that came after it."""
        with self._lock:
            now = self._clock()
            if host.closed:
                over = [connection]
            else:
                host.kept.append(connection)
                self._since[connection] = host, now
                over = self._over(now)
        for one in over:
            one.close()

    def end(self, host: _Host) -> None:
        """Close what is idle of a pool, and what comes back to it later."""
        with self._lock:
            host.closed = True
            over, host.kept = host.kept, []
            for one in over:
                del self._since[one]
        for one in over:
            one.close()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._since)

    def _over(self, now: float) -> list[_Connection]:
        """The oldest, as far as they are too old or too many; the lock is held."""
        over = []
        while self._since:
            connection, (host, since) = next(iter(self._since.items()))
            if len(self._since) <= self._most and now - since < IDLE_SECONDS:
                break
            del self._since[connection]
            host.kept.remove(connection)
            over.append(connection)
        return over


class _Kept(urllib3.HTTPConnectionPool):
    """A pool whose idle connections are kept with those of the others."""

    def __init__(self, idle: Idle, host: str, port: int) -> None:
        super().__init__(host, port, maxsize=1)
        self._idle = idle
        self._own = _Host()

    def _get_conn(self, timeout: float | None = None) -> Any:
        while (connection := self._idle.take(self._own)) is not None:
            if connection.is_connected:
                return connection
            connection.close()
        return self._new_conn()

    def _put_conn(self, conn: Any) -> None:
        if conn is None:
            return
        if conn.sock is None:  # it has been closed: nothing to keep
            conn.close()
        else:
            self._idle.keep(self._own, conn)

    def close(self) -> None:
        """Close what is idle; what is under way ends by itself."""
        self._idle.end(self._own)


class PlainPool(_Kept):
    """Of plain HTTP."""


class SecurePool(_Kept, urllib3.HTTPSConnectionPool):
    """Of HTTPS."""
