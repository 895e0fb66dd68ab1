"""Credentials that end: kept until well before that, and renewed while the old ones are good."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import EvidenceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.deadline import Deadline
    from gate.registry.credentials.credential import Credential

_EARLY: Final = 0.8  # of its life a token is kept for, or …
_EARLY_SECONDS: Final = 600.0  # … until so long before its end, whichever is sooner;
_AT_LEAST: Final = 60.0  # but so long, or half its life
_FAILURE_SECONDS: Final = 5.0
_MOST_KEPT: Final = 1_000
_RENEWAL_SECONDS: Final = 5.0  # a review waits for a new token while the old one is good, or …
_RENEWAL_SHARE: Final = 0.25  # … so much of its time


@dataclass(frozen=True, slots=True)
class Given:
    """What a cloud gave, and for how many seconds from now it is good."""

    credential: Credential
    seconds: float


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was given, or why nothing was.

    Attributes:
        until: nobody is asked before.
        ends: of the credential.
    """

    until: float
    ends: float = 0.0
    credential: Credential | None = None
    failure: EvidenceUnavailable | None = None


class Renewing:
    """Keeps what a cloud gives until well before it ends. One thread at a time asks for each key. Thread-safe.

    While what is kept is still good, a cloud that does not answer costs a review little, and fails none.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}
        self._kept: dict[str, _Kept] = {}

    def get(self, key: str, ask: Callable[[Deadline], Given], deadline: Deadline) -> Credential:
        """What is kept under a key, or what `ask` gives.

        Raises:
            EvidenceUnavailable: as `ask`, now or within the last seconds; or the time ran out while another asked.
        """
        kept = self._fresh(key)
        if kept is None:
            with self._lock:
                if len(self._turns) >= _MOST_KEPT:
                    self._turns.clear()
                turn = self._turns.setdefault(key, threading.Lock())
            old = self._good(key)
            if not turn.acquire(timeout=0 if old else max(0.0, deadline.remaining())):
                if old is not None:
                    return old
                raise EvidenceUnavailable(
                    Code.DEADLINE_EXCEEDED, f"the time allowed ran out while waiting for the credentials of {key}"
                )
            try:
                kept = self._fresh(key) or self._ask(key, ask, deadline)
            finally:
                turn.release()
        if kept.credential is not None:
            return kept.credential
        assert kept.failure is not None
        # Anew each time: an exception that is raised again collects the traces of all who raised it.
        raise kept.failure.told(kept.failure.message, kept.failure.remedy)

    def drop(self, key: str) -> None:
        """It was refused: ask anew."""
        with self._lock:
            self._kept.pop(key, None)

    def _fresh(self, key: str) -> _Kept | None:
        kept = self._kept.get(key)
        return kept if kept is not None and kept.until > self._clock() else None

    def _good(self, key: str) -> Credential | None:
        """What is kept and has not ended, were it time to renew it or not."""
        kept = self._kept.get(key)
        return kept.credential if kept is not None and kept.ends > self._clock() else None

    def _ask(self, key: str, ask: Callable[[Deadline], Given], deadline: Deadline) -> _Kept:
        old = self._kept.get(key) if self._good(key) else None
        if old is not None:
            deadline = deadline.sooner(min(_RENEWAL_SECONDS, max(0.0, deadline.remaining()) * _RENEWAL_SHARE))
        try:
            given = ask(deadline)
        except EvidenceUnavailable as failure:
            if old is not None:
                kept = replace(old, until=min(old.ends, self._clock() + _AT_LEAST))
            else:
                kept = _Kept(self._clock() + _FAILURE_SECONDS, failure=failure)
                if deadline.remaining() <= 0:
                    return kept  # it had no time: that says nothing to those who have
        else:
            now = self._clock()
            kept = _Kept(now + seconds_kept(given.seconds), now + given.seconds, given.credential)
        with self._lock:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = kept
        return kept


def seconds_kept(life: float) -> float:
    """How long a token is used that is good for `life` seconds; 0 where that is over."""
    return max(min(life * _EARLY, life - _EARLY_SECONDS), min(_AT_LEAST, life / 2), 0.0)
