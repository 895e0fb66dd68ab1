"""A file, or its digest, and the bundle that is to prove who signed it: no registry and no image.

The verifier and the acceptance of signers are those of images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import ParseError
from gate.evidence.bundle import Bundle
from gate.evidence.dsse import Statement
from gate.evidence.facts import Evidence, Format, Rejection, VerifiedAttestation, VerifiedSignature
from gate.evidence.message import Message
from gate.evidence.refusal import Refused
from gate.evidence.signed import of_bundle
from gate.evidence.verifier import prove
from gate.image.digest import Digest
from gate.policy.acceptance import counted, summed_up, unknown
from gate.policy.assignment import satisfied
from gate.policy.finding import Reason
from gate.review.anchoring import Anchoring
from gate.trust.key import Hash

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from gate.deadline import Deadline
    from gate.evidence.dsse import Subject
    from gate.policy.signers import Expression, SignerSpec
    from gate.policy.trust import TrustNeeds
    from gate.review.ports import TrustedRoots

_SHOWN: Final = 3


def examine_bundle(
    content: bytes, blob: Message, needs: TrustNeeds, roots: TrustedRoots, deadline: Deadline
) -> Evidence:
    """The facts of one bundle about one blob.

    A bundle over a message is a signature of the blob. One over an in-toto statement is an attestation: the blob has
    to be one of its subjects.
    """
    stored = Digest.of(content)
    try:
        parsed = Bundle.parse(content)
        statement: Statement | None = None
        signed = of_bundle(parsed, blob)
        if signed.envelope is not None:
            signed = of_bundle(parsed, Message.of(signed.envelope.pae))
        anchoring = Anchoring(needs, roots, deadline)
        anchors, _ = anchoring.anchors(certificate=signed.leaf is not None, countersigned=not signed.beside.empty)
        if anchoring.unavailable:
            return Evidence(unavailable=tuple(anchoring.unavailable))
        proven = prove(signed, anchors)
        if signed.envelope is not None:
            statement = Statement.parse(signed.envelope.payload)
            _check_subjects(statement.subjects, blob)
    except Refused as refused:
        return Evidence(
            rejected=(Rejection(Format.BUNDLE, stored, refused.code, refused.reason, remedy=refused.remedy),)
        )
    except ParseError as error:
        return Evidence(rejected=(Rejection(Format.BUNDLE, stored, Code.SIGNATURE_INVALID, error.message),))
    if statement is None:
        return Evidence(
            tuple(VerifiedSignature(Format.BUNDLE, stored, found.signer, found.witness, {}) for found in proven)
        )
    assert signed.envelope is not None
    payload = signed.envelope.payload
    return Evidence(
        attestations=tuple(
            VerifiedAttestation(Format.BUNDLE, stored, found.signer, found.witness, statement.predicate_type, payload)
            for found in proven
        )
    )


def _check_subjects(subjects: Sequence[Subject], blob: Message) -> None:
    """That the blob is one of them: by at least one digest, and by none that is stated another's.

    Raises:
        Refused: SIGNATURE_INVALID: it is not; SIGNATURE_UNSUPPORTED: that takes a digest that is not known.
    """
    known = {str(h): digest.hex() for h in Hash if (digest := blob.digest(h)) is not None}
    half: list[str] = []
    wanting: set[str] = set()
    for subject in subjects:
        stated = {h: text for h in map(str, Hash) if (text := subject.digests.get(h)) is not None}
        same = [h for h, text in stated.items() if known.get(h) == text]
        other = [h for h, text in stated.items() if h in known and known[h] != text]
        if same and not other:
            return
        if same:
            half.append(f"a subject has its {', '.join(same)} and another {', '.join(other)}")
        elif not other:
            wanting.update(stated)
    if half:
        raise Refused(Code.SIGNATURE_INVALID, f"it contradicts itself: {half[0]}")
    if wanting:
        how = " and ".join(sorted(wanting))
        raise Refused(
            Code.SIGNATURE_UNSUPPORTED,
            f"it names files by {how}, and of this one only the sha256 is known: the file is needed",
        )
    named = [f"{algorithm}:{text}" for subject in subjects for algorithm, text in subject.digests.items()]
    about = f"{', '.join(named[:_SHOWN])[:300] or 'none'}{' and others' if len(named) > _SHOWN else ''}"
    raise Refused(Code.SIGNATURE_INVALID, f"it is about other files than sha256:{blob.sha256.hex()}: {about}")


def judge_blob(
    evidence: Evidence,
    by: Expression,
    signers: Mapping[str, SignerSpec],
    now: datetime,
    predicate_type: str | None = None,
    *,
    whole: bool = True,
) -> Iterator[Reason]:
    """Why a blob is not signed as it has to be; nothing where it is.

    Args:
        evidence: of `examine_bundle`.
        by: who has to have signed.
        signers: by name.
        now: the instant that is decided at.
        predicate_type: that an attestation has to have; None where a signature, or any attestation, suffices.
        whole: whether all of the blob was there, and not only a digest.
    """
    facts: list[VerifiedSignature | VerifiedAttestation] = [
        *(evidence.signatures if predicate_type is None else ()),
        *(a for a in evidence.attestations if predicate_type in (None, a.predicate_type)),
    ]
    found, refused = counted(by, signers, facts, now)
    if satisfied(by, found):
        return
    if not_known := unknown(by, signers, evidence):
        yield from not_known
    elif refused:
        yield from summed_up(refused)
    elif evidence.rejected:
        yield from (Reason(r.code, r.reason, r.remedy or _remedy(r.code, whole=whole)) for r in evidence.rejected)
    else:
        seen = ", ".join(sorted({a.predicate_type for a in evidence.attestations})) or "a signature"
        yield Reason(Code.ATTESTATION_MISSING, f"the bundle holds {seen}; needs {predicate_type}", "give its bundle")


def _remedy(code: Code, *, whole: bool) -> str:
    match code:
        case Code.SIGNATURE_UNSUPPORTED if whole:
            return (
                "have it signed by an ECDSA or RSA key, or attested (cosign attest-blob): that takes its digest alone"
            )
        case Code.SIGNATURE_UNSUPPORTED:
            return "name the file instead of its digest"
        case Code.KEY_MISMATCH | Code.IDENTITY_MISMATCH:
            return "find out who signed it"
        case _:
            return "get the file and its bundle again"
