"""Patterns over packages: package URLs with a range of versions (POLICY §4, `sbom`).

Written for denials, where what hides a package is worse than a denial too many: what can't be read, and may be meant,
is UNSURE, which denies. What takes something away from a denial (an exception) has to ask for YES.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote

from packageurl import PackageURL

from gate.errors import ParseError
from gate.policy.patterns import MAX_PATTERN, glob

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gate.policy.content.sbom import Component
    from gate.policy.patterns import Matcher
    from gate.policy.versions import Version, VersionRange

MAX_PURL: Final = 2048
"""Characters of a package URL that is read."""

_TYPE: Final = re.compile(r"[a-z][a-z0-9.-]*", re.ASCII)
_SEGMENT: Final = re.compile(r"@?[a-z0-9*._~+:-]+", re.ASCII)
_VISIBLE: Final = re.compile(r"[!-~]+", re.ASCII)
_HIDDEN: Final = re.compile(r"[^!-~]", re.ASCII)
_PLAIN: Final = re.compile(r"[!-$&-~\n]*", re.ASCII)  # what is visible, and no %
_RUN: Final = re.compile(r"[-_.]+", re.ASCII)
_DECODED: Final = 3  # times that a text is percent-decoded to find a name in it
# Types whose packages all stand below a group or vendor: without one, whose it is is not said.
_GROUPED: Final = frozenset({"alpm", "apk", "bitbucket", "composer", "deb", "github", "gitlab", "maven", "rpm"})
TYPES: Final = (
    _GROUPED
    | {
        "bitnami",
        "cargo",
        "cocoapods",
        "conan",
        "conda",
        "cpan",
        "cran",
        "docker",
        "gem",
        "generic",
        "golang",
        "hackage",
    }
    | {"hex", "huggingface", "julia", "luarocks", "mlflow", "npm", "nuget", "oci", "opam", "otp", "pub", "pypi", "qpkg"}
    | {"swid", "swift", "vscode-extension", "yocto"}
)
"""Those of the package URL specification."""


class Coverage(Enum):
    """Whether a pattern covers a package."""

    NO = "no"
    UNSURE = "unsure"
    """It may: its name fits, and the rest can't be read or compared."""
    YES = "yes"


class _Package(NamedTuple):
    type: str
    path: str  # namespace/name, folded
    version: Version


@dataclass(frozen=True, slots=True)
class PackagePattern:
    """Packages of one type. `*` in namespace and name stops at `/`, `**` does not; case does not matter.

    Attributes:
        text: as it was written.
        type: such as `maven`.
        versions: None for any.
        needle: what stands in whatever it covers, squashed.
    """

    text: str
    type: str
    versions: VersionRange | None
    _path: Matcher
    _name: Matcher
    needle: str

    @classmethod
    def parse(cls, text: str) -> PackagePattern:
        """Read a pattern.

        Raises:
            ParseError: it is no package URL, has qualifiers, or names no vendor where its type's packages have one.
        """
        kind, slash, rest = text.removeprefix("pkg:").partition("/")
        if len(text) > MAX_PATTERN or not text.startswith("pkg:") or not slash or not _TYPE.fullmatch(kind.lower()):
            raise ParseError(f"{text[:100]!r} is not a package URL", remedy="write pkg:type/namespace/name@<version")
        if "?" in rest or "#" in rest:
            bare = re.split(r"[?#]", text)[0]
            raise ParseError(f"{text[:100]!r}: qualifiers and subpaths are not compared", remedy=f"write {bare}")
        kind = kind.lower()
        head, at, spec = rest.rpartition("@")
        if not head or head.endswith("/"):  # the @ of a scope
            head, at, spec = rest, "", ""
        path = _folded(kind, unquote(head))
        segments = path.split("/")
        if not all(_SEGMENT.fullmatch(segment) and segment.strip(".") for segment in segments):
            raise ParseError(f"{text[:100]!r} is not a package URL", remedy="write pkg:type/namespace/name@<version")
        if len(segments) == 1 and kind in _GROUPED and path != "**":
            wildcard = f"pkg:{kind}/*/{head}{at}{spec}"
            raise ParseError(f"{text[:100]!r} names no group or vendor", remedy=f"write it, or {wildcard} for any")
        from gate.policy.versions import VersionRange  # noqa: PLC0415 - its ecosystems take 50 ms, and few policies

        versions = VersionRange.parse(kind, unquote(spec)) if at else None
        literal = max(segments[-1].split("*"), key=len)
        return cls(text, kind, versions, glob(path), glob(segments[-1]), squashed(literal).strip("-"))

    @property
    def known(self) -> bool:
        """Whether its type is one that is known; else it is somebody's own, or misspelt (for lint)."""
        return self.type in TYPES

    def covers(self, purl: str, version: str = "") -> Coverage:
        """Whether it covers a package URL.

        Args:
            purl: as it is written.
            version: what else is known of the version, where the URL has none.
        """
        if self.needle not in squashed(purl):
            return Coverage.NO
        package = _read(purl)
        if package is None:
            return Coverage.UNSURE
        if package.type != self.type:
            return Coverage.NO
        whose = self._path_coverage(package.path)
        found = package.version if package.version.text else package.version._replace(text=version)
        return whose if whose is Coverage.NO else self._with_version(found, whose)

    def covers_component(self, component: Component) -> Coverage:
        """Whether it covers a component: by its package URL; where it has none, by its name, and never for certain."""
        if component.purl:
            return self.covers(component.purl, component.version)
        path = _folded(self.type, component.name.replace(":", "/")).strip("/")
        name = path.rpartition("/")[2]
        hidden = squashed(component.name) == self.needle  # letters that are not seen
        if not (hidden or self._name.fullmatch(name)) or ("/" in path and not self._path.fullmatch(path)):
            return Coverage.NO
        from gate.policy.versions import Version  # noqa: PLC0415 - as above

        return self._with_version(Version(component.version), Coverage.UNSURE)

    def _path_coverage(self, path: str) -> Coverage:
        if self._path.fullmatch(path):
            return Coverage.YES
        nobodys = "/" not in path and self.type in _GROUPED and self._name.fullmatch(path)
        return Coverage.UNSURE if nobodys else Coverage.NO

    def _with_version(self, version: Version, whose: Coverage) -> Coverage:
        covered = True if self.versions is None else self.versions.covers(version)
        if covered is False:
            return Coverage.NO
        return whose if covered else Coverage.UNSURE

    def __str__(self) -> str:
        return self.text


