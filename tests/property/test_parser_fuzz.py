"""Damaged and arbitrary bytes for all that reads evidence: an answer, `ParseError` or `Refused`, nothing else."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate import strictjson
from gate.errors import ParseError
from gate.evidence import cosign, dsse
from gate.evidence.bundle import Bundle
from gate.evidence.candidate import Candidate
from gate.evidence.certificate import find_path
from gate.evidence.checkpoint import Checkpoint
from gate.evidence.cosign import SimpleSigning
from gate.evidence.dsse import Envelope, Statement
from gate.evidence.entry import LogEntry
from gate.evidence.entry_body import Logged, check_body
from gate.evidence.facts import Format, Rejection, VerifiedAttestation, VerifiedSignature
from gate.evidence.identity import identity_of
from gate.evidence.message import Message
from gate.evidence.refusal import Refused
from gate.evidence.sct import verify_scts
from gate.evidence.timestamp import verify_timestamp
from gate.evidence.verifier import verify
from gate.image.digest import Digest
from gate.trust.anchors import Anchors, Holder, Issuers
from gate.trust.authority import parse_certificate, parse_pem_certificates
from gate.trust.key import PublicKey
from gate.trust.root import TrustedRoot
from tests.fakes.fulcio import AT, Keypair, Profile, Sct, Signer, shared_key
from tests.fakes.signing_authority import Signature, encode, shared_world, simple_signing, statement
from tests.fakes.transparency_log import (
    DSSE_1,
    DSSE_2,
    HASHEDREKORD_1,
    HASHEDREKORD_2,
    INTOTO_1,
    INTOTO_2,
    Entry,
    b64,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.fakes.fulcio import KeyType

pytestmark = [
    # What `cryptography` says of odd certificates that it reads all the same.
    pytest.mark.filterwarnings("ignore:Parsed a serial number:cryptography.utils.CryptographyDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Attribute's length must be:UserWarning"),
]

WORLD: Final = shared_world()
IMAGE: Final = Digest.of(b"image")
ROOT: Final = WORLD.trusted_root()
BY: Final = WORLD.issue(shared_key("P-256", "fuzz"), Profile(claims={n: f"claim {n}" for n in range(9, 23)}))
MANAGED: Final = Signer(shared_key("P-256", "fuzz"))
ENVELOPE: Final = Signature.of_payload(BY, statement(IMAGE, annotations={"team": "a"}))
SIMPLE: Final = Signature.of_message(BY, simple_signing(IMAGE, annotations={"team": "a"}))
LAYER: Final = WORLD.legacy_signature(SIMPLE, timestamp=WORLD.tsa.stamp(SIMPLE.content))
EXAMPLES: Final = 800


@cache
def anchors() -> Anchors:
    root = TrustedRoot.parse(ROOT)
    return Anchors((Holder(MANAGED.key.public, root=root),), (Issuers("test", root.authorities, root),))


def bundles() -> list[bytes]:
    managed = Signature.of_payload(MANAGED, statement(IMAGE))
    rekor2 = WORLD.entry(ENVELOPE, log=WORLD.rekor2)
    stamps = [WORLD.tsa.stamp(ENVELOPE.content)]
    found = [
        WORLD.bundle(ENVELOPE),
        WORLD.bundle(ENVELOPE, version="0.1"),
        WORLD.bundle(ENVELOPE, version="0.2", intermediates=True),
        WORLD.bundle(ENVELOPE, entries=[rekor2], timestamps=stamps),
        WORLD.bundle(SIMPLE),
        WORLD.bundle(managed),
    ]
    return [encode(value) for value in found]


def entries() -> list[Entry]:
    found = [WORLD.entry(ENVELOPE, kind=kind) for kind in (DSSE_1, INTOTO_1, INTOTO_2, HASHEDREKORD_1)]
    return [*found, *(WORLD.entry(ENVELOPE, log=WORLD.rekor2, kind=kind) for kind in (HASHEDREKORD_2, DSSE_2))]


def certificates() -> list[bytes]:
    issued = [*BY.chain, WORLD.issue(shared_key("RSA-2048")).chain[0], *(i.certificate for i in WORLD.tsa.issuers)]
    return [certificate.public_bytes(Encoding.DER) for certificate in issued]


def checkpoints() -> list[bytes]:
    proofs = [entry.proof for entry in (WORLD.entry(ENVELOPE), WORLD.entry(ENVELOPE, log=WORLD.rekor2))]
    return [proof.checkpoint.encode() for proof in proofs if proof]


def public_keys() -> list[bytes]:
    kinds: tuple[KeyType, ...] = ("P-256", "P-384", "RSA-2048", "Ed25519")
    return [content for kind in kinds for content in (shared_key(kind).pem, shared_key(kind).spki)]


# What is fed.


def parsed_json(content: bytes) -> object:
    return strictjson.loads(content)


def envelope(content: bytes) -> None:
    _ = Envelope.parse(parsed_json(content)).pae


def entry_of_annotation(content: bytes) -> None:
    LogEntry.of_annotation(content.decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode())


def checkpoint(content: bytes) -> None:
    note = Checkpoint.parse(content.decode("utf-8", "replace"))
    for log in (*TrustedRoot.parse(ROOT).logs,):
        note.is_signed_by(log)


def log_body(content: bytes) -> None:
    entry = LogEntry(b"id", 0, 0, "", "", content, b"", None)
    read = Envelope.parse(ENVELOPE.envelope)
    for about in (
        Logged(Message.of(read.pae), ENVELOPE.content, BY.der, read, ENVELOPE.stored),
        Logged(Message.of(SIMPLE.message), SIMPLE.content, BY.der),
        Logged(Message(Message.of(SIMPLE.message).sha256), SIMPLE.content, MANAGED.key.spki),
    ):
        with suppress(ParseError):
            check_body(entry, about)


def certificate(content: bytes) -> None:
    """Read, and then used as the verifier does."""
    found = parse_certificate(content)
    assert found.subject.rdns is not None
    assert found.issuer.rdns is not None
    root = TrustedRoot.parse(ROOT)
    uses: tuple[Callable[[], object], ...] = (
        lambda: PublicKey.of(found.public_key()),
        lambda: find_path(found, BY.chain[1:], root.authorities, [AT]),
        lambda: find_path(BY.chain[0], [found], root.authorities[:0], [AT]),
        lambda: identity_of(found),
        lambda: verify_scts([found, BY.chain[1]], root.ct_logs),
    )
    for use in uses:
        with suppress(ParseError, Refused):
            use()


def timestamp(content: bytes) -> None:
    verify_timestamp(content, ENVELOPE.content, TrustedRoot.parse(ROOT).timestamp_authorities)


def keys(content: bytes) -> None:
    for read in (PublicKey.parse, PublicKey.parse_der):
        with suppress(ParseError):
            read(content).verifies(ENVELOPE.content, b"message")


def answer(candidate: Candidate, trusted: Anchors) -> None:
    verdict = verify(candidate, IMAGE, trusted)
    if isinstance(verdict, Rejection):
        assert verdict.reason
    else:
        assert verdict
        assert all(isinstance(fact, VerifiedSignature | VerifiedAttestation) for fact in verdict)


def whole_bundle(content: bytes) -> None:
    answer(Candidate(Format.BUNDLE, Digest.of(content), "", content), anchors())


def whole_layer(content: bytes) -> None:
    media_type = cosign.SIMPLE_SIGNING if b"critical" in content else dsse.ENVELOPE
    answer(Candidate(Format.LEGACY, Digest.of(content), media_type, content, LAYER.annotations), anchors())


def whole_annotations(content: bytes) -> None:
    """An annotation: its name up to the first NUL."""
    name, _, value = content.decode("utf-8", "replace").partition("\0")
    annotations = {**LAYER.annotations, name: value}
    answer(Candidate(Format.LEGACY, Digest.of(LAYER.content), LAYER.media_type, LAYER.content, annotations), anchors())


def whole_root(content: bytes) -> None:
    """A trusted root, and what is right under the true one."""
    root = TrustedRoot.parse(content)
    trusted = Anchors((Holder(MANAGED.key.public, root=root),), (Issuers("test", root.authorities, root),))
    for bundle in _bundles():
        answer(Candidate(Format.BUNDLE, Digest.of(bundle), "", bundle), trusted)


@cache
def _bundles() -> tuple[bytes, ...]:
    return tuple(bundles()[3:4])


@dataclass(frozen=True)
class Target:
    """Something that reads bytes, and what it reads when they are right."""

    read: Callable[[bytes], object]
    seeds: Callable[[], Sequence[bytes]]


TARGETS: Final = {
    "JSON": Target(parsed_json, bundles),
    "Bundle.parse": Target(Bundle.parse, bundles),
    "TrustedRoot.parse": Target(TrustedRoot.parse, lambda: [ROOT]),
    "Envelope.parse": Target(envelope, lambda: [ENVELOPE.stored]),
    "Statement.parse": Target(Statement.parse, lambda: [statement(IMAGE, annotations={"team": "a"})]),
    "SimpleSigning.parse": Target(SimpleSigning.parse, lambda: [SIMPLE.message]),
    "LogEntry.of_annotation": Target(entry_of_annotation, lambda: [e.annotation().encode() for e in entries()]),
    "LogEntry.of_bundle": Target(
        lambda content: LogEntry.of_bundle(parsed_json(content)), lambda: [encode(e.json()) for e in entries()]
    ),
    "Checkpoint.parse": Target(checkpoint, checkpoints),
    "check_body": Target(log_body, lambda: [e.body for e in entries()]),
    "parse_certificate": Target(certificate, certificates),
    "parse_pem_certificates": Target(parse_pem_certificates, lambda: [BY.pem]),
    "verify_timestamp": Target(
        timestamp, lambda: [WORLD.tsa.stamp(ENVELOPE.content), WORLD.tsa.stamp(ENVELOPE.content, embedded=())]
    ),
    "PublicKey": Target(keys, public_keys),
    "verify a bundle": Target(whole_bundle, bundles),
    "verify a layer": Target(whole_layer, lambda: [SIMPLE.message, ENVELOPE.stored]),
    "verify annotations": Target(
        whole_annotations, lambda: [f"{name}\0{value}".encode() for name, value in LAYER.annotations.items()]
    ),
    "verify under a trusted root": Target(whole_root, lambda: [ROOT]),
}


@cache
def seeds(name: str) -> tuple[bytes, ...]:
    return tuple(TARGETS[name].seeds())


def reads(name: str, content: bytes) -> None:
    """Anything but an answer, `ParseError` or `Refused` is the failure."""
    with suppress(ParseError, Refused):
        TARGETS[name].read(content)


# How bytes are damaged.

TOKENS: Final = (
    b"",
    b"\0",
    b"\xff",
    b"{}",
    b"[]",
    b"null",
    b"1e999",
    b'"\\ud800"',
    b"-1",
    b"=",
    b"\n",
    b'"',
    b"9" * 30,
)
VALUES: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "AAAA", "x", "0" * 64, "2026-01-02T03:04:05Z", "9999-12-31T23:59:59+14:00", "-1"])
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Some bits changed, and pieces left out, put in or repeated."""
    new = bytearray(content)
    for index in draw(st.lists(st.integers(0, max(0, len(content) - 1)), max_size=4)):
        new[index] ^= 1 << draw(st.integers(0, 7))
    content = bytes(new)
    if draw(st.booleans()):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 60)))
        piece = draw(st.sampled_from(TOKENS) | st.binary(max_size=6) | st.just(content[start:end] * 2))
        content = content[:start] + piece + content[end:]
    return content


