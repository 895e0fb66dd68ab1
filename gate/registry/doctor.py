"""Looks at one registry step by step, as far as each step allows the next, and says what it saw.

The steps are those of a real request, by the same parts: name, address, TLS, challenge, credentials, access, limits,
referrers. Mirrors are looked at as the gate asks them (`gate.registry.mirrors`): first, each within its share of the
time, and where an authoritative one answers, nobody after it. What is wrong with one is no failure where the gate goes
on to the next.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.manifest import ACCEPTED, MAX_MANIFEST
from gate.registry.answer import Question
from gate.registry.challenge import parse_challenges
from gate.registry.failures import failure, rate_limit, remedy_for
from gate.registry.guard.origin import Origin
from gate.registry.guard.transport import Request
from gate.registry.referrers import NO_API

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
    from gate.registry.guard.hosts import Hosts, Mirror
    from gate.registry.guard.transport import Response, Transport

_OK: Final = 200
_UNAUTHORIZED: Final = 401
_NO_SUCH: Final = frozenset({400, 404})  # to a name that is none, some say that it is malformed
_NOT_FOUND: Final = 404
_BUSY: Final = frozenset({408, 429, *range(500, 600)})
_PAGES: Final = frozenset({"text/html", "application/xhtml+xml"})
_SHARE: Final = 3  # a mirror gets this part of the time
_NO_REGISTRY: Final = "is it a registry? a login page, or what a proxy puts before it, answers so too"
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
        settles: whether the gate asks nobody else, where an authoritative mirror answers so.
    """

    name: str
    status: Status
    said: str
    remedy: str = ""
    settles: bool = field(default=False, compare=False)


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
        """Every step that can be taken, as it is taken; at its mirrors first.

        Args:
            registry: canonical host.
            repository: of it; None to look at the host alone.
            target: a tag or digest of the repository.
            deadline: of all steps.
        """
        if self._hosts.offline:
            yield self._offline(registry, repository)
            return
        for mirror in self._hosts.mirrors.get(registry, ()):
            settled = False
            for check in self._mirror(mirror, registry, repository, target, deadline):
                settled = settled or check.settles
                yield check
            if settled and mirror.authoritative:
                said = f"{registry} is not asked: {mirror.host} is authoritative, and answers"
                yield Check("mirror", Status.OK, said)
                return
        yield from self._place(registry, repository, target, deadline)

    def referrers(self, repository: Repository, digest: Digest, deadline: Deadline) -> Check:
        """Whether the registry keeps a list of what refers to an image: an authoritative mirror's, where it answers."""
        mirrors = [m for m in self._hosts.mirrors.get(repository.registry, ()) if m.authoritative]
        for mirror in mirrors:
            try:
                check = self._referrers(mirror.of(repository), digest, _share(deadline))
            except EvidenceUnavailable:
                continue  # the gate goes on to the next as well
            if check.status is Status.OK:
                return replace(check, said=f"{mirror.host}: {check.said}")
        return self._referrers(repository, digest, deadline)

    def _referrers(self, repository: Repository, digest: Digest, deadline: Deadline) -> Check:
        question = Question("GET", f"/v2/{repository.path}/referrers/{digest}", {"Accept": ACCEPTED[0]}, MAX_MANIFEST)
        answer = self._asker.ask(repository, question, deadline)
        status = answer.response.status
        if status == _OK:
            return Check("referrers", Status.OK, "the referrers API answers")
        if status in NO_API:
            return Check("referrers", Status.OK, f"no referrers API ({status}): the tag {digest.tag} stands in for it")
        remedy = failure(repository, answer, "the referrers", self._now()).remedy
        return Check("referrers", Status.FAILED, f"the referrers API answered {status}", remedy)

    @staticmethod
    def _offline(registry: str, repository: Repository | None) -> Check:
        layout = f", or answer for it from a folder: --layout {repository}=DIR" if repository else ""
        return Check(
            str(Code.REGISTRY_UNREACHABLE),
            Status.FAILED,
            f"{registry} was not asked (--offline)",
            f"leave out --offline to look at it{layout}",
        )

    def _mirror(
        self, mirror: Mirror, registry: str, repository: Repository | None, target: str, deadline: Deadline
    ) -> Iterator[Check]:
        """The steps at a mirror. Only that an authoritative one has no such tag is a failure: nobody else is asked."""
        what = "for everything; authoritative" if mirror.authoritative else "for what is named by its digest"
        place = f"{mirror.host}/{mirror.prefix}".rstrip("/")
        yield Check("mirror", Status.OK, f"{place} is asked before {registry} {what}")
        there = None if repository is None else mirror.of(repository)
        for check in self._place(mirror.host, there, target, _share(deadline)):
            final = check.settles and mirror.authoritative
            status = Status.WARNING if check.status is Status.FAILED and not final else check.status
            yield replace(check, status=status, said=f"{mirror.host}: {check.said}")

    def _place(self, registry: str, repository: Repository | None, target: str, deadline: Deadline) -> Iterator[Check]:
        """The steps at one host; the last of them may fail."""
        try:
            yield self._name(registry)
            yield from self._connection(registry, deadline)
            yield self._challenge(registry, deadline, alone=repository is None)
            if repository is None:
                return
            yield from self._credentials(repository, deadline)
            yield from self._access(repository, target, deadline)
        except EvidenceUnavailable as error:
            yield Check(str(error.code), Status.FAILED, error.message, error.remedy)

    def _name(self, registry: str) -> Check:
        base = self._hosts.base_url(registry)
        self._hosts.check_usable(registry)
        if base.startswith("http://"):
            return Check("name", Status.WARNING, f"asked in plain HTTP at {base}", "give it TLS")
        return Check("name", Status.OK, f"asked at {base}")

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

    def _challenge(self, registry: str, deadline: Deadline, *, alone: bool) -> Check:
        """How it wants to be asked. `alone`: nothing else of it is looked at."""
        response = self._transport.send(
            Request("GET", f"{self._hosts.base_url(registry)}/v2/", _BODY, identified=True), deadline
        )
        challenges = parse_challenges(response.headers.get("www-authenticate", ""))
        if response.status in (_OK, _UNAUTHORIZED) and challenges:
            return Check("challenge", Status.OK, "; ".join(map(_shown, challenges)), settles=alone)
        if response.status == _OK and response.body and _is_page(response):
            status = Status.FAILED if alone else Status.WARNING
            return Check("challenge", status, f"/v2/ answered with a web page{_where(response)}", _NO_REGISTRY)
        if response.status == _OK:
            return Check("challenge", Status.OK, "lets anybody in", settles=alone)
        said = f"/v2/ answered {response.status}{_where(response)}" + ("" if challenges else " without a challenge")
        busy = response.status in _BUSY
        return Check("challenge", Status.WARNING, said, "retry later" if busy else "is it a registry?")

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
            try:
                last = self._asker.asked(repository, question, credential, deadline)
            except EvidenceUnavailable as error:
                seen.append(Check("access", Status.FAILED, f"with {_who(credential)}: {error.message}", error.remedy))
                continue
            found = self._answer(repository, target, last)
            if credential is None and seen:  # then "not found" may be one more refusal
                found = replace(found, settles=found.status is Status.OK)
            seen.append(found)
            if seen[-1].status is Status.OK or last.credential is None:
                break  # or it would be asked as nobody a second time
        granted = seen[-1].status is Status.OK
        # Where one way in is open, that others are not is worth knowing and no failure.
        yield from (
            replace(check, status=Status.WARNING) if granted and check is not seen[-1] else check for check in seen
        )
        if last is not None and (limit := self._limit(last)) is not None:
            yield limit

    def _answer(self, repository: Repository, target: str, answer: Answer) -> Check:
        response, credential = answer.response, answer.credential
        about = f" for {answer.about}" if answer.about else ""
        said = f"{response.status}{about} with {_who(credential)}{_where(response)}"
        if response.status == _OK and _is_page(response):
            return Check("access", Status.FAILED, f"{said}: a web page and no manifest", _NO_REGISTRY)
        if response.status == _OK:
            lasts = self._authenticator.lifetime(repository, credential)
            token = f", by a token for {lasts:.0f} s" if lasts is not None else ""
            return Check("access", Status.OK, f"granted with {_who(credential)}{token}", settles=True)
        if response.status in _NO_SUCH and not response.elsewhere:
            # What is asked for by its digest may be elsewhere.
            settles = response.status == _NOT_FOUND and ":" not in target
            return Check("access", Status.FAILED, said, "check the name", settles=settles)
        return Check("access", Status.FAILED, said, failure(repository, answer, target, self._now()).remedy)

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


def _who(credential: Credential | None) -> str:
    return credential.source if credential else "nobody's credentials"


def _share(deadline: Deadline) -> Deadline:
    return deadline.sooner(deadline.remaining() / _SHARE)


def _is_page(response: Response) -> bool:
    """Whether what was answered is a web page: a site's, a login's or a proxy's.

    Who names the registry API it speaks, or the digest of what it sent, is one, whatever type its framework gives to
    an empty answer. Many registries name neither, and none of them answers in HTML.
    """
    if "docker-distribution-api-version" in response.headers or "docker-content-digest" in response.headers:
        return False
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in _PAGES or response.body.lstrip().startswith(b"<")


def _where(response: Response) -> str:
    return f" by {response.elsewhere}, where it redirected to" if response.elsewhere else ""


def _shown(challenge: Challenge) -> str:
    realm = challenge.parameters.get("realm", "")
    try:
        host = Origin.of(realm).name if challenge.scheme == "bearer" else realm
    except ValueError:
        host = "no URL"
    return f"{challenge.scheme} by {host[:100]}" if host else challenge.scheme
