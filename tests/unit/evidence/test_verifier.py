from __future__ import annotations

import base64
import json
from itertools import count
from typing import cast

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from gate.codes import Code
from gate.demo.signing import PrivateKey, SigningKey
from gate.evidence import cosign, dsse
from gate.evidence.candidate import Candidate
from gate.evidence.facts import (
    Format,
    KeySigner,
    Problem,
    Rejection,
    VerifiedAttestation,
    VerifiedSignature,
    Witness,
)
from gate.evidence.verifier import verify
from gate.image.digest import Digest
from gate.image.reference import Repository
from gate.trust.anchors import Anchors, Holder, Issuers
from gate.trust.key import Hash, PublicKey
from gate.trust.root import TrustedRoot
from tests.fakes.fulcio import Keypair, Signer
from tests.fakes.signing_authority import Signature, encode, shared_world
from tests.fakes.transparency_log import DSSE_1, HASHEDREKORD_1, INTOTO_1, Entry, Kind, compact

IMAGE = Digest.of(b"image")
FOREIGN = Digest.of(b"another image")
IMAGE512 = Digest.of(b"image", "sha512")
NAME = "ghcr.io/acme/api"
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
V1 = "https://in-toto.io/Statement/v1"
V01 = "https://in-toto.io/Statement/v0.1"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"

ALICE = SigningKey.generate()
MALLORY = SigningKey.generate()
TRUSTED = Anchors((Holder(ALICE.public),))
KEYS: dict[str, PrivateKey] = {
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "p521": ec.generate_private_key(ec.SECP521R1()),
    "rsa2048": rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}

WORLD = shared_world()
ROOT = TrustedRoot.parse(WORLD.trusted_root())
WITNESSED = Anchors((Holder(ALICE.public, root=ROOT),))
CERTIFIED = WORLD.issue()
NOTHING_BESIDE = Witness(
    no_log=Problem(Code.LOG_ENTRY_MISSING, "it has no transparency log entry"),
    no_timestamp=Problem(Code.TIMESTAMP_MISSING, "it has no timestamp"),
)

Verdict = tuple[VerifiedSignature | VerifiedAttestation, ...] | Rejection


def trusting(*keys: PublicKey) -> Anchors:
    return Anchors(tuple(map(Holder, keys)))


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def legacy(content: bytes, annotations: dict[str, str], kind: Format = Format.LEGACY) -> Candidate:
    return Candidate(kind, Digest.of(content), cosign.SIMPLE_SIGNING, content, annotations)


def signed(payload: bytes, key: SigningKey = ALICE, **more: str) -> Candidate:
    return legacy(payload, {cosign.SIGNATURE: b64(key.sign(payload)), **more})


def bundled(content: bytes) -> Candidate:
    return Candidate(Format.BUNDLE, Digest.of(content), BUNDLE_TYPE, content)


def payload(digest: object = str(IMAGE), kind: object = cosign.TYPE, optional: object = None) -> bytes:
    image = {"docker-manifest-digest": digest}
    critical = {"identity": {"docker-reference": NAME}, "image": image, "type": kind}
    return json.dumps({"critical": critical, "optional": optional}).encode()


def statement(**changes: object) -> bytes:
    value: dict[str, object] = {
        "_type": V1,
        "subject": [{"digest": {"sha256": IMAGE.hex}}],
        "predicateType": dsse.COSIGN_SIGN,
        "predicate": {},
        **changes,
    }
    return json.dumps({k: v for k, v in value.items() if v is not ...}).encode()


def opened(content: bytes) -> dict[str, dict[str, object]]:
    return cast("dict[str, dict[str, object]]", json.loads(content))


def enveloped(key: SigningKey = ALICE, body: bytes | None = None, **changes: object) -> Candidate:
    """A bundle with fields of its envelope replaced after signing."""
    value = opened(key.bundle_of(statement() if body is None else body))
    value["dsseEnvelope"].update(changes)
    return bundled(json.dumps(value).encode())


def material(key: SigningKey = ALICE, **changes: object) -> Candidate:
    """A bundle with its unsigned verification material replaced."""
    value = opened(key.bundle(IMAGE))
    value["verificationMaterial"] = changes
    return bundled(json.dumps(value).encode())


def facts(found: Verdict) -> tuple[VerifiedSignature, ...]:
    assert not isinstance(found, Rejection), found.reason
    signatures = tuple(fact for fact in found if isinstance(fact, VerifiedSignature))
    assert signatures
    assert len(signatures) == len(found)
    return signatures


def attestation(found: Verdict) -> VerifiedAttestation:
    assert not isinstance(found, Rejection), found.reason
    (fact,) = found
    assert isinstance(fact, VerifiedAttestation)
    return fact


def key_of(fact: VerifiedSignature | VerifiedAttestation) -> PublicKey:
    assert isinstance(fact.signer, KeySigner)
    return fact.signer.key


def rejected(found: Verdict) -> Rejection:
    assert isinstance(found, Rejection)
    assert found.reason
    return found


@pytest.mark.parametrize("kind", [Format.LEGACY, Format.REFERRER_LEGACY])
def test_simple_signing(kind: Format) -> None:
    candidate = legacy(*ALICE.simple_signing(IMAGE, NAME, {"env": "prod"}), kind)
    assert verify(candidate, IMAGE, TRUSTED) == (
        VerifiedSignature(
            kind,
            candidate.digest,
            KeySigner(ALICE.public),
            NOTHING_BESIDE,
            {"env": "prod"},
            Repository("ghcr.io", "acme/api"),
        ),
    )


def test_bundle() -> None:
    candidate = bundled(ALICE.bundle(IMAGE, {"env": "prod"}))
    assert verify(candidate, IMAGE, TRUSTED) == (
        VerifiedSignature(Format.BUNDLE, candidate.digest, KeySigner(ALICE.public), NOTHING_BESIDE, {"env": "prod"}),
    )


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("digest", [IMAGE, IMAGE512], ids=["sha256", "sha512"])
def test_every_algorithm(name: str, digest: Digest) -> None:
    key = SigningKey(KEYS[name], hashes.SHA256())
    for candidate in (legacy(*key.simple_signing(digest, NAME)), bundled(key.bundle(digest))):
        (fact,) = facts(verify(candidate, digest, trusting(ALICE.public, key.public)))
        assert fact.signer.marks == {f"key:{key.public.fingerprint}"}
        assert rejected(verify(candidate, digest, TRUSTED)).code is Code.KEY_MISMATCH
        assert rejected(verify(candidate, FOREIGN, trusting(key.public))).code is Code.SIGNATURE_INVALID


