"""The evidence of one place: listed, fetched and verified once however many ask, and kept as long as it may be.

What is kept where: listings and evidence for seconds, by place and trust; what came of a candidate for as long as the
trust roots are the same (`examine`); blobs by digest, and sealed listings, in a store (`kept`). No verdict is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.evidence.facts import Evidence, Unavailable
from gate.review.cache import Bounds, FlightCache, Kept
from gate.review.collect import Collector
from gate.review.contents import Contents
from gate.review.growing import Growing
from gate.review.listing import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor

    from gate.deadline import Deadline
    from gate.evidence.facts import Storage
    from gate.image.digest import Digest
    from gate.policy.evaluate import Plan
    from gate.policy.trust import TrustNeeds
    from gate.review.examine import Examiner
    from gate.review.kept import Blobs, Listings
    from gate.review.listing import Listing
    from gate.review.ports import Registry, TrustedRoots

EVIDENCE_SECONDS: Final = 10.0
"""That what is listed and verified counts for."""

UNSIGNED_SECONDS: Final = 3.0
"""The same where there is nothing: it may be about to be signed."""

_EVIDENCE: Final = Bounds(5_000, 32 * 1024 * 1024)
_LISTINGS: Final = Bounds(5_000, 16 * 1024 * 1024)
_LATE: Final = (Code.DEADLINE_EXCEEDED, Code.REGISTRY_TIMEOUT)
_ASKING: Final = 0.6  # share of the time
_UNREACHABLE: Final = frozenset({Code.REGISTRY_UNREACHABLE, *_LATE})


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What evidence is kept under.

    Attributes:
        whole: whether it has to be all there is, and not only as much as sufficed.
    """

    place: Place
    trust: TrustNeeds
    whole: bool = False


