"""How bad a vulnerability is: the words of every tool, and CVSS scores and vectors where there is no word."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from gate.policy.content.scan import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

# As Trivy and Grype order the words of distributions. What a tool holds for less than low is low: a policy can ask for
# nothing below it. Words of other scales ("urgent", "not yet assigned", "untriaged") say nothing.
_WORDS: Final = {
    "critical": Severity.CRITICAL,
    "defcon1": Severity.CRITICAL,  # Clair
    "high": Severity.HIGH,
    "important": Severity.HIGH,  # Red Hat, SUSE, Amazon, Microsoft
    "medium": Severity.MEDIUM,
    "moderate": Severity.MEDIUM,  # Red Hat, GitHub
    "low": Severity.LOW,
    "negligible": Severity.LOW,  # Ubuntu, Grype
    "unimportant": Severity.LOW,  # Debian
    "minimal": Severity.LOW,
    "info": Severity.LOW,  # CycloneDX
    "informational": Severity.LOW,
    "none": Severity.NONE,
}
_BANDS: Final = ((9, Severity.CRITICAL), (7, Severity.HIGH), (4, Severity.MEDIUM), (0.1, Severity.LOW))

_LONGEST: Final = 300  # characters of a vector with everything in it, and some more

Base = Annotated[float, msgspec.Meta(ge=0, le=10)]
"""A base score of CVSS, as the field of a shape."""


class Score(msgspec.Struct, frozen=True, gc=False):
    """A base score of CVSS.

    Attributes:
        value: 0 to 10.
        second: whether it is one of CVSS 2, which has other bands.
    """

    value: float
    second: bool = False

    @property
    def severity(self) -> Severity:
        """What CVSS calls it (v3.1, v4.0: "Qualitative Severity Rating Scale"; v2: NVD's, which knows neither end)."""
        if self.second:
            return Severity.LOW if self.value < 4 else Severity.MEDIUM if self.value < 7 else Severity.HIGH  # noqa: PLR2004
        for least, severity in _BANDS:
            if self.value >= least:
                return severity
        return Severity.NONE


@lru_cache(maxsize=256)
def of_word(word: str | None) -> Severity:
    """What a tool's word means; UNKNOWN where it says nothing, or is no word of any tool."""
    return _WORDS.get(word.strip().lower(), Severity.UNKNOWN) if word else Severity.UNKNOWN


def scored(score: float | None, vector: str | None, version: str = "") -> Score | None:
    """What a tool gives of CVSS: its score, else what follows from its vector. A score of 0 is Go's "no score".

    Args:
        score: as the tool gives it, a `Base`.
        vector: as the tool gives it; one that is none is as if there were none.
        version: of CVSS, such as `2.0`; without one, and without a vector that shows it, the bands of 3 and 4 hold.
    """
    if score:
        return Score(score, version.startswith("2") if version else bool(vector) and _is_second(vector or ""))
    return by_vector(vector) if vector else None


@lru_cache(maxsize=4096)
def by_vector(vector: str) -> Score | None:
    """The base score of a vector of CVSS 2, 3.0, 3.1 or 4.0; None where it is no vector."""
    from cvss import CVSS2, CVSS3, CVSS4, CVSSError  # noqa: PLC0415 only some reports need it

    if len(vector) > _LONGEST:
        return None
    second = _is_second(vector)
    try:
        return Score(
            float((CVSS4 if vector.startswith("CVSS:4") else CVSS2 if second else CVSS3)(vector).base_score), second
        )
    except CVSSError:
        return None


def highest(scores: Iterable[Score | None]) -> float | None:
    """The highest of some scores; None where there is none."""
    return max([score.value for score in scores if score], default=None)


def settled(word: Severity, scores: Iterable[Score | None]) -> tuple[Severity, bool]:
    """A tool's word; where it has none, the worst that its scores are called; and whether it was a score."""
    if word is not Severity.UNKNOWN:
        return word, False
    by_score = max((score.severity for score in scores if score), default=Severity.UNKNOWN)
    return by_score, by_score is not Severity.UNKNOWN


def _is_second(vector: str) -> bool:
    return not vector.startswith("CVSS:")
