"""Whether the licences of a component are allowed: SPDX expressions against patterns (POLICY §4, `sbom`).

What a licence is called comes from the SPDX list that license-expression ships; deprecated ids stand for their
successors (`GPL-2.0` for `GPL-2.0-only`, `GPL-2.0+` for `GPL-2.0-or-later`), and case does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from boolean.boolean import TOKEN_AND, TOKEN_LPAR, TOKEN_OR, TOKEN_RPAR
from boolean.boolean import ParseError as NoExpression
from license_expression import (
    ExpressionError,
    LicenseSymbol,
    LicenseWithExceptionSymbol,
    get_spdx_licensing,
)

from gate.errors import ParseError
from gate.policy.patterns import glob

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from license_expression import Licensing

    from gate.policy.patterns import Matcher

MAX_EXPRESSION: Final = 8192
"""Characters; the longest real ones, of kernels and TeX distributions, have some 5,000. A longer one is unknown."""

MAX_LICENSES: Final = 256
"""Of one expression; one with more is unknown."""
MAX_DISTINCT: Final = 256 * 1024
"""Characters of different expressions of one document that are read; what comes after is unknown."""

_SHOWN: Final = 200  # characters of one that is too long
_REFERENCES: Final = ("licenseref-", "documentref-")
# One word says too little: license-expression takes it for GPL-1.0-or-later, which no denial of GPL-2.0 or 3.0 covers.
_AMBIGUOUS: Final = frozenset({"gpl"})
# Deprecated ids of a licence and its exception, which license-expression takes for exceptions alone.
_COMPOUND: Final = {
    "ecos-2.0": ("GPL-2.0-or-later", "eCos-exception-2.0"),
    "gpl-2.0-with-autoconf-exception": ("GPL-2.0-only", "Autoconf-exception-2.0"),
    "gpl-2.0-with-bison-exception": ("GPL-2.0-only", "Bison-exception-2.2"),
    "gpl-2.0-with-classpath-exception": ("GPL-2.0-only", "Classpath-exception-2.0"),
    "gpl-2.0-with-font-exception": ("GPL-2.0-only", "Font-exception-2.0"),
    "gpl-2.0-with-gcc-exception": ("GPL-2.0-only", "GCC-exception-2.0"),
    "gpl-3.0-with-autoconf-exception": ("GPL-3.0-only", "Autoconf-exception-3.0"),
    "gpl-3.0-with-gcc-exception": ("GPL-3.0-only", "GCC-exception-3.1"),
    "wxwindows": ("LGPL-2.0-or-later", "WxWindows-exception-3.1"),
}


class Outcome(IntEnum):
    """The worst first: of what holds together the least counts, of a choice the greatest."""

    DENIED = 0
    UNKNOWN = 1
    ALLOWED = 2


class Judgement(NamedTuple):
    """What came of a component's licences.

    Attributes:
        because: the licences that are denied or unknown, as they are normally written; a text that is no expression, as
            it is; () where allowed, or where the component has no licence at all.
    """

    outcome: Outcome
    because: tuple[str, ...] = ()


class License(NamedTuple):
    """One licence of an expression, normalised.

    Attributes:
        id: as SPDX writes it, or as it was written where SPDX has none; without a `+`.
        later: whether a `+` stands behind it: this version or any later one.
        exception: what follows `WITH`; "" where nothing does.
        known: whether all of it is on SPDX's lists.
    """

    id: str
    later: bool = False
    exception: str = ""
    known: bool = False

    def __str__(self) -> str:
        plus = "+" if self.later else ""
        return f"{self.id}{plus} WITH {self.exception}" if self.exception else f"{self.id}{plus}"


@dataclass(frozen=True, slots=True)
class LicensePattern:
    """An SPDX id, a glob over such ids, or another name exactly; with ` WITH ` and the same for an exception.

    Attributes:
        text: as it was written.
        known: whether it fits any id on SPDX's list, or is a `LicenseRef-`; else it fits that very name alone, or is
            misspelt (for lint).
    """

    text: str
    known: bool
    _id: Matcher
    _exception: Matcher | None

    @classmethod
    def parse(cls, text: str) -> LicensePattern:
        """Read a pattern.

        Raises:
            ParseError: empty, too large, an expression, or a deprecated id that says less than its author thinks.
        """
        name, joined, exception = text.partition(" WITH ")
        if not text or text != " ".join(text.split()) or (joined and not (name and exception)):
            raise ParseError(f"{text[:100]!r} is not a licence", remedy="write an SPDX id, as AGPL-3.0-only")
        if len(_parsed(text) or ()) > 1 or {"AND", "OR", "WITH"} & {*name.split(), *exception.split()}:
            raise ParseError(f"{text[:100]!r} is an expression", remedy="write each of its licences by itself")
        if f"{name}-only".lower() in _licenses():
            raise ParseError(
                f"{text[:100]!r} is deprecated: it does not say whether later versions are meant",
                remedy=f"write {name}-only, {name}-or-later or {name}-* for both",
            )
        if not exception and "*" not in name:
            whole = _named(name)
            name, exception = f"{whole.id}{'+' * whole.later}", whole.exception
        elif "*" not in name:
            name = str(_named(name))
        exceptions = glob(_exceptions().get(exception.lower(), exception).lower()) if exception else None
        return cls(text, _is_known(name, exception), glob(name.lower()), exceptions)

    def denies(self, found: License) -> bool:
        """Whether it fits, for denial: an exception or a `+` takes nothing from it unless the pattern has one, too."""
        names = (found.id, f"{found.id}+") if found.later else (found.id,)
        return self._fits(found, names)

    def allows(self, found: License) -> bool:
        """Whether it fits, for permission: globs stand for what is on SPDX's list alone.

        An exception permits more, so that a licence is allowed with any that SPDX knows. `X+` is a choice with X in it.
        """
        if not found.known and ("*" in self.text or (found.exception and self._exception is None)):
            return False
        return self.denies(found)

    def _fits(self, found: License, names: Iterable[str]) -> bool:
        if self._exception is not None and not self._exception.fullmatch(found.exception.lower()):
            return False
        return any(self._id.fullmatch(name.lower()) for name in names)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class LicenseRule:
    """What a policy allows and denies. A denial beats a permission.

    Attributes:
        allow: where it is not empty, any other licence is denied.
    """

    allow: tuple[LicensePattern, ...]
    deny: tuple[LicensePattern, ...]

    @classmethod
    def parse(cls, allow: Sequence[str], deny: Sequence[str]) -> LicenseRule:
        """Read its patterns.

        Raises:
            ParseError: one is none.
        """
        return cls(tuple(map(LicensePattern.parse, allow)), tuple(map(LicensePattern.parse, deny)))

    def judge_all(self, components: Iterable[tuple[str, ...]]) -> Iterator[Judgement]:
        """The same of the components of a document, different ones once."""
        known: dict[tuple[str, ...], Judgement] = {}
        read = 0
        for licenses in components:
            found = known.get(licenses)
            if found is None:
                read += sum(map(len, licenses))
                found = (
                    self.judge(licenses) if read <= MAX_DISTINCT else Judgement(Outcome.UNKNOWN, ("too many licences",))
                )
                known[licenses] = found
            yield found

    def judge(self, licenses: tuple[str, ...]) -> Judgement:
        """Of a component's licences, each of which holds. Of a component with none nothing is known."""
        if not licenses:
            return Judgement(Outcome.UNKNOWN)
        return _together([self._of_expression(text) for text in licenses])

    def _of_expression(self, text: str) -> Judgement:
        if len(text) > MAX_EXPRESSION:
            return Judgement(Outcome.UNKNOWN, (f"{text[:_SHOWN]}…",))
        postfix = _parsed(text)
        if postfix is None:
            return self._of_license(License(" ".join(text.split())))
        stack: list[Judgement] = []
        for item in postfix:
            if isinstance(item, License):
                stack.append(self._of_license(item))
            else:
                stack[-2:] = [_JOINED[item](stack[-2:])]
        return stack[0]

    def _of_license(self, found: License) -> Judgement:
        if any(pattern.denies(found) for pattern in self.deny):
            return Judgement(Outcome.DENIED, (str(found),))
        if any(pattern.allows(found) for pattern in self.allow):
            return Judgement(Outcome.ALLOWED)
        if not found.known:
            return Judgement(Outcome.UNKNOWN, (str(found),))
        return Judgement(Outcome.DENIED, (str(found),)) if self.allow else Judgement(Outcome.ALLOWED)


