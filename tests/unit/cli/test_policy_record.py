"""`gate policy test --record`: from a registry into a layout that tests are run with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from gate.demo.images import Layer, LayoutWriter
from gate.documents import Document, read_documents
from gate.evidence.cosign import SIMPLE_SIGNING
from tests.fakes.signing import alice
from tests.unit.cli.support import AT, gate, policy, signed_by_alice, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.support import Shop


API = "ghcr.io/acme/api"
SIGNATURES = "ghcr.io/acme/signatures"


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


def _elsewhere(tmp_path: Path) -> tuple[str, ...]:
    """Three images: signed by alice elsewhere, beside themselves, and not at all; and a policy that looks elsewhere."""
    image, signatures = LayoutWriter(tmp_path / "image"), LayoutWriter(tmp_path / "signatures")
    for writer, tag, prefix in ((signatures, "v1", "rel-"), (image, "v2", "rel-")):
        digest = image.image(tag, tag)
        payload, named = alice().simple_signing(digest, API)
        writer.append(f"{prefix}{digest.tag}.sig", Layer(SIMPLE_SIGNING, payload, named))
    image.image("v3", "v3")
    signers = json.dumps({"alice": {"key": {"pem": alice().pem.decode()}}})
    rule = f"[{{signature: {{by: alice, repository: {SIGNATURES}, tagPrefix: rel-}}}}]"
    write(tmp_path, "p.yaml", policy(rule, signers=signers))
    return "--layout", f"{API}=image", "--layout", f"{SIGNATURES}=signatures", "--offline"


def test_signatures_elsewhere_are_kept_beside(tmp_path: Path) -> None:
    registry = _elsewhere(tmp_path)
    where = ("--signature-repository", SIGNATURES, "--attachment-tag-prefix", "rel-")
    for tag in ("v1", "v2", "v3"):
        ran = gate("policy", "test", "--record", f"{API}:{tag}", "--into", "kept", *where, *registry)
        assert ran.code == 0, ran.err
    evidence = yaml.safe_load(ran.out)["evidence"]
    assert evidence == [
        {"repository": API, "layout": "kept"},
        {"repository": SIGNATURES, "layout": "kept-signatures"},
    ]
    missing = {"verdict": "deny", "findings": [{"code": "SIGNATURE_MISSING"}]}
    expected = {"v1": {"verdict": "allow"}, "v2": missing, "v3": missing}
    cases = [{"name": tag, "image": f"{API}:{tag}", "expect": expect} for tag, expect in expected.items()]
    spec = {"at": AT, "policies": ["p.yaml"], "evidence": evidence, "cases": cases}
    test = {"apiVersion": "imagegate.dev/v1", "kind": "GateTest", "metadata": {"name": "t"}, "spec": spec}
    write(tmp_path, "t.yaml", json.dumps(test))
    ran = gate("policy", "test", "t.yaml")
    assert (ran.code, ran.err) == (0, ""), ran.out
    spec["evidence"] = evidence[:1]
    write(tmp_path, "t.yaml", json.dumps(test))
    assert "REGISTRY_UNREACHABLE" in gate("policy", "test", "t.yaml").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--attachment-tag-prefix", "a/b"), "--attachment-tag-prefix 'a/b'"),
        (("--signature-repository", f"{API}:v1"), "has a tag or digest"),
    ],
)
def test_places_that_cannot_be_used(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    ran = gate("policy", "test", "--record", f"{API}:v1", "--into", "kept", *arguments, *_elsewhere(tmp_path))
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_places_are_for_what_is_recorded(tmp_path: Path) -> None:
    _elsewhere(tmp_path)
    ran = gate("policy", "test", "p.yaml", "--signature-repository", SIGNATURES)
    assert (ran.code, "go with --record" in ran.err) == (2, True)


def test_the_folder_of_signatures_is_of_one_repository_too(tmp_path: Path) -> None:
    registry = _elsewhere(tmp_path)
    record = ("policy", "test", "--record", f"{API}:v1", "--into", "kept", *registry, "--signature-repository")
    assert gate(*record, SIGNATURES).code == 0
    before = (tmp_path / "kept/index.json").read_bytes()
    ran = gate(*record, "ghcr.io/acme/others", "--layout", "ghcr.io/acme/others=signatures")
    assert ran.code == 2
    assert f"the layout kept-signatures is of {SIGNATURES}, not of ghcr.io/acme/others" in ran.err
    assert (tmp_path / "kept/index.json").read_bytes() == before


def test_a_layout_of_others_becomes_one_of_ours(shop: Shop, tmp_path: Path) -> None:
    """As that of `cosign save`, which has no tags."""
    layout = f"ghcr.io/acme/api={shop.folder / 'acme/api'}"
    ran = gate("policy", "test", "--record", "ghcr.io/acme/api:v1", "--into", "kept", "--layout", layout, "--offline")
    assert (ran.code, ran.out) == (0, "evidence:\n- {repository: ghcr.io/acme/api, layout: kept}\n")
