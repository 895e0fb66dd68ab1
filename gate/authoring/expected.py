"""Which images the findings that a case expects stand for (POLICY §8)."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gate.policy.finding import Finding
    from gate.policy.reading.tests import ExpectedFinding


@dataclass(frozen=True, slots=True)
class ImageFinding:
    """A finding and the image that it is of, as that is written."""

    image: str
    finding: Finding


_Choice = tuple["ExpectedFinding", str]  # what is expected, and an image that it may stand for


def left_over(
    expected: Iterable[ExpectedFinding], found: Sequence[ImageFinding]
) -> tuple[tuple[ExpectedFinding, ...], tuple[ImageFinding, ...]]:
    """What is expected and there is no image for; and what stops an image though nothing that stands for it fits.

    Each stands for one image, and covers there whatever fits it; the same twice stands for two. What names its image
    has no choice. Of the others, whatever covers most goes first, and of those alike what says more: there is no search
    through all ways to share them out, which would have no end, and who wants another names the image.
    """
    left = Counter(expected)
    fitting: dict[_Choice, list[ImageFinding]] = {}
    for wanted in left:
        for one in found:
            if wanted.fits(one.finding, one.image):
                fitting.setdefault((wanted, one.image), []).append(one)
    uncovered = {one for one in found if one.finding.verdict.stops}

    def rank(choice: _Choice) -> tuple[bool, int, int]:
        wanted = choice[0]
        covers = sum(one in uncovered for one in fitting[choice])
        return (not wanted.image, -covers, -sum(map(bool, (wanted.rule, wanted.policy))))

    choices = list(fitting)
    waiting = [(rank(choice), i) for i, choice in enumerate(choices)]
    heapq.heapify(waiting)
    while waiting:
        ranked, i = heapq.heappop(waiting)
        if not left[choices[i][0]]:
            continue
        if (now := rank(choices[i])) != ranked:  # some of what it would cover is covered since
            heapq.heappush(waiting, (now, i))
            continue
        left[choices[i][0]] -= 1
        uncovered.difference_update(fitting[choices[i]])
    return tuple(left.elements()), tuple(one for one in found if one in uncovered)
