from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest

from gate.codes import Code
from gate.demo.images import LayoutWriter
from gate.demo.registry import DemoRegistry
from gate.errors import EvidenceUnavailable
from gate.image.reference import Repository
from gate.registry.credentials.credential import Credential
from tests.fakes.clients import Held, Saying, client_of, soon
from tests.fakes.clock import SettableClock
from tests.fakes.scripted_server import Asked, Reply, ScriptedServer, as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gate.registry.client import RegistryClient

PASSWORD = "hunter2-correct-horse"
BASIC = Credential("config.json", "u", PASSWORD)
IDENTITY = Credential("config.json", identity_token=PASSWORD)
REGISTRY_TOKEN = Credential("config.json", registry_token=PASSWORD)


@dataclass
class Guarded:
    """A registry that lets nobody in without a token, and its token service, on one host.

    Attributes:
        registry: what is behind the guard, answering without one.
        realm: what it names as its token service; "" for the one it has.
        challenge: its whole header instead; "" for Bearer with the realm.
        token_answer: what the token service says of the n-th token.
        valid: the headers that are let in.
    """

    registry: DemoRegistry
    realm: str = ""
    challenge: str = ""
    token_answer: Callable[[str], object] = lambda token: {"token": token}
    valid: set[str] = field(default_factory=set)
    issued: int = 0
    url: str = ""

    def __call__(self, asked: Asked) -> Reply:
        if asked.path == "/token":
            self.issued += 1
            token = f"t{self.issued}"
            self.valid.add(f"Bearer {token}")
            said = self.token_answer(token)
            return said if isinstance(said, Reply) else as_json(said)
        if asked.authorization in self.valid:
            found = self.registry.answer(asked.path)
            digest = (("Docker-Content-Digest", str(found.digest)),) if found.digest else ()
            return Reply(found.status, digest, found.body, found.content_type)
        name = asked.path.removeprefix("/v2/").split("/manifests/")[0]
        realm = self.realm or f"{self.url}/token"
        challenge = self.challenge or f'Bearer realm="{realm}",service="reg",scope="repository:{name}:pull"'
        return Reply(401, (("WWW-Authenticate", challenge),))


@dataclass
class World:
    guarded: Guarded
    server: ScriptedServer

    @property
    def repository(self) -> Repository:
        return Repository(self.server.host, "acme/api")

    def tokens(self) -> list[Asked]:
        return [asked for asked in self.server.asked if asked.path == "/token"]

    def fails(self, credential: Credential | None = None) -> EvidenceUnavailable:
        with client_of(self.server.host, keychain=Held(credential)) as client:
            return self.fails_with(client)

    def fails_with(self, client: RegistryClient) -> EvidenceUnavailable:
        with pytest.raises(EvidenceUnavailable) as caught:
            client.resolve(self.repository, "v1", soon())
        assert PASSWORD not in str(caught.value)
        assert base64.b64encode(f"u:{PASSWORD}".encode()).decode() not in str(caught.value)
        return caught.value


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    for name in ("api", "web"):
        LayoutWriter(tmp_path / "acme" / name).image("v1", "one")
    registry = DemoRegistry(tmp_path)
    guarded = Guarded(registry)
    with registry, ScriptedServer(guarded) as server:
        guarded.url = server.url
        yield World(guarded, server)


def test_an_anonymous_token_is_fetched_for_the_challenge(world: World) -> None:
    with client_of(world.server.host) as client:
        client.resolve(world.repository, "v1", soon())
    (asked,) = world.tokens()
    assert asked.method == "GET"
    assert asked.query == {"service": ["reg"], "scope": ["repository:acme/api:pull"]}
    assert asked.authorization is None
    assert [request.authorization for request in world.server.asked] == [None, None, "Bearer t1"]


def test_the_wanted_url_and_not_v2_is_asked_first(world: World) -> None:
    with client_of(world.server.host) as client:
        client.resolve(world.repository, "v1", soon())
    assert world.server.paths() == ["/v2/acme/api/manifests/v1", "/token", "/v2/acme/api/manifests/v1"]


def test_credentials_go_to_the_token_service_as_basic_and_not_to_the_registry(world: World) -> None:
    with client_of(world.server.host, keychain=Held(BASIC)) as client:
        client.resolve(world.repository, "v1", soon())
    (asked,) = world.tokens()
    assert asked.authorization == BASIC.basic
    others = [request.authorization for request in world.server.asked if request.path != "/token"]
    assert others == [None, "Bearer t1"]


def test_an_identity_token_is_posted_as_a_form(world: World) -> None:
    with client_of(world.server.host, keychain=Held(IDENTITY)) as client:
        client.resolve(world.repository, "v1", soon())
    (asked,) = world.tokens()
    assert asked.method == "POST"
    assert asked.authorization is None
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["refresh_token"],
        "service": ["reg"],
        "client_id": ["imagegate"],
        "scope": ["repository:acme/api:pull"],
        "refresh_token": [PASSWORD],
    }


