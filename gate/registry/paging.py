"""Lists that come in pages (distribution-spec v1.1; RFC 8288, `Link`): all of a list or an error, never less of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.guard.origin import Origin

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.registry.guard.transport import Response

_MAX_LINK: Final = 16 * 1024  # characters of a Link header
_OK: Final = 200
_AMISS: Final = "look at the registry and at what stands before it: proxies rewrite links, or fail to"
_FEWER: Final = "delete what nobody needs"
# RFC 8288, 3: `<target>; name=token; name="quoted"`, several with commas between.
_TARGET: Final = re.compile(r"[\s,]*<([^<>]*)>")
_PARAMETER: Final = re.compile(
    r"""\s*;\s*(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s,;"<>]*)))?""",
    re.ASCII,
)


def read_pages(
    path: str, get: Callable[[str], Response], read: Callable[[Response], bool], what: str, most: int
) -> None:
    """Have each page read, which is asked for when nothing is kept of the one before: they may be large.

    Args:
        path: of the first page.
        get: asks the registry for a path.
        read: is given each page, the first of whatever status `get` lets through, the others of 200; whether to go on.
        what: the list's name, for messages.
        most: pages that are read.

    Raises:
        EvidenceUnavailable: RESPONSE_TOO_LARGE: there are more; REGISTRY_PROTOCOL: a page elsewhere, twice, or missing.
            It says what was asked of whom: of the list, for where it goes on is the registry's to say.
    """
    first, host = path, ""
    seen: set[str] = set()
    try:
        for _ in range(most):
            response = get(path)
            host = Origin.of(response.url).name
            following = _read_page(response, read, what, first=not seen)
            del response  # not kept while the next is waited for
            if following is None:
                return
            seen.add(path)
            path = following
            if path in seen:
                raise broken(what, "goes on in a circle")
        raise too_many(what, f"{most} pages")
    except _Broken as error:
        message = f"{error.message} (asked {host} for {first.partition('?')[0]})"
        raise error.told(message, error.remedy) from None


class _Broken(EvidenceUnavailable):
    """A list that cannot be read to its end; of which registry is not said yet."""


def _read_page(response: Response, read: Callable[[Response], bool], what: str, *, first: bool) -> str | None:
    """The path of the page after it; None where it is the last."""
    if response.status != _OK and not first:
        raise _Broken(Code.REGISTRY_PROTOCOL, f"{what} breaks off with status {response.status}")
    if not read(response):
        return None
    link = _next(response.headers.get("link", ""), what)
    return None if link is None else _next_path(response.url, link, what)


def broken(what: str, how: str) -> EvidenceUnavailable:
    """A list that cannot be read to its end. Whoever reads pages for `read_pages` need not say of which registry."""
    return _Broken(Code.REGISTRY_PROTOCOL, f"{what} {how}", remedy=_AMISS)


def too_many(what: str, most: str) -> EvidenceUnavailable:
    """A list that is longer than what is read of one, as `broken`."""
    return _Broken(Code.RESPONSE_TOO_LARGE, f"{what} has more than {most}", remedy=_FEWER)


def _next(header: str, what: str) -> str | None:
    """The target of the one link that is `next`; None where there is none. A header half understood is an error."""
    if len(header) > _MAX_LINK:
        raise broken(what, f"has a Link of more than {_MAX_LINK} characters")
    found: set[str] = set()
    at = 0
    while target := _TARGET.match(header, at):
        at = target.end()
        while parameter := _PARAMETER.match(header, at):
            at = parameter.end()
            relations = parameter["quoted"] or parameter["bare"] or ""
            if parameter["name"].lower() == "rel" and "next" in relations.lower().split():
                found.add(target[1])
    if header[at:].strip(" \t,"):
        raise broken(what, "has a Link that cannot be read")
    if len(found) > 1:
        raise broken(what, "goes on at two places")
    return found.pop() if found else None


def _next_path(here: str, link: str, what: str) -> str:
    try:
        target, current = urlsplit(urljoin(here, link)), urlsplit(here)
    except ValueError as error:
        raise broken(what, "goes on at no URL") from error
    if (target.scheme, target.netloc) != (current.scheme, current.netloc):
        raise broken(what, "goes on elsewhere")
    return target.path + (f"?{target.query}" if target.query else "")
