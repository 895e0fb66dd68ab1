"""Fills the caches with what will be asked for: a list of images, some at a time, within a budget of requests."""

from __future__ import annotations

import threading
from itertools import islice
from typing import TYPE_CHECKING, Final

from gate.deadline import Deadline
from gate.policy.plan import Stage
from gate.review.review import Subject

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.policy.policy_set import PolicySet
    from gate.review.review import Reviewer
    from gate.review.warming import Warming

WAIT_SECONDS: Final = 60.0
"""That readiness waits for it at most."""

_AT_ONCE: Final = 4  # images: those that are really asked for come first


class Prewarmer:
    """Judges each image once and throws the verdict away: what it rests on is kept. Thread-safe."""

    def __init__(
        self, reviewer: Reviewer, policies: Callable[[], PolicySet], warming: Warming, clock: Callable[[], float]
    ) -> None:
        """Takes its collaborators; `clock` is monotonic, in seconds. Nothing is asked yet."""
        self._reviewer = reviewer
        self._policies = policies
        self._warming = warming
        self._clock = clock
        self._over = threading.Event()
        if not warming.images:
            self._over.set()
        self._begun = clock()
        self.done = 0
        """Images so far."""

        self.requests = 0
        """Sent for them."""

        self._most = 0  # that one has taken

    @property
    def holds(self) -> bool:
        """Whether nothing is ready because of it; not for ever, whatever registries do."""
        waited = self._clock() - self._begun
        return self._warming.wait and not self._over.is_set() and waited < WAIT_SECONDS

    @property
    def state(self) -> str:
        """For people: how far it is; "" once it is over."""
        return "" if self._over.is_set() else f"warming: {self.done} of {len(self._warming.images)} images"

    def run(self) -> None:
        """All of them, or as many as the budget allows. Whatever goes wrong is no reason not to become ready."""
        try:
            images = iter(self._warming.images)
            while (left := self._warming.requests - self.requests) > 0:
                # No more than there are requests for, as far as that is known: one, two, and so on, until it is.
                some = tuple(islice(images, max(1, min(_AT_ONCE, self.done + 1, left // max(1, self._most)))))
                if not some:
                    break
                self._warm(some)
        finally:
            self._over.set()

    def _warm(self, images: tuple[str, ...]) -> None:
        deadline = Deadline.after(self._warming.seconds, self._clock)
        subjects = [Subject(image) for image in images]
        for review in self._reviewer.review(self._policies(), subjects, Stage.CHECK, deadline):
            self.requests += review.spent.requests
            self._most = max(self._most, review.spent.requests)
            self.done += 1
