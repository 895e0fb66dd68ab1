from __future__ import annotations

import gc
import itertools
import json
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import pytest

from gate.codes import Code
from gate.deadline import Deadline
from gate.demo.images import BUNDLE, Layer
from gate.errors import EvidenceUnavailable
from gate.evidence import cosign
from gate.evidence.cosign import CHAIN
from gate.evidence.facts import Format, KeySigner, Rejection, Storage
from gate.image.content import InMemory
from gate.image.digest import Digest
from gate.image.manifest import Descriptor
from gate.image.reference import Reference, Repository
from gate.policy.finding import Verdict
from gate.policy.identity import IdentityPattern, TextPattern
from gate.policy.patterns import ImagePattern
from gate.policy.plan import Stage
from gate.policy.policy import Match, Mode, Policy, Rule, SignatureRequirement
from gate.policy.policy_set import PolicySet
from gate.policy.signers import KeylessSpec, One
from gate.policy.trust import PUBLIC_GOOD, TrustNeeds
from gate.review.cache import Bounds
from gate.review.examine import MAX_REJECTED_BYTES, Examiner
from gate.review.kept import Listings
from gate.review.limits import MAX_REFERRERS
from gate.review.lister import EVIDENCE_SECONDS, UNSIGNED_SECONDS
from gate.review.listing import Listed, Listing, Place
from gate.review.review import Reviewer, Subject
from gate.trust.root import TrustedRoot
from tests.fakes.clock import SettableClock
from tests.fakes.contents import AtHand
from tests.fakes.fulcio import ISSUER, SUBJECT
from tests.fakes.registry_simulator import RegistrySimulator
from tests.fakes.roots import NoRoots
from tests.fakes.signing import alice, bob, mallory
from tests.fakes.signing_authority import Signature, encode, shared_world, statement
from tests.fakes.store import DictStore
from tests.unit.policy.build import SIGNED, Json, config, policies, policy
from tests.unit.review.build import NAME, TAGGED, World, world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from gate.image.content import Content
    from gate.review.review import ImageReview

KEY = b"a key of at least thirty-two bytes, or more"
HOME = Reference.parse(NAME).name
BY_ALICE = policies(policy(SIGNED))
EITHER = policies(policy([{"signature": {"by": ["a", "b"]}}]))
BOTH = policies(policy([{"signature": {"by": {"all": ["a", "b"]}}}]))  # of the same trust as EITHER
HOUR = 3600.0
STALE = config(staleIfError="1h")
STALE_ALICE = policies(policy(SIGNED), STALE)
STALE_BOTH = policies(policy([{"signature": {"by": {"all": ["a", "b"]}}}]), STALE)
MISSING = [("SIGNATURE_MISSING", "deny")]
TOO_FEW = [("SIGNERS_TOO_FEW", "deny")]
STOOD_IN = ("REGISTRY_UNREACHABLE", "allow")
ANNOTATED = {"stage": "test"}  # a payload that has to be read
PLACES = ("manifest", "referrers")


def codes(found: ImageReview) -> list[tuple[str, str]]:
    """Each code once, whatever places say it; without the note on tags."""
    shown = [f for f in found.decision.findings if f.code is not Code.PINNED_AT_ADMISSION]
    return list(dict.fromkeys((str(f.code), str(f.verdict)) for f in shown))


def ask(
    here: World,
    found: PolicySet = BY_ALICE,
    stage: Stage = Stage.CHECK,
    *,
    text: str = "",
    seconds: float = 10.0,
    reviewer: Reviewer | None = None,
) -> ImageReview:
    """A review of the image by its digest."""
    subject = Subject(text or here.pinned)
    (review,) = (reviewer or here.reviewer).review(found, [subject], stage, here.clock.deadline(seconds))
    return review


def asked_places(here: World) -> int:
    return here.registry.calls["manifest"] + here.registry.calls["referrers"]


def fail_places(here: World, code: Code) -> None:
    for method in PLACES:
        here.registry.fail_with(method, code)


def unsign(here: World, name: str = NAME) -> None:
    """Take away everything that was attached."""
    repository = here.registry.repository(name)
    for tag in [tag for tag in repository.tags if tag.startswith("sha256-")]:
        del repository.tags[tag]
    for digest in [digest for digest, content in repository.manifests.items() if b'"subject"' in content]:
        del repository.manifests[digest]


def give_up_after(here: World, seconds: float, times: int = 1_000_000, said: float | None = None) -> threading.Event:
    """Let so many questions end after so long, without an answer; it is told when there is one.

    `said` is for how long they say that they waited.
    """
    entered, left = threading.Event(), [times]

    def give_up(method: str, _repository: Repository, _what: str) -> None:
        if method in PLACES and left[0] > 0:
            left[0] -= 1
            entered.set()
            time.sleep(seconds)
            raise EvidenceUnavailable(Code.REGISTRY_TIMEOUT, "it did not answer", unanswered=said or seconds)

    here.registry.hook = give_up
    return entered


class Held:
    """Holds what fits until it is let go; `entered` once something is held."""

    def __init__(self, here: World, *fits: str) -> None:
        self.entered = threading.Event()
        self.go = threading.Event()
        self._fits = fits
        here.registry.hook = self

    def __call__(self, method: str, _repository: Repository, what: str) -> None:
        if any(method == fit or what.endswith(fit) for fit in self._fits):
            self.entered.set()
            assert self.go.wait(30)


class Asking:
    """A review in a thread of its own."""

    def __init__(self, review: Callable[[], ImageReview]) -> None:
        self.found: list[ImageReview] = []
        self._thread = threading.Thread(target=lambda: self.found.append(review()))
        self._thread.start()

    def end(self) -> ImageReview:
        self._thread.join(30)
        (found,) = self.found
        return found


@contextmanager
def reviewers(here: World, count: int, store: DictStore, *, key: bytes | None = KEY) -> Iterator[list[Reviewer]]:
    """Processes that share a store; the wall clock is the same."""

    def seal(kept: object) -> Listings:
        assert kept is store
        assert key is not None
        return Listings(store, key, lambda: here.clock.now().timestamp(), here.clock.monotonic)

    with ExitStack() as stack:
        made = []
        for _ in range(count):
            one = Reviewer(
                here.registry,
                here.roots,
                here.clock.monotonic,
                here.clock.now,
                jobs=8,
                store=store,
                seal=seal if key is not None else None,
            )
            stack.callback(one.close)
            made.append(one)
        yield made


# an answer as soon as there is enough


@pytest.mark.parametrize(
    ("how", "held"),
    [("legacy", "referrers"), ("legacy", "fallback"), ("bundle", ".sig"), ("referrer-legacy", ".sig")],
)
def test_at_admission_a_place_that_hangs_is_not_waited_for(how: str, held: str) -> None:
    with world() as here:
        sign(here, how)
        holding = Held(here, here.digest.tag if held == "fallback" else held)
        found = ask(here, stage=Stage.VALIDATE, seconds=600)
        assert found.decision.verdict is Verdict.ALLOW
        assert found.evidence.partial
        assert [s.signer for s in found.evidence.signatures] == [KeySigner(alice().public, PUBLIC_GOOD)]
        assert not holding.go.is_set()
        assert holding.entered.wait(30)
        # nor by those who come after
        before = here.registry.calls.copy()
        assert ask(here, stage=Stage.VALIDATE, seconds=600).decision.verdict is Verdict.ALLOW
        assert here.registry.calls == before
        holding.go.set()


