"""What the webhook counts, for Prometheus. Labels are closed lists: no image, host or namespace is one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

from gate import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gate.policy.finding import Finding, Verdict
    from gate.policy.plan import Stage

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The counters of one process."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """`registry` is where they are collected; a new one by default."""
        self.registry = registry or CollectorRegistry()
        self._reviews = Counter(
            "imagegate_reviews", "Admission reviews answered.", ["stage", "verdict"], registry=self.registry
        )
        self._findings = Counter(
            "imagegate_findings", "Findings by code and verdict.", ["code", "verdict"], registry=self.registry
        )
        self._seconds = Histogram(
            "imagegate_review_seconds", "Time to answer.", ["stage"], buckets=_BUCKETS, registry=self.registry
        )
        self._trouble = Counter(
            "imagegate_store_trouble",
            "Times that the evidence cache lost, refused or could not be trusted with something.",
            ["what"],
            registry=self.registry,
        )
        self._told: dict[str, int] = {}
        self._lock = threading.Lock()
        info = Gauge(
            "imagegate_build_info", "The running version.", ["version"], registry=self.registry, multiprocess_mode="max"
        )
        info.labels(__version__).set(1)

    def reviewed(self, stage: Stage, verdict: Verdict, seconds: float) -> None:
        """One review answered."""
        self._reviews.labels(stage.value, verdict.value).inc()
        self._seconds.labels(stage.value).observe(seconds)

    def found(self, findings: Iterable[Iterable[Finding]]) -> None:
        """Findings of one review."""
        for several in findings:
            for finding in several:
                self._findings.labels(finding.code.value, finding.verdict.value).inc()

    def store_trouble(self, so_far: Mapping[str, int]) -> None:
        """How often the store met trouble since this process began (`Reviewer.store_trouble`)."""
        with self._lock:
            for what, times in so_far.items():
                self._trouble.labels(what).inc(max(0, times - self._told.get(what, 0)))
                self._told[what] = max(times, self._told.get(what, 0))

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format, this process only."""
        return generate_latest(self.registry)


def all_workers() -> bytes:
    """Everything of all worker processes, from the folder that `PROMETHEUS_MULTIPROC_DIR` names."""
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
