from __future__ import annotations

import json
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from gate.codes import Code
from gate.demo.images import LayoutWriter
from gate.demo.signing import SigningKey
from gate.feeds.folder import BASELINE
from tests.fakes.signing import alice
from tests.unit.cli.support import (
    ANYTHING,
    AT,
    NOTHING,
    Shop,
    gate,
    gate_process,
    pod,
    policy,
    signed_by_alice,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.image.digest import Digest

CHART = Path(__file__).with_name("rendered_chart.yaml")
DIGEST = f"sha256:{'ab' * 32}"

ALLOWED = pod(f"registry.test/a@{DIGEST}")
WARNED = pod("registry.test/warned:v1")
DENIED = pod("registry.test/denied:latest")
INVALID = pod("registry.test/Not A Reference")
BROKEN = "kind: Pod\n  spec: ["
EMPTY = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}})

_TEXT = {"type": "string"}
_SOME = {"type": "string", "minLength": 1}
_FINDING: dict[str, Any] = {
    "type": "object",
    "properties": {
        "code": {"enum": [code.value for code in Code]},
        "verdict": {"enum": ["allow", "warn", "deny", "error"]},
        "policy": _TEXT,
        "rule": _TEXT,
        "message": {"type": "string", "minLength": 1},
        "remedy": _TEXT,
        "locations": {"type": "array", "items": {"$ref": "#/$defs/location"}},
    },
    "required": ["code", "verdict", "message"],
    "additionalProperties": False,
}
REPORT = {
    "$defs": {
        "location": {
            "type": "object",
            "properties": {
                **dict.fromkeys(("file", "path", "kind", "namespace", "name", "container"), _SOME),
                **{key: {"type": "integer", "minimum": 1} for key in ("line", "column")},
            },
            "required": ["file"],
            "additionalProperties": False,
        },
        "signer": {
            "type": "object",
            "properties": {"kind": {"enum": ["key", "keyless"]}},
            "required": ["kind"],
        },
    },
    "type": "object",
    "properties": {
        "apiVersion": {"const": "imagegate.dev/report/v1"},
        "cluster": {"type": "string", "minLength": 1},
        "at": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
        "verdict": {"enum": ["allow", "warn", "deny", "error"]},
        "summary": {
            "type": "object",
            "properties": {
                key: {"type": "integer", "minimum": 0} for key in ("images", "allow", "warn", "deny", "error")
            },
            "required": ["images", "allow", "warn", "deny", "error"],
            "additionalProperties": False,
        },
        "policies": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": _TEXT,
                    "kind": {"enum": ["ClusterGatePolicy", "GatePolicy"]},
                    "namespace": _TEXT,
                    "mode": {"enum": ["enforce", "warn", "audit"]},
                    "hash": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
                },
                "required": ["name", "kind", "mode", "hash"],
                "additionalProperties": False,
            },
        },
        "findings": {"type": "array", "items": {**_FINDING, "required": [*_FINDING["required"], "locations"]}},
        "images": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "image": _TEXT,
                    "resolved": {"type": ["string", "null"], "pattern": "@sha256:[0-9a-f]{64}$"},
                    "verdict": {"enum": ["allow", "warn", "deny", "error"]},
                    "locations": {"type": "array", "items": {"$ref": "#/$defs/location"}},
                    "findings": {"type": "array", "items": _FINDING},
                    "signatures": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "format": {"enum": ["legacy", "referrer-legacy", "bundle"]},
                                "signer": {"$ref": "#/$defs/signer"},
                                "time": {"type": ["string", "null"]},
                                "timeSource": {"type": ["string", "null"]},
                            },
                            "required": ["format", "signer", "time", "timeSource"],
                        },
                    },
                    "attestations": {"type": "array", "maxItems": 0},
                    "rejected": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "format": _TEXT,
                                "digest": {"type": "string", "pattern": "^sha256:"},
                                "reason": {"type": "string", "minLength": 1},
                            },
                            "required": ["format", "digest", "reason"],
                        },
                    },
                },
                "required": [
                    "image", "resolved", "verdict", "locations", "findings", "signatures", "attestations", "rejected",
                ],
                "additionalProperties": False,
            },
        },
    },
    "required": ["apiVersion", "at", "verdict", "summary", "policies", "findings", "images"],
    "additionalProperties": False,
}  # fmt: skip


def report(*arguments: object, stdin: str | None = None) -> dict[str, Any]:
    """The JSON of a check that could be made, compared with the shape that CLI.md gives it."""
    ran = gate("check", *arguments, "-o", "json", stdin=stdin)
    found: dict[str, Any] = ran.json
    Draft202012Validator(REPORT).validate(found)
    assert found["summary"]["images"] == len(found["images"])
    for verdict in ("allow", "warn", "deny", "error"):
        assert found["summary"][verdict] == sum(image["verdict"] == verdict for image in found["images"])
    return found


