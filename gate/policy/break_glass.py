"""An audited way through, for named images or namespaces, until a near time (POLICY §6)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.policy.finding import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from gate.image.digest import Digest
    from gate.image.reference import Repository
    from gate.policy.waiver import Scope

LONGEST: Final = timedelta(hours=24)
"""That a break-glass may last, whatever `GateConfig` says."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who created an object, and when: as the API server tells admission, never as the object says of itself."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """One of them.

    Attributes:
        scope: which images; narrowed by something.
        until: as its author wrote it.
        end: the first instant at which it is over.
        reason: why, for people.
        ticket: where that is written down; "" for nowhere.
        stamp: None where nobody is known to have created it: it grants nothing then, as from a file or ConfigMap.
    """

    name: str
    scope: Scope
    until: str
    end: datetime
    reason: str
    ticket: str = ""
    stamp: Stamp | None = None

    def counts(self, now: datetime, most: timedelta) -> bool:
        """Whether it grants something now, where it may last for `most` from its creation."""
        if self.stamp is None or now >= self.end:
            return False
        return self.end - self.stamp.at <= min(most, LONGEST)

    def covers(self, name: Repository, namespace: str | None) -> bool:
        """Whether an image there is in it, whatever its digest is."""
        return self.scope.covers(name, namespace)

    def __str__(self) -> str:
        """For people: who, how long and why."""
        by = f" of {self.stamp.by}" if self.stamp else ""
        why = f"{self.reason}, {self.ticket}" if self.ticket else self.reason
        return f"GateBreakGlass {self.name}{by} until {self.until} ({why})"


def softened(glasses: Iterable[BreakGlass], findings: Iterable[Finding], digest: Digest | None) -> list[Finding]:
    """Findings, and of those that would stop the image only warnings, but for what is revoked; each use is said.

    Args:
        glasses: that count, and cover the image as far as its digest does not matter.
        findings: of the image.
        digest: of it; None where it is not known.
    """
    found = list(findings)
    used = next((glass for glass in glasses if glass.scope.holds(digest)), None)
    stopping = [finding for finding in found if finding.verdict.stops and finding.code is not Code.REVOKED]
    if used is None or not stopping:
        return found
    codes = ", ".join(sorted({str(finding.code) for finding in stopping}))
    note = Finding(Code.BREAK_GLASS_USED, Verdict.ALLOW, f"let through by {used}: {codes}", "mend what it lets through")
    return [note, *(replace(one, verdict=Verdict.WARN) if one in stopping else one for one in found)]
