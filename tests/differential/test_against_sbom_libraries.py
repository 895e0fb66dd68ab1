"""What the formats' own libraries write is read here as it was meant, and as they read it themselves."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component as TheirComponent
from cyclonedx.model.component import ComponentScope, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packageurl import PackageURL
from spdx_tools.common.spdx_licensing import spdx_licensing  # type: ignore[import-untyped]
from spdx_tools.spdx.jsonschema.document_converter import DocumentConverter
from spdx_tools.spdx.model.actor import Actor, ActorType
from spdx_tools.spdx.model.checksum import Checksum, ChecksumAlgorithm
from spdx_tools.spdx.model.document import CreationInfo, Document
from spdx_tools.spdx.model.package import ExternalPackageRef, ExternalPackageRefCategory, Package, PackagePurpose
from spdx_tools.spdx.model.relationship import Relationship, RelationshipType
from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion
from spdx_tools.spdx.model.spdx_none import SpdxNone
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser

from gate.policy.content import cyclonedx, cyclonedx_schema, spdx
from gate.policy.content.document import opened
from gate.policy.content.sbom import Component

if TYPE_CHECKING:
    from collections.abc import Iterator

AT: Final = datetime(2026, 11, 20, 10, tzinfo=UTC)
SHA1: Final = "85ed0817af83a24ad8da68c2b5094de69833983c"
VERSIONS: Final = [each for each in SchemaVersion if each.to_version() in cyclonedx_schema.VERSIONS]
LICENSES: Final = ["MIT", "Apache-2.0", "MIT OR GPL-3.0-only", "Acme's own words"]
pytestmark = [
    pytest.mark.property,
    pytest.mark.filterwarnings("ignore:The Component this BOM is describing:UserWarning"),
]
long_search = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

names = st.text("abcxyz-_.@/ äß\N{SNOWMAN}", min_size=1, max_size=8).filter(lambda name: name.strip() == name)


@st.composite
def their_components(draw: st.DrawFn, depth: int = 2) -> TheirComponent:
    name, version = draw(names), draw(st.one_of(st.none(), names))
    licenses = draw(st.one_of(st.sampled_from(LICENSES).map(lambda text: [text]), st.just(["MIT", "ISC"]), st.just([])))
    inner = draw(st.lists(their_components(depth - 1), max_size=2)) if depth else []
    return TheirComponent(
        name=name,
        version=version,
        type=draw(st.sampled_from([ComponentType.LIBRARY, ComponentType.FILE, ComponentType.CONTAINER])),
        scope=draw(st.sampled_from([None, ComponentScope.OPTIONAL])),
        bom_ref=draw(st.uuids()).hex,
        group=draw(st.one_of(st.none(), names)),
        purl=draw(st.one_of(st.none(), st.builds(PackageURL, type=st.just("npm"), name=st.just("a"), version=names))),
        licenses=[LicenseFactory().make_from_string(each) for each in licenses],
        hashes=[HashType(alg=HashAlgorithm.SHA_1, content=SHA1)] if draw(st.booleans()) else [],
        supplier=OrganizationalEntity(name="Acme") if draw(st.booleans()) else None,
        components=inner,
    )


def flattened(components: Any, *, top: bool = True) -> Iterator[tuple[Any, bool]]:
    for each in components:
        yield each, top
        yield from flattened(each.components, top=False)


def meant(component: TheirComponent, *, top: bool) -> Component:
    """Of theirs, what ours says."""
    licenses = [getattr(each, "value", None) or getattr(each, "id", None) or each.name for each in component.licenses]
    return Component(
        name=f"{component.group}/{component.name}" if component.group else component.name,
        version=component.version or "",
        purl=str(component.purl) if component.purl else "",
        licenses=tuple(sorted(licenses)),
        supplier=component.supplier is not None,
        hashed=bool(component.hashes),
        ref=component.bom_ref.value or "",
        top=top,
    )


def ordered(components: tuple[Component, ...]) -> list[Component]:
    """In an order that does not depend on theirs, which is none."""
    alike = (msgspec.structs.replace(each, licenses=tuple(sorted(each.licenses))) for each in components)
    return sorted(alike, key=lambda each: each.ref)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.to_version())
@long_search
@given(components=st.lists(their_components(), max_size=3), inside=st.lists(their_components(), max_size=1))
def test_cyclonedx_python_lib(
    version: SchemaVersion, components: list[TheirComponent], inside: list[TheirComponent]
) -> None:
    bom = Bom(components=components)
    bom.metadata.timestamp = AT
    image = TheirComponent(name="image", type=ComponentType.CONTAINER, components=inside, bom_ref="image")
    bom.metadata.component = image
    written = make_outputter(bom, OutputFormat.JSON, version).output_as_string()
    found = cyclonedx.read(opened(written.encode()))
    theirs = Bom.from_json(json.loads(written))  # type: ignore[attr-defined]
    everything = [*flattened(theirs.components), *flattened(theirs.metadata.component.components, top=False)]
    assert ordered(found.components) == ordered(tuple(meant(each, top=top) for each, top in everything))
    assert (found.version, found.at) == (version.to_version(), AT)
    assert len(found.components) == len([*flattened(components), *flattened(inside)])


# SPDX


def packages(name: str, draw: Any) -> Package:
    known = st.sampled_from(["MIT", "Apache-2.0 AND MIT", "LicenseRef-acme"])
    licenses = st.one_of(st.none(), st.just(SpdxNoAssertion()), st.just(SpdxNone()), known.map(spdx_licensing.parse))
    purls = draw(st.lists(st.sampled_from(["pkg:npm/a@1", "pkg:apk/b@2"]), max_size=2, unique=True))
    supplier = st.sampled_from([None, SpdxNoAssertion(), Actor(ActorType.ORGANIZATION, "Acme", "a@acme.example")])
    return Package(
        spdx_id=f"SPDXRef-{name}",
        name=name,
        download_location=SpdxNoAssertion(),
        version=draw(st.sampled_from([None, "1.0"])),
        supplier=draw(supplier),
        checksums=[Checksum(ChecksumAlgorithm.SHA1, SHA1)] if draw(st.booleans()) else [],
        license_concluded=draw(licenses),
        license_declared=draw(licenses),
        primary_package_purpose=draw(st.sampled_from([None, PackagePurpose.LIBRARY])),
        external_references=[
            ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", purl) for purl in purls
        ],
    )


def meant_by_spdx(package: Package) -> list[Component]:
    stated = [each for each in (package.license_concluded, package.license_declared) if each is not None]
    texts = [str(each) for each in stated if not isinstance(each, SpdxNoAssertion | SpdxNone)]
    component = Component(
        name=package.name,
        version=package.version or "",
        licenses=tuple(dict.fromkeys(texts)),
        supplier=isinstance(package.supplier, Actor),
        hashed=bool(package.checksums),
        ref=package.spdx_id,
    )
    purls = [each.locator for each in package.external_references]
    return [msgspec.structs.replace(component, purl=purl) for purl in purls or [""]]


@pytest.mark.parametrize("version", ["2.2", "2.3"])
@long_search
@given(data=st.data(), count=st.integers(0, 4))
def test_spdx_tools(version: str, data: st.DataObject, count: int) -> None:
    image = Package("SPDXRef-image", "image", SpdxNoAssertion(), primary_package_purpose=PackagePurpose.CONTAINER)
    listed = [packages(str(index), data.draw) for index in range(count)]
    creators = [Actor(ActorType.TOOL, "syft-1.0"), Actor(ActorType.ORGANIZATION, "Acme")]
    creation = CreationInfo(f"SPDX-{version}", "SPDXRef-DOCUMENT", "api", "https://acme.example", creators, AT)
    described = Relationship("SPDXRef-DOCUMENT", RelationshipType.DESCRIBES, "SPDXRef-image")
    document = Document(creation, packages=[image, *listed], relationships=[described])
    written = json.dumps(DocumentConverter().convert(document))  # type: ignore[no-untyped-call]
    found = spdx.read(opened(written.encode()))
    theirs = JsonLikeDictParser().parse(json.loads(written))  # type: ignore[no-untyped-call]
    assert list(found.components) == [each for package in theirs.packages[1:] for each in meant_by_spdx(package)]
    assert (found.version, found.at, found.tools) == (version, AT, ("syft-1.0",))
    assert len(theirs.packages) == count + 1