class Gatherer:
    """Gathers evidence. Thread-safe."""

    def __init__(
        self,
        registry: Registry,
        roots: TrustedRoots,
        blobs: Blobs,
        listings: Listings | None,
        clock: Callable[[], float],
        *,
        flights: Executor,
        requests: Executor,
        cache: bool,
    ) -> None:
        """Take collaborators.

        Args:
            registry: reads repositories.
            roots: trusted roots by name.
            blobs: kept from before, and for others.
            listings: likewise; None where nothing can be sealed.
            clock: monotonic, in seconds.
            flights: runs collections, and nothing that waits for one.
            requests: runs requests, and nothing that waits for one.
            cache: whether listings and evidence are kept for seconds.
        """
        self._registry = registry
        self._roots = roots
        self._clock = clock
        self._sealed = listings
        self._cache = cache
        self._collector = Collector(registry, blobs, requests)
        self._contents = Contents(registry, blobs, requests)
        self._examiner: Examiner | None = None
        self._growing: Growing[Listing] = Growing(flights)
        self._listings: Kept[Listing] = Kept(_LISTINGS, clock, lambda listing: listing.size)
        self._before: Kept[tuple[Listing, float]] = Kept(_LISTINGS, clock, lambda kept: kept[0].size)
        self._evidence: FlightCache[Evidence] = FlightCache(_EVIDENCE, clock, self._seconds, _size)

    def at_hand(self, planned: Plan, source: Storage, digest: Digest) -> Evidence | None:
        """What is in the cache; nobody is asked and nothing is verified."""
        scope = self._registry.known_scope(source.repository)
        if scope is None:
            return None
        wanted = _wanted(planned, source, digest, scope)
        return self._evidence.peek(replace(wanted, whole=True)) or self._evidence.peek(wanted)

    def gather(
        self, planned: Plan, source: Storage, digest: Digest, deadline: Deadline, enough: Callable[[Evidence], bool]
    ) -> Evidence:
        """The evidence of one place, at least as much as is enough; what could not be had is in it.

        Args:
            planned: what it is for.
            source: where it is kept.
            digest: of the image.
            deadline: for asking.
            enough: whether what there is decides, whatever else may come.
        """
        try:
            scope = self._registry.scope(source.repository, deadline)
            wanted = _wanted(planned, source, digest, scope)
            found = self._get(wanted, planned, deadline, enough)
            if found.partial and not enough(found):  # it sufficed somebody else
                found = self._get(replace(wanted, whole=True), planned, deadline, lambda _: False)
        except EvidenceUnavailable as error:
            return Evidence(unavailable=(Unavailable(error.code, error.message, error.remedy),))
        return found

    def survey(self, place: Place, trust: TrustNeeds, deadline: Deadline) -> Evidence:
        """Everything there is in a place, with what the rejected claims of itself; nothing of it is kept."""
        (*_, listing) = self._collector.collect(place, deadline)
        return self._examine(place, listing, trust, deadline, claims=True)

    def _get(self, wanted: _Wanted, planned: Plan, deadline: Deadline, enough: Callable[[Evidence], bool]) -> Evidence:
        most = planned.stale_if_error
        # Where something may stand in, it has some of the time.
        share = _ASKING if most and self._last(wanted.place, most) is not None else 1.0
        asking = deadline.sooner(deadline.remaining() * share)

        def load() -> Evidence:
            evidence = Evidence()
            for listing in self._versions(wanted.place, most, asking):
                evidence = self._examine(wanted.place, listing, wanted.trust, deadline)
                if evidence.partial and enough(evidence):
                    break
            return self._stood_in(wanted.place, wanted.trust, evidence, most, deadline) if most else evidence

        return self._evidence.get(wanted, load, deadline, timed_out=_is_timed_out)

    def _versions(self, place: Place, most: float, deadline: Deadline) -> Iterator[Listing]:
        """A listing as it grows; of who was short of time another is begun."""
        known = self._listings.peek(place) or self._from_store(place)
        while known is None:
            watching = self._growing.watch(
                place, partial(self._collector.collect, place, deadline), partial(self._land, place, most)
            )
            for listing in watching.versions(deadline):
                if listing.growing:
                    yield listing
                elif watching.leads or not listing.timed_out or deadline.remaining() <= 0:
                    known = listing
        yield known

    def _from_store(self, place: Place) -> Listing | None:
        """What another process listed just now."""
        found = self._sealed.get(place) if self._sealed is not None and self._cache else None
        if found is None:
            return None
        listing, age = found
        left = _seconds_of(listing) - age
        self._listings.store(place, listing, left)
        return listing if left > 0 else None

    def _land(self, place: Place, most: float, listing: Listing) -> None:
        """Keep a complete listing: for seconds, and for as long as it may stand in for the next."""
        if not listing.complete or not self._cache:
            return
        self._listings.store(place, listing, _seconds_of(listing))
        self._before.store(place, (listing, self._clock()), most)
        if self._sealed is not None:
            self._sealed.put(place, listing, max(most, EVIDENCE_SECONDS))

    def _stood_in(self, place: Place, trust: TrustNeeds, found: Evidence, most: float, deadline: Deadline) -> Evidence:
        """The same; or, where the registry could not be reached, what it listed before (POLICY §2, `staleIfError`)."""
        reasons = found.unavailable
        if not reasons or not all(r.code in _UNREACHABLE for r in reasons):
            return found
        before = self._last(place, most)
        if before is None:
            return found
        listing, age = before
        evidence = self._examine(place, listing, trust, deadline)
        repository = place.storage.repository
        message = f"what {repository} listed {age:.0f} s ago stands in for it (staleIfError): {reasons[0].message}"
        return replace(evidence, stale=message)

    def _last(self, place: Place, most: float) -> tuple[Listing, float] | None:
        """The last complete listing that is at most so many seconds old, and its age."""
        kept = self._before.peek(place)
        found = (kept[0], self._clock() - kept[1]) if kept is not None else None
        if found is None and self._sealed is not None:
            found = self._sealed.get(place)
        return found if found is not None and found[1] <= most else None

    def _examine(
        self, place: Place, listing: Listing, trust: TrustNeeds, deadline: Deadline, *, claims: bool = False
    ) -> Evidence:
        if self._examiner is None:
            from gate.review.examine import Examiner  # noqa: PLC0415 - it brings all of the cryptography

            self._examiner = Examiner(self._contents, self._roots)
        return self._examiner.examine(place, listing, trust, deadline, claims=claims)

    def _seconds(self, evidence: Evidence) -> float:
        """That evidence is kept for."""
        if not self._cache or evidence.unavailable or evidence.stale:
            return 0.0
        found = evidence.signatures or evidence.attestations
        return EVIDENCE_SECONDS if found else UNSIGNED_SECONDS


def _wanted(planned: Plan, source: Storage, digest: Digest, scope: str) -> _Wanted:
    return _Wanted(Place(source, digest, scope, planned.reference.name, planned.attestations), planned.trust)


def _seconds_of(listing: Listing) -> float:
    return EVIDENCE_SECONDS if listing.entries else UNSIGNED_SECONDS


def _is_timed_out(evidence: Evidence) -> bool:
    return any(u.code in _LATE for u in evidence.unavailable)


def _size(evidence: Evidence) -> int:
    """Bytes, about."""
    statements = sum(len(a.statement) for a in evidence.attestations)
    return statements + 2000 * (len(evidence.signatures) + len(evidence.attestations) + len(evidence.rejected))
