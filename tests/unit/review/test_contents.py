from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.evidence.facts import Format, Storage
from gate.image.content import InMemory
from gate.image.digest import Digest
from gate.image.manifest import Descriptor
from gate.image.reference import Reference, Repository
from gate.policy.config import MAX_ATTESTATION
from gate.review.contents import Contents
from gate.review.kept import Blobs
from gate.review.lanes import Lanes
from gate.review.limits import MAX_SIGNATURE
from gate.review.listing import Listed, Place
from gate.spent import Meter
from tests.fakes.clock import SettableClock
from tests.fakes.registry_simulator import RegistrySimulator
from tests.fakes.signing import alice
from tests.fakes.store import DictStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.deadline import Deadline
    from gate.image.content import Content

NAME = "registry.test/acme/api"
HOME = Reference.parse(NAME).name
IMAGE = Digest.of(b"the image")
PLACE = Place(Storage(HOME), IMAGE, "", HOME, attestations=False)
AT_ONCE = 8
LEGACY_FORMATS = [Format.LEGACY, Format.REFERRER_LEGACY]


@dataclass
class Watched:
    """Content that knows whether it was closed."""

    content: bytes
    closed: int = 0

    @property
    def size(self) -> int:
        return len(self.content)

    @property
    def digest(self) -> Digest:
        return Digest.of(self.content)

    def read(self) -> bytes:
        assert not self.closed
        return self.content

    def chunks(self) -> Iterator[bytes]:
        yield self.read()

    def close(self) -> None:
        self.closed += 1


