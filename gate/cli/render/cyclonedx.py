"""`gate check --output cyclonedx`: a bill of the images that were judged, with their verdicts (CycloneDX 1.6 JSON)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid5

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from gate import __version__
from gate.errors import ParseError
from gate.image.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.cli.report import Entry, Report

_SPACE: Final = UUID("6f0c4f4e-1d0b-5c4e-9d0a-1f6a7a0b9c3d")  # of serial numbers: one report has one
_VENDOR: Final = "imagegate"
_ALGORITHMS: Final = {"sha256": HashAlgorithm.SHA_256, "sha512": HashAlgorithm.SHA_512}


def render(report: Report) -> str:
    """The report as one document; an image is one component, however often it is written."""
    bom = Bom(components=[_component(entry) for entry in report.entries])
    bom.serial_number = uuid5(_SPACE, f"{report.at}{sorted(_named(entry) for entry in report.entries)}")
    tool = Component(type=ComponentType.APPLICATION, name=_VENDOR, version=__version__)
    bom.metadata = BomMetaData(timestamp=report.at, tools=ToolRepository(components=[tool]), properties=_whole(report))
    made: str = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)
    return made + "\n"


def _whole(report: Report) -> list[Property]:
    policies = [f"{p.kind} {p.name} {p.hash}" for p in report.policies]
    return [_property("verdict", report.verdict.value), *(_property("policy", text) for text in policies)]


def _component(entry: Entry) -> Component:
    reference = _parsed(entry.resolved or entry.text)
    digest = reference.digest if reference is not None else None
    hashes = [HashType(alg=_ALGORITHMS[digest.algorithm], content=digest.hex)] if digest is not None else []
    return Component(
        type=ComponentType.CONTAINER,
        name=str(reference.name) if reference is not None else entry.text,
        version=str(digest) if digest is not None else (reference.effective_tag if reference is not None else None),
        purl=_purl(reference) if reference is not None else None,
        hashes=hashes,
        bom_ref=_named(entry),
        properties=list(_properties(entry)),
    )


def _named(entry: Entry) -> str:
    return f"{entry.text} {entry.resolved or ''}".rstrip()


def _parsed(text: str) -> Reference | None:
    try:
        return Reference.parse(text)
    except ParseError:
        return None


def _purl(reference: Reference) -> PackageURL:
    """By purl-spec, types/oci: the last segment is the name, the digest the version."""
    qualifiers = {"repository_url": str(reference.name), **({"tag": reference.tag} if reference.tag else {})}
    version = str(reference.digest) if reference.digest is not None else None
    return PackageURL("oci", None, reference.name.path.rpartition("/")[2], version, qualifiers)


def _properties(entry: Entry) -> Iterator[Property]:
    yield _property("image", entry.text)
    yield _property("verdict", entry.verdict.value)
    for finding in entry.findings:
        rule = "/".join(filter(None, (finding.policy, finding.rule)))
        yield _property("finding", f"{finding.code.value} {finding.verdict.value} {rule}: {finding.message}")
    for signer in dict.fromkeys(str(signature.signer) for signature in entry.evidence.signatures):
        yield _property("signer", signer)
    for attestation in entry.evidence.attestations:
        yield _property("attestation", f"{attestation.predicate_type} by {attestation.signer}")
    for place in entry.locations:
        yield _property("location", f"{place.file}:{place.line}:{place.column}" if place.line else place.file)


def _property(name: str, value: str) -> Property:
    return Property(name=f"{_VENDOR}:{name}", value=value)
