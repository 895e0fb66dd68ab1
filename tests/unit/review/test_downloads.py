"""A payload is fetched once for all who want it at a time, and let go by the last of them."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.digest import Digest
from gate.review.downloads import Downloads
from tests.fakes.clock import SettableClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.deadline import Deadline
    from gate.image.content import Content
    from gate.review.downloads import Download

CLOCK = SettableClock()


class OneReader:
    """Content that two read at a time only by mistake, and that knows how often it was closed."""

    def __init__(self, content: bytes) -> None:
        self.bytes = content
        self.closed = 0
        self._reading = threading.Lock()

    @property
    def size(self) -> int:
        return len(self.bytes)

    @property
    def digest(self) -> Digest:
        return Digest.of(self.bytes)

    def read(self) -> bytes:
        assert not self.closed
        assert self._reading.acquire(blocking=False)
        time.sleep(0.001)
        self._reading.release()
        return self.bytes

    def chunks(self) -> Iterator[bytes]:
        yield self.read()

    def close(self) -> None:
        self.closed += 1


class Source:
    """Fetches when it is told to; each fetch is another content."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.given: list[OneReader] = []
        self.entered = threading.Event()
        self.go = threading.Event()

    def __call__(self, _deadline: Deadline) -> Content:
        self.entered.set()
        assert self.go.wait(30)
        if self.failure is not None:
            raise self.failure
        self.given.append(OneReader(f"fetch {len(self.given)}".encode()))
        return self.given[-1]


class Here:
    def __init__(self, threads: int) -> None:
        self.pool = ThreadPoolExecutor(threads)
        self.downloads = Downloads()

    def join(self, source: Source, key: str = "k", seconds: float = 60) -> Download:
        return self.downloads.join(key, source, self.pool, CLOCK.deadline(seconds))


@pytest.fixture
def here() -> Iterator[Here]:
    found = Here(4)
    yield found
    found.pool.shutdown()


def content_of(download: Download) -> Content:
    found = download.outcome()
    assert not isinstance(found, EvidenceUnavailable)
    return found


def test_it_is_fetched_once_and_closed_by_the_last_who_leaves(here: Here) -> None:
    source = Source()
    first, *others = [here.join(source) for _ in range(8)]
    assert [download.leads for download in (first, *others)] == [True] + [False] * 7
    source.go.set()
    read: list[bytes] = []

    def reader(download: Download) -> None:
        read.append(content_of(download).read())
        content_of(download).close()  # no one's to close
        download.leave()

    threads = [threading.Thread(target=reader, args=(download,)) for download in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert read == [b"fetch 0"] * 7
    (given,) = source.given
    assert given.closed == 0
    assert content_of(first).read() == b"fetch 0"
    assert (content_of(first).size, content_of(first).digest) == (7, Digest.of(b"fetch 0"))
    first.leave()
    assert (given.closed, here.downloads._flights) == (1, {})


def test_who_begins_and_leaves_ends_nothing(here: Here) -> None:
    source = Source()
    first, second = here.join(source), here.join(source)
    first.leave()
    source.go.set()
    assert content_of(second).read() == b"fetch 0"
    second.leave()
    assert source.given[0].closed == 1


def test_what_has_landed_is_shared_as_long_as_somebody_reads_it(here: Here) -> None:
    source = Source()
    source.go.set()
    first = here.join(source)
    assert content_of(first).read() == b"fetch 0"
    second = here.join(source)
    first.leave()
    assert content_of(second).read() == b"fetch 0"
    second.leave()
    third = here.join(source)
    assert third.leads
    assert content_of(third).read() == b"fetch 1"
    third.leave()
    assert [given.closed for given in source.given] == [1, 1]


def test_keys_do_not_share(here: Here) -> None:
    source = Source()
    source.go.set()
    downloads = [here.join(source, key) for key in "abc"]
    assert len({content_of(download).read() for download in downloads}) == 3
    for download in downloads:
        download.leave()


def test_what_nobody_wants_any_more_is_not_begun() -> None:
    here, blocking, never = Here(1), Source(), Source()
    held = here.join(blocking, "held")
    both = [here.join(never), here.join(never)]
    for download in both:
        download.leave()
    blocking.go.set()
    held.outcome()
    held.leave()
    here.pool.shutdown()
    assert not never.entered.is_set()
    assert here.downloads._flights == {}


def test_what_lands_after_all_have_left_is_closed(here: Here) -> None:
    source = Source()
    both = [here.join(source), here.join(source)]
    assert source.entered.wait(30)
    for download in both:
        download.leave()
    source.go.set()
    here.pool.shutdown()
    assert [given.closed for given in source.given] == [1]


def test_a_failure_is_theirs_who_waited_and_nobody_elses(here: Here) -> None:
    failure = EvidenceUnavailable(Code.REGISTRY_UNREACHABLE, "gone")
    source = Source(failure)
    both = [here.join(source), here.join(source)]
    source.go.set()
    assert [download.outcome() for download in both] == [failure, failure]
    source.failure = None
    third = here.join(source)
    assert third.leads
    assert content_of(third).read() == b"fetch 0"
    for download in (*both, third):
        download.leave()
    assert (source.given[0].closed, here.downloads._flights) == (1, {})


def test_a_mistake_is_raised_by_all(here: Here) -> None:
    source = Source(RuntimeError("broken"))
    both = [here.join(source), here.join(source)]
    source.go.set()
    for download in both:
        with pytest.raises(RuntimeError, match="broken"):
            download.outcome()
        download.leave()
    assert here.downloads._flights == {}


def test_it_says_how_much_time_it_had_left(here: Here) -> None:
    source = Source(EvidenceUnavailable(Code.DEADLINE_EXCEEDED, "late"))
    first, second = here.join(source, seconds=3), here.join(source, seconds=60)
    source.go.set()
    assert first.outcome() is second.outcome()
    assert (first.left, second.left) == (3, 3)


def test_an_executor_that_refuses_leaves_nothing(here: Here) -> None:
    here.pool.shutdown()
    with pytest.raises(RuntimeError):
        here.join(Source())
    assert here.downloads._flights == {}


def test_a_hundred_who_come_and_go(here: Here) -> None:
    source = Source()
    source.go.set()

    def visit() -> bytes:
        download = here.join(source)
        try:
            return content_of(download).read()
        finally:
            download.leave()

    with ThreadPoolExecutor(16) as visitors:
        found = list(visitors.map(lambda _: visit(), range(500)))
    assert all(content.startswith(b"fetch ") for content in found)
    assert {given.closed for given in source.given} == {1}
    assert here.downloads._flights == {}
