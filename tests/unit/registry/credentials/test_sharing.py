from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from gate.codes import Code
from gate.deadline import Deadline
from gate.errors import EvidenceUnavailable
from gate.registry.credentials.credential import Credential
from gate.registry.credentials.sharing import Sharing
from tests.fakes.clients import soon
from tests.fakes.clock import SettableClock

HELPER = "test"
HOST = "ghcr.io"
FAILURE = EvidenceUnavailable(Code.REGISTRY_UNAUTHORIZED, "the helper failed", remedy="mend it")


@dataclass
class Program:
    """A helper that gives a new password each time, or fails; held up until it may go on."""

    failures: list[BaseException] = field(default_factory=list)
    nothing: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)
    running: int = 0
    most: int = 0
    started: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    go: threading.Event = field(default_factory=threading.Event)

    def __call__(self, helper: str, registry: str, deadline: Deadline) -> Credential | None:
        self.asked.append((helper, registry))
        number = len(self.asked)
        self.running += 1
        self.most = max(self.most, self.running)
        self.started.release()
        self.go.wait(max(0.0, min(20.0, deadline.remaining())))
        self.running -= 1
        if self.failures:
            raise self.failures.pop(0)
        return None if self.nothing else Credential(helper, "u", f"{number}")


@dataclass
class Built:
    program: Program
    clock: SettableClock
    sharing: Sharing

    @classmethod
    def new(cls, *, held: bool = False) -> Built:
        program, clock = Program(), SettableClock()
        if not held:
            program.go.set()
        return cls(program, clock, Sharing(clock.monotonic, program))

    def password(self, registry: str = HOST, helper: str = HELPER, deadline: Deadline | None = None) -> str:
        return "".join(c.password for c in self.sharing.find(helper, registry, deadline or soon(20)))


def test_an_answer_counts_for_a_minute_for_everybody() -> None:
    built = Built.new()
    assert [built.password() for _ in range(3)] == ["1"] * 3
    built.clock.advance(59)
    assert built.password() == "1"
    built.clock.advance(1)
    assert built.password() == "2"


def test_what_it_counts_for_is_told_whoever_asks() -> None:
    built = Built.new()
    assert built.sharing.find(HELPER, HOST, soon()).seconds == 60
    built.clock.advance(45)
    assert built.sharing.find(HELPER, HOST, soon()).seconds == 15


def test_that_there_is_nothing_is_an_answer() -> None:
    built = Built.new()
    built.program.nothing = True
    assert [built.sharing.find(HELPER, HOST, soon()) for _ in range(3)] == [()] * 3
    assert len(built.program.asked) == 1


def test_each_helper_and_each_host_has_its_own_answer() -> None:
    built = Built.new()
    assert [built.password(*key) for key in ((HOST, "a"), (HOST, "b"), ("quay.io", "a"), (HOST, "a"))] == list("1231")
    assert built.program.asked == [("a", HOST), ("b", HOST), ("a", "quay.io")]


def test_however_many_ask_it_runs_once() -> None:
    built = Built.new(held=True)
    with ThreadPoolExecutor(50) as threads:
        found = [threads.submit(built.password) for _ in range(50)]
        assert built.program.started.acquire(timeout=20)
        time.sleep(0.2)
        built.program.go.set()
        assert {one.result(20) for one in found} == {"1"}
    assert len(built.program.asked) == 1


def test_one_host_does_not_wait_for_another() -> None:
    built = Built.new(held=True)
    with ThreadPoolExecutor(2) as threads:
        found = [threads.submit(built.password, host) for host in (HOST, "quay.io")]
        assert all(built.program.started.acquire(timeout=20) for _ in range(2))
        built.program.go.set()
        assert {one.result(20) for one in found} == {"1", "2"}


