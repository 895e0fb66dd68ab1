"""Which exceptions count for an image at an instant (POLICY §6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from gate.image.reference import Repository
    from gate.policy.policy import Policy
    from gate.policy.waiver import Waiver

EXPIRING: Final = timedelta(days=14)
"""So long before its end an exception is said to be ending."""


@dataclass(frozen=True, slots=True)
class Applicable:
    """An exception that is about an image, as far as that is known, at some instant.

    Attributes:
        over: it has ended.
        ending: it ends soon.
    """

    waiver: Waiver
    over: bool
    ending: bool


@dataclass(frozen=True, slots=True)
class GateException:
    """A `GateException`: exceptions that a namespace asks for, where a policy lets it.

    Attributes:
        namespace: its own, and all that it reaches.
        policies: names of those that it is about.
    """

    namespace: str
    name: str
    policies: frozenset[str]
    waivers: tuple[Waiver, ...]


@dataclass(frozen=True, slots=True)
class Leniency:
    """What may be waived at an instant.

    Attributes:
        now: the instant.
        longest: how far away the end of an exception may be: one that reaches further does not count yet.
        granted: `GateException`s.
    """

    now: datetime
    longest: timedelta
    granted: tuple[GateException, ...] = ()

    def of(self, policy: Policy, name: Repository, namespace: str | None) -> tuple[Applicable, ...]:
        """The exceptions of a policy for an image in a namespace (None: not known), those that last longest first.

        A `GateException` reaches its own namespace, and only policies that list that.
        """
        if not policy.waivers and not self.granted:
            return ()
        lent = (
            waiver
            for one in self.granted
            if one.namespace == namespace and namespace in policy.exceptions_from and policy.name in one.policies
            for waiver in one.waivers
        )
        about = [waiver for waiver in (*policy.waivers, *lent) if waiver.scope.covers(name, namespace)]
        about.sort(key=lambda waiver: (-waiver.end.timestamp(), str(waiver)))
        return tuple(
            Applicable(waiver, self.now >= waiver.end, waiver.end - self.now <= EXPIRING)
            for waiver in about
            if waiver.end - self.now <= self.longest
        )
