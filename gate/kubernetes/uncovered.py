"""Images of custom resources that no path of their kind leads to: they would run, and nobody would judge them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from gate.kubernetes.workload import BUILT_IN, MAX_FIELDS, ImageField, ObjectUnreadable, images

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.kubernetes.workload import GroupKind, Kinds, Path

_DEEPEST: Final = 50  # levels that are looked into
_NOTHING_RUNS: Final = ("metadata", "status")
"""What an object says of itself beside what it wants."""


def uncovered(gk: GroupKind, obj: object, kinds: Kinds) -> tuple[ImageField, ...]:
    """The images that an object of a custom kind names where no path of the kind leads, `MAX_FIELDS` at most.

    Those are the ones of anything that is called containers (`initContainers`, `sidecarContainers`) and of volumes; and
    where the paths lead to no image at all, any text called `image`: then the paths are likely misspelt. Of Kubernetes'
    own kinds there are none: it prunes what it does not know.

    Raises:
        ObjectUnreadable: its images cannot be known.
    """
    if gk in BUILT_IN or gk not in kinds or not isinstance(obj, dict):
        return ()
    known = {field.path for field in images(gk, obj, kinds)}
    named = (field for at, item in _mappings(obj) if (field := _named(at, item, anywhere=not known)) is not None)
    return tuple(islice((field for field in named if field.path not in known), MAX_FIELDS))


def _named(at: Path, item: dict[str, object], *, anywhere: bool) -> ImageField | None:
    """The image that a mapping names, if it is one that runs it."""
    path, image = (*at, "image"), item.get("image")
    if isinstance(image, dict) and _holder(at) == "volumes":
        path, image = (*path, "reference"), image.get("reference")
    elif not anywhere and not _holder(at).lower().endswith("containers"):
        return None
    name = item.get("name")
    return (
        ImageField(path, image, name if isinstance(name, str) else "", "image")
        if isinstance(image, str) and image
        else None
    )


def _holder(at: Path) -> str:
    """What the list, or the mapping by names, is called that something is an entry of."""
    return str(at[-2]) if len(at) > 1 else ""


def _mappings(obj: dict[str, object]) -> Iterator[tuple[Path, dict[str, object]]]:
    """Every mapping of an object, with where it is."""
    level: list[tuple[Path, object]] = [((key,), value) for key, value in obj.items() if key not in _NOTHING_RUNS]
    for _ in range(_DEEPEST):
        yield from ((at, item) for at, item in level if isinstance(item, dict))
        level = [
            ((*at, key), inner)
            for at, item in level
            if isinstance(item, (dict, list))
            for key, inner in (item.items() if isinstance(item, dict) else enumerate(item))
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return
    raise ObjectUnreadable(f"the object is nested more than {_DEEPEST} deep: which images it names is not known")


def declared(path: Path) -> str:
    """A path as `customResources` has it: `spec.sidecars.containers[].image`."""
    return "".join("[]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
