from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from gate.codes import Code
from gate.demo.images import BUNDLE, COSIGN_ARTIFACT, Layer
from gate.evidence import cosign
from gate.evidence.facts import Format, KeySigner
from gate.image.digest import Digest
from gate.image.manifest import MAX_ENTRIES
from gate.image.reference import Reference
from gate.policy.finding import Verdict
from gate.policy.identity import IdentityPattern, TextPattern
from gate.policy.matching import Workload
from gate.policy.patterns import ImagePattern
from gate.policy.plan import Stage
from gate.policy.policy import Match, Mode, Policy, Rule, SignatureRequirement
from gate.policy.policy_set import PolicySet
from gate.policy.signers import KeylessSpec, One
from gate.policy.trust import PUBLIC_GOOD, SIGSTORE, BuiltInRoot
from gate.review.limits import MAX_CANDIDATES, MAX_PAYLOADS
from gate.review.lister import EVIDENCE_SECONDS
from gate.review.review import TAG_SECONDS, Subject
from gate.trust.root import TrustedRoot
from tests.fakes.clients import soon
from tests.fakes.fulcio import ISSUER, SUBJECT, Profile
from tests.fakes.signing import alice, bob, mallory
from tests.fakes.signing_authority import Signature, encode, shared_world, statement
from tests.unit.policy.build import ALLOW, SIGNED, config, policies, policy
from tests.unit.review.build import NAME, TAGGED, World, world

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.image.reference import Repository
    from gate.policy.trust import TrustRoot
    from gate.review.review import ImageReview

BY_ALICE = policies(policy(SIGNED))
BY_BOTH = policies(policy([{"signature": {"by": {"all": ["a", "b"]}}}]))
MISSING = [("SIGNATURE_MISSING", "deny")]
TOO_LARGE = ("RESPONSE_TOO_LARGE", "error")
FORMATS = ["legacy", "referrer-legacy", "bundle"]


def sign(here: World, how: str, key: str = "a", digest: Digest | None = None, name: str = NAME) -> Digest:
    signing_key = {"a": alice, "b": bob, "m": mallory}[key]()
    about = digest or here.digest
    match how:
        case "legacy":
            return here.registry.sign_legacy(name, about, signing_key)
        case "annotated":  # a payload that has to be read
            return here.registry.sign_legacy(name, about, signing_key, {"stage": "test"})
        case "referrer-legacy":
            return here.registry.sign_referrer_legacy(name, about, signing_key)
        case _:
            return here.registry.sign_bundle(name, about, signing_key)


@pytest.mark.parametrize("referrers_api", [True, False])
@pytest.mark.parametrize("how", FORMATS)
def test_every_storage(how: str, referrers_api: bool) -> None:  # noqa: FBT001
    with world(referrers_api=referrers_api) as here:
        assert here.codes(BY_ALICE) == MISSING
        here.clock.advance(EVIDENCE_SECONDS)
        sign(here, how)
        found = here.review(BY_ALICE)
        assert found.decision.verdict is Verdict.ALLOW
        assert found.resolved == f"{TAGGED}@{here.digest}"
        (signature,) = found.evidence.signatures
        assert (signature.format, signature.signer) == (Format(how), KeySigner(alice().public, PUBLIC_GOOD))


@pytest.mark.parametrize("how", FORMATS)
def test_another_key_in_every_storage(how: str) -> None:
    with world() as here:
        sign(here, how, "m")
        assert here.codes(BY_ALICE) == [("KEY_MISMATCH", "deny")]


def test_signatures_of_two_storages_count_together() -> None:
    with world() as here:
        sign(here, "legacy", "a")
        assert here.codes(BY_BOTH) == [("SIGNERS_TOO_FEW", "deny")]
        here.clock.advance(EVIDENCE_SECONDS)
        sign(here, "bundle", "b")
        assert here.codes(BY_BOTH) == []


@pytest.mark.parametrize("how", FORMATS)
def test_a_signature_of_another_image_is_none_of_this(how: str) -> None:
    with world() as here:
        other = here.registry.push_image(NAME, "other", "other")
        sign(here, how, "a", other)
        assert here.codes(BY_ALICE) == MISSING


