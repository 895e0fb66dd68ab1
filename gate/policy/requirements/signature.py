"""The `signature` rule: whose signatures are wanted, and which of those found count (POLICY §4, §5)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.evidence.facts import KeySigner
from gate.policy.acceptance import counted, revoked_among, summed_up, too_few, unknown
from gate.policy.age import too_new, too_old
from gate.policy.assignment import satisfied
from gate.policy.finding import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import timedelta

    from gate.evidence.facts import Evidence, Rejection, VerifiedSignature
    from gate.image.reference import Reference
    from gate.policy.acceptance import Case
    from gate.policy.policy import SignatureRequirement
    from gate.policy.signers import SignerSpec

_SHOWN: Final = 3
# Of several rejected candidates, the cause that says most about what went wrong.
_TELLING: Final = (
    Code.SIGNATURE_INVALID,
    Code.CERTIFICATE_UNTRUSTED,
    Code.CERTIFICATE_EXPIRED,
    Code.IDENTITY_MISMATCH,
    Code.KEY_MISMATCH,
    Code.SIGNATURE_UNSUPPORTED,
)


def check(wanted: SignatureRequirement, case: Case, evidence: Evidence) -> Iterator[Reason]:
    """Nothing where accepted signatures suffice; else why they do not.

    What could not be asked or read is said before anything is called missing: a denial is given only where every
    place was seen. That somebody is revoked is known whatever was not.
    """
    asked = asked_of(wanted, case, least_age(wanted, case, evidence))
    found, refused = counted(wanted.by, case.signers, evidence.signatures, case.now, asked)
    if satisfied(wanted.by, found):
        return
    if gone := revoked_among(refused):
        yield from gone
    elif not_known := [why for by in wanted.expressions for why in unknown(by, case.signers, evidence)]:
        yield from dict.fromkeys(not_known)
    elif refused:
        yield from summed_up(refused)
    else:
        yield _denial(wanted, case.reference, evidence, found)


def least_age(wanted: SignatureRequirement, case: Case, evidence: Evidence) -> timedelta | None:
    """How old every signature that counts has to be; None where any age will do, `unless` considered."""
    if wanted.unless is None or wanted.min_age is None:
        return wanted.min_age
    found, _ = counted(wanted.unless, case.signers, evidence.signatures, case.now, asked_of(wanted, case, None))
    return None if satisfied(wanted.unless, found) else wanted.min_age


def asked_of(
    wanted: SignatureRequirement, case: Case, least: timedelta | None
) -> Callable[[SignerSpec, VerifiedSignature], Reason | None]:
    """What the rule asks of each signature that its signer accepts; `least` is how old it has to be."""

    def content(spec: SignerSpec, signature: VerifiedSignature) -> Reason | None:
        return _content(wanted, spec.name, case, signature, least)

    return content


def _content(
    wanted: SignatureRequirement, name: str, case: Case, signature: VerifiedSignature, least: timedelta | None
) -> Reason | None:
    """What the rule asks of a signature that its signer accepts; `least` is how old it has to be."""
    witness = signature.witness
    if revoked := case.revocations.of_signature(signature.signer, witness):
        return revoked
    if mismatch := _mismatch(wanted, name, case.reference, signature):
        return mismatch
    if wanted.max_age is not None and (old := too_old(name, witness, wanted.max_age, case.now)):
        return old
    new = too_new(name, witness, least, case.now) if least is not None else None
    if new is not None and wanted.unless is not None:
        return replace(new, remedy=f"{new.remedy}, or have {wanted.unless} sign it")
    return new


def _mismatch(
    wanted: SignatureRequirement, name: str, reference: Reference, signature: VerifiedSignature
) -> Reason | None:
    """What the rule asks of the signed bytes."""
    by = f"the signature by {name}"
    for key, value in sorted(wanted.annotations.items()):
        got = signature.annotations.get(key)
        if got != value:
            seen = f"has {key}={got[:100]}" if got is not None else f"has no annotation {key}"
            return Reason(Code.ANNOTATION_MISMATCH, f"{by} {seen}; needs {key}={value}", f"sign with -a {key}={value}")
    if wanted.reference_match and signature.docker_reference != reference.name:
        signed = str(signature.docker_reference)[:200] if signature.docker_reference else "no name"
        return Reason(
            Code.REFERENCE_MISMATCH,
            f"{by} is for {signed}; needs {reference.name}",
            "sign it under the name it is used by",
        )
    return None


def _denial(
    wanted: SignatureRequirement, reference: Reference, evidence: Evidence, found: Mapping[str, frozenset[str]]
) -> Reason:
    if any(found.values()):
        return too_few("signed", "sign", wanted.by, found)
    rejected = [r for r in evidence.rejected if r.attestation is not True]
    code = _cause(evidence, rejected)
    return Reason(code, f"{_seen(evidence, rejected)}; needs a signature by {wanted.by}", _remedy(code, reference))


def _cause(evidence: Evidence, rejected: Sequence[Rejection]) -> Code:
    if any(isinstance(s.signer, KeySigner) for s in evidence.signatures):
        return Code.KEY_MISMATCH
    if evidence.signatures:
        return Code.IDENTITY_MISMATCH
    codes = {rejection.code for rejection in rejected}
    return next((code for code in _TELLING if code in codes), Code.SIGNATURE_MISSING)


def _seen(evidence: Evidence, rejected: Sequence[Rejection]) -> str:
    """What is there, as a person would want to hear it: how many, and why none counts."""
    others = [f"by {s.signer}" for s in evidence.signatures]
    reasons = [r.reason for r in sorted(rejected, key=lambda r: _rank(r.code))]
    all_seen = list(dict.fromkeys([*others, *reasons]))
    total = len(evidence.signatures) + len(rejected)
    if not total:
        return "no signature found"
    shown = "; ".join(all_seen[:_SHOWN])
    more = f"; and {len(all_seen) - _SHOWN} more kinds of reason" if len(all_seen) > _SHOWN else ""
    count = "1 candidate found" if total == 1 else f"{total} candidates found"
    return f"{count}: {shown}{more}"


def _remedy(code: Code, reference: Reference) -> str:
    """To sign is the remedy for what nobody signed; what somebody else signed, or changed, is to be looked into."""
    match code:
        case Code.SIGNATURE_MISSING:
            image = reference.text if reference.digest else f"$(gate resolve {reference.text})"
            return f"have its publisher sign it (cosign sign --key … {image})"
        case Code.SIGNATURE_INVALID:
            return "do not run or sign it as it is: find out what changed it, and build and sign it anew"
        case Code.CERTIFICATE_EXPIRED:
            return "sign it again: its log entry or timestamp has to be made while its certificate is valid"
        case Code.SIGNATURE_UNSUPPORTED:
            return "have its publisher sign it with cosign too"
        case _:
            return "find out who signed it; if it is yours, build it in the pipeline whose signer is accepted"


def _rank(code: Code) -> int:
    return _TELLING.index(code) if code in _TELLING else len(_TELLING)
