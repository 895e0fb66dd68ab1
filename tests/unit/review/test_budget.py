"""Large listings that are under way share a budget; small ones are none of its business."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.evidence.cosign import CHAIN
from gate.policy.plan import Stage
from gate.review.budget import FREE_BYTES, MAX_CHARGED, Account, Budget, Charge, OfOneImage, Spent
from gate.review.lister import EVIDENCE_SECONDS
from gate.review.review import Subject
from tests.fakes.signing import alice, mallory
from tests.unit.policy.build import policies, policy
from tests.unit.review.build import NAME, World, world

if TYPE_CHECKING:
    from gate.image.digest import Digest
    from gate.image.reference import Repository

BY_ALICE = policies(policy([{"signature": {"by": "a"}}]))


def test_what_is_charged_is_given_back_when_nobody_holds_it() -> None:
    budget = Budget(100)
    first, second = budget.charge("a", 50), budget.charge("b", 25)
    with pytest.raises(Spent):
        budget.charge("c", 13)
    also = first
    del first
    assert budget.left == 25
    del also
    assert budget.left == 75
    del second
    assert budget.left == 100


def test_whoever_is_the_first_leaves_as_much_as_it_takes() -> None:
    """However many registries there are: each that comes finds something, and none takes all that is left."""
    budget = Budget(1024)
    held = []
    for number in range(9):
        with pytest.raises(Spent):
            budget.charge(f"host{number}", budget.left // 2 + 1)
        held.append(budget.charge(f"host{number}", budget.left // 2))
    assert budget.left == 2
    held.clear()
    assert budget.left == 1024


def test_a_registry_leaves_as_much_as_it_has() -> None:
    budget = Budget(1000)
    held = [budget.charge("crowd", 250), budget.charge("crowd", 250)]
    with pytest.raises(Spent):
        budget.charge("crowd", 1)
    others = [budget.charge(f"other{number}", 50) for number in range(5)]
    assert budget.left == 250
    held.clear()
    with pytest.raises(Spent):
        budget.charge("other0", 400)
    again = budget.charge("crowd", 375)
    del again, others
    assert (budget.left, budget._held) == (1000, {})


def test_what_the_collector_gives_back_while_something_is_charged_holds_nobody() -> None:
    """A charge that ends inside `charge`: whoever ends it holds the lock already."""
    budget = Budget(100)
    held = [budget.charge("a", 50)]
    with budget._lock:
        held.clear()
    assert budget.left == 100


def test_an_image_has_a_little_free_and_no_more_than_one_image_has() -> None:
    budget = Budget()
    account = Account(budget, "a", 10 * FREE_BYTES)
    assert account.charge(FREE_BYTES - 1) is None
    assert account.charge(1) is None
    charged = account.charge(9 * FREE_BYTES)
    assert charged is not None
    assert budget.left == MAX_CHARGED - 9 * FREE_BYTES
    with pytest.raises(OfOneImage):
        account.charge(1)


def exhausted(here: World) -> list[Charge]:
    """Nearly all of the budget, held by many registries for as long as this is."""
    budget = here.reviewer._gatherer._lister._collector._budget
    held: list[Charge] = []
    while budget.left > 1:
        held.append(budget.charge(f"other{len(held)}.test", budget.left // 2))
    return held


def crowd(here: World, number: int, beside: int) -> tuple[str, Digest]:
    """An image with one signature that a lot stands beside, and a payload that has to be fetched."""
    name = f"registry.test/crowd{number}"
    digest = here.registry.push_image(name, "v1", str(number))
    here.registry.sign_legacy(name, digest, mallory(), {"n": str(number)})
    repository = here.registry.repository(name)
    tag = f"{digest.tag}.sig"
    document = json.loads(repository.content(tag) or b"")
    document["layers"][0]["annotations"][CHAIN] = "A" * beside
    repository.manifest(document, tag)
    return f"{name}@{digest}", digest


def test_large_listings_that_wait_for_a_slow_registry_share_a_budget() -> None:
    """Their payloads do not come; of the rest each is an error at once, and who has few signatures is judged."""
    go, held = threading.Event(), threading.Semaphore(0)
    each = 1024 * 1024
    with world(jobs=16) as here:
        here.registry.sign_bundle(NAME, here.digest, alice())
        texts = [crowd(here, number, each)[0] for number in range(8)]

        def hold(method: str, repository: Repository, _what: str) -> None:
            if method == "blob" and "crowd" in repository.path:
                held.release()
                assert go.wait(60)

        here.registry.hook = hold
        found: list[str] = []

        def review() -> None:
            subjects = [Subject(text) for text in texts]
            reviews = here.reviewer.review(BY_ALICE, subjects, Stage.CHECK, here.clock.deadline(60))
            found.extend(str(r.decision.findings[0].code) for r in reviews)

        waiting = threading.Thread(target=review)
        waiting.start()
        fit = MAX_CHARGED // 2 // (each + 1000)
        try:
            for _ in range(fit):
                assert held.acquire(timeout=60)
            assert here.codes(BY_ALICE) == []
            with pytest.raises(Spent):
                here.reviewer._gatherer._lister._collector._budget.charge("registry.test", each)
        finally:
            go.set()
            waiting.join(60)
        assert set(found) <= {"KEY_MISMATCH", "OVERLOADED"}
        assert found.count("KEY_MISMATCH") >= fit
        # what is kept is kept on another account, and what is over holds nothing
        assert here.reviewer._gatherer._lister._collector._budget.left == MAX_CHARGED
        here.clock.advance(EVIDENCE_SECONDS)
        assert here.codes(BY_ALICE, texts[-1]) == [("KEY_MISMATCH", "deny")]


@pytest.mark.parametrize("count", [1, 10])
def test_few_signatures_are_free(count: int) -> None:
    with world() as here:
        for number in range(count):
            here.registry.sign_legacy(NAME, here.digest, alice(), {"n": str(number)})
        spent = exhausted(here)
        assert here.codes(BY_ALICE) == []
        assert spent


def test_an_image_has_no_more_free_than_one_image_has() -> None:
    """A hundred small parts are one large listing."""
    with world() as here:
        for number in range(80):
            here.registry.sign_bundle(NAME, here.digest, mallory(), {"n": str(number)})
        spent = exhausted(here)
        assert FREE_BYTES < 80 * 700
        (finding, *_) = here.review(BY_ALICE).decision.findings
        assert (finding.code, finding.verdict) == (Code.OVERLOADED, "error")
        del spent
        here.clock.advance(EVIDENCE_SECONDS)
        assert here.codes(BY_ALICE) == [("KEY_MISMATCH", "deny")]
