from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.demo.images import AMD64, LayoutWriter
from gate.errors import EvidenceUnavailable, UsageError
from gate.image.digest import Digest
from gate.image.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor
from gate.image.reference import Repository
from gate.registry.layout import REF_NAME, Layout, LayoutRegistry
from tests.fakes.clients import soon
from tests.fakes.signing import alice, bob

if TYPE_CHECKING:
    from collections.abc import Callable

KIND = "dev.cosignproject.cosign/"
REPOSITORY = Repository("registry.test", "acme/api")


@pytest.fixture
def writer(tmp_path: Path) -> LayoutWriter:
    return LayoutWriter(tmp_path)


def _list(folder: Path, *entries: tuple[Digest, dict[str, str]]) -> Layout:
    """Write an index.json of these manifests with these annotations."""
    manifests = [
        {
            "mediaType": OCI_MANIFEST,
            "digest": str(digest),
            "size": (folder / "blobs" / "sha256" / digest.hex).stat().st_size,
            "annotations": annotations,
        }
        for digest, annotations in entries
    ]
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}))
    return Layout.open(folder)


@pytest.mark.parametrize(
    ("name", "tags", "others"),
    [
        ("v1", ["v1"], ["v2", "V1", "v", "1"]),
        ("registry.test/acme/api:v1", ["v1"], ["registry.test/acme/api:v1", "api:v1"]),
        ("registry.test:5000/acme/api:v1", ["v1"], ["5000"]),
        ("a\n:v1", ["v1"], []),
        ("v1 ", [], ["v1", "v1 "]),
        ("v1\n", [], ["v1"]),
        ("", [], ["", "latest"]),
        (":", [], [""]),
    ],
)
def test_the_name_of_an_entry_is_a_tag_or_ends_with_one(
    tmp_path: Path, writer: LayoutWriter, name: str, tags: list[str], others: list[str]
) -> None:
    digest = writer.image(None, "one")
    layout = _list(tmp_path, (digest, {REF_NAME: name}))
    assert [layout.by_tag(tag) for tag in tags] == [digest] * len(tags)
    assert [layout.by_tag(tag) for tag in others] == [None] * len(others)
    assert layout.tags() == tuple(tags)


def test_names_of_what_cosign_attached_are_no_tags(tmp_path: Path, writer: LayoutWriter) -> None:
    digest = writer.image(None, "one")
    signature = writer.sign_legacy(digest, alice(), "registry.test/acme/api")
    layout = _list(
        tmp_path,
        (digest, {REF_NAME: "registry.test/acme/api:v1", "kind": f"{KIND}image"}),
        (digest, {REF_NAME: "latest", "kind": f"{KIND}image"}),
        (digest, {REF_NAME: "v1"}),
        (signature, {REF_NAME: "registry.test/acme/api:v1", "kind": f"{KIND}sigs"}),
    )
    assert LayoutRegistry(layout).tags(REPOSITORY, soon()) == ("v1", "latest")


def test_one_image_without_a_name_has_every_tag(tmp_path: Path, writer: LayoutWriter) -> None:
    digest = writer.image(None, "one")
    layout = _list(tmp_path, (digest, {}))
    assert layout.by_tag("v1") == layout.by_tag("latest") == digest
    other = Digest.of(b"other")
    for tag in (
        digest.tag,
        other.tag,
        f"{digest.tag}.sig",
        f"{other.tag}.sig",
        f"{digest.tag}.att",
        f"{digest.tag}.sbom",
    ):
        assert layout.by_tag(tag) is None


def test_several_images_without_a_name_have_no_tags(tmp_path: Path, writer: LayoutWriter) -> None:
    first, second = writer.image(None, "one"), writer.image(None, "two")
    layout = _list(tmp_path, (first, {}), (second, {}))
    assert layout.by_tag("v1") is None
    with pytest.raises(UsageError, match=f"2 images.*{min(first, second)}") as caught:
        layout.only_image()
    assert "oci:DIR@sha256" in caught.value.remedy


def test_an_empty_layout_has_no_image(tmp_path: Path, writer: LayoutWriter) -> None:
    assert writer.content("v1") is None
    layout = Layout.open(tmp_path)
    assert layout.images() == ()
    assert layout.by_tag("v1") is None
    with pytest.raises(UsageError, match="holds 0 images"):
        layout.only_image()


