"""Whatever bytes stand where a signature should be: verify() answers, and only signed bytes count."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate import strictjson
from gate.demo.signing import SigningKey
from gate.errors import ParseError
from gate.evidence import cosign, dsse
from gate.evidence.bundle import Bundle
from gate.evidence.candidate import Candidate
from gate.evidence.dsse import Envelope
from gate.evidence.facts import Format, KeySigner, Rejection, VerifiedAttestation, VerifiedSignature, Witness
from gate.evidence.verifier import verify
from gate.image.digest import Digest
from gate.protojson import decode_base64
from gate.trust.anchors import Anchors, Holder, Issuers
from gate.trust.key import PublicKey
from gate.trust.root import TrustedRoot
from tests.fakes.fulcio import Signer, shared_key
from tests.fakes.signing_authority import Signature, encode, shared_world, statement
from tests.fakes.transparency_log import INTOTO_1

# cryptography says so of a certificate whose serial number was damaged, and reads it
pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")

QUICK = settings(max_examples=80, deadline=None)
SEARCH = settings(max_examples=2500, deadline=None)
SLOW_SEARCH = settings(max_examples=800, deadline=None)

IMAGE = Digest.of(b"image")
FOREIGN = Digest.of(b"another image")
ANNOTATIONS = {"env": "prod"}
ALICE = SigningKey.generate()
MALLORY = SigningKey.generate()
OTHER = Anchors((Holder(SigningKey.generate().public),))
TRUSTED = Anchors((*OTHER.holders, Holder(ALICE.public)))
PAYLOAD, LAYER_ANNOTATIONS = ALICE.simple_signing(IMAGE, "ghcr.io/acme/api", ANNOTATIONS)
BUNDLE = ALICE.bundle(IMAGE, ANNOTATIONS)
STATEMENT = base64.b64decode(json.loads(BUNDLE)["dsseEnvelope"]["payload"])

# a world in which everything that may stand beside a signature does
WORLD = shared_world()
ROOT = TrustedRoot.parse(WORLD.trusted_root())
WITH_ROOT = Anchors((Holder(shared_key().public, root=ROOT),), (Issuers("world", ROOT.authorities, ROOT),))
EVERYBODY = Anchors((*(replace(h, root=ROOT) for h in TRUSTED.holders), *WITH_ROOT.holders), WITH_ROOT.issuers)
BY_CERTIFICATE = Signature.of_payload(WORLD.issue(), statement(IMAGE))
BY_KEY = Signature.of_payload(Signer(shared_key()), statement(IMAGE, "https://slsa.dev/provenance/v1"))


def full_bundle(made: Signature) -> bytes:
    entries = [WORLD.entry(made), WORLD.entry(made, log=WORLD.rekor2)]
    return encode(WORLD.bundle(made, entries=entries, timestamps=[WORLD.tsa.stamp(made.content)]))


FULL = {made: full_bundle(made) for made in (BY_CERTIFICATE, BY_KEY)}
ATTESTATION = WORLD.legacy_attestation(
    BY_KEY, entry=WORLD.entry(BY_KEY, kind=INTOTO_1), timestamp=WORLD.tsa.stamp(BY_KEY.stored)
)

KEYWORDS = (
    "mediaType",
    "verificationMaterial",
    "publicKey",
    "hint",
    "certificate",
    "x509CertificateChain",
    "tlogEntries",
    "logIndex",
    "logId",
    "kindVersion",
    "integratedTime",
    "inclusionPromise",
    "inclusionProof",
    "checkpoint",
    "canonicalizedBody",
    "timestampVerificationData",
    "rfc3161Timestamps",
    "signedTimestamp",
    "rawBytes",
    "dsseEnvelope",
    "payload",
    "payloadType",
    "signatures",
    "sig",
    "messageSignature",
    "_type",
    "subject",
    "digest",
    "sha256",
    "annotations",
    "predicateType",
    "predicate",
    "critical",
    "identity",
    "docker-reference",
    "image",
    "docker-manifest-digest",
    "type",
    "optional",
)
WORDS = (
    "application/vnd.dev.sigstore.bundle.v0.3+json",
    dsse.PAYLOAD_TYPE,
    dsse.COSIGN_SIGN,
    "https://in-toto.io/Statement/v1",
    cosign.TYPE,
    IMAGE.hex,
    str(IMAGE),
    "",
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(WORDS)
    | st.text(max_size=8)
    | st.binary(max_size=12).map(lambda b: base64.b64encode(b).decode()),
    lambda child: (
        st.lists(child, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYWORDS) | st.sampled_from(KEYWORDS).map(str.title) | st.text(max_size=4),
            child,
            max_size=5,
        )
    ),
    max_leaves=25,
)
documents = json_values.map(lambda value: json.dumps(value).encode())
anything = st.binary(max_size=300) | documents


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """`content` with a few bytes changed, left out, put in or repeated: perhaps, by chance, itself."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 40)))
        middle = draw(
            st.binary(max_size=4)
            | st.just(content[start:end] * 2)
            | st.just(content[start:end].swapcase())
            | st.just(content[start:end][::-1])
            | st.sampled_from([b" ", b"\n", b",", b"{}", b"null", b"=", b"-", b"_", b'"'])
        )
        content = content[:start] + middle + content[end:]
    return content


