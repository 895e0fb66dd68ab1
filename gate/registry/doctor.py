"""Looks at one registry step by step, as far as each step allows the next, and says what it saw.

The steps are those of a real request, by the same parts: name, address, TLS, challenge, credentials, then token, access
and limits (`doctor_access`), and referrers. Mirrors are looked at as the gate asks them (`gate.registry.mirrors`):
first, each within its share of the time, and where an authoritative one answers, nobody after it. What is wrong with
one is no failure where the gate goes on to the next.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.challenge import parse_challenges
from gate.registry.client import RegistryClient
from gate.registry.doctor_access import Access
from gate.registry.doctor_check import NO_REGISTRY, Check, Status, is_page, remedy_of, where
from gate.registry.failures import remedy_for
from gate.registry.guard.origin import Origin
from gate.registry.guard.transport import Request
from gate.registry.referrers import NO_API

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from gate.deadline import Deadline
    from gate.image.digest import Digest
    from gate.image.reference import Repository
    from gate.registry.asking import Asker
    from gate.registry.auth import Authenticator
    from gate.registry.challenge import Challenge
    from gate.registry.credentials.credential import Credential, Keychain
    from gate.registry.guard.hosts import Hosts, Mirror
    from gate.registry.guard.transport import Transport

_OK: Final = 200
_UNAUTHORIZED: Final = 401
_BUSY: Final = frozenset({408, 429, *range(500, 600)})
_SHARE: Final = 3  # what others are asked after gets this part of the time
_BODY: Final = 64 * 1024
_SOON: Final = 14  # days


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
        self._client = RegistryClient(asker, authenticator, now)
        self._access = Access(asker, authenticator, now)
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
            check = self._referrers(mirror.of(repository), digest, _share(deadline))
            if check.status is Status.OK:  # otherwise the gate goes on to the next as well
                return replace(check, said=f"{mirror.host}: {check.said}")
        return self._referrers(repository, digest, deadline)

    def _referrers(self, repository: Repository, digest: Digest, deadline: Deadline) -> Check:
        try:
            status, found = self._client.listed(repository, digest, deadline)
        except EvidenceUnavailable as error:
            said = f"{error.code}: {error.message}"
            return Check("referrers", Status.FAILED, said, remedy_of(error.code, error.remedy))
        if status in NO_API:
            return Check("referrers", Status.OK, f"no referrers API ({status}): the tag {digest.tag} stands in for it")
        return Check("referrers", Status.OK, f"the referrers API answers, and lists {len(found)}")

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
            if repository is None:
                yield self._challenge(registry, deadline, alone=True)
                return
            yield self._version(registry, deadline)
            yield from self._credentials(repository, deadline)
            yield from self._access.look(repository, target, deadline)
        except EvidenceUnavailable as error:
            yield Check(str(error.code), Status.FAILED, error.message, remedy_of(error.code, error.remedy))

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

    def _version(self, registry: str, deadline: Deadline) -> Check:
        """The challenge, beside an image. It is the image that the gate asks for: what `/v2/` does decides nothing."""
        try:
            return self._challenge(registry, _share(deadline), alone=False)
        except EvidenceUnavailable as error:
            return Check("challenge", Status.WARNING, f"/v2/: {error.message}", error.remedy or NO_REGISTRY)

    def _challenge(self, registry: str, deadline: Deadline, *, alone: bool) -> Check:
        """How it wants to be asked. `alone`: nothing else of it is looked at."""
        response = self._transport.send(
            Request("GET", f"{self._hosts.base_url(registry)}/v2/", _BODY, identified=True), deadline
        )
        challenges = parse_challenges(response.headers.get("www-authenticate", ""))
        if response.status in (_OK, _UNAUTHORIZED) and challenges:
            return Check("challenge", Status.OK, "; ".join(map(_shown, challenges)), settles=alone)
        if response.status == _OK and response.body and is_page(response):
            status = Status.FAILED if alone else Status.WARNING
            return Check("challenge", status, f"/v2/ answered with a web page{where(response)}", NO_REGISTRY)
        if response.status == _OK:
            return Check("challenge", Status.OK, "lets anybody in", settles=alone)
        said = f"/v2/ answered {response.status}{where(response)}" + ("" if challenges else " without a challenge")
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


def _share(deadline: Deadline) -> Deadline:
    return deadline.sooner(deadline.remaining() / _SHARE)


def _shown(challenge: Challenge) -> str:
    if challenge.scheme != "bearer":
        return challenge.scheme  # its realm is any text of the registry's
    try:
        return f"bearer by {Origin.of(challenge.parameters.get('realm', '')).name}"
    except ValueError:
        return "bearer by no URL"
