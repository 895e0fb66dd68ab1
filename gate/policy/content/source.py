"""Where a source is kept: what repositories' URIs say, and the one form in which they are compared."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from gate.errors import ParseError

MAX_SOURCE: Final = 1000
"""Characters of a URI that is read."""

_SCHEME: Final = re.compile(r"(?:git\+)?(https?|ssh|git)://", re.ASCII)
_SCP: Final = re.compile(r"[A-Za-z0-9_.-]+@([A-Za-z0-9.-]+):(?!/)(.+)", re.ASCII)
_HOST: Final = re.compile(r"([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::([0-9]{1,5}))?", re.ASCII)
_USER: Final = re.compile(r"[A-Za-z0-9._~:+-]*@", re.ASCII)
_SEGMENT: Final = re.compile(r"[A-Za-z0-9._~+-]+", re.ASCII)
_REF: Final = re.compile(r"refs/[A-Za-z0-9._/@+-]+|[A-Za-z0-9._+-]+", re.ASCII)
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)
_PORTS: Final = {"https": "443", "http": "80", "ssh": "22", "git": "9418"}


class Source(NamedTuple):
    """A URI taken apart.

    Attributes:
        uri: without its ref; as it is where it can't be taken apart.
        ref: the git ref; "" where none is said.
        revision: the commit; "" where none is said.
    """

    uri: str
    ref: str = ""
    revision: str = ""


def split(uri: str) -> Source:
    """Take a ref off a URI: `git+https://host/path@ref` (SPDX) or `https://host/path.git#ref:folder` (BuildKit).

    What stands behind an `@` is a ref only where it looks like one: `https://github.com/acme/api@evil.example/x` is not
    acme's.
    """
    scheme = _SCHEME.match(uri)
    if scheme is None or len(uri) > MAX_SOURCE:
        return Source(uri)
    whole, hashed, fragment = uri.partition("#")
    authority, slash, path = whole[scheme.end() :].partition("/")
    repository, at, pinned = path.partition("@")
    ref = fragment.partition(":")[0] if hashed else pinned
    if (hashed and at) or (at and not pinned) or (ref and not _REF.fullmatch(ref)):
        return Source(uri)
    bare = f"{scheme[0]}{authority}{slash}{repository}"
    return Source(bare, revision=ref) if _COMMIT.fullmatch(ref) else Source(bare, ref)


def normal(text: str) -> str | None:
    """`host/owner/name` of a source, to be compared exactly; None where it can't be told for certain.

    Scheme, user, default port, `.git` and ref are left aside. The host's case does not matter; that of the path does,
    for there are servers to which it does. Nothing is decoded or resolved: what has `%`, `..`, a backslash, a query or
    letters beyond ASCII in it has no normal form.
    """
    if len(text) > MAX_SOURCE:
        return None
    text = split(text).uri
    if scp := _SCP.fullmatch(text):
        return _joined(scp[1], scp[2], "ssh")
    scheme = _SCHEME.match(text)
    if scheme is None:
        return _joined(*text.partition("/")[::2], "https")
    authority, _, path = text[scheme.end() :].partition("/")
    user = _USER.match(authority)
    return _joined(authority[user.end() :] if user else authority, path, scheme[1])


def _joined(authority: str, path: str, scheme: str) -> str | None:
    host = _HOST.fullmatch(authority.lower()) if authority.isascii() else None  # the Kelvin sign's lower case is k
    segments = path.removesuffix("/").removesuffix(".git").split("/")
    if host is None or ".." in host[1]:
        return None
    if not all(_SEGMENT.fullmatch(segment) and segment.strip(".") for segment in segments):
        return None
    port = f":{host[2]}" if host[2] and host[2] != _PORTS[scheme] else ""
    return "/".join([f"{host[1]}{port}", *segments])


def parse_source(text: str) -> str:
    """The source that a policy asks for.

    Raises:
        ParseError: anything but the normal form `host/owner/name`, which is then the remedy.
    """
    found = normal(text)
    if found is None or found.count("/") < 1 or "." not in found.partition("/")[0]:
        raise ParseError(f"{text[:100]!r} is not a source", remedy="write host/owner/name, as github.com/acme/api")
    if found != text:
        raise ParseError(
            f"{text[:100]!r}: sources are written without scheme, user, .git and ref", remedy=f"write {found}"
        )
    return found
