from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.signing import alice, bob
from tests.unit.cli.support import (
    ANYTHING,
    AT,
    NOTHING,
    Ran,
    Shop,
    gate,
    gate_process,
    pod,
    policy,
    signed_by_alice,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path

TWO = policy(
    "[{image: {denyTags: [latest]}}, {signature: {by: {all: [alice, bob]}}, name: two}]",
    signers=json.dumps({"alice": {"key": {"pem": alice().pem.decode()}}, "bob": {"key": {"pem": bob().pem.decode()}}}),
)


def explain(*arguments: object, stdin: str | None = None) -> Ran:
    return gate("policy", "explain", *arguments, "--at", AT, "--cache", "none", stdin=stdin)


def test_an_image_that_passes(shop: Shop, tmp_path: Path) -> None:
    ran = explain(shop.image("acme/api:v1"), *shop.flags, "-p", write(tmp_path, "p.yaml", signed_by_alice()))
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0] == f"✔ ALLOWED {shop.image('acme/api:v1')}"
    assert f"✔ by alice: #1 of {alice().public.short}" in ran.out
    assert lines[-1] == "└─ ✔ ALLOWED of 1 rule: 1 held"
    assert f"digest: {shop.digests['acme/api:v1']}" in " ".join(ran.out.replace("│", "").split())
    assert "\x1b" not in ran.out


def test_an_image_that_is_denied_says_who_is_missing(shop: Shop, tmp_path: Path) -> None:
    ran = explain(shop.image("acme/web:v1"), *shop.flags, "-p", write(tmp_path, "p.yaml", TWO))
    assert ran.code == 1
    told = [line.strip("│├└─ ") for line in ran.out.splitlines()]
    assert told[0].startswith("✘ DENIED ")
    assert "✔ image: holds" in told
    assert "✘ two (signature): denies" in told
    assert "✘ SIGNERS_TOO_FEW: signed by alice; needs all of (alice, bob)" in told
    assert "Fix: have bob sign it" in told
    assert f"✔ alice: #1 of {alice().public.short}" in told
    assert f"✘ bob: nothing of {bob().public.short}" in told
    assert told[-1] == "✘ DENIED by p/two (of 2 rules: 1 denied, 1 held)"


def test_what_does_not_verify_is_told_once_and_named_by_its_number(shop: Shop, tmp_path: Path) -> None:
    ran = explain(shop.image("acme/stranger:v1"), *shop.flags, "-p", write(tmp_path, "p.yaml", signed_by_alice()))
    told = [line.strip("│├└─ ") for line in ran.out.splitlines()]
    assert ran.code == 1
    assert "found: 1 that does not verify" in told
    assert "not verified: #1" in told
    assert sum("#1 signature" in line for line in told) == 1


def test_what_the_reference_stops_asks_no_registry(shop: Shop, tmp_path: Path) -> None:
    ran = explain(shop.image("acme/api"), *shop.flags, "-p", write(tmp_path, "p.yaml", TWO))
    assert (ran.code, shop.asked()) == (1, 0)
    assert "two (signature): not asked: what the reference alone shows stops the image" in " ".join(
        ran.out.replace("│", "").split()
    )


@pytest.mark.parametrize("written", ["image:{}", "{}"])
def test_a_reference_by_either_name(written: str, shop: Shop, tmp_path: Path) -> None:
    ran = explain(written.format(shop.image("acme/api:v1")), *shop.flags, "-p", write(tmp_path, "p.yaml", ANYTHING))
    assert (ran.code, ran.out.splitlines()[0]) == (0, f"✔ ALLOWED {shop.image('acme/api:v1')}")


def test_what_is_a_file_is_a_manifest(tmp_path: Path) -> None:
    write(tmp_path, "p.yaml", NOTHING)
    write(tmp_path, "nginx", pod("busybox:1", "busybox:2", name="web", namespace="shop"))
    ran = explain("nginx", "-p", "p.yaml")
    heads = [line for line in ran.out.splitlines() if line.startswith("✘")]
    assert (ran.code, heads) == (1, ["✘ DENIED busybox:1", "✘ DENIED busybox:2"])
    assert "├─ written at nginx:" in ran.out
    assert "├─ read as docker.io/library/busybox:1" in ran.out
    told = explain("-", "-p", "p.yaml", stdin=pod("busybox:1"))
    assert (told.code, "├─ written at -:" in told.out) == (1, True)


