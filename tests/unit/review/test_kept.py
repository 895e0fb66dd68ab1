from __future__ import annotations

import json
import random
import re
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from gate.codes import Code
from gate.evidence.facts import Format, Rejection, Storage, Unavailable
from gate.image.digest import Digest
from gate.image.manifest import Descriptor
from gate.image.reference import Repository
from gate.review.kept import BLOB_SECONDS, MAX_KEPT, Blobs, Listings, Nothing
from gate.review.listing import Listed, Listing, Place
from gate.store.memory import MemoryStore
from tests.fakes.clock import START
from tests.fakes.store import DictStore

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY = bytes(range(32))
IMAGE = Digest.of(b"the image")
HOME = Repository("registry.test", "acme/api")
PLACE = Place(Storage(HOME), IMAGE, "team-a", HOME, attestations=False)
FULL = Listing(
    IMAGE,
    (
        Listed(Format.LEGACY, Descriptor("a/x.one+json", Digest.of(b"one"), 3, {"a": "b", "": "\u00e4\U0001f512"})),
        Listed(Format.REFERRER_LEGACY, Descriptor("a/b", Digest.of(b"two", "sha512"), 0)),
        Listed(Format.BUNDLE, Descriptor("a/b", Digest.of(b"three"), 2**53), "https://a.example/t\u00e4"),
        Listed(Format.NOTATION, Descriptor("a/b", Digest.of(b"one"), 3, {"k" * 1000: '"\\\n\0\x7f'})),
    ),
    (
        Rejection(Format.BUNDLE, Digest.of(b"four"), Code.SIGNATURE_INVALID, "a manifest of 2 layers; \u201cone\u201d"),
        Rejection(Format.NOTATION, Digest.of(b"five"), Code.SIGNATURE_UNSUPPORTED, ""),
    ),
)
SIGNED = Listing(IMAGE, FULL.entries[:1])
UNSIGNED = Listing(IMAGE, ())
ELSEWHERE = [
    replace(PLACE, storage=Storage(Repository("registry.test", "evil/api"))),
    replace(PLACE, storage=Storage(Repository("evil.test", "acme/api"))),
    replace(PLACE, storage=Storage(Repository("registry.test", "acme/api/x"))),
    replace(PLACE, storage=Storage(HOME, "prefix-")),
    replace(PLACE, image=Digest.of(b"another image")),
    replace(PLACE, image=Digest.of(b"the image", "sha512")),
    replace(PLACE, scope="team-b"),
    replace(PLACE, scope=""),
    replace(PLACE, home=Repository("registry.test", "evil/api")),
    replace(PLACE, storage=Storage(HOME, "team-a"), scope=""),  # the same texts, cut elsewhere
    replace(PLACE, attestations=True),
]


class Office:
    """Listings over a store, by a wall clock of their own."""

    def __init__(self, store: DictStore | None = None, key: bytes = KEY, ahead: float = 0.0) -> None:
        self.store = store or DictStore()
        self.at = START.timestamp() + ahead
        self.set = 0.0  # what the clock has been set by
        self.listings = Listings(self.store, key, lambda: self.at, lambda: self.at - self.set)

    def set_by(self, seconds: float) -> None:
        """As an administrator sets the clock, or NTP."""
        self.at += seconds
        self.set += seconds

    def put(self, place: Place = PLACE, listing: Listing = SIGNED, seconds: float = 60.0) -> str:
        """The name that it is kept under."""
        before = dict(self.store.values)
        self.listings.put(place, listing, seconds)
        ((name, _),) = self.store.values.items() - before.items()
        return name

    def get(self, place: Place = PLACE) -> Listing | None:
        found = self.listings.get(place)
        return found[0] if found else None

    def seal(self, value: bytes, place: Place = PLACE) -> None:
        """Keep any bytes under a good seal, as another version of this program may have."""
        name, until = self.listings._name(place), struct.pack(">d", self.at + 60)
        self.store.values[name] = self.listings._seal(name, until, value) + until + value


