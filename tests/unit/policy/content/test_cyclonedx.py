from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gate.policy.content import cyclonedx
from gate.policy.content.cyclonedx import described, read
from gate.policy.content.cyclonedx_schema import VERSIONS
from gate.policy.content.document import Unreadable
from gate.policy.content.sbom import Component, Sbom, SbomFormat

Json = dict[str, Any]
DIGEST = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def bom(version: str = "1.6", **members: Any) -> Json:
    return {"bomFormat": "CycloneDX", "specVersion": version, "version": 1, **members}


def component(name: str = "curl", **members: Any) -> Json:
    return {"type": "library", "name": name, "version": "1.0", **members}


def one(version: str = "1.6", **members: Any) -> Component:
    (found,) = read(bom(version, components=[component(**members)])).components
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_is_read(version: str) -> None:
    document = bom(
        version,
        metadata={
            "timestamp": "2026-11-20T10:00:00+01:00",
            "tools": [{"vendor": "anchore", "name": "syft", "version": "1.0"}, {"vendor": "Acme"}, {}],
            "component": {"type": "container", "name": "acme/api", "version": "1", "bom-ref": "image"},
        },
        components=[
            component(
                group="org.acme",
                purl="pkg:maven/org.acme/curl@1.0",
                licenses=[{"license": {"id": "MIT"}}],
                supplier={"name": "Acme"},
                hashes=[{"alg": "SHA-256", "content": DIGEST}],
                **{"bom-ref": "a"},
            )
        ],
    )
    expected = Component(
        name="org.acme/curl",
        version="1.0",
        purl="pkg:maven/org.acme/curl@1.0",
        licenses=("MIT",),
        supplier=True,
        hashed=True,
        ref="a",
    )
    created = datetime(2026, 11, 20, 9, tzinfo=UTC)
    assert read(document) == Sbom(SbomFormat.CYCLONEDX, version, created, ("syft 1.0", "Acme"), (expected,))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_document_that_says_nothing_has_no_components(version: str) -> None:
    assert read(bom(version)) == Sbom(SbomFormat.CYCLONEDX, version, None, (), ())
    assert read(bom(version, components=[])).components == ()


@pytest.mark.parametrize(
    ("version", "licenses", "expected"),
    [
        ("1.2", [{"license": {"id": "MIT"}}, {"expression": "ISC OR MIT"}], ("MIT", "ISC OR MIT")),
        ("1.6", [{"license": {"id": "MIT"}}, {"license": {"name": "Acme's own"}}], ("MIT", "Acme's own")),
        ("1.6", [{"expression": "Apache-2.0 AND LicenseRef-x"}], ("Apache-2.0 AND LicenseRef-x",)),
        ("1.6", [{"license": {"id": "MIT"}}, {"license": {"id": "MIT"}}], ("MIT",)),
        ("1.6", [], ()),
        ("1.6", [{"license": {"name": "NOASSERTION"}}, {"license": {"name": " none "}}, {"license": {"name": ""}}], ()),
        ("1.6", [{"expression": "NOASSERTION"}], ()),
        ("1.7", [{"license": {"id": "MIT", "acknowledgement": "declared"}}, {"expression": "ISC"}], ("MIT", "ISC")),
        (
            "1.7",
            [{"expression": "MIT OR ISC", "expressionDetails": [{"licenseIdentifier": "GPL-2.0-only"}]}],
            ("MIT OR ISC",),
        ),
    ],
)
def test_licenses(version: str, licenses: list[Json], expected: tuple[str, ...]) -> None:
    assert one(version, licenses=licenses).licenses == expected


def test_licenses_that_were_found_in_files_hold_too() -> None:
    found = {"licenses": [{"license": {"id": "AGPL-3.0-only"}}, {"license": {"id": "MIT"}}]}
    assert one(licenses=[{"license": {"id": "MIT"}}], evidence=found).licenses == ("MIT", "AGPL-3.0-only")
    assert one(evidence=found).licenses == ("AGPL-3.0-only", "MIT")
    assert one(evidence={"copyright": [{"text": "(c)"}]}).licenses == ()


@pytest.mark.parametrize(
    ("members", "who"),
    [
        ({"supplier": {"name": "Acme"}}, "Acme"),
        ({"supplier": {"name": " "}}, ""),
        ({"supplier": {"url": ["https://acme.example"]}}, ""),
        ({"publisher": "Acme", "author": "Ann", "manufacturer": {"name": "Acme"}}, ""),
        ({}, ""),
    ],
)
def test_a_supplier_is_who_is_called_so(members: Json, who: str) -> None:
    assert one(**members).supplier is bool(who)


def test_what_a_component_need_not_have() -> None:
    assert one("1.7") == Component("curl", "1.0")
    (bare,) = read(bom("1.7", components=[{"type": "file", "name": "/etc/passwd", "hashes": []}])).components
    assert bare == Component("/etc/passwd")
    ranged = {"type": "library", "name": "libcurl", "versionRange": "vers:generic/>=8", "isExternal": True}
    assert read(bom("1.7", components=[ranged])).components == (Component("libcurl"),)


@pytest.mark.parametrize("kind", ["application", "container", "file", "framework", "library", "operating-system"])
@pytest.mark.parametrize("scope", ["required", "optional", "excluded"])
def test_components_of_every_type_and_scope_count(kind: str, scope: str) -> None:
    assert read(bom(components=[component(type=kind, scope=scope)])).components == (Component("curl", "1.0"),)


