"""Several keychains as one, which remembers what it was told."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.credentials.credential import Dated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gate.deadline import Deadline
    from gate.image.reference import Repository
    from gate.registry.credentials.credential import Credential, Keychain

_KEPT_SECONDS: Final = 60.0
_FAILURE_SECONDS: Final = 5.0
_MOST_KEPT: Final = 10_000


class Incomplete(EvidenceUnavailable):
    """A keychain failed. `credentials` is what others have: they may be tried, and are not all that there is."""

    def __init__(self, failure: EvidenceUnavailable, credentials: tuple[Credential, ...]) -> None:
        """`failure` is the first one's."""
        super().__init__(failure.code, failure.message, remedy=failure.remedy, hurried=failure.hurried)
        self.credentials = credentials


@dataclass(frozen=True, slots=True)
class Found:
    """What keychains have for a repository.

    Attributes:
        credentials: to be tried in turn.
        failure: why there may be others; None where these are all.
    """

    credentials: tuple[Credential, ...]
    failure: EvidenceUnavailable | None = None


@dataclass(frozen=True, slots=True)
class Chain:
    """Keychains in their order: what all have is tried in turn. One that fails does not hide what others have."""

    keychains: Sequence[Keychain]

    def find(self, repository: Repository, deadline: Deadline) -> tuple[Credential, ...]:
        """Everybody's, each once.

        Raises:
            Incomplete: one failed.
        """
        found: dict[str, Credential] = {}
        failure: EvidenceUnavailable | None = None
        seconds = _KEPT_SECONDS
        for keychain in self.keychains:
            try:
                credentials = keychain.find(repository, deadline)
                seconds = min(seconds, _seconds(credentials))
                for credential in credentials:
                    found.setdefault(credential.scope, credential)
            except EvidenceUnavailable as error:
                failure = failure or error
        if failure is not None:
            raise Incomplete(failure, tuple(found.values()))
        return Dated(found.values(), seconds)

    def forget(self, repository: Repository) -> None:
        """Tell all of them."""
        for keychain in self.keychains:
            keychain.forget(repository)


@dataclass(frozen=True, slots=True)
class _Remembered:
    """What a keychain said, and until when that is remembered."""

    until: float
    found: Found


class Remembering:
    """Keeps a keychain's answers for a minute, failures for seconds: helpers are processes, and reviews ask often."""

    def __init__(self, keychain: Keychain, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds."""
        self._keychain = keychain
        self._clock = clock
        self._lock = threading.Lock()
        self._turns: dict[Repository, threading.Lock] = {}
        self._kept: dict[Repository, _Remembered] = {}

    def at_hand(self, repository: Repository) -> tuple[Credential, ...] | None:
        """What is remembered of a repository; None where somebody would have to be asked, or failed."""
        kept = self._fresh(repository)
        return kept.found.credentials if kept is not None and kept.found.failure is None else None

    def found(self, repository: Repository, deadline: Deadline) -> Found:
        """What the keychain says, or said within the last minute; one thread at a time asks it of a repository.

        Raises:
            EvidenceUnavailable: DEADLINE_EXCEEDED: while another thread asked.
        """
        kept = self._fresh(repository)
        if kept is None:
            with self._lock:
                if len(self._turns) >= _MOST_KEPT:
                    self._turns.clear()
                turn = self._turns.setdefault(repository, threading.Lock())
            if not turn.acquire(timeout=max(0.0, deadline.remaining())):
                raise EvidenceUnavailable(
                    Code.DEADLINE_EXCEEDED,
                    f"the time allowed ran out while waiting for the credentials of {repository}",
                )
            try:
                kept = self._fresh(repository) or self._ask(repository, deadline)
            finally:
                turn.release()
        return kept.found

    def forget(self, repository: Repository) -> None:
        """What it gave was refused: ask anew the next time."""
        with self._lock:
            self._kept.pop(repository, None)
        self._keychain.forget(repository)

    def _fresh(self, repository: Repository) -> _Remembered | None:
        kept = self._kept.get(repository)
        return kept if kept is not None and kept.until > self._clock() else None

    def _ask(self, repository: Repository, deadline: Deadline) -> _Remembered:
        try:
            credentials = self._keychain.find(repository, deadline)
            kept = _Remembered(self._clock() + _seconds(credentials), Found(tuple(credentials)))
        except EvidenceUnavailable as failure:
            others = failure.credentials if isinstance(failure, Incomplete) else ()
            kept = _Remembered(self._clock() + _FAILURE_SECONDS, Found(others, failure))
            if deadline.remaining() <= 0:
                return kept  # it had no time: that says nothing to those who have
        with self._lock:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[repository] = kept
        return kept


def _seconds(credentials: tuple[Credential, ...]) -> float:
    """How long they count from now."""
    return credentials.seconds if isinstance(credentials, Dated) else _KEPT_SECONDS
