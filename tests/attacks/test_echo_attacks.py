"""Registries that send back what they were sent, or name URLs with secrets in them: no message shows any of it."""

from __future__ import annotations

import time
import traceback
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.digest import Digest
from gate.image.reference import Repository
from gate.registry.credentials.credential import Credential
from gate.registry.echo import is_in_a_name, is_partly_in, is_told
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
    ("hunter2pass", "https://hunter2pass/x"),
    ("hunter2pass", "https://HUNTER-2-pass:444/x"),
    ("hunter2pass", "https://a-hunter2pass/x"),
    ("letmein", "https://letmein/x"),
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


@pytest.mark.parametrize(("password", "location"), PIECES)
def test_a_password_that_its_token_service_was_given(password: str, location: str) -> None:
    """Which is the registry itself: the request that is sent elsewhere carries a token only."""

    def script(asked: Asked) -> Reply:
        if asked.path == "/token":
            return as_json({"token": "t" * 40}) if asked.authorization else Reply(401)
        if asked.authorization:
            return Reply(307, (("Location", location),))
        return Reply(401, (("WWW-Authenticate", f'Bearer realm="http://{asked.headers["host"]}/token"'),))

    told = _told_of(password, script)
    assert "sent back the credentials" in told
    assert location.split("/")[2].lower() not in told.lower()


@pytest.mark.parametrize(("password", "location"), PIECES)
def test_a_password_in_a_token_service_that_is_named_later(password: str, location: str) -> None:
    seen: list[str] = []

    def script(asked: Asked) -> Reply:
        if not asked.authorization:
            return WANTS_BASIC
        seen.append(asked.authorization)
        return Reply(401, (("WWW-Authenticate", f'Bearer realm="{location}",service="s"'),)) if seen[1:] else Reply(404)

    with ScriptedServer(script) as server:
        login = Credential("config.json", "robot", password)
        with client_of(server.host, keychain=Held(login)) as client:
            told = [_trace(client, server.host) for _ in range(2)][1]
    assert "sent back the credentials" in told
    assert location.split("/")[2].lower() not in told.lower()


def _told_of(password: str, script: Callable[[Asked], Reply]) -> str:
    login = Credential("config.json", "robot", password)
    with ScriptedServer(script) as server, client_of(server.host, keychain=Held(login)) as client:
        return _trace(client, server.host)


def _trace(client: RegistryClient, host: str) -> str:
    with pytest.raises(EvidenceUnavailable) as raised:
        resolve(client, Repository(host, "acme/api"))
    return "".join(traceback.format_exception(raised.value)) + str(raised.value)


@pytest.mark.parametrize("password", ["{}", "{}-robot", "robot@{}", "acme/production", "production"])
def test_what_is_asked_and_fails_is_no_echo(password: str) -> None:
    """A password may have the name of the registry in it, or of the repository, as every message does."""

    def raw(peer: Peer) -> bool:
        if not peer.header("authorization"):
            peer.send(answer(401, ('WWW-Authenticate: Basic realm="x"',)))
            return True
        peer.send(b"what?\r\n\r\n")
        return False

    with HostileServer(raw) as server:
        login = Credential("production", "robot", password.format(server.host))
        with (
            client_of(server.host, keychain=Held(login)) as client,
            pytest.raises(EvidenceUnavailable, match="did not speak HTTP properly"),
        ):
            client.resolve(Repository(server.host, "acme/production"), "v1", soon())


@pytest.mark.parametrize(
    ("secret", "message", "found"),
    [
        ("registry.test:5000-robot", "registry.test:5000 did not answer", False),
        ("registry.test:5000-robot", "redirected to registry.test:5000-robot", True),
        ("robot registry.test:5000 robot", "it said robot registry.test:5000 robot", True),
        ("robot-registry.test:5000", "it said robot-registry.test", True),
        ("registry.test", "registry.test:5000, and registry.test, did not answer", False),
        ("my-registry.test", "my-registry.test.evil.example did not answer", True),
    ],
)
def test_who_was_asked_is_left_out(secret: str, message: str, found: bool) -> None:  # noqa: FBT001
    assert is_partly_in((secret,), message, ("registry.test:5000", "registry.test")) == found


@pytest.mark.parametrize(
    ("secret", "message", "found"),
    [
        ("answer", "it answered 500", False),
        ("answer", "answer:444 could not be reached", True),
        ("answer1", "xanswer1 could not be reached", True),
        ("answer", "answered.example could not be reached", True),
        ("h\u00fcnter2pass", "h\u00fcnter2.pass.example could not be reached", True),
        ("hunt", "hunt.example could not be reached", False),
    ],
)
def test_names_and_words(secret: str, message: str, found: bool) -> None:  # noqa: FBT001
    assert is_in_a_name((secret,), message) == found


def test_what_led_to_an_error_is_looked_at_too() -> None:
    error = EvidenceUnavailable(Code.REGISTRY_PROTOCOL, "it failed")
    assert not is_told(("hunter2pass",), error, ())
    error.__cause__ = OSError("hunter2pass could not be reached")
    assert is_told(("hunter2pass",), error, ())
    error.__cause__ = error  # a chain that has no end is not gone through for ever
    assert is_told(("hunter2pass",), error, ())


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
