from __future__ import annotations

import base64
import json
from itertools import count
from typing import cast

import pytest

from gate.demo.signing import SigningKey
from gate.errors import ParseError
from gate.evidence.bundle import MAX_LOG_ENTRIES, Bundle
from gate.evidence.dsse import PAYLOAD_TYPE, Statement
from gate.image.digest import Digest

IMAGE = Digest.of(b"image")
KEY = SigningKey.generate()
SIGNED = KEY.bundle(IMAGE)
CERTIFICATE = {"rawBytes": "MIIB"}
MESSAGE = {"messageDigest": {"algorithm": "SHA2_256", "digest": "AAAA"}, "signature": "AAAA"}


def bundle(**changes: object) -> bytes:
    value = {**cast("dict[str, object]", json.loads(SIGNED)), **changes}
    return json.dumps({k: v for k, v in value.items() if v is not ...}).encode()


def material(**values: object) -> bytes:
    return bundle(verificationMaterial=values)


def test_what_cosign_writes() -> None:
    found = Bundle.parse(KEY.bundle(IMAGE))
    assert (found.key_hint, found.by_certificate, found.log_entries) == (KEY.public.fingerprint, False, 0)
    assert found.envelope is not None
    assert Statement.parse(found.envelope.payload).subjects[0].names(IMAGE)
    assert KEY.public.verifies(found.envelope.signatures[0], found.envelope.pae)


@pytest.mark.parametrize(
    "media_type",
    ["application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.dev.sigstore.bundle+json;version=0.3"],
)
def test_versions(media_type: str) -> None:
    assert Bundle.parse(bundle(mediaType=media_type)) == Bundle.parse(SIGNED)


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "application/vnd.dev.sigstore.bundle+json;version=0.2",
        "application/vnd.dev.sigstore.bundle+json;version=0.4",
        "application/vnd.dev.sigstore.bundle.v0.1+json",
        "application/vnd.dev.sigstore.bundle.v0.2+json",
        "application/vnd.dev.sigstore.bundle.v0.30+json",
        "application/vnd.dev.sigstore.bundle.v0.3+json\n",
        "application/vnd.dev.sigstore.bundle",
        "",
    ],
)
def test_other_versions(media_type: str) -> None:
    with pytest.raises(ParseError, match=r"only v0\.3"):
        Bundle.parse(bundle(mediaType=media_type))


@pytest.mark.parametrize(
    ("values", "hint", "by_certificate", "entries"),
    [
        ({"publicKey": {"hint": "q80="}}, "abcd", False, 0),
        ({"publicKey": {}}, "", False, 0),
        ({"publicKey": {"hint": ""}}, "", False, 0),
        ({"publicKey": {"hint": None}}, "", False, 0),
        ({"publicKey": {"hint": 7}}, "", False, 0),
        ({"publicKey": {"hint": "not base64"}}, "", False, 0),
        ({"publicKey": {"hint": "\N{SNOWMAN}"}}, "", False, 0),
        ({"publicKey": {"hint": "q80="}, "tlogEntries": []}, "abcd", False, 0),
        ({"publicKey": {"hint": "q80="}, "tlogEntries": [{}]}, "abcd", False, 1),
        ({"publicKey": {"hint": "q80="}, "tlogEntries": [{}] * MAX_LOG_ENTRIES}, "abcd", False, MAX_LOG_ENTRIES),
        ({"publicKey": {"hint": "q80="}, "certificate": None}, "abcd", False, 0),
        ({"certificate": CERTIFICATE}, "", True, 0),
        ({"certificate": {}}, "", True, 0),
        ({"x509CertificateChain": {"certificates": []}, "tlogEntries": [{}]}, "", True, 1),
        ({"certificate": CERTIFICATE, "publicKey": None}, "", True, 0),
    ],
)
def test_verification_material(values: dict[str, object], hint: str, by_certificate: bool, entries: int) -> None:  # noqa: FBT001
    found = Bundle.parse(material(**values))
    assert (found.key_hint, found.by_certificate, found.log_entries) == (hint, by_certificate, entries)


def test_a_message_signature_has_no_envelope() -> None:
    assert Bundle.parse(bundle(dsseEnvelope=..., messageSignature=MESSAGE)).envelope is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        KEY.bundle(IMAGE) + b"x",
        KEY.bundle(IMAGE) * 2,
        base64.b64encode(KEY.bundle(IMAGE)),
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
        material(publicKey={}, certificate=CERTIFICATE),
        material(publicKey={}, x509CertificateChain={}),
        material(certificate=CERTIFICATE, x509CertificateChain={}),
        material(publicKey={}, certificate=False),
        material(publicKey={}, tlogEntries={}),
        material(publicKey={}, tlogEntries="x"),
        material(publicKey={}, tlogEntries=[{}] * (MAX_LOG_ENTRIES + 1)),
        material(PublicKey={}),
        material(publicKey={}, Certificate=CERTIFICATE),
        material(publicKey={}, X509CertificateChain={}),
        material(publicKey={}, TlogEntries=[]),
        material(publicKey={"hint": "q80=", "Hint": "AAAA"}),
        bundle(dsseEnvelope=...),
        bundle(dsseEnvelope=None),
        bundle(dsseEnvelope={}),
        bundle(dsseEnvelope=[]),
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
        bundle(extra=float("inf")),
    ],
    ids=count(),
)
def test_refused(content: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        Bundle.parse(content)
    assert len(caught.value.message) < 300
