"""Azure Container Registry's own credentials: three hours, by azure-identity and the registry's `/oauth2/exchange`.

An identity's token goes to hosts that are ACR's beyond doubt, and to no others (CVE-2025-27403): which those are is
decided before anything is imported or asked. It is a token for container registries only, not for all of Azure.
"""

from __future__ import annotations

import base64
import binascii
import re
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlencode

import msgspec

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.credentials.cloud import Cloud
from gate.registry.credentials.credential import Credential, is_token
from gate.registry.credentials.renewing import Given, Renewing
from gate.registry.guard.transport import Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from gate.deadline import Deadline
    from gate.image.reference import Repository
    from gate.registry.guard.patience import Patience
    from gate.registry.guard.transport import Response, Transport

SOURCE: Final = "Azure (azure-identity)"
SCOPE: Final = "https://containerregistry.azure.net/.default"
"""What tokens are for: registries that refuse Azure Resource Manager's tokens take it, too."""

MAX_ANSWER: Final = 64 * 1024
"""Bytes of an exchange's answer."""

_REMEDY: Final = "give the gate an Azure identity (workload or managed identity) that has AcrPull on the registry"

# container-registry-endpoint-reference: NAME.azurecr.io, NAME-HASH.azurecr.io (its domain name label), and regional
# NAME[-HASH].REGION.geo.azurecr.io. REGION.data.azurecr.io has blobs only.
_NAME: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(rf"{_NAME}\.(?:azurecr\.(?:io|cn|us)|[a-z][a-z0-9]{{1,39}}\.geo\.azurecr\.io)", re.ASCII)
_AUTHORITIES: Final = {"cn": "login.chinacloudapi.cn", "us": "login.microsoftonline.us"}
_TENANT: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_ENTRA_CODE: Final = re.compile(r"AADSTS[0-9]{1,10}", re.ASCII)
_LIFE: Final = 3 * 3600.0  # seconds a refresh token is good for
_UNREACHABLE: Final = frozenset({"ServiceRequestError", "ServiceResponseError"})
_OK: Final = 200
_NOT_ALLOWED: Final = frozenset({400, 401, 403, 404})
_RATE_LIMITED: Final = 429
_ERROR: Final = 500


class _Answer(msgspec.Struct):
    refresh_token: str = ""


# What msgspec knows of a type it finds out when it first meets it, and two threads that do so at once end the process:
# a decoder that is made here has it found out before there are any.
_ANSWER: Final = msgspec.json.Decoder(_Answer)


class _Claims(msgspec.Struct):
    tid: str = ""


_CLAIMS: Final = msgspec.json.Decoder(_Claims)


class EntraTokens(Protocol):
    """Azure's identities. It may block, beyond the deadline too, and raise anything."""

    def token(self, authority: str, deadline: Deadline) -> str:
        """An access token for `SCOPE`; `authority` is the host that gives it, "" the usual one."""


