from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import pytest

from gate.codes import Code
from gate.deadline import Deadline
from gate.evidence import cosign
from gate.evidence.candidate import Candidate
from gate.evidence.facts import (
    CertificateSigner,
    Format,
    KeySigner,
    Rejection,
    Storage,
    Unavailable,
    VerifiedAttestation,
    VerifiedSignature,
)
from gate.image.content import InMemory
from gate.image.digest import Digest
from gate.image.reference import Repository
from gate.policy.trust import PUBLIC_GOOD, SIGSTORE, BuiltInRoot, PrivateAuthorities, TrustNeeds, WitnessedKey
from gate.review.examine import Examiner, _words
from gate.review.listing import Listing, Place
from gate.trust.root import TrustedRoot
from tests.fakes.clock import SettableClock
from tests.fakes.contents import AtHand, listed
from tests.fakes.fulcio import SUBJECT, Signer, shared_key
from tests.fakes.roots import FixedRoots, NoRoots
from tests.fakes.signing_authority import Signature, encode, shared_world, simple_signing, statement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.evidence.facts import Evidence
    from gate.policy.trust import TrustNeeds as Needs

IMAGE = Digest.of(b"the image")
HOME = Repository("registry.test", "acme/api")
PLACE = Place(Storage(HOME), IMAGE, "", HOME, attestations=True)
PREDICATE = "https://spdx.dev/Document"
KEY = Signer(shared_key())
BY_KEY = TrustNeeds((WitnessedKey(KEY.key.public),))
OURS = BuiltInRoot("ours")
BY_KEY_LOGGED = TrustNeeds((WitnessedKey(KEY.key.public, SIGSTORE),))
KEYLESS = TrustNeeds(roots=(SIGSTORE,))


class Make(Protocol):
    def __call__(self, signer: Signer, *, logged: bool) -> Candidate: ...


def public_good() -> FixedRoots:
    return FixedRoots({PUBLIC_GOOD: TrustedRoot.parse(shared_world().trusted_root())})


def legacy(signer: Signer, *, logged: bool) -> Candidate:
    layer = shared_world().legacy_signature(Signature.of_message(signer, simple_signing(IMAGE)), logged=logged)
    return Candidate(Format.LEGACY, Digest.of(layer.content), layer.media_type, layer.content, layer.annotations)


def bundle(signer: Signer, *, logged: bool, predicate_type: str = "") -> Candidate:
    payload = statement(IMAGE, predicate_type) if predicate_type else statement(IMAGE)
    world = shared_world()
    made = world.bundle(Signature.of_payload(signer, payload), entries=None if logged else ())
    content = encode(made)
    return Candidate(Format.BUNDLE, Digest.of(content), str(made["mediaType"]), content)


@dataclass(frozen=True, slots=True)
class Found:
    """A listing and what is to be fetched of it."""

    listing: Listing
    contents: AtHand


def listing(*candidates: Candidate, unavailable: tuple[Unavailable, ...] = ()) -> Found:
    rejected = Rejection(Format.BUNDLE, IMAGE, Code.SIGNATURE_INVALID, "stored wrongly")
    entries = tuple(map(listed, candidates))
    return Found(Listing(IMAGE, entries, (rejected,), unavailable), AtHand({c.digest: c.content for c in candidates}))


def examined(found: Found, needs: Needs, roots: FixedRoots | None = None, deadline: Deadline | None = None) -> Evidence:
    examiner = Examiner(found.contents, roots or NoRoots())
    return examiner.examine(PLACE, found.listing, needs, deadline or SettableClock().deadline())


def ticking(ticks: float) -> Deadline:
    """A deadline that is reached when its clock has been read so many times."""
    counter = itertools.count(1)
    return Deadline(ticks, lambda: float(next(counter)))


