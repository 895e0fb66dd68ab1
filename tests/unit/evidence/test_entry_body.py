"""Each kind of log entry, each of its fields changed: the part that differs is named."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import pytest
import rfc8785
from cryptography.hazmat.primitives.serialization import Encoding

from gate.errors import ParseError
from gate.evidence.dsse import Envelope
from gate.evidence.entry import LogEntry
from gate.evidence.entry_body import Logged, check_body
from gate.evidence.message import Message
from gate.image.digest import Digest
from tests.fakes.fulcio import Signer, shared_key
from tests.fakes.signing_authority import Signature, shared_world, simple_signing, statement
from tests.fakes.transparency_log import (
    DSSE_1,
    DSSE_2,
    HASHEDREKORD_1,
    HASHEDREKORD_2,
    INTOTO_1,
    INTOTO_2,
    Json,
    Kind,
    b64,
    body,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Who = Literal["certificate", "key"]
Change = "Callable[[Any], None]"

WORLD = shared_world()
IMAGE = Digest.of(b"image")
KINDS: Final = (HASHEDREKORD_1, HASHEDREKORD_2, DSSE_1, DSSE_2, INTOTO_1, INTOTO_2)
WITH_ENVELOPE: Final = KINDS[2:]
OTHER_SIGNER: Final = WORLD.issue(shared_key("P-384"))
names: Final = "-".join


SIGNERS: Final[dict[Who, Signer]] = {"certificate": WORLD.issue(shared_key()), "key": Signer(shared_key())}
STATEMENTS: Final = {who: Signature.of_payload(by, statement(IMAGE)) for who, by in SIGNERS.items()}


def signer(who: Who = "certificate") -> Signer:
    return SIGNERS[who]


def made(who: Who = "certificate") -> Signature:
    return STATEMENTS[who]


def logged(signature: Signature) -> Logged:
    """What the verifier knows of a signature."""
    envelope = None
    if signature.payload is not None:
        envelope = Envelope(signature.payload_type, signature.payload, (signature.content,))
    stored = None if envelope is None else signature.stored
    return Logged(Message.of(signature.message), signature.content, signature.signer.der, envelope, stored)


def entry(content: Json | bytes, kind: str = "", version: str = "") -> LogEntry:
    raw = content if isinstance(content, bytes) else rfc8785.dumps(content)  # type: ignore[arg-type]
    return LogEntry(b"id", 1, 1, kind, version, raw, b"promise", None)


def refused(content: Json | bytes, about: Logged, why: str, kind: str = "", version: str = "") -> None:
    with pytest.raises(ParseError) as caught:
        check_body(entry(content, kind, version), about)
    assert why in caught.value.message
    assert len(caught.value.message) < 300


@dataclass(frozen=True)
class Shape:
    """Where a kind has its parts: paths in its `spec`."""

    kind: Kind
    message: tuple[str | int, ...]
    signature: tuple[str | int, ...]
    verifier: tuple[str | int, ...]
    what: str


SHAPES: Final = (
    Shape(
        HASHEDREKORD_1,
        ("data", "hash", "value"),
        ("signature", "content"),
        ("signature", "publicKey", "content"),
        "message",
    ),
    Shape(
        HASHEDREKORD_2,
        ("hashedRekordV002", "data", "digest"),
        ("hashedRekordV002", "signature", "content"),
        ("hashedRekordV002", "signature", "verifier", "x509Certificate", "rawBytes"),
        "message",
    ),
    Shape(DSSE_1, ("payloadHash", "value"), ("signatures", 0, "signature"), ("signatures", 0, "verifier"), "payload"),
    Shape(
        DSSE_2,
        ("dsseV002", "payloadHash", "digest"),
        ("dsseV002", "signatures", 0, "content"),
        ("dsseV002", "signatures", 0, "verifier", "x509Certificate", "rawBytes"),
        "payload",
    ),
    Shape(INTOTO_1, ("content", "hash", "value"), (), ("publicKey",), "envelope"),
    Shape(
        INTOTO_2,
        ("content", "payloadHash", "value"),
        ("content", "envelope", "signatures", 0, "sig"),
        ("content", "envelope", "signatures", 0, "publicKey"),
        "payload",
    ),
)
IDS: Final = [names(shape.kind) for shape in SHAPES]


def place(content: Json, path: tuple[str | int, ...]) -> Any:
    """What holds the last part of a path."""
    found: Any = content["spec"]
    for step in path[:-1]:
        found = found[step]
    return found


def with_part(kind: Kind, path: tuple[str | int, ...], value: object, who: Who = "certificate") -> Json:
    content = copy.deepcopy(body(kind, made(who)))
    held = place(content, path)
    if value is ...:
        del held[path[-1]]
    else:
        held[path[-1]] = value
    return content


def parts(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every path in a document."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, child in children for found in ((*path, key), *parts(child, (*path, key)))]


# What else is logged and binds nothing: an envelope's hash is of how its client encoded it, and a key says itself what
# it is.
UNREAD: Final = {
    (DSSE_1, "envelopeHash"),
    (DSSE_2, "keyDetails"),
    (HASHEDREKORD_2, "keyDetails"),
    (INTOTO_2, "hash"),
}
EVERY_PART: Final = [
    (kind, path)
    for kind in KINDS
    for path in parts(body(kind, made())["spec"])
    if not any((kind, step) in UNREAD for step in path)
]


@pytest.mark.parametrize("who", get_args(Who))
@pytest.mark.parametrize("kind", KINDS, ids=names)
class TestHolds:
    def test_its_own_entry(self, kind: Kind, who: Who) -> None:
        signature = made(who)
        for named in (kind, ("", "")):
            check_body(entry(body(kind, signature), *named), logged(signature))

    def test_a_message_has_no_envelope(self, kind: Kind, who: Who) -> None:
        signature = Signature.of_message(signer(who), simple_signing(IMAGE))
        if kind in WITH_ENVELOPE:
            refused(body(kind, made(who)), logged(signature), "about a DSSE envelope, and what was signed is none")
        else:
            check_body(entry(body(kind, signature)), logged(signature))

    def test_only_the_digest_is_known(self, kind: Kind, who: Who) -> None:
        about = logged(made(who))
        about = replace(about, message=Message(about.message.sha256))
        check_body(entry(body(kind, made(who))), about)

    def test_another_encoding_of_the_body(self, kind: Kind, who: Who) -> None:
        content = b" " + rfc8785.dumps(body(kind, made(who))).replace(b":", b" : ").replace(b",", b" , ")  # type: ignore[arg-type]
        check_body(entry(content), logged(made(who)))

    def test_further_fields_say_nothing(self, kind: Kind, who: Who) -> None:
        content = copy.deepcopy(body(kind, made(who)))
        spec = content["spec"]
        assert isinstance(spec, dict)
        spec["more"] = content["more"] = {"a": [1]}
        check_body(entry(content), logged(made(who)))


@pytest.mark.parametrize("shape", SHAPES, ids=IDS)
class TestAnother:
    def test_signature(self, shape: Shape) -> None:
        again = replace(made(), content=signer().key.sign(made().message))
        if not shape.signature:
            # only the stored envelope binds it
            refused(body(shape.kind, again), logged(made()), "about another envelope")
            return
        refused(body(shape.kind, again), logged(made()), "about another signature")
        refused(body(shape.kind, made()), logged(again), "about another signature")

    def test_key(self, shape: Shape) -> None:
        about = logged(made())
        for other in (WORLD.issue(shared_key(name="other")), WORLD.issue(shared_key()), signer("key"), OTHER_SIGNER):
            refused(body(shape.kind, replace(made(), signer=other)), about, "about another")
            refused(body(shape.kind, made()), replace(about, verifier=other.der), "another key or certificate")

    def test_message(self, shape: Shape) -> None:
        other = Signature.of_payload(signer(), statement(Digest.of(b"another")))
        swapped = replace(other, content=made().content)
        refused(body(shape.kind, swapped), logged(made()), f"about another {shape.what}")
        about = logged(swapped)
        refused(body(shape.kind, made()), about, f"about another {shape.what}")

    @pytest.mark.parametrize("cut", [slice(0, -1), slice(1, None), slice(0, 0)])
    def test_a_part_cut_short(self, shape: Shape, cut: slice) -> None:
        about = logged(made())
        size = about.message.sha256 if shape.what == "message" else hashlib.sha256(made().payload or b"").digest()
        if shape.what == "envelope":
            size = hashlib.sha256(made().stored).digest()
        text = b64(size[cut]) if shape.message[-1] == "digest" else size[cut].hex()
        refused(with_part(shape.kind, shape.message, text), about, f"about another {shape.what}")
        if shape.signature:
            content = b64(made().content[cut])
            cut_short = b64(content.encode()) if shape.kind == INTOTO_2 else content
            refused(with_part(shape.kind, shape.signature, cut_short), about, "about another signature")

    @pytest.mark.parametrize("algorithm", ["sha1", "md5", "sha3-256", "SHA256", "SHA2_256", "sha-256", "", "x" * 1000])
    def test_another_hash_function(self, shape: Shape, algorithm: str) -> None:
        if shape.message[-1] == "digest":
            algorithm = algorithm.replace("SHA2_256", "SHA2-256")
        path = (*shape.message[:-1], "algorithm")
        refused(with_part(shape.kind, path, algorithm), logged(made()), "hash is by")

    @pytest.mark.parametrize(("name", "v2"), [("sha384", "SHA2_384"), ("sha512", "SHA2_512")])
    def test_a_longer_hash(self, shape: Shape, name: str, v2: str) -> None:
        is_v2 = shape.message[-1] == "digest"
        sources = {"message": made().message, "payload": made().payload or b"", "envelope": made().stored}
        digest = hashlib.new(name, sources[shape.what]).digest()
        content = with_part(shape.kind, shape.message, b64(digest) if is_v2 else digest.hex())
        place(content, shape.message)["algorithm"] = v2 if is_v2 else name
        check_body(entry(content), logged(made()))
        place(content, shape.message)["algorithm"] = "SHA2_256" if is_v2 else "sha256"
        refused(content, logged(made()), f"about another {shape.what}")
        if shape.what == "message":
            place(content, shape.message)["algorithm"] = v2 if is_v2 else name
            unknown = replace(logged(made()), message=Message(made_sha256()))
            refused(content, unknown, "cannot be compared here")

    def test_nothing_stands_for_everything(self, shape: Shape) -> None:
        about = replace(logged(made()), signature=b"", verifier=b"")
        for path in filter(None, (shape.signature, shape.verifier)):
            for value in (..., None, ""):
                with pytest.raises(ParseError):
                    check_body(entry(with_part(shape.kind, path, value)), about)


def made_sha256() -> bytes:
    return hashlib.sha256(made().message).digest()


@pytest.mark.parametrize(
    "value",
    [..., None, "", "AAAA", "*", 7, True, [], ["AAAA"], {}, {"a": 1}],
    ids=lambda v: "absent" if v is ... else repr(v),
)
@pytest.mark.parametrize(("kind", "path"), EVERY_PART, ids=count())
def test_every_part_changed(kind: Kind, path: tuple[str | int, ...], value: object) -> None:
    # payloadHash is optional in intoto 0.0.1
    optional = kind == INTOTO_1 and path == ("content", "payloadHash") and value in (..., None)
    content = with_part(kind, path, value)
    if optional:
        check_body(entry(content), logged(made()))
        return
    with pytest.raises(ParseError) as caught:
        check_body(entry(content), logged(made()))
    assert any(named in caught.value.message for named in ("logged", "log entry", "V002"))
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(("kind", "path"), [(k, p) for k, p in EVERY_PART if isinstance(p[-1], str)], ids=count())
def test_every_part_twice_but_for_its_case(kind: Kind, path: tuple[str | int, ...]) -> None:
    content = copy.deepcopy(body(kind, made()))
    held = place(content, path)
    held[str(path[-1]).swapcase()] = held[path[-1]]
    refused(content, logged(made()), "only by case")


def certificate_pem(der: bytes) -> bytes:
    return f"-----BEGIN CERTIFICATE-----\n{b64(der)}\n-----END CERTIFICATE-----\n".encode()


class TestVerifiers:
    """Certificates and keys in PEM, as clients write them."""

    def test_the_certificate_for_its_key(self) -> None:
        # a signature by a certificate is logged with it, one by a key with that: neither stands for the other
        for kind in KINDS:
            by_certificate, by_key = made(), replace(made(), signer=signer("key"))
            refused(body(kind, by_key), logged(by_certificate), "another key or certificate")
            refused(body(kind, by_certificate), logged(by_key), "another key or certificate")

    @pytest.mark.parametrize("who", get_args(Who))
    @pytest.mark.parametrize("change", [bytes.strip, lambda p: p + b"\n\n", lambda p: p.replace(b"\n", b"\r\n")])
    def test_other_line_ends(self, who: Who, change: Callable[[bytes], bytes]) -> None:
        for shape in SHAPES:
            if shape.verifier[-1] != "rawBytes":
                changed = b64(change(signer(who).pem))
                check_body(entry(with_part(shape.kind, shape.verifier, changed, who)), logged(made(who)))

    @pytest.mark.parametrize(
        "pem",
        [
            b"",
            b"not PEM",
            b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
            b"-----BEGIN CERTIFICATE-----",
            b"-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n",
            # of a version that there is not
            certificate_pem(signer().der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07", 1)),
            signer().der,
            signer().key.spki,
            signer().pem.decode().encode("utf-16"),
            b"\xff" * 100,
        ],
        ids=count(),
    )
    def test_no_pem(self, pem: bytes) -> None:
        for shape in SHAPES:
            if shape.verifier[-1] != "rawBytes":
                refused(
                    with_part(shape.kind, shape.verifier, b64(pem)), logged(made()), "no PEM certificate or public key"
                )

    def test_a_chain_is_its_first(self) -> None:
        chain = b"".join(c.public_bytes(Encoding.PEM) for c in signer().chain)
        backwards = b"".join(c.public_bytes(Encoding.PEM) for c in reversed(signer().chain))
        for shape in SHAPES:
            if shape.verifier[-1] != "rawBytes":
                check_body(entry(with_part(shape.kind, shape.verifier, b64(chain))), logged(made()))
                wrong = with_part(shape.kind, shape.verifier, b64(backwards))
                refused(wrong, logged(made()), "another key or certificate")

    @pytest.mark.parametrize("kind", [HASHEDREKORD_2, DSSE_2], ids=names)
    def test_several_verifiers_in_one(self, kind: Kind) -> None:
        shape = next(s for s in SHAPES if s.kind == kind)
        verifier = shape.verifier[:-2]
        both = {"x509Certificate": {"rawBytes": b64(signer().der)}, "publicKey": {"rawBytes": b64(signer().key.spki)}}
        refused(with_part(kind, verifier, both), logged(made()), "names 2 verifiers")
        refused(
            with_part(kind, verifier, {"keyDetails": "PKIX_ECDSA_P256_SHA_256"}), logged(made()), "names 0 verifiers"
        )
        for name in ("publicKey", "x509Certificate"):
            pem = {name: {"rawBytes": b64(signer().pem)}}
            refused(with_part(kind, verifier, pem), logged(made()), "another key or certificate")


@pytest.mark.parametrize("shape", [s for s in SHAPES if 0 in s.signature], ids=lambda s: names(s.kind))
@pytest.mark.parametrize("number", [0, 2, 3, 32, 33, 1000])
def test_several_signatures(shape: Shape, number: int) -> None:
    path = shape.signature[: shape.signature.index(0)]
    content = with_part(
        shape.kind, shape.signature, place(body(shape.kind, made()), shape.signature)[shape.signature[-1]]
    )
    held = place(content, path)
    held[path[-1]] = held[path[-1]] * number
    refused(content, logged(made()), f"{number} ")


def test_a_second_signature_of_another() -> None:
    other = body(DSSE_1, replace(made(), content=b"another"))
    for first, second in ((body(DSSE_1, made()), other), (other, body(DSSE_1, made()))):
        content: Any = copy.deepcopy(first)
        spec: Any = second["spec"]
        content["spec"]["signatures"].extend(spec["signatures"])
        refused(content, logged(made()), "has 2 signatures, expected one")


class TestKinds:
    @pytest.mark.parametrize("kind", KINDS, ids=names)
    @pytest.mark.parametrize("named", [*KINDS, ("dsse", "0.0.3"), ("Dsse", "0.0.1"), ("x" * 20, "0.0.1")], ids=names)
    def test_what_it_is_called_is_what_it_is(self, kind: Kind, named: tuple[str, str]) -> None:
        content = body(kind, made())
        if named == kind:
            check_body(entry(content, *named), logged(made()))
        else:
            refused(content, logged(made()), f"is called {named[0]} {named[1]}, its body {kind[0]} {kind[1]}", *named)

    @pytest.mark.parametrize(
        ("kind", "version"),
        [
            ("hashedrekord", "0.0.3"),
            ("hashedrekord", "0.0.10"),
            ("hashedrekord", ""),
            ("hashedRekord", "0.0.1"),
            ("dsse", "0.0.3"),
            ("DSSE", "0.0.1"),
            ("intoto", "0.0.3"),
            ("rekord", "0.0.1"),
            ("helm", "0.0.1"),
            ("alpine", "0.0.1"),
            ("cose", "0.0.1"),
            ("", ""),
            ("x" * 10_000, "y" * 10_000),
        ],
    )
    @pytest.mark.parametrize("spec", KINDS, ids=names)
    def test_other_kinds(self, kind: str, version: str, spec: Kind) -> None:
        content = {**body(spec, made()), "kind": kind, "apiVersion": version}
        refused(content, logged(made()), "are not supported")

    @pytest.mark.parametrize("kind", KINDS, ids=names)
    @pytest.mark.parametrize("other", KINDS, ids=names)
    def test_one_kind_is_not_read_as_another(self, kind: Kind, other: Kind) -> None:
        if kind == other:
            return
        content = {**body(kind, made()), "kind": other[0], "apiVersion": other[1]}
        with pytest.raises(ParseError):
            check_body(entry(content), logged(made()))

    @pytest.mark.parametrize("kind", KINDS, ids=names)
    @pytest.mark.parametrize("name", ["kind", "apiVersion", "spec"])
    @pytest.mark.parametrize("value", [..., None, 1, [], ["dsse"], True])
    def test_no_kind(self, kind: Kind, name: str, value: object) -> None:
        content = {k: v for k, v in {**body(kind, made()), name: value}.items() if v is not ...}
        with pytest.raises(ParseError, match="log"):
            check_body(entry(content), logged(made()))

    @pytest.mark.parametrize(
        "raw",
        [
            *(
                b"",
                b"x",
                b"null",
                b"[]",
                b"{}",
                b"\xff",
                b'"dsse"',
                b'{"kind": "dsse", "kind": "dsse"}',
                b'{"kind": NaN}',
            ),
            *(b"[" * 100_000, b'{"spec":' * 200 + b"1" + b"}" * 200),
        ],
        ids=count(),
    )
    def test_no_body(self, raw: bytes) -> None:
        with pytest.raises(ParseError) as caught:
            check_body(entry(raw), logged(made()))
        assert len(caught.value.message) < 300


class TestIntoto:
    def test_the_stored_bytes_are_what_version_1_is_about(self) -> None:
        about = logged(made())
        refused(body(INTOTO_1, made()), replace(about, stored=None), "stored bytes, and a bundle does not have them")
        refused(body(INTOTO_1, made()), replace(about, stored=made().stored + b"\n"), "about another envelope")
        refused(body(INTOTO_1, made()), replace(about, stored=b""), "about another envelope")

    def test_the_payload_hash_of_version_1_is_optional_and_checked(self) -> None:
        path = ("content", "payloadHash")
        for absent in (..., None):
            check_body(entry(with_part(INTOTO_1, path, absent)), logged(made()))
        refused(with_part(INTOTO_1, path, {}), logged(made()), "no text `algorithm`")
        wrong = {"algorithm": "sha256", "value": "00" * 32}
        refused(with_part(INTOTO_1, path, wrong), logged(made()), "about another payload")

    @pytest.mark.parametrize("kind", ["application/json", "", "application/vnd.in-toto+JSON", None, ...])
    def test_the_payload_type_of_version_2(self, kind: object) -> None:
        content = with_part(INTOTO_2, ("content", "envelope", "payloadType"), kind)
        refused(content, logged(made()), "about another payload type")

    @pytest.mark.parametrize("sig", [b64(made().content), b64(b"\xff\xfe"), b64(b"*"), b64(b"AAA")], ids=count())
    def test_the_signature_of_version_2_is_encoded_twice(self, sig: str) -> None:
        content = with_part(INTOTO_2, ("content", "envelope", "signatures", 0, "sig"), sig)
        refused(content, logged(made()), "the logged signature is not base64")


@pytest.mark.parametrize("value", ["zz", "0", "AAAA ", "0x00", "\N{SNOWMAN}"])
def test_hashes_are_hexadecimal(value: str) -> None:
    for shape in SHAPES:
        if shape.message[-1] == "value":
            with pytest.raises(ParseError, match=r"hexadecimal|another"):
                check_body(entry(with_part(shape.kind, shape.message, value)), logged(made()))


def test_certificates_are_not_shown() -> None:
    assert "BEGIN" not in repr(logged(made()))
    assert repr(signer().der)[:20] not in repr(logged(made()))
