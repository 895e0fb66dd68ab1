from __future__ import annotations

import base64
import copy
import hashlib
import json
from dataclasses import replace
from functools import reduce
from itertools import count
from typing import TYPE_CHECKING, Any, cast, get_args

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gate.codes import Code
from gate.demo.signing import SigningKey
from gate.errors import ParseError
from gate.evidence.bundle import Bundle, MessageSignature
from gate.evidence.dsse import PAYLOAD_TYPE, Envelope, Statement
from gate.evidence.entry import LogEntry
from gate.evidence.limits import MAX_LOG_ENTRIES, MAX_TIMESTAMPS
from gate.evidence.message import Message
from gate.evidence.refusal import Refused
from gate.image.digest import Digest
from gate.trust.authority import MAX_CERTIFICATE, MAX_CHAIN
from gate.trust.key import Hash
from tests.fakes.fulcio import Signer, shared_key
from tests.fakes.signing_authority import MEDIA_TYPES, BundleVersion, Signature, encode, shared_world, statement
from tests.fakes.transparency_log import Place, b64

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGE = Digest.of(b"image")
KEY = SigningKey.generate()
SIGNED = KEY.bundle(IMAGE)
WORLD = shared_world()
SIGNER = WORLD.issue()
MADE = Signature.of_payload(SIGNER, statement(IMAGE))
LEAF, INTERMEDIATE, ROOT = ({"rawBytes": b64(c.public_bytes(Encoding.DER))} for c in SIGNER.chain)
ENTRY = WORLD.entry(MADE).json()
ALONE = WORLD.entry(MADE, place=Place(proof=False)).json()
V01, V02, V03 = MEDIA_TYPES["0.1"], MEDIA_TYPES["0.2"], MEDIA_TYPES["0.3"]
DIGEST = {"algorithm": "SHA2_256", "digest": "AAAA"}
MESSAGE = {"messageDigest": DIGEST, "signature": "AAAA"}


def bundle(**changes: object) -> bytes:
    value = {**cast("dict[str, object]", json.loads(SIGNED)), **changes}
    return json.dumps({k: v for k, v in value.items() if v is not ...}).encode()


def material(**values: object) -> bytes:
    return bundle(verificationMaterial=values)


def chained(*certificates: object, version: str = V02) -> bytes:
    return bundle(mediaType=version, verificationMaterial={"x509CertificateChain": {"certificates": certificates}})


def over_message(**changes: object) -> bytes:
    held = {k: v for k, v in {**MESSAGE, **changes}.items() if v is not ...}
    return bundle(dsseEnvelope=..., messageSignature=held)


def stamped(*stamps: object) -> bytes:
    return material(publicKey={}, timestampVerificationData={"rfc3161Timestamps": stamps})


def test_what_cosign_writes() -> None:
    found = Bundle.parse(SIGNED)
    assert (found.version, found.needs_proof) == ((0, 3), True)
    assert (found.key_hint, found.leaf, found.intermediates) == (KEY.public.fingerprint, None, ())
    assert (found.entries, found.timestamps) == ((), ())
    assert isinstance(found.content, Envelope)
    assert Statement.parse(found.content.payload).subjects[0].names(IMAGE)
    assert KEY.public.verifies(found.content.signatures[0], found.content.pae)


@pytest.mark.parametrize("version", get_args(BundleVersion))
@pytest.mark.parametrize("signer", [SIGNER, Signer(shared_key())], ids=["certificate", "key"])
def test_what_is_written_with_everything(version: BundleVersion, signer: Signer) -> None:
    made = Signature.of_payload(signer, statement(IMAGE))
    entries = [WORLD.entry(made), WORLD.entry(made, log=WORLD.rekor2)]
    stamp = WORLD.tsa.stamp(made.content)
    found = Bundle.parse(encode(WORLD.bundle(made, version=version, entries=entries, timestamps=[stamp])))
    assert found.version == (0, int(version[2]))
    assert found.needs_proof is (version != "0.1")
    assert (found.leaf, found.intermediates) == (signer.leaf, ())
    assert found.key_hint == ("" if signer.chain else signer.key.public.fingerprint)
    assert found.entries == tuple(LogEntry.of_bundle(entry.json()) for entry in entries)
    assert found.timestamps == (stamp,)
    assert found.content == Envelope(PAYLOAD_TYPE, made.payload or b"", (made.content,))


