"""Trivy's JSON report (`trivy image --format json`, schema 2: since v0.20) as a scan.

What it says, and where it can be misread (pkg/types/report.go, pkg/types/finding.go):

- `Results` is left out where it is empty: of an image in which Trivy knows no package, and of every image where only
  secrets or misconfigurations were asked for. The two can't be told apart, so a report without a result of packages is
  no scan. Before v0.58 packages of languages without a vulnerability have none unless `--list-all-pkgs` is given.
- `Vulnerabilities` is left out of a result without any.
- `ExperimentalModifiedFindings` is what `.trivyignore` or VEX took out. A policy decides on exceptions and on whose VEX
  counts, so those are findings; what VEX said of one stands in its `analysis`.
"""

from __future__ import annotations

from datetime import MINYEAR, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeGuard

import msgspec

from gate.policy.content.aliases import merged, names
from gate.policy.content.document import Unreadable, check_names, instant, shaped
from gate.policy.content.scan import Fix, Scan, Vulnerability
from gate.policy.content.severity import Base, Score, highest, of_word, scored, settled
from gate.policy.content.vex import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCHEMA: Final = 2
_PACKAGES: Final = frozenset({"os-pkgs", "lang-pkgs"})
_OTHER_FINDINGS: Final = frozenset({"misconfiguration", "secret", "license"})
_ANALYSES: Final = {status.value: status for status in Status}  # `ignored` and `unknown` say nothing of it
_FIXES: Final = {
    "fixed": Fix.AVAILABLE,
    "affected": Fix.NONE,
    "under_investigation": Fix.NONE,
    "fix_deferred": Fix.NONE,
    "will_not_fix": Fix.WONT_FIX,
    "end_of_life": Fix.WONT_FIX,
}


class _Cvss(msgspec.Struct, frozen=True, gc=False):
    V2Score: Base | None = None
    V2Vector: str | None = None
    V3Score: Base | None = None
    V3Vector: str | None = None
    V40Score: Base | None = None
    V40Vector: str | None = None


class _Package(msgspec.Struct, gc=False):
    PURL: str = ""


class _Finding(msgspec.Struct, gc=False):
    VulnerabilityID: str
    VendorIDs: list[str] | None = None
    PkgName: str = ""
    PkgIdentifier: _Package | None = None
    InstalledVersion: str = ""
    FixedVersion: str = ""
    Status: str = ""
    Severity: str = ""
    SeveritySource: str = ""
    CVSS: dict[str, _Cvss] | None = None
    PublishedDate: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class _Modified(msgspec.Struct, gc=False):
    Type: str
    Finding: dict[str, object]
    Status: str = ""


class _Result(msgspec.Struct, gc=False):
    Class: str = ""
    Vulnerabilities: list[_Finding] | None = None
    ExperimentalModifiedFindings: list[_Modified] | None = None


class _Database(msgspec.Struct, gc=False):
    UpdatedAt: str | None = None


class _Server(msgspec.Struct, gc=False):
    VulnerabilityDB: _Database | None = None


class _Tool(msgspec.Struct, gc=False):
    Version: str = ""
    Server: _Server | None = None


class _Report(msgspec.Struct, gc=False):
    SchemaVersion: int
    ArtifactName: str
    Results: list[_Result] | None = None
    CreatedAt: str | None = None
    Trivy: _Tool | None = None


# Known to msgspec before there are threads (gate/strictjson.py).
_KNOWN: Final = msgspec.json.Decoder(_Report)


def is_report(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether it has the marks of Trivy's report."""
    return isinstance(value, dict) and "SchemaVersion" in value and "ArtifactName" in value


def read(value: object) -> Scan:
    """The scan of a report.

    Raises:
        Unreadable: it is not Trivy's, of another schema, or nothing was looked through for vulnerabilities.
    """
    if not is_report(value):
        raise Unreadable("it is no report of Trivy: it has no `SchemaVersion` and `ArtifactName`")
    report = shaped(value, _Report, "report of Trivy")
    if report.SchemaVersion != _SCHEMA:
        raise Unreadable(f"it is a report of Trivy with the schema {report.SchemaVersion}, which is not known")
    _check_names(value)
    results = report.Results or []
    if not any(result.Class in _PACKAGES or result.Vulnerabilities for result in results):
        raise Unreadable(
            "it is a report of Trivy without results of packages: nothing was looked through for vulnerabilities",
            remedy="scan with --scanners vuln --list-all-pkgs; where Trivy knows no package, take another scanner",
        )
    tool = report.Trivy or _Tool()
    server = tool.Server.VulnerabilityDB if tool.Server else None
    return Scan(
        tool="trivy",
        version=tool.Version,
        at=instant(report.CreatedAt),
        database=instant(server.UpdatedAt) if server else None,
        findings=merged(_findings(results)),
    )


def _check_names(report: dict[str, Any]) -> None:
    """A list of findings that only Go sees would be none here."""
    results: list[dict[str, Any]] = report.get("Results") or []
    check_names([report], _Report)
    check_names(results, _Result)
    for result in results:
        check_names(result.get("Vulnerabilities") or (), _Finding)


def _findings(results: list[_Result]) -> Iterator[Vulnerability]:
    for result in results:
        for finding in result.Vulnerabilities or ():
            yield _vulnerability(finding, None)
        for modified in result.ExperimentalModifiedFindings or ():
            if modified.Type not in _OTHER_FINDINGS:
                finding = shaped(modified.Finding, _Finding, "finding of Trivy")
                yield _vulnerability(finding, _ANALYSES.get(modified.Status))


def _vulnerability(finding: _Finding, analysis: Status | None) -> Vulnerability:
    if not finding.VulnerabilityID:
        raise Unreadable("it is a report of Trivy with a vulnerability that has no name")
    scores = [score for given in finding.CVSS.values() for score in _scores(given)] if finding.CVSS else ()
    severity, by_score = settled(of_word(finding.Severity), scores)
    fixed_in = _versions(finding.FixedVersion) if finding.FixedVersion else ()
    published = finding.PublishedDate
    return Vulnerability(
        ids=names(finding.VulnerabilityID, finding.VendorIDs or ()),
        severity=severity,
        source="cvss" if by_score else finding.SeveritySource,
        cvss=highest(scores),
        # Before v0.42 there is no Status: who has no fixed version may have been asked for none.
        fix=Fix.AVAILABLE if fixed_in else _FIXES.get(finding.Status, Fix.UNKNOWN),
        fixed_in=fixed_in,
        package=finding.PkgName,
        version=finding.InstalledVersion,
        purl=finding.PkgIdentifier.PURL if finding.PkgIdentifier else "",
        published=published if published and published.year > MINYEAR else None,  # Go's zero time is none
        analysis=analysis,
    )


@lru_cache(maxsize=4096)
def _versions(listed: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, listed.split(","))))


@lru_cache(maxsize=4096)
def _scores(given: _Cvss) -> tuple[Score, ...]:
    """Of one source. The same few hundred stand in most findings."""
    scores = (
        scored(given.V2Score, given.V2Vector, "2.0"),
        scored(given.V3Score, given.V3Vector, "3"),
        scored(given.V40Score, given.V40Vector, "4.0"),
    )
    return tuple(score for score in scores if score)
