"""The tags of a repository (distribution-spec v1.1, "Listing Tags")."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gate import strictjson
from gate.codes import Code
from gate.errors import EvidenceUnavailable, ParseError
from gate.registry.paging import read_pages

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.image.reference import Repository
    from gate.registry.guard.transport import Response

MAX_TAGS: Final = 10_000
"""Tags of one repository."""

MAX_PAGES: Final = 100
"""quay.io gives a hundred tags a page, however many are asked for."""

MAX_PAGE: Final = 4 * 1024 * 1024
"""Bytes of one page: gcr.io lists every manifest beside the tags."""

_PAGE: Final = 1000  # tags of a page that are asked for
_OK: Final = 200
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)


def collect(repository: Repository, get: Callable[[str], Response]) -> tuple[str, ...] | None:
    """Every tag once, in the registry's order; None where there is no such repository.

    Args:
        repository: whose tags.
        get: asks the registry for a path; its status is 200 or 404.

    Raises:
        ParseError: a page is no list of tags, or one of them is no tag.
        EvidenceUnavailable: RESPONSE_TOO_LARGE: more than `MAX_TAGS` or `MAX_PAGES`; REGISTRY_PROTOCOL: a page
            elsewhere, twice, or missing.
    """
    found: dict[str, None] = {}
    absent = False

    def read(response: Response) -> bool:
        nonlocal absent
        absent = response.status != _OK
        if absent:
            return False
        found.update(dict.fromkeys(_page(response.body)))
        if len(found) > MAX_TAGS:
            raise EvidenceUnavailable(
                Code.RESPONSE_TOO_LARGE, f"{repository} has more than the {MAX_TAGS} tags that are read", remedy=""
            )
        return True

    first = f"/v2/{repository.path}/tags/list?n={_PAGE}"
    read_pages(first, get, read, f"{repository}: the list of tags", MAX_PAGES)
    return None if absent else tuple(found)


def _page(content: bytes) -> list[str]:
    document = strictjson.as_object(strictjson.loads(content), "a list of tags")
    listed = strictjson.get(document, "tags")
    if listed is None and "tags" in document:
        return []  # Go's way to write a list of none
    if not isinstance(listed, list):
        raise ParseError("not a list of tags: it has no list `tags`")
    for tag in listed:
        if not isinstance(tag, str) or not _TAG.fullmatch(tag):
            raise ParseError(f"{str(tag)[:140]!r} is not a tag")
    return listed
