"""What a vulnerability scan says, whichever tool made it (research: one Scan and Finding model)."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from datetime import datetime

    from gate.policy.content.vex import Status


class Severity(IntEnum):
    """How bad, in order. UNKNOWN stands apart: a policy says what becomes of it."""

    UNKNOWN = -1
    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def word(self) -> str:
        """As policies write it."""
        return self.name.lower()


class Fix(StrEnum):
    """Whether there is a version without it."""

    AVAILABLE = "available"
    NONE = "none"
    WONT_FIX = "wont-fix"
    UNKNOWN = "unknown"
    """The format, or the tool, does not say."""


class Vulnerability(msgspec.Struct, frozen=True, gc=False):
    """One vulnerability in one component.

    Attributes:
        ids: the name that the tool gives it first, then its aliases (CVE, GHSA …), sorted, each once.
        severity: the tool's word; else by the worst CVSS vector; else unknown.
        source: whose word that is, for people: the tool's source such as `nvd`, or `cvss`.
        cvss: the highest base score that is given, 0 to 10; None where none is.
        fix: whether there is a version without it.
        fixed_in: those versions.
        package: name of the component.
        version: of the component; "" where it is not said.
        purl: of the component; "" where it is not said.
        published: when the vulnerability was published, as the report says; None where it does not.
        analysis: what the document itself says of it (CycloneDX `analysis`); None where it says nothing.
    """

    ids: tuple[str, ...]
    severity: Severity
    source: str = ""
    cvss: float | None = None
    fix: Fix = Fix.UNKNOWN
    fixed_in: tuple[str, ...] = ()
    package: str = ""
    version: str = ""
    purl: str = ""
    published: datetime | None = None
    analysis: Status | None = None


class Scan(msgspec.Struct, frozen=True):
    """A report.

    Attributes:
        tool: its name in lower case, such as `trivy`; "" where it is not said.
        version: of the tool.
        at: when was scanned: the earliest of the times that the document gives; None where it gives none.
        database: of what time its vulnerability database is; None where it is not said.
        findings: the worst first; one per vulnerability (any of its names) and component.
    """

    tool: str
    version: str
    at: datetime | None
    database: datetime | None
    findings: tuple[Vulnerability, ...]
