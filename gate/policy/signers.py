"""Who must have signed: the expression of a rule's `by`, and whether principals meet it (POLICY §5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

if TYPE_CHECKING:
    from gate.trust.key import PublicKey


class LogUse(StrEnum):
    """What a key signer wants of a transparency log entry."""

    OPTIONAL = "optional"
    """Checked when present."""

    IGNORE = "ignore"
    """Not looked at."""


@dataclass(frozen=True, slots=True)
class KeySpec:
    """A signer known by a key.

    Attributes:
        name: as the policy calls it.
        key: None where it could not be read, `missing` saying why: then nothing can be said about it.
        log: what its signatures' log entries are to it.
        missing: why there is no key.
    """

    name: str
    key: PublicKey | None
    log: LogUse = LogUse.OPTIONAL
    missing: str = ""


@dataclass(frozen=True, slots=True)
class One:
    """A signer by name."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Any of these suffices. Never empty."""

    options: tuple[Expression, ...]

    def __str__(self) -> str:
        return " or ".join(map(str, self.options))


@dataclass(frozen=True, slots=True)
class AtLeast:
    """So many entries, each met by a principal of its own. `all` is this with every entry."""

    count: int
    entries: tuple[Expression, ...]

    def __str__(self) -> str:
        what = "all" if self.count == len(self.entries) else str(self.count)
        return f"{what} of ({', '.join(map(str, self.entries))})"


Expression = One | AnyOf | AtLeast

Principals = Mapping[str, frozenset[str]]
"""The principals that were found, by signer name."""


def names(expression: Expression) -> frozenset[str]:
    """Every signer an expression speaks of."""
    match expression:
        case One(name):
            return frozenset({name})
        case AnyOf(inner) | AtLeast(_, inner):
            return frozenset().union(*map(names, inner))
        case _:
            assert_never(expression)


def satisfied(expression: Expression, found: Principals) -> bool:
    """Whether an assignment of distinct principals meets the expression."""
    return next(_ways(expression, found, frozenset()), None) is not None


def _ways(expression: Expression, found: Principals, used: frozenset[str]) -> Iterator[frozenset[str]]:
    """The ways to meet an expression: each the principals used, those used before among them."""
    match expression:
        case One(name):
            for principal in sorted(found.get(name, frozenset()) - used):
                yield used | {principal}
        case AnyOf(options):
            for option in options:
                yield from _ways(option, found, used)
        case AtLeast(count, entries):
            yield from _choose(entries, count, found, used)
        case _:
            assert_never(expression)


def _choose(
    entries: tuple[Expression, ...], count: int, found: Principals, used: frozenset[str]
) -> Iterator[frozenset[str]]:
    if count == 0:
        yield used
        return
    if count > len(entries) or len(_available(entries, found) - used) < count:
        return
    first, rest = entries[0], entries[1:]
    for taken in _ways(first, found, used):
        yield from _choose(rest, count - 1, found, taken)
    yield from _choose(rest, count, found, used)


def _available(entries: tuple[Expression, ...], found: Principals) -> frozenset[str]:
    return frozenset().union(*(found.get(name, frozenset()) for entry in entries for name in names(entry)))
