"""What is wrong with a policy text, said so that its author can mend it: place, cause, remedy, did-you-mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gate.policy.reading.checks import Check
from gate.policy.reading.remedies import field_meant, remedy_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jsonschema.exceptions import ValidationError

    from gate.documents import Document, Path
    from gate.errors import Place

_TYPES: Final = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


_SIZED: Final = {
    "minItems": ("list", "entries"),
    "maxItems": ("list", "entries"),
    "minLength": ("text", "characters"),
    "maxLength": ("text", "characters"),
}


_CHECKS: Final = {
    "type": Check.WRONG_TYPE,
    "enum": Check.WRONG_VALUE,
    "minimum": Check.WRONG_VALUE,
    "maximum": Check.WRONG_VALUE,
    "const": Check.WRONG_VALUE,
    "minItems": Check.EMPTY,
    "minLength": Check.EMPTY,
    "maxItems": Check.TOO_MANY,
    "maxLength": Check.TOO_MANY,
    "minProperties": Check.ONE_OF,
    "maxProperties": Check.ONE_OF,
}
"""By the keyword that does not hold; of others the form is wrong."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a policy text that its author should mend.

    Attributes:
        check: which one it is of; says whether the policy is valid all the same.
    """

    check: Check
    place: Place
    message: str
    remedy: str = ""

    @property
    def warning(self) -> bool:
        """Whether it leaves the policy valid."""
        return self.check.warning

    def __str__(self) -> str:
        kind = "warning: " if self.warning else ""
        return f"{self.place}: {kind}{self.message}{'; ' + self.remedy if self.remedy else ''}"


def problems_of(document: Document, errors: Iterable[ValidationError]) -> Iterator[Problem]:
    """The validator's errors as problems with places."""
    incomplete: set[Path] = set()
    for error in errors:
        path = tuple(error.absolute_path)
        match error.validator:
            case "maxProperties" if _follows(error):
                continue
            case "additionalProperties":
                yield from _unknown_fields(document, error, path)
            case "required":
                # The validator has one error for each field that is missing, all alike.
                missing = [name for name in _values(error) if name not in _instance(error)] * (path not in incomplete)
                incomplete.add(path)
                for name in missing:
                    yield Problem(
                        Check.MISSING_FIELD, document.place(path), f"{_at(path)} has no `{name}`", f"add `{name}:`"
                    )
            case _:
                yield Problem(
                    _check_of(error), _place(document, error, path), f"{_at(path)}: {_explain(error)}", remedy_of(error)
                )


def _check_of(error: ValidationError) -> Check:
    """Where a schema says what form is wanted, several of its keywords stand for that one thing."""
    if error.validator in ("minProperties", "maxProperties") and "errorMessage" in _schema(error):
        return Check.WRONG_FORM
    return _CHECKS.get(str(error.validator), Check.WRONG_FORM)


def _place(document: Document, error: ValidationError, path: Path) -> Place:
    """Of a wrong name of a field, that name: to the validator it is no part of the path."""
    if "propertyNames" in error.absolute_schema_path:
        return document.place((*path, str(error.instance)), key=True)
    return document.place(path)


def _unknown_fields(document: Document, error: ValidationError, path: Path) -> Iterator[Problem]:
    known = _schema(error).get("properties", {})
    for field in _instance(error):
        if field not in known:
            yield Problem(
                Check.UNKNOWN_FIELD,
                document.place((*path, field), key=True),
                f"unknown field `{field}` in {_at(path)}",
                field_meant(field, known),
            )


def _follows(error: ValidationError) -> bool:
    """Whether a mapping has too many fields only by those that are not known: they are said already."""
    known = _schema(error).get("properties")
    return known is not None and len(_instance(error).keys() & known) <= 1


def _schema(error: ValidationError) -> dict[str, Any]:
    return error.schema if isinstance(error.schema, dict) else {}


def _instance(error: ValidationError) -> dict[str, Any]:
    return error.instance if isinstance(error.instance, dict) else {}


def _values(error: ValidationError) -> list[Any]:
    return list(error.validator_value) if isinstance(error.validator_value, list) else []


def _at(path: Path) -> str:
    text = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")
    return f"`{text}`" if text else "the document"


def _explain(error: ValidationError) -> str:
    got = _show(error.instance)
    form = _schema(error).get("errorMessage")
    match error.validator:
        case "type" if isinstance(error.validator_value, str):
            return f"expected {_TYPES.get(str(error.validator_value), error.validator_value)}, got {got}"
        case "enum":
            return f"expected one of {', '.join(map(str, _values(error)))}, got {got}"
        case "const" | "minimum" | "maximum" if form is None:
            more = {"minimum": " or more", "maximum": " or less"}.get(str(error.validator), "")
            return f"expected {error.validator_value}{more}, got {got}"
        case "minItems" | "minLength":
            return f"the {_SIZED[error.validator][0]} is empty"
        case "maxItems" | "maxLength":
            what, parts = _SIZED[error.validator]
            return f"the {what} has more than {error.validator_value} {parts}"
        case "minProperties" | "maxProperties" if form is None:
            return f"expected exactly one of {', '.join(_schema(error).get('properties', {}))}, got {got}"
        case _:
            return f"{form}, got {got}" if form else error.message[:200]


def _show(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case dict():
            return f"a mapping of {', '.join(map(str, value))}"[:80] if value else "an empty mapping"
        case list():
            return f"a list of {len(value)}"
        case _:
            return repr(value)[:80]