def test_one_image_with_two_tags_is_one_image(tmp_path: Path, writer: LayoutWriter) -> None:
    digest = writer.image("v1", "one")
    assert writer.image("v2", "one") == digest
    layout = Layout.open(tmp_path)
    assert layout.by_tag("v1") == layout.by_tag("v2") == layout.only_image() == digest


def test_an_index_and_not_its_children_is_the_image(tmp_path: Path, writer: LayoutWriter) -> None:
    child = writer.image(None, "one")
    digest = writer.index("v1", [(child, AMD64)])
    assert Layout.open(tmp_path).only_image() == digest
    tagged = writer.image("child", "one")
    assert tagged == child
    assert {entry.digest for entry in Layout.open(tmp_path).images()} == {digest, child}


def test_signatures_are_no_images(tmp_path: Path, writer: LayoutWriter) -> None:
    digest = writer.image("v1", "one")
    signature = writer.sign_legacy(digest, alice(), str(REPOSITORY))
    referrer = writer.sign_bundle(digest, alice())
    layout = Layout.open(tmp_path)
    assert {entry.digest for entry in layout.index.manifests} == {digest, signature, referrer}
    assert layout.only_image() == digest
    named = _list(
        tmp_path,
        (digest, {}),
        (signature, {REF_NAME: f"{digest.tag}.sig"}),
        (referrer, {REF_NAME: digest.tag}),
    )
    assert named.only_image() == digest
    assert named.by_tag(f"{digest.tag}.sig") == signature
    assert named.by_tag(digest.tag) == referrer


def test_cosigns_marks_name_image_signatures_and_attestations(tmp_path: Path, writer: LayoutWriter) -> None:
    digest = writer.image("v1", "one")
    signature = writer.sign_legacy(digest, alice(), str(REPOSITORY))
    attestation = writer.image(None, "stands for one")
    unmarked = writer.image(None, "something else")
    layout = _list(
        tmp_path,
        (digest, {"kind": f"{KIND}image"}),
        (signature, {"kind": f"{KIND}sigs"}),
        (attestation, {"kind": f"{KIND}atts"}),
        (unmarked, {}),
    )
    assert layout.only_image() == digest
    assert layout.by_tag(f"{digest.tag}.sig") == signature
    assert layout.by_tag(f"{digest.tag}.att") == attestation
    assert layout.by_tag(f"{unmarked.tag}.sig") is None


def test_what_is_marked_as_attached_has_no_tag_of_its_own(tmp_path: Path, writer: LayoutWriter) -> None:
    """Else an entry marked `sigs` and named `v1` would be the image to one reader and its signature to another."""
    digest, other = writer.image(None, "one"), writer.image(None, "two")
    layout = _list(tmp_path, (digest, {"kind": f"{KIND}image"}), (other, {"kind": f"{KIND}sigs", REF_NAME: "v1"}))
    assert layout.by_tag("v1") == digest


def test_marks_of_several_images_or_signatures_are_ambiguous(tmp_path: Path, writer: LayoutWriter) -> None:
    first, second, third = (writer.image(None, content) for content in "abc")
    twice = _list(
        tmp_path,
        (first, {"kind": f"{KIND}image"}),
        (second, {"kind": f"{KIND}sigs"}),
        (third, {"kind": f"{KIND}sigs"}),
    )
    assert twice.by_tag(f"{first.tag}.sig") is None
    images = _list(
        tmp_path,
        (first, {"kind": f"{KIND}image"}),
        (second, {"kind": f"{KIND}image"}),
        (third, {"kind": f"{KIND}sigs"}),
    )
    assert images.by_tag(f"{first.tag}.sig") is None
    with pytest.raises(UsageError, match="2 images"):
        images.only_image()