@st.composite
def altered(draw: st.DrawFn, document: bytes) -> bytes:
    """The JSON of `document` with one value somewhere in it replaced, one removed or one added."""
    value = cast("object", json.loads(document))
    place = value
    while isinstance(place, (dict, list)) and place:
        key = draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
        child = place[key]
        if isinstance(child, (dict, list)) and child and draw(st.booleans()):
            place = child
            continue
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                place[key] = draw(json_values)
            case "remove":
                del place[key]
            case _ if isinstance(place, dict):
                place[draw(st.sampled_from(KEYWORDS))] = draw(json_values)
            case _:
                place.append(draw(json_values))
        break
    return json.dumps(value).encode()


def legacy(content: bytes, annotations: dict[str, str]) -> Candidate:
    return Candidate(Format.LEGACY, Digest.of(content), cosign.SIMPLE_SIGNING, content, annotations)


def bundled(content: bytes) -> Candidate:
    return Candidate(Format.BUNDLE, Digest.of(content), "", content)


def signed_bytes(candidate: Candidate) -> bytes:
    if candidate.format is not Format.BUNDLE:
        return candidate.content
    envelope = Bundle.parse(candidate.content).content
    assert isinstance(envelope, Envelope)
    return envelope.payload


def counts_only_if_signed(candidate: Candidate, original: bytes) -> None:
    for image in (IMAGE, FOREIGN):
        found = verify(candidate, image, TRUSTED)
        if isinstance(found, Rejection):
            assert (found.format, found.digest) == (candidate.format, candidate.digest)
            continue
        assert signed_bytes(candidate) == original
        assert image == IMAGE
        (fact,) = found
        assert isinstance(fact, VerifiedSignature)
        assert (fact.signer, fact.annotations) == (KeySigner(ALICE.public), ANNOTATIONS)
        assert (fact.witness.logs, fact.witness.times) == (frozenset(), ())


def witnessed_no_better(found: Witness, original: Witness) -> bool:
    return found.logs <= original.logs and set(found.times) <= set(original.times)


def counts_as_it_was(candidate: Candidate, original: Candidate) -> None:
    """Changed in any way: the same fact with no better witness, or a rejection."""
    usual, found = verify(original, IMAGE, WITH_ROOT), verify(candidate, IMAGE, WITH_ROOT)
    assert isinstance(verify(candidate, FOREIGN, WITH_ROOT), Rejection)
    if isinstance(found, Rejection):
        assert found.reason
        return
    assert not isinstance(usual, Rejection)
    for fact, before in zip(found, usual, strict=True):
        assert type(fact) is type(before)
        assert fact.signer.marks == before.signer.marks
        assert witnessed_no_better(fact.witness, before.witness)
        if isinstance(fact, VerifiedAttestation) and isinstance(before, VerifiedAttestation):
            assert (fact.predicate_type, fact.statement) == (before.predicate_type, before.statement)


def layer(content: bytes, annotations: dict[str, str]) -> Candidate:
    return Candidate(Format.LEGACY, Digest.of(content), dsse.ENVELOPE, content, annotations)


