"""The list of referrers over its pages: as it was sent, and in few bytes while a page is waited for."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gate.evidence.candidate import PREDICATE_TYPE
from gate.image.digest import Digest
from gate.image.manifest import OCI_INDEX, OCI_MANIFEST
from gate.registry.guard.transport import Response
from gate.registry.referrers import MAX_ENTRIES, _Entries, collect

if TYPE_CHECKING:
    from gate.image.manifest import Descriptor

PATH = "/v2/acme/api/referrers/sha256:00"


@dataclass
class Listed:
    """A registry of one list, in pages."""

    pages: list[list[dict[str, Any]]]
    asked: list[str] = field(default_factory=list)

    def get(self, path: str) -> Response:
        self.asked.append(path)
        number = int(path.partition("page=")[2] or "0")
        body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self.pages[number]}).encode()
        more = {"link": f'<{PATH}?page={number + 1}>; rel="next"'} if number + 1 < len(self.pages) else {}
        return Response(200, more, body, f"https://registry.test{path}")

    def collect(self) -> tuple[Descriptor, ...]:
        return collect(PATH, self.get)


def entry(number: int, kind: str = "", said: str = "", size: int = 7) -> dict[str, Any]:
    found: dict[str, Any] = {"mediaType": OCI_MANIFEST, "digest": str(Digest.of(str(number).encode())), "size": size}
    if kind:
        found["artifactType"] = kind
    return found | ({"annotations": {PREDICATE_TYPE: said, "other": "x" * 500}} if said else {})


def test_it_is_as_it_was_sent() -> None:
    pages = [
        [entry(1, "a/b"), entry(2, "a/b", "https://t.example/1", 2**53), entry(1, "a/c")],
        [],
        [entry(3), entry(4, "a/b", "https://t.example/1")],
    ]
    found = Listed(pages).collect()
    assert [
        {"mediaType": e.media_type, "digest": str(e.digest), "size": e.size}
        | ({"artifactType": e.artifact_type} if e.artifact_type else {})
        for e in found
    ] == [{key: value for key, value in one.items() if key != "annotations"} for page in pages for one in page]
    said = "https://t.example/1"
    assert [dict(e.annotations) for e in found] == [{}, {PREDICATE_TYPE: said}, {}, {}, {PREDICATE_TYPE: said}]


def test_what_is_too_long_for_a_type_says_nothing() -> None:
    (found,) = Listed([[entry(1, "a/" + "b" * 100, "x://" + "y" * 300)]]).collect()
    assert dict(found.annotations) == {}


def test_types_beyond_a_few_say_nothing_and_their_entries_are_there() -> None:
    numbers = [range(page, page + 50) for page in range(0, 200, 50)]
    pages = [[entry(n, f"a/{n}", f"https://t.example/{n}") for n in page] for page in numbers]
    found = Listed(pages).collect()
    assert [str(e.digest) for e in found] == [one["digest"] for page in pages for one in page]
    assert [e.artifact_type for e in found] == [f"a/{n}" if n < 32 else "" for n in range(200)]
    assert [dict(e.annotations) for e in found[32:]] == [{}] * 168


def test_entries_take_few_bytes_while_a_page_is_waited_for() -> None:
    page = Listed([[entry(n, f"a/{n}" + "x" * 100, f"https://t.example/{n}" + "y" * 200) for n in range(MAX_ENTRIES)]])
    found = _Entries()
    found.add(page.collect())
    assert found.count == MAX_ENTRIES
    assert sum(map(sys.getsizeof, found._pages)) < 100 * MAX_ENTRIES
    assert len(found._types) <= 33
