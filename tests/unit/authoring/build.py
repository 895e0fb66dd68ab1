"""Reviews without a registry: facts are given, and what decides and explains is the real thing."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

from gate.authoring.explain import explain
from gate.codes import Code
from gate.deadline import Deadline
from gate.errors import ParseError
from gate.evidence.facts import Evidence
from gate.image.digest import Digest
from gate.image.manifest import Platform
from gate.image.platforms import PlatformImage
from gate.image.reference import Reference
from gate.policy.evaluate import conclude, to_read, unable, wanting_platforms
from gate.policy.finding import Reason
from gate.policy.known import Known
from gate.policy.matching import Workload
from gate.policy.plan import Stage, invalid, plan
from gate.review.predicates import PredicateReader
from gate.review.review import ImageReview, Subject
from tests.fakes.clock import START
from tests.unit.policy.build import DIGEST, PINNED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from gate.authoring.explanation import Explanation, RuleExplained
    from gate.policy.plan import Plan
    from gate.policy.policy_set import PolicySet


def reviewed(
    found: PolicySet,
    image: str = PINNED,
    workload: Workload | None = None,
    facts: Evidence | None = None,
    away: Code | None = None,
    now: datetime = START,
    platforms: Mapping[str, Evidence] | None = None,
) -> ImageReview:
    """The review of an image about which the same facts are found everywhere.

    Args:
        away: why its digest cannot be had; None where it can.
        platforms: what is found for the images of its index, by architecture; None: it is no index.
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
    known = _read(planned, known, now)
    if wanting := wanting_platforms(planned, known, now):
        images = {
            PlatformImage(Digest.of(name.encode()), Platform("linux", name)): one
            for name, one in (platforms or {}).items()
        }
        found_there = {(place, image.digest): one for place in wanting for image, one in images.items()}
        alone = (PlatformImage(known.digest),)
        known = _read(planned, replace(known, platforms=tuple(images) or alone, by_platform=found_there), now)
    return ImageReview(subject, conclude(planned, known, now), reference, known.digest, evidence=evidence, known=known)


def _read(planned: Plan, known: Known, now: datetime) -> Known:
    deadline = Deadline.after(60, monotonic)
    read = PredicateReader().read(to_read(planned, known, now), deadline)
    return replace(known, predicates={**known.predicates, **read})


def explained(
    found: PolicySet,
    image: str = PINNED,
    workload: Workload | None = None,
    facts: Evidence | None = None,
    away: Code | None = None,
    now: datetime = START,
    platforms: Mapping[str, Evidence] | None = None,
) -> Explanation:
    return explain(found, reviewed(found, image, workload, facts, away, now, platforms), now)


def only_rule(explanation: Explanation) -> RuleExplained:
    (policy,) = explanation.policies
    (rule,) = policy.rules
    return rule
