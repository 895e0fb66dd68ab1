"""Grype's JSON report (`grype --output json`) as a scan.

What it says, and where it can be misread (grype/presenter/models, cmd/grype/cli/commands/root.go):

- A match may be an advisory of GitHub or of a vendor; the CVEs that it stands for are in `relatedVulnerabilities`, and
  often only they have scores.
- `ignoredMatches` is what ignore rules and VEX took out. A policy decides on exceptions and on whose VEX counts, so
  those are findings; what VEX said of one stands in its `analysis`. What Grype leaves out of itself is none: a
  language's package whose distribution has fixed it, and headers of a kernel that is not in the image.
- `descriptor.timestamp` can be turned off. When a vulnerability was published is not said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeGuard

import msgspec

from gate.policy.content.aliases import merged, names
from gate.policy.content.document import Unreadable, check_names, instant, shaped
from gate.policy.content.scan import Fix, Scan, Severity, Vulnerability
from gate.policy.content.severity import Base, highest, of_word, scored, settled
from gate.policy.content.vex import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME: Final = "grype"
_FIXES: Final = {"fixed": Fix.AVAILABLE, "not-fixed": Fix.NONE, "wont-fix": Fix.WONT_FIX}
_ANALYSES: Final = {status.value: status for status in Status}
_OWN_REASONS: Final = frozenset({"DistroPackageFixed", "Explicit APK NAK"})
_KERNEL_HEADERS: Final = frozenset(
    {
        ("kernel-headers", "kernel", "rpm"),
        ("linux(-.*)?-headers-.*", "linux.*", "deb"),
        ("linux-libc-dev", "linux", "deb"),
        ("linux-kbuild-.*", "linux.*", "deb"),
    }
)


class _Metrics(msgspec.Struct, gc=False):
    baseScore: Base | None = None


class _Cvss(msgspec.Struct, gc=False):
    version: str = ""
    vector: str = ""
    metrics: _Metrics | None = None


class _Fix(msgspec.Struct, gc=False):
    versions: list[str] | None = None
    state: str = ""


class _Record(msgspec.Struct, gc=False):
    id: str
    namespace: str = ""
    severity: str = ""
    cvss: list[_Cvss] | None = None
    fix: _Fix | None = None


class _Artifact(msgspec.Struct, gc=False):
    name: str
    version: str = ""
    purl: str = ""


class _RulePackage(msgspec.Struct, gc=False, rename={"upstream": "upstream-name"}):
    name: str = ""
    upstream: str = ""
    type: str = ""


class _Rule(
    msgspec.Struct,
    gc=False,
    rename={"vex": "vex-status", "match": "match-type", "fix": "fix-state"},
):
    vulnerability: str = ""
    reason: str = ""
    vex: str = ""
    match: str = ""
    fix: str = ""
    package: _RulePackage | None = None


class _Match(msgspec.Struct, gc=False):
    vulnerability: _Record
    artifact: _Artifact
    relatedVulnerabilities: list[_Record] | None = None
    appliedIgnoreRules: list[_Rule] | None = None


class _DatabaseStatus(msgspec.Struct, gc=False):
    built: str | None = None


class _Database(msgspec.Struct, gc=False):
    """Of schema 6 the time stands in `status`, before it at the top."""

    built: str | None = None
    status: _DatabaseStatus | None = None


class _Descriptor(msgspec.Struct, gc=False):
    name: str
    version: str = ""
    timestamp: str | None = None
    db: _Database | None = None


class _Report(msgspec.Struct, gc=False):
    matches: list[_Match]
    descriptor: _Descriptor
    ignoredMatches: list[_Match] | None = None


# Known to msgspec before there are threads (gate/strictjson.py).
_KNOWN: Final = msgspec.json.Decoder(_Report)


def is_report(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether it has the marks of Grype's report."""
    return isinstance(value, dict) and "matches" in value and "descriptor" in value


def read(value: object) -> Scan:
    """The scan of a report.

    Raises:
        Unreadable: it is not Grype's.
    """
    if not is_report(value):
        raise Unreadable("it is no report of Grype: it has no `matches` and `descriptor`")
    report = shaped(value, _Report, "report of Grype")
    if report.descriptor.name != _NAME:
        raise Unreadable(f"it is no report of Grype, but of {report.descriptor.name[:50]!r}")
    check_names([value], _Report)
    database = report.descriptor.db or _Database()
    built = database.status.built if database.status else database.built
    return Scan(
        tool=_NAME,
        version=report.descriptor.version,
        at=instant(report.descriptor.timestamp),
        database=instant(built),
        findings=merged(_findings(report)),
    )


def _findings(report: _Report) -> Iterator[Vulnerability]:
    for match in report.matches:
        yield _vulnerability(match, None)
    for match in report.ignoredMatches or ():
        rules = match.appliedIgnoreRules or []
        if not rules or not all(map(_is_own, rules)):
            yield _vulnerability(match, _analysis(rules))


def _is_own(rule: _Rule) -> bool:
    """Whether Grype has it without being told."""
    if rule.vex:
        return False
    if rule.reason in _OWN_REASONS:
        return True
    package = rule.package or _RulePackage()
    headers = (package.name, package.upstream, package.type) in _KERNEL_HEADERS
    return headers and rule.match == "exact-indirect-match" and not rule.vulnerability and not rule.fix


def _analysis(rules: list[_Rule]) -> Status | None:
    """What VEX says of a match, where it says one thing."""
    said = {_ANALYSES.get(rule.vex) for rule in rules if rule.vex}
    return said.pop() if len(said) == 1 else None


def _vulnerability(match: _Match, analysis: Status | None) -> Vulnerability:
    record, related = match.vulnerability, match.relatedVulnerabilities or []
    if not record.id:
        raise Unreadable("it is a report of Grype with a vulnerability that has no name")
    scores = [
        scored(given.metrics.baseScore if given.metrics else None, given.vector, given.version)
        for one in (record, *related)
        for given in one.cvss or ()
    ]
    word = of_word(record.severity)
    if word is Severity.UNKNOWN:
        word = max((of_word(one.severity) for one in related), default=Severity.UNKNOWN)
    severity, by_score = settled(word, scores)
    fix = record.fix or _Fix()
    fixed_in = tuple(version for version in fix.versions or () if version)
    return Vulnerability(
        ids=names(record.id, (one.id for one in related)),
        severity=severity,
        source="cvss" if by_score else record.namespace,
        cvss=highest(scores),
        fix=Fix.AVAILABLE if fixed_in else _FIXES.get(fix.state, Fix.UNKNOWN),
        fixed_in=fixed_in,
        package=match.artifact.name,
        version=match.artifact.version,
        purl=match.artifact.purl,
        analysis=analysis,
    )
