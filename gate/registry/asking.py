"""Asks a registry for something, with the credentials there are, in turn.

A registry says only by refusing which of several credentials it wants, that a token has ended, or that a login which
is no longer good keeps it from giving what it would give to anybody.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.answer import Answer
from gate.registry.challenge import parse_challenges
from gate.registry.failures import CredentialRefused
from gate.registry.transport import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gate.deadline import Deadline
    from gate.image.reference import Repository
    from gate.registry.answer import Question
    from gate.registry.auth import Authenticator
    from gate.registry.credentials.credential import Credential
    from gate.registry.hosts import Hosts
    from gate.registry.patience import Patience
    from gate.registry.transport import Response

_V = TypeVar("_V")
_UNAUTHORIZED: Final = 401
_NOT_FOUND: Final = 404
_REFUSED: Final = frozenset({401, 403})
# Of a kept token: ghcr.io refuses with 403 and no challenge, public.ecr.aws with 400.
_TOKEN_REFUSED: Final = frozenset({400, 401, 403})
_MOST: Final = 10_000  # repositories that something is kept of
_TELLING: Final = 12  # characters of a secret that are not found somewhere by chance
_QUIET: Final = 5.0  # seconds after which a keychain is asked anew for a repository again


class Asker:
    """Asks with one credential after the other, and begins with what was good the last time. Thread-safe."""

    def __init__(
        self, transport: Patience, authenticator: Authenticator, hosts: Hosts, clock: Callable[[], float]
    ) -> None:
        """Args as named; `clock` is monotonic, in seconds."""
        self._transport = transport
        self._authenticator = authenticator
        self._hosts = hosts
        self._clock = clock
        self._lock = threading.Lock()
        self._good: OrderedDict[Repository, str] = OrderedDict()
        self._renewed: OrderedDict[Repository, float] = OrderedDict()

    def ask(self, repository: Repository, question: Question, deadline: Deadline) -> Answer:
        """The first answer that is no refusal; where all are, the first of those.

        Raises:
            EvidenceUnavailable: the registry or its token service could not be asked, or all refused a token.
        """
        self._hosts.check_usable(repository.registry)
        try:
            credentials = self._authenticator.credentials(repository, deadline)
        except EvidenceUnavailable as failure:
            return self._as_nobody(repository, question, failure, deadline)
        tries = _Tries(self, repository, question, deadline)
        found = tries.each(self._in_order(repository, credentials))
        if found is None and credentials and self._may_renew(repository):
            self._authenticator.renew(repository)
            renewed = self._authenticator.credentials(repository, deadline)
            known = {credential.scope for credential in credentials}
            found = tries.each([credential for credential in renewed if credential.scope not in known])
        if found is None:
            return tries.refusal()
        if found.response.status < 300:  # "not found" may be what a registry says to whom it would refuse
            self._keep(self._good, repository, found.credential.scope if found.credential else "")
        return found

    def _as_nobody(
        self, repository: Repository, question: Question, failure: EvidenceUnavailable, deadline: Deadline
    ) -> Answer:
        """What is public, where a keychain fails; of all else that failure is the reason, of "not found" too."""
        try:
            answer = self.once(repository, question, None, deadline)
        except EvidenceUnavailable:
            raise failure from None
        if answer.response.status >= 300:
            raise failure
        return answer

    def _in_order(self, repository: Repository, credentials: Sequence[Credential]) -> list[Credential | None]:
        """What was good before comes first; nobody's credentials come last, for what is public."""
        good = self._good.get(repository)
        ways: list[Credential | None] = [*credentials, None]
        return sorted(ways, key=lambda way: (way.scope if way else "") != good)

    def _may_renew(self, repository: Repository) -> bool:
        now = self._clock()
        with self._lock:
            last = self._renewed.get(repository)
        if last is not None and now - last < _QUIET:
            return False
        self._keep(self._renewed, repository, now)
        return True

    def _keep(self, kept: OrderedDict[Repository, _V], repository: Repository, value: _V) -> None:
        with self._lock:
            kept[repository] = value
            kept.move_to_end(repository)
            if len(kept) > _MOST:
                kept.popitem(last=False)

    def once(
        self, repository: Repository, question: Question, credential: Credential | None, deadline: Deadline
    ) -> Answer:
        """Ask with one credential: with what is known of it, then with what the registry wants.

        Raises:
            CredentialRefused: the token service refused it.
            EvidenceUnavailable: as `ask`.
        """
        base = self._hosts.base_url(repository.registry)
        header = self._authenticator.known(repository, credential, deadline)
        response = self._send(base, question, header, deadline)
        if not _is_refused(response, header, base):
            return Answer(response, credential if header else None)
        if header is not None:
            self._authenticator.forget(header)
        challenges = parse_challenges(response.headers.get("www-authenticate", ""))
        sent = credential if header else None
        if header is not None and not challenges:
            # A token that is refused without a word on where to get another: asked without, the registry says.
            response = self._send(base, question, None, deadline)
            if response.status not in _REFUSED:
                return Answer(response, None)
            own = _is_refused(response, None, base)
            challenges = parse_challenges(response.headers.get("www-authenticate", "")) if own else ()
        fresh = self._authenticator.answer(repository, credential, challenges, deadline)
        if fresh is None or fresh == header:
            return Answer(response, sent)
        return Answer(self._send(base, question, fresh, deadline), credential)

    def _send(self, base: str, question: Question, header: str | None, deadline: Deadline) -> Response:
        headers = {**question.headers, "Authorization": header} if header else question.headers
        request = Request(question.method, base + question.path, question.limit, headers)
        secret = (header or "").partition(" ")[2]
        try:
            response = self._transport.send(request, deadline)
        except EvidenceUnavailable as error:
            if _shows(secret, str(error)):
                raise _echo(base) from None  # not `from` it: it was sent where to go next, and says so
            raise
        if _shows(secret, " ".join(response.headers.values())) or _shows(secret, response.body):
            raise _echo(base)
        return response


