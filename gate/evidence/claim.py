"""What a rejected candidate says of itself, for people who inspect an image. Verification never reads it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from gate.errors import ParseError
from gate.evidence.dsse import Statement
from gate.evidence.facts import Claim, Identity
from gate.evidence.identity import identity_of
from gate.evidence.refusal import Refused
from gate.evidence.signed import take_apart

if TYPE_CHECKING:
    from gate.evidence.candidate import Candidate


def claim_of(candidate: Candidate) -> Claim:
    """What can be read of it. Never raises: what is malformed claims nothing."""
    try:
        signed = take_apart(candidate)
    except (Refused, ParseError):
        return Claim()
    identity: Identity | None = None
    predicate_type = ""
    with suppress(Refused, ValueError):  # of `cryptography`: extensions that cannot be read
        identity = identity_of(signed.leaf) if signed.leaf is not None else None
    with suppress(ParseError):
        predicate_type = Statement.parse(signed.envelope.payload).predicate_type if signed.envelope else ""
    return Claim(signed.key_hint, identity, predicate_type)
