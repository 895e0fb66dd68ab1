"""The use case: each image planned, resolved, its evidence collected and verified, and decided, within a deadline."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import EvidenceUnavailable, ParseError
from gate.evidence.facts import Evidence, Unavailable
from gate.image.config import MAX_CONFIG, ImageConfig
from gate.image.reference import Reference
from gate.policy.decision import Decision, Reason
from gate.policy.evaluate import Plan, Stage, Workload, conclude, invalid, plan, unable
from gate.review.cache import Bounds, FlightCache
from gate.review.collect import Collector, Listing
from gate.review.tags import look_up

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from gate.deadline import Deadline
    from gate.evidence.facts import Storage
    from gate.image.digest import Digest
    from gate.image.manifest import Manifest, StoredManifest
    from gate.image.reference import Repository
    from gate.policy.policy import Kept, PolicySet
    from gate.policy.trust import TrustNeeds
    from gate.review.ports import Registry, TrustedRoots
    from gate.review.tags import TagsOf

TAG_SECONDS: Final = 5.0
EVIDENCE_SECONDS: Final = 10.0
_TAGS: Final = Bounds(10_000, 0)
_EVIDENCE: Final = Bounds(5_000, 32 * 1024 * 1024)
_GRACE: Final = 0.05  # seconds for a review that notices the end of its time by itself and says more
_CONCLUDING: Final = (0.25, 0.1)  # seconds, and share of the time, that asking leaves for deciding
_REQUESTS: Final = 64  # registry requests at once


@dataclass(frozen=True, slots=True)
class Subject:
    """One image to judge: its text as written, and what it stands in."""

    text: str
    workload: Workload = field(default_factory=Workload)


@dataclass(frozen=True, slots=True)
class ImageReview:
    """What was decided on one image and what it rests on.

    Attributes:
        subject: what was asked.
        decision: the verdict with every reason.
        reference: the text parsed; None where it is no reference.
        digest: the one that was judged and may run; None where no rule needed it.
        pin: the text with the digest, where `/mutate` is to write it.
        evidence: facts and rejections, of all repositories that were looked in.
    """

    subject: Subject
    decision: Decision
    reference: Reference | None = None
    digest: Digest | None = None
    pin: str | None = None
    evidence: Evidence = field(default_factory=Evidence)

    @property
    def resolved(self) -> str | None:
        """The text with `@digest`; None where no rule needed the digest."""
        if self.reference is None:
            return None
        digest = self.reference.digest or self.digest
        return self.reference.pinned(digest) if digest else None


@dataclass(frozen=True, slots=True)
class _Key:
    """What evidence is kept under: never the digest alone, or a stranger's repository could speak for ours."""

    source: Storage
    digest: Digest
    scope: str
    home: Repository
    attestations: bool
    trust: TrustNeeds


@dataclass(frozen=True, slots=True)
class _Pending:
    """A review that is under way."""

    subject: Subject
    plan: Plan
    future: Future[ImageReview] = field(default_factory=Future)

    def result(self, deadline: Deadline) -> ImageReview:
        """Its result, or that the time ran out: nobody waits longer than their own deadline."""
        try:
            return self.future.result(timeout=max(0.0, deadline.remaining()) + _GRACE)
        except FutureTimeout:
            reason = Reason(Code.DEADLINE_EXCEEDED, "the time allowed ran out before the image was judged", "retry")
            return ImageReview(self.subject, unable(self.plan, reason), self.plan.reference)


