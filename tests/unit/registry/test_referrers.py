from __future__ import annotations

import json
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable, ParseError
from gate.image.digest import Digest
from gate.image.manifest import OCI_INDEX, OCI_MANIFEST
from gate.registry.guard.transport import Response
from gate.registry.referrers import MAX_PAGES, collect

if TYPE_CHECKING:
    from collections.abc import Callable

PATH = f"/v2/acme/api/referrers/{Digest.of(b'image')}"
BASE = "https://registry.test"


def _index(*names: str) -> bytes:
    entries = [
        {"mediaType": OCI_MANIFEST, "digest": str(Digest.of(name.encode())), "size": 7, "artifactType": name}
        for name in names
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()


def _pages(pages: dict[str, tuple[bytes, str]]) -> Callable[[str], Response]:
    def get(path: str) -> Response:
        if path not in pages:
            return Response(404, {}, b"", BASE + path)
        body, link = pages[path]
        return Response(200, {"link": link} if link else {}, body, BASE + path)

    return get


def _code(get: Callable[[str], Response]) -> Code:
    with pytest.raises(EvidenceUnavailable) as caught:
        collect(PATH, get)
    return caught.value.code


def test_one_page() -> None:
    found = collect(PATH, _pages({PATH: (_index("a", "b"), "")}))
    assert [entry.digest for entry in found] == [Digest.of(b"a"), Digest.of(b"b")]


@pytest.mark.parametrize("names", [(), ("a",)])
@pytest.mark.parametrize("filters", ["artifactType", "artifactType,other", "x"])
def test_a_list_that_says_it_was_filtered_is_not_whole(names: tuple[str, ...], filters: str) -> None:
    def get(path: str) -> Response:
        return Response(200, {"oci-filters-applied": filters}, _index(*names), BASE + path)

    with pytest.raises(EvidenceUnavailable, match="was filtered, and nobody asked for that") as caught:
        collect(PATH, get)
    assert (caught.value.code, bool(caught.value.remedy)) == (Code.REGISTRY_PROTOCOL, True)


def test_no_filters_are_no_filters() -> None:
    assert collect(PATH, lambda path: Response(200, {"oci-filters-applied": " "}, _index(), BASE + path)) == ()


def test_an_empty_list() -> None:
    assert collect(PATH, _pages({PATH: (_index(), "")})) == ()


def test_of_its_entries_the_annotations_are_not_kept() -> None:
    """Ten pages of them would fill a memory, and nobody looks at them."""
    entry = {
        "mediaType": "a/b", "digest": f"sha256:{'1' * 64}", "size": 1, "artifactType": "a" * 500,
        "annotations": {"x": "y" * 3000},
    }  # fmt: skip
    body = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    (kept,) = collect(PATH, _pages({PATH: (body, "")}))
    assert (kept.media_type, kept.artifact_type, kept.annotations) == ("a/b", "a" * 255, {})


class _Seen(Response):
    """One that it can be seen of whether anybody keeps it."""

    __slots__ = ("__weakref__",)


def test_nothing_is_kept_of_a_page_while_the_next_is_waited_for() -> None:
    """They may be large, and the next may take its time."""
    kept: list[weakref.ref[_Seen]] = []

    def get(path: str) -> Response:
        assert all(page() is None for page in kept)
        last = len(kept) == 3
        page = _Seen(200, {} if last else {"link": f'<{PATH}?n={len(kept)}>; rel="next"'}, _index("a"), BASE + path)
        kept.append(weakref.ref(page))
        return page

    assert len(collect(PATH, get)) == 4
    assert len(kept) == 4


@pytest.mark.parametrize("status", [400, 404, 405, 406])
def test_no_api_is_an_empty_list(status: int) -> None:
    assert collect(PATH, lambda path: Response(status, {}, b"<html>", BASE + path)) == ()


@pytest.mark.parametrize(
    "link",
    [
        f'<{PATH}?n=1&last=a>; rel="next"',
        f"<{PATH}?n=1&last=a>; rel=next",
        f'<{PATH}?n=1&last=a>;REL="NEXT"',
        f'<{BASE}{PATH}?n=1&last=a>; rel="next"',
        '<?n=1&last=a>; rel="next"',
        f'<{PATH}?n=1&last=a>; title="x"; rel="next"',
        f'<{PATH}?n=1&last=a>; title="a,b"; rel="last next"',
        f'<{PATH}?n=1&last=a>; title="a\\"; rel=prev"; rel=next',
        f"<{PATH}?n=1&last=a>; flag; rel = next",
        f'<{PATH}?n=0>; rel="prev", <{PATH}?n=1&last=a>; rel="next"',
    ],
)
def test_the_next_page_is_read(link: str) -> None:
    pages = {PATH: (_index("a"), link), f"{PATH}?n=1&last=a": (_index("b"), "")}
    assert [entry.artifact_type for entry in collect(PATH, _pages(pages))] == ["a", "b"]


@pytest.mark.parametrize(
    "link",
    [
        "next",
        f'<{PATH}?n=1; rel="next"',
        f'<{PATH}?n=1>; rel="next"; title="x',
        f'<{PATH}?n=1> rel="next"',
        f'<{PATH}?n=1>; rel="next", <{PATH}?n=2>; rel="next"',
        f'<{PATH}?n=1&t={"x" * 20_000}>; rel="next"',
    ],
    ids=["no target", "no end", "quote", "no semicolon", "two", "long"],
)
def test_a_link_that_is_not_understood_is_no_end_of_the_list(link: str) -> None:
    with pytest.raises(EvidenceUnavailable) as raised:
        collect(PATH, _pages({PATH: (_index("a"), link)}))
    assert raised.value.code is Code.REGISTRY_PROTOCOL


@pytest.mark.parametrize("link", ["", ", ", f"<{PATH}?n=1>", f'<{PATH}?n=1>; rel="prev"', f"<{PATH}?n=1>; title=next"])
def test_other_links_are_not_followed(link: str) -> None:
    assert len(collect(PATH, _pages({PATH: (_index("a"), link)}))) == 1


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.test/v2/acme/api/referrers/x",
        "//evil.test/x",
        "http://registry.test/x",
        "https://registry.test:8443/x",
        "https://registry.test@evil.test/x",
        "file:///etc/passwd",
        "https://[::1",
        "//[",
    ],
)
def test_another_origin_is_an_error(target: str) -> None:
    assert _code(_pages({PATH: (_index("a"), f'<{target}>; rel="next"')})) is Code.REGISTRY_PROTOCOL


