from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.guard.pace import MAX_AT_ONCE, Pace
from gate.registry.guard.patience import Patience
from gate.registry.guard.transport import Request, Response
from tests.fakes.clients import ScriptedTransport, soon
from tests.fakes.clock import SettableClock

HOST = "registry.test"
ASKED = Request("GET", f"https://{HOST}/v2/", 10)


def _pace(clock: SettableClock) -> Pace:
    return Pace(clock.advance)


def test_a_host_that_is_busy_is_sent_half_as_many() -> None:
    clock = SettableClock()
    pace = _pace(clock)
    with ExitStack() as stack:
        for _ in range(15):
            stack.enter_context(pace.turn(HOST, clock.deadline()))
        pace.refused(HOST, clock.monotonic(), 0)
    assert pace.limit(HOST) == 8
    assert pace.limit("other.test") == MAX_AT_ONCE


def test_refusals_of_one_round_count_once() -> None:
    clock = SettableClock()
    pace = _pace(clock)
    with ExitStack() as stack:
        for _ in range(31):
            stack.enter_context(pace.turn(HOST, clock.deadline()))
        for _ in range(10):
            pace.refused(HOST, clock.monotonic(), 0)
        assert pace.limit(HOST) == 16
        clock.advance(1)
        pace.refused(HOST, clock.monotonic(), 0)
        assert pace.limit(HOST) == 8


def test_one_at_a_time_is_the_least_and_answers_bring_more() -> None:
    clock = SettableClock()
    pace = _pace(clock)
    for _ in range(20):
        pace.refused(HOST, clock.monotonic(), 0)
        clock.advance(1)
    assert pace.limit(HOST) == 1
    for wanted in (2, 3, 4):
        for _ in range(wanted):
            pace.answered(HOST)
        assert pace.limit(HOST) == wanted
    for _ in range(MAX_AT_ONCE * MAX_AT_ONCE):
        pace.answered(HOST)
    assert pace.limit(HOST) == MAX_AT_ONCE


def test_a_pause_is_kept_by_all_who_come() -> None:
    clock = SettableClock()
    pace = _pace(clock)
    pace.refused(HOST, clock.monotonic(), 3)
    begun = clock.monotonic()
    with pace.turn(HOST, clock.deadline(10)):
        assert clock.monotonic() - begun == 3
    with pace.turn(HOST, clock.deadline(10)):
        assert clock.monotonic() - begun == 3


def test_who_has_no_time_for_a_pause_is_told_at_once() -> None:
    clock = SettableClock()
    pace = _pace(clock)
    pace.refused(HOST, clock.monotonic(), 3)
    with (
        pytest.raises(EvidenceUnavailable, match="wants no request for 3 s") as caught,
        pace.turn(HOST, clock.deadline(2)),
    ):
        pass
    assert caught.value.code is Code.REGISTRY_RATE_LIMITED
    assert caught.value.hurried


def test_who_waits_in_vain_ends_with_the_deadline_and_takes_nobodys_turn() -> None:
    pace = Pace(time.sleep)
    for seconds in range(20, 0, -1):
        pace.refused(HOST, time.monotonic() - seconds, 0)
    with pace.turn(HOST, soon()):
        with pytest.raises(EvidenceUnavailable) as caught, pace.turn(HOST, soon(0.05)):
            pass
        assert (caught.value.code, caught.value.hurried) == (Code.OVERLOADED, True)
    with pace.turn(HOST, soon(0.05)):
        pass


def test_never_more_than_the_limit_are_under_way() -> None:
    """A registry that bears four at a time: after some refusals it is sent no more than it bears, and all succeed."""
    lock = threading.Lock()
    under_way, most = 0, 0
    together = threading.Barrier(8)

    def script(request: Request) -> Response:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
            busy = under_way > 4
        if not together.broken:
            with suppress(threading.BrokenBarrierError):
                together.wait(2)
            together.abort()
        with lock:
            under_way -= 1
        return Response(429 if busy else 200, {"retry-after": "0"} if busy else {}, b"", request.url)

    patience = Patience(ScriptedTransport(script), lambda _: None)
    with ThreadPoolExecutor(8) as pool:
        first = [pool.submit(patience.send, ASKED, soon()) for _ in range(8)]
        assert {f.result().status for f in first} <= {200, 429}
        most = 0
        answers = [pool.submit(patience.send, ASKED, soon()) for _ in range(100)]
        assert {f.result().status for f in answers} == {200}
    assert most <= 5


