"""What each type of rule needs to know of an image, and what it says of it: here types are told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from gate.policy.policy import AttestationRequirement, DenyRequirement, ImageRequirement, SignatureRequirement
from gate.policy.requirements import attestation, deny, image, signature

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.image.reference import Reference
    from gate.policy.acceptance import Case
    from gate.policy.decision import Reason
    from gate.policy.known import Known
    from gate.policy.policy import Requirement


def needs_digest(requirement: Requirement) -> bool:
    """Whether the reference alone does not tell everything."""
    match requirement:
        case ImageRequirement():
            return bool(requirement.deny_digests)
        case DenyRequirement():
            return False
        case SignatureRequirement() | AttestationRequirement():
            return True
        case _:
            assert_never(requirement)


def by_reference(requirement: Requirement, reference: Reference) -> Iterator[Reason]:
    """What the reference alone shows is wrong; no registry is asked."""
    match requirement:
        case ImageRequirement():
            return image.check_reference(requirement, reference)
        case DenyRequirement():
            return deny.check(requirement)
        case SignatureRequirement() | AttestationRequirement():
            return iter(())
        case _:
            assert_never(requirement)


def by_evidence(requirement: Requirement, case: Case, known: Known) -> Iterator[Reason]:
    """What everything else shows is wrong."""
    match requirement:
        case ImageRequirement():
            return image.check_digest(requirement, known.digest)
        case DenyRequirement():
            return iter(())
        case SignatureRequirement():
            return signature.check(requirement, case, known.evidence[requirement.kept.of(case.reference.name)])
        case AttestationRequirement():
            return attestation.check(requirement, case, known.evidence[requirement.kept.of(case.reference.name)])
        case _:
            assert_never(requirement)
