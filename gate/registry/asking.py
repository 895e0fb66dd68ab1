"""Asks a registry for something, with the credentials there are, in turn.

A registry says only by refusing which of several credentials it wants, that a token has ended, or that a login which
is no longer good keeps it from giving what it would give to anybody.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeVar

from gate.errors import EvidenceUnavailable
from gate.image.manifest import ACCEPTED
from gate.registry.answer import Answer, Question
from gate.registry.challenge import parse_challenges
from gate.registry.credentials.credential import scope_of
from gate.registry.echo import (
    echoed,
    is_in_a_name,
    is_in_body,
    is_in_content,
    is_in_headers,
    is_told,
    secrets_in,
    secrets_of,
)
from gate.registry.failures import CredentialRefused
from gate.registry.guard.transport import Request
from gate.registry.tries import Tries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gate.deadline import Deadline
    from gate.image.reference import Repository
    from gate.registry.auth import Authenticator
    from gate.registry.credentials.credential import Credential
    from gate.registry.guard.hosts import Hosts
    from gate.registry.guard.patience import Patience
    from gate.registry.guard.transport import Response

_K = TypeVar("_K")
_V = TypeVar("_V")
_UNAUTHORIZED: Final = 401
_NOT_FOUND: Final = 404
_REFUSED: Final = frozenset({401, 403})
# Of a kept token: ghcr.io refuses with 403 and no challenge, public.ecr.aws with 400.
_TOKEN_REFUSED: Final = frozenset({400, 401, 403})
_MOST: Final = 10_000  # repositories, or registries, that something is kept of
_LATER: Final = frozenset({408, 425, 429})
_ERROR: Final = 500
_RECENT: Final = 60.0  # seconds that what was good speaks for the repository
_VERSION: Final = Question("GET", "/v2/", {}, 64 * 1024)
_QUIET: Final = 5.0  # seconds after which a keychain is asked anew for a repository again


@dataclass(frozen=True, slots=True)
class _Good:
    """With what a repository answered.

    Attributes:
        scope: of the credential; "" for nobody's.
        among: the scope of all that there were.
        at: when.
    """

    scope: str
    among: str
    at: float


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who is asked, and with what.

    Attributes:
        base: the registry's URL.
        host: its host, and port.
        credential: that is in use.
        deadline: for all of it.
        headers: those that were sent.
    """

    base: str
    host: str
    credential: Credential | None
    deadline: Deadline
    headers: list[str] = field(default_factory=list)


