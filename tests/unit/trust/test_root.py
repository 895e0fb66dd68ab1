"""gate/trust/root.py, window.py and authority.py."""

from __future__ import annotations

import base64
import copy
import hashlib
import importlib.util
import json
from datetime import UTC, datetime, timedelta, timezone
from functools import cache, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from gate.errors import ParseError
from gate.trust.authority import (
    MAX_CERTIFICATE,
    MAX_CHAIN,
    MAX_PEM,
    Authority,
    parse_certificate,
    parse_pem_certificates,
)
from gate.trust.key import Hash
from gate.trust.root import MAX_INSTANCES, MAX_ROOT, MEDIA_TYPES, TrustedRoot
from gate.trust.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

PRODUCTION = "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev"
STAGING = "https%3A%2F%2Ftuf-repo-cdn.sigstage.dev"
V01 = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
V02 = "application/vnd.dev.sigstore.trustedroot.v0.2+json"
START = "2024-01-01T00:00:00Z"
END = "2025-01-01T00:00:00Z"
STARTED = datetime(2024, 1, 1, tzinfo=UTC)
ENDED = datetime(2025, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)


# --- what roots are made of


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@cache
def private(kind: str) -> CertificateIssuerPrivateKeyTypes:
    match kind:
        case "p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
        case "p521":
            return ec.generate_private_key(ec.SECP521R1())
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return rsa.generate_private_key(65537, 2048)


def spki(kind: str = "p256") -> bytes:
    return (
        private(kind)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def certificate(name: str = "root", kind: str = "p256") -> bytes:
    return _certificate(name, kind)


@cache
def _certificate(name: str, kind: str) -> bytes:
    key = private(kind)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(STARTED)
        .not_valid_after(ENDED)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, None if kind == "ed25519" else hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.DER)


def log(kind: str = "p256", details: str = "PKIX_ECDSA_P256_SHA_256", **fields: Any) -> dict[str, Any]:
    return {
        "baseUrl": "https://log.example",
        "hashAlgorithm": "SHA2_256",
        "publicKey": {"rawBytes": b64(spki(kind)), "keyDetails": details, "validFor": {"start": START}},
        "logId": {"keyId": b64(hashlib.sha256(spki(kind)).digest())},
        **fields,
    }


def authority(*names: str, **fields: Any) -> dict[str, Any]:
    return {
        "subject": {"organization": "acme", "commonName": "acme"},
        "uri": "https://fulcio.example",
        "certChain": {"certificates": [{"rawBytes": b64(certificate(name))} for name in names or ("root",)]},
        "validFor": {"start": START},
        **fields,
    }


def document(**fields: Any) -> dict[str, Any]:
    return {
        "mediaType": V01,
        "tlogs": [log()],
        "certificateAuthorities": [authority()],
        "ctlogs": [log()],
        "timestampAuthorities": [authority(uri="https://tsa.example")],
        **fields,
    }


def parse(value: object) -> TrustedRoot:
    return TrustedRoot.parse(json.dumps(value).encode())


def changed(path: str, value: Any) -> dict[str, Any]:
    """The document with one member replaced; `...` removes it."""
    made = copy.deepcopy(document())
    at: Any = made
    *steps, last = (int(step) if step.isdigit() else step for step in path.split("."))
    for step in steps:
        at = at[step]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return made


def refused(value: object) -> str:
    with pytest.raises(ParseError) as failure:
        parse(value)
    return failure.value.message


# --- real ones


def shipped(instance: str) -> bytes:
    spec = importlib.util.find_spec("sigstore")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0], "_store", instance, "trusted_root.json").read_bytes()


