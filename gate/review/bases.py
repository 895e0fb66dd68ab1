"""What is known of the images that an image may be built on: which they are, their layers, who signed them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.evidence.facts import Storage
from gate.image.platforms import ConfigsWanted
from gate.policy.bases import Base, BaseRequirement
from gate.policy.finding import Reason
from gate.review.limits import MAX_BASES

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.deadline import Deadline
    from gate.image.digest import Digest
    from gate.image.platforms import PlatformImage
    from gate.image.reference import Reference, Repository
    from gate.policy.plan import Plan
    from gate.review.gather import Gatherer
    from gate.review.platforms import Platforms

_ALL = ConfigsWanted(None)


class BaseFinder:
    """Thread-safe."""

    def __init__(
        self,
        gatherer: Gatherer,
        platforms: Platforms,
        resolve: Callable[[Reference, Deadline], Digest],
        upstream: Callable[[Repository], Repository],
    ) -> None:
        """Take collaborators; `upstream` is the name that a repository is judged by."""
        self._gatherer = gatherer
        self._platforms = platforms
        self._resolve = resolve
        self._upstream = upstream

    def find(
        self, planned: Plan, images: tuple[PlatformImage, ...], deadline: Deadline
    ) -> dict[Reference, Base | Reason]:
        """What is known of each that some rule allows, by what it is called; or why it is not.

        Of others nothing is asked: what an image says that it is built on, anybody may have written.
        """
        rules = [rule.requirement for matched in planned.matched for rule in matched.policy.rules]
        wanted = [rule for rule in rules if isinstance(rule, BaseRequirement)]
        claims = [claim for image in images for claim in image.claims]
        named = dict.fromkeys(one for rule in wanted for one in rule.candidates(claims))
        return {one: self._find(planned, one, deadline, late=i >= MAX_BASES) for i, one in enumerate(named)}

    def _find(self, planned: Plan, named: Reference, deadline: Deadline, *, late: bool) -> Base | Reason:
        if late:
            return Reason(Code.RESPONSE_TOO_LARGE, f"one of more than {MAX_BASES} that are named", "name fewer")
        reference = named.renamed(self._upstream(named.name))
        try:
            digest = reference.digest or self._resolve(reference, deadline)
            images = self._platforms.of(reference.name, digest, _ALL, deadline)
        except EvidenceUnavailable as error:
            return Reason(error.code, error.message, error.remedy)
        about = replace(planned, reference=reference, types=frozenset())
        evidence = self._gatherer.gather(about, Storage(reference.name), digest, deadline, lambda _: False)
        return Base(digest, images, evidence)