@st.composite
def altered(draw: st.DrawFn, content: bytes) -> bytes:
    """JSON with another value somewhere, or one less, or one twice."""
    document = cast("Any", json.loads(content))
    holder = document
    while True:
        steps = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not steps:
            return content
        step = draw(st.sampled_from(steps))
        child = holder[step]
        if isinstance(child, dict | list) and child and draw(st.integers(0, 3)):
            holder = child
            continue
        if draw(st.integers(0, 3)):
            holder[step] = draw(VALUES)
        else:
            del holder[step]
        return json.dumps(document).encode()


def fed(name: str) -> st.SearchStrategy[bytes]:
    right = st.sampled_from(seeds(name))
    ways = [right.flatmap(damaged), right.flatmap(damaged), st.binary(max_size=200)]
    if all(seed.startswith(b"{") for seed in seeds(name)):
        ways += [right.flatmap(altered)] * 2
    return st.one_of(ways)


@pytest.mark.parametrize("name", TARGETS)
def test_right_bytes_are_read(name: str) -> None:
    for seed in seeds(name):
        TARGETS[name].read(seed)


@pytest.mark.property
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data())
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_nothing_else_comes_out(name: str, data: st.DataObject) -> None:
    reads(name, data.draw(fed(name)))


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(
    "content", [b"", b"\0", b"{}", b"[]", b"null", b'""', b"\xff" * 64, b"[" * 100_000, b"0" * 100]
)
def test_hopeless_bytes(name: str, content: bytes) -> None:
    reads(name, content)


