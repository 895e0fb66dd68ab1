"""Caps that every way of reading a registry keeps to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.codes import Code
from gate.errors import EvidenceUnavailable

if TYPE_CHECKING:
    from gate.image.manifest import Descriptor
    from gate.image.reference import Repository


def check_size(repository: Repository, descriptor: Descriptor, limit: int) -> None:
    """Refuse a blob that its own descriptor calls larger than what is read.

    Raises:
        EvidenceUnavailable: RESPONSE_TOO_LARGE.
    """
    if descriptor.size > limit:
        raise EvidenceUnavailable(
            Code.RESPONSE_TOO_LARGE,
            f"{repository}: blob {descriptor.digest.short} has {descriptor.size} bytes; at most {limit} are read",
            remedy="",
        )
