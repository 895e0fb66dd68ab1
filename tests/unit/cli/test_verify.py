from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.demo.images import LayoutWriter
from gate.demo.registry import DemoRegistry
from tests.fakes.signing import alice, bob, ed25519_key, p384_key, rsa_key
from tests.unit.cli.support import Shop, gate

if TYPE_CHECKING:
    from pathlib import Path

    from gate.demo.signing import SigningKey
    from gate.image.digest import Digest


def key_file(folder: Path, key: SigningKey, name: str = "key.pub") -> Path:
    path = folder / name
    path.write_bytes(key.pem)
    return path


@pytest.mark.parametrize("name", ["acme/api:v1", "acme/web:v1"])
def test_a_signed_image(name: str, shop: Shop) -> None:
    ran = gate("verify", shop.image(name), "--key", shop.key, *shop.flags)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"VERIFIED {shop.image(name)}@{shop.digests[name]}\n  signed by ECDSA P-256 key ")


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("acme/plain:v1", 1, "SIGNATURE_MISSING"),
        ("acme/stranger:v1", 1, "KEY_MISMATCH"),
        ("acme/broken:v1", 1, "SIGNATURE_INVALID"),
        ("acme/none:v1", 3, "IMAGE_NOT_FOUND"),
        ("acme/api:v9", 3, "IMAGE_NOT_FOUND"),
        (f"acme/api@sha256:{'0' * 64}", 3, "IMAGE_NOT_FOUND"),
    ],
)
def test_what_does_not_verify(name: str, code: int, said: str, shop: Shop) -> None:
    ran = gate("verify", shop.image(name), "--key", shop.key, *shop.flags)
    assert ran.code == code
    assert ran.out.startswith("DENIED " if code == 1 else "NOT JUDGED ")
    assert said in ran.out
    found = gate("verify", shop.image(name), "--key", shop.key, *shop.flags, "-o", "json").json
    assert (found["verdict"], found["findings"][0]["code"]) == ("deny" if code == 1 else "error", said)


def test_of_several_keys_any_suffices(shop: Shop, tmp_path: Path) -> None:
    other = key_file(tmp_path, bob())
    image = shop.image("acme/api:v1")
    assert gate("verify", image, "--key", other, *shop.flags).code == 1
    assert gate("verify", image, "--key", other, "--key", shop.key, *shop.flags).code == 0
    assert gate("verify", image, "--key", shop.key, "--key", shop.key, *shop.flags).code == 0


@pytest.mark.parametrize(
    ("annotations", "code"),
    [(["stage=prod"], 0), (["stage=dev"], 1), (["other=x"], 1), (["stage=prod", "other=x"], 1), (["stage="], 1)],
)
def test_annotations_have_to_be_signed(annotations: list[str], code: int, shop: Shop) -> None:
    flags = [part for text in annotations for part in ("--annotation", text)]
    ran = gate("verify", shop.image("acme/api:v1"), "--key", shop.key, *shop.flags, *flags)
    assert ran.code == code
    assert ("ANNOTATION_MISMATCH" in ran.out) is bool(code)


@pytest.mark.parametrize(
    "flags", [["-a", "stage=prod"], ["--insecure-ignore-tlog"], ["--output", "text"], ["-o", "json"]]
)
def test_flags_that_work(flags: list[str], shop: Shop) -> None:
    assert gate("verify", shop.image("acme/api:v1"), "--key", shop.key, *shop.flags, *flags).code == 0


