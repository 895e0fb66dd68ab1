from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding

from gate.demo.images import AMD64, BUNDLE, Layer, LayoutWriter
from gate.evidence.cosign import SIMPLE_SIGNING
from gate.image.digest import Digest
from gate.image.manifest import Platform
from tests.fakes.fulcio import ISSUER, Fulcio, Profile, email, uri
from tests.fakes.signing import alice, mallory
from tests.fakes.signing_authority import Signature, encode, shared_world, simple_signing, statement
from tests.unit.cli.bench import builder
from tests.unit.cli.support import AT, Ran, gate

if TYPE_CHECKING:
    from pathlib import Path

WORLD = shared_world()
NAME = "ghcr.io/acme/api"
PROVENANCE = "https://slsa.dev/provenance/v1"
SUBJECT = "https://github.com/acme/api/.github/workflows/release.yml@refs/heads/main"
RELEASE = Profile(
    names=(uri(SUBJECT),),
    issuer=ISSUER,
    claims={9: SUBJECT, 12: "https://github.com/acme/api", 14: "refs/heads/main", 15: "123", 17: "45", 20: "push"},
)
ADA = Profile(names=(email("ada@acme.example"),), issuer="https://accounts.google.com")
FLAGS = ("--offline", "--trusted-root", "root.json", "--layout", f"{NAME}=image", "--cache", "none", "--at", AT)


PKI = Fulcio.create("pki.acme.example")


def _root(authority: Fulcio) -> bytes:
    return authority.issuers[-1].certificate.public_bytes(Encoding.PEM)


@pytest.fixture
def image(tmp_path: Path) -> LayoutWriter:
    """A folder that answers for the repository: v1 is signed by a workflow, a person and a key, plain by nobody."""
    (tmp_path / "root.json").write_bytes(WORLD.trusted_root())
    (tmp_path / "alice.pub").write_bytes(alice().pem)
    (tmp_path / "pki.pem").write_bytes(_root(PKI))
    writer = LayoutWriter(tmp_path / "image")
    digest = writer.image("v1", "api")
    writer.image("plain", "plain")
    for profile in (RELEASE, ADA):
        _sign(writer, digest, profile)
    writer.sign_legacy(digest, alice(), NAME)
    layer = WORLD.legacy_attestation(Signature.of_payload(WORLD.issue(profile=RELEASE), statement(digest, PROVENANCE)))
    writer.append(f"{digest.tag}.att", Layer(layer.media_type, layer.content, layer.annotations))
    return writer


def _sign(writer: LayoutWriter, digest: Digest, profile: Profile) -> None:
    bundle = WORLD.bundle(Signature.of_payload(WORLD.issue(profile=profile), statement(digest)))
    writer.attach(digest, BUNDLE, [Layer(BUNDLE, encode(bundle))])


def new(*arguments: object) -> Ran:
    return gate("policy", "new", *arguments, *FLAGS)


def check(reference: str, file: object) -> Ran:
    return gate("check", f"image:{reference}", "-p", file, *FLAGS)


@pytest.mark.usefixtures("image")
def test_it_lints_and_lets_this_image_run_and_nothing_unsigned(tmp_path: Path) -> None:
    ran = new(f"{NAME}:v1", "--key", "alice.pub", "--output-file", "api.yaml", "--test-file", "t.yaml")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith(f"gate: kept {NAME}@sha256:")
    assert ran.err.endswith(" bytes, in testdata/acme-api\n")
    linted = gate("policy", "lint", "api.yaml", "--strict")
    assert (linted.code, linted.out) == (0, "1 policy in 1 file: no problems\n")
    assert check(f"{NAME}:v1", "api.yaml").code == 0
    denied = check(f"{NAME}:plain", "api.yaml")
    assert (denied.code, "SIGNATURE_MISSING" in denied.out) == (1, True)
    spec = yaml.safe_load((tmp_path / "api.yaml").read_text())["spec"]
    assert {name: list(kind) for name, kind in spec["signers"].items()} == {
        "release": ["github"],
        "ada": ["keyless"],
        "release-2": ["key"],
    }
    test = yaml.safe_load((tmp_path / "t.yaml").read_text())
    assert (test["kind"], test["spec"]["policies"], test["spec"]["at"]) == ("GateTest", ["api.yaml"], AT)


@pytest.mark.usefixtures("image")
def test_its_test_passes_once_the_image_is_recorded_as_it_says(tmp_path: Path) -> None:
    new(f"{NAME}:v1", "--key", "alice.pub", "--output-file", "api.yaml", "--test-file", "t.yaml")
    text = (tmp_path / "t.yaml").read_text()
    (command,) = [line[4:] for line in text.splitlines() if line.startswith("#   gate policy test")]
    assert passes("t.yaml")
    shutil.rmtree(tmp_path / "testdata")
    assert not passes("t.yaml")
    assert gate(*command.split()[1:], *FLAGS).code == 0
    assert passes("t.yaml")


