"""What is not as a test's case expects, in words: the same on a terminal and in a CI system's report."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gate.authoring.cases import CaseResult
    from gate.authoring.expected import ImageFinding


def difference(result: CaseResult) -> Iterator[str]:
    """A line for each thing that is not as expected, and for its remedy; none where all is.

    Where nothing came that was not expected, what came instead of what was expected is told, though it stops nothing.
    """
    case = result.case
    if result.verdict is not case.verdict:
        yield f"expected the verdict {case.verdict}, got {result.verdict}"
    for absent in result.absent:
        yield f"expected, and not there: {absent}"
    yield from _told("not expected", result.unexpected)
    fitting = {one for one in result.findings if any(wanted.fits(one.finding, one.image) for wanted in case.findings)}
    if any(one in fitting for one in result.unexpected):
        yield "  Fix: each expected finding stands for one image: write one for each, where you like with its `image`"
    if result.absent and not result.unexpected:
        yield from _told("there is", [one for one in result.findings if one not in fitting])


def _told(what: str, findings: Iterable[ImageFinding]) -> Iterator[str]:
    for one in findings:
        finding = one.finding
        by = f" [{finding.by}]" if finding.by else ""
        yield f"{what}: {finding.code}{by} of {one.image}: {finding.message}"
        if finding.remedy:
            yield f"  Fix: {finding.remedy}"
