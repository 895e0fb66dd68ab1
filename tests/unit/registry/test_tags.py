from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable, ParseError
from gate.image.reference import Repository
from gate.registry.guard.transport import Response
from gate.registry.tags import MAX_PAGES, MAX_TAGS, collect

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Repository("registry.test", "acme/api")
LIST = "/v2/acme/api/tags/list"
FIRST = f"{LIST}?n=1000"
BASE = "https://registry.test"


def _list(*tags: object) -> bytes:
    return json.dumps({"name": "acme/api", "tags": tags}).encode()


def _next(path: str) -> str:
    return f'<{path}>; rel="next"'


def _pages(pages: dict[str, tuple[bytes, str]]) -> Callable[[str], Response]:
    def get(path: str) -> Response:
        if path not in pages:
            return Response(404, {}, b"", BASE + path)
        body, link = pages[path]
        return Response(200, {"link": link} if link else {}, body, BASE + path)

    return get


def _one(body: bytes) -> tuple[str, ...] | None:
    return collect(REPOSITORY, _pages({FIRST: (body, "")}))


def _failure(get: Callable[[str], Response]) -> EvidenceUnavailable:
    with pytest.raises(EvidenceUnavailable) as caught:
        collect(REPOSITORY, get)
    assert str(REPOSITORY) in caught.value.message
    return caught.value


@pytest.mark.parametrize("tags", [(), ("v1",), ("v2", "v1", "_x", "A.b-c_9", "1" * 128, "0")])
def test_the_order_is_the_registrys(tags: tuple[str, ...]) -> None:
    assert _one(_list(*tags)) == tags


@pytest.mark.parametrize(
    "body",
    [
        b'{"name":"acme/api","tags":null}',
        b'{"tags":[]}',
        b'{"child":[],"manifest":{"sha256:x":{"tag":["v1"]}},"name":"acme/api","tags":[]}',
    ],
)
def test_none_in_every_registrys_words(body: bytes) -> None:
    """distribution writes null; gcr.io lists manifests beside the tags."""
    assert _one(body) == ()


def test_no_repository_is_not_a_repository_without_tags() -> None:
    assert collect(REPOSITORY, _pages({})) is None


def test_pages_are_read_to_the_end_and_tags_count_once() -> None:
    second = f"{LIST}?n=1000&last=b"
    pages = {FIRST: (_list("a", "b"), _next(second)), second: (_list("b", "c"), "")}
    assert collect(REPOSITORY, _pages(pages)) == ("a", "b", "c")


@pytest.mark.parametrize(
    "link", [_next(f"{LIST}?last=a"), _next(FIRST), _next("https://evil.test/x"), _next("//["), _next("http:" + FIRST)]
)
def test_a_list_that_does_not_end_well_is_not_a_shorter_list(link: str) -> None:
    """A page that is missing, a circle, another host, no URL, another scheme."""
    assert _failure(_pages({FIRST: (_list("a"), link)})).code is Code.REGISTRY_PROTOCOL


def test_pages_are_counted() -> None:
    asked: list[str] = []

    def get(path: str) -> Response:
        asked.append(path)
        return Response(200, {"link": _next(f"{LIST}?last={len(asked)}")}, _list("a"), BASE + path)

    assert _failure(get).code is Code.RESPONSE_TOO_LARGE
    assert len(asked) == MAX_PAGES


@pytest.mark.parametrize(("count", "fits"), [(MAX_TAGS, True), (MAX_TAGS + 1, False)])
def test_tags_are_counted(count: int, fits: bool) -> None:  # noqa: FBT001
    get = _pages({FIRST: (_list(*map(str, range(count))), "")})
    if fits:
        assert len(collect(REPOSITORY, get) or ()) == count
    else:
        assert _failure(get).code is Code.RESPONSE_TOO_LARGE


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b'["v1"]',
        b"{}",
        b'{"errors":[]}',
        b'{"tags":"v1"}',
        b'{"tags":{"v1":1}}',
        b'{"tags":["v1"],"tags":[]}',
        b'{"tags":["v1"],"Tags":[]}',
        b'{"tags":["v1"]}{}',
        b'{"tags":["\xff"]}',
    ],
)
def test_what_is_no_list_of_tags_is_refused(body: bytes) -> None:
    with pytest.raises(ParseError):
        _one(body)


@pytest.mark.parametrize(
    "tag", ["", ".", "..", "-a", "a b", "a/b", "a:b", "v1\n", "\x1b[31m", "é", "a" * 129, 1, None, []]
)
def test_a_tag_that_is_none_is_refused(tag: object) -> None:
    with pytest.raises(ParseError, match="is not a tag"):
        _one(_list("v1", tag))
