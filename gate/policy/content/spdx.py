"""SPDX 2.2 and 2.3 in JSON.

What is read how:

- A package is a component, files and snippets are none. The image itself, which tools write as a package too, is none:
  one that the document describes, without a package URL but of `oci` or `docker`, and which has such a one, or the
  purpose CONTAINER, or is the only one described beside others. Whatever else is described counts: some tools describe
  every package, and what has a package URL of its own can be denied by it.
- A package with several package URLs is a component for each: whoever denies one of them is to see it.
- What is declared, concluded and found in the files of a package are its licences: each of them holds.
- A supplier is `supplier`; an originator need not have supplied anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gate.policy.content import document
from gate.policy.content.document import Unreadable
from gate.policy.content.sbom import UNKNOWN, Component, Sbom, SbomFormat, known_licenses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VERSIONS: Final = {"SPDX-2.2": "2.2", "SPDX-2.3": "2.3"}

_DOCUMENT: Final = "SPDXRef-DOCUMENT"  # every document's own name, by the specification
_IMAGES: Final = ("pkg:oci/", "pkg:docker/")
_REMEDY: Final = "attest SPDX 2.2 or 2.3 in JSON (cosign's type spdxjson)"


class _Reference(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """With all that the specification has: what is called otherwise is not passed over."""

    referenceType: str
    referenceLocator: str
    referenceCategory: str = ""
    comment: str = ""


class _Checksum(msgspec.Struct, gc=False):
    algorithm: str
    checksumValue: str


class _Package(msgspec.Struct, gc=False):
    name: str
    SPDXID: str
    versionInfo: str = ""
    supplier: str = ""
    licenseConcluded: str = ""
    licenseDeclared: str = ""
    licenseInfoFromFiles: list[str] = []
    primaryPackagePurpose: str = ""
    checksums: list[_Checksum] = []
    externalRefs: list[_Reference] = []


class _Relationship(msgspec.Struct, gc=False):
    spdxElementId: str
    relationshipType: str
    relatedSpdxElement: str


class _Creation(msgspec.Struct, gc=False):
    created: str = ""
    creators: list[str] = []


class _Document(msgspec.Struct, gc=False):
    spdxVersion: str
    creationInfo: _Creation
    packages: list[_Package]
    documentDescribes: list[str] = []
    relationships: list[_Relationship] = []


# Known to msgspec before there are threads (gate/strictjson.py).
_KNOWN: Final = msgspec.json.Decoder(_Document)


def read(value: object) -> Sbom:
    """A bill of materials.

    Args:
        value: an opened predicate.

    Raises:
        Unreadable: it is not SPDX in JSON of a version that is known, or a member has another type than it should; so
            has `packages` where it is missing.
    """
    found = _spdx(value)
    document.check_names([found], _Document)
    document.check_names([found.get("creationInfo")], _Creation)
    packages = found.get("packages")
    document.check_names(packages if isinstance(packages, list) else [], _Package)
    spdx = document.shaped(found, _Document, "SPDX")
    return Sbom(
        format=SbomFormat.SPDX,
        version=VERSIONS[spdx.spdxVersion],
        at=document.instant(spdx.creationInfo.created),
        tools=tuple(_tools(spdx.creationInfo.creators)),
        components=tuple(component for package in _inside(spdx) for component in _components(package)),
    )


def _spdx(value: object) -> dict[str, object]:
    if isinstance(value, str):
        raise Unreadable("it is a text, as SPDX in tag-value is, and only JSON is read", remedy=_REMEDY)
    if not isinstance(value, dict):
        raise Unreadable("it is no SPDX: not an object", remedy=_REMEDY)
    version = value.get("spdxVersion")
    if "@context" in value or "@graph" in value or (isinstance(version, str) and version.startswith("SPDX-3")):
        raise Unreadable("it is SPDX 3, or other JSON-LD", remedy=_REMEDY)
    if "spdxVersion" not in value:
        other = "it is CycloneDX, no SPDX" if "bomFormat" in value else "it has no spdxVersion"
        raise Unreadable(other, remedy=_REMEDY)
    if not isinstance(version, str) or version not in VERSIONS:
        what = f"of version {version[:20]!r}" if isinstance(version, str) else "with an spdxVersion that is no text"
        raise Unreadable(f"it is SPDX {what}", remedy=_REMEDY)
    return value


def _inside(spdx: _Document) -> Iterator[_Package]:
    """All packages but those that are the image itself."""
    described = frozenset(_described(spdx))
    alone = len(spdx.packages) > 1 and sum(package.SPDXID in described for package in spdx.packages) == 1
    for package in spdx.packages:
        if package.SPDXID not in described or not _is_image(package, alone=alone):
            yield package


def _described(spdx: _Document) -> Iterator[str]:
    yield from spdx.documentDescribes
    for relationship in spdx.relationships:
        if relationship.relationshipType == "DESCRIBES" and relationship.spdxElementId == _DOCUMENT:
            yield relationship.relatedSpdxElement
        elif relationship.relationshipType == "DESCRIBED_BY" and relationship.relatedSpdxElement == _DOCUMENT:
            yield relationship.spdxElementId


def _is_image(package: _Package, *, alone: bool) -> bool:
    purls = _purls(package)
    if not all(purl.lower().startswith(_IMAGES) for purl in purls):
        return False
    return bool(purls) or package.primaryPackagePurpose == "CONTAINER" or alone


def _components(package: _Package) -> Iterator[Component]:
    licenses = known_licenses((package.licenseConcluded, package.licenseDeclared, *package.licenseInfoFromFiles))
    supplier, hashed = _is_named(package.supplier), _is_hashed(package)
    version = "" if package.versionInfo in UNKNOWN else package.versionInfo
    for purl in _purls(package) or ("",):
        yield Component(
            name=package.name,
            version=version,
            purl=purl,
            licenses=licenses,
            supplier=supplier,
            hashed=hashed,
            ref=package.SPDXID,
        )


def _purls(package: _Package) -> tuple[str, ...]:
    """Each once, in whatever category: tools write PACKAGE-MANAGER and PACKAGE_MANAGER. Its type may be a URI."""
    found = {each.referenceLocator: None for each in package.externalRefs if each.referenceType[-4:].lower() == "purl"}
    return tuple(found)


def _is_hashed(package: _Package) -> bool:
    return bool(package.checksums) and any(each.checksumValue.strip() for each in package.checksums)


def _is_named(supplier: str) -> bool:
    """Of `Organization: NAME`, `Person: NAME` and NOASSERTION the first two, where there is a name."""
    kind, colon, name = supplier.partition(":")
    return (name if colon else kind).strip() not in UNKNOWN


def _tools(creators: Iterable[str]) -> Iterator[str]:
    for creator in creators:
        kind, _, name = creator.partition(":")
        if kind.strip() == "Tool" and name.strip():
            yield name.strip()
