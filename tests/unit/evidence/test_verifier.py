from __future__ import annotations

import base64
import json
from typing import cast

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from gate.codes import Code
from gate.demo.signing import PrivateKey, SigningKey
from gate.evidence import cosign, dsse
from gate.evidence.facts import Format, KeySigner, Rejection, VerifiedSignature
from gate.evidence.verifier import Candidate, verify
from gate.image.digest import Digest
from gate.image.reference import Repository
from gate.trust.key import Hash, PublicKey

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
TRUSTED = (ALICE.public,)
KEYS: dict[str, PrivateKey] = {
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "p521": ec.generate_private_key(ec.SECP521R1()),
    "rsa2048": rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}

Verdict = tuple[VerifiedSignature, ...] | Rejection


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
    assert found
    return found


def rejected(found: Verdict) -> Rejection:
    assert isinstance(found, Rejection)
    assert found.reason
    return found


@pytest.mark.parametrize("kind", [Format.LEGACY, Format.REFERRER_LEGACY])
def test_simple_signing(kind: Format) -> None:
    candidate = legacy(*ALICE.simple_signing(IMAGE, NAME, {"env": "prod"}), kind)
    assert verify(candidate, IMAGE, TRUSTED) == (
        VerifiedSignature(
            kind, candidate.digest, KeySigner(ALICE.public), {"env": "prod"}, Repository("ghcr.io", "acme/api")
        ),
    )


def test_bundle() -> None:
    candidate = bundled(ALICE.bundle(IMAGE, {"env": "prod"}))
    assert verify(candidate, IMAGE, TRUSTED) == (
        VerifiedSignature(Format.BUNDLE, candidate.digest, KeySigner(ALICE.public), {"env": "prod"}),
    )


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("digest", [IMAGE, IMAGE512], ids=["sha256", "sha512"])
def test_every_algorithm(name: str, digest: Digest) -> None:
    key = SigningKey(KEYS[name], hashes.SHA256())
    for candidate in (legacy(*key.simple_signing(digest, NAME)), bundled(key.bundle(digest))):
        (fact,) = facts(verify(candidate, digest, (*TRUSTED, key.public)))
        assert fact.signer.principal == f"key:{key.public.fingerprint}"
        assert rejected(verify(candidate, digest, TRUSTED)).code is Code.KEY_MISMATCH
        assert rejected(verify(candidate, FOREIGN, (key.public,))).code is Code.SIGNATURE_INVALID


def test_one_key_with_two_hash_settings_gives_two_facts_of_one_principal() -> None:
    key = SigningKey(KEYS["p384"], hashes.SHA384())
    settings = [PublicKey.parse(key.pem, h) for h in (None, Hash.SHA384, Hash.SHA256)]
    found = facts(verify(bundled(key.bundle(IMAGE)), IMAGE, settings))
    assert [f.signer.key for f in found] == settings[:2]
    assert len({f.signer.principal for f in found}) == 1
    assert str(found[0].signer) == key.public.short


def test_rsa_pss_and_sha1() -> None:
    key = KEYS["rsa2048"]
    assert isinstance(key, rsa.RSAPrivateKey)
    content = payload()
    signatures = (
        key.sign(content, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()),
        key.sign(content, padding.PKCS1v15(), hashes.SHA1()),
    )
    trusted = (SigningKey(key, hashes.SHA256()).public,)
    for signature in signatures:
        candidate = legacy(content, {cosign.SIGNATURE: b64(signature)})
        assert rejected(verify(candidate, IMAGE, trusted)).code is Code.KEY_MISMATCH


@pytest.mark.parametrize(
    "candidate", [legacy(*ALICE.simple_signing(IMAGE, NAME)), bundled(ALICE.bundle(IMAGE))], ids=["legacy", "bundle"]
)
def test_wrong_keys_and_no_keys(candidate: Candidate) -> None:
    for keys in ((), (MALLORY.public,), (MALLORY.public, SigningKey.generate().public)):
        assert rejected(verify(candidate, IMAGE, keys)).code is Code.KEY_MISMATCH


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
    candidate = bundled(ALICE.bundle(IMAGE, predicate_type=predicate_type))
    found = rejected(verify(candidate, IMAGE, TRUSTED))
    assert found.code is Code.SIGNATURE_MISSING
    assert len(found.reason) < 300


def test_unsigned_annotations_do_not_make_an_attestation_a_signature() -> None:
    content = ALICE.bundle(IMAGE, predicate_type="https://spdx.dev/Document")
    claims = {"predicateType": dsse.COSIGN_SIGN, "dev.sigstore.bundle.predicateType": dsse.COSIGN_SIGN}
    candidate = Candidate(Format.BUNDLE, Digest.of(content), BUNDLE_TYPE, content, claims)
    assert rejected(verify(candidate, IMAGE, TRUSTED)).code is Code.SIGNATURE_MISSING


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
    assert rejected(verify(candidate, IMAGE, (MALLORY.public,))).code is code