def test_what_is_found_is_sorted_by_what_it_is() -> None:
    gone = Unavailable(Code.REGISTRY_TIMEOUT, "no answer", "retry")
    found = examined(
        listing(
            legacy(KEY, logged=False),
            bundle(KEY, logged=False),
            bundle(KEY, logged=False, predicate_type=PREDICATE),
            legacy(Signer(shared_key(name="other")), logged=False),
            unavailable=(gone,),
        ),
        BY_KEY,
    )
    assert [s.format for s in found.signatures] == [Format.LEGACY, Format.BUNDLE]
    assert {s.signer for s in found.signatures} == {KeySigner(KEY.key.public)}
    assert [a.predicate_type for a in found.attestations] == [PREDICATE]
    assert [r.reason for r in found.rejected][:1] == ["stored wrongly"]
    assert [r.code for r in found.rejected] == [Code.SIGNATURE_INVALID, Code.KEY_MISMATCH]
    assert found.unavailable == (gone,)
    assert all(isinstance(s, VerifiedSignature) for s in found.signatures)
    assert all(isinstance(a, VerifiedAttestation) for a in found.attestations)


# the deadline


def test_what_there_is_no_time_for_is_unavailable_and_not_missing() -> None:
    many = [legacy(KEY, logged=False)] * 50
    found = examined(listing(*many), BY_KEY, deadline=ticking(11))
    assert len(found.signatures) == 10
    assert [(u.code, u.message) for u in found.unavailable] == [
        (Code.DEADLINE_EXCEEDED, "the time allowed ran out after 10 of 50 signatures")
    ]


def test_no_time_at_all_verifies_nothing() -> None:
    found = examined(listing(legacy(KEY, logged=False)), BY_KEY, deadline=SettableClock().deadline(0))
    assert (found.signatures, [u.code for u in found.unavailable]) == ((), [Code.DEADLINE_EXCEEDED])


def test_the_last_in_time_is_complete() -> None:
    found = examined(listing(*[legacy(KEY, logged=False)] * 5), BY_KEY, deadline=ticking(6))
    assert (len(found.signatures), found.unavailable) == (5, ())


# trust roots


@pytest.mark.parametrize("make", [legacy, bundle])
@pytest.mark.parametrize(
    ("logged", "needs", "asked"),
    [(False, BY_KEY_LOGGED, 0), (True, BY_KEY, 0), (True, BY_KEY_LOGGED, 1)],
    ids=["nothing beside", "nobody looks", "both"],
)
def test_of_keys_a_root_is_asked_for_what_stands_beside(
    make: Make,
    logged: bool,  # noqa: FBT001
    needs: Needs,
    asked: int,
) -> None:
    roots = public_good()
    found = examined(listing(*[make(KEY, logged=logged)] * 3), needs, roots)
    assert roots.asked.total() == asked
    assert len(found.signatures) == 3
    assert {bool(s.witness.logs) for s in found.signatures} == {bool(asked)}
    assert found.unavailable == ()


def test_a_timestamp_is_something_that_stands_beside() -> None:
    world = shared_world()
    made = Signature.of_message(KEY, simple_signing(IMAGE))
    layer = world.legacy_signature(made, logged=False, timestamp=world.tsa.stamp(made.content))
    candidate = Candidate(Format.LEGACY, Digest.of(layer.content), layer.media_type, layer.content, layer.annotations)
    roots = public_good()
    (signature,) = examined(listing(candidate), BY_KEY_LOGGED, roots).signatures
    assert (signature.witness.has_timestamp, roots.asked[PUBLIC_GOOD]) == (True, 1)


def test_an_escape_in_a_bundle_hides_nothing() -> None:
    """What is looked for as text may be written with escapes: then the root is loaded all the same."""
    plain = bundle(KEY, logged=True)
    escaped = plain.content.replace(b"tlogEntries", b"\\u0074logEntries")
    assert escaped != plain.content
    candidate = Candidate(Format.BUNDLE, Digest.of(escaped), plain.media_type, escaped)
    (signature,) = examined(listing(candidate), BY_KEY_LOGGED, public_good()).signatures
    assert signature.witness.logs
    keyless = bundle(shared_world().issue(), logged=True)
    escaped = keyless.content.replace(b"ertificate", b"\\u0065rtificate")
    assert escaped != keyless.content
    candidate = Candidate(Format.BUNDLE, Digest.of(escaped), keyless.media_type, escaped)
    assert len(examined(listing(candidate), KEYLESS, public_good()).signatures) == 1


