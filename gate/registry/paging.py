"""Lists that come in pages (distribution-spec v1.1; RFC 8288, `Link`): all of a list or an error, never less of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from gate.codes import Code
from gate.errors import EvidenceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate.registry.transport import Response

_MAX_LINK: Final = 8192  # characters of a Link header that are looked at
_OK: Final = 200
_NEXT: Final = re.compile(r'<([^<>]*)>\s*;[^,<>]*\brel\s*=\s*"?next"?', re.IGNORECASE)


def pages(path: str, get: Callable[[str], Response], what: str, most: int) -> Iterator[Response]:
    """Each page, asked for when the one before has been looked at.

    The first has whatever status `get` lets through, the others 200.

    Args:
        path: of the first page.
        get: asks the registry for a path.
        what: the list's name, for messages.
        most: pages that are read.

    Raises:
        EvidenceUnavailable: RESPONSE_TOO_LARGE: there are more; REGISTRY_PROTOCOL: a page elsewhere, twice, or missing.
    """
    seen: set[str] = set()
    for _ in range(most):
        seen.add(path)
        response = get(path)
        if response.status != _OK and len(seen) > 1:
            raise broken(what, f"breaks off with status {response.status}")
        yield response
        link = _NEXT.search(response.headers.get("link", "")[:_MAX_LINK])
        if link is None:
            return
        path = _next_path(response.url, link[1], what)
        if path in seen:
            raise broken(what, "goes on in a circle")
    raise EvidenceUnavailable(Code.RESPONSE_TOO_LARGE, f"{what} has more than {most} pages", remedy="")


def broken(what: str, how: str) -> EvidenceUnavailable:
    """A list that cannot be read to its end."""
    return EvidenceUnavailable(Code.REGISTRY_PROTOCOL, f"{what} {how}", remedy="")


def _next_path(here: str, link: str, what: str) -> str:
    try:
        target, current = urlsplit(urljoin(here, link)), urlsplit(here)
    except ValueError as error:
        raise broken(what, "goes on at no URL") from error
    if (target.scheme, target.netloc) != (current.scheme, current.netloc):
        raise broken(what, "goes on elsewhere")
    return target.path + (f"?{target.query}" if target.query else "")
