"""Answers challenges: Bearer tokens and Basic (distribution, spec/auth/token and spec/auth/oauth).

Credentials go to the registry's own host, or to the realm this file says is its own; nowhere else, whatever a
challenge names.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.credentials.credential import scope_of
from gate.registry.failures import CredentialRefused, token_failure
from gate.registry.guard.origin import Origin
from gate.registry.guard.transport import Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from gate.deadline import Deadline
    from gate.image.reference import Repository
    from gate.registry.challenge import Challenge
    from gate.registry.credentials.credential import Credential
    from gate.registry.credentials.keychain import Found, Remembering
    from gate.registry.guard.hosts import Hosts
    from gate.registry.guard.patience import Patience

MAX_TOKEN: Final = 64 * 1024
"""Bytes of a token service's answer."""

_LONGEST: Final = 16 * 1024  # characters of a token; servers refuse longer headers
_MOST_TOKENS: Final = 1_000
_MOST: Final = 10_000  # repositories that something is kept of
_MOST_REGISTRIES: Final = 1_000
_LIFETIME: Final = 60  # seconds, where the server states none
_EARLY: Final = 10  # seconds before its end a token is no longer used
_REALMS: Final = {"docker.io": "auth.docker.io", "registry.gitlab.com": "gitlab.com"}
_OK: Final = 200
_HTTP: Final = 80
_HTTPS: Final = 443


class _TokenAnswer(msgspec.Struct):
    token: str = ""
    access_token: str = ""
    expires_in: Annotated[float, msgspec.Meta(ge=0, le=86400 * 30)] | None = None


# What msgspec knows of a type it finds out when it first meets it, and two threads that do so at once end the process:
# a decoder that is made here has it found out before there are any.
_TOKEN_ANSWER: Final = msgspec.json.Decoder(_TokenAnswer)


@dataclass(frozen=True, slots=True)
class _Realm:
    """Where a registry sends for tokens."""

    url: str
    service: str


