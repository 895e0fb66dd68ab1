"""Predicates that hold what a scanner found.

- cosign's `vuln`, `https://cosign.sigstore.dev/attestation/vuln/v1`, before it without a scheme: any tool's report in
  `scanner.result` (specs/COSIGN_VULN_ATTESTATION_SPEC.md).
- in-toto's `https://in-toto.io/attestation/vulns/v0.1` and `v0.2`: a list of its own (spec/predicates/vulns.md,
  vulns_02.md). The text of v0.1 has each entry inside of `vulnerability`, its example has not; both are read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from gate.policy.content import reports
from gate.policy.content.aliases import earliest, merged
from gate.policy.content.document import Unreadable, instant, shaped
from gate.policy.content.scan import Scan, Severity, Vulnerability
from gate.policy.content.severity import Base, Score, highest, of_word, scored, settled

if TYPE_CHECKING:
    from datetime import datetime

_NUMBER: Final = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,3})?", re.ASCII)
_VECTOR: Final = re.compile(r"CVSS:[34]|\(?AV:", re.ASCII)
_ENDS: Final = re.compile(r"[@?#].*", re.DOTALL)


class _Database(msgspec.Struct, gc=False):
    lastUpdate: str | None = None


class _Metadata(msgspec.Struct, gc=False):
    scanFinishedOn: str | None = None


class _Scanner(msgspec.Struct):
    uri: str
    result: object
    version: str | None = None
    db: _Database | None = None


class _Predicate(msgspec.Struct):
    scanner: _Scanner
    metadata: _Metadata | None = None


class _Rating(msgspec.Struct, gc=False):
    score: str | float
    method: str = ""


class _Entry(msgspec.Struct, gc=False):
    id: str
    severity: list[_Rating] | _Rating | None = None


class _Nested(msgspec.Struct, gc=False):
    vulnerability: _Entry


# Known to msgspec before there are threads (gate/strictjson.py).
_KNOWN: Final = tuple(msgspec.json.Decoder(shape) for shape in (_Predicate, _Entry, _Nested))


def read(value: object) -> Scan:
    """The scan of a cosign `vuln` predicate. Trivy has it say when it was written: an earlier time of the report holds.

    Raises:
        Unreadable: no scanner or no result; or its result is no report of Trivy or Grype.
    """
    predicate = _predicate(value)
    scan = reports.read(predicate.scanner.result)
    finished, updated = _times(predicate)
    return msgspec.structs.replace(
        scan,
        version=scan.version or predicate.scanner.version or "",
        at=earliest(scan.at, finished),
        database=earliest(scan.database, updated),
    )


def read_in_toto(value: object) -> Scan:
    """The scan of an in-toto `vulns` predicate. An empty list means that nothing was found (its specification).

    Raises:
        Unreadable: no scanner or no list.
    """
    predicate = _predicate(value)
    entries = predicate.scanner.result
    if not isinstance(entries, list):
        raise Unreadable("it is no in-toto vulns predicate: `scanner.result` is no list")
    finished, updated = _times(predicate)
    return Scan(
        tool=_tool(predicate.scanner.uri),
        version=predicate.scanner.version or "",
        at=finished,
        database=updated,
        findings=merged(map(_vulnerability, entries)),
    )


def _predicate(value: object) -> _Predicate:
    predicate = shaped(value, _Predicate, "vulnerability predicate")
    if not predicate.scanner.uri:
        raise Unreadable("it does not say which scanner: `scanner.uri` is empty")
    if predicate.scanner.result is None:
        raise Unreadable("it has no report: `scanner.result` is null")
    return predicate


def _times(predicate: _Predicate) -> tuple[datetime | None, datetime | None]:
    """When the scan was finished, and of when the database is."""
    metadata, database = predicate.metadata, predicate.scanner.db
    return (
        instant(metadata.scanFinishedOn) if metadata else None,
        instant(database.lastUpdate) if database else None,
    )


def _tool(uri: str) -> str:
    """`trivy` of `pkg:github/aquasecurity/trivy@0.19`, and of `https://github.com/aquasecurity/trivy`."""
    return _ENDS.sub("", uri).rstrip("/").rpartition("/")[2].lower()


def _vulnerability(entry: object) -> Vulnerability:
    if isinstance(entry, dict) and "vulnerability" in entry and "id" not in entry:
        found = shaped(entry, _Nested, "in-toto vulns predicate").vulnerability
    else:
        found = shaped(entry, _Entry, "in-toto vulns predicate")
    if not found.id:
        raise Unreadable("it has a vulnerability without name")
    ratings = [found.severity] if isinstance(found.severity, _Rating) else found.severity or []
    scores = [_score(rating) for rating in ratings]
    severity, by_score = settled(max(map(_word, ratings), default=Severity.UNKNOWN), scores)
    source = "cvss" if by_score else next((one.method for one in ratings if _word(one) is severity), "")
    return Vulnerability(ids=(found.id,), severity=severity, source=source, cvss=highest(scores))


def _word(rating: _Rating) -> Severity:
    return of_word(rating.score) if isinstance(rating.score, str) else Severity.UNKNOWN


def _score(rating: _Rating) -> Score | None:
    """CVSS only where the method says so, or it is a vector: EPSS has scores between 0 and 1, others up to 100."""
    text = rating.score
    if isinstance(text, str) and _VECTOR.match(text):
        return scored(None, text)
    if "cvss" not in rating.method.lower():
        return None
    if isinstance(text, str) and not _NUMBER.fullmatch(text):
        return None
    return scored(shaped(float(text), Base, "score of CVSS"), None)