class _Tries:
    """One question's tries and what they were refused with."""

    def __init__(self, asker: Asker, repository: Repository, question: Question, deadline: Deadline) -> None:
        self._asker = asker
        self._repository = repository
        self._question = question
        self._deadline = deadline
        self._refusals: list[Answer | CredentialRefused] = []

    def each(self, credentials: Sequence[Credential | None]) -> Answer | None:
        """The first that is no refusal."""
        for credential in credentials:
            if credential is None and any(self._is_nobodys(refusal) for refusal in self._refusals):
                continue  # that is what it was refused without
            try:
                answer = self._asker.once(self._repository, self._question, credential, self._deadline)
            except CredentialRefused as refused:
                self._refusals.append(refused)
                continue
            except EvidenceUnavailable:
                if credential is not None or not self._refusals:
                    raise
                continue  # what was refused before is what can be mended
            if not self._is_refusal(answer, credential):
                return answer
            self._refusals.append(answer)
        return None

    def _is_refusal(self, answer: Answer, credential: Credential | None) -> bool:
        """After somebody's refusal, "not found" to nobody may be another one: some hide so what is private.

        Where the registry redirected to gets no credentials, and others would change nothing there.
        """
        if answer.response.elsewhere:
            return False
        hidden = credential is None and answer.response.status == _NOT_FOUND and bool(self._refusals)
        return hidden or answer.response.status in _REFUSED

    @staticmethod
    def _is_nobodys(refusal: Answer | CredentialRefused) -> bool:
        """Whether the registry refused a request without credentials, and wanted none."""
        return isinstance(refusal, Answer) and refusal.credential is None

    def refusal(self) -> Answer:
        """The first of somebody's credentials: they were meant to be good.

        Raises:
            CredentialRefused: that is what it is.
        """
        first = next((refusal for refusal in self._refusals if refusal.credential), self._refusals[0])
        if isinstance(first, CredentialRefused):
            raise first
        return replace(first, others=len(self._refusals) - 1)


def _is_refused(response: Response, header: str | None, base: str) -> bool:
    """Whether the registry itself wants to be asked in another way; what a redirect's target says is not its word."""
    if not response.url.startswith(f"{base}/"):
        return False
    kept = header is not None and header.startswith("Bearer ")
    return response.status == _UNAUTHORIZED or (kept and response.status in _TOKEN_REFUSED)


def _shows(secret: str, text: str | bytes) -> bool:
    """Whether what was sent is in something that comes back, as hosts are written: in any case."""
    if len(secret) < _TELLING:
        return False
    return secret.encode() in text if isinstance(text, bytes) else secret.lower() in text.lower()


def _echo(base: str) -> EvidenceUnavailable:
    """Nothing of such an answer is used: what is told of it would tell the secret."""
    return EvidenceUnavailable(
        Code.REGISTRY_PROTOCOL, f"{base.partition('//')[2]} sent back the credentials that it was asked with", remedy=""
    )
