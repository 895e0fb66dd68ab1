"""The registry port over an OCI image layout folder (image-spec, image-layout.md), `cosign save`'s among them.

The folder is as hostile as a registry: every blob is compared with its digest, nothing is followed out of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import EvidenceUnavailable, ParseError, UsageError
from gate.image.content import InMemory
from gate.image.digest import Digest
from gate.image.manifest import MAX_MANIFEST, Descriptor, Index, StoredManifest, parse_manifest
from gate.local import is_file, read_local, shown
from gate.registry.limits import check_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gate.deadline import Deadline
    from gate.image.content import Content
    from gate.image.reference import Repository

MAX_BLOBS: Final = 10_000
"""Files of a `cosign save` layout that are looked through for bundles."""

REF_NAME: Final = "org.opencontainers.image.ref.name"
RECORDED: Final = "dev.imagegate.recorded"
"""Of an index.json: the repository whose answers are recorded there (`recording`)."""

COSIGN_KIND: Final = "kind"
_COSIGN_IMAGES: Final = frozenset({"dev.cosignproject.cosign/image", "dev.cosignproject.cosign/imageIndex"})
_COSIGN_ATTACHED: Final = {"sig": "dev.cosignproject.cosign/sigs", "att": "dev.cosignproject.cosign/atts"}
_TAG_AT_END: Final = re.compile(r"(?:.*[/:])?([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})", re.ASCII | re.DOTALL)
_DIGEST_TAG: Final = re.compile(r"sha\d+-[0-9a-f]+(?:\..*)?", re.ASCII)
_ATTACHED_TAG: Final = re.compile(r"(sha\d+-[0-9a-f]+)\.(sig|att)", re.ASCII)
_PREFIXED_TAG: Final = re.compile(r"[A-Za-z0-9._-]{0,52}sha256-[0-9a-f]{64}\.(?:sig|att)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Layout:
    """One layout folder, its index read once."""

    folder: Path
    index: Index

    @classmethod
    def open(cls, folder: Path) -> Layout:
        """Read `oci-layout` and `index.json`.

        Raises:
            UsageError: it is no OCI layout.
        """
        try:
            if not is_file(folder / "oci-layout"):
                raise UsageError(
                    f"{shown(folder)} is not an OCI layout: it has no file oci-layout",
                    remedy="name the folder that holds index.json",
                )
            index = parse_manifest(_read(folder / "index.json", MAX_MANIFEST))
        except OSError as error:
            raise UsageError(f"{shown(folder)} is not a readable OCI layout: {error.strerror}") from error
        except (ParseError, EvidenceUnavailable) as error:
            raise UsageError(f"{folder}/index.json: {error.message}") from error
        if not isinstance(index, Index):
            raise UsageError(f"{folder}/index.json is not an index")
        return cls(folder, index)

    def images(self) -> tuple[Descriptor, ...]:
        """The entries that are images: cosign's where it marked any, else those that are nobody's signature."""
        marked = [m for m in self.index.manifests if m.annotations.get(COSIGN_KIND) in _COSIGN_IMAGES]
        return tuple(marked or [m for m in self.index.manifests if not self._is_attached(m)])

    def only_image(self) -> Digest:
        """The digest of the one image in it.

        Raises:
            UsageError: there is none, or more than one.
        """
        digests = sorted({m.digest for m in self.images()})
        if len(digests) != 1:
            listed = ", ".join(map(str, digests[:5]))
            raise UsageError(
                f"{self.folder} holds {len(digests)} images{': ' + listed if listed else ''}",
                remedy="write oci:DIR@sha256:…",
            )
        return digests[0]

    def _is_attached(self, entry: Descriptor) -> bool:
        name = entry.annotations.get(REF_NAME, "")
        if entry.annotations.get(COSIGN_KIND, "").startswith("dev.cosignproject.cosign/"):
            return True
        if _ATTACHED_TAG.fullmatch(name) or _PREFIXED_TAG.fullmatch(name):
            return True
        if any(name == other.digest.tag for other in self.index.manifests):
            return True
        stored = self.load(entry.digest)
        return stored is not None and stored.manifest.subject is not None

    def by_tag(self, tag: str) -> Digest | None:
        """The digest a tag names in this layout.

        `org.opencontainers.image.ref.name` is the tag, or a reference that ends with it. A cosign layout has no tags
        for what is attached to its one image; where images have no name at all and there is one, any tag is its, but
        in what was recorded: there a tag is only what the registry said it is.
        """
        for entry in self.index.manifests:
            if _tag(entry) == tag:
                return entry.digest
        images = self.images()
        attached = _ATTACHED_TAG.fullmatch(tag)
        if attached:
            kind = _COSIGN_ATTACHED[attached[2]]
            own = [m.digest for m in self.index.manifests if m.annotations.get(COSIGN_KIND) == kind]
            return own[0] if len(own) == 1 and [m.digest.tag for m in images] == [attached[1]] else None
        recorded = RECORDED in self.index.annotations
        unnamed = len(images) == 1 and REF_NAME not in images[0].annotations and not recorded
        return images[0].digest if unnamed and not _DIGEST_TAG.fullmatch(tag) else None

    def tags(self) -> tuple[str, ...]:
        """The tags that index.json names, each once and in its order; `by_tag` may know others."""
        return tuple(dict.fromkeys(tag for entry in self.index.manifests if (tag := _tag(entry)) is not None))

    def load(self, digest: Digest) -> StoredManifest | None:
        """A manifest by digest, compared with it; None where there is no such blob.

        Raises:
            EvidenceUnavailable: it is no manifest, or other content.
        """
        try:
            content = _read(self._blob_path(digest), MAX_MANIFEST)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._protocol(f"{digest} cannot be read: {error.strerror}") from error
        if not digest.matches(content):
            raise self._protocol(f"the file of {digest} has other content")
        try:
            return StoredManifest(digest, parse_manifest(content), content)
        except ParseError as error:
            raise self._protocol(f"{digest}: {error.message}") from error

    def load_listed(self, digest: Digest) -> StoredManifest | None:
        """As `load`; but what index.json lists has to be there: what it says of an image is not known without it.

        Raises:
            EvidenceUnavailable: it is listed and absent; or as `load`.
        """
        stored = self.load(digest)
        if stored is None and any(entry.digest == digest for entry in self.index.manifests):
            file = self._blob_path(digest).relative_to(self.folder)
            raise self._protocol(f"index.json lists {digest}, and there is no file {file}")
        return stored

    def blob(self, descriptor: Descriptor) -> bytes:
        """A blob, compared with its descriptor.

        Raises:
            EvidenceUnavailable: absent, or other content.
        """
        try:
            content = _read(self._blob_path(descriptor.digest), descriptor.size)
        except OSError as error:
            raise self._protocol(f"blob {descriptor.digest} cannot be read: {error.strerror}") from error
        if len(content) != descriptor.size or not descriptor.digest.matches(content):
            raise self._protocol(f"the file of {descriptor.digest} has other content")
        return content

    def unlisted(self, subject: Digest) -> Iterator[Descriptor]:
        """The manifests about `subject` that a cosign layout holds and index.json does not list.

        `cosign save` writes index.json anew for each thing it saves, the image last, so that bundles stay as blobs
        only; `cosign verify --local-image` looks through the blobs as well (pkg/cosign/verify.go,
        getLocalBundleDescriptors).

        Raises:
            EvidenceUnavailable: they cannot be read, or there are more than `MAX_BLOBS`.
        """
        if not any(m.annotations.get(COSIGN_KIND) in _COSIGN_IMAGES for m in self.index.manifests):
            return
        listed = {m.digest.hex for m in self.index.manifests}
        for path in self._blob_files():
            try:
                content = b"" if path.name in listed or path.stat().st_size > MAX_MANIFEST else path.read_bytes()
                # Most blobs are layers: only what names the subject is worth parsing.
                manifest = parse_manifest(content) if subject.hex.encode() in content else None
                digest = Digest.parse(f"sha256:{path.name}")
            except OSError as error:
                raise self._protocol(f"{path.name} cannot be read: {error.strerror}") from error
            except ParseError:
                continue
            if manifest is None or manifest.subject is None or manifest.subject.digest != subject:
                continue
            if not digest.matches(content):
                raise self._protocol(f"the file of {digest} has other content")
            yield Descriptor(manifest.media_type, digest, len(content))

    def _blob_files(self) -> list[Path]:
        try:
            files = [path for path in (self.folder / "blobs" / "sha256").iterdir() if path.is_file()]
        except OSError as error:
            raise self._protocol(f"blobs/sha256 cannot be read: {error.strerror}") from error
        if len(files) > MAX_BLOBS:
            raise EvidenceUnavailable(
                Code.RESPONSE_TOO_LARGE,
                f"layout {self.folder} has {len(files)} blobs; at most {MAX_BLOBS} are looked through",
                remedy="save each image to a folder of its own",
            )
        return sorted(files)

    def _blob_path(self, digest: Digest) -> Path:
        return self.folder / "blobs" / digest.algorithm / digest.hex

    def _protocol(self, message: str) -> EvidenceUnavailable:
        return EvidenceUnavailable(
            Code.REGISTRY_PROTOCOL, f"layout {self.folder}: {message}", remedy="write the layout again"
        )


@dataclass(frozen=True, slots=True)
class LayoutRegistry:
    """Answers for one repository from a layout."""

    layout: Layout

    def scope(self, repository: Repository, deadline: Deadline) -> str:
        """No credentials, but never shared with a registry's answers."""
        return self.known_scope(repository)

    def known_scope(self, repository: Repository) -> str:
        """As `scope`."""
        return f"layout:{repository}:{self.layout.folder}"

    def resolve(self, repository: Repository, tag: str, deadline: Deadline) -> Digest:
        """The digest a tag has.

        Raises:
            EvidenceUnavailable: IMAGE_NOT_FOUND.
        """
        digest = self.layout.by_tag(tag)
        if digest is None:
            raise EvidenceUnavailable(
                Code.IMAGE_NOT_FOUND,
                f"layout {self.layout.folder} has no tag {tag} for {repository}",
                remedy="write the digest",
            )
        return digest

    def tags(self, repository: Repository, deadline: Deadline) -> tuple[str, ...]:
        """The tags that its index.json names."""
        return self.layout.tags()

    def manifest(
        self, repository: Repository, target: Digest | str, deadline: Deadline, limit: int = MAX_MANIFEST
    ) -> StoredManifest | None:
        """The manifest of a digest or tag; None where there is neither an entry nor a file of it."""
        digest = target if isinstance(target, Digest) else self.layout.by_tag(target)
        return self.layout.load_listed(digest) if digest else None

    def blob(self, repository: Repository, descriptor: Descriptor, limit: int, deadline: Deadline) -> Content:
        """A blob, compared with its descriptor."""
        check_size(repository, descriptor, limit)
        return InMemory(self.layout.blob(descriptor), descriptor.digest.algorithm)

    def referrers(self, repository: Repository, digest: Digest, deadline: Deadline) -> tuple[Descriptor, ...]:
        """The entries whose manifest has `digest` as its subject, and what a cosign layout does not list.

        Raises:
            EvidenceUnavailable: an entry's manifest is absent or unreadable: its subject is in nothing else.
        """
        found = []
        for entry in self.layout.index.manifests:
            stored = self.layout.load_listed(entry.digest)
            if stored is not None and stored.manifest.subject is not None and stored.manifest.subject.digest == digest:
                found.append(entry)
        return (*found, *self.layout.unlisted(digest))


def _tag(entry: Descriptor) -> str | None:
    """The tag an entry is named by; a name of what cosign attached is none."""
    name = _TAG_AT_END.fullmatch(entry.annotations.get(REF_NAME, ""))
    return name[1] if name and entry.annotations.get(COSIGN_KIND, "") not in _COSIGN_ATTACHED.values() else None


def _read(path: Path, limit: int) -> bytes:
    content = read_local(path, limit)
    if len(content) > limit:
        raise EvidenceUnavailable(
            Code.RESPONSE_TOO_LARGE, f"{path} has more than the {limit} bytes that are read", remedy=""
        )
    return content
