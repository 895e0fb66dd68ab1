"""The composition root: settings into a reviewer with its adapters. Every clock of the program is here."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gate import allocator
from gate.errors import UsageError
from gate.network import Network
from gate.registry.layout import Layout, LayoutRegistry
from gate.registry.router import RegistryRouter
from gate.review.kept import Listings
from gate.review.review import Reviewer
from gate.roots import Roots
from gate.store.deferred import Deferred

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gate.image.reference import Repository
    from gate.review.ports import Store
    from gate.settings import Settings
    from gate.store.opening import AnyStore


@dataclass(frozen=True, slots=True)
class Gate:
    """A reviewer, the registry that it asks, and what it needs closed."""

    reviewer: Reviewer
    registry: RegistryRouter
    network: Network
    roots: Roots
    settings: Settings

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
        UsageError: a credential file, layout or trusted root that cannot be used: nothing is judged then.
    """
    allocator.share_heap()
    opened = {**{name: Layout.open(folder) for name, folder in settings.layouts.items()}, **(layouts or {})}
    network = Network(settings, time.monotonic, _real_time, time.sleep)
    registry = RegistryRouter(network, {name: LayoutRegistry(layout) for name, layout in opened.items()})
    roots = Roots(settings, network.fetch, _real_time)
    try:
        roots.read_file()
    except UsageError:
        network.close()
        raise
    key = settings.cache_key
    reviewer = Reviewer(
        registry,
        roots,
        time.monotonic,
        clock_of(settings),
        jobs=settings.jobs,
        threads=settings.threads,
        cache=settings.cache,
        store=_store(settings),
        seal=(lambda store: Listings(store, key, time.time, time.monotonic)) if key else None,
        upstream=settings.hosts.upstream,
    )
    return Gate(reviewer, registry, network, roots, settings)


def _store(settings: Settings) -> Store | None:
    """Where evidence is kept beyond a request.

    Raises:
        UsageError: the URL of a server that can't be used.
    """
    if not settings.cache:
        return None
    place = settings.cache_place

    def opened() -> AnyStore:
        from gate.store.opening import open_store  # noqa: PLC0415 - few commands look for something

        return open_store(place, settings.cache_folder, time.time, time.monotonic)

    return opened() if place is not None and "://" in place else Deferred(opened)


def _real_time() -> datetime:
    return datetime.now(UTC)


def clock_of(settings: Settings) -> Callable[[], datetime]:
    """The instant decisions are made at: now, or `--at`."""
    at = settings.at
    return _real_time if at is None else (lambda: at)