# blobs


class Answering(DictStore):
    """Gives whatever it was made with, to whatever is asked."""

    def __init__(self, values: dict[str, bytes]) -> None:
        super().__init__()
        self.values = values

    def get(self, keys: Sequence[str]) -> dict[str, bytes]:
        self.asked.extend(keys)
        return self.values


class Timed(DictStore):
    """Writes down for how long."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def put(self, key: str, value: bytes, seconds: float) -> None:
        super().put(key, value, seconds)
        self.seconds.append(seconds)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("content", [b"", b"x", b"\0" * 100_000])
def test_a_blob_is_given_back(content: bytes, algorithm: str) -> None:
    store = Timed()
    digest = Digest.of(content, algorithm)
    blobs = Blobs(store)
    blobs.put(digest, content)
    assert store.values == {f"blob:{digest}": content}
    assert store.seconds == [BLOB_SECONDS]
    assert blobs.get([digest, Digest.of(b"gone")]) == {digest: content}
    assert blobs.corrupt == 0


def test_all_are_asked_for_at_once_and_nothing_for_none() -> None:
    store = DictStore()
    blobs = Blobs(store)
    assert blobs.get([]) == {}
    assert blobs.get(iter(())) == {}
    assert store.asked == []
    digests = [Digest.of(bytes([i])) for i in range(3)]
    assert blobs.get(iter(digests)) == {}
    assert store.asked == [f"blob:{digest}" for digest in digests]


@pytest.mark.parametrize("change", [b"", b"X", b"the blo", b"the blob\0", b"THE BLOB", b"x" * 5_000_000])
def test_a_blob_that_is_not_what_its_digest_says_is_counted_and_not_given(change: bytes) -> None:
    good, bad = Digest.of(b"good"), Digest.of(b"the blob")
    blobs = Blobs(Answering({f"blob:{good}": b"good", f"blob:{bad}": change}))
    assert blobs.get([good, bad]) == {good: b"good"}
    assert blobs.get([bad]) == {}
    assert blobs.corrupt == 2


def test_blobs_that_were_exchanged_are_both_refused() -> None:
    one, two = Digest.of(b"one"), Digest.of(b"two")
    blobs = Blobs(Answering({f"blob:{one}": b"two", f"blob:{two}": b"one"}))
    assert blobs.get([one, two]) == {}
    assert blobs.corrupt == 2


def test_what_nobody_asked_for_is_ignored() -> None:
    wanted, other = Digest.of(b"wanted"), Digest.of(b"other")
    listing = f"listing:{'0' * 64}"
    foreign = {f"blob:{other}": b"other", str(wanted): b"wanted", f"BLOB:{wanted}": b"wanted", "": b"", listing: b"x"}
    blobs = Blobs(Answering(foreign))
    assert blobs.get([wanted]) == {}
    assert blobs.corrupt == 0
    assert Blobs(Answering({**foreign, f"blob:{wanted}": b"wanted"})).get([wanted]) == {wanted: b"wanted"}


def test_one_by_another_algorithm_is_another() -> None:
    content = b"content"
    store = DictStore()
    blobs = Blobs(store)
    blobs.put(Digest.of(content), content)
    assert blobs.get([Digest.of(content, "sha512")]) == {}


@pytest.mark.parametrize(("size", "kept"), [(MAX_KEPT, 1), (MAX_KEPT + 1, 0)])
def test_what_is_too_large_is_not_kept(size: int, kept: int) -> None:
    store = DictStore()
    content = bytes(size)
    Blobs(store).put(Digest.of(content), content)
    assert len(store.values) == kept


def test_nothing_keeps_nothing() -> None:
    nothing = Nothing()
    blobs = Blobs(nothing)
    blobs.put(IMAGE, b"the image")
    assert blobs.get([IMAGE]) == {}
    nothing.close()


# listings: what is kept is given back


@pytest.mark.parametrize("listing", [FULL, SIGNED, UNSIGNED, replace(UNSIGNED, rejected=FULL.rejected)])
def test_a_listing_is_given_back_with_all_that_is_in_it(listing: Listing) -> None:
    office = Office()
    office.put(listing=listing)
    found = office.listings.get(PLACE)
    assert found == (listing, 0.0)
    assert [e.descriptor.annotations for e in found[0].entries] == [e.descriptor.annotations for e in listing.entries]
    assert found[0].complete
    # to another process too, which has the key
    assert Office(office.store).get() == listing
    assert office.listings.corrupt == 0


@pytest.mark.parametrize("place", ELSEWHERE)
def test_every_place_has_its_own(place: Place) -> None:
    office = Office()
    names = {office.put(), office.put(place, UNSIGNED if place.image == IMAGE else Listing(place.image, ()))}
    assert len(names) == 2
    assert office.get() == SIGNED
    other = office.get(place)
    assert other is not None
    assert (other.image, other.entries) == (place.image, ())


def test_names_of_places_are_all_different() -> None:
    office = Office()
    assert len({office.listings._name(place) for place in [PLACE, *ELSEWHERE]}) == len(ELSEWHERE) + 1


def test_the_last_one_counts() -> None:
    office = Office()
    office.put(listing=SIGNED)
    office.put(listing=UNSIGNED)
    assert office.get() == UNSIGNED


@pytest.mark.parametrize(
    "unfinished",
    [replace(SIGNED, growing=True), replace(SIGNED, unavailable=(Unavailable(Code.REGISTRY_TIMEOUT, "late", ""),))],
)
def test_what_is_not_complete_is_not_taken(unfinished: Listing) -> None:
    office = Office()
    with pytest.raises(AssertionError):
        office.listings.put(PLACE, unfinished, 60)
    assert office.store.values == {}


def test_there_is_none() -> None:
    office = Office()
    assert office.get() is None
    assert len(office.store.asked) == 1
    assert office.listings.corrupt == 0


# listings: what others have had their hands on


@pytest.mark.parametrize("listing", [FULL, UNSIGNED], ids=["full", "unsigned"])
def test_every_byte_that_is_changed_is_noticed(listing: Listing) -> None:
    office = Office()
    name = office.put(listing=listing)
    good = office.store.values[name]
    changes = 0
    for i in range(len(good)):
        for bit in (0x01, 0x80):
            changed = bytearray(good)
            changed[i] ^= bit
            office.store.values[name] = bytes(changed)
            assert office.get() is None
            changes += 1
    assert office.listings.corrupt == changes
    office.store.values[name] = good
    assert office.get() == listing


def test_every_length_is_noticed() -> None:
    office = Office()
    name = office.put()
    good = office.store.values[name]
    lengths = [*(good[:n] for n in range(len(good))), *(good[n:] for n in range(1, len(good))), good + b"\0", good * 2]
    for changed in lengths:
        office.store.values[name] = changed
        assert office.get() is None
    assert office.listings.corrupt == len(lengths)


@pytest.mark.parametrize("place", ELSEWHERE)
def test_what_was_moved_to_another_place_is_refused(place: Place) -> None:
    """The store's owner knows which name is which: he has seen what was asked for when."""
    office = Office()
    there = office.put(place, Listing(place.image, FULL.entries))
    here = office.put(PLACE, UNSIGNED)
    office.store.values[here] = office.store.values[there]
    assert office.get() is None
    assert office.listings.corrupt == 1
    del office.store.values[here]
    assert office.get() is None