def places(here: World) -> list[str]:
    return [f"manifest:{here.digest.tag}.sig", f"manifest:{here.digest.tag}", "referrers"]


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("code", [Code.REGISTRY_TIMEOUT, Code.REGISTRY_UNAUTHORIZED, Code.REGISTRY_RATE_LIMITED])
def test_a_place_that_fails(place: int, code: Code) -> None:
    # what was stored in another place suffices; without, nobody says that it is not signed
    elsewhere = ["bundle", "legacy", "legacy"][place]
    with world() as here:
        here.registry.fail_with(places(here)[place], code)
        assert here.codes(BY_ALICE) == [(str(code), "error")]
        sign(here, elsewhere)
        assert here.codes(BY_ALICE) == []
        assert here.codes(BY_BOTH) == [(str(code), "error")]


def test_every_place_that_fails_is_said() -> None:
    with world() as here:
        for place, code in zip(
            places(here), (Code.REGISTRY_TIMEOUT, Code.REGISTRY_PROTOCOL, Code.REGISTRY_RATE_LIMITED), strict=True
        ):
            here.registry.fail_with(place, code)
        expected = ["REGISTRY_PROTOCOL", "REGISTRY_RATE_LIMITED", "REGISTRY_TIMEOUT"]
        assert here.codes(BY_ALICE) == [(c, "error") for c in expected]


def test_a_payload_that_cannot_be_read() -> None:
    with world() as here:
        sign(here, "annotated")
        repository = here.registry.repository(NAME)
        manifest = here.registry.manifest(Reference.parse(NAME).name, f"{here.digest.tag}.sig", here.clock.deadline())
        assert manifest is not None
        for blob in list(repository.blobs):
            repository.blobs[blob] = b"other content"
        assert here.codes(BY_ALICE) == [("REGISTRY_PROTOCOL", "error")]
        sign(here, "bundle")
        here.clock.advance(EVIDENCE_SECONDS)
        assert here.codes(BY_ALICE) == []


def test_what_is_no_manifest() -> None:
    elsewhere = policies(policy([{"signature": {"by": "a", "repository": "registry.test/acme/signatures"}}]))
    with world() as here:
        empty = Digest.of(b"{}")
        here.registry.repository(NAME).manifests[empty] = b"{}"
        assert here.codes(elsewhere, f"{NAME}@{empty}") == [("REGISTRY_PROTOCOL", "error")]


@pytest.mark.parametrize(
    "text", [f"{NAME}:gone", "registry.test/gone:v1", f"{NAME}@{Digest.of(b'gone')}", f"{TAGGED}@{Digest.of(b'gone')}"]
)
def test_an_image_that_is_not_there(text: str) -> None:
    with world() as here:
        assert here.codes(BY_ALICE, text) == [("IMAGE_NOT_FOUND", "error")]
        assert here.codes(policies(policy(SIGNED, mode="warn")), text) == [("IMAGE_NOT_FOUND", "warn")]


def test_a_tag_that_cannot_be_resolved() -> None:
    with world() as here:
        sign(here, "legacy")
        here.registry.fail_with("resolve", Code.REGISTRY_UNREACHABLE)
        found = here.review(BY_ALICE)
        assert [f.code for f in found.decision.findings if f.verdict.stops] == [Code.REGISTRY_UNREACHABLE]
        assert (found.digest, found.resolved, found.pin) == (None, None, None)
        here.registry.heal()
        assert here.codes(BY_ALICE) == []


def test_signatures_kept_elsewhere() -> None:
    elsewhere = "registry.test/acme/signatures"
    found = policies(policy([{"signature": {"by": "a", "repository": elsewhere}}]))
    with world() as here:
        # the image is there and nobody signed it: that its signatures' repository has no image means nothing
        sign(here, "legacy")
        assert here.codes(found) == MISSING
        here.clock.advance(EVIDENCE_SECONDS)
        here.registry.repository(elsewhere).sign_legacy(here.digest, alice(), NAME)
        assert here.codes(found) == []
        assert here.codes(found, f"{NAME}@{Digest.of(b'gone')}") == [("IMAGE_NOT_FOUND", "error")]