def test_one_key_with_two_hash_settings_gives_two_facts_of_one_principal() -> None:
    key = SigningKey(KEYS["p384"], hashes.SHA384())
    settings = [PublicKey.parse(key.pem, h) for h in (None, Hash.SHA384, Hash.SHA256)]
    found = facts(verify(bundled(key.bundle(IMAGE)), IMAGE, trusting(*settings)))
    assert [key_of(f) for f in found] == settings[:2]
    assert len({f.signer.marks for f in found}) == 1
    assert str(found[0].signer) == key.public.short


def test_rsa_pss_and_sha1() -> None:
    key = KEYS["rsa2048"]
    assert isinstance(key, rsa.RSAPrivateKey)
    content = payload()
    signatures = (
        key.sign(content, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()),
        key.sign(content, padding.PKCS1v15(), hashes.SHA1()),
    )
    trusted = trusting(SigningKey(key, hashes.SHA256()).public)
    for signature in signatures:
        candidate = legacy(content, {cosign.SIGNATURE: b64(signature)})
        assert rejected(verify(candidate, IMAGE, trusted)).code is Code.KEY_MISMATCH


@pytest.mark.parametrize(
    "candidate", [legacy(*ALICE.simple_signing(IMAGE, NAME)), bundled(ALICE.bundle(IMAGE))], ids=["legacy", "bundle"]
)
def test_wrong_keys_and_no_keys(candidate: Candidate) -> None:
    for keys in ((MALLORY.public,), (MALLORY.public, SigningKey.generate().public)):
        assert rejected(verify(candidate, IMAGE, trusting(*keys))).code is Code.KEY_MISMATCH
    # without any key a certificate is what is wanted, and a root that is trusted for that makes no difference
    for anchors in (Anchors(), Anchors(issuers=(Issuers("world", ROOT.authorities, ROOT),))):
        assert rejected(verify(candidate, IMAGE, anchors)).code is Code.IDENTITY_MISMATCH


@pytest.mark.parametrize(
    "candidate", [legacy(*ALICE.simple_signing(IMAGE, NAME)), bundled(ALICE.bundle(IMAGE))], ids=["legacy", "bundle"]
)
@pytest.mark.parametrize(
    "image", [FOREIGN, Digest("sha512", IMAGE.hex * 2), Digest("sha512", IMAGE512.hex), Digest("sha256", "0" * 64)]
)
def test_a_foreign_digest(candidate: Candidate, image: Digest) -> None:
    found = rejected(verify(candidate, image, TRUSTED))
    assert found.code is Code.SIGNATURE_INVALID
    assert str(IMAGE) in found.reason
    assert str(image) in found.reason


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"NaN",
        b"\xff\xfe",
        payload(kind="atomic container signature"),
        payload(kind=None),
        payload(kind=cosign.TYPE.upper()),
        payload(str(IMAGE).upper()),
        payload(IMAGE.hex),
        payload(str(IMAGE) + "\n"),
        payload([str(IMAGE)]),
        payload(None),
        payload(str(FOREIGN)),
        payload("sha256:../../x"),
        payload(optional=[]),
        payload(optional=float("nan")),
        payload(optional=float("inf")),
        payload() + b" x",
        # two readings
        payload().replace(b'"critical"', b'"critical": {}, "critical"'),
        payload().replace(b'"critical"', b'"CRITICAL": {}, "critical"'),
        payload().replace(b'"image"', b'"image": {}, "image"'),
        payload().replace(b'"image"', b'"Image": {}, "image"'),
        payload().replace(b'"docker-manifest-digest"', b'"docker-manifest-digest": "x", "docker-manifest-digest"'),
        payload().replace(b'"docker-manifest-digest"', b'"docker-manifest-Digest": "x", "docker-manifest-digest"'),
        payload().replace(b'"type"', b'"Type": "x", "type"'),
        payload().replace(b'"optional"', b'"Optional": {"env": "prod"}, "optional"'),
        payload(optional={"env": "prod"}).replace(b'"env"', b'"env": "dev", "env"'),
        # resources
        payload().replace(b"null", b"[" * 200 + b"]" * 200),
        payload().replace(b"null", b"[" * 100_000 + b"]" * 100_000),
        payload().replace(b"null", b"1" * 10_000),
        # a statement is no simple-signing payload
        statement(),
    ],
)
def test_a_correctly_signed_payload_that_says_something_else(body: bytes) -> None:
    assert rejected(verify(signed(body), IMAGE, TRUSTED)).code is Code.SIGNATURE_INVALID


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"NaN",
        b"\xff\xfe",
        statement(_type="https://in-toto.io/Statement/v2"),
        statement(_type=...),
        statement(predicateType=...),
        statement(predicateType=""),
        statement(subject=[]),
        statement(subject=...),
        statement(subject=[{"digest": {"sha256": FOREIGN.hex}}]),
        statement(subject=[{"digest": {"sha256": IMAGE.hex.upper()}}]),
        statement(subject=[{"digest": {"sha256": str(IMAGE)}}]),
        statement(subject=[{"digest": {"SHA256": IMAGE.hex}}]),
        statement(subject=[{"digest": {"sha512": IMAGE512.hex}}]),
        statement(subject=[{"digest": {"sha512": IMAGE.hex}}]),
        statement(subject=[{"digest": {}}]),
        statement(subject=[{"name": str(IMAGE), "digest": {"sha1": "0" * 40}}]),
        statement(subject=[{"digest": {"sha256": FOREIGN.hex}, "annotations": {"sha256": IMAGE.hex}}]),
        statement(subject=[{"digest": {"sha256": IMAGE.hex}, "annotations": []}]),
        statement(subject=[{"digest": {"sha256": IMAGE.hex}}, None]),
        statement(subject=[{"digest": {"sha256": FOREIGN.hex}}] * 1024 + [{"digest": {"sha256": IMAGE.hex}}]),
        statement(predicate=float("nan")),
        statement() + b"{}",
        # two readings
        statement().replace(b'"subject"', b'"subject": [], "subject"'),
        statement().replace(b'"subject"', b'"Subject": [], "subject"'),
        statement().replace(b'"digest"', b'"digest": {}, "digest"'),
        statement().replace(b'"digest"', b'"Digest": {}, "digest"'),
        statement().replace(b'"sha256"', b'"sha256": "0", "sha256"'),
        statement().replace(b'"predicateType"', b'"predicateType": "x", "predicateType"'),
        statement().replace(b'"predicateType"', b'"predicatetype": "x", "predicateType"'),
        statement().replace(b'"predicateType"', b'"predicateType": "x", "\\u0070redicateType"'),
        statement().replace(b'"_type"', b'"_TYPE": "x", "_type"'),
        statement().replace(b'"subject"', '"\N{LATIN SMALL LETTER LONG S}ubject": [], "subject"'.encode()),
        # resources
        statement(predicate=1).replace(b": 1}", b": " + b"[" * 200 + b"]" * 200 + b"}"),
        statement(predicate=1).replace(b": 1}", b": " + b'{"a":' * 200 + b"1" + b"}" * 200 + b"}"),
        statement(predicate=1).replace(b": 1}", b": " + b"9" * 10_000 + b"}"),
        # a simple-signing payload is no statement
        payload(),
    ],
)
def test_a_correctly_signed_statement_that_says_something_else(body: bytes) -> None:
    assert rejected(verify(enveloped(body=body), IMAGE, TRUSTED)).code is Code.SIGNATURE_INVALID


