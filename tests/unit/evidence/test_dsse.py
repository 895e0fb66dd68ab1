from __future__ import annotations

import base64
import json

import pytest

from gate.errors import ParseError
from gate.evidence.dsse import COSIGN_SIGN, PAYLOAD_TYPE, Envelope, Statement, Subject, texts
from gate.evidence.limits import MAX_SIGNATURES, MAX_SUBJECTS
from gate.image.digest import Digest
from gate.protojson import decode_base64

IMAGE = Digest.of(b"image")
IMAGE512 = Digest.of(b"image", "sha512")
V1 = "https://in-toto.io/Statement/v1"
V01 = "https://in-toto.io/Statement/v0.1"


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def envelope(**changes: object) -> dict[str, object]:
    return {"payloadType": PAYLOAD_TYPE, "payload": b64(b"{}"), "signatures": [{"sig": b64(b"signature")}], **changes}


def statement(**changes: object) -> bytes:
    value: dict[str, object] = {
        "_type": V1,
        "subject": [{"digest": {"sha256": IMAGE.hex}}],
        "predicateType": COSIGN_SIGN,
        "predicate": {},
        **changes,
    }
    return json.dumps({k: v for k, v in value.items() if v is not ...}).encode()


@pytest.mark.parametrize(
    ("kind", "payload", "pae"),
    [
        # the vector of the DSSE specification
        ("http://example.com/HelloWorld", b"hello world", b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"),
        (PAYLOAD_TYPE, b"", b"DSSEv1 28 application/vnd.in-toto+json 0 "),
        ("\N{SNOWMAN}", b"\xff\0", b"DSSEv1 3 \xe2\x98\x83 2 \xff\0"),
    ],
)
def test_pre_authentication_encoding(kind: str, payload: bytes, pae: bytes) -> None:
    assert Envelope(kind, payload, ()).pae == pae


def test_the_encoding_tells_type_and_payload_apart() -> None:
    assert Envelope("a 1 b", b"c", ()).pae != Envelope("a", b"b 1 c", ()).pae


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("", b""),
        ("QQ==", b"A"),
        ("QUI=", b"AB"),
        ("QUJD", b"ABC"),
        ("+/+/", b"\xfb\xff\xbf"),
        ("-_-_", b"\xfb\xff\xbf"),
        ("+_-/", b"\xfb\xff\xbf"),
    ],
)
def test_base64(text: str, content: bytes) -> None:
    assert decode_base64(text, "it") == content


@pytest.mark.parametrize(
    "text",
    [
        "Q",
        "QQ",
        "QQ=",
        "QQ===",
        "=",
        "====",
        "QUI",
        "QQ==QQ==",
        "Q Q=",
        "QQ==\n",
        "\nQUJD",
        "QU\nJD",
        "QUJD\r\n",
        "Q*==",
        "QU.D",
        "QUJ\0",
        "QUJ\N{LATIN SMALL LETTER A WITH DIAERESIS}",
        "\N{FULLWIDTH LATIN CAPITAL LETTER Q}UJD",
        "\ud800",
    ],
)
def test_not_base64(text: str) -> None:
    with pytest.raises(ParseError, match="it is not base64"):
        decode_base64(text, "it")


def test_envelope() -> None:
    found = Envelope.parse(envelope(signatures=[{"sig": b64(b"1"), "keyid": "x"}, {"sig": b64(b"2"), "extra": []}]))
    assert found == Envelope(PAYLOAD_TYPE, b"{}", (b"1", b"2"))


def test_most_signatures() -> None:
    assert MAX_SIGNATURES == 32
    assert len(Envelope.parse(envelope(signatures=[{"sig": ""}] * MAX_SIGNATURES)).signatures) == MAX_SIGNATURES


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        "envelope",
        {},
        envelope(signatures=[]),
        envelope(signatures=None),
        envelope(signatures={}),
        envelope(signatures="x"),
        envelope(signatures=[{"sig": ""}] * (MAX_SIGNATURES + 1)),
        envelope(signatures=[None]),
        envelope(signatures=["c2ln"]),
        envelope(signatures=[{}]),
        envelope(signatures=[{"sig": None}]),
        envelope(signatures=[{"sig": 1}]),
        envelope(signatures=[{"sig": "*"}]),
        envelope(signatures=[{"sig": "c2ln"}, {"sig": "*"}]),
        envelope(signatures=[{"Sig": "c2ln"}]),
        envelope(signatures=[{"sig": "c2ln", "SIG": "c2ln"}]),
        envelope(payload=None),
        envelope(payload={}),
        envelope(payload="{}"),
        envelope(payload="e30"),
        envelope(Payload="e30="),
        envelope(payloadType=None),
        envelope(payloadType=""),
        envelope(payloadType="text/plain"),
        envelope(payloadType=PAYLOAD_TYPE.upper()),
        envelope(payloadType=PAYLOAD_TYPE + " "),
        envelope(payloadType=PAYLOAD_TYPE + "; charset=utf-8"),
        envelope(payloadType=[PAYLOAD_TYPE]),
        envelope(PayloadType=PAYLOAD_TYPE),
        envelope(Signatures=[]),
    ],
)
def test_not_an_envelope(raw: object) -> None:
    with pytest.raises(ParseError) as caught:
        Envelope.parse(raw)
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("kind", [V1, V01])
@pytest.mark.parametrize("predicate", [{}, {"a": [1]}, "text", None, ...])
def test_statement(kind: str, predicate: object) -> None:
    found = Statement.parse(statement(_type=kind, predicate=predicate))
    assert found.predicate_type == COSIGN_SIGN
    assert found.predicate == (None if predicate is ... else predicate)
    assert [dict(s.digests) for s in found.subjects] == [{"sha256": IMAGE.hex}]