@pytest.mark.parametrize(
    ("count", "code"),
    [(MAX_PAYLOADS, ("KEY_MISMATCH", "deny")), (MAX_PAYLOADS + 1, TOO_LARGE), (MAX_ENTRIES, TOO_LARGE)],
)
def test_many_payloads(count: int, code: tuple[str, str]) -> None:
    with world() as here:
        sign(here, "annotated", "m")
        repository = here.registry.repository(NAME)
        tag = f"{here.digest.tag}.sig"
        manifest = json.loads(repository.content(tag) or b"")
        payloads = [f'{{"number": {i}}}'.encode() for i in range(count - 1)]
        layer = manifest["layers"][0]
        manifest["layers"] += [{**layer, "digest": str(repository.blob(p)), "size": len(p)} for p in payloads]
        repository.manifest(manifest, tag)
        assert here.codes(BY_ALICE) == [code]
        assert here.registry.calls["blob"] == MAX_PAYLOADS
        # one that comes after the last that is read is not called missing
        sign(here, "bundle")
        here.clock.advance(EVIDENCE_SECONDS)
        assert here.codes(BY_ALICE) == [TOO_LARGE]


def test_one_payload_with_many_signatures_is_read_once() -> None:
    with world() as here:
        for _ in range(150):
            sign(here, "annotated", "m")
        sign(here, "annotated", "a")
        assert here.codes(BY_ALICE) == []
        assert here.registry.calls["blob"] == 1


def test_an_early_signature_suffices_although_the_list_was_cut() -> None:
    with world() as here:
        sign(here, "legacy", "a")
        for i in range(MAX_PAYLOADS + 5):
            here.registry.sign_legacy(NAME, here.digest, mallory(), {"n": str(i)})
        found = here.review(BY_ALICE)
        assert found.decision.verdict is Verdict.ALLOW
        assert [u.code for u in found.evidence.unavailable] == [Code.RESPONSE_TOO_LARGE]


def test_too_many_referrers() -> None:
    with world() as here:
        for i in range(101):
            here.registry.sign_bundle(NAME, here.digest, mallory(), {"n": str(i)})
        assert here.codes(BY_ALICE) == [("RESPONSE_TOO_LARGE", "error")]
        sign(here, "legacy")
        here.clock.advance(EVIDENCE_SECONDS)
        assert here.codes(BY_ALICE) == []


def test_an_attestation_by_a_trusted_key_is_no_signature() -> None:
    with world() as here:
        repository = here.registry.repository(NAME)
        repository.sign_bundle(here.digest, alice(), predicate_type="https://spdx.dev/Document")
        assert here.codes(BY_ALICE) == MISSING
        here.clock.advance(EVIDENCE_SECONDS)
        # nor where the unsigned annotation lies about it
        attestation = alice().bundle(here.digest, predicate_type="https://spdx.dev/Document")
        repository.attach(here.digest, BUNDLE, [Layer(BUNDLE, attestation)])
        here.clock.advance(EVIDENCE_SECONDS)
        assert here.codes(BY_ALICE) == MISSING
        found = here.review(BY_ALICE).evidence
        assert (found.signatures, found.rejected) == ((), ())
        assert {(a.signer, a.predicate_type) for a in found.attestations} == {
            (KeySigner(alice().public, PUBLIC_GOOD), "https://spdx.dev/Document")
        }


# one image, one digest


@pytest.mark.parametrize("stage", [Stage.CHECK, Stage.MUTATE])
@pytest.mark.parametrize("cache", [True, False])
def test_a_tag_with_two_digests_is_resolved_once(stage: Stage, cache: bool) -> None:  # noqa: FBT001
    with world(cache=cache) as here:
        evil = here.registry.push_image(NAME, "evil", "evil")
        sign(here, "legacy")
        here.registry.set_tag(NAME, "v1", here.digest, evil)
        found = here.review(BY_ALICE, stage=stage, workload=Workload("Pod"))
        assert here.registry.calls["resolve"] == 1
        assert (found.digest, found.pin) == (here.digest, here.pinned)
        assert found.decision.verdict is Verdict.ALLOW
        asked = {what for method, _, what in here.registry.log if method in ("manifest", "referrers")}
        assert not any(evil.hex in what for what in asked)


def test_the_digest_that_was_judged_is_the_one_reported() -> None:
    with world() as here:
        evil = here.registry.push_image(NAME, "evil", "evil")
        sign(here, "legacy")
        here.registry.set_tag(NAME, "v1", evil, here.digest)
        found = here.review(BY_ALICE)
        assert (found.decision.verdict, found.digest, found.pin) == (Verdict.DENY, evil, None)