@pytest.mark.parametrize("make", [legacy, bundle])
def test_of_certificates_a_root_is_asked_where_one_is_named(make: Make) -> None:
    roots = public_good()
    assert examined(listing(make(KEY, logged=False)), KEYLESS, roots).signatures == ()
    assert roots.asked.total() == 0
    signer = shared_world().issue()
    (signature,) = examined(listing(make(signer, logged=True)), KEYLESS, roots).signatures
    assert isinstance(signature.signer, CertificateSigner)
    assert (signature.signer.trust, signature.signer.identity.subject) == (PUBLIC_GOOD, SUBJECT)
    assert signature.witness.logs
    assert dict(roots.asked) == {PUBLIC_GOOD: 1}


def test_a_root_is_asked_once_for_all_that_want_it() -> None:
    roots = public_good()
    needs = TrustNeeds((WitnessedKey(KEY.key.public, SIGSTORE),), (SIGSTORE,))
    issued = shared_world().issue()
    found = examined(listing(legacy(KEY, logged=True), *[legacy(issued, logged=True)] * 3), needs, roots)
    assert len(found.signatures) == 4
    assert dict(roots.asked) == {PUBLIC_GOOD: 1}


def test_a_root_that_cannot_be_had_is_said_once_and_the_others_count() -> None:
    roots = public_good()
    private = PrivateAuthorities("pki", (), OURS)
    needs = TrustNeeds((WitnessedKey(KEY.key.public, SIGSTORE),), (OURS, SIGSTORE), (private,))
    issued = shared_world().issue()
    found = examined(listing(legacy(KEY, logged=True), legacy(issued, logged=True)), needs, roots)
    assert len(found.signatures) == 2
    assert [(u.code, u.message) for u in found.unavailable] == [
        (Code.TRUST_ROOT_UNAVAILABLE, "the test has no trust root ours")
    ]
    assert dict(roots.asked) == {"ours": 1, PUBLIC_GOOD: 1}


def test_without_a_root_a_signature_by_key_is_known_and_what_stands_beside_is_not() -> None:
    found = examined(listing(legacy(KEY, logged=True)), BY_KEY_LOGGED)
    (signature,) = found.signatures
    assert (signature.witness.logs, signature.witness.times) == (frozenset(), ())
    assert signature.witness.no_log is not None
    assert signature.witness.no_log.code is Code.TRUST_ROOT_UNAVAILABLE
    assert [u.code for u in found.unavailable] == [Code.TRUST_ROOT_UNAVAILABLE]


def test_a_private_pki_without_a_root_asks_for_none() -> None:
    world = shared_world()
    root = TrustedRoot.parse(world.trusted_root())
    private = PrivateAuthorities("pki", root.authorities, None)
    roots = NoRoots()
    issued = world.issue(at=datetime(2026, 11, 1, 12, 0, tzinfo=UTC))
    found = examined(listing(legacy(issued, logged=True)), TrustNeeds(private=(private,)), roots)
    (signature,) = found.signatures
    assert isinstance(signature.signer, CertificateSigner)
    assert (signature.signer.trust, signature.signer.ct_logs) == ("pki", frozenset())
    assert (signature.witness.logs, signature.witness.times) == (frozenset(), ())
    assert (roots.asked.total(), found.unavailable) == (0, ())