@pytest.mark.parametrize(
    ("body", "image", "annotations"),
    [
        (statement(), IMAGE, {}),
        (statement(_type=V01), IMAGE, {}),
        # cosign 2.6 to 3.0.2: neither annotations nor predicate
        (statement(predicate=...), IMAGE, {}),
        (statement(predicate=None), IMAGE, {}),
        (statement(subject=[{"digest": {"sha256": IMAGE.hex}, "annotations": {"a": "b"}}]), IMAGE, {"a": "b"}),
        (statement(subject=[{"name": "x", "digest": {"sha256": IMAGE.hex}}]), IMAGE, {}),
        (statement(subject=[{"name": None, "digest": {"sha256": IMAGE.hex}}]), IMAGE, {}),
        (statement(subject=[{"digest": {"sha512": IMAGE512.hex}}]), IMAGE512, {}),
        (
            statement(
                subject=[
                    {"digest": {"sha256": FOREIGN.hex}, "annotations": {"a": "not this image's"}},
                    {"digest": {"sha512": IMAGE512.hex, "sha256": IMAGE.hex}, "annotations": {"a": "b", "n": 1}},
                ]
            ),
            IMAGE,
            {"a": "b"},
        ),
        (
            statement(subject=[{"digest": {"sha256": FOREIGN.hex}}] * 1023 + [{"digest": {"sha256": IMAGE.hex}}]),
            IMAGE,
            {},
        ),
    ],
)
def test_statements_that_count(body: bytes, image: Digest, annotations: dict[str, str]) -> None:
    (fact,) = facts(verify(enveloped(body=body), image, TRUSTED))
    assert fact.annotations == annotations
    assert fact.docker_reference is None


@pytest.mark.parametrize(
    "predicate_type",
    [
        "https://slsa.dev/provenance/v1",
        "https://spdx.dev/Document",
        "https://cosign.sigstore.dev/attestation/v1",
        dsse.COSIGN_SIGN + "/",
        dsse.COSIGN_SIGN + "\n",
        dsse.COSIGN_SIGN.upper(),
        "x" * 10_000,
    ],
)
def test_an_attestation_by_a_trusted_key_is_no_signature(predicate_type: str) -> None:
    content = ALICE.bundle(IMAGE, {"env": "prod"}, predicate_type)
    candidate = bundled(content)
    body = base64.b64decode(cast("str", opened(content)["dsseEnvelope"]["payload"]))
    assert verify(candidate, IMAGE, TRUSTED) == (
        VerifiedAttestation(
            Format.BUNDLE, candidate.digest, KeySigner(ALICE.public), NOTHING_BESIDE, predicate_type, body
        ),
    )
    assert rejected(verify(candidate, FOREIGN, TRUSTED)).code is Code.SIGNATURE_INVALID
    assert rejected(verify(candidate, IMAGE, trusting(MALLORY.public))).code is Code.KEY_MISMATCH


def test_unsigned_annotations_do_not_make_an_attestation_a_signature() -> None:
    content = ALICE.bundle(IMAGE, predicate_type="https://spdx.dev/Document")
    claims = {"predicateType": dsse.COSIGN_SIGN, "dev.sigstore.bundle.predicateType": dsse.COSIGN_SIGN}
    candidate = Candidate(Format.BUNDLE, Digest.of(content), BUNDLE_TYPE, content, claims)
    assert attestation(verify(candidate, IMAGE, TRUSTED)).predicate_type == "https://spdx.dev/Document"


def test_unsigned_annotations_do_not_hide_a_signature() -> None:
    content = ALICE.bundle(IMAGE)
    claims = {"predicateType": "https://spdx.dev/Document", "env": "prod"}
    candidate = Candidate(Format.BUNDLE, Digest.of(content), "text/plain", content, claims)
    (fact,) = facts(verify(candidate, IMAGE, TRUSTED))
    assert fact.annotations == {}


