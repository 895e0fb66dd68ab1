"""The use case: each image planned, resolved, its evidence collected and verified, and decided, within a deadline."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import EvidenceUnavailable, ParseError
from gate.evidence.facts import Evidence
from gate.image.reference import Reference
from gate.policy.evaluate import conclude, unable
from gate.policy.finding import Reason
from gate.policy.matching import Workload
from gate.policy.plan import Plan, Stage, invalid, plan
from gate.review.bases import BaseFinder
from gate.review.cache import Bounds, FlightCache
from gate.review.gather import Gatherer
from gate.review.inquiry import Inquiry
from gate.review.kept import Blobs, Nothing
from gate.review.listing import Place
from gate.review.platforms import Platforms
from gate.review.predicates import PredicateReader
from gate.review.tags import look_up
from gate.review.threads import Threads
from gate.spent import Meter, Spent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from gate.deadline import Deadline
    from gate.image.config import ImageConfig
    from gate.image.digest import Digest
    from gate.image.manifest import Manifest, StoredManifest
    from gate.image.reference import Repository
    from gate.policy.decision import Decision
    from gate.policy.known import Known
    from gate.policy.policy import Kept
    from gate.policy.policy_set import PolicySet
    from gate.policy.trust import TrustNeeds
    from gate.review.kept import Listings
    from gate.review.ports import Registry, Store, TrustedRoots
    from gate.review.tags import TagsOf

TAG_SECONDS: Final = 5.0

_TAGS: Final = Bounds(10_000, 0)
_GRACE: Final = 0.05  # seconds for images that notice the end of their time by themselves and say more
_CONCLUDING: Final = (0.25, 0.1)  # seconds, and share of the time, that asking leaves for deciding


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
        known: what the decision rests on, place by place; None where nothing was asked for, or could not be known.
        spent: what it cost.
    """

    subject: Subject
    decision: Decision
    reference: Reference | None = None
    digest: Digest | None = None
    pin: str | None = None
    evidence: Evidence = field(default_factory=Evidence)
    known: Known | None = field(default=None, compare=False, repr=False)
    spent: Spent = field(default=Spent(), compare=False)

    @property
    def resolved(self) -> str | None:
        """The text with `@digest`; None where no rule needed the digest."""
        if self.reference is None:
            return None
        digest = self.reference.digest or self.digest
        return self.reference.pinned(digest) if digest else None


