"""What a bill of materials says, whatever its format."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from gate.policy.finding import Reason

UNKNOWN: Final = frozenset({"", "NOASSERTION", "NONE"})
"""Words, in capitals, for what nobody knows or nobody says."""


class SbomFormat(StrEnum):
    """What a policy calls it."""

    CYCLONEDX = "cyclonedx"
    SPDX = "spdx"


class Component(msgspec.Struct, frozen=True, gc=False):
    """One thing that is in the image.

    Attributes:
        name: with its group or namespace, as its format writes them.
        version: "" where there is none.
        purl: its package URL, as written; "" where there is none.
        licenses: SPDX expressions or names, each of which holds; () where nothing is known. NOASSERTION is not one.
        supplier: whether somebody is named as its supplier.
        hashed: whether a hash of it is given.
        ref: what its document calls it.
        top: whether it stands at the top level of its document.
    """

    name: str
    version: str = ""
    purl: str = ""
    licenses: tuple[str, ...] = ()
    supplier: bool = False
    hashed: bool = False
    ref: str = ""
    top: bool = True

    def __str__(self) -> str:
        """For people."""
        return f"{self.name} {self.version}".rstrip()


class Sbom(msgspec.Struct, frozen=True):
    """A bill of materials.

    Attributes:
        version: of its format, such as `1.6`.
        at: when it says it was made; None where it does not.
        tools: what made it, for people.
        components: all of them, at whatever depth; the image itself is none.
        judged: what rules say of it, for whoever asks them again.
    """

    format: SbomFormat
    version: str
    at: datetime | None
    tools: tuple[str, ...]
    components: tuple[Component, ...]
    judged: dict[object, tuple[Reason, ...]] = msgspec.field(default_factory=dict)


def known_licenses(texts: Iterable[str]) -> tuple[str, ...]:
    """Those that say something, each once, in their order."""
    known: dict[str, None] = {}
    for text in texts:
        stripped = text.strip()
        if stripped.upper() not in UNKNOWN:
            known[stripped] = None
    return tuple(known)
