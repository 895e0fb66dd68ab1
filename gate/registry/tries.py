"""One question's tries: which credentials are asked with in turn, and what "not found" and refusals come to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from gate.errors import EvidenceUnavailable
from gate.image.manifest import ACCEPTED
from gate.registry.answer import Answer, Question
from gate.registry.failures import CredentialRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.deadline import Deadline
    from gate.image.reference import Repository
    from gate.registry.credentials.credential import Credential
    from gate.registry.credentials.keychain import Found

_REFUSED: Final = frozenset({401, 403})
_TELLING: Final = ("www-authenticate", "retry-after", "date", "ratelimit-limit", "ratelimit-remaining", "content-type")


class _Asks(Protocol):
    """Who sends a question (`gate.registry.asking.Asker`)."""

    def once(
        self, repository: Repository, question: Question, credential: Credential | None, deadline: Deadline
    ) -> Answer: ...

    def asked(
        self, repository: Repository, question: Question, credential: Credential | None, deadline: Deadline
    ) -> Answer: ...


class Tries:
    """One question's tries, and what they were answered.

    What "not found" means is decided here and nowhere else, and an empty list of referrers is the same. It is the
    answer of whom the repository is shown to, as it was just now. Of others it may be how a registry hides what they
    may not see: then the next is asked. Where somebody was refused, or a keychain failed, that one might have seen it:
    then it is the answer of whom the image itself is shown to, and of nobody else.
    """

    def __init__(
        self,
        asker: _Asks,
        repository: Repository,
        question: Question,
        deadline: Deadline,
        known: Found,
        recent: str | None,
    ) -> None:
        """Take the question, who there is to ask it, and the scope of whom it was answered just now."""
        self._asker = asker
        self._repository = repository
        self._question = question
        self._deadline = deadline
        self.known = known
        self._recent = recent
        self._refusals: list[Answer | CredentialRefused] = []
        self._absent: list[Answer] = []

    @property
    def refused(self) -> bool:
        """Whether somebody was."""
        return any(refusal.credential is not None for refusal in self._refusals)

    def each(self, ways: Sequence[Credential | None]) -> Answer | None:
        """The first answer that decides; None where there is none."""
        for credential in ways:
            if credential is None and self._is_told_to_nobody():
                continue
            try:
                # What it gave to anybody just now it wants nobody for.
                ask = self._asker.once if self._recent == "" else self._asker.asked
                answer = ask(self._repository, self._question, credential, self._deadline)
            except CredentialRefused as refused:
                self._refusals.append(refused)
                continue
            except EvidenceUnavailable:
                if credential is not None or not (self._refusals or self.known.failure):
                    raise
                continue  # what was refused before is what can be mended
            if self._decides(answer):
                return answer
        return None

    @property
    def _shown(self) -> Question:
        """Whether the image itself is there."""
        return Question("HEAD", self._question.shown, {"Accept": ", ".join(ACCEPTED)}, 0)

    def _is_told_to_nobody(self) -> bool:
        """Whether the registry has said already what it says to nobody; or that to somebody it is not there."""
        return bool(self._absent) or any(r.credential is None for r in self._refusals if isinstance(r, Answer))

    def _decides(self, answer: Answer) -> bool:
        response = answer.response
        if self._question.says_nothing(response):
            recent = self._recent == (answer.credential.scope if answer.credential else "")
            if recent and not response.elsewhere:
                return True
            self._absent.append(_told(answer))
            return False
        if answer.refused or (response.status in _REFUSED and not response.elsewhere):
            self._refusals.append(_told(answer))
            return False
        return True  # from elsewhere a refusal, too: nobody's credentials go there

    def settled(self) -> Answer | None:
        """Where somebody was refused, the answer of the first of the others whom the image itself is shown to."""
        if not (self.refused or self.known.failure) or not self._question.shown:
            return None
        for answer in self._absent:
            try:
                found = self._asker.once(self._repository, self._shown, answer.credential, self._deadline)
            except CredentialRefused:
                continue
            if found.response.status < 300 and not found.response.elsewhere:
                return answer
        return None

    def outcome(self) -> Answer:
        """What to say where nothing decided: the first of somebody's refusals, for he was meant to be good.

        Raises:
            CredentialRefused: that is what it is.
            EvidenceUnavailable: why a keychain failed.
        """
        failure = self.known.failure
        if failure is not None:
            others = sum(tried.credential is not None for tried in (*self._refusals, *self._absent))
            also = f"; what others have did not do ({others} tried)" if others else ""
            # Anew each time: an exception that is raised again collects the traces of all who raised it.
            raise failure.told(failure.message + also, failure.remedy)
        if self._absent and not self.refused:
            first = next((answer for answer in self._absent if answer.response.status < 300), self._absent[0])
            return replace(first, others=len(self._absent) - 1)
        refusal = next((refusal for refusal in self._refusals if refusal.credential), self._refusals[0])
        if isinstance(refusal, CredentialRefused):
            raise refusal
        return replace(refusal, others=len(self._refusals) + len(self._absent) - 1)


def _told(answer: Answer) -> Answer:
    """What may be said of it later, while others are asked: no more, for there may be many."""
    response = answer.response
    headers = {name: response.headers[name] for name in _TELLING if name in response.headers}
    body = response.body if response.status < 300 else b""  # an empty list, which is short
    return replace(answer, response=replace(response, headers=headers, body=body))
