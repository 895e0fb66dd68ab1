"""The composition root: settings into a reviewer with its adapters. Every clock of the program is here."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.deadline import Deadline
from gate.errors import EvidenceUnavailable
from gate.policy.trust import PUBLIC_GOOD
from gate.registry.keychain import Chain, DockerConfig, Remembering
from gate.registry.layout import Layout, LayoutRegistry
from gate.registry.router import RegistryRouter
from gate.review.review import Reviewer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gate.image.reference import Repository
    from gate.registry.client import RegistryClient
    from gate.registry.transport import Transport
    from gate.settings import Settings
    from gate.trust.root import TrustedRoot
    from gate.trust.sources import LoadedRoot, PublicGood

_REFRESH_SECONDS: Final = 5.0


class Network:
    """The client of real registries, made when one is first asked: a command that asks none starts faster."""

    def __init__(self, settings: Settings) -> None:
        """Read the credential files; connect to nothing.

        Raises:
            UsageError: a credential file that cannot be used.
        """
        self._hosts = settings.hosts
        chain = Chain([DockerConfig.read(path) for path in settings.docker_configs])
        self._keychain = Remembering(chain, time.monotonic)
        self._lock = threading.Lock()
        self._client: RegistryClient | None = None
        self._transport: Transport | None = None

    def __call__(self) -> RegistryClient:
        """The one client."""
        with self._lock:
            if self._client is None:
                self._client = self._make()
            return self._client

    def _make(self) -> RegistryClient:
        from gate.registry.auth import Authenticator  # noqa: PLC0415 - see the class
        from gate.registry.client import RegistryClient  # noqa: PLC0415
        from gate.registry.transport import Transport  # noqa: PLC0415

        self._transport = Transport(self._hosts)
        authenticator = Authenticator(self._transport, self._keychain, self._hosts, time.monotonic)
        return RegistryClient(self._transport, authenticator, self._hosts)

    def fetch(self, url: str, limit: int, deadline: Deadline) -> tuple[int, bytes]:
        """GET something that is no registry's, behind the same guard."""
        from gate.registry.transport import Request  # noqa: PLC0415 - see the class

        self()
        assert self._transport is not None
        answer = self._transport.send(Request("GET", url, limit, redirects=False), deadline)
        return answer.status, answer.body

    def close(self) -> None:
        """Drop its connections."""
        if self._transport is not None:
            self._transport.close()


@dataclass(frozen=True, slots=True)
class Gate:
    """A reviewer and what it needs closed."""

    reviewer: Reviewer
    network: Network
    roots: Roots
    settings: Settings

    def deadline(self) -> Deadline:
        """The whole command's."""
        return Deadline.after(self.settings.timeout, time.monotonic)

    def now(self) -> datetime:
        """The instant decisions are made at."""
        return clock_of(self.settings)()

    def close(self) -> None:
        """End threads and connections."""
        self.reviewer.close()
        self.network.close()
        self.roots.close()


def build(settings: Settings, layouts: Mapping[Repository, Layout] | None = None) -> Gate:
    """Put everything together; nothing is connected.

    Args:
        settings: of this process.
        layouts: opened already, beside those that `settings` names.

    Raises:
        UsageError: a credential file or layout that cannot be read.
    """
    opened = {**{name: Layout.open(folder) for name, folder in settings.layouts.items()}, **(layouts or {})}
    network = Network(settings)
    registry = RegistryRouter(network, {name: LayoutRegistry(layout) for name, layout in opened.items()})
    # How fresh a root is says the real time, whatever instant is decided at.
    roots = Roots(settings, network, lambda: datetime.now(UTC))
    reviewer = Reviewer(
        registry,
        roots,
        time.monotonic,
        clock_of(settings),
        jobs=settings.jobs,
        threads=settings.threads,
        cache=settings.cache,
    )
    return Gate(reviewer, network, roots, settings)


class Roots:
    """Trusted roots by name. The public-good one, or the file that stands in for it, is loaded when first wanted."""

    def __init__(self, settings: Settings, network: Network, now: Callable[[], datetime]) -> None:
        """Read nothing yet."""
        self._settings = settings
        self._network = network
        self._now = now
        self._lock = threading.Lock()
        self._public_good: PublicGood | None = None
        self._given: LoadedRoot | None = None
        self._scratch: TemporaryDirectory[str] | None = None
        self.notes: dict[str, None] = {}
        """What was not as it should be, each once, for stderr."""

    def current(self, name: str, deadline: Deadline) -> TrustedRoot:
        """The root of a name.

        Raises:
            EvidenceUnavailable: TRUST_ROOT_UNAVAILABLE.
        """
        if name != PUBLIC_GOOD:
            raise EvidenceUnavailable(Code.TRUST_ROOT_UNAVAILABLE, f"no trust root is called {name}", remedy="")
        # Its repository is asked within a part of the time only: a copy serves where it does not answer.
        return self.load(deadline.sooner(min(_REFRESH_SECONDS, deadline.remaining() / 2))).root

    def load(self, deadline: Deadline) -> LoadedRoot:
        """The public-good root, or what stands in for it.

        Raises:
            UsageError: the file that stands in for it cannot be used.
            EvidenceUnavailable: TRUST_ROOT_UNAVAILABLE.
        """
        if self._settings.trusted_root is not None:
            return self._from_file(self._settings.trusted_root)
        found = self.public_good().load(deadline)
        if found.note:
            self.notes[found.note] = None
        return found

    def public_good(self) -> PublicGood:
        """The public-good instance."""
        from gate.trust.sources import PublicGood, public_good_repository  # noqa: PLC0415 - few commands want it

        with self._lock:
            if self._public_good is None:
                repository = None
                if not self._settings.hosts.offline:
                    repository = public_good_repository(self._folder(), self._network.fetch, self._now)
                self._public_good = PublicGood(repository, self._now)
            return self._public_good

    def _folder(self) -> Path:
        if self._settings.cache and self._settings.cache_folder is not None:
            return self._settings.cache_folder / "trust" / "public-good"
        self._scratch = TemporaryDirectory(prefix="imagegate-trust-")
        return Path(self._scratch.name)

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


def clock_of(settings: Settings) -> Callable[[], datetime]:
    """The instant decisions are made at: now, or `--at`."""
    at = settings.at
    return (lambda: datetime.now(UTC)) if at is None else (lambda: at)
