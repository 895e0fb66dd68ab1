"""What findings amount to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gate.policy.finding import worst

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.policy.finding import Finding, Verdict
    from gate.policy.matching import Outcome


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided on one image, with every reason, sorted.

    Attributes:
        outcomes: of the rules that were asked, in the order of the policies; none where only tags were judged.
    """

    verdict: Verdict
    findings: tuple[Finding, ...] = field(default=())
    outcomes: tuple[Outcome, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def of(cls, findings: Iterable[Finding], outcomes: Iterable[Outcome] = ()) -> Decision:
        """The decision that findings amount to."""
        ordered = tuple(sorted(dict.fromkeys(findings), key=lambda f: f.sort_key))
        return cls(worst(f.verdict for f in ordered), ordered, tuple(outcomes))
