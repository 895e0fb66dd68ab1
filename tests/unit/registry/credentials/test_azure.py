"""Azure's keychain."""

from __future__ import annotations

import base64
import json
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.identity import CredentialUnavailableError

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.reference import Repository
from gate.registry.credentials.azure import SCOPE, SOURCE, AzureKeychain, is_acr
from gate.registry.guard.hosts import Hosts
from gate.registry.guard.transport import Response, Transport
from tests.fakes.clients import soon
from tests.fakes.clock import START, SettableClock
from tests.fakes.loopback import LoopbackTransport
from tests.fakes.registry_vendors import HOUR, Acr
from tests.fakes.scripted_server import Reply, ScriptedServer, as_json
from tests.unit.registry.credentials.support import lookalikes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate.deadline import Deadline
    from gate.registry.guard.transport import Request

HOST = "acme.azurecr.io"
REPOSITORY = Repository(HOST, "acme/api")
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"


def jwt(**claims: object) -> str:
    text = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{text}.c2ln"


@dataclass
class Tokens:
    """What Entra ID gives: a new token each time, or an error."""

    make: Callable[[int], str] = "entra-{}".format
    error: Exception | None = None
    asked: list[str] = field(default_factory=list)

    def token(self, authority: str, deadline: Deadline) -> str:
        self.asked.append(authority)
        if self.error is not None:
            raise self.error
        return self.make(len(self.asked))


def refresh(number: int) -> Response:
    return Response(200, {}, json.dumps({"refresh_token": f"refresh-{number}"}).encode(), "")


class Sent(Transport):
    """A transport that keeps what it is given and answers by itself."""

    def __init__(self, answer: Callable[[int], Response] = refresh) -> None:
        super().__init__(Hosts())
        self.answer = answer
        self.sent: list[Request] = []

    def send(self, request: Request, deadline: Deadline) -> Response:
        self.sent.append(request)
        return self.answer(len(self.sent))

    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs((self.sent[-1].body or b"").decode()).items()}


@dataclass
class Built:
    """A keychain and what it is made of."""

    clock: SettableClock = field(default_factory=SettableClock)
    tokens: Tokens = field(default_factory=Tokens)
    transport: Sent = field(default_factory=Sent)
    tenant: str = ""

    def __post_init__(self) -> None:
        self.keychain = AzureKeychain(
            self.transport, self.clock.monotonic, self.clock.now, self.tokens, tenant=self.tenant
        )

    def token(self, repository: Repository = REPOSITORY) -> str:
        (credential,) = self.keychain.find(repository, soon())
        return credential.identity_token


@pytest.mark.parametrize(
    "host",
    [
        HOST,
        "acme.azurecr.cn",
        "acme.azurecr.us",
        "acme-b7c2d5h3gqdgb6at.azurecr.io",
        "a-registry-of-50-characters-1234567890123456789012-b7c2d5h3.azurecr.io",
        "acme.westeurope.geo.azurecr.io",
        "acme-b7c2d5h3.eastus2.geo.azurecr.io",
    ],
)
def test_registries_of_azures(host: str) -> None:
    assert is_acr(host)