def test_a_blob_is_no_listing_and_a_seal_is_not_taken_from_a_name() -> None:
    office = Office()
    name = office.put()
    value = office.store.values[name]
    seal = bytes.fromhex(name.removeprefix("listing:"))  # made by the same key
    for forged in (seal + value[32:], value[:32] + struct.pack(">d", 9e18) + value[40:], seal + seal):
        office.store.values[name] = forged
        assert office.get() is None
    assert office.listings.corrupt == 3


@pytest.mark.parametrize("key", [bytes(32), KEY[::-1], KEY + b"\1", b"another key of at least 32 bytes!!"])
def test_what_was_sealed_with_another_key_is_refused(key: bytes) -> None:
    office, other = Office(), Office(key=key)
    ours, theirs = office.put(), other.put(listing=FULL)
    assert ours != theirs
    office.store.values[ours] = other.store.values[theirs]
    assert office.get() is None
    assert office.listings.corrupt == 1
    # nor is it found under its own name
    assert Office(other.store).get() is None


@pytest.mark.parametrize("length", [0, 1, 16, 31])
def test_a_key_that_is_too_short(length: int) -> None:
    with pytest.raises(ValueError, match=f"{length} bytes"):
        Listings(DictStore(), bytes(length), lambda: 0.0, lambda: 0.0)
    Listings(DictStore(), bytes(32), lambda: 0.0, lambda: 0.0)


