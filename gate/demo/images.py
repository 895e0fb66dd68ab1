"""Writes images and what is attached to them, in the shapes that builders and cosign leave in a repository.

Everything is made of fixed times and fixed key order: the same calls give the same digests (signatures aside).
"""

from __future__ import annotations

import io
import json
import tarfile
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from gate.errors import UsageError
from gate.evidence import cosign, dsse
from gate.image.digest import Digest
from gate.image.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest, Platform, parse_manifest
from gate.registry.layout import REF_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from gate.demo.signing import SigningKey
    from gate.image.manifest import Index

CREATED: Final = "2026-01-01T00:00:00Z"
"""When everything here says that it was made."""

AMD64: Final = Platform("linux", "amd64")
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
OCI_EMPTY: Final = "application/vnd.oci.empty.v1+json"
COSIGN_ARTIFACT: Final = "application/vnd.dev.cosign.artifact.sig.v1+json"
BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
_CREATED: Final = "org.opencontainers.image.created"
_BUNDLE_CONTENT: Final = "dev.sigstore.bundle.content"
_BUNDLE_PREDICATE: Final = "dev.sigstore.bundle.predicateType"


@dataclass(frozen=True, slots=True)
class Layer:
    """A blob to be stored and how a manifest names it."""

    media_type: str
    content: bytes
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)


