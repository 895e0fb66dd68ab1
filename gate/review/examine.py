"""Verifies what was collected, against what the signers of a review trust."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gate.codes import Code
from gate.evidence import cosign
from gate.evidence.claim import claim_of
from gate.evidence.facts import Evidence, Format, Rejection, Unavailable, VerifiedSignature
from gate.evidence.verifier import verify
from gate.review.anchoring import anchors_for

if TYPE_CHECKING:
    from gate.deadline import Deadline
    from gate.evidence.candidate import Candidate
    from gate.evidence.facts import VerifiedAttestation
    from gate.policy.trust import TrustNeeds
    from gate.review.collect import Listing
    from gate.review.ports import TrustedRoots

_BESIDE: tuple[str, ...] = (cosign.LOG_BUNDLE, cosign.TIMESTAMP)
_BESIDE_IN_BUNDLE = (b"tlogEntries", b"rfc3161Timestamps", b"\\u")


def examine(
    listing: Listing, needs: TrustNeeds, roots: TrustedRoots, deadline: Deadline, *, claims: bool = False
) -> Evidence:
    """Facts and rejections. What the deadline leaves no time for, or wants a root that can't be had, is unavailable.

    Args:
        listing: what was collected.
        needs: what is trusted.
        roots: trusted roots by name.
        deadline: of all of it.
        claims: whether rejections say what the rejected claims of itself.
    """
    anchors, missing = anchors_for(
        needs,
        roots,
        deadline,
        certificates=any(map(_names_certificate, listing.candidates)),
        countersigned=any(map(_has_beside, listing.candidates)),
    )
    unavailable = [*listing.unavailable, *missing]
    signatures: list[VerifiedSignature] = []
    attestations: list[VerifiedAttestation] = []
    rejected: list[Rejection] = list(listing.rejected)
    for index, candidate in enumerate(listing.candidates):
        if deadline.remaining() <= 0:
            message = f"the time allowed ran out after {index} of {len(listing.candidates)} signatures"
            unavailable.append(Unavailable(Code.DEADLINE_EXCEEDED, message, "retry"))
            break
        result = verify(candidate, listing.image, anchors)
        if isinstance(result, Rejection):
            rejected.append(replace(result, claim=claim_of(candidate)) if claims else result)
            continue
        for fact in result:
            if isinstance(fact, VerifiedSignature):
                signatures.append(fact)
            else:
                attestations.append(fact)
    return Evidence(tuple(signatures), tuple(attestations), tuple(rejected), tuple(dict.fromkeys(unavailable)))


def _names_certificate(candidate: Candidate) -> bool:
    if candidate.format is Format.BUNDLE:
        return b"ertificate" in candidate.content or b"\\u" in candidate.content
    return cosign.CERTIFICATE in candidate.annotations


def _has_beside(candidate: Candidate) -> bool:
    """Whether a log entry or timestamp may stand beside it: what is overlooked here is an error, never a pass."""
    if candidate.format is Format.BUNDLE:
        return any(word in candidate.content for word in _BESIDE_IN_BUNDLE)
    return any(name in candidate.annotations for name in _BESIDE)
