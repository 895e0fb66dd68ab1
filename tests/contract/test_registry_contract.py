"""What every adapter of the Registry port has to do, run against each of them and against the simulator."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.demo.images import AMD64, BUNDLE, COSIGN_ARTIFACT, LayoutWriter, Writer
from gate.demo.registry import DemoRegistry
from gate.errors import EvidenceUnavailable
from gate.evidence import cosign
from gate.image.digest import Digest
from gate.image.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor, Index, Manifest, Platform
from gate.image.reference import Repository
from gate.registry.guard.hosts import Hosts
from gate.registry.layout import Layout, LayoutRegistry
from gate.registry.router import RegistryRouter
from tests.fakes.clients import client_of, soon
from tests.fakes.registry_simulator import MemoryRepository, RegistrySimulator
from tests.fakes.signing import alice, bob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gate.review.ports import Registry

SIMULATORS = ["simulator", "simulator-without-api"]
NETWORK = ["http", "http-without-api", "router-to-http"]
LAYOUTS = ["layout", "router-to-layout"]
UNKNOWN = Digest.of(b"nobody has this")


@dataclass
class World:
    """An adapter and the repository behind it."""

    kind: str
    repository: Repository
    writer: Writer
    open: Callable[[], Registry]

    @property
    def registry(self) -> Registry:
        """Opened after everything was written: a layout's index is read once."""
        return self.open()

    def overwrite(self, digest: Digest, content: bytes | None) -> None:
        """What a hostile or damaged registry would hold; None: nothing."""
        if isinstance(self.writer, MemoryRepository):
            for kept in (self.writer.blobs, self.writer.manifests):
                if digest in kept:
                    _put(kept, digest, content)
            return
        assert isinstance(self.writer, LayoutWriter)
        path = self.writer._path(digest)
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)


def _put(kept: dict[Digest, bytes], digest: Digest, content: bytes | None) -> None:
    if content is None:
        del kept[digest]
    else:
        kept[digest] = content


@pytest.fixture(params=[*SIMULATORS, *NETWORK, *LAYOUTS])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    kind: str = request.param
    if kind in SIMULATORS:
        simulator = RegistrySimulator(referrers_api=kind == "simulator")
        repository = Repository("registry.test", "acme/api")
        yield World(kind, repository, simulator.repository(repository), lambda: simulator)
    elif kind in NETWORK:
        yield from _over_http(kind, tmp_path)
    else:
        repository = Repository("registry.test", "acme/api")
        writer = LayoutWriter(tmp_path / "layout")
        with client_of(hosts=Hosts(offline=True)) as network:

            def opened() -> Registry:
                layout = LayoutRegistry(Layout.open(tmp_path / "layout"))
                return layout if kind == "layout" else RegistryRouter(lambda: network, {repository: layout})

            yield World(kind, repository, writer, opened)


def _over_http(kind: str, root: Path) -> Iterator[World]:
    writer = LayoutWriter(root / "acme" / "api")
    with DemoRegistry(root, referrers_api=kind != "http-without-api") as served, client_of(served.host) as client:
        elsewhere = {Repository("other.test", "acme/api"): LayoutRegistry(Layout(root, Index("", ())))}
        registry = RegistryRouter(lambda: client, elsewhere) if kind == "router-to-http" else client
        yield World(kind, Repository(served.host, "acme/api"), writer, lambda: registry)


def _fails(code: Code, call: Callable[[], object]) -> None:
    with pytest.raises(EvidenceUnavailable) as caught:
        call()
    assert caught.value.code is code
    assert caught.value.message


def _layer(world: World, digest: Digest) -> Descriptor:
    stored = world.registry.manifest(world.repository, digest, soon())
    assert stored is not None
    assert isinstance(stored.manifest, Manifest)
    return stored.manifest.layers[0]


def _found_referrers(world: World, digest: Digest) -> set[Digest]:
    """By the referrers list and the fallback tag together, as readers have to ask."""
    registry = world.registry
    found = {entry.digest for entry in registry.referrers(world.repository, digest, soon())}
    fallback = registry.manifest(world.repository, digest.tag, soon())
    if fallback is not None:
        assert isinstance(fallback.manifest, Index)
        found |= {entry.digest for entry in fallback.manifest.manifests}
    return found


def test_a_tag_is_resolved_to_its_digest(world: World) -> None:
    first = world.writer.image("v1", "one")
    second = world.writer.image("v2", "two")
    assert first != second
    assert world.registry.resolve(world.repository, "v1", soon()) == first
    assert world.registry.resolve(world.repository, "v2", soon()) == second


def test_a_moved_tag_has_its_new_digest_and_the_old_one_is_still_there(world: World) -> None:
    old = world.writer.image("v1", "one")
    new = world.writer.image("v1", "two")
    assert world.registry.resolve(world.repository, "v1", soon()) == new
    assert world.registry.manifest(world.repository, old, soon()) is not None