@pytest.mark.parametrize("headers", [{"retry-after": "0"}, {}])
def test_a_registry_that_bears_eight_at_a_time_answers_forty_who_come_at_once(headers: dict[str, str]) -> None:
    lock = threading.Lock()
    under_way, refused = 0, 0
    together = threading.Barrier(40)

    def script(request: Request) -> Response:
        nonlocal under_way, refused
        with lock:
            under_way += 1
            busy = under_way > 8
            refused += busy
        if not together.broken:
            with suppress(threading.BrokenBarrierError):
                together.wait(5)
            together.abort()
        time.sleep(0.01)
        with lock:
            under_way -= 1
        return Response(429 if busy else 200, headers if busy else {}, b"", request.url)

    patience = Patience(ScriptedTransport(script), time.sleep)
    with ThreadPoolExecutor(40) as pool:
        answers = [pool.submit(patience.send, ASKED, soon()) for _ in range(40)]
        assert {f.result().status for f in answers} == {200}
        assert refused >= 32
        refused = 0
        again = [pool.submit(patience.send, ASKED, soon()) for _ in range(100)]
        assert {f.result().status for f in again} == {200}


def test_a_quota_that_meets_one_alone_is_not_asked_again() -> None:
    clock = SettableClock()
    transport = ScriptedTransport(lambda request: Response(429, {}, b"", request.url))
    assert Patience(transport, clock.advance).send(ASKED, clock.deadline()).status == 429
    assert len(transport.sent) == 1


def test_a_crowd_that_is_always_refused_gives_up() -> None:
    together = threading.Barrier(8)

    def script(request: Request) -> Response:
        if not together.broken:
            with suppress(threading.BrokenBarrierError):
                together.wait(5)
            together.abort()
        return Response(429, {}, b"", request.url)

    transport = ScriptedTransport(script)
    patience = Patience(transport, lambda _: None)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(patience.send, ASKED, soon()) for _ in range(8)]
        assert {f.result().status for f in answers} == {429}
    assert 8 < len(transport.sent) <= 8 * 5


def test_what_a_redirects_target_says_does_not_slow_its_host() -> None:
    clock = SettableClock()
    answer = Response(429, {}, b"", "https://store.test/", elsewhere="store.test")
    patience = Patience(ScriptedTransport(lambda _: answer), clock.advance)
    patience.send(ASKED, clock.deadline())
    assert patience._pace.limit(HOST) == MAX_AT_ONCE


def test_a_pause_is_for_the_repository_that_was_refused() -> None:
    clock = SettableClock()
    pace = _pace(clock)
    begun = clock.monotonic()
    pace.refused(HOST, begun, 5, "evil/a")
    for repository in ("good/a", "evil", ""):
        with pace.turn(HOST, clock.deadline(2), repository):
            assert clock.monotonic() == begun
    with pytest.raises(EvidenceUnavailable), pace.turn(HOST, clock.deadline(2), "evil/a"):
        pass
    assert pace.limit(HOST) < MAX_AT_ONCE


def test_of_the_names_of_repositories_no_more_than_a_bound_are_kept() -> None:
    clock = SettableClock()
    pace = _pace(clock)
    for number in range(2_000):
        pace.refused(HOST, clock.monotonic(), 5, f"evil/{number}")
    assert len(pace._refusals._known) == 1_000
    with pytest.raises(EvidenceUnavailable), pace.turn(HOST, clock.deadline(2), "evil/1999"):
        pass


def _slowed(pace: Pace, clock: SettableClock | None = None, repository: str = "evil/x") -> None:
    """To one at a time."""
    pace.refused(HOST, clock.monotonic() if clock else time.monotonic(), 0, repository)
    assert pace.limit(HOST) == 1


