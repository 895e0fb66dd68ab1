"""Pipes in the place of files: a command ends with its time whatever it is given."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from gate.local import read_local
from gate.trust import sources
from tests.fakes.signing_authority import shared_world
from tests.unit.cli.support import gate, gate_process

if TYPE_CHECKING:
    from pathlib import Path

    from gate.deadline import Deadline

IMAGE = "registry.test/acme/api:v1"
IDENTITY = ("--certificate-identity", "a@acme.test", "--certificate-oidc-issuer", "https://acme.test")
_JUDGING = (
    ("verify", IMAGE, *IDENTITY),
    ("verify-blob", "sha256:" + "0" * 64, "--bundle", "none.json", *IDENTITY),
    ("inspect", IMAGE),
    ("check", f"image:{IMAGE}"),
    ("resolve", IMAGE),
)


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (3, ("verify", IMAGE, "--key", "PIPE")),
        (3, ("verify", IMAGE, *IDENTITY, "--ca-roots", "PIPE")),
        (3, ("inspect", IMAGE, "--key", "PIPE")),
        (3, ("verify-blob", "PIPE", "--bundle", "PIPE", "--key", "PIPE")),
        (3, ("check", f"image:{IMAGE}", "-p", "PIPE")),
        (3, ("trust", "show", "acme", "-p", "PIPE")),
        (3, ("resolve", IMAGE, "--registry-config", "PIPE")),
        (2, ("resolve", IMAGE, "--trusted-root", "PIPE")),
        (2, ("check", "PIPE")),
    ],
    ids=lambda value: "-".join(value[:1] + value[-2:-1]) if isinstance(value, tuple) else str(value),
)
def test_a_pipe_that_nobody_writes_to_holds_no_command(tmp_path: Path, code: int, arguments: tuple[str, ...]) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    named = [argument.replace("PIPE", str(pipe)) for argument in arguments]
    ran = gate_process(*named, "--offline", "--timeout", "500ms")
    assert ran.code == code, ran.err
    said = (ran.err + ran.out).replace(str(pipe), "PIPE")
    assert "PIPE" in said
    assert any(words in said for words in ("ran out", "no regular file")), said


def test_a_trusted_root_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found good is what is trusted, whatever becomes of the file in between."""
    root = tmp_path / "root.json"
    root.write_bytes(shared_world().trusted_root())
    reads: list[str] = []

    def counting(file: str | os.PathLike[str], limit: int, deadline: Deadline | None = None) -> bytes:
        reads.append(os.fspath(file))
        return read_local(file, limit, deadline)

    monkeypatch.setattr(sources, "read_local", counting)
    shown = gate("trust", "show", "--offline", "--trusted-root", root)
    assert (shown.code, reads) == (0, [str(root)])
    for arguments in _JUDGING:
        reads.clear()
        gate(*arguments, "--offline", "--trusted-root", root)
        assert reads == [str(root)], arguments


@pytest.mark.parametrize("arguments", _JUDGING, ids=lambda arguments: arguments[0])
def test_nothing_is_judged_by_a_trusted_root_that_cannot_be_used(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    root = tmp_path / "root.json"
    root.write_bytes(b"{}")
    ran = gate(*arguments, "--offline", "--trusted-root", root)
    assert (ran.code, ran.out) == (2, "")
    assert "not a trusted root" in ran.err
