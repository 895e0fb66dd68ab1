"""Opening a predicate: JSON that says one thing to every reader, without cosign's wrappers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from gate import strictjson
from gate.errors import ParseError
from gate.instants import parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

SHOWN: Final = 200
"""Characters of a name or text of a document that are shown."""

MAX_VALUES: Final = 4_000_000
"""Values of one predicate, about: more than 40 MiB of an SBOM have, and a fifth of what they could unfold to."""

_T = TypeVar("_T")
_COLON: Final = re.compile(rb"\\u003[aA]")
_ZERO: Final = "0001-01-01T"  # Go's zero time: no time was set
_WRAPPER: Final = frozenset({"Data", "Timestamp"})
_PIECES: Final = 4096
# What msgspec knows of a type it finds out when it first meets it, which no two threads may do at once.
_ANY: Final = msgspec.json.Decoder()


class Unreadable(ParseError):
    """A predicate that is not what its type says, or says it in a way that two readers would read differently."""


def opened(predicate: bytes) -> object:
    """The value of a predicate.

    Fast, for predicates of many megabytes are opened while an admission waits: decoding keeps the last of two equal
    keys, so the colons of what was decoded are counted. Where one is missing, a member has been dropped.

    Raises:
        Unreadable: not JSON of UTF-8, more than `MAX_VALUES`, a key twice in one object, NaN, numbers beyond a float,
            nested too deeply.
    """
    if len(predicate) > 2 * MAX_VALUES and sum(map(predicate.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise Unreadable(f"it has more than {MAX_VALUES} values")
    try:
        if _COLON.search(predicate):  # then they can't be counted
            return unwrapped(strictjson.loads(predicate, MAX_VALUES))
        value: object = _ANY.decode(predicate)
        colons = _colons(value)
    except RecursionError as error:
        raise Unreadable("it is nested too deeply") from error
    except ParseError as error:
        raise Unreadable(f"it is {error.message}") from error
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise Unreadable(f"it is not JSON: {str(error)[:150]}") from error
    if predicate.count(b":") != colons:
        raise Unreadable("a key stands twice in one of its objects")
    return unwrapped(value)


def _colons(value: object) -> int:
    """Colons of a value in JSON. Large lists are taken in pieces: a second copy of the whole is never in memory."""
    if isinstance(value, dict) and any(isinstance(member, list) and len(member) > _PIECES for member in value.values()):
        return _written(list(value)) + len(value) + sum(map(_colons, value.values()))
    if isinstance(value, list):
        return sum(_written(value[at : at + _PIECES]) for at in range(0, len(value), _PIECES))
    return _written(value)


def _written(value: object) -> int:
    return bytes(msgspec.json.encode(value)).count(b":")


def unwrapped(value: object) -> object:
    """Without the `{"Data": …, "Timestamp": …}` of cosign v1 and of its type `custom`, where that is all there is.

    Raises:
        Unreadable: the wrapper holds a text that is no JSON.
    """
    if not isinstance(value, dict) or "Data" not in value or not value.keys() <= _WRAPPER:
        return value
    inner = value["Data"]
    return opened(inner.encode("utf-8", "surrogatepass")) if isinstance(inner, str) else inner


def shaped(value: object, shape: type[_T], what: str) -> _T:
    """A value as a shape.

    Raises:
        Unreadable: something in it is of another type; says what and where.
    """
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise Unreadable(f"it is no {what}: {str(error)[:SHOWN]}") from error
    except RecursionError as error:
        raise Unreadable("it is nested too deeply") from error


def check_names(objects: Iterable[object], shape: type[msgspec.Struct]) -> None:
    """What another reader would take for a member of a shape, as Go's does without looking at case, is refused.

    Raises:
        Unreadable: one of the objects has a key that differs from the shape's only by case.
    """
    names = {name.casefold(): name for name in shape.__struct_encode_fields__}
    for keys in {tuple(each) for each in objects if isinstance(each, dict)}:  # few, of however many objects
        for key in keys:
            if names.get(key.casefold(), key) != key:
                raise Unreadable(f"it has {key!r} for {names[key.casefold()]!r}, which differ by case")


def instant(text: str | None) -> datetime | None:
    """A time of a document; None where there is none, as Go's zero time says too.

    Raises:
        Unreadable: a text that is no time.
    """
    if not text or text.startswith(_ZERO):
        return None
    try:
        return parse_instant(text)
    except ParseError as error:
        raise Unreadable(f"it has a time that is none: {text[:50]!r}") from error