# listings: time


@pytest.mark.parametrize(("after", "there"), [(0, True), (59.9, True), (60, False), (60.1, False), (1e9, False)])
def test_a_listing_counts_until_its_time_whatever_the_store_keeps(after: float, there: bool) -> None:  # noqa: FBT001
    office = Office()
    name = office.put(seconds=60)
    office.at += after
    assert (office.get() is not None) is there
    assert name in office.store.values
    assert office.listings.corrupt == 0  # it is not damaged: it is over


def test_one_that_was_slow_is_as_old_as_its_beginning() -> None:
    office = Office()
    office.listings.put(PLACE, SIGNED, 60.0, age=8.0)
    assert office.listings.get(PLACE) == (SIGNED, 8.0)
    office.at += 51.0
    assert office.get() == SIGNED
    office.at += 2.0
    assert office.get() is None


def test_one_that_was_slow_does_not_take_the_place_of_a_newer_one() -> None:
    """Somebody else has seen the signature gone meanwhile."""
    slow, quick = Office(), Office()
    quick.listings = Listings(slow.store, KEY, lambda: slow.at, lambda: slow.at)
    quick.listings.put(PLACE, UNSIGNED, 3600.0)
    slow.at += 5.0
    slow.listings.put(PLACE, SIGNED, 3600.0, age=8.0)
    assert slow.get() == UNSIGNED
    slow.listings.put(PLACE, SIGNED, 3600.0, age=4.0)
    assert slow.get() == SIGNED


def test_its_age_is_said() -> None:
    office = Office()
    office.put(seconds=60)
    office.at += 12.5
    assert office.listings.get(PLACE) == (SIGNED, 12.5)


@pytest.mark.parametrize("seconds", [1e9, float("inf"), 1e308])
def test_a_time_that_somebody_has_put_off_is_refused(seconds: float) -> None:
    office = Office()
    name = office.put(seconds=60)
    value = office.store.values[name]
    office.store.values[name] = value[:32] + struct.pack(">d", office.at + seconds) + value[40:]
    assert office.get() is None
    office.at += 61
    assert office.get() is None
    assert office.listings.corrupt == 2


def test_the_time_of_another_listing_does_not_help() -> None:
    """Of two of one place, the parts put together anew."""
    office = Office()
    old = office.store.values[office.put(seconds=10)]
    office.at += 5
    name = office.put(listing=UNSIGNED, seconds=1000)
    new = office.store.values[name]
    for mixed in (new[:40] + old[40:], old[:32] + new[32:40] + old[40:], new[:32] + old[32:]):
        office.store.values[name] = mixed
        assert office.get() is None
    assert office.listings.corrupt == 3


