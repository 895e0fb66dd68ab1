"""Findings that are many: the worst of each code are told, the others counted."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gate.codes import Code

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.policy.finding import Finding

MAX_TOLD: Final = 10
"""Findings of one code and rule that are told one by one."""

_LAST: Final = sys.maxsize
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
    """The findings of one rule, each once; of a code of which there may be thousands the worst, and how many more."""
    told: list[Finding] = []
    by_code: dict[Code, list[Finding]] = {}
    for finding in dict.fromkeys(findings):
        by_code.setdefault(finding.code, []).append(finding)
    for code, alike in by_code.items():
        if code not in _MANY or len(alike) <= MAX_TOLD:
            told.extend(alike)
            continue
        told.extend(sorted(alike, key=lambda finding: finding.rank)[:MAX_TOLD])
        more = len(alike) - MAX_TOLD
        told.append(replace(alike[0], message=f"… and {more} more", remedy="", rank=_LAST, count=more))
    return tuple(told)
