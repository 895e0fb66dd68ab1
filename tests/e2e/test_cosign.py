"""`gate verify` against what the real cosign signed, in real registries, beside what cosign says of it itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gate.demo.images import AMD64
from gate.image.digest import Digest
from gate.image.manifest import Platform
from tests.e2e.commands import Format, Key, KeyType, Shell
from tests.e2e.registries import Repository

if TYPE_CHECKING:
    from tests.e2e.conftest import Keys

pytestmark = pytest.mark.e2e

BOTH = pytest.mark.parametrize("form", [Format.LEGACY, Format.BUNDLE], ids=lambda form: form.value)
ARM64 = Platform("linux", "arm64")

# The hash that `cosign sign` takes with a key. `cosign verify` takes SHA-256 with every key unless it is told.
HASHES = {
    KeyType.P256: "sha256",
    KeyType.P384: "sha384",
    KeyType.P521: "sha512",
    KeyType.RSA2048: "sha256",
    KeyType.RSA3072: "sha256",
    KeyType.RSA4096: "sha256",
}


@BOTH
@pytest.mark.parametrize("kind", HASHES, ids=lambda kind: kind.name)
def test_what_cosign_signs_verifies_with_its_key_only(
    either: Repository, shell: Shell, keys: Keys, kind: KeyType, form: Format
) -> None:
    digest = either.image("v1", "one")
    key = keys.of(kind)
    shell.sign(either.at(digest), key, form)
    told = shell.cosign_verify(either.at(digest), key, form, "--signature-digest-algorithm", HASHES[kind])
    assert told.code == 0, told.text
    untold = shell.cosign_verify(either.at(digest), key, form)
    assert (untold.code == 0) is (HASHES[kind] == "sha256"), untold.text

    found = shell.verify(either.at("v1"), key)
    assert found.code == 0, found.text
    assert found.json["verdict"] == "allow"
    assert found.json["resolved"] == f"{either.at('v1')}@{digest}"
    assert [(s["format"], s["signer"]["algorithm"]) for s in found.json["signatures"]] == [(form.value, kind.value)]

    assert shell.cosign_verify(either.at(digest), keys.stranger, form).code != 0
    _denied(shell, either.at("v1"), keys.stranger, "KEY_MISMATCH")


def test_ed25519_by_cosign_sign_blob_verifies(either: Repository, shell: Shell, keys: Keys) -> None:
    """Pure Ed25519, as cosign up to 2.5 signs images and `sign-blob` does still."""
    digest = either.image("v1", "one")
    key = keys.of(KeyType.ED25519)
    made = shell.cosign("generate", "--allow-http-registry", either.at(digest))
    assert made.code == 0, made.text
    (shell.home / "payload.json").write_text(made.out)
    signed = shell.cosign(
        "sign-blob", "-y", "--key", str(key.private), "--tlog-upload=false", "--use-signing-config=false",
        "--new-bundle-format=false", "--output-signature", "payload.sig", "payload.json",
    )  # fmt: skip
    assert signed.code == 0, signed.text
    attached = shell.cosign(
        "attach", "signature", "--allow-http-registry", "--payload", "payload.json", "--signature", "payload.sig",
        either.at(digest),
    )  # fmt: skip
    assert attached.code == 0, attached.text
    own = shell.cosign_verify(either.at(digest), key, Format.LEGACY)
    assert own.code == 0, own.text
    found = shell.verify(either.at("v1"), key)
    assert found.code == 0, found.text
    assert [s["signer"]["algorithm"] for s in found.json["signatures"]] == ["Ed25519"]
    _denied(shell, either.at("v1"), keys.stranger, "KEY_MISMATCH")


def test_simple_signing_kept_as_a_referrer(either: Repository, shell: Shell, keys: Keys) -> None:
    digest = either.image("v1", "one")
    shell.sign(either.at(digest), keys.release, Format.REFERRER_LEGACY)
    assert either.content(f"{digest.tag}.sig") is None
    own = shell.cosign_verify(either.at(digest), keys.release, Format.REFERRER_LEGACY)
    assert own.code == 0, own.text
    found = shell.verify(either.at("v1"), keys.release)
    assert found.code == 0, found.text
    assert [s["format"] for s in found.json["signatures"]] == ["referrer-legacy"]
    _denied(shell, either.at("v1"), keys.stranger, "KEY_MISMATCH")


@BOTH
def test_annotations_are_those_that_were_signed(either: Repository, shell: Shell, keys: Keys, form: Format) -> None:
    digest = either.image("v1", "one")
    shell.sign(either.at(digest), keys.release, form, "-a", "stage=prod", "-a", "team=shop")
    assert shell.cosign_verify(either.at(digest), keys.release, form, "-a", "stage=prod").code == 0
    assert shell.cosign_verify(either.at(digest), keys.release, form, "-a", "stage=dev").code != 0
    found = shell.verify(either.at("v1"), keys.release, "-a", "stage=prod", "-a", "team=shop")
    assert found.code == 0, found.text
    assert [s["annotations"] for s in found.json["signatures"]] == [{"stage": "prod", "team": "shop"}]
    for wanted in ("stage=dev", "stage=", "owner=me"):
        _denied(shell, either.at("v1"), keys.release, "ANNOTATION_MISMATCH", "-a", wanted)


@BOTH
def test_an_index_is_signed_as_itself_and_recursively_with_its_platforms(
    either: Repository, shell: Shell, keys: Keys, form: Format
) -> None:
    amd = either.image(None, "amd64")
    arm = either.image(None, "arm64", platform=ARM64)
    index = either.index("v1", [(amd, AMD64), (arm, ARM64)])
    shell.sign(either.at(index), keys.release, form)
    assert shell.verify(either.at("v1"), keys.release).json["resolved"] == f"{either.at('v1')}@{index}"
    assert shell.verify(either.at("v1"), keys.release).code == 0
    assert shell.cosign_verify(either.at(arm), keys.release, form).code != 0
    _denied(shell, either.at(arm), keys.release, "SIGNATURE_MISSING")
    shell.sign(either.at(index), keys.release, form, "--recursive")
    assert shell.cosign_verify(either.at(arm), keys.release, form).code == 0
    found = shell.verify(either.at(arm), keys.release)
    assert found.code == 0, found.text


@BOTH
def test_of_several_signatures_each_counts(either: Repository, shell: Shell, keys: Keys, form: Format) -> None:
    digest = either.image("v1", "one")
    signers = [keys.release, keys.of(KeyType.P384), keys.of(KeyType.RSA2048)]
    for key in signers:
        shell.sign(either.at(digest), key, form)
    for key in signers:
        found = shell.verify(either.at("v1"), key)
        assert found.code == 0, found.text
        assert (len(found.json["signatures"]), len(found.json["rejected"])) == (1, 2)
    _denied(shell, either.at("v1"), keys.stranger, "KEY_MISMATCH")
    several = shell.verify(either.at("v1"), keys.stranger, "--key", str(keys.release.public))
    assert several.code == 0, several.text


def test_both_formats_beside_each_other(either: Repository, shell: Shell, keys: Keys) -> None:
    digest = either.image("v1", "one")
    shell.sign(either.at(digest), keys.release, Format.LEGACY)
    shell.sign(either.at(digest), keys.stranger, Format.BUNDLE)
    for key, kind in ((keys.release, "legacy"), (keys.stranger, "bundle")):
        found = shell.verify(either.at("v1"), key)
        assert found.code == 0, found.text
        assert [s["format"] for s in found.json["signatures"]] == [kind]


def test_docker_media_types(either: Repository, shell: Shell, keys: Keys) -> None:
    digest = either.image("v1", "one")
    shell.sign(either.at(digest), keys.release, Format.LEGACY, COSIGN_DOCKER_MEDIA_TYPES="1")
    stored = either.content(f"{digest.tag}.sig")
    assert stored is not None
    assert json.loads(stored)["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert shell.verify(either.at("v1"), keys.release).code == 0
    _denied(shell, either.at("v1"), keys.stranger, "KEY_MISMATCH")


def _copied(source: Repository, shell: Shell) -> Repository:
    target = Repository(source.host, f"{source.path}-copy")
    done = shell.cosign("copy", "--allow-http-registry", source.at("v1"), target.at("v1"))
    assert done.code == 0, done.text
    return target


def test_a_copy_in_another_repository_keeps_its_signatures(either: Repository, shell: Shell, keys: Keys) -> None:
    digest = either.image("v1", "one")
    shell.sign(either.at(digest), keys.release, Format.LEGACY)
    copy = _copied(either, shell)
    assert copy.digest("v1") == digest
    found = shell.verify(copy.at("v1"), keys.release)
    assert found.code == 0, found.text
    _denied(shell, copy.at("v1"), keys.stranger, "KEY_MISMATCH")


def test_a_copy_without_its_bundles_is_unsigned(either: Repository, shell: Shell, keys: Keys) -> None:
    """`cosign copy` leaves referrers behind (cosign 3 calls it deprecated): cosign then sees no signature either."""
    digest = either.image("v1", "one")
    shell.sign(either.at(digest), keys.release, Format.BUNDLE)
    copy = _copied(either, shell)
    assert shell.cosign_verify(copy.at(digest), keys.release, Format.BUNDLE).code != 0
    _denied(shell, copy.at("v1"), keys.release, "SIGNATURE_MISSING")


def test_an_unsigned_image_is_denied(either: Repository, shell: Shell, keys: Keys) -> None:
    either.image("v1", "one")
    _denied(shell, either.at("v1"), keys.release, "SIGNATURE_MISSING")
    words = shell.gate("verify", either.at("v1"), "--key", str(keys.release.public), "--insecure-registry", either.host)
    assert words.code == 1
    assert words.out.startswith(f"DENIED {either.at('v1')} ")
    assert "SIGNATURE_MISSING: " in words.out


def test_what_is_not_there_is_not_called_unsigned(either: Repository, shell: Shell, keys: Keys) -> None:
    either.image("v1", "one")
    absent = Digest.of(b"nothing")
    for image in (either.at("v2"), either.at(absent), f"{either.host}/acme/nothing:v1"):
        found = shell.verify(image, keys.release)
        assert found.code == 3, found.text
        assert found.json["verdict"] == "error"
        assert [f["code"] for f in found.json["findings"]] == ["IMAGE_NOT_FOUND"]


def test_a_legacy_signature_under_another_images_tag(either: Repository, shell: Shell, keys: Keys) -> None:
    signed = either.image("v1", "one")
    other = either.image("v2", "two")
    shell.sign(either.at(signed), keys.release, Format.LEGACY)
    copied = either.content(f"{signed.tag}.sig")
    assert copied is not None
    either.manifest(json.loads(copied), f"{other.tag}.sig")
    assert shell.cosign_verify(either.at(other), keys.release, Format.LEGACY).code != 0
    _denied(shell, either.at("v2"), keys.release, "SIGNATURE_INVALID")
    assert shell.verify(either.at("v1"), keys.release).code == 0


def test_a_bundle_attached_to_another_image(modern_repository: Repository, shell: Shell, keys: Keys) -> None:
    repository = modern_repository
    signed = repository.image("v1", "one")
    other = repository.image("v2", "two")
    shell.sign(repository.at(signed), keys.release, Format.BUNDLE)
    (referrer,) = repository.referrers(signed)
    content = repository.content(referrer)
    assert content is not None
    document = json.loads(content)
    about = repository.described(other)
    document["subject"] |= {"digest": str(about.digest), "size": about.size}
    repository.manifest(document)
    assert shell.cosign_verify(repository.at(other), keys.release, Format.BUNDLE).code != 0
    _denied(shell, repository.at("v2"), keys.release, "SIGNATURE_INVALID")


@BOTH
def test_an_attestation_is_no_signature(either: Repository, shell: Shell, keys: Keys, form: Format) -> None:
    digest = either.image("v1", "one")
    (shell.home / "predicate.json").write_text('{"tested": true}')
    attested = shell.cosign(
        "attest", "-y", "--key", str(keys.release.private), "--type", "custom", "--predicate", "predicate.json",
        *form.flags, either.at(digest),
    )  # fmt: skip
    assert attested.code == 0, attested.text
    # cosign takes any bundle by the key for a signature; the gate goes by the predicate type that was signed.
    own = shell.cosign_verify(either.at(digest), keys.release, form)
    assert (own.code == 0) is (form is Format.BUNDLE), own.text
    _denied(shell, either.at("v1"), keys.release, "SIGNATURE_MISSING")
    shell.sign(either.at(digest), keys.release, form)
    found = shell.verify(either.at("v1"), keys.release)
    assert found.code == 0, found.text


def test_a_tag_that_was_moved_is_judged_by_what_it_is_now(either: Repository, shell: Shell, keys: Keys) -> None:
    signed = either.image("v1", "one")
    shell.sign(either.at(signed), keys.release, Format.BUNDLE)
    assert shell.verify(either.at("v1"), keys.release).code == 0
    other = either.image(None, "two")
    either.retag(other, "v1")
    assert either.digest("v1") == other
    _denied(shell, either.at("v1"), keys.release, "SIGNATURE_MISSING")
    pinned = shell.verify(f"{either.at('v1')}@{signed}", keys.release)
    assert pinned.code == 0, pinned.text
    assert pinned.json["resolved"] == f"{either.at('v1')}@{signed}"
    either.retag(signed, "v1")
    assert shell.verify(either.at("v1"), keys.release).code == 0


def test_resolve_says_what_the_registry_says(either: Repository, shell: Shell) -> None:
    first = either.image("v1", "one")
    second = either.image("v2", "two")
    index = either.index("all", [(first, AMD64), (second, ARM64)])
    insecure = ["--insecure-registry", either.host]
    tags = {"v1": first, "v2": second, "all": index}
    assert {tag: either.digest(tag) for tag in tags} == tags
    found = shell.gate("resolve", *(either.at(tag) for tag in tags), *insecure)
    assert (found.code, found.out.split()) == (0, [f"{either.at(tag)}@{digest}" for tag, digest in tags.items()])
    partly = shell.gate("resolve", either.at("absent"), either.at("v1"), *insecure)
    assert (partly.code, partly.out.strip()) == (3, f"{either.at('v1')}@{first}")
    assert "IMAGE_NOT_FOUND" in partly.err


@BOTH
@pytest.mark.parametrize("many", [False, True], ids=["image", "index"])
def test_a_layout_that_cosign_saved(either: Repository, shell: Shell, keys: Keys, form: Format, *, many: bool) -> None:
    digest = either.image(None, "one")
    if many:
        digest = either.index(None, [(digest, AMD64)])
    either.retag(digest, "v1")
    shell.sign(either.at(digest), keys.release, form)
    folder = shell.home / either.path
    folder.parent.mkdir(exist_ok=True)
    saved = shell.cosign("save", "--allow-http-registry", "--dir", str(folder), either.at("v1"))
    assert saved.code == 0, saved.text
    found = shell.verify(f"oci:{folder}", keys.release)
    assert found.code == 0, found.text
    assert found.json["resolved"] == f"oci:{folder}@{digest}"
    assert [s["format"] for s in found.json["signatures"]] == [form.value]
    _denied(shell, f"oci:{folder}", keys.stranger, "KEY_MISMATCH")
    offline = ["--offline", "--layout", f"{either.name}={folder}"]
    for image in (either.at("v1"), either.at(digest)):
        kept = shell.gate("verify", image, "--key", str(keys.release.public), *offline)
        assert kept.code == 0, kept.text
        refused = shell.gate("verify", image, "--key", str(keys.stranger.public), *offline)
        assert refused.code == 1, refused.text


def test_an_unsigned_layout(either: Repository, shell: Shell, keys: Keys) -> None:
    either.image("v1", "one")
    folder = shell.home / f"{either.path}-unsigned"
    folder.parent.mkdir(exist_ok=True)
    saved = shell.cosign("save", "--allow-http-registry", "--dir", str(folder), either.at("v1"))
    assert saved.code == 0, saved.text
    _denied(shell, f"oci:{folder}", keys.release, "SIGNATURE_MISSING")


def test_a_registry_on_loopback_has_to_be_named(repository: Repository, shell: Shell, keys: Keys) -> None:
    digest = repository.image("v1", "one")
    shell.sign(repository.at(digest), keys.release, Format.LEGACY)
    for flags in ([], ["--insecure-registry", "127.0.0.1:1"], ["--offline"]):
        found = shell.gate("verify", repository.at("v1"), "--key", str(keys.release.public), *flags)
        assert found.code == 3, found.text
        assert "NOT JUDGED" in found.out


def _denied(shell: Shell, image: str, key: Key, code: str, *flags: str) -> None:
    """The gate denies it for this reason and no other."""
    found = shell.verify(image, key, *flags)
    assert found.code == 1, found.text
    assert found.json["verdict"] == "deny"
    assert [finding["code"] for finding in found.json["findings"]] == [code], found.text