class Writer(ABC):
    """One repository that can be written to. Subclasses keep blobs, manifests and tags; the shapes are here."""

    @abstractmethod
    def blob(self, content: bytes) -> Digest:
        """Store a blob."""

    @abstractmethod
    def manifest(self, document: Mapping[str, object], tag: str | None = None) -> Descriptor:
        """Store a manifest or index as compact JSON; `tag` names it from now on."""

    @abstractmethod
    def content(self, target: Digest | str) -> bytes | None:
        """The bytes of the manifest of a digest or tag."""

    def image(
        self,
        tag: str | None,
        content: str,
        *,
        platform: Platform = AMD64,
        created: str = CREATED,
        config: Mapping[str, object] | None = None,
    ) -> Digest:
        """Store an image of one layer with one file.

        Args:
            tag: its tag, if any.
            content: of the file; another content, another digest.
            platform: what its configuration says it runs on.
            created: when its configuration says it was made, RFC 3339.
            config: its runtime configuration: `User`, `Labels` and so on.
        """
        layer = _tar(content)
        configuration = {
            "created": created,
            "architecture": platform.architecture,
            "os": platform.os,
            **({"variant": platform.variant} if platform.variant else {}),
            "config": dict(config or {}),
            "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(layer))]},
        }
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self.stored(Layer(OCI_CONFIG, _compact(configuration))),
            "layers": [self.stored(Layer(OCI_LAYER, layer))],
        }
        return self.manifest(document, tag).digest

    def index(self, tag: str | None, children: Sequence[tuple[Digest, Platform]]) -> Digest:
        """Store an index of manifests that are there already."""
        manifests = []
        for digest, platform in children:
            entry = _document(self.described(digest))
            entry["platform"] = {
                "architecture": platform.architecture,
                "os": platform.os,
                **({"variant": platform.variant} if platform.variant else {}),
            }
            manifests.append(entry)
        return self.manifest({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}, tag).digest

    def append(self, tag: str, layer: Layer) -> Digest:
        """Add a layer to the manifest of a tag as cosign does with `sha256-….sig` and `.att`: one more each time."""
        known = self.content(tag)
        before = parse_manifest(known) if known is not None else None
        layers = [_document(entry) for entry in before.layers] if isinstance(before, Manifest) else []
        layers.append(self.stored(layer))
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self.stored(_attachment_config(layers)),
            "layers": layers,
        }
        return self.manifest(document, tag).digest

    def attach(
        self,
        subject: Digest | Descriptor,
        artifact_type: str,
        layers: Sequence[Layer],
        *,
        config: Layer | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> Digest:
        """Store a manifest with a `subject` (image-spec 1.1, "Guidelines for Artifact Usage").

        Args:
            subject: what it is about; a descriptor where this repository does not have that.
            artifact_type: as written; "" writes none.
            layers: its content.
            config: None: the empty one.
            annotations: of the manifest.
        """
        about = subject if isinstance(subject, Descriptor) else self.described(subject)
        document: dict[str, object] = {"schemaVersion": 2, "mediaType": OCI_MANIFEST}
        if artifact_type:
            document["artifactType"] = artifact_type
        document["config"] = self.stored(config or Layer(OCI_EMPTY, b"{}"))
        document["layers"] = [self.stored(layer) for layer in layers]
        document["subject"] = {"mediaType": about.media_type, "digest": str(about.digest), "size": about.size}
        if annotations:
            document["annotations"] = dict(annotations)
        return self.manifest(document).digest

    def sign_legacy(
        self, digest: Digest, key: SigningKey, docker_reference: str, annotations: Mapping[str, str] | None = None
    ) -> Digest:
        """Sign as cosign 2 does: a layer more under the tag `sha256-….sig`. The digest is the tag's new one."""
        payload, named = key.simple_signing(digest, docker_reference, annotations)
        return self.append(f"{digest.tag}.sig", Layer(cosign.SIMPLE_SIGNING, payload, named))

    def sign_referrer_legacy(
        self, digest: Digest, key: SigningKey, docker_reference: str, annotations: Mapping[str, str] | None = None
    ) -> Digest:
        """Sign as `cosign sign --registry-referrers-mode=oci-1-1` does. The digest is the new manifest's."""
        payload, named = key.simple_signing(digest, docker_reference, annotations)
        layer = Layer(cosign.SIMPLE_SIGNING, payload, named)
        config = _attachment_config([self.stored(layer)])
        return self.attach(digest, COSIGN_ARTIFACT, [layer], config=Layer(COSIGN_ARTIFACT, config.content))

    def sign_bundle(
        self,
        digest: Digest,
        key: SigningKey,
        annotations: Mapping[str, str] | None = None,
        predicate_type: str = dsse.COSIGN_SIGN,
    ) -> Digest:
        """Sign as cosign 3 does: a Sigstore bundle with a subject. The digest is the new manifest's."""
        bundle = key.bundle(digest, annotations, predicate_type)
        named = {_CREATED: CREATED, _BUNDLE_CONTENT: "dsse-envelope", _BUNDLE_PREDICATE: predicate_type}
        return self.attach(digest, BUNDLE, [Layer(BUNDLE, bundle)], annotations=named)

    def stored(self, layer: Layer) -> dict[str, object]:
        """Store a blob and describe it as manifests do."""
        digest = self.blob(layer.content)
        return _document(Descriptor(layer.media_type, digest, len(layer.content), layer.annotations))

    def described(self, digest: Digest) -> Descriptor:
        """The descriptor of a manifest.

        Raises:
            UsageError: it is not here.
        """
        content = self.content(digest)
        if content is None:
            raise UsageError(f"there is no manifest {digest} to refer to", remedy="write it first")
        return describe(content)


class LayoutWriter(Writer):
    """Writes an OCI image layout. After each call, and at each moment within, the folder can be read."""

    def __init__(self, folder: Path) -> None:
        """Make the folder a layout, or go on with the one that is there."""
        self._folder = folder
        (folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        if not (folder / "index.json").is_file():
            self._write_index([])
        if not (folder / "oci-layout").is_file():
            self._replace(folder / "oci-layout", _compact({"imageLayoutVersion": "1.0.0"}))

    def blob(self, content: bytes) -> Digest:
        """Store a blob."""
        digest = Digest.of(content)
        path = self._path(digest)
        if not path.is_file():
            self._replace(path, content)
        return digest

    def manifest(self, document: Mapping[str, object], tag: str | None = None) -> Descriptor:
        """Store a manifest and list it in index.json.

        A tag that was another manifest's is taken from it, and that one is no longer listed. What an index names is
        not listed beside it, unless it has a tag.
        """
        content = _compact(document)
        self.blob(content)
        entry = describe(content)
        inner = parse_manifest(content)
        children = set() if isinstance(inner, Manifest) else {child.digest for child in inner.manifests}
        listed = [
            other
            for other in self._listed()
            if not (tag is not None and other.annotations.get(REF_NAME) == tag)
            and not (other.digest in {entry.digest, *children} and REF_NAME not in other.annotations)
        ]
        named = {REF_NAME: tag} if tag is not None else {}
        if named or entry.digest not in {other.digest for other in listed}:
            listed.append(Descriptor(entry.media_type, entry.digest, entry.size, named, entry.artifact_type))
        self._write_index(listed)
        return entry

    def content(self, target: Digest | str) -> bytes | None:
        """The bytes of the manifest of a digest or tag."""
        if isinstance(target, Digest):
            path = self._path(target)
            return path.read_bytes() if path.is_file() else None
        found = [entry.digest for entry in self._listed() if entry.annotations.get(REF_NAME) == target]
        return self._path(found[0]).read_bytes() if found else None

    def _listed(self) -> tuple[Descriptor, ...]:
        return cast("Index", parse_manifest((self._folder / "index.json").read_bytes())).manifests

    def _write_index(self, entries: Iterable[Descriptor]) -> None:
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [_document(entry) for entry in entries]}
        self._replace(self._folder / "index.json", _compact(document))

    def _path(self, digest: Digest) -> Path:
        return self._folder / "blobs" / digest.algorithm / digest.hex

    @staticmethod
    def _replace(path: Path, content: bytes) -> None:
        draft = path.with_name(f".{path.name}.new")
        draft.write_bytes(content)
        draft.replace(path)


def describe(content: bytes) -> Descriptor:
    """The descriptor of a manifest by its bytes, with the artifact type a referrers list would give it."""
    inner = parse_manifest(content)
    artifact_type = inner.artifact_type
    if not artifact_type and isinstance(inner, Manifest) and inner.subject is not None:
        artifact_type = inner.config.media_type
    return Descriptor(inner.media_type, Digest.of(content), len(content), {}, artifact_type)


def referrers_of(digest: Digest, manifests: Iterable[bytes], *, fallback: bool = False) -> bytes:
    """The index of those manifests whose subject is `digest` (distribution-spec, "Listing Referrers").

    Args:
        digest: the subject.
        manifests: the bytes of everything that may be a referrer.
        fallback: write it as cosign up to 3.0.6 writes the fallback tag: every artifact type is the configuration's
            media type, and annotations are left out.
    """
    entries = []
    for content in manifests:
        inner = parse_manifest(content)
        if inner.subject is None or inner.subject.digest != digest:
            continue
        found = describe(content)
        kind = inner.config.media_type if fallback and isinstance(inner, Manifest) else found.artifact_type
        annotations = {} if fallback else inner.annotations
        entries.append(_document(Descriptor(found.media_type, found.digest, found.size, annotations, kind)))
    return _compact({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})


def _document(descriptor: Descriptor) -> dict[str, object]:
    document: dict[str, object] = {
        "mediaType": descriptor.media_type,
        "digest": str(descriptor.digest),
        "size": descriptor.size,
    }
    if descriptor.annotations:
        document["annotations"] = dict(descriptor.annotations)
    if descriptor.artifact_type:
        document["artifactType"] = descriptor.artifact_type
    return document


def _attachment_config(layers: Sequence[Mapping[str, object]]) -> Layer:
    """The image configuration that cosign writes for a manifest of signatures."""
    configuration = {
        "architecture": "",
        "created": "0001-01-01T00:00:00Z",
        "history": [{"created": "0001-01-01T00:00:00Z"} for _ in layers],
        "os": "",
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
        "config": {},
    }
    return Layer(OCI_CONFIG, _compact(configuration))


def _tar(content: str) -> bytes:
    data = content.encode()
    entry = tarfile.TarInfo("content.txt")
    entry.size = len(data)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
