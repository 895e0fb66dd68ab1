"""Listings of places: one flight for all who ask, kept for seconds here, and sealed for others."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from gate.errors import EvidenceUnavailable
from gate.evidence.facts import Unavailable
from gate.review.cache import Bounds, Kept
from gate.review.collect import Collector
from gate.review.growing import Growing
from gate.review.listing import Listing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate.deadline import Deadline
    from gate.review.kept import Listings
    from gate.review.listing import Place
    from gate.review.ports import Registry
    from gate.review.threads import Threads

EVIDENCE_SECONDS: Final = 10.0
"""That what is listed and verified counts for."""

UNSIGNED_SECONDS: Final = 3.0
"""The same where there is nothing: it may be about to be signed."""

MAX_LISTING_BYTES: Final = 8 * 1024 * 1024
"""Bytes of the listings in memory, about; as many again of those that may stand in for later ones."""

_BOUNDS: Final = Bounds(5_000, MAX_LISTING_BYTES)
_LANDING: Final = (0.25, 0.1)  # seconds, and share of the time, that a flight leaves to those who watch it


class Lister:
    """Lists places. Thread-safe."""

    def __init__(
        self,
        registry: Registry,
        sealed: Listings | None,
        clock: Callable[[], float],
        threads: Threads,
        *,
        cache: bool,
    ) -> None:
        """As `Gatherer`."""
        self._clock = clock
        self._sealed = sealed
        self._cache = cache
        self._collector = Collector(registry, threads.lanes)
        self._growing: Growing[Place, Listing] = Growing(
            lambda place: threads.flights.of(place.storage.repository.registry)
        )
        self._fresh: Kept[Listing] = Kept(_BOUNDS, clock, lambda listing: listing.size)
        self._last: Kept[tuple[Listing, float]] = Kept(_BOUNDS, clock, lambda kept: kept[0].size)

    def whole(self, place: Place, deadline: Deadline) -> Listing:
        """All there is now, whatever is kept."""
        (*_, listing) = self._collector.collect(place, deadline)
        return listing

    def recall(self, place: Place, stale: float) -> None:
        """Take in what another process listed, where nothing is known here: the store is asked nowhere else.

        Args:
            place: that is about to be listed.
            stale: seconds that a listing may stand in for a later one.
        """
        if self._sealed is None or not self._cache or self._fresh.peek(place) is not None:
            return
        found = self._sealed.get(place)
        if found is None:
            return
        listing, age = found
        at = self._clock() - age
        known = self._last.peek(place)
        if known is not None and known[1] >= at:
            return  # what is known here is newer: whoever can write to the store may have put an old one back
        self._fresh.store(place, listing, _seconds_of(listing) - age)
        self._last.store(place, (listing, at), max(stale, EVIDENCE_SECONDS) - age)

    def versions(self, place: Place, stale: float, deadline: Deadline) -> Iterator[Listing]:
        """What is listed, as it grows; of a flight that was much shorter of time than this one another is begun.

        Args:
            place: to list.
            stale: seconds that the listing may stand in for a later one.
            deadline: of who asks; the flight ends a little before it, so that what it found can be told.
        """
        known = self._fresh.peek(place)
        if known is not None and deadline.meter is not None:
            deadline.meter.hit()
        while known is None:
            least, share = _LANDING
            flying = deadline.earlier(min(least, deadline.remaining() * share))
            grow, land = partial(self._collector.collect, place), partial(self._land, place, stale, self._clock())
            watching = self._growing.watch(place, grow, land, flying)
            seen = Listing(place.image, ())
            try:
                for listing in watching.versions(deadline):
                    seen = listing
                    if listing.growing and listing.entries:
                        yield listing
                if watching.leads or not (seen.timed_out and deadline.outlasts(watching.left)):
                    known = seen
            except EvidenceUnavailable as error:  # this one's time: what is known so far is known
                missing = Unavailable.of(error)
                known = replace(seen, unavailable=(*seen.unavailable, missing), growing=False)
        yield known

    def until(self, place: Place, begun: float) -> float:
        """The instant until which what was listed since `begun`, or before by another, counts."""
        kept = self._last.peek(place)
        return (begun if kept is None else kept[1]) + EVIDENCE_SECONDS

    def last(self, place: Place, most: float) -> tuple[Listing, float] | None:
        """The last complete listing, by whoever, that is at most so many seconds old, and its age."""
        kept = self._last.peek(place)
        age = self._clock() - kept[1] if kept is not None else 0.0
        return (kept[0], age) if kept is not None and age <= most else None

    def _land(self, place: Place, stale: float, begun: float, listing: Listing) -> None:
        """Keep a complete listing, of which the first part may be as old as its beginning.

        For seconds, and for as long as it may stand in for the next: at least for as long as it shows that another is
        older.
        """
        if not listing.complete or not self._cache:
            return
        listing = listing.uncharged()
        self._fresh.store(place, listing, _seconds_of(listing) - (self._clock() - begun))
        self._last.store(place, (listing, begun), max(stale, EVIDENCE_SECONDS))
        if self._sealed is not None:
            self._sealed.put(place, listing, max(stale, EVIDENCE_SECONDS), self._clock() - begun)


def _seconds_of(listing: Listing) -> float:
    return EVIDENCE_SECONDS if listing.entries else UNSIGNED_SECONDS
