"""Where a Valkey or Redis server is, read from a URL whose credentials are shown to nobody."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from gate.errors import UsageError

_SECURE: Final = frozenset({"valkeys", "rediss"})
_SCHEMES: Final = frozenset({"valkey", "redis", "unix"}) | _SECURE
_PORT: Final = 6379
_DATABASE: Final = re.compile(r"[0-9]{1,4}", re.ASCII)
_FILES: Final = ("ca", "cert", "key")
_REMEDY: Final = (
    "give valkey://, valkeys:// (TLS), redis://, rediss:// with [USER:PASSWORD@]HOST[:PORT][/DATABASE]"
    " [?ca=FILE&cert=FILE&key=FILE with TLS], or unix://[USER:PASSWORD@]/PATH[?db=DATABASE];"
    " percent-encode what has a special character"
)


@dataclass(frozen=True, slots=True)
class Server:
    """A server and how to be let in.

    Attributes:
        scheme: of the URL.
        host: its name or address; "" for a socket of this machine.
        port: of `host`.
        path: of the socket; "" for none.
        database: its number.
        user: "" for none.
        password: "" for none.
        ca: a file of authorities that its certificate may be from; "" for those of the system.
        cert: a file with the certificate to show; "" for none.
        key: of `cert`; "" where the key is in the same file.
    """

    scheme: str
    host: str = ""
    port: int = _PORT
    path: str = ""
    database: int = 0
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    ca: str = ""
    cert: str = ""
    key: str = ""

    @property
    def is_secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.scheme in _SECURE

    @property
    def shown(self) -> str:
        """The URL without credentials."""
        if self.path:
            return f"{self.scheme}://{self.path}?db={self.database}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}/{self.database}"

    @classmethod
    def parse(cls, url: str) -> Self:
        """A server from its URL.

        Raises:
            UsageError: it is none, or its files can't be used. What is in it isn't repeated: it may be a password.
        """
        scheme = url.partition("://")[0].lower()
        if scheme not in _SCHEMES:
            raise UsageError("the store's URL has no scheme that is known", remedy=_REMEDY)
        try:
            server = cls._of(scheme, url)
        except ValueError:
            server = None
        if server is None:  # not in the handler: an error's cause would quote what was wrong
            raise UsageError(f"the store's URL {scheme}://… can't be read", remedy=_REMEDY)
        server.check_files()
        return server

    @classmethod
    def _of(cls, scheme: str, url: str) -> Self:
        """Each part of a URL; ValueError for what should not be there or is missing."""
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)) if parts.query else {}
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        if parts.fragment or (user and not password):
            raise ValueError
        if scheme == "unix":
            if parts.hostname or not parts.path.startswith("/") or set(options) - {"db"}:
                raise ValueError
            database = _database(options.get("db", ""))
            return cls(scheme, path=unquote(parts.path), database=database, user=user, password=password)
        allowed = set(_FILES) if scheme in _SECURE else set[str]()
        if not parts.hostname or set(options) - allowed or not all(options.values()):
            raise ValueError
        return cls(
            scheme,
            unquote(parts.hostname),
            parts.port or _PORT,
            database=_database(parts.path.removeprefix("/")),
            user=user,
            password=password,
            **options,
        )

    def check_files(self) -> None:
        """Read what TLS needs, so that a wrong path is not found out by a store that never answers.

        Raises:
            UsageError: it can't be read.
        """
        if not self.is_secure:
            return
        try:
            context = ssl.create_default_context(cafile=self.ca or None)
            if self.cert:
                context.load_cert_chain(self.cert, self.key or None)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            reason = getattr(error, "strerror", None) or getattr(error, "reason", None) or "not what it should be"
            raise UsageError(
                f"the files that {self.shown} needs can't be used: {reason}",
                remedy="give PEM files that can be read: ca, cert, key",
            ) from error


def _database(text: str) -> int:
    if text and not _DATABASE.fullmatch(text):
        raise ValueError
    return int(text or 0)
