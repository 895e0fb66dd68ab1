from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
from typing import TYPE_CHECKING

import pytest

from gate.cli.verify_blob import MAX_BUNDLE
from gate.evidence.message import MAX_KEPT
from tests.fakes.fulcio import Signer, shared_key
from tests.fakes.signing import alice, bob
from tests.fakes.signing_authority import Signature, encode, shared_world
from tests.unit.cli.support import Ran, gate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.fulcio import KeyType

BLOB = b"a blob"
HEX = hashlib.sha256(BLOB).hexdigest()
WORLD = shared_world()
KINDS: tuple[KeyType, ...] = ("P-256", "P-384", "P-521", "P-384/SHA-256", "RSA-2048", "Ed25519", "Ed25519ph")
IDENTITY = ("--certificate-identity-regexp", ".*", "--certificate-oidc-issuer-regexp", ".*")


def cosigned(hint: str, algorithm: str, digest: str, signature: str) -> dict[str, object]:
    return {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": hint}},
        "messageSignature": {
            "messageDigest": {"algorithm": algorithm, "digest": digest} if digest else {},
            "signature": signature,
        },
    }


# cosign 3.1.3 sign-blob --key K --signing-config EMPTY over "hello\n": key, hint, message digest, signature.
BY_COSIGN = {
    "p256": (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEKioZwx4if6dgKs3DpOYXvx4VUuJLU9W1XP7wSS4cEjEkhCZ7M5pn3Lm776n6p6lgchxzS54BIBScqziA1Uc8xw==",
        cosigned(
            "eFWuypvqLKb9WVl+qDA0Cwdou/4RJXWn5MvvC5wvTmQ=",
            "SHA2_256",
            "WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM=",
            "MEUCIQDcSCqB5Y5C/lZDkBiu2/bLVsmkRkzhAnJs7EjvUF0DHQIgOch7uBJ4/gxkLR64jO2ZPD2/nRoxWf2DklImij5IULk=",
        ),
    ),
    "p384": (
        "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAExZvkxjOjkfQZzlPtpuxwTb4j1VSPZI/OiQ/9K1hWN6cD8AJHFTeXPmyw2lhdGadgOQYTxRpEitB9A3YbhU2UTpg9fAu2UtwZx99bGQTvS6Ul+jKPXTEspilpSZftTnXM",
        cosigned(
            "IlrZu9uSa9+jMEUV9hcsk8xsrrHrL5OsNsSA8S+2yt0=",
            "SHA2_384",
            "HQ8oTv4+3qS5yjvVFPoTSxfq42HMx6Hu/v+AG5vWYE4B8h9r8knvAwWZ8MIY8rqM",
            "MGQCMEdZz0yAnpZIRuTpwD18Nf/s+GyVPfuBcGmDD6pm9sF7hbWTYT2gwiGBNMijnpqRhgIwUYiB8f7k0NvDEU0Se1zes9ZW0FcreNLbA1UTOVEceaJzicsBNy/C3BSjZ1dm7tYw",
        ),
    ),
    "p521": (
        "MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQAJnfjnS1L+OaDk1SAWJ+md2nHuhf4GK5JA2WMHR5fVNDg3uXMy8e7IHEXR7Rqu28tY1Luuz/9orj0/g2LcTKxNE8BUa2Ogkmv70BUXJZMx9o/TAisZRY0IVZxnh55Qdo64XSo6yGQMPL4utC8W6hESlkdpDdDGJekYyIfhsy9yss7VjE=",
        cosigned(
            "V+kc4uBVUyds0z4+3e67CF/lKyOqCc+MyuEJawhBJt8=",
            "SHA2_512",
            "58IrmUxZ2c8rSOVJseJGZmNgRZMNPafBrLKZ0cO3+TH5Sq5B7dosKyB6NuEPi8uNRSI+VIePWzFufOO2vAGWKQ==",
            "MIGIAkIB5gg0bHLYLDkJ/cSkhwtvGObG/84ZluPpr/r2A2c/CALy3livAdSqcofaX9/TdFKZiY6OCFZc2HbNxkI/2dnDiM4CQgE5VYuKukrGfKqskuCyq8Usp7TrTVQph51gTCyXALeXbus2V/ge17vn4yeEw2NB34CAUCb07SbZrkKNX3uYItHzYQ==",
        ),
    ),
    "ed": (
        "MCowBQYDK2VwAyEABSbA5TxAJbaV5MqHao72bVLaefP0rsqBkhGpFnEaAu0=",
        cosigned(
            "lJKiQ3C1cKggEzu6dUeGsW1mQ2OhWXp+eWXYbk5MUCU=",
            "",
            "",
            "bAE13fS+3IciVdTbayQTipWgZeQOx/4BaHj+3wdqzy0/oLLesCuxjPbQyBR4WDgg+wgKktbYa8h+5utzSDcSCw==",
        ),
    ),
}


