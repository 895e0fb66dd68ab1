"""What is found of an image, and what it means."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.codes import Code


class Verdict(StrEnum):
    """What becomes of an image. Of several, deny beats error beats warn beats allow."""

    ALLOW = "allow"
    WARN = "warn"
    DENY = "deny"
    ERROR = "error"

    @property
    def stops(self) -> bool:
        """Whether the image may not run."""
        return self in (Verdict.DENY, Verdict.ERROR)


_RANK: Final = {Verdict.DENY: 0, Verdict.ERROR: 1, Verdict.WARN: 2, Verdict.ALLOW: 3}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict over several; of none, allow: whether none is right is for the caller to know."""
    return min(verdicts, key=_RANK.__getitem__, default=Verdict.ALLOW)


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason.

    Attributes:
        code: what kind of reason.
        verdict: what it means in its policy's mode.
        message: where, got, expected.
        remedy: what to do.
        policy: whose; "" where no policy speaks.
        rule: its name, or its type where it has none.
        namespace: of a `GatePolicy`; "" of what is the cluster's.
        rank: where it stands among those of its rule and code, the lowest first; it makes no other finding of it.
        count: how many findings it stands for.
    """

    code: Code
    verdict: Verdict
    message: str
    remedy: str = ""
    policy: str = ""
    rule: str = ""
    namespace: str = ""
    rank: int = field(default=0, compare=False, repr=False)
    count: int = field(default=1, compare=False, repr=False)

    @property
    def by(self) -> str:
        """For people: `policy/rule`, of a `GatePolicy` `namespace/policy/rule`; "" where no policy speaks."""
        return "/".join(filter(None, (self.namespace, self.policy, self.rule))) if self.policy else ""

    @property
    def sort_key(self) -> tuple[int, str, str, str, str, int, str]:
        """The worst first, then in a stable order."""
        return (_RANK[self.verdict], self.policy, self.namespace, self.rule, self.code, self.rank, self.message)


@dataclass(frozen=True, slots=True)
class About:
    """What inside of an image a reason is about; exceptions may be narrowed to it.

    Attributes:
        vulnerabilities: all names of a vulnerability, the one that its tool gives it first.
        component: its package URL, or its name where it has none.
        licenses: that it stands under.
    """

    vulnerabilities: tuple[str, ...] = ()
    component: str = ""
    licenses: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Reason:
    """What a requirement says of an image, before its policy's mode makes a finding of it.

    Attributes:
        about: what inside of the image; None where it is the image itself, or what is said of it.
        rank: of its finding; the lowest of many are told.
    """

    code: Code
    message: str
    remedy: str = ""
    about: About | None = None
    rank: int = 0