def covered(
    patterns: Sequence[PackagePattern], components: Sequence[Component]
) -> Iterator[tuple[PackagePattern, Component, Coverage]]:
    """What any of some patterns covers of a bill of materials, or may; in the order of the patterns."""
    texts = _squashed_all([component.purl or component.name for component in components])
    for pattern in patterns:
        needle = pattern.needle
        for component in [c for c, text in zip(components, texts, strict=True) if needle in text]:
            found = pattern.covers_component(component)
            if found is not Coverage.NO:
                yield pattern, component, found


def squashed(text: str) -> str:
    """A text in which a name is found however it is written: decoded, in lower case, with one sort of separator."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    text = text.replace("%40", "@")  # of scopes: most of what is encoded at all
    for _ in range(_DECODED):
        if "%" in text:
            text = unquote(text)
    if not _VISIBLE.fullmatch(text):
        text = _HIDDEN.sub("", text)
    text = text.lower().replace("_", "-").replace(".", "-")
    return _RUN.sub("-", text) if "--" in text else text


def _squashed_all(texts: list[str]) -> list[str]:
    """Each as by `squashed`; all at once where nothing in them is unusual, which is ten times as fast."""
    joined = "\n".join(texts).replace("%40", "@")
    if not _PLAIN.fullmatch(joined) or joined.count("\n") != len(texts) - 1:
        return [squashed(text) for text in texts]
    joined = joined.lower().replace("_", "-").replace(".", "-")
    return (_RUN.sub("-", joined) if "--" in joined else joined).split("\n")


def _folded(kind: str, path: str) -> str:
    """As paths are compared: without case; of PyPI by PEP 503; of Maven with one separator of group and name."""
    path = path.lower()
    if kind == "pypi":
        return _RUN.sub("-", path)
    return path.replace(":", "/") if kind == "maven" else path


@lru_cache(maxsize=4096)
def _read(purl: str) -> _Package | None:
    """A package URL taken apart; None where two readers might read it differently."""
    if len(purl) > MAX_PURL or not _VISIBLE.fullmatch(purl):
        return None
    try:
        found = PackageURL.from_string(purl)
    except ValueError:
        return None
    path = _folded(found.type, "/".join(filter(None, (found.namespace, found.name))))
    segments = path.split("/")
    if not all(_SEGMENT.fullmatch(segment) and segment.strip(".") for segment in segments):
        return None
    if "@" in segments[-1] or ":" in path:
        return None
    version = found.version or ""
    epoch = found.qualifiers.get("epoch", "")
    from gate.policy.versions import Version  # noqa: PLC0415 - as above

    return _Package(found.type, path, Version(version, epoch if epoch.isdecimal() else ""))
