"""How old something that was signed is: by a transparency log or a timestamping authority, never by its own word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.policy.finding import Reason

if TYPE_CHECKING:
    from gate.evidence.facts import VerifiedTime, Witness

AHEAD: Final = timedelta(minutes=5)
"""That a time may be ahead of the clock; one that is more so is none."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""A time before it is none: so writes who knows no time (0001-01-01 of Go's programs)."""

_UNITS: Final = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1)))


def too_new(name: str, witness: Witness, least: timedelta, now: datetime) -> Reason | None:
    """Why a signature has not been there for long enough; None where it has.

    Args:
        name: of the signer.
        witness: what says when.
        least: how old it has to be.
        now: the instant that is decided at.
    """
    time = _time(witness, now)
    if time is None:
        return _untimed(Code.SIGNATURE_TOO_NEW, name, f"how old it is is not proved; has to be {shown(least)} old")
    if now - time.at >= least:
        return None
    return Reason(
        Code.SIGNATURE_TOO_NEW,
        f"the signature by {name} is {shown(now - time.at)} old ({time.by}); has to be {shown(least)} old",
        f"wait until {time.at + least:%Y-%m-%dT%H:%M:%SZ}",
    )


def too_old(name: str, witness: Witness, most: timedelta, now: datetime) -> Reason | None:
    """Why a signature is too old; None where it is not. The arguments are those of `too_new`."""
    time = _time(witness, now)
    if time is None:
        return _untimed(Code.SIGNATURE_TOO_OLD, name, f"how old it is is not proved; may be {shown(most)} old")
    if now - time.at <= most:
        return None
    return Reason(
        Code.SIGNATURE_TOO_OLD,
        f"the signature by {name} is {shown(now - time.at)} old ({time.by}); may be {shown(most)} old",
        "build it anew and sign it",
    )


def shown(age: timedelta) -> str:
    """For people: in the largest unit of which there are two or more, rounded down."""
    for unit, size in _UNITS:
        if age >= 2 * size:
            return f"{age // size}{unit}"
    return f"{max(age, timedelta()) // timedelta(seconds=1)}s"


def _time(witness: Witness, now: datetime) -> VerifiedTime | None:
    """The earliest that is proved; none where that is in the future, or before anybody signed."""
    earliest = witness.earliest
    return earliest if earliest is not None and EPOCH <= earliest.at <= now + AHEAD else None


def _untimed(code: Code, name: str, why: str) -> Reason:
    return Reason(code, f"of the signature by {name} {why}", "sign it with a log entry or a timestamp")
