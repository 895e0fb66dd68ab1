"""What the clouds' keychains share: tokens renewed in time, libraries that may hang, failures without secrets."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

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

_V = TypeVar("_V")


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
        raise EvidenceUnavailable(kept.failure.code, kept.failure.message, remedy=kept.failure.remedy)

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


class Aside:
    """Runs what may hang in threads of its own, a few at a time, and waits for it only while there is time.

    The threads are daemons: one that hangs holds neither a review nor the end of the program.
    """

    def __init__(self, most: int = 4) -> None:
        """`most` threads at once."""
        self._slots = threading.BoundedSemaphore(most)

    def run(self, work: Callable[[], _V], deadline: Deadline, name: str) -> _V:
        """What `work` returns or raises; `name` is of what it asks.

        Raises:
            EvidenceUnavailable: REGISTRY_TIMEOUT: it has not returned, or others hang and it was not begun.
        """
        allowed = deadline.check(f"asking {name}")
        if self._slots.acquire(timeout=allowed):
            future: Future[_V] = Future()
            try:
                threading.Thread(target=self._work, args=(work, future), name="cloud", daemon=True).start()
            except RuntimeError:
                self._slots.release()
                raise
            try:
                return future.result(timeout=max(0.0, deadline.remaining()))
            except TimeoutError:
                if future.done():
                    raise  # its own
        raise EvidenceUnavailable(Code.REGISTRY_TIMEOUT, f"{name} did not answer within {allowed:.1f} s")

    def _work(self, work: Callable[[], _V], future: Future[_V]) -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever waits is told
            future.set_exception(error)
        finally:
            self._slots.release()


def unavailable(
    source: str, host: str, error: Exception, *, extra: str, unreachable: frozenset[str], remedy: str, detail: str = ""
) -> EvidenceUnavailable:
    """Why a cloud's library gave no credentials. Of what it says only its class is told: the rest may hold secrets.

    Args:
        source: of the credentials.
        host: of the registry.
        error: of the library.
        extra: that installs the library.
        unreachable: classes of errors that say so.
        remedy: for all that are neither that nor a timeout.
        detail: of the error, known to be harmless.
    """
    if isinstance(error, ImportError):
        message = f"the credentials of {source} for {host} can't be had: its library is not installed"
        return EvidenceUnavailable(Code.REGISTRY_UNAUTHORIZED, message, remedy=f"pip install imagegate[{extra}]")
    names = {kind.__name__ for kind in type(error).__mro__}
    message = f"{source} gave no credentials for {host}: {type(error).__name__}{f' ({detail})' if detail else ''}"
    if "Timeout" in type(error).__name__:
        return EvidenceUnavailable(Code.REGISTRY_TIMEOUT, message)
    if names & unreachable:
        return EvidenceUnavailable(Code.REGISTRY_UNREACHABLE, message)
    return EvidenceUnavailable(Code.REGISTRY_UNAUTHORIZED, message, remedy=remedy)