def sign(here: World, how: str = "legacy", annotations: dict[str, str] | None = None, who: str = "a") -> None:
    key = {"a": alice, "b": bob, "m": mallory}[who]()
    match how:
        case "legacy":
            here.registry.sign_legacy(NAME, here.digest, key, annotations)
        case "referrer-legacy":
            here.registry.sign_referrer_legacy(NAME, here.digest, key, annotations)
        case _:
            here.registry.sign_bundle(NAME, here.digest, key, annotations)


@pytest.mark.parametrize("stage", [Stage.CHECK])
def test_people_are_shown_all_there_is(stage: Stage) -> None:
    with world() as here:
        sign(here)
        sign(here, "bundle", who="m")
        holding = Held(here, "referrers")
        asking = Asking(lambda: ask(here, stage=stage, seconds=600))
        assert holding.entered.wait(30)
        assert asking.found == []
        holding.go.set()
        found = asking.end()
        assert found.decision.verdict is Verdict.ALLOW
        assert not found.evidence.partial
        assert len(found.evidence.signatures) == 1
        assert len(found.evidence.rejected) == 1


def test_who_wants_to_be_shown_all_is_not_given_what_sufficed_at_admission() -> None:
    with world() as here:
        sign(here)
        sign(here, "bundle", who="m")
        holding = Held(here, "referrers")
        assert ask(here, stage=Stage.VALIDATE, seconds=600).evidence.partial
        asking = Asking(lambda: ask(here, seconds=600))
        assert asking.found == []
        holding.go.set()
        found = asking.end()
        assert not found.evidence.partial
        assert len(found.evidence.rejected) == 1
        assert here.registry.calls["referrers"] == 1  # it joined what was under way


@pytest.mark.parametrize(
    ("second", "expected"), [(True, Verdict.ALLOW), (False, Verdict.DENY)], ids=["signed", "unsigned"]
)
def test_what_suffices_one_policy_is_not_all_there_is_for_another(second: bool, expected: Verdict) -> None:  # noqa: FBT001
    """Denied is only who was looked for in every place."""
    with world() as here:
        sign(here)
        if second:
            sign(here, "bundle", who="b")
        holding = Held(here, "referrers")
        assert ask(here, EITHER, Stage.VALIDATE, seconds=600).decision.verdict is Verdict.ALLOW
        # at hand there is not enough for the other: that is no denial
        hurried = ask(here, BOTH, Stage.VALIDATE, seconds=0)
        assert codes(hurried) == [("DEADLINE_EXCEEDED", "error")]
        asking = Asking(lambda: ask(here, BOTH, Stage.VALIDATE, seconds=600))
        hurried = ask(here, BOTH, Stage.VALIDATE, seconds=0.05)
        assert codes(hurried) == [("DEADLINE_EXCEEDED", "error")]
        assert asking.found == []
        holding.go.set()
        found = asking.end()
        assert found.decision.verdict is expected
        assert codes(found) == ([] if second else TOO_FEW)
        assert not found.evidence.partial
        assert here.registry.calls["referrers"] == 1
        # and the first is still answered from what is kept
        assert ask(here, EITHER, Stage.VALIDATE, seconds=0).decision.verdict is Verdict.ALLOW


def test_a_place_that_fails_is_no_matter_once_there_is_enough_and_an_error_where_there_is_not() -> None:
    with world() as here:
        sign(here)
        here.registry.fail_with("referrers", Code.REGISTRY_UNAUTHORIZED)
        for stage in (Stage.VALIDATE, Stage.CHECK):
            assert codes(ask(here, EITHER, stage)) == []
            assert codes(ask(here, BOTH, stage)) == [("REGISTRY_UNAUTHORIZED", "error")]


def test_an_unsigned_image_is_denied_only_when_every_place_has_answered() -> None:
    with world() as here:
        for fits in (".sig", "referrers", here.digest.tag):
            holding = Held(here, fits)
            asking = Asking(lambda: ask(here, stage=Stage.VALIDATE, seconds=600))
            assert holding.entered.wait(30)
            assert asking.found == []
            holding.go.set()
            assert codes(asking.end()) == MISSING
            here.clock.advance(UNSIGNED_SECONDS)


def test_a_stranger_who_is_first_does_not_suffice() -> None:
    with world() as here:
        sign(here, who="m")
        sign(here, "bundle")
        holding = Held(here, "referrers")
        asking = Asking(lambda: ask(here, stage=Stage.VALIDATE, seconds=600))
        assert holding.entered.wait(30)
        assert asking.found == []
        holding.go.set()
        assert codes(asking.end()) == []


def test_two_policies_of_one_review_both_have_to_have_enough() -> None:
    """One that only warns too: it says what it would have said of all there is."""
    found = policies(policy(SIGNED, name="one"), policy([{"signature": {"by": "b"}}], name="two", mode="warn"))
    with world() as here:
        sign(here)
        sign(here, "bundle", who="b")
        holding = Held(here, "referrers")
        asking = Asking(lambda: ask(here, found, Stage.VALIDATE, seconds=600))
        assert holding.entered.wait(30)
        assert asking.found == []
        holding.go.set()
        assert codes(asking.end()) == []


def test_who_needs_less_than_the_one_who_asked_first_does_not_wait_for_it() -> None:
    with world() as here:
        sign(here)
        holding = Held(here, "referrers")
        first = Asking(lambda: ask(here, BOTH, Stage.VALIDATE, seconds=600))
        assert holding.entered.wait(30)
        second = ask(here, EITHER, Stage.VALIDATE, seconds=0.3)
        holding.go.set()
        assert codes(first.end()) == TOO_FEW
        assert codes(second) == []


# what is known of a candidate outlives its listing


def ticking(here: World) -> Deadline:
    """Whose clock moves a little with every look: what takes time is seen to have taken some."""
    looks = itertools.count()
    return Deadline(here.clock.monotonic() + 10, lambda: here.clock.monotonic() + next(looks) * 1e-6)


def spent(here: World, found: PolicySet = BY_ALICE) -> ImageReview:
    (review,) = here.reviewer.review(found, [Subject(here.pinned)], Stage.CHECK, ticking(here))
    return review


@pytest.mark.parametrize("how", ["legacy", "referrer-legacy", "bundle"])
def test_what_was_verified_is_neither_fetched_nor_verified_again(how: str) -> None:
    with world() as here:
        sign(here, how, ANNOTATED)
        sign(here, how, ANNOTATED, who="m")
        first = spent(here)
        assert first.decision.verdict is Verdict.ALLOW
        assert first.spent.verify > 0
        blobs = here.registry.calls["blob"]
        for _ in range(3):
            here.clock.advance(EVIDENCE_SECONDS)
            here.store.values.clear()
            here.registry.repository(NAME).blobs.clear()
            before = asked_places(here)
            again = spent(here)
            assert (again.decision, again.evidence) == (first.decision, first.evidence)
            assert asked_places(here) > before  # what there is was asked for, not what it says
            assert (again.spent.verify, here.registry.calls["blob"]) == (0, blobs)