# What the search has found; each is small enough to be seen through.


def with_odd_issuer() -> bytes:
    """A certificate whose issuer's name is not UTF-8. No signature has to hold for it to be read."""
    return BY.chain[0].public_bytes(Encoding.DER).replace(b"sigstore.test", b"sigstore\xfftest")


class Ageless(Sct):
    """A certificate timestamp with all bits of its time set: the year 584556019."""

    def encode(self, precertificate: bytes, issuer: Keypair) -> bytes:
        right = super().encode(precertificate, issuer)
        return right[:33] + b"\xff" * 8 + right[41:]


def test_a_certificate_whose_issuer_name_is_no_text_is_refused() -> None:
    """`cryptography` reads names late: `issuer` raises ValueError long after the certificate was loaded."""
    with pytest.raises(ParseError):
        parse_certificate(with_odd_issuer())


def test_a_bundle_with_such_a_certificate_is_rejected() -> None:
    bundle = json.loads(bundles()[0])
    bundle["verificationMaterial"]["certificate"]["rawBytes"] = b64(with_odd_issuer())
    whole_bundle(encode(bundle))


def test_a_layer_with_such_a_certificate_is_rejected() -> None:
    pem = f"-----BEGIN CERTIFICATE-----\n{b64(with_odd_issuer())}\n-----END CERTIFICATE-----\n"
    whole_annotations(f"{cosign.CERTIFICATE}\0{pem}".encode())


def test_a_certificate_timestamp_of_no_year_is_one_that_does_not_hold() -> None:
    """`cryptography` raises ValueError for its time. Only who issues certificates can write one."""
    by = WORLD.issue(scts=[Ageless(log=WORLD.ct_log)])
    whole_bundle(encode(WORLD.bundle(Signature.of_payload(by, statement(IMAGE)))))
