"""Where the workload kinds keep their images. One table names the kinds, one the places in a pod spec.

Source: research/kubernetes.md section 1, "Where images live" (core/v1, apps/v1, batch/v1 of Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from gate.errors import GateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Path = tuple[str | int, ...]
"""From the object's root: keys are strings, indexes of lists are numbers."""

MAX_FIELDS: Final = 1000
"""Image fields of one object, and entries of one list that may hold them."""


class ObjectUnreadable(GateError):
    """An object whose images cannot be known, because something on the way to them has another type than it must.

    `path` is where that is.
    """

    def __init__(self, message: str, *, remedy: str = "", path: Path = ()) -> None:
        """Keep where it is, for whoever knows the text's lines."""
        super().__init__(message, remedy=remedy)
        self.path = path


@dataclass(frozen=True, slots=True)
class GroupKind:
    """A kind and the API group it belongs to; the core group is ""."""

    group: str
    kind: str

    @classmethod
    def of(cls, api_version: str, kind: str) -> GroupKind:
        """From the `apiVersion` ("v1", "apps/v1") and `kind` of an object."""
        return cls(api_version.rpartition("/")[0], kind)


@dataclass(frozen=True, slots=True)
class ImageField:
    """One place of an object that names an image."""

    path: Path
    text: str
    """As written."""
    container: str
    """The container's or volume's name, "" where it has none."""
    what: str
    """"container", "init container", "ephemeral container" or "image volume"."""
    account: str | None = field(default=None, compare=False)
    """The service account that its Pod runs as; None where nothing says."""


EACH: Final = None
"""The step of a path that goes into every element of a list."""

Steps = tuple[str | None, ...]
"""A path as people configure it: keys, and `EACH`."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the objects of a kind keep what runs: pod specs, and single images."""

    pod_specs: tuple[Steps, ...] = ()
    images: tuple[Steps, ...] = ()


_DEEPEST: Final = 50  # levels of an unknown object that are looked into
_TEMPLATE: Final = ("spec", "template", "spec")

_POD_SPEC_AT: Final[Mapping[GroupKind, tuple[str, ...]]] = {
    GroupKind("", "Pod"): ("spec",),
    GroupKind("", "PodTemplate"): ("template", "spec"),
    GroupKind("", "ReplicationController"): _TEMPLATE,
    GroupKind("apps", "Deployment"): _TEMPLATE,
    GroupKind("apps", "ReplicaSet"): _TEMPLATE,
    GroupKind("apps", "StatefulSet"): _TEMPLATE,
    GroupKind("apps", "DaemonSet"): _TEMPLATE,
    GroupKind("batch", "Job"): _TEMPLATE,
    GroupKind("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template", "spec"),
    # served until Kubernetes 1.15; manifests in repositories still have them
    GroupKind("extensions", "Deployment"): _TEMPLATE,
    GroupKind("extensions", "ReplicaSet"): _TEMPLATE,
    GroupKind("extensions", "DaemonSet"): _TEMPLATE,
}

_OWN_GROUPS: Final = frozenset({"", "apps", "batch", "extensions", "autoscaling", "policy"})

WORKLOAD_KINDS: Final = tuple(dict.fromkeys(gk.kind for gk in _POD_SPEC_AT))
"""Names of the kinds that hold a pod spec."""

Kinds = Mapping[GroupKind, Places]
"""What of each kind runs images."""

BUILT_IN: Final[Kinds] = {gk: Places((steps,)) for gk, steps in _POD_SPEC_AT.items()}
"""Kubernetes' own kinds."""

_POSITIONS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "containers": ("container", ("image",)),
    "initContainers": ("init container", ("image",)),
    "ephemeralContainers": ("ephemeral container", ("image",)),
    "volumes": ("image volume", ("image", "reference")),
}
"""List of the pod spec -> what its entries are called, and where in an entry the image stands."""


