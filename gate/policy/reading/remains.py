"""What can be read of a document that is not whole, so that its author learns at once of all that is wrong with it.

What has a wrong shape is left out, then what is incomplete without it. Of the rest only values are looked at, each by
itself: what one part says of another may be wrong only because a part is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from gate.policy.reading.checks import Check
from gate.policy.reading.notes import Notes
from gate.policy.reading.schema.kinds import NAMESPACED
from gate.policy.reading.shape import has_shape, shape_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jsonschema.exceptions import ValidationError

    from gate.documents import Document, Path
    from gate.policy.reading.notes import ReadFile
    from gate.policy.reading.problems import Problem

_PASSES: Final = 12
"""What is left out may leave what it stood in incomplete: so often, and documents are not nested deeper."""

_LARGEST: Final = 20_000
"""Values of a document of which the rest is read; to say what is wrong with a larger one's shape takes seconds."""

_OF_VALUES: Final = frozenset(
    {
        Check.IMAGE_PATTERN, Check.REGISTRY_PREFIX, Check.REF_PATTERN, Check.REGEX, Check.PLATFORM, Check.LABEL_PATTERN,
        Check.REFERENCE, Check.DIGEST, Check.INSTANT, Check.HOST, Check.WORKFLOW, Check.KEY, Check.CERTIFICATE,
        Check.PREDICATE_TYPE, Check.PACKAGE_PATTERN, Check.LICENSE_PATTERN, Check.VALUE_PATTERN, Check.SOURCE_NAME,
        Check.TRUST_ROOT, Check.FILE_UNREADABLE, Check.FILE_REFUSED, Check.LIMIT, Check.BREAK_GLASS_LONG,
        Check.UNDECLARED_KIND,
    }
)  # fmt: skip

_STAND_INS: Final[Mapping[str, Any]] = {
    "metadata": {"name": "x"},
    "name": "x",
    "rules": [{"deny": {}}],
    "policies": ["x"],
    "rule": "x",
    "reason": "x",
    "until": "2000-01-01",
    "refs": ["refs/heads/x"],
    "by": "x",
    "type": "custom",
    "maxAge": "1d",
    "deny": [{"severity": "none"}],
}
"""For fields that are missing and say nothing of the others beside them."""


@dataclass(frozen=True, slots=True)
class Remains(Notes):
    """The rest of a document being read.

    Attributes:
        origin: where each value of the rest stands in the document itself.
    """

    origin: Mapping[Path, Path] = field(default_factory=dict, hash=False)

    def add(self, check: Check, path: Path, message: str, remedy: str = "", *, key: bool = False) -> None:
        """Note what is wrong with a value that is written there."""
        if check in _OF_VALUES and path in self.origin:
            Notes.add(self, check, self.origin[path], message, remedy, key=key)


def remains(document: Document, kind: str, problems: list[Problem], read_file: ReadFile | None) -> Remains | None:
    """The rest of a document, which has the shape of its kind; None where nothing is left."""
    if len(document.values) > _LARGEST:
        return None
    cut = _Cut()
    for _ in range(_PASSES):
        origin: dict[Path, Path] = {}
        data = cut.of(document.data, (), (), origin)
        if has_shape(data, kind):
            if kind in NAMESPACED:
                data["metadata"] = {"namespace": "x", **data["metadata"]}
            return Remains(replace(document, data=data), problems, read_file, origin)
        for error in shape_errors(data, kind):
            if not cut.leave_out(error, origin):
                return None
    return None


@dataclass(slots=True)
class _Cut:
    """What is taken out of a document, put in, and made a list of one: by its path there."""

    out: set[Path] = field(default_factory=set)
    put: dict[Path, dict[str, Any]] = field(default_factory=dict)
    lists: set[Path] = field(default_factory=set)

    def of(self, value: Any, at: Path, now: Path, origin: dict[Path, Path]) -> Any:  # noqa: ANN401 - of any shape
        """The rest of a value that stands at a path of the document, and at `now` in the rest."""
        origin[now] = at
        if at in self.lists:
            origin[(*now, 0)] = at
            return [value]
        if isinstance(value, dict):
            kept = {
                name: self.of(inner, (*at, name), (*now, name), origin)
                for name, inner in value.items()
                if (*at, name) not in self.out
            }
            return {**self.put.get(at, {}), **kept}
        if isinstance(value, list):
            inside = [(i, inner) for i, inner in enumerate(value) if (*at, i) not in self.out]
            return [self.of(inner, (*at, i), (*now, j), origin) for j, (i, inner) in enumerate(inside)]
        return value

    def leave_out(self, error: ValidationError, origin: Mapping[Path, Path]) -> bool:
        """Mend the rest of what an error is of; whether something is left."""
        path = tuple(error.absolute_path)
        at = origin.get(path)
        if at is None:  # of what was put in
            return False
        if error.validator == "type" and error.validator_value == "array" and isinstance(error.instance, str):
            self.lists.add(at)
            return True
        missing = _missing(error)
        if missing and all(name in _STAND_INS for name in missing):
            self.put.setdefault(at, {}).update({name: _STAND_INS[name] for name in missing})
            return True
        gone = [(*at, name) for name in _unknown(error)] or [at]
        self.out.update(gone)
        return () not in gone


def _missing(error: ValidationError) -> list[str]:
    if error.validator != "required" or not isinstance(error.instance, dict):
        return []
    wanted = error.validator_value
    return [name for name in wanted if name not in error.instance] if isinstance(wanted, list) else []


def _unknown(error: ValidationError) -> list[str]:
    """The fields of a mapping that an error is of, where it is not of the mapping itself."""
    if "propertyNames" in error.absolute_schema_path:
        return [str(error.instance)]
    if error.validator != "additionalProperties":
        return []
    known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
    assert isinstance(error.instance, dict)
    return [name for name in error.instance if name not in known]