@pytest.mark.parametrize(
    "host",
    [
        *lookalikes(HOST),
        "Acme.azurecr.io",
        HOST.replace("azure", "azur\u0435"),
        HOST.replace("azure", "\uff41zure"),
        HOST.replace(".azure", "\u3002azure"),
        HOST.replace("acme", "\u0430cme"),
        "azurecr.io",
        ".azurecr.io",
        "evil-azurecr.io",
        "acme.evilazurecr.io",
        "acme.azurecr-io.evil.test",
        "acmeazurecr.io",
        "acme.azurecr.io.cn",
        "acme.azurecr.com",
        "acme.azurecr.iox",
        "acme.azurecr.de",
        "-acme.azurecr.io",
        "acme-.azurecr.io",
        "acme.westeurope.data.azurecr.io",
        "acme.geo.azurecr.io",
        "acme.evil.test.geo.azurecr.io",
        "acme.westeurope.geo.azurecr.io.evil.test",
        "acme.westeurope.geo.azurecr.cn",
        "mcr.microsoft.com",
    ],
)
def test_nobody_is_asked_for_a_host_that_only_looks_like_it(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """CVE-2025-27403: decided by the host alone, before anything is imported or sent."""
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    built = Built()
    repository = Repository(host, "acme/api")
    assert built.keychain.find(repository, soon()) == ()
    assert AzureKeychain(built.transport, time.monotonic, built.clock.now).find(repository, soon()) == ()
    assert built.tokens.asked == []
    assert built.transport.sent == []


class TestAzureKeychain:
    def test_what_a_credential_is(self) -> None:
        built = Built()
        (credential,) = built.keychain.find(REPOSITORY, soon())
        assert (credential.source, credential.identity_token) == (SOURCE, "refresh-1")
        assert (credential.username, credential.password) == ("", "")
        assert "AcrPull" in credential.remedy

    def test_what_is_sent_and_where(self) -> None:
        built = Built()
        built.token()
        (request,) = built.transport.sent
        assert (request.method, request.url) == ("POST", "https://acme.azurecr.io/oauth2/exchange")
        assert not request.redirects
        assert request.limit <= 64 * 1024
        assert "Authorization" not in request.headers
        assert built.transport.form() == {"grant_type": "access_token", "service": HOST, "access_token": "entra-1"}

    @pytest.mark.parametrize(
        ("access", "tenant", "said"),
        [
            (jwt(tid=TENANT), "", TENANT),
            (jwt(tid=TENANT), "another", "another"),
            ("opaque", "", None),
            (jwt(tid="evil&service=other"), "", None),
            (jwt(tid=7), "", None),
            (jwt(), "", None),
            ("a.b.c", "", None),
            ("a..c", "", None),
        ],
    )
    def test_the_tenant_is_said_where_it_is_known(self, access: str, tenant: str, said: str | None) -> None:
        built = Built(tokens=Tokens(lambda _: access), tenant=tenant)
        built.token()
        assert built.transport.form().get("tenant") == said

    @pytest.mark.parametrize(
        ("host", "authority"),
        [
            (HOST, ""),
            ("acme.westeurope.geo.azurecr.io", ""),
            ("acme.azurecr.cn", "login.chinacloudapi.cn"),
            ("acme.azurecr.us", "login.microsoftonline.us"),
        ],
    )
    def test_each_cloud_has_its_own_authority(self, host: str, authority: str) -> None:
        built = Built()
        built.token(Repository(host, "acme/api"))
        assert built.tokens.asked == [authority]
        assert built.transport.sent[0].url == f"https://{host}/oauth2/exchange"

    def test_a_token_is_kept_for_its_host_until_well_before_it_ends(self) -> None:
        built = Built()
        assert built.token() == built.token() == "refresh-1"
        assert built.token(Repository("other.azurecr.io", "acme/api")) == "refresh-2"
        built.clock.advance(0.8 * 3 * HOUR - 1)
        assert built.token() == "refresh-1"
        built.clock.advance(2)
        assert built.token() == "refresh-3"

    def test_a_token_that_says_when_it_ends_is_kept_accordingly(self) -> None:
        token = jwt(exp=int(START.timestamp() + HOUR))
        built = Built(transport=Sent(lambda _: Response(200, {}, json.dumps({"refresh_token": token}).encode(), "")))
        built.token()
        built.clock.advance(0.8 * HOUR - 1)
        built.token()
        assert len(built.transport.sent) == 1
        built.clock.advance(2)
        built.token()
        assert len(built.transport.sent) == 2

    def test_a_token_that_was_refused_is_dropped(self) -> None:
        built = Built()
        built.token()
        built.keychain.forget(Repository("other.azurecr.io", "acme/api"))
        assert built.token() == "refresh-1"
        built.keychain.forget(REPOSITORY)
        assert built.token() == "refresh-2"
        assert len(built.tokens.asked) == 2

    @pytest.mark.parametrize(
        ("status", "code", "remedy"),
        [
            (400, Code.REGISTRY_UNAUTHORIZED, "AcrPull"),
            (401, Code.REGISTRY_UNAUTHORIZED, "AcrPull"),
            (403, Code.REGISTRY_UNAUTHORIZED, "AcrPull"),
            (404, Code.REGISTRY_UNAUTHORIZED, "AcrPull"),
            (429, Code.REGISTRY_RATE_LIMITED, "retry"),
            (503, Code.REGISTRY_UNREACHABLE, "retry"),
            (307, Code.REGISTRY_PROTOCOL, "retry"),
        ],
    )
    def test_a_registry_that_refuses(self, status: int, code: Code, remedy: str) -> None:
        headers = {"location": "https://evil.test/oauth2/exchange"}
        built = Built(transport=Sent(lambda _: Response(status, headers, b"hunter2", "")))
        with pytest.raises(EvidenceUnavailable) as caught:
            built.token()
        assert caught.value.code is code
        assert f"{HOST} answered {status}" in caught.value.message
        assert remedy in caught.value.remedy
        for secret in ("entra-1", "hunter2"):
            assert secret not in str(caught.value)
        assert len(built.transport.sent) == 1

    @pytest.mark.parametrize(
        "body",
        [b"", b"[]", b"{}", b'{"refresh_token": ""}', b'{"refresh_token": "a\\nb"}', b'{"refresh_token": 7}', b"\xff"],
    )
    def test_what_is_no_token_is_not_sent(self, body: bytes) -> None:
        built = Built(transport=Sent(lambda _: Response(200, {}, body, "")))
        with pytest.raises(EvidenceUnavailable) as caught:
            built.token()
        assert caught.value.code is Code.REGISTRY_PROTOCOL

    @pytest.mark.parametrize("access", ["", "a b", "a\r\nb"])
    def test_nothing_is_exchanged_that_is_no_token(self, access: str) -> None:
        built = Built(tokens=Tokens(lambda _: access))
        with pytest.raises(EvidenceUnavailable) as caught:
            built.token()
        assert caught.value.code is Code.REGISTRY_PROTOCOL
        assert built.transport.sent == []

    @pytest.mark.parametrize(
        ("error", "code", "says"),
        [
            (CredentialUnavailableError("hunter2"), Code.REGISTRY_UNAUTHORIZED, "CredentialUnavailableError"),
            (
                ClientAuthenticationError("AADSTS700016: hunter2"),
                Code.REGISTRY_UNAUTHORIZED,
                "ClientAuthenticationError (AADSTS700016)",
            ),
            (ServiceRequestError("hunter2"), Code.REGISTRY_UNREACHABLE, "ServiceRequestError"),
            (TimeoutError("hunter2"), Code.REGISTRY_TIMEOUT, "TimeoutError"),
        ],
    )
    def test_a_failure_is_told_without_secrets(self, error: Exception, code: Code, says: str) -> None:
        built = Built(tokens=Tokens(error=error))
        with pytest.raises(EvidenceUnavailable) as caught:
            built.token()
        assert caught.value.code is code
        assert caught.value.message == f"{SOURCE} gave no credentials for {HOST}: {says}"
        assert built.transport.sent == []
        if code is Code.REGISTRY_UNAUTHORIZED:
            assert "AcrPull" in caught.value.remedy

    def test_without_its_library_it_says_how_to_get_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "azure.identity", None)
        with pytest.raises(EvidenceUnavailable) as caught:
            AzureKeychain(Sent(), time.monotonic, SettableClock().now).find(REPOSITORY, soon())
        assert caught.value.code is Code.REGISTRY_UNAUTHORIZED
        assert caught.value.remedy == "pip install imagegate[azure]"


