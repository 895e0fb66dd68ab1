"""Reads the predicate of a signed statement as what a rule takes it for; here predicate types are told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.policy.content import cyclonedx, openvex, slsa, spdx, vuln
from gate.policy.content import cyclonedx_vulnerabilities as bom
from gate.policy.content.document import Unreadable, instant, opened, unwrapped
from gate.policy.content.predicate import Raw, Reading
from gate.policy.content.sbom import SbomFormat
from gate.policy.predicate_types import IN_TOTO_VULNS_TYPES, PROVENANCE_V1, SBOM_TYPES, VULN_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from gate.policy.content.predicate import Predicate

PARSER: Final = 1
"""Goes up when a reader reads a document as something else than before: what was read is kept under it."""


def read(reading: Reading, predicate_type: str, statement: bytes) -> Predicate | None:
    """What a predicate says; None where it is none of what it would be taken for, and does not claim to be.

    Args:
        reading: what it is taken for.
        predicate_type: of the statement.
        statement: signed bytes, of a statement that is sound but for its predicate.

    Raises:
        Unreadable: it can't be read as that.
    """
    value = opened(statement)
    if not isinstance(value, dict):
        raise Unreadable("it is no in-toto statement")
    if reading is Reading.RAW:
        return _raw(value)
    return _reader(reading, predicate_type)(unwrapped(value.get("predicate")))


def _reader(reading: Reading, predicate_type: str) -> Callable[[object], Predicate | None]:
    is_cyclonedx = predicate_type in SBOM_TYPES[SbomFormat.CYCLONEDX]
    match reading:
        case Reading.SBOM:
            return cyclonedx.read if is_cyclonedx else spdx.read
        case Reading.SCAN if is_cyclonedx:
            return lambda value: bom.read_scan(value) if bom.is_scan(value) else None
        case Reading.SCAN if predicate_type in VULN_TYPES:
            return vuln.read
        case Reading.SCAN if predicate_type in IN_TOTO_VULNS_TYPES:
            return vuln.read_in_toto
        case Reading.VEX:
            return (lambda value: bom.read_vex(value) if bom.is_vex(value) else None) if is_cyclonedx else openvex.read
        case Reading.PROVENANCE:
            return slsa.read_v1 if predicate_type in PROVENANCE_V1 else slsa.read_v02
        case _:
            raise Unreadable(f"of type {predicate_type[:200]} nothing is known that could be read as a {reading}")


_TIMES: Final = (
    ("metadata", "timestamp"),  # CycloneDX
    ("creationInfo", "created"),  # SPDX 2
    ("metadata", "scanFinishedOn"),  # cosign vuln, in-toto vulns
    ("runDetails", "metadata", "finishedOn"),  # SLSA 1
    ("metadata", "buildFinishedOn"),  # SLSA 0.2
    ("timeVerified",),  # VSA
    ("timestamp",),  # OpenVEX
    ("Timestamp",),  # cosign's wrapper
)


def _raw(value: dict[str, object]) -> Raw:
    wrapped = value.get("predicate")
    times = [time for path in _TIMES if (time := _time(wrapped, path)) is not None]
    try:
        predicate = unwrapped(wrapped)
    except Unreadable:
        predicate = wrapped["Data"] if isinstance(wrapped, dict) else None  # a text that is no JSON
    times += [time for path in _TIMES if (time := _time(predicate, path)) is not None]
    return Raw(value, predicate, min(times, default=None))


def _time(value: object, path: tuple[str, ...]) -> datetime | None:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    try:
        return instant(value) if isinstance(value, str) else None
    except Unreadable:
        return None