def never_counts(content: bytes, anchors: Anchors = EVERYBODY) -> None:
    forms = [(kind, cosign.SIMPLE_SIGNING) for kind in Format] + [(Format.LEGACY, dsse.ENVELOPE)]
    for kind, media_type in forms:
        candidate = Candidate(kind, Digest.of(content), media_type, content, LAYER_ANNOTATIONS)
        assert isinstance(verify(candidate, IMAGE, anchors), Rejection)


def answers(body: bytes) -> None:
    """Bytes that the trusted key did sign: a fact or a rejection, and a fact of this image only."""
    layer = legacy(body, {cosign.SIGNATURE: base64.b64encode(ALICE.sign(body)).decode()})
    for candidate in (layer, bundled(ALICE.bundle_of(body))):
        here = verify(candidate, IMAGE, TRUSTED)
        there = verify(candidate, FOREIGN, TRUSTED)
        assert isinstance(here, Rejection) or isinstance(there, Rejection)
        assert all(v.reason if isinstance(v, Rejection) else v for v in (here, there))


def is_read_once(content: bytes) -> None:
    """What is read strictly is what json.loads reads."""
    try:
        found = strictjson.loads(content)
    except ParseError as error:
        assert error.message  # noqa: PT017 - any other exception is the failure
        return
    assert found == json.loads(content)


def test_the_originals_count() -> None:
    for candidate in (legacy(PAYLOAD, LAYER_ANNOTATIONS), bundled(BUNDLE)):
        assert not isinstance(verify(candidate, IMAGE, TRUSTED), Rejection)
        assert isinstance(verify(candidate, IMAGE, OTHER), Rejection)
        assert isinstance(verify(candidate, FOREIGN, TRUSTED), Rejection)


@given(anything)
@QUICK
def test_arbitrary_bytes(content: bytes) -> None:
    never_counts(content)


@pytest.mark.property
@given(anything)
@SEARCH
def test_arbitrary_bytes_searched(content: bytes) -> None:
    never_counts(content)


@given(damaged(BUNDLE) | altered(BUNDLE))
@QUICK
def test_changed_bundles(content: bytes) -> None:
    counts_only_if_signed(bundled(content), STATEMENT)


@pytest.mark.property
@given(damaged(BUNDLE) | altered(BUNDLE))
@SEARCH
def test_changed_bundles_searched(content: bytes) -> None:
    counts_only_if_signed(bundled(content), STATEMENT)


bundles = st.sampled_from(list(FULL.values()))


@pytest.mark.parametrize("made", FULL, ids=["certificate", "key"])
def test_the_full_originals_count(made: Signature) -> None:
    found = verify(bundled(FULL[made]), IMAGE, WITH_ROOT)
    assert not isinstance(found, Rejection)
    (fact,) = found
    assert fact.witness.logs == {log.key.public.fingerprint for log in (WORLD.rekor, WORLD.rekor2)}
    assert len(fact.witness.times) == 2


@given(bundles, st.data())
@QUICK
def test_changed_full_bundles(original: bytes, data: st.DataObject) -> None:
    counts_as_it_was(bundled(data.draw(damaged(original) | altered(original))), bundled(original))


@pytest.mark.property
@given(bundles, st.data())
@SLOW_SEARCH
def test_changed_full_bundles_searched(original: bytes, data: st.DataObject) -> None:
    counts_as_it_was(bundled(data.draw(damaged(original) | altered(original))), bundled(original))


ANNOTATED = layer(ATTESTATION.content, ATTESTATION.annotations)
annotation_changes = st.fixed_dictionaries(
    {},
    optional={
        name: (damaged(text.encode()).map(lambda b: b.decode("latin-1")) if text else st.text(max_size=20))
        for name, text in ATTESTATION.annotations.items()
    },
)


@given(damaged(ATTESTATION.content) | altered(ATTESTATION.content) | st.just(ATTESTATION.content), annotation_changes)
@QUICK
def test_changed_layers_of_attestations(content: bytes, changes: dict[str, str]) -> None:
    counts_as_it_was(layer(content, {**ATTESTATION.annotations, **changes}), ANNOTATED)


@pytest.mark.property
@given(damaged(ATTESTATION.content) | altered(ATTESTATION.content) | st.just(ATTESTATION.content), annotation_changes)
@SLOW_SEARCH
def test_changed_layers_of_attestations_searched(content: bytes, changes: dict[str, str]) -> None:
    counts_as_it_was(layer(content, {**ATTESTATION.annotations, **changes}), ANNOTATED)