def test_a_written_digest_is_not_resolved() -> None:
    with world() as here:
        sign(here, "legacy")
        found = here.review(BY_ALICE, here.pinned)
        assert (found.digest, found.resolved, found.pin) == (here.digest, here.pinned, None)
        assert here.registry.calls["resolve"] == 0


@pytest.mark.parametrize("cache", [True, False])
def test_the_same_image_twice_in_one_review(cache: bool) -> None:  # noqa: FBT001
    with world(cache=cache) as here:
        sign(here, "legacy")
        subjects = [Subject(TAGGED), Subject(TAGGED), Subject(TAGGED)]
        found = here.reviewer.review(BY_ALICE, subjects, Stage.CHECK, here.clock.deadline())
        assert [r.decision.verdict for r in found] == [Verdict.ALLOW] * 3
        once = here.registry.calls.copy()
        assert (once["resolve"], once["referrers"]) == (1, 1)


def test_results_stand_in_the_order_of_the_subjects() -> None:
    with world(jobs=2) as here:
        sign(here, "legacy")
        texts = [TAGGED, "not a reference!", f"{NAME}:gone", here.pinned, f"{NAME}:latest", TAGGED]
        found = here.reviewer.review(BY_ALICE, [Subject(t) for t in texts], Stage.CHECK, here.clock.deadline())
        assert [r.subject.text for r in found] == texts
        assert [str(r.decision.verdict) for r in found] == ["allow", "deny", "error", "allow", "error", "allow"]
        assert found[1].reference is None
        assert found[1].decision.findings[0].code is Code.REFERENCE_INVALID


def test_no_images() -> None:
    with world() as here:
        assert here.reviewer.review(BY_ALICE, [], Stage.CHECK, here.clock.deadline()) == ()


def test_nothing_is_fetched_where_nothing_is_needed() -> None:
    with world() as here:
        assert here.review(policies(policy(ALLOW))).resolved is None
        assert here.codes(policies()) == [("NO_POLICY_MATCHED", "deny")]
        assert here.codes(policies(policy([{"deny": {}}, *SIGNED]))) == [("DENIED_BY_POLICY", "deny")]
        assert here.codes(policies(policy(SIGNED), config(excludeNamespaces=["x"]))) == MISSING
        calls = here.registry.calls.total()
        here.review(policies(policy(SIGNED), config(excludeNamespaces=["x"])), workload=Workload("Pod", "x"))
        assert here.registry.calls.total() == calls


def test_mutate_resolves_and_asks_nothing_else() -> None:
    with world() as here:
        found = here.review(BY_ALICE, stage=Stage.MUTATE, workload=Workload("Pod"))
        assert (found.pin, found.decision.findings) == (here.pinned, ())
        assert dict(here.registry.calls) == {"resolve": 1}


# many at once


def at_once(here: World, count: int) -> list[ImageReview]:
    results: list[ImageReview] = []
    barrier = threading.Barrier(count)

    def run() -> None:
        barrier.wait(30)
        results.append(here.review(BY_ALICE))

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def test_twenty_at_once_collect_once() -> None:
    with world(jobs=20) as here:
        sign(here, "annotated")
        found = at_once(here, 20)
        assert [r.decision.verdict for r in found] == [Verdict.ALLOW] * 20
        assert dict(here.registry.calls) == {"resolve": 1, "manifest": 2, "referrers": 1, "blob": 1}


def test_a_waiter_keeps_its_own_deadline() -> None:
    with world() as here:
        sign(here, "legacy")
        entered, go = threading.Event(), threading.Event()

        def hold(method: str, _repository: Repository, _what: str) -> None:
            if method == "referrers":
                entered.set()
                assert go.wait(30)

        here.registry.hook = hold
        results: list[ImageReview] = []
        patient = threading.Thread(target=lambda: results.append(here.review(BY_ALICE)))
        patient.start()
        assert entered.wait(30)
        (hurried,) = here.reviewer.review(BY_ALICE, [Subject(here.pinned)], Stage.CHECK, here.clock.deadline(0))
        assert [(f.code, f.verdict) for f in hurried.decision.findings] == [(Code.DEADLINE_EXCEEDED, Verdict.ERROR)]
        go.set()
        patient.join(30)
        assert [r.decision.verdict for r in results] == [Verdict.ALLOW]
        assert here.registry.calls["referrers"] == 1


