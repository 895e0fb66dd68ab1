"""docs/limits.md names every bound there is in the code, with its value."""

from __future__ import annotations

import ast
import importlib
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
BOUND = re.compile(r"MAX_[A-Z_]+|[A-Z][A-Z_]*_SECONDS|(?:MEMORY|FILE)_BYTES|[A-Z_]+_AT_ONCE|LARGE")
ROW = re.compile(r"\| (.+) \| (.+) \| `([a-z_.]+)\.([A-Z_]+)` \|")


def _in_code() -> Iterator[str]:
    for path in (ROOT / "gate").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if module.startswith("gate.demo"):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if (
                isinstance(node, ast.AnnAssign)
                and isinstance(node.target, ast.Name)
                and BOUND.fullmatch(node.target.id)
            ):
                yield f"{module}.{node.target.id}"


def _in_docs() -> dict[str, tuple[str, str]]:
    """What each bound is of, and its value as it is written."""
    text = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    return {f"{module}.{name}": (what, value) for what, value, module, name in ROW.findall(text)}


def _shown(name: str, value: object, *, of_bytes: bool) -> str:
    if isinstance(value, timedelta):
        return f"{value.total_seconds() / 3600:g} h"
    assert isinstance(value, int | float)
    if name.endswith("SECONDS"):
        unit, size = next(((u, n) for u, n in (("d", 86400), ("h", 3600)) if value >= n and not value % n), ("s", 1))
        return f"{value / size:g} {unit}"
    assert isinstance(value, int)
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if of_bytes and value >= size and not value % size:
            return f"{value // size} {unit}"
    return f"{value:,}"


def test_every_bound_is_named() -> None:
    assert set(_in_code()) - set(_in_docs()) == set()


@pytest.mark.parametrize("name", _in_docs())
def test_each_is_what_it_says(name: str) -> None:
    what, value = _in_docs()[name]
    module, _, constant = name.rpartition(".")
    found = getattr(importlib.import_module(module), constant)
    assert _shown(constant, found, of_bytes="bytes" in what.lower()) == value
