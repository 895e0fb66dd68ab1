"""Repositories, tenants and stores that would have what they say count for an image that is not theirs.

Whatever was reviewed before, and whatever a store gives, an image gets the verdict that its own repository gives it,
or an error; never an allow.
"""

from __future__ import annotations

import json
import random
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.demo.images import BUNDLE, COSIGN_ARTIFACT, Layer
from gate.evidence import cosign
from gate.evidence.facts import Storage
from gate.image.digest import Digest
from gate.image.manifest import OCI_INDEX, OCI_MANIFEST
from gate.image.reference import Reference, Repository
from gate.policy.finding import Verdict
from gate.policy.plan import Stage
from gate.review.kept import Listings, Nothing
from gate.review.lister import EVIDENCE_SECONDS, UNSIGNED_SECONDS
from gate.review.listing import Place
from gate.review.review import Reviewer, Subject
from tests.fakes.clock import SettableClock
from tests.fakes.registry_simulator import RegistrySimulator
from tests.fakes.roots import NoRoots
from tests.fakes.signing import alice, bob, mallory
from tests.fakes.store import DictStore
from tests.unit.policy.build import SIGNED, config, policies, policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gate.policy.policy_set import PolicySet
    from gate.review.ports import Store

OURS = "ghcr.io/acme/api"
EVIL = "evil.example/x"
KEY = b"what only the gate's processes have ..."
NOTATION = "application/vnd.cncf.notary.signature"
BY_ALICE = policies(policy(SIGNED))
STALE_BY_ALICE = policies(policy(SIGNED), config(staleIfError="1h"))
APART = policies(
    policy([{"signature": {"by": "a"}}], name="ours", match={"images": ["ghcr.io/acme/**"]}),
    policy([{"signature": {"by": "m"}}], name="theirs", match={"images": ["evil.example/**"]}),
)
MATCHED = policies(policy([{"signature": {"by": "a", "reference": "match"}}]))
FORMATS = ["legacy", "referrer-legacy", "bundle"]
DENIED = (Verdict.DENY, Verdict.ERROR)
HOW_LONG = (0.0, 4.0, 7.0, 60.0)


class World:
    """One image in our repository and in evil's, under the same digest."""

    def __init__(self) -> None:
        self.clock = SettableClock()
        self.registry = RegistrySimulator()
        self.digest = self.registry.push_image(OURS, "v1")
        assert self.registry.push_image(EVIL, "v1") == self.digest

    @contextmanager
    def reviewers(self, *stores: Store, key: bytes | None = KEY) -> Iterator[list[Reviewer]]:
        """A process for each store."""

        def seal(store: Store) -> Listings:
            assert key is not None
            return Listings(store, key, lambda: self.clock.now().timestamp(), self.clock.monotonic)

        with ExitStack() as stack:
            made = []
            for store in stores:
                one = Reviewer(
                    self.registry,
                    NoRoots(),
                    self.clock.monotonic,
                    self.clock.now,
                    jobs=4,
                    store=store,
                    seal=seal if key is not None else None,
                )
                stack.callback(one.close)
                made.append(one)
            yield made

    def ask(
        self, reviewer: Reviewer, name: str = OURS, found: PolicySet = BY_ALICE, stage: Stage = Stage.VALIDATE
    ) -> Verdict:
        subject = Subject(f"{name}@{self.digest}")
        (review,) = reviewer.review(found, [subject], stage, self.clock.deadline())
        return review.decision.verdict

    def sign(self, name: str, how: str = "legacy", who: str = "a", reference: str = OURS) -> None:
        key = {"a": alice, "b": bob, "m": mallory}[who]()
        repository = self.registry.repository(name)
        match how:
            case "legacy":
                repository.sign_legacy(self.digest, key, reference, {"n": "1"})
            case "referrer-legacy":
                repository.sign_referrer_legacy(self.digest, key, reference, {"n": "1"})
            case _:
                repository.sign_bundle(self.digest, key)

    def unsign(self, name: str) -> None:
        repository = self.registry.repository(name)
        for tag in [tag for tag in repository.tags if tag.startswith("sha256-")]:
            del repository.tags[tag]
        for digest in [digest for digest, content in repository.manifests.items() if b'"subject"' in content]:
            del repository.manifests[digest]


@pytest.fixture
def here() -> World:
    return World()


# another repository of the same digest


