"""What a predicate may be taken for, and what comes of it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gate.policy.content.provenance import Provenance
from gate.policy.content.sbom import Sbom
from gate.policy.content.scan import Scan
from gate.policy.content.vex import Vex

if TYPE_CHECKING:
    from datetime import datetime


class Reading(StrEnum):
    """What a predicate is taken for."""

    SBOM = "sbom"
    SCAN = "scan"
    VEX = "vex"
    PROVENANCE = "provenance"
    RAW = "raw"
    """Nothing: its JSON, for expressions."""

    @property
    def what(self) -> str:
        """For people."""
        return _WHAT[self]


_WHAT: Final = {
    Reading.SBOM: "an SBOM",
    Reading.SCAN: "a vulnerability scan",
    Reading.VEX: "a VEX document",
    Reading.PROVENANCE: "SLSA provenance",
    Reading.RAW: "JSON",
}


class Raw(msgspec.Struct, frozen=True):
    """A statement as it is.

    Attributes:
        statement: the whole of it.
        predicate: of it, without cosign's wrapper.
        at: the earliest of the times that it states of itself, at the places that formats have for it.
    """

    statement: dict[str, Any]
    predicate: object
    at: datetime | None


Predicate = Sbom | Scan | Vex | Provenance | Raw
