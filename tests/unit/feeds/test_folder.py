from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from gate.errors import UsageError
from gate.feeds.folder import BASELINE, load_policies, require
from gate.image.reference import Reference
from gate.policy.matching import Workload
from gate.policy.plan import Stage, plan
from gate.policy.signers import KeySpec
from tests.fakes.clock import START
from tests.fakes.signing import alice

if TYPE_CHECKING:
    from pathlib import Path

POLICY = "apiVersion: imagegate.dev/v1\nkind: ClusterGatePolicy\nmetadata: {name: NAME}\nspec: {rules: [{deny: {}}]}\n"
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n"


def write(path: Path, *names: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("---\n".join(POLICY.replace("NAME", name) for name in names))
    return path


def loaded(*paths: Path) -> list[str]:
    found = load_policies(paths).parsed
    assert [str(p) for p in found.problems] == []
    return [p.name for p in found.set.policies]


def test_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", "a", "b")
    write(tmp_path / "deep" / "er" / "c.yml", "c")
    for left_out in ("d.json", "e.yaml.bak", "f.txt", "yaml", ".g.yaml", ".hidden/h.yaml", "deep/.git/i.yaml"):
        write(tmp_path / left_out, "left-out")
    assert loaded(tmp_path) == ["a", "b", "c"]
    assert load_policies([tmp_path]).files == 2


def test_a_file_that_is_named_is_read_whatever_its_name(tmp_path: Path) -> None:
    assert loaded(write(tmp_path / ".hidden", "a"), write(tmp_path / "p.json", "b")) == ["a", "b"]


def test_a_mounted_config_map_counts_once(tmp_path: Path) -> None:
    # as kubelet writes it: links to links, so that all files change at once
    write(tmp_path / "..2026_11_23" / "a.yaml", "a")
    write(tmp_path / "..2026_11_23" / "b.yml", "b")
    (tmp_path / "..data").symlink_to("..2026_11_23")
    for name in ("a.yaml", "b.yml"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    assert loaded(tmp_path) == ["a", "b"]


def test_several_paths_are_one_set(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    write(one / "a.yaml", "a")
    write(two / "b.yaml", "b")
    assert loaded(one, two) == ["a", "b"]
    write(two / "c.yaml", "a")
    (problem,) = load_policies([one, two]).parsed.problems
    assert str(problem) == (
        f"{two}/c.yaml:3:18: ClusterGatePolicy a stands twice; the other is at {one}/a.yaml:3:18; rename one"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        POD,
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n",
        "apiVersion: v1\nkind: GatewayClass\n",
        "apiVersion: imagegate.development/v1\nkind: X\n",
        "- a list\n",
        "a text",
    ],
)
def test_a_path_without_any_of_ours(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    write(tmp_path / ".hidden.yaml", "hidden")
    for path in (tmp_path, tmp_path / "x.yaml"):
        with pytest.raises(UsageError, match="holds no policy"):
            load_policies([path])
    # each path has to hold some
    with pytest.raises(UsageError, match="holds no policy"):
        load_policies([write(tmp_path / "other" / "a.yaml", "a"), tmp_path / "x.yaml"])


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no policy"):
        load_policies([tmp_path])


@pytest.mark.parametrize("kind", ["GatePolicy", "GateConfig", "GateTrustRoot", "GateTest"])
def test_a_kind_of_ours_that_is_wrong_is_a_problem_and_not_nothing(tmp_path: Path, kind: str) -> None:
    (tmp_path / "x.yaml").write_text(f"kind: {kind}\n")
    (problem,) = load_policies([tmp_path]).parsed.problems
    assert problem.message == f"a {kind} with no apiVersion"


def test_other_documents_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", "a")
    path.write_text(f"{path.read_text()}---\n{POD}---\n{POD}")
    assert load_policies([tmp_path]).parsed.skipped == 2


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        load_policies([tmp_path / "gone"])


def test_a_link_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("gone")
    with pytest.raises(UsageError, match="cannot be read"):
        load_policies([tmp_path])


def test_what_is_no_utf_8(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfa: 1\nb\xc3\xb6: \xff")
    write(tmp_path / "b.yaml", "b")
    found = load_policies([tmp_path])
    (problem,) = found.parsed.problems
    assert str(problem) == f"{tmp_path}/a.yaml:2:5: the file is not UTF-8: byte 0xff; save it as UTF-8"
    assert [p.name for p in found.parsed.set.policies] == ["b"]
    assert found.files == 2
    with pytest.raises(UsageError, match="is not UTF-8"):
        require([tmp_path])


def test_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbf" + POLICY.replace("NAME", "a").encode())
    assert loaded(tmp_path) == ["a"]


def test_what_is_no_yaml_is_a_problem_and_the_rest_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", "a")
    path.write_text(f"{path.read_text()}---\nb: [\n")
    write(tmp_path / "c.yaml", "c")
    found = load_policies([tmp_path]).parsed
    assert [p.name for p in found.set.policies] == ["a", "c"]
    (problem,) = found.problems
    assert str(problem).startswith(f"{tmp_path}/a.yaml:7:1: not YAML: ")


def test_a_bad_file_alone_is_a_problem_too(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("b: [\n")
    assert len(load_policies([tmp_path]).parsed.problems) == 1


def test_keys_stand_beside_the_policy_that_names_them(tmp_path: Path) -> None:
    signers = "spec:\n  signers: {a: {key: {file: keys/a.pem}}}\n  rules: [{signature: {by: a}}]\n"
    text = POLICY.replace("NAME", "a").partition("spec:")[0] + signers
    (tmp_path / "deep" / "keys").mkdir(parents=True)
    (tmp_path / "deep" / "p.yaml").write_text(text)
    (problem,) = load_policies([tmp_path]).parsed.errors
    assert problem.place.line == 5
    assert "keys/a.pem' cannot be read: No such file" in problem.message
    (tmp_path / "deep" / "keys" / "a.pem").write_bytes(alice().pem)
    (found,) = load_policies([tmp_path]).parsed.set.policies
    signer = found.signers["a"]
    assert isinstance(signer, KeySpec)
    assert signer.key == alice().public
    (tmp_path / "deep" / "keys" / "a.pem").write_bytes(b"-" * 70_000)
    (problem,) = load_policies([tmp_path]).parsed.errors
    assert "not a public key" in problem.message


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pipe", "it is no regular file"),  # to open it would wait for ever
        (".", "it is no regular file"),
        ("/dev/zero", "'/dev/zero' cannot be read: it is no regular file"),
        ("a\0b", "cannot be read: embedded null byte"),
        ("a" * 5000, "cannot be read: File name too long"),
    ],
)
def test_keys_are_regular_files(tmp_path: Path, name: str, said: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    head = POLICY.replace("NAME", "a").partition("spec:")[0]
    signers = f"spec:\n  signers: {{a: {{key: {{file: {json.dumps(name)}}}}}}}\n  rules: [{{signature: {{by: a}}}}]\n"
    (tmp_path / "p.yaml").write_text(head + signers)
    (problem,) = load_policies([tmp_path / "p.yaml"]).parsed.errors
    assert said in problem.message
    assert "\0" not in problem.message
    assert problem.remedy == "paths are relative to the policy's own file"


def test_require_names_the_first_problem_and_counts_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", "a")
    assert [p.name for p in require([path]).set.policies] == ["a"]
    path.write_text(path.read_text().replace("kind: C", "kind: K") + "---\n" + POLICY.replace("deny", "denny"))
    with pytest.raises(UsageError) as caught:
        require([path])
    assert str(caught.value).startswith(f"{path}:2:7: unknown kind 'KlusterGatePolicy' (and 2 more: gate policy lint);")


def test_the_baseline() -> None:
    found = require([BASELINE]).set
    verdicts = {}
    for image in ("nginx", "nginx:latest", "nginx:1.29", f"nginx:1.29@sha256:{'0' * 64}"):
        findings = plan(found, Reference.parse(image), Workload(), Stage.CHECK, START).findings
        verdicts[image.partition("@")[0] + "@" * ("@" in image)] = sorted(
            (str(f.code), str(f.verdict)) for f in findings
        )
    assert verdicts == {
        "nginx": [("TAG_MISSING", "deny"), ("TAG_MISSING", "warn")],
        "nginx:latest": [("DIGEST_REQUIRED", "warn"), ("TAG_MUTABLE", "deny")],
        "nginx:1.29": [("DIGEST_REQUIRED", "warn")],
        "nginx:1.29@": [],
    }
