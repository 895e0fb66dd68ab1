from __future__ import annotations

import pytest

from gate.errors import ParseError
from gate.policy.decision import Verdict
from gate.policy.evaluate import Stage
from gate.review.prewarm import Prewarmer
from gate.review.warming import MAX_IMAGES, Warming, parse_list
from tests.fakes.signing import alice
from tests.unit.policy.build import SIGNED, policies, policy
from tests.unit.review.build import NAME, World, world

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