@given(damaged(PAYLOAD) | altered(PAYLOAD))
@QUICK
def test_changed_payloads(content: bytes) -> None:
    counts_only_if_signed(legacy(content, LAYER_ANNOTATIONS), PAYLOAD)


@pytest.mark.property
@given(damaged(PAYLOAD) | altered(PAYLOAD))
@SEARCH
def test_changed_payloads_searched(content: bytes) -> None:
    counts_only_if_signed(legacy(content, LAYER_ANNOTATIONS), PAYLOAD)


@given(damaged(STATEMENT) | altered(STATEMENT))
@QUICK
def test_changed_statements_in_a_bundle(body: bytes) -> None:
    value = json.loads(BUNDLE)
    value["dsseEnvelope"]["payload"] = base64.b64encode(body).decode()
    counts_only_if_signed(bundled(json.dumps(value).encode()), STATEMENT)


@given(st.text(max_size=100) | damaged(LAYER_ANNOTATIONS[cosign.SIGNATURE].encode()).map(lambda b: b.decode("latin-1")))
@QUICK
def test_changed_signatures(encoded: str) -> None:
    counts_only_if_signed(legacy(PAYLOAD, {cosign.SIGNATURE: encoded}), PAYLOAD)


@pytest.mark.property
@given(st.text(max_size=100) | damaged(LAYER_ANNOTATIONS[cosign.SIGNATURE].encode()).map(lambda b: b.decode("latin-1")))
@SEARCH
def test_changed_signatures_searched(encoded: str) -> None:
    counts_only_if_signed(legacy(PAYLOAD, {cosign.SIGNATURE: encoded}), PAYLOAD)


signed_bodies = anything | damaged(PAYLOAD) | altered(PAYLOAD) | damaged(STATEMENT) | altered(STATEMENT)


@given(signed_bodies)
@QUICK
def test_arbitrary_bytes_that_a_trusted_key_signed(body: bytes) -> None:
    answers(body)


@pytest.mark.property
@given(signed_bodies)
@SEARCH
def test_arbitrary_bytes_that_a_trusted_key_signed_searched(body: bytes) -> None:
    answers(body)


@given(signed_bodies)
@QUICK
def test_what_a_stranger_signs_never_counts(body: bytes) -> None:
    layer = legacy(body, {cosign.SIGNATURE: base64.b64encode(MALLORY.sign(body)).decode()})
    for candidate in (layer, bundled(MALLORY.bundle_of(body))):
        assert isinstance(verify(candidate, IMAGE, TRUSTED), Rejection)


@given(anything | damaged(BUNDLE))
@QUICK
def test_strict_json(content: bytes) -> None:
    is_read_once(content)


@pytest.mark.property
@given(anything | damaged(BUNDLE))
@SEARCH
def test_strict_json_searched(content: bytes) -> None:
    is_read_once(content)


@given(st.binary(max_size=100), st.text(max_size=40))
@QUICK
def test_no_two_envelopes_have_one_encoding(payload: bytes, kind: str) -> None:
    pae = dsse.Envelope(kind, payload, ()).pae
    magic, size, rest = pae.split(b" ", 2)
    assert magic == b"DSSEv1"
    assert rest[: int(size)].decode() == kind
    length, body = rest[int(size) + 1 :].split(b" ", 1)
    assert (int(length), body) == (len(payload), payload)


@given(st.binary(max_size=60), st.booleans())
@QUICK
def test_base64_round_trip(content: bytes, url_safe: bool) -> None:  # noqa: FBT001
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    assert decode_base64(encode(content).decode(), "it") == content


@given(st.binary(max_size=300) | damaged(ALICE.pem))
@QUICK
def test_damaged_keys(pem: bytes) -> None:
    try:
        key = PublicKey.parse(pem)
    except ParseError as error:
        assert error.message  # noqa: PT017
        return
    assert key == ALICE.public


@pytest.mark.property
@given(damaged(ALICE.pem))
@SEARCH
def test_damaged_keys_are_read_or_refused(pem: bytes) -> None:
    try:
        key = PublicKey.parse(pem)
    except ParseError as error:
        assert error.message  # noqa: PT017
        return
    assert PublicKey.parse(pem) == key