@pytest.mark.parametrize(
    ("media_type", "version"),
    [
        ("application/vnd.dev.sigstore.bundle.v0.3+json", (0, 3)),
        ("application/vnd.dev.sigstore.bundle+json;version=0.3", (0, 3)),
        ("application/vnd.dev.sigstore.bundle+json;version=0.2", (0, 2)),
        ("application/vnd.dev.sigstore.bundle+json;version=0.1", (0, 1)),
    ],
)
def test_versions(media_type: str, version: tuple[int, int]) -> None:
    found, usual = Bundle.parse(bundle(mediaType=media_type)), Bundle.parse(SIGNED)
    assert found.version == version
    assert (found.content, found.key_hint) == (usual.content, usual.key_hint)


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.dev.sigstore.bundle+json;version=0.0",
        "application/vnd.dev.sigstore.bundle+json;version=0.4",
        "application/vnd.dev.sigstore.bundle+json; version=0.3",
        "application/vnd.dev.sigstore.bundle+json",
        "application/vnd.dev.sigstore.bundle.v0.1+json",
        "application/vnd.dev.sigstore.bundle.v0.2+json",
        "application/vnd.dev.sigstore.bundle.v0.30+json",
        "application/vnd.dev.sigstore.bundle.v0.3+json\n",
        "application/vnd.dev.sigstore.bundle.V0.3+json",
        "application/vnd.dev.sigstore.bundle",
        "",
        "x" * 100_000,
    ],
)
def test_other_versions(media_type: str) -> None:
    with pytest.raises(ParseError, match=r"v0\.1 to v0\.3") as caught:
        Bundle.parse(bundle(mediaType=media_type))
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    ("values", "hint", "by_certificate", "entries"),
    [
        ({"publicKey": {"hint": "q80="}}, "abcd", False, 0),
        ({"publicKey": {}}, "", False, 0),
        ({"publicKey": {"hint": ""}}, "", False, 0),
        ({"publicKey": {"hint": None}}, "", False, 0),
        ({"publicKey": {"hint": "not base64"}}, "", False, 0),
        ({"publicKey": {"hint": "\N{SNOWMAN}"}}, "", False, 0),
        ({"publicKey": {"hint": "q80="}, "tlogEntries": []}, "abcd", False, 0),
        ({"publicKey": {"hint": "q80="}, "tlogEntries": None}, "abcd", False, 0),
        ({"publicKey": {"hint": "q80="}, "tlogEntries": [ENTRY]}, "abcd", False, 1),
        (
            {
                "publicKey": {"hint": "q80="},
                "tlogEntries": [{**ALONE, "logIndex": str(i)} for i in range(MAX_LOG_ENTRIES)],
            },
            "abcd",
            False,
            MAX_LOG_ENTRIES,
        ),
        ({"publicKey": {"hint": "q80="}, "certificate": None}, "abcd", False, 0),
        ({"publicKey": {}, "timestampVerificationData": None}, "", False, 0),
        ({"publicKey": {}, "timestampVerificationData": {}}, "", False, 0),
        ({"certificate": LEAF}, "", True, 0),
        ({"certificate": LEAF, "tlogEntries": [ENTRY]}, "", True, 1),
        ({"certificate": LEAF, "publicKey": None}, "", True, 0),
        ({"certificate": LEAF, "x509CertificateChain": None}, "", True, 0),
    ],
)
def test_verification_material(values: dict[str, object], hint: str, by_certificate: bool, entries: int) -> None:  # noqa: FBT001
    found = Bundle.parse(material(**values))
    assert (found.key_hint, found.leaf is not None, len(found.entries)) == (hint, by_certificate, entries)


