"""The referrers listing (distribution-spec v1.1, "Listing Referrers"): pages, caps, and registries without the API.

The descriptors of a listing are hints: registries and clients get their `artifactType` and annotations wrong, so
nothing is filtered by them here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from gate.evidence.candidate import PREDICATE_TYPE
from gate.image.digest import Digest
from gate.image.manifest import Descriptor, Index, parse_manifest
from gate.registry.paging import broken, read_pages, too_many

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

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
_MAX_TYPES: Final = 32  # different ones in a list
_Type: TypeAlias = tuple[str, str, str]  # media type, artifact type, predicate type
_NO_TYPE: Final[_Type] = ("", "", "")


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
    found = _Entries()

    def read(response: Response) -> bool:
        if response.status != _OK:
            return False
        if response.headers.get(_FILTERED, "").strip():  # we ask for all there is, and by its own word this is less
            raise broken(_LIST, "was filtered, and nobody asked for that")
        page = parse_manifest(response.body)
        if not isinstance(page, Index):
            raise broken(_LIST, "is an image and no list")
        found.add(page.manifests)
        if found.count > MAX_ENTRIES:
            raise too_many(_LIST, f"{MAX_ENTRIES} entries")
        return True

    read_pages(path, get, read, _LIST, MAX_PAGES)
    return tuple(found.all())


class _Entries:
    """Entries, in few bytes while the next page is waited for: many wait for one, and it may never come.

    Of their types there are a few in each list. An entry of one too many says nothing of its type.
    """

    def __init__(self) -> None:
        self.count = 0
        self._pages: list[str] = []
        self._types: dict[_Type, int] = {_NO_TYPE: 0}

    def add(self, entries: Iterable[Descriptor]) -> None:
        lines = [f"{entry.digest} {entry.size} {self._number(_type_of(entry))}" for entry in entries]
        self.count += len(lines)
        self._pages.append("\n".join(lines))

    def all(self) -> Iterator[Descriptor]:
        types = list(self._types)
        for page in self._pages:
            for line in page.splitlines():
                digest, size, number = line.split(" ")
                media_type, artifact_type, said = types[int(number)]
                hints = {PREDICATE_TYPE: said} if said else {}
                yield Descriptor(media_type, Digest.parse(digest), int(size), hints, artifact_type)

    def _number(self, kind: _Type) -> int:
        if kind not in self._types and len(self._types) > _MAX_TYPES:
            return 0
        return self._types.setdefault(kind, len(self._types))


def _type_of(entry: Descriptor) -> _Type:
    said = entry.annotations.get(PREDICATE_TYPE, "")
    return (
        entry.media_type[:_LONGEST],
        entry.artifact_type[:_LONGEST],
        said if len(said) <= _LONGEST_URI else "",
    )
