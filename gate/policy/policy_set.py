"""Everything that decides, as one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gate.policy import revocation
from gate.policy.config import Config, Unmatched
from gate.policy.index import PolicyIndex
from gate.policy.policy import Mode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.policy.break_glass import BreakGlass
    from gate.policy.exceptions import GateException
    from gate.policy.policy import Policy
    from gate.policy.revocation import Revocations
    from gate.policy.trust import TrustRoot


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Everything that decides, as one value.

    Attributes:
        invalid: what was to be in it and is not whole, each with why; for people.
        index: finds those policies that may be about an image.
    """

    policies: tuple[Policy, ...] = ()
    config: Config = field(default_factory=Config)
    trust_roots: Mapping[str, TrustRoot] = field(default_factory=dict, hash=False)
    exceptions: tuple[GateException, ...] = ()
    revocations: Revocations = revocation.NONE
    break_glasses: tuple[BreakGlass, ...] = ()
    invalid: tuple[str, ...] = ()
    index: PolicyIndex = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", PolicyIndex.of(self.policies, self.exceptions))

    @property
    def enforces(self) -> bool:
        """Whether anything in it could deny: then what fails before it was asked is denied too (POLICY §2)."""
        return self.config.unmatched is Unmatched.DENY or any(p.mode is Mode.ENFORCE for p in self.policies)