def verdicts(found: dict[str, Any]) -> dict[str, str]:
    return {image["image"]: image["verdict"] for image in found["images"]}


def codes(found: dict[str, Any]) -> list[str]:
    return [finding["code"] for image in found["images"] for finding in image["findings"]]


@contextmanager
def silent_host() -> Iterator[str]:
    """A registry that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def closed_host() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


# Exit codes


@pytest.mark.parametrize(
    ("sources", "flags", "code"),
    [
        pytest.param([ALLOWED], [], 0, id="allowed"),
        pytest.param([WARNED], [], 0, id="warned"),
        pytest.param([WARNED], ["--fail-on", "warn"], 1, id="warned, and that fails"),
        pytest.param([ALLOWED], ["--fail-on", "warn"], 0, id="nothing to warn of"),
        pytest.param([DENIED], [], 1, id="denied"),
        pytest.param([ALLOWED, DENIED, WARNED], [], 1, id="one of several denied"),
        pytest.param([INVALID], [], 1, id="no reference"),
        pytest.param([ALLOWED, INVALID], [], 1, id="no reference among good ones"),
        pytest.param([BROKEN], [], 2, id="unreadable"),
        pytest.param([ALLOWED, BROKEN], [], 2, id="unreadable among good ones"),
        pytest.param([DENIED, BROKEN], [], 2, id="2 beats 1"),
        pytest.param([BROKEN], ["--allow-empty"], 2, id="unreadable is not empty"),
        pytest.param([EMPTY], [], 2, id="no image"),
        pytest.param([EMPTY], ["--allow-empty"], 0, id="no image, and that is fine"),
        pytest.param([EMPTY, ALLOWED], [], 0, id="an image in one of two"),
        pytest.param([""], [], 2, id="an empty file"),
        pytest.param([""], ["--allow-empty"], 0, id="an empty file, and that is fine"),
    ],
)
def test_exit_codes_under_the_baseline(sources: list[str], flags: list[str], code: int, tmp_path: Path) -> None:
    files = [write(tmp_path, f"{i}.yaml", text) for i, text in enumerate(sources)]
    ran = gate("check", *files, *flags)
    assert ran.code == code, ran
    assert "Traceback" not in ran.err


def test_exit_codes_of_a_registry_that_is_down(shop: Shop, tmp_path: Path) -> None:
    down = closed_host()
    policies = write(tmp_path, "policy.yaml", signed_by_alice())
    flags = ("-p", policies, "--insecure-registry", down, *shop.flags)
    unknown = f"image:{down}/acme/api:v1"
    good, bad = (f"image:{shop.image(name)}" for name in ("acme/api:v1", "acme/plain:v1"))
    broken = write(tmp_path, "broken.yaml", BROKEN)
    assert gate("check", unknown, *flags).code == 3
    assert gate("check", unknown, good, *flags).code == 3, "3 beats 0"
    assert gate("check", unknown, bad, *flags).code == 1, "1 beats 3"
    assert gate("check", unknown, broken, *flags).code == 2, "2 beats 3"
    assert gate("check", unknown, bad, broken, *flags).code == 2, "2 beats 1"
    found = report(unknown, good, bad, *flags)
    assert list(verdicts(found).values()) == ["error", "allow", "deny"]
    assert found["verdict"] == "deny"
    assert "REGISTRY_UNREACHABLE" in codes(found)


def test_what_could_not_be_judged_is_a_warning_where_the_policy_warns(shop: Shop, tmp_path: Path) -> None:
    down = closed_host()
    policies = write(tmp_path, "policy.yaml", signed_by_alice(mode="warn"))
    found = report(f"image:{down}/x:v1", "-p", policies, "--insecure-registry", down)
    assert (found["verdict"], codes(found)) == ("warn", ["REGISTRY_UNREACHABLE", "PINNED_AT_ADMISSION"])


def test_a_bad_source_leaves_the_rest_judged(tmp_path: Path) -> None:
    good = write(tmp_path, "good.yaml", DENIED)
    bad = write(tmp_path, "bad.yaml", f"{WARNED}\n---\n{BROKEN}\n---\n{ALLOWED}")
    found = report(good, bad, "missing.yaml")
    assert sorted(verdicts(found).values()) == ["allow", "deny", "warn"]
    assert [(f["code"], f["verdict"], f["locations"][0]["file"]) for f in found["findings"]] == [
        ("SOURCE_UNREADABLE", "error", str(bad)),
        ("SOURCE_UNREADABLE", "error", "missing.yaml"),
    ]
    assert found["findings"][0]["locations"][0]["line"] > WARNED.count("\n")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        pytest.param([], "SOURCE", id="no source"),
        pytest.param(["image:"], "empty", id="an empty image"),
        pytest.param(["image:not a ref"], "not a ref", id="a bad REF"),
        pytest.param(["image:nginx@sha256:abc"], "sha256:abc", id="a bad digest"),
        pytest.param(["image:oci:none", "--as", "nginx"], "none", id="no layout"),
        pytest.param(["image:oci:none"], "--as", id="a layout without a name"),
        pytest.param(["pod.yaml", "-p", "none.yaml"], "none.yaml", id="no policy file"),
        pytest.param(["pod.yaml", "-p", "bad.yaml"], "bad.yaml:5", id="a policy with a problem"),
        pytest.param(["pod.yaml", "-p", "pod.yaml"], "holds no policy", id="no policy in the file"),
        pytest.param(["pod.yaml", "-p", "empty"], "empty", id="an empty policy folder"),
        pytest.param(["pod.yaml", "--fail-on", "error"], "--fail-on", id="a bad choice"),
        pytest.param(["pod.yaml", "--namespace-label", "env"], "--namespace-label", id="half a label"),
        pytest.param(["pod.yaml", "--namespaces", "none.yaml"], "none.yaml", id="no namespaces file"),
        pytest.param(["pod.yaml", "--output-file", "none/report"], "none/report", id="an output file nowhere"),
        pytest.param(["pod.yaml", "--output", "yaml"], "yaml", id="an unknown format"),
        *(
            pytest.param(["pod.yaml", "-o", name], name, id=f"{name}, later")
            for name in ("sarif", "junit", "github", "gitlab")
        ),
    ],
)
def test_what_cannot_be_used_is_exit_code_2_and_nothing_is_judged(
    arguments: list[str], named: str, tmp_path: Path
) -> None:
    write(tmp_path, "pod.yaml", DENIED)
    write(tmp_path, "bad.yaml", NOTHING.replace("mode: enforce", "mode: enforced"))
    (tmp_path / "empty").mkdir()
    ran = gate("check", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 1 or ran.err.startswith("Usage:")
    assert named in ran.err
    assert "Traceback" not in ran.err


def test_a_policy_that_cannot_be_used_asks_no_registry(shop: Shop, tmp_path: Path) -> None:
    bad = write(tmp_path, "bad.yaml", signed_by_alice().replace("by: alice", "by: bob"))
    ran = gate("check", f"image:{shop.image('acme/api:v1')}", "-p", bad, *shop.flags)
    assert (ran.code, ran.out, shop.asked()) == (2, "", 0)


def test_a_registry_that_never_answers_ends_with_the_timeout(tmp_path: Path) -> None:
    policies = write(tmp_path, "policy.yaml", signed_by_alice())
    with silent_host() as host:
        images = [f"image:{host}/acme/api:v{i}" for i in range(20)]
        ran = gate("check", *images, "-p", policies, "--insecure-registry", host, "--timeout", "1s")
    assert ran.code == 3
    assert "NOT JUDGED" in ran.out
    assert "20 not judged" in ran.out


# What is in the report


def test_resolved_is_the_text_as_written_with_the_digest(shop: Shop, tmp_path: Path) -> None:
    policies = write(tmp_path, "policy.yaml", signed_by_alice())
    digest = shop.digests["acme/api:v1"]
    tagged, both, only = (shop.image(f"acme/api{end}") for end in (":v1", f":v1@{digest}", f"@{digest}"))
    source = write(tmp_path, "pod.yaml", pod(tagged, both, only))
    found = report(source, "-p", policies, *shop.flags)
    assert {image["image"]: image["resolved"] for image in found["images"]} == {
        tagged: f"{tagged}@{digest}",
        both: both,
        only: only,
    }
    assert found["verdict"] == "allow"
    notes = {image["image"]: [f["code"] for f in image["findings"]] for image in found["images"]}
    assert notes == {tagged: ["PINNED_AT_ADMISSION"], both: [], only: []}


def test_resolved_is_null_where_no_rule_needed_it(shop: Shop, tmp_path: Path) -> None:
    image = shop.image("acme/api:v1")
    found = report(f"image:{image}", *shop.flags)
    assert [(i["image"], i["resolved"], i["verdict"]) for i in found["images"]] == [(image, None, "warn")]
    assert shop.asked() == 0


def test_a_tag_without_signature_is_denied_with_its_digest(shop: Shop, tmp_path: Path) -> None:
    policies = write(tmp_path, "policy.yaml", signed_by_alice())
    names = ("plain", "stranger", "broken", "none")
    found = report(*(f"image:{shop.image(f'acme/{n}:v1')}" for n in names), "-p", policies, *shop.flags)
    by = {image["image"].rpartition("/")[2]: image for image in found["images"]}
    assert {n: by[f"{n}:v1"]["findings"][0]["code"] for n in names} == {
        "plain": "SIGNATURE_MISSING",
        "stranger": "KEY_MISMATCH",
        "broken": "SIGNATURE_INVALID",
        "none": "IMAGE_NOT_FOUND",
    }
    assert by["plain:v1"]["resolved"] == shop.image(f"acme/plain:v1@{shop.digests['acme/plain:v1']}")
    assert by["none:v1"]["verdict"] == "error"
    assert len(by["stranger:v1"]["rejected"]) == 1
    assert all(f["policy"] == "p" and f["rule"] == "signature" for i in by.values() for f in i["findings"][:1])


def test_signatures_are_shown_with_their_format_and_signer(shop: Shop, tmp_path: Path) -> None:
    policies = write(tmp_path, "policy.yaml", signed_by_alice())
    found = report(*(f"image:{shop.image(n)}" for n in ("acme/api:v1", "acme/web:v1")), "-p", policies, *shop.flags)
    (legacy,), (bundle,) = (image["signatures"] for image in found["images"])
    assert (legacy["format"], bundle["format"]) == ("legacy", "bundle")
    assert legacy["signer"] == bundle["signer"]
    assert legacy["signer"]["fingerprint"] == alice().public.fingerprint


def test_one_entry_for_each_text_with_all_its_places(tmp_path: Path) -> None:
    first = write(tmp_path, "a.yaml", pod("nginx:1.27", "docker.io/library/nginx:1.27", "nginx:1.27"))
    second = write(tmp_path, "b.yaml", pod("nginx:1.27", namespace="prod"))
    found = report(first, second, "image:nginx:1.27")
    assert [image["image"] for image in found["images"]] == ["nginx:1.27", "docker.io/library/nginx:1.27"]
    places = found["images"][0]["locations"]
    assert [(p["file"], p["path"], p.get("namespace")) for p in places] == [
        (str(first), "spec.containers[0].image", None),
        (str(first), "spec.containers[2].image", None),
        (str(second), "spec.containers[0].image", "prod"),
    ]
    assert [p["container"] for p in places] == ["c0", "c2", "c0"]
    text = gate("check", first, second, "image:nginx:1.27").out
    assert f"also at {first}:" in text
    assert ", \n" not in text


def test_the_entry_of_a_text_has_the_worst_of_its_places(tmp_path: Path) -> None:
    prod = policy("[{deny: {}}]", match="{namespaces: {names: [prod]}}")
    rest = ANYTHING.replace("name: p", "name: rest")
    policies = write(tmp_path, "policy.yaml", f"{prod}---\n{rest}")
    source = write(tmp_path, "pods.yaml", f"{pod('x:1', namespace='dev')}\n---\n{pod('x:1', namespace='prod')}")
    found = report(source, "-p", policies)
    assert [(i["verdict"], len(i["locations"])) for i in found["images"]] == [("deny", 2)]


def test_an_image_by_itself_stands_in_no_file() -> None:
    (image,) = report("image:nginx:1.27")["images"]
    assert (image["image"], image["locations"]) == ("nginx:1.27", [])


def test_places_count_from_one_in_streams_with_windows_lines_and_a_mark(tmp_path: Path) -> None:
    text = "\ufeff---\r\napiVersion: v1\r\nkind: Pod\r\nspec:\r\n  containers:\r\n  - image: 'x:1'\r\n"
    source = tmp_path / "pod.yaml"
    source.write_bytes(text.encode())
    (image,) = report(source)["images"]
    assert [(p["line"], p["column"]) for p in image["locations"]] == [(6, 12)]


def test_reports_are_the_same_from_run_to_run(shop: Shop, tmp_path: Path) -> None:
    policies = write(tmp_path, "policy.yaml", f"{signed_by_alice()}---\n{NOTHING.replace('name: p', 'name: q')}")
    names = [f"acme/{n}:v1" for n in ("web", "plain", "stranger", "api", "broken", "none")]
    source = write(tmp_path, "pod.yaml", pod(*(shop.image(n) for n in names)))
    flags = (source, "-p", policies, *shop.flags, "--at", AT, "-o", "json")
    runs = {gate("check", *flags, "--jobs", jobs).out for jobs in ("1", "2", "16", "16")}
    assert len(runs) == 1
    found = json.loads(runs.pop())
    assert [image["image"] for image in found["images"]] == [shop.image(n) for n in names]
    assert found["at"] == AT
    assert [p["name"] for p in found["policies"]] == ["p", "q"]


def test_at_in_another_zone_is_told_in_utc() -> None:
    assert report("image:nginx:1.27", "--at", "2026-11-23T14:00:00+02:00")["at"] == AT


def test_text_says_what_json_says(tmp_path: Path) -> None:
    source = write(tmp_path, "pod.yaml", pod("nginx:latest", "nginx:1.27", f"nginx@{DIGEST}", namespace="prod"))
    ran = gate("check", source)
    lines = ran.out.splitlines()
    assert lines[-1] == "3 images: 1 denied, 1 warned, 1 allowed"
    assert any(
        line.startswith(f"{source}:") and "DENIED nginx:latest (container c0 of Pod prod/p) by baseline/image" in line
        for line in lines
    )
    assert any("TAG_MUTABLE" in line for line in lines)
    assert any(line.strip().startswith("Fix: ") for line in lines)
    assert ran.err == ""


def test_exceptions_are_told_in_text_and_json(tmp_path: Path) -> None:
    latest = "[{image: {tags: unsafeAny}}]\n  exceptions: [{rule: image, until: 2026-12-31, reason: vendor is slow}]"
    ran = gate("check", "-p", write(tmp_path, "p.yaml", policy(latest)), "--at", AT, "image:nginx:latest")
    assert ran.code == 0, ran.err
    assert ran.out.startswith(
        "ALLOWED nginx:latest\n    note: EXCEPTION_USED: TAG_MUTABLE waived by an exception until 2026-12-31"
    )
    denied = "[{deny: {}}]\n  exceptions: [{rule: deny, until: 2026-01-31, reason: old}]"
    policies = write(tmp_path, "d.yaml", policy(denied))
    ran = gate("check", "-p", policies, "--at", AT, "--output", "json", "image:nginx:latest")
    assert [found["code"] for found in ran.json["images"][0]["findings"]] == ["DENIED_BY_POLICY", "EXCEPTION_EXPIRED"]
    assert ran.code == 1


def test_a_report_goes_to_a_file(tmp_path: Path) -> None:
    write(tmp_path, "pod.yaml", DENIED)
    ran = gate("check", "pod.yaml", "-o", "json", "--output-file", "report.json")
    assert (ran.code, ran.out) == (1, "")
    Draft202012Validator(REPORT).validate(json.loads((tmp_path / "report.json").read_text(encoding="utf-8")))


# Where images come from


def test_standard_input_is_a_source_among_others(tmp_path: Path) -> None:
    source = write(tmp_path, "pod.yaml", ALLOWED)
    found = report("-", source, stdin=WARNED)
    assert [p["file"] for image in found["images"] for p in image["locations"]] == ["-", str(source)]


def test_a_folder_is_read_in_order_and_other_files_are_counted(tmp_path: Path) -> None:
    for name, text in {
        "k8s/b.yml": pod("b:1"),
        "k8s/a.json": pod("a:1"),
        "k8s/deep/c.yaml": pod("c:1"),
        "k8s/README.md": "image: evil",
        "k8s/.git/config.yaml": pod("hidden:1"),
        "k8s/empty.yaml": EMPTY,
        "k8s/Dockerfile": "FROM evil",
    }.items():
        write(tmp_path, name, text)
    ran = gate("check", "k8s")
    assert ran.code == 0
    assert "3 images" in ran.out
    assert "hidden" not in ran.out
    assert "2 documents or files skipped that run no image" in ran.err
    assert "k8s/Dockerfile was not judged: a Dockerfile is not supported yet" in ran.err
    assert [image["image"] for image in report("k8s")["images"]] == ["a:1", "b:1", "c:1"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("Dockerfile", "FROM nginx\n", "a Dockerfile"),
        ("api.dockerfile", "FROM nginx\n", "a Dockerfile"),
        ("Dockerfile.prod", "FROM nginx\n", "a Dockerfile"),
        ("Containerfile", "FROM nginx\n", "a Dockerfile"),
        ("compose.yaml", "services: {web: {image: nginx}}\n", "a compose file"),
        ("docker-compose.yml", "version: '3'\nservices: {web: {image: nginx}}\n", "a compose file"),
    ],
)
def test_what_is_not_read_yet_is_refused_by_name(name: str, text: str, said: str, tmp_path: Path) -> None:
    write(tmp_path, name, text)
    write(tmp_path, "pod.yaml", ALLOWED)
    found = report(name, "pod.yaml")
    assert [f["locations"] for f in found["findings"]] == [[{"file": name}]]
    assert said in found["findings"][0]["message"]
    assert len(found["images"]) == 1
    assert gate("check", name, "pod.yaml").code == 2


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(lambda path: path.write_bytes(b"kind: \xff\xfe"), "UTF-8", id="not UTF-8"),
        pytest.param(lambda path: path.write_text("a: !!python/object:os.system x"), "tag", id="a tag"),
        pytest.param(lambda path: path.write_text("a: 1\na: 2"), "twice", id="a key twice"),
        pytest.param(lambda path: path.write_text("a: &a [*a]"), "deep", id="an alias to itself"),
        pytest.param(lambda path: path.write_text("[" * 5000), "YAML", id="nested deeply"),
        pytest.param(lambda path: path.write_text("image: {{ .Values.image }}:{{ x }}"), "Helm", id="a template"),
        pytest.param(lambda path: path.symlink_to("/dev/zero"), "no regular file", id="a device"),
        pytest.param(lambda path: path.symlink_to("nowhere"), "cannot be read", id="a dangling link"),
        pytest.param(
            lambda path: path.write_text('{"apiVersion":"v1","kind":"Pod","spec":{"containers":{"image":"x"}}}'),
            "must be a list",
            id="a Pod with its containers in an object",
        ),
    ],
)
def test_a_source_that_cannot_be_read_says_why(make: Any, said: str, tmp_path: Path) -> None:
    make(tmp_path / "bad.yaml")
    ran = gate("check", "bad.yaml")
    assert ran.code == 2
    assert "bad.yaml" in ran.out
    assert said in ran.out
    assert "Traceback" not in ran.err


def test_lists_are_looked_into(tmp_path: Path) -> None:
    inner = {"apiVersion": "v1", "kind": "List", "items": [json.loads(pod("deep:1"))]}
    listing = {"apiVersion": "v1", "kind": "List", "items": [json.loads(pod("a:1")), inner, None, {"kind": "Secret"}]}
    pods = {"apiVersion": "v1", "kind": "PodList", "items": [json.loads(pod("b:1"))]}
    source = write(tmp_path, "list.json", f"{json.dumps(listing)}\n---\n{json.dumps(pods)}")
    found = report(source)
    assert [(i["image"], i["locations"][0]["path"]) for i in found["images"]] == [
        ("a:1", "items[0].spec.containers[0].image"),
        ("deep:1", "items[1].items[0].spec.containers[0].image"),
        ("b:1", "items[0].spec.containers[0].image"),
    ]


def test_a_rendered_chart() -> None:
    found = report(CHART)
    assert verdicts(found) == {
        "docker.io/library/busybox:1.36": "warn",
        "ghcr.io/acme/shop:1.4.2": "warn",
        "ghcr.io/acme/assets:9": "warn",
        "ghcr.io/acme/report:2": "warn",
        "busybox": "deny",
    }
    lines = CHART.read_text(encoding="utf-8").splitlines()
    for image in found["images"]:
        for place in image["locations"]:
            assert image["image"] in lines[place["line"] - 1][place["column"] - 1 :]
    where = [(p["kind"], p["name"]) for i in found["images"] if i["image"].endswith("1.4.2") for p in i["locations"]]
    assert where == [("Deployment", "shop"), ("Job", "shop-migrate-")]
    assert "TAG_MISSING" in codes(found)


def test_a_rendered_chart_from_standard_input_counts_what_it_skips() -> None:
    ran = gate("check", "-", "--namespace", "prod", stdin=CHART.read_text(encoding="utf-8"))
    assert ran.code == 1
    assert "5 images: 1 denied, 4 warned" in ran.out
    assert "4 documents or files skipped that run no image" in ran.err


# Namespaces

SELECTED = policy("[{deny: {}}]", match="{namespaces: {matchLabels: {env: prod}}}", name="prod")
OTHERS = policy("[{image: {tags: unsafeAny, denyTags: []}}]", name="others")
NAMESPACE = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"env": "prod"}}})
DEV = NAMESPACE.replace("prod", "dev")


@pytest.mark.parametrize(
    ("namespace", "flags", "documents", "verdict", "caveat"),
    [
        pytest.param(None, [], "", "deny", "its namespace is not known", id="nothing known"),
        pytest.param("a", [], "", "deny", "the labels of namespace a are unknown", id="labels unknown"),
        pytest.param(None, ["--namespace", "a"], "", "deny", "the labels of namespace a", id="named by flag"),
        pytest.param("a", ["--namespace-label", "env=prod"], "", "deny", "", id="labels by flag"),
        pytest.param("a", ["--namespace-label", "env=dev"], "", "allow", "", id="other labels by flag"),
        pytest.param("a", ["--namespace-label", "x=y", "--namespace-label", "env=prod"], "", "deny", "", id="two"),
        pytest.param("a", ["--namespaces", "ns.yaml"], "", "allow", "", id="labels from a file"),
        pytest.param("a", ["--namespaces", "ns.yaml", "--namespace-label", "env=prod"], "", "allow", "", id="file"),
        pytest.param("b", ["--namespaces", "ns.yaml"], "", "deny", "the labels of namespace b", id="not in the file"),
        pytest.param("a", [], NAMESPACE, "deny", "", id="labels from SOURCE"),
        pytest.param("a", [], DEV, "allow", "", id="other labels from SOURCE"),
        pytest.param(None, ["--namespace", "a"], DEV, "allow", "", id="named by flag, labels from SOURCE"),
        pytest.param("b", ["--namespace", "a"], DEV, "deny", "the labels of namespace b", id="its own name first"),
    ],
)  # fmt: skip
def test_namespaces_with_a_selector(
    namespace: str | None, flags: list[str], documents: str, verdict: str, caveat: str, tmp_path: Path
) -> None:
    write(tmp_path, "policy.yaml", f"{SELECTED}---\n{OTHERS}")
    write(tmp_path, "ns.yaml", DEV)
    write(tmp_path, "k8s/a-pod.yaml", pod("x:1", namespace=namespace))
    write(tmp_path, "k8s/namespace.yaml", documents)
    found = report("k8s", "-p", "policy.yaml", *flags)
    assert found["verdict"] == verdict
    messages = "".join(f["message"] for i in found["images"] for f in i["findings"])
    assert (caveat in messages, "applied because" in messages) == (True, bool(caveat))


def test_service_accounts_and_kinds_narrow(tmp_path: Path) -> None:
    narrow = policy("[{deny: {}}]", name="robots", match="{serviceAccounts: [robot], kinds: [Deployment]}")
    write(tmp_path, "policy.yaml", f"{narrow}---\n{OTHERS}")
    robot = json.loads(pod("robot:1"))
    robot["spec"]["serviceAccountName"] = "robot"
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": robot["spec"]}}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": robot["spec"]}}}
    for document, verdict in ((robot, "deny"), (deployment, "deny"), (job, "allow"), (json.loads(pod("x")), "allow")):
        assert report("-", "-p", "policy.yaml", stdin=json.dumps(document))["verdict"] == verdict


# Images in folders


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    writer = LayoutWriter(tmp_path / "layout")
    writer.sign_legacy(writer.image("v1", "api"), alice(), "ghcr.io/acme/api")
    return tmp_path / "layout"


def saved(folder: Path, key: SigningKey) -> Digest:
    """A folder as `cosign save` leaves it: one image and its signatures, marked by `kind` annotations."""
    writer = LayoutWriter(folder)
    digest = writer.image(None, "api")
    signatures = writer.sign_legacy(digest, key, "ghcr.io/acme/api")
    index = json.loads((folder / "index.json").read_bytes())
    kinds = {str(digest): "image", str(signatures): "sigs"}
    for entry in index["manifests"]:
        entry["annotations"] = {"kind": f"dev.cosignproject.cosign/{kinds[entry['digest']]}"}
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")
    return digest


def test_a_layout_is_judged_under_the_name_it_is_given(layout: Path, tmp_path: Path) -> None:
    acme = signed_by_alice(match='{images: ["ghcr.io/acme/**"]}')
    policies = write(tmp_path, "policy.yaml", acme)
    source = f"image:oci:{layout}"
    found = report(source, "--as", "ghcr.io/acme/api:v1", "-p", policies, "--offline")
    (image,) = found["images"]
    assert (image["image"], image["verdict"]) == (f"oci:{layout}", "allow")
    assert image["resolved"].startswith(f"oci:{layout}@sha256:")
    other = report(source, "--as", "ghcr.io/other/api:v1", "-p", policies, "--offline")
    assert codes(other) == ["NO_POLICY_MATCHED"]


def test_a_layout_as_cosign_saves_it(tmp_path: Path) -> None:
    policies = write(tmp_path, "policy.yaml", signed_by_alice())
    digest = saved(tmp_path / "saved", alice())
    stranger = saved(tmp_path / "strange", SigningKey.generate())
    assert digest == stranger
    flags = ("--as", "ghcr.io/acme/api", "-p", policies, "--offline")
    (good,) = report(f"image:oci:{tmp_path / 'saved'}", *flags)["images"]
    assert (good["verdict"], good["resolved"]) == ("allow", f"oci:{tmp_path / 'saved'}@{digest}")
    assert codes(report(f"image:oci:{tmp_path / 'strange'}", *flags)) == ["KEY_MISMATCH"]


def test_a_layout_with_several_images_needs_the_digest(tmp_path: Path) -> None:
    writer = LayoutWriter(tmp_path / "two")
    first = writer.image("v1", "one")
    writer.image("v2", "two")
    ran = gate("check", f"image:oci:{tmp_path / 'two'}", "--as", "x/y")
    assert (ran.code, ran.out) == (2, "")
    assert str(first) in ran.err
    (image,) = report(f"image:oci:{tmp_path / 'two'}@{first}", "--as", "x/y")["images"]
    assert image["resolved"] == f"oci:{tmp_path / 'two'}@{first}"


def test_a_layout_under_another_digest_than_its_own_is_refused(layout: Path) -> None:
    ran = gate("check", f"image:oci:{layout}", "--as", f"x/y@{DIGEST}")
    assert (ran.code, ran.out) == (2, "")
    assert DIGEST in ran.err


def test_a_layout_answers_for_the_images_of_manifests(layout: Path, tmp_path: Path) -> None:
    policies = write(tmp_path, "policy.yaml", signed_by_alice())
    source = write(tmp_path, "pod.yaml", pod("ghcr.io/acme/api:v1"))
    found = report(source, "-p", policies, "--layout", f"ghcr.io/acme/api={layout}", "--offline")
    assert found["verdict"] == "allow"
    assert codes(report(source, "-p", policies, "--offline")) == ["REGISTRY_UNREACHABLE", "PINNED_AT_ADMISSION"]


# What others write

HOSTILE = ["\x1b[31m", "\x9b2J", "\x07", "\r", "\n", "\u202e", "\u2066", "\x00", "\x7f", "\u2028", "::error::x\n"]


@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize("bad", HOSTILE, ids=ascii)
def test_no_words_of_others_steer_the_terminal(bad: str, output: str, tmp_path: Path) -> None:
    document = json.loads(pod(f"nginx{bad}:1", f"Denied{bad}", f"{bad}x", name=f"n{bad}", namespace=f"s{bad}"))
    document["spec"]["containers"][0]["name"] = f"c{bad}"
    broken = {"apiVersion": "v1", "kind": "Pod", "spec": {f"x{bad}": 1, "containers": {f"y{bad}": 1}}}
    source = write(tmp_path, "pod.yaml", f"{json.dumps(document)}\n---\n{json.dumps(broken)}")
    ran = gate("check", source, "-o", output)
    assert ran.code == 2
    for shown in (ran.out, ran.err):
        assert all(c == "\n" or c.isprintable() for c in shown), ascii(shown)
    if output == "json":
        assert f"nginx{bad}:1" in [image["image"] for image in ran.json["images"]]
    else:
        assert not any(line.startswith("::") for line in ran.out.splitlines())
        assert ran.out.count("DENIED ") == 3


def test_file_names_do_not_steer_the_terminal(tmp_path: Path) -> None:
    write(tmp_path, "k8s/a\x1b[31m\nALLOWED.yaml", DENIED)
    write(tmp_path, "k8s/b\x1b.yaml", BROKEN)
    write(tmp_path, "k8s/Dockerfile.\x1b", "FROM x")
    ran = gate("check", "k8s")
    assert ran.code == 2
    assert all(c == "\n" or c.isprintable() for c in ran.out + ran.err)
    assert not any(line.startswith("ALLOWED") for line in ran.out.splitlines())


def test_a_file_name_that_is_no_unicode_is_no_failure(tmp_path: Path) -> None:
    write(tmp_path, "k8s/a.yaml", DENIED).rename(tmp_path / "k8s" / b"\xff.yaml".decode(errors="surrogateescape"))
    for flags in ([], ["-o", "json"], ["--output-file", "report"]):
        ran = gate_process("check", "k8s", *flags)
        assert (ran.code, ran.err) == (1, "")


@pytest.mark.parametrize("image", ["Denied/x", "NOT JUDGED x", "ALLOWED", " nginx", "D", "WARNING nginx:1.27"])
def test_an_image_text_that_looks_like_a_verdict_is_shown_whole(image: str, tmp_path: Path) -> None:
    source = write(tmp_path, "pod.yaml", pod(image))
    assert f": DENIED {image} (container c0 of Pod p)" in gate("check", source).out


ROLLOUT = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web, namespace: shop}
spec:
  template:
    spec:
      containers:
      - {name: web, image: nginx}
"""


