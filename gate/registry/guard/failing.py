"""How a request fails, as codes and one line each: never a header, which may be the one with the credentials."""

from __future__ import annotations

from http.client import HTTPException
from typing import NoReturn

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.guard.dial import cause, unreachable


def translate(error: Exception, host: str, allowed: float) -> NoReturn:
    """Every way of failing, as a code and one line."""
    if isinstance(error, ValueError):
        # Its text would show the header that is malformed, and that is the one with the credentials.
        raise EvidenceUnavailable(
            Code.REGISTRY_PROTOCOL,
            f"{host} was not asked: the request would be malformed",
            remedy="look at its credentials",
        ) from None
    if isinstance(error, TimeoutError):
        raise EvidenceUnavailable(Code.REGISTRY_TIMEOUT, f"{host} did not answer within {allowed:.1f} s") from error
    if isinstance(error, OSError) and not isinstance(error, HTTPException):  # one that ended without an answer is both
        raise unreachable(host, error) from error
    raise EvidenceUnavailable(Code.REGISTRY_PROTOCOL, f"{host} did not speak HTTP properly: {cause(error)}") from error
