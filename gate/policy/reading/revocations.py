"""`GateRevocation` documents (POLICY §6): read so that one wrong entry makes no other void."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from gate.errors import ParseError
from gate.image.digest import Digest
from gate.instants import parse_first
from gate.policy.reading.checks import Check
from gate.policy.revocation import Revocations, RevokedDigest, RevokedSigner

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.policy.reading.notes import Notes

_FINGERPRINT: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})", re.ASCII | re.IGNORECASE)


def parse_revocation(notes: Notes) -> Revocations:
    """What a document revokes, whose shape may be wrong: every entry that can be read counts."""
    data = notes.data
    spec, metadata = _mapping(data.get("spec")), _mapping(data.get("metadata"))
    name, reason = str(metadata.get("name", "?"))[:253], str(spec.get("reason", "no reason given"))[:500]
    why = f"GateRevocation {name} ({reason})"
    digests = [_digest(notes, i, entry, why) for i, entry in enumerate(_list(spec.get("digests")))]
    signers = [_signer(notes, i, entry, why) for i, entry in enumerate(_list(spec.get("signers")))]
    return Revocations(
        tuple(one for one in digests if one is not None), tuple(one for one in signers if one is not None)
    )


def together(found: Iterable[Revocations]) -> Revocations:
    """All of several documents, each once, in an order that does not depend on theirs."""
    each = list(found)
    return Revocations(
        tuple(sorted({d for one in each for d in one.digests}, key=lambda d: (str(d.digest), d.why))),
        tuple(sorted({s for one in each for s in one.signers}, key=_signer_key)),
    )


def _signer_key(one: RevokedSigner) -> tuple[str, ...]:
    return one.fingerprint, one.issuer, one.subject, str(one.signed_after), one.why


def _digest(notes: Notes, index: int, entry: object, why: str) -> RevokedDigest | None:
    if not isinstance(entry, str):
        return None  # as the schema has said
    digest = notes.attempt(Check.DIGEST, ("spec", "digests", index), Digest.parse, entry)
    return RevokedDigest(digest, why) if digest is not None else None


def _signer(notes: Notes, index: int, entry: object, why: str) -> RevokedSigner | None:
    raw = _mapping(entry)
    path = ("spec", "signers", index)
    named = [field for field in ("fingerprint", "issuer", "subject") if isinstance(raw.get(field), str)]
    if named not in (["fingerprint"], ["issuer", "subject"]):
        notes.add(
            Check.REVOKED_SIGNER,
            path,
            "a signer is revoked by its `fingerprint`, or by its `issuer` and `subject`",
            "write one of them",
        )
        return None
    after = None
    if "signedAfter" in raw:
        # An instant that cannot be read spares nothing: what was meant to be revoked stays so.
        after = notes.attempt(Check.INSTANT, (*path, "signedAfter"), parse_first, str(raw["signedAfter"]))
    if named == ["fingerprint"]:
        fingerprint = notes.attempt(Check.FINGERPRINT, (*path, "fingerprint"), _fingerprint, raw["fingerprint"])
        return RevokedSigner(fingerprint, signed_after=after, why=why) if fingerprint is not None else None
    return RevokedSigner("", raw["issuer"], raw["subject"], after, why)


def _fingerprint(text: str) -> str:
    found = _FINGERPRINT.fullmatch(text)
    if found is None:
        raise ParseError(
            f"{text[:80]!r} is no fingerprint",
            remedy="write the hex SHA-256 of the public key's SPKI, as `gate inspect` shows it",
        )
    return found[1].lower()


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
