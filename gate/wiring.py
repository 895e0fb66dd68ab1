"""The composition root: settings into a reviewer with its adapters. Every clock of the program is here."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gate.deadline import Deadline
from gate.registry.keychain import Chain, DockerConfig, Remembering
from gate.registry.layout import Layout, LayoutRegistry
from gate.registry.router import RegistryRouter
from gate.review.review import Reviewer
from gate.roots import Roots

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gate.image.reference import Repository
    from gate.registry.client import RegistryClient
    from gate.registry.transport import Transport
    from gate.settings import Settings


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
    roots = Roots(settings, network.fetch, lambda: datetime.now(UTC))
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


def clock_of(settings: Settings) -> Callable[[], datetime]:
    """The instant decisions are made at: now, or `--at`."""
    at = settings.at
    return (lambda: datetime.now(UTC)) if at is None else (lambda: at)
