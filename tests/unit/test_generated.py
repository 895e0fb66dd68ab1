"""What is generated is what the schema says."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from docs.generate import ROOT, generated, outdated
from gate.policy.reading.schema.kinds import KINDS, schema_of
from gate.policy.reading.schema.structural import RESOURCES
from tests.unit.policy.reading.walking import fields_of

REFERENCE = (ROOT / "docs" / "policy-reference.md").read_text(encoding="utf-8")


def test_it_is_up_to_date() -> None:
    assert outdated() == [], "write them again: make generate"


def test_it_is_what_programs_read() -> None:
    files = generated()
    assert json.loads(files["docs/schema/imagegate.dev_v1.json"])["definitions"].keys() >= set(KINDS)
    definitions = [yaml.safe_load(text) for name, text in files.items() if name.startswith("helm/crds/")]
    assert {found["spec"]["names"]["kind"] for found in definitions} == set(RESOURCES)
    assert not any("&id" in text or "*id" in text for text in files.values())


def test_every_link_of_the_reference_leads_somewhere() -> None:
    headings = {heading.lower() for heading in re.findall(r"^##+ (\w+)$", REFERENCE, re.MULTILINE)}
    anchors = re.findall(r'<a id="([^"]+)">', REFERENCE)
    assert len(set(anchors)) == len(anchors)
    assert set(re.findall(r"\]\(#([^)]+)\)", REFERENCE)) - set(anchors) - headings == set()
    files = re.findall(r"\]\(([^)#:]+)\)", REFERENCE)
    assert [file for file in files if not (ROOT / "docs" / file).exists()] == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_tells_of_every_field(kind: str) -> None:
    told = set(re.findall(r"</a>`(\w+)` \|", REFERENCE)) | set(re.findall(r"^\| `(\w+)` \|", REFERENCE, re.MULTILINE))
    said = [form["description"] for path, form in fields_of(schema_of(kind)) if path[0] == "spec" and len(path) > 1]
    assert {path[-1] for path, _ in fields_of(schema_of(kind)) if path[0] == "spec" and len(path) > 1} <= told
    assert [words for words in said if words not in REFERENCE] == []
