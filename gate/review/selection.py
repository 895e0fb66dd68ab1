"""Which of what is listed is read: what some rule wants, and no more of it than the caps allow."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.evidence.dsse import COSIGN_SIGN
from gate.evidence.facts import Format, Unavailable
from gate.review.limits import MAX_ATTESTATIONS, MAX_BESIDE, MAX_CANDIDATES, MAX_PAYLOADS, MAX_SIGNATURES

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from gate.image.digest import Digest
    from gate.review.listing import Listed, Listing, Place

_ALWAYS: Final = frozenset({"", COSIGN_SIGN})  # what may be a signature


def selected(listing: Listing, place: Place, types: AbstractSet[str] | None) -> Listing:
    """The listing with the entries that are read.

    What an entry says that it is nobody has signed. Whoever lies there hides an attestation, as they could by removing
    it; none is made to count, for what is read is judged by the type in its signed bytes.

    Args:
        listing: of the place.
        place: where.
        types: the predicate types that rules want; None for all there are.
    """
    wanted = [e for e in listing.entries if types is None or e.predicate_type in _ALWAYS or e.predicate_type in types]
    others = sorted({e.predicate_type for e in listing.entries} - _ALWAYS - types) if types is not None else ()
    attested = types is None or bool(types)
    within = _within_caps(wanted, max(MAX_ATTESTATIONS, place.most) if attested else MAX_SIGNATURES)
    cut: tuple[Unavailable, ...] = ()
    was_cut = any(u.code is Code.RESPONSE_TOO_LARGE for u in listing.unavailable)
    if within < len(wanted) and not (was_cut or listing.growing):  # what is left out may have been the one that counts
        message = (
            f"{place.storage.repository}@{place.image.short} has more than {MAX_CANDIDATES} signatures, "
            f"{MAX_PAYLOADS} payloads, or the bytes of them that are read"
        )
        cut = (Unavailable(Code.RESPONSE_TOO_LARGE, message, "remove old signatures"),)
    return replace(
        listing,
        entries=tuple(wanted[:within]),
        unavailable=(*listing.unavailable, *cut),
        passed_over=tuple(others),
    )


def _within_caps(entries: list[Listed], most: int) -> int:
    """How many of the first are looked at; `most` is bytes of payloads."""
    payloads: set[Digest] = set()
    total = beside = 0
    for index, entry in enumerate(entries):
        beside += entry.beside
        if entry.format is not Format.NOTATION and entry.descriptor.digest not in payloads:
            payloads.add(entry.descriptor.digest)
            total += entry.descriptor.size
        if index >= MAX_CANDIDATES or len(payloads) > MAX_PAYLOADS or total > most or beside > MAX_BESIDE:
            return index
    return len(entries)
