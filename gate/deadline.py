"""The one deadline of a review, command or request, carried to every read; with it, what that cost, who was heard."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gate.codes import Code
from gate.errors import EvidenceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.hearing import Hearing
    from gate.spent import Meter


@dataclass(frozen=True, slots=True)
class Deadline:
    """An instant on a monotonic clock, in seconds, and the clock it is measured by.

    Attributes:
        meter: where what is done until then is written down; None where nobody wants to know.
        hearing: where it is written down that somebody was heard; likewise.
    """

    at: float
    clock: Callable[[], float]
    meter: Meter | None = None
    hearing: Hearing | None = None

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float]) -> Deadline:
        """The instant `seconds` from now."""
        return cls(clock() + seconds, clock)

    def remaining(self) -> float:
        """Seconds left; 0 or less when it has passed."""
        return self.at - self.clock()

    def sooner(self, seconds: float) -> Deadline:
        """This deadline, or `seconds` from now if that is earlier."""
        return Deadline(min(self.at, self.clock() + seconds), self.clock, self.meter, self.hearing)

    def earlier(self, seconds: float) -> Deadline:
        """So many seconds before this one: what is asked until then leaves time to say what came of it."""
        return replace(self, at=self.at - seconds)

    def metered(self, meter: Meter) -> Deadline:
        """The same, with another account."""
        return replace(self, meter=meter)

    def asking(self, hearing: Hearing) -> Deadline:
        """The same, for a question of which it is to be known whether anybody was heard."""
        return replace(self, hearing=hearing)

    @property
    def heard(self) -> bool:
        """Whether anybody was, as far as anybody wants to know."""
        return self.hearing is not None and self.hearing.heard

    def hear(self) -> None:
        """Somebody was heard."""
        if self.hearing is not None:
            self.hearing.heard = True

    def outlasts(self, left: float) -> bool:
        """Whether this leaves so much more than `left` seconds that what those were too short for is worth a try.

        Twice as much, so that of many who wait for each other's tries only a few make one.
        """
        return self.remaining() > 2 * max(0.0, left)

    def check(self, doing: str) -> float:
        """Seconds left.

        Raises:
            EvidenceUnavailable: DEADLINE_EXCEEDED, naming what was under way, when none are left.
        """
        left = self.remaining()
        if left <= 0:
            raise EvidenceUnavailable(Code.DEADLINE_EXCEEDED, f"the time allowed ran out while {doing}")
        return left