def test_the_realms_own_parameters_are_kept(world: World) -> None:
    world.guarded.realm = f"{world.server.url}/token?account=a&service=old"
    with client_of(world.server.host) as client:
        client.resolve(world.repository, "v1", soon())
    assert world.tokens()[0].query["account"] == ["a"]


@pytest.mark.parametrize(
    "said",
    [
        lambda token: {"token": token},
        lambda token: {"access_token": token},
        lambda token: {"token": token, "access_token": "other", "expires_in": 300, "issued_at": "2009-11-10T23:00:00Z"},
        lambda token: {"token": "", "access_token": token, "scope": "", "refresh_token": "x"},
    ],
)
def test_token_answers_that_are_read(world: World, said: Callable[[str], object]) -> None:
    world.guarded.token_answer = said
    with client_of(world.server.host) as client:
        client.resolve(world.repository, "v1", soon())
    assert world.server.asked[-1].authorization == "Bearer t1"


@pytest.mark.parametrize(
    "said",
    [
        {},
        [],
        "t1",
        {"token": 7},
        {"token": "a\r\nX-Evil: 1"},
        {"token": "é"},
        {"token": "a\0b"},
        {"token": "t1", "expires_in": -1},
        {"token": "t1", "expires_in": 1e300},
        Reply(200, body=b"<html>", content_type="text/html"),
        Reply(200, body=b"\xff\xfe"),
        Reply(200, body=b'{"a":' * 10_000),
        Reply(200),
    ],
)
def test_token_answers_that_are_none(world: World, said: object) -> None:
    world.guarded.token_answer = lambda _: said
    assert world.fails().code is Code.REGISTRY_PROTOCOL


def test_a_large_token_answer_is_cut_off(world: World) -> None:
    world.guarded.token_answer = lambda _: {"token": "x" * 70_000}
    assert world.fails().code is Code.RESPONSE_TOO_LARGE


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, Code.REGISTRY_UNAUTHORIZED),
        (401, Code.REGISTRY_UNAUTHORIZED),
        (403, Code.REGISTRY_UNAUTHORIZED),
        (404, Code.REGISTRY_UNAUTHORIZED),
        (429, Code.REGISTRY_RATE_LIMITED),
        (500, Code.REGISTRY_UNREACHABLE),
        (503, Code.REGISTRY_UNREACHABLE),
        (302, Code.REGISTRY_UNREACHABLE),
    ],
)
def test_a_refusing_token_service_is_named_with_status_and_source(world: World, status: int, code: Code) -> None:
    world.guarded.token_answer = lambda _: Reply(status, (("Location", f"{world.server.url}/elsewhere"),))
    error = world.fails(BASIC)
    assert error.code is code
    for part in (world.server.host, str(status), "acme/api", "config.json"):
        assert part in error.message
    assert "/elsewhere" not in world.server.paths()
    assert "no credentials" in world.fails().message


def test_tokens_are_kept_per_repository(world: World) -> None:
    with client_of(world.server.host) as client:
        for name in ("acme/api", "acme/web", "acme/api", "acme/web"):
            client.resolve(Repository(world.server.host, name), "v1", soon())
    assert [asked.query["scope"][0] for asked in world.tokens()] == [
        "repository:acme/api:pull",
        "repository:acme/web:pull",
    ]


def test_tokens_are_kept_per_credential(world: World) -> None:
    held = [BASIC]
    world.guarded.token_answer = lambda token: {"token": token, "expires_in": 3600}
    clock = SettableClock()
    with client_of(world.server.host, keychain=Saying(lambda _: held), clock=clock.monotonic) as client:
        client.resolve(world.repository, "v1", soon())
        before = client.scope(world.repository, soon())
        held[:] = [Credential("config.json", "u", "another")]
        assert client.scope(world.repository, soon()) == before
        clock.advance(61)  # answers of a keychain are kept for a minute
        client.resolve(world.repository, "v1", soon())
        assert client.scope(world.repository, soon()) != before
    assert [asked.authorization for asked in world.tokens()] == [BASIC.basic, held[0].basic]


@pytest.mark.parametrize(
    ("lifetime", "kept", "asked_again"),
    [(None, 49, 51), (0, 49, 51), (300, 289, 291), (10, 4, 6), (3600, 3589, 3591)],
)
def test_a_token_is_used_until_shortly_before_its_end(
    world: World, lifetime: int | None, kept: float, asked_again: float
) -> None:
    """60 seconds where the service states nothing (distribution, spec/auth/token)."""
    world.guarded.token_answer = lambda token: {"token": token} | ({} if lifetime is None else {"expires_in": lifetime})
    clock = SettableClock()
    with client_of(world.server.host, clock=clock.monotonic) as client:
        client.resolve(world.repository, "v1", soon())
        clock.advance(kept)
        client.resolve(world.repository, "v1", soon())
        assert len(world.tokens()) == 1
        clock.advance(asked_again - kept)
        client.resolve(world.repository, "v1", soon())
        assert len(world.tokens()) == 2


