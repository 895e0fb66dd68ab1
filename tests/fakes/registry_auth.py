"""How fake registries let people in: accounts, Basic, and Bearer tokens (distribution, spec/auth/token and oauth).

The registries themselves are in `tests.fakes.registry_vendors`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from gate.registry.credentials.credential import Credential
from tests.fakes.registries import SOURCE, FakeRegistry, Presented, refusal
from tests.fakes.scripted_server import as_json

if TYPE_CHECKING:
    from tests.fakes.clock import SettableClock
    from tests.fakes.scripted_server import Asked, Reply

_SCOPE: Final = re.compile(r"repository:(?P<path>[^:]+):(?:[a-z*]+,)*(?:pull|\*)(?:,[a-z*]+)*", re.ASCII)


@dataclass(slots=True)
class Account:
    """Somebody the registry knows.

    Attributes:
        reads: may read private repositories.
        ends: when its password does, on the fake's monotonic clock; None for never.
    """

    username: str
    password: str = field(repr=False)
    reads: bool = True
    ends: float | None = None


@dataclass(frozen=True, slots=True)
class _Grant:
    """What a bearer token is good for."""

    readable: frozenset[str]
    ends: float


class Guarded(FakeRegistry):
    """A registry with accounts.

    Attributes:
        user: of `good`, in the shape that is this registry's.
        password_seconds: how long a password is good for; None for ever.
    """

    user: str = "acme"
    password_seconds: float | None = None

    def __init__(self, clock: SettableClock | None = None) -> None:
        super().__init__(clock)
        self.accounts: list[Account] = []
        self._made = 0

    def account(self, username: str = "", *, reads: bool = True) -> Account:
        """Somebody new, with a password of their own."""
        self._made += 1
        ends = None if self.password_seconds is None else self.clock.monotonic() + self.password_seconds
        found = Account(username or self.user, f"{type(self).__name__}-passw0rd-{self._made}", reads, ends)
        self.accounts.append(found)
        return found

    def of(self, account: Account) -> Credential:
        """The credentials of an account, for the client."""
        return self.credential(account.username, account.password)

    def good(self) -> Credential:
        """Credentials that may read everything."""
        return self.of(self.account())

    def stranger(self) -> Credential:
        """Credentials that are in order, of somebody who may read no private repository."""
        return self.of(self.account("stranger", reads=False))

    def stale(self) -> Credential:
        """Credentials that were in order once."""
        account = self.account()
        account.ends = self.clock.monotonic() - 1
        return self.of(account)

    def expired(self, account: Account) -> bool:
        return account.ends is not None and account.ends <= self.clock.monotonic()

    def known(self, presented: Presented) -> Account | None:
        """The account of a user and password, expired or not."""
        return next((a for a in self.accounts if presented == Presented(a.username, a.password)), None)

    def readable(self, account: Account | None, path: str) -> bool:
        """A repository that is not there is to strangers as one that they may not see."""
        return (path in self.repositories and path not in self.private) or (account is not None and account.reads)


class BasicRegistry(Guarded):
    """Lets nobody in without user and password."""

    realm: str = "Registry Realm"
    service: str = ""

    def admit(self, asked: Asked, path: str) -> Reply | None:
        presented = Presented.of(asked.authorization)
        account = self.known(presented) if presented is not None else None
        if account is None:
            return self.challenge(asked)
        if self.expired(account):
            return self.refuse_expired(asked)
        return None if not path or self.readable(account, path) else refusal(403, "DENIED", "not authorized")

    def challenge(self, asked: Asked) -> Reply:
        service = f',service="{self.service}"' if self.service else ""
        header = ("WWW-Authenticate", f'Basic realm="{self.realm}"{service}')
        return refusal(401, "UNAUTHORIZED", "authentication required", headers=(header,))

    def refuse_expired(self, asked: Asked) -> Reply:
        return self.challenge(asked)


class BearerRegistry(Guarded):
    """Gives tokens, to anonymous callers too, and lets nobody in without one.

    Attributes:
        realm_host: of the token service; "" for the API's own.
        realm_path: its path.
        service: what it calls itself; "" for the registry's name.
        stated: `expires_in` of its answers; None for none, which means 60 seconds.
        lifetime: how long its tokens are good for, in seconds.
        token_names: the fields that the token is in.
        posts: answers a form, too.
        token_for_anybody: gives a token without rights to those who may not read, and leaves the refusal to the API.
        refused: the status for those who may not read.
        token_requests: how many were answered with a token.
    """

    realm_host: str = ""
    realm_path: str = "/token"
    service: str = ""
    stated: int | None = None
    lifetime: float = 60.0
    token_names: tuple[str, ...] = ("token",)
    posts: bool = False
    token_for_anybody: bool = True
    refused: int = 401

    def __init__(self, clock: SettableClock | None = None) -> None:
        super().__init__(clock)
        self.token_requests = 0
        self.refresh: dict[str, Account] = {}
        self._grants: dict[str, _Grant] = {}

    def expire_tokens(self) -> None:
        """No token that was given out is good any more."""
        self._grants.clear()

    def identity(self, account: Account | None = None) -> Credential:
        """Credentials that are an OAuth2 refresh token."""
        return Credential(SOURCE, identity_token=self.refresh_token(account or self.account()))

    def refresh_token(self, account: Account) -> str:
        token = self._secret("refresh")
        self.refresh[token] = account
        return token

    # the token service

    def special(self, asked: Asked) -> Reply | None:
        if asked.path != self.realm_path:
            return None
        if asked.method == "POST":
            return self._form(asked)
        presented = Presented.of(asked.authorization)
        account = self.known(presented) if presented is not None else None
        if presented is not None and (account is None or self.expired(account)):
            return self.refuse_login()
        return self.give(account, asked.query.get("scope", []))

    def _form(self, asked: Asked) -> Reply:
        if not self.posts:
            return refusal(405, "UNSUPPORTED")
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        match form.get("grant_type"):
            case "refresh_token":
                account = self.refresh.get(form.get("refresh_token", ""))
            case "password":
                account = self.known(Presented(form.get("username", ""), form.get("password", "")))
            case _:
                return refusal(400, "UNSUPPORTED", "grant_type")
        if account is None or self.expired(account):
            return self.refuse_login()
        return self.give(account, form.get("scope", "").split(" "))

    def give(self, account: Account | None, scopes: list[str]) -> Reply:
        """A token for what of the scopes the account may read."""
        wanted = [found["path"] for scope in scopes if (found := _SCOPE.fullmatch(scope))]
        readable = frozenset(path for path in wanted if self.readable(account, path))
        if not self.token_for_anybody and len(readable) < len(wanted):
            return self.refuse_token(account)
        token = self._secret("token")
        self.token_requests += 1
        self._grants[token] = _Grant(readable, self.clock.monotonic() + self.lifetime)
        stated = {} if self.stated is None else {"expires_in": self.stated}
        return as_json(dict.fromkeys(self.token_names, token) | stated)

    def refuse_login(self) -> Reply:
        """To credentials that are wrong or expired."""
        return refusal(401, "UNAUTHORIZED", "incorrect username or password")

    def refuse_token(self, account: Account | None) -> Reply:
        """To somebody, or nobody, who may not read; only without `token_for_anybody`."""
        return refusal(self.refused, "UNAUTHORIZED" if self.refused == 401 else "DENIED")

    # the API

    def admit(self, asked: Asked, path: str) -> Reply | None:
        header = asked.authorization
        if header is None:
            return self.challenge(asked, path)
        grant = self._grants.get(header.removeprefix("Bearer "))
        if grant is None or grant.ends <= self.clock.monotonic():
            return self.refuse_header(asked, path)
        return None if not path or path in grant.readable else self.refuse_reading(asked, path)

    def challenge(self, asked: Asked, path: str, error: str = "") -> Reply:
        realm = self.url(asked, self.realm_host or self.names[0], self.realm_path)
        parameters = {"realm": realm, "service": self.service or self.registry}
        if path:
            parameters["scope"] = f"repository:{path}:pull"
        if error:
            parameters["error"] = error
        header = "Bearer " + ",".join(f'{name}="{value}"' for name, value in parameters.items())
        return refusal(401, "UNAUTHORIZED", "authentication required", headers=(("WWW-Authenticate", header),))

    def refuse_header(self, asked: Asked, path: str) -> Reply:
        """To an Authorization header that is no token of its, or an old one."""
        return self.challenge(asked, path, "invalid_token")

    def refuse_reading(self, asked: Asked, path: str) -> Reply:
        """To a token that is in order and not for this."""
        if self.refused == 401:
            return self.challenge(asked, path, "insufficient_scope")
        return refusal(self.refused, "DENIED" if self.refused == 403 else "NAME_UNKNOWN")

    def _secret(self, kind: str) -> str:
        self._made += 1
        secret = f"{type(self).__name__}-{kind}-{self._made:06}"
        self.secrets.add(secret)
        return secret


class OpenRegistry(FakeRegistry):
    """Asks for nothing."""

    def admit(self, asked: Asked, path: str) -> Reply | None:
        return None

    def good(self) -> Credential:
        return self.credential("acme", "OpenRegistry-passw0rd")
