"""Images of custom resources that no path of their kind leads to: they would run, and nobody would judge them."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Final

from gate.kubernetes.workload import BUILT_IN, MAX_FIELDS, ImageField, ObjectUnreadable, dotted, images

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.kubernetes.workload import GroupKind, Kinds, Path

_DEEPEST: Final = 50  # levels that are looked into
_NOTHING_RUNS: Final = ("metadata", "status")
"""What an object says of itself beside what it wants."""

_WORDS: Final = ("labels", "annotations")
"""Of the metadata of a template: whatever their keys are called, they are anybody's."""

_IN_PARTS: Final = "image in parts"


def uncovered(gk: GroupKind, obj: object, kinds: Kinds) -> tuple[ImageField, ...]:
    """The images that an object of a custom kind names where no path of the kind leads, `MAX_FIELDS` at most.

    Those are every text `image` and every text `image.reference`; and images in parts (a text `image.repository`),
    wherever a path leads: no part is the image that runs. Of Kubernetes' own kinds there are none: it prunes what it
    does not know.

    Raises:
        ObjectUnreadable: its images cannot be known, or there are more.
    """
    if gk in BUILT_IN or gk not in kinds or not isinstance(obj, dict):
        return ()
    known = {field.path for field in images(gk, obj, kinds)}
    named = (field for at, item in _mappings(obj) if (field := _named(at, item)) is not None)
    found = tuple(islice((field for field in named if field.path not in known), MAX_FIELDS + 1))
    if len(found) > MAX_FIELDS:
        raise ObjectUnreadable(f"the object names more than {MAX_FIELDS} images where no path of its kind leads")
    return found


def explained(image: ImageField, gk: GroupKind) -> tuple[str, str]:
    """What is wrong with an image that `uncovered` found, and what to do about it."""
    if image.what == _IN_PARTS:
        return (
            f"{dotted(image.path)} is an image in parts and can't be read: no path leads to a text that is all of it",
            f"write it as one text if {gk.kind} takes that; else judge its Pods, and leave it out of `customResources`",
        )
    return (
        f"{dotted(image.path)} names an image, and no path of the kind {gk.kind} leads there",
        f"add {declared(image.path)} to its `images` in GateConfig.customResources",
    )


def _named(at: Path, item: dict[str, object]) -> ImageField | None:
    """The image that a mapping names."""
    path, image, what = (*at, "image"), item.get("image"), "image"
    if isinstance(image, dict) and _is_text(image.get("repository")):
        # With all of its parts: where only the tag is another it is another image.
        image, what = json.dumps(image, sort_keys=True, default=str), _IN_PARTS
    elif isinstance(image, dict):
        path, image = (*path, "reference"), image.get("reference")
    name = item.get("name")
    return (
        ImageField(path, image, name if isinstance(name, str) else "", what)
        if isinstance(image, str) and image
        else None
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _mappings(obj: dict[str, object]) -> Iterator[tuple[Path, dict[str, object]]]:
    """Every mapping of an object, itself among them, with where it is."""
    yield (), obj
    level: list[tuple[Path, object]] = [((key,), value) for key, value in obj.items() if key not in _NOTHING_RUNS]
    for _ in range(_DEEPEST):
        yield from ((at, item) for at, item in level if isinstance(item, dict))
        level = [
            ((*at, key), inner)
            for at, item in level
            if isinstance(item, (dict, list))
            for key, inner in (item.items() if isinstance(item, dict) else enumerate(item))
            if isinstance(inner, (dict, list)) and not (at[-1] == "metadata" and key in _WORDS)
        ]
        if not level:
            return
    raise ObjectUnreadable(f"the object is nested more than {_DEEPEST} deep: which images it names is not known")


def declared(path: Path) -> str:
    """A path as `customResources` has it: `spec.sidecars.containers[].image`."""
    return "".join("[]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
