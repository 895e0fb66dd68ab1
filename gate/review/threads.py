"""The threads of a reviewer: each kind waits only for those after it, so that none can wait for itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from gate.review.lanes import Lanes

MAX_FIRSTS: Final = 64
"""Reviews that have a thread of their own, whatever the others are waiting for: as many as a worker answers."""

MAX_REQUESTS: Final = 176
"""Requests of all reviews at a time."""

MAX_LANE: Final = 64
"""Of them to one registry: one that hangs leaves the others their share."""


class Threads:
    """Of one process.

    Attributes:
        firsts: for the first image of each review.
        images: for the others.
        sources: for what is found out of one image side by side, by registry.
        flights: for collections that many may wait for, by registry.
        lanes: for requests.
    """

    def __init__(self, images: int) -> None:
        """Take how many images are judged at a time, beside the first of each review."""
        self.firsts = _pool("first", MAX_FIRSTS)
        self.images = _pool("image", images)
        self._places = _pool("source", images + MAX_FIRSTS)
        self.sources = Lanes(self._places, images + MAX_FIRSTS, images + MAX_FIRSTS)
        self._flying = _pool("flight", images + MAX_FIRSTS)
        self.flights = Lanes(self._flying, images + MAX_FIRSTS, images + MAX_FIRSTS)
        self._requests = _pool("request", MAX_REQUESTS)
        self.lanes = Lanes(self._requests, MAX_REQUESTS, MAX_LANE)

    def close(self) -> None:
        """Begin nothing any more; what is under way ends with its deadline."""
        for pool in (self.firsts, self.images, self._places, self._flying, self._requests):
            pool.shutdown(wait=False, cancel_futures=True)


def _pool(name: str, threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name)
