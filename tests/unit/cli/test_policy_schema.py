from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from gate.policy.reading.schema.kinds import KINDS
from gate.policy.reading.schema.published import published, published_of
from gate.policy.reading.schema.structural import RESOURCES, definition
from tests.unit.cli.support import gate

if TYPE_CHECKING:
    from pathlib import Path


def test_all_kinds() -> None:
    ran = gate("policy", "schema")
    assert (ran.code, ran.err, ran.json) == (0, "", published())


@pytest.mark.parametrize("kind", KINDS)
def test_one_kind(kind: str) -> None:
    assert gate("policy", "schema", "--kind", kind).json == published_of(kind)


def test_custom_resources() -> None:
    ran = gate("policy", "schema", "--crds")
    assert (ran.code, ran.err) == (0, "")
    assert list(yaml.safe_load_all(ran.out)) == [definition(kind) for kind in RESOURCES]


def test_custom_resources_come_all_at_once() -> None:
    ran = gate("policy", "schema", "--crds", "--kind", "GateConfig")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "gate: --crds and --kind together; give one of them: custom resources come all at once\n"


def test_a_file(tmp_path: Path) -> None:
    ran = gate("policy", "schema", "--output-file", tmp_path / "schema.json")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert json.loads((tmp_path / "schema.json").read_text("utf-8")) == published()


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    ran = gate("policy", "schema", "--output-file", tmp_path / "no" / "schema.json")
    assert (ran.code, ran.out) == (2, "")
    assert "cannot be written: No such file or directory" in ran.err


def test_an_unknown_kind() -> None:
    ran = gate("policy", "schema", "--kind", "ClusterPolicy")
    assert (ran.code, ran.out) == (2, "")
    assert "'ClusterPolicy' is not one of" in ran.err