def _instead(path: Path, make: Callable[[Path], None]) -> None:
    path.unlink()
    make(path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "oci-layout").unlink(),
        lambda folder: (folder / "index.json").unlink(),
        lambda folder: (folder / "index.json").write_text(""),
        lambda folder: (folder / "index.json").write_text("{}"),
        lambda folder: (folder / "index.json").write_bytes(b"\xff"),
        lambda folder: (folder / "index.json").write_text('{"schemaVersion": 2, "manifests": [{"digest": "../x"}]}'),
        lambda folder: (folder / "index.json").write_bytes(b" " * (4 * 1024 * 1024 + 1)),
        lambda folder: _instead(folder / "index.json", Path.mkdir),
        lambda folder: _instead(folder / "index.json", os.mkfifo),
    ],
)
def test_a_folder_that_is_no_layout_is_a_usage_error(
    tmp_path: Path, writer: LayoutWriter, damage: Callable[[Path], object]
) -> None:
    writer.image("v1", "one")
    damage(tmp_path)
    with pytest.raises(UsageError) as caught:
        Layout.open(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_an_image_manifest_as_index_is_a_usage_error(tmp_path: Path, writer: LayoutWriter) -> None:
    content = writer.content(writer.image("v1", "one"))
    assert content is not None
    (tmp_path / "index.json").write_bytes(content)
    with pytest.raises(UsageError, match="not an index"):
        Layout.open(tmp_path)


def test_an_absent_folder_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not an OCI layout"):
        Layout.open(tmp_path / "absent")


def _fails(code: Code, call: Callable[[], object]) -> None:
    with pytest.raises(EvidenceUnavailable) as caught:
        call()
    assert caught.value.code is code


def test_a_link_out_of_the_layout_gives_nothing_but_matching_content(tmp_path: Path) -> None:
    """The folder is as hostile as a registry: what it names is compared with its digest wherever it lies."""
    folder = tmp_path / "layout"
    writer = LayoutWriter(folder)
    secret = tmp_path / "secret"
    secret.write_text("secret")
    digest = writer.image("v1", "one")
    victim = Digest.of(b"something else")
    (folder / "blobs" / "sha256" / victim.hex).symlink_to(secret)
    layout = Layout.open(folder)
    _fails(Code.REGISTRY_PROTOCOL, lambda: layout.load(victim))
    _fails(Code.REGISTRY_PROTOCOL, lambda: layout.blob(Descriptor("text/plain", victim, 6)))
    assert layout.only_image() == digest


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_is_not_waited_for(
    tmp_path: Path, writer: LayoutWriter, make: Callable[[Path], object]
) -> None:
    digest = Digest.of(b"no file")
    writer.image("v1", "one")
    make(tmp_path / "blobs" / "sha256" / digest.hex)
    layout = Layout.open(tmp_path)
    _fails(Code.REGISTRY_PROTOCOL, lambda: layout.load(digest))
    _fails(Code.REGISTRY_PROTOCOL, lambda: layout.blob(Descriptor("text/plain", digest, 6)))


def test_a_blob_that_is_no_manifest_is_refused_as_one(tmp_path: Path, writer: LayoutWriter) -> None:
    digest = writer.blob(b"{}")
    _fails(Code.REGISTRY_PROTOCOL, lambda: Layout.open(tmp_path).load(digest))
    large = writer.blob(b" " * (4 * 1024 * 1024 + 1))
    _fails(Code.RESPONSE_TOO_LARGE, lambda: Layout.open(tmp_path).load(large))


def test_a_missing_manifest_is_none_and_a_missing_blob_an_error(tmp_path: Path, writer: LayoutWriter) -> None:
    writer.image("v1", "one")
    layout = Layout.open(tmp_path)
    assert layout.load(Digest.of(b"absent")) is None
    assert layout.load(Digest.of(b"absent", "sha512")) is None
    _fails(Code.REGISTRY_PROTOCOL, lambda: layout.blob(Descriptor("text/plain", Digest.of(b"absent"), 6)))


def _dangling(path: Path) -> None:
    path.symlink_to(path.parent / "gone")


DAMAGED = [lambda path: None, _dangling, Path.mkdir, os.mkfifo, Path.touch]


@pytest.mark.parametrize("make", DAMAGED, ids=["absent", "dangling", "folder", "pipe", "empty"])
def test_a_listed_referrer_that_cannot_be_read_is_an_error(
    tmp_path: Path, writer: LayoutWriter, make: Callable[[Path], object]
) -> None:
    """Whose it is and what it signs stands in it: that it is not there does not say that the image is unsigned."""
    digest = writer.image("v1", "one")
    gone = writer.sign_bundle(digest, alice())
    writer.sign_bundle(digest, bob())
    registry = LayoutRegistry(Layout.open(tmp_path))
    path = tmp_path / "blobs" / "sha256" / gone.hex
    path.unlink()
    make(path)
    with pytest.raises(EvidenceUnavailable, match=gone.hex) as caught:
        registry.referrers(REPOSITORY, digest, soon())
    assert caught.value.code is Code.REGISTRY_PROTOCOL
    _fails(Code.REGISTRY_PROTOCOL, lambda: registry.manifest(REPOSITORY, gone, soon()))


@pytest.mark.parametrize("make", DAMAGED, ids=["absent", "dangling", "folder", "pipe", "empty"])
@pytest.mark.parametrize("suffix", [".sig", ".att", ""])
def test_a_listed_tag_that_cannot_be_read_is_an_error(
    tmp_path: Path, writer: LayoutWriter, make: Callable[[Path], object], suffix: str
) -> None:
    digest = writer.image("v1", "one")
    attached = writer.image(None, "stands for what is attached")
    registry = LayoutRegistry(_list(tmp_path, (digest, {REF_NAME: "v1"}), (attached, {REF_NAME: digest.tag + suffix})))
    path = tmp_path / "blobs" / "sha256" / attached.hex
    path.unlink()
    make(path)
    with pytest.raises(EvidenceUnavailable, match=attached.hex) as caught:
        registry.manifest(REPOSITORY, f"{digest.tag}{suffix}", soon())
    assert caught.value.code is Code.REGISTRY_PROTOCOL


def test_what_is_not_listed_is_not_there(tmp_path: Path, writer: LayoutWriter) -> None:
    digest = writer.image("v1", "one")
    registry = LayoutRegistry(Layout.open(tmp_path))
    assert registry.manifest(REPOSITORY, f"{digest.tag}.sig", soon()) is None
    assert registry.manifest(REPOSITORY, Digest.of(b"absent"), soon()) is None
    assert registry.referrers(REPOSITORY, digest, soon()) == ()


def test_bundles_that_cosign_save_did_not_list_are_found(tmp_path: Path, writer: LayoutWriter) -> None:
    """It writes index.json anew for each thing it saves, the image last."""
    digest, other = writer.image("v1", "one"), writer.image("v2", "two")
    bundles = {writer.sign_bundle(digest, alice()), writer.sign_bundle(digest, bob())}
    writer.sign_bundle(other, alice())
    layout = _list(tmp_path, (digest, {"kind": f"{KIND}image"}))
    found = LayoutRegistry(layout).referrers(REPOSITORY, digest, soon())
    assert {entry.digest for entry in found} == bundles
    unmarked = _list(tmp_path, (digest, {}))
    assert LayoutRegistry(unmarked).referrers(REPOSITORY, digest, soon()) == ()


def test_an_unlisted_bundle_with_other_content_is_refused(tmp_path: Path, writer: LayoutWriter) -> None:
    digest = writer.image("v1", "one")
    path = tmp_path / "blobs" / "sha256" / writer.sign_bundle(digest, alice()).hex
    path.write_bytes(path.read_bytes() + b" ")
    registry = LayoutRegistry(_list(tmp_path, (digest, {"kind": f"{KIND}image"})))
    _fails(Code.REGISTRY_PROTOCOL, lambda: registry.referrers(REPOSITORY, digest, soon()))


def test_the_index_is_read_once(tmp_path: Path, writer: LayoutWriter) -> None:
    first = writer.image("v1", "one")
    registry = LayoutRegistry(Layout.open(tmp_path))
    writer.image("v1", "two")
    assert registry.resolve(REPOSITORY, "v1", soon()) == first


def test_scopes_tell_layouts_apart(tmp_path: Path) -> None:
    scopes = set()
    for name in ("a", "b"):
        LayoutWriter(tmp_path / name)
        registry = LayoutRegistry(Layout.open(tmp_path / name))
        scopes |= {registry.scope(REPOSITORY, soon()), registry.scope(Repository("registry.test", "acme/web"), soon())}
        assert registry.known_scope(REPOSITORY) == registry.scope(REPOSITORY, soon())
    assert len(scopes) == 4
