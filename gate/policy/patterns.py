"""Patterns over images and over other values (POLICY §3).

Image patterns match the normalised `registry/repository` and nothing else: never a tag, never the text as written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

import re2

from gate.errors import ParseError
from gate.image.reference import DOCKER_HUB, canonical_registry

if TYPE_CHECKING:
    from gate.image.reference import Repository

MAX_PATTERN: Final = 512
"""Characters of one pattern; a repository's name has at most about 320."""

_SEGMENT: Final = re.compile(r"[a-z0-9*](?:[a-z0-9._*-]*[a-z0-9*])?", re.ASCII)
_HOST_SEGMENT: Final = re.compile(r"(?:[a-z0-9*](?:[a-z0-9.*-]*[a-z0-9*])?|\[[0-9a-f:]+\])(?::[0-9*]+)?", re.ASCII)
_SHORTER: Final = "write a shorter one, or several"
_MEMORY: Final = 8 * 1024 * 1024  # bytes that one compiled pattern may take
_TAG_AT_END: Final = re.compile(r":[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)


class Matcher(Protocol):
    """What a pattern was compiled to: a regular expression, or something that is faster to make and to use."""

    def fullmatch(self, text: str, /) -> object:
        """Something true where the whole text fits."""


@dataclass(frozen=True, slots=True)
class Around:
    """A pattern with one wildcard, as most are: what stands before and behind it.

    Attributes:
        crosses: whether the wildcard takes slashes too.
    """

    before: str
    after: str
    crosses: bool

    def fullmatch(self, text: str, /) -> bool:
        """Whether the whole text fits."""
        end = len(text) - len(self.after)
        if end < len(self.before) or not text.startswith(self.before) or not text.endswith(self.after):
            return False
        return self.crosses or "/" not in text[len(self.before) : end]


@dataclass(frozen=True, slots=True)
class Exactly:
    """A pattern without wildcards, or one that ends with `/**`.

    Attributes:
        below: whether what stands below it fits too.
    """

    text: str
    below: bool = False

    def fullmatch(self, text: str, /) -> bool:
        """Whether the whole text fits."""
        return text == self.text or (self.below and text.startswith(f"{self.text}/"))


@dataclass(frozen=True, slots=True)
class ImagePattern:
    """`*` is any run inside one path segment, `**` a whole segment standing for zero or more."""

    text: str
    _matcher: Matcher = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> ImagePattern:
        """Read a pattern.

        Raises:
            ParseError: one that would not match what it seems to, with the corrected text as its remedy.
        """
        if len(text) > MAX_PATTERN:
            raise ParseError(f"a pattern of {len(text)} characters; at most {MAX_PATTERN} are read", remedy=_SHORTER)
        if text == "*":
            raise ParseError("a bare `*` matches one path segment, and every image has two or more", remedy="write **")
        if "@" in text:
            raise ParseError(
                f"{text!r}: patterns match repositories, not digests",
                remedy=f"write {text.partition('@')[0]}, and `digests` for digests",
            )
        if text != text.lower():
            better = (
                f"write {text.lower()}" if text.isascii() else "repositories have a-z, 0-9 and . _ - in their names"
            )
            raise ParseError(f"{text!r} has upper case, which no repository has", remedy=better)
        segments = text.split("/")
        _check_tag(text, segments)
        for segment in segments:
            if "**" in segment and segment != "**":
                raise ParseError(
                    f"{text!r}: `**` stands for whole segments only",
                    remedy=f"write {text.replace(segment, segment.replace('**', '*'))} or put a / between",
                )
        _check_first(text, segments)
        for segment in segments[1:]:
            if segment != "**" and not _SEGMENT.fullmatch(segment):
                raise ParseError(
                    f"{text!r}: {segment!r} is not a path segment", remedy="write registry/path with * and ** in it"
                )
        return cls(text, _compile(segments))

    def matches(self, repository: Repository) -> bool:
        """Whether it covers this repository."""
        return self.covers(f"/{repository}")

    def covers(self, path: str) -> bool:
        """The same of `/registry/repository`, for those who ask about many patterns."""
        return bool(self._matcher.fullmatch(path))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class RegistryPrefix:
    """Whole segments of `registry/repository`: `ghcr.io/acme` covers `ghcr.io/acme/api`, never `ghcr.io/acme-evil`."""

    text: str

    @classmethod
    def parse(cls, text: str) -> RegistryPrefix:
        """Read a prefix such as `ghcr.io` or `ghcr.io/acme`.

        Raises:
            ParseError: wildcards, a tag, an unqualified or not normalised name.
        """
        if "*" in text:
            raise ParseError(
                f"{text!r}: `registries` are prefixes and take no wildcards",
                remedy=f"write {text.split('*', maxsplit=1)[0].rstrip('/') or 'a registry'}",
            )
        trimmed = text.rstrip("/")
        if trimmed != text:
            raise ParseError(f"{text!r} ends with /", remedy=f"write {trimmed}")
        try:
            ImagePattern.parse(f"{text}/**")
        except ParseError as error:
            raise ParseError(error.message.replace("/**", ""), remedy=error.remedy.replace("/**", "")) from error
        return cls(text)

    def covers(self, repository: Repository) -> bool:
        """Whether the repository is it or stands below it."""
        return f"{repository}/".startswith(f"{self.text}/")

    def __str__(self) -> str:
        return self.text


@lru_cache(maxsize=4096)
def glob(pattern: str) -> Matcher:
    """For values that are no images (tags, labels): `*` stops at `/`, `**` does not. To be matched as a whole.

    Raises:
        ParseError: it is too large.
    """
    if len(pattern) > MAX_PATTERN:
        raise ParseError(f"a pattern of {len(pattern)} characters; at most {MAX_PATTERN} are read", remedy=_SHORTER)
    parts = re.split(r"(\*\*|\*)", pattern)
    match parts:
        case [text]:
            return Exactly(text)
        case [before, wildcard, after]:
            return Around(before, after, crosses=wildcard == "**")
        case _:
            expression = "".join({"**": ".*", "*": "[^/]*"}.get(part, re.escape(part)) for part in parts)
            found: Matcher = linear(f"(?s){expression}")
            return found


def linear(expression: str) -> re2.Pattern[str]:
    """A regular expression that is matched in linear time: whoever writes a `GatePolicy` may not hold the process.

    Raises:
        ParseError: it is none, or too large.
    """
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        return re2.compile(expression, options)
    except re2.error as error:
        said = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise ParseError(
            f"{expression[:100]!r} is not a regular expression (RE2): {said[:100]}",
            remedy="mend it; RE2 has no look-around and no backreferences",
        ) from error


def _check_tag(text: str, segments: list[str]) -> None:
    """A port is no tag: a colon in the first segment is one only where nothing follows it."""
    last = segments[-1]
    if len(segments) > 1 and ":" in last:
        raise ParseError(
            f"{text!r}: patterns match repositories, not tags",
            remedy=f"write {text.rpartition(':')[0]}, and an `image` rule for tags",
        )
    name, colon, tail = last.partition(":")
    is_port = tail.isdecimal() and ("." in name or name == "localhost")
    if colon and len(segments) == 1 and not is_port and _TAG_AT_END.fullmatch(colon + tail):
        raise ParseError(f"{text!r}: patterns match repositories, not tags", remedy=f"write {_qualified(name)}")


def _check_first(text: str, segments: list[str]) -> None:
    first = segments[0]
    if first in ("**", "*"):
        return
    if not _HOST_SEGMENT.fullmatch(first):
        raise ParseError(f"{text!r}: {first!r} is not a registry host", remedy="write registry/path")
    is_host = "." in first or ":" in first or first == "localhost"
    if len(segments) == 1 and ("*" in first or is_host):
        raise ParseError(f"{text!r} is a registry and covers no repository", remedy=f"write {first}/**")
    if "*" in first:
        return
    if not is_host:
        raise ParseError(f"{text!r} names no registry", remedy=f"write {_qualified(text)}")
    canonical = canonical_registry(first)
    if canonical != first:
        raise ParseError(
            f"{text!r}: {first} is another name of {canonical}", remedy=f"write {_corrected(canonical, segments[1:])}"
        )
    if segments == [DOCKER_HUB, "*"]:
        raise ParseError(
            f"{text!r} covers nothing: every repository of Docker Hub has two segments",
            remedy=f"write {DOCKER_HUB}/library/* for Docker's own images, or {DOCKER_HUB}/**",
        )
    if first == DOCKER_HUB and not segments[2:] and segments[-1] not in ("**", "library", DOCKER_HUB):
        raise ParseError(
            f"{text!r}: Docker's own images stand below library/",
            remedy=f"write {DOCKER_HUB}/library/{segments[-1]}, or {text}/** for a namespace",
        )


def _corrected(host: str, path: list[str]) -> str:
    """With a host's one name; at Docker Hub a path of one `*` covers nothing."""
    return "/".join([host, *(["library", "*"] if host == DOCKER_HUB and path == ["*"] else path)])


def _qualified(text: str) -> str:
    return f"{DOCKER_HUB}/{text}" if "/" in text else f"{DOCKER_HUB}/library/{text}"


def _compile(segments: list[str]) -> Matcher:
    """Every segment with the slash before it, so that `a/**` covers `a` and `**/x` covers `x`."""
    path = "".join(f"/{segment}" for segment in segments)
    if "*" not in path:
        return Exactly(path)
    if path.count("*") == 1:
        before, _, after = path.partition("*")
        return Around(before, after, crosses=False)
    above = path.removesuffix("/**")
    if "*" not in above:
        return Exactly(above, below=True)
    parts = ["(?:/[^/]+)*" if s == "**" else "/" + "[^/]*".join(map(re.escape, s.split("*"))) for s in segments]
    expression = "".join(parts)
    # What cannot backtrack far is left to the standard library, which is several times as fast for short texts.
    plain = segments.count("**") <= 1 and all(s == "**" or s.count("*") <= 1 for s in segments)
    return re.compile(expression) if plain else linear(expression)
