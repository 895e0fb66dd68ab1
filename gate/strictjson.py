"""JSON as signed documents need it: one reading only.

`json.loads` keeps the last of two equal keys, Go's decoder matches keys without case: a document that says two
things to two readers is refused.
"""

from __future__ import annotations

import json
import math
import re
from typing import Final, NoReturn, cast

import msgspec

from gate.errors import ParseError

MAX_DEPTH: Final = 100
MAX_VALUES: Final = 1_000_000
"""Values of one text, about: what a few megabytes of `[],[],…` would unfold to fills a memory."""

_FEW: Final = 1_000
_SPARSE: Final = 32  # bytes a value
_LARGE: Final = 256 * 1024  # bytes
_WIDE: Final = re.compile(rb"[\xc4-\xff]|\\u(?!00)")  # in UTF-8, or escaped
_SURROGATE: Final = re.compile(rb"\\u[dD]")

# What msgspec knows of a type it finds out when it first meets it, and two threads that do so at once end the process:
# a decoder that is made here has it found out before there are any.
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def loads(content: bytes, values: int = MAX_VALUES) -> object:
    """Decode UTF-8 JSON of at most about so many values.

    Raises:
        ParseError: not JSON, more values, a key twice in one object, NaN or Infinity, nested deeper than `MAX_DEPTH`,
            a number too large for a float, half a surrogate pair.
    """
    # What separates and opens values; those inside texts count too, which only makes the cap a little smaller.
    if content.count(b",") + content.count(b"[") + content.count(b"{") > values:
        raise ParseError(f"not JSON that is read: it has more than {values} values")
    try:
        value = json.loads(
            content.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant, parse_float=_finite
        )
        _check_depth(value)
        if b"\\u" in content and _SURROGATE.search(content):
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise ParseError(f"not JSON: {str(error)[:150]}") from error
    return cast("object", value)


def loads_unsigned(content: bytes, most: int = MAX_VALUES) -> object:
    """As `loads`, of what nobody has vouched for: it may not unfold to much more than it is.

    Raises:
        ParseError: also where it has more than a value for every 32 bytes and a thousand, or more than `most`; or is
            large and has a character beyond Latin-1: one of them makes all of its text four times as large.
    """
    if len(content) > _LARGE and not _is_narrow(content):
        raise ParseError(f"not JSON that is read: more than {_LARGE} bytes, with characters beyond Latin-1")
    return loads(content, min(most, _FEW + len(content) // _SPARSE))


def loads_beside(content: bytes, member: str) -> dict[str, object]:
    """As `loads`, of an object whose `member` is not wanted: where the object is large, that is None and not read.

    Of what is in it only the syntax is checked then; whoever reads it reads it strictly.

    Raises:
        ParseError: as `loads`; or it is no object.
    """
    if len(content) <= _LARGE:
        return as_object(loads(content), "the document")
    try:
        members = _MEMBERS.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ParseError(f"not JSON: {str(error)[:150]}") from error
    cut = bytes(members.get(member, b"null"))
    # Where it stands is not known, only what it is: that it was the member that was cut out is seen by the others.
    found = as_object(loads(content.replace(cut, b"null", 1)), "the document")
    others = {name: loads(bytes(raw)) for name, raw in members.items() if name != member}
    if found != {**others, **({member: None} if member in members else {})}:
        raise ParseError(f"not JSON that is read: `{member}` cannot be told from the rest")
    return found


def _is_narrow(content: bytes) -> bool:
    """Whether it has no character beyond Latin-1. What is simple is seen at once."""
    return (content.isascii() and b"\\u" not in content) or not _WIDE.search(content)


def loads_text(text: str) -> object:
    """As `loads_unsigned`, of a text.

    Raises:
        ParseError: also where the text holds half a surrogate pair.
    """
    return loads_unsigned(encoded(text))


def encoded(text: str) -> bytes:
    """A text in UTF-8.

    Raises:
        ParseError: it holds half a surrogate pair.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ParseError("half a surrogate pair is no text") from error


def as_object(value: object, what: str) -> dict[str, object]:
    """`value` as an object.

    Raises:
        ParseError: it is something else.
    """
    if not isinstance(value, dict):
        raise ParseError(f"{what} is not an object")
    return value


def get(value: dict[str, object], key: str) -> object:
    """The member `key`, or None.

    Raises:
        ParseError: another member differs from it only by case: another reader would take that one.
    """
    folded = key.casefold()
    for other in value:
        if other != key and other.casefold() == folded:
            raise ParseError(f"the keys {other!r} and {key!r} differ only by case")
    return value.get(key)


def text(value: dict[str, object], key: str, what: str) -> str:
    """The member `key`, which must be a string.

    Raises:
        ParseError: absent or something else.
    """
    found = get(value, key)
    if not isinstance(found, str):
        raise ParseError(f"{what} has no text `{key}`")
    return found


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = ""
        for key, _ in pairs:
            if key in seen:
                twice = key
                break
            seen.add(key)
        raise ParseError(f"the key {twice[:100]!r} stands twice in one object")
    return result


def _no_constant(name: str) -> NoReturn:
    raise ParseError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ParseError(f"the number {text[:50]} is too large")
    return value


def _check_depth(value: object) -> None:
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for item in level
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return
    raise ParseError(f"nested deeper than {MAX_DEPTH}")
