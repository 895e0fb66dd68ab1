"""How a request fails, as codes and one line each: never a header, which may be the one with the credentials."""

from __future__ import annotations

import ssl
from http.client import RemoteDisconnected
from typing import NoReturn

from urllib3.exceptions import HTTPError, ProtocolError, SSLError
from urllib3.exceptions import TimeoutError as Urllib3Timeout

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.guard.dial import cause, unreachable


def translate(error: Exception, host: str, allowed: float) -> NoReturn:
    """Every way of failing, as a code and one line."""
    if isinstance(error, ValueError) and not isinstance(error, HTTPError):
        # Its text would show the header that is malformed, and that is the one with the credentials.
        raise EvidenceUnavailable(
            Code.REGISTRY_PROTOCOL,
            f"{host} was not asked: the request would be malformed",
            remedy="look at its credentials",
        ) from None
    wrapped = error.args[-1] if isinstance(error, ProtocolError) else None
    if isinstance(wrapped, (TimeoutError, ConnectionError)) and not isinstance(wrapped, RemoteDisconnected):
        error = wrapped  # of connecting and sending, or a reset
    if isinstance(error, (TimeoutError, Urllib3Timeout)):
        raise EvidenceUnavailable(Code.REGISTRY_TIMEOUT, f"{host} did not answer within {allowed:.1f} s") from error
    if isinstance(error, OSError):
        raise unreachable(host, error) from error
    raise EvidenceUnavailable(Code.REGISTRY_PROTOCOL, f"{host} did not speak HTTP properly: {cause(error)}") from error


def tls_error(error: Exception) -> ssl.SSLError | None:
    """What TLS said, of an error of urllib3's or its own; None where it was something else."""
    while isinstance(error, SSLError) and error.args and isinstance(error.args[0], Exception):
        error = error.args[0]
    return error if isinstance(error, ssl.SSLError) else None
