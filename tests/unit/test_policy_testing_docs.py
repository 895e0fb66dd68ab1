"""docs/policy-testing.md, as it stands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gate.demo.images import LayoutWriter
from tests.fakes.signing import alice
from tests.unit.cli.support import gate, write
from tests.unit.test_readme import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

TEXT = (ROOT / "docs" / "policy-testing.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_example_prints_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    evidence, policy, test = _blocks("yaml")
    (shown,) = _blocks("console")
    writer = LayoutWriter(tmp_path / "registry")
    writer.sign_legacy(writer.image("v1", "release"), alice(), "ghcr.io/acme/api")
    writer.image("dev", "not signed")
    write(tmp_path, "policies/acme.yaml", policy)
    write(tmp_path, "policies/acme_test.yaml", test)
    write(tmp_path, "policies/cosign.pub", alice().pem.decode())
    run, record, in_ci = _blocks("sh")
    instead = ("--layout", "ghcr.io/acme/api=registry", "--cache", "none")
    for ref in ("v1", "dev"):
        words = record.replace(":v1", f":{ref}").split()
        ran = gate(*words[1:], *instead)
        assert (ran.code, ran.out) == (0, evidence), ran.err
    ran = gate(*run.split()[1:])
    assert (ran.code, ran.err, ran.out) == (0, "", shown)
    assert gate(*in_ci.partition(">")[0].split()[1:]).code == 0
