"""What answers a registry's challenge, and where it came from.

Secrets leave this package in the `Authorization` header only: their `repr` is empty, and messages name the source.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol, Self

import msgspec

from gate.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gate.deadline import Deadline
    from gate.image.reference import Repository


_TOKEN: Final = re.compile(r"[!-~]{1,16384}", re.ASCII)  # what a header may hold (RFC 9110, 5.5)


class _Claims(msgspec.Struct):
    """Of a JWT (RFC 7519, 4.1.4), and of the token that Amazon gives as a password."""

    exp: float | None = None
    expiration: float | None = None


# What msgspec knows of a type it finds out when it first meets it, and two threads that do so at once end the process:
# a decoder that is made here has it found out before there are any.
_CLAIMS: Final = msgspec.json.Decoder(_Claims)


@dataclass(frozen=True, slots=True)
class Credential:
    """How to answer a registry's challenge.

    Attributes:
        source: where it comes from, for messages.
        username: of Basic, with `password`.
        password: the secret.
        identity_token: an OAuth2 refresh token, instead of both.
        registry_token: a bearer token to send as it is, instead of all.
        remedy: what helps where it is refused; "" is to log in.
    """

    source: str
    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    remedy: str = ""

    @property
    def scope(self) -> str:
        """Tells credentials apart in cache keys without containing them."""
        secret = f"{self.username}\0{self.password}\0{self.identity_token}\0{self.registry_token}"
        return hashlib.sha256(secret.encode()).hexdigest()[:16]

    @property
    def basic(self) -> str:
        """The value of a Basic `Authorization` header."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()

    def shown(self, now: datetime | None = None) -> str:
        """What messages call it; with `now`, whether it says itself that it is over."""
        expires = self.expires if now else None
        over = f" (token expired {expires:%Y-%m-%d})" if now and expires and expires <= now else ""
        return f"the credentials of {self.source}{over}"

    @property
    def expires(self) -> datetime | None:
        """When it says that it ends, for messages: nobody has signed for that here. None where it does not say."""
        token = self.registry_token or self.identity_token or self.password
        parts = token.split(".")
        text = parts[1] if len(parts) == 3 else token
        try:
            claims = _CLAIMS.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            at = claims.exp or claims.expiration
            return datetime.fromtimestamp(at, UTC) if at else None
        except (msgspec.MsgspecError, binascii.Error, ValueError, OverflowError, OSError, RecursionError):
            return None


def scope_of(credentials: Sequence[Credential]) -> str:
    """Tells what may be tried at a registry from what may be tried elsewhere or by others; "" is nothing."""
    if len(credentials) <= 1:
        return credentials[0].scope if credentials else ""
    return hashlib.sha256("".join(credential.scope for credential in credentials).encode()).hexdigest()[:16]


class Dated(tuple["Credential", ...]):  # noqa: SLOT001 - below a tuple there is no room for them
    """Credentials that somebody was given before: they count no longer than they do there.

    Attributes:
        seconds: that they count from now.
    """

    seconds: float

    def __new__(cls, credentials: Iterable[Credential], seconds: float) -> Self:
        """Args as named."""
        made = super().__new__(cls, credentials)
        made.seconds = seconds
        return made


class Keychain(Protocol):
    """Finds credentials. Thread-safe."""

    def find(self, repository: Repository, deadline: Deadline) -> tuple[Credential, ...]:
        """The credentials for a repository, to be tried in turn; none asks anonymously. `Dated` where they are not new.

        Raises:
            EvidenceUnavailable: there should be some, and they can't be had.
        """

    def forget(self, repository: Repository) -> None:
        """What it gave was refused: what it remembers of it is to be had anew."""


def is_token(text: str) -> bool:
    """Whether a header can hold it."""
    return _TOKEN.fullmatch(text) is not None


def decode_basic(auth: str) -> tuple[str, str]:
    """User and password of an `auth`: base64, padded or not, of `user:password`.

    Raises:
        ParseError: something else. It holds nothing of the text.
    """
    try:
        text = base64.b64decode(auth + "=" * (-len(auth) % 4)).decode()
    except ValueError:
        # Not `from` it: UnicodeDecodeError holds the password.
        raise ParseError("it is not base64 of text") from None
    username, colon, password = text.rstrip("\0").partition(":")
    if not colon:
        raise ParseError("it is not base64 of user:password")
    return username, password
