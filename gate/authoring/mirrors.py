"""Patterns that name a mirror: images from there are judged by the name of what it mirrors, and never fit them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.image.reference import DOCKER_HUB
from gate.policy.policy import ImageRequirement
from gate.policy.reading.checks import Check

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gate.documents import Path
    from gate.policy.config import Config, Place
    from gate.policy.policy import Policy
    from gate.policy.reading.notes import Notes
    from gate.policy.waiver import Waiver


def check_policy(notes: Notes, policy: Policy, config: Config) -> None:
    """Note the patterns of a policy that name a mirror."""
    mirrored = tuple(_mirrored(config))
    for field, patterns in (("images", policy.match.images), ("exclude", policy.match.exclude)):
        _check_images(notes, ("spec", "match", field), map(str, patterns), mirrored)
    for i, rule in enumerate(policy.rules):
        if isinstance(rule.requirement, ImageRequirement):
            for j, registry in enumerate(rule.requirement.registries):
                path = ("spec", "rules", i, "image", "registries", j)
                if (found := _upstream(str(registry), mirrored)) is not None:
                    origin, below = found
                    _note(notes, path, str(registry), "/".join((origin, *below)))
    check_waivers(notes, policy.waivers, config)


def check_waivers(notes: Notes, waivers: Sequence[Waiver], config: Config) -> None:
    """Note the patterns of exceptions that name a mirror."""
    mirrored = tuple(_mirrored(config))
    for i, waiver in enumerate(waivers):
        _check_images(notes, ("spec", "exceptions", i, "images"), map(str, waiver.scope.images), mirrored)


def _check_images(notes: Notes, path: Path, patterns: Iterable[str], mirrored: Sequence[tuple[Place, str]]) -> None:
    for i, pattern in enumerate(patterns):
        found = _upstream(pattern, mirrored)
        if found is None or not found[1]:
            continue
        origin, below = found
        # Docker's own images have one component in their short names, and two in their right ones.
        short = origin == DOCKER_HUB and len(below) == 1 and below[0] != "**"
        _note(notes, (*path, i), pattern, "/".join((origin, *(["library"] if short else []), *below)))


def _note(notes: Notes, path: Path, pattern: str, better: str) -> None:
    origin = better.partition("/")[0]
    said = f"{pattern} fits no image: by GateConfig.registries they are judged as images of {origin}"
    notes.add(Check.MIRROR_PATTERN, path, said, f"write {better}")


def _mirrored(config: Config) -> Iterator[tuple[Place, str]]:
    """Each mirror, and the host that it mirrors."""
    for rule in config.registries:
        yield from ((place, rule.place.host) for place in rule.mirrors)
        if rule.mirror_of:
            yield rule.place, rule.mirror_of


def _upstream(pattern: str, mirrored: Sequence[tuple[Place, str]]) -> tuple[str, list[str]] | None:
    """The host that is mirrored where a pattern begins, and the rest of it; None where it names no mirror."""
    host, *path = pattern.split("/")
    found = []
    for place, origin in mirrored:
        prefix = place.prefix.split("/") if place.prefix else []
        if host == place.host and path[: len(prefix)] == prefix:
            found.append((len(place.prefix), origin, path[len(prefix) :]))
    return max(found)[1:] if found else None