class Asker:
    """Asks with one credential after the other, and begins with what was good the last time. Thread-safe."""

    def __init__(
        self, transport: Patience, authenticator: Authenticator, hosts: Hosts, clock: Callable[[], float]
    ) -> None:
        """Args as named; `clock` is monotonic, in seconds."""
        self._transport = transport
        self.room = transport.room
        self._authenticator = authenticator
        self._hosts = hosts
        self._clock = clock
        self._lock = threading.Lock()
        self._good: OrderedDict[Repository, _Good] = OrderedDict()
        self._renewed: OrderedDict[Repository, float] = OrderedDict()
        self._open: OrderedDict[str, float] = OrderedDict()

    def ask(self, repository: Repository, question: Question, deadline: Deadline) -> Answer:
        """The first answer that is neither a refusal nor "not found"; where there is none, what `Tries` makes of it.

        Raises:
            EvidenceUnavailable: the registry or its token service could not be asked, or all refused a token.
        """
        self._hosts.check_usable(repository.registry)
        self.room.leave()  # it may take time until there is something to send
        known = self._authenticator.found(repository, deadline)
        good = self._good_of(repository, known.credentials)
        tries = Tries(self, repository, question, deadline, known, self._recent(good))
        settled: Answer | None = None
        answer = tries.each(_in_order(known.credentials, good))
        if answer is None and tries.refused and known.credentials and self._may_renew(repository):
            self._authenticator.renew(repository)
            before = {credential.scope for credential in known.credentials}
            known = self._authenticator.found(repository, deadline)
            tries.known = known
            answer = tries.each([credential for credential in known.credentials if credential.scope not in before])
        if answer is None:
            settled = tries.settled()
            answer = settled or tries.outcome()
        if settled is not None or (answer.response.status < 300 and not question.says_nothing(answer.response)):
            scope = answer.credential.scope if answer.credential else ""
            self._keep(self._good, repository, _Good(scope, scope_of(known.credentials), self._clock()))
        return answer

    def _good_of(self, repository: Repository, credentials: tuple[Credential, ...]) -> _Good | None:
        """What was good for the repository, among the credentials that there are: with others it says nothing."""
        good = self._good.get(repository)
        return good if good is not None and good.among == scope_of(credentials) else None

    def _recent(self, good: _Good | None) -> str | None:
        """The scope of what was good just now."""
        return good.scope if good is not None and self._clock() - good.at < _RECENT else None

    def _may_renew(self, repository: Repository) -> bool:
        now = self._clock()
        with self._lock:
            last = self._renewed.get(repository)
        if last is not None and now - last < _QUIET:
            return False
        self._keep(self._renewed, repository, now)
        return True

    def _keep(self, kept: OrderedDict[_K, _V], key: _K, value: _V) -> None:
        with self._lock:
            kept[key] = value
            kept.move_to_end(key)
            if len(kept) > _MOST:
                kept.popitem(last=False)

    def once(
        self, repository: Repository, question: Question, credential: Credential | None, deadline: Deadline
    ) -> Answer:
        """Ask with one credential: with what is known of it, then with what the registry wants.

        Whatever comes of it is compared with all that nobody is to see: a registry may have been given more than the
        last request carries, before, or as its own token service.

        Raises:
            CredentialRefused: the token service refused it.
            EvidenceUnavailable: as `ask`.
        """
        base = self._hosts.base_url(repository.registry)
        asked = _Asked(base, base.partition("//")[2], credential, deadline)
        try:
            answer = self._once(repository, question, asked)
        except EvidenceUnavailable as error:
            if not is_told(self._secrets(repository, asked), error, self._known(repository, asked)):
                raise
            told = echoed(asked.host, alike=True)
            # Not `from` it: it was sent where to go next, and says so. A refusal stays one: others may be let in.
            if isinstance(error, CredentialRefused):
                raise CredentialRefused(error.credential, told.message, remedy="") from None
            raise told from None
        elsewhere = answer.response.elsewhere
        if elsewhere and is_in_a_name(self._secrets(repository, asked), elsewhere, self._known(repository, asked)):
            raise echoed(asked.host, alike=True)
        return answer

    def _secrets(self, repository: Repository, asked: _Asked) -> set[str]:
        """What nobody is to see of all that the registry may have been asked with."""
        credentials = (asked.credential, *self._authenticator.at_hand(repository))
        sent = (secret for header in asked.headers for secret in secrets_of(header))
        return {*sent, *(secret for credential in credentials for secret in secrets_in(credential))}

    def _known(self, repository: Repository, asked: _Asked) -> set[str]:
        """What a message names of who is asked, for what and with what, whatever the registry sends back."""
        credentials = (asked.credential, *self._authenticator.at_hand(repository))
        ours = {text for credential in credentials if credential for text in (credential.source, credential.remedy)}
        names = {asked.host, repository.registry, *self._authenticator.token_services(repository.registry)}
        return {*ours, *names, *(name.partition(":")[0] for name in names), repository.path}

    def _once(self, repository: Repository, question: Question, asked: _Asked) -> Answer:
        base, credential, deadline = asked.base, asked.credential, asked.deadline
        header = self._authenticator.known(repository, credential, deadline)
        response = self._send(asked, question, header)
        if not _is_refused(response, header, credential, base):
            return Answer(response, credential if header else None)
        if header is not None:
            self._authenticator.forget(header)
        refusal = Answer(response, credential if header else None, refused=True)
        challenges = parse_challenges(response.headers.get("www-authenticate", ""))
        if header is not None and not challenges:
            # A token that is refused without a word on where to get another: asked without, the registry says.
            response = self._send(asked, question, None)
            if response.status < 300:
                return Answer(response, None)
            if response.status in _REFUSED:
                # Which says what it wants; what the header was answered stays what it was.
                refusal = replace(refusal, response=replace(response, status=refusal.response.status))
            own = response.status == _UNAUTHORIZED and not response.elsewhere
            challenges = parse_challenges(response.headers.get("www-authenticate", "")) if own else ()
        fresh = self._authenticator.answer(repository, credential, challenges, deadline)
        if fresh is None and header is not None:  # nor then: as it wanted it before
            fresh = self._authenticator.known(repository, credential, deadline)
        if fresh is None or fresh == header:
            return refusal
        return Answer(self._send(asked, question, fresh), credential)

    def asked(
        self, repository: Repository, question: Question, credential: Credential | None, deadline: Deadline
    ) -> Answer:
        """With a credential, whether the registry asks for one or not: some tell strangers that there is nothing.

        Raises:
            CredentialRefused, EvidenceUnavailable: as `once`.
        """
        answer = self.once(repository, question, credential, deadline)
        unasked = credential is not None and answer.credential is None
        if not (unasked and question.says_nothing(answer.response)):
            return answer
        door = self._at_the_door(repository, question, credential, deadline)
        if door is None:
            return answer
        return self.once(repository, question, credential, deadline) if _is_let_in(door) else door

    def _at_the_door(
        self, repository: Repository, question: Question, credential: Credential | None, deadline: Deadline
    ) -> Answer | None:
        """Asked where a registry says whom it wants: at the image itself, or at `/v2/`.

        Returns:
            None where it wants nobody. Of who is refused there, and where it does not say, what it said to others is
            no answer to the question: then this is.
        """
        if question.shown:
            image = Question("HEAD", question.shown, {"Accept": ", ".join(ACCEPTED)}, 0)
            answer = self.once(repository, image, credential, deadline)
            if answer.credential is None and answer.response.status < 300:
                return None  # it is there for strangers
            if answer.credential is not None or answer.response.status != _NOT_FOUND:
                return replace(answer, about=f"whether {question.shown} is there", refused=not _is_late(answer))
        since = self._open.get(repository.registry)
        if since is not None and self._clock() - since < _RECENT:
            return None
        # distribution-spec, "Determining Support".
        answer = self.once(repository, _VERSION, credential, deadline)
        if answer.credential is None and not _is_late(answer) and answer.response.status not in _REFUSED:
            self._keep(self._open, repository.registry, self._clock())
            return None
        return replace(answer, about=_VERSION.path, refused=not _is_late(answer))

    def _send(self, asked: _Asked, question: Question, header: str | None) -> Response:
        headers = {**question.headers, "Authorization": header} if header else question.headers
        url = asked.base + question.path
        request = Request(question.method, url, question.limit, headers, identified=True, stored=question.stored)
        if header:
            asked.headers.append(header)
        secrets = {*secrets_of(header or ""), *secrets_in(asked.credential)}
        response = self._transport.send(request, asked.deadline)
        content = response.content
        if (content is not None and is_in_content(secrets, content)) or is_in_body(secrets, response.body):
            raise echoed(asked.host)
        if is_in_headers(secrets, response.headers.values()):
            raise echoed(asked.host)
        return response


def _is_late(answer: Answer) -> bool:
    """Whether it says neither yes nor no, but later."""
    return answer.response.status in _LATER or answer.response.status >= _ERROR


def _is_let_in(door: Answer) -> bool:
    """Whether somebody was asked who he is, and was not turned away: that what is asked for is not there is no such."""
    status = door.response.status
    return door.credential is not None and not _is_late(door) and (status < 300 or status == _NOT_FOUND)


def _in_order(credentials: Sequence[Credential], good: _Good | None) -> list[Credential | None]:
    """What was good before comes first; nobody's credentials come last, for what is public."""
    ways: list[Credential | None] = [*credentials, None]
    return sorted(ways, key=lambda way: good is None or (way.scope if way else "") != good.scope)


def _is_refused(response: Response, header: str | None, credential: Credential | None, base: str) -> bool:
    """Whether the registry itself wants to be asked in another way; what a redirect's target says is not its word."""
    if not response.url.startswith(f"{base}/"):
        return False
    if header is not None and header.startswith("Bearer ") and response.status in _TOKEN_REFUSED:
        return True
    hidden = response.status == _NOT_FOUND and header is None and credential is not None
    return response.status == _UNAUTHORIZED or (hidden and "www-authenticate" in response.headers)
