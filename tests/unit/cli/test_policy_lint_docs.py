"""docs/policy-lint.md says what the command does."""

from __future__ import annotations

import json
import re
from pathlib import Path

from gate.policy.reading.checks import Check
from tests.unit.cli.support import ANYTHING, AT, gate, write

TEXT = (Path(__file__).parents[3] / "docs" / "policy-lint.md").read_text(encoding="utf-8")
EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
WRONG = ANYTHING.replace("mode:", "mood:")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_table_has_every_check() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (error|warning) \| (.+) \|$", TEXT, re.MULTILINE)
    assert rows == [(check.value, "warning" if check.warning else "error", check.says) for check in Check]


def test_what_only_lint_looks_at_is_named() -> None:
    """The checks that keep no set from being used, and are errors to lint."""
    source = (Path(__file__).parents[3] / "gate" / "policy" / "reading" / "checks.py").read_text(encoding="utf-8")
    part = source.partition("# What only lint looks at")[2].partition("# What is valid")[0]
    for name in re.findall(r"^    ([A-Z_]+) =", part, re.MULTILINE):
        assert f"`{Check[name]}`" in TEXT.partition("## In CI")[0]


def test_the_example_is_what_is_printed(tmp_path: Path) -> None:
    (shown,) = _blocks("console")
    write(tmp_path, "policies/shop.yaml", WRONG)
    ran = gate("policy", "lint", tmp_path / "policies" / "shop.yaml")
    assert ran.out.replace(f"{tmp_path}/", "").splitlines()[:4] == shown.splitlines()[1:5]


def test_the_json_is_what_is_printed(tmp_path: Path) -> None:
    example = next(json.loads(block) for block in _blocks("json") if "apiVersion" in block)
    write(tmp_path, "policies/shop.yaml", WRONG)
    found = gate("policy", "lint", tmp_path / "policies", "--output", "json", "--at", AT).json
    found["problems"][0]["file"] = "policies/shop.yaml"
    found["summary"]["policies"] = example["summary"]["policies"]
    assert found == example


def test_the_editor_finds_the_problem(tmp_path: Path) -> None:
    task = next(json.loads(block) for block in _blocks("json") if "problemMatcher" in block)
    pattern = re.compile(task["tasks"][0]["problemMatcher"]["pattern"]["regexp"])
    write(tmp_path, "p.yaml", WRONG)
    found = [pattern.match(line) for line in gate("policy", "lint", tmp_path / "p.yaml").out.splitlines()]
    (only,) = [one.groups() for one in found if one]
    assert only == (f"{tmp_path}/p.yaml", "5", "3", "error", "unknown field `mood` in `spec`", "unknown-field")


def test_the_examples_of_the_reference_are_right_and_stay_so() -> None:
    seen = {"break-glass-file", "secret-unseen"}
    for at, ended in ((AT, set[str]()), ("2036-01-01T00:00:00Z", {"exception-ended"})):
        ran = gate("policy", "lint", str(EXAMPLES), "--at", at, "--output", "json")
        assert ran.code == 0, ran.out
        assert {problem["check"] for problem in json.loads(ran.out)["problems"]} == seen | ended
    assert gate("policy", "lint", str(EXAMPLES)).code == 0
