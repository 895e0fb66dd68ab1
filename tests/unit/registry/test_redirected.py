"""A registry that sends elsewhere for blobs: what goes wrong there is not its refusal, and nobody's login mends it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.digest import Digest
from gate.image.manifest import Descriptor
from gate.image.reference import Repository
from gate.registry.credentials.credential import Credential
from tests.fakes.clients import Held, client_of, soon
from tests.fakes.scripted_server import Asked, Reply, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.registry.client import RegistryClient

CONTENT = b"what was signed"
BLOB = Descriptor("application/x-any", Digest.of(CONTENT), len(CONTENT))
LOGIN = Credential("config.json", "u", "hunter2-correct-horse")


@dataclass
class World:
    client: RegistryClient
    registry: ScriptedServer
    store: ScriptedServer
    reply: list[Reply]
    at_store: list[Asked] = field(default_factory=list)

    def fetch(self) -> bytes:
        return self.client.blob(Repository(self.registry.host, "acme/api"), BLOB, 1000, soon()).read()


@pytest.fixture
def world() -> Iterator[World]:
    reply = [Reply(body=CONTENT)]
    at_store: list[Asked] = []

    def stored(asked: Asked) -> Reply:
        at_store.append(asked)
        return reply[0]

    with ScriptedServer(stored) as store:

        def answer(asked: Asked) -> Reply:
            if not asked.authorization:
                return Reply(401, (("WWW-Authenticate", 'Basic realm="x"'),))
            return Reply(307, (("Location", f"{store.url}/blob"),))

        with (
            ScriptedServer(answer) as registry,
            client_of(registry.host, store.host, keychain=Held(LOGIN)) as client,
        ):
            yield World(client, registry, store, reply, at_store)


def test_what_it_gives_is_what_was_asked_for(world: World) -> None:
    assert world.fetch() == CONTENT
    assert [asked.authorization for asked in world.at_store] == [None]


@pytest.mark.parametrize(
    ("reply", "code", "said", "remedy"),
    [
        (
            Reply(401, (("WWW-Authenticate", 'Basic realm="x"'),)),
            Code.REGISTRY_UNREACHABLE,
            "that answered 401",
            "retry",
        ),
        (Reply(403), Code.REGISTRY_UNREACHABLE, "that answered 403", "retry"),
        (Reply(500), Code.REGISTRY_UNREACHABLE, "that answered 500", "retry"),
        (Reply(429, (("Retry-After", "900"),)), Code.REGISTRY_RATE_LIMITED, "that answered 429", "retry in 900 s"),
        (Reply(404), Code.REGISTRY_PROTOCOL, "STORE, which it redirected to, has no blob sha256:", ""),
        (
            Reply(body=CONTENT[::-1]),
            Code.REGISTRY_PROTOCOL,
            "STORE, which it redirected to, sent other content for",
            "",
        ),
    ],
    ids=["401", "403", "500", "429", "404", "changed"],
)
def test_what_goes_wrong_there_is_said_to_be_there(
    world: World, reply: Reply, code: Code, said: str, remedy: str
) -> None:
    world.reply[0] = reply
    with pytest.raises(EvidenceUnavailable) as raised:
        world.fetch()
    assert (raised.value.code, raised.value.remedy) == (code, remedy)
    assert said in raised.value.message.replace(world.store.host, "STORE")
    assert world.registry.host in raised.value.message
    assert "config.json" not in raised.value.message  # which nobody refused
    assert {asked.authorization for asked in world.at_store} == {None}
