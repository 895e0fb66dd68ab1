"""Pipes in the place of files: a command ends with its time whatever it is given."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.support import gate_process

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = "registry.test/acme/api:v1"
IDENTITY = ("--certificate-identity", "a@acme.test", "--certificate-oidc-issuer", "https://acme.test")


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
