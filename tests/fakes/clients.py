"""The real registry adapter, put together for a server on loopback."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gate.deadline import Deadline
from gate.image.content import InMemory
from gate.registry.client import RegistryClient
from gate.registry.credentials.keychain import Remembering
from gate.registry.guard.hosts import Hosts
from gate.registry.guard.transport import Transport
from tests.fakes.clock import SettableClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gate.image.reference import Repository
    from gate.registry.credentials.credential import Credential, Keychain
    from gate.registry.guard.transport import Request, Response


def soon(seconds: float = 10.0) -> Deadline:
    """A deadline by the real clock: sockets know no other."""
    return Deadline.after(seconds, time.monotonic)


@dataclass(frozen=True, slots=True)
class Held:
    """A keychain of one."""

    credential: Credential | None

    def find(self, repository: Repository, deadline: Deadline) -> tuple[Credential, ...]:
        return () if self.credential is None else (self.credential,)

    def forget(self, repository: Repository) -> None:
        pass


@dataclass(slots=True)
class Saying:
    """A keychain that gives what a function says, and counts."""

    says: Callable[[Repository], Iterable[Credential]]
    asked: int = 0
    forgotten: int = 0

    def find(self, repository: Repository, deadline: Deadline) -> tuple[Credential, ...]:
        self.asked += 1
        return tuple(self.says(repository))

    def forget(self, repository: Repository) -> None:
        self.forgotten += 1


class ScriptedTransport(Transport):
    """Answers from a function, and connects to nothing."""

    def __init__(self, script: Callable[[Request], Response], hosts: Hosts | None = None) -> None:
        super().__init__(hosts or Hosts())
        self.script = script
        self.sent: list[Request] = []

    def send(self, request: Request, deadline: Deadline) -> Response:
        self.sent.append(request)
        response = self.script(request)
        if request.stored and response.status < 300:
            return replace(response, body=b"", content=InMemory(response.body, request.stored))
        return response

    def authorizations(self) -> list[str]:
        """The `Authorization` of each request; "" for none."""
        return [request.headers.get("Authorization", "") for request in self.sent]


@contextmanager
def client_of(
    *insecure: str,
    hosts: Hosts | None = None,
    keychain: Keychain | None = None,
    resolver: Callable[[str, int], list[str]] | None = None,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = lambda _: None,
) -> Iterator[RegistryClient]:
    """A client that may speak plain HTTP to `insecure`, or knows `hosts`; its connections are closed at the end."""
    hosts = hosts or Hosts(insecure=frozenset(insecure))
    transport = Transport(hosts, resolver)
    try:
        remembering = Remembering(keychain or Held(None), clock)
        yield RegistryClient.over(transport, remembering, hosts, clock, SettableClock().now, pause)
    finally:
        transport.close()
