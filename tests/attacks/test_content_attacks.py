"""Bills of materials that would say less here than they say to another reader, or stop the gate from reading them."""

from __future__ import annotations

import copy
import json
import threading
from typing import TYPE_CHECKING, Any, Final

import pytest

from gate.policy.content import cyclonedx, spdx
from gate.policy.content.cyclonedx_schema import VERSIONS
from gate.policy.content.document import Unreadable, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate.policy.content.sbom import Sbom

    Read = Callable[[object], Sbom]

Json = dict[str, Any]
Path = tuple[str | int, ...]


def bom(version: str) -> Json:
    """With everything that is read; `tools` as 1.2 has it."""
    licenses = [{"license": {"id": "MIT"}}, {"license": {"name": "Acme"}}]
    inner = {"type": "library", "name": "b", "version": "2", "licenses": [{"expression": "MIT"}]}
    component = {
        "type": "library",
        "bom-ref": "a",
        "group": "g",
        "name": "a",
        "version": "1",
        "purl": "pkg:npm/a@1",
        "licenses": licenses,
        "supplier": {"name": "Acme"},
        "hashes": [{"alg": "MD5", "content": "d41d8cd98f00b204e9800998ecf8427e"}],
        "components": [inner],
        **({} if version == "1.2" else {"evidence": {"licenses": licenses}}),
    }
    tools = [{"vendor": "v", "name": "t", "version": "1"}]
    metadata = {"timestamp": "2026-11-20T10:00:00Z", "tools": tools, "component": {**inner, "components": [inner]}}
    document = {"bomFormat": "CycloneDX", "specVersion": version, "version": 1, "metadata": metadata}
    return {**document, "components": [component, inner]}


def tools_bom(version: str) -> Json:
    """Tools as since 1.5."""
    tools = {
        "components": [{"type": "library", "name": "t", "version": "1"}],
        "services": [{"name": "s", "version": "1"}],
    }
    return {**bom(version), "metadata": {"tools": tools}}


def spdx_document() -> Json:
    """With everything that is read."""
    package = {
        "SPDXID": "SPDXRef-a",
        "name": "a",
        "versionInfo": "1",
        "supplier": "Organization: Acme",
        "licenseConcluded": "MIT",
        "licenseDeclared": "MIT",
        "licenseInfoFromFiles": ["MIT"],
        "primaryPackagePurpose": "LIBRARY",
        "checksums": [{"algorithm": "MD5", "checksumValue": "d41d8cd98f00b204e9800998ecf8427e"}],
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:npm/a@1"}
        ],
    }
    relationship = {
        "spdxElementId": "SPDXRef-DOCUMENT",
        "relationshipType": "DESCRIBES",
        "relatedSpdxElement": "SPDXRef-image",
    }
    return {
        "spdxVersion": "SPDX-2.3",
        "creationInfo": {"created": "2026-11-20T10:00:00Z", "creators": ["Tool: t"]},
        "packages": [package, {"SPDXID": "SPDXRef-image", "name": "image"}],
        "documentDescribes": ["SPDXRef-image"],
        "relationships": [relationship],
    }


DOCUMENTS: Final[list[tuple[Read, Json]]] = [
    *((cyclonedx.read, bom(version)) for version in VERSIONS if version < "1.6"),
    *((cyclonedx.read, tools_bom(version)) for version in ("1.5", "1.6", "1.7")),
    (spdx.read, spdx_document()),
]
IDS: Final = [*(v for v in VERSIONS if v < "1.6"), "1.5 tools", "1.6 tools", "1.7 tools", "SPDX"]
every_document = pytest.mark.parametrize(("read", "document"), DOCUMENTS, ids=IDS)


def paths(value: object, at: Path = ()) -> Iterator[Path]:
    if isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*at, step)
            yield from paths(inner, (*at, step))


def replaced(document: Json, path: Path, by: object) -> tuple[object, Json]:
    """What stood there, and the document with something else."""
    changed: Any = copy.deepcopy(document)
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    was, inner[path[-1]] = inner[path[-1]], by
    return was, changed


@every_document
def test_no_other_type_of_anything_that_is_read_is_passed_over(read: Read, document: Json) -> None:
    read(document)
    for path in paths(document):
        for other in (None, True, 1.5, 7, "x", [], {}, [None], {"x": None}, ["x"], {"name": ["x"]}):
            was, changed = replaced(document, path, other)
            if type(was) is type(other) or (path[-1] == "tools" and other in ([], {})):
                continue  # an empty one, or another text, is what a document may say
            with pytest.raises(Unreadable):
                read(changed)


