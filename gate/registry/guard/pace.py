"""How many requests a host is sent at a time: fewer when it says that it is busy, one more for each round it answers.

Additive increase, multiplicative decrease, as TCP does it (RFC 5681): no figure of any registry's has to be known.

What a host answers may be about one repository, which it fetches from elsewhere perhaps. So each that was not refused
itself has one request under way whatever the others bring about.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.guard.refusals import Outages, Refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate.deadline import Deadline

MAX_AT_ONCE: Final = 64
"""Requests to one host at a time, beside the first of each repository."""

_LEAST: Final = 1.0
_HOSTS: Final = 256  # that something is kept of
_ROUND: Final = 0.5  # seconds in which refusals are of one round, and count once


@dataclass
class _Host:
    changed: threading.Condition = field(default_factory=threading.Condition)
    limit: float = MAX_AT_ONCE
    under_way: int = 0
    repositories: Counter[str] = field(default_factory=Counter)  # that these are about
    slowed: float = float("-inf")

    def begin(self, repository: str) -> None:
        self.under_way += 1
        self.repositories[repository] += 1

    def end(self, repository: str) -> None:
        self.under_way -= 1
        self.repositories[repository] -= 1
        if not self.repositories[repository]:
            del self.repositories[repository]


class Pace:
    """Lets requests go. Thread-safe."""

    def __init__(self, pause: Callable[[float], None]) -> None:
        """`pause` waits for so many seconds."""
        self._pause = pause
        self._lock = threading.Lock()
        self._hosts: OrderedDict[str, _Host] = OrderedDict()
        self._refusals = Refusals()
        self.outages = Outages()
        """Of which repositories a host says that it is out of order: for `Patience`, which knows what was said."""

    @contextmanager
    def turn(self, host: str, deadline: Deadline, repository: str = "") -> Iterator[bool]:
        """Wait for this request's turn; it is told whether others are under way beside it.

        Args:
            host: that is asked.
            deadline: for waiting.
            repository: that it is asked about; "" for none. Pauses are for one: that of another may be quick to answer,
                for a registry that fetches what it has from others passes on what those say. So one that was not
                refused lately waits for none but its own.

        Raises:
            EvidenceUnavailable: it does not come before the deadline: REGISTRY_RATE_LIMITED where the host wants a
                pause, OVERLOADED where others are before it.
        """
        known = self._host(host)
        self._wait_out(host, repository, deadline)
        with known.changed:
            self._wait_for_room(known, host, repository, deadline)
            known.begin(repository)
            among_others = known.under_way > 1
        try:
            yield among_others
        finally:
            with known.changed:
                known.end(repository)
                known.changed.notify_all()  # what one of them may do, another may not

    def _wait_for_room(self, known: _Host, host: str, repository: str, deadline: Deadline) -> None:
        def refused() -> float:
            return self._refusals.lately(host, repository, deadline.clock())

        def may_go() -> bool:
            return known.under_way < int(known.limit) or (repository not in known.repositories and refused() <= 0)

        if may_go():
            return
        begun = deadline.clock()
        while (left := deadline.remaining()) > 0:
            most = min(left, refused()) if refused() > 0 else left
            if known.changed.wait_for(may_go, most) and deadline.remaining() > 0:
                return
        raise EvidenceUnavailable(
            Code.OVERLOADED,
            f"the time allowed ran out while {known.under_way} other requests to {host} were under way",
            remedy="retry",
            hurried=True,
            unanswered=self._without_a_turn(host, repository, begun),
        )

    def _wait_out(self, host: str, repository: str, deadline: Deadline) -> None:
        """The pause that a host wants, if there is time for it."""
        now = deadline.clock()
        wait = self._refusals.pause(host, repository, now)
        if wait >= deadline.remaining() and wait > 0:
            raise EvidenceUnavailable(
                Code.REGISTRY_RATE_LIMITED,
                f"{host} wants no request for {wait:.0f} s",
                remedy="retry later",
                hurried=True,
                unanswered=self._without_a_turn(host, repository, now),
            )
        if wait > 0:
            self._pause(wait)

    def _without_a_turn(self, host: str, repository: str, begun: float) -> float:
        """`EvidenceUnavailable.unanswered`: who has no turn where it is out of order has been told what he would be."""
        return 0.0 if self.outages.lately(host, repository, begun) is None else math.inf

    def answered(self, host: str) -> None:
        """It took one more: after as many as it may have at a time, it may have one more."""
        known = self._host(host)
        with known.changed:
            if known.limit < MAX_AT_ONCE:
                known.limit = min(MAX_AT_ONCE, known.limit + 1 / known.limit)
                known.changed.notify_all()

    def refused(self, host: str, now: float, seconds: float, repository: str = "") -> bool:
        """It had too many: half as many from now on, and of this repository none for so many seconds.

        Returns:
            Whether others are under way, of whichever repository.
        """
        self._refusals.add(host, repository, now, seconds)
        known = self._host(host)
        with known.changed:
            if now - known.slowed >= _ROUND:
                known.slowed = now
                known.limit = max(_LEAST, min(known.limit, known.under_way + 1) / 2)
            return known.under_way > 0

    def limit(self, host: str) -> int:
        """How many it may have at a time now."""
        return int(self._host(host).limit)

    def _host(self, name: str) -> _Host:
        with self._lock:
            known = self._hosts.get(name)
            if known is None:
                known = self._hosts[name] = _Host()
            self._hosts.move_to_end(name)
            if len(self._hosts) > _HOSTS:
                # Those that something is under way to are kept by whoever it is under way for.
                self._hosts.popitem(last=False)
            return known