def test_an_unknown_tag_is_not_found(world: World) -> None:
    world.writer.image("v1", "one")
    _fails(Code.IMAGE_NOT_FOUND, lambda: world.registry.resolve(world.repository, "v2", soon()))


def test_a_tag_of_an_empty_repository_is_not_found(world: World) -> None:
    _fails(Code.IMAGE_NOT_FOUND, lambda: world.registry.resolve(world.repository, "v1", soon()))


@pytest.mark.parametrize("world", [*SIMULATORS, *NETWORK], indirect=True)
def test_an_unknown_repository_is_not_found(world: World) -> None:
    other = Repository(world.repository.registry, "acme/other")
    _fails(Code.IMAGE_NOT_FOUND, lambda: world.registry.resolve(other, "v1", soon()))
    assert world.registry.manifest(other, UNKNOWN, soon()) is None
    assert world.registry.referrers(other, UNKNOWN, soon()) == ()
    _fails(Code.IMAGE_NOT_FOUND, lambda: world.registry.tags(other, soon()))


def test_every_tag_is_listed_once(world: World) -> None:
    first = world.writer.image("v1", "one")
    world.writer.image("latest", "one")
    world.writer.image("v2", "two")
    world.writer.image("v2", "three")
    world.writer.image(None, "nameless")
    world.writer.sign_legacy(first, alice(), str(world.repository))
    assert sorted(world.registry.tags(world.repository, soon())) == ["latest", f"{first.tag}.sig", "v1", "v2"]


def test_whatever_is_listed_is_there(world: World) -> None:
    digest = world.writer.image("v1", "one")
    world.writer.sign_bundle(digest, alice())
    tags = world.registry.tags(world.repository, soon())
    assert set(tags) == {"v1", *([digest.tag] if world.kind.endswith("without-api") else [])}
    assert all(world.registry.manifest(world.repository, tag, soon()) for tag in tags)


def test_a_repository_without_tags_has_none(world: World) -> None:
    world.writer.image(None, "nameless")
    assert world.registry.tags(world.repository, soon()) == ()


def test_a_manifest_is_read_by_digest_and_by_tag(world: World) -> None:
    digest = world.writer.image("v1", "one")
    by_digest = world.registry.manifest(world.repository, digest, soon())
    assert by_digest is not None
    assert by_digest == world.registry.manifest(world.repository, "v1", soon())
    assert by_digest.digest == digest
    assert isinstance(by_digest.manifest, Manifest)
    assert by_digest.manifest.media_type == OCI_MANIFEST
    assert len(by_digest.manifest.layers) == 1


@pytest.mark.parametrize(
    "target", [UNKNOWN, Digest.of(b"", "sha512"), "v2", UNKNOWN.tag, f"{UNKNOWN.tag}.sig"], ids=str
)
def test_what_is_not_there_is_none(world: World, target: Digest | str) -> None:
    world.writer.image("v1", "one")
    assert world.registry.manifest(world.repository, target, soon()) is None


def test_an_index_is_read_and_so_are_its_children(world: World) -> None:
    children = [
        (world.writer.image(None, "a"), AMD64),
        (world.writer.image(None, "b"), Platform("linux", "arm64", "v8")),
    ]
    digest = world.writer.index("v1", children)
    assert world.registry.resolve(world.repository, "v1", soon()) == digest
    stored = world.registry.manifest(world.repository, digest, soon())
    assert stored is not None
    assert isinstance(stored.manifest, Index)
    assert [(entry.digest, entry.platform) for entry in stored.manifest.manifests] == children
    for child, _ in children:
        assert world.registry.manifest(world.repository, child, soon()) is not None


def test_a_tampered_manifest_is_refused(world: World) -> None:
    digest = world.writer.image("v1", "one")
    content = world.writer.content(digest)
    assert content is not None
    world.overwrite(digest, content + b" ")
    _fails(Code.REGISTRY_PROTOCOL, lambda: world.registry.manifest(world.repository, digest, soon()))


def test_a_blob_is_read(world: World) -> None:
    layer = _layer(world, world.writer.image("v1", "one"))
    content = world.registry.blob(world.repository, layer, layer.size, soon()).read()
    assert len(content) == layer.size
    assert layer.digest.matches(content)


def test_an_empty_blob_is_read(world: World) -> None:
    digest = world.writer.blob(b"")
    assert world.registry.blob(world.repository, Descriptor("text/plain", digest, 0), 0, soon()).read() == b""


def test_a_blob_over_the_limit_is_not_read(world: World) -> None:
    layer = _layer(world, world.writer.image("v1", "one"))
    _fails(Code.RESPONSE_TOO_LARGE, lambda: world.registry.blob(world.repository, layer, layer.size - 1, soon()))