def passes(test: object) -> bool:
    """Whether a test passes as it stands, with nothing but what it names."""
    ran = gate("policy", "test", test, "-o", "json")
    return ran.code == 0 and not ran.err and bool(ran.json["summary"]["passed"])


def _sign_by_pki(writer: LayoutWriter, digest: Digest, *, stamped: bool = True) -> None:
    message = Signature.of_message(builder(PKI), simple_signing(digest))
    stamp = WORLD.tsa.stamp(message.content) if stamped else None
    layer = WORLD.legacy_signature(message, logged=False, timestamp=stamp)
    writer.append(f"{digest.tag}.sig", Layer(layer.media_type, layer.content, layer.annotations))


def _only_by(writer: LayoutWriter, who: str) -> None:
    digest = writer.image("v7", "one")
    match who:
        case "key":
            writer.sign_legacy(digest, alice(), NAME)
        case "keyless":
            _sign(writer, digest, ADA)
        case "github":
            _sign(writer, digest, RELEASE)
        case "certificate":
            _sign_by_pki(writer, digest)
        case _:
            arm = Platform("linux", "arm64")
            child = writer.image(None, "arm", platform=arm)
            for one in (digest, child):
                _sign(writer, one, RELEASE)
            writer.index("v7", [(digest, AMD64), (child, arm)])


@pytest.mark.parametrize("who", ["key", "keyless", "github", "certificate", "an index"])
@pytest.mark.parametrize("named", ["v7", "latest", "digest"])
def test_what_is_written_passes_as_it_stands(who: str, named: str, image: LayoutWriter, tmp_path: Path) -> None:
    """Policy, test, evidence and trust root: nothing has to be added, whoever has signed."""
    _only_by(image, who)
    content = image.content("v7")
    assert content is not None
    image.manifest(json.loads(content), "latest")
    for folder in ("policies", "tests"):
        (tmp_path / folder).mkdir()
    reference = f"{NAME}@{Digest.of(content)}" if named == "digest" else f"{NAME}:{named}"
    files = ("--output-file", "policies/api.yaml", "--test-file", "tests/api.yaml")
    ran = new(reference, "--key", "alice.pub", "--ca-roots", "pki.pem", *files)
    assert (ran.code, ran.out) == (0, ""), ran.err
    (signer,) = yaml.safe_load((tmp_path / "policies/api.yaml").read_text())["spec"]["signers"].values()
    assert list(signer) == ["github" if who == "an index" else who]
    assert passes("tests/api.yaml")
    linted = gate("policy", "lint", "policies", "tests", "--strict")
    assert linted.code == 0, linted.out
    spec = yaml.safe_load((tmp_path / "tests/api.yaml").read_text())["spec"]
    assert spec["trustRoots"] == [{"name": "public-good", "file": "../root.json"}]


def test_a_private_pki_that_nobody_gave_vouches_for_nobody(image: LayoutWriter, tmp_path: Path) -> None:
    digest = image.image("v10", "by a pki")
    _sign_by_pki(image, digest)
    ran = new(f"{NAME}:v10")
    assert (ran.code, ran.out) == (1, "")
    (tmp_path / "other.pem").write_bytes(_root(Fulcio.create("other")))
    assert new(f"{NAME}:v10", "--ca-roots", "other.pem").code == 1
    assert new(f"{NAME}:v10", "--ca-roots", "pki.pem").code == 0
    files = ("--output-file", "p.yaml", "--test-file", "t.yaml", "--ca-intermediates", "between.pem")
    (tmp_path / "between.pem").write_bytes(PKI.issuers[0].certificate.public_bytes(Encoding.PEM))
    assert new(f"{NAME}:v10", "--ca-roots", "pki.pem", *files).code == 0
    (signer,) = yaml.safe_load((tmp_path / "p.yaml").read_text())["spec"]["signers"].values()
    assert list(signer["certificate"]) == ["subject", "roots", "intermediates"]
    assert passes("t.yaml")
    unstamped = image.image("v11", "by a pki, at no time")
    _sign_by_pki(image, unstamped, stamped=False)
    ran = new(f"{NAME}:v11", "--ca-roots", "pki.pem")
    assert (ran.code, ran.out) == (1, "")


def test_no_trust_root_is_written_where_none_stood_in(image: LayoutWriter, tmp_path: Path) -> None:
    digest = image.image("v8", "by key")
    image.sign_legacy(digest, alice(), NAME)
    flags = ("--offline", "--layout", f"{NAME}=image", "--cache", "none", "--at", AT)
    files = ("--output-file", "p.yaml", "--test-file", "t.yaml")
    assert gate("policy", "new", f"{NAME}:v8", "--key", "alice.pub", *files, *flags).code == 0
    assert "trustRoots" not in yaml.safe_load((tmp_path / "t.yaml").read_text())["spec"]
    assert passes("t.yaml")


