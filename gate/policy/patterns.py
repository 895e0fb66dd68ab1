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
    from collections.abc import Callable

    from gate.image.reference import Repository

MAX_PATTERN: Final = 512
"""Characters of one pattern; a repository's name has at most about 320."""

_SEGMENT: Final = re.compile(r"[a-z0-9*](?:[a-z0-9._*-]*[a-z0-9*])?", re.ASCII)
_HOST_SEGMENT: Final = re.compile(r"(?:[a-z0-9*](?:[a-z0-9.*-]*[a-z0-9*])?|\[[0-9a-f:]+\])(?::[0-9*]+)?", re.ASCII)
_SHORTER: Final = "write a shorter one, or several"
_MEMORY: Final = 8 * 1024 * 1024  # bytes that one compiled pattern may take
_PATTERN_FORM: Final = "write registry/path with * and ** in it"
_HOST_FORM: Final = "write registry/path"
_TAKES: Final = "write a registry, or whole segments below it, such as ghcr.io/acme; patterns go into `match.images`"
_CORRECTIONS: Final = 8  # that one text may need
_TAG_AT_END: Final = re.compile(r":[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)


class _Correctable(ParseError):
    """A pattern of which it is known what was meant.

    Attributes:
        better: that, which may have another flaw.
        more: what to do beside it, as the sentence goes on; "" for nothing.
    """

    def __init__(self, message: str, better: str, more: str = "") -> None:
        super().__init__(message)
        self.better = better
        self.more = more


def _all_at_once(error: _Correctable, read: Callable[[str], object]) -> str:
    """The remedy after which nothing is left to correct: the first alone would only lead to the next."""
    more: list[str] = []
    for _ in range(_CORRECTIONS):
        more.append(error.more)
        try:
            read(error.better)
        except _Correctable as another:
            error = another
        except ParseError as another:
            return another.remedy
        else:
            break
    return "".join([f"write {error.better}", *more])


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
        try:
            return cls._read(text)
        except _Correctable as error:
            raise ParseError(error.message, remedy=_all_at_once(error, cls._read)) from error

    @classmethod
    def _read(cls, text: str) -> ImagePattern:
        if len(text) > MAX_PATTERN:
            raise ParseError(f"a pattern of {len(text)} characters; at most {MAX_PATTERN} are read", remedy=_SHORTER)
        if text == "*":
            raise _Correctable("a bare `*` matches one path segment, and every image has two or more", "**")
        if "@" in text:
            raise _Correctable(
                f"{text!r}: patterns match repositories, not digests",
                text.partition("@")[0],
                ", and `digests` for digests",
            )
        if text != text.lower():
            said = f"{text!r} has upper case, which no repository has"
            if text.isascii():
                raise _Correctable(said, text.lower())
            raise ParseError(said, remedy="repositories have a-z, 0-9 and . _ - in their names")
        _check_url(text)
        segments = text.split("/")
        _check_tag(text, segments)
        for segment in segments:
            if "**" in segment and segment != "**":
                raise _Correctable(
                    f"{text!r}: `**` stands for whole segments only",
                    "/".join(one if one == "**" else one.replace("**", "*") for one in segments),
                    " or put a / between",
                )
        _check_first(text, segments)
        for segment in segments[1:]:
            if segment != "**" and not _SEGMENT.fullmatch(segment):
                raise ParseError(f"{text!r}: {segment!r} is not a path segment", remedy=_PATTERN_FORM)
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
        scheme, slashes, rest = text.partition("://")
        if slashes and rest and scheme.isalpha():
            raise ParseError(f"{text!r} is a URL, and `registries` are names", remedy=cls._remedy(rest))
        if "*" in text.removesuffix("/**") or "@" in text or ":" in text.partition("/")[2]:
            what = "wildcards" if "*" in text else "tags and no digests"
            # To cut off what is not taken would allow more than was written.
            raise ParseError(f"{text!r}: `registries` are prefixes and take no {what}", remedy=_TAKES)
        trimmed = text.removesuffix("/**").rstrip("/")
        name = trimmed.lower()
        if _SEGMENT.fullmatch(name) and "." not in name and name != "localhost":
            remedy = f"write {_qualified(name)} for Docker's own image, or {DOCKER_HUB}/{name} for a namespace"
            raise ParseError(f"{text!r} names no registry", remedy=remedy)
        try:
            ImagePattern.parse(f"{trimmed}/**")
        except ParseError as error:
            # It is shown as it was written, and corrected without the `**` that a pattern wants.
            said = error.message.replace(f"{trimmed}/**", text)
            formless = error.remedy in (_PATTERN_FORM, _HOST_FORM)
            raise ParseError(said, remedy=_TAKES if formless else error.remedy.replace("/**", "")) from error
        if trimmed != text:
            said = "ends with /" if text.endswith("/") else "is a pattern, and `registries` are prefixes"
            raise ParseError(f"{text!r} {said}", remedy=f"write {trimmed}")
        return cls(text)

    @classmethod
    def _remedy(cls, text: str) -> str:
        """To write a text, or what to write instead of it too."""
        try:
            return f"write {cls.parse(text)}"
        except ParseError as error:
            return error.remedy

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


def _check_url(text: str) -> None:
    """What is copied out of a browser or a file manager."""
    scheme, slashes, rest = text.partition("://")
    if slashes and rest and scheme.isalpha():
        raise _Correctable(f"{text!r} is a URL, and patterns are of names", rest)
    if text.endswith("/") and text.strip("/"):
        raise _Correctable(f"{text!r} ends with /", f"{text.rstrip('/')}/**")


def _check_tag(text: str, segments: list[str]) -> None:
    """A port is no tag: a colon in the first segment is one only where nothing follows it."""
    last = segments[-1]
    if len(segments) > 1 and ":" in last:
        raise _Correctable(
            f"{text!r}: patterns match repositories, not tags",
            text.rpartition(":")[0],
            ", and an `image` rule for tags",
        )
    name, colon, tail = last.partition(":")
    is_port = tail.isdecimal() and ("." in name or name == "localhost")
    if colon and len(segments) == 1 and not is_port and ("*" in tail or _TAG_AT_END.fullmatch(colon + tail)):
        said = f"{text!r}: patterns match repositories, not tags"
        if "." in name and "*" not in name:
            raise ParseError(said, remedy=f"name a repository, such as {name}/NAME, or {name}/** for all of them")
        raise _Correctable(said, "**" if name == "*" else name if "*" in name else _qualified(name))


def _check_first(text: str, segments: list[str]) -> None:
    first = segments[0]
    if first in ("**", "*"):
        return
    if not _HOST_SEGMENT.fullmatch(first):
        raise ParseError(f"{text!r}: {first!r} is not a registry host", remedy=_HOST_FORM)
    is_host = "." in first or ":" in first or first == "localhost"
    if len(segments) == 1 and ("*" in first or is_host):
        raise _Correctable(f"{text!r} is a registry and covers no repository", f"{first}/**")
    if "*" in first:
        return
    if not is_host:
        raise _Correctable(f"{text!r} names no registry", _qualified(text))
    canonical = canonical_registry(first)
    if canonical != first:
        raise _Correctable(f"{text!r}: {first} is another name of {canonical}", _corrected(canonical, segments[1:]))
    if segments == [DOCKER_HUB, "*"]:
        raise ParseError(
            f"{text!r} covers nothing: every repository of Docker Hub has two segments",
            remedy=f"write {DOCKER_HUB}/library/* for Docker's own images, or {DOCKER_HUB}/**",
        )
    if first == DOCKER_HUB and not segments[2:] and segments[-1] not in ("**", "library", DOCKER_HUB):
        raise _Correctable(
            f"{text!r}: Docker's own images stand below library/",
            f"{DOCKER_HUB}/library/{segments[-1]}",
            f", or {text}/** for a namespace",
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