@pytest.mark.parametrize("stage", [Stage.VALIDATE, Stage.CHECK])
@pytest.mark.parametrize("how", FORMATS)
def test_a_signature_in_evils_repository_is_none_of_ours(here: World, how: str, stage: Stage) -> None:
    """Even a good one, by our own signer, copied there: it lets evil's name run under such a policy, and not ours."""
    here.sign(EVIL, how)
    with here.reviewers(DictStore()) as (gate,):
        for seconds in HOW_LONG:
            here.clock.advance(seconds)
            assert here.ask(gate, EVIL, stage=stage) is Verdict.ALLOW
            assert here.ask(gate, OURS, stage=stage) is Verdict.DENY


@pytest.mark.parametrize("how", ["legacy", "referrer-legacy"])
def test_nor_is_ours_one_of_evils_where_the_name_has_to_match(here: World, how: str) -> None:
    here.sign(OURS, how)
    here.sign(EVIL, how)
    with here.reviewers(DictStore()) as (gate,):
        for seconds in HOW_LONG:
            here.clock.advance(seconds)
            assert here.ask(gate, OURS, MATCHED) is Verdict.ALLOW
            assert here.ask(gate, EVIL, MATCHED) is Verdict.DENY


@pytest.mark.parametrize("how", FORMATS)
@pytest.mark.parametrize("first", [OURS, EVIL])
def test_evils_key_counts_for_evil_alone(here: World, how: str, first: str) -> None:
    here.sign(EVIL, how, "m")
    with here.reviewers(DictStore()) as (gate,):
        for seconds in HOW_LONG:
            here.clock.advance(seconds)
            for name in (first, OURS, EVIL):
                assert here.ask(gate, name, APART) is (Verdict.ALLOW if name == EVIL else Verdict.DENY)
        here.sign(OURS, how)
        here.clock.advance(EVIDENCE_SECONDS)
        assert here.ask(gate, OURS, APART) is Verdict.ALLOW
        assert here.ask(gate, EVIL, APART) is Verdict.ALLOW


@pytest.mark.parametrize("how", FORMATS)
def test_that_evils_is_unsigned_does_not_make_ours_so(here: World, how: str) -> None:
    here.sign(OURS, how)
    with here.reviewers(DictStore()) as (gate,):
        for seconds in HOW_LONG:
            here.clock.advance(seconds)
            assert here.ask(gate, EVIL) is Verdict.DENY
            assert here.ask(gate, OURS) is Verdict.ALLOW


@pytest.mark.parametrize("how", FORMATS)
def test_what_evil_says_of_our_payloads_is_not_remembered_of_them(here: World, how: str) -> None:
    """Its layers have our payload's digest, and other annotations and media types; or it gives something else."""
    here.sign(OURS, how)
    ours, evil = here.registry.repository(OURS), here.registry.repository(EVIL)
    manifests = [json.loads(content) for content in ours.manifests.values()]
    layers = [layer for m in manifests if "subject" in m or how == "legacy" for layer in m.get("layers", [])]
    signature = next(layer for layer in layers if layer["mediaType"] in (BUNDLE, cosign.SIMPLE_SIGNING))
    content = ours.blobs[Digest.parse(signature["digest"])]
    annotations = signature.get("annotations", {})
    _, others = mallory().simple_signing(here.digest, OURS)
    for beside in ({}, others, {**annotations, "x": "y"}, {**annotations, cosign.CERTIFICATE: "x"}):
        for media_type in (signature["mediaType"], BUNDLE, cosign.SIMPLE_SIGNING, "application/json"):
            layer = Layer(media_type, content, beside)
            evil.append(f"{here.digest.tag}.sig", layer)
            evil.attach(here.digest, COSIGN_ARTIFACT, [layer], config=Layer(COSIGN_ARTIFACT, b"{}"))
            evil.attach(here.digest, BUNDLE, [layer])
    with here.reviewers(DictStore()) as (gate,):
        here.ask(gate, EVIL, stage=Stage.CHECK)
        assert here.ask(gate, OURS) is Verdict.ALLOW
        # evil's registry gives something else for our payload's digest
        evil.blobs[Digest.parse(signature["digest"])] = b"{}"
        here.clock.advance(EVIDENCE_SECONDS)
        here.ask(gate, EVIL, stage=Stage.CHECK)
        assert here.ask(gate, OURS) is Verdict.ALLOW
    with here.reviewers(DictStore()) as (gate,):
        assert here.ask(gate, EVIL, stage=Stage.CHECK) in DENIED
        assert here.ask(gate, OURS) is Verdict.ALLOW


