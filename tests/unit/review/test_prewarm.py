from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from gate.errors import ParseError
from gate.policy.finding import Verdict
from gate.policy.plan import Stage
from gate.review.prewarm import Prewarmer
from gate.review.warming import MAX_IMAGES, Warming, parse_list
from gate.spent import Spent
from tests.fakes.signing import alice
from tests.unit.policy.build import SIGNED, policies, policy
from tests.unit.review.build import NAME, World, world

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.review.review import Subject

BY_ALICE = policies(policy(SIGNED))


def _prewarmer(here: World, *images: str, requests: int = 1000, wait: bool = True) -> Prewarmer:
    return Prewarmer(here.reviewer, lambda: BY_ALICE, Warming(images, requests, wait), here.clock.monotonic)


def test_what_was_warmed_is_at_hand() -> None:
    with world() as here:
        here.registry.sign_legacy(NAME, here.digest, alice(), {"stage": "test"})
        prewarmer = _prewarmer(here, here.pinned)
        assert (prewarmer.holds, prewarmer.state) == (True, "warming: 0 of 1 images")
        prewarmer.run()
        assert (prewarmer.holds, prewarmer.state, prewarmer.done) == (False, "", 1)
        asked = here.registry.calls.total()
        review = here.review(BY_ALICE, here.pinned, Stage.VALIDATE)
        assert (review.decision.verdict, review.spent.requests) == (Verdict.ALLOW, 0)
        assert here.registry.calls.total() == asked


def test_what_cannot_be_warmed_keeps_nobody_waiting() -> None:
    with world() as here:
        prewarmer = _prewarmer(here, f"{NAME}:gone", "registry.test/none:v1", here.pinned)
        prewarmer.run()
        assert (prewarmer.holds, prewarmer.done) == (False, 3)

        def broken() -> None:
            raise RuntimeError("no policies")

        failing = Prewarmer(here.reviewer, broken, Warming(("x",), wait=True), here.clock.monotonic)  # type: ignore[arg-type]
        with pytest.raises(RuntimeError):
            failing.run()
        assert not failing.holds


class Costly:
    """A reviewer of whom each image takes so many requests; `rounds` are how many it was given at a time."""

    def __init__(self, each: int) -> None:
        self.spent = Spent(requests=each)
        self.rounds: list[int] = []

    def review(self, _policies: object, subjects: Sequence[Subject], *_: object) -> list[Costly]:
        self.rounds.append(len(subjects))
        return [self] * len(subjects)


@pytest.mark.parametrize(
    ("each", "budget", "rounds"),
    [
        (6, 1000, [1, 2, 4, 3]),
        (6, 30, [1, 2, 2]),
        (2, 21, [1, 2, 4, 3]),
        (40, 100, [1, 1, 1]),
        (40, 1, [1]),
        (0, 4, [1, 2, 4, 3]),
    ],
)
def test_no_more_are_begun_than_there_are_requests_for(each: int, budget: int, rounds: list[int]) -> None:
    reviewer = Costly(each)
    warming = Warming(("registry.test/a:v1",) * 10, budget)
    Prewarmer(reviewer, lambda: BY_ALICE, warming, time.monotonic).run()  # type: ignore[arg-type]
    assert reviewer.rounds == rounds


def test_who_does_not_ask_for_it_waits_for_nothing() -> None:
    with world() as here:
        assert not _prewarmer(here, here.pinned, wait=False).holds
        assert not _prewarmer(here).holds


def test_a_list() -> None:
    text = "# what runs\nnginx:1.27  # the proxy\n\n  ghcr.io/acme/api@sha256:" + "a" * 64 + "\r\nnginx:1.27\n"
    assert parse_list(text) == ("nginx:1.27", f"ghcr.io/acme/api@sha256:{'a' * 64}")
    assert parse_list("") == ()
    with pytest.raises(ParseError, match="line 2: "):
        parse_list("nginx\nno image\n")
    with pytest.raises(ParseError, match=f"at most {MAX_IMAGES}"):
        parse_list("\n".join(f"a:{i}" for i in range(MAX_IMAGES + 1)))
