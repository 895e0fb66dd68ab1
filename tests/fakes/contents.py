"""Payloads at hand, for those who verify them (gate.review.contents.Contents)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.content import InMemory
from gate.image.manifest import Descriptor
from gate.review.listing import Listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gate.deadline import Deadline
    from gate.evidence.candidate import Candidate
    from gate.image.content import Content
    from gate.image.digest import Digest
    from gate.review.listing import Place


def listed(candidate: Candidate) -> Listed:
    """As it stands in a listing."""
    described = Descriptor(candidate.media_type, candidate.digest, len(candidate.content), candidate.annotations)
    return Listed(candidate.format, described)


@dataclass
class AtHand:
    """Contents by digest; others cannot be had.

    Attributes:
        asked: digests that were.
        kept: what somebody wants to be kept.
    """

    contents: Mapping[Digest, bytes]
    asked: list[Digest] = field(default_factory=list)
    kept: dict[Digest, bytes] = field(default_factory=dict)

    def of(
        self, place: Place, entries: Iterable[Listed], deadline: Deadline
    ) -> Iterator[tuple[Digest, Content | EvidenceUnavailable]]:
        for entry in entries:
            digest = entry.descriptor.digest
            self.asked.append(digest)
            content = self.contents.get(digest)
            if content is None:
                yield digest, EvidenceUnavailable(Code.REGISTRY_UNREACHABLE, f"no {digest} at hand", remedy="")
            else:
                yield digest, InMemory(content)

    def keep(self, digest: Digest, content: bytes) -> None:
        self.kept[digest] = content
