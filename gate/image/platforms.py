"""What runs where: the images of one digest, one for each platform (OCI image-spec, image-index.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.errors import ParseError
from gate.image.manifest import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.image.config import ImageConfig
    from gate.image.digest import Digest

_PLATFORM: Final = re.compile(r"([a-z0-9]{1,32})/([a-z0-9_-]{1,32})(?:/([a-z0-9.]{1,32}))?", re.ASCII)
# Names that runtimes take for one another, as containerd's `platforms.Normalize` does; a variant that is not stated.
_SYSTEMS: Final = {"macos": "darwin"}
_ARCHITECTURES: Final = {
    "i386": ("386", ""),
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
}
_KNOWN_SYSTEMS: Final = frozenset(
    {"aix", "android", "darwin", "dragonfly", "freebsd", "illumos", "ios", "js", "linux", "netbsd", "openbsd", "plan9",
     "solaris", "wasip1", "windows"}
)  # fmt: skip
KNOWN_ARCHITECTURES: Final = (
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64",
    "s390x", "wasm",
)  # fmt: skip
"""Go's names (`go tool dist list`), which the OCI image-spec has taken over."""

_BASE_NAME: Final = "org.opencontainers.image.base.name"
_BASE_DIGEST: Final = "org.opencontainers.image.base.digest"
_LONGEST: Final = 1000  # characters of them that are read
_USUAL: Final = {"arm64": "v8", "arm": "v7", "amd64": "v1"}


@dataclass(frozen=True, slots=True)
class BaseClaim:
    """What an image is said to be built on (OCI image-spec, annotations.md): nothing of it is proved.

    Attributes:
        name: `org.opencontainers.image.base.name`.
        digest: `org.opencontainers.image.base.digest`; "" where it is not said.
    """

    name: str
    digest: str = ""

    @classmethod
    def of(cls, said: Mapping[str, str]) -> BaseClaim | None:
        """What labels or annotations say; None where they name nothing."""
        name = said.get(_BASE_NAME, "")
        return cls(name[:_LONGEST], said.get(_BASE_DIGEST, "")[:_LONGEST]) if name else None


@dataclass(frozen=True, slots=True)
class PlatformImage:
    """An image that runs on one platform.

    Attributes:
        digest: of its manifest.
        platform: as the index states it, else as the configuration does; None where neither was read.
        config: what its publisher says of it; None where nobody wanted it.
        claims: what it is said to be built on, by its labels, its manifest and its index.
    """

    digest: Digest
    platform: Platform | None = None
    config: ImageConfig | None = None
    claims: tuple[BaseClaim, ...] = ()

    def __str__(self) -> str:
        return str(self.platform) if self.platform is not None else self.digest.short


@dataclass(frozen=True, slots=True)
class ConfigsWanted:
    """The platforms whose configurations are wanted; None: all. Where no index states one, it is read for that."""

    platforms: frozenset[Platform] | None = frozenset()

    def __or__(self, other: ConfigsWanted) -> ConfigsWanted:
        if self.platforms is None or other.platforms is None:
            return ConfigsWanted(None)
        return ConfigsWanted(self.platforms | other.platforms)

    def of(self, stated: Platform | None) -> bool:
        """Whether that of an image is wanted, whose platform is stated so."""
        return stated is None or self.platforms is None or any(may_be(wanted, stated) for wanted in self.platforms)


def parse_platform(text: str) -> Platform:
    """`os/architecture[/variant]`, as `docker build --platform` takes it: under its usual names, a variant as written.

    Raises:
        ParseError: something else.
    """
    found = _PLATFORM.fullmatch(text)
    if found is None:
        raise ParseError(
            f"{text[:100]!r} is not a platform", remedy="write os/architecture[/variant], such as linux/amd64"
        )
    architecture, implied = _ARCHITECTURES.get(found[2], (found[2], ""))
    return Platform(_SYSTEMS.get(found[1], found[1]), architecture, found[3] or implied)


def is_known(platform: Platform) -> bool:
    """Whether a parsed platform's system and architecture are any that images are built for."""
    return platform.os in _KNOWN_SYSTEMS and platform.architecture in KNOWN_ARCHITECTURES


def normalised(platform: Platform) -> Platform:
    """A platform as runtimes read it: whoever spells it otherwise names no other one."""
    system, architecture = platform.os.lower(), platform.architecture.lower()
    architecture, implied = _ARCHITECTURES.get(architecture, (architecture, ""))
    variant = platform.variant.lower() or implied or _USUAL.get(architecture, "")
    if architecture in ("arm", "arm64") and variant.isdecimal():
        variant = f"v{variant}"
    return Platform(_SYSTEMS.get(system, system), architecture, variant)


def covers(wanted: Platform, there: Platform) -> bool:
    """Whether an image for one platform is one for another: a variant that is not wanted may be any."""
    there, asked = normalised(there), normalised(wanted)
    if (asked.os, asked.architecture) != (there.os, there.architecture):
        return False
    return not wanted.variant or asked.variant == there.variant


def may_be(wanted: Platform, there: Platform) -> bool:
    """Whether a runtime may take an image so stated for that platform: of any variant, or of what it leaves open."""
    there, asked = normalised(there), normalised(wanted)
    return there.os in ("", asked.os) and there.architecture in ("", asked.architecture)


def claims_of(*said: Mapping[str, str]) -> tuple[BaseClaim, ...]:
    """All that labels and annotations say that an image is built on, each once."""
    found = (BaseClaim.of(one) for one in said)
    return tuple(dict.fromkeys(claim for claim in found if claim is not None))


def same_platform(one: PlatformImage, other: PlatformImage) -> bool:
    """Whether two images run on one system and architecture; one that does not say may."""
    if one.platform is None or other.platform is None:
        return True
    return may_be(one.platform, other.platform) or may_be(other.platform, one.platform)
