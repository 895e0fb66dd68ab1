"""What outlives a request, in a dictionary (gate.review.ports.Store)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class DictStore:
    """Keeps everything, whatever is said of seconds.

    Attributes:
        values: may be changed.
        asked: keys that were asked for.
    """

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.closed = False

    def get(self, keys: Sequence[str]) -> dict[str, bytes]:
        self.asked.extend(keys)
        return {key: self.values[key] for key in keys if key in self.values}

    def put(self, key: str, value: bytes, seconds: float) -> None:
        self.values[key] = value

    @property
    def counts(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        self.closed = True