def test_a_blob_larger_than_its_descriptor_is_refused(world: World) -> None:
    layer = _layer(world, world.writer.image("v1", "one"))
    small = Descriptor(layer.media_type, layer.digest, layer.size - 1)
    _fails(Code.RESPONSE_TOO_LARGE, lambda: world.registry.blob(world.repository, small, 1 << 20, soon()))


def test_a_blob_smaller_than_its_descriptor_is_refused(world: World) -> None:
    layer = _layer(world, world.writer.image("v1", "one"))
    large = Descriptor(layer.media_type, layer.digest, layer.size + 1)
    _fails(Code.REGISTRY_PROTOCOL, lambda: world.registry.blob(world.repository, large, 1 << 20, soon()))


def test_a_missing_blob_is_a_failure_of_the_registry(world: World) -> None:
    layer = _layer(world, world.writer.image("v1", "one"))
    world.overwrite(layer.digest, None)
    _fails(Code.REGISTRY_PROTOCOL, lambda: world.registry.blob(world.repository, layer, 1 << 20, soon()))


def test_a_tampered_blob_is_refused(world: World) -> None:
    layer = _layer(world, world.writer.image("v1", "one"))
    world.overwrite(layer.digest, b"x" * layer.size)
    _fails(Code.REGISTRY_PROTOCOL, lambda: world.registry.blob(world.repository, layer, 1 << 20, soon()))


def test_referrers_are_found_by_list_or_fallback_tag(world: World) -> None:
    digest = world.writer.image("v1", "one")
    other = world.writer.image("v2", "two")
    assert _found_referrers(world, digest) == set()
    signatures = {
        world.writer.sign_bundle(digest, alice()),
        world.writer.sign_bundle(digest, bob()),
        world.writer.sign_referrer_legacy(digest, alice(), str(world.repository)),
    }
    world.writer.sign_bundle(other, alice())
    assert len(signatures) == 3
    assert _found_referrers(world, digest) == signatures


def test_a_referrer_is_a_manifest_with_its_subject_and_type(world: World) -> None:
    digest = world.writer.image("v1", "one")
    stored = world.registry.manifest(world.repository, world.writer.sign_bundle(digest, alice()), soon())
    assert stored is not None
    assert isinstance(stored.manifest, Manifest)
    assert stored.manifest.subject is not None
    assert stored.manifest.subject.digest == digest
    assert stored.manifest.artifact_type == BUNDLE
    bundle = world.registry.blob(world.repository, stored.manifest.layers[0], 1 << 20, soon()).read()
    assert json.loads(bundle)["mediaType"] == BUNDLE


def test_a_legacy_referrer_has_cosigns_artifact_type(world: World) -> None:
    digest = world.writer.image("v1", "one")
    signature = world.writer.sign_referrer_legacy(digest, alice(), str(world.repository))
    stored = world.registry.manifest(world.repository, signature, soon())
    assert stored is not None
    assert isinstance(stored.manifest, Manifest)
    assert stored.manifest.artifact_type == stored.manifest.config.media_type == COSIGN_ARTIFACT


def test_legacy_signatures_are_layers_of_one_tag(world: World) -> None:
    digest = world.writer.image("v1", "one")
    tag = f"{digest.tag}.sig"
    assert world.registry.manifest(world.repository, tag, soon()) is None
    world.writer.sign_legacy(digest, alice(), str(world.repository))
    world.writer.sign_legacy(digest, bob(), str(world.repository), {"env": "prod"})
    stored = world.registry.manifest(world.repository, tag, soon())
    assert stored is not None
    assert isinstance(stored.manifest, Manifest)
    assert [layer.media_type for layer in stored.manifest.layers] == [cosign.SIMPLE_SIGNING] * 2
    assert all(layer.annotations[cosign.SIGNATURE] for layer in stored.manifest.layers)
    contents = [world.registry.blob(world.repository, layer, 1 << 20, soon()) for layer in stored.manifest.layers]
    payloads = [content.read() for content in contents]
    assert [cosign.SimpleSigning.parse(payload).digest for payload in payloads] == [digest, digest]
    assert cosign.SimpleSigning.parse(payloads[1]).annotations == {"env": "prod"}


def test_an_image_stays_the_only_one_whatever_is_attached_to_it(world: World) -> None:
    digest = world.writer.image("v1", "one")
    world.writer.sign_legacy(digest, alice(), str(world.repository))
    world.writer.sign_bundle(digest, alice())
    world.writer.sign_referrer_legacy(digest, alice(), str(world.repository))
    assert world.registry.resolve(world.repository, "v1", soon()) == digest
    if isinstance(world.writer, LayoutWriter):
        assert Layout.open(world.writer._folder).only_image() == digest


