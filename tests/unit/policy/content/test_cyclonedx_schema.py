from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from gate.policy.content import cyclonedx_schema
from gate.policy.content.cyclonedx_schema import VERSIONS, Validators, check
from gate.policy.content.document import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
HEAD: Json = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}
FILE: Json = {"type": "file", "name": "x"}


def wrong(document: Json, version: str = "1.6") -> str:
    with pytest.raises(Unreadable) as caught:
        check(document, version)
    message: str = caught.value.message
    return message.removeprefix(f"it is no CycloneDX {version}: ")


@pytest.mark.parametrize("at", [0, 1, 2, 49, 98, 99])
def test_the_element_that_is_wrong_is_found(at: int) -> None:
    elements = [{**FILE, "name": str(index)} for index in range(100)]
    elements[at] = {**elements[at], "licenses": [{"license": {"id": "MIT", "name": 1}}]}
    document = {**HEAD, "metadata": {}, "components": elements, "properties": [{"name": "a"}]}
    assert wrong(document).startswith(f"/components/{at}/licenses/0/license")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"components": [FILE, {**FILE, "name": "y"}, FILE]}, "/components: two of its elements are equal"),
        ({"components": [FILE, FILE]}, "/components: two of its elements are equal"),
        ({"version": "1"}, '/version: it is not of type "integer"'),
        ({"metadata": []}, '/metadata: it is not of type "object"'),
        ({"a/b~": 1}, "the document: Additional properties are not allowed ('a/b~' was unexpected)"),
        ({"a/b~": [1, 2]}, "/a~1b~0: it is not as its schema says, and too large to say more"),
    ],
)
def test_what_is_wrong_beside_elements(members: Json, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if message.endswith("more"):
        monkeypatch.setattr(cyclonedx_schema, "MAX_EXPLAINED", 0)
    assert wrong({**HEAD, **members}) == message


def test_a_long_pointer_keeps_its_end() -> None:
    inner: Json = {**FILE, "licenses": [{"license": {}}]}
    for _ in range(40):
        inner = {**FILE, "components": [inner]}
    told = wrong({**HEAD, "components": [inner]})
    assert told.startswith("…")
    assert "/components/0/licenses/0/license: " in told
    assert len(told) < 450


def lists(version: str) -> Iterator[Json]:
    strict = "-strict" if version in {"1.2", "1.3"} else ""
    for member in cyclonedx_schema._schema(f"bom-{version}{strict}")["properties"].values():  # type: ignore[attr-defined]
        if member.get("type") == "array":
            yield member


@pytest.mark.parametrize("version", VERSIONS)
def test_of_a_list_as_one_only_that_its_elements_differ_is_asked(version: str) -> None:
    notes = {
        "$id",
        "additionalItems",
        "description",
        "items",
        "title",
        "type",
    }  # additionalItems: of no consequence here
    assert {keyword for member in lists(version) for keyword in member} - notes == {"uniqueItems"}
    assert all(isinstance(member["items"], dict) for member in lists(version))


def test_a_validator_is_made_once_however_many_want_it() -> None:
    validators = Validators()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: validators.of("1.4"), range(32)))
    assert {id(each) for each in found} == {id(validators.of("1.4"))}
    assert validators.of("1.5") is not validators.of("1.4")
