from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.review.growing import Growing, Watching
from tests.fakes.clock import SettableClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate.deadline import Deadline

CLOCK = SettableClock()
FLIGHT = CLOCK.deadline(60)


class Tree:
    """A value that grows when it is told to, and counts how often it was planted.

    Attributes:
        failure: raised instead of its last version.
    """

    def __init__(self, *versions: str, failure: BaseException | None = None) -> None:
        self.versions = versions
        self.failure = failure
        self.flights = 0
        self.landed: list[str] = []
        self._may = threading.Semaphore(0)

    def grow(self, times: int = 1) -> None:
        for _ in range(times):
            self._may.release()

    def __call__(self, _deadline: Deadline) -> Iterator[str]:
        self.flights += 1
        for version in self.versions:
            assert self._may.acquire(timeout=30)
            yield version
        if self.failure is not None:
            assert self._may.acquire(timeout=30)
            raise self.failure

    def land(self, value: str) -> None:
        self.landed.append(value)


class Watcher:
    """Watches in a thread of its own; `seen` are the versions, `failure` what it ended with."""

    def __init__(self, watching: Watching[str], deadline: Deadline | None = None, most: int = 1000) -> None:
        self.seen: list[str] = []
        self.failure: BaseException | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, args=(watching, deadline or CLOCK.deadline(60), most))
        self._thread.start()

    def _run(self, watching: Watching[str], deadline: Deadline, most: int) -> None:
        try:
            for version in watching.versions(deadline):
                with self._changed:
                    self.seen.append(version)
                    self._changed.notify_all()
                if len(self.seen) >= most:
                    return
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test looks at it
            self.failure = error

    def wait(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.seen) >= count, 30)

    def end(self) -> list[str]:
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.seen


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as executor:
        yield executor


@pytest.fixture
def growing(pool: ThreadPoolExecutor) -> Growing[Any, str]:
    return Growing(lambda _: pool)


def test_each_version_and_then_the_end(growing: Growing[Any, str]) -> None:
    tree = Tree("a", "ab", "abc")
    watching = growing.watch("k", tree, tree.land, FLIGHT)
    assert watching.leads
    watcher = Watcher(watching)
    for i in range(3):
        tree.grow()
        watcher.wait(i + 1)
    assert watcher.end() == ["a", "ab", "abc"]
    assert watcher.failure is None
    assert tree.landed == ["abc"]


def test_versions_that_nobody_looked_at_are_passed_over(growing: Growing[Any, str], pool: ThreadPoolExecutor) -> None:
    tree = Tree("a", "ab", "abc")
    watching = growing.watch("k", tree, tree.land, FLIGHT)
    tree.grow(3)
    pool.shutdown(wait=True)
    # the last is never passed over, and after it there is nothing
    assert list(watching.versions(CLOCK.deadline())) == ["abc"]
    # whoever looks again sees it again: and needs no time for it
    assert list(watching.versions(CLOCK.deadline(0))) == ["abc"]


def test_one_leads_and_the_others_follow(growing: Growing[Any, str]) -> None:
    tree, other = Tree("a", "ab"), Tree("other")
    leader = growing.watch("k", tree, tree.land, FLIGHT)
    followers = [growing.watch("k", other, other.land, FLIGHT) for _ in range(5)]
    assert [w.leads for w in [leader, *followers]] == [True, *[False] * 5]
    watchers = [Watcher(w) for w in [leader, *followers]]
    tree.grow()
    for watcher in watchers:
        watcher.wait(1)
    late = growing.watch("k", other, other.land, FLIGHT)
    assert not late.leads
    # who comes later sees what there is, at once
    assert next(late.versions(CLOCK.deadline())) == "a"
    tree.grow()
    assert [watcher.end() for watcher in watchers] == [["a", "ab"]] * 6
    assert (tree.flights, other.flights, tree.landed, other.landed) == (1, 0, ["ab"], [])


def test_keys_do_not_share(growing: Growing[Any, str]) -> None:
    trees = {key: Tree(f"{key}") for key in ("a", "b", ("a", ""), ("a", None))}
    watchers = [Watcher(growing.watch(key, tree, tree.land, FLIGHT)) for key, tree in trees.items()]
    for tree in trees.values():
        tree.grow()
    assert [watcher.end() for watcher in watchers] == [[f"{key}"] for key in trees]


def test_who_leaves_cancels_nothing(growing: Growing[Any, str]) -> None:
    tree = Tree("a", "ab")
    leader = Watcher(growing.watch("k", tree, tree.land, FLIGHT), most=1)
    follower = Watcher(growing.watch("k", tree, tree.land, FLIGHT))
    tree.grow()
    assert leader.end() == ["a"]  # what there was sufficed for it
    assert tree.landed == []
    tree.grow()
    assert follower.end()[-1:] == ["ab"]  # it may have been too slow for the first
    assert (tree.flights, tree.landed) == (1, ["ab"])


