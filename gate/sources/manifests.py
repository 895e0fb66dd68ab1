"""Kubernetes manifests, as people and tools write them, into the images they would run. Pure."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.documents import Document, read_documents
from gate.errors import SourceError
from gate.kubernetes.uncovered import explained, uncovered
from gate.kubernetes.workload import (
    BUILT_IN,
    WORKLOAD_KINDS,
    GroupKind,
    ObjectUnreadable,
    dotted,
    holds_image,
    images,
    is_workload,
    without_image,
)

if TYPE_CHECKING:
    from gate.documents import Path
    from gate.kubernetes.workload import ImageField, Kinds

_OUR_GROUP: Final = "imagegate.dev"


@dataclass(frozen=True, slots=True)
class Location:
    """Where an image is written. Lines and columns count from 1; 0 and "" where there are none."""

    file: str
    line: int = 0
    column: int = 0
    path: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    container: str = ""
    what: str = ""


@dataclass(frozen=True, slots=True)
class ImageUse:
    """An image text in its place; `service_account` is None where nothing says."""

    text: str
    location: Location
    service_account: str | None = None


@dataclass(slots=True)
class Found:
    """What a source holds.

    Attributes:
        uses: the images.
        errors: what could not be read; the rest was.
        namespaces: labels of the Namespace documents, by name.
        skipped: documents without images of ours: other kinds, other formats.
        later: formats this version does not read, by file.
        kinds: whose objects run images.
    """

    uses: list[ImageUse] = field(default_factory=list)
    errors: list[SourceError] = field(default_factory=list)
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    skipped: int = 0
    later: dict[str, str] = field(default_factory=dict)
    kinds: Kinds = field(default_factory=lambda: BUILT_IN)


def read_manifests(text: str, file: str, found: Found) -> None:
    """Add what a stream of YAML or JSON documents holds."""
    for document in read_documents(text, file):
        if isinstance(document, SourceError):
            found.errors.append(document)
        else:
            read_object(document, document.data, (), found)


def read_object(document: Document, data: object, at: Path, found: Found) -> None:
    """Add what an object holds that stands inside of a document.

    Args:
        document: that it stands in, for its places.
        data: the object.
        at: its path there; () where it is the whole document.
        found: what to add to.
    """
    _read_object(document, data, at, found)


def _read_object(
    document: Document, data: object, at: Path, found: Found, listed: tuple[object, object] = (None, None)
) -> None:
    """`listed`: kind and apiVersion of an entry that states none, by the list it stands in, as kubectl reads it."""
    if not isinstance(data, dict):
        _read_other(document, data, at, found)
        return
    kind, api = data.get("kind") or listed[0], data.get("apiVersion") or listed[1]
    items = data.get("items")
    if not isinstance(kind, str):
        if isinstance(data.get("services"), dict):
            found.later.setdefault(document.file, "a compose file")
        found.skipped += 1
    elif isinstance(items, list):
        # To kubectl whatever has `items` is a list of them, of whatever kind it calls itself.
        entry_kind = (kind.removesuffix("List") or None) if kind.endswith("List") else None
        for i, item in enumerate(items):
            _read_object(document, item, (*at, "items", i), found, (entry_kind, api))
        if not kind.endswith("List"):
            rest = {key: value for key, value in data.items() if key != "items"}
            _read_object(document, rest, at, found)
    elif kind == "Namespace" and api == "v1":
        _read_namespace(data, found)
    else:
        _read_workload(document, data, GroupKind.of(api if isinstance(api, str) else "", kind), at, found)


def _read_other(document: Document, data: object, at: Path, found: Found) -> None:
    """What is no object: a list of things may be anything's; a text, or one inside a List, is a mistake."""
    if isinstance(data, list) and not at:
        found.skipped += 1
        return
    found.errors.append(
        SourceError(
            "is no object with apiVersion and kind",
            place=document.place(at),
            remedy="write a Kubernetes manifest, or take it out",
        )
    )


def _read_namespace(data: dict[str, object], found: Found) -> None:
    metadata = _mapping(data.get("metadata"))
    name = metadata.get("name")
    if isinstance(name, str):
        labels = {k: str(v) for k, v in _mapping(metadata.get("labels")).items()}
        found.namespaces[name] = {**labels, "kubernetes.io/metadata.name": name}
    found.skipped += 1


def _read_workload(document: Document, data: dict[str, object], gk: GroupKind, at: Path, found: Found) -> None:
    if not is_workload(gk, found.kinds):
        _skip(document, data, gk, at, found)
        return
    try:
        fields = images(gk, data, found.kinds)
        for missing in without_image(gk, data):
            found.errors.append(_no_image(document, missing, gk, at))
        found.errors += [_elsewhere(document, one, gk, at) for one in uncovered(gk, data, found.kinds)]
    except ObjectUnreadable as error:
        place = document.place((*at, *error.path))
        found.errors.append(SourceError(error.message, place=place, remedy=error.remedy))
        return
    metadata = _mapping(data.get("metadata"))
    for image in fields:
        path = (*at, *image.path)
        place = document.place(path)
        location = Location(
            document.file,
            place.line,
            place.column,
            dotted(path),
            gk.kind,
            _text(metadata.get("namespace")),
            _text(metadata.get("name")) or _text(metadata.get("generateName")),
            image.container,
            image.what,
        )
        found.uses.append(ImageUse(image.text, location, image.account))


def _skip(document: Document, data: dict[str, object], gk: GroupKind, at: Path, found: Found) -> None:
    """A kind that is no workload; one that runs images all the same must not pass as if it ran none."""
    if gk.group != _OUR_GROUP and holds_image(gk, data):
        kind = f"{gk.kind} ({gk.group})" if gk.group else gk.kind
        folded = {kind.lower(): kind for kind in WORKLOAD_KINDS}
        near = difflib.get_close_matches(gk.kind.lower(), folded, n=1, cutoff=0.7)
        meant = folded[near[0]] if near else gk.kind
        remedy = f"did you mean {meant}?" if meant != gk.kind else "judge the Pods it makes"
        found.errors.append(
            SourceError(
                f"the kind {kind} names images and is not supported by this version of imagegate",
                place=document.place((*at, "kind")),
                remedy=remedy,
            )
        )
        return
    found.skipped += 1


def _elsewhere(document: Document, image: ImageField, gk: GroupKind, at: Path) -> SourceError:
    """An image that no path leads to must not pass as if it were not there."""
    message, remedy = explained(image, gk)
    return SourceError(message, place=document.place((*at, *image.path)), remedy=remedy)


def _no_image(document: Document, missing: ImageField, gk: GroupKind, at: Path) -> SourceError:
    if not isinstance(missing.path[-1], int):
        what, remedy = f"this {gk.kind} names no image", "is `containers` spelled right?"
    else:
        what, remedy = f"{missing.what} {missing.container} names no image".replace("  ", " "), "write `image:`"
    return SourceError(what, place=document.place((*at, *missing.path)), remedy=remedy)


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
