"""`vulnerabilities` of CycloneDX 1.4 to 1.7, as a scan and as VEX (https://cyclonedx.org/docs/1.6/json).

- A document without them is an SBOM. So is one with an empty list: Trivy writes that into every SBOM that it was not
  asked to scan. Neither is a scan that has found nothing.
- Several ratings are several sources', and none is the document's own: the worst word holds. Scores are CVSS only where
  `method` says so, or the vector.
- That there is a fix is said in prose only.
- `affects` may name a component of another document by a BOM-Link, whose package is not known here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gate.policy.content import cyclonedx
from gate.policy.content.aliases import merged, names
from gate.policy.content.document import Unreadable, instant, shaped
from gate.policy.content.scan import Scan, Severity, Vulnerability
from gate.policy.content.severity import Base, Score, by_vector, highest, of_word, scored, settled
from gate.policy.content.vex import Product, Statement, Status, Vex

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

_STATES: Final = {
    "resolved": Status.FIXED,
    "resolved_with_pedigree": Status.FIXED,
    "exploitable": Status.AFFECTED,
    "in_triage": Status.UNDER_INVESTIGATION,
    "false_positive": Status.NOT_AFFECTED,
    "not_affected": Status.NOT_AFFECTED,
}
_VERSIONS: Final = {"CVSSv2": "2.0", "CVSSv3": "3.0", "CVSSv31": "3.1", "CVSSv4": "4.0"}


class _Source(msgspec.Struct, gc=False):
    name: str = ""


class _Rating(msgspec.Struct, gc=False):
    severity: str = ""
    score: float | None = None
    vector: str = ""
    method: str = ""
    source: _Source | None = None


class _Version(msgspec.Struct, gc=False):
    status: str = "affected"  # the schema's default


class _Affected(msgspec.Struct, gc=False):
    ref: str
    versions: list[_Version] | None = None

    @property
    def is_clear(self) -> bool:
        """Whether none of its versions is left that may be affected."""
        return all(version.status == "unaffected" for version in self.versions or ())


class _Reference(msgspec.Struct, gc=False):
    id: str


class _Analysis(msgspec.Struct, gc=False):
    state: str = ""
    justification: str = ""
    detail: str = ""
    firstIssued: str | None = None
    lastUpdated: str | None = None


class _Vulnerability(msgspec.Struct, gc=False):
    id: str = ""
    references: list[_Reference] | None = None
    ratings: list[_Rating] | None = None
    affects: list[_Affected] | None = None
    analysis: _Analysis | None = None
    published: str | None = None


class _Hash(msgspec.Struct, gc=False):
    content: str


class _Component(msgspec.Struct, rename={"ref": "bom-ref"}):
    name: str
    ref: str = ""
    version: str = ""
    purl: str = ""
    cpe: str = ""
    hashes: list[_Hash] | None = None
    components: list[_Component] | None = None


class _Tool(msgspec.Struct, gc=False):
    name: str = ""
    version: str = ""


class _Tools(msgspec.Struct, gc=False):
    components: list[_Tool] | None = None
    services: list[_Tool] | None = None


class _Organisation(msgspec.Struct, gc=False):
    name: str = ""


class _Metadata(msgspec.Struct):
    timestamp: str | None = None
    tools: list[_Tool] | _Tools | None = None
    authors: list[_Organisation] | None = None
    supplier: _Organisation | None = None
    component: _Component | None = None


class _Bom(msgspec.Struct):
    vulnerabilities: list[_Vulnerability] | msgspec.UnsetType = msgspec.UNSET
    serialNumber: str = ""
    version: int = 1
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    components: list[_Component] | None = None


# Known to msgspec before there are threads (gate/strictjson.py).
_KNOWN: Final = msgspec.json.Decoder(_Bom)


def is_scan(value: object) -> bool:
    """Whether a document may be a scan: one without components is VEX, one without vulnerabilities an SBOM."""
    return not isinstance(value, dict) or bool(value.get("vulnerabilities") and _has_components(value))


def _has_components(value: dict[str, object]) -> bool:
    metadata = value.get("metadata")
    image = metadata.get("component") if isinstance(metadata, dict) else None
    return bool(value.get("components") or (isinstance(image, dict) and image.get("components")))


def is_vex(value: object) -> bool:
    """Whether a document may be VEX: one without vulnerabilities is an SBOM, and a scan analyses none of them."""
    if not isinstance(value, dict):
        return True
    found = value.get("vulnerabilities")
    if not isinstance(found, list) or not is_scan(value):
        return "vulnerabilities" in value
    return any(not isinstance(one, dict) or "analysis" in one for one in found)


def read_scan(value: object) -> Scan:
    """The scan that a document is.

    Raises:
        Unreadable: it is not CycloneDX, or has no vulnerabilities.
    """
    bom, found = _bom(value)
    if not found:
        raise Unreadable(
            "it does not say that it was scanned: an SBOM of nobody's scan has an empty list of vulnerabilities too",
            remedy="attest the scanner's own JSON report as type vuln",
        )
    tool = _tool(bom.metadata.tools)
    components = _components(bom)
    return Scan(
        tool=tool.name.lower(),
        version=tool.version,
        at=instant(bom.metadata.timestamp),
        database=None,
        findings=merged(finding for one in found for finding in _findings(one, components)),
    )


def read_vex(value: object) -> Vex:
    """What a document says of its vulnerabilities; of those without `analysis.state` it says nothing.

    Raises:
        Unreadable: it is not CycloneDX, or has no `vulnerabilities`.
    """
    bom, found = _bom(value)
    issued = instant(bom.metadata.timestamp)
    authors = [one.name for one in bom.metadata.authors or () if one.name]
    supplier = bom.metadata.supplier.name if bom.metadata.supplier else ""
    components = _components(bom)
    statements = (_statement(one, components, issued) for one in found)
    return Vex(
        author=", ".join(authors) or supplier,
        at=issued,
        statements=tuple(statement for statement in statements if statement),
    )


def _bom(value: object) -> tuple[_Bom, list[_Vulnerability]]:
    bom = shaped(cyclonedx.checked(value), _Bom, "CycloneDX document")
    if isinstance(bom.vulnerabilities, msgspec.UnsetType):
        raise Unreadable("it is an SBOM, which says nothing of vulnerabilities")
    if not all(one.id for one in bom.vulnerabilities):
        raise Unreadable("it has a vulnerability without `id`")
    return bom, bom.vulnerabilities


def _tool(tools: list[_Tool] | _Tools | None) -> _Tool:
    """The tool, where there is one. Which of several has scanned is not said."""
    if isinstance(tools, _Tools):
        tools = [*(tools.components or ()), *(tools.services or ())]
    return tools[0] if tools and len(tools) == 1 else _Tool()


def _components(bom: _Bom) -> dict[str, _Component]:
    """Components by what `affects` may call them: their `bom-ref`, or a BOM-Link into this very document."""
    found: dict[str, _Component] = {}
    waiting = [*([bom.metadata.component] if bom.metadata.component else ()), *(bom.components or ())]
    while waiting:
        component = waiting.pop()
        waiting += component.components or ()
        if not component.ref:
            continue
        if component.ref in found:
            raise Unreadable(f"it has two components with the bom-ref {component.ref[:100]!r}")
        found[component.ref] = component
    if bom.serialNumber.startswith("urn:uuid:"):
        link = f"urn:cdx:{bom.serialNumber.removeprefix('urn:uuid:')}/{bom.version}#"
        found |= {link + ref: component for ref, component in found.items()}
    return found


def _findings(given: _Vulnerability, components: dict[str, _Component]) -> Iterator[Vulnerability]:
    ratings = given.ratings or []
    scores = [_score(rating) for rating in ratings]
    word = max((of_word(rating.severity) for rating in ratings), default=Severity.UNKNOWN)
    severity, by_score = settled(word, scores)
    finding = Vulnerability(
        ids=_ids(given),
        severity=severity,
        source="cvss" if by_score else _source(ratings, severity),
        cvss=highest(scores),
        published=instant(given.published),
        analysis=_state(given),
    )
    refs = [affected.ref for affected in given.affects or ()]
    if not refs:
        yield finding
    for ref in refs:
        component = components.get(ref) or _Component(name=ref)
        yield msgspec.structs.replace(finding, package=component.name, version=component.version, purl=component.purl)


def _ids(given: _Vulnerability) -> tuple[str, ...]:
    return names(given.id, (reference.id for reference in given.references or ()))


def _score(rating: _Rating) -> Score | None:
    version = _VERSIONS.get(rating.method)
    if version:
        score = None if rating.score is None else shaped(rating.score, Base, "score of CVSS")
        return scored(score, rating.vector, version)
    return by_vector(rating.vector) if rating.vector and not rating.method else None


def _source(ratings: list[_Rating], severity: Severity) -> str:
    return next(
        (rating.source.name for rating in ratings if rating.source and of_word(rating.severity) is severity), ""
    )


def _state(given: _Vulnerability) -> Status | None:
    return _STATES[given.analysis.state] if given.analysis and given.analysis.state else None


def _statement(given: _Vulnerability, components: dict[str, _Component], issued: datetime | None) -> Statement | None:
    status, analysis = _state(given), given.analysis
    if not status or not analysis:
        return None
    return Statement(
        ids=_ids(given),
        status=status,
        products=tuple(
            _product(affected.ref, components)
            for affected in given.affects or ()
            if affected.is_clear or not status.clears or _has_version(components.get(affected.ref))
        ),
        why=analysis.justification or analysis.detail,
        at=instant(analysis.lastUpdated) or instant(analysis.firstIssued) or issued,
    )


def _has_version(component: _Component | None) -> bool:
    """Whether it is one version that is spoken of; of others nobody knows here which of them runs."""
    return component is not None and "@" in component.purl.rpartition("/")[2]


def _product(ref: str, components: dict[str, _Component]) -> Product:
    component = components.get(ref)
    if not component:
        return Product(ids=(ref,))
    ids = {name for name in (component.purl, component.cpe) if name}
    return Product(
        ids=tuple(sorted(ids)) or (ref,),
        hashes=tuple(sorted({one.content.lower() for one in component.hashes or ()})),
    )