@pytest.mark.parametrize("version", [V01, V02])
@pytest.mark.parametrize("chain", [(LEAF,), (LEAF, INTERMEDIATE), (LEAF, INTERMEDIATE, INTERMEDIATE)])
def test_a_chain(version: str, chain: tuple[object, ...]) -> None:
    found = Bundle.parse(chained(*chain, version=version))
    assert found.leaf == SIGNER.leaf
    assert found.intermediates == (SIGNER.chain[1],) * (len(chain) - 1)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (chained(), "chain is empty"),
        (chained(version=V01), "chain is empty"),
        (bundle(mediaType=V01, verificationMaterial={"x509CertificateChain": {}}), "chain is empty"),
        (chained(LEAF, INTERMEDIATE, ROOT), "holds a root"),
        (chained(LEAF, INTERMEDIATE, ROOT, version=V01), "holds a root"),
        (chained(LEAF, ROOT, INTERMEDIATE), "holds a root"),
        (chained(ROOT), "holds a root"),
        (material(certificate=ROOT), "holds a root"),
        (chained(LEAF, version=V03), "certificate chain; v0.3"),
        (chained(version=V03), "certificate chain; v0.3"),
        (chained(*[LEAF] * (MAX_CHAIN + 1)), f"at most {MAX_CHAIN} are read"),
        (chained(LEAF, {"rawBytes": "MIIB"}), "not a certificate"),
        (material(certificate={"rawBytes": b64(b"0" * (MAX_CERTIFICATE + 1))}), "bytes; at most"),
        (material(certificate={"rawBytes": b64(SIGNER.der + b"\0")}), "certificate"),
        (material(certificate={"rawBytes": b64(SIGNER.der[:-1])}), "not a certificate"),
        (material(certificate={"rawBytes": b64(SIGNER.key.spki)}), "not a certificate"),
        (material(certificate={"rawBytes": b64(SIGNER.pem)}), "not a certificate"),
        (material(certificate={"rawBytes": SIGNER.pem.decode()}), "not base64"),
        (material(certificate={}), "certificate"),
        (material(certificate={"rawBytes": ""}), "certificate"),
        (material(certificate={"rawBytes": 7}), "not a text"),
        (material(certificate=[LEAF]), "not an object"),
        (chained(LEAF["rawBytes"]), "not an object"),
        (chained(None), "not an object"),
        (bundle(mediaType=V02, verificationMaterial={"x509CertificateChain": [LEAF]}), "not an object"),
        (bundle(mediaType=V02, verificationMaterial={"x509CertificateChain": {"certificates": LEAF}}), "not a list"),
    ],
    ids=count(),
)
def test_refused_certificates(content: bytes, why: str) -> None:
    with pytest.raises(ParseError) as caught:
        Bundle.parse(content)
    assert why in caught.value.message
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (over_message(), MessageSignature(b"\0\0\0", b"\0\0\0", Hash.SHA256)),
        (over_message(messageDigest=...), MessageSignature(b"\0\0\0")),
        (over_message(messageDigest=None), MessageSignature(b"\0\0\0")),
        (over_message(messageDigest={}), MessageSignature(b"\0\0\0")),
        (over_message(messageDigest={"algorithm": "SHA2_512"}), MessageSignature(b"\0\0\0")),
        (over_message(messageDigest={"algorithm": "SHA3_256"}), MessageSignature(b"\0\0\0")),
        (
            over_message(messageDigest={**DIGEST, "algorithm": "SHA2_384"}),
            MessageSignature(b"\0\0\0", b"\0\0\0", Hash.SHA384),
        ),
        (
            over_message(messageDigest={**DIGEST, "algorithm": "SHA2_512"}),
            MessageSignature(b"\0\0\0", b"\0\0\0", Hash.SHA512),
        ),
        (over_message(signature="_-8="), MessageSignature(b"\xff\xef", b"\0\0\0", Hash.SHA256)),
    ],
)
def test_a_message_signature_has_no_envelope(content: bytes, expected: MessageSignature) -> None:
    assert Bundle.parse(content).content == expected


@pytest.mark.parametrize("function", Hash)
def test_what_a_bundle_says_of_its_message_is_compared(function: Hash) -> None:
    stated = MessageSignature(b"s", hashlib.new(function, b"blob").digest(), function)
    stated.check(Message.of(b"blob"))
    stated.check(Message.read([b"bl", b"ob"], keep=0))
    for other in (Message.of(b"another"), Message.read([b"another"], keep=0)):
        with pytest.raises(ParseError, match=r"messageDigest .* is another file's"):
            stated.check(other)
    for length in (0, 1, 20, 32, 48, 64):
        cut = replace(stated, digest=stated.digest[:length] if length < len(stated.digest) else b"\0" * length)
        with pytest.raises(ParseError, match="another file's"):
            cut.check(Message.of(b"blob"))


