"""Names that no file can have are a usage error, told shortly, wherever they are given."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gate.demo.images import LayoutWriter
from gate.local import exists, is_file, is_folder, shown
from tests.unit.cli.support import ANYTHING, AT, gate, policy, write

if TYPE_CHECKING:
    from pathlib import Path

API = "ghcr.io/acme/api"
LONG = "a" * 300
DEEP = "/".join(["d" * 200] * 30)
ZERO = "a\0b"
NAMES = pytest.mark.parametrize("name", [LONG, DEEP, ZERO], ids=["long", "deep", "zero"])
RECORD = ("policy", "test", "--record", f"{API}:v1", "--layout", f"{API}=layout", "--offline", "--into")


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    LayoutWriter(tmp_path / "layout").image("v1", "api")
    write(tmp_path, "policies/p.yaml", ANYTHING)
    write(tmp_path, "policies/t.yaml", gate_test())


def gate_test(**spec: Any) -> str:
    case = {"name": "any", "image": f"{API}:v1", "expect": {"verdict": "allow"}}
    whole = {"at": AT, **spec, "cases": [case]}
    return json.dumps(
        {"apiVersion": "imagegate.dev/v1", "kind": "GateTest", "metadata": {"name": "t"}, "spec": whole}, indent=1
    )


@NAMES
@pytest.mark.parametrize(
    "command",
    [
        ("policy", "test"),
        ("policy", "lint"),
        ("policy", "schema", "--output-file"),
        ("policy", "test", "policies", "--output-file"),
        ("policy", "test", "policies", "--trusted-root"),
        ("policy", "test", "policies", "--registry-config"),
        ("policy", "test", "policies", "--cache-key"),
        RECORD,
        ("policy", "new", f"{API}:v1", "--offline", "--key"),
        ("policy", "new", f"{API}:v1", "--offline", "--config"),
        ("policy", "explain", "image:nginx", "-p"),
        ("check", "image:nginx", "-p"),
        ("check", "-p", "policies/p.yaml"),
    ],
    ids=" ".join,
)
def test_a_flag_or_path(command: tuple[str, ...], name: str) -> None:
    ran = gate(*command, name)
    assert ran.code == 2
    said = ran.out + ran.err
    assert "internal error" not in said
    assert "cannot be" in said or "does not exist" in said or "zero byte" in said or "UNREADABLE" in said
    assert len(ran.err) < 500


@NAMES
@pytest.mark.parametrize("flag", ["--layout", "--registry-ca"])
def test_a_flag_of_pairs(flag: str, name: str) -> None:
    ran = gate("policy", "test", "policies", flag, f"ghcr.io{'/acme/web' if flag == '--layout' else ''}={name}")
    assert (ran.code, ran.out) == (2, "")
    assert "internal error" not in ran.err
    assert len(ran.err) < 500


@NAMES
@pytest.mark.parametrize("command", ["test", "lint"])
def test_a_document_that_names_it(command: str, name: str, tmp_path: Path) -> None:
    for spec in (
        {"policies": [name]},
        {"evidence": [{"repository": API, "layout": name}]},
        {"trustRoots": [{"name": "public-good", "file": name}]},
    ):
        write(tmp_path, "policies/t.yaml", gate_test(**spec))
        ran = gate("policy", command, "policies")
        assert ran.code == 2
        said = ran.out + ran.err
        assert "internal error" not in said
        assert "policies/t.yaml:" in said
        assert len(ran.err) < 1000
    signers = json.dumps({"a": {"key": {"file": name}}})
    write(tmp_path, "policies/p.yaml", policy("[{signature: {by: a}}]", signers=signers))
    ran = gate("policy", command, "policies")
    assert (ran.code, "internal error" in ran.out + ran.err) == (2, False)


@NAMES
def test_nothing_is_there(name: str) -> None:
    assert not is_folder(name)
    assert not is_file(name)
    assert not exists(name)


def test_of_a_long_path_both_ends_are_shown() -> None:
    assert shown("a" * 200) == "a" * 200
    assert shown(f"{'a' * 150}{'b' * 150}") == f"{'a' * 100}...{'b' * 100}"
