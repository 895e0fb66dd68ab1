"""What was found out about an image, for policies to judge."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.evidence.facts import Evidence, Storage
    from gate.image.digest import Digest


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that a plan wanted of one image.

    Attributes:
        digest: what runs.
        evidence: by where it was looked for; all places of the plan.
    """

    digest: Digest
    evidence: Mapping[Storage, Evidence] = field(default_factory=dict, hash=False)