def dotted(path: Path) -> str:
    """For people: "spec.template.spec.containers[0].image"."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def pointer(path: Path) -> str:
    """The JSON Pointer (RFC 6901): "/spec/template/spec/containers/0/image"."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def is_workload(gk: GroupKind, kinds: Kinds = BUILT_IN) -> bool:
    """Whether objects of the kind run images that `images` reads."""
    return gk in kinds


def is_pod(gk: GroupKind) -> bool:
    """Whether the kind is the Pod itself, not a template of Pods."""
    return gk == GroupKind("", "Pod")


def images(gk: GroupKind, obj: object, kinds: Kinds = BUILT_IN) -> tuple[ImageField, ...]:
    """Every image field, in the order of the document, place by place; empty for kinds that are not workloads.

    What is absent, null or an empty text names no image: the API server refuses it in Pods.

    Args:
        gk: the object's kind: it alone says where the pod spec stands.
        obj: the object as decoded from JSON or YAML.
        kinds: those that are known.

    Raises:
        ObjectUnreadable: something on the way to an image has the wrong type, or there are more than `MAX_FIELDS`.
    """
    places = kinds.get(gk)
    if places is None:
        return ()
    found = tuple(islice(_all_fields(places, obj), MAX_FIELDS + 1))
    if len(found) > MAX_FIELDS:
        raise ObjectUnreadable(f"the object names more than {MAX_FIELDS} images")
    return found


def without_image(gk: GroupKind, obj: object) -> tuple[ImageField, ...]:
    """The containers that name no image, as fields without a text; the whole object's pod spec, if it has none at all.

    The API server refuses such Pods, and a template may leave an image to be filled in: to whoever reads a file it is
    more likely `image` or `containers` spelled differently.
    """
    where = _POD_SPEC_AT.get(gk)
    if where is None:
        return ()
    spec = _pod_spec(where, obj)
    named = {field.path[:-1] for field in images(gk, obj)}
    missing = tuple(
        ImageField((*where, key, index), "", _name(entry), what)
        for key, (what, keys) in _POSITIONS.items()
        if len(keys) == 1
        for index, entry in enumerate(_list(spec.get(key)))
        if (*where, key, index) not in named
    )
    return missing if missing or named or not spec else (ImageField(where, "", "", "pod spec"),)


