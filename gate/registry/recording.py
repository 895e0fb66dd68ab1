"""Keeps what a registry has of an image in an OCI layout that answers as the registry did (`layout`).

Manifests, configurations, signatures and attestations of all places and platforms, byte by byte; layers are not
fetched. A folder is of one repository and says so; another's is not written to: signatures that are kept in another
repository have a folder of their own. What is read is as bounded as it is at a review.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from gate.codes import Code
from gate.errors import EvidenceUnavailable, UsageError
from gate.evidence.candidate import BUNDLE_PREFIX
from gate.evidence.facts import Storage
from gate.image.config import MAX_CONFIG
from gate.image.manifest import MAX_ENTRIES, MAX_MANIFEST, OCI_INDEX, Descriptor, Index, Manifest
from gate.local import is_file, is_folder, shown
from gate.registry.layout import RECORDED, REF_NAME, Layout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.deadline import Deadline
    from gate.image.content import Content
    from gate.image.digest import Digest
    from gate.image.manifest import StoredManifest
    from gate.image.reference import Reference, Repository

MAX_BLOB: Final = 64 * 1024 * 1024
"""Bytes of one signature or attestation: a review reads as many."""

MAX_BYTES: Final = 128 * 1024 * 1024
"""Bytes of all of one image."""

MAX_PLATFORMS: Final = 64
"""Platforms of one index that signatures are kept of: a review looks at as many."""

_KINDS: Final = ("sig", "att")  # what cosign's tags end with
_COSIGN: Final = "application/vnd.dev.cosign."
_LAYOUT: Final = {"imageLayoutVersion": "1.0.0"}


class Source(Protocol):
    """What is recorded: a registry's repositories. Raises `EvidenceUnavailable`."""

    def resolve(self, repository: Repository, tag: str, deadline: Deadline) -> Digest:
        """The digest a tag has now."""

    def manifest(
        self, repository: Repository, target: Digest | str, deadline: Deadline, limit: int = MAX_MANIFEST
    ) -> StoredManifest | None:
        """A manifest by digest or tag; None where there is none."""

    def blob(self, repository: Repository, descriptor: Descriptor, limit: int, deadline: Deadline) -> Content:
        """A blob, compared with its descriptor; whoever asked closes it."""

    def referrers(self, repository: Repository, digest: Digest, deadline: Deadline) -> tuple[Descriptor, ...]:
        """What names a digest as its subject."""


@dataclass(slots=True)
class Recorded:
    """What was kept.

    Attributes:
        digest: of the image.
        manifests: how many.
        blobs: how many.
        size: bytes of both.
        left_out: what there is and was not kept, and why.
    """

    digest: Digest
    manifests: int = 0
    blobs: int = 0
    size: int = 0
    left_out: list[str] = field(default_factory=list)


def record(
    source: Source, reference: Reference, folder: Path, deadline: Deadline, storage: Storage | None = None
) -> Recorded:
    """Keep what a registry has of an image.

    Args:
        source: the registry.
        reference: the image; its tag is kept where there is no digest beside it.
        folder: is made, or is a layout that was recorded of the same repository: then it has this image too.
        deadline: of all of it.
        storage: where else its signatures are: under a tag prefix, or in another repository, of which `elsewhere` is.

    Raises:
        UsageError: the folder is none of ours, or cannot be written.
        EvidenceUnavailable: something could not be had. The folder is as it was, but for files that nothing names.
    """
    storage = storage or Storage(reference.name)
    before = _known(folder, reference.name)
    apart = elsewhere(folder) if storage.repository != reference.name else None
    before_apart = _known(apart, storage.repository) if apart is not None else ()
    tag = reference.effective_tag if reference.digest is None else None
    digest = reference.digest or source.resolve(reference.name, tag or "", deadline)
    image = source.manifest(reference.name, digest, deadline)
    if image is None:
        message = f"{reference.name} has no manifest {digest}"
        raise EvidenceUnavailable(Code.IMAGE_NOT_FOUND, message, remedy="check the name and digest")
    recorded = Recorded(digest)
    prefixes = ("",) if apart is not None else tuple(dict.fromkeys(("", storage.tag_prefix)))
    try:
        recording = _Recording(source, _Folder(folder, reference.name), deadline, recorded, prefixes)
        subjects = recording.image(image, tag)
        if apart is not None:
            of_others = _Recording(
                source, _Folder(apart, storage.repository), deadline, recorded, (storage.tag_prefix,)
            )
            of_others.attached(subjects)
            of_others.finish(before_apart)
        recording.finish(before)
    except OSError as error:
        raise UsageError(
            f"{shown(folder)} cannot be written: {error.strerror}", remedy="name another --into"
        ) from error
    return recorded