def place(folder: Path, content: bytes, blob: bytes = BLOB) -> None:
    (folder / "b.json").write_bytes(content)
    (folder / "blob").write_bytes(blob)
    (folder / "k.pub").write_bytes(alice().pem)
    (folder / "root.json").write_bytes(WORLD.trusted_root())


def verify(blob: str = "blob", *flags: str) -> Ran:
    return gate("verify-blob", "--offline", "--bundle", "b.json", *(flags or ("--key", "k.pub")), blob)


def attested(**digests: str) -> bytes:
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "blob", "digest": digests}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {},
    }
    return alice().bundle_of(json.dumps(statement).encode())


@pytest.mark.parametrize("kind", KINDS)
def test_keys_of_all_kinds(kind: KeyType, tmp_path: Path) -> None:
    key = shared_key(kind)
    place(tmp_path, encode(WORLD.bundle(Signature.of_message(Signer(key), BLOB), entries=[])))
    (tmp_path / "k.pub").write_bytes(key.pem)
    ran = verify()
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("VERIFIED blob\n  signed by ")
    (tmp_path / "blob").write_bytes(b"another")
    assert verify().code == 1


@pytest.mark.parametrize("kind", KINDS)
def test_certificates_of_all_kinds(kind: KeyType, tmp_path: Path) -> None:
    place(tmp_path, encode(WORLD.bundle(Signature.of_message(WORLD.issue(shared_key(kind)), BLOB))))
    ran = verify("blob", "--trusted-root", "root.json", *IDENTITY)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("VERIFIED blob\n  signed by https://github.com/acme/api/")


@pytest.mark.parametrize("name", BY_COSIGN)
def test_what_cosign_writes(name: str, tmp_path: Path) -> None:
    pem, bundle = BY_COSIGN[name]
    place(tmp_path, json.dumps(bundle).encode(), b"hello\n")
    (tmp_path / "k.pub").write_text(f"-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\n", "ascii")
    assert verify().code == 0
    (tmp_path / "blob").write_bytes(b"hello")
    assert verify().code == 1


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_a_statement_that_names_the_file_by_another_digest(algorithm: str, tmp_path: Path) -> None:
    place(tmp_path, attested(**{algorithm: hashlib.new(algorithm, BLOB).hexdigest()}))
    assert verify().code == 0
    ran = verify(f"sha256:{HEX}")
    assert ran.code == (0 if algorithm == "sha256" else 1)
    if algorithm != "sha256":
        assert f"names files by {algorithm}, and of this one only the sha256 is known: the file is needed" in ran.out
        assert "Fix: name the file instead of its digest" in ran.out
    (tmp_path / "blob").write_bytes(b"another")
    assert "SIGNATURE_INVALID: it is about other files" in verify().out


def test_a_file_called_like_a_digest_is_a_file(tmp_path: Path) -> None:
    place(tmp_path, attested(sha256=HEX))
    (tmp_path / f"sha256:{HEX}").write_bytes(b"another")
    assert verify(f"sha256:{HEX}").code == 1


def test_a_large_file_by_what_signs_its_sha256(tmp_path: Path) -> None:
    blob = b"\0" * (MAX_KEPT + 1)
    place(tmp_path, encode(WORLD.bundle(Signature.of_message(Signer(shared_key("P-256")), blob), entries=[])), blob)
    (tmp_path / "k.pub").write_bytes(shared_key("P-256").pem)
    assert verify().code == 0
    place(tmp_path, attested(sha512=hashlib.sha512(blob).hexdigest()), blob)
    assert verify().code == 0
    with (tmp_path / "blob").open("ab") as more:
        more.write(b"\0")
    assert verify().code == 1


@pytest.mark.parametrize("more", [1, 10**6])
def test_a_bundle_that_is_too_large_is_a_denial(more: int, tmp_path: Path) -> None:
    place(tmp_path, attested(sha256=HEX) + b" " * MAX_BUNDLE + b" " * more)
    ran = verify()
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.startswith("DENIED blob\nSIGNATURE_INVALID: the bundle has more than 16 MiB")
    found = verify("blob", "--key", "k.pub", "-o", "json").json
    assert (found["verdict"], found["findings"][0]["code"]) == ("deny", "SIGNATURE_INVALID")
    # what cannot be used at all comes first
    assert verify("none").code == 2


def test_a_bundle_as_large_as_can_be(tmp_path: Path) -> None:
    content = attested(sha256=HEX)
    place(tmp_path, content + b" " * (MAX_BUNDLE - len(content)))
    assert verify().code == 0


def test_a_bundle_from_before_bundles_is_named(tmp_path: Path) -> None:
    place(tmp_path, b'{"base64Signature": "MEQ=", "cert": "", "rekorBundle": null}')
    ran = gate("verify-blob", "--offline", "--key", "k.pub", "--bundle", "b.json", "blob")
    assert ran.code == 1
    assert "SIGNATURE_UNSUPPORTED: cosign's format from before Sigstore bundles" in ran.out
    assert "Fix: sign it again: cosign sign-blob" in ran.out


