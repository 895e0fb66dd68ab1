"""What was found out about an image, for policies to judge."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.evidence.facts import Evidence, Storage
    from gate.image.digest import Digest
    from gate.image.platforms import PlatformImage
    from gate.policy.finding import Reason


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that a plan wanted of one image.

    Attributes:
        digest: what runs.
        evidence: by where it was looked for; all places of the plan.
        platforms: the images that the digest stands for, with those configurations that were wanted; or why they are
            not known. None where nobody wanted them.
        by_platform: the evidence of each of them, where that of the digest itself did not suffice.
    """

    digest: Digest
    evidence: Mapping[Storage, Evidence] = field(default_factory=dict, hash=False)
    platforms: tuple[PlatformImage, ...] | Reason | None = None
    by_platform: Mapping[tuple[Storage, Digest], Evidence] = field(default_factory=dict, hash=False)

    @property
    def digests(self) -> tuple[Digest, ...]:
        """What runs; and of an index, as far as it was read, everything in it that may."""
        inside = self.platforms if isinstance(self.platforms, tuple) else ()
        return tuple(dict.fromkeys((self.digest, *(image.digest for image in inside))))