class Authenticator:
    """Keeps tokens per registry, repository and credential, and how each registry asks for them. Thread-safe."""

    def __init__(
        self,
        transport: Patience,
        keychain: Remembering,
        hosts: Hosts,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        """Args as named; `clock` is monotonic, in seconds; `now` is the time of day, aware, for messages."""
        self._transport = transport
        self._keychain = keychain
        self._hosts = hosts
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._ways: OrderedDict[str, _Realm | None] = OrderedDict()
        self._tokens: OrderedDict[tuple[Repository, _Realm, str], tuple[str, float]] = OrderedDict()
        self._flights: dict[tuple[Repository, str], threading.Lock] = {}

    def found(self, repository: Repository, deadline: Deadline) -> Found:
        """The credentials that may be tried, in their order, and whether these are all.

        Raises:
            EvidenceUnavailable: DEADLINE_EXCEEDED.
        """
        return self._keychain.found(repository, deadline)

    def credentials(self, repository: Repository, deadline: Deadline) -> tuple[Credential, ...]:
        """The same, for those who want no others.

        Raises:
            EvidenceUnavailable: a keychain failed, and no other has any.
        """
        found = self.found(repository, deadline)
        if found.failure is not None and not found.credentials:
            # Anew each time: an exception that is raised again collects the traces of all who raised it.
            raise found.failure.told(found.failure.message, found.failure.remedy)
        return found.credentials

    def renew(self, repository: Repository) -> None:
        """All of them were refused: have the keychain look anew."""
        self._keychain.forget(repository)

    def known_scope(self, repository: Repository) -> str | None:
        """The scope of the credentials, if they are at hand; None where somebody would have to be asked."""
        kept = self._keychain.at_hand(repository)
        return None if kept is None else scope_of(kept)

    def at_hand(self, repository: Repository) -> tuple[Credential, ...]:
        """Those that it may have been asked with, without asking anybody for them."""
        return self._keychain.at_hand(repository) or ()

    def token_services(self, registry: str) -> frozenset[str]:
        """The hosts, with ports, that a registry's credentials may go to beside its own: nobody else named them."""
        named = {realm.partition("//")[2] for realm in self._hosts.token_realms.get(registry, ())}
        return frozenset({*named, _REALMS.get(registry, registry)})

    def known(self, repository: Repository, credential: Credential | None, deadline: Deadline) -> str | None:
        """The header for a registry whose way of asking is known; None the first time, to be challenged.

        Raises:
            CredentialRefused: by the token service.
            EvidenceUnavailable: it could not be asked.
        """
        if credential is not None and credential.registry_token:
            return f"Bearer {credential.registry_token}"
        if repository.registry not in self._ways:
            return None
        realm = self._ways.get(repository.registry)
        if realm is not None:
            return self._token(repository, realm, credential, deadline)
        return credential.basic if credential is not None and not credential.identity_token else None

    def answer(
        self,
        repository: Repository,
        credential: Credential | None,
        challenges: tuple[Challenge, ...],
        deadline: Deadline,
    ) -> str | None:
        """The header that answers a 401, or None when there is none to give.

        Args:
            repository: what is asked for.
            credential: with what.
            challenges: what the registry said.
            deadline: for asking the realm.

        Raises:
            CredentialRefused: by the realm.
            EvidenceUnavailable: the realm is not one that may be asked, or fails.
        """
        if credential is not None and credential.registry_token:
            return None
        bearer = next((c for c in challenges if c.scheme == "bearer"), None)
        if bearer is not None:
            realm = self._checked_realm(repository.registry, bearer)
            self._learn(repository.registry, realm)
            return self._token(repository, realm, credential, deadline)
        if credential is not None and not credential.identity_token and any(c.scheme == "basic" for c in challenges):
            self._learn(repository.registry, None)
            return credential.basic
        return None

    def token(self, repository: Repository, credential: Credential | None) -> tuple[str, float] | None:
        """A token that is kept, and the seconds that it goes on being used; None where none is.

        For whoever says what a token grants: nothing of it is to be shown.
        """
        realm = self._ways.get(repository.registry)
        kept = self._tokens.get((repository, realm, credential.scope if credential else "")) if realm else None
        return None if kept is None else (kept[0], kept[1] - self._clock())

    def forget(self, header: str) -> None:
        """A token was refused."""
        with self._lock:
            for key in [k for k, (token, _) in self._tokens.items() if f"Bearer {token}" == header]:
                del self._tokens[key]

    def _learn(self, registry: str, realm: _Realm | None) -> None:
        """How a registry asks: for tokens of a realm, or (None) for Basic."""
        with self._lock:
            self._ways[registry] = realm
            self._ways.move_to_end(registry)
            if len(self._ways) > _MOST_REGISTRIES:
                self._ways.popitem(last=False)

    def _token(self, repository: Repository, realm: _Realm, credential: Credential | None, deadline: Deadline) -> str:
        key = (repository, realm, credential.scope if credential else "")
        with self._lock:
            if len(self._flights) >= _MOST:
                self._flights.clear()
            flight = self._flights.setdefault((repository, key[2]), threading.Lock())
        if not flight.acquire(timeout=max(0.0, deadline.remaining())):
            raise EvidenceUnavailable(
                Code.DEADLINE_EXCEEDED, f"the time allowed ran out while waiting for a token for {repository.registry}"
            )
        try:
            kept = self._tokens.get(key)
            if kept is not None and kept[1] > self._clock():
                return f"Bearer {kept[0]}"
            token, lifetime = self._fetch(repository, realm, credential, deadline)
            self._keep(key, token, lifetime)
        finally:
            flight.release()
        return f"Bearer {token}"

    def _keep(self, key: tuple[Repository, _Realm, str], token: str, lifetime: float) -> None:
        now = self._clock()
        with self._lock:
            for old in [k for k, (_, end) in self._tokens.items() if end <= now]:
                del self._tokens[old]
            self._tokens[key] = (token, now + max(lifetime - _EARLY, lifetime / 2))
            while len(self._tokens) > _MOST_TOKENS:
                self._tokens.popitem(last=False)

    def _fetch(
        self, repository: Repository, realm: _Realm, credential: Credential | None, deadline: Deadline
    ) -> tuple[str, float]:
        scope = pull_scope(repository)
        if credential is not None and not self._is_own(repository.registry, realm.url):
            host = Origin.of(realm.url).name
            raise CredentialRefused(
                credential,
                f"{repository.registry} wants {credential.shown()} sent to another host, {host}; they were not sent",
                remedy=f"where {host} is its token service, say so in a GateConfig (--config FILE, or among the "
                f"policies): `tokenRealms: [https://{host}]`",
            )
        try:
            own = self._is_own(repository.registry, realm.url)
            response = self._transport.send(_token_request(realm, scope, credential, own=own), deadline)
        except EvidenceUnavailable as error:
            message = f"the token service of {repository.registry} was not heard: {error.message}"
            raise error.told(message, error.remedy) from error
        deadline.hear()  # also that it is out of order: that is no word of the registry's
        if response.status != _OK:
            raise token_failure(repository, response, credential, self._now())
        try:
            answer = _TOKEN_ANSWER.decode(response.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise EvidenceUnavailable(
                Code.REGISTRY_PROTOCOL, f"the token service of {repository.registry} sent no token"
            ) from error
        token = answer.token or answer.access_token
        if not token or len(token) > _LONGEST or not token.isascii() or not token.isprintable():
            raise EvidenceUnavailable(
                Code.REGISTRY_PROTOCOL, f"the token service of {repository.registry} sent no token"
            )
        return token, answer.expires_in or _LIFETIME

    def _checked_realm(self, registry: str, challenge: Challenge) -> _Realm:
        """A realm is https (or the registry is insecure), without credentials in it (CVE-2026-33540 and its kin).

        Where its host may be is the guard's business: a private address only if it is named.
        """
        url = challenge.parameters.get("realm", "")
        try:
            plain = Origin.of(url).scheme == "http"
            allowed = not plain or (self._hosts.is_insecure(registry) and self._is_own(registry, url))
        except ValueError as error:  # credentials in it, too
            # Not the URL: a password may be in it, of whoever set the registry up.
            raise EvidenceUnavailable(
                Code.REGISTRY_PROTOCOL, f"{registry} names no token service that can be asked, but {error}"
            ) from None
        if not allowed:
            raise EvidenceUnavailable(
                Code.REGISTRY_PROTOCOL,
                f"{registry} names a token service that is not asked, for it wants plain HTTP, which only an insecure "
                f"registry's own address may: {Origin.of(url).name}",
                remedy="give the token service TLS",
            )
        return _Realm(url, challenge.parameters.get("service", ""))

    def _is_own(self, registry: str, url: str) -> bool:
        """Whether a token service is the registry's: the same host, the one known for it, or one the operator names.

        Over TLS whoever has the certificate has the host, whatever its port; over plain HTTP another port is
        somebody else.
        """
        parts, own = urlsplit(url), urlsplit(self._hosts.base_url(registry))
        if parts.scheme == "http":
            return (parts.hostname, parts.port or _HTTP) == (own.hostname, own.port or _HTTP)
        port = f":{parts.port}" if parts.port not in (None, _HTTPS) else ""
        named = self._hosts.token_realms.get(registry, frozenset())
        return parts.hostname in (own.hostname, _REALMS.get(registry)) or f"https://{parts.hostname}{port}" in named


def pull_scope(repository: Repository) -> str:
    """What a token is asked for (distribution, spec/auth/scope)."""
    return f"repository:{repository.path}:pull"


def _token_request(realm: _Realm, scope: str, credential: Credential | None, *, own: bool) -> Request:
    if credential is not None and credential.identity_token:
        form = {
            "grant_type": "refresh_token",
            "service": realm.service,
            "client_id": "imagegate",
            "scope": scope,
            "refresh_token": credential.identity_token,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return Request("POST", realm.url, MAX_TOKEN, headers, urlencode(form).encode(), redirects=False, identified=own)
    parts = urlsplit(realm.url)
    query = [*parse_qsl(parts.query), ("service", realm.service), ("scope", scope)]
    url = urlunsplit(parts._replace(query=urlencode(query), fragment=""))
    headers = {"Authorization": credential.basic} if credential else {}
    return Request("GET", url, MAX_TOKEN, headers, redirects=False, identified=own)
