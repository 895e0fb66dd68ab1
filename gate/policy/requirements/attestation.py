"""That an attestation of a type by accepted signers is there (POLICY §4). What it says is not judged here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.policy.acceptance import counted, revoked_among, summed_up, too_few, unknown
from gate.policy.assignment import satisfied
from gate.policy.finding import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gate.evidence.facts import Evidence, VerifiedAttestation
    from gate.image.reference import Reference
    from gate.policy.acceptance import Case
    from gate.policy.policy import AttestationRequirement
    from gate.policy.signers import SignerSpec

_SHOWN: Final = 3


def check(wanted: AttestationRequirement, case: Case, evidence: Evidence) -> Iterator[Reason]:
    """Nothing where accepted attestations suffice; else why they do not. The order is that of signatures."""
    of_type = [a for a in evidence.attestations if a.predicate_type == wanted.type]
    found, refused = counted(wanted.by, case.signers, of_type, case.now, asked_of(case))
    if satisfied(wanted.by, found):
        return
    if gone := revoked_among(refused):
        yield from gone
    elif not_known := unknown(wanted.by, case.signers, evidence):
        yield from not_known
    elif refused:
        yield from summed_up(refused)
    else:
        yield _denial(wanted, case.reference, evidence, found)


def asked_of(case: Case) -> Callable[[SignerSpec, VerifiedAttestation], Reason | None]:
    """What is asked of each attestation that its signer accepts."""

    def content(_spec: SignerSpec, attestation: VerifiedAttestation) -> Reason | None:
        return case.revocations.of_signature(attestation.signer, attestation.witness)

    return content


def _denial(
    wanted: AttestationRequirement, reference: Reference, evidence: Evidence, found: Mapping[str, frozenset[str]]
) -> Reason:
    if any(found.values()):
        return too_few("attested", "attest", wanted.by, found)
    rejected = [r for r in evidence.rejected if r.attestation is not False]
    seen = list(dict.fromkeys(r.reason for r in rejected))
    types = sorted({*(a.predicate_type for a in evidence.attestations), *evidence.passed_over})
    if not seen and not types:
        what = "no attestation found"
    elif not seen:
        more = f" and {len(types) - _SHOWN} more" if len(types) > _SHOWN else ""
        what = f"attestations found of other types: {', '.join(types[:_SHOWN])}{more}"
    else:
        what = f"{len(rejected)} found that do not count: {'; '.join(seen[:_SHOWN])}"
    return Reason(
        Code.ATTESTATION_INVALID if seen else Code.ATTESTATION_MISSING,
        f"{what}; needs {wanted.type} by {wanted.by}",
        f"cosign attest --type {wanted.type} --predicate FILE --key … {reference.text}",
    )