@pytest.mark.parametrize(
    ("signatures", "code"),
    [
        ([], Code.SIGNATURE_INVALID),
        ([{"sig": ""}], Code.KEY_MISMATCH),
        ([{"sig": b64(b"\0" * 64)}], Code.KEY_MISMATCH),
        ([{"sig": b64(b"\0" * 1_000_000)}], Code.KEY_MISMATCH),
        ([{"sig": "*"}], Code.SIGNATURE_INVALID),
        ([{}], Code.SIGNATURE_INVALID),
        ([{"sig": ""}] * 33, Code.SIGNATURE_INVALID),
    ],
)
def test_signatures_of_an_envelope(signatures: list[object], code: Code) -> None:
    candidate = enveloped(signatures=signatures)
    # the hint is right: then a wrong signature is a forged one
    expected = Code.SIGNATURE_INVALID if code is Code.KEY_MISMATCH else code
    assert rejected(verify(candidate, IMAGE, TRUSTED)).code is expected
    assert rejected(verify(candidate, IMAGE, trusting(MALLORY.public))).code is code


@pytest.mark.parametrize("order", [(ALICE, ALICE), (ALICE, MALLORY), (MALLORY, ALICE)])
def test_two_signatures_in_a_bundle(order: tuple[SigningKey, SigningKey]) -> None:
    pae = dsse.Envelope(dsse.PAYLOAD_TYPE, statement(), ()).pae
    candidate = enveloped(signatures=[{"sig": b64(key.sign(pae))} for key in order])
    found = rejected(verify(candidate, IMAGE, trusting(ALICE.public, MALLORY.public)))
    assert (found.code, "2 signatures" in found.reason) == (Code.SIGNATURE_INVALID, True)


def test_the_envelope_type_is_signed() -> None:
    body = statement()
    for signed_type in ("application/json", "", dsse.PAYLOAD_TYPE + " "):
        signature = ALICE.sign(dsse.Envelope(signed_type, body, ()).pae)
        candidate = enveloped(body=body, signatures=[{"sig": b64(signature)}])
        assert rejected(verify(candidate, IMAGE, TRUSTED)).code is Code.SIGNATURE_INVALID
        candidate = enveloped(body=body, signatures=[{"sig": b64(signature)}], payloadType=signed_type)
        assert rejected(verify(candidate, IMAGE, TRUSTED)).code is Code.SIGNATURE_INVALID


def test_a_signature_over_the_bare_payload_is_not_one_over_its_encoding() -> None:
    candidate = enveloped(signatures=[{"sig": b64(ALICE.sign(statement()))}])
    assert rejected(verify(candidate, IMAGE, TRUSTED)).code is Code.SIGNATURE_INVALID
    pae = dsse.Envelope(dsse.PAYLOAD_TYPE, payload(), ()).pae
    candidate = legacy(payload(), {cosign.SIGNATURE: b64(ALICE.sign(pae))})
    assert rejected(verify(candidate, IMAGE, TRUSTED)).code is Code.KEY_MISMATCH


def test_url_safe_base64() -> None:
    body = statement(subject=[{"digest": {"sha256": IMAGE.hex}, "annotations": {"a": "~~~???>>>"}}])
    signature = b""
    while not set(b64(signature)) & set("+/"):
        signature = ALICE.sign(dsse.Envelope(dsse.PAYLOAD_TYPE, body, ()).pae)
    url_safe = base64.urlsafe_b64encode(signature).decode()
    candidate = enveloped(body=body, signatures=[{"sig": url_safe}], payload=base64.urlsafe_b64encode(body).decode())
    (fact,) = facts(verify(candidate, IMAGE, TRUSTED))
    assert fact.annotations == {"a": "~~~???>>>"}


@pytest.mark.parametrize(
    "changes",
    [
        {"payload": b64(statement()) + "\n"},
        {"payload": b64(statement()).rstrip("=") + "*"},
        {"payload": ""},
        {"payload": None},
        {"payload": b64(statement(subject=[{"digest": {"sha256": FOREIGN.hex}}]))},
        {"payloadType": "application/json"},
        {"payloadType": None},
    ],
)
def test_an_envelope_changed_after_signing(changes: dict[str, object]) -> None:
    for image in (IMAGE, FOREIGN):
        assert rejected(verify(enveloped(ALICE, None, **changes), image, TRUSTED)).code is Code.SIGNATURE_INVALID


@pytest.mark.parametrize(
    ("hint", "code"),
    [
        # it names a trusted key, and is not by it
        (b64(bytes.fromhex(ALICE.public.fingerprint)), Code.SIGNATURE_INVALID),
        (b64(bytes.fromhex(MALLORY.public.fingerprint)), Code.KEY_MISMATCH),
        ("", Code.KEY_MISMATCH),
        ("not base64", Code.KEY_MISMATCH),
        (b64(b"x" * 100_000), Code.KEY_MISMATCH),
    ],
    ids=["trusted", "another", "empty", "no base64", "long"],
)
def test_a_lying_hint(hint: object, code: Code) -> None:
    by_mallory = material(MALLORY, publicKey={"hint": hint})
    found = rejected(verify(by_mallory, IMAGE, TRUSTED))
    assert found.code is code
    assert len(found.reason) < 200
    # and it takes nothing from a good signature
    (fact,) = facts(verify(material(ALICE, publicKey={"hint": hint}), IMAGE, TRUSTED))
    assert fact.signer == KeySigner(ALICE.public)


CERTIFICATE = {"rawBytes": b64(CERTIFIED.der)}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        # not even a certificate: nothing is left to try
        ({"certificate": {"rawBytes": "MIIB"}}, Code.SIGNATURE_INVALID),
        ({"certificate": {}}, Code.SIGNATURE_INVALID),
        ({"x509CertificateChain": {"certificates": [{"rawBytes": "MIIB"}]}}, Code.SIGNATURE_INVALID),
        ({"x509CertificateChain": {"certificates": []}}, Code.SIGNATURE_INVALID),
        ({"certificate": {"rawBytes": b64(ALICE.public.spki)}}, Code.SIGNATURE_INVALID),
        # a genuine one
        ({"certificate": CERTIFICATE}, Code.KEY_MISMATCH),
    ],
)
def test_certificate_material_never_counts_for_a_key(changes: dict[str, object], code: Code) -> None:
    for key in (ALICE, MALLORY):
        assert rejected(verify(material(key, **changes), IMAGE, TRUSTED)).code is code
    both = material(ALICE, publicKey={}, **changes)
    assert rejected(verify(both, IMAGE, TRUSTED)).code is Code.SIGNATURE_INVALID


