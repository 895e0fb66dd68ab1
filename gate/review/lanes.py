"""The threads for requests to all registries, shared out so that none who does not answer keeps them from the others.

Who waits for a turn waits in a list and not in a thread. A registry takes another thread only where twice as many as it
has are left for others, and of those that wait each has its turn: so who comes after some that hang finds a thread, and
who comes after very many gets the next that is free.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from gate.codes import Code
from gate.errors import EvidenceUnavailable, empty_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class _Lane:
    """What is asked of one registry: how much of it at the moment, and what waits."""

    running: int = 0
    waiting: deque[tuple[Future[Any], Callable[[], Any]]] = field(default_factory=deque)


@dataclass
class _Turn:
    """Something that has a thread, until that is given back."""

    name: str
    future: Future[Any]
    work: Callable[[], Any]
    over: bool = False


class Lanes:
    """Lanes by name, over threads that they share. Thread-safe."""

    def __init__(self, pool: Executor, threads: int, most: int) -> None:
        """Take a pool of so many `threads`, which nobody else uses; one lane has at `most` so many of them."""
        self._pool = pool
        self._threads = threads
        self._most = most
        self._lock = threading.Lock()
        self._lanes: dict[str, _Lane] = {}
        self._ready: deque[str] = deque()  # lanes where something waits, each once, in the order of their turns
        self._busy = 0

    def of(self, name: str) -> Executor:
        """The lane of a registry."""
        return _Entrance(self, name)

    def submit(self, name: str, work: Callable[[], T]) -> Future[T]:
        """Run it when its turn has come; until then it can be cancelled."""
        future: Future[T] = Future()
        with self._lock:
            lane = self._lanes.setdefault(name, _Lane())
            if not lane.waiting:
                self._ready.append(name)
            lane.waiting.append((future, work))
        self._begin()
        return future

    def _begin(self) -> None:
        """Begin whatever may, each in a thread of its own.

        Raises:
            RuntimeError: the pool takes nothing, or there can be no more threads; what was to begin is cancelled.
        """
        while (turn := self._next()) is not None:
            try:
                self._pool.submit(self._run, [turn])
            except BaseException:
                turn.future.cancel()
                self._end(turn)
                raise

    def _run(self, first: list[_Turn]) -> None:
        """One thing after the other, of whichever lane is next, as long as there is any that may be done.

        The first is taken out of its list, which the pool holds to the end: not what came of it.
        """
        turn: _Turn | None = first.pop()
        while turn is not None:
            if turn.future.set_running_or_notify_cancel():
                try:
                    turn.future.set_result(turn.work())
                except BaseException as error:  # noqa: BLE001 - whoever waits is told
                    empty_frames(error)
                    turn.future.set_exception(error)
            turn = self._next() if self._end(turn) else None
            if turn is not None:  # of one end, more than one may begin
                with suppress(RuntimeError):
                    self._begin()

    def _end(self, turn: _Turn) -> bool:
        """Give a thread back; False where that has been done, for a pool may run what it has refused."""
        with self._lock:
            if turn.over:
                return False
            turn.over = True
            lane = self._lanes[turn.name]
            lane.running -= 1
            self._busy -= 1
            if not lane.running and not lane.waiting:
                del self._lanes[turn.name]
            return True

    def _next(self) -> _Turn | None:
        """What may begin now, with a thread taken for it."""
        with self._lock:
            free = self._threads - self._busy
            for _ in range(len(self._ready) if free > 0 else 0):
                name = self._ready.popleft()
                lane = self._lanes[name]
                may = not lane.running or lane.running < min(self._most, free // 2)
                turn = _Turn(name, *lane.waiting.popleft()) if may else None
                if lane.waiting:
                    self._ready.append(name)
                if turn is not None:
                    lane.running += 1
                    self._busy += 1
                    return turn
            return None


def too_late(name: str, asked: Iterable[Future[Any]], *, answered: bool) -> EvidenceUnavailable:
    """Why there is no answer in time: the registry gave none (DEADLINE_EXCEEDED), or was not asked (OVERLOADED).

    The second says nothing of the registry: it may be there, and what stands in for one that is not does not for it.

    Args:
        name: the registry's.
        asked: what has not been answered.
        answered: whether anything before that was, or failed.
    """
    if answered or any(future.running() or (future.done() and not future.cancelled()) for future in asked):
        return EvidenceUnavailable(
            Code.DEADLINE_EXCEEDED, f"the time allowed ran out while {name} was asked for signatures"
        )
    return EvidenceUnavailable(
        Code.OVERLOADED,
        f"the time allowed ran out before {name} was asked for signatures: too many other requests were under way",
        hurried=True,
    )


class _Entrance(Executor):
    """A lane, for those who submit to it."""

    def __init__(self, lanes: Lanes, name: str) -> None:
        self._lanes = lanes
        self._name = name

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self._lanes.submit(self._name, lambda: fn(*args, **kwargs))
