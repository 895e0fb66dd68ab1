"""Reviews without a registry: facts are given, and what decides and explains is the real thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.authoring.explain import explain
from gate.codes import Code
from gate.errors import ParseError
from gate.evidence.facts import Evidence
from gate.image.reference import Reference
from gate.policy.decision import Reason
from gate.policy.evaluate import conclude, unable
from gate.policy.known import Known
from gate.policy.matching import Workload
from gate.policy.plan import Stage, invalid, plan
from gate.review.review import ImageReview, Subject
from tests.fakes.clock import START
from tests.unit.policy.build import DIGEST, PINNED

if TYPE_CHECKING:
    from datetime import datetime

    from gate.authoring.explanation import Explanation, RuleExplained
    from gate.policy.policy import PolicySet


def reviewed(
    found: PolicySet,
    image: str = PINNED,
    workload: Workload | None = None,
    facts: Evidence | None = None,
    away: Code | None = None,
    now: datetime = START,
) -> ImageReview:
    """The review of an image about which the same facts are found everywhere.

    Args:
        away: why its digest cannot be had; None where it can.
    """
    subject = Subject(image, workload or Workload())
    try:
        reference = Reference.parse(image)
    except ParseError as error:
        reason = Reason(Code.REFERENCE_INVALID, error.message, error.remedy)
        return ImageReview(subject, invalid(found, subject.workload, reason))
    planned = plan(found, reference, subject.workload, Stage.CHECK, now)
    if not planned.digest_wanted:
        return ImageReview(subject, conclude(planned, None, now), reference)
    if away is not None:
        return ImageReview(subject, unable(planned, Reason(away, f"{away} happened", "retry")), reference)
    evidence = facts or Evidence()
    known = Known(reference.digest or DIGEST, dict.fromkeys(planned.sources, evidence))
    return ImageReview(subject, conclude(planned, known, now), reference, known.digest, evidence=evidence, known=known)


def explained(
    found: PolicySet,
    image: str = PINNED,
    workload: Workload | None = None,
    facts: Evidence | None = None,
    away: Code | None = None,
    now: datetime = START,
) -> Explanation:
    return explain(found, reviewed(found, image, workload, facts, away, now), now)


def only_rule(explanation: Explanation) -> RuleExplained:
    (policy,) = explanation.policies
    (rule,) = policy.rules
    return rule