@pytest.mark.parametrize("function", [Hash.SHA384, Hash.SHA512])
def test_a_digest_that_cannot_be_compared_wants_the_file(function: Hash) -> None:
    stated = MessageSignature(b"s", hashlib.new(function, b"blob").digest(), function)
    with pytest.raises(Refused, match=f"states a {function} of the file.*: the file is needed") as caught:
        stated.check(Message(hashlib.sha256(b"blob").digest()))
    assert caught.value.code is Code.SIGNATURE_UNSUPPORTED


def test_a_bundle_that_says_nothing_of_its_message() -> None:
    MessageSignature(b"s").check(Message.of(b"any"))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (over_message(signature=...), "no signature"),
        (over_message(signature=""), "no signature"),
        (over_message(signature=None), "no signature"),
        (over_message(signature=7), "not a text"),
        (over_message(signature="*"), "not base64"),
        (over_message(messageDigest=[]), "not an object"),
        (
            over_message(messageDigest={**DIGEST, "algorithm": "SHA3_256"}),
            "is by 'SHA3_256', expected SHA2_256, SHA2_384",
        ),
        (over_message(messageDigest={**DIGEST, "algorithm": "SHA1"}), "is by 'SHA1', expected"),
        (over_message(messageDigest={**DIGEST, "algorithm": "sha256"}), "is by 'sha256', expected"),
        (over_message(messageDigest={**DIGEST, "algorithm": "HASH_ALGORITHM_UNSPECIFIED"}), "expected SHA2_256"),
        (over_message(messageDigest={**DIGEST, "algorithm": ""}), "is by '', expected"),
        (over_message(messageDigest={**DIGEST, "algorithm": 11}), "not a text"),
        (over_message(messageDigest={"digest": "AAAA"}), "is by '', expected"),
        (over_message(messageDigest={**DIGEST, "digest": "*"}), "not base64"),
        (over_message(messageDigest={**DIGEST, "Digest": "AAAA"}), "unknown field 'Digest'"),
        (over_message(messageDigest={"a": 1}), "unknown field 'a'"),
        (over_message(signatures=[]), "unknown field 'signatures'"),
        (bundle(dsseEnvelope=..., messageSignature=[]), "not an object"),
        (bundle(dsseEnvelope=..., messageSignature="x"), "not an object"),
    ],
)
def test_refused_message_signatures(content: bytes, why: str) -> None:
    with pytest.raises(ParseError) as caught:
        Bundle.parse(content)
    assert why in caught.value.message


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ((), ()),
        (("AAAA",), (b"\0\0\0",)),
        (("AAAA", "AAAB"), (b"\0\0\0", b"\0\0\1")),
        # counted once
        (("AAAA", "AAAB", "AAAA"), (b"\0\0\0", b"\0\0\1")),
        (("AAAA",) * MAX_TIMESTAMPS, (b"\0\0\0",)),
    ],
)
def test_timestamps(stamps: tuple[str, ...], expected: tuple[bytes, ...]) -> None:
    assert Bundle.parse(stamped(*({"signedTimestamp": s} for s in stamps))).timestamps == expected