def test_nested_components_count_each_behind_its_parent() -> None:
    tree = [
        component("a", components=[component("b", components=[component("c")]), component("d")]),
        component("e", components=[]),
    ]
    found = read(bom(components=tree)).components
    assert [(each.name, each.top) for each in found] == [
        ("a", True),
        ("b", False),
        ("c", False),
        ("d", False),
        ("e", True),
    ]


def test_the_image_is_no_component_but_what_is_in_it_is() -> None:
    image = component("acme/api", components=[component("curl", components=[component("zlib")])])
    document = bom(metadata={"component": image}, components=[component("bash")])
    assert [(each.name, each.top) for each in read(document).components] == [
        ("bash", True),
        ("curl", False),
        ("zlib", False),
    ]
    assert described(cyclonedx.checked(document)) == Component("acme/api", "1.0")
    assert described(cyclonedx.checked(bom())) is None


def test_what_something_was_made_from_or_with_is_not_in_the_image() -> None:
    pedigree = {"ancestors": [component("log4j")], "variants": [component("x")], "descendants": [component("y")]}
    formulation = [{"components": [component("gcc")]}]
    tools = {"components": [component("syft")]}
    document = bom(
        metadata={"tools": tools}, components=[component(pedigree=pedigree)], formulation=formulation, services=[]
    )
    assert read(document).components == (Component("curl", "1.0"),)


def test_tools_as_components_and_services() -> None:
    tools = {"components": [component("trivy")], "services": [{"name": "scanner"}]}
    assert read(bom(metadata={"tools": tools})).tools == ("trivy 1.0", "scanner")
    assert read(bom(metadata={"tools": {}})).tools == ()


@pytest.mark.parametrize(
    ("text", "created"),
    [
        ("0001-01-01T00:00:00Z", None),
        ("2026-11-20T10:00:00.123456789Z", datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC)),
    ],
)
def test_times(text: str, created: datetime | None) -> None:
    assert read(bom(metadata={"timestamp": text})).at == created


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('<?xml version="1.0"?><bom/>', "it is XML, and only JSON is read"),
        ("CgMxLjY=", "it is a text, and only JSON is read"),
        ([], "it is no CycloneDX: not an object"),
        (None, "it is no CycloneDX: not an object"),
        ({}, "it has no bomFormat CycloneDX"),
        ({"spdxVersion": "SPDX-2.3"}, "it is SPDX, no CycloneDX"),
        ({**bom(), "bomFormat": "cyclonedx"}, "it has no bomFormat CycloneDX"),
        ({"bomFormat": "CycloneDX"}, "it is CycloneDX without a specVersion"),
        (bom("1.1"), "it is CycloneDX of version '1.1'"),
        (bom("2.0"), "it is CycloneDX of version '2.0'"),
        (bom("1.6" * 100), "it is CycloneDX of version '1.61.61.61.61.61.61.'"),
        ({**bom(), "specVersion": 1.6}, "it is CycloneDX without a specVersion"),
        ({**bom(), "specVersion": ["1.6"]}, "it is CycloneDX without a specVersion"),
    ],
)
def test_what_is_no_cyclonedx_in_json(value: object, message: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(value)
    assert (caught.value.message, caught.value.remedy) == (message, "attest CycloneDX 1.2 to 1.7 in JSON")


ONE_OF = "under more than one of the schemas listed in the 'oneOf' keyword"


@pytest.mark.parametrize(
    ("value", "place", "why"),
    [
        (bom(components={}), "/components", 'it is not of type "array"'),
        (bom(components=None), "/components", 'it is not of type "array"'),
        (bom(components=[{"name": "x"}]), "/components/0", '"type" is a required property'),
        (bom(component=[]), "the document", "Additional properties are not allowed ('component' was unexpected)"),
        (
            bom(components=[component(components=[component(licenses=[{"license": {"id": "Acme"}}])])]),
            "/components/0/components/0/licenses/0/license/id",
            'it is not one of "0BSD", ',
        ),
        (
            bom(components=[component(licenses=[{"license": {"id": "MIT"}}, {"expression": "MIT"}])]),
            "/components/0/licenses/1",
            "Additional properties are not allowed ('expression' was unexpected)",
        ),
        (
            bom("1.7", components=[component(licenses=[{"license": {"id": "MIT"}, "expression": "MIT"}])]),
            "/components/0/licenses/0",
            "Additional properties are not allowed ('expression' was unexpected)",
        ),
        (
            bom("1.2", components=[component(licenses=[{"license": {"id": "MIT"}, "expression": "MIT"}])]),
            "/components/0/licenses/0",
            f"it is valid {ONE_OF}",
        ),
        (bom(metadata={"timestamp": "2020-04-13"}), "/metadata/timestamp", 'it is not a "date-time"'),
        (
            bom(components=[component(hashes=[{"alg": "MD5", "content": "x"}])]),
            "/components/0/hashes/0/content",
            "it does not match ",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(value: Json, place: str, why: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(value)
    assert caught.value.message.startswith(f"it is no CycloneDX {value['specVersion']}: {place}: {why}")


@pytest.mark.parametrize("version", VERSIONS)
def test_members_that_a_version_does_not_know_are_refused(version: str) -> None:
    for wrong in (bom(version, Components=[]), bom(version, components=[component(Licenses=[])])):
        with pytest.raises(Unreadable, match="unexpected"):
            read(wrong)


def test_a_leap_second_is_a_time_that_is_none_here() -> None:
    with pytest.raises(Unreadable, match="time"):
        read(bom(metadata={"timestamp": "2016-12-31T23:59:60Z"}))