def test_a_flight_lands_though_everybody_has_left(growing: Growing[Any, str], pool: ThreadPoolExecutor) -> None:
    tree = Tree("a", "ab")
    watcher = Watcher(growing.watch("k", tree, tree.land, FLIGHT), most=1)
    tree.grow()
    watcher.end()
    del watcher
    tree.grow()
    pool.shutdown(wait=True)
    assert tree.landed == ["ab"]


def test_it_has_landed_before_it_is_over(growing: Growing[Any, str]) -> None:
    """Whoever asks when it is over finds what it kept, and begins no other."""
    tree = Tree("a")
    entered, go = threading.Event(), threading.Event()
    kept: list[str] = []

    def land(value: str) -> None:
        entered.set()
        assert go.wait(30)
        kept.append(value)

    watcher = Watcher(growing.watch("k", tree, land, FLIGHT))
    tree.grow()
    assert entered.wait(30)
    # still under way: who comes now joins it
    joined = growing.watch("k", tree, tree.land, FLIGHT)
    assert not joined.leads
    watcher.wait(1)  # the value is there already
    assert watcher.failure is None
    go.set()
    assert watcher.end() == ["a"]
    assert kept == ["a"]
    assert list(joined.versions(CLOCK.deadline())) == ["a"]
    assert growing.watch("k", Tree(), lambda _: None, FLIGHT).leads


def test_the_next_begins_anew(growing: Growing[Any, str]) -> None:
    tree = Tree("a")
    for _ in range(3):
        watching = growing.watch("k", tree, tree.land, FLIGHT)
        assert watching.leads
        tree.grow()
        assert Watcher(watching).end() == ["a"]
    assert (tree.flights, tree.landed) == (3, ["a"] * 3)


@pytest.mark.parametrize("failure", [EvidenceUnavailable(Code.REGISTRY_TIMEOUT, "no"), RuntimeError("broken")])
def test_a_failure_goes_to_those_who_watch_and_to_nobody_else(growing: Growing[Any, str], failure: Exception) -> None:
    tree = Tree("a", failure=failure)
    watchers = [Watcher(growing.watch("k", tree, tree.land, FLIGHT)) for _ in range(4)]
    tree.grow()
    for watcher in watchers:
        watcher.wait(1)
    tree.grow()
    assert [watcher.end() for watcher in watchers] == [["a"]] * 4
    assert [watcher.failure for watcher in watchers] == [failure] * 4
    assert tree.landed == []
    # who comes after that is told nothing of it
    good = Tree("b")
    watching = growing.watch("k", good, good.land, FLIGHT)
    assert watching.leads
    good.grow()
    last = Watcher(watching)
    assert (last.end(), last.failure) == (["b"], None)


def test_a_failure_after_the_last_value_is_one(growing: Growing[Any, str], pool: ThreadPoolExecutor) -> None:
    """Where it could not be kept, nobody is told that all is well: the last version comes, and then the failure."""
    tree = Tree("a")

    def land(_: str) -> None:
        raise OSError("no room")

    watching = growing.watch("k", tree, land, FLIGHT)
    tree.grow()
    pool.shutdown(wait=True)
    versions = watching.versions(CLOCK.deadline())
    assert next(versions) == "a"
    with pytest.raises(OSError, match="no room"):
        next(versions)


def test_what_grows_into_nothing_is_a_failure(growing: Growing[Any, str]) -> None:
    tree = Tree()
    watcher = Watcher(growing.watch("k", tree, tree.land, FLIGHT))
    assert watcher.end() == []
    assert isinstance(watcher.failure, AssertionError)
    assert tree.landed == []


def test_what_can_not_even_begin_to_grow(growing: Growing[Any, str]) -> None:
    def broken(_deadline: Deadline) -> Iterator[str]:
        raise RuntimeError("broken")

    watcher = Watcher(growing.watch("k", broken, lambda _: None, FLIGHT))
    watcher.end()
    assert isinstance(watcher.failure, RuntimeError)
    assert growing.watch("k", Tree(), lambda _: None, FLIGHT).leads


# deadlines


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.02])
def test_nobody_waits_longer_than_their_own_deadline(growing: Growing[Any, str], seconds: float) -> None:
    tree = Tree("a", "ab")
    leader = Watcher(growing.watch("k", tree, tree.land, FLIGHT))
    hurried = growing.watch("k", tree, tree.land, FLIGHT)
    with pytest.raises(EvidenceUnavailable) as caught:
        next(hurried.versions(CLOCK.deadline(seconds)))
    assert caught.value.code is Code.DEADLINE_EXCEEDED
    tree.grow()
    leader.wait(1)
    # what is there is given though there is no time to wait for more
    versions = hurried.versions(CLOCK.deadline(seconds))
    assert next(versions) == "a"
    with pytest.raises(EvidenceUnavailable):
        next(versions)
    tree.grow()
    assert (leader.end(), leader.failure) == (["a", "ab"], None)
    assert tree.flights == 1


