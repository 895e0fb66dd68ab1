"""The images that a digest stands for, with what their publisher says of them: read once, and kept."""

from __future__ import annotations

import sys
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import EvidenceUnavailable, ParseError
from gate.image.config import MAX_CONFIG, ImageConfig
from gate.image.manifest import INDEX_TYPES, MAX_MANIFEST, Index, parse_manifest
from gate.image.platforms import PlatformImage, claims_of
from gate.review.cache import Bounds, FlightCache
from gate.review.limits import MAX_INSIDE, MAX_NESTED, MAX_PLATFORMS, MAX_SAID, PLATFORMS_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from concurrent.futures import Future

    from gate.deadline import Deadline
    from gate.image.digest import Digest
    from gate.image.manifest import Descriptor, Manifest, Platform
    from gate.image.platforms import ConfigsWanted
    from gate.image.reference import Repository
    from gate.review.kept import Blobs
    from gate.review.lanes import Lanes
    from gate.review.ports import Registry

MAX_PLATFORM_BYTES: Final = 8 * 1024 * 1024
"""Bytes of what is known of images' platforms in memory, about."""

_BOUNDS: Final = Bounds(5_000, MAX_PLATFORM_BYTES)
_SECONDS: Final = 3600.0  # what has a digest does not change; who may see it does


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is kept under."""

    repository: Repository
    digest: Digest
    scope: str
    configs: ConfigsWanted | None

    def wants(self, stated: Platform | None) -> bool:
        return self.configs is not None and self.configs.of(stated)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A manifest in or below an index, with what its index says of it: its platform, as far as it states one."""

    digest: Digest
    platform: Platform | None
    annotations: Mapping[str, str] = field(default_factory=dict, compare=False)


