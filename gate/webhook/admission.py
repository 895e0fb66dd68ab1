"""One AdmissionReview in, one answer out: always an answer, whatever goes wrong inside."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from gate.codes import Code
from gate.deadline import Deadline
from gate.errors import GateError
from gate.kubernetes.admission import (
    DEFAULT_API_VERSION,
    AdmissionRequest,
    AdmissionResponse,
    NotAReview,
    PatchOperation,
    ReviewUnreadable,
    fallback_uid,
    parse_review,
)
from gate.policy.finding import Verdict, worst
from gate.policy.matching import Workload
from gate.policy.plan import Stage
from gate.review.kinds import kinds_of
from gate.review.review import ImageReview, Reviewer, Subject
from gate.review.words import denial, warning

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gate.kubernetes.workload import ImageField
    from gate.policy.policy_set import PolicySet
    from gate.webhook.metrics import Metrics

MAX_SECONDS: Final = 30.0
"""The API server's own most."""

_TIMEOUT: Final = re.compile(r"(?:([0-9]{1,4})m)?(?:([0-9]{1,6}(?:\.[0-9]{1,9})?)s)?", re.ASCII)
_MARGIN: Final = (0.15, 0.1, 1.0)  # seconds at least, share of the timeout, seconds at most
_URGENCY: Final = (Verdict.DENY, Verdict.ERROR, Verdict.WARN, Verdict.ALLOW)
_FORBIDDEN: Final = 403
_UNAVAILABLE: Final = 503
_log: Final = logging.getLogger("imagegate")


@dataclass(frozen=True, slots=True)
class Admission:
    """Answers AdmissionReviews.

    Attributes:
        reviewer: judges images.
        policies: the set in force; asked once a review.
        seconds: a review may take, where the caller names no timeout.
        metrics: what is counted.
    """

    reviewer: Reviewer
    policies: Callable[[], PolicySet]
    seconds: float
    metrics: Metrics

    def answer(self, stage: Stage, body: bytes, timeout: str) -> bytes:
        """The answer to a review.

        Args:
            stage: VALIDATE or MUTATE.
            body: as posted.
            timeout: the query's `timeout`, "" where there is none.

        Raises:
            NotAReview: the body is none, and has no uid that could be answered.
        """
        started = time.perf_counter()
        policies = self.policies()
        try:
            response, verdict = self._judge(stage, body, timeout, policies)
        except NotAReview as error:
            if not fallback_uid(body):
                raise
            response, verdict = _refusal(policies, str(error), fallback_uid(body), DEFAULT_API_VERSION)
        except ReviewUnreadable as error:
            response, verdict = _refusal(policies, str(error), error.uid, error.api_version)
        except Exception as error:  # noqa: BLE001 - the one place where everything ends: an answer is owed
            _log.exception("a review failed")
            message = str(error) if isinstance(error, GateError) else f"{Code.INTERNAL}: {type(error).__name__}"
            response, verdict = _refusal(policies, message, fallback_uid(body), _api_version(body))
        self.metrics.reviewed(stage, verdict, time.perf_counter() - started)
        self.metrics.store_trouble(self.reviewer.store_trouble)
        return response.encode()

    def _judge(self, stage: Stage, body: bytes, timeout: str, policies: PolicySet) -> tuple[AdmissionResponse, Verdict]:
        request = parse_review(body)
        excluded = request.namespace in policies.config.exclude_namespaces
        kinds = kinds_of(policies.config.custom_resources)
        fields = () if excluded else request.images_to_judge(kinds)
        most = policies.config.limits.images
        if len({field.text for field in fields}) > most:
            message = f"{Code.OVERLOADED}: more than {most} different images in one object"
            return _refusal(policies, message, request.uid, request.api_version)
        subjects = [Subject(field.text, _workload(request, field)) for field in fields]
        deadline = Deadline.after(budget(timeout, self.seconds), time.monotonic)
        reviews = self.reviewer.review(policies, subjects, stage, deadline)
        verdict = worst(review.decision.verdict for review in reviews)
        self.metrics.found(review.decision.findings for review in reviews)
        response = _response(request, fields, reviews, verdict, stage)
        if verdict is not Verdict.ALLOW:
            _note(request, stage, verdict, reviews, policies.config.cluster)
        return response, verdict