def test_a_bundle_by_a_certificate_does_not_count_for_its_bare_key() -> None:
    # the very key is trusted, yet the bundle says that it is by a certificate: nobody trusts that
    bundle = bundled(encode(WORLD.bundle(Signature.of_payload(CERTIFIED, statement()))))
    found = rejected(verify(bundle, IMAGE, Anchors((Holder(CERTIFIED.key.public, root=ROOT),))))
    assert (found.code, "certificate" in found.reason) == (Code.KEY_MISMATCH, True)


@pytest.mark.parametrize("text", [PEM, PEM * 2, "not PEM", MALLORY.pem.decode(), "\N{SNOWMAN}", "x" * 2_000_000])
def test_what_is_no_certificate_beside_a_simple_signing_payload(text: str) -> None:
    for key in (ALICE, MALLORY):
        found = rejected(verify(signed(payload(), key, **{cosign.CERTIFICATE: text}), IMAGE, TRUSTED))
        assert (found.code, "certificate" in found.reason) == (Code.SIGNATURE_INVALID, True)
        assert len(found.reason) < 300


def test_a_certificate_beside_a_simple_signing_payload_is_not_trusted() -> None:
    leaf, *issuers = (certificate.public_bytes(Encoding.PEM).decode() for certificate in CERTIFIED.chain)
    certified = {cosign.CERTIFICATE: leaf, cosign.CHAIN: "".join(issuers)}
    found = rejected(verify(signed(payload(), MALLORY, **certified), IMAGE, TRUSTED))
    assert (found.code, "certificate" in found.reason) == (Code.KEY_MISMATCH, True)
    # it takes nothing from a key: a layer does not say which of them it is by
    (fact,) = facts(verify(signed(payload(), ALICE, **certified), IMAGE, TRUSTED))
    assert fact.signer == KeySigner(ALICE.public)
    two = {cosign.CERTIFICATE: leaf + issuers[0]}
    found = rejected(verify(signed(payload(), ALICE, **two), IMAGE, TRUSTED))
    assert (found.code, "2 certificates" in found.reason) == (Code.SIGNATURE_INVALID, True)
    # a chain without a certificate is nobody's
    (fact,) = facts(verify(signed(payload(), ALICE, **{cosign.CHAIN: "not PEM"}), IMAGE, TRUSTED))
    assert fact.signer == KeySigner(ALICE.public)


def key_signer(key: SigningKey = ALICE) -> Signer:
    return Signer(Keypair("P-256", key.private))


def logged(key: SigningKey = ALICE) -> Entry:
    return WORLD.entry(Signature.of_payload(key_signer(key), statement()))


def unexamined(witness: Witness) -> bool:
    """Nothing was found out, and nobody says otherwise."""
    problems = [witness.no_log, witness.no_timestamp]
    assert (witness.logs, witness.times, witness.earliest) == (frozenset(), (), None)
    return all(p is not None and p.code is Code.TRUST_ROOT_UNAVAILABLE for p in problems)


MANY = [{**logged().json(), "logIndex": str(index)} for index in range(32)]


@pytest.mark.parametrize("entries", [None, [], [logged().json()], MANY, [logged(MALLORY).json()]])
def test_log_entries_of_a_bundle_are_not_examined_without_a_root(entries: list[object] | None) -> None:
    (fact,) = facts(verify(material(publicKey={}, tlogEntries=entries), IMAGE, TRUSTED))
    assert unexamined(fact.witness) is bool(entries)
    assert entries or fact.witness == NOTHING_BESIDE


@pytest.mark.parametrize("entries", [[{}], [{"logIndex": "1"}] * 32, [None], [logged().json()] * 33])
def test_malformed_log_entries_of_a_bundle(entries: list[object]) -> None:
    for anchors in (TRUSTED, WITNESSED):
        found = rejected(verify(material(publicKey={}, tlogEntries=entries), IMAGE, anchors))
        assert (found.code, "entr" in found.reason) == (Code.SIGNATURE_INVALID, True)


WRONG_ENTRIES = ["{}", "not json", " ", '{"Payload": {"logID": "zz"}}', logged().annotation()]


@pytest.mark.parametrize("entry", WRONG_ENTRIES, ids=count())
def test_a_log_entry_of_simple_signing_is_not_examined_without_a_root(entry: str) -> None:
    (fact,) = facts(verify(signed(payload(), ALICE, **{cosign.LOG_BUNDLE: entry}), IMAGE, TRUSTED))
    assert unexamined(fact.witness)
    for candidate in (signed(payload()), signed(payload(), ALICE, **{cosign.LOG_BUNDLE: ""})):
        (fact,) = facts(verify(candidate, IMAGE, TRUSTED))
        assert fact.witness == NOTHING_BESIDE


@pytest.mark.parametrize("entry", WRONG_ENTRIES, ids=count())
def test_a_wrong_log_entry_of_simple_signing_is_a_problem_beside_the_signature(entry: str) -> None:
    candidate = signed(payload(), ALICE, **{cosign.LOG_BUNDLE: entry})
    (fact,) = facts(verify(candidate, IMAGE, WITNESSED))
    assert fact.witness.logs == frozenset()
    assert fact.witness.times == ()
    assert fact.witness.no_log is not None
    assert fact.witness.no_log.code is Code.LOG_ENTRY_INVALID


@pytest.mark.parametrize(
    "stamp", ["{}", "not json", '{"SignedRFC3161Timestamp": "*"}', '{"SignedRFC3161Timestamp": 1}']
)
def test_a_wrong_timestamp_of_simple_signing_is_a_problem_beside_the_signature(stamp: str) -> None:
    candidate = signed(payload(), ALICE, **{cosign.TIMESTAMP: stamp})
    (fact,) = facts(verify(candidate, IMAGE, WITNESSED))
    assert (fact.witness.times, fact.witness.has_timestamp) == ((), False)
    assert fact.witness.no_timestamp is not None
    assert fact.witness.no_timestamp.code is Code.TIMESTAMP_INVALID
    (fact,) = facts(verify(candidate, IMAGE, TRUSTED))
    assert unexamined(fact.witness)


