"""What a registry's refusal means: code, cause and remedy. Nothing that was sent is in it."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.guard.patience import retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from gate.image.reference import Repository
    from gate.registry.answer import Answer
    from gate.registry.credentials.credential import Credential
    from gate.registry.guard.transport import Response

_LIMIT: Final = re.compile(r"([0-9]{1,9})\s*(?:;\s*w\s*=\s*([0-9]{1,9}))?", re.ASCII)
_NOT_ALLOWED: Final = frozenset({401, 403})
_RATE_LIMITED: Final = 429
_ERROR: Final = 500
_HOUR: Final = 3600


class CredentialRefused(EvidenceUnavailable):
    """A token service did not take a credential: another may do."""

    def __init__(self, credential: Credential | None, message: str, *, remedy: str) -> None:
        """`credential` is what was refused; None where nobody's was sent."""
        super().__init__(Code.REGISTRY_UNAUTHORIZED, message, remedy=remedy)
        self.credential = credential


def failure(repository: Repository, answer: Answer, what: str, now: datetime) -> EvidenceUnavailable:
    """Why a registry did not give what it was asked for.

    Args:
        repository: that was asked.
        answer: that is no success.
        what: was asked for: `tag v1`, `manifest sha256:…`.
        now: aware; tells an expired token.
    """
    response = answer.response
    what = answer.about or what
    if response.elsewhere:
        return EvidenceUnavailable(
            Code.REGISTRY_RATE_LIMITED if response.status == _RATE_LIMITED else Code.REGISTRY_UNREACHABLE,
            f"{repository.registry} redirected to {response.elsewhere} for {what} of repository {repository.path}, "
            f"and that answered {response.status}",
            remedy=_when(response, "retry"),
            hurried=response.hurried,
        )
    said = f"{repository.registry} answered {response.status} for {what} of repository {repository.path}"
    if answer.refused:
        refused = _refused(said, repository, answer.credential, now, answer.others)
        if (
            answer.about and answer.credential is None
        ):  # there are credentials, and it does not say whether it wants them
            return EvidenceUnavailable(refused.code, refused.message, remedy=f"gate doctor {repository.registry}")
        return refused
    error = _explained(said, repository, response, answer.credential, now, answer.others)
    error.unanswered = math.inf if response.status >= _ERROR else 0.0
    return error


def token_failure(
    repository: Repository, response: Response, credential: Credential | None, now: datetime
) -> EvidenceUnavailable:
    """Why a registry's token service gave no token; CredentialRefused where that is for the credential."""
    said = f"{repository.registry}: its token service answered {response.status} for repository {repository.path}"
    if response.status in (400, 404, *_NOT_ALLOWED):
        message = f"{said} with {_who(credential, now)}"
        return CredentialRefused(credential, message, remedy=remedy_for(repository, credential))
    return _explained(said, repository, response, credential, now, 0)


def remedy_for(repository: Repository, credential: Credential | None) -> str:
    """What helps where somebody's, or nobody's, credentials were refused."""
    if credential is not None and credential.remedy:
        return credential.remedy
    return f"docker login {repository.registry}"


def rate_limit(headers: Mapping[str, str]) -> tuple[str, str, int] | None:
    """`ratelimit-limit` and `-remaining` of Docker Hub (docs.docker.com, docker-hub/usage/pulls).

    Returns:
        How many are left, of how many, and within how many seconds (0: it does not say); None where it says nothing.
    """
    limit = _LIMIT.match(headers.get("ratelimit-limit", ""))
    left = _LIMIT.match(headers.get("ratelimit-remaining", ""))
    if limit is None or left is None:
        return None
    return left[1], limit[1], int(limit[2] or left[2] or 0)


def _explained(
    said: str,
    repository: Repository,
    response: Response,
    credential: Credential | None,
    now: datetime,
    others: int,
) -> EvidenceUnavailable:
    if response.status in _NOT_ALLOWED:
        return _refused(said, repository, credential, now, others)
    who = _who(credential, now)
    if response.status == _RATE_LIMITED:
        return EvidenceUnavailable(
            Code.REGISTRY_RATE_LIMITED,
            f"{said} with {who}{_left(response)}",
            remedy=_when(response) + ("" if credential else f", or docker login {repository.registry} for more"),
            hurried=response.hurried,
        )
    return EvidenceUnavailable(
        Code.REGISTRY_UNREACHABLE,
        f"{said} with {who}",
        remedy=_when(response, "retry"),
        hurried=response.hurried,
    )


def _refused(
    said: str, repository: Repository, credential: Credential | None, now: datetime, others: int
) -> EvidenceUnavailable:
    also = f", and {others} other way{'s' if others > 1 else ''} to ask" if others else ""
    return EvidenceUnavailable(
        Code.REGISTRY_UNAUTHORIZED,
        f"{said} with {_who(credential, now)}{also}",
        remedy=remedy_for(repository, credential),
    )


def _who(credential: Credential | None, now: datetime) -> str:
    return credential.shown(now) if credential else "no credentials"


def _left(response: Response) -> str:
    found = rate_limit(response.headers)
    if found is None:
        return ""
    left, limit, seconds = found
    return f": {left} of {limit} left{f' in {_period(seconds)}' if seconds else ''}"


def _period(seconds: int) -> str:
    return f"{seconds // _HOUR} h" if seconds >= _HOUR and seconds % _HOUR == 0 else f"{seconds} s"


def _when(response: Response, otherwise: str = "retry later") -> str:
    seconds = retry_after(response.headers)
    return f"retry in {seconds:.0f} s" if seconds is not None else otherwise