def holds_image(gk: GroupKind, value: object) -> bool:
    """Whether an object of a kind that is no workload names an image to run.

    Of Kubernetes' own groups that is a list of containers (a kind that is misspelled); of others' any text under the
    key `image`, for each has its own way.
    """
    names = _names_in_containers if gk.group in _OWN_GROUPS or gk.group.endswith(".k8s.io") else _names_image
    level: list[object] = [value]
    for _ in range(_DEEPEST):
        if any(names(item) for item in level if isinstance(item, dict)):
            return True
        level = [
            child
            for item in level
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True  # deeper than anybody writes by hand: not known to run none


def _names_image(item: dict[str, object]) -> bool:
    return isinstance(item.get("image"), str) and bool(item["image"])


def _names_in_containers(item: dict[str, object]) -> bool:
    return any(
        isinstance(entry, dict) and _names_image(entry)
        for key in ("containers", "initContainers", "ephemeralContainers")
        for entry in _list(item.get(key))
    ) or any(
        isinstance(volume, dict) and isinstance(volume.get("image"), dict) for volume in _list(item.get("volumes"))
    )


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _name(entry: object) -> str:
    name = entry.get("name") if isinstance(entry, dict) else None
    return name if isinstance(name, str) else ""


def service_account(gk: GroupKind, obj: object, kinds: Kinds = BUILT_IN) -> str:
    """The service account its Pods run as.

    `serviceAccountName`, else the deprecated `serviceAccount`, else "default" (also for other kinds, and where the
    object cannot be read: `images` refuses that one).
    """
    try:
        specs = [spec for steps in kinds.get(gk, Places()).pod_specs for _, spec in _walk(steps, obj)]
        spec = _object((), specs[0]) if specs else {}
    except ObjectUnreadable:
        spec = {}
    return _account(spec)


def _account(pod: dict[str, object]) -> str:
    for key in ("serviceAccountName", "serviceAccount"):
        name = pod.get(key)
        if isinstance(name, str) and name:
            return name
    return "default"


def changed(fields: Iterable[ImageField], old_fields: Iterable[ImageField]) -> tuple[ImageField, ...]:
    """The fields that don't stand in `old_fields` at the same path and container name with the same text."""
    known = {(field.path, field.container, field.text) for field in old_fields}
    return tuple(field for field in fields if (field.path, field.container, field.text) not in known)


def _pod_spec(where: tuple[str, ...], obj: object) -> dict[str, object]:
    """The pod spec; {} where it or something above it is absent or null. Raises ObjectUnreadable."""
    value = _object((), obj)
    for depth, key in enumerate(where, start=1):
        inner = value.get(key)
        if inner is None:
            return {}
        value = _object(where[:depth], inner)
    return value


def _all_fields(places: Places, obj: object) -> Iterator[ImageField]:
    """Of all places; one that two of them lead to counts once."""
    _object((), obj)
    seen: set[Path] = set()
    for steps in places.pod_specs:
        for where, spec in _walk(steps, obj):
            pod = _object(where, spec)
            for found in _fields(where, pod):
                if found.path not in seen:
                    seen.add(found.path)
                    yield replace(found, account=_account(pod))
    for steps in places.images:
        for where, value in _walk(steps, obj):
            if where not in seen and (text := _text(where, value)):
                seen.add(where)
                yield ImageField(where, text, "", "image")


def _walk(steps: Steps, obj: object, at: Path = ()) -> Iterator[tuple[Path, object]]:
    """What a path leads to, each with where that is; nothing where it is absent or null on the way.

    Raises:
        ObjectUnreadable: something on the way is of another type, or a list has more than `MAX_FIELDS` entries.
    """
    if obj is None:
        return
    if not steps:
        yield at, obj
        return
    first, rest = steps[0], steps[1:]
    if first is not EACH:
        yield from _walk(rest, _object(at, obj).get(first), (*at, first))
        return
    for index, entry in enumerate(_entries(at, obj)):
        yield from _walk(rest, entry, (*at, index))


def _entries(at: Path, value: object) -> list[object]:
    if not isinstance(value, list):
        raise _unexpected(at, value, "a list")
    if len(value) > MAX_FIELDS:
        raise ObjectUnreadable(f"{dotted(at)} has {len(value)} entries; at most {MAX_FIELDS} are read")
    return value


def _fields(where: Path, spec: dict[str, object]) -> Iterator[ImageField]:
    for key, entries in spec.items():
        position = _POSITIONS.get(key)
        if position is None or entries is None:
            continue
        for index, entry in enumerate(_entries((*where, key), entries)):
            yield from _field((*where, key, index), entry, *position)


def _field(path: Path, entry: object, what: str, keys: tuple[str, ...]) -> Iterator[ImageField]:
    holder = _object(path, entry)
    name = _text((*path, "name"), holder.get("name"))
    for key in keys[:-1]:
        path = (*path, key)
        inner = holder.get(key)
        if inner is None:
            return
        holder = _object(path, inner)
    path = (*path, keys[-1])
    if text := _text(path, holder.get(keys[-1])):
        yield ImageField(path, text, name, what)


def _object(path: Path, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _unexpected(path, value, "an object")
    return value


def _text(path: Path, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _unexpected(path, value, "a string")
    return value


def _unexpected(path: Path, value: object, expected: str) -> ObjectUnreadable:
    return ObjectUnreadable(
        f"{dotted(path) or 'the object'} is {_type_of(value)}; it must be {expected}",
        remedy="write it as the Kubernetes API has it",
        path=path,
    )


def _type_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return f"a {type(value).__name__}"
