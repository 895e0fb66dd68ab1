"""What each type of rule needs to know of an image, and what it says of it: here types are told apart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, assert_never

from gate.codes import INABILITY, Code
from gate.policy.finding import Reason
from gate.policy.policy import AttestationRequirement, DenyRequirement, ImageRequirement, SignatureRequirement, Unusable
from gate.policy.requirements import attestation, deny, image, signature

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gate.image.platforms import PlatformImage
    from gate.image.reference import Reference
    from gate.policy.acceptance import Case
    from gate.policy.known import Known
    from gate.policy.policy import Requirement

_SHOWN: Final = 3


def by_reference(requirement: Requirement, reference: Reference) -> Iterator[Reason]:
    """What the reference alone shows is wrong; no registry is asked."""
    match requirement:
        case ImageRequirement():
            return image.check_reference(requirement, reference)
        case DenyRequirement():
            return deny.check(requirement)
        case Unusable(why):
            return iter([Reason(Code.POLICY_INVALID, f"the policy can't be used: {why}", "mend it: gate policy lint")])
        case SignatureRequirement() | AttestationRequirement():
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
        case SignatureRequirement():
            return _of_platforms(requirement, case, known)
        case AttestationRequirement():
            return attestation.check(requirement, case, known.evidence[requirement.kept.of(case.reference.name)])
        case _:
            assert_never(requirement)


def _of_image(wanted: ImageRequirement, case: Case, known: Known) -> Iterator[Reason]:
    for digest in known.digests:
        yield from image.check_digest(wanted, digest)
    yield from image.check_configs(wanted, known.platforms, case.now)


def unmet_by_itself(wanted: SignatureRequirement, case: Case, known: Known) -> bool:
    """Whether the evidence of every image of an index is to be looked at, for that of the index does not suffice."""
    if not wanted.platform_evidence:
        return False
    evidence = known.evidence[wanted.kept.of(case.reference.name)]
    return any(True for _ in signature.check(wanted, case, evidence))


def _of_platforms(wanted: SignatureRequirement, case: Case, known: Known) -> Iterator[Reason]:
    """What is wrong with the evidence of what runs; and, where the rule lets it, of every image of its index too.

    Of what could not be known somewhere it is not said that it is missing.
    """
    storage = wanted.kept.of(case.reference.name)
    reasons = tuple(signature.check(wanted, case, known.evidence[storage]))
    if not reasons or not wanted.platform_evidence:
        yield from reasons
        return
    images = known.platforms
    if images is None or isinstance(images, Reason):
        yield images or Reason(Code.INTERNAL, "nobody has asked which platforms the image is for", "report it")
        return
    others = [one for one in images if one.digest != known.digest]
    found = {one: tuple(signature.check(wanted, case, known.by_platform[storage, one.digest])) for one in others}
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


def _is_unable(reasons: Iterable[Reason]) -> bool:
    return all(reason.code in INABILITY for reason in reasons)


def _shown(wrong: Mapping[PlatformImage, tuple[Reason, ...]]) -> str:
    named = [f"{one} ({why[0].code})" for one, why in wrong.items()]
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    return f"{', '.join(named[:_SHOWN])}{more}"
