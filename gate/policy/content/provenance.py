"""What a builder says of how an image came to be (SLSA provenance), and what a verifier concluded (VSA)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from datetime import datetime


class Provenance(msgspec.Struct, frozen=True):
    """How an image was built.

    Attributes:
        version: of SLSA provenance, `0.2` or `1`.
        builder: the builder's id.
        build_type: a URI.
        source: where the source came from, as a URI without its ref; "" where its build type does not say.
        ref: the git ref; "" where it is not said.
        revision: the commit; "" where it is not said.
        parameters: external parameters (v1) or invocation parameters (v0.2) that are texts, numbers or booleans, as
            text, nested names joined by dots.
        started: None where it is not said.
        finished: None where it is not said.
        materials: URIs of what went in, each with its digests as `algorithm:hex`.
    """

    version: str
    builder: str
    build_type: str
    source: str
    ref: str
    revision: str
    parameters: dict[str, str]
    started: datetime | None
    finished: datetime | None
    materials: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def at(self) -> datetime | None:
        """When it was built: the earliest of the times that are stated."""
        return min((time for time in (self.started, self.finished) if time is not None), default=None)


class Verification(msgspec.Struct, frozen=True):
    """A verification summary (SLSA VSA v1).

    Attributes:
        resource: URI of what was verified.
        verifier: its id.
        policy: URI of what it was verified against.
        passed: whether it held.
        levels: such as `SLSA_BUILD_LEVEL_3`.
        at: None where it is not said.
    """

    resource: str
    verifier: str
    policy: str
    passed: bool
    levels: tuple[str, ...]
    at: datetime | None
