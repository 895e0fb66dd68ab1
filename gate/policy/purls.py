"""Package URLs (purl-spec): when one means another."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from packageurl import PackageURL

MAX_PURL: Final = 2000
"""Characters of one that is read."""

_IMAGES: Final = ("oci", "docker")


@lru_cache(maxsize=16_384)
def parsed(text: str) -> PackageURL | None:
    """One that is read; None where it is none."""
    if len(text) > MAX_PURL or not text.startswith("pkg:"):
        return None
    try:
        return PackageURL.from_string(text)
    except ValueError:
        return None


def means(stated: str, found: str) -> bool:
    """Whether a package URL that somebody states is about a component: what it leaves out restricts nothing."""
    one, other = parsed(stated), parsed(found)
    if one is None or other is None:
        return False
    if (one.type, one.namespace, one.name) != (other.type, other.namespace, other.name):
        return False
    qualifiers, others = dict(one.qualifiers), dict(other.qualifiers)
    return (
        (not one.version or one.version == other.version)
        and (not one.subpath or one.subpath == other.subpath)
        and all(others.get(key) == value for key, value in qualifiers.items())
    )


def image_digest(text: str) -> str:
    """The digest that names an image in a text that is one: a package URL, or a reference; "" where none does."""
    one = parsed(text)
    if one is not None:
        return one.version or "" if one.type in _IMAGES else ""
    before, at, digest = text.rpartition("@")
    return digest if at and before and "://" not in before else ""
