"""What a REF names: an image in a registry, or one in an OCI layout folder (`oci:DIR[@digest]`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.errors import ParseError, UsageError
from gate.image.digest import Digest
from gate.image.reference import Reference
from gate.registry.layout import Layout
from gate.settings import parse_reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.image.reference import Repository

OCI: Final = "oci:"
_NAMELESS: Final = "localhost/layout"


@dataclass(frozen=True, slots=True)
class Target:
    """An image to judge.

    Attributes:
        text: as the user wrote it.
        reference: the name it is judged under.
        layouts: the folder that answers for it, for `oci:`.
    """

    text: str
    reference: Reference
    layouts: Mapping[Repository, Layout]

    def resolved(self, digest: Digest) -> str:
        """The text with its digest."""
        return self.text if "@" in self.text else f"{self.text}@{digest}"


def parse_target(text: str, name: str | None = None) -> Target:
    """Read a REF.

    Args:
        text: `registry/repo:tag@digest`, or `oci:DIR` or `oci:DIR@sha256:…`.
        name: what a layout's image is judged as; None where its name plays no part.

    Raises:
        UsageError: it cannot be used.
    """
    if not text.startswith(OCI):
        return Target(text, parse_reference(text), {})
    folder, digest = _split(text.removeprefix(OCI))
    layout = Layout.open(Path(folder))
    digest = digest or layout.only_image()
    named = parse_reference(name or _NAMELESS)
    if named.digest is not None and named.digest != digest:
        raise UsageError(f"--as names digest {named.digest}, the layout's image is {digest}")
    reference = Reference(
        named.registry, named.repository, named.tag, digest, named.text if named.digest else f"{named.text}@{digest}"
    )
    return Target(text, reference, {reference.name: layout})


def _split(text: str) -> tuple[str, Digest | None]:
    """A folder may have an `@` in its name: only one before a digest is a separator."""
    folder, at, end = text.rpartition("@")
    if not at or ":" not in end:
        return text, None
    try:
        return folder, Digest.parse(end)
    except ParseError as error:
        raise UsageError(f"oci:{text}: {error.message}", remedy=error.remedy) from error