def test_what_was_verified_of_one_image_says_nothing_of_another() -> None:
    """The same payload, moved to another digest's tag: it is looked at for that one, and is about this one."""
    with world() as here:
        sign(here, "legacy", ANNOTATED)
        assert codes(ask(here)) == []
        other = here.registry.push_image(NAME, "other", "other")
        repository = here.registry.repository(NAME)
        repository.tags[f"{other.tag}.sig"] = repository.tags[f"{here.digest.tag}.sig"]
        assert codes(ask(here, text=f"{NAME}@{other}")) == [("SIGNATURE_INVALID", "deny")]
        here.clock.advance(EVIDENCE_SECONDS)
        assert codes(ask(here)) == []
        assert codes(ask(here, text=f"{NAME}@{other}")) == [("SIGNATURE_INVALID", "deny")]


def test_what_was_verified_with_one_trust_says_nothing_under_another() -> None:
    with world() as here:
        sign(here, "legacy", ANNOTATED)
        assert codes(ask(here)) == []
        assert codes(ask(here, policies(policy([{"signature": {"by": "b"}}])))) == [("KEY_MISMATCH", "deny")]
        assert codes(ask(here)) == []


@pytest.mark.parametrize("format_of", ["legacy", "bundle"])
def test_a_layer_with_other_annotations_is_another_candidate(format_of: str) -> None:
    """The signature stands there: with another's it does not verify, though the payload is one that did."""
    with world() as here:
        sign(here, format_of, ANNOTATED)
        assert codes(ask(here)) == []
        unsign(here)
        payload, _ = alice().simple_signing(here.digest, NAME, ANNOTATED)
        _, strangers = mallory().simple_signing(here.digest, NAME, ANNOTATED)
        here.registry.repository(NAME).append(
            f"{here.digest.tag}.sig", Layer(cosign.SIMPLE_SIGNING, payload, strangers)
        )
        here.clock.advance(EVIDENCE_SECONDS)
        assert codes(ask(here)) == [("KEY_MISMATCH", "deny")]


def keyless() -> PolicySet:
    identity = IdentityPattern(TextPattern(SUBJECT), TextPattern(ISSUER))
    rule = Rule("signature", SignatureRequirement(One("ci")))
    match = Match((ImagePattern.parse("**"),))
    return PolicySet(
        (Policy("ClusterGatePolicy", "p", Mode.ENFORCE, match, (rule,), {"ci": KeylessSpec("ci", identity)}),)
    )


def sign_keyless(here: World) -> None:
    made = shared_world().bundle(Signature.of_payload(shared_world().issue(), statement(here.digest)))
    here.registry.repository(NAME).attach(here.digest, BUNDLE, [Layer(BUNDLE, encode(made))])


def test_what_was_verified_holds_as_long_as_the_trust_root_is_the_same() -> None:
    with world() as here:
        sign_keyless(here)
        here.roots.roots[PUBLIC_GOOD] = TrustedRoot.parse(shared_world().trusted_root())
        assert spent(here, keyless()).decision.verdict is Verdict.ALLOW
        here.clock.advance(EVIDENCE_SECONDS)
        again = spent(here, keyless())
        assert (again.decision.verdict, again.spent.verify) == (Verdict.ALLOW, 0)
        # the same content, read anew: it is looked at again, and fetched from nobody
        here.roots.roots[PUBLIC_GOOD] = TrustedRoot.parse(shared_world().trusted_root())
        here.clock.advance(EVIDENCE_SECONDS)
        blobs = here.registry.calls["blob"]
        again = spent(here, keyless())
        assert again.decision.verdict is Verdict.ALLOW
        assert again.spent.verify > 0
        assert here.registry.calls["blob"] == blobs


def test_a_trust_root_that_no_longer_trusts_is_believed() -> None:
    with world() as here:
        sign_keyless(here)
        good = TrustedRoot.parse(shared_world().trusted_root())
        here.roots.roots[PUBLIC_GOOD] = good
        assert codes(ask(here, keyless())) == []
        here.roots.roots[PUBLIC_GOOD] = TrustedRoot.nothing()
        here.clock.advance(EVIDENCE_SECONDS)
        assert ask(here, keyless()).decision.verdict is Verdict.DENY
        # gone, it is an error; and back, all is well
        del here.roots.roots[PUBLIC_GOOD]
        here.clock.advance(EVIDENCE_SECONDS)
        assert codes(ask(here, keyless())) == [("TRUST_ROOT_UNAVAILABLE", "error")]
        here.roots.roots[PUBLIC_GOOD] = good
        assert codes(ask(here, keyless())) == []


# how long a listing counts


def test_signed_counts_for_ten_seconds() -> None:
    with world() as here:
        sign(here)
        assert codes(ask(here)) == []
        unsign(here)
        here.clock.advance(EVIDENCE_SECONDS - 0.01)
        assert codes(ask(here)) == []
        here.clock.advance(0.01)
        assert codes(ask(here)) == MISSING
        assert EVIDENCE_SECONDS == 10


def test_unsigned_counts_for_three_seconds() -> None:
    with world() as here:
        assert codes(ask(here)) == MISSING
        sign(here)
        here.clock.advance(UNSIGNED_SECONDS - 0.01)
        before = here.registry.calls.total()
        assert codes(ask(here)) == MISSING
        assert here.registry.calls.total() == before
        here.clock.advance(0.01)
        assert codes(ask(here)) == []
        assert UNSIGNED_SECONDS == 3


def test_signed_counts_for_ten_seconds_whoever_asked_first() -> None:
    with world() as here:
        sign(here)
        assert codes(ask(here)) == []
        unsign(here)
        here.clock.advance(EVIDENCE_SECONDS - 0.1)
        assert codes(ask(here, EITHER)) == []
        here.clock.advance(EVIDENCE_SECONDS - 0.2)
        assert codes(ask(here, EITHER)) == MISSING


@pytest.mark.parametrize(
    "code",
    [
        Code.REGISTRY_TIMEOUT,
        Code.REGISTRY_UNREACHABLE,
        Code.REGISTRY_UNAUTHORIZED,
        Code.REGISTRY_RATE_LIMITED,
        Code.REGISTRY_PROTOCOL,
        Code.RESPONSE_TOO_LARGE,
    ],
)
@pytest.mark.parametrize("method", ["manifest", "referrers", "blob"])
def test_an_error_is_not_kept(code: Code, method: str) -> None:
    with world() as here:
        sign(here, "bundle")
        here.registry.fail_with(method, code)
        found = ask(here)
        assert found.decision.verdict is Verdict.ERROR or method == "referrers"
        here.registry.heal()
        assert codes(ask(here)) == []


def test_a_cut_listing_is_not_kept() -> None:
    with world() as here:
        for i in range(MAX_REFERRERS + 1):
            here.registry.sign_bundle(NAME, here.digest, mallory(), {"n": str(i)})
        assert codes(ask(here)) == [("RESPONSE_TOO_LARGE", "error")]
        unsign(here)
        sign(here)
        assert codes(ask(here)) == []


# an old listing stands in


def before_and_after(here: World, code: Code, seconds: float, found: PolicySet = STALE_ALICE) -> ImageReview:
    """Listed once, and after some seconds nobody answers but with an error."""
    assert codes(ask(here, found)) == []
    here.clock.advance(seconds)
    fail_places(here, code)
    return ask(here, found)


