"""The `cel` rule, and the field `cel` of attestations: what a condition says of an image and what is attested of it.

All of it is a claim: of the image's publisher, or of whose attestation is judged (POLICY §4).
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Final, TypeVar

from gate.codes import Code
from gate.errors import ParseError
from gate.image.manifest import Platform
from gate.image.platforms import normalised
from gate.instants import parse_instant
from gate.policy.age import AHEAD, EPOCH
from gate.policy.content.sbom import Component
from gate.policy.expressions import IS_FALSE
from gate.policy.finding import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from gate.image.digest import Digest
    from gate.image.platforms import PlatformImage
    from gate.image.reference import Reference
    from gate.policy.content.scan import Vulnerability
    from gate.policy.expressions import Condition

_Entry = TypeVar("_Entry", "Component", "Vulnerability")

_SHOWN: Final = 10  # components or findings that are named
_CHARACTERS: Final = 100  # of one of their names, and of an expression
_REMEDY: Final = "use an image of which it is true, or have the rule changed"

_COMPONENT: Final[dict[str, Callable[[Component], object]]] = {
    "component.name": attrgetter("name"),
    "component.version": attrgetter("version"),
    "component.purl": attrgetter("purl"),
    "component.licenses": lambda one: list(one.licenses),
    "component.supplier": attrgetter("supplier"),
    "component.hash": attrgetter("hashed"),
}
_FINDING: Final[dict[str, Callable[[Vulnerability], object]]] = {
    "finding.ids": lambda one: list(one.ids),
    "finding.id": lambda one: one.ids[0],
    "finding.severity": lambda one: one.severity.word,
    "finding.cvss": attrgetter("cvss"),
    "finding.fix": lambda one: str(one.fix),
    "finding.fixedIn": lambda one: list(one.fixed_in),
    "finding.package": attrgetter("package"),
    "finding.version": attrgetter("version"),
    "finding.purl": attrgetter("purl"),
}


@dataclass(frozen=True, slots=True)
class Judged:
    """The image that is judged.

    Attributes:
        reference: it, as written.
        digest: its digest; None where only the reference is known: then conditions that speak of it don't hold.
        images: what runs, one image a platform, with the configurations where conditions want them; or why they are
            not known; None where nobody has asked.
        now: the instant that is decided at.
    """

    reference: Reference
    digest: Digest | None
    images: tuple[PlatformImage, ...] | Reason | None
    now: datetime


def check(condition: Condition, message: str, judged: Judged) -> Iterator[Reason]:
    """Nothing where the condition holds for the image, on every platform; else why not.

    Args:
        condition: over an image.
        message: the rule's own; "" where it has none.
        judged: the image.
    """
    return _check(condition, message, judged, condition.holds)


def check_statement(
    condition: Condition, message: str, judged: Judged, statement: Mapping[str, object]
) -> Iterator[Reason]:
    """As `check`, of a condition over an attestation.

    Args:
        condition: over a statement.
        message: the rule's own; "" where it has none.
        judged: the image.
        statement: the in-toto statement, with its `predicate`; what JSON has, as `strictjson` reads it.
    """
    attested = {"statement": statement, "predicate": statement.get("predicate")}
    return _check(condition, message, judged, lambda image: condition.holds({**image, **attested}))


def check_components(
    condition: Condition, message: str, judged: Judged, components: tuple[Component, ...]
) -> Iterator[Reason]:
    """As `check`, of a condition over each component. Where there is none it does not hold."""
    if not components:
        yield _rejected(condition, message, "the bill of materials has no component")
        return
    yield from _check_each(
        condition, message, judged, "components", components, lambda one: component_values(one, condition.uses)
    )


def check_findings(
    condition: Condition, message: str, judged: Judged, findings: tuple[Vulnerability, ...]
) -> Iterator[Reason]:
    """As `check`, of a condition over each finding. Where there is none it holds."""
    if findings:
        yield from _check_each(
            condition,
            message,
            judged,
            "findings",
            findings,
            lambda one: finding_values(one, condition.uses, judged.now),
        )


def image_values(judged: Judged, image: PlatformImage | None) -> dict[str, object]:
    """The variables of `Over.IMAGE`, less those that are not known.

    Args:
        judged: the image.
        image: that for the platform whose configuration counts; None where none was wanted.
    """
    values: dict[str, object] = {
        "image.registry": judged.reference.registry,
        "image.repository": judged.reference.repository,
        "image.tag": judged.reference.tag or "",
        "now": judged.now,
    }
    if judged.digest is not None:
        values["image.digest"] = str(judged.digest)
    if isinstance(judged.images, tuple):
        values["image.platforms"] = [_named(one.platform) for one in judged.images if one.platform is not None]
    if image is not None and image.config is not None:
        values |= {"image.user": image.config.user, "image.labels": dict(image.config.labels)}
        values |= _when("image.created", _instant(image.config.created), judged.now)
    return values


def component_values(component: Component, uses: frozenset[str]) -> dict[str, object]:
    """Those of the variables that `Over.COMPONENT` adds which are used."""
    return {name: get(component) for name, get in _COMPONENT.items() if name in uses}


def finding_values(finding: Vulnerability, uses: frozenset[str], now: datetime) -> dict[str, object]:
    """As `component_values`, of `Over.FINDING`; less when it was published, where that is not known."""
    values = {name: get(finding) for name, get in _FINDING.items() if name in uses}
    return {**values, **_when("finding.published", finding.published, now)}


def _check(
    condition: Condition, message: str, judged: Judged, why_not: Callable[[dict[str, object]], str]
) -> Iterator[Reason]:
    """Once, or for each platform where its configuration counts; on which of them it does not hold."""
    images = _images(condition, judged)
    if isinstance(images, Reason):
        yield images
        return
    wrong: dict[str, list[PlatformImage | None]] = {}
    for image in images:
        if why := why_not(image_values(judged, image)):
            wrong.setdefault(why, []).append(image)
    for why, those in wrong.items():
        where = "" if len(those) == len(images) else f" on {', '.join(map(str, those))}"
        yield _rejected(condition, message, f"{why}{where}")


def _images(condition: Condition, judged: Judged) -> tuple[PlatformImage | None, ...] | Reason:
    """Those whose configurations count; one None where none does. Never an empty tuple: of none all would be true."""
    if not condition.wants_config and not condition.wants_platforms:
        return (None,)
    images = judged.images
    if images is None or isinstance(images, Reason):
        return images or Reason(Code.INTERNAL, "nobody has asked which platforms the image is for", "report it")
    if not images:
        return Reason(Code.PLATFORM_MISSING, "its index has no image that could run", "push it again, with an image")
    if condition.wants_platforms and any(image.platform is None for image in images):
        return Reason(Code.INTERNAL, "nobody has read what an image of the index is built for", "report it")
    if not condition.wants_config:
        return (None,)
    if any(image.config is None for image in images):
        return Reason(Code.INTERNAL, "nobody has read the image's configuration", "report it")
    return images


def _check_each(
    condition: Condition,
    message: str,
    judged: Judged,
    what: str,
    entries: tuple[_Entry, ...],
    values_of: Callable[[_Entry], dict[str, object]],
) -> Iterator[Reason]:
    def why_not(image: dict[str, object]) -> str:
        used = {name: value for name, value in image.items() if name in condition.uses}
        wrong: list[str] = []
        for one in entries:
            if why := condition.holds(used | values_of(one)):
                wrong.append(_entry(one, why) if len(wrong) < _SHOWN else "")
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        named = f"{', '.join(wrong[:_SHOWN])}{more}"
        return f"it does not hold for {len(wrong)} of {len(entries)} {what}: {named}" if wrong else ""

    return _check(condition, message, judged, why_not)


def _entry(entry: Component | Vulnerability, why: str) -> str:
    """Its name, and why the condition does not hold for it, where there is more to say than that it does not."""
    name = str(entry) if isinstance(entry, Component) else f"{entry.ids[0]} in {entry.package}"
    return name[:_CHARACTERS] if why == IS_FALSE else f"{name[:_CHARACTERS]} ({why})"


def _rejected(condition: Condition, message: str, why: str) -> Reason:
    source = " ".join(condition.source.split())
    shown = f"{source[:_CHARACTERS]}…" if len(source) > _CHARACTERS else source
    before = f"{message}: " if message else ""
    return Reason(Code.PREDICATE_REJECTED, f"{before}{why} ({shown})", _REMEDY)


def _instant(text: str) -> datetime | None:
    try:
        return parse_instant(text)
    except ParseError:
        return None


def _when(name: str, at: datetime | None, now: datetime) -> dict[str, object]:
    """An instant, unless it stands for none or has not been yet: of neither an age may be taken."""
    return {name: at} if at is not None and EPOCH <= at <= now + AHEAD else {}


def _named(platform: Platform) -> str:
    """As runtimes read it; with a variant where one is stated."""
    usual = normalised(platform)
    return str(usual if platform.variant else Platform(usual.os, usual.architecture))
