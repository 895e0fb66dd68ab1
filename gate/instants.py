"""Instants as people write them, RFC 3339 or a day of UTC; durations and sizes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from gate.errors import ParseError

_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_TICK: Final = timedelta(microseconds=1)
_SIZES: Final = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_UNITS: Final = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def parse_instant(text: str) -> datetime:
    """An instant by RFC 3339, in UTC.

    Raises:
        ParseError: something else, or an instant without its offset.
    """
    try:
        if not _INSTANT.fullmatch(text.upper()):
            raise ValueError(text)
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ParseError(
            f"{text[:50]!r} is not an instant", remedy="write RFC 3339, such as 2026-11-23T12:00:00Z"
        ) from error


def duration_of(text: str) -> timedelta:
    """A duration of policies: a whole number and `s`, `m`, `h` or `d`, as the schema has seen to."""
    return int(text[:-1]) * _UNITS[text[-1]]


def size_of(text: str) -> int:
    """Bytes of a size of policies: a whole number and `KiB`, `MiB` or `GiB`, as the schema has seen to."""
    return int(text[:-3]) * _SIZES[text[-3:]]


def parse_first(text: str) -> datetime:
    """The first instant of a period that begins on a day of UTC, or at an instant.

    Raises:
        ParseError: neither.
    """
    return _day(text) or _instant_or_day(text)


def parse_last(text: str) -> datetime:
    """The last instant of a period that ends with a day of UTC, or at an instant; it belongs to the period.

    Raises:
        ParseError: neither.
    """
    day = _day(text)
    return day + timedelta(days=1) - _TICK if day else _instant_or_day(text)


def parse_end(text: str) -> datetime:
    """The first instant behind a period that ends with a day of UTC, or just before an instant.

    Raises:
        ParseError: neither.
    """
    try:
        day = _day(text)
        return day + timedelta(days=1) if day else _instant_or_day(text)
    except OverflowError as error:
        raise ParseError(f"{text[:50]!r} is the last day there is", remedy="write an earlier one") from error


def _instant_or_day(text: str) -> datetime:
    try:
        return parse_instant(text)
    except ParseError as error:
        raise ParseError(
            f"{text[:50]!r} is neither a day nor an instant",
            remedy="write 2026-12-31, or RFC 3339 such as 2026-12-31T12:00:00Z",
        ) from error


def _day(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC) if _DAY.fullmatch(text) else None
    except ValueError:
        return None
