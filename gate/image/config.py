"""Image configurations (OCI image-spec, config.md): what the publisher says of an image. A claim, not evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from gate import strictjson
from gate.errors import ParseError
from gate.image.manifest import MAX_ENTRIES, Platform, check_names, names_of

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_CONFIG: Final = 4 * 1024 * 1024
_MAX_VALUES: Final = 100_000


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What a configuration says.

    Attributes:
        created: RFC 3339, as written; "" where it is not said.
        platform: what it runs on.
        user: whom it runs as; "" is root.
        labels: its labels.
        layers: digests of its layers as they are on disk (`rootfs.diff_ids`), the lowest first.
    """

    created: str
    platform: Platform
    user: str
    labels: Mapping[str, str] = field(hash=False)
    layers: tuple[str, ...] = ()

    @classmethod
    def parse(cls, content: bytes) -> ImageConfig:
        """Read a configuration that has been compared with its digest.

        Raises:
            ParseError: not JSON, a part of another type, or a name that Go, which runtimes read with, would take for
                another: it says two things to two readers.
        """
        value = strictjson.loads(content, _MAX_VALUES)
        try:
            check_names(value, _CONFIG_NAMES)
            if isinstance(value, dict):
                check_names(value.get("config"), _INNER_NAMES)
                check_names(value.get("rootfs"), _ROOT_NAMES)
            raw = msgspec.convert(value, _Config)
        except ParseError as error:
            raise ParseError(f"not an image configuration: {error.message}") from error
        except msgspec.ValidationError as error:
            raise ParseError(f"not an image configuration: {str(error)[:200]}") from error
        inner = raw.config or _Inner()
        return cls(
            raw.created or "",
            Platform(raw.os, raw.architecture, raw.variant),
            inner.User or "",
            inner.Labels or {},
            raw.rootfs.diff_ids if raw.rootfs is not None else (),
        )


_DiffId = Annotated[str, msgspec.Meta(max_length=200)]


class _Inner(msgspec.Struct):
    User: str | None = None
    Labels: dict[str, str] | None = None


class _RootFs(msgspec.Struct):
    diff_ids: Annotated[tuple[_DiffId, ...], msgspec.Meta(max_length=MAX_ENTRIES)] = ()


class _Config(msgspec.Struct):
    architecture: Annotated[str, msgspec.Meta(max_length=100)] = ""
    os: Annotated[str, msgspec.Meta(max_length=100)] = ""
    variant: Annotated[str, msgspec.Meta(max_length=100)] = ""
    created: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    config: _Inner | None = None
    rootfs: _RootFs | None = None


# What msgspec knows of a type it finds out when it first meets it, and two threads that do so at once end the process:
# a decoder that is made here has it found out before there are any.
_CONFIG: Final = msgspec.json.Decoder(_Config)

_CONFIG_NAMES: Final = names_of(_Config)
_INNER_NAMES: Final = names_of(_Inner)
_ROOT_NAMES: Final = names_of(_RootFs)
