"""GateError and its few kinds. Each kind has one exit code and one way to be shown.

A denial is never an exception (it is a `Finding`); these are for input that cannot be used and for work that could
not be done.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.codes import LATE

if TYPE_CHECKING:
    from gate.codes import Code


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a text something stands. Lines and columns count from 1, in characters; 0 means the whole file.

    Attributes:
        end: the column behind its last character; 0 where it ends on a later line, or nobody knows.
    """

    file: str
    line: int = 0
    column: int = 0
    end: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class GateError(Exception):
    """What was wrong, where, and the remedy, in one line."""

    def __init__(self, message: str, *, remedy: str = "", place: Place | None = None) -> None:
        """Keep the three parts apart, so that JSON outputs can have them as fields."""
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.place = place

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{where}{self.message}{remedy}"


class ParseError(GateError):
    """A text that is not the value it should be: a reference, a digest, a manifest, a key, an envelope."""


class UsageError(GateError):
    """A flag, REF, key or policy that cannot be used: nothing is judged (exit code 2)."""


class SourceError(GateError):
    """A SOURCE that cannot be read or parsed: the rest is judged (exit code 2)."""


class EvidenceUnavailable(GateError):
    """Could not evaluate: the answer is unknown, and unknown is not "no" (exit code 3).

    Attributes:
        code: one of `gate.codes.INABILITY`.
        hurried: who has more time might have fared better.
        unanswered: seconds for which a registry was asked and said nothing; endless where there is nobody, or it says
            itself that it is out of order (5xx). 0 where it was not asked, or anybody was heard meanwhile (`Hearing`):
            then it may be there. A code does not tell: what keeps us from asking has the same.
    """

    def __init__(
        self, code: Code, message: str, *, remedy: str = "retry", hurried: bool = False, unanswered: float = 0.0
    ) -> None:
        """Name the cause by its code, so that it is never taken for "not signed"."""
        super().__init__(message, remedy=remedy)
        self.code = code
        self.hurried = hurried or code in LATE
        self.unanswered = unanswered

    def told(self, message: str, remedy: str) -> EvidenceUnavailable:
        """The same cause in other words, of somebody else than who was asked."""
        return EvidenceUnavailable(self.code, message, remedy=remedy, hurried=self.hurried)


def empty_frames(error: BaseException) -> None:
    """Let go of what those frames hold that an exception came through: bodies, perhaps, for as long as it is kept."""
    seen: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in seen:
        traceback.clear_frames(at.__traceback__)
        seen.append(at)
        at = at.__cause__ or at.__context__