ISSUER = ["--certificate-oidc-issuer", "https://issuer.test"]
WHO = ["--certificate-identity", "a@b.test"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "nobody to verify against"),
        (["--key", "KEY", *WHO, *ISSUER], "--key and --certificate-identity are two ways"),
        (["--key", "KEY", "--ca-roots", "roots.pem"], "--key and --ca-roots are two ways"),
        (ISSUER, "no --certificate-identity"),
        (WHO, "no --certificate-oidc-issuer"),
        (
            [*WHO, *ISSUER, "--certificate-identity-regexp", ".*"],
            "--certificate-identity and --certificate-identity-reg",
        ),
        ([*WHO, *ISSUER, "--certificate-oidc-issuer-regexp", ".*"], "--certificate-oidc-issuer and"),
        (["--certificate-identity-regexp", "(", *ISSUER], "is not a regular expression (RE2)"),
        (["--certificate-identity-regexp", "(?=a)", *ISSUER], "is not a regular expression (RE2)"),
        ([*WHO, *ISSUER, "--ca-intermediates", "roots.pem"], "--ca-intermediates without --ca-roots"),
        ([*WHO, "--ca-roots", "none.pem"], "--ca-roots none.pem cannot be read"),
        ([*WHO, "--ca-roots", "KEY"], "not a PEM certificate"),
        (["--key", "KEY", "--type", "sbom"], "--type 'sbom' is no predicate type"),
        (["--key", "KEY", "--type", "spdxjson", "-a", "x=y"], "--annotation with --type"),
        (["--key", "KEY", "--trusted-root", "none.json"], "none.json"),
    ],
)
def test_signers_that_cannot_be_meant(flags: list[str], said: str, shop: Shop) -> None:
    ran = gate("verify", shop.image("acme/api:v1"), *shop.flags, *(str(shop.key) if f == "KEY" else f for f in flags))
    assert (ran.code, ran.out, shop.asked()) == (2, "", 0)
    assert said in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        pytest.param([], "--key", id="no key"),
        pytest.param(["--key", "none.pub"], "none.pub", id="no such key"),
        pytest.param(["--key", "."], ".", id="a folder"),
        pytest.param(["--key", "bad.pub"], "bad.pub", id="no key in the file"),
        pytest.param(["--key", "secret.pem"], "secret.pem", id="a private key"),
        pytest.param(["--key", "good.pub", "--annotation", "stage"], "--annotation", id="half an annotation"),
        pytest.param(["--key", "good.pub", "--annotation", "=prod"], "--annotation", id="no annotation key"),
        pytest.param(["--key", "good.pub", "--output", "yaml"], "yaml", id="an unknown format"),
    ],
)
def test_what_cannot_be_used(arguments: list[str], named: str, shop: Shop, tmp_path: Path) -> None:
    key_file(tmp_path, alice(), "good.pub")
    (tmp_path / "bad.pub").write_text("ssh-ed25519 AAAA", encoding="utf-8")
    (tmp_path / "secret.pem").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "utf-8")
    ran = gate("verify", shop.image("acme/api:v1"), *arguments, *shop.flags)
    assert (ran.code, ran.out, shop.asked()) == (2, "", 0)
    assert named in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "ref", ["", "Not A Reference", "nginx:", "oci:none", "oci:", f"oci:.@sha256:{'0' * 9}", "https://x/y"]
)
def test_a_ref_that_is_none(ref: str, tmp_path: Path) -> None:
    ran = gate("verify", ref, "--key", key_file(tmp_path, alice()))
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("gate: ")
    assert ran.err.count("\n") == 1


def test_exactly_one_ref() -> None:
    assert (gate("verify").code, gate("verify", "a", "b").code) == (2, 2)


def test_json_says_who_signed_what(shop: Shop) -> None:
    found = gate("verify", shop.image("acme/api:v1"), "--key", shop.key, *shop.flags, "--output", "json").json
    assert found["apiVersion"] == "imagegate.dev/verify/v1"
    assert (found["image"], found["verdict"], found["findings"]) == (shop.image("acme/api:v1"), "allow", [])
    assert found["resolved"] == shop.image(f"acme/api:v1@{shop.digests['acme/api:v1']}")
    (signature,) = found["signatures"]
    assert signature["format"] == "legacy"
    assert signature["signer"] == {
        "kind": "key",
        "fingerprint": alice().public.fingerprint,
        "algorithm": alice().public.algorithm,
    }
    assert signature["annotations"] == {"stage": "prod"}
    assert signature["dockerReference"] == shop.image("acme/api")
    assert found["rejected"] == []


def test_json_says_why_something_was_rejected(shop: Shop) -> None:
    ran = gate("verify", shop.image("acme/stranger:v1"), "--key", shop.key, *shop.flags, "--output", "json")
    assert ran.code == 1
    (rejected,) = ran.json["rejected"]
    assert (rejected["format"], rejected["code"], bool(rejected["reason"])) == ("bundle", "KEY_MISMATCH", True)


def _layout(folder: Path, key: SigningKey) -> Digest:
    writer = LayoutWriter(folder)
    digest = writer.image("v1", "api")
    writer.sign_referrer_legacy(digest, key, "ghcr.io/acme/api")
    return digest


