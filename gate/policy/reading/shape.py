"""Whether a document has the shape of its kind, and what is wrong with it where not."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from gate.policy.reading.problems import problems_of
from gate.policy.reading.schema.compiled import compiled
from gate.policy.reading.schema.kinds import schema_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema import Draft7Validator
    from jsonschema.exceptions import ValidationError

    from gate.documents import Document
    from gate.policy.reading.problems import Problem
    from gate.policy.reading.schema.compiled import Predicate


def shape_problems(document: Document, kind: str) -> tuple[Problem, ...]:
    """What is wrong with a document's shape; () where nothing is, and its parts may be taken for what they are."""
    if has_shape(document.data, kind):
        return ()
    errors = shape_errors(document.data, kind)
    assert errors, "the predicate and the validator are of one schema"
    return tuple(dict.fromkeys(problems_of(document, errors)))  # alternatives may say the same twice


def has_shape(data: object, kind: str) -> bool:
    """Whether a document's content has the shape of its kind."""
    return _predicate(kind)(data)


def shape_errors(data: object, kind: str) -> list[ValidationError]:
    """What the validator says of a document's content, by where it is."""
    return sorted(_validator(kind).iter_errors(data), key=lambda e: [str(p) for p in e.absolute_path])


@cache
def _predicate(kind: str) -> Predicate:
    return compiled(schema_of(kind))


@cache
def _validator(kind: str) -> Draft7Validator:
    """Explains what is wrong. Most documents are right, and to import it takes as long as to read a hundred."""
    from jsonschema import Draft7Validator, validators  # noqa: PLC0415

    anchored = validators.extend(Draft7Validator, {"pattern": _check_pattern})  # type: ignore[no-untyped-call]
    validator: Draft7Validator = anchored(schema_of(kind))
    return validator


def _check_pattern(_validator: object, pattern: str, instance: object, _schema: object) -> Iterator[ValidationError]:
    """Python's `$` also holds before a newline at the end; JSON Schema's does not."""
    from jsonschema.exceptions import ValidationError  # noqa: PLC0415

    if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")
