"""The `signature` rule: whose signatures are wanted, and which of those found count (POLICY §4, §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.policy.decision import Reason
from gate.policy.signers import LogUse, names, satisfied

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gate.evidence.facts import Evidence, VerifiedSignature
    from gate.image.reference import Reference
    from gate.policy.policy import SignatureRequirement
    from gate.policy.signers import KeySpec

_SHOWN: Final = 3
# Of several rejected candidates, the cause that says most about what went wrong.
_TELLING: Final = (Code.SIGNATURE_INVALID, Code.KEY_MISMATCH, Code.SIGNATURE_UNSUPPORTED)


def check(
    wanted: SignatureRequirement, signers: Mapping[str, KeySpec], reference: Reference, evidence: Evidence
) -> Iterator[Reason]:
    """Nothing where accepted signatures suffice; else why they do not.

    What could not be asked or read is said before anything is called missing: a denial is given only where every
    place was seen.
    """
    found: dict[str, frozenset[str]] = {}
    refused: list[Reason] = []
    for name in sorted(names(wanted.by)):
        accepted, against = _accepted(wanted, signers[name], reference, evidence)
        found[name] = accepted
        refused.extend(against)
    if satisfied(wanted.by, found):
        return
    unknown = [*_unreadable(wanted, signers), *(Reason(u.code, u.message, u.remedy) for u in evidence.unavailable)]
    if unknown:
        yield from dict.fromkeys(unknown)
    elif refused:
        yield from dict.fromkeys(refused)
    else:
        yield _denial(wanted, reference, evidence, found)


def _accepted(
    wanted: SignatureRequirement, signer: KeySpec, reference: Reference, evidence: Evidence
) -> tuple[frozenset[str], list[Reason]]:
    """The principals that count for a signer, and why its other signatures do not."""
    accepted: set[str] = set()
    against: list[Reason] = []
    for signature in evidence.signatures:
        if signature.signer.key == signer.key:
            reason = _objection(wanted, signer, reference, signature)
            if reason is None:
                accepted.add(signature.signer.principal)
            else:
                against.append(reason)
    return frozenset(accepted), [] if accepted else against


def _objection(
    wanted: SignatureRequirement, signer: KeySpec, reference: Reference, signature: VerifiedSignature
) -> Reason | None:
    by = f"the signature by {signer.name}"
    if signature.log_entry_unchecked and signer.log is not LogUse.IGNORE:
        return Reason(
            Code.SIGNATURE_UNSUPPORTED,
            f"{by} carries a transparency log entry, which this version can't check",
            "set `transparencyLog: ignore` on the signer (on the command line --insecure-ignore-tlog)",
        )
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


def _unreadable(wanted: SignatureRequirement, signers: Mapping[str, KeySpec]) -> Iterator[Reason]:
    for name in sorted(names(wanted.by)):
        if signers[name].key is None:
            yield Reason(
                Code.TRUST_ROOT_UNAVAILABLE, f"signer {name}: {signers[name].missing}", "judge where it can be read"
            )


def _denial(
    wanted: SignatureRequirement, reference: Reference, evidence: Evidence, found: Mapping[str, frozenset[str]]
) -> Reason:
    present = sorted(name for name, principals in found.items() if principals)
    if present:
        return Reason(
            Code.SIGNERS_TOO_FEW,
            f"signed by {', '.join(present)}; needs {wanted.by}",
            f"have {', '.join(sorted(found.keys() - set(present))) or 'another of them'} sign it",
        )
    code = _cause(evidence)
    fix = (
        f"cosign sign --key … {reference.text}"
        if reference.digest
        else f"cosign sign --key … $(gate resolve {reference.text})"
    )
    return Reason(code, f"{_seen(evidence)}; needs {wanted.by}", f"sign it: {fix}")


def _cause(evidence: Evidence) -> Code:
    if evidence.signatures:
        return Code.KEY_MISMATCH
    codes = {rejection.code for rejection in evidence.rejected}
    return next((code for code in _TELLING if code in codes), Code.SIGNATURE_MISSING)


def _seen(evidence: Evidence) -> str:
    """What is there, as a person would want to hear it: how many, and why none counts."""
    others = [f"by {s.signer}" for s in evidence.signatures]
    reasons = [r.reason for r in sorted(evidence.rejected, key=lambda r: _rank(r.code))]
    all_seen = list(dict.fromkeys([*others, *reasons]))
    total = len(evidence.signatures) + len(evidence.rejected)
    if not total:
        return "no signature found"
    shown = "; ".join(all_seen[:_SHOWN])
    more = f"; and {len(all_seen) - _SHOWN} more kinds of reason" if len(all_seen) > _SHOWN else ""
    count = "1 candidate found" if total == 1 else f"{total} candidates found"
    return f"{count}: {shown}{more}"


def _rank(code: Code) -> int:
    return _TELLING.index(code) if code in _TELLING else len(_TELLING)