@pytest.mark.parametrize("instance", [PRODUCTION, STAGING])
def test_real_roots_are_read_whole(instance: str) -> None:
    content = shipped(instance)
    raw = json.loads(content)
    root = TrustedRoot.parse(content)
    assert root.digest == hashlib.sha256(content).hexdigest()
    assert root.media_type == raw["mediaType"]
    assert root.unsupported == ()
    for entries, found in ((raw["tlogs"], root.logs), (raw["ctlogs"], root.ct_logs)):
        assert [entry["baseUrl"] for entry in entries] == [one.url for one in found]
        for entry, one in zip(entries, found, strict=True):
            assert base64.b64decode(entry["logId"]["keyId"]) in one.ids
            assert one.window.start is not None
            assert (one.window.end is None) == ("end" not in entry["publicKey"]["validFor"])
    for entries, authorities in (
        (raw["certificateAuthorities"], root.authorities),
        (raw["timestampAuthorities"], root.timestamp_authorities),
    ):
        assert [entry["uri"] for entry in entries] == [one.name for one in authorities]
        for entry, one_authority in zip(entries, authorities, strict=True):
            assert len(one_authority.chain) == len(entry["certChain"]["certificates"])
            assert one_authority.root.subject == one_authority.root.issuer


def test_the_log_ids_of_production_are_of_their_keys() -> None:
    """Rekor v1 and CT logs: the SHA-256 of the key. (Rekor v2 hashes its name and key.)"""
    root = TrustedRoot.parse(shipped(PRODUCTION))
    named = [one for one in root.logs + root.ct_logs if bytes.fromhex(one.key.fingerprint) in one.ids]
    assert len(named) >= len(root.ct_logs) + 1


# --- the whole


def test_everything_is_read() -> None:
    root = parse(document())
    assert root.media_type == V01
    assert [one.url for one in root.logs] == ["https://log.example"]
    assert root.logs[0].key.spki == spki()
    assert root.logs[0].key.hashes == (Hash.SHA256,)
    assert root.logs[0].ids == {hashlib.sha256(spki()).digest()}
    assert root.logs[0].window == Window(STARTED)
    assert root.ct_logs == root.logs
    assert [one.name for one in root.authorities] == ["https://fulcio.example"]
    assert [one.name for one in root.timestamp_authorities] == ["https://tsa.example"]
    assert root.authorities[0].chain == (certificate(),)
    assert root.unsupported == ()


def test_roots_are_equal_where_their_bytes_are() -> None:
    content = json.dumps(document()).encode()
    assert TrustedRoot.parse(content) == TrustedRoot.parse(content)
    assert hash(TrustedRoot.parse(content)) == hash(TrustedRoot.parse(content))
    assert TrustedRoot.parse(content) != TrustedRoot.parse(content + b" ")


@pytest.mark.parametrize("media_type", sorted(MEDIA_TYPES))
def test_media_types(media_type: str) -> None:
    assert parse(document(mediaType=media_type)).media_type == media_type


def test_both_versions_are_read() -> None:
    assert V01 in MEDIA_TYPES
    assert V02 in MEDIA_TYPES


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        ...,
        "application/json",
        V01.upper(),
        V01 + " ",
        V01.replace("0.1", "0.3"),
        V01.replace("0.1", "1.0"),
        "application/vnd.dev.sigstore.bundle.v0.3+json",
        "application/vnd.dev.sigstore.signingconfig.v0.2+json",
    ],
)
def test_other_media_types_are_refused(media_type: Any) -> None:
    assert "not a trusted root" in refused(changed("mediaType", media_type))


def test_lists_that_are_left_out_are_empty() -> None:
    root = parse({"mediaType": V01})
    assert (root.logs, root.ct_logs, root.authorities, root.timestamp_authorities) == ((), (), (), ())
    assert parse({"mediaType": V01, "tlogs": [], "ctlogs": None}).logs == ()


