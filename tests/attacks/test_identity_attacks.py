"""A client certificate is a password: it is shown to whom the operator named it for, asked for by nobody else.

A stranger's registry may name the operator's as its token service, or redirect to it. Were the certificate shown then,
the stranger would be given what it opens.
"""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.digest import Digest
from gate.image.reference import Repository
from gate.registry.client import RegistryClient
from gate.registry.credentials.keychain import Remembering
from gate.registry.guard.hosts import Hosts
from tests.fakes.clients import Held, soon
from tests.fakes.clock import SettableClock
from tests.fakes.loopback import Listener, LoopbackTransport, certificate_for
from tests.fakes.scripted_server import Asked, Reply, as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CORP, EVIL = "registry.acme.example", "registry.evil.example"
TOKEN = "minted-for-who-has-the-certificate"
DIGEST = str(Digest.of(b"x"))


@dataclass
class Site:
    script: Callable[[Asked], Reply]
    asked: list[Asked] = field(default_factory=list)


def _corp(asked: Asked) -> Reply:
    if asked.path == "/token":
        return as_json({"token": TOKEN})
    if asked.authorization == f"Bearer {TOKEN}":
        return Reply(200, (("Docker-Content-Digest", DIGEST),))
    return _challenge(f"https://{CORP}/token")


def _challenge(realm: str) -> Reply:
    return Reply(401, (("WWW-Authenticate", f'Bearer realm="{realm}",service="{CORP}"'),))


@dataclass
class World:
    client: RegistryClient
    corp: Site
    evil: Site

    def resolve(self, registry: str) -> str:
        return str(self.client.resolve(Repository(registry, "acme/secret"), "v1", soon()))


@contextmanager
def world(folder: Path, evil: Callable[[Asked], Reply], realms: frozenset[str] = frozenset()) -> Iterator[World]:
    """Corp lets in whoever has the gate's certificate, and nobody without."""
    files = {}
    for name in ("corp", "evil", "gate"):
        (folder / name).mkdir()
        files[name] = certificate_for(folder / name, [CORP, EVIL])
    sites = {"corp": Site(_corp), "evil": Site(evil)}
    listeners = {name: Listener(site, *files[name]) for name, site in sites.items()}
    listeners["corp"]._context.verify_mode = ssl.CERT_REQUIRED
    listeners["corp"]._context.load_verify_locations(files["gate"][0])
    hosts = Hosts(
        authorities={CORP: str(files["corp"][0]), EVIL: str(files["evil"][0])},
        client_certificates={CORP: (str(files["gate"][0]), str(files["gate"][1]))},
        token_realms={EVIL: realms} if realms else {},
    )
    transport = LoopbackTransport(hosts, {CORP: listeners["corp"].port, EVIL: listeners["evil"].port})
    clock = SettableClock()
    remembering = Remembering(Held(None), clock.monotonic)
    client = RegistryClient.over(transport, remembering, hosts, clock.monotonic, clock.now, lambda _: None)
    try:
        yield World(client, sites["corp"], sites["evil"])
    finally:
        transport.close()
        for listener in listeners.values():
            listener.stop()


def test_the_registry_it_is_for_is_shown_it_and_so_is_its_token_service(tmp_path: Path) -> None:
    with world(tmp_path, lambda _: Reply(404)) as here:
        assert here.resolve(CORP) == DIGEST
        assert [asked.path for asked in here.corp.asked][1] == "/token"


@pytest.mark.parametrize("warm", [False, True], ids=["first", "after the registry itself was asked"])
def test_a_stranger_that_names_its_token_service_is_given_nothing(tmp_path: Path, *, warm: bool) -> None:
    def evil(asked: Asked) -> Reply:
        return Reply(404) if asked.authorization else _challenge(f"https://{CORP}/token")

    with world(tmp_path, evil) as here:
        if warm:  # a connection with the certificate is kept, and not for this
            here.resolve(CORP)
        here.corp.asked.clear()
        with pytest.raises(EvidenceUnavailable) as raised:
            here.resolve(EVIL)
        assert raised.value.code is Code.REGISTRY_UNREACHABLE
        assert here.corp.asked == []
        assert {asked.authorization for asked in here.evil.asked} == {None}


@pytest.mark.parametrize("warm", [False, True], ids=["first", "after the registry itself was asked"])
def test_a_stranger_that_redirects_to_it_opens_nothing(tmp_path: Path, *, warm: bool) -> None:
    target = f"https://{CORP}/v2/acme/secret/manifests/v1"
    with world(tmp_path, lambda _: Reply(307, (("Location", target),))) as here:
        if warm:
            here.resolve(CORP)
        here.corp.asked.clear()
        with pytest.raises(EvidenceUnavailable):
            here.resolve(EVIL)
        assert here.corp.asked == []


def test_where_the_operator_says_that_it_is_the_token_service_it_is_shown(tmp_path: Path) -> None:
    def other(asked: Asked) -> Reply:
        if asked.authorization == f"Bearer {TOKEN}":
            return Reply(200, (("Docker-Content-Digest", DIGEST),))
        return _challenge(f"https://{CORP}/token")

    with world(tmp_path, other, frozenset({f"https://{CORP}"})) as here:
        assert here.resolve(EVIL) == DIGEST