@pytest.mark.parametrize("world", [*SIMULATORS, *NETWORK], indirect=True)
def test_nothing_is_asked_after_the_deadline(world: World) -> None:
    digest = world.writer.image("v1", "one")
    late = soon(-1)
    _fails(Code.DEADLINE_EXCEEDED, lambda: world.registry.resolve(world.repository, "v1", late))
    _fails(Code.DEADLINE_EXCEEDED, lambda: world.registry.manifest(world.repository, digest, late))
    _fails(Code.DEADLINE_EXCEEDED, lambda: world.registry.referrers(world.repository, digest, late))
    _fails(Code.DEADLINE_EXCEEDED, lambda: world.registry.tags(world.repository, late))


def test_the_scope_is_stable(world: World) -> None:
    first = world.registry.scope(world.repository, soon())
    assert first == world.registry.scope(world.repository, soon())
    # once it has been asked for it is at hand
    assert world.registry.known_scope(world.repository) == first


@pytest.mark.parametrize("world", NETWORK, indirect=True)
def test_a_scope_that_somebody_has_to_be_asked_for_is_not_known(world: World) -> None:
    assert world.registry.known_scope(world.repository) is None
    world.registry.scope(world.repository, soon())
    assert world.registry.known_scope(world.repository) is not None
    other = Repository(world.repository.registry, "acme/other")
    assert world.registry.known_scope(other) is None


@pytest.mark.parametrize("world", LAYOUTS, indirect=True)
def test_a_layouts_answers_are_never_shared_with_a_registrys(world: World) -> None:
    world.writer.image("v1", "one")
    with client_of() as network:
        assert world.registry.scope(world.repository, soon()) != network.scope(world.repository, soon())


@pytest.mark.parametrize("world", ["router-to-layout"], indirect=True)
def test_other_repositories_are_asked_of_the_network(world: World) -> None:
    world.writer.image("v1", "one")
    other = Repository(world.repository.registry, "acme/other")
    _fails(Code.REGISTRY_UNREACHABLE, lambda: world.registry.resolve(other, "v1", soon()))


@pytest.mark.parametrize("world", LAYOUTS, indirect=True)
def test_a_layout_of_cosign_save_answers_for_tags_it_does_not_have(world: World) -> None:
    """Its index.json marks entries with `kind` and names no tags."""
    assert isinstance(world.writer, LayoutWriter)
    digest = world.writer.image("v1", "one")
    signature = world.writer.sign_legacy(digest, alice(), str(world.repository))
    kinds = {digest: "dev.cosignproject.cosign/image", signature: "dev.cosignproject.cosign/sigs"}
    entries = []
    for stored, kind in kinds.items():
        content = world.writer.content(stored)
        assert content is not None
        annotations = {"kind": kind}
        entries.append(
            {"mediaType": OCI_MANIFEST, "digest": str(stored), "size": len(content), "annotations": annotations}
        )
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
    (world.writer._folder / "index.json").write_text(index)
    assert world.registry.resolve(world.repository, "any", soon()) == digest
    found = world.registry.manifest(world.repository, f"{digest.tag}.sig", soon())
    assert found is not None
    assert found.digest == signature
    for absent in (f"{digest.tag}.att", f"{UNKNOWN.tag}.sig", digest.tag, UNKNOWN.tag):
        assert world.registry.manifest(world.repository, absent, soon()) is None


def test_the_simulator_answers_several_digests_for_one_tag() -> None:
    simulator = RegistrySimulator()
    name = Repository("registry.test", "acme/api")
    first, second = simulator.push_image(name, None, "one"), simulator.push_image(name, None, "two")
    simulator.set_tag(name, "v1", first, second)
    answers = [simulator.resolve(name, "v1", soon()) for _ in range(3)]
    assert answers == [first, second, second]
    assert simulator.calls["resolve"] == 3


def test_the_simulator_fails_where_it_is_told_to() -> None:
    simulator = RegistrySimulator()
    name = Repository("registry.test", "acme/api")
    digest = simulator.push_image(name, "v1")
    simulator.fail_with(f"manifest:{digest.tag}.sig", Code.REGISTRY_RATE_LIMITED)
    assert simulator.manifest(name, digest, soon()) is not None
    _fails(Code.REGISTRY_RATE_LIMITED, lambda: simulator.manifest(name, f"{digest.tag}.sig", soon()))
    simulator.heal()
    assert simulator.manifest(name, f"{digest.tag}.sig", soon()) is None
    simulator.fail_with("resolve", Code.REGISTRY_TIMEOUT)
    _fails(Code.REGISTRY_TIMEOUT, lambda: simulator.resolve(name, "v1", soon()))
