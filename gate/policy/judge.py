"""What each type of rule needs to know of an image, and what it says of it: here types are told apart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, assert_never

from gate.codes import INABILITY, Code
from gate.policy import attested
from gate.policy.bases import BaseRequirement
from gate.policy.finding import Reason
from gate.policy.policy import (
    AttestationRequirement,
    CelRequirement,
    DenyRequirement,
    ImageRequirement,
    SignatureRequirement,
    Unusable,
)
from gate.policy.requirements import base, cel, deny, image, signature
from gate.policy.requirements.cel import Judged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gate.evidence.facts import Evidence
    from gate.image.digest import Digest
    from gate.image.platforms import PlatformImage
    from gate.image.reference import Reference
    from gate.policy.acceptance import Case
    from gate.policy.known import Known
    from gate.policy.policy import Requirement

_SHOWN: Final = 3
_SAID: Final = frozenset(
    {
        Code.PREDICATE_UNREADABLE,
        Code.PREDICATE_REJECTED,
        Code.SBOM_INCOMPLETE,
        Code.COMPONENT_DENIED,
        Code.LICENSE_DENIED,
        Code.LICENSE_UNKNOWN,
        Code.SCANNER_NOT_ALLOWED,
        Code.VULNERABILITY_DENIED,
        Code.BUILDER_MISMATCH,
        Code.SOURCE_MISMATCH,
        Code.BUILD_TYPE_MISMATCH,
    }
)
"""What is said of the index itself: what is said of its images stands in only where that is missing or too old."""

_NOT_ASKED: Final = Reason(Code.INTERNAL, "nobody has asked which platforms the image is for", "report it")


def by_reference(requirement: Requirement, reference: Reference) -> Iterator[Reason]:
    """What the reference alone shows is wrong; no registry is asked."""
    match requirement:
        case ImageRequirement():
            return image.check_reference(requirement, reference)
        case DenyRequirement():
            return deny.check(requirement)
        case Unusable(why):
            return iter([Reason(Code.POLICY_INVALID, f"the policy can't be used: {why}", "mend it: gate policy lint")])
        case SignatureRequirement() | AttestationRequirement() | BaseRequirement() | CelRequirement():
            return iter(())
        case _:
            assert_never(requirement)


def by_evidence(requirement: Requirement, case: Case, known: Known) -> Iterator[Reason]:
    """What everything else shows is wrong."""
    match requirement:
        case ImageRequirement():
            return _of_image(requirement, case, known)
        case DenyRequirement() | Unusable():
            return iter(())
        case SignatureRequirement() | AttestationRequirement():
            return _of_platforms(requirement, case, known)
        case BaseRequirement():
            return _of_bases(requirement, case, known)
        case CelRequirement():
            judged = Judged(case.reference, known.digest, known.platforms, case.now)
            return cel.check(requirement.condition, requirement.message, judged)
        case _:
            assert_never(requirement)


def _of_image(wanted: ImageRequirement, case: Case, known: Known) -> Iterator[Reason]:
    for digest in known.digests:
        yield from image.check_digest(wanted, digest)
    yield from image.check_configs(wanted, known.platforms, case.now)


def unmet_by_itself(wanted: SignatureRequirement | AttestationRequirement, case: Case, known: Known) -> bool:
    """Whether the evidence of every image of an index is to be looked at, for that of the index does not suffice."""
    return wanted.platform_evidence and any(True for _ in _of_one(wanted, case, known, known.digest))


def _of_one(
    wanted: SignatureRequirement | AttestationRequirement, case: Case, known: Known, digest: Digest
) -> Iterator[Reason]:
    """What is wrong with the evidence of the image itself, or of one of its index."""
    storage = wanted.kept.of(case.reference.name)
    evidence = known.evidence[storage] if digest == known.digest else known.by_platform[storage, digest]
    match wanted:
        case SignatureRequirement():
            return signature.check(wanted, case, evidence)
        case AttestationRequirement():
            return attested.check(wanted, case, evidence, known, digest)
        case _:
            assert_never(wanted)


def _of_platforms(wanted: SignatureRequirement | AttestationRequirement, case: Case, known: Known) -> Iterator[Reason]:
    """What is wrong with the evidence of what runs; and, where the rule lets it, of every image of its index too.

    Of what could not be known somewhere it is not said that it is missing.
    """
    reasons = tuple(_of_one(wanted, case, known, known.digest))
    if not reasons or not wanted.platform_evidence or any(reason.code in _SAID for reason in reasons):
        yield from reasons
        return
    images = known.platforms
    if images is None or isinstance(images, Reason):
        yield images or _NOT_ASKED
        return
    others = [one for one in images if one.digest != known.digest]
    found = {one: tuple(_of_one(wanted, case, known, one.digest)) for one in others}
    wrong = {one: why for one, why in found.items() if why}
    if others and not wrong:
        return
    unable = [replace(why[0], message=f"on {one}: {why[0].message}") for one, why in wrong.items() if _is_unable(why)]
    if _is_unable(reasons) or len(unable) < len(wrong) or not others:
        more = f"; nor is every image of the index: {_shown(wrong)}" if wrong else ""
        yield replace(reasons[0], message=f"{reasons[0].message}{more}")
        yield from reasons[1:]
    else:
        yield from unable


def _of_bases(wanted: BaseRequirement, case: Case, known: Known) -> Iterator[Reason]:
    """What is wrong with what the image is built on."""

    def unsigned(evidence: Evidence) -> Sequence[Reason]:
        if wanted.by is None:
            return ()
        return tuple(signature.check(SignatureRequirement(wanted.by, max_age=wanted.max_age), case, evidence))

    images = known.platforms
    if images is None or isinstance(images, Reason):
        yield images or _NOT_ASKED
        return
    yield from base.check(wanted, case, images, known.bases, unsigned)


def _is_unable(reasons: Iterable[Reason]) -> bool:
    return all(reason.code in INABILITY for reason in reasons)


def _shown(wrong: Mapping[PlatformImage, tuple[Reason, ...]]) -> str:
    named = [f"{one} ({why[0].code})" for one, why in wrong.items()]
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    return f"{', '.join(named[:_SHOWN])}{more}"
