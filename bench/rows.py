"""Figures as a Markdown table: what was got, the bar, and whether it held."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: at its best and in the middle of its repetitions.

    Attributes:
        what: was measured.
        best: of all repetitions.
        median: of all repetitions; as `best` where they have to be alike.
        unit: of both and of the bar.
        bar: what they may be at most; None for a figure that only informs.
        note: what else was seen.
    """

    what: str
    best: float
    median: float
    unit: str = "ms"
    bar: float | None = None
    note: str = ""

    @classmethod
    def of(cls, what: str, values: Sequence[float], unit: str = "ms", bar: float | None = None, note: str = "") -> Self:
        return cls(what, min(values), statistics.median(values), unit, bar, note)

    @classmethod
    def count(cls, what: str, values: Sequence[int], unit: str, bar: float | None = None, note: str = "") -> Self:
        """What has to be alike each time: the worst is what counts."""
        return cls(what, max(values), max(values), unit, bar, note)

    @property
    def got(self) -> str:
        best, median = self._shown(self.best), self._shown(self.median)
        note = f" ({self.note})" if self.note else ""
        at_best = f", at best {best}" if best != median else ""
        return f"{median} {self.unit}".rstrip() + at_best + note

    @property
    def allowed(self) -> str:
        return "" if self.bar is None else f"≤ {self.bar:g} {self.unit}".rstrip()

    @property
    def verdict(self) -> str:
        if self.bar is None:
            return ""
        return "held" if self.median <= self.bar else "held at best" if self.best <= self.bar else "MISSED"

    def _shown(self, value: float) -> str:
        return (
            f"{value:.2f}" if self.unit == "times" else f"{value:.1f}" if self.unit in ("ms", "MB") else f"{value:.0f}"
        )


def table(found: Sequence[Row]) -> str:
    """Of Markdown."""
    lines = [f"| {row.what} | {row.got} | {row.allowed} | {row.verdict} |" for row in found]
    return "\n".join(("| what | got | bar | |", "|---|---|---|---|", *lines))
