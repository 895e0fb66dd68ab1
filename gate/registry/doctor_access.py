"""Whether an image may be had, with each way to ask: the steps of `gate doctor` at the image itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from gate.errors import EvidenceUnavailable
from gate.image.manifest import ACCEPTED, MAX_MANIFEST
from gate.registry.answer import Question
from gate.registry.auth import pull_scope
from gate.registry.doctor_check import NO_REGISTRY, Check, Status, is_page, remedy_of, where, who
from gate.registry.doctor_token import granted
from gate.registry.failures import CredentialRefused, failure, rate_limit, remedy_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from gate.deadline import Deadline
    from gate.image.reference import Repository
    from gate.registry.answer import Answer
    from gate.registry.asking import Asker
    from gate.registry.auth import Authenticator
    from gate.registry.credentials.credential import Credential

_ACCEPT: Final = {"Accept": ", ".join(ACCEPTED)}
_OK: Final = 200
_NOT_FOUND: Final = 404
_NO_SUCH: Final = frozenset({400, 404})  # to a name that is none, some say that it is malformed
_FINAL: Final = frozenset({401, 403, 429})  # of a HEAD: with a GET it would be the same
_LOW: Final = 0.1  # of a rate limit


class Access:
    """Asks for an image with one credential after the other."""

    def __init__(self, asker: Asker, authenticator: Authenticator, now: Callable[[], datetime]) -> None:
        """Args as of `Doctor`."""
        self._asker = asker
        self._authenticator = authenticator
        self._now = now

    def look(self, repository: Repository, target: str, deadline: Deadline) -> Iterator[Check]:
        """What came of each credential, its token first; then the rate limit."""
        seen: list[Check] = []
        tried: list[Credential | None] = []
        last: Answer | None = None
        try:
            credentials = self._authenticator.credentials(repository, deadline)
        except EvidenceUnavailable:  # which was said: then it is asked as anybody may
            credentials = ()
        for credential in (*credentials, None):
            try:
                last, remark = self._asked(repository, target, credential, deadline)
            except EvidenceUnavailable as error:
                tried.append(credential)
                seen.append(self._failed(repository, credential, error))
                continue
            found = self._answer(repository, target, last, remark)
            if credential is None and seen:  # then "not found" may be one more refusal
                found = replace(found, settles=found.status is Status.OK)
            tried.append(last.credential)
            seen.append(found)
            if found.status is Status.OK or last.credential is None:
                break  # or it would be asked as nobody a second time
        let_in = seen[-1].status is Status.OK
        for credential, check in zip(tried, seen, strict=True):
            good = check.status is Status.OK
            yield from self._token(repository, credential, good=good)
            # Where one way in is open, that others are not is worth knowing and no failure.
            yield replace(check, status=Status.WARNING) if let_in and not good else check
        if last is not None and (limit := _limit(last)) is not None:
            yield limit

    def _asked(
        self, repository: Repository, target: str, credential: Credential | None, deadline: Deadline
    ) -> tuple[Answer, str]:
        """Asked as `RegistryClient` asks: of a tag a HEAD; where that gives no digest, and of a digest, a GET.

        Returns:
            What counts, and what is worth saying beside it.
        """
        path = f"/v2/{repository.path}/manifests/{target}"
        remark = ""
        if ":" not in target:
            answer = self._asker.asked(repository, Question("HEAD", path, _ACCEPT, 0), credential, deadline)
            status, digest = answer.response.status, answer.response.headers.get("docker-content-digest")
            if (status == _OK and digest) or status in _FINAL or answer.refused or answer.about:
                return answer, ""
            if status != _OK:
                remark = f"; HEAD is answered {status}, so it is asked for by GET"
        with self._asker.room.entered():
            question = Question("GET", path, _ACCEPT, MAX_MANIFEST)
            return self._asker.asked(repository, question, credential, deadline), remark

    def _failed(self, repository: Repository, credential: Credential | None, error: EvidenceUnavailable) -> Check:
        token = f"no token for {pull_scope(repository)}: " if isinstance(error, CredentialRefused) else ""
        said = f"with {who(credential)}: {token}{error.message}"
        return Check("access", Status.FAILED, said, remedy_of(error.code, error.remedy))

    def _answer(self, repository: Repository, target: str, answer: Answer, remark: str) -> Check:
        response, credential = answer.response, answer.credential
        about = f" for {answer.about}" if answer.about else ""
        said = f"{response.status}{about} with {who(credential)}{where(response)}"
        if response.status == _OK and is_page(response):
            return Check("access", Status.FAILED, f"{said}: a web page and no manifest", NO_REGISTRY)
        if response.status == _OK:
            return Check("access", Status.OK, f"granted with {who(credential)}{remark}", settles=True)
        if response.status in _NO_SUCH and not response.elsewhere:
            # What is asked for by its digest may be elsewhere.
            settles = response.status == _NOT_FOUND and ":" not in target
            return Check("access", Status.FAILED, said, "check the name", settles=settles)
        return Check("access", Status.FAILED, said, failure(repository, answer, target, self._now()).remedy)

    def _token(self, repository: Repository, credential: Credential | None, *, good: bool) -> Iterator[Check]:
        """What the token that was sent is for, where one was; `good`: it was good enough."""
        now, scope = self._now(), pull_scope(repository)
        if credential is not None and credential.registry_token:
            how, token, until = f"{who(credential)} is one, wanted for {scope}", credential.registry_token, None
        else:
            kept = self._authenticator.token(repository, credential)
            if kept is None:
                return
            token, until = kept[0], now + timedelta(seconds=kept[1])
            how = f"asked for {scope} with {who(credential)}"
        found = granted(token, repository.path)
        ends = min((end for end in (found.ends, until) if end is not None), default=None)
        over = ends is not None and ends <= now
        lasts = f"; {'over since' if over else 'good until'} {ends:%Y-%m-%d %H:%M:%S} UTC" if ends else ""
        said = f"{how}; {found}{lasts}"
        if found.is_less and not good:
            remedy = f"check the name and who may pull {repository.path}, or {remedy_for(repository, credential)}"
            yield Check("token", Status.WARNING, said, remedy)
        elif over and not good:
            yield Check("token", Status.WARNING, said, "have a new one, or compare the clocks")
        else:
            yield Check("token", Status.OK, said)


def _limit(answer: Answer) -> Check | None:
    found = rate_limit(answer.response.headers)
    if found is None:
        return None
    left, limit, seconds = found
    said = f"{left} of {limit} pulls left" + (f" in {seconds // 3600} h" if seconds else "")
    if int(left) < int(limit) * _LOW:
        return Check("rate limit", Status.WARNING, said, "log in for a higher one" if not answer.credential else "")
    return Check("rate limit", Status.OK, said)
