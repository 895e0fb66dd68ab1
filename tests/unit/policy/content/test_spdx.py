from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gate.policy.content.document import Unreadable
from gate.policy.content.sbom import Component, Sbom, SbomFormat
from gate.policy.content.spdx import read

Json = dict[str, Any]


def spdx(*packages: Json, version: str = "2.3", **members: Any) -> Json:
    return {
        "spdxVersion": f"SPDX-{version}",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "acme/api",
        "creationInfo": {"created": "2026-11-20T10:00:00Z", "creators": ["Tool: syft-1.0"]},
        "packages": list(packages),
        **members,
    }


def package(name: str = "curl", *purls: str, **members: Any) -> Json:
    references = [
        {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": each} for each in purls
    ]
    return {
        "SPDXID": f"SPDXRef-{name}",
        "name": name,
        "downloadLocation": "NOASSERTION",
        **({"externalRefs": references} if purls else {}),
        **members,
    }


def describes(*names: str) -> list[Json]:
    return [relationship("SPDXRef-DOCUMENT", "DESCRIBES", f"SPDXRef-{name}") for name in names]


def relationship(element: str, kind: str, related: str) -> Json:
    return {"spdxElementId": element, "relationshipType": kind, "relatedSpdxElement": related}


def names(document: Json) -> list[str]:
    return [each.name for each in read(document).components]


def one(**members: Any) -> Component:
    (found,) = read(spdx(package(**members))).components
    return found


@pytest.mark.parametrize("version", ["2.2", "2.3"])
def test_every_version_is_read(version: str) -> None:
    document = spdx(
        package(
            "curl",
            "pkg:deb/debian/curl@1.0",
            versionInfo="1.0",
            supplier="Organization: Debian",
            licenseConcluded="NOASSERTION",
            licenseDeclared="MIT",
            checksums=[{"algorithm": "SHA1", "checksumValue": "85ed0817af83a24ad8da68c2b5094de69833983c"}],
        ),
        version=version,
        creationInfo={
            "created": "2026-11-20T10:00:00Z",
            "creators": ["Organization: Acme", "Tool: syft-1.0", "Tool:trivy", "Tool: ", "Person: Ann (a@b.example)"],
        },
        files=[{"SPDXID": "SPDXRef-File", "fileName": "./x"}],
        snippets=[{"SPDXID": "SPDXRef-Snippet", "name": "y"}],
    )
    expected = Component("curl", "1.0", "pkg:deb/debian/curl@1.0", ("MIT",), True, True, "SPDXRef-curl")  # noqa: FBT003
    created = datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert read(document) == Sbom(SbomFormat.SPDX, version, created, ("syft-1.0", "trivy"), (expected,))


def test_an_empty_list_of_packages_is_one() -> None:
    assert read(spdx()).components == ()


def test_what_a_package_need_not_have() -> None:
    assert one() == Component("curl", ref="SPDXRef-curl")
    assert one(versionInfo="NOASSERTION").version == ""
    assert not one(checksums=[]).hashed
    assert not one(checksums=[{"algorithm": "SHA1", "checksumValue": ""}]).hashed
    assert read(spdx(creationInfo={})).at is None
    assert read(spdx(creationInfo={"created": "0001-01-01T00:00:00Z"})).at is None


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"licenseConcluded": "MIT", "licenseDeclared": "GPL-3.0-only"}, ("MIT", "GPL-3.0-only")),
        ({"licenseConcluded": "MIT", "licenseDeclared": "MIT"}, ("MIT",)),
        ({"licenseConcluded": "NOASSERTION", "licenseDeclared": "NONE"}, ()),
        ({"licenseDeclared": " "}, ()),
        ({"licenseDeclared": "LicenseRef-acme AND MIT"}, ("LicenseRef-acme AND MIT",)),
        (
            {"licenseConcluded": "MIT", "licenseInfoFromFiles": ["AGPL-3.0-only", "NOASSERTION"]},
            ("MIT", "AGPL-3.0-only"),
        ),
    ],
)
def test_each_license_holds(members: Json, expected: tuple[str, ...]) -> None:
    document = spdx(
        package(**members), hasExtractedLicensingInfos=[{"licenseId": "LicenseRef-acme", "extractedText": "MIT"}]
    )
    assert [each.licenses for each in read(document).components] == [expected]


@pytest.mark.parametrize(
    ("supplier", "who"),
    [
        ("Organization: Acme", "somebody"),
        ("Person: Ann (ann@acme.example)", "somebody"),
        ("Acme", "somebody"),
        ("Organization: ", ""),
        ("Organization: NOASSERTION", ""),
        ("NOASSERTION", ""),
        ("", ""),
    ],
)
def test_suppliers(supplier: str, who: str) -> None:
    assert one(supplier=supplier, originator="Organization: Acme").supplier is bool(who)


@pytest.mark.parametrize("category", ["PACKAGE-MANAGER", "PACKAGE_MANAGER", "OTHER"])
@pytest.mark.parametrize("kind", ["purl", "PURL", "http://spdx.org/rdf/references/purl"])
def test_a_package_url_counts_in_whatever_category(category: str, kind: str) -> None:
    reference = {"referenceCategory": category, "referenceType": kind, "referenceLocator": "pkg:npm/a@1"}
    cpe = {"referenceCategory": "SECURITY", "referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:a:a:a:1"}
    assert one(externalRefs=[cpe, {**reference, "comment": "c"}]).purl == "pkg:npm/a@1"