@pytest.mark.parametrize("how", ["referrer-legacy", "bundle"])
def test_a_notary_signature_that_names_our_payload_does_not_spoil_it(here: World, how: str) -> None:
    here.sign(OURS, how)
    ours, evil = here.registry.repository(OURS), here.registry.repository(EVIL)
    ((digest, manifest),) = [(d, json.loads(c)) for d, c in ours.manifests.items() if b'"subject"' in c]
    (layer,) = manifest["layers"]
    payload = ours.blobs[Digest.parse(layer["digest"])]
    # all of it is public: evil lists a Notary signature with our payload first, and then our own manifest
    evil.attach(here.digest, NOTATION, [Layer("application/jose+json", payload)])
    evil.manifests[digest] = ours.manifests[digest]
    evil.blobs[Digest.parse(layer["digest"])] = payload
    with here.reviewers(DictStore()) as (gate,):
        here.ask(gate, EVIL, stage=Stage.CHECK)
        assert here.ask(gate, OURS) is Verdict.ALLOW


@pytest.mark.parametrize("how", ["referrer-legacy", "bundle"])
def test_nor_in_the_same_repository(here: World, how: str) -> None:
    here.sign(OURS, how)
    ours = here.registry.repository(OURS)
    ((digest, content),) = [(d, c) for d, c in ours.manifests.items() if b'"subject"' in c]
    payload = ours.blobs[Digest.parse(json.loads(content)["layers"][0]["digest"])]
    del ours.manifests[digest]
    ours.attach(here.digest, NOTATION, [Layer("application/jose+json", payload)])
    ours.manifests[digest] = content
    with here.reviewers(DictStore()) as (gate,):
        assert here.ask(gate, OURS, stage=Stage.CHECK) is Verdict.ALLOW


def test_evils_listing_does_not_stand_in_for_ours(here: World) -> None:
    here.sign(EVIL)
    with here.reviewers(DictStore()) as (gate,):
        assert here.ask(gate, EVIL, STALE_BY_ALICE) is Verdict.ALLOW
        here.clock.advance(60)
        for method in ("manifest", "referrers"):
            here.registry.fail_with(method, Code.REGISTRY_UNREACHABLE)
        assert here.ask(gate, EVIL, STALE_BY_ALICE) is Verdict.ALLOW
        assert here.ask(gate, OURS, STALE_BY_ALICE) is Verdict.ERROR


def test_a_manifest_that_evil_had_kept_is_no_referrer_of_ours(here: World) -> None:
    """Blobs and manifests are kept by digest alone: one that our repository does not list is none of its."""
    here.sign(EVIL, "bundle")
    evil = here.registry.repository(EVIL)
    referrer = next(content for content in evil.manifests.values() if b'"subject"' in content)
    evil.append(f"{here.digest.tag}.sig", Layer(cosign.SIMPLE_SIGNING, referrer))  # and as a payload
    store = DictStore()
    with here.reviewers(store) as (gate,):
        assert here.ask(gate, EVIL, stage=Stage.CHECK) is Verdict.ALLOW
        assert f"blob:{Digest.of(referrer)}" in store.values
        for seconds in HOW_LONG:
            here.clock.advance(seconds)
            assert here.ask(gate, OURS, stage=Stage.CHECK) is Verdict.DENY


@pytest.mark.parametrize("kept", [False, True])
def test_a_signature_that_was_deleted_does_not_count_because_it_was_kept(here: World, kept: bool) -> None:  # noqa: FBT001
    """Where the list of referrers is a tag, whoever deletes a manifest leaves it in the list."""
    here.sign(OURS, "bundle")
    ours = here.registry.repository(OURS)
    ((digest, content),) = [(d, c) for d, c in ours.manifests.items() if b'"subject"' in c]
    entry = {"mediaType": OCI_MANIFEST, "digest": str(digest), "size": len(content)}
    ours.manifest({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}, here.digest.tag)
    store = DictStore()
    with here.reviewers(store if kept else Nothing(), key=None) as (gate,):
        assert here.ask(gate) is Verdict.ALLOW
        del ours.manifests[digest]
        here.clock.advance(86400)
        assert here.ask(gate) in DENIED


# stores that mean harm


