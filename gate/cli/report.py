"""What a check found, grouped as people and scripts read it: one entry a distinct image text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.cli.common import Exit
from gate.policy.decision import Decision
from gate.policy.finding import Finding, Verdict, worst
from gate.spent import Spent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from gate.codes import Code
    from gate.evidence.facts import Evidence
    from gate.policy.policy import Policy
    from gate.review.review import ImageReview
    from gate.sources.manifests import Location


EXITS: Final = {Verdict.DENY: Exit.DENIED, Verdict.ERROR: Exit.NOT_EVALUATED}
"""The exit codes of verdicts that have one of their own."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One image text and all that was decided on it, wherever it stands.

    Attributes:
        review: the one with the worst verdict.
        findings: of all its places, sorted.
        locations: in the order of the sources.
        spent: on all of them.
    """

    text: str
    resolved: str | None
    verdict: Verdict
    review: ImageReview
    findings: tuple[Finding, ...]
    locations: tuple[Location, ...]
    evidence: Evidence
    spent: Spent


@dataclass(frozen=True, slots=True)
class SourceFinding:
    """A finding about a file and no image."""

    code: Code
    message: str
    remedy: str
    location: Location


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one run of `gate check` says.

    Attributes:
        cluster: that it is about, as its GateConfig calls it; "" where it has no name.
        store_trouble: how often the cache met trouble, by kind (`Reviewer.store_trouble`).
    """

    at: datetime
    policies: tuple[Policy, ...]
    entries: tuple[Entry, ...]
    source_findings: tuple[SourceFinding, ...] = ()
    cluster: str = ""
    store_trouble: Mapping[str, int] = field(default_factory=dict, hash=False)

    @property
    def verdict(self) -> Verdict:
        """Over all images and sources."""
        sources = [Verdict.ERROR] if self.source_findings else []
        return worst([*(e.verdict for e in self.entries), *sources])

    def count(self, verdict: Verdict) -> int:
        """How many images have a verdict."""
        return sum(e.verdict is verdict for e in self.entries)


def entries_of(reviews: Iterable[tuple[ImageReview, Sequence[Location]]]) -> tuple[Entry, ...]:
    """Group reviews by their text, in the order of their first place."""
    grouped: dict[str, list[tuple[ImageReview, Sequence[Location]]]] = {}
    for review, locations in reviews:
        grouped.setdefault(review.subject.text, []).append((review, locations))
    return tuple(_entry(text, found) for text, found in grouped.items())


def _entry(text: str, found: list[tuple[ImageReview, Sequence[Location]]]) -> Entry:
    decision = Decision.of(f for review, _ in found for f in review.decision.findings)
    leading = next(review for review, _ in found if review.decision.verdict is decision.verdict)
    return Entry(
        text,
        next((review.resolved for review, _ in found if review.resolved), None),
        decision.verdict,
        leading,
        decision.findings,
        tuple(location for _, locations in found for location in locations),
        leading.evidence,
        sum((review.spent for review, _ in found), Spent()),
    )