class WatchedRegistry(RegistrySimulator):
    """Its blobs are contents that know whether they were closed; `given` are those."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[Watched] = []
        self.most_open = 0

    def blob(self, repository: Repository, descriptor: Descriptor, limit: int, deadline: Deadline) -> Content:
        content = super().blob(repository, descriptor, limit, deadline).read()
        with self._lock:
            self.given.append(Watched(content))
            self.most_open = max(self.most_open, len([one for one in self.given if not one.closed]))
            return self.given[-1]

    @property
    def left_open(self) -> int:
        return len([one for one in self.given if not one.closed])


@dataclass
class World:
    """Contents of a registry and a store."""

    registry: WatchedRegistry = field(default_factory=WatchedRegistry)
    store: DictStore = field(default_factory=DictStore)
    clock: SettableClock = field(default_factory=SettableClock)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(32))

    def __post_init__(self) -> None:
        self.blobs = Blobs(self.store)
        self.contents = Contents(self.registry, self.blobs, Lanes(self.pool, 32, 64))

    def put(self, content: bytes, kind: Format = Format.BUNDLE, name: str = NAME) -> Listed:
        """A blob in the registry, as it is listed."""
        self.registry.repository(name).blob(content)
        return listed(content, kind)

    def of(
        self, *entries: Listed, place: Place = PLACE, deadline: Deadline | None = None
    ) -> list[tuple[Digest, bytes | Code]]:
        """All of it: bytes, or the code of why there are none."""
        found: list[tuple[Digest, bytes | Code]] = []
        for digest, content in self.contents.of(place, entries, deadline or self.clock.deadline()):
            found.append((digest, content.code if isinstance(content, EvidenceUnavailable) else content.read()))
        return found

    def ended(self) -> None:
        """Wait for what is under way."""
        self.pool.shutdown(wait=True)


@pytest.fixture
def here() -> Iterator[World]:
    world = World()
    yield world
    world.ended()


def listed(content: bytes, kind: Format = Format.BUNDLE, size: int | None = None, algorithm: str = "sha256") -> Listed:
    digest = Digest.of(content, algorithm)
    return Listed(kind, Descriptor("a/b", digest, len(content) if size is None else size))


def payload(image: Digest = IMAGE, reference: str = NAME) -> bytes:
    """Byte by byte as `cosign sign` writes it."""
    return (
        b'{"critical":{"identity":{"docker-reference":"'
        + reference.encode()
        + b'"},"image":{"docker-manifest-digest":"'
        b"" + str(image).encode() + b'"},"type":"cosign container image signature"},"optional":null}'
    )


def waits_until(condition: threading.Condition, count: int, seen: list[str]) -> None:
    with condition:
        assert condition.wait_for(lambda: len(seen) >= count, 30)


class Hold:
    """Holds each blob that is asked for until it is opened."""

    def __init__(self, registry: RegistrySimulator) -> None:
        self.changed = threading.Condition()
        self.asked: list[str] = []
        self.go = threading.Event()
        registry.hook = self

    def __call__(self, method: str, _repository: Repository, what: str) -> None:
        with self.changed:
            self.asked.append(what)
            self.changed.notify_all()
        assert self.go.wait(30)

    def wait(self, count: int) -> None:
        waits_until(self.changed, count, self.asked)


# made up


def test_it_is_what_the_fake_signs() -> None:
    assert alice().simple_signing(IMAGE, NAME)[0] == payload()


@pytest.mark.parametrize("kind", LEGACY_FORMATS)
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_payload_that_can_be_known_is_asked_of_nobody(here: World, kind: Format, algorithm: str) -> None:
    usual = payload()
    entry = listed(usual, kind, algorithm=algorithm)
    assert here.of(entry) == [(entry.descriptor.digest, usual)]
    # nobody: neither the registry nor the store
    assert (here.registry.calls.total(), here.store.asked) == (0, [])
    # nor is time needed
    assert here.of(entry, deadline=here.clock.deadline(0)) == [(entry.descriptor.digest, usual)]


@pytest.mark.parametrize("spelling", ["index.docker.io/library/nginx", "docker.io/library/nginx"])
def test_docker_hub_by_both_its_names(here: World, spelling: str) -> None:
    hub = Reference.parse("nginx").name
    usual = payload(reference=spelling)
    entry = listed(usual, Format.LEGACY)
    assert here.of(entry, place=Place(Storage(hub), IMAGE, "", hub, attestations=False)) == [
        (entry.descriptor.digest, usual)
    ]
    assert here.registry.calls.total() == 0


@pytest.mark.parametrize(
    "content",
    [
        payload(Digest.of(b"another image")),
        payload(reference="registry.test/acme/other"),
        payload(reference="index.docker.io/acme/api"),
        payload(reference=f"{NAME}:v1"),
        payload(reference=NAME.upper()),
        payload()[:-1],
        payload() + b"\n",
        payload().replace(b":null", b":{}"),
        payload().replace(b'":"', b'": "'),
        payload().replace(b"cosign container", b"atomic container"),
    ],
    ids=range(10),
)
@pytest.mark.parametrize("kind", LEGACY_FORMATS)
def test_what_is_not_exactly_it_is_fetched(here: World, content: bytes, kind: Format) -> None:
    entry = here.put(content, kind)
    assert here.of(entry) == [(entry.descriptor.digest, content)]
    assert here.registry.calls["blob"] == 1


def test_only_of_legacy_formats(here: World) -> None:
    entry = here.put(payload(), Format.BUNDLE)
    assert here.of(entry) == [(entry.descriptor.digest, payload())]
    assert here.registry.calls["blob"] == 1


@pytest.mark.parametrize("off", [-1, 1, 2**40])
def test_only_where_the_size_is_its_own(here: World, off: int) -> None:
    """A registry would not give it under another size, so it is not had without one either."""
    here.put(payload(), Format.LEGACY)
    entry = listed(payload(), Format.LEGACY, size=len(payload()) + off)
    assert here.of(entry)[0][1] in (Code.REGISTRY_PROTOCOL, Code.RESPONSE_TOO_LARGE)
    assert here.registry.calls["blob"] == 1


def test_it_is_made_of_the_name_of_the_image_and_not_of_where_signatures_are_kept(here: World) -> None:
    elsewhere = Reference.parse("registry.test/acme/signatures").name
    place = replace(PLACE, storage=Storage(elsewhere))
    named_after_storage = payload(reference=str(elsewhere))
    here.put(named_after_storage, name=str(elsewhere))
    one, two = listed(payload(), Format.LEGACY), listed(named_after_storage, Format.LEGACY)
    assert dict(here.of(one, two, place=place)) == {
        one.descriptor.digest: payload(),
        two.descriptor.digest: named_after_storage,
    }
    assert [(repository, what) for _, repository, what in here.registry.log] == [
        (elsewhere, str(two.descriptor.digest))
    ]


# kept


def test_what_is_kept_is_not_fetched(here: World) -> None:
    entry = listed(b"kept")
    here.contents.keep(entry.descriptor.digest, b"kept")
    meter = Meter()
    assert here.of(entry, deadline=here.clock.deadline(0).metered(meter)) == [(entry.descriptor.digest, b"kept")]
    assert here.registry.calls.total() == 0
    assert meter.spent(0).hits == 1


def test_what_is_made_up_is_no_hit(here: World) -> None:
    meter = Meter()
    here.of(listed(payload(), Format.LEGACY), deadline=here.clock.deadline().metered(meter))
    assert meter.spent(0).hits == 0


@pytest.mark.parametrize("spoiled", [b"", b"other", b"x" * 1_000_000])
def test_what_is_spoiled_in_the_store_is_fetched(here: World, spoiled: bytes) -> None:
    entry = here.put(b"good")
    here.store.values[f"blob:{entry.descriptor.digest}"] = spoiled
    assert here.of(entry) == [(entry.descriptor.digest, b"good")]
    assert here.blobs.corrupt == 1
    assert here.registry.calls["blob"] == 1


def test_nothing_is_kept_unless_somebody_says_so(here: World) -> None:
    here.of(here.put(b"fetched"))
    assert here.store.values == {}


def test_the_store_is_asked_once_for_all(here: World) -> None:
    entries = [here.put(bytes([i])) for i in range(20)]
    for entry in entries[:10]:
        here.contents.keep(entry.descriptor.digest, bytes([entries.index(entry)]))
    assert dict(here.of(*entries, *entries)) == {e.descriptor.digest: bytes([i]) for i, e in enumerate(entries)}
    assert sorted(here.store.asked) == sorted(f"blob:{e.descriptor.digest}" for e in entries)
    assert here.registry.calls["blob"] == 10


# fetched


def test_each_digest_once(here: World) -> None:
    one, two = here.put(b"one"), here.put(b"two", Format.LEGACY)
    again = replace(one, format=Format.LEGACY), replace(two, format=Format.REFERRER_LEGACY)
    found = here.of(one, two, *again, one)
    assert sorted(found) == sorted([(one.descriptor.digest, b"one"), (two.descriptor.digest, b"two")])
    assert here.registry.calls["blob"] == 2


def test_of_what_is_not_verified_nothing_is_fetched(here: World) -> None:
    here.put(b"notation")
    assert here.of(listed(b"notation", Format.NOTATION)) == []
    assert here.of() == []
    assert (here.registry.calls.total(), here.store.asked) == (0, [])


def test_it_is_fetched_from_where_it_is_kept(here: World) -> None:
    elsewhere = Reference.parse("registry.test/acme/signatures").name
    entry = here.put(b"content", name=str(elsewhere))
    assert here.of(entry)[0][1] is Code.REGISTRY_PROTOCOL
    assert here.of(entry, place=replace(PLACE, storage=Storage(elsewhere))) == [(entry.descriptor.digest, b"content")]


@pytest.mark.parametrize(("attestations", "limit"), [(False, MAX_SIGNATURE), (True, MAX_ATTESTATION)])
def test_what_is_too_large_is_not_fetched(here: World, attestations: bool, limit: int) -> None:  # noqa: FBT001
    place = replace(PLACE, attestations=attestations)
    assert here.of(listed(b"x", size=limit + 1), place=place)[0][1] is Code.RESPONSE_TOO_LARGE
    assert here.of(listed(b"x", size=limit), place=place)[0][1] is Code.REGISTRY_PROTOCOL  # there is none


@pytest.mark.parametrize(
    "code", [Code.REGISTRY_TIMEOUT, Code.REGISTRY_UNAUTHORIZED, Code.REGISTRY_PROTOCOL, Code.RESPONSE_TOO_LARGE]
)
def test_what_cannot_be_had_leaves_the_others(here: World, code: Code) -> None:
    entries = [here.put(bytes([i])) for i in range(20)]
    bad = {entries[i].descriptor.digest for i in (0, 7, 19)}
    for digest in bad:
        here.registry.fail_with(f"blob:{digest}", code)
    found = here.of(*entries)
    assert len(found) == 20
    assert dict(found) == {
        e.descriptor.digest: code if e.descriptor.digest in bad else bytes([i]) for i, e in enumerate(entries)
    }


def test_so_many_are_fetched_ahead_and_no_more(here: World) -> None:
    entries = [here.put(bytes([i])) for i in range(40)]
    held = Hold(here.registry)
    found: list[tuple[Digest, bytes | Code]] = []
    reader = threading.Thread(target=lambda: found.extend(here.of(*entries)))
    reader.start()
    held.wait(AT_ONCE)
    # the pool has threads for all of them
    assert len(held.asked) == AT_ONCE
    held.go.set()
    reader.join(30)
    assert len(found) == 40
    assert here.registry.most_open <= AT_ONCE
    assert here.registry.left_open == 0


def test_a_slow_reader_has_no_more_open_than_so_many(here: World) -> None:
    entries = [here.put(bytes([i])) for i in range(40)]
    for _, content in here.contents.of(PLACE, entries, here.clock.deadline()):
        assert not isinstance(content, EvidenceUnavailable)
        assert content.read() in {bytes([i]) for i in range(40)}
        assert here.registry.calls["blob"] - len([one for one in here.registry.given if one.closed]) <= AT_ONCE
    assert here.registry.most_open <= AT_ONCE
    assert here.registry.left_open == 0
    assert {one.closed for one in here.registry.given} == {1}


def test_what_was_yielded_is_closed_by_the_next(here: World) -> None:
    running = here.contents.of(PLACE, [here.put(b"one"), here.put(b"two")], here.clock.deadline())
    _, first = next(running)
    assert not isinstance(first, EvidenceUnavailable)
    assert first.read() in (b"one", b"two")
    next(running)
    with pytest.raises(AssertionError):
        first.read()
    assert next(running, None) is None


def test_who_leaves_early_leaves_nothing_open(here: World) -> None:
    entries = [here.put(bytes([i])) for i in range(40)]
    running = here.contents.of(PLACE, entries, here.clock.deadline())
    next(running)
    running.close()  # type: ignore[attr-defined]
    here.ended()
    assert here.registry.calls["blob"] <= AT_ONCE
    assert here.registry.left_open == 0


def test_what_lands_after_somebody_has_left_is_closed(here: World) -> None:
    entries = [here.put(bytes([i])) for i in range(20)]
    quick = str(entries[0].descriptor.digest)
    held = Hold(here.registry)
    here.registry.hook = lambda m, r, what: None if what == quick else held(m, r, what)
    running = here.contents.of(PLACE, entries, here.clock.deadline())
    assert next(running)[0] == entries[0].descriptor.digest
    held.wait(AT_ONCE - 1)
    running.close()  # type: ignore[attr-defined]
    assert here.registry.left_open == 0
    held.go.set()
    here.ended()
    assert len(here.registry.given) == AT_ONCE
    assert here.registry.left_open == 0


def test_what_has_not_begun_when_somebody_leaves_is_not_asked_for() -> None:
    here = World(pool=ThreadPoolExecutor(1))
    held = Hold(here.registry)
    entries = [here.put(bytes([i])) for i in range(10)]
    found = here.of(*entries, deadline=here.clock.deadline(0.05))
    assert [what for _, what in found] == [Code.DEADLINE_EXCEEDED]
    held.go.set()
    here.ended()
    assert len(held.asked) == 1
    assert here.registry.left_open == 0


def test_time_that_runs_out(here: World) -> None:
    """What is at hand is given, one says why the rest is not, and nothing that still comes stays open."""
    usual, kept = listed(payload(), Format.LEGACY), listed(b"kept")
    here.contents.keep(kept.descriptor.digest, b"kept")
    entries = [here.put(bytes([i])) for i in range(20)]
    held = Hold(here.registry)
    found = here.of(*entries, usual, kept, deadline=here.clock.deadline(0.05))
    assert [what for _, what in found] == [payload(), b"kept", Code.DEADLINE_EXCEEDED]
    assert found[2][0] in {e.descriptor.digest for e in entries}
    held.go.set()
    here.ended()
    assert len(here.registry.given) == AT_ONCE
    assert here.registry.left_open == 0


def test_a_deadline_that_has_passed(here: World) -> None:
    entries = [here.put(bytes([i])) for i in range(20)]
    found = here.of(*entries, deadline=here.clock.deadline(-1))
    assert {what for _, what in found} == {Code.DEADLINE_EXCEEDED}
    here.ended()
    assert here.registry.left_open == 0


def test_a_mistake_of_an_adapter_is_none_of_the_evidence_and_leaves_nothing_open(here: World) -> None:
    entries = [here.put(bytes([i])) for i in range(8)]
    bad = str(entries[3].descriptor.digest)
    barrier = threading.Barrier(8)

    def hook(_method: str, _repository: Repository, what: str) -> None:
        barrier.wait(30)
        if what == bad:
            raise RuntimeError("broken")

    here.registry.hook = hook
    with pytest.raises(RuntimeError, match="broken"):
        here.of(*entries)
    here.ended()
    assert here.registry.left_open == 0


def test_an_executor_that_refuses(here: World) -> None:
    here.ended()
    with pytest.raises(RuntimeError):
        here.of(here.put(b"x"))
    # what is at hand needs none
    usual = listed(payload(), Format.LEGACY)
    assert here.of(usual) == [(usual.descriptor.digest, payload())]


def test_each_who_asks_has_content_of_their_own(here: World) -> None:
    entries = [here.put(bytes([i])) for i in range(10)]
    results: list[list[tuple[Digest, bytes | Code]]] = []
    threads = [threading.Thread(target=lambda: results.append(here.of(*entries))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [sorted(found) for found in results] == [
        sorted((e.descriptor.digest, bytes([i])) for i, e in enumerate(entries))
    ] * 8
    assert here.registry.left_open == 0


def shared_by(here: World, *asked: tuple[Place, Listed]) -> int:
    """How often the registry is asked by readers who come while the first is answered."""
    held = Hold(here.registry)
    threads = [threading.Thread(target=lambda p=p, e=e: here.of(e, place=p)) for p, e in asked]
    for count, thread in enumerate(threads, 1):
        thread.start()
        until = time.monotonic() + 30
        while sum(f.readers for f in here.contents._downloads._flights.values()) < count and time.monotonic() < until:
            time.sleep(0.001)
    held.go.set()
    for thread in threads:
        thread.join(30)
    assert here.registry.left_open == 0
    return len(held.asked)


def test_who_asks_at_the_same_time_shares_a_fetch(here: World) -> None:
    entry = here.put(b"one")
    assert shared_by(here, *[(PLACE, entry)] * 5) == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(PLACE, scope="another's"),
        replace(PLACE, storage=Storage(Reference.parse("registry.test/evil/api").name)),
        replace(PLACE, attestations=True),  # as much is not read of a signature
    ],
)
def test_but_not_with_another_place_or_other_credentials(here: World, other: Place) -> None:
    entry = here.put(b"one")
    here.put(b"one", name="registry.test/evil/api")
    assert shared_by(here, (PLACE, entry), (other, entry), (PLACE, entry)) == 2


def test_who_has_much_more_time_asks_again_where_the_first_had_too_little(here: World) -> None:
    entry = here.put(b"one")
    entered, go = threading.Event(), threading.Event()

    def too_late_once(_method: str, _repository: Repository, _what: str) -> None:
        if not entered.is_set():
            entered.set()
            assert go.wait(30)
            here.clock.advance(2)

    here.registry.hook = too_late_once
    found: dict[str, list[tuple[Digest, bytes | Code]]] = {}

    def ask(name: str, deadline: Deadline) -> threading.Thread:
        thread = threading.Thread(target=lambda: found.update({name: here.of(entry, deadline=deadline)}))
        thread.start()
        return thread

    hurried = ask("hurried", here.clock.deadline(1))
    assert entered.wait(30)
    patient = ask("patient", here.clock.deadline(60))
    until = time.monotonic() + 30
    flights = here.contents._downloads._flights
    while not any(flight.readers > 1 for flight in list(flights.values())) and time.monotonic() < until:
        time.sleep(0.001)
    go.set()
    for thread in (hurried, patient):
        thread.join(30)
    digest = entry.descriptor.digest
    assert found == {"hurried": [(digest, Code.DEADLINE_EXCEEDED)], "patient": [(digest, b"one")]}


def test_what_is_at_hand_comes_before_what_is_fetched(here: World) -> None:
    usual, kept = listed(payload(), Format.LEGACY), listed(b"kept")
    here.contents.keep(kept.descriptor.digest, b"kept")
    fetched = here.put(b"fetched")
    held = Hold(here.registry)
    running = here.contents.of(PLACE, iter([fetched, kept, usual]), here.clock.deadline())
    first = [next(running), next(running)]
    assert [content.read() for _, content in first if isinstance(content, InMemory)] == [payload(), b"kept"]
    assert held.asked == []  # and before anything is asked for
    held.go.set()
    (_, last) = next(running)
    assert not isinstance(last, EvidenceUnavailable)
    assert last.read() == b"fetched"
    assert next(running, None) is None


def test_what_is_kept_counts_only_as_its_descriptor_says() -> None:
    """A descriptor that lies of a size is the registry's to answer for, and so is an empty one of anything."""
    registry, store = RegistrySimulator(), DictStore()
    content = b"x" * 100
    repository = registry.repository("registry.test/acme/api")
    repository.blob(content)
    blobs = Blobs(store)
    blobs.put(Digest.of(content), content)
    home = Repository("registry.test", "acme/api")
    place = Place(Storage(home), Digest.of(b"image"), "", home, attestations=True)
    with ThreadPoolExecutor(2) as pool:
        contents = Contents(registry, blobs, Lanes(pool, 2, 2))
        for digest, size, asked in ((Digest.of(content), 100, 0), (Digest.of(content), 7, 1), (Digest.of(b"y"), 0, 2)):
            listed = Listed(Format.BUNDLE, Descriptor("x/y", digest, size))
            ((_, found),) = [(d, c) for d, c in contents.of(place, [listed], SettableClock().deadline())]
            assert isinstance(found, EvidenceUnavailable) is (asked > 0)
            assert registry.calls["blob"] == asked
