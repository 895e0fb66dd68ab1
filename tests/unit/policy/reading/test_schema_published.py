"""The schema that editors read: it refuses nothing that lint accepts, and whatever a kind's schema refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from jsonschema import Draft7Validator

from gate.documents import Document, read_documents
from gate.feeds.folder import load_policies
from gate.policy.reading.schema.kinds import KINDS
from gate.policy.reading.schema.parts import CLUSTER_MARK, FILE_MARK, field, marked, obj
from gate.policy.reading.schema.published import published, published_of, without
from tests.unit.policy.reading.test_reading_schema import EXAMPLES

if TYPE_CHECKING:
    from tests.unit.policy.build import Json

ROOT = Path(__file__).parents[4]
VALIDATOR = Draft7Validator(published())
FILES = [*sorted((ROOT / "docs").rglob("*.yaml")), *sorted((ROOT / "policies").rglob("*.yaml"))]


def test_is_a_draft_07_schema() -> None:
    Draft7Validator.check_schema(published())
    assert published()["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert published()["$id"].endswith("/imagegate.dev_v1.json")


@pytest.mark.parametrize("kind", KINDS)
def test_one_kind_has_a_schema_of_its_own(kind: str) -> None:
    Draft7Validator.check_schema(published_of(kind))
    alone = Draft7Validator(published_of(kind))
    for example in EXAMPLES[kind]:
        assert alone.is_valid(example) is VALIDATOR.is_valid(example)
        assert not alone.is_valid({**example, "kind": next(other for other in KINDS if other != kind)})


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "GatePolicy"])
def test_the_examples_are_valid(kind: str) -> None:
    assert [error.message for example in EXAMPLES[kind] for error in VALIDATOR.iter_errors(example)] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_document_of_this_repository_is_valid(file: Path) -> None:
    """By lint, by the schema, and by the line for editors, which leads to the schema."""
    text = file.read_text(encoding="utf-8")
    found = [document for document in read_documents(text, str(file)) if isinstance(document, Document)]
    read = load_policies([file]).parsed
    assert [str(problem) for problem in read.errors] == []
    assert [error.message for document in found for error in VALIDATOR.iter_errors(document.data)] == []
    line = text.partition("\n")[0]
    assert line.startswith("# yaml-language-server: $schema=")
    assert (file.parent / line.partition("=")[2]).resolve() == ROOT / "docs" / "schema" / "imagegate.dev_v1.json"
    assert found


def test_there_is_an_example_of_each_kind() -> None:
    shown = {yaml.safe_load((ROOT / "docs" / "examples" / f"{kind}.yaml").read_text("utf-8"))["kind"] for kind in KINDS}
    assert shown == set(KINDS)


RULE = {"signature": {"by": "a"}}
POLICY: Json = {
    "apiVersion": "imagegate.dev/v1",
    "kind": "ClusterGatePolicy",
    "metadata": {"name": "p"},
    "spec": {"rules": [RULE]},
}
SIGNATURE = ["spec", "rules", 0, "signature"]
OWN: Json = {**POLICY, "kind": "GatePolicy"}


def spec(base: Json, **fields: object) -> Json:
    return {**base, "spec": {"rules": [RULE], **fields}}


@pytest.mark.parametrize(
    ("document", "path", "said"),
    [
        ({**POLICY, "kind": "ClusterPolicy"}, ["kind"], "'ClusterPolicy' is not one of"),
        ({**POLICY, "apiVersion": "imagegate.dev/v2"}, ["apiVersion"], "'imagegate.dev/v1' was expected"),
        ({"kind": "GatePolicy"}, [], "'apiVersion' is a required property"),
        (spec(POLICY, mood="warn"), ["spec"], "'mood' was unexpected"),
        (spec(POLICY, mode="on"), ["spec", "mode"], "'on' is not one of"),
        (spec(POLICY, rules=[{"signature": {"by": {"all": [5]}}}]), [*SIGNATURE, "by", "all", 0], "5 is not of type"),
        (spec(POLICY, rules=[{"scan": {}}]), ["spec", "rules", 0, "scan"], "'by' is a required property"),
        # what a GatePolicy may not have is not offered
        (spec(OWN, rules=[{"cel": {"expression": "true"}}]), ["spec", "rules", 0], "'cel' was unexpected"),
        (
            spec(OWN, rules=[{"attestation": {"by": "a", "type": "spdx", "cel": "true"}}]),
            ["spec", "rules", 0, "attestation"],
            "'cel' was unexpected",
        ),
        (spec(OWN, signers={"a": {"key": {"file": "x"}}}), ["spec", "signers", "a", "key"], "'file' was unexpected"),
        (
            spec(OWN, rules=[{"signature": {"by": "a", "repository": "x"}}]),
            SIGNATURE,
            "'repository' was unexpected",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_of_its_place_and_kind(document: Json, path: list[str | int], said: str) -> None:
    errors = list(VALIDATOR.iter_errors(document))
    assert [list(error.absolute_path) for error in errors if said in error.message][:1] == [path]
    assert not any("oneOf" in str(error.validator) for error in errors)


def test_what_is_left_out() -> None:
    secret = obj({"file": marked(field({}, "A."), FILE_MARK)}, ("file",))
    schema = {
        **obj(
            {
                "kept": field({}, "B."),
                "file": marked({}, FILE_MARK),
                "needs": secret,
                "inside": obj({"file": marked({}, FILE_MARK), "kept": {}}),
                "list": {"type": "array", "items": obj({"own": marked({}, CLUSTER_MARK), "kept": {}})},
                "map": {"type": "object", "additionalProperties": obj({"own": marked({}, CLUSTER_MARK)})},
            }
        ),
        "dependencies": {"file": ["kept"], "kept": {"maxProperties": 1}},
    }
    found = without(schema, {FILE_MARK, CLUSTER_MARK})
    assert list(found["properties"]) == ["kept", "inside", "list", "map"]
    assert list(found["properties"]["inside"]["properties"]) == ["kept"]
    assert list(found["properties"]["list"]["items"]["properties"]) == ["kept"]
    assert found["properties"]["map"]["additionalProperties"]["properties"] == {}
    assert found["dependencies"] == {"kept": {"maxProperties": 1}}
    assert without(schema, set()) == schema


@pytest.mark.parametrize("kind", KINDS)
def test_whoever_completes_by_it_is_offered_nothing_that_is_refused(kind: str) -> None:
    text = json.dumps(published()["definitions"][kind])
    assert (FILE_MARK in text) is (kind in ("ClusterGatePolicy", "GateTrustRoot", "GateConfig"))
    assert (CLUSTER_MARK in text) is (kind == "ClusterGatePolicy")
