"""The `deny` rule: always a denial (POLICY §4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.codes import Code
from gate.policy.finding import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.policy.policy import DenyRequirement


def check(wanted: DenyRequirement) -> Iterator[Reason]:
    """The rule's own message, or that the policy denies the image."""
    yield Reason(Code.DENIED_BY_POLICY, wanted.message or "the policy denies this image", "use another image")