def elsewhere(folder: Path) -> Path:
    """The folder beside it that has what is kept of its images in another repository."""
    return Path(f"{folder}-signatures")


def _known(folder: Path, repository: Repository) -> tuple[Descriptor, ...]:
    """What a folder holds already.

    Raises:
        UsageError: something else than a layout recorded of this repository.
    """
    if "\0" in str(folder):
        raise UsageError(f"{shown(folder)} has a zero byte in its name", remedy="name another --into")
    try:
        if not os.path.lexists(folder) or (is_folder(folder) and not any(folder.iterdir())):
            return ()
    except OSError as error:
        raise UsageError(f"{shown(folder)} cannot be read: {error.strerror}", remedy="name another --into") from error
    if not is_folder(folder) or not is_file(folder / "oci-layout"):
        raise UsageError(
            f"{shown(folder)} is there and no OCI layout", remedy="name a new folder: nothing is overwritten"
        )
    index = Layout.open(folder).index
    owner = index.annotations.get(RECORDED)
    if owner is None:
        raise UsageError(f"the layout {folder} was not recorded by gate", remedy="name a new folder")
    if owner != str(repository):
        raise UsageError(
            f"the layout {folder} is of {owner}, not of {repository}", remedy="name a folder for each repository"
        )
    return index.manifests


