"""`--config`: what a GateConfig says, for commands that read no policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.support import ANYTHING, Shop, gate, write

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
apiVersion: imagegate.dev/v1
kind: GateConfig
metadata: {name: default}
spec: {registries: [{host: HOST, insecure: true}]}
"""


@pytest.mark.parametrize("command", ["verify", "inspect", "resolve", "doctor"])
def test_registries_are_as_it_says(command: str, shop: Shop, tmp_path: Path) -> None:
    file = write(tmp_path, "config.yaml", CONFIG.replace("HOST", shop.host))
    key = ("--key", str(shop.key)) if command in ("verify", "inspect") else ()
    asked = (command, shop.image("acme/api:v1"), *key)
    assert gate(*asked).code == 3
    ran = gate(*asked, "--config", str(file))
    assert ran.code == 0, ran.out + ran.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ANYTHING, "says nothing of registries or credentials"),
        ("a: b", "holds no policy"),
        (CONFIG.replace("insecure", "insecur"), "insecur"),
        (None, "cannot be read"),
    ],
    ids=["a policy", "something else", "a typing error", "nothing"],
)
def test_what_is_none_is_an_error(text: str | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    if text is not None:
        write(tmp_path, "config.yaml", text)
    ran = gate("resolve", "registry.test/x:v1", "--offline", "--config", str(file))
    assert ran.code == 2
    assert said in ran.err


def test_commands_with_policies_have_it_among_them() -> None:
    ran = gate("check", "x.yaml", "--config", "config.yaml")
    assert ran.code == 2
    assert "--config" in ran.err
