"""A denial in words: the same in kubectl, in CI and in logs (CLI.md, "The words of a denial")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.codes import INABILITY, NOTES
from gate.policy.decision import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.policy.decision import Finding
    from gate.review.review import ImageReview

MOST: Final = 900
"""Characters: events are cut at 1,024, and the API server adds its own words."""

_KEEP: Final = 40  # characters kept for "(+n more images)"


def headline(review: ImageReview, where: str) -> str:
    """What became of an image: `DENIED image (container api) by policy/rule`."""
    finding = first(review)
    verdict = review.decision.verdict
    word = {Verdict.DENY: "DENIED", Verdict.ERROR: "NOT JUDGED", Verdict.WARN: "WARNING", Verdict.ALLOW: "ALLOWED"}[
        verdict
    ]
    place = f" ({where[:100]})" if where else ""
    by = f" by {finding.policy}/{finding.rule}" if finding is not None and finding.policy else ""
    return f"{word} {review.subject.text[:300]}{place}{by}"


def first(review: ImageReview) -> Finding | None:
    """The finding that decided: the findings are sorted, the worst first; notes decide nothing."""
    return next((f for f in review.decision.findings if f.code not in NOTES), None)


def block(review: ImageReview, where: str) -> str:
    """One image's denial: what, why, what to do."""
    finding = first(review)
    if finding is None:
        return headline(review, where)
    others = sum(f.verdict.stops and f is not finding for f in review.decision.findings)
    more = f"  (+{others} finding{'s' if others > 1 else ''})" if others else ""
    if finding.code in INABILITY:
        remedy = f"; {finding.remedy}" if finding.remedy else ""
        return f"{headline(review, where)}: {finding.code}: {finding.message}{remedy}{more}"
    fix = f"\nFix: {finding.remedy}{more}" if finding.remedy else more
    return f"{headline(review, where)}\n{finding.code}: {finding.message}{fix}"


def denial(reviews: Iterable[tuple[ImageReview, str]]) -> str:
    """All that stops, one block an image, as many as fit; the rest is counted. The worst come first."""
    blocks = [block(review, where) for review, where in reviews if review.decision.verdict.stops]
    text = blocks[0][: MOST - _KEEP] if blocks else ""
    shown = 1
    for other in blocks[1:]:
        if len(text) + len(other) + 1 > MOST - _KEEP:
            break
        text = f"{text}\n{other}"
        shown += 1
    left = len(blocks) - shown
    return f"{text}\n(+{left} more image{'s' if left > 1 else ''})" if left > 0 else text


def warning(finding: Finding, image: str) -> str:
    """A warning as kubectl shows it, the code first, so that a cut leaves what matters."""
    return f"{finding.code} {image}: {finding.message}"