def test_a_private_pki_asks_for_its_root_only_where_that_could_say_something() -> None:
    root = TrustedRoot.parse(shared_world().trusted_root())
    private = PrivateAuthorities("pki", root.authorities, SIGSTORE)
    issued = shared_world().issue(at=datetime(2026, 11, 1, 12, 0, tzinfo=UTC))
    roots = public_good()
    found = examined(listing(legacy(issued, logged=False)), TrustNeeds(private=(private,)), roots)
    assert (len(found.signatures), roots.asked.total()) == (1, 0)
    examined(listing(legacy(issued, logged=True)), TrustNeeds(private=(private,)), roots)
    assert roots.asked.total() == 1
    examined(listing(legacy(issued, logged=False)), TrustNeeds(private=(replace(private, ct=True),)), roots)
    assert roots.asked.total() == 2


def test_each_trust_that_accepts_a_certificate_says_so_for_itself() -> None:
    root = TrustedRoot.parse(shared_world().trusted_root())
    private = PrivateAuthorities("pki", root.authorities, SIGSTORE)
    needs = TrustNeeds(roots=(SIGSTORE,), private=(private,))
    found = examined(listing(legacy(shared_world().issue(), logged=True)), needs, public_good())
    signers = [s.signer for s in found.signatures]
    assert [s.trust for s in signers if isinstance(s, CertificateSigner)] == [PUBLIC_GOOD, "pki"]
    # one person, however many trust them
    assert frozenset.intersection(*(s.marks for s in signers))


def test_annotations_that_name_a_certificate_cost_a_root_and_no_more() -> None:
    """Whoever can write there makes the root be loaded; that it can't be had is then an error, never a pass."""
    plain = legacy(KEY, logged=False)
    named = Candidate(
        plain.format, plain.digest, plain.media_type, plain.content, {**plain.annotations, cosign.CERTIFICATE: "x"}
    )
    found = examined(listing(named), KEYLESS)
    assert found.signatures == ()
    assert [u.code for u in found.unavailable] == [Code.TRUST_ROOT_UNAVAILABLE]


def _large(made: Candidate) -> Candidate:
    """The same, with much that nobody reads, and behind what is looked for."""
    content = made.content + b" " * 100_000
    return Candidate(made.format, Digest.of(content), made.media_type, content)


def test_a_trust_root_that_hangs_keeps_no_large_payload_from_being_verified() -> None:
    roots = FixedRoots()
    hangs, goes_on = threading.Event(), threading.Event()

    def hang(_: str) -> None:
        hangs.set()
        assert goes_on.wait(10)

    roots.hook = hang
    keyless, by_key = _large(bundle(shared_world().issue(), logged=True)), _large(bundle(KEY, logged=False))
    contents = AtHand({one.digest: one.content for one in (keyless, by_key)})
    examiner = Examiner(contents, roots)

    def examine(one: Candidate, needs: Needs) -> Evidence:
        found = Listing(IMAGE, (listed(one),))
        return examiner.examine(PLACE, found, needs, Deadline.after(2, time.monotonic))

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(examine, keyless, KEYLESS)
        try:
            assert hangs.wait(10)
            evidence = examine(by_key, BY_KEY)
        finally:
            goes_on.set()
        assert (len(evidence.signatures + evidence.attestations) > 0, evidence.unavailable) == (True, ())
        assert [one.code for one in waiting.result(10).unavailable] == [Code.TRUST_ROOT_UNAVAILABLE]


@pytest.mark.parametrize("each", [1, 2, 7, 16, 1000])
def test_words_are_found_wherever_a_payload_is_cut(each: int) -> None:
    @dataclass(frozen=True)
    class Cut(InMemory):
        def chunks(self) -> Iterator[bytes]:
            return (self.content[at : at + each] for at in range(0, self.size, each))

    text = b'{"x": "' + b"x" * 30 + b'", "certificate": {}, "tlogEntries": [], "rfc3161Timestamps": [], "\\u0041": 1}'
    assert _words(Cut(text)) == {b"ertificate", b"tlogEntries", b"rfc3161Timestamps", b"\\u"}
    assert _words(Cut(b"certificat" * 100)) == set()
