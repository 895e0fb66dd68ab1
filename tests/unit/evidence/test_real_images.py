"""Images that others signed with cosign and published (see the table in the data's README)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gate.codes import Code
from gate.errors import ParseError
from gate.evidence.facts import Format, Rejection, VerifiedSignature
from gate.evidence.verifier import Candidate, verify
from gate.image.digest import Digest
from gate.image.manifest import Manifest, parse_manifest
from gate.image.reference import Repository
from gate.trust.key import PublicKey

CHECKOUT = Path(__file__).parents[3]
KEYS = ("alice", "bob", "charlie", "default")
ALICE = "sha256:071bf7a986f1ca9cb2a1f0bc8392822a7777f90d58f2d2c6f271913e08de7c81"
ALL_THREE = "sha256:bfec161fecb0a887df7cb85e4da327c65986ccda7060cf3cd92171c6c90d7533"
KEYLESS = "sha256:31dc72a13a0c34b40eb95419d2b2fd67320c856baf3b72da518023ee8d370aee"
IMAGES = {
    "multi-cosigned-alice": (ALICE, ("alice",), 1),
    "multi-cosigned-alice-bob-charlie": (ALL_THREE, ("alice", "bob", "charlie"), 3),
    "keyless": (KEYLESS, (), 1),
}
TESTIMAGE = Repository("docker.io", "securesystemsengineering/testimage")


@pytest.fixture(scope="module")
def data() -> Path:
    environment = os.environ  # noqa: TID251 - where the data is, is the environment's to say
    found = environment.get("IMAGEGATE_REAL_DATA") or str(CHECKOUT.parent / "shared" / "testdata")
    folder = Path(found) / "cosign-legacy"
    if not folder.is_dir():
        reason = f"no real signed data in {folder}: set IMAGEGATE_REAL_DATA"
        if environment.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


def manifest(data: Path, tag: str, digest: Digest | None = None) -> Manifest:
    content = (data / "manifests" / f"{tag}.json").read_bytes()
    assert digest is None or digest.matches(content)
    found = parse_manifest(content)
    assert isinstance(found, Manifest)
    return found


def candidates(data: Path, image: Digest) -> list[Candidate]:
    return [
        Candidate(Format.LEGACY, layer.digest, layer.media_type, blob(data, layer.digest), layer.annotations)
        for layer in manifest(data, f"{image.tag}.sig").layers
    ]


def blob(data: Path, digest: Digest) -> bytes:
    content = (data / "blobs" / f"{digest}.json").read_bytes()
    assert digest.matches(content)
    return content


def key(data: Path, name: str) -> PublicKey:
    return PublicKey.parse((data / f"{name}.key").read_bytes())


def signatures(data: Path, image: Digest, keys: list[PublicKey]) -> list[VerifiedSignature]:
    verdicts = [verify(candidate, image, keys) for candidate in candidates(data, image)]
    return [fact for verdict in verdicts if not isinstance(verdict, Rejection) for fact in verdict]


@pytest.mark.parametrize("tag", IMAGES)
def test_the_tag_has_the_stated_digest_and_candidates(data: Path, tag: str) -> None:
    text, _, count = IMAGES[tag]
    assert manifest(data, tag, Digest.parse(text)).layers
    assert len(candidates(data, Digest.parse(text))) == count


@pytest.mark.parametrize("tag", IMAGES)
@pytest.mark.parametrize("name", KEYS)
def test_each_key_on_each_image(data: Path, tag: str, name: str) -> None:
    text, signers, _ = IMAGES[tag]
    found = signatures(data, Digest.parse(text), [key(data, name)])
    assert [fact.signer.key for fact in found] == [key(data, name)] * (name in signers)
    for fact in found:
        assert (fact.docker_reference, fact.annotations) == (TESTIMAGE, {})
        assert not fact.log_entry_unchecked


def test_three_of_three_distinct_signers(data: Path) -> None:
    keys = [key(data, name) for name in KEYS]
    found = signatures(data, Digest.parse(ALL_THREE), keys)
    assert {fact.signer.principal for fact in found} == {f"key:{k.fingerprint}" for k in keys[:3]}
    assert len(found) == 3
    assert len({fact.digest for fact in found}) == 1


def test_keyless_is_only_rejected_with_keys(data: Path) -> None:
    image = Digest.parse(KEYLESS)
    verdicts = [verify(c, image, [key(data, name) for name in KEYS]) for c in candidates(data, image)]
    assert [v.code for v in verdicts if isinstance(v, Rejection)] == [Code.KEY_MISMATCH]
    assert "certificate" in str(verdicts[0])


@pytest.mark.parametrize(("signed", "shown"), [(ALICE, ALL_THREE), (ALL_THREE, ALICE), (KEYLESS, ALICE)])
def test_signatures_of_one_image_do_not_count_for_another(data: Path, signed: str, shown: str) -> None:
    keys = [key(data, name) for name in KEYS]
    for candidate in candidates(data, Digest.parse(signed)):
        assert isinstance(verify(candidate, Digest.parse(shown), keys), Rejection)


def test_an_empty_object_is_no_manifest(data: Path) -> None:
    with pytest.raises(ParseError, match="not a manifest"):
        parse_manifest((data / "manifests" / "co-unsigned.json").read_bytes())
