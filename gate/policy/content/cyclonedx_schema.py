"""Whether a value is CycloneDX as its makers' schemas say, and what is wrong with it where it is not.

The schemas are those that cyclonedx-python-lib ships; of 1.2 and 1.3 the strict ones, as in the specification's own
tests: in the others `Components` would be an unknown member, and the document one without components.
"""

from __future__ import annotations

import json
import threading
from importlib import resources
from typing import TYPE_CHECKING, Final, cast

import msgspec

from gate.policy.content.document import SHOWN, Unreadable

if TYPE_CHECKING:
    from jsonschema_rs import Draft7Validator, ValidationError

VERSIONS: Final = ("1.2", "1.3", "1.4", "1.5", "1.6", "1.7")
MAX_DEPTH: Final = 100
"""Objects and arrays inside of each other: the validator goes down on the thread's own stack."""
MAX_EXPLAINED: Final = 16 * 1024
"""Bytes of JSON of the part in which something is looked for that is wrong: it may be wrong in every byte, and the
validator keeps kilobytes of each mistake that it finds below alternatives."""

_STRICT: Final = frozenset({"1.2", "1.3"})
_SHARED: Final = ("spdx", "jsf-0.82", "cryptography-defs")
_IDS: Final = "http://cyclonedx.org/schema/"


def check(found: dict[str, object], version: str) -> None:
    """Hold a document against the schema of a version.

    Raises:
        Unreadable: it is not as that says; with the first thing that is wrong, and where (a JSON pointer).
    """
    if not VALIDATORS.flat().is_valid(found):
        raise Unreadable(f"it is nested deeper than {MAX_DEPTH}")
    validator = VALIDATORS.of(version)
    if not validator.is_valid(found):
        at, why = _wrong(validator, found, version)
        shown = at if len(at) <= SHOWN else f"…{at[-SHOWN:]}"
        raise Unreadable(f"it is no CycloneDX {version}: {shown or 'the document'}: {why[:SHOWN]}")


class Validators:
    """One validator a version, made when it is first wanted (milliseconds, some MB)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, Draft7Validator] = {}

    def of(self, version: str) -> Draft7Validator:
        """That of a version of CycloneDX."""
        with self._lock:
            if version not in self._made:
                self._made[version] = _schema_validator(version)
            return self._made[version]

    def flat(self) -> Draft7Validator:
        """Whether a value is nested no deeper than `MAX_DEPTH`."""
        with self._lock:
            if "" not in self._made:
                self._made[""] = _depth_validator(MAX_DEPTH)
            return self._made[""]


VALIDATORS: Final = Validators()


def _schema_validator(version: str) -> Draft7Validator:
    from jsonschema_rs import Draft7Validator, Registry  # noqa: PLC0415 - few commands want it

    registry = Registry([(f"{_IDS}{name}.SNAPSHOT.schema.json", _schema(name)) for name in _SHARED])
    schema = _schema(f"bom-{version}{'-strict' if version in _STRICT else ''}")
    # Masked: a message would repeat the part that is wrong, which may be all of the document.
    return Draft7Validator(schema, registry=registry, validate_formats=True, offline=True, mask="it")


def _schema(name: str) -> dict[str, object]:
    text = (resources.files("cyclonedx.schema") / "_res" / f"{name}.SNAPSHOT.schema.json").read_text("utf-8")
    return cast("dict[str, object]", json.loads(text))


def _depth_validator(levels: int) -> Draft7Validator:
    """Of a schema that says nothing else: no loop in Python would be as fast."""
    from jsonschema_rs import Draft7Validator  # noqa: PLC0415 - as above

    definitions: dict[str, object] = {"0": {"type": ["string", "number", "boolean", "null"]}}
    for level in range(1, levels + 1):
        inner = {"$ref": f"#/definitions/{level - 1}"}
        definitions[str(level)] = {"additionalProperties": inner, "items": inner}
    return Draft7Validator({"$ref": f"#/definitions/{levels}", "definitions": definitions}, offline=True)


def _wrong(validator: Draft7Validator, found: dict[str, object], version: str) -> tuple[str, str]:
    """Where something is wrong, and what.

    The part is found by asking for less and less whether it is valid, which is quick; only a small one is explained.
    """
    head = {"bomFormat": "CycloneDX", "specVersion": version, "version": 1}
    for name, member in found.items():
        if validator.is_valid({**head, name: member}):
            continue
        if not isinstance(member, list) or not validator.is_valid({**head, name: []}):
            return _explained(validator, {**head, name: member}, name)
        low, high = 0, len(member)
        while high - low > 1:
            middle = (low + high) // 2
            if not validator.is_valid({**head, name: member[low:middle]}):
                high = middle
            elif not validator.is_valid({**head, name: member[middle:high]}):
                low = middle
            else:
                return _pointer(name), "two of its elements are equal"  # nothing else is asked of a list as one
        return _explained(validator, {**head, name: member[low:high]}, name, low)
    return "", "it is not as its schema says"


def _explained(validator: Draft7Validator, part: dict[str, object], *place: str | int) -> tuple[str, str]:
    """Of a part that has one member at most, at `place`; of a list one element, whose index was another."""
    from jsonschema_rs import ValidationError  # noqa: PLC0415 - as above

    if len(msgspec.json.encode(part)) > MAX_EXPLAINED:
        return _pointer(*place), "it is not as its schema says, and too large to say more"
    try:
        validator.validate(part)
    except ValidationError as error:
        path, message = _deepest(error)
        return _pointer(*place[: len(path)], *path[len(place) :]), message
    except ValueError:  # an error holds a copy of what it is about, which can be too deep for one
        pass
    return _pointer(*place), "it is not as its schema says"


def _pointer(*steps: str | int) -> str:
    return "".join(f"/{str(step)[:SHOWN].replace('~', '~0').replace('/', '~1')}" for step in steps)


def _deepest(error: ValidationError) -> tuple[list[str | int], str]:
    """Path and message. Of alternatives the one that got furthest is what was meant."""
    inner = [_deepest(each) for alternative in getattr(error.kind, "context", ()) for each in alternative]
    return max(inner, key=lambda each: len(each[0]), default=(error.instance_path, error.message))