@contextmanager
def keychain_of(fake: Acr, tokens: Tokens | None) -> Iterator[AzureKeychain]:
    """One that reaches a fake registry by name."""
    hosts = Hosts(authorities=dict.fromkeys(fake.names, fake.authority))
    transport = LoopbackTransport(hosts, dict.fromkeys(fake.names, fake.port))
    try:
        yield AzureKeychain(transport, fake.clock.monotonic, fake.clock.now, tokens)
    finally:
        transport.close()


def exchanges(fake: Acr) -> list[int]:
    return [entry.status for entry in fake.log if entry.path == "/oauth2/exchange"]


class TestAgainstTheRegistry:
    def test_private_repositories_are_read_and_ended_tokens_renewed(self) -> None:
        fake = Acr()
        digest = fake.repository("acme/secret", private=True).image("v1", "one")
        tokens = Tokens(lambda _: fake.entra_token())
        with fake, keychain_of(fake, tokens) as keychain, fake.client(keychain=keychain) as client:
            assert client.resolve(fake.named("acme/secret"), "v1", soon()) == digest
            fake.clock.advance(2 * HOUR)
            assert client.resolve(fake.named("acme/secret"), "v1", soon()) == digest
            assert exchanges(fake) == [200]
            fake.clock.advance(HOUR)
            assert client.resolve(fake.named("acme/secret"), "v1", soon()) == digest
            assert exchanges(fake) == [200, 200]
            fake.refresh.clear()  # revoked
            fake.expire_tokens()
            assert client.resolve(fake.named("acme/secret"), "v1", soon()) == digest
            assert exchanges(fake) == [200, 200, 200]

    def test_a_token_that_the_registry_does_not_take(self) -> None:
        fake = Acr()
        fake.repository("acme/secret", private=True).image("v1", "one")
        with (
            fake,
            keychain_of(fake, Tokens()) as keychain,
            fake.client(keychain=keychain) as client,
            pytest.raises(EvidenceUnavailable) as caught,
        ):
            client.resolve(fake.named("acme/secret"), "v1", soon())
        assert caught.value.code is Code.REGISTRY_UNAUTHORIZED
        assert "AcrPull" in caught.value.remedy
        assert exchanges(fake) == [401]

    def test_somebody_who_may_not_read_is_told_what_is_missing(self) -> None:
        fake = Acr()
        fake.repository("acme/secret", private=True).image("v1", "one")
        tokens = Tokens(lambda _: fake.entra_token(reads=False))
        with (
            fake,
            keychain_of(fake, tokens) as keychain,
            fake.client(keychain=keychain) as client,
            pytest.raises(EvidenceUnavailable) as caught,
        ):
            client.resolve(fake.named("acme/secret"), "v1", soon())
        assert caught.value.code is Code.REGISTRY_UNAUTHORIZED
        assert SOURCE in caught.value.message
        assert "AcrPull" in caught.value.remedy
        assert not [secret for secret in fake.secrets if secret in str(caught.value)]

    def test_a_redirect_is_not_followed(self) -> None:
        fake, tokens = Acr(), Tokens(lambda _: fake.entra_token())
        with fake, keychain_of(fake, tokens) as keychain:
            fake.fail(307, None, where="/oauth2/exchange", headers=(("Location", f"https://{fake.storage}/"),))
            with pytest.raises(EvidenceUnavailable) as caught:
                keychain.find(fake.named("acme/secret"), soon())
        assert caught.value.code is Code.REGISTRY_PROTOCOL
        assert [entry.path for entry in fake.log] == ["/oauth2/exchange"]


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment in which azure-identity finds nothing of this machine's."""
    for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "prod")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return monkeypatch


