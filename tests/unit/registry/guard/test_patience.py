from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.errors import EvidenceUnavailable
from gate.registry.guard.patience import Patience, pause_for
from gate.registry.guard.transport import Request, Response
from tests.fakes.clients import ScriptedTransport
from tests.fakes.clock import SettableClock

if TYPE_CHECKING:
    from collections.abc import Mapping

DATE = "Wed, 21 Oct 2026 07:28:00 GMT"
ASKED = Request("GET", "https://registry.test/v2/", 10, {"Authorization": "Bearer t"})


def _said(status: int, **headers: str) -> Response:
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"", ASKED.url)


@pytest.mark.parametrize(
    ("status", "headers", "left", "seconds"),
    [
        *((status, {}, 10, 0.2) for status in (408, 500, 502, 503, 504)),
        *((status, {"retry-after": "2"}, 10, 2) for status in (408, 429, 500, 502, 503, 504)),
        *((status, {}, 10, None) for status in (200, 301, 400, 401, 403, 404, 405, 416, 418, 429, 501, 505)),
        *((status, {"retry-after": "2"}, 10, None) for status in (200, 301, 401, 403, 404)),
        (503, {"retry-after": "0"}, 10, 0),
        (429, {"retry-after": "0"}, 10, 0),
        (503, {"retry-after": "5"}, 10, 5),
        (503, {"retry-after": "6"}, 100, None),
        (429, {"retry-after": "3600"}, 10_000, None),
        (503, {"retry-after": "5"}, 9.9, None),
        (503, {}, 0.4, 0.2),
        (503, {}, 0.39, None),
        (503, {}, 0, None),
        (503, {"retry-after": "0"}, 0, 0),
        (503, {}, -1, None),
        *((s, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 10, None) for s in (429, 503)),
        *(
            (503, {"retry-after": text}, 10, None)
            for text in ("-1", "1.5", "1e0", "inf", "nan", "x", "", "2, 3", "\u0661")
        ),
        *((s, {"retry-after": DATE, "date": "Wed, 21 Oct 2026 07:27:58 GMT"}, 10, 2) for s in (429, 503)),
        (503, {"retry-after": DATE, "date": "Wed, 21 Oct 2026 08:00:00 GMT"}, 10, 0),
        (503, {"retry-after": DATE, "date": "Wed, 21 Oct 2026 07:00:00 GMT"}, 100, None),
        (503, {"retry-after": DATE, "date": "today"}, 10, None),
    ],
)
def test_how_long_to_wait(status: int, headers: Mapping[str, str], left: float, seconds: float | None) -> None:
    assert pause_for(Response(status, headers, b"", ""), left, crowded=False) == seconds


def test_a_rate_limit_that_meets_a_crowd_may_be_about_the_crowd() -> None:
    assert pause_for(_said(429), 10, crowded=True) == 0.2
    assert pause_for(_said(429), 0.3, crowded=True) is None
    assert pause_for(_said(429, retry_after="60"), 10, crowded=True) is None
    assert pause_for(_said(429, retry_after="soon"), 10, crowded=True) is None
    assert pause_for(_said(404), 10, crowded=True) is None


@pytest.mark.parametrize(
    ("answers", "statuses", "pauses"),
    [
        ([_said(200)], [200], []),
        ([_said(404)], [404], []),
        ([_said(503), _said(200)], [503, 200], [0.2]),
        ([_said(503), _said(503), _said(200)], [503, 503], [0.2]),
        ([_said(503, retry_after="3"), _said(429, retry_after="1"), _said(200)], [503, 429], [3]),
        ([_said(429), _said(200)], [429], []),
        ([_said(429, retry_after="1"), _said(401)], [429, 401], [1]),
        ([_said(503, retry_after="60"), _said(200)], [503], []),
    ],
)
def test_a_busy_registry_is_asked_once_more(answers: list[Response], statuses: list[int], pauses: list[float]) -> None:
    clock = SettableClock()
    waited: list[float] = []
    given = iter(answers)
    transport = ScriptedTransport(lambda _: next(given))
    found = Patience(transport, waited.append).send(ASKED, clock.deadline())
    assert found.status == statuses[-1]
    assert transport.sent == [ASKED] * len(statuses)
    assert waited == pytest.approx(pauses)


@pytest.mark.parametrize(
    ("answer", "left", "hurried"),
    [
        (_said(429, retry_after="2"), 3, True),
        (_said(503, retry_after="2"), 3, True),
        (_said(503), 0.3, True),
        (_said(429, retry_after="2"), 60, False),  # asked again, and the same
        (_said(429, retry_after="60"), 3, False),
        (_said(429), 3, False),
        (_said(404), 0.1, False),
    ],
)
def test_who_had_no_time_for_another_try_is_told(answer: Response, left: float, hurried: bool) -> None:  # noqa: FBT001
    transport = ScriptedTransport(lambda _: answer)
    clock = SettableClock()
    assert Patience(transport, clock.advance).send(ASKED, clock.deadline(left)).hurried is hurried


def test_a_registry_makes_nobody_wait_for_more_than_half_of_what_is_left() -> None:
    clock = SettableClock()
    transport = ScriptedTransport(lambda _: _said(503, retry_after="4"))
    deadline = clock.deadline(20)
    started = clock.monotonic()
    for _ in range(10):
        Patience(transport, clock.advance).send(ASKED, deadline)
    assert clock.monotonic() - started == 16  # of the last four, four are too many


def _asking(path: str) -> Request:
    return Request("GET", f"https://registry.test{path}", 10)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("what", ["manifests/v1", "blobs/sha256:0", "tags/list?n=1", "referrers/sha256:0?x=/y"])
def test_a_registry_that_is_busy_for_one_repository_lets_others_ask_at_once(status: int, what: str) -> None:
    """A Harbor that passes on what the registry behind one of its projects says."""
    clock = SettableClock()
    busy = _said(status, retry_after="5")
    transport = ScriptedTransport(lambda request: busy if "/evil/" in request.url else _said(200))
    patience = Patience(transport, clock.advance)
    begun = clock.monotonic()
    patience.send(_asking(f"/v2/evil/a/{what}"), clock.deadline(6))
    for path in (f"/v2/good/a/{what}", "/v2/evil/b/manifests/v1", "/v2/", "/token?scope=repository:evil/a:pull"):
        assert patience.send(_asking(path), clock.deadline(2)).status == (status if "evil/b" in path else 200)
        assert clock.monotonic() == begun
    with pytest.raises(EvidenceUnavailable, match="wants no request for 5 s"):
        patience.send(_asking("/v2/evil/a/manifests/other"), clock.deadline(2))


def test_what_is_asked_about_no_repository_waits_together() -> None:
    clock = SettableClock()
    patience = Patience(ScriptedTransport(lambda _: _said(429, retry_after="5")), clock.advance)
    patience.send(_asking("/token?scope=a"), clock.deadline(6))
    with pytest.raises(EvidenceUnavailable, match="wants no request for 5 s"):
        patience.send(_asking("/token?scope=b"), clock.deadline(2))