@pytest.mark.parametrize("code", [Code.REGISTRY_UNREACHABLE, Code.REGISTRY_TIMEOUT, Code.DEADLINE_EXCEEDED])
def test_what_was_listed_stands_in_for_a_registry_that_cannot_be_reached(code: Code) -> None:
    with world() as here:
        sign(here, "legacy", ANNOTATED)
        found = before_and_after(here, code, 1800)
        assert (codes(found), found.decision.verdict) == ([STOOD_IN], Verdict.ALLOW)
        (note,) = [f for f in found.decision.findings if f.code is Code.REGISTRY_UNREACHABLE]
        assert str(HOME) in note.message
        assert "1800 s ago" in note.message
        assert "staleIfError" in note.message
        assert found.evidence.stale == note.message
        assert (note.policy, note.rule) == ("", "")
        # it is not kept: who comes when the registry is back sees what there is
        here.registry.heal()
        unsign(here)
        assert codes(ask(here, STALE_ALICE)) == MISSING


@pytest.mark.parametrize(
    "code",
    [
        Code.REGISTRY_UNAUTHORIZED,
        Code.REGISTRY_RATE_LIMITED,
        Code.REGISTRY_PROTOCOL,
        Code.RESPONSE_TOO_LARGE,
        Code.IMAGE_NOT_FOUND,
        Code.INTERNAL,
    ],
)
def test_nothing_stands_in_for_a_registry_that_answered(code: Code) -> None:
    with world() as here:
        sign(here)
        assert codes(before_and_after(here, code, 1800)) == [(str(code), "error")]


@pytest.mark.parametrize("code", [Code.REGISTRY_UNAUTHORIZED, Code.REGISTRY_RATE_LIMITED, Code.REGISTRY_PROTOCOL])
def test_nothing_stands_in_where_one_place_answered_so(code: Code) -> None:
    with world() as here:
        sign(here)
        assert codes(ask(here, STALE_ALICE)) == []
        here.clock.advance(1800)
        here.registry.fail_with("manifest", Code.REGISTRY_UNREACHABLE)
        here.registry.fail_with("referrers", code)
        assert (str(code), "error") in codes(ask(here, STALE_ALICE))
        assert STOOD_IN not in codes(ask(here, STALE_ALICE))


def test_an_image_that_is_gone_is_gone() -> None:
    with world() as here:
        sign(here)
        assert codes(ask(here, STALE_ALICE)) == []
        here.clock.advance(1800)
        unsign(here)
        here.registry.repository(NAME).manifests.clear()
        assert codes(ask(here, STALE_ALICE)) == [("IMAGE_NOT_FOUND", "error")]


def test_nothing_stands_in_by_default() -> None:
    with world() as here:
        sign(here)
        assert codes(before_and_after(here, Code.REGISTRY_UNREACHABLE, 11, BY_ALICE)) == [
            ("REGISTRY_UNREACHABLE", "error")
        ]


@pytest.mark.parametrize(("seconds", "verdict"), [(HOUR - 1, Verdict.ALLOW), (HOUR + 1, Verdict.ERROR)])
def test_it_stands_in_until_it_is_so_old(seconds: float, verdict: Verdict) -> None:
    with world() as here:
        sign(here)
        assert before_and_after(here, Code.REGISTRY_UNREACHABLE, seconds).decision.verdict is verdict


def test_standing_in_makes_it_no_younger() -> None:
    with world() as here:
        sign(here)
        assert codes(before_and_after(here, Code.REGISTRY_UNREACHABLE, 1800)) == [STOOD_IN]
        for _ in range(3):
            here.clock.advance(590)
            assert codes(ask(here, STALE_ALICE)) == [STOOD_IN]
        here.clock.advance(60)
        assert codes(ask(here, STALE_ALICE)) == [("REGISTRY_UNREACHABLE", "error")]


def test_a_shorter_time_that_was_set_since_counts() -> None:
    with world() as here:
        sign(here)
        assert codes(before_and_after(here, Code.REGISTRY_UNREACHABLE, 1800)) == [STOOD_IN]
        shorter = policies(policy(SIGNED), config(staleIfError="5m"))
        assert codes(ask(here, shorter)) == [("REGISTRY_UNREACHABLE", "error")]
        assert codes(ask(here, BY_ALICE)) == [("REGISTRY_UNREACHABLE", "error")]


def test_it_never_stands_in_for_a_tag() -> None:
    with world() as here:
        sign(here)
        assert codes(ask(here, STALE_ALICE, text=TAGGED)) == []
        here.clock.advance(60)
        here.registry.fail_with("resolve", Code.REGISTRY_UNREACHABLE)
        for method in PLACES:
            assert codes(ask(here, STALE_ALICE, text=TAGGED)) == [("REGISTRY_UNREACHABLE", "error")]
            here.registry.fail_with(method, Code.REGISTRY_UNREACHABLE)
        # though by its digest it would
        assert codes(ask(here, STALE_ALICE)) == [STOOD_IN]


@pytest.mark.parametrize("stage", [Stage.CHECK, Stage.VALIDATE])
def test_an_old_listing_without_signatures_denies(stage: Stage) -> None:
    with world() as here:
        assert codes(ask(here, STALE_ALICE, stage)) == MISSING
        here.clock.advance(1800)
        fail_places(here, Code.REGISTRY_UNREACHABLE)
        found = ask(here, STALE_ALICE, stage)
        assert codes(found) == [*MISSING, STOOD_IN]
        assert found.decision.verdict is Verdict.DENY


@pytest.mark.parametrize(
    ("mode", "verdict"), [("enforce", Verdict.DENY), ("warn", Verdict.WARN), ("audit", Verdict.ALLOW)]
)
def test_the_note_changes_no_verdict(mode: str, verdict: Verdict) -> None:
    wanted: Json = policy([{"signature": {"by": {"all": ["a", "b"]}}}], mode=mode)
    found = policies(wanted, config(staleIfError="1h", unmatched="audit"))
    with world() as here:
        sign(here)
        assert ask(here, found).decision.verdict is verdict
        here.clock.advance(1800)
        fail_places(here, Code.REGISTRY_UNREACHABLE)
        stood_in = ask(here, found)
        assert stood_in.decision.verdict is verdict
        assert STOOD_IN in codes(stood_in)


def test_it_is_judged_by_the_policies_of_now() -> None:
    with world() as here:
        sign(here, "legacy", ANNOTATED)
        assert codes(before_and_after(here, Code.REGISTRY_UNREACHABLE, 60)) == [STOOD_IN]
        assert codes(ask(here, STALE_BOTH)) == [*TOO_FEW, STOOD_IN]


def test_it_stands_in_for_its_own_place_only() -> None:
    """Neither for other credentials, nor where the signatures of another rule are kept."""
    elsewhere = policies(policy([{"signature": {"by": "a", "repository": "registry.test/acme/signatures"}}]), STALE)
    with world() as here:
        here.registry.scopes[HOME] = "team-a"
        sign(here)
        assert codes(before_and_after(here, Code.REGISTRY_UNREACHABLE, 60)) == [STOOD_IN]
        assert codes(ask(here, elsewhere)) == [("REGISTRY_UNREACHABLE", "error")]
        here.registry.scopes[HOME] = "team-b"
        assert codes(ask(here, STALE_ALICE)) == [("REGISTRY_UNREACHABLE", "error")]
        here.registry.scopes[HOME] = "team-a"
        assert codes(ask(here, STALE_ALICE)) == [STOOD_IN]


