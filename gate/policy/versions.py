"""Versions in the order of their own ecosystem, and ranges of them (POLICY §4, `sbom`).

The order is that of univers; what it takes, and what it would take for something else, is narrowed here. A version that
is not of its ecosystem's form has no order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from univers import versions as univers

from gate.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_VERSION: Final = 128
"""Characters; a longer version has no order."""

_STUMBLES: Final = (ValueError, TypeError, AttributeError, IndexError, KeyError, RecursionError)
_OPERATORS: Final[dict[str, Callable[[int], bool]]] = {
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
    "=": lambda order: order == 0,
}
_BOUND: Final = re.compile(r"(<=|>=|<|>|=)?\s*([0-9A-Za-z][0-9A-Za-z.+~^:!_-]*)", re.ASCII)
_PREFIX: Final = re.compile(r"([0-9]+(?:\.[0-9]+)*)\.\*", re.ASCII)
_RELEASE: Final = re.compile(r"(?:go|[v=])?([0-9]+(?:\.[0-9]+)*)", re.ASCII)
_EPOCH: Final = re.compile(r"[0-9]+[:!]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Scheme:
    """How an ecosystem writes versions.

    Attributes:
        order: univers' class of them.
        form: what a version looks like, whatever its case; anything else has no order.
        revision: what packagers add at the end, which a range need not write.
        dropped: what says nothing of the order.
    """

    order: type[univers.Version]
    form: re.Pattern[str]
    revision: re.Pattern[str] | None = None
    dropped: re.Pattern[str] | None = None


def _form(text: str) -> re.Pattern[str]:
    return re.compile(text, re.ASCII | re.IGNORECASE)


_NUMBERS: Final = r"[0-9]+(?:\.[0-9]+)*"
_SEMVER: Final = Scheme(
    univers.SemverVersion,
    _form(r"[0-9]+(?:\.[0-9]+){0,2}(?:-[0-9a-z-]+(?:\.[0-9a-z-]+)*)?"),
    dropped=_form(r"^(?:go|[v=])(?=[0-9])|\+.*$"),  # build metadata has no precedence; univers gives it one
)
_SCHEMES: Final = {
    "maven": Scheme(univers.MavenVersion, _form(r"[0-9][0-9a-z.+_-]*"), dropped=_form(r"[.-]release$")),
    "npm": _SEMVER,
    "cargo": _SEMVER,
    "golang": _SEMVER,
    "hex": _SEMVER,
    "pub": _SEMVER,
    "swift": _SEMVER,
    "pypi": Scheme(univers.PypiVersion, _form(r"[0-9a-z.+!_-]+"), _form(r"\+.*$")),
    "deb": Scheme(univers.DebianVersion, _form(r"(?:[0-9]{1,9}:)?[0-9][0-9a-z.+~-]*"), _form(r"-[^-]*$")),
    "rpm": Scheme(univers.RpmVersion, _form(r"(?:[0-9]{1,9}:)?[0-9a-z][0-9a-z.+~^_-]*"), _form(r"-.*$")),
    "apk": Scheme(
        univers.AlpineLinuxVersion, _form(rf"{_NUMBERS}[a-z]?(?:_[a-z]+[0-9]*)*(?:-r[0-9]+)?"), _form(r"-r[0-9]+$")
    ),
    "alpm": Scheme(univers.ArchLinuxVersion, _form(r"(?:[0-9]{1,9}:)?[0-9a-z][0-9a-z.+_-]*"), _form(r"-[^-]*$")),
    "nuget": Scheme(
        univers.NugetVersion,
        _form(r"[0-9]+(?:\.[0-9]+){0,3}(?:-[0-9a-z-]+(?:\.[0-9a-z-]+)*)?"),
        dropped=_form(r"^v|\+.*$"),
    ),
    "gem": Scheme(univers.RubygemsVersion, _form(r"[0-9]+(?:\.[0-9a-z]+)*(?:-[0-9a-z.-]+)?")),
    # Composer has suffixes that sort like nobody else's: only plain versions are compared.
    "composer": Scheme(univers.MavenVersion, _form(_NUMBERS), dropped=_form(r"^v")),
}
# Of an ecosystem without known rules only what all of them agree about is compared: numbers and dots.
_PLAIN: Final = Scheme(univers.MavenVersion, _form(_NUMBERS), dropped=_form(r"^v"))


class Version(NamedTuple):
    """A component's version.

    Attributes:
        text: as written; "" where there is none.
        epoch: what a package URL says of it beside the version; "" where it says nothing.
    """

    text: str
    epoch: str = ""


def compare(ecosystem: str, left: str, right: str) -> int | None:
    """Below 0, 0 or above 0 as `left` is older, the same or newer; None where they can't be compared.

    Args:
        ecosystem: a type of package URLs, in lower case.
        left: a version.
        right: another one.
    """
    first, second = _ordered(ecosystem, left), _ordered(ecosystem, right)
    if first is None or second is None:
        return None
    try:
        # Never <= or >=: some classes of univers leave those to a comparison of the texts.
        found = [bool(first < second), bool(first == second), bool(second < first)]
    except _STUMBLES:
        return None
    return found.index(True) - 1 if found.count(True) == 1 else None


@lru_cache(maxsize=4096)
def _ordered(ecosystem: str, text: str) -> univers.Version | None:
    scheme = _SCHEMES.get(ecosystem, _PLAIN)
    if len(text) > MAX_VERSION or not text.isascii():
        return None
    if scheme.dropped is not None:
        text = scheme.dropped.sub("", text)
    if not scheme.form.fullmatch(text):
        return None
    try:
        return scheme.order(text)
    except _STUMBLES:
        return None


@dataclass(frozen=True, slots=True)
class VersionRange:
    """Some versions of one ecosystem.

    Attributes:
        text: `<2.17.1`, `>=2,<2.17.1`, `2.14.1` or `2.14.*`.
        prefix: the numbers that a version begins with; () for a range by order.
    """

    text: str
    ecosystem: str
    bounds: tuple[tuple[str, str], ...]
    prefix: tuple[int, ...] = ()

    @classmethod
    def parse(cls, ecosystem: str, text: str) -> VersionRange:
        """Read a range.

        Raises:
            ParseError: it is none, its versions can't be ordered, or no version is in it.
        """
        if len(text) > MAX_VERSION:
            raise ParseError(f"{text[:50]!r}… is too long for a range of versions", remedy="write <2.17.1")
        if found := _PREFIX.fullmatch(text):
            return cls(text, ecosystem, (), tuple(map(int, found[1].split("."))))
        parts = [_BOUND.fullmatch(part.strip()) for part in text.split(",")]
        if not all(parts) or (len(parts) > 1 and any(part[1] in (None, "=") for part in parts if part)):
            remedy = "write <2.17.1, or >=2,<2.17.1, or 2.14.* or 2.14.1; leave it out for any version"
            raise ParseError(f"{text!r} is not a range of versions", remedy=remedy)
        bounds = tuple((part[1] or "=", part[2]) for part in parts if part)
        for operator, version in bounds:
            if operator != "=" and compare(ecosystem, version, version) is None:
                known = "has no order" if ecosystem in _SCHEMES else "has no order that is known here"
                raise ParseError(f"{version!r} {known} among the versions of {ecosystem}", remedy="write it in full")
        found_range = cls(text, ecosystem, bounds)
        if found_range._is_empty():
            raise ParseError(f"{text!r}: no version is in it", remedy="write the lower bound first, as >=2,<2.17.1")
        return found_range

    def _is_empty(self) -> bool:
        lower = [bound for bound in self.bounds if bound[0][0] == ">"]
        upper = [bound for bound in self.bounds if bound[0][0] == "<"]
        for above, least in lower:
            for below, most in upper:
                order = compare(self.ecosystem, least, most)
                if order is None or order > 0 or (order == 0 and (above, below) != (">=", "<=")):
                    return True
        return False

    def covers(self, version: Version) -> bool | None:
        """Whether a version is in it by the rules of its ecosystem; None where that is not certain.

        Uncertain is a version without an order or none at all; and one that is in it only without its epoch or its
        packager's revision, where the range writes none: `@<3.0.7` means `1:3.0.1-43.el9`, too, to most who write it.
        """
        if not version.text:
            return None
        answers = [self._contains(text) for text in self._readings(version)]
        if answers[0] is True:
            return True
        return False if all(answer is False for answer in answers) else None

    def _readings(self, version: Version) -> Iterator[str]:
        text = version.text
        has_epoch = _EPOCH.match(text) is not None
        whole = f"{version.epoch}:{text}" if version.epoch and not has_epoch else text
        yield whole
        written = [bound for _, bound in self.bounds]
        revision = _SCHEMES.get(self.ecosystem, _PLAIN).revision
        if not any(_EPOCH.match(bound) for bound in written):
            yield (bare := _EPOCH.sub("", whole, count=1))
            whole = bare
        if revision is not None and not any(revision.search(bound) for bound in written):
            yield revision.sub("", whole)

    def _contains(self, text: str) -> bool | None:
        if self.prefix:
            return self._begins(text)
        answers = [self._meets(operator, bound, text) for operator, bound in self.bounds]
        if False in answers:
            return False
        return None if None in answers else True

    def _begins(self, text: str) -> bool | None:
        release = _RELEASE.match(_EPOCH.sub("", text.lower(), count=1))
        if release is None or compare(self.ecosystem, text, text) is None:
            return None
        numbers = [int(number) for number in release[1].split(".")]
        numbers += [0] * (len(self.prefix) - len(numbers))
        return tuple(numbers[: len(self.prefix)]) == self.prefix

    def _meets(self, operator: str, bound: str, text: str) -> bool | None:
        order = compare(self.ecosystem, text, bound)
        if order is not None:
            return _OPERATORS[operator](order)
        if operator == "=" and compare(self.ecosystem, bound, bound) is None:  # a name such as dev-main
            return text.lower() == bound.lower()
        return None

    def __str__(self) -> str:
        return self.text