@pytest.mark.parametrize("version", ["0.1", "0.2"])
def test_earlier_bundle_versions(version: str) -> None:
    media_type = f"application/vnd.dev.sigstore.bundle+json;version={version}"
    value = opened(ALICE.bundle(IMAGE)) | {"mediaType": media_type}
    (fact,) = facts(verify(bundled(json.dumps(value).encode()), IMAGE, TRUSTED))
    assert (fact.signer, fact.witness) == (KeySigner(ALICE.public), NOTHING_BESIDE)


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.dev.sigstore.bundle+json;version=0.0",
        "application/vnd.dev.sigstore.bundle+json;version=0.4",
        "application/vnd.dev.sigstore.bundle.v0.1+json",
        "application/vnd.dev.sigstore.bundle.v0.2+json",
        "application/vnd.dev.sigstore.bundle.v0.4+json",
        "",
    ],
)
def test_other_bundle_versions(media_type: str) -> None:
    value = opened(ALICE.bundle(IMAGE)) | {"mediaType": media_type}
    found = rejected(verify(bundled(json.dumps(value).encode()), IMAGE, TRUSTED))
    assert (found.code, "v0.3" in found.reason) == (Code.SIGNATURE_INVALID, True)


def test_a_message_signature() -> None:
    value = opened(ALICE.bundle(IMAGE))
    del value["dsseEnvelope"]
    digest = b64(bytes.fromhex(IMAGE.hex))
    value["messageSignature"] = {
        "messageDigest": {"algorithm": "SHA2_256", "digest": digest},
        "signature": b64(ALICE.sign(b"image")),
    }
    found = rejected(verify(bundled(json.dumps(value).encode()), IMAGE, TRUSTED))
    assert found.code is Code.SIGNATURE_UNSUPPORTED


def layer_of(envelope: object, kind: Format = Format.LEGACY, **annotations: str) -> Candidate:
    """An attestation as cosign's `.att` has it."""
    content = compact(envelope)
    return Candidate(kind, Digest.of(content), dsse.ENVELOPE, content, annotations)


@pytest.mark.parametrize("kind", [Format.LEGACY, Format.REFERRER_LEGACY])
@pytest.mark.parametrize("entry_kind", [None, DSSE_1, INTOTO_1, HASHEDREKORD_1])
def test_a_layer_with_an_envelope(kind: Format, entry_kind: Kind | None) -> None:
    body = statement(predicateType="https://spdx.dev/Document")
    made = Signature.of_payload(key_signer(), body)
    beside = {} if entry_kind is None else {cosign.LOG_BUNDLE: WORLD.entry(made, kind=entry_kind).annotation()}
    candidate = layer_of(made.envelope, kind, **beside)
    found = attestation(verify(candidate, IMAGE, WITNESSED))
    assert (found.format, found.digest, found.signer) == (kind, candidate.digest, KeySigner(ALICE.public))
    assert (found.predicate_type, found.statement) == ("https://spdx.dev/Document", body)
    assert found.witness.logs == ({WORLD.rekor.key.public.fingerprint} if entry_kind else set())
    assert (found.witness.no_log is None) is bool(entry_kind)
    assert rejected(verify(candidate, IMAGE, trusting(MALLORY.public))).code is Code.KEY_MISMATCH
    assert rejected(verify(candidate, FOREIGN, TRUSTED)).code is Code.SIGNATURE_INVALID


def test_a_layer_with_an_envelope_that_is_stored_otherwise_than_it_was_logged() -> None:
    # an intoto 0.0.1 entry is about the bytes: another encoding of the same envelope is another
    made = Signature.of_payload(key_signer(), statement(predicateType="https://spdx.dev/Document"))
    beside = {cosign.LOG_BUNDLE: WORLD.entry(made, kind=INTOTO_1).annotation()}
    content = json.dumps(made.envelope, indent=1).encode()
    candidate = Candidate(Format.LEGACY, Digest.of(content), dsse.ENVELOPE, content, beside)
    found = attestation(verify(candidate, IMAGE, WITNESSED))
    assert found.witness.no_log == Problem(Code.LOG_ENTRY_INVALID, "the log entry is about another envelope")
    assert found.witness.times == ()


@pytest.mark.parametrize("order", [(ALICE, MALLORY), (MALLORY, ALICE), (ALICE, ALICE)])
def test_a_layer_with_an_envelope_of_several_signatures(order: tuple[SigningKey, SigningKey]) -> None:
    made = Signature.of_payload(key_signer(), statement(predicateType="https://spdx.dev/Document"))
    signatures = [{"sig": b64(key.sign(made.message))} for key in order]
    candidate = layer_of({**made.envelope, "signatures": signatures})
    found = verify(candidate, IMAGE, trusting(ALICE.public))
    assert attestation(found).signer == KeySigner(ALICE.public)
    both = verify(candidate, IMAGE, trusting(ALICE.public, MALLORY.public))
    assert not isinstance(both, Rejection)
    assert [key_of(fact) for fact in both] == list(
        dict.fromkeys(key.public for key in sorted(order, key=[ALICE, MALLORY].index))
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"payloadType": "application/json"},
        {"payload": b64(b"{}")},
        {"signatures": []},
        {"signatures": [{"sig": ""}] * 33},
        {"signatures": [{"sig": "*"}]},
    ],
)
def test_a_layer_with_an_envelope_changed_after_signing(changes: dict[str, object]) -> None:
    made = Signature.of_payload(key_signer(), statement(predicateType="https://spdx.dev/Document"))
    found = rejected(verify(layer_of({**made.envelope, **changes}), IMAGE, TRUSTED))
    assert found.code is (Code.KEY_MISMATCH if "payload" in changes else Code.SIGNATURE_INVALID)