class Reviewer:
    """Judges images. Thread-safe; one for a process."""

    def __init__(
        self,
        registry: Registry,
        roots: TrustedRoots,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        *,
        jobs: int = 8,
        threads: int | None = None,
        cache: bool = True,
        upstream: Callable[[Repository], Repository] = lambda repository: repository,
    ) -> None:
        """Take collaborators.

        Args:
            registry: reads repositories.
            roots: trusted roots by name.
            clock: monotonic, in seconds.
            now: the instant that is decided at.
            jobs: images of one review at a time.
            threads: images of all reviews at a time; `jobs` by default. One review that hangs leaves the others theirs.
            cache: whether answers are kept for seconds.
            upstream: the name that a repository is judged by: that of its origin, where it is a mirror's.
        """
        self._registry = registry
        self._upstream = upstream
        self._roots = roots
        self._now = now
        self._jobs = jobs
        # Three pools, each waiting only for the next: none can wait for itself.
        self._images = ThreadPoolExecutor(max_workers=threads or jobs, thread_name_prefix="image")
        self._sources = ThreadPoolExecutor(max_workers=threads or jobs, thread_name_prefix="source")
        self._requests = ThreadPoolExecutor(max_workers=_REQUESTS, thread_name_prefix="request")
        self._collector = Collector(registry, self._requests)
        self._tags: FlightCache[Digest] = FlightCache(TAG_SECONDS if cache else 0.0, _TAGS, clock)
        seconds = EVIDENCE_SECONDS if cache else 0.0
        self._listings: FlightCache[Listing] = FlightCache(seconds, _EVIDENCE, clock, lambda listing: listing.size)
        self._evidence: FlightCache[Evidence] = FlightCache(seconds, _EVIDENCE, clock, _size)

    def close(self) -> None:
        """Stop taking work; what is under way ends with its deadline."""
        for pool in (self._images, self._sources, self._requests):
            pool.shutdown(wait=False, cancel_futures=True)

    def resolve(self, reference: Reference, deadline: Deadline) -> Digest:
        """The digest that is written, or that the tag has now.

        Raises:
            EvidenceUnavailable: it could not be resolved.
        """
        tag = reference.effective_tag
        if reference.digest is not None or tag is None:
            assert reference.digest is not None
            return reference.digest
        name = reference.name
        key = (name, tag, self._registry.scope(name, deadline))
        return self._tags.get(key, lambda: self._registry.resolve(name, tag, deadline), deadline)

    def tags_of(self, reference: Reference, digest: Digest, deadline: Deadline) -> TagsOf:
        """Which tags of the reference's repository have a digest now; cosign's own are left out.

        Raises:
            EvidenceUnavailable: the tags could not be listed.
        """
        name = reference.name
        tags = self._registry.tags(name, deadline)

        def resolve(tag: str) -> Digest:
            return self.resolve(Reference(name.registry, name.path, tag), deadline)

        return look_up(tags, digest, resolve, self._requests, deadline)

    def survey(
        self, reference: Reference, kept: Kept, trust: TrustNeeds, deadline: Deadline
    ) -> tuple[StoredManifest, Evidence]:
        """An image's manifest, and everything found that may sign it, judged by no policy.

        Raises:
            EvidenceUnavailable: the image itself could not be had.
        """
        digest = self.resolve(reference, deadline)
        stored = self._registry.manifest(reference.name, digest, deadline)
        if stored is None:
            raise EvidenceUnavailable(
                Code.IMAGE_NOT_FOUND, f"{reference.name} has no manifest {digest}", remedy="check the name and digest"
            )
        listing = self._collector.collect(
            kept.of(reference.name), digest, deadline, home=reference.name, attestations=True
        )
        return stored, self._examine(listing, trust, deadline, claims=True)

    def config(self, repository: Repository, manifest: Manifest, deadline: Deadline) -> ImageConfig:
        """What an image's publisher says of it.

        Raises:
            EvidenceUnavailable: it could not be read, or is no image configuration.
        """
        content = self._registry.blob(repository, manifest.config, MAX_CONFIG, deadline)
        try:
            return ImageConfig.parse(content)
        except ParseError as error:
            raise EvidenceUnavailable(Code.REGISTRY_PROTOCOL, f"{repository}: {error.message}", remedy="") from error

    def review(
        self, policies: PolicySet, subjects: Sequence[Subject], stage: Stage, deadline: Deadline
    ) -> tuple[ImageReview, ...]:
        """Judge images, each by itself, those that need the registry side by side.

        Never raises for what one image does: what could not be known is in its decision.
        """
        begun = {subject: self._begin(policies, subject, stage) for subject in dict.fromkeys(subjects)}
        waiting = deque(pending for pending in begun.values() if isinstance(pending, _Pending))
        for _ in range(min(self._jobs, len(waiting))):
            self._images.submit(self._work_off, waiting, deadline)
        reviews = {
            subject: found if isinstance(found, ImageReview) else found.result(deadline)
            for subject, found in begun.items()
        }
        return tuple(reviews[subject] for subject in subjects)

    def _begin(self, policies: PolicySet, subject: Subject, stage: Stage) -> ImageReview | _Pending:
        """The review, at once where nothing has to be fetched."""
        try:
            reference = Reference.parse(subject.text)
        except ParseError as error:
            return ImageReview(
                subject,
                invalid(policies, subject.workload, Reason(Code.REFERENCE_INVALID, error.message, error.remedy)),
            )
        reference = reference.renamed(self._upstream(reference.name))
        planned = plan(policies, reference, subject.workload, stage)
        if not planned.digest_wanted:
            return ImageReview(subject, conclude(planned, None, {}, self._now()), reference)
        at_hand = self._at_hand(planned)
        return self._conclude(subject, planned, *at_hand) if at_hand is not None else _Pending(subject, planned)

    def _at_hand(self, planned: Plan) -> tuple[Digest, Mapping[Storage, Evidence]] | None:
        """Digest and evidence, if all are in the cache; nobody is asked and nothing is verified."""
        reference = planned.reference
        scope = self._registry.known_scope(reference.name)
        if scope is None:
            return None
        digest = reference.digest or self._tags.peek((reference.name, reference.effective_tag, scope))
        if digest is None:
            return None
        found: dict[Storage, Evidence] = {}
        for source in planned.sources:
            scope = self._registry.known_scope(source.repository)
            evidence = None if scope is None else self._evidence.peek(_key(planned, source, digest, scope))
            if evidence is None:
                return None
            found[source] = evidence
        return digest, found

    def _work_off(self, waiting: deque[_Pending], deadline: Deadline) -> None:
        """Finish one after the other of a review's images, as long as there is time."""
        while deadline.remaining() > 0:
            try:
                pending = waiting.popleft()
            except IndexError:
                return
            try:
                pending.future.set_result(self._finish(pending.subject, pending.plan, deadline))
            except Exception as error:  # noqa: BLE001 - whoever waits is told, here and nowhere else
                pending.future.set_exception(error)

    def _finish(self, subject: Subject, planned: Plan, deadline: Deadline) -> ImageReview:
        least, share = _CONCLUDING
        asking = deadline.earlier(min(least, deadline.remaining() * share))
        try:
            digest = self.resolve(planned.reference, asking)
        except EvidenceUnavailable as error:
            reason = Reason(error.code, error.message, error.remedy)
            return ImageReview(subject, unable(planned, reason), planned.reference)
        # Side by side, so that a repository that does not answer leaves the others their say.
        started = {
            source: self._sources.submit(self._gather, planned, source, digest, asking)
            for source in sorted(planned.sources)
        }
        found = {source: _landed(future, source, asking) for source, future in started.items()}
        return self._conclude(subject, planned, digest, found)

    def _conclude(
        self, subject: Subject, planned: Plan, digest: Digest, evidence: Mapping[Storage, Evidence]
    ) -> ImageReview:
        decision = conclude(planned, digest, evidence, self._now())
        pin = planned.reference.pinned(digest) if planned.pins and not decision.verdict.stops else None
        return ImageReview(subject, decision, planned.reference, digest, pin, _merged(evidence))

    def _gather(self, planned: Plan, source: Storage, digest: Digest, deadline: Deadline) -> Evidence:
        """The evidence of one repository; what could not be had is in it."""
        try:
            key = _key(planned, source, digest, self._registry.scope(source.repository, deadline))

            def load() -> Evidence:
                return self._examine(self._listing(key, deadline), planned.trust, deadline)

            return self._evidence.get(key, load, deadline, keep=_is_complete, timed_out=_is_timed_out)
        except EvidenceUnavailable as error:
            return Evidence(unavailable=(Unavailable(error.code, error.message, error.remedy),))

    def _examine(self, listing: Listing, trust: TrustNeeds, deadline: Deadline, *, claims: bool = False) -> Evidence:
        from gate.review.examine import examine  # noqa: PLC0415 - it brings all of the cryptography

        return examine(listing, trust, self._roots, deadline, claims=claims)

    def _listing(self, key: _Key, deadline: Deadline) -> Listing:
        def load() -> Listing:
            return self._collector.collect(
                key.source, key.digest, deadline, home=key.home, attestations=key.attestations
            )

        place = (key.source, key.digest, key.scope, key.home, key.attestations)
        return self._listings.get(
            place, load, deadline, keep=lambda found: found.complete, timed_out=lambda found: found.timed_out
        )


