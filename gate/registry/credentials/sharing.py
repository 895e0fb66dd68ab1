"""Helpers' answers, shared: a helper is asked for a host alone, and a Pod may name a hundred repositories of one."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.credentials.credential import Dated
from gate.registry.credentials.helper import ask_helper

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.deadline import Deadline
    from gate.registry.credentials.credential import Credential

_KEPT_SECONDS: Final = 60.0
_QUIET: Final = 5.0  # seconds after which a helper is asked anew for a host again
_MOST_KEPT: Final = 1_000

_Key = tuple[str, str]  # a helper, and the registry it is asked for


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a helper said, None where it has nothing, and until when that counts."""

    until: float
    credential: Credential | None


@dataclass(slots=True)
class _Flight:
    """A helper that runs.

    Attributes:
        done: it has ended.
        kept: what it said; None where it failed.
        failure: why, to be told to all who waited; None where whoever started it had no time left.
    """

    done: threading.Event = field(default_factory=threading.Event)
    kept: _Kept | None = None
    failure: EvidenceUnavailable | None = None


class Sharing:
    """Asks helpers: for each host one run at a time, whose answer counts for a minute. Thread-safe.

    A failure is told to those who waited for it, and to nobody who asks later.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        ask: Callable[[str, str, Deadline], Credential | None] = ask_helper,
    ) -> None:
        """`clock` is monotonic, in seconds; `ask` runs a helper."""
        self._clock = clock
        self._ask = ask
        self._lock = threading.Lock()
        self._kept: dict[_Key, _Kept] = {}
        self._flights: dict[_Key, _Flight] = {}
        self._renewed: dict[_Key, float] = {}

    def find(self, helper: str, registry: str, deadline: Deadline) -> Dated:
        """What the helper has for a registry: one or none.

        Raises:
            EvidenceUnavailable: as `ask_helper`; DEADLINE_EXCEEDED: while it ran for somebody else.
        """
        key = (helper, registry)
        while True:
            with self._lock:
                kept = self._kept.get(key)
                if kept is not None and kept.until > self._clock():
                    return self._dated(kept)
                flight = self._flights.get(key)
                leads = flight is None
                if flight is None:
                    flight = self._flights[key] = _Flight()
            if leads:
                return self._dated(self._run(key, flight, deadline))
            if not flight.done.wait(max(0.0, deadline.remaining())):
                raise _late(helper)
            if flight.kept is not None:
                return self._dated(flight.kept)
            if flight.failure is not None:
                # Anew each time: an exception that is raised again collects the traces of all who raised it.
                told = flight.failure
                raise told.told(told.message, told.remedy)
            if deadline.remaining() <= 0:
                raise _late(helper)

    def renew(self, helper: str, registry: str) -> None:
        """What it gave was refused: ask it anew. Of a hundred repositories that are refused, one does."""
        key, now = (helper, registry), self._clock()
        with self._lock:
            last = self._renewed.get(key)
            if last is not None and now - last < _QUIET:
                return
            if len(self._renewed) >= _MOST_KEPT:
                self._renewed.clear()
            self._renewed[key] = now
            self._kept.pop(key, None)

    def drop(self) -> None:
        """Somebody logged in: what was said until now says nothing, nor what is said to a question asked before."""
        with self._lock:
            self._kept.clear()
            self._flights.clear()

    def _dated(self, kept: _Kept) -> Dated:
        return Dated(() if kept.credential is None else (kept.credential,), kept.until - self._clock())

    def _run(self, key: _Key, flight: _Flight, deadline: Deadline) -> _Kept:
        try:
            credential = self._ask(*key, deadline)
            flight.kept = _Kept(self._clock() + _KEPT_SECONDS, credential)
        except EvidenceUnavailable as failure:
            if deadline.remaining() > 0:
                flight.failure = failure
            raise
        finally:
            with self._lock:
                if self._flights.get(key) is flight:  # else it was asked before somebody logged in
                    del self._flights[key]
                    if flight.kept is not None:
                        if len(self._kept) >= _MOST_KEPT:
                            self._kept.clear()
                        self._kept[key] = flight.kept
            flight.done.set()
        return flight.kept


def _late(helper: str) -> EvidenceUnavailable:
    return EvidenceUnavailable(
        Code.DEADLINE_EXCEEDED,
        f"the time allowed ran out while waiting for the credential helper docker-credential-{helper[:100]}",
    )
