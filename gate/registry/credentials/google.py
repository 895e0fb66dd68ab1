"""Google's own credentials for Artifact Registry and gcr.io: an hour, by google-auth, for hosts that are Google's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from gate.registry.credentials.cloud import Cloud
from gate.registry.credentials.credential import Credential, is_token
from gate.registry.credentials.renewing import Given, Renewing

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from gate.deadline import Deadline
    from gate.image.reference import Repository

SOURCE: Final = "Google (google-auth)"
_REFUSED: Final = "grant the gate's Google identity roles/artifactregistry.reader on the repository"
_UNAUTHORIZED: Final = (
    "give the gate a Google identity (Workload Identity, GOOGLE_APPLICATION_CREDENTIALS) with"
    " roles/artifactregistry.reader"
)

# As `gcloud auth configure-docker` has them: LOCATION-docker.pkg.dev, docker.LOCATION.rep.pkg.dev, gcr.io, eu.gcr.io.
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(
    rf"(?:[a-z0-9][a-z0-9-]{{0,55}}-docker\.pkg\.dev|docker\.{_LABEL}\.rep\.pkg\.dev|(?:{_LABEL}\.)?gcr\.io)", re.ASCII
)
_SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform.read-only",)
_LONGEST: Final = 3600.0  # seconds that a token is taken to be good for, also where it does not say
_UNREACHABLE: Final = frozenset({"TransportError"})
_KEY: Final = "Google"  # one identity, whatever the host


@dataclass(frozen=True, slots=True)
class GoogleToken:
    """An access token, and its end (aware), if it is known."""

    text: str
    ends: datetime | None = None


class GoogleTokens(Protocol):
    """Application Default Credentials. It may block, beyond the deadline too, and raise anything."""

    def token(self, deadline: Deadline) -> GoogleToken:
        """An access token that may read."""


class GoogleKeychain:
    """Answers for Artifact Registry and gcr.io. Thread-safe."""

    def __init__(
        self, clock: Callable[[], float], now: Callable[[], datetime], tokens: GoogleTokens | None = None
    ) -> None:
        """`clock` is monotonic, in seconds; `now` aware; `tokens` is google-auth, imported when it is first asked."""
        self._now = now
        self._tokens = tokens or _GoogleAuth()
        self._renewing = Renewing(clock)
        self._cloud = Cloud(SOURCE, "google", _UNAUTHORIZED, _UNREACHABLE)

    def find(self, repository: Repository, deadline: Deadline) -> tuple[Credential, ...]:
        """The one for a host of Google's; none for others, and then nobody is asked.

        Raises:
            EvidenceUnavailable: google-auth is not installed, finds no identity, or is given no token in time.
        """
        if not is_google(repository.registry):
            return ()
        return (self._renewing.get(_KEY, partial(self._ask, repository.registry), deadline),)

    def forget(self, repository: Repository) -> None:
        """The token was refused."""
        if is_google(repository.registry):
            self._renewing.drop(_KEY)

    def _ask(self, host: str, deadline: Deadline) -> Given:
        token = self._cloud.ask(host, lambda: self._tokens.token(deadline), deadline)
        if not is_token(token.text):
            raise self._cloud.no_token(host)
        seconds = _LONGEST if token.ends is None else min(_LONGEST, (token.ends - self._now()).total_seconds())
        # Artifact Registry documentation, Docker authentication: access token.
        return Given(Credential(SOURCE, "oauth2accesstoken", token.text, remedy=_REFUSED), seconds)


def is_google(host: str) -> bool:
    """Whether a canonical host is a registry of Google's."""
    return _HOST.fullmatch(host) is not None


class _GoogleAuth:
    """The real one. Credentials are looked for anew for each token: what is mounted meanwhile is seen."""

    def token(self, deadline: Deadline) -> GoogleToken:
        """Refresh whatever Application Default Credentials there are."""
        import google.auth  # noqa: PLC0415 - it is an extra
        from google.auth.transport.requests import Request  # noqa: PLC0415

        plain = Request()

        def timely(
            url: str,
            method: str = "GET",
            body: bytes | None = None,
            headers: Any = None,
            timeout: float | None = None,
            **others: Any,
        ) -> Any:
            # The library asks again and again; what this raises is not among what it does so after.
            left = deadline.check(f"asking {SOURCE}")
            return plain(url, method, body, headers, min(timeout or left, left), **others)

        request: Any = timely  # which is called, and nothing else
        credentials: Any = google.auth.default(scopes=_SCOPES, request=request)[0]
        credentials.refresh(request)
        ends = credentials.expiry  # in UTC, and naive
        return GoogleToken(str(credentials.token), ends.replace(tzinfo=UTC) if ends else None)
