from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.demo.images import BUNDLE, COSIGN_ARTIFACT, OCI_CONFIG, Layer
from gate.evidence import cosign
from gate.evidence.facts import Format
from gate.image.manifest import OCI_INDEX
from gate.image.reference import Reference
from gate.review.collect import MAX_PAYLOAD, MAX_TOTAL, Collector, Listing
from tests.fakes.clock import SettableClock
from tests.fakes.registry_simulator import RegistrySimulator
from tests.fakes.signing import alice, bob
from tests.unit.review.build import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.image.digest import Digest
    from gate.image.reference import Repository

HOME = Reference.parse(NAME).name
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


def collect(registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest) -> Listing:
    return Collector(registry, executor).collect(HOME, image, SettableClock().deadline(), home=HOME)


def formats(listing: Listing) -> list[Format]:
    return [c.format for c in listing.candidates]


def test_all_storages_in_three_waves(registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest) -> None:
    registry.sign_legacy(NAME, image, alice())
    registry.sign_referrer_legacy(NAME, image, alice())
    registry.sign_bundle(NAME, image, alice())
    found = collect(registry, executor, image)
    assert sorted(formats(found)) == sorted([Format.LEGACY, Format.REFERRER_LEGACY, Format.BUNDLE])
    assert found.complete
    # the simple-signing payload is the same text in both places, and read once
    assert dict(registry.calls) == {"manifest": 4, "referrers": 1, "blob": 2}
    assert len(found.verified((alice().public,)).signatures) == 3


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
    assert collect(registry, executor, image).candidates == ()
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
    assert (found.candidates, found.unavailable) == ((), ())


def test_notation_is_seen_and_not_fetched(
    registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest
) -> None:
    layer = Layer("application/jose+json", b"an envelope")
    registry.repository(NAME).attach(image, NOTATION, [layer], config=Layer(NOTATION, b"{}"))
    found = collect(registry, executor, image)
    assert formats(found) == [Format.NOTATION]
    assert registry.calls["blob"] == 0
    (rejected,) = found.verified((alice().public,)).rejected
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
    assert (found.candidates, found.complete, registry.calls["blob"]) == ((), True, 0)


def test_another_layer_type_beside_a_signature(
    registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest
) -> None:
    payload, annotations = alice().simple_signing(image, NAME)
    layers = [Layer("application/octet-stream", b"x"), Layer(cosign.SIMPLE_SIGNING, payload, annotations)]
    registry.repository(NAME).attach(image, COSIGN_ARTIFACT, layers, config=Layer(OCI_CONFIG, b"{}"))
    facts = collect(registry, executor, image).verified((alice().public,))
    assert (len(facts.signatures), [r.code for r in facts.rejected]) == (1, [Code.SIGNATURE_UNSUPPORTED])


@pytest.mark.parametrize(
    ("sizes", "fetched"),
    [
        ([MAX_PAYLOAD + 1], 0),
        ([MAX_TOTAL + 1], 0),
        ([MAX_PAYLOAD] * 5, 4),
    ],
)
def test_sizes_are_bounded_before_anything_is_fetched(
    registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest, sizes: list[int], fetched: int
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
    found = collect(registry, executor, image)
    assert not found.complete
    assert Code.RESPONSE_TOO_LARGE in {u.code for u in found.unavailable}
    # what says that it is of a size that is allowed is asked for, and is not what it says
    asked = sum(size <= MAX_PAYLOAD for size in sizes)
    assert sum(u.code is Code.REGISTRY_PROTOCOL for u in found.unavailable) <= asked
    assert registry.calls["blob"] <= max(fetched, len([s for s in sizes if s <= MAX_TOTAL]))


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
    deadline = SettableClock().deadline()
    found = Collector(registry, executor).collect(elsewhere, image, deadline, home=HOME)
    assert (found.candidates, found.unavailable) == ((), ())
    assert registry.log[-1] == ("manifest", HOME, str(image))


def test_facts_are_computed_once_for_the_same_keys(
    registry: RegistrySimulator, executor: ThreadPoolExecutor, image: Digest
) -> None:
    registry.sign_legacy(NAME, image, alice())
    found = collect(registry, executor, image)
    mine, other = (alice().public,), (bob().public,)
    assert found.verified(mine) is found.verified(mine)
    assert found.verified(mine).signatures
    assert not found.verified(other).signatures
    assert [r.code for r in found.verified(()).rejected] == [Code.KEY_MISMATCH]
