"""Findings that are many: the first of each code are told, the others counted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gate.codes import Code

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.policy.finding import Finding

MAX_TOLD: Final = 10
"""Findings of one code and rule that are told one by one."""

_MANY: Final = frozenset(
    {
        Code.VULNERABILITY_DENIED,
        Code.COMPONENT_DENIED,
        Code.LICENSE_DENIED,
        Code.LICENSE_UNKNOWN,
        Code.EXCEPTION_USED,
        Code.EXCEPTION_EXPIRED,
        Code.EXCEPTION_EXPIRING,
    }
)


def summed_up(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings of one rule, each once; of a code of which there may be thousands the first, and how many more."""
    told: list[Finding] = []
    by_code: dict[Code, list[Finding]] = {}
    for finding in dict.fromkeys(findings):
        alike = by_code.setdefault(finding.code, [])
        alike.append(finding)
        if finding.code not in _MANY or len(alike) <= MAX_TOLD:
            told.append(finding)
    for code, alike in by_code.items():
        if code in _MANY and len(alike) > MAX_TOLD:
            told.append(replace(alike[-1], message=f"… and {len(alike) - MAX_TOLD} more", remedy=""))
    return tuple(told)
