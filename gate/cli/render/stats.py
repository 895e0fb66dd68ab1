"""What a check cost, for people: a table of a line an image, and of one for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.spent import Spent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.cli.report import Report

_HEAD: Final = ("requests", "waves", "received", "cached", "registry", "verify", "evaluate", "image")
_KIB: Final = 1024
_TROUBLE: Final = {
    "corrupt": "not what they are called, and passed over",
    "dropped": "not kept",
    "failed": "reads or writes that failed",
    "set_aside": "files set aside",
}


def lines(report: Report) -> Iterator[str]:
    """The table: times in milliseconds; `cached` are the questions that a cache answered."""
    table = [_HEAD, *((*_cells(entry.spent), entry.text) for entry in report.entries)]
    if len(report.entries) > 1:
        whole = sum((entry.spent for entry in report.entries), Spent())
        table.append((*_cells(whole), f"all {len(report.entries)}, side by side"))
    widths = [max(map(len, column)) for column in zip(*(figures for *figures, _ in table), strict=True)]
    for *figures, last in table:
        yield "  ".join([*(f"{figure:>{width}}" for figure, width in zip(figures, widths, strict=True)), last])
    if trouble := [f"{times} {_TROUBLE[what]}" for what, times in sorted(report.store_trouble.items()) if times]:
        yield f"trouble with the cache: {', '.join(trouble)}"


def _cells(spent: Spent) -> tuple[str, ...]:
    times = (spent.registry, spent.verify, spent.evaluate)
    received = f"{spent.received} B" if spent.received < _KIB else f"{spent.received / _KIB:.0f} KiB"
    return (
        str(spent.requests),
        str(spent.waves),
        received,
        str(spent.hits),
        *(f"{seconds * 1000:.1f} ms" for seconds in times),
    )