class Platforms:
    """Thread-safe; `lanes` run single requests, and nothing that waits for others."""

    def __init__(
        self, registry: Registry, blobs: Blobs, lanes: Lanes, clock: Callable[[], float], *, cache: bool
    ) -> None:
        """Take collaborators; `cache` says whether what was read is kept in memory, `clock` is monotonic."""
        self._registry = registry
        self._blobs = blobs
        self._lanes = lanes
        self._known: FlightCache[tuple[PlatformImage, ...]] = FlightCache(
            _BOUNDS, clock, lambda _: _SECONDS if cache else 0.0, _size
        )

    def at_hand(
        self, repository: Repository, digest: Digest, configs: ConfigsWanted | None
    ) -> tuple[PlatformImage, ...] | None:
        """What is in memory; nobody is asked."""
        scope = self._registry.known_scope(repository)
        return None if scope is None else self._known.peek(_Asked(repository, digest, scope, configs))

    def of(
        self, repository: Repository, digest: Digest, configs: ConfigsWanted | None, deadline: Deadline
    ) -> tuple[PlatformImage, ...]:
        """The image by itself; or of an index all that may run, those in indexes below it too.

        Args:
            repository: where they are.
            digest: of an image or index.
            configs: which configurations are read; None: none.
            deadline: of all of it.

        Raises:
            EvidenceUnavailable: one of them, or a configuration that is wanted, could not be had.
        """
        asked = _Asked(repository, digest, self._registry.scope(repository, deadline), configs)
        return self._known.get(asked, lambda: self._read(asked, deadline), deadline)

    def config(
        self, repository: Repository, manifest: Manifest, deadline: Deadline, limit: int = MAX_CONFIG
    ) -> ImageConfig:
        """What an image's publisher says of it, in at most `limit` bytes.

        Raises:
            EvidenceUnavailable: it could not be read, or is no image configuration.
        """
        try:
            return ImageConfig.parse(self._blob(repository, manifest.config, deadline, limit))
        except ParseError as error:
            raise EvidenceUnavailable(Code.REGISTRY_PROTOCOL, f"{repository}: {error.message}", remedy="") from error

    def _read(self, asked: _Asked, deadline: Deadline) -> tuple[PlatformImage, ...]:
        top = self._manifest(asked.repository, asked.digest, deadline)
        if not isinstance(top, Index):
            config = self.config(asked.repository, top, deadline) if asked.wants(None) else None
            claims = claims_of(config.labels, top.annotations) if config else ()
            return (PlatformImage(asked.digest, config.platform if config else None, config, claims),)
        entries = self._runnable(asked, top, deadline)
        wanted = [entry for entry in entries if asked.wants(entry.platform)]
        lane = self._lanes.of(asked.repository.registry)
        found: dict[_Entry, PlatformImage] = {}
        for start in range(0, len(wanted), PLATFORMS_AT_ONCE):
            some = wanted[start : start + PLATFORMS_AT_ONCE]
            started = {entry: lane.submit(self._described, asked.repository, entry, deadline) for entry in some}
            found |= {entry: _landed(future, asked.repository, deadline) for entry, future in started.items()}
            if _size(found.values()) > MAX_SAID:
                message = f"configurations of {asked.repository}@{asked.digest.short} say more than {MAX_SAID} bytes"
                raise EvidenceUnavailable(Code.RESPONSE_TOO_LARGE, message, remedy="build it with fewer labels")
        return tuple(found.get(entry) or PlatformImage(entry.digest, entry.platform) for entry in entries)

    def _runnable(self, asked: _Asked, top: Index, deadline: Deadline) -> Sequence[_Entry]:
        """All but platform `unknown/unknown`, each once; one without a platform counts (POLICY §4)."""
        found: dict[_Entry, None] = {}
        indexes: list[tuple[Index, Platform | None]] = [(top, None)]
        depth = 0
        while indexes:
            below: list[tuple[Descriptor, Platform | None]] = []
            for index, platform in indexes:
                for descriptor in index.manifests:
                    stated = descriptor.platform or platform
                    if stated is not None and not stated.runnable:
                        continue
                    if descriptor.media_type in INDEX_TYPES:
                        below.append((descriptor, stated))
                    else:
                        said = {**index.annotations, **descriptor.annotations}
                        found[_Entry(descriptor.digest, stated, said)] = None
            depth += 1
            if len(found) + len(below) > MAX_PLATFORMS or (below and depth > MAX_NESTED):
                raise EvidenceUnavailable(
                    Code.RESPONSE_TOO_LARGE,
                    f"{asked.repository}@{asked.digest.short} has more than {MAX_PLATFORMS} images, or indexes in "
                    f"indexes more than {MAX_NESTED} deep",
                    remedy="publish it as several images",
                )
            indexes = [(self._index(asked.repository, one, deadline), platform) for one, platform in below]
        return list(found)

    def _index(self, repository: Repository, descriptor: Descriptor, deadline: Deadline) -> Index:
        manifest = self._manifest(repository, descriptor.digest, deadline, MAX_INSIDE)
        if not isinstance(manifest, Index):
            message = f"{repository} has an image at {descriptor.digest}, where its index says there is an index"
            raise EvidenceUnavailable(Code.REGISTRY_PROTOCOL, message, remedy="push the image again")
        return manifest

    def _described(self, repository: Repository, entry: _Entry, deadline: Deadline) -> PlatformImage:
        manifest = self._manifest(repository, entry.digest, deadline, MAX_INSIDE)
        if isinstance(manifest, Index):
            message = f"{repository} has an index at {entry.digest}, where its index says there is an image"
            raise EvidenceUnavailable(Code.REGISTRY_PROTOCOL, message, remedy="push the image again")
        config = self.config(repository, manifest, deadline, MAX_INSIDE)
        claims = claims_of(config.labels, manifest.annotations, entry.annotations)
        return PlatformImage(entry.digest, entry.platform or config.platform, config, claims)

    def _manifest(
        self, repository: Repository, digest: Digest, deadline: Deadline, limit: int = MAX_MANIFEST
    ) -> Manifest | Index:
        kept = self._blobs.get([digest]).get(digest)
        if kept is not None:
            if deadline.meter is not None:
                deadline.meter.hit()
            try:
                return parse_manifest(kept)
            except ParseError as error:
                raise EvidenceUnavailable(Code.REGISTRY_PROTOCOL, f"{repository}: {error.message}") from error
        stored = self._registry.manifest(repository, digest, deadline, limit)
        if stored is None:
            raise EvidenceUnavailable(
                Code.IMAGE_NOT_FOUND,
                f"{repository} has no manifest {digest}",
                remedy="push it with all of its platforms",
            )
        self._blobs.put(digest, stored.content)
        return stored.manifest

    def _blob(self, repository: Repository, descriptor: Descriptor, deadline: Deadline, limit: int) -> bytes:
        kept = self._blobs.get([descriptor.digest]).get(descriptor.digest)
        if kept is not None and len(kept) == descriptor.size:
            if deadline.meter is not None:
                deadline.meter.hit()
            return kept
        with closing(self._registry.blob(repository, descriptor, limit, deadline)) as content:
            read = content.read()
        self._blobs.put(descriptor.digest, read)
        return read


def _landed(future: Future[PlatformImage], repository: Repository, deadline: Deadline) -> PlatformImage:
    try:
        return future.result(timeout=max(0.0, deadline.remaining()))
    except FutureTimeout:
        future.cancel()
        message = f"the time allowed ran out while {repository.registry} was asked for the image's configuration"
        raise EvidenceUnavailable(Code.DEADLINE_EXCEEDED, message, remedy="retry", hurried=True) from None


def _size(images: Collection[PlatformImage]) -> int:
    """Bytes, about."""
    configs = [image.config for image in images if image.config is not None]
    labels = sum(sys.getsizeof(text) for config in configs for pair in config.labels.items() for text in pair)
    layers = sum(sys.getsizeof(layer) for config in configs for layer in config.layers)
    return 500 * len(images) + labels + layers
