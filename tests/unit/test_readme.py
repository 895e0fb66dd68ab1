"""The README's own words, run as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.fakes.signing import alice

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def _shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    gate = f'gate() {{ "{sys.executable}" -m gate "$@"; }}\n'
    return subprocess.run(
        ["sh", "-c", gate + script], cwd=folder, capture_output=True, encoding="utf-8", timeout=60, check=False
    )


def test_the_first_step_prints_what_it_says(tmp_path: Path) -> None:
    (script,) = [block for block in _blocks("sh") if "cat > deploy.yaml" in block]
    (shown,) = [block for block in _blocks("console") if "deploy.yaml:" in block]
    ran = _shell(script, tmp_path)
    assert ran.returncode == 1
    before, after = (part.strip().splitlines() for part in shown.split("…\n"))
    assert ran.stdout.splitlines()[: len(before)] == before
    assert ran.stdout.splitlines()[-len(after) :] == after


def test_the_policy_of_the_second_step_is_a_policy(tmp_path: Path) -> None:
    (script,) = [block for block in _blocks("sh") if "policies/shop.yaml <<" in block]
    (tmp_path / "cosign.pub").write_bytes(alice().pem)
    ran = _shell(script, tmp_path)
    assert (ran.returncode, ran.stdout) == (0, "1 policy in 1 file: no problems\n")


def test_the_files_it_points_to_are_there() -> None:
    assert [link for link in re.findall(r"\]\(([^)#:]+)\)", README) if not (ROOT / link).exists()] == []
