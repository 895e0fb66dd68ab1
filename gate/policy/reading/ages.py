"""Ages that rules ask for, and whether anything can tell them (POLICY §4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gate.instants import duration_of
from gate.policy.bases import BaseRequirement
from gate.policy.policy import AttestationRequirement, SignatureRequirement
from gate.policy.predicate_types import TIMED_TYPES
from gate.policy.reading.checks import Check
from gate.policy.signers import KeySpec, is_witnessed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from gate.documents import Path
    from gate.policy.policy import Requirement
    from gate.policy.reading.notes import Notes
    from gate.policy.signers import Expression, SignerSpec

_EVERY_IMAGE: Final = "every image is denied"


def parse_max_age(
    notes: Notes, path: Path, raw: Mapping[str, Any], field: str = "maxAge", then: str = _EVERY_IMAGE
) -> timedelta | None:
    """How old something may be; None: any age.

    Args:
        notes: of the document.
        path: of the mapping that the field stands in.
        raw: that mapping.
        field: which one.
        then: what comes of an age of nothing, which is noted.
    """
    most = duration_of(raw[field]) if field in raw else None
    if most is not None and not most:
        said = f"nothing is as young as {raw[field]}: {then}"
        notes.add(Check.NEVER_MET, (*path, field), said, "write an age such as 90d, or remove it")
    return most


def check_ages(notes: Notes, path: Path, raw: dict[str, Any], most: timedelta | None, least: timedelta | None) -> None:
    """Note where the ages of a `signature` exclude each other."""
    if "unless" in raw and least is None:
        notes.add(
            Check.UNLESS,
            (*path, "unless"),
            "`unless` makes `minAge` void, and there is none",
            "add minAge, or remove it",
        )
    if most and least is not None and least >= most:
        notes.add(
            Check.NEVER_MET,
            (*path, "minAge"),
            "no signature is older than minAge and younger than maxAge",
            "write a longer maxAge",
        )


def check_times(notes: Notes, path: Path, wanted: Requirement, signers: Mapping[str, SignerSpec]) -> None:
    """Note where an age is asked of what was signed and nobody can prove it, or anybody can renew it.

    Args:
        notes: of the document.
        path: of the rule's body.
        wanted: the rule's requirement.
        signers: of the policy, by name.
    """
    match wanted:
        case SignatureRequirement(max_age=most, min_age=least) if most is not None or least is not None:
            field = "minAge" if most is None else "maxAge"
            _check_signed(notes, (*path, field), wanted.by, signers, renewable=most is not None)
        case BaseRequirement(by=by, max_age=most) if by is not None and most is not None:
            _check_signed(notes, (*path, "maxAge"), by, signers, renewable=True)
        case AttestationRequirement(max_age=most) if most is not None and TIMED_TYPES.isdisjoint(wanted.types):
            for name, spec in _named(wanted.by, signers):
                if isinstance(spec, KeySpec) and is_witnessed(spec):
                    _note_renewable(notes, (*path, "maxAge"), name)


def _check_signed(
    notes: Notes, path: Path, by: Expression, signers: Mapping[str, SignerSpec], *, renewable: bool
) -> None:
    """Of signatures, which have no time of their own."""
    for name, spec in _named(by, signers):
        if not is_witnessed(spec):
            said = f"nothing proves when {name} has signed"
            notes.add(Check.UNPROVEN_AGE, path, said, "let a log or timestamps count for it")
        elif renewable and isinstance(spec, KeySpec):
            _note_renewable(notes, path, name)


def _note_renewable(notes: Notes, path: Path, name: str) -> None:
    said = f"whoever may write to the repository can renew the proof of when {name} has signed"
    notes.add(Check.RENEWABLE_AGE, path, said, "for fresh builds, let a keyless signer sign")


def _named(by: Expression, signers: Mapping[str, SignerSpec]) -> list[tuple[str, SignerSpec]]:
    return [(name, signers[name]) for name in sorted(by.names & signers.keys())]
