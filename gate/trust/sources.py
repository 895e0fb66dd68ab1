"""Where trusted roots come from: the public-good instance, a TUF repository of one's own, a file.

Each source answers `load`; what it falls back to, and when it asks a repository again, is decided here.
"""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from gate import protojson, strictjson
from gate.codes import Code
from gate.errors import EvidenceUnavailable, ParseError, Place, UsageError
from gate.local import read_local, shown
from gate.trust.kept import read_file, write_atomically
from gate.trust.root import MAX_ROOT, TrustedRoot
from gate.trust.tuf import (
    PUBLIC_GOOD_URL,
    TufRepository,
    shipped_root,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from gate.deadline import Deadline
    from gate.trust.tuf import Fetch, RepositoryRoot

MAX_AGE: Final = timedelta(hours=24)
"""How old a copy may be before its repository is asked again."""

QUIET: Final = timedelta(minutes=5)
"""How long a repository is left alone after it has failed."""

FAIR_SECONDS: Final = 1.0
"""A refresh that was given less than this and failed says nothing of the repository: that is not remembered."""

_MAX_FAILURE: Final = 64 * 1024


class Source(StrEnum):
    """Where the bytes of a root came from this time."""

    TUF = "tuf"
    CACHE = "cache"
    SHIPPED = "shipped"
    FILE = "file"
    GIVEN = "policy"


@dataclass(frozen=True, slots=True)
class LoadedRoot:
    """A trusted root, and how it was had.

    Attributes:
        root: what is trusted.
        source: where it came from.
        fetched_at: when its repository gave it; None for what is shipped or given.
        expires: of the metadata that vouches for it, the earliest; None for what is shipped or given.
        note: one sentence for stderr where this is not the root one would want; else "".
    """

    root: TrustedRoot
    source: Source
    fetched_at: datetime | None = None
    expires: datetime | None = None
    note: str = ""


def given_root(content: bytes, place: Place) -> LoadedRoot:
    """A trusted root out of a file, a Secret or a policy.

    Args:
        content: the JSON.
        place: where it stands, for messages.

    Raises:
        UsageError: it is no trusted root.
    """
    try:
        return LoadedRoot(TrustedRoot.parse(content), Source.FILE)
    except ParseError as error:
        raise UsageError(
            error.message, remedy=error.remedy or "give a Sigstore trusted_root.json", place=place
        ) from error


def root_file(path: Path) -> LoadedRoot:
    """A trusted root out of a file.

    Raises:
        UsageError: there is no such file, or it is no trusted root.
    """
    place = Place(shown(path))
    try:
        content = read_local(path, MAX_ROOT)
    except OSError as error:
        raise UsageError(
            f"cannot be read: {error.strerror}", remedy="give a Sigstore trusted_root.json", place=place
        ) from error
    return given_root(content, place)


def public_good_repository(folder: Path, fetch: Fetch, now: Callable[[], datetime]) -> TufRepository:
    """The public-good instance's repository, pinned to what is shipped.

    Raises:
        EvidenceUnavailable: TRUST_ROOT_UNAVAILABLE: nothing is shipped.
    """
    return TufRepository(PUBLIC_GOOD_URL, shipped_root("root.json"), folder, fetch, now)


class PublicGood:
    """The root of the public-good instance: never refuses for want of a network. Thread-safe."""

    def __init__(self, repository: TufRepository | None, now: Callable[[], datetime]) -> None:
        """Take its repository, of `public_good_repository`; None is offline: the shipped copy and nothing else."""
        self._current = None if repository is None else _Current(repository, now)
        self._lock = threading.Lock()
        self._shipped: LoadedRoot | None = None

    def load(self, deadline: Deadline) -> LoadedRoot:
        """The newest to be had: asked for, else kept, else shipped; the note says what could not be done.

        Raises:
            EvidenceUnavailable: TRUST_ROOT_UNAVAILABLE: not even a shipped copy.
        """
        if self._current is None:
            return self._from_package()
        found, failure = self._current.newest(deadline)
        if failure is None and found is not None:
            return found
        serving = self._from_package() if found is None else found
        which = "shipped with this version" if found is None else f"of {found.fetched_at:%Y-%m-%dT%H:%M:%SZ}"
        why = failure.message if failure else "it is being asked"
        return replace(serving, note=f"the public-good trust root: the copy {which} serves: {why}")

    def update(self, deadline: Deadline) -> LoadedRoot:
        """Ask now, whatever is kept.

        Raises:
            EvidenceUnavailable: TRUST_ROOT_UNAVAILABLE: no answer that can be used.
        """
        if self._current is None:
            raise EvidenceUnavailable(
                Code.TRUST_ROOT_UNAVAILABLE, f"{PUBLIC_GOOD_URL} was not asked (--offline)", remedy=""
            )
        return self._current.update(deadline)

    def _from_package(self) -> LoadedRoot:
        with self._lock:
            if self._shipped is None:
                self._shipped = LoadedRoot(_parsed_shipped(), Source.SHIPPED)
            return self._shipped


def _parsed_shipped() -> TrustedRoot:
    try:
        return TrustedRoot.parse(shipped_root())
    except ParseError as error:
        raise EvidenceUnavailable(
            Code.TRUST_ROOT_UNAVAILABLE,
            f"the trusted root of the installed sigstore package cannot be used: {error.message}",
            remedy="install the version that imagegate was released with",
        ) from error


class OwnRepository:
    """A `GateTrustRoot` by `tuf`: serves only while its metadata is valid. Thread-safe."""

    def __init__(
        self, name: str, repository: TufRepository, now: Callable[[], datetime], *, offline: bool = False
    ) -> None:
        """Take the name of the GateTrustRoot and its repository; `offline` means that it is never asked."""
        self._name = name
        self._url = repository.url
        self._now = now
        self._current = _Current(repository, now, offline=offline)

    def load(self, deadline: Deadline) -> LoadedRoot:
        """The newest to be had: asked for, else kept and not expired, which the note then says.

        Raises:
            EvidenceUnavailable: TRUST_ROOT_EXPIRED: what is kept has expired and could not be refreshed;
                TRUST_ROOT_UNAVAILABLE: nothing was ever had.
        """
        found, failure = self._current.newest(deadline)
        why = failure.message if failure else f"{self._url} is being asked"
        remedy = failure.remedy if failure else "retry"
        if found is None or found.expires is None:
            raise EvidenceUnavailable(
                Code.TRUST_ROOT_UNAVAILABLE, f"GateTrustRoot {self._name}: {why}", remedy=remedy
            ) from failure
        if found.expires <= self._now():
            raise EvidenceUnavailable(
                Code.TRUST_ROOT_EXPIRED,
                f"GateTrustRoot {self._name}: its metadata expired at {found.expires:%Y-%m-%dT%H:%M:%SZ}"
                f" and could not be refreshed: {why}",
                remedy=remedy,
            ) from failure
        if failure is None:
            return found
        return replace(
            found, note=f"GateTrustRoot {self._name}: the copy of {found.fetched_at:%Y-%m-%dT%H:%M:%SZ} serves: {why}"
        )

    def update(self, deadline: Deadline) -> LoadedRoot:
        """Ask now, whatever is kept.

        Raises:
            EvidenceUnavailable: TRUST_ROOT_UNAVAILABLE: no answer that can be used.
        """
        return self._current.update(deadline)


class _Current:
    """The newest root of a repository that this process knows, and when to ask for a newer one."""

    def __init__(self, repository: TufRepository, now: Callable[[], datetime], *, offline: bool = False) -> None:
        self._repository = repository
        self._now = now
        self._offline = offline
        self._turn = threading.Lock()
        self._held: LoadedRoot | None = None
        self._failure: tuple[float, EvidenceUnavailable] | None = None

    def newest(self, deadline: Deadline) -> tuple[LoadedRoot | None, EvidenceUnavailable | None]:
        """What there is, and why there is nothing newer where there should be.

        Threads that come while one is asking take what there is; only where there is nothing do they wait.
        """
        held = self._held
        if held is not None and not self._is_due(held):
            return held, None
        if failure := self._recent_failure(deadline):
            return held, failure
        if not self._turn.acquire(timeout=max(0.0, deadline.remaining()) if held is None else 0):
            return held, None
        try:
            return self._asked(deadline)
        finally:
            self._turn.release()

    def update(self, deadline: Deadline) -> LoadedRoot:
        """Ask, even if it has just failed."""
        if not self._turn.acquire(timeout=max(0.0, deadline.remaining())):
            raise self._unavailable("the time allowed ran out while another thread was asking it")
        try:
            return self._refreshed(deadline)
        finally:
            self._turn.release()

    def _asked(self, deadline: Deadline) -> tuple[LoadedRoot | None, EvidenceUnavailable | None]:
        """With the turn: see what others have got meanwhile, then ask."""
        kept = self._repository.cached()
        if kept is not None and _is_newer(kept, self._held):
            self._held = _loaded(kept, Source.CACHE)
        if self._held is not None and not self._is_due(self._held):
            return self._held, None
        failure = self._recent_failure(deadline) or self._failure_of_others()
        if failure is not None and not self._offline:
            return self._held, failure
        try:
            return self._refreshed(deadline), None
        except EvidenceUnavailable as error:
            return self._held, error

    def _refreshed(self, deadline: Deadline) -> LoadedRoot:
        if self._offline:
            raise self._unavailable("it was not asked (--offline)", remedy="")
        fair = deadline.remaining() >= FAIR_SECONDS
        try:
            self._held = _loaded(self._repository.refresh(deadline), Source.TUF)
        except EvidenceUnavailable as error:
            if fair:
                self._remember(error, deadline)
            raise
        self._failure = None
        with suppress(OSError):
            self._note.unlink(missing_ok=True)
        return self._held

    def _is_due(self, held: LoadedRoot) -> bool:
        now = self._now()
        if held.fetched_at is None or held.expires is None:
            return True
        # A copy from the future is one whose age is not known: clocks are set back.
        return not timedelta() <= now - held.fetched_at < MAX_AGE or held.expires <= now

    @property
    def _note(self) -> Path:
        """Names the last failure: for the next command, which is another process."""
        return self._repository.folder / "failure.json"

    def _remember(self, error: EvidenceUnavailable, deadline: Deadline) -> None:
        self._failure = (deadline.clock(), error)
        content = {"at": self._now().isoformat(), "of": self._repository.identity, "message": error.message}
        with suppress(OSError):
            write_atomically(self._note, json.dumps(content).encode())

    def _recent_failure(self, deadline: Deadline) -> EvidenceUnavailable | None:
        if self._failure is None:
            return None
        at, error = self._failure
        return self._again(error.message) if 0 <= deadline.clock() - at < QUIET.total_seconds() else None

    def _failure_of_others(self) -> EvidenceUnavailable | None:
        content = read_file(self._note, _MAX_FAILURE)
        try:
            note = strictjson.as_object(strictjson.loads(content or b"{}"), "the note")
            at = protojson.timestamp(note, "at", "at")
            message = protojson.string(note, "message", "message")
        except ParseError:
            return None
        if at is None or note.get("of") != self._repository.identity or not timedelta() <= self._now() - at < QUIET:
            return None
        return self._again(message)

    def _again(self, message: str) -> EvidenceUnavailable:
        minutes = int(QUIET.total_seconds()) // 60
        return EvidenceUnavailable(
            Code.TRUST_ROOT_UNAVAILABLE,
            f"{message} (it is asked again {minutes} minutes after that)",
            remedy="`gate trust update` asks at once",
        )

    def _unavailable(self, reason: str, remedy: str = "retry") -> EvidenceUnavailable:
        return EvidenceUnavailable(
            Code.TRUST_ROOT_UNAVAILABLE,
            f"{self._repository.url} gave no trusted root: {reason}",
            remedy=remedy,
        )


def _loaded(found: RepositoryRoot, source: Source) -> LoadedRoot:
    return LoadedRoot(found.root, source, found.fetched_at, found.expires)


def _is_newer(kept: RepositoryRoot, held: LoadedRoot | None) -> bool:
    return held is None or held.fetched_at is None or kept.fetched_at > held.fetched_at