@dataclass(frozen=True, slots=True)
class _Pending:
    """A review that is under way."""

    subject: Subject
    plan: Plan
    future: Future[ImageReview] = field(default_factory=Future)

    def result(self, seconds: float) -> ImageReview:
        """Its result, or after so many seconds that the time ran out: nobody waits longer than their own deadline."""
        try:
            return self.future.result(timeout=max(0.0, seconds))
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
        jobs: int = 32,
        threads: int | None = None,
        cache: bool = True,
        store: Store | None = None,
        seal: Callable[[Store], Listings] | None = None,
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
            store: what outlives a request; None for nothing.
            seal: makes of it what listings are kept in; None where nothing can be sealed.
            upstream: the name that a repository is judged by: that of its origin, where it is a mirror's.
        """
        self._registry = registry
        self._upstream = upstream
        self._roots = roots
        self._now = now
        self._jobs = jobs
        self._clock = clock
        self._threads = Threads(threads or jobs)
        self._store = store or Nothing()
        self._blobs = Blobs(self._store)
        self._sealed = seal(self._store) if seal is not None else None
        self._tags: FlightCache[Digest] = FlightCache(_TAGS, clock, lambda _: TAG_SECONDS if cache else 0.0)
        self._gatherer = Gatherer(
            registry,
            roots,
            self._blobs,
            self._sealed,
            clock,
            threads=self._threads,
            cache=cache,
        )
        self._platforms = Platforms(registry, self._blobs, self._threads.lanes, clock, cache=cache)
        bases = BaseFinder(self._gatherer, self._platforms, self.resolve, upstream)
        self._inquiry = Inquiry(self._gatherer, self._platforms, PredicateReader(), bases, self._threads, now)

    def close(self) -> None:
        """Stop taking work; what is under way ends with its deadline."""
        self._threads.close()
        self._store.close()

    @property
    def store_trouble(self) -> Mapping[str, int]:
        """How often, in this process, what outlives a request met trouble: `Store.counts`, and `corrupt`.

        `corrupt` are values that were not what they are called, or had no seal of ours: read as if they were not there.
        """
        corrupt = self._blobs.corrupt + (self._sealed.corrupt if self._sealed is not None else 0)
        return {**self._store.counts, "corrupt": corrupt}

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

        return look_up(tags, digest, resolve, self._threads.lanes.of(name.registry), deadline)

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
        storage = kept.of(reference.name)
        scope = self._registry.scope(storage.repository, deadline)
        place = Place(storage, digest, scope, reference.name, attestations=True)
        return stored, self._gatherer.survey(place, trust, deadline)

    def config(self, repository: Repository, manifest: Manifest, deadline: Deadline) -> ImageConfig:
        """What an image's publisher says of it.

        Raises:
            EvidenceUnavailable: it could not be read, or is no image configuration.
        """
        return self._platforms.config(repository, manifest, deadline)

    def review(
        self, policies: PolicySet, subjects: Sequence[Subject], stage: Stage, deadline: Deadline
    ) -> tuple[ImageReview, ...]:
        """Judge images, each by itself, those that need the registry side by side.

        Never raises for what one image does: what could not be known is in its decision.
        """
        begun = {subject: self._begin(policies, subject, stage) for subject in dict.fromkeys(subjects)}
        waiting = deque(pending for pending in begun.values() if isinstance(pending, _Pending))
        end = deadline.clock() + max(0.0, deadline.remaining()) + _GRACE
        for index in range(min(self._jobs, len(waiting))):
            (self._threads.images if index else self._threads.firsts).submit(self._work_off, waiting, deadline)
        reviews = {
            subject: found if isinstance(found, ImageReview) else found.result(end - deadline.clock())
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
        planned = plan(policies, reference, subject.workload, stage, self._now())
        if not planned.digest_wanted:
            return ImageReview(subject, conclude(planned, None, self._now()), reference)
        return self._at_hand(subject, planned) or _Pending(subject, planned)

    def _at_hand(self, subject: Subject, planned: Plan) -> ImageReview | None:
        """The review, if all it needs is in the cache; nobody is asked and nothing is verified."""
        reference = planned.reference
        scope = self._registry.known_scope(reference.name)
        if scope is None:
            return None
        digest = reference.digest or self._tags.peek((reference.name, reference.effective_tag, scope))
        if digest is None:
            return None
        known = self._inquiry.at_hand(planned, digest)
        if known is None:
            return None
        meter = Meter()
        for _ in range(1 + len(known.evidence) + (known.platforms is not None)):
            meter.hit()
        return self._conclude(subject, planned, known, meter)

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
        meter = Meter()
        asking = deadline.earlier(min(least, deadline.remaining() * share)).metered(meter)
        try:
            digest = self.resolve(planned.reference, asking)
        except EvidenceUnavailable as error:
            reason = Reason(error.code, error.message, error.remedy)
            return ImageReview(subject, unable(planned, reason), planned.reference, spent=meter.spent(self._clock()))
        return self._conclude(subject, planned, self._inquiry.known(planned, digest, asking), meter)

    def _conclude(self, subject: Subject, planned: Plan, known: Known, meter: Meter) -> ImageReview:
        begun = self._clock()
        decision = conclude(planned, known, self._now())
        meter.evaluated(self._clock() - begun)
        pin = planned.reference.pinned(known.digest) if planned.pins and not decision.verdict.stops else None
        places = [e for _, e in sorted(known.evidence.items())] + [e for _, e in sorted(known.by_platform.items())]
        found, spent = _merged(places), meter.spent(self._clock())
        return ImageReview(subject, decision, planned.reference, known.digest, pin, found, known, spent)


def _merged(found: Sequence[Evidence]) -> Evidence:
    if len(found) == 1:
        return found[0]
    return Evidence(
        tuple(s for e in found for s in e.signatures),
        tuple(a for e in found for a in e.attestations),
        tuple(r for e in found for r in e.rejected),
        tuple(u for e in found for u in e.unavailable),
        passed_over=tuple(dict.fromkeys(t for e in found for t in e.passed_over)),
    )
