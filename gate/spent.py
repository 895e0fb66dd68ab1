"""What a decision cost: requests and their waves, bytes, and where the time went."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

_UNDER_WAY: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Spent:
    """The account of one image, or of several.

    Attributes:
        requests: sent, those for tokens and after redirects among them.
        waves: the longest row of requests of which each began when the one before had ended.
        received: bytes of bodies.
        hits: questions that a cache answered.
        registry: seconds in which at least one request was under way.
        verify: seconds of cryptography.
        evaluate: seconds of policy.
    """

    requests: int = 0
    waves: int = 0
    received: int = 0
    hits: int = 0
    registry: float = 0.0
    verify: float = 0.0
    evaluate: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        """Of both: side by side, so that the waves are those of the longer."""
        return Spent(
            self.requests + other.requests,
            max(self.waves, other.waves),
            self.received + other.received,
            self.hits + other.hits,
            self.registry + other.registry,
            self.verify + other.verify,
            self.evaluate + other.evaluate,
        )


class Meter:
    """Writes down what is spent on one image. Thread-safe."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._lock = threading.Lock()
        self._requests: list[tuple[float, float]] = []  # from and to when
        self._received = 0
        self._hits = 0
        self._verify = 0.0
        self._evaluate = 0.0

    def begin(self, begun: float) -> int:
        """A request, sent at an instant of a monotonic clock, in seconds; what `end` knows it by.

        It counts from now on: whoever has no time to wait for its end pays for it all the same.
        """
        with self._lock:
            self._requests.append((begun, _UNDER_WAY))
            return len(self._requests) - 1

    def end(self, request: int, ended: float, received: int) -> None:
        """It is over, and so many bytes of its answer's body had come."""
        with self._lock:
            begun, _ = self._requests[request]
            self._requests[request] = (begun, ended)
            self._received += received

    def hit(self) -> None:
        """A cache answered."""
        with self._lock:
            self._hits += 1

    def verified(self, seconds: float) -> None:
        """Time of cryptography."""
        with self._lock:
            self._verify += seconds

    def evaluated(self, seconds: float) -> None:
        """Time of policy."""
        with self._lock:
            self._evaluate += seconds

    @property
    def requests(self) -> int:
        """Sent so far, those under way among them."""
        return len(self._requests)

    def spent(self, now: float) -> Spent:
        """The account so far; what is under way counts until now, an instant of the same clock."""
        with self._lock:
            asked = [(begun, max(begun, min(ended, now))) for begun, ended in self._requests]
            return Spent(
                len(asked), _waves(asked), self._received, self._hits, _covered(asked), self._verify, self._evaluate
            )


def _waves(asked: list[tuple[float, float]]) -> int:
    """The most of them of which no two overlap: what ends first leaves room for the most others."""
    waves, last = 0, float("-inf")
    for begun, ended in sorted(asked, key=lambda one: one[1]):
        if begun >= last:
            waves, last = waves + 1, ended
    return waves


def _covered(asked: list[tuple[float, float]]) -> float:
    covered, last = 0.0, float("-inf")
    for begun, ended in sorted(asked):
        covered += max(0.0, ended - max(begun, last))
        last = max(last, ended)
    return covered
