"""How a request fails, as codes and one line each: never a header, which may be the one with the credentials."""

from __future__ import annotations

import math
from typing import NoReturn

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.guard.dial import cause, unreachable
from gate.registry.guard.head import Unanswered


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
    if isinstance(error, TimeoutError):
        message = f"{host} did not answer within {allowed:.1f} s"
        raise EvidenceUnavailable(Code.REGISTRY_TIMEOUT, message, unanswered=waited) from error
    if isinstance(error, ConnectionError) and not isinstance(error, Unanswered):
        raise unreachable(host, error, unanswered=math.inf if waited else 0.0) from error
    if isinstance(error, OSError) and not isinstance(error, Unanswered):
        raise unreachable(host, error) from error
    raise EvidenceUnavailable(Code.REGISTRY_PROTOCOL, f"{host} did not speak HTTP properly: {cause(error)}") from error
