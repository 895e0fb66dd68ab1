"""Routes: HTTP in, HTTP out, nothing decided here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flask import Flask, Response, request

from gate.kubernetes.admission import MAX_BODY, NotAReview
from gate.policy.plan import Stage
from gate.webhook.admission import Admission
from gate.webhook.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.policy.policy_set import PolicySet
    from gate.review.prewarm import Prewarmer
    from gate.review.review import Reviewer

_JSON: Final = "application/json"
_TEXT: Final = "text/plain; charset=utf-8"
_UNAVAILABLE: Final = 503
_NAMED: Final = 20  # invalid documents
_EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"


def create_app(
    reviewer: Reviewer,
    policies: Callable[[], PolicySet],
    *,
    seconds: float = 10.0,
    metrics: Metrics | None = None,
    prewarmer: Prewarmer | None = None,
) -> Flask:
    """The webhook: `/validate`, `/mutate`, `/healthz`, `/readyz`.

    Args:
        reviewer: judges images.
        policies: the set in force.
        seconds: for a review whose caller names no timeout.
        metrics: where to count; a registry of its own by default.
        prewarmer: what may keep it from being ready.
    """
    app = Flask("imagegate", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    admission = Admission(reviewer, policies, seconds, metrics or Metrics())

    def judged(stage: Stage) -> Response:
        try:
            body = request.get_data(cache=False)
            return Response(admission.answer(stage, body, request.args.get("timeout", "")), mimetype=_JSON)
        except NotAReview as error:
            return Response(f"{error}\n", 400, mimetype=_TEXT)

    @app.post("/validate")
    def validate() -> Response:
        return judged(Stage.VALIDATE)

    @app.post("/mutate")
    def mutate() -> Response:
        return judged(Stage.MUTATE)

    _add_health(app, policies, prewarmer)
    return app


def create_metrics_app(
    policies: Callable[[], PolicySet], exposition: Callable[[], bytes], prewarmer: Prewarmer | None = None
) -> Flask:
    """The metrics port: `/metrics`, `/healthz`, `/readyz`."""
    app = Flask("imagegate-metrics", static_folder=None)

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(exposition(), content_type=_EXPOSITION)

    _add_health(app, policies, prewarmer)
    return app


def _add_health(app: Flask, policies: Callable[[], PolicySet], prewarmer: Prewarmer | None) -> None:
    @app.get("/healthz")
    def healthz() -> Response:
        return Response("ok\n", mimetype=_TEXT)

    @app.get("/readyz")
    def readyz() -> Response:
        warming = prewarmer.state if prewarmer is not None else ""
        if prewarmer is not None and prewarmer.holds:
            return Response(f"{warming}\n", _UNAVAILABLE, mimetype=_TEXT)
        found = policies()
        count = len(found.policies)
        also = f"; {warming}" if warming else ""
        invalid = "".join(f"invalid: {' '.join(why.splitlines())}\n" for why in found.invalid[:_NAMED])
        more = len(found.invalid) - _NAMED
        rest = f"invalid: and {more} more\n" if more > 0 else ""
        ready = f"ready: {count} polic{'y' if count == 1 else 'ies'}{also}\n"
        return Response(f"{ready}{invalid}{rest}", mimetype=_TEXT)