class HostileStore(DictStore):
    """Keeps what it is given, and gives what it likes.

    Attributes:
        history: every value that was ever put under a key.
        loot: what it has from elsewhere, by kind of key.
    """

    def __init__(self, give: Callable[[HostileStore, Sequence[str]], dict[str, bytes]]) -> None:
        super().__init__()
        self.history: dict[str, list[bytes]] = {}
        self.loot: dict[str, list[bytes]] = {"blob": [], "listing": []}
        self._give = give

    def get(self, keys: Sequence[str]) -> dict[str, bytes]:
        self.asked.extend(keys)
        return self._give(self, keys)

    def put(self, key: str, value: bytes, seconds: float) -> None:
        super().put(key, value, seconds)
        self.history.setdefault(key, []).append(value)
        self.loot[kind(key)].append(value)


def kind(key: str) -> str:
    return key.partition(":")[0]


def everything(store: HostileStore, keys: Sequence[str]) -> dict[str, bytes]:
    """All that it has, whatever was asked for, and more."""
    more = {"": b"", "listing:": b"x", "blob:sha256:00": b"x", **{str(i): bytes(100) for i in range(1000)}}
    return {**more, **store.values}


def the_oldest(store: HostileStore, keys: Sequence[str]) -> dict[str, bytes]:
    return {key: store.history[key][0] for key in keys if key in store.history}


def another_of_its_kind(store: HostileStore, keys: Sequence[str]) -> dict[str, bytes]:
    """The last that was put under any other key."""
    found = {}
    for key in keys:
        others = [v for other, v in store.values.items() if other != key and kind(other) == kind(key)]
        if others:
            found[key] = others[-1]
    return found


def the_first_of_its_kind(store: HostileStore, keys: Sequence[str]) -> dict[str, bytes]:
    return {key: store.loot[kind(key)][0] for key in keys if store.loot[kind(key)]}


def the_last_of_its_kind(store: HostileStore, keys: Sequence[str]) -> dict[str, bytes]:
    return {key: store.loot[kind(key)][-1] for key in keys if store.loot[kind(key)]}


def of_the_other_kind(store: HostileStore, keys: Sequence[str]) -> dict[str, bytes]:
    other = {"blob": "listing", "listing": "blob"}
    return {key: store.loot[other[kind(key)]][0] for key in keys if store.loot[other[kind(key)]]}


def megabytes(_: HostileStore, keys: Sequence[str]) -> dict[str, bytes]:
    return dict.fromkeys(keys, b"\0" * 9_000_000)


def nothing_in_particular(_: HostileStore, keys: Sequence[str]) -> dict[str, bytes]:
    choose = random.Random(len(keys))
    return {key: choose.randbytes(choose.choice([0, 1, 40, 41, 500])) for key in keys}


def cut(store: HostileStore, keys: Sequence[str]) -> dict[str, bytes]:
    return {key: store.values[key][:-1] for key in keys if key in store.values}


def changed(store: HostileStore, keys: Sequence[str]) -> dict[str, bytes]:
    return {key: bytes([v[0] ^ 1]) + v[1:] for key in keys if (v := store.values.get(key))}


def for_ever(store: HostileStore, keys: Sequence[str]) -> dict[str, bytes]:
    """Lists whose time it has put off."""
    until = struct.pack(">d", 1e18)
    first = the_oldest(store, keys)
    return {k: v[:32] + until + v[40:] if kind(k) == "listing" else v for k, v in first.items()}


def sealed_by_itself(store: HostileStore, keys: Sequence[str]) -> dict[str, bytes]:
    """A list that names a good signature of the image, sealed under the very name, with a key of its own."""
    listings = Listings(DictStore(), bytes(32), lambda: 0.0, lambda: 0.0)
    found = dict(store.values)
    for key in keys:
        if kind(key) == "listing" and store.loot["listing"]:
            value, until = store.loot["listing"][0][40:], struct.pack(">d", 1e18)
            found[key] = listings._seal(key, until, value) + until + value
    return found


GIVES = [
    *(everything, the_oldest, another_of_its_kind, the_first_of_its_kind, the_last_of_its_kind, of_the_other_kind),
    *(megabytes, nothing_in_particular, cut, changed, for_ever, sealed_by_itself),
]
hostile = pytest.mark.parametrize("give", GIVES)


