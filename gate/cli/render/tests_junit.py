"""JUnit's XML of `gate policy test`: a suite a test, for CI systems that show such reports."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from gate.authoring.words import difference
from gate.cli.common import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.authoring.cases import CaseResult, GateTestResult
    from gate.authoring.coverage import Coverage

# XML 1.0, production 2 (Char): what is none of these stands in no document, escaped or not.
_NO_CHAR: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(results: Sequence[GateTestResult], coverage: Coverage | None) -> str:
    """One `testsuites` document.

    Args:
        results: of the tests.
        coverage: each rule and exception is a case of a suite of its own; None where it is not asked for.
    """
    suites = ET.Element("testsuites", {"name": "gate policy test"})
    for result in results:
        where = f"{result.test.document.file}: {result.test.name}"
        suite = _suite(suites, where, len(result.cases), result.failed)
        suite.set("timestamp", f"{result.at:%Y-%m-%dT%H:%M:%S}")
        properties = ET.SubElement(suite, "properties")  # the first in its suite, by the schema
        ET.SubElement(properties, "property", {"name": "at", "value": f"{result.at:%Y-%m-%dT%H:%M:%SZ}"})
        for case in result.cases:
            _case(suite, where, case)
    if coverage is not None:
        _coverage(suites, coverage)
    for name in ("tests", "failures"):
        suites.set(name, str(sum(int(suite.get(name, "0")) for suite in suites)))
    ET.indent(suites)
    document: bytes = ET.tostring(suites, encoding="us-ascii", xml_declaration=True)  # for streams of any locale
    return f"{document.decode()}\n"


def _suite(suites: ET.Element, name: str, tests: int, failures: int) -> ET.Element:
    counts = {"tests": str(tests), "failures": str(failures), "errors": "0", "skipped": "0"}
    return ET.SubElement(suites, "testsuite", {"name": _text(name), **counts})


def _case(suite: ET.Element, where: str, result: CaseResult) -> None:
    place = result.case.place
    named = {"classname": _text(where), "name": _text(result.case.name)}
    element = ET.SubElement(suite, "testcase", {**named, "file": _text(place.file), "line": str(place.line)})
    if not result.passed:
        lines = list(map(one_line, difference(result)))
        failure = ET.SubElement(element, "failure", {"type": "policy", "message": _text(lines[0])})
        failure.text = _text("\n".join([str(place), *lines]))


def _coverage(suites: ET.Element, coverage: Coverage) -> None:
    seen = [
        (f"rule {one.name}", one.complete, {"passing": one.passing, "failing": one.failing}) for one in coverage.rules
    ]
    seen += [
        (f"exception {one.name}", one.complete, {"used": one.used, "refused": one.refused})
        for one in coverage.exceptions
    ]
    suite = _suite(suites, "coverage", len(seen), sum(not complete for _, complete, _ in seen))
    for name, complete, parts in seen:
        element = ET.SubElement(suite, "testcase", {"classname": "coverage", "name": _text(one_line(name))})
        if not complete:
            never = " or ".join(part for part, was in parts.items() if not was)
            ET.SubElement(element, "failure", {"type": "coverage", "message": f"never seen {never}"})


def _text(text: str) -> str:
    return _NO_CHAR.sub("\ufffd", text)
