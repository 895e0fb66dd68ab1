"""A candidate that counts for nothing, on its way to becoming a `Rejection`. Never seen outside this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gate.codes import Code


class Refused(Exception):
    """A step that failed: `code` says which kind, `reason` what was found and what was expected."""

    def __init__(self, code: Code, reason: str, remedy: str = "") -> None:
        """`remedy` where that is not for the code to say."""
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.remedy = remedy