class AzureKeychain:
    """Answers for Azure's container registries. Thread-safe."""

    def __init__(
        self,
        transport: Transport | Patience,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        tokens: EntraTokens | None = None,
        tenant: str = "",
    ) -> None:
        """Connect to nothing.

        Args:
            transport: asks the registry.
            clock: monotonic, in seconds.
            now: aware.
            tokens: None is azure-identity, imported when it is first asked.
            tenant: of the identity; "" is what its token says.
        """
        self._transport = transport
        self._now = now
        self._tokens = tokens or _AzureIdentity()
        self._tenant = tenant
        self._renewing = Renewing(clock)
        self._cloud = Cloud(SOURCE, "azure", _REMEDY, _UNREACHABLE, _entra_code)

    def find(self, repository: Repository, deadline: Deadline) -> tuple[Credential, ...]:
        """The one for a host of ACR's; none for others, and then nobody is asked.

        Raises:
            EvidenceUnavailable: azure-identity is not installed, finds no identity, or the registry does not take
                its token; or that took too long.
        """
        if not is_acr(repository.registry):
            return ()
        return (self._renewing.get(repository.registry, partial(self._ask, repository.registry), deadline),)

    def forget(self, repository: Repository) -> None:
        """Its refresh token was refused."""
        self._renewing.drop(repository.registry)

    def _ask(self, host: str, deadline: Deadline) -> Given:
        authority = _AUTHORITIES.get(host.rpartition(".")[2], "")
        access = self._cloud.ask(host, lambda: self._tokens.token(authority, deadline), deadline)
        if not is_token(access):
            raise self._cloud.no_token(host)
        response = self._transport.send(self._exchange(host, access), deadline)
        credential = Credential(SOURCE, identity_token=_refresh_token(host, response), remedy=_REMEDY)
        ends = credential.expires
        seconds = _LIFE if ends is None else min(_LIFE, (ends - self._now()).total_seconds())
        return Given(credential, seconds)

    def _exchange(self, host: str, access: str) -> Request:
        """Azure/acr, docs/AAD-OAuth.md: POST /oauth2/exchange."""
        form = {"grant_type": "access_token", "service": host, "access_token": access}
        tenant = self._tenant or _tenant_of(access)
        if tenant:
            form["tenant"] = tenant
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        url = f"https://{host}/oauth2/exchange"
        return Request("POST", url, MAX_ANSWER, headers, urlencode(form).encode(), redirects=False, identified=True)


def is_acr(host: str) -> bool:
    """Whether a canonical host is a registry of ACR's."""
    return _HOST.fullmatch(host) is not None


def _refresh_token(host: str, response: Response) -> str:
    if response.status != _OK:
        message = f"{host} answered {response.status} to the exchange of a token of {SOURCE}"
        if response.status in _NOT_ALLOWED:
            raise EvidenceUnavailable(Code.REGISTRY_UNAUTHORIZED, message, remedy=_REMEDY)
        if response.status == _RATE_LIMITED:
            raise EvidenceUnavailable(Code.REGISTRY_RATE_LIMITED, message, remedy="retry later")
        busy = response.status >= _ERROR
        raise EvidenceUnavailable(Code.REGISTRY_UNREACHABLE if busy else Code.REGISTRY_PROTOCOL, message)
    try:
        token = _ANSWER.decode(response.body).refresh_token
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(host) from error
    if not is_token(token):
        raise _malformed(host)
    return token


def _malformed(host: str) -> EvidenceUnavailable:
    return EvidenceUnavailable(Code.REGISTRY_PROTOCOL, f"{host} gave no token for one of {SOURCE}")


def _tenant_of(access: str) -> str:
    """What an access token says of its tenant; "" where it is not for us to read. Nobody relies on it."""
    parts = access.split(".")
    try:
        text = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)) if len(parts) == 3 else b"{}"
        tenant = _CLAIMS.decode(text).tid
    except (msgspec.MsgspecError, binascii.Error, ValueError, RecursionError):
        return ""
    return tenant if _TENANT.fullmatch(tenant) else ""


def _entra_code(error: Exception) -> str:
    """`AADSTS700016` and its like, which Microsoft documents."""
    found = _ENTRA_CODE.search(str(error))
    return found[0] if found else ""


class _AzureIdentity:
    """The real one. Identities are looked for anew for each token: what is mounted meanwhile is seen."""

    def token(self, authority: str, deadline: Deadline) -> str:
        """Ask whichever identity DefaultAzureCredential finds first."""
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - it is an extra

        left = deadline.check(f"asking {SOURCE}")
        options: dict[str, object] = {"authority": authority} if authority else {}
        with DefaultAzureCredential(
            connection_timeout=left,
            read_timeout=left,
            timeout=left,
            retry_total=1,
            process_timeout=max(1, int(left)),
            **options,
        ) as credential:
            return credential.get_token(SCOPE).token
