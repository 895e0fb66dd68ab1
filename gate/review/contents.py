"""The payloads of what is listed: made up, kept from before, or fetched, and always compared with their digests."""

from __future__ import annotations

from collections import deque
from concurrent.futures import FIRST_COMPLETED, wait
from functools import partial
from typing import TYPE_CHECKING, Final

from gate.errors import EvidenceUnavailable
from gate.evidence.cosign import usual_payloads
from gate.evidence.facts import Format
from gate.image.content import InMemory
from gate.review.downloads import Downloads
from gate.review.lanes import too_late
from gate.review.limits import MAX_SIGNATURE, PAYLOADS_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from concurrent.futures import Future

    from gate.deadline import Deadline
    from gate.image.content import Content
    from gate.image.digest import Digest
    from gate.image.manifest import Descriptor
    from gate.review.downloads import Download
    from gate.review.kept import Blobs
    from gate.review.lanes import Lanes
    from gate.review.listing import Listed, Place
    from gate.review.ports import Registry

_LARGE: Final = 64 * 1024  # bytes


class Contents:
    """Payloads of what is listed. Thread-safe; `lanes` run single requests, and nothing that waits for others."""

    def __init__(self, registry: Registry, blobs: Blobs, lanes: Lanes) -> None:
        """Takes its collaborators."""
        self._registry = registry
        self._blobs = blobs
        self._lanes = lanes
        self._downloads = Downloads()

    def of(
        self, place: Place, entries: Iterable[Listed], deadline: Deadline
    ) -> Iterator[tuple[Digest, Content | EvidenceUnavailable]]:
        """Each different payload once, as it is there, or why it is not. What is yielded is closed by the next.

        Of formats that are not verified there is none, and nothing is fetched.
        """
        wanted = {e.descriptor.digest: e for e in entries if e.format is not Format.NOTATION}
        for digest, content in _made_up(place, wanted).items():
            del wanted[digest]
            yield digest, InMemory(content, digest.algorithm)
        missing: deque[Descriptor] = deque()
        for some in _groups(wanted.values()):
            kept = self._blobs.get(descriptor.digest for descriptor in some)
            for descriptor in some:
                held = kept.get(descriptor.digest)
                if held is None or len(held) != descriptor.size:
                    # Not there; or its descriptor lies, which is the registry's to answer for.
                    missing.append(descriptor)
                    continue
                if deadline.meter is not None:
                    deadline.meter.hit()
                yield descriptor.digest, InMemory(held, descriptor.digest.algorithm)
        yield from self._fetched(place, missing, deadline)

    def keep(self, digest: Digest, content: bytes) -> None:
        """For the next time, and for other processes."""
        self._blobs.put(digest, content)

    def _fetched(
        self, place: Place, missing: deque[Descriptor], deadline: Deadline
    ) -> Iterator[tuple[Digest, Content | EvidenceUnavailable]]:
        limit = place.most if place.attestations else MAX_SIGNATURE
        under_way: dict[Future[Content], tuple[Descriptor, Download]] = {}
        answered = False
        try:
            while missing or under_way:
                while missing and len(under_way) < PAYLOADS_AT_ONCE:
                    descriptor = missing.popleft()
                    download = self._download(place, descriptor, limit, deadline)
                    under_way[download.future] = (descriptor, download)
                done, _ = wait(under_way, max(0.0, deadline.remaining()), FIRST_COMPLETED)
                if not done:
                    registry = place.storage.repository.registry
                    first, _ = next(iter(under_way.values()))
                    yield first.digest, too_late(registry, under_way, answered=answered)
                    return
                answered = True
                for future in done:
                    descriptor, download = under_way.pop(future)
                    try:
                        found = download.outcome()
                        if _was_hurried(download, found, deadline):
                            missing.append(descriptor)
                        else:
                            yield descriptor.digest, found
                    finally:
                        download.leave()
        finally:
            for _, download in under_way.values():
                download.leave()

    def _download(self, place: Place, descriptor: Descriptor, limit: int, deadline: Deadline) -> Download:
        repository = place.storage.repository
        key = (repository, place.scope, descriptor.digest, descriptor.size, limit)
        fetch = partial(self._registry.blob, repository, descriptor, limit)
        return self._downloads.join(key, fetch, self._lanes.of(repository.registry), deadline)


def _groups(entries: Iterable[Listed]) -> Iterator[list[Descriptor]]:
    """Those that are small together, in one round trip to the store; each large one by itself, for memory's sake."""
    described = [entry.descriptor for entry in entries]
    if small := [descriptor for descriptor in described if descriptor.size <= _LARGE]:
        yield small
    yield from ([descriptor] for descriptor in described if descriptor.size > _LARGE)


def _made_up(place: Place, wanted: Mapping[Digest, Listed]) -> dict[Digest, bytes]:
    """Payloads of cosign's that can be known without being fetched, for their digests are known."""
    usual = usual_payloads(place.image, place.home)
    return {
        digest: payload
        for digest, entry in wanted.items()
        if entry.format is not Format.BUNDLE
        for payload in usual
        if len(payload) == entry.descriptor.size and digest.matches(payload)
    }


def _was_hurried(download: Download, found: Content | EvidenceUnavailable, deadline: Deadline) -> bool:
    """Whether another had too little time for it, and there is much more here."""
    hurried = isinstance(found, EvidenceUnavailable) and found.hurried
    return hurried and not download.leads and deadline.outlasts(download.left)