def test_who_waits_waits_as_long_as_allowed() -> None:
    built = Built.new(held=True)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(built.password)
        assert built.program.started.acquire(timeout=20)
        before = time.monotonic()
        with pytest.raises(EvidenceUnavailable, match="docker-credential-test") as caught:
            built.password(deadline=soon(0.1))
        assert time.monotonic() - before < 10
        assert caught.value.code is Code.DEADLINE_EXCEEDED
        built.program.go.set()
        assert first.result(20) == "1"


def test_a_failure_is_told_to_those_who_wait_and_to_nobody_later() -> None:
    built = Built.new(held=True)
    built.program.failures = [FAILURE]
    looking: set[int] = set()

    def clock() -> float:
        looking.add(threading.get_ident())
        return time.monotonic()

    deadline = Deadline(time.monotonic() + 20, clock)
    with ThreadPoolExecutor(5) as threads:
        found = [threads.submit(built.password, deadline=deadline) for _ in range(5)]
        while len(looking) < 5:  # each looks how long it may wait, or the helper may run
            time.sleep(0.01)
        built.program.go.set()
        errors = [one.exception(20) for one in found]
    assert len(built.program.asked) == 1
    assert len(set(map(id, errors))) == 5  # each its own: they collect traces
    for error in errors:
        assert isinstance(error, EvidenceUnavailable)
        assert (error.code, error.message, error.remedy) == (FAILURE.code, FAILURE.message, FAILURE.remedy)
    assert built.password() == "2"


@pytest.mark.parametrize("failure", [FAILURE, MemoryError()])
def test_who_has_time_left_asks_himself_where_another_ran_out_of_it_or_broke(failure: BaseException) -> None:
    """Whoever comes first may have a moment left, and others must not get his failure; still one run at a time."""
    built = Built.new(held=True)
    built.program.failures = [failure]
    short = 0.3 if failure is FAILURE else 20.0
    with ThreadPoolExecutor(5) as threads:
        first = threads.submit(built.password, deadline=soon(short))
        assert built.program.started.acquire(timeout=20)
        others = [threads.submit(built.password) for _ in range(4)]
        time.sleep(0.1)
        if failure is not FAILURE:
            built.program.go.set()
        assert first.exception(20) is failure
        built.program.go.set()
        assert {one.result(20) for one in others} == {"2"}
    assert len(built.program.asked) == 2
    assert built.program.most == 1


def test_what_was_refused_is_asked_for_anew_and_then_not_for_seconds() -> None:
    """A hundred repositories are refused with one login: each says so, and the helper is asked once."""
    built = Built.new()
    assert built.password() == "1"
    for _ in range(100):
        built.sharing.renew(HELPER, HOST)
        assert built.password() == "2"
    built.clock.advance(4)
    built.sharing.renew(HELPER, HOST)
    assert built.password() == "2"
    built.clock.advance(1)
    built.sharing.renew(HELPER, HOST)
    assert built.password() == "3"


def test_only_what_was_refused_is_asked_for_anew() -> None:
    built = Built.new()
    assert [built.password(), built.password("quay.io")] == ["1", "2"]
    built.sharing.renew(HELPER, HOST)
    assert [built.password("quay.io"), built.password()] == ["2", "3"]


def test_after_a_login_nothing_that_was_said_or_asked_before_counts() -> None:
    built = Built.new(held=True)
    with ThreadPoolExecutor(1) as threads:
        before = threads.submit(built.password)
        assert built.program.started.acquire(timeout=20)
        built.sharing.drop()
        built.program.go.set()
        assert before.result(20) == "1"
    assert built.password() == "2"
    built.sharing.drop()
    assert built.password() == "3"


def test_what_is_shared_is_bounded() -> None:
    """Hosts are what strangers' images name."""
    built = Built.new()
    for number in range(1_001):
        built.password(f"r{number}.example")
        built.sharing.renew(HELPER, f"r{number}.example")
        built.password(f"r{number}.example")
    assert len(built.sharing._kept) <= 1_000
    assert len(built.sharing._renewed) <= 1_000
    assert built.sharing._flights == {}