def budget(timeout: str, otherwise: float) -> float:
    """Seconds a review may take: the caller's timeout less a margin, in which the answer travels."""
    found = _TIMEOUT.fullmatch(timeout)
    seconds = float(found[1] or 0) * 60 + float(found[2] or 0) if found else 0.0
    seconds = min(seconds or otherwise, MAX_SECONDS)
    least, share, most = _MARGIN
    return max(seconds - min(most, max(least, seconds * share)), seconds / 2)


def _workload(request: AdmissionRequest, field: ImageField) -> Workload:
    return Workload(request.gk.kind, request.namespace or None, None, field.account)


def _response(
    request: AdmissionRequest,
    fields: Sequence[ImageField],
    reviews: Sequence[ImageReview],
    verdict: Verdict,
    stage: Stage,
) -> AdmissionResponse:
    by_image: dict[str, tuple[ImageReview, str]] = {}
    for field, review in zip(fields, reviews, strict=True):
        by_image.setdefault(field.text, (review, f"{field.what} {field.container}".strip()))
    ordered = sorted(by_image.values(), key=lambda pair: _URGENCY.index(pair[0].decision.verdict))
    patch = tuple(
        PatchOperation(field.path, field.text, review.pin)
        for field, review in zip(fields, reviews, strict=True)
        if stage is Stage.MUTATE and review.pin is not None
    )
    warnings = tuple(
        warning(finding, review.subject.text)
        for review, _ in ordered
        for finding in review.decision.findings
        if finding.verdict is Verdict.WARN
    )
    return AdmissionResponse(
        request.uid,
        request.api_version,
        not verdict.stops,
        message=denial(ordered),
        code=_FORBIDDEN if verdict is Verdict.DENY else _UNAVAILABLE,
        warnings=warnings,
        audit=_audit(reviews, verdict),
        patch=patch,
    )


def _audit(reviews: Sequence[ImageReview], verdict: Verdict) -> dict[str, str]:
    if not reviews:
        return {}
    codes = dict.fromkeys(f.code.value for review in reviews for f in review.decision.findings)
    resolved = dict.fromkeys(review.resolved for review in reviews if review.resolved)
    found = {"decision": verdict.value, "codes": ",".join(codes), "resolved": " ".join(resolved)}
    return {key: value for key, value in found.items() if value}


def _refusal(policies: PolicySet, message: str, uid: str, api_version: str) -> tuple[AdmissionResponse, Verdict]:
    """What could not be judged at all is denied, unless nothing loaded could have denied it (POLICY §2)."""
    verdict = Verdict.ERROR if policies.enforces else Verdict.WARN
    text = f"NOT JUDGED: {message}"
    response = AdmissionResponse(
        uid, api_version, bool(uid) and not verdict.stops, message=text, code=_UNAVAILABLE, warnings=(text,)
    )
    _log.error(msgspec.json.encode({"uid": uid, "verdict": verdict.value, "message": text}).decode())
    return response, verdict


def _note(
    request: AdmissionRequest, stage: Stage, verdict: Verdict, reviews: Sequence[ImageReview], cluster: str
) -> None:
    line = {
        **({"cluster": cluster} if cluster else {}),
        "uid": request.uid,
        "stage": stage.value,
        "verdict": verdict.value,
        "kind": request.gk.kind,
        "namespace": request.namespace,
        "name": request.name,
        "images": {
            r.subject.text: [f"{f.code}: {f.message}" for f in r.decision.findings]
            for r in reviews
            if r.decision.findings
        },
    }
    _log.warning(msgspec.json.encode(line).decode())


def _api_version(body: bytes) -> str:
    """The version an answer has to echo, of a review whose judging failed."""
    try:
        return parse_review(body).api_version
    except GateError:
        return DEFAULT_API_VERSION
