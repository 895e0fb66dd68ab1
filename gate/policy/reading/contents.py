"""Rules about attestations and what they say, after their schema holds (POLICY §4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gate.image.digest import Digest
from gate.instants import duration_of
from gate.policy.bases import BaseRequirement
from gate.policy.content.sbom import SbomFormat
from gate.policy.content.scan import Severity
from gate.policy.content.source import parse_source
from gate.policy.contents import (
    ANY_CONTENT,
    DeniedFinding,
    ProvenanceContent,
    RequiredField,
    SbomContent,
    ScanContent,
    Select,
    UnknownSeverity,
    VexUse,
)
from gate.policy.expressions import Condition
from gate.policy.licenses import LicensePattern, LicenseRule
from gate.policy.packages import PackagePattern
from gate.policy.patterns import ImagePattern, glob
from gate.policy.policy import AttestationRequirement, CelRequirement
from gate.policy.predicate_types import PROVENANCE_TYPES, SBOM_TYPES, SCAN_TYPES, parse_predicate_type
from gate.policy.reading.ages import parse_max_age
from gate.policy.reading.checks import Check
from gate.policy.reading.keeping import parse_kept
from gate.policy.variables import Over

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gate.documents import Path
    from gate.policy.contents import Content
    from gate.policy.reading.notes import Notes
    from gate.policy.signers import Expression

    ParseBy = Callable[[Path, object], Expression | None]

_FOR_EACH: Final = {
    Over.COMPONENT: frozenset(type_ for types in SBOM_TYPES.values() for type_ in types),
    Over.FINDING: frozenset(SCAN_TYPES),
}
KINDS: Final = ("attestation", "sbom", "scan", "provenance")
"""The types of rules that are about attestations."""


def parse_attestation(
    notes: Notes, path: Path, kind: str, raw: dict[str, Any], parse_by: ParseBy, *, namespaced: bool
) -> AttestationRequirement | None:
    """The requirement of a rule; None where a part of it is wrong, which is noted.

    Args:
        notes: of the document.
        path: of the rule's body.
        kind: one of `KINDS`.
        raw: its body.
        parse_by: reads a `by`.
        namespaced: whether it is a GatePolicy's.
    """
    before = len(notes.problems)
    by = parse_by((*path, "by"), raw["by"])
    types, content, select = _CONTENTS[kind](notes, path, raw, parse_by)
    kept = parse_kept(notes, path, raw, namespaced=namespaced)
    most = parse_max_age(notes, path, raw)
    condition = _condition(notes, path, raw, namespaced=namespaced)
    if condition is not None and (fitting := _FOR_EACH.get(condition.over)) and types[0] and types[0] not in fitting:
        said = f"there is no {condition.over} in what has the type {types[0]}"
        notes.add(Check.CONTRADICTION, (*path, "forEach"), said, "remove it, or write the type of an SBOM or scan")
    if by is None or content is None or any(not problem.warning for problem in notes.problems[before:]):
        return None
    return AttestationRequirement(
        by,
        types,
        kept,
        Select(raw.get("select", select)),
        most,
        content,
        condition,
        raw.get("message", ""),
        raw.get("platformEvidence") == "all",
    )


def _attestation(
    notes: Notes, path: Path, raw: dict[str, Any], _parse_by: ParseBy
) -> tuple[tuple[str, ...], Content | None, str]:
    type_ = notes.attempt(Check.PREDICATE_TYPE, (*path, "type"), parse_predicate_type, raw["type"])
    return (type_ or "",), ANY_CONTENT, "newest"


def _sbom(
    notes: Notes, path: Path, raw: dict[str, Any], _parse_by: ParseBy
) -> tuple[tuple[str, ...], Content | None, str]:
    formats = tuple(SbomFormat(text) for text in raw.get("formats", list(SbomFormat)))
    denied = [
        notes.attempt(Check.PACKAGE_PATTERN, (*path, "denyComponents", i), PackagePattern.parse, text)
        for i, text in enumerate(raw.get("denyComponents", ()))
    ]
    content = SbomContent(
        formats,
        tuple(one for one in denied if one is not None),
        _licenses(notes, path, raw),
        raw.get("unknownLicense") == "allow",
        tuple(RequiredField(text) for text in raw.get("requireFields", ())),
        raw.get("minComponents", 1),
    )
    return tuple(type_ for one in formats for type_ in SBOM_TYPES[one]), content, "all"


def _licenses(notes: Notes, path: Path, raw: dict[str, Any]) -> LicenseRule | None:
    if not raw.get("allowLicenses") and not raw.get("denyLicenses"):
        if "unknownLicense" in raw:
            said = "`unknownLicense` is about licences that are judged, and none are"
            remedy = "add allowLicenses or denyLicenses ('*' allows all that SPDX lists), or remove it"
            notes.add(Check.CONTRADICTION, (*path, "unknownLicense"), said, remedy)
        return None
    found = {
        name: [
            notes.attempt(Check.LICENSE_PATTERN, (*path, name, i), LicensePattern.parse, pattern)
            for i, pattern in enumerate(raw.get(name, ()))
        ]
        for name in ("allowLicenses", "denyLicenses")
    }
    return LicenseRule(*(tuple(one for one in some if one is not None) for some in found.values()))


def _scan(
    notes: Notes, path: Path, raw: dict[str, Any], parse_by: ParseBy
) -> tuple[tuple[str, ...], Content | None, str]:
    vex = _vex(notes, (*path, "vex"), raw["vex"], parse_by) if "vex" in raw else None
    content = ScanContent(
        tuple(map(_denied, raw["deny"])),
        tuple(text.lower() for text in raw.get("scanners", ())),
        parse_max_age(notes, path, raw, "maxDatabaseAge"),
        _unknown(raw.get("unknownSeverity", "deny")),
        vex,
    )
    return SCAN_TYPES, content if vex is not None or "vex" not in raw else None, "newest"


def _vex(notes: Notes, path: Path, raw: dict[str, Any], parse_by: ParseBy) -> VexUse | None:
    by = parse_by((*path, "by"), raw["by"])
    most = parse_max_age(notes, path, raw, then="nobody's word counts")
    return VexUse(by, most) if by is not None else None


def _denied(raw: dict[str, Any]) -> DeniedFinding:
    return DeniedFinding(
        Severity[raw.get("severity", "none").upper()],
        raw.get("fix") == "available",
        duration_of(raw["grace"]) if "grace" in raw else None,
        float(raw["cvss"]) if "cvss" in raw else None,
    )


def _unknown(raw: str | dict[str, str]) -> UnknownSeverity | Severity:
    return UnknownSeverity(raw) if isinstance(raw, str) else Severity[raw["as"].upper()]


def _provenance(
    notes: Notes, path: Path, raw: dict[str, Any], _parse_by: ParseBy
) -> tuple[tuple[str, ...], Content | None, str]:
    for field in ("builder", "buildType"):
        if field in raw:
            notes.attempt(Check.VALUE_PATTERN, (*path, field), glob, raw[field])
    for i, pattern in enumerate(raw.get("refs", ())):
        notes.attempt(Check.VALUE_PATTERN, (*path, "refs", i), glob, pattern)
    for name, pattern in raw.get("parameters", {}).items():
        notes.attempt(Check.VALUE_PATTERN, (*path, "parameters", name), glob, pattern)
    source = notes.attempt(Check.SOURCE_NAME, (*path, "source"), parse_source, raw["source"]) if "source" in raw else ""
    content = ProvenanceContent(
        raw.get("builder", ""),
        source or "",
        tuple(raw.get("refs", ())),
        raw.get("buildType", ""),
        raw.get("parameters", {}),
    )
    return PROVENANCE_TYPES, content, "all"


def _condition(notes: Notes, path: Path, raw: Mapping[str, Any], *, namespaced: bool) -> Condition | None:
    """The fields `cel` and `forEach` of an attestation."""
    if "cel" not in raw:
        if "forEach" in raw and namespaced:
            _refuse_cel(notes, (*path, "forEach"))
        elif "forEach" in raw:
            notes.add(Check.CONTRADICTION, (*path, "forEach"), "`forEach` is of `cel`, and there is none", "add cel")
        return None
    return _expression(notes, (*path, "cel"), raw["cel"], Over(raw.get("forEach", "statement")), namespaced=namespaced)


def _expression(notes: Notes, path: Path, source: str, over: Over, *, namespaced: bool) -> Condition | None:
    if namespaced:
        _refuse_cel(notes, path)
        return None
    return notes.attempt(Check.EXPRESSION, path, lambda text: Condition.parse(text, over), source)


def _refuse_cel(notes: Notes, path: Path) -> None:
    notes.add(Check.CLUSTER_ONLY, path, "a GatePolicy has no CEL", "remove it, or use a ClusterGatePolicy")


_CONTENTS: Final = {"attestation": _attestation, "sbom": _sbom, "scan": _scan, "provenance": _provenance}


def parse_base(notes: Notes, path: Path, raw: dict[str, Any], parse_by: ParseBy) -> BaseRequirement | None:
    """A `base` rule; None where a part of it is wrong, which is noted."""
    before = len(notes.problems)
    if "images" not in raw and "digests" not in raw:
        said = "it has neither `images` nor `digests`: no base could fit"
        notes.add(Check.ONE_OF, path, said, "say which bases are allowed")
    images = [
        notes.attempt(Check.IMAGE_PATTERN, (*path, "images", i), ImagePattern.parse, text)
        for i, text in enumerate(raw.get("images", ()))
    ]
    digests = [
        notes.attempt(Check.DIGEST, (*path, "digests", i), Digest.parse, text)
        for i, text in enumerate(raw.get("digests", ()))
    ]
    by = parse_by((*path, "by"), raw["by"]) if "by" in raw else None
    if "maxAge" in raw and "by" not in raw:
        said = "`maxAge` is about signatures, and nobody has to have signed the base"
        notes.add(Check.CONTRADICTION, (*path, "maxAge"), said, "add `by`, or remove it")
    most = parse_max_age(notes, path, raw)
    if any(not problem.warning for problem in notes.problems[before:]):
        return None
    return BaseRequirement(
        tuple(one for one in images if one is not None),
        tuple(one for one in digests if one is not None),
        by,
        most,
        raw.get("minLayers", 1),
    )


def parse_cel(notes: Notes, path: Path, raw: dict[str, Any], *, namespaced: bool) -> CelRequirement | None:
    """A `cel` rule; None where a part of it is wrong, which is noted."""
    condition = _expression(notes, (*path, "expression"), raw["expression"], Over.IMAGE, namespaced=namespaced)
    return CelRequirement(condition, raw.get("message", "")) if condition is not None else None
