"""What was found out about an image, for policies to judge."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.evidence.facts import Evidence, Storage
    from gate.image.digest import Digest
    from gate.image.platforms import PlatformImage
    from gate.image.reference import Reference
    from gate.policy.bases import Base
    from gate.policy.content.predicate import Predicate, Reading
    from gate.policy.finding import Reason


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of an attestation some rule has to know.

    Attributes:
        digest: of the stored payload or bundle, which hold one statement each.
        reading: what its predicate is taken for.
    """

    digest: Digest
    reading: Reading


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that a plan wanted of one image.

    Attributes:
        digest: what runs.
        evidence: by where it was looked for; all places of the plan.
        platforms: the images that the digest stands for, with those configurations that were wanted; or why they are
            not known. None where nobody wanted them.
        by_platform: the evidence of each of them, where that of the digest itself did not suffice.
        predicates: what attestations say that some rule has to know: the predicate; why it is not known; None where it
            is none of what it would be taken for.
        bases: what it may be built on, of what it is said to be built on; or why that is not known.
    """

    digest: Digest
    evidence: Mapping[Storage, Evidence] = field(default_factory=dict, hash=False)
    platforms: tuple[PlatformImage, ...] | Reason | None = None
    by_platform: Mapping[tuple[Storage, Digest], Evidence] = field(default_factory=dict, hash=False)
    predicates: Mapping[Wanted, Predicate | Reason | None] = field(default_factory=dict, hash=False)
    bases: Mapping[Reference, Base | Reason] = field(default_factory=dict, hash=False)

    @property
    def digests(self) -> tuple[Digest, ...]:
        """What runs; and of an index, as far as it was read, everything in it that may."""
        inside = self.platforms if isinstance(self.platforms, tuple) else ()
        return tuple(dict.fromkeys((self.digest, *(image.digest for image in inside))))
