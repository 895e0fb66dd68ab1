"""Image references as containerd reads them (distribution/reference), normalised once and for all.

Where spellings of one image differ (`nginx`, `index.docker.io/library/nginx`, `GHCR.io:443/…`) they parse to equal
values: policies, credentials and caches see only the canonical form.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from gate.errors import ParseError
from gate.image.digest import Digest

DOCKER_HUB: Final = "docker.io"
_HUB_ALIASES: Final = frozenset({"index.docker.io", "registry-1.docker.io"})
_MOST: Final = 4096  # characters of a text that is looked at; a legal one has at most about 1,000
_PATH_MOST: Final = 255

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST: Final = re.compile(
    rf"(?:(?P<name>{_LABEL}(?:\.{_LABEL})*)|\[(?P<v6>[a-fA-F0-9:]+)\])(?::(?P<port>[0-9]+))?", re.ASCII
)
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH: Final = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_IDENTIFIER: Final = re.compile(r"[a-f0-9]{64}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Repository:
    """A registry host (with port where it is not 443) and a repository path, both canonical."""

    registry: str
    path: str

    def __str__(self) -> str:
        return f"{self.registry}/{self.path}"


@dataclass(frozen=True, slots=True)
class Reference:
    """One image: `registry/repository[:tag][@digest]`. Equality ignores how it was written.

    Attributes:
        registry: canonical host, lower-case, without `:443`; Docker Hub is `docker.io`.
        repository: the path; one component at Docker Hub has `library/` before it.
        tag: as written, or None; a runtime takes None without a digest for `latest`.
        digest: as written, or None; where both are there the digest decides.
        text: what was written, for people; no part of equality.
        name: registry and repository without tag and digest; what policies and credentials match.
    """

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None
    text: str = field(default="", compare=False)
    name: Repository = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", Repository(self.registry, self.repository))

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read and normalise a reference.

        Raises:
            ParseError: what is wrong with it, and how it could be written.
        """
        return _parsed(text)

    @classmethod
    def _read(cls, text: str) -> Reference:
        if not text:
            raise ParseError("the image reference is empty", remedy="write registry/repository:tag@digest")
        if len(text) > _MOST:
            raise ParseError(f"the image reference has {len(text)} characters; none is that long")
        if _IDENTIFIER.fullmatch(text):
            raise _invalid(text, "64 hex digits look like an image ID", "write docker.io/ before it")
        name, digest = _split_digest(text)
        host, rest = _split_host(name)
        path, tag = _split_tag(rest, text)
        registry = canonical_registry(host) if host else DOCKER_HUB
        if registry == DOCKER_HUB and "/" not in path:
            path = f"library/{path}"
        if not _PATH.fullmatch(path):
            lower = path.lower()
            fix = (
                f"write {lower}" if lower != path and _PATH.fullmatch(lower) else "use a-z, 0-9 and . _ - between them"
            )
            raise _invalid(text, f"{path[:100]!r} is not a repository path", fix)
        if len(path) > _PATH_MOST:
            raise _invalid(text, f"the repository path has {len(path)} characters", f"at most {_PATH_MOST} are allowed")
        return cls(registry, path, tag, digest, text)

    @property
    def effective_tag(self) -> str | None:
        """The tag a runtime would ask for: `latest` when neither tag nor digest is written."""
        return self.tag or (None if self.digest else "latest")

    def pinned(self, digest: Digest) -> str:
        """The text as written with `@digest` appended; unchanged where a digest is written."""
        return self.text if self.digest else f"{self.text}@{digest}"

    def renamed(self, name: Repository) -> Reference:
        """The same image in another repository; what was written stays."""
        if name == self.name:
            return self
        return Reference(name.registry, name.path, self.tag, self.digest, self.text)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"


@lru_cache(maxsize=2048)
def _parsed(text: str) -> Reference:
    """Remembered: the same few images are reviewed again and again."""
    return Reference._read(text)  # noqa: SLF001 - its other half


def canonical_registry(host: str) -> str:
    """`host[:port]` in its one spelling.

    Lower case, `:443` dropped, leading zeros of a port dropped, IPv6 compressed, Docker Hub's other names mapped.

    Raises:
        ParseError: not a host.
    """
    found = _HOST.fullmatch(host)
    if not found:
        raise ParseError(f"{host[:100]!r} is not a registry host", remedy="write host, host:port or [ipv6]:port")
    if found["v6"] is not None:
        try:
            name = f"[{_compressed(ipaddress.IPv6Address(found['v6']))}]"
        except ValueError as error:
            raise ParseError(f"{host[:100]!r} is not an IPv6 address: {error}") from error
    else:
        name = found["name"].lower()
    port = found["port"]
    port = port.lstrip("0") or "0" if port else "443"
    if port != "443":
        return f"{name}:{port}"
    if found["port"] is not None and not _is_host(name):
        return f"{name}:443"  # without its port it would be read as a path at Docker Hub
    return DOCKER_HUB if name in _HUB_ALIASES else name


def _is_host(name: str) -> bool:
    """Whether a first component is a host by itself, before any `/`."""
    return name == "localhost" or "." in name or ":" in name


def _compressed(address: ipaddress.IPv6Address) -> str:
    """The one spelling, in hex groups throughout: an IPv4 tail would not read back as a host."""
    mapped = address.ipv4_mapped
    if mapped is None:
        return address.compressed
    number = int(mapped)
    return f"::ffff:{number >> 16:x}:{number & 0xFFFF:x}"


def _invalid(text: str, why: str, remedy: str = "") -> ParseError:
    return ParseError(f"{text[:200]!r} is not an image reference: {why}", remedy=remedy)


def _split_digest(text: str) -> tuple[str, Digest | None]:
    name, at, digest = text.partition("@")
    if not at:
        return name, None
    try:
        return name, Digest.parse(digest)
    except ParseError as error:
        raise _invalid(text, error.message, error.remedy) from error


def _split_host(name: str) -> tuple[str, str]:
    """The first component is a host iff a `/` follows and it is `localhost` or contains `.` or `:`.

    A component that only its capitals would make a host (`Foo/bar`) is refused: runtimes disagree on it.
    """
    first, slash, rest = name.partition("/")
    if not slash:
        return "", name
    if _is_host(first):
        if not _HOST.fullmatch(first):
            raise _invalid(name, f"{first[:100]!r} is not a registry host", "remove any scheme such as https://")
        return first, rest
    if first != first.lower():
        raise _invalid(name, f"{first[:100]!r} is neither a host nor lower-case", f"write {first.lower()[:100]}/…")
    return "", name


def _split_tag(rest: str, text: str) -> tuple[str, str | None]:
    path, colon, tag = rest.partition(":")
    if not colon:
        return path, None
    if not _TAG.fullmatch(tag):
        raise _invalid(
            text,
            f"{tag[:140]!r} is not a tag",
            "a tag has 1 to 128 of A-Z a-z 0-9 _ . - and starts with neither . nor -",
        )
    return path, tag