def test_a_failure_is_shared_with_those_who_wait_and_not_kept() -> None:
    with world(jobs=20) as here:
        sign(here, "legacy")
        here.registry.fail_with("resolve", Code.REGISTRY_TIMEOUT)
        found = at_once(here, 10)
        assert {r.decision.verdict for r in found} == {Verdict.ERROR}
        here.registry.heal()
        assert here.codes(BY_ALICE) == []


# what is kept


def test_nothing_is_asked_twice_within_seconds() -> None:
    with world() as here:
        sign(here, "legacy")
        assert here.codes(BY_ALICE) == []
        before = here.registry.calls.total()
        assert here.codes(BY_ALICE) == []
        # another policy judges the same evidence, with its own keys
        assert here.codes(BY_BOTH) == [("SIGNERS_TOO_FEW", "deny")]
        assert here.codes(BY_ALICE, here.pinned) == []
        assert here.registry.calls.total() == before


def test_what_is_kept_expires() -> None:
    with world() as here:
        assert here.codes(BY_ALICE) == MISSING
        sign(here, "legacy")
        assert here.codes(BY_ALICE) == MISSING
        here.clock.advance(EVIDENCE_SECONDS)
        assert here.codes(BY_ALICE) == []
        new = here.registry.push_image(NAME, "v1", "v2")
        assert here.review(BY_ALICE).digest == here.digest
        here.clock.advance(TAG_SECONDS)
        assert here.review(BY_ALICE).digest == new
        assert here.codes(BY_ALICE) == MISSING


def test_without_a_cache_everything_is_asked_again() -> None:
    with world(cache=False) as here:
        assert here.codes(BY_ALICE) == MISSING
        sign(here, "legacy")
        assert here.codes(BY_ALICE) == []
        assert here.registry.calls["resolve"] == 2


@pytest.mark.parametrize("place", range(3))
def test_an_incomplete_listing_is_not_kept(place: int) -> None:
    with world() as here:
        here.registry.fail_with(places(here)[place], Code.REGISTRY_TIMEOUT)
        assert here.codes(BY_ALICE) == [("REGISTRY_TIMEOUT", "error")]
        here.registry.heal()
        assert here.codes(BY_ALICE) == MISSING


def test_other_credentials_see_for_themselves() -> None:
    name = Reference.parse(NAME).name
    with world() as here:
        here.registry.scopes[name] = "team-a"
        sign(here, "legacy")
        assert here.codes(BY_ALICE) == []
        before = here.registry.calls.copy()
        here.registry.scopes[name] = "team-b"
        assert here.codes(BY_ALICE) == []
        assert here.registry.calls["resolve"] == before["resolve"] + 1
        assert here.registry.calls["referrers"] == before["referrers"] + 1
        here.registry.scopes[name] = "team-c"
        here.registry.fail_with("referrers", Code.REGISTRY_UNAUTHORIZED)
        here.registry.fail_with("manifest", Code.REGISTRY_UNAUTHORIZED)
        assert set(here.codes(BY_ALICE)) == {("REGISTRY_UNAUTHORIZED", "error")}
        here.registry.scopes[name] = "team-a"
        assert here.codes(BY_ALICE) == []


# deadlines


def test_images_whose_turn_never_came_end_together() -> None:
    """However many there are, there is one moment of grace for all of them."""
    go = threading.Event()
    with world(jobs=1) as here:

        def hold(*_: object) -> None:
            go.wait(60)

        here.registry.hook = hold
        subjects = [Subject(f"{NAME}:v{n}") for n in range(400)]
        begun = time.monotonic()
        found = here.reviewer.review(BY_ALICE, subjects, Stage.CHECK, soon(0.1))
        assert time.monotonic() - begun < 10  # one moment each were twenty seconds
        go.set()
        assert {str(f.code) for review in found for f in review.decision.findings[:1]} == {"DEADLINE_EXCEEDED"}


def test_a_review_has_a_thread_of_its_own_whatever_others_wait_for() -> None:
    go = threading.Event()
    with world(jobs=2) as here, ThreadPoolExecutor(4) as callers:
        sign(here, "legacy")
        others = [here.registry.push_image("other.test/x", f"v{n}", f"{n}") for n in range(8)]

        def hold(_method: str, repository: Repository, _what: str) -> None:
            if repository.registry == "other.test":
                go.wait(60)

        here.registry.hook = hold
        held = [Subject(f"other.test/x@{other}") for other in others]
        waiting = [
            callers.submit(here.reviewer.review, BY_ALICE, held[n : n + 2], Stage.CHECK, soon(60)) for n in (0, 2, 4, 6)
        ]
        while here.registry.calls.total() < 4:  # both threads for images, and those of the reviews' own, are held
            time.sleep(0.001)
        assert here.codes(BY_ALICE) == []
        assert not any(one.done() for one in waiting)
        go.set()
        assert all(one.result(60) for one in waiting)


