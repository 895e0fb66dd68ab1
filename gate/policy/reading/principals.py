"""Which signers are one principal under several names, and what of an expression that leaves unmet (POLICY §5)."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Final, assert_never

from gate.policy.assignment import satisfied
from gate.policy.reading.checks import Check
from gate.policy.signers import AnyOf, AtLeast, CertificateSpec, KeylessSpec, KeySpec, One

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.documents import Path
    from gate.policy.identity import TextPattern
    from gate.policy.reading.notes import Notes
    from gate.policy.signers import Expression, SignerSpec

_MANY: Final = 32  # principals of a signer that is no single one: as many as an expression has names


def who_of(signer: SignerSpec) -> object:
    """What tells one signer's principals from another's; None where it is not known."""
    match signer:
        case KeySpec():
            return signer.key and signer.key.fingerprint
        case CertificateSpec():
            return signer.authorities and (signer.authorities.authorities, signer.identity)
        case KeylessSpec():
            return replace(signer, name="")


def _identity(signer: SignerSpec) -> object:
    """The one principal that a signer can be, whatever log or claims it is held to; None where several."""
    if not isinstance(signer, KeylessSpec):
        return who_of(signer)
    issuer, subject = signer.identity.issuer, signer.identity.subject
    if issuer is None or not _is_literal(issuer) or not _is_literal(subject):
        return None
    # Of one identity under two trust roots one may replace the other: that is for the evidence to show.
    return issuer.text, subject.text, signer.trust_root


def _is_literal(pattern: TextPattern) -> bool:
    """Whether one text alone fits: of refs of a workflow, one that is written out."""
    one_ref = pattern.kind == "globs" and "*" not in pattern.text and " or " not in pattern.text
    return pattern.kind == "exact" or one_ref


def check_counted(notes: Notes, path: Path, by: Expression, signers: Mapping[str, SignerSpec]) -> None:
    """Note what can't be met, at its place or as one of several ways, for one identity under two names counts once."""
    match by:
        case One():
            return
        case AnyOf(inner):
            pass
        case AtLeast(_, inner):
            names = sorted(by.names & signers.keys())
            identities = {name: who for name in names if (who := _identity(signers[name])) is not None}
            pair = _same(identities, signers)
            if pair is not None and _needs_both(by, identities):
                said = f"signers {pair[0]} and {pair[1]} are one identity, and it counts once"
                notes.add(Check.SAME_PRINCIPAL, path, said, "name one of them here")
                return
        case _:
            assert_never(by)
    for entry in inner:
        check_counted(notes, path, entry, signers)


def _same(identities: Mapping[str, object], signers: Mapping[str, SignerSpec]) -> tuple[str, str] | None:
    """Two names of one identity, but for those that are the same signer: that is said where they stand."""
    for one, other in itertools.combinations(identities, 2):
        if identities[one] == identities[other] and who_of(signers[one]) != who_of(signers[other]):
            return one, other
    return None


def _needs_both(by: Expression, identities: Mapping[str, object]) -> bool:
    """Whether an expression can be met only if each name were somebody else."""
    several = frozenset(map(str, range(_MANY)))
    distinct = {name: frozenset({name}) if name in identities else several for name in by.names}
    known = list(identities.values())
    once = {**distinct, **{name: frozenset({f"={known.index(who)}"}) for name, who in identities.items()}}
    return satisfied(by, distinct) and not satisfied(by, once)
