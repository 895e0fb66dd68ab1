"""The tables of docs/compatibility.md, and what stands in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tests.e2e.differences import Difference

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
_BLOCK: Final = re.compile(r"(<!-- (\w+): .*? -->\n\n)(.*?)(\n\n<!-- end -->)", re.DOTALL)


def line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def differences(of: Mapping[str, Difference]) -> str:
    """The table of differences."""
    lines = [line(("difference", "cosign", "gate", "why")), line(["---"] * 4)]
    for name, it in of.items():
        lines.append(line((name, *("accepts" if v else "refuses" for v in (it.cosign, it.gate)), it.why)))
    return "\n".join(lines)


def blocks(text: str) -> dict[str, str]:
    """The tables of the document by name."""
    return {match[2]: match[3] for match in _BLOCK.finditer(text)}


def rewritten(text: str, of: Mapping[str, Callable[[], str]]) -> str:
    """The document with its tables as they have to be."""
    return _BLOCK.sub(lambda match: f"{match[1]}{of[match[2]]()}{match[4]}", text)


def cells_of(table: str) -> Iterator[list[str]]:
    """Those of each line, without the head."""
    for row in table.splitlines()[2:]:
        yield [cell.strip() for cell in row.strip("|").split("|")]
