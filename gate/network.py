"""The network of this process: its transport, credentials and registry client, made when one is first asked."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.deadline import Deadline
from gate.registry.credentials.docker_config import DockerConfig, DockerConfigFile
from gate.registry.credentials.keychain import Chain, Remembering
from gate.settings import shown_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from gate.registry.asking import Asker
    from gate.registry.auth import Authenticator
    from gate.registry.client import RegistryClient
    from gate.registry.credentials.credential import Keychain
    from gate.registry.doctor import Doctor
    from gate.registry.guard.transport import Transport
    from gate.registry.mirrors import MirroredRegistry
    from gate.settings import Settings


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a client is made of, and it."""

    transport: Transport
    keychains: tuple[Keychain, ...]
    authenticator: Authenticator
    asker: Asker
    client: RegistryClient | MirroredRegistry


class Network:
    """Everything that opens connections. A command that asks nobody starts faster for its being made late."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        pause: Callable[[float], None],
    ) -> None:
        """Read the credential files; connect to nothing.

        Args:
            settings: of this process.
            clock: monotonic, in seconds.
            now: the time of day, aware.
            pause: waits for so many seconds.

        Raises:
            UsageError: a file of credentials or certificates that cannot be used.
            EvidenceUnavailable: DEADLINE_EXCEEDED: it is a pipe that nobody wrote to.
        """
        self._settings = settings
        self._clock = clock
        self._now = now
        self._pause = pause
        self._stored: list[Keychain] = []
        if settings.docker_auth:
            self._stored.append(DockerConfig.parse(settings.docker_auth.encode(), "DOCKER_AUTH_CONFIG"))
        deadline = Deadline.after(settings.timeout, clock)
        self._stored += [DockerConfigFile(path, shown_path(path), deadline) for path in settings.docker_configs]
        if settings.hosts.authorities or settings.hosts.client_certificates:
            from gate.registry.guard.tls import check_files  # noqa: PLC0415 - few name such files

            check_files(settings.hosts)
        self._lock = threading.Lock()
        self._parts: _Parts | None = None

    def __call__(self) -> RegistryClient | MirroredRegistry:
        """The one client."""
        return self._made().client

    def doctor(self) -> Doctor:
        """Who looks at registries with the same parts."""
        from gate.registry.doctor import Doctor  # noqa: PLC0415 - one command wants it

        parts = self._made()
        hosts = self._settings.hosts
        return Doctor(parts.transport, parts.asker, parts.authenticator, parts.keychains, hosts, self._now)

    def fetch(self, url: str, limit: int, deadline: Deadline) -> tuple[int, bytes]:
        """GET something that is no registry's, behind the same guard."""
        from gate.registry.guard.transport import Request  # noqa: PLC0415 - see the class

        answer = self._made().transport.send(Request("GET", url, limit, redirects=False, identified=True), deadline)
        return answer.status, answer.body

    def close(self) -> None:
        """Drop its connections."""
        if self._parts is not None:
            self._parts.transport.close()

    def _made(self) -> _Parts:
        with self._lock:
            if self._parts is None:
                self._parts = self._make()
            return self._parts

    def _make(self) -> _Parts:
        from gate.registry.asking import Asker  # noqa: PLC0415 - see the class
        from gate.registry.auth import Authenticator  # noqa: PLC0415
        from gate.registry.client import RegistryClient  # noqa: PLC0415
        from gate.registry.guard.patience import Patience  # noqa: PLC0415
        from gate.registry.guard.tls import Contexts  # noqa: PLC0415
        from gate.registry.guard.transport import Transport  # noqa: PLC0415
        from gate.registry.mirrors import MirroredRegistry  # noqa: PLC0415

        hosts = self._settings.hosts
        transport = Transport(hosts, proxies=self._settings.proxies, contexts=Contexts(self._clock))
        patient = Patience(transport, self._pause)
        # Clouds first: what they give is fresh. Then the environment, then files. Offline nobody is asked for anything,
        # so nothing is looked for: helpers are programs, and clouds' libraries have a network of their own.
        keychains = () if hosts.offline else (*self._clouds(transport), *self._stored)
        remembering = Remembering(Chain(keychains), self._clock)
        authenticator = Authenticator(patient, remembering, hosts, self._clock, self._now)
        asker = Asker(patient, authenticator, hosts, self._clock)
        client: RegistryClient | MirroredRegistry = RegistryClient(asker, authenticator, self._now)
        if hosts.mirrors:
            client = MirroredRegistry(client, hosts.mirrors, self._clock)
        return _Parts(transport, keychains, authenticator, asker, client)

    def _clouds(self, transport: Transport) -> Iterator[Keychain]:
        """Those that were asked for."""
        for name in self._settings.keychains:
            match name:
                case "ecr":
                    from gate.registry.credentials.ecr import EcrKeychain  # noqa: PLC0415 - see the class

                    yield EcrKeychain(self._clock, self._now)
                case "google":
                    from gate.registry.credentials.google import GoogleKeychain  # noqa: PLC0415 - see the class

                    yield GoogleKeychain(self._clock, self._now)
                case _:
                    from gate.registry.credentials.azure import AzureKeychain  # noqa: PLC0415 - see the class

                    yield AzureKeychain(transport, self._clock, self._now)