@every_document
def test_a_document_that_was_cut_off_is_none(read: Read, document: Json) -> None:
    raw = json.dumps(document).encode()
    assert read(opened(raw)) == read(document)
    for end in range(0, len(raw), 7):
        with pytest.raises(Unreadable):
            read(opened(raw[:end]))


@every_document
def test_numbers_that_json_has_not_and_keys_that_stand_twice(read: Read, document: Json) -> None:
    raw = json.dumps(document)
    listed = "packages" if read is spdx.read else "components"
    for wrong in (
        raw.replace('"1"', "NaN", 1),
        raw.replace('"1"', "1e999", 1),
        raw.replace(f'"{listed}":', f'"{listed}": [], "{listed}":', 1),
        raw[:-1] + f', "{listed}": []}}',
        raw[:-1] + f', "\\u{ord(listed[0]):04x}{listed[1:]}": []}}',
    ):
        assert wrong != raw
        with pytest.raises(Unreadable):
            read(opened(wrong.encode()))


@pytest.mark.parametrize("read", [cyclonedx.read, spdx.read])
@pytest.mark.parametrize("value", [None, True, 0, -1.5, "", "{}", "\x00", [], [[]], {}, {"": {}}, {"packages": []}])
def test_values_that_are_no_document(read: Read, value: object) -> None:
    with pytest.raises(Unreadable):
        read(value)


def test_one_format_is_not_read_as_the_other() -> None:
    with pytest.raises(Unreadable, match="it is SPDX, no CycloneDX"):
        cyclonedx.read(spdx_document())
    with pytest.raises(Unreadable, match="it is CycloneDX, no SPDX"):
        spdx.read(bom("1.5"))
    with pytest.raises(Unreadable):  # both at once
        cyclonedx.read({**bom("1.5"), **spdx_document()})


@pytest.mark.parametrize("member", ["components", "pedigree", "metadata", "tools", "properties"])
@pytest.mark.parametrize("depth", [101, 10_000])
def test_nesting_does_not_end_the_process(member: str, depth: int) -> None:
    inner: object = {"type": "library", "name": "x", "version": "1"}
    for _ in range(depth):
        inner = {"components": [inner]} if member == "components" else {member: inner}
    if member == "components":  # valid at any depth
        inner = nested_components(depth)
    document = {**bom("1.6"), "metadata": {"tools": inner}, "components": [inner]}
    seen: list[Exception] = []
    stack = threading.stack_size(256 * 1024)  # of small systems
    thread = threading.Thread(target=lambda: seen.append(refusal(document)))
    thread.start()
    threading.stack_size(stack)
    thread.join()
    assert str(seen[0]) == "it is nested deeper than 100"