def test_an_old_one_that_is_put_back_counts_no_longer_than_it_would_have() -> None:
    office = Office()
    old = office.store.values[office.put(listing=SIGNED, seconds=60)]
    office.at += 30
    name = office.put(listing=UNSIGNED, seconds=60)
    office.store.values[name] = old
    assert office.listings.get(PLACE) == (SIGNED, 30.0)
    office.at += 30
    assert office.get() is None


@pytest.mark.parametrize(
    ("ahead", "age"), [(-3600, None), (-59, 59.0), (-5, 5.0), (0, 0.0), (4, 0.0), (6, None), (61, None), (3600, None)]
)
def test_the_clock_of_who_put_it(ahead: float, age: float | None) -> None:
    """Another machine's, so far ahead of ours: a little is no matter, and makes nothing younger than new."""
    theirs = Office(ahead=ahead)
    theirs.put(seconds=60)
    ours = Office(theirs.store)
    found = ours.listings.get(PLACE)
    assert (found[1] if found else None) == age
    assert ours.listings.corrupt == 0


@pytest.mark.parametrize("by", [30, 3600])
def test_a_list_gets_older_though_the_clock_is_set_back(by: float) -> None:
    office = Office()
    office.put(seconds=60)
    office.set_by(-by)
    for age in (0.0, 20.0, 40.0):
        assert office.listings.get(PLACE) == (SIGNED, age)
        office.at += 20
    assert office.get() is None


def test_a_clock_that_was_ahead_for_a_moment_brings_nothing_back() -> None:
    office = Office()
    office.put(seconds=60)
    office.set_by(3600)
    assert office.get() is None
    office.set_by(-3600)
    assert office.get() is None


def test_a_list_that_was_put_while_the_clock_was_ahead_is_as_old_as_it_is() -> None:
    office = Office()
    office.set_by(3600)
    office.put(seconds=60)
    office.set_by(-3600)
    office.at += 20
    assert office.listings.get(PLACE) == (SIGNED, 20.0)
    office.at += 40
    assert office.get() is None


def test_another_process_believes_no_list_of_the_time_before_the_clock_was_set_back() -> None:
    office = Office()
    office.put(seconds=60)
    other = Office(office.store, ahead=-3600)
    assert other.get() is None


def test_what_was_over_is_not_begun_again_by_a_clock_that_is_set_back() -> None:
    office = Office()
    office.put(seconds=60)
    office.at += 61
    assert office.get() is None
    office.set_by(-30)
    assert office.get() is None
    office.put(seconds=60)  # nor is what is put now taken to be new for as long as the clock said more
    found = office.listings.get(PLACE)
    assert found is not None
    assert found[1] == 30


# listings: what is no listing


def record(**changes: Any) -> bytes:
    entry = ["legacy", "a/b", str(IMAGE), 1, {}, ""]
    return json.dumps({"at": START.timestamp(), "entries": [entry], "rejected": [], **changes}).encode()


GARBAGE = [
    *(b"", b"\0", b"null", b"[]", b"{}", b"0", b'""', b"\xff" * 40, b"{" * 100_000, b"[" * 100_000, b'{"at":' * 50_000),
    *(b"x" * 5_000_000, b'{"at": 1}', record()[:-1], record() + b"{}", record().replace(b"1", b"NaN")),
]
RECORDS = [
    *(record(at=None), record(at="now"), record(at=[]), record(entries=None), record(rejected=None), record(more=1)),
    *(record(entries=[[]]), record(entries=[{}]), record(entries=[["legacy", "a/b", str(IMAGE), 1]])),
    *(
        record(entries=[["legacy", "a/b", str(IMAGE), 1, {}, "", 1]]),
        record(entries=[["other", "a/b", str(IMAGE), 1, {}, ""]]),
    ),
    record(entries=[["legacy", "a/b", "sha256:00", 1, {}, ""]]),
    record(entries=[["legacy", "a/b", "md5:" + "0" * 32, 1, {}, ""]]),
    record(entries=[["legacy", "a/b", str(IMAGE), 1.5, {}, ""]]),
    record(entries=[["legacy", "a/b", str(IMAGE), 1, {}]]),
    record(entries=[["legacy", "a/b", str(IMAGE), 1, {}, None]]),
    record(entries=[["legacy", "a/b", str(IMAGE), 1, {"a": 1}, ""]]),
    record(rejected=[["bundle", str(IMAGE), "NO_SUCH_CODE", "why"]]),
    record(rejected=[["bundle", "x", "SIGNATURE_INVALID", "why"]]),
]


