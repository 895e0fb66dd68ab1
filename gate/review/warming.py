"""What is to be fetched before anybody asks for it: a list of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gate.errors import ParseError
from gate.image.reference import Reference

MAX_IMAGES: Final = 10_000
"""Images of one list."""


@dataclass(frozen=True, slots=True)
class Warming:
    """What is to be warmed.

    Attributes:
        images: references, as workloads write them.
        requests: to registries, at most about so many.
        wait: whether nothing is answered as ready before it is done.
        seconds: for one round of images.
    """

    images: tuple[str, ...] = ()
    requests: int = 1000
    wait: bool = False
    seconds: float = 10.0


def parse_list(text: str) -> tuple[str, ...]:
    """The images of a list, each once: one a line; what follows a `#` is nobody's, and empty lines are none.

    Raises:
        ParseError: a line that is no reference, or more than `MAX_IMAGES`.
    """
    found: dict[str, None] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        image = line.partition("#")[0].strip()
        if not image:
            continue
        try:
            Reference.parse(image)
        except ParseError as error:
            raise ParseError(f"line {number}: {error.message}", remedy=error.remedy) from error
        found[image] = None
    if len(found) > MAX_IMAGES:
        raise ParseError(f"{len(found)} images; at most {MAX_IMAGES} are warmed", remedy="name those that matter")
    return tuple(found)
