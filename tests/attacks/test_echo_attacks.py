"""Registries that send back what they were sent, or name URLs with secrets in them: no message shows any of it."""

from __future__ import annotations

import time
import traceback
from typing import TYPE_CHECKING

import pytest

from gate.errors import EvidenceUnavailable
from gate.image.digest import Digest
from gate.image.reference import Repository
from gate.registry.credentials.credential import Credential
from gate.registry.echo import is_partly_in
from tests.fakes.clients import Held, client_of, soon
from tests.fakes.hostile_server import HostileServer, answer
from tests.fakes.scripted_server import Asked, Reply, ScriptedServer, as_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.registry.client import RegistryClient
    from tests.fakes.hostile_server import Peer

SECRET = "S3CRETpassw0rd"
LOGIN = Credential("config.json", "robot", SECRET)
WANTS_BASIC = Reply(401, (("WWW-Authenticate", 'Basic realm="x"'),))
INDEX = "application/vnd.oci.image.index.v1+json"


def said(call: Callable[[RegistryClient, Repository], object], script: Callable[[Asked], Reply]) -> str:
    """All that a failure tells, in the trace that --debug shows, too."""
    with ScriptedServer(script) as server, client_of(server.host, keychain=Held(LOGIN)) as client:
        with pytest.raises(EvidenceUnavailable) as raised:
            call(client, Repository(server.host, "acme/api"))
        return "".join(traceback.format_exception(raised.value)) + str(raised.value)


def resolve(client: RegistryClient, repository: Repository) -> object:
    return client.resolve(repository, "v1", soon())


def manifest(client: RegistryClient, repository: Repository) -> object:
    return client.manifest(repository, "v1", soon())


def tags(client: RegistryClient, repository: Repository) -> object:
    return client.tags(repository, soon())


PIECES = [
    ("hunter2pass", "https://hunter2pass.evil.example/x"),
    ("hunter2", "https://a.HUNTER-2.example/x"),
    ("correct-horse-battery-staple", "https://correct-hor.se-battery-.staple.evil.example/x"),
    ("correct horse", "https://correct.horse.example/x"),
]


@pytest.mark.parametrize(("password", "location"), PIECES)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_password_in_the_name_of_a_host(password: str, location: str, scheme: str) -> None:
    def script(asked: Asked) -> Reply:
        moved = Reply(307, (("Location", location.replace("https", scheme)),))
        return moved if asked.authorization else WANTS_BASIC

    login = Credential("config.json", "robot", password)
    with ScriptedServer(script) as server, client_of(server.host, keychain=Held(login)) as client:
        with pytest.raises(EvidenceUnavailable) as raised:
            resolve(client, Repository(server.host, "acme/api"))
        told = "".join(traceback.format_exception(raised.value)) + str(raised.value)
    assert "sent back the credentials" in told
    assert location.split("/")[2].lower() not in told.lower()


def test_a_host_that_only_looks_like_a_password_of_few_characters_is_named() -> None:
    login = Credential("config.json", "robot", "evil")
    moved = Reply(307, (("Location", "http://evil.example/x"),))
    with (
        ScriptedServer(lambda a: moved if a.authorization else WANTS_BASIC) as server,
        client_of(server.host, keychain=Held(login)) as client,
        pytest.raises(EvidenceUnavailable) as raised,
    ):
        resolve(client, Repository(server.host, "acme/api"))
    assert "evil.example" in str(raised.value)


LOCATIONS = [
    f"http://{SECRET}.example/",
    f"ftp://u:{SECRET}@x/",
    f"s3://AKIA:{SECRET}@bucket/x?X-Amz-Signature={SECRET}",
    f"https://host:{SECRET}/",
    f"https://u:{SECRET}@ho\u00bdst/",
    f"https://[{SECRET}/",
]


@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("known", [True, False], ids=["sent", "planted"])
def test_where_it_redirects_to(location: str, known: bool) -> None:  # noqa: FBT001
    reply = Reply(307, (("Location", location),))
    told = said(resolve, lambda asked: reply if asked.authorization or not known else WANTS_BASIC)
    assert SECRET not in told or (not known and told.count(SECRET) == told.count(f"{SECRET}.example"))


@pytest.mark.parametrize("realm", [*LOCATIONS[1:], f"nope?token={SECRET}", f"ftp://x/?t={SECRET}"])
def test_the_token_service_it_names(realm: str) -> None:
    told = said(resolve, lambda _: Reply(401, (("WWW-Authenticate", f'Bearer realm="{realm}"'),)))
    assert SECRET not in told


@pytest.mark.parametrize(
    ("call", "reply"),
    [
        (resolve, Reply(200, (("Docker-Content-Digest", SECRET),))),
        (tags, as_json({"tags": [f"{SECRET} "]})),
        (manifest, as_json({"schemaVersion": 2, "mediaType": SECRET})),
        (manifest, as_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [{"digest": SECRET}]})),
        (manifest, Reply(200, (), b'{"schemaVersion":2,"manifests":[]}', SECRET)),
    ],
    ids=["digest", "tag", "media type", "entry", "content type"],
)
def test_what_it_answers_in(call: Callable[[RegistryClient, Repository], object], reply: Reply) -> None:
    assert SECRET not in said(call, lambda asked: reply if asked.authorization else WANTS_BASIC)


def test_to_look_for_an_echo_costs_next_to_nothing() -> None:
    """The token is the registry's own, and so is what is said of it: 16 KB in 64 KB would be a second and a half."""
    token, text = "abababababac" * 1360, "ab" * 31_000

    def script(asked: Asked) -> Reply:
        if asked.path == "/token":
            return as_json({"token": token})
        if asked.authorization:
            return Reply(307, (("Location", f"http://{text}/x"),))
        return Reply(401, (("WWW-Authenticate", f'Bearer realm="http://{asked.headers["host"]}/token"'),))

    before = time.thread_time()
    told = said(resolve, script)
    assert time.thread_time() - before < 1  # of two requests; a bound on what would be three seconds
    assert text not in told
    begun = time.thread_time()
    for message in ("ab" * 2000, "ab" * 40_000, "x" * 4000):
        is_partly_in((token,), message)
    assert time.thread_time() - begun < 1


@pytest.mark.parametrize("password", ["registry", "application"])
def test_a_password_that_is_a_word_is_no_echo(password: str) -> None:
    header = ("Docker-Distribution-Api-Version", "registry/2.0")
    digest = str(Digest.of(b"x"))
    reply = Reply(200, (header, ("Docker-Content-Digest", digest)), b"", "application/json")
    with ScriptedServer(lambda asked: reply if asked.authorization else WANTS_BASIC) as server:
        login = Credential("config.json", "u", password)
        with client_of(server.host, keychain=Held(login)) as client:
            assert str(resolve(client, Repository(server.host, "acme/api"))) == digest


def test_the_line_that_should_be_a_status() -> None:
    """Of which a message shows the beginning only: less than the whole that was sent."""
    long = Credential("ecr", "AWS", SECRET * 60)

    def raw(peer: Peer) -> bool:
        header = peer.header("authorization")
        if not header:
            peer.send(answer(401, ('WWW-Authenticate: Basic realm="x"',)))
            return True
        peer.send(header.encode() + b"\r\n\r\n")
        return False

    with (
        HostileServer(raw) as server,
        client_of(server.host, keychain=Held(long)) as client,
        pytest.raises(EvidenceUnavailable) as raised,
    ):
        client.resolve(Repository(server.host, "acme/api"), "v1", soon())
    assert "sent back the credentials" in raised.value.message
    assert long.basic[6:26] not in str(raised.value)
