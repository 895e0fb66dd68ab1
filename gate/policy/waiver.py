"""Exceptions: findings of a rule that somebody has waived, for some images, until some day (POLICY §6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.policy.content.aliases import covers
from gate.policy.packages import Coverage

if TYPE_CHECKING:
    from datetime import datetime

    from gate.image.digest import Digest
    from gate.image.reference import Repository
    from gate.policy.finding import About
    from gate.policy.packages import PackagePattern
    from gate.policy.patterns import ImagePattern


@dataclass(frozen=True, slots=True)
class Scope:
    """What something is narrowed to: all fields that are given have to fit, one entry of each does.

    Attributes:
        images: patterns; () where it is not narrowed by them. So with the others.
        digests: of images.
        namespaces: by name; one that is not known is in none of them.
    """

    images: tuple[ImagePattern, ...] = ()
    digests: tuple[Digest, ...] = ()
    namespaces: tuple[str, ...] = ()

    def covers(self, name: Repository, namespace: str | None) -> bool:
        """Whether an image there is in it, whatever its digest is."""
        return (not self.images or any(pattern.matches(name) for pattern in self.images)) and (
            not self.namespaces or namespace in self.namespaces
        )

    def holds(self, digest: Digest | None) -> bool:
        """Whether a digest is in it; one that is not known is only where it is not narrowed to some."""
        return not self.digests or digest in self.digests


@dataclass(frozen=True, slots=True)
class Inside:
    """What of an image's content an exception is narrowed to: all fields that are given have to fit.

    Attributes:
        vulnerabilities: names, upper case; () where it is not narrowed by them. So with the others.
        components: package URLs, with ranges of versions or without.
        licenses: SPDX identifiers.
    """

    vulnerabilities: tuple[str, ...] = ()
    components: tuple[PackagePattern, ...] = ()
    licenses: tuple[str, ...] = ()

    def covers(self, about: About | None) -> bool:
        """Whether a reason is about that, and about nothing else; a reason that is about the image is not."""
        if not (self.vulnerabilities or self.components or self.licenses):
            return True
        if about is None:
            return False
        return (
            (not self.vulnerabilities or _covers(self.vulnerabilities, about.vulnerabilities))
            and (not self.components or any(one.covers(about.component) is Coverage.YES for one in self.components))
            and (
                not self.licenses
                or (bool(about.licenses) and all(one.casefold() in self.licenses for one in about.licenses))
            )
        )


def _covers(said: tuple[str, ...], names: tuple[str, ...]) -> bool:
    return bool(names) and covers(said, tuple(name.upper() for name in names))


@dataclass(frozen=True, slots=True)
class Waiver:
    """One exception.

    Attributes:
        rule: the name of the rule whose findings it waives, errors included where it is not narrowed to content.
        scope: which images.
        until: as its author wrote it.
        end: the first instant at which it is over.
        reason: why, for people.
        ticket: where that is written down; "" for nowhere.
        approved_by: who is said to have approved it: a claim.
        origin: of whose it is where it is not of the policy itself, such as `GateException payments/x`.
        inside: what of the image's content.
    """

    rule: str
    scope: Scope
    until: str
    end: datetime
    reason: str
    ticket: str = ""
    approved_by: str = ""
    origin: str = ""
    inside: Inside = Inside()

    def __str__(self) -> str:
        """For people: how long and why."""
        known = [self.reason]
        known += [self.ticket] if self.ticket else []
        known += [f"said to be approved by {self.approved_by}"] if self.approved_by else []
        return f"{self.origin or 'an exception'} until {self.until} ({', '.join(known)})"