@pytest.mark.parametrize("where", ["elsewhere", "prefixed", "both"])
def test_signatures_elsewhere_are_recorded_too(where: str, image: LayoutWriter, tmp_path: Path) -> None:
    digest = image.image("v9", "elsewhere")
    there = LayoutWriter(tmp_path / "signatures")
    there.image("other", "so that it is there")
    prefix = "" if where == "elsewhere" else "rel-"
    payload, named = alice().simple_signing(digest, NAME)
    writer = image if where == "prefixed" else there
    writer.append(f"{prefix}{digest.tag}.sig", Layer(SIMPLE_SIGNING, payload, named))
    flags = ["--attachment-tag-prefix", prefix] if prefix else []
    flags += [] if where == "prefixed" else ["--signature-repository", f"{NAME}-signatures"]
    other = ("--layout", f"{NAME}-signatures=signatures")
    files = ("--output-file", "p.yaml", "--test-file", "t.yaml")
    ran = new(f"{NAME}:v9", "--key", "alice.pub", *files, *flags, *other)
    assert ran.code == 0, ran.err
    assert passes("t.yaml")
    (command,) = [line[4:] for line in (tmp_path / "t.yaml").read_text().splitlines() if line.startswith("#   gate")]
    shutil.rmtree(tmp_path / "testdata")
    assert gate(*command.split()[1:], *FLAGS, *other).code == 0
    assert passes("t.yaml")


def test_a_folder_of_others_is_left_alone(image: LayoutWriter, tmp_path: Path) -> None:
    (tmp_path / "testdata/acme-api").mkdir(parents=True)
    (tmp_path / "testdata/acme-api/mine").write_text("mine")
    ran = new(f"{NAME}:v1", "--output-file", "p.yaml", "--test-file", "t.yaml")
    assert (ran.code, ran.out) == (2, "")
    assert "testdata/acme-api is there and no OCI layout" in ran.err
    assert [path.name for path in (tmp_path / "testdata/acme-api").iterdir()] == ["mine"]
    assert (tmp_path / "p.yaml").exists()


@pytest.mark.usefixtures("image")
def test_on_stdout_without_files() -> None:
    ran = new(f"{NAME}:v1")
    assert (ran.code, ran.err) == (0, "")
    document = yaml.safe_load(ran.out)
    assert list(document["spec"]["signers"]) == ["release", "ada"]
    assert f"  # - {PROVENANCE} by {SUBJECT} (issuer {ISSUER})" in ran.out.splitlines()
    # what a key signed is nobody's until the key is given
    assert "a signature does not tell its key: --key FILE" in ran.out


@pytest.mark.usefixtures("image")
def test_an_image_that_nobody_signed_makes_no_policy(tmp_path: Path) -> None:
    ran = new(f"{NAME}:plain", "--output-file", "p.yaml")
    assert (ran.code, ran.out, (tmp_path / "p.yaml").exists()) == (1, "", False)
    assert ran.err.startswith(f"gate: {NAME}:plain: nobody has signed it; sign it first: cosign sign --key cosign.key ")


def test_an_image_that_strangers_signed_makes_none_either(image: LayoutWriter, tmp_path: Path) -> None:
    digest = image.image("v2", "by a key")
    image.sign_legacy(digest, mallory(), NAME)
    ran = new(f"{NAME}:v2")
    assert (ran.code, ran.out) == (1, "")
    assert "1 found, and none that could be trusted; give the key with --key FILE" in ran.err
    keyed = new(f"{NAME}:v2", "--key", "alice.pub")
    assert (keyed.code, keyed.out) == (1, "")
    assert "gate inspect shows why" in keyed.err


def test_every_image_of_an_index(image: LayoutWriter) -> None:
    arm = Platform("linux", "arm64")
    children = [(image.image(None, "amd"), AMD64), (image.image(None, "arm", platform=arm), arm)]
    for child, _ in children:
        _sign(image, child, RELEASE)
    image.index("v3", children)
    ran = new(f"{NAME}:v3", "--output-file", "p.yaml")
    assert (ran.code, ran.err) == (0, "")
    assert check(f"{NAME}:v3", "p.yaml").code == 0
    assert check(f"{NAME}:plain", "p.yaml").code == 1


