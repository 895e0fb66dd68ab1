"""What an SBOM has to say (POLICY §4, `sbom`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.policy.contents import RequiredField
from gate.policy.finding import About, Reason
from gate.policy.licenses import Outcome
from gate.policy.packages import Coverage
from gate.policy.packages import covered as covered_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate.policy.content.sbom import Component, Sbom
    from gate.policy.contents import SbomContent
    from gate.policy.licenses import LicenseRule
    from gate.policy.packages import PackagePattern

_SHOWN: Final = 5
_REMEMBERED: Final = 16  # rules of which it is remembered what they say of an SBOM
_LONGEST: Final = 200  # characters of licences that are shown
_NAME: Final = 100  # of a component
_HAS: Final[dict[RequiredField, Callable[[Component], object]]] = {
    RequiredField.PURL: lambda one: one.purl,
    RequiredField.VERSION: lambda one: one.version,
    RequiredField.LICENSE: lambda one: one.licenses,
    RequiredField.SUPPLIER: lambda one: one.supplier,
    RequiredField.HASH: lambda one: one.hashed,
}


def check(wanted: SbomContent, sbom: Sbom, by: str) -> Iterator[Reason]:
    """Nothing where it says what is wanted; else every reason why it does not.

    What a rule says of an SBOM depends on nothing else, and to ask 5,000 components takes milliseconds: so it is
    remembered with the SBOM.

    Args:
        wanted: by the rule.
        sbom: what is said.
        by: who says it, for people.
    """
    key = (wanted, by)
    found = sbom.judged.get(key)
    if found is None:
        if len(sbom.judged) >= _REMEMBERED:
            sbom.judged.clear()
        found = sbom.judged[key] = tuple(_check(wanted, sbom, by))
    return iter(found)


def _check(wanted: SbomContent, sbom: Sbom, by: str) -> Iterator[Reason]:
    if len(sbom.components) < wanted.at_least:
        said = f"the SBOM {by} lists {_count(len(sbom.components), 'component')}; has to list {wanted.at_least}"
        yield Reason(Code.SBOM_INCOMPLETE, said, "make it of the whole image")
    for pattern, component, covered in covered_of(wanted.deny, sbom.components):
        yield _denied(pattern, component, covered, by)
    if wanted.licenses is not None:
        yield from _licensed(wanted.licenses, sbom, by, unknown_allowed=wanted.unknown_license_allowed)
    for field in wanted.require:
        yield from _without(field, sbom, by)


def _denied(pattern: PackagePattern, component: Component, covered: Coverage, by: str) -> Reason:
    why = f"which {pattern} denies" if covered is Coverage.YES else f"and whether {pattern} denies it can't be told"
    said = f"{_named(component)} is in the image, {why}; SBOM {by}"
    return Reason(Code.COMPONENT_DENIED, said, "update or remove it", _about(component))


def _licensed(rule: LicenseRule, sbom: Sbom, by: str, *, unknown_allowed: bool) -> Iterator[Reason]:
    judged = rule.judge_all(component.licenses for component in sbom.components)
    for component, found in zip(sbom.components, judged, strict=True):
        if found.outcome is Outcome.ALLOWED:
            continue
        name = " AND ".join(found.because)[:_LONGEST]
        about = _about(component, found.because)
        if found.outcome is Outcome.DENIED:
            said = f"{_named(component)} is under {name}; SBOM {by}"
            yield Reason(Code.LICENSE_DENIED, said, "use another component, or have an exception made", about)
        elif not unknown_allowed:
            which = f" ({name})" if name else ""
            said = f"the licence of {_named(component)} is not known{which}; SBOM {by}"
            yield Reason(Code.LICENSE_UNKNOWN, said, "state it in the SBOM, as an SPDX expression", about)


def _about(component: Component, licenses: tuple[str, ...] = ()) -> About:
    return About(component=component.purl or component.name, licenses=frozenset(licenses))


def _without(field: RequiredField, sbom: Sbom, by: str) -> Iterator[Reason]:
    lacking = [component for component in sbom.components if not _HAS[field](component)]
    if not lacking:
        return
    names = ", ".join(_named(component) for component in lacking[:_SHOWN])
    more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
    of = f"{len(lacking)} of {_count(len(sbom.components), 'component')}"
    said = f"{of} in the SBOM {by} have no {field}: {names}{more}"
    yield Reason(Code.SBOM_INCOMPLETE, said, "make it with a tool that finds them out")


def _named(component: Component) -> str:
    return str(component)[:_NAME]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
