"""What a registry has of an image, kept in a layout that answers as it did."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gate.codes import Code
from gate.demo.images import AMD64, BUNDLE, COSIGN_ARTIFACT, Layer, LayoutWriter
from gate.errors import EvidenceUnavailable, UsageError
from gate.evidence.facts import Storage
from gate.image.digest import Digest
from gate.image.manifest import Platform
from gate.image.reference import Reference, Repository
from gate.registry import recording
from gate.registry.layout import RECORDED, Layout, LayoutRegistry
from gate.registry.recording import record
from tests.fakes.clients import soon
from tests.fakes.signing import alice, bob

if TYPE_CHECKING:
    from pathlib import Path

    from gate.registry.recording import Recorded

REPOSITORY = Repository("registry.test", "acme/api")


@pytest.fixture
def writer(tmp_path: Path) -> LayoutWriter:
    """The registry: a layout is one to whoever reads it."""
    return LayoutWriter(tmp_path / "registry")


def recorded(
    tmp_path: Path, text: str = "registry.test/acme/api:v1", into: str = "kept", storage: Storage | None = None
) -> Recorded:
    source = LayoutRegistry(Layout.open(tmp_path / "registry"))
    return record(source, Reference.parse(text), tmp_path / into, soon(), storage)


def kept(tmp_path: Path) -> LayoutRegistry:
    return LayoutRegistry(Layout.open(tmp_path / "kept"))


def answers(registry: LayoutRegistry, digest: Digest) -> dict[str, Any]:
    """What a review asks."""
    found: dict[str, Any] = {}
    for name in (digest, f"{digest.tag}.sig", f"{digest.tag}.att", digest.tag):
        stored = registry.manifest(REPOSITORY, name, soon())
        found[str(name)] = stored.content if stored else None
    for one in registry.referrers(REPOSITORY, digest, soon()):
        stored = registry.manifest(REPOSITORY, one.digest, soon())
        assert stored is not None
        found[str(one.digest)] = stored.content
    return found


def test_everything_that_a_review_asks_is_answered_alike(tmp_path: Path, writer: LayoutWriter) -> None:
    digest = writer.image("v1", "api")
    writer.sign_legacy(digest, alice(), "registry.test/acme/api")
    writer.append(f"{digest.tag}.att", Layer("application/vnd.dsse.envelope.v1+json", b"{}"))
    bundle = writer.sign_bundle(digest, alice())
    legacy = writer.sign_referrer_legacy(digest, bob(), "registry.test/acme/api")
    foreign = writer.attach(digest, "application/x-huge", [Layer("application/x-huge", b"not read")])
    writer.image("v2", "another")
    found = recorded(tmp_path)
    registry, before = kept(tmp_path), LayoutRegistry(Layout.open(tmp_path / "registry"))
    assert registry.resolve(REPOSITORY, "v1", soon()) == digest == found.digest
    assert answers(registry, digest) == answers(before, digest)
    assert {d.digest for d in registry.referrers(REPOSITORY, digest, soon())} == {bundle, legacy, foreign}
    for stored in (registry.layout.load(bundle), registry.layout.load(legacy)):
        assert stored is not None
        for layer in stored.manifest.layers:  # type: ignore[union-attr]
            assert registry.layout.blob(layer)
    # layers are not kept, and neither is what is no signature; only its manifest is there, for it is listed
    sizes = sum(path.stat().st_size for path in (tmp_path / "kept/blobs/sha256").iterdir())
    assert (found.size, found.left_out) == (sizes, [])
    names = {path.name for path in (tmp_path / "kept/blobs/sha256").iterdir()}
    assert Digest.of(b"not read").hex not in names
    assert len(names) == found.manifests + found.blobs
    assert registry.layout.by_tag("v2") is None


def test_an_index_with_its_platforms_and_their_configurations(tmp_path: Path, writer: LayoutWriter) -> None:
    platforms = [AMD64, Platform("linux", "arm64")]
    children = [(writer.image(None, str(p), platform=p), p) for p in platforms]
    provenance = (writer.image(None, "provenance"), Platform("unknown", "unknown"))
    index = writer.index("v1", [*children, provenance])
    for digest in (index, *(digest for digest, _ in children), provenance[0]):
        writer.sign_legacy(digest, alice(), "registry.test/acme/api")
        writer.sign_bundle(digest, alice())
    recorded(tmp_path)
    registry, before = kept(tmp_path), LayoutRegistry(Layout.open(tmp_path / "registry"))
    layout = registry.layout
    assert layout.by_tag("v1") == layout.only_image() == index
    for digest in (index, *(digest for digest, _ in children)):
        assert len(answers(registry, digest)) == 5
        assert answers(registry, digest) == answers(before, digest)
    assert layout.load(provenance[0]) is not None
    assert registry.referrers(REPOSITORY, provenance[0], soon()) == ()  # it does not run
    for child, _ in children:
        stored = layout.load(child)
        assert stored is not None
        assert layout.blob(stored.manifest.config)  # type: ignore[union-attr]


def test_a_tag_prefix(tmp_path: Path, writer: LayoutWriter) -> None:
    digest = writer.image("v1", "api")
    writer.sign_legacy(digest, alice(), "x")
    writer.append(f"rel-{digest.tag}.sig", Layer("application/vnd.dev.cosign.simplesigning.v1+json", b"{}"))
    prefixed = Storage(REPOSITORY, "rel-")
    recorded(tmp_path, storage=prefixed)
    registry = kept(tmp_path)
    before = LayoutRegistry(Layout.open(tmp_path / "registry"))
    for tag in (f"{digest.tag}.sig", f"rel-{digest.tag}.sig"):
        assert registry.manifest(REPOSITORY, tag, soon()) == before.manifest(REPOSITORY, tag, soon())
        assert registry.manifest(REPOSITORY, tag, soon()) is not None
    assert registry.layout.only_image() == digest
    # it stays where it is not asked for, and goes where it is gone
    recorded(tmp_path)
    assert kept(tmp_path).layout.by_tag(f"rel-{digest.tag}.sig") is not None
    writer._write_index([one for one in writer._listed() if "rel-" not in str(one.annotations)])
    recorded(tmp_path, storage=prefixed)
    assert kept(tmp_path).layout.by_tag(f"rel-{digest.tag}.sig") is None


def test_a_fallback_tag_and_what_it_lists(tmp_path: Path, writer: LayoutWriter) -> None:
    digest = writer.image("v1", "api")
    other = writer.attach(digest, BUNDLE, [Layer(BUNDLE, b"{}")])
    absent = Digest.of(b"absent")
    listed = [
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": str(d), "size": 3}
        for d in (other, absent)
    ]
    writer.manifest(
        {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": listed}, digest.tag
    )
    recorded(tmp_path)
    registry = kept(tmp_path)
    assert answers(registry, digest) == answers(LayoutRegistry(Layout.open(tmp_path / "registry")), digest)
    assert registry.manifest(REPOSITORY, absent, soon()) is None
    assert registry.layout.only_image() == digest


def test_a_tag_is_only_what_the_registry_said(tmp_path: Path, writer: LayoutWriter) -> None:
    """In other layouts any tag may be that of the one image in it."""
    digest = writer.image("v1", "api")
    recorded(tmp_path, f"registry.test/acme/api@{digest}")
    registry = kept(tmp_path)
    assert registry.manifest(REPOSITORY, digest, soon()) is not None
    assert registry.layout.by_tag("v1") is None
    recorded(tmp_path)
    assert kept(tmp_path).layout.by_tag("v1") == digest
    recorded(tmp_path, f"registry.test/acme/api@{digest}")
    layout = kept(tmp_path).layout
    assert (layout.by_tag("v1"), len(layout.index.manifests)) == (digest, 1)


def test_what_was_recorded_is_extended_and_brought_up_to_date(tmp_path: Path, writer: LayoutWriter) -> None:
    first = writer.image("v1", "one")
    writer.sign_bundle(first, alice())
    writer.sign_legacy(first, alice(), "x")
    recorded(tmp_path)
    second = writer.image("v2", "two")
    recorded(tmp_path, "registry.test/acme/api:v2")
    layout = kept(tmp_path).layout
    assert (layout.by_tag("v1"), layout.by_tag("v2")) == (first, second)
    # the tag moves on; and of the first image everything was removed
    writer.manifest(json.loads((tmp_path / "registry/blobs/sha256" / second.hex).read_bytes()), "v1")
    recorded(tmp_path)
    assert kept(tmp_path).layout.by_tag("v1") == second
    (tmp_path / "registry/index.json").write_text('{"schemaVersion": 2, "manifests": []}')
    recorded(tmp_path, f"registry.test/acme/api@{first}")
    registry = kept(tmp_path)
    assert registry.referrers(REPOSITORY, first, soon()) == ()
    assert registry.manifest(REPOSITORY, f"{first.tag}.sig", soon()) is None
    assert registry.layout.by_tag("v2") == second


def test_a_tampered_blob_is_mended(tmp_path: Path, writer: LayoutWriter) -> None:
    digest = writer.image("v1", "api")
    recorded(tmp_path)
    blob = tmp_path / "kept/blobs/sha256" / digest.hex
    blob.write_bytes(b"{}")
    recorded(tmp_path)
    assert digest.matches(blob.read_bytes())
    assert blob.stat().st_mode & 0o777 == 0o644


def _foreign_file(folder: Path) -> None:
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")


def _foreign_layout(folder: Path) -> None:
    LayoutWriter(folder).image("v1", "somebody's")


def _a_file(folder: Path) -> None:
    folder.write_text("mine")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_foreign_file, "is there and no OCI layout"),
        (_foreign_layout, "was not recorded by gate"),
        (_a_file, "is there and no OCI layout"),
        (lambda folder: folder.symlink_to("nowhere"), "is there and no OCI layout"),
    ],
)
def test_nothing_of_others_is_written_to(make: Any, said: str, tmp_path: Path, writer: LayoutWriter) -> None:
    writer.image("v1", "api")
    make(tmp_path / "kept")
    before = sorted((p, p.read_bytes()) for p in (tmp_path / "kept").rglob("*") if p.is_file())
    with pytest.raises(UsageError, match=said):
        recorded(tmp_path)
    assert sorted((p, p.read_bytes()) for p in (tmp_path / "kept").rglob("*") if p.is_file()) == before


def test_a_layout_is_of_one_repository(tmp_path: Path, writer: LayoutWriter) -> None:
    """Two would have one tag each for what is signed of one digest."""
    writer.image("v1", "api")
    recorded(tmp_path)
    assert kept(tmp_path).layout.index.annotations[RECORDED] == "registry.test/acme/api"
    with pytest.raises(
        UsageError, match="is of registry.test/acme/api, not of registry.test/acme/web".replace(".", "[.]")
    ):
        recorded(tmp_path, "registry.test/acme/web:v1")


def test_links_inside_lead_nowhere(tmp_path: Path, writer: LayoutWriter) -> None:
    digest = writer.image("v1", "api")
    recorded(tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    blobs = tmp_path / "kept/blobs"
    blobs.rename(tmp_path / "moved")
    blobs.symlink_to(outside)
    with pytest.raises(UsageError, match="is a link"):
        recorded(tmp_path)
    assert list(outside.iterdir()) == []
    blobs.unlink()
    (tmp_path / "moved").rename(blobs)
    target = tmp_path / "target"
    target.write_text("mine")
    blob = blobs / "sha256" / digest.hex
    blob.unlink()
    blob.symlink_to(target)
    recorded(tmp_path)
    assert (target.read_text(), blob.is_symlink()) == ("mine", False)


def test_what_is_not_there_leaves_no_folder(tmp_path: Path, writer: LayoutWriter) -> None:
    writer.image("v1", "api")
    with pytest.raises(EvidenceUnavailable) as caught:
        recorded(tmp_path, "registry.test/acme/api:v9")
    assert caught.value.code is Code.IMAGE_NOT_FOUND
    with pytest.raises(EvidenceUnavailable) as caught:
        recorded(tmp_path, f"registry.test/acme/api@{Digest.of(b'x')}")
    assert caught.value.code is Code.IMAGE_NOT_FOUND
    assert not (tmp_path / "kept").exists()


def test_large_attestations_are_left_out(tmp_path: Path, writer: LayoutWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = writer.image("v1", "api")
    writer.attach(digest, COSIGN_ARTIFACT, [Layer("text/plain", b"x" * 2000), Layer("text/plain", b"y")])
    monkeypatch.setattr(recording, "MAX_BLOB", 1999)
    found = recorded(tmp_path)
    assert found.left_out == [f"blob {Digest.of(b'x' * 2000).short}, which has more than 1999 bytes"]
    monkeypatch.setattr(recording, "MAX_BYTES", 1000)
    with pytest.raises(EvidenceUnavailable) as caught:
        recorded(tmp_path)
    assert caught.value.code is Code.RESPONSE_TOO_LARGE
    assert kept(tmp_path).layout.by_tag("v1") == digest
