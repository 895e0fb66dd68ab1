"""What a failure says of who was asked: for how long he was asked, and said nothing (`EvidenceUnavailable.unanswered`).

A host has several addresses, and each speaks for itself: that nobody is there is true of all of them or it is not.
"""

from __future__ import annotations

import errno
import math
from typing import Final

from gate.registry.guard.head import Unanswered

# What says that somebody was asked. All else is our own affair: no descriptor is left, or no port.
_ASKED: Final = frozenset({errno.ECONNRESET, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ETIMEDOUT})
_NO_WAY: Final = frozenset({errno.ENETUNREACH, errno.EAFNOSUPPORT})


class Unconnected(OSError):
    """There is no connection to any address of a host.

    Attributes:
        why: what says most of it.
        unanswered: as `EvidenceUnavailable.unanswered`.
    """

    def __init__(self, why: OSError, unanswered: float) -> None:
        """Its text is that of `why`."""
        super().__init__(str(why))
        self.why = why
        self.unanswered = unanswered


def unanswered(error: OSError, waited: float) -> float:
    """Seconds without an answer, endless where nobody is there.

    Args:
        error: how asking ended.
        waited: seconds since somebody was asked; 0 where nobody was.
    """
    if isinstance(error, Unconnected):
        return error.unanswered
    if isinstance(error, ConnectionRefusedError):
        return math.inf
    return waited if isinstance(error, TimeoutError | Unanswered) or error.errno in _ASKED else 0.0


class Tried:
    """Addresses of a host that could not be connected to."""

    def __init__(self) -> None:
        """None yet."""
        self._failures: dict[str, tuple[float, OSError]] = {}

    def add(self, address: str, error: OSError, waited: float) -> None:
        """Of one that was tried before, the longer try counts."""
        here = unanswered(error, waited)
        known = self._failures.get(address)
        if known is None or known[0] <= here:
            self._failures[address] = here, error

    @property
    def slow(self) -> str | None:
        """The first of those that said nothing."""
        slow = (address for address, (_, error) in self._failures.items() if isinstance(error, TimeoutError))
        return next(slow, None)

    def failure(self) -> OSError:
        """Of all together: what says least that nobody is there.

        An address that there is no way to from here, as to one of IPv6 where there is none, says nothing; but where
        there is a way to none, nobody was asked.
        """
        if not self._failures:
            return OSError("its name has no address")
        reached = [one for address, one in self._failures.items() if not _has_no_way(address, one[1])]
        least, why = min(reached or self._failures.values(), key=lambda one: one[0])
        return Unconnected(why, least)


def _has_no_way(address: str, error: OSError) -> bool:
    """Linux says of IPv6 that is switched off what it says of ports that are all taken."""
    return error.errno in _NO_WAY or (error.errno == errno.EADDRNOTAVAIL and ":" in address)