@pytest.mark.parametrize("key", [alice, rsa_key, p384_key, ed25519_key])
def test_an_image_in_a_folder_under_keys_of_all_kinds(key: object, tmp_path: Path) -> None:
    assert callable(key)
    digest = _layout(tmp_path / "image", key())
    for ref in ("oci:image", f"oci:image@{digest}", f"oci:{tmp_path}/image"):
        ran = gate("verify", ref, "--key", key_file(tmp_path, key()), "--offline")
        resolved = ref if "@" in ref else f"{ref}@{digest}"
        assert (ran.code, ran.out.splitlines()[0]) == (0, f"VERIFIED {resolved}")


def test_a_folder_may_have_an_at_in_its_name(tmp_path: Path) -> None:
    _layout(tmp_path / "a@b", alice())
    assert gate("verify", "oci:a@b", "--key", key_file(tmp_path, alice())).code == 0


def test_a_denial_names_the_image_as_it_was_written(tmp_path: Path) -> None:
    _layout(tmp_path / "image", bob())
    ran = gate("verify", "oci:image", "--key", key_file(tmp_path, alice()))
    assert ran.code == 1
    assert ran.out.startswith("DENIED oci:image")
    assert "localhost/layout" not in ran.out.splitlines()[0]


def test_a_digest_that_is_not_in_the_folder_is_no_missing_signature(tmp_path: Path) -> None:
    _layout(tmp_path / "image", alice())
    ran = gate("verify", f"oci:image@sha256:{'0' * 64}", "--key", key_file(tmp_path, alice()))
    assert ran.code == 3
    assert "IMAGE_NOT_FOUND" in ran.out


def test_a_registry_without_the_referrers_api(shop: Shop) -> None:
    with DemoRegistry(shop.folder, referrers_api=False) as registry:
        ran = gate("verify", f"{registry.host}/acme/web:v1", "--key", shop.key, "--insecure-registry", registry.host)
    assert ran.code == 0


def test_signed_annotations_do_not_steer_the_terminal(tmp_path: Path) -> None:
    writer = LayoutWriter(tmp_path / "image")
    annotations = {"a\x1b[31m": "b\x9b\nVERIFIED evil"}
    writer.sign_legacy(writer.image("v1", "api"), alice(), "ghcr.io/acme/api", annotations)
    for output in ("text", "json"):
        ran = gate("verify", "oci:image", "--key", key_file(tmp_path, alice()), "-o", output)
        assert ran.code == 0
        assert all(c == "\n" or c.isprintable() for c in ran.out)
        assert sum(line.startswith("VERIFIED") for line in ran.out.splitlines()) == (output == "text")


def test_a_signature_of_another_image_is_shown_as_rejected(shop: Shop) -> None:
    ran = gate("verify", shop.image("acme/broken:v1"), "--key", shop.key, *shop.flags)
    assert any(line.startswith("  legacy ") for line in ran.out.splitlines())


def test_only_what_counted_is_listed(tmp_path: Path) -> None:
    writer = LayoutWriter(tmp_path / "image")
    digest = writer.image("v1", "api")
    writer.sign_legacy(digest, alice(), "ghcr.io/acme/api", {"stage": "prod", "team": "a"})
    writer.sign_legacy(digest, alice(), "ghcr.io/acme/api", {"stage": "dev"})
    writer.sign_legacy(digest, alice(), "ghcr.io/acme/api")
    writer.sign_legacy(digest, bob(), "ghcr.io/acme/api", {"stage": "prod"})
    writer.sign_bundle(digest, alice(), {"stage": "test"})
    for kind in ("https://slsa.dev/provenance/v1", "https://spdx.dev/Document"):
        writer.sign_bundle(digest, alice(), predicate_type=kind)
    writer.sign_bundle(digest, bob(), predicate_type="https://spdx.dev/Document")
    key = key_file(tmp_path, alice())

    def listed(*flags: str) -> list[str]:
        ran = gate("verify", "oci:image", "--offline", "--key", key, *flags)
        title, *lines = ran.out.splitlines()
        assert (ran.code, title.startswith("VERIFIED ")) == (0, True)
        return lines

    assert len(listed()) == 4
    assert all(line.startswith(f"  signed by {alice().public.short} ") for line in listed())
    (prod,) = listed("-a", "stage=prod")
    assert prod.endswith(" stage=prod team=a")
    assert len(listed("-a", "stage=prod", "-a", "team=a")) == 1
    (bundle,) = listed("-a", "stage=test")
    assert "(bundle " in bundle
    (sbom,) = listed("--type", "spdxjson")
    assert sbom.startswith(f"  https://spdx.dev/Document by {alice().public.short} (bundle ")
    (provenance,) = listed("--type", "slsaprovenance1")
    assert provenance.startswith("  https://slsa.dev/provenance/v1 by ")
