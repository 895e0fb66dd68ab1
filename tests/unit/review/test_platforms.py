"""The images that a digest stands for, and what rules make of their configurations and of their evidence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.manifest import OCI_INDEX, OCI_MANIFEST, Platform
from gate.image.platforms import ConfigsWanted, PlatformImage
from gate.image.reference import Reference
from gate.policy.plan import Stage
from gate.review.kept import Blobs
from gate.review.limits import MAX_INSIDE, MAX_NESTED, MAX_PLATFORMS
from gate.review.platforms import Platforms
from gate.review.threads import Threads
from tests.fakes.clients import soon
from tests.fakes.signing import alice, bob
from tests.unit.policy.build import Json, policies, policy
from tests.unit.review.build import NAME, TAGGED, World, world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.image.digest import Digest
    from gate.policy.policy_set import PolicySet

AMD64, ARM64, S390 = Platform("linux", "amd64"), Platform("linux", "arm64"), Platform("linux", "s390x")
NOBODY = Platform("unknown", "unknown")
REPOSITORY = Reference.parse(NAME).name
ALL = ConfigsWanted(None)
NON_ROOT: Json = {"User": "65532"}


class Made:
    """A registry, and what reads platforms from it."""

    def __init__(self) -> None:
        self.here = World()
        self.threads = Threads(4)
        self.repository = self.here.registry.repository(NAME)
        blobs = Blobs(self.here.store)
        self.platforms = Platforms(self.here.registry, blobs, self.threads.lanes, self.here.clock.monotonic, cache=True)

    def read(self, digest: Digest, configs: ConfigsWanted | None = ALL) -> tuple[PlatformImage, ...]:
        return self.platforms.of(REPOSITORY, digest, configs, soon())

    def code(self, digest: Digest, configs: ConfigsWanted | None = ALL) -> Code:
        with pytest.raises(EvidenceUnavailable) as caught:
            self.read(digest, configs)
        return caught.value.code

    def image(self, platform: Platform, content: str = "x", **config: object) -> Digest:
        return self.repository.image(None, f"{content} for {platform}", platform=platform, config=config)

    def index(self, *entries: Digest | tuple[Digest, Platform], media_type: str = OCI_MANIFEST) -> Digest:
        """Of manifests, some with a platform."""
        listed = []
        for entry in entries:
            digest, platform = entry if isinstance(entry, tuple) else (entry, None)
            described: Json = {"mediaType": media_type, "digest": str(digest), "size": 100}
            if platform is not None:
                described["platform"] = {"os": platform.os, "architecture": platform.architecture}
            listed.append(described)
        return self.repository.manifest({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}).digest


@pytest.fixture
def made() -> Iterator[Made]:
    made = Made()
    try:
        yield made
    finally:
        made.threads.close()
        made.here.reviewer.close()


def named(images: tuple[PlatformImage, ...]) -> list[str]:
    return [f"{image}{'' if image.config is None else '+'}" for image in images]


def test_an_image_is_itself(made: Made) -> None:
    digest = made.image(ARM64, User="7")
    (found,) = made.read(digest)
    assert (found.digest, found.platform) == (digest, ARM64)
    assert found.config is not None
    assert found.config.user == "7"


def test_an_index_has_one_for_each_platform_but_those_that_cannot_run(made: Made) -> None:
    attested = made.image(NOBODY, "attestation")
    digest = made.index((made.image(AMD64), AMD64), (attested, NOBODY), (made.image(ARM64), ARM64))
    assert named(made.read(digest)) == ["linux/amd64+", "linux/arm64+"]


def test_only_configurations_that_are_wanted_are_read(made: Made) -> None:
    digest = made.index((made.image(AMD64), AMD64), (made.image(ARM64), ARM64), made.image(S390))
    assert named(made.read(digest, ConfigsWanted(frozenset({ARM64})))) == [
        "linux/amd64",
        "linux/arm64+",
        "linux/s390x+",
    ]
    made.here.registry.calls.clear()
    assert [image.config for image in made.read(digest, None)] == [None] * 3
    assert made.here.registry.calls["blob"] == 0


def test_one_without_a_platform_has_that_of_its_configuration(made: Made) -> None:
    digest = made.index(made.image(ARM64))
    assert named(made.read(digest, ConfigsWanted())) == ["linux/arm64+"]


def test_indexes_in_an_index_are_followed(made: Made) -> None:
    inner = made.index((made.image(AMD64), AMD64), made.image(ARM64))
    digest = made.index((inner, S390), media_type=OCI_INDEX)
    assert named(made.read(digest)) == ["linux/amd64+", "linux/s390x+"]  # the outer says what the inner does not
    assert named(made.read(made.index((inner, NOBODY), media_type=OCI_INDEX))) == []


def test_indexes_that_are_too_deep(made: Made) -> None:
    digest = made.index((made.image(AMD64), AMD64))
    for _ in range(MAX_NESTED):
        digest = made.index(digest, media_type=OCI_INDEX)
    assert named(made.read(digest)) == ["linux/amd64+"]
    assert made.code(made.index(digest, media_type=OCI_INDEX)) is Code.RESPONSE_TOO_LARGE


def test_an_index_of_too_many(made: Made) -> None:
    images = [made.image(Platform("linux", f"cpu{i}")) for i in range(MAX_PLATFORMS + 1)]
    assert len(made.read(made.index(*images[:-1]), None)) == MAX_PLATFORMS
    assert made.code(made.index(*images), None) is Code.RESPONSE_TOO_LARGE
    assert made.code(made.index(*images[:40], made.index(*images[40:])), ALL) is Code.REGISTRY_PROTOCOL
    made.here.registry.calls.clear()
    assert made.code(made.index(*images), ALL) is Code.RESPONSE_TOO_LARGE
    assert not made.here.registry.calls  # before any of them is asked for


def test_configurations_that_say_too_much(made: Made) -> None:
    """Each is small enough, and all of them are held until they are judged."""
    labels = {f"l{i}": "x" * 1000 for i in range(800)}
    large = [made.image(Platform("linux", f"cpu{i}"), Labels=labels) for i in range(9)]
    assert len(made.read(made.index(*large[:4]))) == 4
    assert made.code(made.index(*large)) is Code.RESPONSE_TOO_LARGE
    assert made.read(made.index(*large), None)


def test_a_configuration_in_an_index_that_is_too_large(made: Made) -> None:
    huge = made.image(AMD64, Labels={"x": "x" * MAX_INSIDE})
    assert made.read(huge)[0].config is not None  # by itself it is one
    other = Made()
    again = other.image(AMD64, Labels={"x": "x" * MAX_INSIDE})
    assert other.code(other.index((again, AMD64))) is Code.RESPONSE_TOO_LARGE
    other.threads.close()
    other.here.reviewer.close()


def test_an_index_where_an_image_is_said_to_be_and_the_other_way_round(made: Made) -> None:
    image = made.image(AMD64)
    assert made.code(made.index((made.index(image), AMD64))) is Code.REGISTRY_PROTOCOL
    assert made.code(made.index((image, AMD64), media_type=OCI_INDEX)) is Code.REGISTRY_PROTOCOL


def test_one_that_is_gone(made: Made) -> None:
    gone = made.image(AMD64)
    digest = made.index((gone, AMD64), (made.image(ARM64), ARM64))
    del made.repository.manifests[gone]
    assert made.code(digest) is Code.IMAGE_NOT_FOUND
    assert named(made.read(digest, ConfigsWanted(frozenset({ARM64})))) == ["linux/amd64", "linux/arm64+"]
    assert made.code(gone) is Code.IMAGE_NOT_FOUND


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"not JSON",
        b'{"os": "linux", "OS": "windows"}',
        b'{"config": {"User": "65532", "user": "0"}}',
        b'{"config": {"User": "65532", "User": "0"}}',
        b'{"config": {"Labels": []}}',
    ],
)
def test_what_is_no_configuration_is_an_error(made: Made, content: bytes) -> None:
    config = made.repository.blob(content)
    described = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": str(config), "size": len(content)}
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described, "layers": []}
    assert made.code(made.repository.manifest(document).digest) is Code.REGISTRY_PROTOCOL


def test_what_was_read_is_not_read_again(made: Made) -> None:
    digest = made.index((made.image(AMD64), AMD64), (made.image(ARM64), ARM64))
    assert made.platforms.at_hand(REPOSITORY, digest, ALL) is None
    found = made.read(digest)
    made.here.registry.calls.clear()
    assert made.read(digest) == found == made.platforms.at_hand(REPOSITORY, digest, ALL)
    other = Platforms(  # of another process, with the same store
        made.here.registry, Blobs(made.here.store), made.threads.lanes, made.here.clock.monotonic, cache=True
    )
    assert other.of(REPOSITORY, digest, ALL, soon()) == found
    assert not made.here.registry.calls


def test_a_store_that_lies_is_not_believed(made: Made) -> None:
    digest = made.image(AMD64, User="0")
    good = made.read(digest)
    for key in list(made.here.store.values):
        made.here.store.values[key] = made.here.store.values[key].replace(b'"User":"0"', b'"User":"7"')
    other = Platforms(
        made.here.registry, Blobs(made.here.store), made.threads.lanes, made.here.clock.monotonic, cache=True
    )
    assert other.of(REPOSITORY, digest, ALL, soon()) == good


def test_other_credentials_have_their_own(made: Made) -> None:
    digest = made.image(AMD64)
    made.read(digest)
    made.here.registry.scopes[REPOSITORY] = "another"
    assert made.platforms.at_hand(REPOSITORY, digest, ALL) is None
    made.here.registry.unknown_scopes.add(REPOSITORY)
    assert made.platforms.at_hand(REPOSITORY, digest, ALL) is None


# with rules


def rule(**fields: object) -> PolicySet:
    return policies(policy([{"image": fields}]))


def push(here: World, *built: tuple[Platform, Json]) -> list[Digest]:
    """The index `v1` of images with these configurations."""
    repository = here.registry.repository(NAME)
    images = [
        (repository.image(None, f"for {platform}", platform=platform, config=config), platform)
        for platform, config in built
    ]
    here.digest = repository.index("v1", images)
    return [digest for digest, _ in images]


def test_rules_on_configurations() -> None:
    with world() as here:
        push(here, (AMD64, NON_ROOT), (ARM64, {}))
        assert here.codes(rule(nonRoot=True)) == [("RUNS_AS_ROOT", "deny")]
        assert here.codes(rule(nonRoot=True, platforms=["linux/amd64"])) == []
        assert here.codes(rule(platforms=["linux/amd64", "linux/s390x"])) == [("PLATFORM_MISSING", "deny")]


def test_what_is_at_hand_is_judged_at_once() -> None:
    with world() as here:
        push(here, (AMD64, NON_ROOT))
        assert here.codes(rule(nonRoot=True)) == []
        here.registry.calls.clear()
        assert here.codes(rule(nonRoot=True)) == []
        assert not here.registry.calls


def test_mutate_reads_no_configuration() -> None:
    with world() as here:
        push(here, (AMD64, {}))
        assert here.codes(rule(nonRoot=True), stage=Stage.MUTATE) == []
        assert here.registry.calls["blob"] == 0


def test_a_configuration_that_cannot_be_read_is_an_error_of_its_rule_alone() -> None:
    found = policies(policy([{"image": {"nonRoot": True}}, {"signature": {"by": "a"}}]))
    with world() as here:
        here.registry.sign_legacy(NAME, here.digest, alice())
        here.registry.fail_with("blob", Code.REGISTRY_TIMEOUT)
        review = here.review(found)
        assert [(f.code, f.rule) for f in review.decision.findings if f.verdict.stops] == [
            ("REGISTRY_TIMEOUT", "image")
        ]
        here.registry.heal()
        assert ("RUNS_AS_ROOT", "deny") in here.codes(found)  # a failure is not kept


# evidence of every platform

BY_A = {"by": "a"}


def everywhere(**fields: object) -> PolicySet:
    return policies(policy([{"signature": {**BY_A, "platformEvidence": "all", **fields}}]))


@pytest.mark.parametrize("stage", [Stage.CHECK, Stage.VALIDATE])
@pytest.mark.parametrize(
    ("signed", "found"),
    [
        ([], "SIGNATURE_MISSING"),
        (["index"], ""),
        ([AMD64], "SIGNATURE_MISSING"),
        ([AMD64, ARM64], ""),
        (["index", AMD64], ""),
    ],
)
def test_every_platform_stands_in_for_the_index(signed: list[str | Platform], found: str, stage: Stage) -> None:
    with world() as here:
        amd, arm = push(here, (AMD64, {}), (ARM64, {}), (NOBODY, {}))[:2]
        digests = {"index": here.digest, AMD64: amd, ARM64: arm}
        for what in signed:
            here.registry.sign_legacy(NAME, digests[what], alice())
        pinned = here.pinned if stage is Stage.VALIDATE else TAGGED
        assert here.codes(everywhere(), pinned, stage) == ([(found, "deny")] if found else [])
        # and from what is kept by now
        assert here.codes(everywhere(), pinned, stage) == ([(found, "deny")] if found else [])


def test_without_the_field_it_does_not() -> None:
    with world() as here:
        for digest in push(here, (AMD64, {}), (ARM64, {})):
            here.registry.sign_legacy(NAME, digest, alice())
        assert here.codes(policies(policy([{"signature": BY_A}]))) == [("SIGNATURE_MISSING", "deny")]
        assert here.codes(everywhere()) == []


def test_another_signer_on_one_platform_is_not_enough() -> None:
    with world() as here:
        amd, arm = push(here, (AMD64, {}), (ARM64, {}))
        here.registry.sign_legacy(NAME, amd, alice())
        here.registry.sign_legacy(NAME, arm, bob())
        (finding,) = (f for f in here.review(everywhere()).decision.findings if f.verdict.stops)
        assert finding.code == "SIGNATURE_MISSING"
        assert finding.message.endswith("; nor is every image of the index: linux/arm64 (KEY_MISMATCH)")


def test_an_image_by_itself_has_no_others_that_stand_in() -> None:
    with world() as here:
        assert here.codes(everywhere()) == [("SIGNATURE_MISSING", "deny")]
        push(here, (NOBODY, {}))  # an index of nothing that runs
        assert here.codes(everywhere()) == [("SIGNATURE_MISSING", "deny")]


def test_what_is_not_known_of_a_platform_is_an_error_and_not_missing() -> None:
    with world() as here:
        amd, arm = push(here, (AMD64, {}), (ARM64, {}))
        for digest in (amd, arm):
            here.registry.sign_legacy(NAME, digest, alice())
        here.registry.fail_with(f"referrers:{arm}", Code.REGISTRY_TIMEOUT)
        here.registry.fail_with(f"manifest:{arm.tag}.sig", Code.REGISTRY_TIMEOUT)
        (finding,) = (f for f in here.review(everywhere()).decision.findings if f.verdict.stops)
        assert (finding.code, finding.verdict) == ("REGISTRY_TIMEOUT", "error")
        assert finding.message.startswith("on linux/arm64: ")
        here.registry.heal()
        assert here.codes(everywhere()) == []


def test_an_index_that_cannot_be_read_is_an_error() -> None:
    with world() as here:
        push(here, (AMD64, {}))
        here.registry.fail_with(f"manifest:{here.digest}", Code.REGISTRY_RATE_LIMITED)
        assert here.codes(everywhere()) == [("REGISTRY_RATE_LIMITED", "error")]


def test_one_that_is_not_signed_denies_whatever_is_not_known_of_another() -> None:
    with world() as here:
        _, arm = push(here, (AMD64, {}), (ARM64, {}))
        here.registry.fail_with(f"referrers:{arm}", Code.REGISTRY_TIMEOUT)
        here.registry.fail_with(f"manifest:{arm.tag}.sig", Code.REGISTRY_TIMEOUT)
        assert here.codes(everywhere()) == [("SIGNATURE_MISSING", "deny")]


def test_a_signature_of_one_platform_says_nothing_of_another() -> None:
    # what is verified is compared with the digest that it is for
    with world() as here:
        amd, arm = push(here, (AMD64, {}), (ARM64, {}))
        here.registry.sign_legacy(NAME, amd, alice())
        repository = here.registry.repository(NAME)
        repository.tags[f"{arm.tag}.sig"] = repository.tags[f"{amd.tag}.sig"]
        (finding,) = (f for f in here.review(everywhere()).decision.findings if f.verdict.stops)
        assert "linux/arm64" in finding.message


def test_an_index_is_no_json_trick() -> None:
    # the same manifest under two platforms is signed once and counts for both: it is what runs
    with world() as here:
        repository = here.registry.repository(NAME)
        image = repository.image(None, "one", platform=AMD64)
        here.digest = repository.index("v1", [(image, AMD64), (image, ARM64)])
        here.registry.sign_legacy(NAME, image, alice())
        assert here.codes(everywhere()) == []
        assert json.loads(repository.manifests[here.digest])["manifests"][0]["digest"] == str(image)


@pytest.mark.parametrize(
    "spelled",
    [Platform("linux", "x86_64"), Platform("Linux", "AMD64"), Platform("", "amd64"), Platform("linux", "amd64", "v3")],
)
def test_an_image_in_front_that_spells_its_platform_otherwise_is_judged_too(spelled: Platform) -> None:
    with world() as here:
        push(here, (spelled, {}), (AMD64, NON_ROOT))
        assert here.codes(rule(nonRoot=True, platforms=["linux/amd64"])) == [("RUNS_AS_ROOT", "deny")]


@pytest.mark.parametrize("by", ["revocation", "denyDigests"])
def test_what_is_revoked_does_not_run_inside_of_an_index(by: str) -> None:
    with world() as here:
        (amd,) = push(here, (AMD64, {}))
        here.registry.sign_legacy(NAME, amd, alice())
        assert here.codes(everywhere()) == []
        revoked = {
            "apiVersion": "imagegate.dev/v1",
            "kind": "GateRevocation",
            "metadata": {"name": "r"},
            "spec": {"digests": [str(amd)], "reason": "stolen"},
        }
        rules: list[Json] = [{"signature": {**BY_A, "platformEvidence": "all"}}]
        if by == "revocation":
            assert here.codes(policies(policy(rules), revoked)) == [("REVOKED", "deny")]
        else:
            denied = policies(policy([*rules, {"image": {"denyDigests": [str(amd)]}}]))
            assert here.codes(denied) == [("DIGEST_DENIED", "deny")]