def test_an_index_of_too_many_images_is_not_looked_at(image: LayoutWriter) -> None:
    child = image.image(None, "one")
    image.index("v6", [(child, Platform("linux", f"arch{i}")) for i in range(17)])
    ran = new(f"{NAME}:v6")
    assert (ran.code, ran.out) == (3, "")
    assert "has 17 images; at most 16 are looked at; name one of them by its digest" in ran.err


def test_what_could_not_be_looked_at_is_said(image: LayoutWriter) -> None:
    digest = image.image("v4", "cut")
    _sign(image, digest, RELEASE)
    image.index(f"{digest.tag}.sig", [])
    ran = new(f"{NAME}:v4")
    assert ran.code == 3
    assert "# Not every place could be asked: there may be more than stands here." in ran.out.splitlines()
    assert ran.err.splitlines()[-1].endswith("there may be more than the policy has")
    unsigned = image.image("v5", "cut too")
    image.index(f"{unsigned.tag}.sig", [])
    ran = new(f"{NAME}:v5")
    assert (ran.code, ran.out) == (3, "")
    assert "whether anybody has signed it is not known" in ran.err


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("oci:image",), "has no name for a policy"),
        (("Not/An image",), "is not an image reference"),
        ((f"{NAME}:v1", "--name", "No!"), "is no name"),
        ((f"{NAME}:v1", "--key", "nowhere.pub"), "--key nowhere.pub cannot be read"),
        ((f"{NAME}:v1", "--ca-roots", "nowhere.pem"), "--ca-roots nowhere.pem cannot be read"),
        ((f"{NAME}:v1", "--ca-intermediates", "x.pem"), "--ca-intermediates without --ca-roots"),
        ((f"{NAME}:v1", "--output-file", "nowhere/p.yaml"), "--output-file nowhere/p.yaml cannot be written"),
        ((f"{NAME}:v1", "--output-file", "p.yaml", "--test-file", "no/t"), "--test-file no/t cannot be written"),
    ],
)
def test_what_cannot_be_used(arguments: tuple[str, ...], words: str) -> None:
    ran = new(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err


@pytest.mark.usefixtures("image")
def test_a_test_names_its_policy_from_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "tests").mkdir()
    ran = new(f"{NAME}:v1", "--output-file", "policies/api.yaml", "--test-file", "tests/api.yaml", "--name", "mine")
    assert ran.code == 0
    test = yaml.safe_load((tmp_path / "tests" / "api.yaml").read_text())
    assert (test["metadata"]["name"], test["spec"]["policies"]) == ("mine", ["../policies/api.yaml"])


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize("test", ["x.yaml", "./x.yaml", "folder/../x.yaml", "link/x.yaml", "other.yaml"])
def test_the_policy_and_its_test_are_two_files(test: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(".")
    (tmp_path / "other.yaml").symlink_to("x.yaml")
    ran = new(f"{NAME}:v1", "--output-file", "x.yaml", "--test-file", test)
    assert (ran.code, ran.out, (tmp_path / "x.yaml").exists()) == (2, "", False)
    assert ran.err.startswith(f"gate: {test} is the policy's file too; write the policy and its test to two files")


@pytest.mark.usefixtures("image")
def test_a_test_of_a_policy_on_stdout_says_where_it_looks_for_it(tmp_path: Path) -> None:
    assert new(f"{NAME}:v1", "--test-file", "policy.yaml").code == 2
    ran = new(f"{NAME}:v1", "--test-file", "t.yaml")
    assert ran.code == 0
    assert "to the test the policy is policy.yaml beside it: keep it there, or give --output-file" in ran.err
    (tmp_path / "policy.yaml").write_text(ran.out)
    assert passes("t.yaml")


@pytest.mark.usefixtures("image")
def test_a_test_in_a_folder_that_is_a_link_finds_its_policy(tmp_path: Path) -> None:
    (tmp_path / "deep" / "tests").mkdir(parents=True)
    (tmp_path / "tests").symlink_to("deep/tests")
    assert new(f"{NAME}:v1", "--output-file", "api.yaml", "--test-file", "tests/api.yaml").code == 0
    assert passes("tests/api.yaml")


def test_images_of_one_last_name_are_recorded_apart(image: LayoutWriter, tmp_path: Path) -> None:
    other = "ghcr.io/other/api"
    image.sign_legacy(image.image("v4", "api"), alice(), other)
    for repository, tag in ((NAME, "v1"), (other, "v4")):
        file = f"{repository.split('/')[1]}.yaml"
        given = (
            "--key",
            "alice.pub",
            "--output-file",
            file,
            "--test-file",
            f"test-{file}",
            "--layout",
            f"{other}=image",
        )
        assert new(f"{repository}:{tag}", *given).code == 0
    assert {path.name for path in (tmp_path / "testdata").iterdir()} == {"acme-api", "other-api"}
    assert passes("test-acme.yaml")
    assert passes("test-other.yaml")