def test_the_last_complete_listing_is_the_one() -> None:
    with world() as here:
        sign(here)
        assert codes(ask(here, STALE_ALICE)) == []
        here.clock.advance(60)
        unsign(here)
        assert codes(ask(here, STALE_ALICE)) == MISSING
        here.clock.advance(60)
        fail_places(here, Code.REGISTRY_UNREACHABLE)
        assert codes(ask(here, STALE_ALICE)) == [*MISSING, STOOD_IN]


@pytest.mark.parametrize("stage", [Stage.CHECK, Stage.VALIDATE])
def test_what_was_found_counts_before_what_was_listed_once(stage: Stage) -> None:
    """Without staleIfError it is allowed: one place says what suffices."""
    with world() as here:
        assert codes(ask(here, STALE_ALICE)) == MISSING
        here.clock.advance(60)
        sign(here)
        here.registry.fail_with("referrers", Code.REGISTRY_UNREACHABLE)
        assert codes(ask(here, BY_ALICE, stage)) == []
        assert ask(here, STALE_ALICE, stage).decision.verdict is Verdict.ALLOW


def really_asked(here: World, found: PolicySet, stage: Stage, seconds: float) -> list[tuple[str, str]]:
    """By a clock that goes by itself."""
    ahead = here.clock.monotonic() - time.monotonic()
    deadline = Deadline.after(seconds, lambda: time.monotonic() + ahead)
    (review,) = here.reviewer.review(found, [Subject(here.pinned)], stage, deadline)
    return codes(review)


@pytest.mark.parametrize("stage", [Stage.CHECK, Stage.VALIDATE])
def test_a_registry_that_hangs_leaves_time_for_what_stands_in(stage: Stage) -> None:
    found = []
    for _ in range(2):
        with world() as here:
            sign(here)
            assert codes(ask(here, STALE_ALICE)) == []
            here.clock.advance(60)
            give_up_after(here, 1.0, said=5.0)
            found.append(really_asked(here, STALE_ALICE, stage, 3.0))
    assert found == [[STOOD_IN]] * 2


@pytest.mark.parametrize("stage", [Stage.CHECK, Stage.VALIDATE])
def test_nothing_stands_in_where_the_registry_may_not_have_been_asked_yet(stage: Stage) -> None:
    """What keeps a question may be ours: another before it, a name that is looked up, a credential's program."""
    with world() as here:
        sign(here)
        assert codes(ask(here, STALE_ALICE)) == []
        here.clock.advance(60)
        holding = Held(here, *PLACES)
        assert really_asked(here, STALE_ALICE, stage, 3.0) == [("DEADLINE_EXCEEDED", "error")]
        holding.go.set()


@pytest.mark.parametrize(("slow", "counts"), [(4.0, 6.0), (9.0, 1.0), (11.0, 0.0)])
def test_what_is_listed_counts_from_its_beginning(slow: float, counts: float) -> None:
    """The first of its parts may be as old as that, and nobody has looked since."""
    with world() as here:
        sign(here)

        def take_time(method: str, _repository: Repository, _what: str) -> None:
            if method == "referrers":
                here.clock.advance(slow)

        here.registry.hook = take_time
        assert codes(ask(here, BY_ALICE, seconds=60.0)) == []
        here.registry.hook = None
        unsign(here)
        here.clock.advance(max(0.0, counts - 0.5))
        assert codes(ask(here, BY_ALICE)) == ([] if counts else MISSING)
        here.clock.advance(1.0)
        assert codes(ask(here, BY_ALICE)) == MISSING


def test_who_chooses_the_time_does_not_choose_that_a_registry_is_away() -> None:
    """Less than three seconds of silence say nothing, however little time there was: a client may choose it."""
    with world() as here:
        sign(here)
        assert codes(ask(here, STALE_ALICE)) == []
        here.clock.advance(60)
        for unanswered, expected in ((2.9, ("REGISTRY_TIMEOUT", "error")), (3.0, STOOD_IN)):
            for place in PLACES:
                here.registry.fail_with(place, Code.REGISTRY_TIMEOUT, unanswered)
            assert codes(ask(here, STALE_ALICE, seconds=1.0)) == [expected]


@pytest.mark.parametrize("code", [Code.REGISTRY_UNREACHABLE, Code.REGISTRY_TIMEOUT, Code.DEADLINE_EXCEEDED])
@pytest.mark.parametrize("unanswered", [0.0, 1.0])
def test_a_code_does_not_say_that_a_registry_was_asked(code: Code, unanswered: float) -> None:
    with world() as here:
        sign(here)
        assert codes(ask(here, STALE_ALICE)) == []
        here.clock.advance(60)
        for place in PLACES:
            here.registry.fail_with(place, code, unanswered)
        assert codes(ask(here, STALE_ALICE, seconds=60.0)) == [(str(code), "error")]


def test_a_place_that_hangs_is_no_matter_where_another_suffices() -> None:
    """In CI, as for one that fails (`test_a_place_that_fails`): it is waited for, and then there is enough."""
    found = []
    for _ in range(2):
        with world() as here:
            sign(here)
            holding = Held(here, "referrers")
            found.append(really_asked(here, BY_ALICE, Stage.CHECK, 3.0))
            holding.go.set()
    assert found == [[]] * 2


def test_a_registry_that_takes_all_its_time_leaves_some_for_what_stands_in() -> None:
    """It gives up by itself, when what it was told is its time is over."""
    with world() as here:
        sign(here)
        assert codes(ask(here, STALE_ALICE)) == []
        here.clock.advance(60)
        times: list[float] = []

        def take_time(method: str, _repository: Repository, _what: str) -> None:
            if method == "referrers":
                times.append(here.clock.monotonic())
                here.clock.advance(7)
            if method in PLACES:
                raise EvidenceUnavailable(Code.REGISTRY_TIMEOUT, "it gave up", remedy="retry", unanswered=7.0)

        here.registry.hook = take_time
        assert codes(ask(here, STALE_ALICE, seconds=10)) == [STOOD_IN]
        assert len(times) == 1


def test_nothing_stands_in_for_who_joined_a_flight_that_has_heard_the_registry() -> None:
    """Its own time runs out while the rest is waited for: what is gone from there is not brought back, either."""
    with world() as here:
        sign(here)
        assert codes(ask(here, STALE_ALICE)) == []
        here.clock.advance(1800)
        unsign(here)
        held = Held(here, "referrers")
        leader = Asking(lambda: ask(here, STALE_BOTH, seconds=60.0))
        assert held.entered.wait(30)
        until = time.monotonic() + 30
        while len(here.registry.log) < len(PLACES) and time.monotonic() < until:
            time.sleep(0.001)
        follower = ask(here, STALE_ALICE, seconds=1.0)
        held.go.set()
        assert codes(follower) == [("DEADLINE_EXCEEDED", "error")]
        assert codes(leader.end()) == MISSING