def test_several_of_each_keep_their_order() -> None:
    root = parse(
        document(
            tlogs=[log(baseUrl=f"https://{n}.example") for n in "cab"],
            ctlogs=[log("p384", "PKIX_ECDSA_P384_SHA_384"), log("ed25519", "PKIX_ED25519")],
            certificateAuthorities=[
                authority("leaf", "root", uri="https://one"),
                authority("other", uri="https://two"),
            ],
        )
    )
    assert [one.url for one in root.logs] == ["https://c.example", "https://a.example", "https://b.example"]
    assert [one.key.algorithm for one in root.ct_logs] == ["ECDSA P-384", "Ed25519"]
    assert [one.name for one in root.authorities] == ["https://one", "https://two"]
    assert root.authorities[0].chain == (certificate("leaf"), certificate("root"))
    assert root.authorities[0].root.subject.rfc4514_string() == "CN=root"
    assert root.authorities[0].fingerprint == hashlib.sha256(certificate("root")).hexdigest()


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b'"x"', b"{", b"\xff", b"{} {}", b"[" * 1000 + b"]" * 1000])
def test_what_is_no_object_is_refused(content: bytes) -> None:
    with pytest.raises(ParseError):
        TrustedRoot.parse(content)


def test_the_largest_root_is_read_and_a_larger_one_is_not() -> None:
    content = json.dumps(document()).encode()
    assert TrustedRoot.parse(content.ljust(MAX_ROOT)).logs
    with pytest.raises(ParseError, match=f"{MAX_ROOT + 1} bytes"):
        TrustedRoot.parse(content.ljust(MAX_ROOT + 1))


@pytest.mark.parametrize("key", ["tlogs", "ctlogs", "certificateAuthorities", "timestampAuthorities"])
def test_how_many_are_read(key: str) -> None:
    one = log() if "logs" in key else authority()
    parse(document(**{key: [one] * MAX_INSTANCES}))
    assert f"at most {MAX_INSTANCES}" in refused(document(**{key: [one] * (MAX_INSTANCES + 1)}))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"mediaType"', b'{"tlogs": [], "mediaType"'),
        (b'"baseUrl"', b'"baseUrl": "https://evil.example", "baseUrl"'),
        (b'"start"', b'"start": "1970-01-01T00:00:00Z", "start"'),
        (b'"keyId"', b'"keyId": "AAAA", "keyId"'),
        (b'"certificates"', b'"certificates": [], "certificates"'),
    ],
)
def test_a_key_that_stands_twice_is_refused(before: bytes, after: bytes) -> None:
    content = json.dumps(document()).encode()
    assert before in content
    with pytest.raises(ParseError, match="twice"):
        TrustedRoot.parse(content.replace(before, after, 1))


@pytest.mark.parametrize(
    "path",
    [
        "extra",
        "tlogs.0.extra",
        "tlogs.0.publicKey.extra",
        "tlogs.0.publicKey.validFor.extra",
        "tlogs.0.logId.extra",
        "ctlogs.0.extra",
        "certificateAuthorities.0.extra",
        "certificateAuthorities.0.certChain.extra",
        "certificateAuthorities.0.validFor.extra",
        "timestampAuthorities.0.extra",
        # the names of the protocol buffer, which ProtoJSON readers take too: one spelling only
        "media_type",
        "certificate_authorities",
        "timestamp_authorities",
        "tlogs.0.base_url",
        "tlogs.0.public_key",
        "tlogs.0.hash_algorithm",
        "tlogs.0.publicKey.raw_bytes",
        "tlogs.0.publicKey.key_details",
        "tlogs.0.publicKey.valid_for",
        "tlogs.0.log_id",
        "tlogs.0.checkpoint_key_id",
        "tlogs.0.logId.key_id",
        "certificateAuthorities.0.cert_chain",
        "certificateAuthorities.0.valid_for",
        # another case: Go's decoder would take it
        "TLogs",
        "tlogs.0.BaseURL",
        "tlogs.0.publicKey.validfor",
        "certificateAuthorities.0.validFor.End",
    ],
)
def test_an_unknown_field_is_refused(path: str) -> None:
    message = refused(changed(path, None))
    assert path.rpartition(".")[2] in message


