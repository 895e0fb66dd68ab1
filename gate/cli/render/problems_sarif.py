"""Problems of policies as SARIF 2.1.0, which code scanning services read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import gate
from gate.cli.render.problems import as_uri, relative, severity
from gate.policy.reading.checks import Check

if TYPE_CHECKING:
    from pathlib import Path

    from gate.cli.render.problems import Linted
    from gate.policy.reading.problems import Problem

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT: Final = "%SRCROOT%"
_INDEX: Final = {check: index for index, check in enumerate(Check)}


def render(linted: Linted, root: Path) -> str:
    """One run, with a rule for every check there is; ASCII.

    Args:
        linted: the result.
        root: the folder that locations name files from.
    """
    run = {
        "tool": {
            "driver": {
                "name": "gate policy lint",
                "semanticVersion": gate.__version__,
                "rules": [_rule(check) for check in Check],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(problem, root) for problem in linted.problems],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(check: Check) -> dict[str, object]:
    return {
        "id": check.value,
        "shortDescription": {"text": check.says},
        "fullDescription": {"text": check.says},
        "help": {"text": f"{check.says} docs/policy-lint.md has all checks of `gate policy lint`."},
        "defaultConfiguration": {"level": "warning" if check.warning else "error"},
    }


def _result(problem: Problem, root: Path) -> dict[str, object]:
    remedy = f"\nFix: {problem.remedy}" if problem.remedy else ""
    place = problem.place
    # What a location is relative to, whoever reads it has to know: an absolute one is relative to nothing.
    path = relative(place.file, root)
    artifact = {"uri": as_uri(path)} if path.is_absolute() else {"uri": as_uri(path), "uriBaseId": _ROOT}
    physical: dict[str, object] = {"artifactLocation": artifact}
    if place.line:
        end = {"endColumn": place.end} if place.end > place.column else {}
        physical["region"] = {"startLine": place.line, "startColumn": place.column, **end}
    return {
        "ruleId": problem.check.value,
        "ruleIndex": _INDEX[problem.check],
        "level": severity(problem),
        "message": {"text": _unlinked(f"{problem.message}{remedy}")},
        "locations": [{"physicalLocation": physical}],
    }


def _unlinked(text: str) -> str:
    """Without links: in SARIF `[words](target)` is one, and the words may be a stranger's."""
    return text.replace("](", "] (")
