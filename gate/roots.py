"""The trusted roots of this process: what a policy's trust root is turned into, each source kept and shared."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, assert_never

from gate.codes import Code
from gate.errors import EvidenceUnavailable, UsageError
from gate.policy.trust import BuiltInRoot, GivenRoot, MissingRoot, TufRoot

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from gate.deadline import Deadline
    from gate.policy.trust import TrustRoot
    from gate.settings import Settings
    from gate.trust.root import TrustedRoot
    from gate.trust.sources import LoadedRoot, OwnRepository, PublicGood
    from gate.trust.tuf import Fetch

_REFRESH_SECONDS: Final = 5.0
_MOST: Final = 64
"""TUF repositories kept in memory: policies come and go while a process serves."""


class Roots:
    """Trusted roots by what policies say of them. Each is loaded when it is first wanted. Thread-safe."""

    def __init__(self, settings: Settings, fetch: Fetch, now: Callable[[], datetime]) -> None:
        """Read nothing yet.

        Args:
            settings: of this process.
            fetch: GETs a URL, behind the guard.
            now: the real time, whatever instant is decided at: how fresh a root is depends on nothing else.
        """
        self._settings = settings
        self._fetch = fetch
        self._now = now
        self._lock = threading.Lock()
        self._public_good: PublicGood | None = None
        self._given: LoadedRoot | None = None
        self._own: OrderedDict[TufRoot, OwnRepository] = OrderedDict()
        self._scratch: TemporaryDirectory[str] | None = None
        self.notes: dict[str, None] = {}
        """What was not as it should be, each once, for stderr."""

    def read_file(self) -> None:
        """Read the file that stands in for the public-good root, if there is one: the one time that it is read.

        Raises:
            UsageError: it cannot be used.
        """
        if self._settings.trusted_root is not None:
            self._from_file(self._settings.trusted_root)

    def current(self, root: TrustRoot, deadline: Deadline) -> TrustedRoot:
        """What a trust root holds now.

        Raises:
            EvidenceUnavailable: TRUST_ROOT_UNAVAILABLE, TRUST_ROOT_EXPIRED.
        """
        if isinstance(root, GivenRoot):
            return root.root
        # A repository is asked within a part of the time only: a copy serves where it does not answer.
        try:
            return self.load(root, deadline.sooner(min(_REFRESH_SECONDS, deadline.remaining() / 2))).root
        except UsageError as error:
            raise EvidenceUnavailable(
                Code.TRUST_ROOT_UNAVAILABLE, f"trust root {root.name}: {error}", remedy=""
            ) from error

    def load(self, root: TrustRoot, deadline: Deadline) -> LoadedRoot:
        """The same, with where it came from.

        Raises:
            UsageError: the file that stands in for the public-good root cannot be used.
            EvidenceUnavailable: as `current`.
        """
        from gate.trust.sources import LoadedRoot, Source  # noqa: PLC0415 - few commands want it

        match root:
            case GivenRoot():
                return LoadedRoot(root.root, Source.GIVEN)
            case MissingRoot():
                message = f"trust root {root.name}: {root.why}"
                raise EvidenceUnavailable(Code.TRUST_ROOT_UNAVAILABLE, message, remedy="judge where it can be read")
            case BuiltInRoot() if self._settings.trusted_root is not None:
                return self._from_file(self._settings.trusted_root)
            case BuiltInRoot() | TufRoot():
                found = self._source(root).load(deadline)
            case _:
                assert_never(root)
        if found.note:
            self.notes[found.note] = None
        return found

    def update(self, root: TrustRoot, deadline: Deadline) -> LoadedRoot:
        """Ask its repository now, whatever is kept.

        Raises:
            UsageError: nothing refreshes it.
            EvidenceUnavailable: TRUST_ROOT_UNAVAILABLE: no answer that can be used.
        """
        if isinstance(root, GivenRoot | MissingRoot):
            raise UsageError(f"trust root {root.name} has no repository", remedy="only `tuf` is refreshed")
        return self._source(root).update(deadline)

    def _source(self, root: BuiltInRoot | TufRoot) -> PublicGood | OwnRepository:
        with self._lock:
            return self._sigstore() if isinstance(root, BuiltInRoot) else self._repository(root)

    def _sigstore(self) -> PublicGood:
        from gate.trust.sources import PublicGood, public_good_repository  # noqa: PLC0415 - as above

        if self._public_good is None:
            repository = None
            if not self._settings.hosts.offline:
                repository = public_good_repository(self._folder("public-good"), self._fetch, self._now)
            self._public_good = PublicGood(repository, self._now)
        return self._public_good

    def _repository(self, root: TufRoot) -> OwnRepository:
        from gate.trust.sources import OwnRepository  # noqa: PLC0415 - as above
        from gate.trust.tuf import TufRepository, identity_of  # noqa: PLC0415

        found = self._own.get(root)
        if found is None:
            folder = self._folder(identity_of(root.url, root.metadata))
            repository = TufRepository(root.url, root.metadata, folder, self._fetch, self._now)
            found = OwnRepository(root.name, repository, self._now, offline=self._settings.hosts.offline)
            self._own[root] = found
            if len(self._own) > _MOST:
                self._own.popitem(last=False)
        self._own.move_to_end(root)
        return found

    def _folder(self, name: str) -> Path:
        """Where a repository's files are kept: beyond this process, unless nothing may be."""
        if self._settings.cache and self._settings.cache_folder is not None:
            return self._settings.cache_folder / "trust" / name
        if self._scratch is None:
            self._scratch = TemporaryDirectory(prefix="imagegate-trust-")
        return Path(self._scratch.name, name)

    def _from_file(self, path: Path) -> LoadedRoot:
        from gate.trust.sources import root_file  # noqa: PLC0415 - as above

        with self._lock:
            if self._given is None:
                self._given = root_file(path)
            return self._given

    def close(self) -> None:
        """Remove what was written for this process only."""
        if self._scratch is not None:
            self._scratch.cleanup()