def listed_ids() -> Iterable[str]:
    """The ids of SPDX's list."""
    return frozenset(_licenses().values())


def named_in(text: str) -> tuple[str, ...]:
    """The licences of an expression as reasons call them; a text that is none, as it is."""
    postfix = _parsed(text)
    found = (
        [License(" ".join(text.split()))] if postfix is None else [one for one in postfix if isinstance(one, License)]
    )
    return tuple(dict.fromkeys(map(str, found)))


def _together(judgements: Sequence[Judgement]) -> Judgement:
    """What holds together: the worst of it, because of all that is not allowed; whoever waives has to waive each."""
    outcome = min(judgement.outcome for judgement in judgements)
    wrong = [one for found in judgements if found.outcome is not Outcome.ALLOWED for one in found.because]
    return Judgement(outcome, tuple(dict.fromkeys(wrong)))


def _choice(judgements: Sequence[Judgement]) -> Judgement:
    """What may be chosen from: the best of it."""
    return _merged(max(judgement.outcome for judgement in judgements), judgements)


def _merged(outcome: Outcome, judgements: Sequence[Judgement]) -> Judgement:
    if outcome is Outcome.ALLOWED:
        return Judgement(outcome)
    because = [one for found in judgements if found.outcome is outcome for one in found.because]
    return Judgement(outcome, tuple(dict.fromkeys(because)))


