"""Sends each repository to its layout, where one is given for it, and everything else to the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.image.manifest import MAX_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gate.deadline import Deadline
    from gate.image.content import Content
    from gate.image.digest import Digest
    from gate.image.manifest import Descriptor, StoredManifest
    from gate.image.reference import Repository
    from gate.registry.client import RegistryClient
    from gate.registry.layout import LayoutRegistry
    from gate.registry.mirrors import MirroredRegistry


class RegistryRouter:
    """The registry port, answered per repository."""

    def __init__(
        self, network: Callable[[], RegistryClient | MirroredRegistry], layouts: Mapping[Repository, LayoutRegistry]
    ) -> None:
        """Repositories of `layouts` are never asked of the network, whose client is made when it is first wanted."""
        self._network = network
        self._layouts = layouts

    def _for(self, repository: Repository) -> RegistryClient | MirroredRegistry | LayoutRegistry:
        return self._layouts.get(repository) or self._network()

    def scope(self, repository: Repository, deadline: Deadline) -> str:
        """As `RegistryClient.scope`."""
        return self._for(repository).scope(repository, deadline)

    def known_scope(self, repository: Repository) -> str | None:
        """As `RegistryClient.known_scope`."""
        return self._for(repository).known_scope(repository)

    def resolve(self, repository: Repository, tag: str, deadline: Deadline) -> Digest:
        """As `RegistryClient.resolve`."""
        return self._for(repository).resolve(repository, tag, deadline)

    def tags(self, repository: Repository, deadline: Deadline) -> tuple[str, ...]:
        """As `RegistryClient.tags`."""
        return self._for(repository).tags(repository, deadline)

    def manifest(
        self, repository: Repository, target: Digest | str, deadline: Deadline, limit: int = MAX_MANIFEST
    ) -> StoredManifest | None:
        """As `RegistryClient.manifest`."""
        return self._for(repository).manifest(repository, target, deadline, limit)

    def blob(self, repository: Repository, descriptor: Descriptor, limit: int, deadline: Deadline) -> Content:
        """As `RegistryClient.blob`."""
        return self._for(repository).blob(repository, descriptor, limit, deadline)

    def referrers(self, repository: Repository, digest: Digest, deadline: Deadline) -> tuple[Descriptor, ...]:
        """As `RegistryClient.referrers`."""
        return self._for(repository).referrers(repository, digest, deadline)