def test_the_leaders_deadline_is_the_leaders(growing: Growing[Any, str]) -> None:
    tree = Tree("a")
    leader = growing.watch("k", tree, tree.land, FLIGHT)
    patient = Watcher(growing.watch("k", tree, tree.land, FLIGHT))
    with pytest.raises(EvidenceUnavailable):
        next(leader.versions(CLOCK.deadline(0)))
    tree.grow()
    assert (patient.end(), patient.failure) == (["a"], None)
    assert tree.landed == ["a"]


# executors


class Refusing(Executor):
    """Takes nothing, as one does that was shut down."""

    def submit(self, _fn: Callable[..., Any], /, *_args: Any, **_kwargs: Any) -> Future[Any]:
        raise RuntimeError("cannot schedule new futures after shutdown")


def test_an_executor_that_refuses() -> None:
    growing: Growing[Any, str] = Growing(lambda _: Refusing())
    tree = Tree("a")
    for _ in range(2):  # nothing of the first is left in the way of the second
        with pytest.raises(RuntimeError, match="shutdown"):
            growing.watch("k", tree, tree.land, FLIGHT)
    assert growing._flights == {}
    assert tree.flights == 0


def test_an_executor_that_refuses_while_somebody_has_joined() -> None:
    joined: list[Watching[str]] = []

    class Slow(Refusing):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            joined.append(growing.watch("k", tree, tree.land, FLIGHT))
            return super().submit(fn, *args, **kwargs)

    growing: Growing[Any, str] = Growing(lambda _: Slow())
    tree = Tree("a")
    with pytest.raises(RuntimeError, match="shutdown"):
        growing.watch("k", tree, tree.land, FLIGHT)
    (follower,) = joined
    assert not follower.leads
    with pytest.raises(RuntimeError, match="shutdown"):
        next(follower.versions(CLOCK.deadline()))


class Later(Executor):
    """Runs nothing until it is told to."""

    def __init__(self) -> None:
        self.work: list[Callable[[], Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.work.append(lambda: fn(*args, **kwargs))
        return Future()


def test_a_flight_that_waits_for_its_thread_is_joined_all_the_same() -> None:
    executor = Later()
    growing: Growing[Any, str] = Growing(lambda _: executor)
    tree = Tree("a")
    watching = [growing.watch("k", tree, tree.land, FLIGHT) for _ in range(3)]
    assert [w.leads for w in watching] == [True, False, False]
    assert len(executor.work) == 1
    with pytest.raises(EvidenceUnavailable):
        next(watching[0].versions(CLOCK.deadline(0)))
    tree.grow()
    executor.work[0]()
    assert [list(w.versions(CLOCK.deadline())) for w in watching] == [["a"]] * 3


def test_a_hundred_at_once(growing: Growing[Any, str]) -> None:
    """One flight at a time, and everybody sees the end of theirs."""
    together = threading.Barrier(100)
    flights: Counter[str] = Counter()
    running: list[int] = []
    ends: list[list[str]] = []

    def grow(_deadline: Deadline) -> Iterator[str]:
        flights["begun"] += 1
        running.append(1)
        assert len(running) == 1
        yield "a"
        yield "ab"
        running.pop()

    def run() -> None:
        together.wait(30)
        ends.append(list(growing.watch("k", grow, lambda _: None, FLIGHT).versions(CLOCK.deadline(60))))

    threads = [threading.Thread(target=run) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(ends) == 100
    assert {end[-1] for end in ends} == {"ab"}
    assert 1 <= flights["begun"] <= 100


def test_who_waits_in_vain_for_a_flight_that_has_not_begun_was_not_kept_waiting_by_the_registry() -> None:
    never = Later()
    growing: Growing[Any, str] = Growing(lambda _: never)
    watching = growing.watch("key", lambda _: iter(["x"]), lambda _: None, FLIGHT)
    with pytest.raises(EvidenceUnavailable) as caught:
        list(watching.versions(CLOCK.deadline(0)))
    assert (caught.value.code, caught.value.hurried, caught.value.unanswered) == (Code.OVERLOADED, True, 0.0)


def test_a_flight_that_nothing_runs_is_over() -> None:
    """Where there are no more threads, a lane cancels what it was given: who asks next begins another."""
    never = Later()
    futures: list[Future[Any]] = []

    def lane(_key: object) -> Executor:
        class Lane(Executor):
            def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
                futures.append(never.submit(fn, *args, **kwargs))
                return futures[-1]

        return Lane()

    growing: Growing[Any, str] = Growing(lane)
    watching = growing.watch("k", lambda _: iter(["x"]), lambda _: None, FLIGHT)
    assert futures[0].cancel()
    with pytest.raises(EvidenceUnavailable) as caught:
        list(watching.versions(CLOCK.deadline(60)))
    assert caught.value.code is Code.OVERLOADED
    assert growing.watch("k", lambda _: iter(["x"]), lambda _: None, FLIGHT).leads