@hostile
@pytest.mark.parametrize("how", FORMATS)
def test_a_store_cannot_sign_what_is_unsigned(
    here: World, how: str, give: Callable[[HostileStore, Sequence[str]], dict[str, bytes]]
) -> None:
    """It has seen good lists of evil's repository, with our signer's own signature, for the same digest."""
    here.sign(EVIL, how)
    store = HostileStore(give)
    for found in (BY_ALICE, STALE_BY_ALICE):
        for seconds in HOW_LONG:
            here.clock.advance(seconds)
            with here.reviewers(store, store) as (one, two):
                assert here.ask(one, EVIL, found) in (Verdict.ALLOW, Verdict.ERROR)
                assert here.ask(one, OURS, found) in DENIED
                assert here.ask(two, OURS, found) in DENIED
                assert here.ask(two, EVIL, found) in (Verdict.ALLOW, Verdict.ERROR)
                assert here.ask(two, OURS, found) in DENIED


@hostile
@pytest.mark.parametrize("how", FORMATS)
def test_a_store_cannot_unsign_what_is_signed(
    here: World, how: str, give: Callable[[HostileStore, Sequence[str]], dict[str, bytes]]
) -> None:
    """At worst it costs an error: it has seen lists of evil's repository, in which there is nothing."""
    here.sign(OURS, how)
    store = HostileStore(give)
    for seconds in HOW_LONG:
        here.clock.advance(seconds)
        with here.reviewers(store, store) as (one, two):
            assert here.ask(one, EVIL) in DENIED
            assert here.ask(one, OURS) in (Verdict.ALLOW, Verdict.ERROR)
            assert here.ask(two, OURS) in (Verdict.ALLOW, Verdict.ERROR)
            assert here.ask(two, EVIL) in DENIED


@hostile
@pytest.mark.parametrize("how", FORMATS)
def test_a_store_cannot_give_a_tenant_what_another_may_see(
    here: World, how: str, give: Callable[[HostileStore, Sequence[str]], dict[str, bytes]]
) -> None:
    name = Reference.parse(OURS).name
    here.sign(OURS, how)
    store = HostileStore(give)
    for found in (BY_ALICE, STALE_BY_ALICE):
        with here.reviewers(store, store) as (one, two):
            here.registry.scopes[name] = "team-a"
            assert here.ask(one, OURS, found) in (Verdict.ALLOW, Verdict.ERROR)
            here.registry.scopes[name] = "team-b"
            for method in ("manifest", "referrers", "blob"):
                here.registry.fail_with(method, Code.REGISTRY_UNAUTHORIZED)
            for gate in (one, two):
                assert here.ask(gate, OURS, found) is Verdict.ERROR
        here.registry.heal()
        here.clock.advance(60)


@hostile
def test_a_store_cannot_bring_back_what_was_taken_away(
    here: World, give: Callable[[HostileStore, Sequence[str]], dict[str, bytes]]
) -> None:
    """Not for longer than a list counts anyway."""
    here.sign(OURS)
    store = HostileStore(give)
    with here.reviewers(store) as (one,):
        assert here.ask(one) is Verdict.ALLOW
    here.unsign(OURS)
    for seconds in (EVIDENCE_SECONDS, 1.0, 50.0, 86400.0):
        here.clock.advance(seconds)
        with here.reviewers(store) as (gate,):
            assert here.ask(gate) in DENIED
            assert here.ask(gate, OURS, STALE_BY_ALICE) in DENIED


@pytest.mark.parametrize("staleness", [BY_ALICE, STALE_BY_ALICE])
def test_a_store_cannot_put_back_what_this_process_has_seen_gone(here: World, staleness: PolicySet) -> None:
    """Not even for the seconds that a list counts: what is known here is newer."""
    here.sign(OURS)
    store = DictStore()
    with here.reviewers(store) as (one,):
        assert here.ask(one, OURS, staleness) is Verdict.ALLOW
    before = dict(store.values)
    here.unsign(OURS)
    here.clock.advance(1.0)
    shared = DictStore()
    with here.reviewers(shared) as (gate,):
        assert here.ask(gate, OURS, staleness) in DENIED
        here.clock.advance(UNSIGNED_SECONDS + 0.5)
        shared.values.update(before)
        assert here.ask(gate, OURS, staleness) in DENIED