def objects(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where an object is, in JSON."""
    if isinstance(value, dict):
        yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in children:
        yield from objects(child, (*path, step))


@pytest.mark.parametrize("which", ["made", "shipped", "not verified with"])
def test_an_unknown_field_is_refused_at_every_level(which: str) -> None:
    words = {"subject": {"organization": "acme", "commonName": "root"}, "operator": "acme"}
    one = log(checkpointKeyId={"keyId": "AAAA"}, operator="acme")
    whose = [authority("leaf", "root", **words)]
    made = document(tlogs=[one], ctlogs=[one], certificateAuthorities=whose, timestampAuthorities=whose, mediaType=V02)
    odd = document(tlogs=[log(hashAlgorithm="SHA2_384"), log(details="PKIX_ED448")])
    value = {"made": made, "shipped": json.loads(shipped(PRODUCTION)), "not verified with": odd}[which]
    parse(value)
    places = list(objects(value))
    assert len(places) > 10
    for path in places:
        changed = copy.deepcopy(value)
        reduce(lambda found, step: found[step], path, changed)["unknown"] = None
        assert "has the unknown field 'unknown'" in refused(changed), path


@pytest.mark.parametrize("wrong", [7, True, ["x"], {"a": 1}])
def test_what_is_there_for_people_is_text(wrong: object) -> None:
    """`operator` is a text since v0.2 (sigstore_trustroot.proto); nothing depends on it, or on a subject."""
    assert parse(document(tlogs=[log(operator="acme")])).logs
    assert "tlogs[0].operator is not a text" in refused(document(tlogs=[log(operator=wrong)]))
    for found, said in (
        ({"operator": wrong}, "certificateAuthorities[0].operator is not a text"),
        ({"subject": {"commonName": wrong}}, "certificateAuthorities[0].subject.commonName is not a text"),
        ({"subject": {"organization": wrong}}, "certificateAuthorities[0].subject.organization is not a text"),
    ):
        assert said in refused(document(certificateAuthorities=[authority(**found)]))


@pytest.mark.parametrize(
    "path",
    [
        "mediaType",
        "tlogs",
        "tlogs.0",
        "tlogs.0.baseUrl",
        "tlogs.0.hashAlgorithm",
        "tlogs.0.publicKey",
        "tlogs.0.publicKey.rawBytes",
        "tlogs.0.publicKey.keyDetails",
        "tlogs.0.publicKey.validFor",
        "tlogs.0.publicKey.validFor.start",
        "tlogs.0.logId",
        "tlogs.0.logId.keyId",
        "certificateAuthorities",
        "certificateAuthorities.0",
        "certificateAuthorities.0.uri",
        "certificateAuthorities.0.certChain",
        "certificateAuthorities.0.certChain.certificates",
        "certificateAuthorities.0.certChain.certificates.0",
        "certificateAuthorities.0.certChain.certificates.0.rawBytes",
        "certificateAuthorities.0.validFor",
        "certificateAuthorities.0.validFor.start",
    ],
)
@pytest.mark.parametrize("wrong", [7, True, 1.5, ["x", ["y"]]])
def test_a_value_of_another_type_is_refused(path: str, wrong: object) -> None:
    refused(changed(path, wrong))


# --- logs


@pytest.mark.parametrize(
    ("kind", "details", "algorithm", "allowed"),
    [
        ("p256", "PKIX_ECDSA_P256_SHA_256", "ECDSA P-256", (Hash.SHA256,)),
        ("p384", "PKIX_ECDSA_P384_SHA_384", "ECDSA P-384", (Hash.SHA384,)),
        ("p521", "PKIX_ECDSA_P521_SHA_512", "ECDSA P-521", (Hash.SHA512,)),
        ("rsa", "PKIX_RSA_PKCS1V15_2048_SHA256", "RSA 2048", (Hash.SHA256,)),
        ("rsa", "PKIX_RSA_PKCS1V5", "RSA 2048", (Hash.SHA256,)),
        ("ed25519", "PKIX_ED25519", "Ed25519", ()),
        ("ed25519", "PKIX_ED25519_PH", "Ed25519", ()),
    ],
)
def test_kinds_of_keys(kind: str, details: str, algorithm: str, allowed: tuple[Hash, ...]) -> None:
    key = parse(document(tlogs=[log(kind, details)])).logs[0].key
    assert (key.algorithm, key.hashes) == (algorithm, allowed)


def test_an_rsa_key_by_pkcs1() -> None:
    """The first CT log of staging has one."""
    key = private("rsa").public_key()
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    entry = log("rsa", "PKCS1_RSA_PKCS1V5")
    entry["publicKey"]["rawBytes"] = b64(der)
    assert parse(document(ctlogs=[entry])).ct_logs[0].key.spki == spki("rsa")


@pytest.mark.parametrize(
    "details",
    [
        "PKIX_RSA_PSS_2048_SHA256",
        "PKIX_ECDSA_P256_HMAC_SHA_256",
        "LMS_SHA256",
        "ML_DSA_65",
        "PUBLIC_KEY_DETAILS_UNSPECIFIED",
        "pkix_ed25519",
        "",
    ],
)
def test_a_key_of_a_kind_that_is_not_verified_with_is_listed(details: str) -> None:
    root = parse(document(tlogs=[log(details=details, baseUrl="https://new.example"), log()]))
    assert [one.url for one in root.logs] == ["https://log.example"]
    assert len(root.unsupported) == 1
    assert root.unsupported[0].startswith("https://new.example: its key is ")
    assert details[:50] in root.unsupported[0]


def test_keys_that_are_not_verified_with_are_listed_of_every_kind_of_log() -> None:
    strange = log(details="LMS_SHA256")
    root = parse(document(tlogs=[strange], ctlogs=[strange, strange]))
    assert (root.logs, root.ct_logs) == ((), ())
    assert len(root.unsupported) == 3


@pytest.mark.parametrize("name", ["SHA2_384", "SHA2_512", "SHA3_256", "sha2_256", "HASH_ALGORITHM_UNSPECIFIED"])
def test_a_log_with_another_hash_is_listed(name: str) -> None:
    root = parse(document(tlogs=[log(hashAlgorithm=name)]))
    assert root.logs == ()
    assert root.unsupported == (f"https://log.example: its hash is {name}",)


def test_a_log_without_a_stated_hash_has_sha_256() -> None:
    assert parse(changed("tlogs.0.hashAlgorithm", ...)).logs


def test_no_key_is_listed_that_is_used() -> None:
    assert parse(document()).unsupported == ()


@pytest.mark.parametrize("key", ["tlogs", "ctlogs"])
@pytest.mark.parametrize("valid", [..., None, {}, {"end": END}, {"start": None}])
def test_a_log_key_without_a_start_is_refused(key: str, valid: Any) -> None:
    """Else a key would be good for all of the past."""
    assert f"{key}[0].publicKey.validFor has no start" in refused(changed(f"{key}.0.publicKey.validFor", valid))


@pytest.mark.parametrize("end", ["start", "end"])
def test_an_empty_instant_is_none(end: str) -> None:
    """Taken for an absent one it would leave the window open."""
    valid = {"start": START, "end": END, end: ""}
    message = refused(changed("tlogs.0.publicKey.validFor", valid))
    assert message == f"tlogs[0].publicKey.validFor.{end} is not an instant: ''"


@pytest.mark.parametrize(
    "details", ["PKIX_ECDSA_P384_SHA_384", "PKIX_ED25519", "PKIX_RSA_PKCS1V15_2048_SHA256", "PKCS1_RSA_PKCS1V5"]
)
def test_a_key_of_another_kind_than_it_is_called_is_refused(details: str) -> None:
    message = refused(changed("tlogs.0.publicKey.keyDetails", details))
    assert message == f"tlogs[0].publicKey: it is called {details} and is ECDSA P-256"


@pytest.mark.parametrize("raw", [b"", b"\x00", b"-----BEGIN PUBLIC KEY-----", b"\x30" * 100])
def test_a_key_that_is_none_is_refused(raw: bytes) -> None:
    message = refused(changed("tlogs.0.publicKey.rawBytes", b64(raw)))
    assert message.startswith("tlogs[0].publicKey: not a public key")


def test_bytes_behind_a_key_are_refused() -> None:
    refused(changed("tlogs.0.publicKey.rawBytes", b64(spki() + b"\x00")))


def test_a_log_without_an_id_is_refused() -> None:
    assert "has no logId" in refused(changed("tlogs.0.logId", ...))
    assert "has no logId" in refused(changed("tlogs.0.logId.keyId", ""))


def test_a_checkpoint_key_id_is_an_id_too() -> None:
    entry = log(checkpointKeyId={"keyId": b64(b"abcd")})
    assert parse(document(tlogs=[entry])).logs[0].ids == {hashlib.sha256(spki()).digest(), b"abcd"}
    del entry["logId"]
    assert parse(document(tlogs=[entry])).logs[0].ids == {b"abcd"}


def test_the_operator_of_a_log_is_known_and_not_used() -> None:
    assert parse(document(tlogs=[log(operator="acme")])).logs


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("+", "-").replace("/", "_"),
    ],
)
def test_both_alphabets_of_base64_are_read(change: Callable[[str], str]) -> None:
    odd = b"\xfb\xff\xbf"  # all of it in the characters that differ
    entry = log(checkpointKeyId={"keyId": change(b64(odd))})
    assert odd in parse(document(tlogs=[entry])).logs[0].ids


@pytest.mark.parametrize("text", ["YWJj\n", " YWJj", "YWJ", "YWI", "YQ", "Y", "YW=J", "====", "YWJj!", "ÿ", "YWJj\x00"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    assert "base64" in refused(changed("tlogs.0.logId.keyId", text))
    assert "base64" in refused(changed("tlogs.0.publicKey.rawBytes", text))
    assert "base64" in refused(changed("certificateAuthorities.0.certChain.certificates.0.rawBytes", text))


# --- windows


@pytest.mark.parametrize(
    ("at", "held"),
    [
        (STARTED - TICK, False),
        (STARTED, True),
        (STARTED + TICK, True),
        (ENDED - TICK, True),
        (ENDED, True),
        (ENDED + TICK, False),
        (datetime(2024, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=1))), True),
        (datetime(2024, 1, 1, 0, 59, tzinfo=timezone(timedelta(hours=1))), False),
    ],
)
def test_a_window_holds_both_its_ends(at: datetime, held: bool) -> None:  # noqa: FBT001
    assert Window(STARTED, ENDED).holds(at) is held


def test_a_window_may_be_open() -> None:
    assert Window().holds(datetime.min.replace(tzinfo=UTC))
    assert Window(STARTED).holds(datetime.max.replace(tzinfo=UTC))
    assert not Window(STARTED).holds(STARTED - TICK)
    assert Window(None, ENDED).holds(datetime.min.replace(tzinfo=UTC))
    assert not Window(None, ENDED).holds(ENDED + TICK)


def test_a_window_may_be_an_instant() -> None:
    assert Window(STARTED, STARTED).holds(STARTED)
    assert not Window(STARTED, STARTED).holds(STARTED + TICK)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (Window(), Window(), Window()),
        (Window(STARTED), Window(), Window(STARTED)),
        (Window(STARTED), Window(ENDED), Window(ENDED)),
        (Window(None, STARTED), Window(None, ENDED), Window(None, STARTED)),
        (Window(STARTED), Window(None, ENDED), Window(STARTED, ENDED)),
        (Window(STARTED, ENDED), Window(STARTED, ENDED), Window(STARTED, ENDED)),
    ],
)
def test_a_window_within_another(one: Window, other: Window, both: Window) -> None:
    assert one.within(other) == both
    assert other.within(one) == both


def test_windows_apart_hold_nothing_together() -> None:
    nothing = Window(None, STARTED).within(Window(ENDED))
    assert not any(nothing.holds(at) for at in (STARTED, ENDED, STARTED + (ENDED - STARTED) / 2))


def test_a_window_in_words() -> None:
    assert str(Window(STARTED, ENDED)) == f"{START} to {END}"
    assert str(Window()) == "ever to open"


@pytest.mark.parametrize(
    ("start", "end", "window"),
    [
        (START, END, Window(STARTED, ENDED)),
        (START, START, Window(STARTED, STARTED)),
        ("2024-01-01T01:00:00+01:00", None, Window(STARTED)),
        ("2023-12-31T23:30:00-00:30", None, Window(STARTED)),
        ("2024-01-01T00:00:00.5Z", None, Window(STARTED + timedelta(milliseconds=500))),
        ("2024-01-01T00:00:00.000001999Z", None, Window(STARTED + TICK)),
    ],
)
@pytest.mark.parametrize("path", ["tlogs.0.publicKey.validFor", "certificateAuthorities.0.validFor"])
def test_windows_are_read(path: str, start: str, end: str | None, window: Window) -> None:
    root = parse(changed(path, {"start": start} | ({"end": end} if end else {})))
    assert (root.logs[0] if path.startswith("tlogs") else root.authorities[0]).window == window


@pytest.mark.parametrize(
    "path",
    [
        "tlogs.0.publicKey.validFor",
        "ctlogs.0.publicKey.validFor",
        "certificateAuthorities.0.validFor",
        "timestampAuthorities.0.validFor",
    ],
)
def test_an_end_before_the_start_is_refused(path: str) -> None:
    assert "ends before it starts" in refused(changed(path, {"start": END, "end": START}))
    assert "ends before it starts" in refused(changed(path, {"start": START, "end": "2024-01-01T00:59:59+01:00"}))


@pytest.mark.parametrize(
    "instant",
    [
        "2024-01-01",
        "2024-01-01T00:00:00",
        "2024-01-01 00:00:00Z",
        "2024-01-01t00:00:00z",
        "2024-13-01T00:00:00Z",
        "2024-02-30T00:00:00Z",
        "2024-01-01T24:00:01Z",
        "2024-01-01T00:00:00.Z",
        "2024-01-01T00:00:00.1234567890Z",
        "2024-01-01T00:00:00+99:00",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "٢٠٢٤-01-01T00:00:00Z",
        "2024-01-01T00:00:00Z\n",
        "1704067200",
        "now",
    ],
)
@pytest.mark.parametrize("path", ["tlogs.0.publicKey.validFor", "certificateAuthorities.0.validFor"])
@pytest.mark.parametrize("end", ["start", "end"])
def test_what_is_no_instant_is_refused(path: str, end: str, instant: str) -> None:
    assert "is not an instant" in refused(changed(path, {"start": START, end: instant}))


# --- authorities


@pytest.mark.parametrize("value", [..., None, {}, {"certificates": []}, {"certificates": None}])
@pytest.mark.parametrize("key", ["certificateAuthorities", "timestampAuthorities"])
def test_an_empty_chain_is_refused(key: str, value: Any) -> None:
    message = refused(changed(f"{key}.0.certChain", value))
    assert message.startswith(f"{key}[0]: ")
    assert "0 certificates" in message


def test_how_long_a_chain_may_be() -> None:
    assert len(parse(document(certificateAuthorities=[authority(*["root"] * MAX_CHAIN)])).authorities) == 1
    assert f"at most {MAX_CHAIN}" in refused(document(certificateAuthorities=[authority(*["root"] * (MAX_CHAIN + 1))]))


@pytest.mark.parametrize("raw", [b"", b"\x00", b"-----BEGIN CERTIFICATE-----", b"\x30\x82" * 50])
def test_a_certificate_that_is_none_is_refused(raw: bytes) -> None:
    message = refused(changed("certificateAuthorities.0.certChain.certificates.0.rawBytes", b64(raw)))
    assert message.startswith("certificateAuthorities[0]: not a certificate")


def test_an_authority_without_a_uri_is_called_by_its_place() -> None:
    assert parse(changed("certificateAuthorities.0.uri", ...)).authorities[0].name == "certificateAuthorities[0]"


def test_an_authority_without_a_window_is_open() -> None:
    assert parse(changed("certificateAuthorities.0.validFor", ...)).authorities[0].window == Window()


def test_subject_and_operator_of_an_authority_are_known_and_not_used() -> None:
    assert parse(changed("certificateAuthorities.0.subject", ...)).authorities
    assert parse(document(certificateAuthorities=[authority(operator="acme")])).authorities


def test_an_authority() -> None:
    made = Authority.of("acme", [certificate("leaf"), certificate("root")], Window(STARTED))
    assert [one.subject.rfc4514_string() for one in made.certificates] == ["CN=leaf", "CN=root"]
    assert made.root == made.certificates[1]
    assert made.fingerprint == hashlib.sha256(certificate("root")).hexdigest()


def test_authorities_are_equal_where_chain_and_window_are() -> None:
    made = Authority.of("acme", [certificate()], Window(STARTED))
    assert made == Authority.of("other", [certificate()], Window(STARTED))
    assert hash(made) == hash(Authority.of("other", [certificate()], Window(STARTED)))
    assert made != Authority.of("acme", [certificate()], Window())
    assert made != Authority.of("acme", [certificate("other")], Window(STARTED))


@pytest.mark.parametrize("count", [0, MAX_CHAIN + 1])
def test_an_authority_with_no_or_too_many_certificates(count: int) -> None:
    with pytest.raises(ParseError, match=f"acme has {count} certificates"):
        Authority.of("acme", [certificate()] * count, Window())


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "rsa", "ed25519"])
def test_certificates_of_all_kinds(kind: str) -> None:
    assert parse_certificate(certificate("root", kind)).public_key() == private(kind).public_key()


def test_bytes_behind_a_certificate_are_refused() -> None:
    with pytest.raises(ParseError, match="not a certificate"):
        parse_certificate(certificate() + b"\x00")
    with pytest.raises(ParseError, match="not a certificate"):
        parse_certificate(certificate() + certificate())


def test_a_certificate_cut_short_is_refused() -> None:
    der = certificate()
    for length in range(0, len(der), 7):
        with pytest.raises(ParseError):
            parse_certificate(der[:length])


def test_a_certificate_too_large_is_refused() -> None:
    with pytest.raises(ParseError, match=f"at most {MAX_CERTIFICATE}"):
        parse_certificate(b"\x30" * (MAX_CERTIFICATE + 1))


def pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)


def test_certificates_in_pem_keep_their_order() -> None:
    text = b"a comment\n" + pem(certificate("b")) + b"\n" + pem(certificate("a"))
    assert parse_pem_certificates(text) == (certificate("b"), certificate("a"))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"no PEM",
        b"\xff",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        certificate(),
    ],
)
def test_what_is_no_certificate_in_pem_is_refused(text: bytes) -> None:
    with pytest.raises(ParseError, match="not a PEM certificate"):
        parse_pem_certificates(text)


def test_one_bad_certificate_among_good_ones_is_refused() -> None:
    bad = b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(certificate()[:-1]) + b"\n-----END CERTIFICATE-----\n"
    with pytest.raises(ParseError):
        parse_pem_certificates(pem(certificate()) + bad)


@pytest.mark.parametrize(
    "name", [b"PRIVATE KEY", b"EC PRIVATE KEY", b"ENCRYPTED PRIVATE KEY", b"ENCRYPTED COSIGN PRIVATE KEY"]
)
def test_a_private_key_among_certificates_is_refused(name: bytes) -> None:
    text = pem(certificate()) + b"-----BEGIN " + name + b"-----\nAAAA\n-----END " + name + b"-----\n"
    with pytest.raises(ParseError, match="private key") as failure:
        parse_pem_certificates(text)
    assert "exposed" in failure.value.remedy


def test_too_many_bytes_of_pem_are_refused() -> None:
    with pytest.raises(ParseError, match=f"at most {MAX_PEM}"):
        parse_pem_certificates(pem(certificate()).ljust(MAX_PEM + 1))
