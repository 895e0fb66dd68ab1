"""What is said of a list that cannot be read to its end. How pages are read: test_tags.py and test_referrers.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.guard.transport import Response
from gate.registry.paging import broken, read_pages

if TYPE_CHECKING:
    from collections.abc import Callable

BASE = "https://registry.test:5000"
PATH = "/v2/acme/api/referrers/sha256:1234"
ASKED = f"(asked registry.test:5000 for {PATH})"
WHAT = "the list of referrers"


def _failure(get: Callable[[str], Response], read: Callable[[Response], bool] = lambda _: True) -> EvidenceUnavailable:
    with pytest.raises(EvidenceUnavailable) as caught:
        read_pages(f"{PATH}?n=2", get, read, WHAT, 3)
    return caught.value


def _linked(link: str) -> Callable[[str], Response]:
    return lambda path: Response(200, {"link": link}, b"", BASE + path)


@pytest.mark.parametrize(
    ("link", "how"),
    [
        ('<http://evil.test/x>; rel="next"', "goes on elsewhere"),
        (f'<http://registry.test:5000{PATH}>; rel="next"', "goes on elsewhere"),
        ('<//[>; rel="next"', "goes on at no URL"),
        ('</a>; rel="next", </b>; rel="next"', "goes on at two places"),
        (f'<{PATH}?n=2>; rel="next"', "goes on in a circle"),
        ("hunter2", "has a Link that cannot be read"),
        ("x" * 20_000, "has a Link of more than 16384 characters"),
    ],
)
def test_a_list_that_cannot_be_read_to_its_end_is_named_with_its_registry_and_a_remedy(link: str, how: str) -> None:
    error = _failure(_linked(link))
    assert (error.code, error.message) == (Code.REGISTRY_PROTOCOL, f"{WHAT} {how} {ASKED}")
    assert "proxies rewrite links" in error.remedy


def test_where_a_list_goes_on_is_not_in_the_message() -> None:
    """It is the registry's own text: on a later page, too, what is told is the first path, which is ours."""

    def get(path: str) -> Response:
        if "hunter2" in path:
            return Response(500, {}, b"", BASE + path)
        return Response(200, {"link": '</docker.io-was-breached/hunter2>; rel="next"'}, b"", BASE + path)

    error = _failure(get)
    assert (error.code, error.message) == (Code.REGISTRY_PROTOCOL, f"{WHAT} breaks off with status 500 {ASKED}")
    assert error.remedy == "retry"


def test_too_many_pages_are_named_with_their_registry() -> None:
    numbers = iter(range(9))
    error = _failure(lambda path: Response(200, {"link": f'<{PATH}?p={next(numbers)}>; rel="next"'}, b"", BASE + path))
    assert (error.code, error.message) == (Code.RESPONSE_TOO_LARGE, f"{WHAT} has more than 3 pages {ASKED}")
    assert error.remedy == "delete what nobody needs"


def test_whoever_reads_the_pages_says_what_is_wrong_and_not_where() -> None:
    def read(_: Response) -> bool:
        raise broken(WHAT, "is an image and no list")

    assert _failure(_linked(""), read).message == f"{WHAT} is an image and no list {ASKED}"


def test_other_failures_are_left_alone() -> None:
    failure = EvidenceUnavailable(Code.REGISTRY_TIMEOUT, "late")

    def get(_: str) -> Response:
        raise failure

    assert _failure(get) is failure