def test_reviews_that_end_early_keep_no_thread_from_another_registry(here: World) -> None:
    """A signature suffices at once, and the rest of its place hangs for as long as there is time."""
    here.sign(OURS)
    hostile = [f"evil.example/app{number}" for number in range(120)]
    for name in hostile:
        assert here.registry.push_image(name, "v1") == here.digest
        here.sign(name, reference=name)
    go = threading.Event()

    def hang(method: str, place: Repository, _what: str) -> None:
        if place.registry == "evil.example" and method == "referrers":
            assert go.wait(60)

    here.registry.hook = hang
    with here.reviewers(DictStore()) as (gate,), ThreadPoolExecutor(len(hostile)) as pool:
        for name in hostile:
            pool.submit(here.ask, gate, name)
        try:
            assert here.ask(gate) is Verdict.ALLOW
        finally:
            go.set()


@hostile
def test_a_store_and_a_registry_that_is_away_bring_nothing_back_for_longer_than_was_allowed(
    here: World, give: Callable[[HostileStore, Sequence[str]], dict[str, bytes]]
) -> None:
    here.sign(OURS)
    here.sign(EVIL)
    store = HostileStore(give)
    with here.reviewers(store) as (one,):
        assert here.ask(one, OURS, STALE_BY_ALICE) is Verdict.ALLOW
        assert here.ask(one, EVIL, STALE_BY_ALICE) in (Verdict.ALLOW, Verdict.ERROR)
    for method in ("manifest", "referrers"):
        here.registry.fail_with(method, Code.REGISTRY_UNREACHABLE)
    here.clock.advance(3601)
    with here.reviewers(store) as (gate,):
        assert here.ask(gate, OURS, STALE_BY_ALICE) is Verdict.ERROR
        assert here.ask(gate, EVIL, STALE_BY_ALICE) is Verdict.ERROR


def test_a_list_of_a_machine_whose_clock_is_ahead_counts_little_longer(here: World) -> None:
    """By a minute at most, however often it is put back."""
    here.sign(OURS)
    place = Place(Storage(Reference.parse(OURS).name), here.digest, "", Reference.parse(OURS).name, attestations=False)
    store = DictStore()
    with here.reviewers(DictStore()) as (one,):
        assert here.ask(one) is Verdict.ALLOW
        listing = one._gatherer._lister._fresh.peek(place)
    assert listing is not None
    Listings(store, KEY, lambda: here.clock.now().timestamp() + 59, here.clock.monotonic).put(
        place, listing, EVIDENCE_SECONDS
    )
    stolen = dict(store.values)
    here.unsign(OURS)
    with here.reviewers(store) as (gate,):
        for _ in range(7):
            store.values.update(stolen)
            here.clock.advance(11.5)
            here.ask(gate)
        store.values.update(stolen)
        here.clock.advance(EVIDENCE_SECONDS)
        assert here.ask(gate) is Verdict.DENY


@pytest.mark.parametrize("key", [None, bytes(32)])
def test_who_has_no_key_or_another_believes_no_list(here: World, key: bytes | None) -> None:
    """Another tenant of the same server, whose own lists are good to itself."""
    here.sign(OURS)
    store = DictStore()
    with here.reviewers(store) as (ours,):
        assert here.ask(ours) is Verdict.ALLOW
    here.unsign(OURS)
    with here.reviewers(store, key=key) as (theirs,):
        assert here.ask(theirs) is Verdict.DENY
    with here.reviewers(store) as (ours,):
        assert here.ask(ours) is Verdict.ALLOW  # within its ten seconds, from our own list


def test_a_payload_in_the_store_under_the_digest_of_another_is_fetched(here: World) -> None:
    """A signature that is somebody else's, under the key of ours, and ours under that of theirs."""
    here.sign(OURS, "legacy", "m")
    good, _ = alice().simple_signing(here.digest, OURS)
    (mallorys,) = [d for d, c in here.registry.repository(OURS).blobs.items() if b"critical" in c]
    store = DictStore()
    store.values = {f"blob:{mallorys}": good}
    with here.reviewers(store) as (gate,):
        assert here.ask(gate) is Verdict.DENY
        assert gate._gatherer._contents._blobs.corrupt == 1


def test_many_keys_that_nobody_asked_for_are_not_kept_in_memory(here: World) -> None:
    here.sign(OURS)
    store = HostileStore(everything)
    store.values = {f"blob:{Digest.of(str(i).encode())}": str(i).encode() for i in range(5000)}
    with here.reviewers(store) as (gate,):
        assert here.ask(gate) is Verdict.ALLOW
        assert gate._gatherer._contents._blobs.corrupt == 0
        examiner = gate._gatherer._examiner
        assert examiner is not None
        assert (len(examiner._verified._known), len(examiner._rejected._known)) == (1, 0)
