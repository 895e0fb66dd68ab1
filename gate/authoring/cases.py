"""The cases of a `GateTest`: what each asks, and whether what was decided is what it expects (POLICY §8)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gate.authoring.expected import ImageFinding, left_over
from gate.errors import SourceError
from gate.kubernetes.workload import BUILT_IN
from gate.policy.finding import Verdict, worst
from gate.policy.matching import Workload
from gate.review.review import Subject
from gate.sources.manifests import Found, read_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from gate.documents import Document
    from gate.kubernetes.workload import Kinds
    from gate.policy.policy_set import PolicySet
    from gate.policy.reading.tests import Case, CaseNamespace, ExpectedFinding, GateTest
    from gate.review.review import ImageReview
    from gate.sources.manifests import ImageUse


@dataclass(frozen=True, slots=True)
class Question:
    """A case and the images that are judged for it, at least one."""

    case: Case
    subjects: tuple[Subject, ...]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What a case came to.

    Attributes:
        verdict: over all its images.
        reviews: of its images.
        absent: findings that it expects and no image has, or none that another is not expected of.
        unexpected: findings that deny or are `error`, and that it does not expect.
    """

    case: Case
    verdict: Verdict
    reviews: tuple[ImageReview, ...]
    absent: tuple[ExpectedFinding, ...] = ()
    unexpected: tuple[ImageFinding, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything is as expected."""
        return self.verdict is self.case.verdict and not self.absent and not self.unexpected

    @property
    def findings(self) -> tuple[ImageFinding, ...]:
        """Of all images, the worst first of each."""
        return tuple(_findings(self.reviews))


@dataclass(frozen=True, slots=True)
class GateTestResult:
    """What the cases of one test came to, in their order.

    Attributes:
        at: the instant that was judged at: the test's own, or that of --at.
    """

    test: GateTest
    policies: PolicySet = field(repr=False)
    at: datetime
    cases: tuple[CaseResult, ...]

    @property
    def failed(self) -> int:
        """How many cases are not as expected."""
        return sum(not case.passed for case in self.cases)


def question(document: Document, case: Case, kinds: Kinds = BUILT_IN) -> tuple[Question, tuple[SourceError, ...]]:
    """The images that a case asks about, and what is wrong with its manifest.

    Args:
        document: that the case stands in.
        case: as read.
        kinds: whose objects run images.
    """
    if case.image is not None:
        where = case.namespace
        workload = Workload(None, where.name, where.labels) if where is not None else Workload()
        return Question(case, (Subject(case.image, workload),)), ()
    path = (*case.path, "manifest")
    found = Found(kinds=kinds)
    read_object(document, _inside(document.data, path), path, found)
    errors = list(found.errors)
    errors.extend(_misplaced(document, found.uses, case))
    if not found.uses and not errors:
        place = document.place(path)
        errors.append(SourceError("the manifest runs no image", place=place, remedy="give a Pod or what makes Pods"))
    subjects = tuple(_subject(use, case.namespace, found.namespaces) for use in found.uses)
    return Question(case, subjects), tuple(errors)


def compare(case: Case, reviews: Iterable[ImageReview]) -> CaseResult:
    """Whether what was decided on a case's images is what it expects.

    What denies or is `error` has to be expected, of each image by itself; warnings and notes may be.
    """
    decided = tuple(reviews)
    found = list(dict.fromkeys(_findings(decided)))
    absent, unexpected = left_over(case.findings, found)
    verdict = worst(review.decision.verdict for review in decided)
    return CaseResult(case, verdict, decided, absent, unexpected)


def _findings(reviews: Iterable[ImageReview]) -> Iterable[ImageFinding]:
    for review in reviews:
        for finding in review.decision.findings:
            yield ImageFinding(review.subject.text, finding)


def _inside(data: object, path: tuple[str | int, ...]) -> object:
    for step in path:
        if isinstance(step, int):
            assert isinstance(data, list)  # the schema has been checked
            data = data[step]
        else:
            assert isinstance(data, dict)
            data = data[step]
    return data


def _subject(use: ImageUse, where: CaseNamespace | None, known: Mapping[str, Mapping[str, str]]) -> Subject:
    """As `gate check` would judge it: what the manifest says of its namespace comes first."""
    name = use.location.namespace or (where.name if where is not None else None)
    given = where.labels if where is not None and where.name == name else None
    labels = given if given is not None or name is None else known.get(name)
    return Subject(use.text, Workload(use.location.kind, name, labels, use.service_account))


def _misplaced(document: Document, uses: Iterable[ImageUse], case: Case) -> Iterable[SourceError]:
    """A manifest and its case may not name two namespaces: one of them would be a surprise."""
    if case.namespace is None:
        return
    others = {use.location.namespace for use in uses} - {"", case.namespace.name}
    for other in sorted(others):
        message = f"the manifest is in namespace {other}, and the case in {case.namespace.name}"
        place = document.place((*case.path, "namespace", "name"))
        yield SourceError(message, place=place, remedy="keep one of them")
