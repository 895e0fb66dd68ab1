"""Manifests, indexes and descriptors (OCI image-spec 1.1; Docker image manifest v2 schema 2), read strictly."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from gate import strictjson
from gate.errors import ParseError
from gate.image.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Mapping

OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"

INDEX_TYPES: Final = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFEST_TYPES: Final = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
ACCEPTED: Final = (OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST)
"""All four, in every request: with fewer, registries answer with a converted manifest under another digest."""

SCHEMA1_TYPES: Final = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)
MAX_MANIFEST: Final = 4 * 1024 * 1024
"""Bytes of a manifest; the distribution-spec asks clients and registries to support this much."""

_SCHEMA_VERSION: Final = 2
_MAX_VALUES: Final = 20_000
"""JSON values of one manifest: `MAX_ENTRIES` with twenty each."""

MAX_ENTRIES: Final = 1000
"""Layers of one manifest, manifests of one index."""

_MEDIA_TYPE: Final = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Platform:
    """`os/architecture[/variant]` as an index states it; `unknown/unknown` marks attestation manifests."""

    os: str
    architecture: str
    variant: str = ""

    @property
    def runnable(self) -> bool:
        """False for the entries builders use to carry attestations."""
        return (self.os, self.architecture) != ("unknown", "unknown")

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A typed, sized pointer to content. `urls` are not kept: foreign URLs are never followed (CVE-2020-15157)."""

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    artifact_type: str = ""
    platform: Platform | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """An image manifest, or an artifact kept as one."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    subject: Descriptor | None = None
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Index:
    """An image index (manifest list)."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    subject: Descriptor | None = None
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest as a repository holds it, with the digest computed from its bytes, `content`."""

    digest: Digest
    manifest: Manifest | Index
    content: bytes = field(repr=False, compare=False)


class _Platform(msgspec.Struct):
    os: str = ""
    architecture: str = ""
    variant: str = ""


class _Descriptor(msgspec.Struct):
    mediaType: str
    digest: str
    size: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    annotations: dict[str, str] | None = None
    artifactType: str | None = None
    platform: _Platform | None = None


class _Document(msgspec.Struct):
    schemaVersion: int
    mediaType: str | None = None
    artifactType: str | None = None
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None
    manifests: list[_Descriptor] | None = None
    subject: _Descriptor | None = None
    annotations: dict[str, str] | None = None
    fsLayers: object = None


# What msgspec knows of a type it finds out when it first meets it, and two threads that do so at once end the process:
# a decoder that is made here has it found out before there are any.
_DOCUMENT: Final = msgspec.json.Decoder(_Document)


def names_of(kind: type[msgspec.Struct]) -> dict[str, str]:
    """The names of what is read of an object, by what `check_names` compares them by."""
    return {name.casefold(): name for name in kind.__struct_fields__}


_DOCUMENT_NAMES: Final = names_of(_Document)
_DESCRIPTOR_NAMES: Final = names_of(_Descriptor)
_PLATFORM_NAMES: Final = names_of(_Platform)


def parse_manifest(content: bytes, content_type: str = "") -> Manifest | Index:
    """Read a manifest or index.

    Args:
        content: the exact bytes, already compared with their digest.
        content_type: what the registry called them; parameters are ignored. Empty when unknown.

    Raises:
        ParseError: not JSON, not of schema version 2, schema 1, both an index and a manifest (CVE-2021-41190),
            or another type inside than outside.
    """
    outer = content_type.partition(";")[0].strip().lower()
    if outer in SCHEMA1_TYPES:
        raise ParseError(
            "the registry has only a schema 1 manifest", remedy="push the image again with a current client"
        )
    if len(content) > MAX_MANIFEST:
        raise ParseError(f"the manifest has {len(content)} bytes; at most {MAX_MANIFEST} are read")
    try:
        value = strictjson.as_object(strictjson.loads_unsigned(content, _MAX_VALUES), "the manifest")
        _check_all_names(value)
        document = msgspec.convert(value, _Document)
    except ParseError as error:
        raise ParseError(f"not a manifest: {error.message}") from error
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ParseError(f"not a manifest: {str(error)[:200]}") from error
    media_type = _check_shape(document, outer)
    common = (
        _descriptor(document.subject) if document.subject else None,
        document.artifactType or "",
        document.annotations or {},
    )
    if document.manifests is not None:
        return Index(media_type, _descriptors(document.manifests), *common)
    if document.config is None or document.layers is None:
        raise ParseError("not a manifest: it has neither `manifests` nor `config` and `layers`")
    return Manifest(media_type, _descriptor(document.config), _descriptors(document.layers), *common)


def check_names(value: object, names: Mapping[str, str]) -> None:
    """Go's decoder, which runtimes read with, takes `Layers` for `layers`: what differs only by case is refused.

    Args:
        value: an object; of anything else whoever reads it complains.
        names: of what is read of it, by `names_of`.

    Raises:
        ParseError: one of its names would be taken for another.
    """
    for name in value if isinstance(value, dict) else ():
        known = names.get(name.casefold())
        if known is not None and known != name:
            raise ParseError(f"the field {name!r} is spelled {known!r}")


def _check_all_names(document: dict[str, object]) -> None:
    """Those of the document, and of the descriptors and platforms in it."""
    check_names(document, _DOCUMENT_NAMES)
    lists = (document.get("layers"), document.get("manifests"))
    listed = [entry for entries in lists if isinstance(entries, list) for entry in entries]
    for descriptor in (document.get("config"), document.get("subject"), *listed):
        check_names(descriptor, _DESCRIPTOR_NAMES)
        if isinstance(descriptor, dict):
            check_names(descriptor.get("platform"), _PLATFORM_NAMES)


def _check_shape(document: _Document, outer: str) -> str:
    if document.schemaVersion != _SCHEMA_VERSION or document.fsLayers is not None:
        raise ParseError(f"manifest schema version {document.schemaVersion} is not supported: only 2 is")
    is_index = document.manifests is not None
    if is_index and (document.layers is not None or document.config is not None):
        raise ParseError("the manifest is both an index and an image: it has `manifests` and `layers` or `config`")
    allowed = INDEX_TYPES if is_index else MANIFEST_TYPES
    inner = document.mediaType
    if inner is not None and inner not in allowed:
        raise ParseError(f"the manifest calls itself {inner[:100]!r} but has the fields of another type")
    if outer in INDEX_TYPES | MANIFEST_TYPES:
        if outer not in allowed or (inner is not None and inner != outer):
            raise ParseError(f"the registry calls the manifest {outer!r} but it is {inner or 'of another type'!r}")
        return outer
    return inner or (OCI_INDEX if is_index else OCI_MANIFEST)


def _descriptors(raw: list[_Descriptor]) -> tuple[Descriptor, ...]:
    if len(raw) > MAX_ENTRIES:
        raise ParseError(f"the manifest lists {len(raw)} entries; at most {MAX_ENTRIES} are read")
    return tuple(map(_descriptor, raw))


def _descriptor(raw: _Descriptor) -> Descriptor:
    if not _MEDIA_TYPE.fullmatch(raw.mediaType):
        raise ParseError(f"{raw.mediaType[:100]!r} is not a media type")
    platform = Platform(raw.platform.os, raw.platform.architecture, raw.platform.variant) if raw.platform else None
    media_type = sys.intern(raw.mediaType)  # there are few of them, and of descriptors many are held
    digest = Digest.parse(raw.digest)
    return Descriptor(media_type, digest, raw.size, raw.annotations or {}, raw.artifactType or "", platform)
