"""What policies say of what is inside of images: names that nobody knows, exceptions that fit no finding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.policy.contents import SbomContent, ScanContent
from gate.policy.licenses import listed_ids, named_in
from gate.policy.packages import TYPES
from gate.policy.policy import AttestationRequirement
from gate.policy.reading.checks import Check
from gate.policy.reading.remedies import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gate.documents import Path
    from gate.policy.exceptions import GateException
    from gate.policy.licenses import LicensePattern
    from gate.policy.packages import PackagePattern
    from gate.policy.policy import Policy, Requirement
    from gate.policy.reading.notes import Notes
    from gate.policy.waiver import Waiver

_NEAR: Final = 0.5
_ABOUT: Final = (
    ("vulnerabilities", "scan", (ScanContent,)),
    ("components", "scan or sbom", (ScanContent, SbomContent)),
    ("licenses", "sbom", (SbomContent,)),
)
"""What an exception is narrowed to, and by which rules there are findings about it: kinds, and their contents."""


def check_policy(notes: Notes, policy: Policy) -> None:
    """Note what a policy says of packages and licences that nobody knows, and what its exceptions can't fit."""
    for i, rule in enumerate(policy.rules):
        wanted = rule.requirement
        if isinstance(wanted, AttestationRequirement) and isinstance(wanted.content, SbomContent):
            path: Path = ("spec", "rules", i, "sbom")
            _check_packages(notes, (*path, "denyComponents"), wanted.content.deny)
            if wanted.content.licenses is not None:
                _check_licenses(notes, (*path, "allowLicenses"), wanted.content.licenses.allow)
                _check_licenses(notes, (*path, "denyLicenses"), wanted.content.licenses.deny)
    _check_waivers(notes, policy.waivers, [policy])


def check_exception(notes: Notes, exception: GateException, policies: Iterable[Policy]) -> None:
    """The same of a `GateException`, with the policies that are there."""
    meant = [p for p in policies if p.name in exception.policies and exception.namespace in p.exceptions_from]
    _check_waivers(notes, exception.waivers, meant)


def _check_packages(notes: Notes, path: Path, patterns: Sequence[PackagePattern]) -> None:
    for i, pattern in enumerate(patterns):
        if not pattern.known:
            near = nearest(pattern.type, TYPES, _NEAR)
            remedy = f"did you mean pkg:{near}/…?" if near else "see the types of the package URL specification"
            said = f"there is no package type {pattern.type} in the package URL specification"
            notes.add(Check.UNKNOWN_PACKAGE_TYPE, (*path, i), said, remedy)


def _check_licenses(notes: Notes, path: Path, patterns: Sequence[LicensePattern]) -> None:
    for i, pattern in enumerate(patterns):
        if not pattern.known:
            near = nearest(pattern.text, listed_ids(), _NEAR)
            remedy = f"did you mean {near}?" if near else "write an id of SPDX's list, or a LicenseRef-"
            said = f"{pattern.text[:200]!r} fits nothing on SPDX's list: only what is called just so"
            notes.add(Check.UNKNOWN_LICENSE, (*path, i), said, remedy)


def _check_waivers(notes: Notes, waivers: Sequence[Waiver], policies: Sequence[Policy]) -> None:
    for i, waiver in enumerate(waivers):
        path: Path = ("spec", "exceptions", i)
        _check_packages(notes, (*path, "components"), waiver.inside.components)
        _check_names(notes, (*path, "licenses"))
        rules = [rule.requirement for policy in policies for rule in policy.rules if rule.name == waiver.rule]
        for field, kinds, contents in _ABOUT:
            if getattr(waiver.inside, field) and rules and not any(_has(wanted, contents) for wanted in rules):
                said = f"no finding of the rule {waiver.rule} is about {field}: those of {kinds} rules are"
                notes.add(Check.EXCEPTION_UNREACHED, (*path, field), said, "name such a rule, or remove it")


def _has(wanted: Requirement, contents: tuple[type, ...]) -> bool:
    return isinstance(wanted, AttestationRequirement) and isinstance(wanted.content, contents)


def _check_names(notes: Notes, path: Path) -> None:
    """Licences are compared with what findings call them: no expression, no pattern, no deprecated id."""
    for i, text in enumerate(notes.data["spec"]["exceptions"][path[2]].get("licenses", ())):
        names = named_in(text)
        if "*" in text:
            said, remedy = f"{text[:200]!r} is taken to the letter, not as a pattern", "write each licence by itself"
        elif [name.casefold() for name in names] != [text.casefold()]:
            said, remedy = f"no finding calls a licence {text[:200]!r}", f"write {', '.join(names)[:200]}"
        else:
            continue
        notes.add(Check.EXCEPTION_UNREACHED, (*path, i), said, remedy)