def test_a_statement_that_is_a_signature_counts_as_one_wherever_it_is_stored() -> None:
    candidate = layer_of(Signature.of_payload(key_signer(), statement()).envelope)
    (fact,) = facts(verify(candidate, IMAGE, TRUSTED))
    assert (fact.format, fact.docker_reference) == (Format.LEGACY, None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"mediaType"', b'"mediaType":"x","mediaType"'),
        (b'"mediaType"', b'"MediaType":"x","mediaType"'),
        (b'"dsseEnvelope"', b'"dsseEnvelope":{},"dsseEnvelope"'),
        (b'"dsseEnvelope"', b'"DSSEEnvelope":{},"dsseEnvelope"'),
        (b'"payload"', b'"payload":"e30=","payload"'),
        (b'"payload"', b'"Payload":"e30=","payload"'),
        (b'"payloadType"', b'"payloadtype":"x","payloadType"'),
        (b'"signatures"', b'"Signatures":[],"signatures"'),
        (b'"sig"', b'"sig":"AAAA","sig"'),
        (b'"sig"', b'"Sig":"AAAA","sig"'),
        (b'"publicKey"', b'"PublicKey":{},"publicKey"'),
        (b'"publicKey"', b'"Certificate":{},"publicKey"'),
        (b'"hint"', b'"hint":"AAAA","hint"'),
        (b'"hint"', b'"HINT":"AAAA","hint"'),
        (b'"hint"', b'"x":NaN,"hint"'),
        (b'"hint"', b'"x":' + b"[" * 200 + b"]" * 200 + b',"hint"'),
        (b'"hint"', b'"x":' + b"7" * 10_000 + b',"hint"'),
        (b'"hint"', b'"x":"\xff","hint"'),
    ],
)
def test_a_bundle_with_two_readings_or_none(old: bytes, new: bytes) -> None:
    content = ALICE.bundle(IMAGE)
    assert content.count(old) == 1
    found = rejected(verify(bundled(content.replace(old, new)), IMAGE, TRUSTED))
    assert found.code is Code.SIGNATURE_INVALID


def test_every_truncation_of_a_bundle() -> None:
    content = ALICE.bundle(IMAGE, {"env": "prod"})
    for length in range(len(content)):
        assert rejected(verify(bundled(content[:length]), IMAGE, TRUSTED)).code is Code.SIGNATURE_INVALID


def test_every_truncation_of_a_payload() -> None:
    content, annotations = ALICE.simple_signing(IMAGE, NAME, {"env": "prod"})
    for length in range(len(content)):
        assert rejected(verify(legacy(content[:length], annotations), IMAGE, TRUSTED)).code is Code.KEY_MISMATCH


def test_every_truncation_of_a_correctly_signed_payload() -> None:
    content, _ = ALICE.simple_signing(IMAGE, NAME, {"env": "prod"})
    for length in range(len(content)):
        assert rejected(verify(signed(content[:length]), IMAGE, TRUSTED)).code is Code.SIGNATURE_INVALID


def test_every_truncation_of_a_statement() -> None:
    content = statement()
    for length in range(len(content)):
        assert rejected(verify(enveloped(body=content[:length]), IMAGE, TRUSTED)).code is Code.SIGNATURE_INVALID


def test_every_truncation_of_a_signature() -> None:
    content, annotations = ALICE.simple_signing(IMAGE, NAME)
    encoded = annotations[cosign.SIGNATURE]
    raw = base64.b64decode(encoded)
    shorter = [encoded[:n] for n in range(len(encoded.rstrip("=")))] + [b64(raw[:n]) for n in range(len(raw))]
    for text in shorter:
        found = rejected(verify(legacy(content, {cosign.SIGNATURE: text}), IMAGE, TRUSTED))
        assert found.code in {Code.SIGNATURE_INVALID, Code.KEY_MISMATCH}


@pytest.mark.parametrize(
    "encoded", ["", " ", "*", "=", "\N{SNOWMAN}", "\ud800", "AAAA ", "AAAA\t", "AAAA\v", "AAAB=", "AAB="]
)
def test_the_signature_annotation_is_not_base64(encoded: str) -> None:
    found = rejected(verify(legacy(payload(), {cosign.SIGNATURE: encoded}), IMAGE, TRUSTED))
    assert found.code is Code.SIGNATURE_INVALID


def test_line_breaks_in_the_signature_annotation_are_no_part_of_it() -> None:
    """As Go reads base64, and so cosign: GNU's `base64` breaks lines, and people attach what it prints."""
    content, annotations = ALICE.simple_signing(IMAGE, NAME)
    encoded = annotations[cosign.SIGNATURE]
    for broken in (f"{encoded}\n", f"{encoded[:20]}\r\n{encoded[20:]}\r\n", "\n".join(encoded)):
        (fact,) = facts(verify(legacy(content, {cosign.SIGNATURE: broken}), IMAGE, TRUSTED))
        assert key_of(fact) == ALICE.public
    for broken in (f"{encoded[:20]} {encoded[20:]}", f"{encoded}\t", f"{encoded[:20]}\f{encoded[20:]}"):
        assert (
            rejected(verify(legacy(content, {cosign.SIGNATURE: broken}), IMAGE, TRUSTED)).code is Code.SIGNATURE_INVALID
        )
    assert rejected(verify(legacy(content, {cosign.SIGNATURE: "\n"}), IMAGE, TRUSTED)).code is Code.KEY_MISMATCH


def test_no_signature_annotation() -> None:
    found = rejected(verify(legacy(payload(), {}), IMAGE, TRUSTED))
    assert (found.code, cosign.SIGNATURE in found.reason) == (Code.SIGNATURE_INVALID, True)


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "application/vnd.dsse.envelope.v1+json ",
        "application/vnd.dsse.envelope.v2+json",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "text/spdx+json",
        cosign.SIMPLE_SIGNING.upper(),
        cosign.SIMPLE_SIGNING + "; charset=utf-8",
        "x" * 10_000,
    ],
)
def test_other_layers(media_type: str) -> None:
    content, annotations = ALICE.simple_signing(IMAGE, NAME)
    candidate = Candidate(Format.LEGACY, Digest.of(content), media_type, content, annotations)
    found = rejected(verify(candidate, IMAGE, TRUSTED))
    assert found.code is Code.SIGNATURE_UNSUPPORTED
    assert len(found.reason) < 300
    assert found.attestation is None


