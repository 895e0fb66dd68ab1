"""policies/: each does what its test says, offline, and what it is tested on can be made anew."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.policies.__main__ import write
from tests.policies.folders import FOLDERS
from tests.unit.cli.support import AT, gate
from tests.unit.test_readme import ROOT

if TYPE_CHECKING:
    from pathlib import Path

POLICIES = ROOT / "policies"
NAMES = sorted(each.name for each in POLICIES.iterdir() if each.is_dir())


def test_every_folder_is_told_of_and_made() -> None:
    table = (POLICIES / "README.md").read_text("utf-8")
    assert [name for name in NAMES if f"[{name}]({name}/)" not in table] == []
    assert set(NAMES) == {*FOLDERS, "baseline"}


@pytest.mark.parametrize("name", NAMES)
def test_it_decides_as_its_test_says_and_each_rule_was_seen_both_ways(name: str) -> None:
    ran = gate("policy", "test", POLICIES / name, "--require-coverage")
    assert (ran.code, ran.err) == (0, ""), ran.out
    assert "never" not in ran.out
    assert ran.out.rstrip().endswith(" passed")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_wrong_with_it(name: str) -> None:
    ran = gate("policy", "lint", POLICIES / name, "--strict", "--at", AT)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.endswith(": no problems\n")


def test_all_of_them_are_a_set() -> None:
    assert gate("policy", "lint", POLICIES, "--strict", "--at", AT).code == 0


def test_the_evidence_can_be_made_anew(tmp_path: Path) -> None:
    shutil.copytree(POLICIES, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("testdata", "*.pub", "*.pem"))
    assert gate("policy", "test", tmp_path).code == 2
    write(tmp_path)
    ran = gate("policy", "test", tmp_path, "--require-coverage")
    assert ran.code == 0, ran.out


def test_no_key_that_signs_is_kept() -> None:
    kept = [path for path in POLICIES.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]
    assert kept == []
