from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.demo.images import BUNDLE, COSIGN_ARTIFACT, OCI_CONFIG, Layer
from gate.evidence import cosign
from gate.evidence.dsse import ENVELOPE
from gate.evidence.facts import Format, Storage
from gate.image.digest import Digest
from gate.image.manifest import OCI_INDEX
from gate.image.reference import Reference
from gate.policy.trust import TrustNeeds, WitnessedKey
from gate.review.collect import Collector
from gate.review.contents import Contents
from gate.review.examine import Examiner
from gate.review.kept import Blobs, Nothing
from gate.review.lanes import Lanes
from gate.review.limits import MAX_BESIDE, MAX_CANDIDATES, MAX_SIGNATURE, MAX_SIGNATURES
from gate.review.listing import Listing, Place
from gate.review.selection import selected
from tests.fakes.clock import SettableClock
from tests.fakes.registry_simulator import RegistrySimulator
from tests.fakes.roots import NoRoots
from tests.fakes.signing import alice, bob
from tests.unit.review.build import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.demo.signing import SigningKey
    from gate.evidence.facts import Evidence
    from gate.image.reference import Repository

HOME = Reference.parse(NAME).name
HERE = Storage(HOME)
NOTATION = "application/vnd.cncf.notary.signature"


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture
def registry() -> RegistrySimulator:
    return RegistrySimulator()


@pytest.fixture
def image(registry: RegistrySimulator) -> Digest:
    return registry.push_image(NAME, "v1")


def place_of(image: Digest, storage: Storage = HERE, *, attestations: bool = False) -> Place:
    return Place(storage, image, "", HOME, attestations)


def collect(
    registry: RegistrySimulator,
    executor: ThreadPoolExecutor,
    image: Digest,
    storage: Storage = HERE,
    *,
    attestations: bool = False,
) -> Listing:
    """The last of the listings."""
    place = place_of(image, storage, attestations=attestations)
    (*growing, whole) = Collector(registry, Lanes(executor, 8, 64)).collect(place, SettableClock().deadline())
    assert all(listing.growing for listing in growing)
    assert not whole.growing
    return whole


def verified(
    registry: RegistrySimulator, executor: ThreadPoolExecutor, listing: Listing, *keys: SigningKey
) -> Evidence:
    needs = TrustNeeds(tuple(WitnessedKey(key.public) for key in keys))
    examiner = Examiner(Contents(registry, Blobs(Nothing()), Lanes(executor, 8, 64)), NoRoots())
    return examiner.examine(place_of(listing.image), listing, needs, SettableClock().deadline())


def formats(listing: Listing) -> list[Format]:
    return [c.format for c in listing.entries]


def test_all_storages_in_three_waves(registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest) -> None:
    registry.sign_legacy(NAME, image, alice())
    registry.sign_referrer_legacy(NAME, image, alice())
    registry.sign_bundle(NAME, image, alice())
    found = collect(registry, executor, image)
    assert sorted(formats(found)) == sorted([Format.LEGACY, Format.REFERRER_LEGACY, Format.BUNDLE])
    assert found.complete
    assert dict(registry.calls) == {"manifest": 4, "referrers": 1}
    assert len(verified(registry, executor, found, alice()).signatures) == 3
    # the simple-signing payload is the same text in both places, and one that need not be read
    assert registry.calls["blob"] == 1


def test_the_first_wave_is_asked_side_by_side(
    registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest
) -> None:
    together = threading.Barrier(3)
    seen: list[str] = []

    def hook(method: str, _repository: Repository, what: str) -> None:
        if len(seen) < 3:
            seen.append(f"{method}:{what}")
            together.wait(30)

    registry.hook = hook
    assert collect(registry, executor, image).entries == ()
    assert sorted(seen) == sorted([f"manifest:{image.tag}", f"manifest:{image.tag}.sig", f"referrers:{image}"])


def test_the_fallback_tag(executor: ThreadPoolExecutor) -> None:
    registry = RegistrySimulator(referrers_api=False)
    image = registry.push_image(NAME, "v1")
    registry.sign_bundle(NAME, image, alice())
    registry.sign_referrer_legacy(NAME, image, bob())
    assert sorted(formats(collect(registry, executor, image))) == [Format.BUNDLE, Format.REFERRER_LEGACY]