def test_a_circle_is_an_error() -> None:
    assert _code(_pages({PATH: (_index("a"), f'<{PATH}>; rel="next"')})) is Code.REGISTRY_PROTOCOL
    wide = {
        PATH: (_index("a"), f'<{PATH}?n=1>; rel="next"'),
        f"{PATH}?n=1": (_index("b"), f'<{PATH}?n=2>; rel="next"'),
        f"{PATH}?n=2": (_index("c"), f'<{PATH}?n=1>; rel="next"'),
    }
    assert _code(_pages(wide)) is Code.REGISTRY_PROTOCOL


def test_pages_are_counted() -> None:
    def get(path: str) -> Response:
        number = int(path.partition("=")[2] or "0")
        return Response(200, {"link": f'<{PATH}?n={number + 1}>; rel="next"'}, _index("a"), BASE + path)

    assert _code(get) is Code.RESPONSE_TOO_LARGE


def test_the_last_page_that_is_allowed_is_read() -> None:
    def get(path: str) -> Response:
        number = int(path.partition("=")[2] or "0")
        headers = {"link": f'<{PATH}?n={number + 1}>; rel="next"'} if number < MAX_PAGES - 1 else {}
        return Response(200, headers, _index("a"), BASE + path)

    assert len(collect(PATH, get)) == MAX_PAGES


def test_a_list_that_breaks_off_is_not_a_short_list() -> None:
    """Else a registry that fails on page two would make a signature "missing"."""
    assert _code(_pages({PATH: (_index("a"), f'<{PATH}?n=1>; rel="next"')})) is Code.REGISTRY_PROTOCOL


@pytest.mark.parametrize("body", [b"", b"<html>welcome</html>", b"[]", b"{}", b'{"schemaVersion":1}', b"\xff"])
def test_a_page_that_is_no_index_is_refused(body: bytes) -> None:
    with pytest.raises(ParseError):
        collect(PATH, _pages({PATH: (body, "")}))


def test_an_image_instead_of_a_list_is_no_empty_list() -> None:
    """Else whoever answers so makes signatures "missing", on the first page or on a later one."""
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": str(Digest.of(b"")), "size": 0}
    image = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []}).encode()
    assert _code(_pages({PATH: (image, "")})) is Code.REGISTRY_PROTOCOL
    later = {PATH: (_index("a"), f'<{PATH}?n=1>; rel="next"'), f"{PATH}?n=1": (image, "")}
    assert _code(_pages(later)) is Code.REGISTRY_PROTOCOL


def test_what_the_list_says_of_its_entries_is_kept_but_filters_nothing() -> None:
    """CVE-2024-23332 and cosign's wrong entries: the list is a hint."""
    found = collect(PATH, _pages({PATH: (_index("application/vnd.oci.empty.v1+json", ""), "")}))
    assert len(found) == 2


@pytest.mark.parametrize("piece", ["<>;", "<> ", "<a>; rel ", "<", "<>;rel =", "rel=next"])
def test_a_link_that_would_take_hours_to_search(piece: str) -> None:
    """A search that starts anew at each `<` takes seconds for one such header, and headers may be megabytes."""
    with pytest.raises(EvidenceUnavailable):
        collect(PATH, _pages({PATH: (_index("a"), piece * 300_000)}))
    with suppress(EvidenceUnavailable):  # none of them is `next`: an end, or not understood
        assert len(collect(PATH, _pages({PATH: (_index("a"), piece * (16 * 1024 // len(piece)))}))) == 1
