"""Values of protocol buffers in JSON (protobuf.dev, "ProtoJSON"), as Sigstore writes bundles and trusted roots.

A field that is absent has its type's zero value: writers leave out 0, "" and empty lists.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from gate import strictjson
from gate.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Collection

_INT64: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})", re.ASCII)
_INT64_MOST: Final = 2**63 - 1
_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
_MICROSECONDS: Final = 6  # digits


def decode_base64(value: str, what: str) -> bytes:
    """Standard or URL-safe base64 with its padding, nothing else: each value has one text in each.

    Raises:
        ParseError: any other character, wrong padding, or bits behind the end.
    """
    standard = value.replace("-", "+").replace("_", "/")
    try:
        content = base64.b64decode(standard, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ParseError(f"{what} is not base64") from error
    last = len(content) - (len(content) - 1) % 3 - 1 if content else 0  # where the last three or fewer bytes begin
    if not standard.endswith(base64.b64encode(content[last:]).decode()) or len(standard) != -(-len(content) // 3) * 4:
        raise ParseError(f"{what} is not base64: there are bits behind its end")
    return content


def message(value: dict[str, object], key: str, what: str) -> dict[str, object]:
    """The member `key`, an object; {} where it is absent.

    Raises:
        ParseError: it is something else.
    """
    found = strictjson.get(value, key)
    return {} if found is None else strictjson.as_object(found, what)


def repeated(value: dict[str, object], key: str, what: str, most: int) -> list[object]:
    """The member `key`, a list of at most `most`; [] where it is absent.

    Raises:
        ParseError: it is something else, or longer.
    """
    found = strictjson.get(value, key)
    if found is None:
        return []
    if not isinstance(found, list):
        raise ParseError(f"{what} is not a list")
    if len(found) > most:
        raise ParseError(f"{what} has {len(found)} entries; at most {most} are read")
    return found


def string(value: dict[str, object], key: str, what: str) -> str:
    """The member `key`, a text; "" where it is absent.

    Raises:
        ParseError: it is something else.
    """
    found = strictjson.get(value, key)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise ParseError(f"{what} is not a text")
    return found


def raw(value: dict[str, object], key: str, what: str) -> bytes:
    """The member `key`, base64; b"" where it is absent.

    Raises:
        ParseError: it is something else.
    """
    return decode_base64(string(value, key, what), what)


def int64(value: dict[str, object], key: str, what: str) -> int:
    """The member `key`, a number or its digits in a text, as the JSON of 64-bit numbers is; 0 where it is absent.

    Raises:
        ParseError: it is something else, or out of range.
    """
    found = strictjson.get(value, key)
    if found is None:
        return 0
    if isinstance(found, str) and _INT64.fullmatch(found):
        found = int(found)
    if not isinstance(found, int) or isinstance(found, bool) or abs(found) > _INT64_MOST:
        raise ParseError(f"{what} is not a whole number of 64 bits")
    return found


def timestamp(value: dict[str, object], key: str, what: str) -> datetime | None:
    """The member `key`, an instant by RFC 3339, in UTC; None where it is absent.

    Raises:
        ParseError: it is something else.
    """
    text = string(value, key, what)
    if strictjson.get(value, key) is None:
        return None
    found = _TIME.fullmatch(text)
    try:
        if not found:
            raise ValueError(text)
        fraction = (found[2] or "").ljust(_MICROSECONDS, "0")[:_MICROSECONDS]
        return datetime.fromisoformat(f"{found[1]}.{fraction}{found[3].replace('Z', '+00:00')}").astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ParseError(f"{what} is not an instant: {text[:50]!r}") from error


def only(value: dict[str, object], known: Collection[str], what: str) -> None:
    """Refuse members that nobody here understands: they may restrict what the others say.

    Raises:
        ParseError: naming the first.
    """
    for name in value:
        if name not in known:
            raise ParseError(f"{what} has the unknown field {name[:100]!r}")