@pytest.mark.parametrize(
    "content",
    [
        stamped(*[{"signedTimestamp": "AAAA"}] * (MAX_TIMESTAMPS + 1)),
        stamped(*({"signedTimestamp": b64(b"%d" % i)} for i in range(MAX_TIMESTAMPS + 1))),
        stamped({"signedTimestamp": "*"}),
        stamped({"signedTimestamp": 7}),
        stamped("AAAA"),
        stamped(None),
        material(publicKey={}, timestampVerificationData={"rfc3161Timestamps": {}}),
        material(publicKey={}, timestampVerificationData=[]),
        material(publicKey={}, TimestampVerificationData={}),
    ],
    ids=count(),
)
def test_refused_timestamps(content: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        Bundle.parse(content)
    assert "imestamp" in caught.value.message
    assert len(caught.value.message) < 300


def test_caps() -> None:
    assert (MAX_LOG_ENTRIES, MAX_TIMESTAMPS, MAX_CHAIN) == (32, 32, 10)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        SIGNED + b"x",
        SIGNED * 2,
        base64.b64encode(SIGNED),
        bundle(mediaType=...),
        bundle(mediaType=None),
        bundle(mediaType=3),
        bundle(verificationMaterial=...),
        bundle(verificationMaterial=None),
        bundle(verificationMaterial=[]),
        material(),
        material(publicKey=None),
        material(publicKey="hint"),
        material(publicKey=[]),
        material(publicKey={}, certificate=LEAF),
        material(publicKey={}, x509CertificateChain={}),
        material(publicKey={}, x509CertificateChain={"certificates": [LEAF]}),
        material(certificate=LEAF, x509CertificateChain={}),
        material(publicKey={}, certificate=False),
        material(publicKey={}, tlogEntries={}),
        material(publicKey={}, tlogEntries="x"),
        material(publicKey={}, tlogEntries=[{}]),
        material(publicKey={}, tlogEntries=[None]),
        material(publicKey={}, tlogEntries=[ENTRY, {}]),
        material(publicKey={}, tlogEntries=[{}] * (MAX_LOG_ENTRIES + 1)),
        material(publicKey={}, tlogEntries=[ENTRY] * (MAX_LOG_ENTRIES + 1)),
        material(PublicKey={}),
        material(publicKey={}, Certificate=LEAF),
        material(publicKey={}, X509CertificateChain={}),
        material(publicKey={}, TlogEntries=[]),
        material(publicKey={}, tlogEntries=[], another={}),
        material(publicKey={"hint": "q80=", "Hint": "AAAA"}),
        bundle(dsseEnvelope=...),
        bundle(dsseEnvelope=None),
        bundle(dsseEnvelope={}),
        bundle(dsseEnvelope=[]),
        bundle(dsseEnvelope={"payloadType": PAYLOAD_TYPE, "payload": "e30=", "signatures": [{"sig": "AAAA"}] * 2}),
        bundle(messageSignature=MESSAGE),
        bundle(messageSignature={}),
        bundle(DsseEnvelope={}),
        bundle(MessageSignature={}),
        bundle(MediaType="x"),
        bundle(VerificationMaterial={}),
        bundle(dsseEnvelope=..., dsse_envelope={"payload": "", "payloadType": PAYLOAD_TYPE, "signatures": []}),
        bundle().replace(b'"hint"', b'"hint": "AAAA", "hint"'),
        bundle().replace(b'"payload"', b'"payload": "e30=", "payload"'),
        bundle().replace(b'"signatures"', b'"signatures": [], "signatures"'),
        bundle().replace(b'"mediaType"', b'"mediaType": "x", "mediaType"'),
        bundle(extra=1),
        bundle(extra=None),
        bundle(extra=float("inf")),
    ],
    ids=count(),
)
def test_refused(content: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        Bundle.parse(content)
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("hint", [7, True, [], {}, ["q80="]])
def test_a_hint_is_a_text(hint: object) -> None:
    with pytest.raises(ParseError, match="hint is not a text"):
        Bundle.parse(material(publicKey={"hint": hint}))


def objects(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where an object is, in JSON."""
    if isinstance(value, dict):
        yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in children:
        yield from objects(child, (*path, step))


def whole(version: BundleVersion, *, message: bool, key: bool) -> dict[str, Any]:
    """A bundle with everything that it can have."""
    signer = Signer(shared_key()) if key else SIGNER
    made = Signature.of_message(signer, b"blob") if message else Signature.of_payload(signer, statement(IMAGE))
    found = WORLD.bundle(
        made, version=version, timestamps=[WORLD.tsa.stamp(made.content)], intermediates=version != "0.3" and not key
    )
    return cast("dict[str, Any]", json.loads(encode(found)))


@pytest.mark.parametrize("version", ["0.1", "0.2", "0.3"])
@pytest.mark.parametrize("message", [False, True], ids=["envelope", "message"])
@pytest.mark.parametrize("key", [False, True], ids=["certificate", "key"])
def test_an_unknown_field_is_refused_at_every_level(version: BundleVersion, message: bool, key: bool) -> None:  # noqa: FBT001
    value = whole(version, message=message, key=key)
    Bundle.parse(encode(value))
    places = list(objects(value))
    assert len(places) >= 12
    for path in places:
        changed = copy.deepcopy(value)
        found: Any = reduce(lambda holder, step: holder[step], path, cast("Any", changed))
        found["unknown"] = None
        with pytest.raises(ParseError, match="has the unknown field 'unknown'"):
            Bundle.parse(encode(changed))


def test_certificates_and_bytes_are_not_shown() -> None:
    assert "Certificate" not in repr(Bundle.parse(chained(LEAF, INTERMEDIATE)))
