"""Finds out everything that a plan wants to know of an image whose digest is known: what is asked goes side by side."""

from __future__ import annotations

from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import replace
from typing import TYPE_CHECKING

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.evidence.facts import Evidence, Unavailable
from gate.policy.evaluate import suffices, to_read, wanting_platforms
from gate.policy.finding import Reason
from gate.policy.known import Known

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from datetime import datetime

    from gate.deadline import Deadline
    from gate.evidence.facts import Storage
    from gate.image.digest import Digest
    from gate.image.platforms import PlatformImage
    from gate.policy.plan import Plan
    from gate.review.bases import BaseFinder
    from gate.review.gather import Gatherer
    from gate.review.platforms import Platforms
    from gate.review.predicates import PredicateReader
    from gate.review.threads import Threads

    _Wanted = tuple[Storage, Digest]


class Inquiry:
    """Thread-safe."""

    def __init__(
        self,
        gatherer: Gatherer,
        platforms: Platforms,
        reader: PredicateReader,
        bases: BaseFinder,
        threads: Threads,
        now: Callable[[], datetime],
    ) -> None:
        """Take collaborators; `now` is the instant that is decided at."""
        self._reader = reader
        self._bases = bases
        self._gatherer = gatherer
        self._platforms = platforms
        self._threads = threads
        self._now = now

    def at_hand(self, planned: Plan, digest: Digest) -> Known | None:
        """What is in memory, if that is all that is wanted; nobody is asked and nothing is verified."""
        found: dict[Storage, Evidence] = {}
        for source in planned.sources:
            evidence = self._gatherer.at_hand(planned, source, digest)
            if evidence is None or (evidence.partial and not suffices(planned, source, evidence, self._now())):
                return None
            found[source] = evidence
        images = None
        if planned.bases:
            return None  # whatever they are: other repositories have a say
        if planned.configs is not None:
            images = self._platforms.at_hand(planned.reference.name, digest, planned.configs)
            if images is None:
                return None
        known = Known(digest, found, images)
        predicates = self._reader.at_hand(to_read(planned, known, self._now()))
        if predicates is None:
            return None
        known = replace(known, predicates=predicates)
        return None if wanting_platforms(planned, known, self._now()) else known

    def known(self, planned: Plan, digest: Digest, deadline: Deadline) -> Known:
        """Everything, or why it is not known: nothing is raised for what could not be had."""
        registry = planned.reference.registry
        reading = None
        if planned.configs is not None:
            reading = self._threads.sources.of(registry).submit(self._images, planned, digest, deadline)
        found = self._gathered(planned, [(source, digest) for source in sorted(planned.sources)], deadline)
        known = Known(digest, {source: evidence for (source, _), evidence in found.items()})
        if reading is not None:
            known = replace(known, platforms=_read(reading, registry, deadline))
            known = self._with_bases(planned, known, deadline)
        known = self._with_predicates(planned, known, deadline)
        wanting = wanting_platforms(planned, known, self._now())
        if not wanting:
            return known
        return self._with_predicates(planned, self._by_platform(planned, known, sorted(wanting), deadline), deadline)

    def _with_bases(self, planned: Plan, known: Known, deadline: Deadline) -> Known:
        if not planned.bases or not isinstance(known.platforms, tuple):
            return known
        return replace(known, bases=self._bases.find(planned, known.platforms, deadline))

    def _with_predicates(self, planned: Plan, known: Known, deadline: Deadline) -> Known:
        wanted = to_read(planned, known, self._now())
        if not wanted:
            return known
        return replace(known, predicates={**known.predicates, **self._reader.read(wanted, deadline)})

    def _by_platform(self, planned: Plan, known: Known, sources: list[Storage], deadline: Deadline) -> Known:
        images = known.platforms or self._images(planned, known.digest, deadline)
        if isinstance(images, Reason):
            return replace(known, platforms=images)
        wanted = [(source, one.digest) for source in sources for one in images if one.digest != known.digest]
        return replace(known, platforms=images, by_platform=self._gathered(planned, wanted, deadline))

    def _images(self, planned: Plan, digest: Digest, deadline: Deadline) -> tuple[PlatformImage, ...] | Reason:
        try:
            return self._platforms.of(planned.reference.name, digest, planned.configs, deadline)
        except EvidenceUnavailable as error:
            return Reason(error.code, error.message, error.remedy)

    def _gathered(self, planned: Plan, wanted: Sequence[_Wanted], deadline: Deadline) -> dict[_Wanted, Evidence]:
        """The evidence of every place; side by side, so that one that does not answer leaves the others their say."""
        started = {}
        for source, digest in wanted[1:]:
            lane = self._threads.sources.of(source.repository.registry)
            started[source, digest] = lane.submit(self._gather, planned, source, digest, deadline)
        # Most have one, and this thread has nothing else to do.
        found = {one: self._gather(planned, *one, deadline) for one in wanted[:1]}
        return found | {one: _landed(future, one[0], deadline) for one, future in started.items()}

    def _gather(self, planned: Plan, source: Storage, digest: Digest, deadline: Deadline) -> Evidence:
        def enough(evidence: Evidence) -> bool:
            return suffices(planned, source, evidence, self._now())

        return self._gatherer.gather(planned, source, digest, deadline, enough)


def _landed(future: Future[Evidence], source: Storage, deadline: Deadline) -> Evidence:
    try:
        return future.result(timeout=max(0.0, deadline.remaining()))
    except FutureTimeout:
        message = f"the time allowed ran out while {source.repository.registry} was asked for signatures"
        return Evidence(unavailable=(Unavailable.of(EvidenceUnavailable(Code.DEADLINE_EXCEEDED, message)),))


def _read(
    future: Future[tuple[PlatformImage, ...] | Reason], registry: str, deadline: Deadline
) -> tuple[PlatformImage, ...] | Reason:
    try:
        return future.result(timeout=max(0.0, deadline.remaining()))
    except FutureTimeout:
        message = f"the time allowed ran out while {registry} was asked for the image's configuration"
        return Reason(Code.DEADLINE_EXCEEDED, message, "retry")