@pytest.mark.parametrize(("waits", "expected"), [(0.0, STOOD_IN), (40.0, ("DEADLINE_EXCEEDED", "error"))])
def test_nothing_stands_in_for_a_registry_that_was_asked_too_late(waits: float, expected: tuple[str, str]) -> None:
    """Its turn comes when there is no time left for an answer: that there is none is our doing."""
    with world() as here:
        sign(here)
        assert codes(ask(here, STALE_ALICE)) == []
        here.clock.advance(1800)
        fail_places(here, Code.DEADLINE_EXCEEDED)
        lanes, submit = here.reviewer._threads.lanes, here.reviewer._threads.lanes.submit

        def late(name: str, work: Callable[[], Any]) -> Future[Any]:
            here.clock.advance(waits)
            return submit(name, work)

        lanes.submit = late  # type: ignore[method-assign]
        found = ask(here, STALE_ALICE, seconds=100.0)
        assert codes(found) == [expected]


def test_nothing_stands_in_for_who_waits_in_vain_for_a_flight_that_may_have_asked_nobody() -> None:
    with world() as here:
        sign(here)
        assert codes(ask(here, STALE_ALICE)) == []
        here.clock.advance(1800)
        unsign(here)
        held = Held(here, *PLACES)
        leader = Asking(lambda: ask(here, STALE_BOTH, seconds=60.0))
        assert held.entered.wait(30)
        follower = ask(here, STALE_ALICE, seconds=1.0)
        held.go.set()
        assert codes(follower) == [("DEADLINE_EXCEEDED", "error")]
        assert codes(leader.end()) == MISSING


def test_nothing_stands_in_for_a_registry_that_we_did_not_ask() -> None:
    """It may be there: that too much else is under way here says nothing of it."""
    with world() as here:
        sign(here)
        assert codes(before_and_after(here, Code.OVERLOADED, 1800)) == [("OVERLOADED", "error")]


def test_who_has_time_is_not_told_that_another_had_none_for_another_try() -> None:
    """A registry wants a pause that the first has no time for; who joined its flight has."""
    with world() as here:
        sign(here)
        entered, go = threading.Event(), threading.Event()

        def refuse_once(_method: str, _repository: Repository, what: str) -> None:
            if what.endswith(".sig") and not entered.is_set():
                entered.set()
                assert go.wait(30)
                raise EvidenceUnavailable(Code.REGISTRY_RATE_LIMITED, "no request for 1 s", hurried=True)

        here.registry.hook = refuse_once
        hurried = Asking(lambda: ask(here, seconds=1.0))
        assert entered.wait(30)
        patient = Asking(lambda: ask(here, seconds=60.0))
        until = time.monotonic() + 0.2
        while time.monotonic() < until:  # it joins meanwhile, or asks for itself
            time.sleep(0.01)
        go.set()
        assert codes(hurried.end()) == [("REGISTRY_RATE_LIMITED", "error")]
        assert codes(patient.end()) == []


@pytest.mark.parametrize("place", ["referrers", "fallback"])
def test_nothing_stands_in_where_a_part_was_heard(place: str) -> None:
    """The registry can be reached, and what is gone from there is not brought back."""
    with world() as here:
        sign(here)
        assert codes(ask(here, STALE_ALICE)) == []
        here.clock.advance(1800)
        unsign(here)
        what = "referrers" if place == "referrers" else f"manifest:{here.digest.tag}"
        here.registry.fail_with(what, Code.REGISTRY_UNREACHABLE)
        assert codes(ask(here, STALE_ALICE)) == [("REGISTRY_UNREACHABLE", "error")]


def test_what_stood_in_for_want_of_time_is_nothing_to_who_has_time() -> None:
    """The first has no time for a registry that is slow and well; who joined its flight has, and sees what there is."""
    with world() as here:
        sign(here)
        assert codes(ask(here, STALE_ALICE)) == []
        here.clock.advance(1800)
        unsign(here)
        entered = give_up_after(here, 1.2, times=3, said=5.0)
        hurried = Asking(lambda: ask(here, STALE_ALICE, seconds=3.0))
        assert entered.wait(30)
        patient = Asking(lambda: ask(here, STALE_ALICE, seconds=60.0))
        assert codes(hurried.end()) == [STOOD_IN]
        assert codes(patient.end()) == MISSING


def test_what_stands_in_is_the_last_listing_even_if_that_was_too_large_to_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.review.lister._BOUNDS", Bounds(5_000, 4_000_000))
    with world() as here:
        sign(here)
        assert codes(ask(here, STALE_ALICE)) == []
        here.clock.advance(60)
        unsign(here)
        crowd(here, 900, 1000)
        assert codes(ask(here, STALE_ALICE)) == [("KEY_MISMATCH", "deny")]
        here.clock.advance(60)
        fail_places(here, Code.REGISTRY_UNREACHABLE)
        assert codes(ask(here, STALE_ALICE)) == [("REGISTRY_UNREACHABLE", "error")]


def crowd(here: World, count: int, beside: int) -> None:
    """As many signatures by somebody else, of one payload, each with so many bytes beside it."""
    sign(here, who="m")
    repository, tag = here.registry.repository(NAME), f"{here.digest.tag}.sig"
    document = json.loads(repository.content(tag) or b"")
    (layer,) = document["layers"]
    document["layers"] = [
        {**layer, "annotations": {**layer["annotations"], CHAIN: f"{number}".ljust(beside)}} for number in range(count)
    ]
    repository.manifest(document, tag)


@pytest.mark.parametrize("slow", [9.0, 11.0])
def test_evidence_counts_from_when_it_was_listed_however_slow_its_payloads_are(slow: float) -> None:
    with world() as here:
        sign(here, "bundle")

        def take_time(method: str, _repository: Repository, _what: str) -> None:
            if method == "blob":
                here.clock.advance(slow)

        here.registry.hook = take_time
        assert codes(ask(here, seconds=60)) == []
        unsign(here)
        here.clock.advance(max(0.0, EVIDENCE_SECONDS - slow))
        assert codes(ask(here, seconds=60)) == MISSING


# what processes share


def listings_in(store: DictStore) -> list[str]:
    return [key for key in store.values if key.startswith("listing:")]


@pytest.mark.parametrize("how", ["legacy", "bundle"])
def test_what_one_process_has_listed_another_need_not_ask_for(how: str) -> None:
    with world() as here, reviewers(here, 2, here.store) as (one, two):
        sign(here, how, ANNOTATED)
        assert codes(ask(here, reviewer=one)) == []
        assert len(listings_in(here.store)) == 1
        before = here.registry.calls.copy()
        found = ask(here, reviewer=two)
        assert codes(found) == []
        assert [s.signer for s in found.evidence.signatures] == [KeySigner(alice().public, PUBLIC_GOOD)]
        assert here.registry.calls == before  # neither the places nor the payload
        # a third, whose key is another, asks for itself
        with reviewers(here, 1, here.store, key=bytes(32)) as (third,):
            assert codes(ask(here, reviewer=third)) == []
            assert asked_places(here) > before["manifest"] + before["referrers"]


class Rounds(DictStore):
    """Writes down what is asked for together."""

    def __init__(self) -> None:
        super().__init__()
        self.rounds: list[list[str]] = []

    def get(self, keys: Sequence[str]) -> dict[str, bytes]:
        self.rounds.append(sorted(key.partition(":")[0] for key in keys))
        return super().get(keys)