@pytest.mark.parametrize("order", [(ALICE, ALICE), (ALICE, MALLORY), (MALLORY, ALICE)])
def test_two_signatures_in_a_bundle(order: tuple[SigningKey, SigningKey]) -> None:
    pae = dsse.Envelope(dsse.PAYLOAD_TYPE, statement(), ()).pae
    candidate = enveloped(signatures=[{"sig": b64(key.sign(pae))} for key in order])
    found = rejected(verify(candidate, IMAGE, (ALICE.public, MALLORY.public)))
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
        (7, Code.KEY_MISMATCH),
        (b64(b"x" * 100_000), Code.KEY_MISMATCH),
    ],
    ids=["trusted", "another", "empty", "no base64", "no text", "long"],
)
def test_a_lying_hint(hint: object, code: Code) -> None:
    by_mallory = material(MALLORY, publicKey={"hint": hint})
    found = rejected(verify(by_mallory, IMAGE, TRUSTED))
    assert found.code is code
    assert len(found.reason) < 200
    # and it takes nothing from a good signature
    (fact,) = facts(verify(material(ALICE, publicKey={"hint": hint}), IMAGE, TRUSTED))
    assert fact.signer == KeySigner(ALICE.public)


@pytest.mark.parametrize(
    "changes",
    [
        {"certificate": {"rawBytes": "MIIB"}},
        {"certificate": {}},
        {"x509CertificateChain": {"certificates": [{"rawBytes": "MIIB"}]}},
        {"x509CertificateChain": {"certificates": []}},
        {"certificate": {"rawBytes": b64(ALICE.public.spki)}},
    ],
)
def test_certificate_material_never_counts_for_a_key(changes: dict[str, object]) -> None:
    for key in (ALICE, MALLORY):
        assert rejected(verify(material(key, **changes), IMAGE, TRUSTED)).code is Code.KEY_MISMATCH
    both = material(ALICE, publicKey={}, **changes)
    assert rejected(verify(both, IMAGE, TRUSTED)).code is Code.SIGNATURE_INVALID


def test_a_certificate_beside_a_simple_signing_payload_is_not_trusted() -> None:
    certified = {"dev.sigstore.cosign/certificate": PEM, "dev.sigstore.cosign/chain": PEM}
    found = rejected(verify(signed(payload(), MALLORY, **certified), IMAGE, TRUSTED))
    assert (found.code, "certificate" in found.reason) == (Code.KEY_MISMATCH, True)
    key_in_place_of_certificate = {"dev.sigstore.cosign/certificate": MALLORY.pem.decode()}
    found = rejected(verify(signed(payload(), MALLORY, **key_in_place_of_certificate), IMAGE, TRUSTED))
    assert found.code is Code.KEY_MISMATCH


@pytest.mark.parametrize("entries", [None, [], [{}], [{"logIndex": "1"}] * 32])
def test_log_entries_of_a_bundle_are_reported_unchecked(entries: list[object] | None) -> None:
    (fact,) = facts(verify(material(publicKey={}, tlogEntries=entries), IMAGE, TRUSTED))
    assert fact.log_entry_unchecked is bool(entries)


@pytest.mark.parametrize("entry", ["{}", "", "not json"])
def test_a_log_entry_of_simple_signing_is_reported_unchecked(entry: str) -> None:
    (fact,) = facts(verify(signed(payload(), ALICE, **{cosign.LOG_BUNDLE: entry}), IMAGE, TRUSTED))
    assert fact.log_entry_unchecked
    (fact,) = facts(verify(signed(payload()), IMAGE, TRUSTED))
    assert not fact.log_entry_unchecked


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "application/vnd.dev.sigstore.bundle+json;version=0.2",
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


@pytest.mark.parametrize("encoded", ["", " ", "*", "\n", "=", "\N{SNOWMAN}", "\ud800", "AAAA ", "AAAA\n"])
def test_the_signature_annotation_is_not_base64(encoded: str) -> None:
    found = rejected(verify(legacy(payload(), {cosign.SIGNATURE: encoded}), IMAGE, TRUSTED))
    assert found.code is Code.SIGNATURE_INVALID


def test_no_signature_annotation() -> None:
    found = rejected(verify(legacy(payload(), {}), IMAGE, TRUSTED))
    assert (found.code, cosign.SIGNATURE in found.reason) == (Code.SIGNATURE_INVALID, True)


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "application/vnd.dsse.envelope.v1+json",
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


def test_content_is_not_shown() -> None:
    assert "critical" not in repr(signed(payload()))