def nested_components(depth: int) -> Json:
    found: Json = {"type": "library", "name": "x", "version": "1"}
    for _ in range(depth // 2):
        found = {"type": "library", "name": "x", "version": "1", "components": [found]}
    return found


def refusal(document: object) -> Exception:
    try:
        cyclonedx.read(document)
    except Unreadable as error:
        return error
    return AssertionError("it was read")


def test_what_is_nested_as_deep_as_it_may_be_is_read_to_its_end() -> None:
    document = {**bom("1.6"), "components": [nested_components(94)], "metadata": {}}
    assert len(cyclonedx.read(document).components) == 48


def test_nesting_of_bytes_is_refused_before_it_is_read() -> None:
    for wrong in (b"[" * 10_000, b'{"a":' * 10_000, b"[" * 10_000 + b"]" * 10_000):
        with pytest.raises(Unreadable):
            opened(wrong)


FILE: Final = {"type": "file", "name": "x"}
HUGE: Final = "a" * 4_000_000


@pytest.mark.parametrize(
    "place",
    [
        {"name": HUGE, HUGE: 1},
        {"licenses": [{"license": {"id": HUGE}}]},
        {"hashes": [{"alg": "MD5", "content": HUGE}]},
        {"externalReferences": [{"type": "vcs", "url": f"http://[{HUGE}"}]},
    ],
    ids=["key", "license", "hash", "url"],
)
def test_a_refusal_of_something_huge_is_short(place: Json) -> None:
    with pytest.raises(Unreadable) as caught:
        cyclonedx.read({**bom("1.6"), "components": [{"type": "library", "name": "x", **place}]})
    assert len(str(caught.value)) < 500


def test_forty_megabytes_of_one_name_are_a_name() -> None:
    name = HUGE * 10
    raw = json.dumps({**bom("1.5"), "components": [{"type": "file", "name": name}]}).encode()
    assert cyclonedx.read(opened(raw)).components[0].name == name


BAD_URL: Final = {"type": "vcs", "url": "http://a b"}
MANY: Final = [{"x": 1}] * 100_000


@pytest.mark.parametrize(
    ("place", "members"),
    [
        ("/components/1", {"components": [FILE, {**FILE, "licenses": MANY}]}),
        ("/components/0", {"components": [{**FILE, "externalReferences": [BAD_URL] * 10_000}]}),
        ("/metadata", {"metadata": {"tools": MANY}}),
        ("/metadata", {"metadata": {"tools": {"components": [{**FILE, "licenses": MANY}]}}}),
    ],
    ids=["licenses", "urls", "tools", "licenses of tools"],
)
def test_a_hundred_thousand_mistakes_are_not_looked_for(place: str, members: Json) -> None:
    # The validator would keep all of them, each in every alternative: gigabytes of a document of a few megabytes.
    with pytest.raises(Unreadable) as caught:
        cyclonedx.read({**bom("1.6"), "metadata": {}, **members})
    assert caught.value.message == (
        f"it is no CycloneDX 1.6: {place}: it is not as its schema says, and too large to say more"
    )


def test_of_many_components_that_are_wrong_the_first_is_told() -> None:
    good = [{**FILE, "version": str(version)} for version in range(3000)]
    with pytest.raises(Unreadable, match='/components/3000: "type" is a required property'):
        cyclonedx.read({**bom("1.6"), "components": [*good, *MANY]})


def test_a_deep_mistake_is_found_without_a_search_through_all_alternatives() -> None:
    inner: Json = {"type": "library", "name": "x", "licenses": [{}]}
    for _ in range(40):
        inner = {"type": "library", "name": "x", "components": [inner], "licenses": [{"expression": "MIT"}]}
    with pytest.raises(Unreadable, match="/components/0/licenses") as caught:
        cyclonedx.read({**bom("1.6"), "metadata": {"tools": {"components": [inner]}}})
    assert len(str(caught.value)) < 500


# What a package is called by case only: Go's reader would take it.


@pytest.mark.parametrize(
    "change",
    [
        {"Packages": []},
        {"packages": [{"SPDXID": "SPDXRef-a", "name": "a", "ExternalRefs": []}]},
        {"packages": [{"SPDXID": "SPDXRef-a", "name": "a", "licensedeclared": "AGPL-3.0-only"}]},
        {"packages": [{"SPDXID": "SPDXRef-a", "name": "a", "\N{LATIN SMALL LETTER LONG S}upplier": "x"}]},
        {"creationInfo": {"created": "2020-01-01T00:00:00Z", "Created": "2026-11-20T10:00:00Z"}},
    ],
)
def test_members_that_differ_by_case_are_not_passed_over(change: Json) -> None:
    with pytest.raises(Unreadable, match="differ by case"):
        spdx.read({**spdx_document(), **change})


def test_a_reference_with_another_spelling_beside_is_refused() -> None:
    (reference,) = spdx_document()["packages"][0]["externalRefs"]
    hidden = {**reference, "ReferenceLocator": "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1"}
    with pytest.raises(Unreadable, match="unknown field"):
        spdx.read({**spdx_document(), "packages": [{"SPDXID": "a", "name": "a", "externalRefs": [hidden]}]})


# A package that hides as the image.


def test_a_package_under_the_name_of_the_image_is_a_component() -> None:
    document = spdx_document()
    document["packages"] += [{"SPDXID": "SPDXRef-image", "name": "log4j-core"}]
    assert [each.name for each in spdx.read(document).components] == ["a", "image", "log4j-core"]


def test_a_package_with_its_own_name_is_a_component_though_it_calls_itself_a_container() -> None:
    document = spdx_document()
    document["packages"][1] = {
        **document["packages"][0],
        "primaryPackagePurpose": "CONTAINER",
        "SPDXID": "SPDXRef-image",
    }
    assert [each.purl for each in spdx.read(document).components] == ["pkg:npm/a@1"] * 2


def test_a_second_package_url_is_not_hidden_by_one_of_an_image() -> None:
    document = spdx_document()
    references = [
        {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": each}
        for each in ("pkg:oci/api@sha256:abc", "pkg:npm/evil@1")
    ]
    document["packages"][1]["externalRefs"] = references
    assert [each.purl for each in spdx.read(document).components][1:] == ["pkg:oci/api@sha256:abc", "pkg:npm/evil@1"]