def test_a_pipe_that_nobody_writes_to_ends_with_the_time(tmp_path: Path) -> None:
    place(tmp_path, attested(sha256=HEX))
    os.mkfifo(tmp_path / "pipe")
    for bundle, blob in (("pipe", "blob"), ("b.json", "pipe")):
        ran = gate("verify-blob", "--offline", "--timeout", "300ms", "--key", "k.pub", "--bundle", bundle, blob)
        assert (ran.code, ran.out) == (3, "")
        assert ran.err.startswith("gate: DEADLINE_EXCEEDED: the time allowed ran out while pipe was read")


def test_a_pipe_that_somebody_writes_to(tmp_path: Path) -> None:
    content = attested(sha256=HEX) + b" " * 200_000
    place(tmp_path, content)
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(content,))
    writer.start()
    ran = gate("verify-blob", "--offline", "--key", "k.pub", "--bundle", "pipe", "blob")
    writer.join()
    assert ran.code == 0


@pytest.mark.parametrize(
    ("bundle", "blob", "said"),
    [
        ("none", "blob", "--bundle none cannot be read"),
        (".", "blob", "--bundle . cannot be read"),
        ("b.json", "none", "none cannot be read"),
        ("b.json", ".", ". cannot be read"),
        ("b.json", f"sha256:{HEX[1:]}", "cannot be read"),
        ("b.json", f"sha512:{HEX}{HEX}", "write sha256: and 64 hex digits"),
    ],
)
def test_what_cannot_be_read(bundle: str, blob: str, said: str, tmp_path: Path) -> None:
    place(tmp_path, attested(sha256=HEX))
    ran = gate("verify-blob", "--offline", "--key", "k.pub", "--bundle", bundle, blob)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert said in ran.err


def test_a_predicate_type_that_is_not_there(tmp_path: Path) -> None:
    place(tmp_path, attested(sha256=HEX))
    assert verify("blob", "--key", "k.pub", "--type", "slsaprovenance1").code == 0
    ran = verify("blob", "--key", "k.pub", "--type", "spdxjson")
    assert (ran.code, "ATTESTATION_MISSING" in ran.out) == (1, True)


def test_by_another_key(tmp_path: Path) -> None:
    place(tmp_path, bob().bundle_of(b"{}"))
    ran = verify()
    assert (ran.code, "KEY_MISMATCH" in ran.out, "find out who signed it" in ran.out) == (1, True, True)


def test_json_names_the_digest(tmp_path: Path) -> None:
    place(tmp_path, attested(sha512=hashlib.sha512(BLOB).hexdigest()))
    found = verify("blob", "--key", "k.pub", "-o", "json").json
    assert (found["verdict"], found["digest"], len(found["attestations"])) == ("allow", f"sha256:{HEX}", 1)
    assert base64.b64encode(BLOB).decode() not in json.dumps(found)


@pytest.mark.parametrize("kind", ["P-384", "P-521", "P-384/SHA-256", "RSA-2048"])
def test_a_large_file_by_the_hash_that_its_key_signs_with(kind: KeyType, tmp_path: Path) -> None:
    blob = b"\0" * (MAX_KEPT + 1)
    place(tmp_path, encode(WORLD.bundle(Signature.of_message(Signer(shared_key(kind)), blob), entries=[])), blob)
    (tmp_path / "k.pub").write_bytes(shared_key(kind).pem)
    assert verify().code == 0


@pytest.mark.parametrize("kind", ["Ed25519", "Ed25519ph"])
def test_a_large_file_that_has_to_be_at_hand(kind: KeyType, tmp_path: Path) -> None:
    blob = b"\0" * (MAX_KEPT + 1)
    place(tmp_path, encode(WORLD.bundle(Signature.of_message(Signer(shared_key(kind)), blob), entries=[])), blob)
    (tmp_path / "k.pub").write_bytes(shared_key(kind).pem)
    ran = verify()
    assert ran.code == 1
    assert "by an Ed25519 key needs the whole file at hand, which is not done above 64 MiB" in ran.out
    assert "Fix: have it signed by an ECDSA or RSA key, or attested (cosign attest-blob)" in ran.out


def test_a_key_that_cannot_say_leaves_the_others_their_say(tmp_path: Path) -> None:
    key = shared_key("P-256")
    place(tmp_path, encode(WORLD.bundle(Signature.of_message(Signer(key), BLOB), entries=[])))
    (tmp_path / "k.pub").write_bytes(key.pem)
    (tmp_path / "ed.pub").write_bytes(shared_key("Ed25519").pem)
    assert verify(f"sha256:{HEX}", "--key", "ed.pub", "--key", "k.pub").code == 0
    assert "needs the file, not its digest" in verify(f"sha256:{HEX}", "--key", "ed.pub").out
