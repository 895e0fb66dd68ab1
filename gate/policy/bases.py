"""The `base` rule as values: what an image may be built on, and what of that is known (POLICY §4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.errors import ParseError
from gate.image.digest import Digest
from gate.image.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from gate.evidence.facts import Evidence
    from gate.image.platforms import BaseClaim, PlatformImage
    from gate.policy.patterns import ImagePattern
    from gate.policy.signers import Expression


@dataclass(frozen=True, slots=True)
class BaseRequirement:
    """The `base` rule.

    Attributes:
        images: patterns of the names of bases; one of them or of `digests` has to fit.
        digests: of bases.
        by: who has to have signed the base; None: nobody.
        max_age: how old those signatures may be.
        min_layers: layers, empty ones aside, that base and image have in common at least.
    """

    images: tuple[ImagePattern, ...] = ()
    digests: tuple[Digest, ...] = ()
    by: Expression | None = None
    max_age: timedelta | None = None
    min_layers: int = 1

    def allows(self, base: Reference) -> bool:
        """Whether an image may be built on what is called so."""
        return any(pattern.matches(base.name) for pattern in self.images) or base.digest in self.digests

    def candidates(self, claims: Iterable[BaseClaim]) -> tuple[Reference, ...]:
        """What an image may be built on, of what its publisher says that it is; each once."""
        found = (_reference(claim) for claim in claims)
        return tuple(dict.fromkeys(one for one in found if one is not None and self.allows(one)))


@dataclass(frozen=True, slots=True)
class Base:
    """What is known of a base.

    Attributes:
        digest: of its image or index.
        images: that it stands for, with their configurations.
        evidence: of who signed it.
    """

    digest: Digest
    images: tuple[PlatformImage, ...]
    evidence: Evidence


def _reference(claim: BaseClaim) -> Reference | None:
    """What a claim names: a digest beside the name counts, and no tag then."""
    try:
        named = Reference.parse(claim.name)
        digest = Digest.parse(claim.digest) if claim.digest else named.digest
    except ParseError:
        return None
    return Reference(named.name.registry, named.name.path, named.tag if digest is None else None, digest)
