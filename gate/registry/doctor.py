"""Looks at one registry step by step, as far as each step allows the next, and says what it saw.

The steps are those of a real request, by the same parts: name, address, TLS, challenge, credentials, access, limits,
referrers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from gate.errors import EvidenceUnavailable
from gate.image.manifest import ACCEPTED, MAX_MANIFEST
from gate.registry.answer import Question
from gate.registry.challenge import parse_challenges
from gate.registry.failures import rate_limit, remedy_for
from gate.registry.origin import Origin
from gate.registry.referrers import NO_API
from gate.registry.transport import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from gate.deadline import Deadline
    from gate.image.digest import Digest
    from gate.image.reference import Repository
    from gate.registry.answer import Answer
    from gate.registry.asking import Asker
    from gate.registry.auth import Authenticator
    from gate.registry.challenge import Challenge
    from gate.registry.credentials.credential import Credential, Keychain
    from gate.registry.hosts import Hosts
    from gate.registry.transport import Transport

_OK: Final = 200
_UNAUTHORIZED: Final = 401
_REFUSED: Final = frozenset({401, 403})
_BODY: Final = 64 * 1024
_SOON: Final = 14  # days
_LOW: Final = 0.1  # of a rate limit


class Status(StrEnum):
    """How a step went."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One step.

    Attributes:
        name: of the step, one word or two.
        said: what was seen.
        remedy: what to do about it; "" where nothing has to be done.
    """

    name: str
    status: Status
    said: str
    remedy: str = ""


class Doctor:
    """Looks at registries with what the gate itself asks them with."""

    def __init__(
        self,
        transport: Transport,
        asker: Asker,
        authenticator: Authenticator,
        keychains: Sequence[Keychain],
        hosts: Hosts,
        now: Callable[[], datetime],
    ) -> None:
        """Takes the parts of a `RegistryClient`; `now` is the time of day, aware."""
        self._transport = transport
        self._asker = asker
        self._authenticator = authenticator
        self._keychains = keychains
        self._hosts = hosts
        self._now = now

    def look(self, registry: str, repository: Repository | None, target: str, deadline: Deadline) -> Iterator[Check]:
        """Every step that can be taken, as it is taken.

        Args:
            registry: canonical host.
            repository: of it; None to look at the host alone.
            target: a tag or digest of the repository.
            deadline: of all steps.
        """
        try:
            yield self._name(registry)
            yield from self._connection(registry, deadline)
            yield self._challenge(registry, deadline)
            if repository is None:
                return
            yield from self._credentials(repository, deadline)
            yield from self._access(repository, target, deadline)
        except EvidenceUnavailable as error:
            yield Check(str(error.code), Status.FAILED, error.message, error.remedy)

    def referrers(self, repository: Repository, digest: Digest, deadline: Deadline) -> Check:
        """Whether the registry keeps a list of what refers to an image."""
        question = Question("GET", f"/v2/{repository.path}/referrers/{digest}", {"Accept": ACCEPTED[0]}, MAX_MANIFEST)
        status = self._asker.ask(repository, question, deadline).response.status
        if status == _OK:
            return Check("referrers", Status.OK, "the referrers API answers")
        if status in NO_API:
            return Check("referrers", Status.OK, f"no referrers API ({status}): the tag {digest.tag} stands in for it")
        return Check("referrers", Status.FAILED, f"the referrers API answered {status}", "retry")

    def _name(self, registry: str) -> Check:
        base = self._hosts.base_url(registry)
        self._hosts.check_usable(registry)
        mirrors = self._hosts.mirrors.get(registry, ())
        places = ", ".join(f"{m.host}/{m.prefix}".rstrip("/") + " (authoritative)" * m.authoritative for m in mirrors)
        also = f"; mirrors: {places}" if places else ""
        if base.startswith("http://"):
            return Check("name", Status.WARNING, f"asked in plain HTTP at {base}{also}", "give it TLS")
        return Check("name", Status.OK, f"asked at {base}{also}")

    def _connection(self, registry: str, deadline: Deadline) -> Iterator[Check]:
        """Address and TLS, without which there is nothing else to see."""
        seen = self._transport.look(self._hosts.base_url(registry), deadline)
        if seen.proxy:
            yield Check("proxy", Status.OK, f"through {seen.proxy}: which address that leads to is for it to know")
        else:
            yield Check("address", Status.OK, seen.address)
        if seen.expires is None:
            return
        days = (seen.expires - self._now()).days
        said = f"{seen.tls}, a certificate by {seen.issuer}, good for {days} days"
        if registry in self._hosts.authorities:
            said += f"; {self._hosts.authorities[registry]} is believed too"
        soon = days < _SOON
        yield Check("TLS", Status.WARNING if soon else Status.OK, said, "have it renewed" if soon else "")

    def _challenge(self, registry: str, deadline: Deadline) -> Check:
        response = self._transport.send(Request("GET", f"{self._hosts.base_url(registry)}/v2/", _BODY), deadline)
        challenges = parse_challenges(response.headers.get("www-authenticate", ""))
        if response.status == _OK and not challenges:
            return Check("challenge", Status.OK, "lets anybody in")
        if response.status in (_OK, _UNAUTHORIZED) and challenges:
            return Check("challenge", Status.OK, "; ".join(map(_shown, challenges)))
        return Check(
            "challenge",
            Status.WARNING,
            f"/v2/ answered {response.status}" + ("" if challenges else " without a challenge"),
            "is it a registry?",
        )

    def _credentials(self, repository: Repository, deadline: Deadline) -> Iterator[Check]:
        """Which source has something; whether it is any good is the next step's."""
        found, failed = 0, False
        for keychain in self._keychains:
            try:
                credentials = keychain.find(repository, deadline)
            except EvidenceUnavailable as error:
                failed = True
                yield Check("credentials", Status.WARNING, error.message, error.remedy)
                continue
            for credential in credentials:
                found += 1
                yield self._credential(repository, credential)
        if not found and not failed:
            yield Check("credentials", Status.OK, "none: it is asked as anybody may")

    def _credential(self, repository: Repository, credential: Credential) -> Check:
        ends = credential.expires
        if ends is not None and ends <= self._now():
            return Check(
                "credentials", Status.WARNING, credential.shown(self._now()), remedy_for(repository, credential)
            )
        lasts = f", until {ends:%Y-%m-%d %H:%M} UTC" if ends else ""
        return Check("credentials", Status.OK, f"{credential.source}{lasts}")

    def _access(self, repository: Repository, target: str, deadline: Deadline) -> Iterator[Check]:
        """The image itself, with each way to ask."""
        question = Question("HEAD", f"/v2/{repository.path}/manifests/{target}", {"Accept": ", ".join(ACCEPTED)}, 0)
        seen: list[Check] = []
        last: Answer | None = None
        try:
            credentials = self._authenticator.credentials(repository, deadline)
        except EvidenceUnavailable:  # which was said: then it is asked as anybody may
            credentials = ()
        for credential in (*credentials, None):
            who = credential.source if credential else "nobody's credentials"
            try:
                last = self._asker.once(repository, question, credential, deadline)
            except EvidenceUnavailable as error:
                seen.append(Check("access", Status.FAILED, f"with {who}: {error.message}", error.remedy))
                continue
            seen.append(self._answer(repository, last, credential, who))
            if last.response.status == _OK:
                break
        granted = seen[-1].status is Status.OK
        # Where one way in is open, that others are not is worth knowing and no failure.
        yield from (
            replace(check, status=Status.WARNING) if granted and check is not seen[-1] else check for check in seen
        )
        if last is not None and (limit := self._limit(last)) is not None:
            yield limit

    def _answer(self, repository: Repository, answer: Answer, credential: Credential | None, who: str) -> Check:
        status = answer.response.status
        if status == _OK:
            lasts = self._authenticator.lifetime(repository, credential)
            token = f", by a token for {lasts:.0f} s" if lasts is not None else ""
            return Check("access", Status.OK, f"granted with {who}{token}")
        remedy = remedy_for(repository, credential) if status in _REFUSED else "check the name"
        return Check("access", Status.FAILED, f"{status} with {who}", remedy)

    @staticmethod
    def _limit(answer: Answer) -> Check | None:
        found = rate_limit(answer.response.headers)
        if found is None:
            return None
        left, limit, seconds = found
        said = f"{left} of {limit} pulls left" + (f" in {seconds // 3600} h" if seconds else "")
        if int(left) < int(limit) * _LOW:
            return Check("rate limit", Status.WARNING, said, "log in for a higher one" if not answer.credential else "")
        return Check("rate limit", Status.OK, said)


def _shown(challenge: Challenge) -> str:
    realm = challenge.parameters.get("realm", "")
    try:
        host = Origin.of(realm).name if challenge.scheme == "bearer" else realm
    except ValueError:
        host = "no URL"
    return f"{challenge.scheme} by {host[:100]}" if host else challenge.scheme