def test_a_refused_token_is_replaced_once(world: World) -> None:
    with client_of(world.server.host) as client:
        client.resolve(world.repository, "v1", soon())
        world.guarded.valid.clear()
        client.resolve(world.repository, "v1", soon())
        assert len(world.tokens()) == 2
        world.guarded.valid.clear()
        world.guarded.token_answer = lambda _: {"token": "useless"}
        error = world.fails_with(client)
    assert error.code is Code.REGISTRY_UNAUTHORIZED
    assert len(world.tokens()) == 3


def test_once_known_a_registry_is_asked_with_a_token_at_once(world: World) -> None:
    with client_of(world.server.host) as client:
        client.resolve(world.repository, "v1", soon())
        client.resolve(Repository(world.server.host, "acme/web"), "v1", soon())
    assert [asked.authorization for asked in world.server.asked] == [None, None, "Bearer t1", None, "Bearer t2"]


def test_a_basic_registry_gets_basic_from_the_second_request_on(world: World) -> None:
    world.guarded.challenge = 'Basic realm="reg"'
    world.guarded.valid = {BASIC.basic}
    with client_of(world.server.host, keychain=Held(BASIC)) as client:
        client.resolve(world.repository, "v1", soon())
        client.resolve(world.repository, "v1", soon())
    assert [asked.authorization for asked in world.server.asked] == [None, BASIC.basic, BASIC.basic]


@pytest.mark.parametrize("challenge", ['Basic realm="reg"', "Negotiate", "garbage==", "\tBearer"])
def test_a_challenge_that_cannot_be_answered_is_unauthorized(world: World, challenge: str) -> None:
    world.guarded.challenge = challenge
    error = world.fails()
    assert error.code in (Code.REGISTRY_UNAUTHORIZED, Code.REGISTRY_PROTOCOL)
    assert world.tokens() == []


def test_wrong_basic_credentials_are_sent_once_and_named_by_source(world: World) -> None:
    world.guarded.challenge = 'Basic realm="reg"'
    error = world.fails(BASIC)
    assert error.code is Code.REGISTRY_UNAUTHORIZED
    assert "401" in error.message
    assert "config.json" in error.message
    assert error.remedy == f"docker login {world.server.host}"
    # nobody's credentials come last: what is asked for may be public
    assert [asked.authorization for asked in world.server.asked] == [None, BASIC.basic, None]


def test_an_identity_token_is_no_password_for_basic(world: World) -> None:
    world.guarded.challenge = 'Basic realm="reg"'
    assert world.fails(IDENTITY).code is Code.REGISTRY_UNAUTHORIZED
    assert all(asked.authorization is None for asked in world.server.asked)


def test_bearer_is_preferred_to_basic_whatever_their_order(world: World) -> None:
    world.guarded.challenge = f'Basic realm="reg", Bearer realm="{world.server.url}/token",service="reg"'
    with client_of(world.server.host, keychain=Held(BASIC)) as client:
        client.resolve(world.repository, "v1", soon())
    assert len(world.tokens()) == 1
    assert world.server.asked[-1].authorization == "Bearer t1"


def test_a_registry_token_is_sent_as_it_is(world: World) -> None:
    world.guarded.valid = {f"Bearer {PASSWORD}"}
    with client_of(world.server.host, keychain=Held(REGISTRY_TOKEN)) as client:
        client.resolve(world.repository, "v1", soon())
    assert [asked.authorization for asked in world.server.asked] == [f"Bearer {PASSWORD}"]


def test_a_refused_registry_token_is_not_traded_for_another(world: World) -> None:
    """What there is for anybody is asked for with no credentials; and that is nothing here."""
    world.guarded.token_answer = lambda _: Reply(401)
    error = world.fails(REGISTRY_TOKEN)
    assert error.code is Code.REGISTRY_UNAUTHORIZED
    assert error.message.endswith("with the credentials of config.json, and 1 other way to ask")
    assert [asked.authorization for asked in world.server.asked if asked.path != "/token"] == [
        f"Bearer {PASSWORD}",
        None,
    ]
    assert [asked.authorization for asked in world.tokens()] == [None]