@pytest.mark.parametrize("found", [BY_ALICE, STALE_ALICE])
def test_the_store_is_asked_once_for_the_listing_and_once_for_small_payloads(found: PolicySet) -> None:
    store = Rounds()
    with world() as here, reviewers(here, 2, store) as (one, two):
        for i in range(3):
            sign(here, "bundle", {"n": str(i)}, "m")
        sign(here, "bundle")
        # Who has listed looks whether there is a newer list before it puts its own there.
        for reviewer, listed in ((one, [["listing"]] * 2), (two, [["listing"]])):
            store.rounds.clear()
            assert codes(ask(here, found, reviewer=reviewer)) == []
            assert store.rounds == [*listed, ["blob"] * 4]
        # of a registry that has gone, too, what stands in is known from the first look
        here.clock.advance(EVIDENCE_SECONDS)
        fail_places(here, Code.REGISTRY_UNREACHABLE)
        with reviewers(here, 1, store) as (third,):
            store.rounds.clear()
            ask(here, found, reviewer=third)
            assert store.rounds == ([["listing"], ["blob"] * 4] if found is STALE_ALICE else [["listing"]])


def test_what_another_has_listed_counts_as_long_as_if_one_had_listed_it() -> None:
    with world() as here, reviewers(here, 2, here.store) as (one, two):
        sign(here)
        assert codes(ask(here, reviewer=one)) == []
        here.clock.advance(EVIDENCE_SECONDS)
        unsign(here)
        assert codes(ask(here, reviewer=two)) == MISSING


def test_an_unsigned_listing_of_another_counts_for_three_seconds() -> None:
    with world() as here, reviewers(here, 2, here.store) as (one, two):
        assert codes(ask(here, reviewer=one)) == MISSING
        sign(here)
        here.clock.advance(UNSIGNED_SECONDS - 0.01)
        before = asked_places(here)
        assert codes(ask(here, EITHER, reviewer=two)) == MISSING
        assert asked_places(here) == before
        with reviewers(here, 1, here.store) as (third,):
            here.clock.advance(0.01)
            assert codes(ask(here, reviewer=third)) == []


def test_credentials_share_nothing_through_a_store() -> None:
    with world() as here, reviewers(here, 2, here.store) as (one, two):
        here.registry.scopes[HOME] = "team-a"
        sign(here)
        assert codes(ask(here, reviewer=one)) == []
        here.registry.scopes[HOME] = "team-b"
        fail_places(here, Code.REGISTRY_UNAUTHORIZED)
        assert codes(ask(here, reviewer=two)) == [("REGISTRY_UNAUTHORIZED", "error")]


@pytest.mark.parametrize(
    ("seconds", "expected"), [(HOUR - 1, [STOOD_IN]), (HOUR + 1, [("REGISTRY_UNREACHABLE", "error")])]
)
def test_what_another_has_listed_stands_in(seconds: float, expected: list[tuple[str, str]]) -> None:
    """For a process that was started since: it has never reached the registry."""
    with world() as here, reviewers(here, 2, here.store) as (one, two):
        sign(here)
        assert codes(ask(here, STALE_ALICE, reviewer=one)) == []
        here.clock.advance(seconds)
        fail_places(here, Code.REGISTRY_UNREACHABLE)
        assert codes(ask(here, STALE_ALICE, reviewer=two)) == expected


def test_without_a_key_nothing_stands_in_for_a_new_process() -> None:
    with world() as here, reviewers(here, 2, here.store, key=None) as (one, two):
        sign(here)
        assert codes(ask(here, STALE_ALICE, reviewer=one)) == []
        here.clock.advance(60)
        fail_places(here, Code.REGISTRY_UNREACHABLE)
        assert codes(ask(here, STALE_ALICE, reviewer=one)) == [STOOD_IN]
        assert codes(ask(here, STALE_ALICE, reviewer=two)) == [("REGISTRY_UNREACHABLE", "error")]


def test_the_last_complete_listing_is_the_one_whoever_listed_it() -> None:
    """Signed; then it is taken away, and another process sees so first. This one denies, and later allows again."""
    with world() as here, reviewers(here, 2, here.store) as (one, two):
        sign(here)
        assert codes(ask(here, STALE_ALICE, reviewer=one)) == []
        here.clock.advance(60)
        unsign(here)
        assert codes(ask(here, STALE_ALICE, reviewer=two)) == MISSING
        here.clock.advance(1)
        assert codes(ask(here, STALE_ALICE, reviewer=one)) == MISSING  # by the other's listing
        here.clock.advance(60)
        fail_places(here, Code.REGISTRY_UNREACHABLE)
        assert codes(ask(here, STALE_ALICE, reviewer=two)) == [*MISSING, STOOD_IN]
        assert codes(ask(here, STALE_ALICE, reviewer=one)) == [*MISSING, STOOD_IN]


@pytest.mark.parametrize("stale", [True, False])
def test_without_a_key_nothing_but_what_proves_itself_is_kept(stale: bool) -> None:  # noqa: FBT001
    found = STALE_ALICE if stale else BY_ALICE
    with world() as here, reviewers(here, 1, here.store, key=None) as (one,):
        for i, how in enumerate(["legacy", "referrer-legacy", "bundle"]):
            sign(here, how, ANNOTATED)
            sign(here, how, {"n": str(i)}, who="m")
        assert codes(ask(here, found, reviewer=one)) == []
        here.clock.advance(EVIDENCE_SECONDS)
        unsign(here)
        assert codes(ask(here, found, reviewer=one)) == MISSING
        assert here.store.values
        for key, value in here.store.values.items():
            assert key == f"blob:{Digest.of(value)}"


def test_an_incomplete_listing_is_not_shared() -> None:
    with world() as here, reviewers(here, 2, here.store) as (one, two):
        sign(here)
        here.registry.fail_with("referrers", Code.REGISTRY_UNREACHABLE)
        assert codes(ask(here, STALE_ALICE, reviewer=one)) == []
        assert listings_in(here.store) == []
        fail_places(here, Code.REGISTRY_UNREACHABLE)
        assert codes(ask(here, STALE_ALICE, reviewer=two)) == [("REGISTRY_UNREACHABLE", "error")]


def test_what_sufficed_early_is_not_shared_before_it_is_all_there_is() -> None:
    with world() as here, reviewers(here, 2, here.store) as (one, two):
        sign(here)
        sign(here, "bundle", who="b")
        holding = Held(here, "referrers")
        assert codes(ask(here, EITHER, Stage.VALIDATE, reviewer=one, seconds=600)) == []
        assert listings_in(here.store) == []
        asking = Asking(lambda: ask(here, BOTH, Stage.VALIDATE, reviewer=two, seconds=600))
        assert asking.found == []
        holding.go.set()
        assert codes(asking.end()) == []
        assert len(listings_in(here.store)) == 1


# many at once


