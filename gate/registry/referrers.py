"""The referrers listing (distribution-spec v1.1, "Listing Referrers"): pages, caps, and registries without the API.

The descriptors of a listing are hints: registries and clients get their `artifactType` and annotations wrong, so
nothing is filtered by them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.manifest import Index, parse_manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.image.manifest import Descriptor
    from gate.registry.transport import Response

NO_API: Final = frozenset({400, 404, 405, 406})
"""What registries without the API answer; the fallback tag is asked in any case."""

MAX_PAGES: Final = 10
_MAX_LINK: Final = 8192  # characters of a Link header that are looked at
_OK: Final = 200
_NEXT: Final = re.compile(r'<([^<>]*)>\s*;[^,<>]*\brel\s*=\s*"?next"?', re.IGNORECASE)


def collect(path: str, get: Callable[[str], Response]) -> tuple[Descriptor, ...]:
    """Every page's descriptors.

    Args:
        path: of the first page.
        get: asks the registry for a path; its status is 200 or one of `NO_API`.

    Raises:
        ParseError: a page is no index.
        EvidenceUnavailable: RESPONSE_TOO_LARGE: more pages than `MAX_PAGES`; REGISTRY_PROTOCOL: a page elsewhere,
            or twice.
    """
    found: list[Descriptor] = []
    seen: set[str] = set()
    for _ in range(MAX_PAGES):
        seen.add(path)
        response = get(path)
        if response.status != _OK and len(seen) > 1:
            raise _broken(f"breaks off with status {response.status}")
        if response.status != _OK:
            return ()
        page = parse_manifest(response.body)
        if not isinstance(page, Index):
            raise _broken("is an image and no list")
        found.extend(page.manifests)
        link = _NEXT.search(response.headers.get("link", "")[:_MAX_LINK])
        if link is None:
            return tuple(found)
        path = _next_path(response.url, link[1], seen)
    raise EvidenceUnavailable(
        Code.RESPONSE_TOO_LARGE, f"the list of referrers has more than {MAX_PAGES} pages", remedy=""
    )


def _next_path(here: str, link: str, seen: set[str]) -> str:
    try:
        target, current = urlsplit(urljoin(here, link)), urlsplit(here)
    except ValueError as error:
        raise _broken("goes on at no URL") from error
    path = target.path + (f"?{target.query}" if target.query else "")
    if (target.scheme, target.netloc) != (current.scheme, current.netloc) or path in seen:
        raise _broken("goes on elsewhere or in a circle")
    return path


def _broken(how: str) -> EvidenceUnavailable:
    return EvidenceUnavailable(Code.REGISTRY_PROTOCOL, f"the list of referrers {how}", remedy="")
