"""Verification summaries (SLSA VSA v1), https://slsa.dev/spec/v1.1/verification_summary."""

from __future__ import annotations

from typing import Literal

import msgspec

from gate.policy.content.document import Unreadable, instant, shaped
from gate.policy.content.provenance import Verification


class _Verifier(msgspec.Struct):
    id: str


class _Policy(msgspec.Struct):
    uri: str | None = None


class _Summary(msgspec.Struct, rename="camel"):
    verifier: _Verifier
    resource_uri: str
    policy: _Policy
    verification_result: Literal["PASSED", "FAILED"]
    verified_levels: list[str] | None = None
    time_verified: str | None = None


def read(value: object) -> Verification:
    """The summary of an opened predicate `https://slsa.dev/verification_summary/v1`.

    Raises:
        Unreadable: it has another shape, names no verifier or resource, another result, a time that is none.
    """
    found = shaped(value, _Summary, "verification summary v1")
    if not found.verifier.id or not found.resource_uri:
        raise Unreadable("it names no verifier, or not what was verified")
    return Verification(
        resource=found.resource_uri,
        verifier=found.verifier.id,
        policy=found.policy.uri or "",
        passed=found.verification_result == "PASSED",
        levels=tuple(found.verified_levels or ()),
        at=instant(found.time_verified),
    )