class _Recording:
    """One image being kept: blobs first, then the index that names them."""

    def __init__(
        self, source: Source, folder: _Folder, deadline: Deadline, recorded: Recorded, prefixes: tuple[str, ...]
    ) -> None:
        self._source = source
        self._repository = folder.repository
        self._prefixes = prefixes
        self._folder = folder
        self._deadline = deadline
        self.recorded = recorded
        self._entries: dict[tuple[Digest, str], Descriptor] = {}
        self._kept: set[Digest] = set()
        self._subjects: set[Digest] = set()

    def image(self, stored: StoredManifest, tag: str | None) -> tuple[Digest, ...]:
        """The image, its platforms, and what is attached to each; the digests of all of them."""
        self._list(stored, tag)
        platforms = self._platforms(stored)
        if len(platforms) > MAX_PLATFORMS:
            self.recorded.left_out.append(f"what is signed of more than {MAX_PLATFORMS} platforms")
        subjects = (stored.digest, *platforms[:MAX_PLATFORMS])
        self.attached(subjects)
        return subjects

    def attached(self, subjects: Iterable[Digest]) -> None:
        """What is signed of some digests here."""
        for digest in subjects:
            if digest not in self._subjects:
                self._subjects.add(digest)
                self._attached(digest)

    def _attached(self, digest: Digest) -> None:
        """What is signed of a digest, from all places."""
        for tag in self._tags(digest):
            tagged = self._source.manifest(self._repository, tag, self._deadline)
            if tagged is not None:
                self._list(tagged, tag)
                self._payloads(tagged)
        for entry in self._source.referrers(self._repository, digest, self._deadline):
            self._listed_by_api(entry.digest)
        fallback = self._source.manifest(self._repository, digest.tag, self._deadline)
        if fallback is None or fallback.digest == digest:  # `cosign copy` tags what it copies so
            return
        self._list(fallback, digest.tag)
        if isinstance(fallback.manifest, Index):
            for entry in fallback.manifest.manifests:  # the tag that lists them is kept: what is absent is so here
                self._referrer(entry.digest)

    def _tags(self, digest: Digest) -> list[str]:
        return [f"{prefix}{digest.tag}.{kind}" for prefix in self._prefixes for kind in _KINDS]

    def finish(self, before: Iterable[Descriptor]) -> None:
        """Name what was kept, beside what was named before; of this image only what is there now.

        Raises:
            UsageError: there is more than one layout can name.
        """
        names = {name for _, name in self._entries if name}
        own = {tag for subject in self._subjects for tag in (subject.tag, *self._tags(subject))}
        others = [one for one in before if not self._is_replaced(one, names | own)]
        listed = {one.digest for one in others}
        new = [one for (digest, name), one in self._entries.items() if name or digest not in listed]
        entries = [*others, *new]
        if len(entries) > MAX_ENTRIES:
            raise UsageError(f"a layout names at most {MAX_ENTRIES} manifests", remedy="name another --into")
        self._folder.write_index(entries)

    def _is_replaced(self, entry: Descriptor, names: set[str]) -> bool:
        name = entry.annotations.get(REF_NAME, "")
        if name:
            return name in names
        if entry.digest == self.recorded.digest or any(entry.digest == digest for digest, _ in self._entries):
            return True
        return self._folder.subject(entry) in self._subjects

    def _platforms(self, stored: StoredManifest) -> list[Digest]:
        """Of an index those manifests that may run; all are kept, with their configurations."""
        runnable: list[Digest] = []
        waiting = [stored]
        seen = {stored.digest}
        while waiting:
            manifest = waiting.pop(0).manifest
            if isinstance(manifest, Manifest):
                self._configuration(manifest)
                continue
            for entry in manifest.manifests:
                if entry.digest in seen or len(seen) > MAX_ENTRIES:
                    continue
                seen.add(entry.digest)
                child = self._source.manifest(self._repository, entry.digest, self._deadline)
                if child is None:
                    self.recorded.left_out.append(f"manifest {entry.digest.short}, which is not there")
                    continue
                self._keep(child)
                waiting.append(child)
                if isinstance(child.manifest, Manifest) and (entry.platform is None or entry.platform.runnable):
                    runnable.append(entry.digest)
        return runnable

    def _configuration(self, manifest: Manifest) -> None:
        if manifest.config.size > MAX_CONFIG:
            self.recorded.left_out.append(f"configuration {manifest.config.digest.short}, which is too large")
        else:
            self._blob(manifest.config, MAX_CONFIG)

    def _listed_by_api(self, digest: Digest) -> None:
        stored = self._referrer(digest)
        if stored is None:
            message = f"{self._repository} lists the referrer {digest.short} and has no such manifest"
            raise EvidenceUnavailable(Code.REGISTRY_PROTOCOL, message, remedy="")
        self._list(stored, None)

    def _referrer(self, digest: Digest) -> StoredManifest | None:
        stored = self._source.manifest(self._repository, digest, self._deadline)
        if stored is not None:
            self._keep(stored)
            if isinstance(stored.manifest, Manifest) and _may_sign(stored.manifest):
                self._payloads(stored)
        return stored

    def _payloads(self, stored: StoredManifest) -> None:
        """The layers of what may be a signature or attestation."""
        if not isinstance(stored.manifest, Manifest):
            return
        for layer in stored.manifest.layers:
            if layer.size > MAX_BLOB:
                self.recorded.left_out.append(f"blob {layer.digest.short}, which has more than {MAX_BLOB} bytes")
            else:
                self._blob(layer, MAX_BLOB)

    def _list(self, stored: StoredManifest, name: str | None) -> None:
        self._keep(stored)
        manifest = stored.manifest
        named = {REF_NAME: name} if name else {}
        entry = Descriptor(manifest.media_type, stored.digest, len(stored.content), named, manifest.artifact_type)
        self._entries[stored.digest, name or ""] = entry

    def _keep(self, stored: StoredManifest) -> None:
        if self._is_new(stored.digest, len(stored.content)):
            self.recorded.manifests += 1
            self._folder.write(stored.digest, [stored.content])

    def _blob(self, descriptor: Descriptor, limit: int) -> None:
        if self._is_new(descriptor.digest, descriptor.size):
            self.recorded.blobs += 1
            with closing(self._source.blob(self._repository, descriptor, limit, self._deadline)) as content:
                self._folder.write(descriptor.digest, content.chunks())

    def _is_new(self, digest: Digest, size: int) -> bool:
        if digest in self._kept:
            return False
        self._kept.add(digest)
        self.recorded.size += size
        if self.recorded.size > MAX_BYTES:
            message = f"{self._repository} has more than {MAX_BYTES} bytes of signatures and attestations of this image"
            raise EvidenceUnavailable(Code.RESPONSE_TOO_LARGE, message, remedy="remove old ones")
        return True