class TestAzureIdentity:
    """The real library against a server on loopback."""

    def test_a_managed_identity_reads_the_registry(self, identity: pytest.MonkeyPatch) -> None:
        """As App Service and Container Apps give it: at an address that the environment names."""
        fake = Acr()
        digest = fake.repository("acme/secret", private=True).image("v1", "one")
        answer = {
            "access_token": fake.entra_token(),
            "expires_on": "4102444800",
            "resource": "https://containerregistry.azure.net",
            "token_type": "Bearer",
        }
        with fake, ScriptedServer(lambda _: as_json(answer)) as server:
            identity.setenv("IDENTITY_ENDPOINT", f"{server.url}/msi/token")
            identity.setenv("IDENTITY_HEADER", "a-header")
            with keychain_of(fake, None) as keychain, fake.client(keychain=keychain) as client:
                assert client.resolve(fake.named("acme/secret"), "v1", soon()) == digest
        (asked,) = server.asked
        assert asked.query["resource"] == [SCOPE.removesuffix("/.default")]

    def test_an_endpoint_that_fails_is_told_in_time(self, identity: pytest.MonkeyPatch) -> None:
        with ScriptedServer(lambda _: Reply(500)) as server:
            identity.setenv("IDENTITY_ENDPOINT", f"{server.url}/msi/token")
            identity.setenv("IDENTITY_HEADER", "a-header")
            before = time.monotonic()
            with pytest.raises(EvidenceUnavailable) as caught:
                AzureKeychain(Sent(), time.monotonic, SettableClock().now).find(REPOSITORY, soon(2))
            assert time.monotonic() - before < 3
        assert SOURCE in caught.value.message
        assert len(server.asked) <= 2