def test_a_referrer_listed_twice_is_read_once(
    registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest
) -> None:
    repository = registry.repository(NAME)
    signature = registry.sign_bundle(NAME, image, alice())
    content = repository.content(signature)
    assert content is not None
    entry = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": str(signature), "size": len(content)}
    repository.manifest({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry, entry]}, image.tag)
    assert formats(collect(registry, executor, image)) == [Format.BUNDLE]


def test_what_a_referrer_says_of_itself_decides(
    registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest
) -> None:
    repository = registry.repository(NAME)
    other = registry.push_image(NAME, "other", "other")
    about_other = repository.sign_bundle(other, alice())
    content = repository.content(about_other)
    assert content is not None
    entry = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": str(about_other),
        "size": len(content),
    }
    # a listing that names it for this image is only a listing
    repository.manifest({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}, image.tag)
    found = collect(registry, executor, image)
    assert (found.entries, found.unavailable) == ((), ())


def test_notation_is_seen_and_not_fetched(
    registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest
) -> None:
    layer = Layer("application/jose+json", b"an envelope")
    registry.repository(NAME).attach(image, NOTATION, [layer], config=Layer(NOTATION, b"{}"))
    found = collect(registry, executor, image)
    assert formats(found) == [Format.NOTATION]
    assert registry.calls["blob"] == 0
    (rejected,) = verified(registry, executor, found, alice()).rejected
    assert rejected.code is Code.SIGNATURE_UNSUPPORTED


@pytest.mark.parametrize(
    ("artifact_type", "layers"),
    [
        ("application/vnd.example.sbom", [Layer("application/spdx+json", b"{}")]),
        (BUNDLE, [Layer("application/json", b"{}")]),
        (BUNDLE, [Layer(BUNDLE, b"{}"), Layer(BUNDLE, b"[]")]),
        (BUNDLE, []),
    ],
)
def test_other_referrers_are_not_fetched(
    registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest, artifact_type: str, layers: list[Layer]
) -> None:
    registry.repository(NAME).attach(image, artifact_type, layers)
    found = collect(registry, executor, image)
    assert (found.entries, found.complete, registry.calls["blob"]) == ((), True, 0)


def test_another_layer_type_beside_a_signature(
    registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest
) -> None:
    payload, annotations = alice().simple_signing(image, NAME)
    layers = [Layer("application/octet-stream", b"x"), Layer(cosign.SIMPLE_SIGNING, payload, annotations)]
    registry.repository(NAME).attach(image, COSIGN_ARTIFACT, layers, config=Layer(OCI_CONFIG, b"{}"))
    facts = verified(registry, executor, collect(registry, executor, image), alice())
    assert (len(facts.signatures), [r.code for r in facts.rejected]) == (1, [Code.SIGNATURE_UNSUPPORTED])