def _key(planned: Plan, source: Storage, digest: Digest, scope: str) -> _Key:
    return _Key(source, digest, scope, planned.reference.name, planned.attestations, planned.trust)


def _landed(future: Future[Evidence], source: Storage, deadline: Deadline) -> Evidence:
    try:
        return future.result(timeout=max(0.0, deadline.remaining()))
    except FutureTimeout:
        message = f"the time allowed ran out while {source.repository.registry} was asked for signatures"
        return Evidence(unavailable=(Unavailable(Code.DEADLINE_EXCEEDED, message, "retry"),))


def _is_complete(evidence: Evidence) -> bool:
    return not evidence.unavailable


def _is_timed_out(evidence: Evidence) -> bool:
    return any(u.code in (Code.DEADLINE_EXCEEDED, Code.REGISTRY_TIMEOUT) for u in evidence.unavailable)


def _size(evidence: Evidence) -> int:
    """Bytes, about."""
    statements = sum(len(a.statement) for a in evidence.attestations)
    return statements + 2000 * (len(evidence.signatures) + len(evidence.attestations) + len(evidence.rejected))


def _merged(evidence: Mapping[Storage, Evidence]) -> Evidence:
    if len(evidence) == 1:
        return next(iter(evidence.values()))
    found = [e for _, e in sorted(evidence.items())]
    return Evidence(
        tuple(s for e in found for s in e.signatures),
        tuple(a for e in found for a in e.attestations),
        tuple(r for e in found for r in e.rejected),
        tuple(u for e in found for u in e.unavailable),
    )