@pytest.mark.parametrize(
    ("subject", "named", "annotations"),
    [
        ({"digest": {"sha256": IMAGE.hex}}, True, {}),
        ({"name": "n", "digest": {"sha256": IMAGE.hex}, "annotations": {"a": "b", "n": 1}}, True, {"a": "b"}),
        ({"digest": {"sha256": IMAGE.hex, "sha512": "x", "gitCommit": "y"}, "annotations": None}, True, {}),
        ({"digest": {"sha256": IMAGE.hex.upper()}}, False, {}),
        ({"digest": {"SHA256": IMAGE.hex}}, False, {}),
        ({"digest": {"sha256": str(IMAGE)}}, False, {}),
        ({"digest": {"sha256": IMAGE.hex + "\n"}}, False, {}),
        ({"digest": {"sha256": IMAGE.hex[:-1]}}, False, {}),
        ({"digest": {"sha256": ""}}, False, {}),
        ({"digest": {"sha256": [IMAGE.hex]}}, False, {}),
        ({"digest": {"sha512": IMAGE512.hex}}, False, {}),
        ({"digest": {"sha512": IMAGE.hex}}, False, {}),
        ({"name": str(IMAGE), "digest": {}}, False, {}),
    ],
)
def test_subjects(subject: dict[str, object], named: bool, annotations: dict[str, str]) -> None:  # noqa: FBT001
    (found,) = Statement.parse(statement(subject=[subject])).subjects
    assert found.names(IMAGE) is named
    assert found.annotations == annotations


def test_a_subject_states_each_digest_for_itself() -> None:
    subject = Subject({"sha512": IMAGE512.hex}, {})
    assert subject.names(IMAGE512)
    assert not subject.names(Digest("sha256", IMAGE512.hex[:64]))


def test_most_subjects() -> None:
    assert MAX_SUBJECTS == 1024
    content = statement(subject=[{"digest": {}}] * MAX_SUBJECTS)
    assert len(Statement.parse(content).subjects) == MAX_SUBJECTS


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"not json",
        b"\xff",
        statement() + b"x",
        statement(_type=...),
        statement(_type=None),
        statement(_type=1),
        statement(_type=""),
        statement(_type="https://in-toto.io/Statement/v2"),
        statement(_type=V1.upper()),
        statement(_type=V1 + "\n"),
        statement(_Type=V1),
        statement(predicateType=...),
        statement(predicateType=None),
        statement(predicateType=""),
        statement(predicateType=[COSIGN_SIGN]),
        statement(PredicateType=COSIGN_SIGN),
        statement(predicateType=..., predicatetype=COSIGN_SIGN),
        statement(subject=...),
        statement(subject=None),
        statement(subject=[]),
        statement(subject={}),
        statement(subject={"digest": {"sha256": IMAGE.hex}}),
        statement(subject=[None]),
        statement(subject=["x"]),
        statement(subject=[{}]),
        statement(subject=[{"digest": None}]),
        statement(subject=[{"digest": IMAGE.hex}]),
        statement(subject=[{"digest": []}]),
        statement(subject=[{"Digest": {}}]),
        statement(subject=[{"digest": {}, "Digest": {}}]),
        statement(subject=[{"digest": {}, "annotations": []}]),
        statement(subject=[{"digest": {}, "Annotations": {}}]),
        statement(subject=[{"digest": {}}] * (MAX_SUBJECTS + 1)),
        statement(Subject=[]),
        statement(Predicate={}),
        statement(predicate=float("nan")),
        statement().replace(b'"_type"', b'"_type": "x", "_type"'),
        statement().replace(b'"sha256"', b'"sha256": "x", "sha256"'),
        statement().replace(b'"predicateType"', b'"predicateType": "x", "\\u0070redicateType"'),
    ],
)
def test_not_a_statement(payload: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        Statement.parse(payload)
    assert len(caught.value.message) < 300


def test_texts() -> None:
    assert texts(None, "it") == {}
    assert texts({"a": "b", "c": 1, "d": None, "e": {}}, "it") == {"a": "b"}


@pytest.mark.parametrize("value", [[], "a", 1, True])
def test_no_texts(value: object) -> None:
    with pytest.raises(ParseError, match="it is not an object"):
        texts(value, "it")