def test_a_simple_signing_payload_is_no_envelope() -> None:
    content, annotations = ALICE.simple_signing(IMAGE, NAME)
    candidate = Candidate(Format.LEGACY, Digest.of(content), dsse.ENVELOPE, content, annotations)
    found = rejected(verify(candidate, IMAGE, TRUSTED))
    assert (found.code, found.attestation) == (Code.SIGNATURE_INVALID, True)


def test_notation() -> None:
    candidate = Candidate(Format.NOTATION, Digest.of(b"x"), "application/jose+json", b"x")
    assert rejected(verify(candidate, IMAGE, TRUSTED)).code is Code.SIGNATURE_UNSUPPORTED


def test_a_format_decides_how_bytes_are_read() -> None:
    content, annotations = ALICE.simple_signing(IMAGE, NAME)
    as_bundle = Candidate(Format.BUNDLE, Digest.of(content), cosign.SIMPLE_SIGNING, content, annotations)
    assert rejected(verify(as_bundle, IMAGE, TRUSTED)).code is Code.SIGNATURE_INVALID
    bundle = ALICE.bundle(IMAGE)
    as_legacy = legacy(bundle, {cosign.SIGNATURE: b64(ALICE.sign(bundle))})
    assert rejected(verify(as_legacy, IMAGE, TRUSTED)).code is Code.SIGNATURE_INVALID


def test_a_rejection_says_which_candidate() -> None:
    candidate = legacy(payload(), {}, Format.REFERRER_LEGACY)
    found = rejected(verify(candidate, IMAGE, TRUSTED))
    assert (found.format, found.digest) == (candidate.format, candidate.digest)
    assert found.attestation is False
    assert rejected(verify(layer_of({}), IMAGE, TRUSTED)).attestation is True
    assert rejected(verify(bundled(b"{}"), IMAGE, TRUSTED)).attestation is None


def test_content_is_not_shown() -> None:
    assert "critical" not in repr(signed(payload()))


DAMAGE = (0x01, 0x80)
ANYBODY = Anchors(WITNESSED.holders, (Issuers("world", ROOT.authorities, ROOT),))


def damaged(content: bytes, place: int) -> list[bytes]:
    return [content[:place] + bytes([content[place] ^ bits]) + content[place + 1 :] for bits in DAMAGE]


def by_certificate(chain: list[bytes]) -> Candidate:
    value = WORLD.bundle(Signature.of_payload(CERTIFIED, statement()), version="0.2", entries=[])
    certificates = {"certificates": [{"rawBytes": b64(der)} for der in chain]}
    beside = cast("dict[str, object]", value["verificationMaterial"])
    value["verificationMaterial"] = {**beside, "x509CertificateChain": certificates}
    return bundled(encode(value))


@pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")
@pytest.mark.parametrize("which", [0, 1], ids=["leaf", "intermediate"])
def test_no_damage_to_a_certificate_is_anything_but_a_rejection(which: int) -> None:
    """A certificate that the library reads only in part (a name that is no text, an unknown version) is none."""
    chain = [certificate.public_bytes(Encoding.DER) for certificate in CERTIFIED.chain[:2]]
    (original,) = facts(verify(by_certificate(chain), IMAGE, ANYBODY))
    signed_part = CERTIFIED.chain[which].tbs_certificate_bytes
    for place in range(len(chain[which])):
        for der in damaged(chain[which], place):
            changed = [*chain[:which], der, *chain[which + 1 :]]
            found = verify(by_certificate(changed), IMAGE, ANYBODY)
            # an intermediate that is no longer one may be left out: the trusted root has it; and the issuer's signature
            # on a leaf may, by its last bit, have a second encoding of the same
            assert isinstance(found, Rejection) or which == 1 or signed_part in der, place
            assert isinstance(found, Rejection) or [fact.signer for fact in found] == [original.signer]


def of_version(der: bytes, version: int) -> bytes:
    """A certificate that says it is of another version; 2 is the third, the only one with extensions."""
    start = der.index(b"\xa0\x03\x02\x01\x02")
    return der[: start + 4] + bytes([version]) + der[start + 5 :]


@pytest.mark.parametrize("version", [3, 4, 127])
def test_certificates_of_unknown_versions(version: int) -> None:
    leaf, below = (of_version(c.public_bytes(Encoding.DER), version) for c in CERTIFIED.chain[:2])
    for chain in ([leaf], [CERTIFIED.der, below]):
        assert rejected(verify(by_certificate(chain), IMAGE, ANYBODY)).code is Code.SIGNATURE_INVALID
    pem = f"-----BEGIN CERTIFICATE-----\n{b64(leaf)}\n-----END CERTIFICATE-----\n"
    for name in (cosign.CERTIFICATE, cosign.CHAIN):
        beside = {cosign.CERTIFICATE: CERTIFIED.pem.decode(), name: pem}
        assert rejected(verify(signed(payload(), ALICE, **beside), IMAGE, ANYBODY)).code is Code.SIGNATURE_INVALID


@pytest.mark.parametrize(
    "name", [cosign.CERTIFICATE, cosign.CHAIN, cosign.LOG_BUNDLE, cosign.TIMESTAMP, cosign.SIGNATURE]
)
def test_annotations_that_are_no_text(name: str) -> None:
    """Half a surrogate pair: manifests that hold one are refused before, and here it is only malformed."""
    annotations = {
        cosign.SIGNATURE: b64(ALICE.sign(payload())),
        cosign.CERTIFICATE: CERTIFIED.pem.decode(),
        name: "\ud800",
    }
    if name in (cosign.LOG_BUNDLE, cosign.TIMESTAMP):
        del annotations[cosign.CERTIFICATE]
    found = verify(legacy(payload(), annotations), IMAGE, ANYBODY)
    assert isinstance(found, Rejection) is (name in (cosign.CERTIFICATE, cosign.CHAIN, cosign.SIGNATURE))
