"""Names of vulnerabilities and of packages: which findings are one, and which names stand for a finding."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from gate.policy.content.scan import Fix, Severity, Vulnerability

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

# Each is the name of one vulnerability. An advisory of a vendor (DSA, RHSA, ALAS …) is about any number of them.
_OWN: Final = ("CVE-", "GHSA-", "GO-", "PYSEC-", "RUSTSEC-", "GMS-")
_BY_FIX: Final = {Fix.AVAILABLE: 2, Fix.UNKNOWN: 1, Fix.NONE: 0, Fix.WONT_FIX: 0}


def names(first: str, others: Iterable[str]) -> tuple[str, ...]:
    """The names of a vulnerability: the first one, then the others sorted, each once."""
    if not others:
        return (first,)
    return (first, *sorted({other for other in others if other and other != first}))


def covers(said: Collection[str], ids: tuple[str, ...]) -> bool:
    """Whether what is said of some names is said of a finding with these.

    A finding that stands for several CVEs needs each of them. Another needs its first name or one that is its own: an
    advisory that both share is not enough, for it has other vulnerabilities too.
    """
    cves = [name for name in ids if name.startswith("CVE-")]
    if len(cves) > 1:
        return all(cve in said for cve in cves)
    return any(name in said for name in ids if name == ids[0] or name.startswith(_OWN))


@lru_cache(maxsize=16_384)
def bare(purl: str) -> str:
    """A package URL without its qualifiers: neither architecture nor distribution makes another package of it."""
    if "?" not in purl:
        return purl
    head, mark, subpath = purl.partition("#")
    return head.partition("?")[0] + mark + subpath


def merged(findings: Iterable[Vulnerability]) -> tuple[Vulnerability, ...]:
    """Findings with each once, the worst first.

    Two are one where all their names and the package are the same. One name in common makes them none: several CVEs
    share an advisory. Of two that are one the worse of everything holds.
    """
    once: dict[tuple[tuple[str, ...], str, str], Vulnerability] = {}
    for finding in findings:
        place = (bare(finding.purl), "") if finding.purl else (finding.package, finding.version)
        ids = finding.ids
        key = (ids if len(ids) == 1 else tuple(sorted(ids)), *place)
        known = once.get(key)
        once[key] = finding if known is None else _worse(known, finding)
    return tuple(sorted(once.values(), key=_order))


def earliest(*times: datetime | None) -> datetime | None:
    """The earliest of those times that there are."""
    return min((time for time in times if time), default=None)


def _order(finding: Vulnerability) -> tuple[int, float, tuple[str, ...], str, str, str]:
    return (
        -finding.severity,
        -(finding.cvss or 0),
        finding.ids,
        finding.purl,
        finding.package,
        finding.version,
    )


def _worse(one: Vulnerability, other: Vulnerability) -> Vulnerability:
    graver = other if other.severity > one.severity else one
    return msgspec.structs.replace(
        one,
        severity=graver.severity,
        source=graver.source if graver.severity is not Severity.UNKNOWN else one.source,
        cvss=max((score for score in (one.cvss, other.cvss) if score is not None), default=None),
        fix=max(one.fix, other.fix, key=_BY_FIX.__getitem__),
        fixed_in=tuple(dict.fromkeys(one.fixed_in + other.fixed_in)),
        # Without a date there is no grace, and what is analysed in one place and found in another is found.
        published=min(one.published, other.published) if one.published and other.published else None,
        analysis=one.analysis if one.analysis is other.analysis else None,
    )