def test_no_time_at_all() -> None:
    with world() as here:
        sign(here, "legacy")
        subjects = [Subject(TAGGED), Subject(here.pinned)]
        for found in here.reviewer.review(BY_ALICE, subjects, Stage.CHECK, here.clock.deadline(0)):
            assert found.decision.verdict is Verdict.ERROR
            assert {f.code for f in found.decision.findings if f.verdict.stops} == {Code.DEADLINE_EXCEEDED}
        assert here.codes(BY_ALICE) == []


@pytest.mark.parametrize("method", ["resolve", "manifest", "referrers", "blob"])
def test_time_that_runs_out_on_the_way(method: str) -> None:
    with world() as here:
        sign(here, "bundle")
        here.registry.hook = lambda asked, _repository, _what: here.clock.advance(11) if asked == method else None
        found = here.review(BY_ALICE)
        assert found.decision.verdict is Verdict.ERROR
        assert {f.code for f in found.decision.findings if f.verdict.stops} == {Code.DEADLINE_EXCEEDED}
        here.registry.hook = None
        assert here.codes(BY_ALICE) == []


def test_a_registry_that_never_answers() -> None:
    go = threading.Event()
    with world() as here:

        def hold(*_: object) -> None:
            assert go.wait(30)

        here.registry.hook = hold
        (found,) = here.reviewer.review(BY_ALICE, [Subject(TAGGED)], Stage.CHECK, here.clock.deadline(0.05))
        go.set()
        assert [f.code for f in found.decision.findings if f.verdict.stops] == [Code.DEADLINE_EXCEEDED]
        assert "ran out" in found.decision.findings[0].message


def test_what_is_cached_needs_no_time() -> None:
    with world() as here:
        sign(here, "legacy")
        assert here.codes(BY_ALICE) == []
        (found,) = here.reviewer.review(BY_ALICE, [Subject(TAGGED)], Stage.CHECK, here.clock.deadline(0))
        assert found.decision.verdict is Verdict.ALLOW


def test_what_is_cached_is_at_hand_only_where_nobody_has_to_be_asked_for_the_scope() -> None:
    with world() as here:
        sign(here, "legacy")
        assert here.codes(BY_ALICE) == []
        asked = here.registry.calls.total()
        here.registry.unknown_scopes.add(Reference.parse(NAME).name)
        # from the cache all the same, once the scope is known
        assert here.codes(BY_ALICE) == []
        assert here.registry.calls.total() == asked
        (found,) = here.reviewer.review(BY_ALICE, [Subject(TAGGED)], Stage.CHECK, here.clock.deadline(0))
        assert [f.code for f in found.decision.findings if f.verdict.stops] == [Code.DEADLINE_EXCEEDED]


def test_credentials_that_cannot_be_had_are_an_inability() -> None:
    with world() as here:
        sign(here, "legacy")
        here.registry.fail_with("scope", Code.REGISTRY_UNAUTHORIZED)
        here.registry.unknown_scopes.add(Reference.parse(NAME).name)
        for text in (TAGGED, here.pinned):
            found = here.review(BY_ALICE, text)
            assert [(f.code, f.verdict) for f in found.decision.findings if f.verdict.stops] == [
                (Code.REGISTRY_UNAUTHORIZED, Verdict.ERROR)
            ]
        assert here.registry.calls.total() == 0


def held_by(go: threading.Event, registry: str = "") -> Callable[[str, Repository, str], None]:
    """A hook that holds what is asked, of one registry or of all, until it is let go."""

    def hold(_method: str, repository: Repository, _what: str) -> None:
        if registry in ("", repository.registry):
            assert go.wait(30)

    return hold


def waits_until(done: Callable[[], bool]) -> None:
    while not done():
        threading.Event().wait(0.001)


