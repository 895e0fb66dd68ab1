"""A registry with an image, and reviewers of it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from gate.policy.matching import Workload
from gate.policy.plan import Stage
from gate.review.review import Reviewer, Subject
from tests.fakes.clock import SettableClock
from tests.fakes.registry_simulator import RegistrySimulator
from tests.fakes.roots import FixedRoots
from tests.fakes.store import DictStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.image.digest import Digest
    from gate.policy.policy_set import PolicySet
    from gate.review.review import ImageReview

NAME = "registry.test/acme/api"
TAGGED = f"{NAME}:v1"


class World:
    """A registry with one image, `registry.test/acme/api:v1`, a clock, trusted roots (none) and a reviewer."""

    def __init__(self, *, referrers_api: bool = True, cache: bool = True, jobs: int = 8) -> None:
        self.clock = SettableClock()
        self.registry = RegistrySimulator(referrers_api=referrers_api)
        self.digest: Digest = self.registry.push_image(NAME, "v1")
        self.roots = FixedRoots()
        self.store = DictStore()
        self.reviewer = Reviewer(
            self.registry,
            self.roots,
            self.clock.monotonic,
            self.clock.now,
            jobs=jobs,
            cache=cache,
            store=self.store,
        )

    @property
    def pinned(self) -> str:
        return f"{TAGGED}@{self.digest}"

    def review(
        self, policies: PolicySet, text: str = TAGGED, stage: Stage = Stage.CHECK, workload: Workload | None = None
    ) -> ImageReview:
        subject = Subject(text, workload or Workload())
        (found,) = self.reviewer.review(policies, [subject], stage, self.clock.deadline())
        return found

    def codes(self, policies: PolicySet, text: str = TAGGED, stage: Stage = Stage.CHECK) -> list[tuple[str, str]]:
        """Code and verdict of each finding that is no note."""
        findings = self.review(policies, text, stage).decision.findings
        return [(str(f.code), str(f.verdict)) for f in findings if f.code != "PINNED_AT_ADMISSION"]


@contextmanager
def world(*, referrers_api: bool = True, cache: bool = True, jobs: int = 8) -> Iterator[World]:
    made = World(referrers_api=referrers_api, cache=cache, jobs=jobs)
    try:
        yield made
    finally:
        made.reviewer.close()