def test_several_package_urls_are_a_component_each() -> None:
    document = spdx(package("curl", "pkg:apk/curl@1", "pkg:github/curl/curl@1", "pkg:apk/curl@1", versionInfo="1"))
    assert [(each.name, each.version, each.purl) for each in read(document).components] == [
        ("curl", "1", "pkg:apk/curl@1"),
        ("curl", "1", "pkg:github/curl/curl@1"),
    ]


IMAGE = package("image", primaryPackagePurpose="CONTAINER")
OCI = package("image", "pkg:oci/api@sha256:abc?repository_url=ghcr.io/acme/api")
CURL = package("curl", "pkg:deb/debian/curl@1")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        # Syft and Trivy: the image is a package, with its purpose, and with a package URL where it has a repository
        (spdx(IMAGE, CURL, relationships=describes("image")), ["curl"]),
        (spdx(OCI, CURL, relationships=describes("image")), ["curl"]),
        (spdx(package("image", "PKG:Docker/acme/api@1"), CURL, documentDescribes=["SPDXRef-image"]), ["curl"]),
        (spdx(OCI, CURL, relationships=[relationship("SPDXRef-image", "DESCRIBED_BY", "SPDXRef-DOCUMENT")]), ["curl"]),
        # older tools and folders: without either, but the only one that is described
        (spdx(package("image"), CURL, documentDescribes=["SPDXRef-image"]), ["curl"]),
        # one that nobody describes is in the image, whatever it is
        (spdx(IMAGE, CURL), ["image", "curl"]),
        (spdx(OCI, CURL, relationships=describes("DOCUMENT")), ["image", "curl"]),
        (
            spdx(OCI, CURL, relationships=[relationship("SPDXRef-curl", "DESCRIBES", "SPDXRef-image")]),
            ["image", "curl"],
        ),
        # every package is described
        (spdx(package("a"), package("b"), relationships=describes("a", "b")), ["a", "b"]),
        (spdx(IMAGE, package("b"), CURL, relationships=describes("image", "b", "curl")), ["b", "curl"]),
        # the only one there is
        (spdx(package("a"), documentDescribes=["SPDXRef-a"]), ["a"]),
        (spdx(IMAGE, documentDescribes=["SPDXRef-image"]), []),
        # what has a package URL of its own can be denied by it, described or not
        (spdx(package("app", "pkg:npm/app@1"), CURL, relationships=describes("app")), ["app", "curl"]),
        (
            spdx(
                package("log4j", "pkg:maven/log4j/log4j@1", primaryPackagePurpose="CONTAINER"),
                CURL,
                relationships=describes("log4j"),
            ),
            ["log4j", "curl"],
        ),
    ],
)
def test_which_package_is_the_image(document: Json, expected: list[str]) -> None:
    assert names(document) == expected


REMEDY = "attest SPDX 2.2 or 2.3 in JSON (cosign's type spdxjson)"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("SPDXVersion: SPDX-2.3\n", "it is a text, as SPDX in tag-value is, and only JSON is read"),
        ([], "it is no SPDX: not an object"),
        (None, "it is no SPDX: not an object"),
        ({}, "it has no spdxVersion"),
        ({"bomFormat": "CycloneDX"}, "it is CycloneDX, no SPDX"),
        (
            {"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": []},
            "it is SPDX 3, or other JSON-LD",
        ),
        ({"spdxVersion": "SPDX-3.0", "packages": []}, "it is SPDX 3, or other JSON-LD"),
        (spdx(version="2.1"), "it is SPDX of version 'SPDX-2.1'"),
        ({**spdx(), "spdxVersion": "2.3"}, "it is SPDX of version '2.3'"),
        ({**spdx(), "spdxVersion": 2.3}, "it is SPDX with an spdxVersion that is no text"),
        ({**spdx(), "spdxVersion": ["SPDX-2.3"]}, "it is SPDX with an spdxVersion that is no text"),
    ],
)
def test_what_is_no_spdx_in_json(value: object, message: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(value)
    assert (caught.value.message, caught.value.remedy) == (message, REMEDY)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            {key: each for key, each in spdx().items() if key != "packages"},
            "it is no SPDX: Object missing required field `packages`",
        ),
        (
            {key: each for key, each in spdx().items() if key != "creationInfo"},
            "it is no SPDX: Object missing required field `creationInfo`",
        ),
        (spdx(packages=None), "it is no SPDX: Expected `array`, got `null` - at `$.packages`"),
        (spdx({"name": "x"}), "it is no SPDX: Object missing required field `SPDXID` - at `$.packages[0]`"),
        (
            spdx(package(versionInfo=1)),
            "it is no SPDX: Expected `str`, got `int` - at `$.packages[0].versionInfo`",
        ),
        (spdx(creationInfo={"created": "yesterday"}), "it has a time that is none: 'yesterday'"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(value: object, message: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(value)
    assert caught.value.message == message