def test_a_repository_that_is_refused_and_then_hangs_holds_up_no_other() -> None:
    pace = Pace(time.sleep)
    _slowed(pace)
    with (
        pace.turn(HOST, soon(), "evil/x"),
        pace.turn(HOST, soon(0.05), "good/a") as among_others,
        pace.turn(HOST, soon(0.05), "good/b"),
    ):
        assert among_others
        for repository in ("evil/x", "good/a"):  # one each
            with pytest.raises(EvidenceUnavailable, match="3 other requests"), pace.turn(HOST, soon(0.05), repository):
                pass


def test_of_a_repository_the_next_goes_as_soon_as_its_own_has_ended() -> None:
    pace = Pace(time.sleep)
    _slowed(pace)
    first, waits = ExitStack(), threading.Event()

    def ask(repository: str) -> bool:
        waits.set()
        with pace.turn(HOST, soon(5 if repository == "good/a" else 0.5), repository):
            return True

    with pace.turn(HOST, soon(), "evil/x"), ThreadPoolExecutor(2) as pool:
        first.enter_context(pace.turn(HOST, soon(), "good/a"))
        evil = pool.submit(ask, "evil/x")  # waits longer, and is woken in vain
        waits.wait(5)
        time.sleep(0.05)
        good = pool.submit(ask, "good/a")
        time.sleep(0.05)
        assert not good.done()
        first.close()
        assert good.result(0.4)
        assert isinstance(evil.exception(5), EvidenceUnavailable)


def test_a_repository_that_is_refused_waits_with_the_others_for_some_seconds_behind_its_pause() -> None:
    clock = SettableClock()
    pace = _pace(clock)
    _slowed(pace, clock)
    with pace.turn(HOST, clock.deadline(), "evil/x"):
        pace.refused(HOST, clock.monotonic(), 2, "good/a")
        clock.advance(4.9)
        with pytest.raises(EvidenceUnavailable), pace.turn(HOST, clock.deadline(0), "good/a"):
            pass
        clock.advance(0.1)
        with pace.turn(HOST, clock.deadline(), "good/a"):
            pass


def test_who_waits_for_some_seconds_to_pass_needs_nobody_to_wake_it() -> None:
    pace = Pace(time.sleep)
    _slowed(pace)
    with pace.turn(HOST, soon(), "evil/x"):
        pace.refused(HOST, time.monotonic() - 2.9, 0, "good/a")
        with pace.turn(HOST, soon(5), "good/a") as among_others:
            assert among_others  # the other is under way still, and has woken nobody


def test_of_the_repositories_under_way_nothing_is_kept_behind_them() -> None:
    clock = SettableClock()
    pace = _pace(clock)
    for number in range(100):
        with pace.turn(HOST, clock.deadline(), f"evil/{number}"), pace.turn(HOST, clock.deadline(), f"evil/{number}"):
            pass
    assert not pace._host(HOST).repositories


def test_a_registry_that_bears_four_at_a_time_answers_twenty_repositories_at_once() -> None:
    """Each has one under way at first, and is refused; then they are fewer, and more again as it bears more."""
    lock = threading.Lock()
    under_way, refused, bears = 0, 0, 4
    together = threading.Barrier(20)

    def script(request: Request) -> Response:
        nonlocal under_way, refused
        with lock:
            under_way += 1
            busy = under_way > bears
            refused += busy
        if not together.broken:
            with suppress(threading.BrokenBarrierError):
                together.wait(5)
            together.abort()
        time.sleep(0.01)
        with lock:
            under_way -= 1
        return Response(429 if busy else 200, {"retry-after": "0"} if busy else {}, b"", request.url)

    def ask(number: int) -> list[int]:
        asked = Request("GET", f"https://{HOST}/v2/some/{number}/manifests/v1", 10)
        return [patience.send(asked, soon(20)).status for _ in range(3)]

    patience = Patience(ScriptedTransport(script), time.sleep)
    with ThreadPoolExecutor(20) as pool:
        found = [status for statuses in pool.map(ask, range(20)) for status in statuses]
        assert found.count(200) >= 55  # who always comes at the wrong moment gives up
        assert refused >= 16
        assert patience._pace.limit(HOST) < MAX_AT_ONCE
        slow, bears, refused = patience._pace.limit(HOST), 100, 0
        for _ in range(3):
            assert {status for found in pool.map(ask, range(20)) for status in found} == {200}
    assert refused == 0
    assert patience._pace.limit(HOST) > slow
