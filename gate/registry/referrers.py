"""The referrers listing (distribution-spec v1.1, "Listing Referrers"): pages, caps, and registries without the API.

The descriptors of a listing are hints: registries and clients get their `artifactType` and annotations wrong, so
nothing is filtered by them here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.evidence.candidate import PREDICATE_TYPE
from gate.image.manifest import Descriptor, Index, parse_manifest
from gate.registry.paging import broken, read_pages, too_many

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.registry.guard.transport import Response

NO_API: Final = frozenset({400, 404, 405, 406})
"""What registries without the API answer; the fallback tag is asked in any case."""

MAX_PAGES: Final = 10
MAX_ENTRIES: Final = 1_000
"""Of one image; a review reads a part of them."""

_OK: Final = 200
_FILTERED: Final = "oci-filters-applied"
_LIST: Final = "the list of referrers"
_LONGEST: Final = 255  # characters of a media type (RFC 6838, 4.2)
_LONGEST_URI: Final = 303  # characters of a predicate type; longer ones say nothing


def collect(path: str, get: Callable[[str], Response]) -> tuple[Descriptor, ...]:
    """Every page's descriptors, and of their annotations what they say of a bundle.

    Args:
        path: of the first page.
        get: asks the registry for a path; its status is 200 or one of `NO_API`.

    Raises:
        ParseError: a page is no index.
        EvidenceUnavailable: RESPONSE_TOO_LARGE: more than `MAX_PAGES` or `MAX_ENTRIES`; REGISTRY_PROTOCOL: a page
            elsewhere, or twice, or filtered.
    """
    found: list[Descriptor] = []

    def read(response: Response) -> bool:
        if response.status != _OK:
            return False
        if response.headers.get(_FILTERED, "").strip():  # we ask for all there is, and by its own word this is less
            raise broken(_LIST, "was filtered, and nobody asked for that")
        page = parse_manifest(response.body)
        if not isinstance(page, Index):
            raise broken(_LIST, "is an image and no list")
        found.extend(map(_kept, page.manifests))
        if len(found) > MAX_ENTRIES:
            raise too_many(_LIST, f"{MAX_ENTRIES} entries")
        return True

    read_pages(path, get, read, _LIST, MAX_PAGES)
    return tuple(found)


def _kept(entry: Descriptor) -> Descriptor:
    """No more than is looked at, while the next page is waited for."""
    said = entry.annotations.get(PREDICATE_TYPE, "")
    hints = {PREDICATE_TYPE: said} if 0 < len(said) <= _LONGEST_URI else {}
    return Descriptor(entry.media_type[:_LONGEST], entry.digest, entry.size, hints, entry.artifact_type[:_LONGEST])
