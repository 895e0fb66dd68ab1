"""The use case: each image planned, resolved, its evidence collected and verified, and decided, within a deadline."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import EvidenceUnavailable, ParseError
from gate.evidence.facts import Evidence
from gate.image.reference import Reference
from gate.policy.decision import Decision, Reason
from gate.policy.evaluate import Plan, Stage, Workload, conclude, invalid, plan, unable
from gate.review.cache import FlightCache
from gate.review.collect import Collector, Listing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gate.deadline import Deadline
    from gate.image.digest import Digest
    from gate.image.reference import Repository
    from gate.policy.policy import PolicySet
    from gate.review.ports import Registry

TAG_SECONDS: Final = 5.0
LISTING_SECONDS: Final = 10.0
_TAGS: Final = 10_000
_LISTINGS: Final = 5_000
_GRACE: Final = 0.05  # seconds for a review that notices the end of its time by itself and says more
_REQUESTS: Final = 32  # registry requests at once


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
class _Pending:
    """A review that is under way."""

    subject: Subject
    plan: Plan
    future: Future[ImageReview]

    def result(self, deadline: Deadline) -> ImageReview:
        """Its result, or that the time ran out: nobody waits longer than their own deadline."""
        try:
            return self.future.result(timeout=max(0.0, deadline.remaining()) + _GRACE)
        except FutureTimeout:
            self.future.cancel()
            reason = Reason(Code.DEADLINE_EXCEEDED, "the time allowed ran out before the image was judged", "retry")
            return ImageReview(self.subject, unable(self.plan, reason), self.plan.reference)


class Reviewer:
    """Judges images. Thread-safe; one for a process."""

    def __init__(self, registry: Registry, clock: Callable[[], float], *, jobs: int = 8, cache: bool = True) -> None:
        """Args: `clock` monotonic in seconds; `jobs` images at a time; `cache` whether answers are kept for seconds."""
        self._registry = registry
        self._images = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="image")
        self._requests = ThreadPoolExecutor(max_workers=_REQUESTS, thread_name_prefix="request")
        self._collector = Collector(registry, self._requests)
        self._tags: FlightCache[Digest] = FlightCache(TAG_SECONDS if cache else 0.0, _TAGS, clock)
        self._listings: FlightCache[Listing] = FlightCache(LISTING_SECONDS if cache else 0.0, _LISTINGS, clock)

    def close(self) -> None:
        """Stop taking work; what is under way ends with its deadline."""
        for pool in (self._images, self._requests):
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
        key = (name, tag, self._registry.scope(name))
        return self._tags.get(key, lambda: self._registry.resolve(name, tag, deadline), deadline, keep=lambda _: True)

    def review(
        self, policies: PolicySet, subjects: Sequence[Subject], stage: Stage, deadline: Deadline
    ) -> tuple[ImageReview, ...]:
        """Judge images, each by itself, those that need the registry side by side.

        Never raises for what one image does: what could not be known is in its decision.
        """
        open_: list[ImageReview | _Pending] = []
        memo: dict[Subject, ImageReview | _Pending] = {}
        for subject in subjects:
            if subject not in memo:
                memo[subject] = self._start(policies, subject, stage, deadline)
            open_.append(memo[subject])
        return tuple(r if isinstance(r, ImageReview) else r.result(deadline) for r in open_)

    def _start(self, policies: PolicySet, subject: Subject, stage: Stage, deadline: Deadline) -> ImageReview | _Pending:
        """The review, at once where nothing has to be fetched."""
        try:
            reference = Reference.parse(subject.text)
        except ParseError as error:
            return ImageReview(
                subject,
                invalid(policies, subject.workload, Reason(Code.REFERENCE_INVALID, error.message, error.remedy)),
            )
        planned = plan(policies, reference, subject.workload, stage)
        if not planned.digest_wanted:
            return ImageReview(subject, conclude(planned, None, {}), reference)
        try:
            at_hand = self._at_hand(planned)
        except EvidenceUnavailable:
            at_hand = None  # credentials that can't be had: said where they are wanted, in `_finish`
        if at_hand is not None:
            return self._conclude(subject, planned, *at_hand)
        return _Pending(subject, planned, self._images.submit(self._finish, subject, planned, deadline))

    def _at_hand(self, planned: Plan) -> tuple[Digest, Mapping[Repository, Listing]] | None:
        """Digest and listings, if all are in the cache."""
        reference = planned.reference
        tag = reference.effective_tag
        digest = reference.digest or self._tags.peek((reference.name, tag, self._registry.scope(reference.name)))
        if digest is None:
            return None
        home = reference.name
        found = {source: self._listings.peek(self._listing_key(source, digest, home)) for source in planned.sources}
        complete = {source: listing for source, listing in found.items() if listing is not None}
        return (digest, complete) if len(complete) == len(found) else None

    def _finish(self, subject: Subject, planned: Plan, deadline: Deadline) -> ImageReview:
        try:
            digest = self.resolve(planned.reference, deadline)
            home = planned.reference.name
            listings = {source: self._listing(source, digest, home, deadline) for source in sorted(planned.sources)}
        except EvidenceUnavailable as error:
            reason = Reason(error.code, error.message, error.remedy)
            return ImageReview(subject, unable(planned, reason), planned.reference)
        return self._conclude(subject, planned, digest, listings)

    def _conclude(
        self, subject: Subject, planned: Plan, digest: Digest, listings: Mapping[Repository, Listing]
    ) -> ImageReview:
        evidence = {source: listing.verified(planned.keys) for source, listing in listings.items()}
        decision = conclude(planned, digest, evidence)
        pin = planned.reference.pinned(digest) if planned.pins and not decision.verdict.stops else None
        return ImageReview(subject, decision, planned.reference, digest, pin, _merged(evidence))

    def _listing_key(
        self, source: Repository, digest: Digest, home: Repository
    ) -> tuple[Repository, Digest, str, Repository]:
        return (source, digest, self._registry.scope(source), home)

    def _listing(self, source: Repository, digest: Digest, home: Repository, deadline: Deadline) -> Listing:
        def load() -> Listing:
            return self._collector.collect(source, digest, deadline, home=home)

        key = self._listing_key(source, digest, home)
        return self._listings.get(key, load, deadline, keep=lambda found: found.complete)


def _merged(evidence: Mapping[Repository, Evidence]) -> Evidence:
    found = [e for _, e in sorted(evidence.items())]
    return Evidence(
        tuple(s for e in found for s in e.signatures),
        tuple(r for e in found for r in e.rejected),
        tuple(u for e in found for u in e.unavailable),
    )
