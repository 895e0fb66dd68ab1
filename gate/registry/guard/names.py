"""Names into addresses, within a time that the system's resolver does not know of.

It may take half a minute over a name whose servers do not answer, and nothing stops it meanwhile. So each name is
looked up in a thread of its own, once however many ask, and those who ask wait as long as they have time. The threads
are daemons: one that hangs holds neither another name nor the end of the program.

Of those threads each registry has its share, with all the names that others bring up in its answers: its next may take
half of what is left, as in `review.lanes`, and its first always finds room.
"""

from __future__ import annotations

import socket
import threading
from collections import Counter
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import EvidenceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST: Final = 256  # names at once, beside the first of each registry: a stranger's, too, are looked up
_FIRSTS: Final = 256  # of those


class Names:
    """Looks names up. Thread-safe."""

    def __init__(self, resolver: Callable[[str, int], list[str]] | None = None) -> None:
        """`resolver` gives the numeric addresses of a host for a port, and may block; None is the system's."""
        self._resolver = resolver or system_resolver
        self._lock = threading.Lock()
        self._flights: dict[tuple[str, int], Future[list[str]]] = {}
        self._shares: Counter[str] = Counter()  # of the flights, by whom they are for

    def addresses(self, host: str, port: int, seconds: float, registry: str = "") -> list[str]:
        """The numeric addresses of a host, in their order.

        Args:
            host: its name.
            port: that is to be connected to.
            seconds: to wait for them.
            registry: on whose behalf; "" for the host's own.

        Raises:
            TimeoutError: not within `seconds`.
            OSError: it has none.
            EvidenceUnavailable: too many names are being looked up, on this behalf or altogether.
        """
        flight = self._flight(host, port, registry or host)
        try:
            return flight.result(timeout=seconds)
        except FutureTimeout as error:
            raise TimeoutError("its name took too long to resolve") from error
        except UnicodeError as error:
            raise OSError(str(error)) from error

    def _flight(self, host: str, port: int, registry: str) -> Future[list[str]]:
        key = (host, port)
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight
            if not self._has_room(registry):
                raise EvidenceUnavailable(
                    Code.REGISTRY_UNREACHABLE,
                    f"{host} was not asked: {len(self._flights)} other names are being looked up and do not answer",
                    remedy="look at the cluster's DNS, and retry",
                )
            flight = self._flights[key] = Future()
            self._shares[registry] += 1
        try:
            threading.Thread(target=self._look_up, args=(key, registry, flight), name="dns", daemon=True).start()
        except RuntimeError as error:  # no more threads
            self._over(key, registry)
            raise OSError(str(error)) from error
        return flight

    def _has_room(self, registry: str) -> bool:
        under_way, own = len(self._flights), self._shares[registry]
        return own < (_MOST - under_way) // 2 or (not own and under_way < _MOST + _FIRSTS)

    def _look_up(self, key: tuple[str, int], registry: str, flight: Future[list[str]]) -> None:
        try:
            found = self._resolver(*key)
        except BaseException as error:  # noqa: BLE001 - whoever waits is told
            self._over(key, registry)
            flight.set_exception(error)
        else:
            self._over(key, registry)
            flight.set_result(found)

    def _over(self, key: tuple[str, int], registry: str) -> None:
        with self._lock:
            self._flights.pop(key, None)
            self._shares[registry] -= 1
            if not self._shares[registry]:
                del self._shares[registry]


def system_resolver(host: str, port: int) -> list[str]:
    """The numeric addresses of a host, in the system's order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
