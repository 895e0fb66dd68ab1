"""Mirrors: other places that have what a registry has (containerd's hosts.toml is the model).

What is asked for by digest is compared with it, so a mirror can withhold and not deceive: it is asked first. Tags and
listings come from the origin, unless the operator calls a mirror authoritative: then that it has no such tag is the
answer. A place that fails leaves the next its say; only what the last one says of a failure is the answer.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.digest import Digest
from gate.image.manifest import MAX_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gate.deadline import Deadline
    from gate.image.content import Content
    from gate.image.manifest import Descriptor, StoredManifest
    from gate.image.reference import Repository
    from gate.registry.guard.hosts import Mirror

_SHARE: Final = 3  # a place gets this part of the time, so that the next one has some too
_QUIET: Final = 30.0  # seconds that a mirror is left alone after it could not be reached
_AWAY: Final = frozenset({Code.REGISTRY_UNREACHABLE, Code.REGISTRY_TIMEOUT, Code.DEADLINE_EXCEEDED})

_T = TypeVar("_T")


class _Registry(Protocol):
    """What places are asked through (`gate.review.ports.Registry`)."""

    def scope(self, repository: Repository, deadline: Deadline) -> str: ...
    def known_scope(self, repository: Repository) -> str | None: ...
    def resolve(self, repository: Repository, tag: str, deadline: Deadline) -> Digest: ...
    def tags(self, repository: Repository, deadline: Deadline) -> tuple[str, ...]: ...
    def manifest(
        self, repository: Repository, target: Digest | str, deadline: Deadline, limit: int = MAX_MANIFEST
    ) -> StoredManifest | None: ...
    def blob(self, repository: Repository, descriptor: Descriptor, limit: int, deadline: Deadline) -> Content: ...
    def referrers(self, repository: Repository, digest: Digest, deadline: Deadline) -> tuple[Descriptor, ...]: ...


class MirroredRegistry:
    """A registry port over one that asks each host itself. Thread-safe."""

    def __init__(
        self, registry: _Registry, mirrors: Mapping[str, tuple[Mirror, ...]], clock: Callable[[], float]
    ) -> None:
        """Take the mirrors of each registry; `clock` is monotonic, in seconds."""
        self._registry = registry
        self._mirrors = mirrors
        self._clock = clock
        self._lock = threading.Lock()
        self._away: dict[str, float] = {}

    def scope(self, repository: Repository, deadline: Deadline) -> str:
        """Of every place that may answer."""
        mirrors = (self._scope_of_mirror(place, deadline) for place in self._mirrors_of(repository))
        return "|".join([self._registry.scope(repository, deadline), *mirrors])

    def _scope_of_mirror(self, place: Repository, deadline: Deadline) -> str:
        try:
            return self._registry.scope(place, deadline)
        except EvidenceUnavailable:
            return "?"  # its credentials can't be had: then it is no use, and no reason to fail

    def known_scope(self, repository: Repository) -> str | None:
        """The same, if it is known without asking anybody."""
        scopes = [self._registry.known_scope(place) for place in (repository, *self._mirrors_of(repository))]
        return None if None in scopes else "|".join(scope for scope in scopes if scope is not None)

    def resolve(self, repository: Repository, tag: str, deadline: Deadline) -> Digest:
        """The digest a tag has at an authoritative mirror, or at the origin."""

        def ask(place: Repository, end: Deadline) -> Digest:
            return self._registry.resolve(place, tag, end)

        return self._first(repository, ask, deadline, by_digest=False)

    def tags(self, repository: Repository, deadline: Deadline) -> tuple[str, ...]:
        """Every tag; places as of `resolve`."""
        return self._first(repository, self._registry.tags, deadline, by_digest=False)

    def manifest(
        self, repository: Repository, target: Digest | str, deadline: Deadline, limit: int = MAX_MANIFEST
    ) -> StoredManifest | None:
        """A manifest: of a digest from whoever has it, of a tag as `resolve`."""
        by_digest = isinstance(target, Digest)

        def ask(place: Repository, end: Deadline) -> StoredManifest | None:
            found = self._registry.manifest(place, target, end, limit)
            if found is None and by_digest and place != repository:
                raise _absent(place, str(target))  # that it is not here says nothing of elsewhere
            return found

        return self._first(repository, ask, deadline, by_digest=by_digest)

    def blob(self, repository: Repository, descriptor: Descriptor, limit: int, deadline: Deadline) -> Content:
        """A blob from whoever has it."""

        def ask(place: Repository, end: Deadline) -> Content:
            return self._registry.blob(place, descriptor, limit, end)

        return self._first(repository, ask, deadline, by_digest=True)

    def referrers(self, repository: Repository, digest: Digest, deadline: Deadline) -> tuple[Descriptor, ...]:
        """What lists `digest` as its subject; places as of `resolve`."""

        def ask(place: Repository, end: Deadline) -> tuple[Descriptor, ...]:
            return self._registry.referrers(place, digest, end)

        return self._first(repository, ask, deadline, by_digest=False)

    def _mirrors_of(self, repository: Repository) -> list[Repository]:
        return [mirror.of(repository) for mirror in self._mirrors.get(repository.registry, ())]

    def _places(self, repository: Repository, *, by_digest: bool) -> list[Repository]:
        """Who is asked, in order; the origin last, and those that were away a moment ago not at all."""
        now = self._clock()
        found = [
            mirror.of(repository)
            for mirror in self._mirrors.get(repository.registry, ())
            if (by_digest or mirror.authoritative) and self._away.get(mirror.host, now) <= now
        ]
        return [*found, repository]

    def _first(
        self, repository: Repository, ask: Callable[[Repository, Deadline], _T], deadline: Deadline, *, by_digest: bool
    ) -> _T:
        *before, last = self._places(repository, by_digest=by_digest)
        for place in before:
            try:
                return ask(place, deadline.sooner(deadline.remaining() / _SHARE))
            except EvidenceUnavailable as error:
                if error.code is Code.IMAGE_NOT_FOUND and not by_digest:
                    raise  # of a tag: the operator calls this place authoritative
                if error.code in _AWAY:
                    with self._lock:
                        self._away[place.registry] = self._clock() + _QUIET
        return ask(last, deadline)


def _absent(place: Repository, what: str) -> EvidenceUnavailable:
    return EvidenceUnavailable(Code.IMAGE_NOT_FOUND, f"{place} has no {what}", remedy="")
