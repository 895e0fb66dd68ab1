"""A denial in words: the same in kubectl, in CI and in logs (CLI.md, "The words of a denial")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.codes import INABILITY, NOTES
from gate.policy.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.policy.finding import Finding
    from gate.review.review import ImageReview

MOST: Final = 900
"""Characters: events are cut at 1,024, and the API server adds its own words."""

_KEEP: Final = 40  # characters kept for "(+n more images)"


def headline(review: ImageReview, where: str) -> str:
    """What became of an image: `DENIED image (container api) by policy/rule`, or by `namespace/policy/rule`."""
    finding = first(review)
    verdict = review.decision.verdict
    word = {Verdict.DENY: "DENIED", Verdict.ERROR: "NOT JUDGED", Verdict.WARN: "WARNING", Verdict.ALLOW: "ALLOWED"}[
        verdict
    ]
    place = f" ({where[:100]})" if where else ""
    by = f" by {finding.by}" if finding is not None and finding.by else ""
    return f"{word} {review.subject.text[:300]}{place}{by}"


def first(review: ImageReview) -> Finding | None:
    """The finding that decided: the findings are sorted, the worst first; notes decide nothing."""
    return next((f for f in review.decision.findings if f.code not in NOTES), None)


def block(review: ImageReview, where: str, *, explained: bool = False) -> str:
    """One image's denial: what, why, what to do.

    Args:
        review: the image's.
        where: what it stands in, such as `container api`.
        explained: whether to say how the whole of it is shown.
    """
    finding = first(review)
    if finding is None:
        return headline(review, where)
    others = sum(f.count for f in review.decision.findings if f.verdict.stops and f is not finding)
    more = f"  (+{others} finding{'s' if others > 1 else ''})" if others else ""
    message = _one_line(finding.message)
    if finding.code in INABILITY:
        remedy = f"; {finding.remedy}" if finding.remedy else ""
        return f"{headline(review, where)}: {finding.code}: {message}{remedy}{more}"
    fix = f"Fix: {finding.remedy}" if finding.remedy else ""
    advice = ".  ".join(filter(None, (fix, _explain(review) if explained else "")))
    last = f"\n{advice}{more}" if advice else more
    return f"{headline(review, where)}\n{finding.code}: {message}{last}"


def _one_line(text: str) -> str:
    """Names of packages and the like stand in it: nobody's words look like a line of ours."""
    return " ".join(text.splitlines())


def _explain(review: ImageReview) -> str:
    """The command that shows everything. People copy it: only what is a reference stands in it."""
    return f"Explain: gate policy explain {review.reference.text[:300]} -p …" if review.reference is not None else ""


def denial(reviews: Iterable[tuple[ImageReview, str]]) -> str:
    """All that stops, one block an image, as many as fit; the rest is counted. The worst come first."""
    blocks = [block(review, where, explained=True) for review, where in reviews if review.decision.verdict.stops]
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
