"""Mirrors: other places that have what a registry has (containerd's hosts.toml is the model).

What is asked for by digest is compared with it, so a mirror can withhold and not deceive: it is asked first. Tags and
listings come from the origin, unless the operator calls a mirror authoritative: then that it has no such tag is the
answer. A place that fails leaves the next its say. Where all fail the code is the origin's, and the message has theirs.

A mirror that was slow, or away, for one repository is left alone for a while, for that repository: whoever names one
that hangs takes the mirror from nobody else. And it is left alone only as long as the origin answers.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.digest import Digest
from gate.image.manifest import MAX_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gate.deadline import Deadline
    from gate.image.content import Content
    from gate.image.manifest import Descriptor, StoredManifest
    from gate.image.reference import Repository
    from gate.registry.guard.hosts import Mirror

_SHARE: Final = 3  # a place gets this part of the time, so that the next one has some too
_QUIET: Final = 30.0  # seconds that a mirror is left alone after it could not be reached
_MOST: Final = 10_000  # repositories that this is known of
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
        self._away: OrderedDict[Repository, float] = OrderedDict()

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

    def _first(
        self, repository: Repository, ask: Callable[[Repository, Deadline], _T], deadline: Deadline, *, by_digest: bool
    ) -> _T:
        """The answer of the mirrors in their order, of the origin, or of the mirrors that were left alone."""
        mirrors = [
            mirror.of(repository)
            for mirror in self._mirrors.get(repository.registry, ())
            if by_digest or mirror.authoritative
        ]
        away = [place for place in mirrors if self._is_away(place)]
        failures: list[EvidenceUnavailable] = []
        for place in mirrors:
            if place not in away and (found := self._of_mirror(place, ask, deadline, failures, by_digest=by_digest)):
                return found[0]
        left = deadline.remaining()
        try:
            return ask(repository, deadline.sooner(left - left / _SHARE) if away else deadline)
        except EvidenceUnavailable as error:
            for place in away if error.code in _AWAY or error.unanswered else ():
                if found := self._of_mirror(place, ask, deadline, failures, by_digest=by_digest):
                    return found[0]
            raise _all_failed(error, failures) from None

    def _of_mirror(
        self,
        place: Repository,
        ask: Callable[[Repository, Deadline], _T],
        deadline: Deadline,
        failures: list[EvidenceUnavailable],
        *,
        by_digest: bool,
    ) -> list[_T]:
        """Its answer; [] where it has none, which is one more of the failures."""
        try:
            found = ask(place, deadline.sooner(deadline.remaining() / _SHARE))
        except EvidenceUnavailable as error:
            if error.code is Code.IMAGE_NOT_FOUND and not by_digest:
                raise  # of a tag: the operator calls this place authoritative
            if error.code in _AWAY:
                self._leave_alone(place)
            failures.append(error)
            return []
        self._is_back(place)
        return [found]

    def _is_away(self, place: Repository) -> bool:
        now = self._clock()
        return self._away.get(place, now) > now

    def _is_back(self, place: Repository) -> None:
        if place in self._away:
            with self._lock:
                self._away.pop(place, None)

    def _leave_alone(self, place: Repository) -> None:
        with self._lock:
            self._away[place] = self._clock() + _QUIET
            self._away.move_to_end(place)
            if len(self._away) > _MOST:
                self._away.popitem(last=False)


def _all_failed(origins: EvidenceUnavailable, failures: Sequence[EvidenceUnavailable]) -> EvidenceUnavailable:
    """What the origin says, and what the mirrors said: theirs may be what can be mended."""
    unanswered = min(failure.unanswered for failure in (origins, *failures))  # who has not the thing has answered
    others = [failure for failure in failures if failure.code is not Code.IMAGE_NOT_FOUND]
    if not others:
        origins.unanswered = unanswered
        return origins
    said = "; ".join(f"of its mirrors: {failure.message}" for failure in others)
    remedies = dict.fromkeys(failure.remedy for failure in (*others, origins) if failure.remedy)
    hurried = any(failure.hurried for failure in (origins, *failures))
    return EvidenceUnavailable(
        origins.code,
        f"{origins.message}; {said}",
        remedy=", or ".join(remedies),
        hurried=hurried,
        unanswered=unanswered,
    )


def _absent(place: Repository, what: str) -> EvidenceUnavailable:
    return EvidenceUnavailable(Code.IMAGE_NOT_FOUND, f"{place} has no {what}", remedy="")
