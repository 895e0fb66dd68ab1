"""The composition root: settings into a reviewer with its adapters. Every `time` and clock of the program is here."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gate.deadline import Deadline
from gate.registry.auth import Authenticator
from gate.registry.client import RegistryClient
from gate.registry.keychain import Chain, DockerConfig
from gate.registry.layout import Layout, LayoutRegistry
from gate.registry.router import RegistryRouter
from gate.registry.transport import Transport
from gate.review.review import Reviewer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.image.reference import Repository
    from gate.review.ports import Registry
    from gate.settings import Settings


@dataclass(frozen=True, slots=True)
class Gate:
    """A reviewer and what it needs closed."""

    reviewer: Reviewer
    registry: Registry
    transport: Transport
    settings: Settings

    def deadline(self, seconds: float | None = None) -> Deadline:
        """So many seconds from now; the whole command's without."""
        return Deadline.after(self.settings.timeout if seconds is None else seconds, time.monotonic)

    def now(self) -> datetime:
        """The instant decisions are made at."""
        return self.settings.at or datetime.now(UTC)

    def close(self) -> None:
        """End threads and connections."""
        self.reviewer.close()
        self.transport.close()


def build(settings: Settings, layouts: Mapping[Repository, Layout] | None = None) -> Gate:
    """Put everything together; nothing is connected.

    Args:
        settings: of this process.
        layouts: opened already, beside those that `settings` names.

    Raises:
        UsageError: a credential file or layout that cannot be read.
    """
    transport = Transport(settings.hosts)
    keychain = Chain([DockerConfig.read(path) for path in settings.docker_configs])
    authenticator = Authenticator(transport, keychain, settings.hosts, time.monotonic)
    opened = {**{name: Layout.open(folder) for name, folder in settings.layouts.items()}, **(layouts or {})}
    network = RegistryClient(transport, authenticator, settings.hosts)
    registry = RegistryRouter(network, {name: LayoutRegistry(layout) for name, layout in opened.items()})
    reviewer = Reviewer(registry, time.monotonic, jobs=settings.jobs, cache=settings.cache)
    return Gate(reviewer, registry, transport, settings)