@pytest.mark.parametrize("source", ["deploy.yaml", "../web", "/nowhere/x", "web.json"])
def test_what_looks_like_a_file_and_is_none_is_no_image(source: str, tmp_path: Path) -> None:
    ran = explain(source, "-p", write(tmp_path, "p.yaml", NOTHING))
    assert ran.code == 2
    assert f"{source}: UNREADABLE" in ran.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no SOURCE"),
        (("",), "an empty SOURCE"),
        (("Not/An image",), "is not an image reference"),
        (("nginx", "--as", "ghcr.io/acme/api"), "--as without an oci: image"),
        (("oci:image",), "an oci: image has no name to judge it by"),
        (("nginx", "--namespace", "No!"), "is no namespace"),
        (("nginx", "-p", "nowhere.yaml"), "nowhere.yaml cannot be read"),
        (("nginx", "--output-file", "nowhere/x"), "--output-file nowhere/x cannot be written"),
    ],
)
def test_what_cannot_be_used(arguments: tuple[str, ...], words: str) -> None:
    ran = explain(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err
    assert ran.err.count("\n") == 1


def test_an_image_in_a_folder(shop: Shop, tmp_path: Path) -> None:
    folder = f"oci:{shop.folder / 'acme/api'}@{shop.digests['acme/api:v1']}"
    flags = ("--as", "ghcr.io/acme/api:v1", "--offline", "-p", write(tmp_path, "p.yaml", signed_by_alice()))
    ran = explain(folder, *flags, "--output", "json")
    assert (ran.code, ran.json["images"][0]["image"]) == (0, folder)
    assert ran.json["images"][0]["resolved"] == folder


def test_a_registry_that_is_away_is_not_judged(tmp_path: Path) -> None:
    ran = explain("ghcr.io/acme/api:v1", "--offline", "-p", write(tmp_path, "p.yaml", TWO))
    assert ran.code == 3
    told = [line.strip("│├└─ ") for line in ran.out.splitlines()]
    assert told[0] == "? NOT JUDGED ghcr.io/acme/api:v1"
    assert "? two (signature): could not be judged" in told
    assert told[-1].startswith("? NOT JUDGED by p/two ")


def test_labels_decide_which_policies_are_about_it(tmp_path: Path) -> None:
    document = policy("[{deny: {}}]", match="{namespaces: {matchLabels: {env: prod}}}")
    file = write(tmp_path, "p.yaml", document + "---\n" + ANYTHING.replace("name: p", "name: q"))
    unknown = explain("nginx:1", "--namespace", "shop", "-p", file)
    assert (unknown.code, "applied because the labels of namespace shop are unknown" in unknown.out) == (1, True)
    known = explain("nginx:1", "--namespace", "shop", "--namespace-label", "env=dev", "-p", file)
    assert known.code == 0
    assert "namespaces: namespace shop has env=dev; wanted: env=prod" in known.out


def test_written_to_a_file(tmp_path: Path) -> None:
    file = write(tmp_path, "p.yaml", NOTHING)
    shown = explain("nginx:1", "-p", file)
    ran = explain("nginx:1", "-p", file, "--output-file", tmp_path / "out.txt")
    assert (ran.code, ran.out) == (1, "")
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == shown.out


def test_ascii_where_the_locale_has_no_more(tmp_path: Path) -> None:
    file = write(tmp_path, "p.yaml", NOTHING)
    ran = gate_process("policy", "explain", "nginx:1", "-p", file, env={"PYTHONIOENCODING": "ascii"})
    assert (ran.code, ran.out.isascii()) == (1, True)
    assert ran.out.splitlines()[0] == "x DENIED nginx:1"
    assert ran.out.splitlines()[1].startswith("|- read as")


# JSON: imagegate.dev/explain/v1, as docs/policy-explain.md has it


def shape(value: Any) -> Any:
    """Keys and types, one element standing for all of a list."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def test_the_shape_of_json(shop: Shop, tmp_path: Path) -> None:
    other = policy("[{deny: {}}]", name="z", match='{images: ["quay.io/**"]}')
    file = write(tmp_path, "p.yaml", f"{TWO}---\n{other}")
    manifest = write(tmp_path, "d.yaml", pod(shop.image("acme/web:v1"), namespace="shop"))
    ran = explain(manifest, *shop.flags, "-p", file, "--output", "json", "--namespace-label", "env=prod")
    assert ran.code == 1
    assert {key: value for key, value in ran.json.items() if key != "images"} == {
        "apiVersion": "imagegate.dev/explain/v1",
        "at": AT,
        "verdict": "deny",
        "findings": [],
    }
    (image,) = ran.json["images"]
    told = shape(image)
    policies = told.pop("policies")
    assert told == {
        "image": "str",
        "normalised": "str",
        "resolved": "str",
        "verdict": "str",
        "decisive": [{"policy": "str", "rule": "str"}],
        "locations": [
            dict.fromkeys(("file", "path", "kind", "namespace", "name", "container"), "str")
            | {"line": "int", "column": "int"}
        ],
        "workload": {"kind": "str", "namespace": "str", "namespaceLabels": {"env": "str"}, "serviceAccount": "str"},
        "excludedNamespace": "bool",
        "coveredBy": ["str"],
        "unmatched": "str",
        "revocations": {"digests": "int", "signers": "int"},
        "breakGlasses": [],
        "findings": [{"code": "str", "verdict": "str", "message": "str"}],
        "pinning": "str",
    }
    (rules,) = (one.pop("rules") for one in policies)
    assert policies == [
        {
            **dict.fromkeys(("kind", "name", "mode", "hash", "caveat"), "str"),
            "namespace": "NoneType",
            "matched": "bool",
            "misfits": [],
        }
    ]
    assert [rule["state"] for rule in image["policies"][0]["rules"]] == ["holds", "denied"]
    assert rules == [
        {
            **dict.fromkeys(("name", "type", "state", "notAsked"), "str"),
            "findings": [],
            "exceptions": [],
            "search": "NoneType",
        }
    ]
    signature = {
        **dict.fromkeys(("format", "digest", "dockerReference"), "str"),
        "signer": {"kind": "str", "fingerprint": "str", "algorithm": "str"},
        "time": "NoneType",
        "timeSource": "NoneType",
        "annotations": {},
    }
    search = image["policies"][0]["rules"][1]["search"]
    assert shape(search) == {
        "repository": "str",
        "tagPrefix": "str",
        "by": {
            "atLeast": "int",
            "of": [
                {
                    "signer": "str",
                    "met": "bool",
                    "principals": "int",
                    "chosen": [{**signature, "dockerReference": "NoneType"}],
                    "refused": [],
                    "missing": "str",
                }
            ],
            "met": "bool",
            "principals": "int",
        },
        "unless": "NoneType",
        "strangers": [],
        "rejected": [],
        "otherTypes": [],
        "unavailable": [],
        "select": "NoneType",
        "documents": [],
        "stale": "str",
        "platforms": [],
    }
    assert [(one["signer"], one["met"]) for one in search["by"]["of"]] == [("alice", True), ("bob", False)]
    assert image["policies"][1]["misfits"] == [
        {"field": "images", "message": f"{shop.host}/acme/web is none of quay.io/**"}
    ]
    assert (image["policies"][1]["matched"], image["policies"][1]["rules"]) == (False, [])


def test_json_of_what_is_no_image(tmp_path: Path) -> None:
    manifest = write(tmp_path, "d.yaml", pod("Not/An image"))
    ran = explain(manifest, "nowhere.yaml", "-p", write(tmp_path, "p.yaml", NOTHING), "-o", "json")
    assert (ran.code, ran.json["verdict"]) == (2, "deny")
    (image,) = ran.json["images"]
    assert (image["normalised"], image["resolved"], image["verdict"]) == (None, None, "deny")
    assert [rule["state"] for rule in image["policies"][0]["rules"]] == ["notAsked"]
    assert [f["code"] for f in image["findings"]] == ["REFERENCE_INVALID"]
    assert [f["code"] for f in ran.json["findings"]] == ["SOURCE_UNREADABLE"]


def test_help_lists_every_command() -> None:
    ran = gate("policy", "--help")
    assert ran.code == 0
    for name in ("explain", "lint"):
        assert f"  {name} " in ran.out
    assert gate("policy", "nothing").code == 2


def test_what_fails_the_command_is_as_in_gate_check(tmp_path: Path) -> None:
    warns = write(tmp_path, "w.yaml", policy("[{deny: {}}]", mode="warn"))
    assert explain("busybox:1", "--offline", "-p", warns).code == 0
    assert explain("busybox:1", "--offline", "-p", warns, "--fail-on", "warn").code == 1
    empty = tmp_path / "empty"
    empty.mkdir()
    ran = explain(empty, "-p", warns)
    assert (ran.code, "pass --allow-empty" in ran.out) == (2, True)
    assert explain(empty, "-p", warns, "--allow-empty").code == 0
