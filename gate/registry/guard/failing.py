"""How a request fails, as codes and one line each: never a header, which may be the one with the credentials."""

from __future__ import annotations

from typing import NoReturn

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.guard.dial import cause
from gate.registry.guard.head import Unanswered
from gate.registry.guard.silence import Unconnected, unanswered


def translate(error: Exception, host: str, allowed: float, waited: float) -> NoReturn:
    """Every way of failing, as a code and one line.

    Args:
        error: what happened.
        host: that was asked.
        allowed: seconds that there were.
        waited: those of them for which it was asked.
    """
    if isinstance(error, ValueError):
        # Its text would show the header that is malformed, and that is the one with the credentials.
        raise EvidenceUnavailable(
            Code.REGISTRY_PROTOCOL,
            f"{host} was not asked: the request would be malformed",
            remedy="look at its credentials",
        ) from None
    silent = unanswered(error, waited) if isinstance(error, OSError) else 0.0
    why = error.why if isinstance(error, Unconnected) else error
    if isinstance(why, TimeoutError):
        message = f"{host} did not answer within {allowed:.1f} s"
        raise EvidenceUnavailable(Code.REGISTRY_TIMEOUT, message, unanswered=silent) from why
    if isinstance(why, OSError) and not isinstance(why, Unanswered):
        message = f"{host} could not be reached: {cause(why)}"
        raise EvidenceUnavailable(Code.REGISTRY_UNREACHABLE, message, unanswered=silent) from why
    message = f"{host} did not speak HTTP properly: {cause(why)}"
    raise EvidenceUnavailable(Code.REGISTRY_PROTOCOL, message, unanswered=silent) from why
