from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

import click
import pytest

from gate import __version__
from gate.cli.main import main
from gate.demo.images import LayoutWriter
from tests.fakes.signing import alice
from tests.fakes.signing_authority import shared_world
from tests.unit.cli.support import ANYTHING, NOTHING, gate, pod, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _commands(inner, (*path, name))


COMMANDS = list(_commands(main))


def _examples(path: tuple[str, ...]) -> list[str]:
    lines = gate(*path, "--help").out.splitlines()
    start = next(i for i, line in enumerate(lines) if re.fullmatch(r"\s*Examples?:", line))
    joined = "\n".join(lines[start + 1 :]).replace("\\\n", "")
    return [" ".join(line.split()) for line in joined.splitlines() if re.match(r"\s+(gate|helm) ", line)]


EXAMPLES = sorted({example for path in COMMANDS for example in _examples(path)})
TSA = {
    "apiVersion": "imagegate.dev/v1",
    "kind": "GateTrustRoot",
    "metadata": {"name": "acme-tsa"},
    "spec": {"json": json.loads(shared_world().trusted_root())},
}
TEST = """\
apiVersion: imagegate.dev/v1
kind: GateTest
metadata: {name: baseline}
spec:
  at: 2026-11-23T12:00:00Z
  policies: [never.yaml]
  cases: [{name: any, image: nginx, expect: {verdict: deny, findings: [{code: DENIED_BY_POLICY}]}}]
"""
ELSEWHERE = ("gate serve ", "gate demo ", "gate trust update", "gate verify-blob ", "gate verify REF ", "gate doctor ")
"""What needs a port, the network, or files of its own: tested where those are."""


def test_every_command_of_the_program_is_known() -> None:
    assert {path[0] for path in COMMANDS if path} == {
        "check", "verify", "verify-blob", "inspect", "resolve", "policy", "trust", "serve", "demo", "doctor",
    }  # fmt: skip
    assert {("policy", name) for name in ("explain", "lint", "new", "schema", "test")} <= set(COMMANDS)
    assert {("trust", "show"), ("trust", "update")} <= set(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(path: tuple[str, ...]) -> None:
    ran = gate(*path, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert any(example.partition("gate ")[2].startswith(" ".join(path)) for example in _examples(path))


@pytest.mark.parametrize("example", [e for e in EXAMPLES if not e.startswith(ELSEWHERE)])
def test_an_example_runs(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands, in a folder with the files it names; registries are answered for from folders."""
    write(tmp_path, "deploy.yaml", pod("ghcr.io/acme/api:v1"))
    write(tmp_path, "policies/baseline/policy.yaml", ANYTHING)
    write(tmp_path, "policies/tsa.yaml", json.dumps(TSA))
    write(tmp_path, "tests/never.yaml", NOTHING)
    write(tmp_path, "policies/test.yaml", TEST.replace("never", "../tests/never"))
    (tmp_path / "cosign.pub").write_bytes(alice().pem)
    writer = LayoutWriter(tmp_path / "image")
    digest = writer.image("v1", "api")
    writer.sign_legacy(digest, alice(), "ghcr.io/acme/api")
    writer.sign_bundle(digest, alice(), predicate_type="https://spdx.dev/Document")
    LayoutWriter(tmp_path / "nginx").image("1.27", "nginx")
    monkeypatch.setenv("IMAGEGATE_LAYOUT", "ghcr.io/acme/api=image nginx=nginx")
    monkeypatch.setenv("IMAGEGATE_OFFLINE", "1")
    feeder, pipe, own = example.partition(" > ")[0].rpartition(" | ")
    ran = gate(*shlex.split(own)[1:], stdin=pod("nginx:1.27") if pipe else None)
    assert (ran.code, feeder.startswith("gate")) == (0, False), ran.err
    assert ran.out


def test_the_version() -> None:
    assert gate("--version").out == f"gate, version {__version__}\n"


@pytest.mark.parametrize("arguments", [(), ("policy",)])
def test_without_a_command_it_says_what_there_is(arguments: tuple[str, ...]) -> None:
    ran = gate(*arguments)
    assert ran.code == 2
    assert "Commands:" in ran.out + ran.err


@pytest.mark.parametrize("arguments", [("chek",), ("policy", "lnt"), ("--nope",), ("check", "--nope"), ("scan", "x")])
def test_what_does_not_exist_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    ran = gate(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert arguments[-1] in ran.err or arguments[0] in ran.err


def test_listing_the_commands_imports_none_of_them() -> None:
    ran = gate("--help")
    assert ran.code == 0
    assert "Judge every image" in ran.out
    assert "0 pass, 1 denied, 2 usage" in " ".join(ran.out.split())


@pytest.mark.parametrize(
    ("words", "given", "begun"),
    [(["serve", "-h"], None, 1), (["check", "-h"], None, 0), (["check", "serve"], None, 0), (["-h"], ["serve"], 0)],
)
def test_a_server_begins_anew_without_caches_and_nothing_else_does(
    monkeypatch: pytest.MonkeyPatch, words: list[str], given: list[str] | None, begun: int
) -> None:
    calls: list[str] = []
    monkeypatch.setattr("gate.allocator.begin_without_caches", lambda: calls.append("begun"))
    monkeypatch.setattr("sys.argv", ["gate", *words])
    with pytest.raises(SystemExit):
        main.main(given)
    assert len(calls) == begun
