"""`gate policy test --record`: from a registry into a layout that tests are run with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from gate.documents import Document, read_documents
from tests.unit.cli.support import AT, gate, signed_by_alice, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.support import Shop


@pytest.mark.parametrize("name", ["acme/api", "acme/web", "acme/plain", "acme/stranger", "acme/broken"])
def test_a_test_says_what_a_check_says(name: str, shop: Shop, tmp_path: Path) -> None:
    """Of what is signed in whichever way, not at all, and wrong."""
    write(tmp_path, "p.yaml", signed_by_alice())
    image = shop.image(f"{name}:v1")
    checked = gate("check", f"image:{image}", "-p", "p.yaml", *shop.flags, "-o", "json", "--cache", "none").json
    ran = gate("policy", "test", "--record", image, "--into", "kept", *shop.flags)
    assert ran.code == 0, ran.err
    assert ran.err.startswith(f"gate: kept {shop.host}/{name}@{shop.digests[f'{name}:v1']}: ")
    findings = checked["images"][0]["findings"]
    expected = [{"code": f["code"], "rule": f["rule"]} for f in findings if f["verdict"] in ("deny", "error")]
    case = {"name": "c", "image": image, "expect": {"verdict": checked["verdict"], "findings": expected}}
    spec = f"  at: {AT}\n  cases: {json.dumps([case])}\n"
    indented = "".join(f"  {line}\n" for line in ran.out.splitlines())
    write(
        tmp_path,
        "t.yaml",
        f"apiVersion: imagegate.dev/v1\nkind: GateTest\nmetadata: {{name: t}}\nspec:\n{spec}{indented}",
    )
    asked = shop.asked()
    tested = gate("policy", "test", "-o", "json")
    assert (tested.code, tested.err, shop.asked()) == (0, "", asked)
    (result,) = tested.json["tests"][0]["cases"]
    told = [f["message"] for f in findings if f["verdict"] != "allow"]
    assert [f["message"] for f in result["findings"] if f["verdict"] != "allow"] == told


@pytest.mark.parametrize(
    "folder", ["a: b", "1", "true", "null", "1e3", "0x1", "2026-01-01", "~", "-", "y", ".5", "a#b", "é", "##[x]"]
)
def test_the_evidence_that_is_printed_is_of_texts(folder: str, shop: Shop) -> None:
    """Whatever they look like, and whichever YAML is spoken."""
    image = shop.image("acme/api:v1")
    ran = gate("policy", "test", "--record", image, "--into", folder, *shop.flags)
    assert ran.code == 0, ran.err
    entry = {"repository": f"{shop.host}/acme/api", "layout": folder}
    assert yaml.safe_load(ran.out) == {"evidence": [entry]}
    (ours,) = read_documents(ran.out, "t.yaml")
    assert isinstance(ours, Document)
    assert ours.data == {"evidence": [entry]}


@pytest.mark.parametrize(
    ("ref", "into", "code", "said"),
    [
        ("Nginx:V", "kept", 2, "is not an image reference"),
        ("acme/api:v9", "kept", 3, "IMAGE_NOT_FOUND"),
        ("acme/api:v1", "", 2, "an empty --into"),
        ("acme/api:v1", "taken", 2, "is there and no OCI layout"),
        ("acme/api:v1", "taken/file/x", 2, "cannot be"),
    ],
)
def test_what_cannot_be_kept(ref: str, into: str, code: int, said: str, shop: Shop, tmp_path: Path) -> None:
    write(tmp_path, "taken/file", "mine")
    image = shop.image(ref) if "/" in ref else ref
    ran = gate("policy", "test", "--record", image, "--into", into, *shop.flags)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert not (tmp_path / "kept").exists()


def test_a_layout_of_others_becomes_one_of_ours(shop: Shop, tmp_path: Path) -> None:
    """As that of `cosign save`, which has no tags."""
    layout = f"ghcr.io/acme/api={shop.folder / 'acme/api'}"
    ran = gate("policy", "test", "--record", "ghcr.io/acme/api:v1", "--into", "kept", "--layout", layout, "--offline")
    assert (ran.code, ran.out) == (0, "evidence:\n- {repository: ghcr.io/acme/api, layout: kept}\n")
