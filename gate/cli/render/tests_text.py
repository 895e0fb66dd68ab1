"""The text of `gate policy test`: a table a test, what is not as expected below its case, and what was never seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from gate.authoring.words import difference
from gate.cli.common import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gate.authoring.cases import GateTestResult
    from gate.authoring.coverage import Coverage

_WIDEST: Final = 60  # characters of a name that columns make room for
_INSTANT: Final = "%Y-%m-%dT%H:%M:%SZ"
_SEEN: Final = {True: "yes", False: "never"}


@dataclass(frozen=True, slots=True)
class TestsText:
    """Renders with or without colour."""

    __test__ = False  # to pytest, by its name

    color: bool = False

    def render(self, results: Sequence[GateTestResult], coverage: Coverage | None) -> str:
        """All tests in their order, then the coverage, then one line that sums up."""
        lines = [line for result in results for line in self._test(result)]
        if coverage is not None:
            lines += self._coverage(coverage)
        return "\n".join([*lines, self._summary(results)]) + "\n"

    def _test(self, result: GateTestResult) -> Iterator[str]:
        test = result.test
        own = f" (--at; its own is {test.at:{_INSTANT}})" if result.at != test.at else ""
        yield one_line(f"{test.document.file}: GateTest {test.name}, as at {result.at:{_INSTANT}}{own}")
        names = [one_line(case.case.name) for case in result.cases]
        width = _width(["case", *names])
        yield f"        {'case':<{width}}  expected  got"
        for name, case in zip(names, result.cases, strict=True):
            mark = self._style("PASS", "green") if case.passed else self._style("FAIL", "red")
            yield f"  {mark}  {name:<{width}}  {case.case.verdict:<8}  {case.verdict}"
            if not case.passed:
                yield from (one_line(f"        {line}") for line in (str(case.case.place), *difference(case)))
        yield ""

    def _coverage(self, coverage: Coverage) -> Iterator[str]:
        names = [one_line(one.name) for one in coverage.rules]
        waived = [one_line(one.name) for one in coverage.exceptions]
        width = _width([*names, *waived])
        yield f"{'rule':<{width}}  passing  failing"
        for name, rule in zip(names, coverage.rules, strict=True):
            yield self._row(name, width, rule.passing, rule.failing, complete=rule.complete)
        if coverage.exceptions:
            yield f"{'exception':<{width}}  used     refused"
        for name, waiver in zip(waived, coverage.exceptions, strict=True):
            yield self._row(name, width, waiver.used, waiver.refused, complete=waiver.complete)
        complete = sum(rule.complete for rule in coverage.rules)
        seen = f"{complete} of {_count(len(coverage.rules), 'rule')} seen both passing and failing"
        if coverage.exceptions:
            complete = sum(waiver.complete for waiver in coverage.exceptions)
            seen += f", {complete} of {_count(len(coverage.exceptions), 'exception')} used and refused"
        yield seen
        yield ""

    def _row(self, name: str, width: int, first: bool, second: bool, *, complete: bool) -> str:  # noqa: FBT001
        row = f"{name:<{width}}  {_SEEN[first]:<7}  {_SEEN[second]}"
        return row if complete else self._style(row, "yellow")

    def _summary(self, results: Sequence[GateTestResult]) -> str:
        cases = sum(len(result.cases) for result in results)
        failed = sum(result.failed for result in results)
        counts = [self._style(f"{failed} failed", "red")] if failed else []
        counts += [self._style(f"{cases - failed} passed", "green")] if cases > failed else []
        return f"{_count(len(results), 'test')}, {_count(cases, 'case')}: {', '.join(counts)}"

    def _style(self, text: str, color: str) -> str:
        return click.style(text, fg=color) if self.color else text


def _width(names: Sequence[str]) -> int:
    return min(max(map(len, names), default=0), _WIDEST)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
