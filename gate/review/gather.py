"""The evidence of one place: listed, fetched and verified once however many ask, and kept as long as it may be.

What is kept where: listings and evidence for seconds, by place and trust; what came of a candidate for as long as the
trust roots are the same (`examine`); blobs by digest, and sealed listings, in a store (`kept`). No verdict is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from gate.errors import EvidenceUnavailable
from gate.evidence.facts import Evidence, Unavailable
from gate.policy.evaluate import early_rules
from gate.review.cache import Bounds, FlightCache
from gate.review.contents import Contents
from gate.review.lister import EVIDENCE_SECONDS, UNSIGNED_SECONDS, Lister
from gate.review.listing import Listing, Place
from gate.review.selection import selected

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.deadline import Deadline
    from gate.evidence.facts import Storage
    from gate.image.digest import Digest
    from gate.policy.plan import Plan
    from gate.policy.policy import SignatureRequirement
    from gate.policy.trust import TrustNeeds
    from gate.review.examine import Examiner
    from gate.review.kept import Blobs, Listings
    from gate.review.ports import Registry, TrustedRoots
    from gate.review.threads import Threads

MAX_EVIDENCE_BYTES: Final = 8 * 1024 * 1024
"""Bytes of the evidence in memory, about."""

_BOUNDS: Final = Bounds(5_000, MAX_EVIDENCE_BYTES)
_ASKING: Final = 0.6  # share of the time, where something may stand in


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What evidence is kept under.

    Attributes:
        types: the predicate types that are wanted.
        early: the rules that it may suffice before it is whole; () where it has to be all there is.
    """

    place: Place
    trust: TrustNeeds
    types: frozenset[str] = frozenset()
    early: tuple[SignatureRequirement, ...] = ()


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
        threads: Threads,
        cache: bool,
    ) -> None:
        """Take collaborators.

        Args:
            registry: reads repositories.
            roots: trusted roots by name.
            blobs: kept from before, and for others.
            listings: likewise; None where nothing can be sealed.
            clock: monotonic, in seconds.
            threads: of this process.
            cache: whether listings and evidence are kept for seconds.
        """
        self._registry = registry
        self._roots = roots
        self._cache = cache
        self._clock = clock
        self._contents = Contents(registry, blobs, threads.lanes)
        self._lister = Lister(registry, listings, clock, threads, cache=cache)
        self._evidence: FlightCache[Evidence] = FlightCache(_BOUNDS, clock, self._seconds, _size)

    def at_hand(self, planned: Plan, source: Storage, digest: Digest) -> Evidence | None:
        """What is in the cache; nobody is asked and nothing is verified."""
        scope = self._registry.known_scope(source.repository)
        if scope is None:
            return None
        wanted = _wanted(planned, source, digest, scope)
        return self._evidence.peek(replace(wanted, early=())) or self._evidence.peek(wanted)

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
            found = self._get(wanted, planned.stale_if_error, deadline, enough)
            if found.partial and not enough(found):  # it sufficed a moment ago
                found = self._get(replace(wanted, early=()), planned.stale_if_error, deadline, lambda _: False)
        except EvidenceUnavailable as error:
            return Evidence(unavailable=(Unavailable.of(error),))
        return found

    def survey(self, place: Place, trust: TrustNeeds, deadline: Deadline) -> Evidence:
        """Everything there is in a place, with what the rejected claims of itself; nothing of it is kept."""
        listing = selected(self._lister.whole(place, deadline), place, None)
        return self._examiner.examine(place, listing, trust, deadline, claims=True)

    def _get(self, wanted: _Wanted, stale: float, deadline: Deadline, enough: Callable[[Evidence], bool]) -> Evidence:
        place, until = wanted.place, 0.0

        def load() -> Evidence:
            nonlocal until
            begun = self._clock()
            self._lister.recall(place, stale)
            may_stand_in = stale > 0 and self._lister.last(place, stale) is not None
            asking = deadline.sooner(deadline.remaining() * _ASKING) if may_stand_in else deadline
            evidence, listing = Evidence(), Listing(place.image, ())
            for listing in self._lister.versions(place, stale, asking):
                if listing.growing and not wanted.early:
                    continue  # all of it is wanted
                until = self._lister.until(place, begun)  # however slow payloads are
                evidence = self._examine(wanted, listing, deadline)
                if evidence.partial and enough(evidence):
                    return evidence
            return self._stood_in(wanted, evidence, listing, stale, deadline) if may_stand_in else evidence

        def seconds(evidence: Evidence) -> float:
            return min(self._seconds(evidence), until - self._clock())

        return self._evidence.get(wanted, load, deadline, timed_out=_is_timed_out, seconds=seconds)

    def _stood_in(
        self, wanted: _Wanted, evidence: Evidence, listing: Listing, stale: float, deadline: Deadline
    ) -> Evidence:
        """The same; or, where the registry could not be reached, of what it listed before (POLICY §2).

        One of which a part was heard can be reached: what is gone from there is not brought back. One that was not
        asked, or too late, may be there: it was our doing.
        """
        before = self._lister.last(wanted.place, stale) if listing.away else None
        if before is None:
            return evidence
        found = self._examine(wanted, before[0], deadline)
        repository = wanted.place.storage.repository
        why = listing.unavailable[0].message
        message = f"what {repository} listed {before[1]:.0f} s ago stands in for it (staleIfError): {why}"
        return replace(found, stale=message, hurried=listing.timed_out)

    def _examine(self, wanted: _Wanted, listing: Listing, deadline: Deadline) -> Evidence:
        listing = selected(listing, wanted.place, wanted.types)
        return self._examiner.examine(wanted.place, listing, wanted.trust, deadline)

    @cached_property
    def _examiner(self) -> Examiner:
        """Made when something has to be examined: it brings all of the cryptography."""
        from gate.review.examine import Examiner  # noqa: PLC0415

        return Examiner(self._contents, self._roots)

    def _seconds(self, evidence: Evidence) -> float:
        """That evidence is kept for."""
        if not self._cache or evidence.unavailable or evidence.stale:
            return 0.0
        found = evidence.signatures or evidence.attestations
        return EVIDENCE_SECONDS if found else UNSIGNED_SECONDS


def _wanted(planned: Plan, source: Storage, digest: Digest, scope: str) -> _Wanted:
    place = Place(source, digest, scope, planned.reference.name, bool(planned.types), planned.attestation_bytes)
    return _Wanted(place, planned.trust, planned.types, early_rules(planned, source))


def _is_timed_out(evidence: Evidence) -> bool:
    return evidence.hurried or any(u.hurried for u in evidence.unavailable)


def _size(evidence: Evidence) -> int:
    """Bytes, about."""
    statements = sum(len(a.statement) for a in evidence.attestations)
    named = sum(100 + len(text) for text in evidence.passed_over)
    return statements + named + 2000 * (len(evidence.signatures) + len(evidence.attestations) + len(evidence.rejected))
