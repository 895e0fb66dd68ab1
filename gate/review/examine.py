"""Verifies what was collected, against what the signers of a review trust."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.evidence import cosign
from gate.evidence.facts import Evidence, Format, Rejection, Unavailable, VerifiedSignature
from gate.evidence.verifier import verify
from gate.policy.trust import PUBLIC_GOOD
from gate.trust.anchors import Anchors, Issuers
from gate.trust.root import TrustedRoot

if TYPE_CHECKING:
    from gate.deadline import Deadline
    from gate.evidence.candidate import Candidate
    from gate.evidence.facts import VerifiedAttestation
    from gate.policy.trust import TrustNeeds
    from gate.review.collect import Listing
    from gate.review.ports import TrustedRoots

_BESIDE: tuple[str, ...] = (cosign.LOG_BUNDLE, cosign.TIMESTAMP)
_BESIDE_IN_BUNDLE = (b"tlogEntries", b"rfc3161Timestamps", b"\\u")


def examine(listing: Listing, needs: TrustNeeds, roots: TrustedRoots, deadline: Deadline) -> Evidence:
    """Facts and rejections. What the deadline leaves no time for, or wants a root that can't be had, is unavailable."""
    unavailable = list(listing.unavailable)
    anchors = _anchors(listing, needs, roots, deadline, unavailable)
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
            rejected.append(result)
            continue
        for fact in result:
            if isinstance(fact, VerifiedSignature):
                signatures.append(fact)
            else:
                attestations.append(fact)
    return Evidence(tuple(signatures), tuple(attestations), tuple(rejected), tuple(dict.fromkeys(unavailable)))


def _anchors(
    listing: Listing, needs: TrustNeeds, roots: TrustedRoots, deadline: Deadline, unavailable: list[Unavailable]
) -> Anchors:
    """The keys and authorities; a trust root is loaded only where some signature could want it."""
    loaded: dict[str, TrustedRoot | None] = {}

    def root(name: str) -> TrustedRoot | None:
        if name not in loaded:
            try:
                loaded[name] = roots.current(name, deadline)
            except EvidenceUnavailable as error:
                loaded[name] = None
                unavailable.append(Unavailable(error.code, error.message, error.remedy))
        return loaded[name]

    issuers: list[Issuers] = []
    if any(map(_names_certificate, listing.candidates)):
        named = ((name, root(name)) for name in needs.roots)
        issuers.extend(Issuers(name, found.authorities, found) for name, found in named if found is not None)
        private = ((pki, root(pki.root) if pki.root else TrustedRoot.nothing()) for pki in needs.private)
        issuers.extend(Issuers(pki.name, pki.authorities, found) for pki, found in private if found is not None)
    wanted = needs.keys and needs.logs_of_keys and any(map(_has_beside, listing.candidates))
    return Anchors(needs.keys, root(PUBLIC_GOOD) if wanted else None, tuple(issuers))


def _names_certificate(candidate: Candidate) -> bool:
    if candidate.format is Format.BUNDLE:
        return b"ertificate" in candidate.content or b"\\u" in candidate.content
    return cosign.CERTIFICATE in candidate.annotations


def _has_beside(candidate: Candidate) -> bool:
    """Whether a log entry or timestamp may stand beside it: what is overlooked here is an error, never a pass."""
    if candidate.format is Format.BUNDLE:
        return any(word in candidate.content for word in _BESIDE_IN_BUNDLE)
    return any(name in candidate.annotations for name in _BESIDE)