def test_kinds_that_the_config_names_are_judged(tmp_path: Path) -> None:
    (tmp_path / "rollout.yaml").write_text(ROLLOUT)
    config = tmp_path / "p" / "config.yaml"
    config.parent.mkdir()
    (config.parent / "policy.yaml").write_text(BASELINE.read_text())
    rule = "{group: argoproj.io, kind: Rollout, podSpecs: [PATH]}"
    head = "apiVersion: imagegate.dev/v1\nkind: GateConfig\nmetadata: {name: default}\nspec:\n"
    config.write_text(f"{head}  clusterName: prod\n  customResources: [{rule.replace('PATH', 'spec.template.spec')}]\n")
    found = report(tmp_path / "rollout.yaml", "-p", config.parent)
    assert (found["cluster"], set(codes(found))) == ("prod", {"TAG_MISSING"})
    (location,) = found["images"][0]["locations"]
    assert (location["path"], location["line"]) == ("spec.template.spec.containers[0].image", 8)
    config.write_text(f"{head}  customResources: [{rule.replace('PATH', 'spec.templates')}]\n")
    found = report(tmp_path / "rollout.yaml", "-p", config.parent, "--allow-empty")
    (finding,) = found["findings"]
    assert finding["message"].startswith("spec.template.spec.containers[0].image names an image, and no path of")
    assert finding["locations"][0]["line"] == 8
