"""Writing in the background: order, bounds, and the end."""

from __future__ import annotations

import threading
from itertools import chain
from typing import TYPE_CHECKING

from gate.store.writing import Background, Bounds

if TYPE_CHECKING:
    from collections.abc import Sequence


class Writer:
    """Writes when it is let, and remembers in which batches."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.finished = threading.Event()

    def write(self, batch: Sequence[str]) -> None:
        self.begun.set()
        self.go_on.wait(60)
        self.batches.append(list(batch))

    def background(self, waiting: Bounds, batch: Bounds) -> Background[str]:
        return Background(self.write, self.finished.set, "test", waiting, batch)


def _held(waiting: Bounds, batch: Bounds) -> tuple[Writer, Background[str]]:
    """With the first item being written, for as long as the test likes."""
    writer = Writer()
    background = writer.background(waiting, batch)
    assert background.put("first", 1)
    assert writer.begun.wait(60)
    return writer, background


def test_in_order_and_in_batches() -> None:
    writer, background = _held(Bounds(100, 100), Bounds(3, 100))
    assert all(background.put(item, 1) for item in "abcdefg")
    writer.go_on.set()
    assert background.close(60) == 0
    assert writer.batches == [["first"], ["a", "b", "c"], ["d", "e", "f"], ["g"]]
    assert writer.finished.is_set()


def test_a_batch_has_so_many_bytes_or_one_item() -> None:
    writer, background = _held(Bounds(100, 1000), Bounds(10, 10))
    for item, weight in (("a", 6), ("b", 4), ("c", 1), ("d", 500), ("e", 1)):
        assert background.put(item, weight)
    writer.go_on.set()
    background.close(60)
    assert writer.batches == [["first"], ["a", "b"], ["c"], ["d"], ["e"]]


def test_too_many_items_are_not_taken() -> None:
    writer, background = _held(Bounds(3, 1000), Bounds(10, 10))
    assert [background.put(item, 1) for item in "abcd"] == [True, True, True, False]
    writer.go_on.set()
    background.close(60)
    assert list(chain(*writer.batches)) == ["first", "a", "b", "c"]


def test_too_many_bytes_are_not_taken_and_what_is_being_written_counts() -> None:
    writer, background = _held(Bounds(100, 100), Bounds(10, 10))
    assert [background.put(item, 50) for item in "ab"] == [True, False]
    writer.go_on.set()
    background.close(60)


def test_what_is_written_makes_room() -> None:
    writer = Writer()
    writer.go_on.set()
    background = writer.background(Bounds(100, 100), Bounds(10, 100))
    for number in range(50):
        while not background.put(str(number), 90):
            writer.begun.wait(0.01)
    background.close(60)
    assert list(chain(*writer.batches)) == [str(number) for number in range(50)]


def test_closed_it_takes_nothing() -> None:
    writer = Writer()
    background = writer.background(Bounds(100, 100), Bounds(10, 100))
    assert background.close(1) == 0
    assert not background.put("a", 1)
    assert not writer.finished.is_set()  # there was no thread


def test_what_is_not_written_in_time_is_given_up() -> None:
    writer, background = _held(Bounds(100, 100), Bounds(1, 100))
    for item in "abc":
        background.put(item, 1)
    assert background.close(0.01) == 3
    writer.go_on.set()
    assert writer.finished.wait(60)
    assert writer.batches == [["first"]]