def _may_sign(manifest: Manifest) -> bool:
    """Whether a review would read its layers: it says that it is cosign's, or has a bundle."""
    kinds = (manifest.artifact_type, manifest.config.media_type)
    return any(kind.startswith(_COSIGN) for kind in kinds) or any(
        layer.media_type.startswith(BUNDLE_PREFIX) for layer in manifest.layers
    )


class _Folder:
    """The layout's files. Nothing is written outside of it, and each file is there as a whole or not at all."""

    def __init__(self, folder: Path, repository: Repository) -> None:
        """Make it a layout of this repository, unless it is one."""
        self._folder = folder
        self.repository = repository
        folder.mkdir(parents=True, exist_ok=True)
        self._inside("blobs")
        if not (folder / "index.json").is_file():
            self.write_index(())

    def subject(self, entry: Descriptor) -> Digest | None:
        """What a manifest that is listed is about; None where it is about nothing, or cannot be read."""
        try:
            stored = Layout(self._folder, Index(OCI_INDEX, ())).load(entry.digest)
        except EvidenceUnavailable:
            return None
        subject = stored.manifest.subject if stored is not None else None
        return subject.digest if subject is not None else None

    def write(self, digest: Digest, chunks: Iterable[bytes]) -> None:
        self._replace(self._inside("blobs", digest.algorithm) / digest.hex, chunks)

    def write_index(self, entries: Iterable[Descriptor]) -> None:
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [_document(entry) for entry in entries],
            "annotations": {RECORDED: str(self.repository)},
        }
        self._replace(self._folder / "oci-layout", [json.dumps(_LAYOUT).encode()])
        self._replace(self._folder / "index.json", [json.dumps(document, indent=1).encode()])

    def _inside(self, *names: str) -> Path:
        """A folder of the layout; a link would lead out of it."""
        path = self._folder
        for name in names:
            path /= name
            path.mkdir(exist_ok=True)
            if path.is_symlink():
                raise UsageError(f"{path} is a link: what is written there would be elsewhere", remedy="remove it")
        return path

    @staticmethod
    def _replace(path: Path, chunks: Iterable[bytes]) -> None:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-", delete=False) as draft:
            try:
                draft.writelines(chunks)
                draft.flush()
                Path(draft.name).chmod(0o644)  # as other files: people commit them
                Path(draft.name).replace(path)
            except BaseException:
                Path(draft.name).unlink(missing_ok=True)
                raise


def _document(descriptor: Descriptor) -> dict[str, object]:
    whole: dict[str, object] = {
        "mediaType": descriptor.media_type,
        "digest": str(descriptor.digest),
        "size": descriptor.size,
        "annotations": dict(descriptor.annotations),
        "artifactType": descriptor.artifact_type,
    }
    return {key: value for key, value in whole.items() if value not in ("", {})}