@pytest.mark.parametrize("mode", ["enforce", "warn", "audit"])
@pytest.mark.parametrize("twice", [True, False])
def test_images_that_are_not_judged_in_time(mode: str, twice: bool) -> None:  # noqa: FBT001
    """Each by itself, one that stands twice too: it was an exception that no mode had a say in."""
    found = policies(policy(SIGNED, mode=mode), config(unmatched="audit"))
    texts = [f"registry.test/slow/{i}:v1" for i in range(10)]
    texts += [texts[-1], texts[0]] if twice else []
    go = threading.Event()
    with world() as here:
        here.registry.hook = held_by(go)
        reviews = here.reviewer.review(found, [Subject(t) for t in texts], Stage.CHECK, here.clock.deadline(0.02))
        go.set()
    assert [r.subject.text for r in reviews] == texts
    verdict = {"enforce": Verdict.ERROR, "warn": Verdict.WARN, "audit": Verdict.ALLOW}[mode]
    assert [r.decision.verdict for r in reviews] == [verdict] * len(texts)
    for review in reviews:
        assert (Code.DEADLINE_EXCEEDED, verdict) in {(f.code, f.verdict) for f in review.decision.findings}


def test_who_has_more_time_than_the_leader_is_not_cut_short_with_it() -> None:
    with world() as here:
        sign(here, "legacy")
        entered, go = threading.Event(), threading.Event()

        def hold(_method: str, _repository: Repository, what: str) -> None:
            if what.endswith(".sig") and not entered.is_set():
                entered.set()
                assert go.wait(30)

        here.registry.hook = hold
        reviews: dict[str, ImageReview] = {}

        def run(who: str, seconds: float) -> None:
            subject = Subject(here.pinned)
            (reviews[who],) = here.reviewer.review(BY_ALICE, [subject], Stage.CHECK, here.clock.deadline(seconds))

        hurried = threading.Thread(target=run, args=("hurried", 20))
        hurried.start()
        assert entered.wait(30)
        patient = threading.Thread(target=run, args=("patient", 600))
        patient.start()
        here.clock.advance(21)
        go.set()
        hurried.join(30)
        patient.join(30)
        assert {f.code for f in reviews["hurried"].decision.findings} == {Code.DEADLINE_EXCEEDED}
        assert reviews["patient"].decision.verdict is Verdict.ALLOW


@pytest.mark.parametrize("mode", ["audit", "warn"])
def test_a_source_that_does_not_answer_is_the_trouble_of_the_policy_that_wants_it(mode: str) -> None:
    """The other policy's own source has answered, and a signature that suffices is in it."""
    elsewhere = [{"signature": {"by": "a", "repository": "slow.test/signatures"}}]
    found = policies(policy(SIGNED, name="enforced"), policy(elsewhere, name="slow", mode=mode))
    go = threading.Event()
    with world() as here:
        sign(here, "legacy")
        here.registry.hook = held_by(go, "slow.test")
        reviews: list[ImageReview] = []

        def run() -> None:
            subject = Subject(here.pinned)
            reviews.extend(here.reviewer.review(found, [subject], Stage.CHECK, here.clock.deadline(600)))

        thread = threading.Thread(target=run)
        thread.start()
        waits_until(lambda: len(here.reviewer._gatherer._evidence._kept._kept) == 1)  # the enforced one's
        here.clock.advance(599.9)  # what is left is for deciding
        go.set()
        thread.join(30)
    (review,) = reviews
    verdict = {"audit": Verdict.ALLOW, "warn": Verdict.WARN}[mode]
    assert review.decision.verdict is verdict
    assert {(f.policy, f.code, f.verdict) for f in review.decision.findings} == {
        ("slow", Code.DEADLINE_EXCEEDED, verdict)
    }


# many signatures, certificates, trust roots


def crowd(here: World, referrers: int, layers: int) -> None:
    """Referrers with many layers, all of one payload, none by anybody who counts; log entries beside them."""
    payload, annotations = mallory().simple_signing(here.digest, NAME)
    for i in range(referrers):
        beside = {**annotations, "n": str(i), cosign.LOG_BUNDLE: "{}"}
        layer = Layer(cosign.SIMPLE_SIGNING, payload, beside)
        here.registry.repository(NAME).attach(
            here.digest, COSIGN_ARTIFACT, [layer] * layers, config=Layer(COSIGN_ARTIFACT, b"{}")
        )