_JOINED: Final = {TOKEN_AND: _together, TOKEN_OR: _choice}


def _parsed(text: str) -> list[License | int] | None:
    """An expression in postfix order, its operators as tokens; None where it is none. Nothing nests or multiplies."""
    try:
        tokens = [token for token, _, _ in _licensing().tokenize(text, simple=True)]
    except (ExpressionError, NoExpression):
        return None
    if not 0 < sum(not isinstance(token, int) for token in tokens) <= MAX_LICENSES:
        return None
    postfix: list[License | int] = []
    waiting: list[int] = []
    behind_license = False
    for token in tokens:
        if behind_license is not (token in (TOKEN_AND, TOKEN_OR, TOKEN_RPAR)):
            return None
        behind_license = token not in (TOKEN_AND, TOKEN_OR, TOKEN_LPAR)
        if not _shunted(token, postfix, waiting):
            return None
    while waiting and behind_license:
        postfix.append(waiting.pop())
    return None if waiting or TOKEN_LPAR in postfix else postfix


def _shunted(token: object, postfix: list[License | int], waiting: list[int]) -> bool:
    """One step of the shunting yard; AND binds closer than OR. False where a parenthesis closes none."""
    match token:
        case int() if token == TOKEN_LPAR:
            waiting.append(token)
        case int():
            closer = (TOKEN_AND,) if token == TOKEN_AND else (TOKEN_AND, TOKEN_OR)
            while waiting and waiting[-1] in closer:
                postfix.append(waiting.pop())
            if token != TOKEN_RPAR:
                waiting.append(token)
            elif not waiting:
                return False
            else:
                waiting.pop()
        case LicenseWithExceptionSymbol():
            postfix.append(_named(token.license_symbol.key, token.exception_symbol.key))
        case LicenseSymbol():
            postfix.append(_named(token.key))
        case _:  # the library knows no others
            return False
    return True


def _named(name: str, exception: str = "") -> License:
    """A licence under its SPDX id."""
    lower = name.lower()
    listed = _exceptions().get(exception.lower(), "")
    if not exception and lower in _COMPOUND:
        return License(*_COMPOUND[lower][:1], exception=_COMPOUND[lower][1], known=True)
    later = lower not in _licenses() and name.endswith("+")
    found = _licenses().get(lower.removesuffix("+") if later else lower)
    if later and found and found.endswith("-only"):
        found, later = f"{found.removesuffix('-only')}-or-later", False
    known = found is not None and bool(listed or not exception)
    return License(found or name.removesuffix("+" if later else ""), later, listed or exception, known)


def _is_known(name: str, exception: str) -> bool:
    if exception and not any(map(glob(exception.lower()).fullmatch, _exceptions())):
        return False
    bare = name.lower().removesuffix("+")
    return bare.startswith(_REFERENCES) or any(map(glob(bare).fullmatch, _licenses()))


@cache
def _licensing() -> Licensing:
    return get_spdx_licensing()


@cache
def _licenses() -> dict[str, str]:
    """SPDX's ids by their lower case and that of the deprecated ones. A `LicenseRef-` says what its document says."""
    return {name: key for name, key in _listed(exceptions=False) if name not in _AMBIGUOUS}


@cache
def _exceptions() -> dict[str, str]:
    return dict(_listed(exceptions=True))


def _listed(*, exceptions: bool) -> Iterator[tuple[str, str]]:
    for symbol in _licensing().known_symbols.values():
        if symbol.is_exception is exceptions and not symbol.key.startswith("LicenseRef-"):
            names = (symbol.key, *symbol.aliases)
            yield from ((name.lower(), symbol.key) for name in names if not name.lower().startswith(_REFERENCES))
