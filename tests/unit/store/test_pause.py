"""Leaving alone what has failed."""

from __future__ import annotations

from gate.store.pause import Pause
from tests.fakes.clock import SettableClock


def test_at_first_everybody_tries() -> None:
    pause = Pause(SettableClock().monotonic)
    assert [pause.passes() for _ in range(3)] == [True] * 3


def test_after_a_failure_nobody_does_for_so_long_and_then_one() -> None:
    clock = SettableClock()
    pause = Pause(clock.monotonic)
    pause.begin(5)
    assert not pause.passes()
    clock.advance(4.9)
    assert not pause.passes()
    clock.advance(0.2)
    assert [pause.passes() for _ in range(3)] == [True, False, False]
    clock.advance(5)
    assert [pause.passes() for _ in range(3)] == [True, False, False]


def test_when_it_worked_everybody_tries_again() -> None:
    clock = SettableClock()
    pause = Pause(clock.monotonic)
    pause.begin(5)
    clock.advance(5)
    assert pause.passes()
    pause.end()
    assert [pause.passes() for _ in range(3)] == [True] * 3
