"""The table of `--stats`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from gate.cli.render.stats import lines
from gate.spent import Spent

if TYPE_CHECKING:
    from gate.cli.report import Report


@dataclass
class _Entry:
    spent: Spent
    text: str


@dataclass
class _Report:
    entries: list[_Entry]
    store_trouble: dict[str, int] = field(default_factory=dict)


def test_columns_never_touch_and_stand_below_each_other() -> None:
    slow = Spent(123_456, 1_234, 10_000_000_000_000, 1_234_567_890, 100.0, 12_345.678, 20.0)
    report = _Report([_Entry(Spent(), "quick"), _Entry(slow, "slow")])
    head, *rows = lines(cast("Report", report))
    ends = [head.index(name) + len(name) for name in head.split()[:-1]]
    for row in rows:
        assert all(row[end : end + 2] == "  " for end in ends)
        assert all(row[end - 1] != " " for end in ends)
    assert rows[1].split()[:3] == ["123456", "1234", "9765625000"]