def test_two_hundred_at_once() -> None:
    with world(jobs=16) as here:
        sign(here, "legacy", ANNOTATED)
        together = threading.Barrier(200)
        found: list[ImageReview] = []

        def run() -> None:
            together.wait(60)
            found.append(ask(here, text=TAGGED, seconds=600))

        threads = [threading.Thread(target=run) for _ in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert [codes(one) for one in found] == [[]] * 200
        assert len({one.digest for one in found}) == 1
        assert dict(here.registry.calls) == {"resolve": 1, "manifest": 2, "referrers": 1, "blob": 1}
        assert sum(one.spent.requests for one in found) == 0  # the simulator sends none


def test_policies_of_different_trust_at_once_share_one_listing() -> None:
    """Fetching does not depend on who is trusted; judging does."""
    wanted = [policies(policy([{"signature": {"by": by}}])) for by in (["a"], ["a", "b"], ["a", "m"], ["a", "b", "m"])]
    with world(jobs=16) as here:
        sign(here, "bundle")
        holding = Held(here, "referrers")

        def asks(found: PolicySet) -> Asking:
            return Asking(lambda: ask(here, found, seconds=600))

        asking = [asks(found) for found in wanted]
        gatherer = here.reviewer._gatherer
        while len(gatherer._evidence._flights) < len(wanted):
            threading.Event().wait(0.001)
        assert holding.entered.wait(30)
        assert len(gatherer._lister._growing._flights) == 1
        holding.go.set()
        assert [codes(one.end()) for one in asking] == [[]] * 4
        assert here.registry.calls["referrers"] <= 2  # one more, if somebody was about to join as it landed


# memory


class Payload(bytes):
    """Bytes that are counted as long as somebody has them."""

    alive = 0

    def __new__(cls, content: bytes) -> Self:
        cls.alive += 1
        return super().__new__(cls, content)

    def __del__(self) -> None:
        Payload.alive -= 1


class CountingRegistry(RegistrySimulator):
    """Its blobs are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0

    def blob(self, repository: Repository, descriptor: Descriptor, limit: int, deadline: Deadline) -> Content:
        content = super().blob(repository, descriptor, limit, deadline).read()
        found = InMemory(Payload(content), descriptor.digest.algorithm)
        self.most = max(self.most, Payload.alive)
        return found


def large(annotations: dict[str, str], size: int) -> dict[str, str]:
    return {**annotations, **{f"k{i}": "x" * 1000 for i in range(size // 1000)}}


@pytest.mark.parametrize("size", [0, 200_000])
def test_nothing_of_a_payload_stays_in_memory(size: int) -> None:
    with world() as here:
        registry = CountingRegistry()
        reviewer = Reviewer(registry, here.roots, here.clock.monotonic, here.clock.now, jobs=4)
        digest = registry.push_image(NAME, "v1")
        assert digest == here.digest
        for i in range(20):
            registry.sign_legacy(NAME, digest, mallory(), large({"n": str(i)}, size))
            registry.sign_bundle(NAME, digest, mallory(), large({"n": str(i)}, size))
        registry.sign_legacy(NAME, digest, alice(), {"n": "last"})
        for found in (BY_ALICE, STALE_ALICE, BOTH):
            ask(here, found, reviewer=reviewer)
        assert codes(ask(here, reviewer=reviewer)) == []
        assert registry.calls["blob"] >= 41
        reviewer.close()
        gc.collect()
        assert Payload.alive == 0
        # nor was more there at a time than are fetched ahead
        assert registry.most <= 20


def test_what_is_large_and_by_nobody_is_not_kept_in_the_store() -> None:
    with world() as here:
        here.registry.sign_legacy(NAME, here.digest, mallory(), large({}, 200_000))
        assert codes(ask(here)) == [("KEY_MISMATCH", "deny")]
        assert here.store.values == {}
        here.registry.sign_legacy(NAME, here.digest, alice(), large({}, 200_000))
        here.clock.advance(EVIDENCE_SECONDS)
        assert codes(ask(here)) == []
        assert [len(value) > 200_000 for value in here.store.values.values()] == [True]


def test_what_is_remembered_of_candidates_is_bounded_with_all_of_it() -> None:
    payload = b"{}"
    examiner = Examiner(AtHand({Digest.of(payload): payload}), NoRoots())
    for i in range(40):
        image = Digest.of(str(i).encode())
        beside = {"x": str(i) + "y" * 1024 * 1024}
        layer = Descriptor(cosign.SIMPLE_SIGNING, Digest.of(payload), len(payload), beside)
        listing = Listing(image, (Listed(Format.LEGACY, layer),))
        place = Place(Storage(HOME), image, "", HOME, attestations=False)
        found = examiner.examine(place, listing, TrustNeeds(), SettableClock().deadline())
        assert len(found.rejected) == 1
    known = examiner._rejected._known
    assert len(known) == 40
    assert all(len(part) < 1000 for key in known for part in key if isinstance(part, str | bytes))


def test_what_anybody_can_make_drives_out_nothing_that_verifies() -> None:
    with world() as here:
        sign(here, "bundle")
        assert codes(ask(here)) == []
        examiner = here.reviewer._gatherer._examiner
        image = Digest.of(b"another")
        place = Place(Storage(HOME), image, "", HOME, attestations=False)
        payload = b"{}"
        junk = Examiner(AtHand({Digest.of(payload): payload}), NoRoots())
        junk._rejected, junk._verified = examiner._rejected, examiner._verified
        for start in range(0, 6000, 1000):
            layers = [
                Descriptor(cosign.SIMPLE_SIGNING, Digest.of(payload), len(payload), {"x": str(start + i)})
                for i in range(1000)
            ]
            listing = Listing(image, tuple(Listed(Format.LEGACY, layer) for layer in layers))
            assert len(junk.examine(place, listing, TrustNeeds(), SettableClock().deadline()).rejected) == 1000
        assert len(examiner._rejected._known) <= MAX_REJECTED_BYTES // 1000
        assert len(examiner._verified._known) == 1


def test_what_came_of_a_candidate_is_remembered_once() -> None:
    """Where trust has changed since, the last counts, and the one before it is gone."""
    with world() as here:
        sign(here, "bundle")
        assert codes(ask(here)) == []
        examiner = here.reviewer._gatherer._examiner
        ((key, known),) = examiner._verified._known.items()
        rejection = Rejection(Format.BUNDLE, here.digest, Code.KEY_MISMATCH, "no more")
        examiner.remember(key, replace(known, result=rejection))
        found = examiner.known(key)
        assert found is not None
        assert found.result is rejection
        examiner.remember(key, known)
        assert examiner.known(key) is known
        assert (len(examiner._verified._known), len(examiner._rejected._known)) == (1, 0)


def test_a_storage_with_a_prefix_is_another_place() -> None:
    prefixed = Storage(HOME, "team-")
    found = policies(policy([{"signature": {"by": "a", "tagPrefix": prefixed.tag_prefix}}]))
    with world() as here:
        repository = here.registry.repository(NAME)
        payload, named = alice().simple_signing(here.digest, NAME)
        repository.append(f"team-{here.digest.tag}.sig", Layer(cosign.SIMPLE_SIGNING, payload, named))
        assert codes(ask(here)) == MISSING
        assert codes(ask(here, found)) == []
        assert codes(ask(here)) == MISSING
        assert json.loads(payload)["critical"]["identity"]["docker-reference"] == NAME


def test_those_who_trust_differently_share_a_payload() -> None:
    with world() as here:
        sign(here, "bundle")
        held = Held(here, "blob")
        bobs = policies(policy([{"signature": {"by": "b"}}]))
        asking = [Asking(lambda f=found: ask(here, f, Stage.CHECK)) for found in (BY_ALICE, bobs)]  # type: ignore[misc]
        assert held.entered.wait(30)
        flights = here.reviewer._gatherer._contents._downloads._flights
        until = time.monotonic() + 30
        while sum(flight.readers for flight in list(flights.values())) < 2 and time.monotonic() < until:
            time.sleep(0.001)
        held.go.set()
        assert [codes(one.end()) for one in asking] == [[], [("KEY_MISMATCH", "deny")]]
        assert here.registry.calls["blob"] == 1