@pytest.mark.parametrize(
    ("sizes", "listed", "asked"),
    [
        ([MAX_SIGNATURES + 1], 0, 0),
        ([MAX_SIGNATURES // 5] * 6, 5, 5),
        ([MAX_SIGNATURE], 1, 1),
    ],
)
def test_sizes_are_bounded_before_anything_is_fetched(
    registry: RegistrySimulator,
    executor: ThreadPoolExecutor,
    image: Digest,
    sizes: list[int],
    listed: int,
    asked: int,
) -> None:
    repository = registry.repository(NAME)
    registry.sign_legacy(NAME, image, alice())
    tag = f"{image.tag}.sig"
    document = json.loads(repository.content(tag) or b"")
    first = document["layers"][0]
    document["layers"] = [
        {**first, "digest": str(repository.blob(bytes([i]))), "size": size} for i, size in enumerate(sizes)
    ]
    repository.manifest(document, tag)
    found = selected(collect(registry, executor, image), place_of(image), frozenset())
    cut = [Code.RESPONSE_TOO_LARGE] if listed < len(sizes) else []
    assert (len(found.entries), [u.code for u in found.unavailable]) == (listed, cut)
    # what says that it is of a size that is allowed is asked for, and is not what it says
    evidence = verified(registry, executor, found, alice())
    assert sum(u.code is Code.REGISTRY_PROTOCOL for u in evidence.unavailable) == asked
    assert registry.calls["blob"] == asked


def test_the_image_is_looked_for_before_it_is_called_unsigned(
    registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest
) -> None:
    assert collect(registry, executor, image).complete
    assert registry.log[-1] == ("manifest", HOME, str(image))
    del registry.repository(NAME).manifests[image]
    found = collect(registry, executor, image)
    assert [u.code for u in found.unavailable] == [Code.IMAGE_NOT_FOUND]


def test_the_image_is_looked_for_where_it_is(
    registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest
) -> None:
    elsewhere = Reference.parse("registry.test/signatures").name
    found = collect(registry, executor, image, Storage(elsewhere))
    assert (found.entries, found.unavailable) == ((), ())
    assert registry.log[-1] == ("manifest", HOME, str(image))


# what is broken is never taken for what is not there


def index_of(*digests: Digest) -> dict[str, object]:
    entries = [
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": str(digest), "size": 5}
        for digest in digests
    ]
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}


def assert_broken(listing: Listing, words: str) -> None:
    assert [u.code for u in listing.unavailable] == [Code.REGISTRY_PROTOCOL]
    assert words in listing.unavailable[0].message
    assert str(HOME.path) in listing.unavailable[0].message


def test_a_listed_referrer_that_is_not_there(
    registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest
) -> None:
    repository = registry.repository(NAME)
    repository.manifest(index_of(Digest.of(b"gone"), Digest.of(b"gone too")), image.tag)
    assert_broken(collect(registry, executor, image), "lists the referrer")
    # what else is there is read all the same
    registry.sign_bundle(NAME, image, alice())
    found = collect(registry, executor, image)
    assert formats(found) == [Format.BUNDLE]
    assert not found.complete


def test_a_fallback_tag_that_is_an_image(
    registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest
) -> None:
    registry.set_tag(NAME, image.tag, registry.push_image(NAME, None, "another"))
    assert_broken(collect(registry, executor, image), f"its tag {image.tag} is an image")
    registry.sign_legacy(NAME, image, alice())
    found = collect(registry, executor, image)
    assert formats(found) == [Format.LEGACY]
    assert not found.complete


@pytest.mark.parametrize("tag", ["sig", "att"])
def test_a_tag_of_signatures_that_is_an_index(
    registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest, tag: str
) -> None:
    repository = registry.repository(NAME)
    repository.manifest(index_of(image), f"{image.tag}.{tag}")
    found = collect(registry, executor, image, attestations=True)
    assert_broken(found, "is a list of manifests")
    # `.att` is nobody's business where no attestation is wanted
    assert collect(registry, executor, image).complete is (tag == "att")


def test_a_referrer_that_is_an_index_is_no_signature(
    registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest
) -> None:
    repository = registry.repository(NAME)
    described = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": str(image), "size": 5}
    repository.manifest({**index_of(image), "subject": described})
    found = collect(registry, executor, image)
    assert (found.entries, found.rejected, found.complete) == ((), (), True)


def test_a_bundle_manifest_of_two_layers_is_rejected_and_said(
    registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest
) -> None:
    bundle = alice().bundle(image)
    registry.repository(NAME).attach(image, BUNDLE, [Layer(BUNDLE, bundle), Layer(BUNDLE, bundle + b" ")])
    found = collect(registry, executor, image)
    assert (found.entries, found.complete) == ((), True)
    assert [(r.format, r.code) for r in found.rejected] == [(Format.BUNDLE, Code.SIGNATURE_INVALID)]


def test_cosigns_tags_may_have_a_prefix(
    registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest
) -> None:
    repository = registry.repository(NAME)
    payload, beside = alice().simple_signing(image, NAME)
    layer = Layer(cosign.SIMPLE_SIGNING, payload, beside)
    repository.append(f"team-{image.tag}.sig", layer)
    repository.append(f"team-{image.tag}.att", Layer(ENVELOPE, b"{}"))
    repository.sign_bundle(image, alice())

    def found(prefix: str, *, attestations: bool = False) -> list[Format]:
        return formats(collect(registry, executor, image, Storage(HOME, prefix), attestations=attestations))

    # referrers have no tags of cosign's: they count for whoever asks
    assert found("") == [Format.BUNDLE]
    assert sorted(found("team-")) == [Format.BUNDLE, Format.LEGACY]
    assert sorted(found("team-", attestations=True)) == [Format.BUNDLE, Format.LEGACY, Format.LEGACY]
    assert found("teams-") == [Format.BUNDLE]


# attestations


@pytest.mark.parametrize("wanted", [False, True])
def test_the_tag_of_attestations_is_asked_for_where_they_are_wanted(
    registry: RegistrySimulator,
    executor: ThreadPoolExecutor,
    image: Digest,
    wanted: bool,  # noqa: FBT001
) -> None:
    repository = registry.repository(NAME)
    repository.sign_bundle(image, alice(), predicate_type="https://spdx.dev/Document")
    repository.append(f"{image.tag}.att", Layer(ENVELOPE, b"{}", {"predicateType": "https://openvex.dev/ns"}))
    found = collect(registry, executor, image, attestations=wanted)
    seen = {(entry.format, entry.predicate_type) for entry in found.entries}
    of_tag = {(Format.LEGACY, "https://openvex.dev/ns")} if wanted else set()
    assert seen == {(Format.BUNDLE, "https://spdx.dev/Document")} | of_tag
    asked = {what for method, _, what in registry.log if method == "manifest"}
    assert (f"{image.tag}.att" in asked) is wanted


# caps


def crowd(registry: RegistrySimulator, image: Digest, referrers: int, layers: int) -> None:
    """Referrers with many layers each, all of one payload."""
    repository = registry.repository(NAME)
    payload, annotations = bob().simple_signing(image, NAME)
    for i in range(referrers):
        layer = Layer(cosign.SIMPLE_SIGNING, payload, {**annotations, "referrer": str(i)})
        repository.attach(image, COSIGN_ARTIFACT, [layer] * layers, config=Layer(COSIGN_ARTIFACT, b"{}"))


@pytest.mark.parametrize(
    ("referrers", "layers", "complete"), [(1, MAX_CANDIDATES, True), (10, 100, True), (2, 501, False)]
)
def test_candidates_are_counted_over_all_places(
    registry: RegistrySimulator,
    executor: ThreadPoolExecutor,
    image: Digest,
    referrers: int,
    layers: int,
    complete: bool,  # noqa: FBT001
) -> None:
    crowd(registry, image, referrers, layers)
    found = collect(registry, executor, image)
    assert len(found.entries) == MAX_CANDIDATES
    assert [u.code for u in found.unavailable] == ([] if complete else [Code.RESPONSE_TOO_LARGE])


def test_the_tag_is_read_before_the_crowd_of_referrers(
    registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest
) -> None:
    registry.sign_legacy(NAME, image, alice())
    crowd(registry, image, 3, 500)
    found = collect(registry, executor, image)
    assert (len(found.entries), found.entries[0].format) == (MAX_CANDIDATES, Format.LEGACY)


def test_annotations_count_as_bytes(registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest) -> None:
    repository = registry.repository(NAME)
    large = MAX_BESIDE // 10
    for i in range(11):
        layer = Layer(cosign.SIMPLE_SIGNING, str(i).encode(), {cosign.SIGNATURE: "y" * large})
        repository.attach(image, COSIGN_ARTIFACT, [layer], config=Layer(COSIGN_ARTIFACT, b"{}"))
    found = collect(registry, executor, image)
    assert [u.code for u in found.unavailable] == [Code.RESPONSE_TOO_LARGE]
    assert len(found.entries) == 10
    assert found.size > 9 * large


def test_a_listing_says_whether_more_time_would_have_shown_more(
    registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest
) -> None:
    for code, timed_out in [
        (Code.REGISTRY_TIMEOUT, True),
        (Code.DEADLINE_EXCEEDED, True),
        (Code.REGISTRY_UNAUTHORIZED, False),
    ]:
        registry.fail_with("referrers", code)
        found = collect(registry, executor, image)
        assert (found.complete, found.timed_out) == (False, timed_out)


def test_the_image_itself_under_the_fallback_tag_is_no_list(
    registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest
) -> None:
    """`cosign copy` leaves such a tag behind: an unsigned copy is unsigned, and not something that can't be judged."""
    registry.set_tag(NAME, image.tag, image)
    found = collect(registry, executor, image)
    assert (found.entries, found.complete) == ((), True)
