"""The JSON of `gate policy test`: `imagegate.dev/tests/v1`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from gate.cli.render.json_report import finding_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.authoring.cases import CaseResult, GateTestResult
    from gate.authoring.coverage import Coverage
    from gate.authoring.expected import ImageFinding
    from gate.policy.policy import Policy
    from gate.policy.reading.tests import ExpectedFinding


def render(results: Sequence[GateTestResult], coverage: Coverage | None) -> str:
    """One document: each case with what it expects, what it got, and the difference; None leaves the coverage out."""
    cases = sum(len(result.cases) for result in results)
    failed = sum(result.failed for result in results)
    document: dict[str, object] = {
        "apiVersion": "imagegate.dev/tests/v1",
        "passed": not failed,
        "summary": {"tests": len(results), "cases": cases, "passed": cases - failed, "failed": failed},
        "tests": [_test(result) for result in results],
    }
    if coverage is not None:
        document["coverage"] = _coverage(coverage)
    return json.dumps(document, indent=2) + "\n"


def _test(result: GateTestResult) -> dict[str, object]:
    test = result.test
    return {
        "name": test.name,
        "file": test.document.file,
        "at": f"{result.at:%Y-%m-%dT%H:%M:%SZ}",
        "policies": [{**_policy(policy), "hash": policy.hash} for policy in result.policies.policies],
        "cases": [_case(case) for case in result.cases],
    }


def _case(result: CaseResult) -> dict[str, object]:
    case = result.case
    return {
        "name": case.name,
        "location": {"file": case.place.file, "line": case.place.line, "column": case.place.column},
        "passed": result.passed,
        "expected": {"verdict": case.verdict.value, "findings": [_expected(one) for one in case.findings]},
        "verdict": result.verdict.value,
        "findings": [_finding(one) for one in result.findings],
        "absent": [_expected(one) for one in result.absent],
        "unexpected": [_finding(one) for one in result.unexpected],
    }


def _expected(expected: ExpectedFinding) -> dict[str, str]:
    whole = {
        "code": expected.code.value,
        "policy": expected.policy,
        "rule": expected.rule,
        "image": expected.image,
    }
    return {key: value for key, value in whole.items() if value}


def _finding(one: ImageFinding) -> dict[str, object]:
    return {"image": one.image, **finding_json(one.finding)}


def _policy(policy: Policy) -> dict[str, object]:
    space = {"namespace": policy.namespace} if policy.namespace else {}
    return {"kind": policy.kind, **space, "name": policy.name}


def _coverage(coverage: Coverage) -> dict[str, object]:
    return {
        "complete": coverage.complete,
        "rules": [
            {"policy": _policy(one.policy), "rule": one.rule.name, "passing": one.passing, "failing": one.failing}
            for one in coverage.rules
        ],
        "exceptions": [
            {
                "of": one.owner,
                **({"policy": _policy(one.policy)} if one.policy is not None else {}),
                "rule": one.waiver.rule,
                "until": one.waiver.until,
                "reason": one.waiver.reason,
                "used": one.used,
                "refused": one.refused,
            }
            for one in coverage.exceptions
        ],
    }
