"""Problems of policies as JSON, for programs (docs/policy-lint.md)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from gate.cli.render.problems import severity

if TYPE_CHECKING:
    from gate.cli.render.problems import Linted
    from gate.policy.reading.problems import Problem

API_VERSION: Final = "imagegate.dev/lint/v1"
"""Fields are added under it, never changed."""


def render(linted: Linted) -> str:
    """One object; ASCII, so that nothing in it steers whoever shows it."""
    document = {
        "apiVersion": API_VERSION,
        "at": f"{linted.at:%Y-%m-%dT%H:%M:%SZ}",
        "summary": {
            "files": linted.files,
            "policies": linted.policies,
            "tests": linted.tests,
            "errors": linted.errors,
            "warnings": linted.warnings,
        },
        "problems": [_problem(problem) for problem in linted.problems],
    }
    return json.dumps(document, indent=2) + "\n"


def _problem(problem: Problem) -> dict[str, object]:
    """Lines and columns count from 1, in characters; null where there is none."""
    place = problem.place
    return {
        "check": problem.check.value,
        "severity": severity(problem),
        "file": place.file,
        "line": place.line or None,
        "column": place.column or None,
        "endColumn": place.end or None,
        "message": problem.message,
        "remedy": problem.remedy,
    }
