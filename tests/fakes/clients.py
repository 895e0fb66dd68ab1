"""The real registry adapter, put together for a server on loopback."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.deadline import Deadline
from gate.registry.auth import Authenticator
from gate.registry.client import RegistryClient
from gate.registry.hosts import Hosts
from gate.registry.keychain import Anonymous, Remembering
from gate.registry.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate.image.reference import Repository
    from gate.registry.keychain import Credential, Keychain


def soon(seconds: float = 10.0) -> Deadline:
    """A deadline by the real clock: sockets know no other."""
    return Deadline.after(seconds, time.monotonic)


@dataclass(frozen=True, slots=True)
class Held:
    """A keychain of one."""

    credential: Credential | None

    def find(self, repository: Repository, deadline: Deadline) -> Credential | None:
        return self.credential


@contextmanager
def client_of(
    *insecure: str,
    hosts: Hosts | None = None,
    keychain: Keychain | None = None,
    resolver: Callable[[str, int], list[str]] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[RegistryClient]:
    """A client that may speak plain HTTP to `insecure`, or knows `hosts`; its connections are closed at the end."""
    hosts = hosts or Hosts(insecure=frozenset(insecure))
    transport = Transport(hosts, resolver)
    try:
        remembering = Remembering(keychain or Anonymous(), clock)
        yield RegistryClient(transport, Authenticator(transport, remembering, hosts, clock), hosts)
    finally:
        transport.close()