def test_a_crowd_of_signatures_is_cut_and_verified_once() -> None:
    with world(jobs=20) as here:
        crowd(here, 5, 1000)
        # a root is asked for at each verification, for a log entry stands beside some signature
        here.roots.roots[PUBLIC_GOOD] = TrustedRoot.nothing()
        found = at_once(here, 20)
        assert {r.decision.verdict for r in found} == {Verdict.ERROR}
        assert {f.code for r in found for f in r.decision.findings if f.verdict.stops} == {Code.RESPONSE_TOO_LARGE}
        assert {len(r.evidence.rejected) for r in found} == {MAX_CANDIDATES}
        assert here.registry.calls["blob"] <= 2 * here.roots.asked[PUBLIC_GOOD]
        # what is not complete is not kept, so that who comes after the flight looks for himself
        assert here.roots.asked[PUBLIC_GOOD] < 20


def test_verification_is_done_once_for_all_who_ask_at_once() -> None:
    with world(jobs=20) as here:
        crowd(here, 1, 500)
        sign(here, "legacy")
        here.roots.roots[PUBLIC_GOOD] = TrustedRoot.nothing()
        found = at_once(here, 20)
        assert [r.decision.verdict for r in found] == [Verdict.ALLOW] * 20
        assert here.roots.asked[PUBLIC_GOOD] == 1


def test_time_that_runs_out_while_a_root_is_loaded() -> None:
    with world() as here:
        crowd(here, 1, 10)
        here.roots.roots[PUBLIC_GOOD] = TrustedRoot.nothing()
        here.roots.hook = lambda _: here.clock.advance(11)
        found = here.review(BY_ALICE)
        assert found.decision.verdict is Verdict.ERROR
        assert {f.code for f in found.decision.findings if f.verdict.stops} == {Code.DEADLINE_EXCEEDED}
        here.roots.hook = None
        assert here.codes(BY_ALICE) == [("KEY_MISMATCH", "deny")]


def keyless(*, trust_root: TrustRoot = SIGSTORE) -> PolicySet:
    """One policy: signed by a workflow of acme's."""
    identity = IdentityPattern(TextPattern(SUBJECT), TextPattern(ISSUER))
    signers = {"ci": KeylessSpec("ci", identity, trust_root)}
    rule = Rule("signature", SignatureRequirement(One("ci")))
    match = Match((ImagePattern.parse("**"),))
    return PolicySet((Policy("ClusterGatePolicy", "keyless", Mode.ENFORCE, match, (rule,), signers),))


def sign_keyless(here: World, profile: Profile | None = None) -> None:
    payload = statement(here.digest)
    made = shared_world().bundle(Signature.of_payload(shared_world().issue(profile=profile), payload))
    here.registry.repository(NAME).attach(here.digest, BUNDLE, [Layer(BUNDLE, encode(made))])


def test_a_signature_by_a_certificate() -> None:
    with world() as here:
        assert here.codes(keyless()) == MISSING
        here.clock.advance(EVIDENCE_SECONDS)
        sign_keyless(here)
        # no root, nothing known; and that is not kept
        assert here.codes(keyless()) == [("TRUST_ROOT_UNAVAILABLE", "error")]
        here.roots.roots[PUBLIC_GOOD] = TrustedRoot.parse(shared_world().trusted_root())
        assert here.codes(keyless()) == []
        asked = here.registry.calls.total()
        # a policy that trusts others judges what is theirs, without another question to the registry
        assert here.codes(keyless(trust_root=BuiltInRoot("ours"))) == [("TRUST_ROOT_UNAVAILABLE", "error")]
        assert here.codes(BY_ALICE) == [("KEY_MISMATCH", "deny")]
        assert here.registry.calls.total() == asked


def test_a_signature_by_a_stranger_with_a_certificate() -> None:
    with world() as here:
        here.roots.roots[PUBLIC_GOOD] = TrustedRoot.parse(shared_world().trusted_root())
        sign_keyless(here, Profile(names=(x509.UniformResourceIdentifier(f"{SUBJECT}-evil"),)))
        (finding,) = [f for f in here.review(keyless()).decision.findings if f.verdict.stops]
        assert (finding.code, finding.verdict) == (Code.IDENTITY_MISMATCH, Verdict.DENY)
        assert f"{SUBJECT}-evil" in finding.message
        assert f"needs {SUBJECT}" in finding.message