@pytest.mark.parametrize("status", [400, 403])
def test_a_registry_token_refused_without_a_challenge_is_named(world: World, status: int) -> None:
    """It was what the registry did not take, though the same is then asked for without it."""
    refusing = Reply(status)
    with ScriptedServer(lambda asked: refusing if asked.authorization else Reply(401)) as server:
        repository = Repository(server.host, "acme/api")
        with client_of(server.host, keychain=Held(REGISTRY_TOKEN)) as client, pytest.raises(EvidenceUnavailable) as e:
            client.resolve(repository, "v1", soon())
        assert [asked.authorization for asked in server.asked] == [f"Bearer {PASSWORD}", None, None]
    assert e.value.code is Code.REGISTRY_UNAUTHORIZED
    assert "with the credentials of config.json" in e.value.message


def test_an_identity_token_is_never_sent_as_an_empty_password(world: World) -> None:
    """Not to a registry that is known to want Basic either."""
    world.guarded.challenge = 'Basic realm="reg"'
    world.guarded.valid = {BASIC.basic}
    held = [BASIC]
    with client_of(world.server.host, keychain=Saying(lambda _: held), clock=(clock := SettableClock()).monotonic) as c:
        c.resolve(world.repository, "v1", soon())
        held[:] = [IDENTITY]
        clock.advance(61)
        world.fails_with(c)
    assert {asked.authorization for asked in world.server.asked} == {None, BASIC.basic}


def test_a_realms_userinfo_is_shown_to_nobody(world: World) -> None:
    for rest in ("//u:{}@tokens.test/token", "//u:{}@[::1/", "u:{}@tokens.test"):
        world.guarded.realm = f"https:{rest.format(PASSWORD)}"
        for credential in (None, BASIC):
            assert world.fails(credential).code is Code.REGISTRY_PROTOCOL  # which looks for PASSWORD


def _says_hello(asked: Asked) -> Reply:
    return as_json({"token": "foreign"})


def test_credentials_are_not_sent_to_a_foreign_token_service(world: World) -> None:
    world.guarded.realm = "https://tokens.evil.test/token"
    for credential in (BASIC, IDENTITY):
        error = world.fails(credential)
        assert error.code is Code.REGISTRY_UNAUTHORIZED
        assert "sent to another host, tokens.evil.test; they were not sent" in error.message
        assert "the credentials of config.json" in error.message
        assert "tokenRealms: [https://tokens.evil.test]" in error.remedy
    assert world.tokens() == []


@pytest.mark.parametrize(
    "realm",
    [
        "http://tokens.test/token",
        "http://169.254.169.254/latest/meta-data",
        "http://localhost:1/token",
        "https://u:p@tokens.test/token",
        "https://u@127.0.0.1/token",
        "ftp://tokens.test/token",
        "file:///etc/passwd",
        "//tokens.test/token",
        "/token",
        "token",
        "https://",
        "https:///token",
        "https://[::1/token",
        "https://[/token",
        "javascript:alert(1)",
        "https://host:99999/token",
        "http://127.0.0.1:99999/token",
        "http://127.0.0.1:x/token",
        "https://host:x/token",
    ],
)
def test_a_realm_that_is_not_https_or_hides_something_is_refused(world: World, realm: str) -> None:
    """CVE-2026-33540, CVE-2026-48978, go-containerregistry#2193: a realm is a URL somebody else chose."""
    world.guarded.realm = realm
    assert world.fails().code is Code.REGISTRY_PROTOCOL
    assert world.fails(BASIC).code in (Code.REGISTRY_PROTOCOL, Code.REGISTRY_UNAUTHORIZED)


@pytest.mark.parametrize(
    "realm",
    [
        "https://169.254.169.254/token",
        "https://127.0.0.1:1/token",
        "https://0.0.0.0/token",
        "https://[::1]/token",
        "https://[::ffff:10.0.0.1]/token",
        "https://[fe80::1]/token",
        "https://10.0.0.1/token",
        "https://2130706433/token",
        "https://0x7f.1/token",
    ],
)
def test_a_realm_at_a_private_address_is_not_connected_to(world: World, realm: str) -> None:
    """CVE-2026-33990 and go-containerregistry#2284: the realm's host is not a registry that was named."""
    world.guarded.realm = realm
    assert world.fails().code is Code.REGISTRY_UNREACHABLE
    assert world.tokens() == []


@pytest.mark.parametrize("named_too", [False, True])
def test_in_plain_http_another_port_of_the_registrys_host_is_another_host(world: World, named_too: bool) -> None:  # noqa: FBT001
    """Whoever listens there may be anybody, and neither credentials nor a question for a token go there."""
    with ScriptedServer(_says_hello) as other:
        world.guarded.realm = f"{other.url}/token"
        hosts = (world.server.host, other.host) if named_too else (world.server.host,)
        for credential in (None, BASIC, IDENTITY):
            with client_of(*hosts, keychain=Held(credential)) as client:
                assert world.fails_with(client).code is Code.REGISTRY_PROTOCOL
        assert other.asked == []