@pytest.mark.parametrize("number", range(len(GARBAGE) + len(RECORDS)))
def test_what_is_no_record_is_refused_even_under_a_good_seal(number: int) -> None:
    """Another version's, perhaps: it is as if there were none."""
    office = Office()
    office.seal(record())
    assert office.get() is not None
    office.seal([*GARBAGE, *RECORDS][number])
    assert office.get() is None
    assert office.listings.corrupt == 1


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_rubbish_in_its_place_is_refused(garbage: bytes) -> None:
    office = Office()
    name = office.put()
    office.store.values[name] = garbage
    assert office.get() is None
    assert office.listings.corrupt == 1
    # and makes way for what is good
    office.listings.put(PLACE, SIGNED, 60)
    assert office.get() == SIGNED


@pytest.mark.parametrize("seed", range(20))
def test_rubbish_of_chance_is_refused(seed: int) -> None:
    choose = random.Random(seed)
    office = Office()
    name = office.put()
    for _ in range(50):
        office.store.values[name] = choose.randbytes(choose.choice([0, 1, 31, 32, 33, 39, 40, 41, 300]))
        assert office.get() is None


@pytest.mark.parametrize("at", ["1e308", "-1e308", "1e18", "-0.0"])
def test_a_time_that_no_clock_says(at: str) -> None:
    office = Office()
    office.seal(record().replace(str(START.timestamp()).encode(), at.encode()))
    found = office.listings.get(PLACE)
    assert found is None or found[1] > 1e9


def test_more_than_was_asked_for_is_ignored() -> None:
    office = Office()
    office.put()
    other = office.put(ELSEWHERE[0], Listing(IMAGE, FULL.entries))
    values = dict(office.store.values)
    listings = Listings(Answering({other: values[other]}), KEY, lambda: office.at, lambda: office.at)
    assert listings.get(PLACE) is None
    assert listings.corrupt == 0
    both = Listings(Answering(values), KEY, lambda: office.at, lambda: office.at)
    assert both.get(PLACE) == (SIGNED, 0.0)


# listings: what the store's owner can read


def test_a_name_says_nothing() -> None:
    office = Office()
    name = office.put()
    assert re.fullmatch("listing:[0-9a-f]{64}", name, re.ASCII)
    # nor can it be guessed: it is another under another key
    assert Office(key=KEY[::-1]).put() != name
    assert Office().put() == name


def test_neither_repository_nor_credentials_nor_image_are_in_it() -> None:
    office = Office()
    place = Place(
        Storage(Repository("secret-host.test", "secret/path"), "secret-prefix-"),
        IMAGE,
        "secret-scope",
        Repository("secret-home.test", "secret"),
        attestations=True,
    )
    name = office.put(place, UNSIGNED)
    everything = name.encode() + office.store.values[name]
    assert b"secret" not in everything
    assert IMAGE.hex.encode() not in everything
    assert KEY not in everything


def test_in_a_store_that_forgets() -> None:
    at = [0.0]
    store = MemoryStore(1_000_000, lambda: at[0])
    listings = Listings(store, KEY, lambda: START.timestamp() + at[0], lambda: at[0])
    listings.put(PLACE, SIGNED, 10)
    assert listings.get(PLACE) == (SIGNED, 0.0)
    at[0] = 10
    assert listings.get(PLACE) is None
    store.close()
