"""ECR's keychain."""

from __future__ import annotations

import base64
import socket
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, NoCredentialsError

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.reference import Repository
from gate.registry.credentials.ecr import (
    SOURCE,
    EcrKeychain,
    EcrRegistry,
    EcrToken,
)
from tests.fakes.clients import soon
from tests.fakes.clock import START, SettableClock
from tests.fakes.registry_vendors import HOUR, Ecr
from tests.fakes.scripted_server import Asked, Reply, ScriptedServer, as_json
from tests.unit.registry.credentials.support import lookalikes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gate.deadline import Deadline
    from gate.registry.credentials.credential import Credential

HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
REPOSITORY = Repository(HOST, "acme/api")


ENDS = START.timestamp() + 12 * HOUR


def encoded(password: str, username: str = "AWS") -> str:
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def answer() -> Reply:
    """What ECR answers to GetAuthorizationToken."""
    data = {"authorizationToken": encoded("passw0rd"), "expiresAt": ENDS, "proxyEndpoint": f"https://{HOST}"}
    return as_json({"authorizationData": [data]})


@dataclass
class Api:
    """What AWS says: a new token each time, or an error."""

    clock: SettableClock
    life: float = 12 * HOUR
    error: Exception | None = None
    text: str = ""
    asked: list[EcrRegistry] = field(default_factory=list)

    def token(self, registry: EcrRegistry, deadline: Deadline) -> EcrToken:
        self.asked.append(registry)
        if self.error is not None:
            raise self.error
        text = self.text or encoded(f"passw0rd-{len(self.asked)}")
        return EcrToken(text, self.clock.now() + timedelta(seconds=self.life))


@dataclass
class Built:
    """A keychain, its API and its clock."""

    clock: SettableClock
    api: Api
    keychain: EcrKeychain

    @classmethod
    def new(cls) -> Built:
        clock = SettableClock()
        api = Api(clock)
        return cls(clock, api, EcrKeychain(clock.monotonic, clock.now, api))

    def password(self, repository: Repository = REPOSITORY) -> str:
        (credential,) = self.keychain.find(repository, soon())
        return credential.password


@pytest.mark.parametrize(
    ("host", "registry"),
    [
        (HOST, EcrRegistry("123456789012", "eu-west-1")),
        ("123456789012.dkr.ecr.us-gov-west-1.amazonaws.com", EcrRegistry("123456789012", "us-gov-west-1")),
        ("123456789012.dkr.ecr.ap-southeast-4.amazonaws.com", EcrRegistry("123456789012", "ap-southeast-4")),
        ("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com", EcrRegistry("123456789012", "us-east-1", fips=True)),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", EcrRegistry("123456789012", "cn-north-1")),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", EcrRegistry("123456789012", "eu-west-1", dual_stack=True)),
        (
            "123456789012.dkr-ecr-fips.us-east-2.on.aws",
            EcrRegistry("123456789012", "us-east-2", fips=True, dual_stack=True),
        ),
    ],
)
def test_a_host_says_account_and_region(host: str, registry: EcrRegistry) -> None:
    assert EcrRegistry.of(host) == registry


@pytest.mark.parametrize(
    "host",
    [
        *lookalikes(HOST),
        f"evil-{HOST}",
        HOST.replace("amazonaws", "amaz0naws"),
        HOST.replace("amazonaws", "amazon\u0430ws"),  # a Cyrillic letter
        HOST.replace("1", "\u0661", 1),  # an Arabic digit
        HOST.replace(".ecr.", "\uff0eecr."),
        HOST.replace(".com", ".com.evil"),
        HOST.replace(".com", ".co"),
        HOST.replace(".amazonaws.com", "amazonaws.com"),
        HOST.replace(".amazonaws.com", ".evil-amazonaws.com"),
        HOST.replace(".amazonaws.com", ".s3.amazonaws.com"),
        HOST.replace("eu-west-1", "evil.test"),
        HOST.replace("eu-west-1", "evil"),
        HOST.replace("eu-west-1", "eu-west-1.evil"),
        HOST.replace("eu-west-1", ""),
        HOST.replace("dkr.ecr", "dkr-ecr"),
        HOST.replace("dkr.ecr", "dkrxecr"),
        HOST.replace("ecr", "ecr-evil"),
        HOST[1:],
        f"1{HOST}",
        f"{HOST}.cn",
        "123456789012.dkr.ecr.cn-north-1.amazonaws.com",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com.cn.evil.test",
        "123456789012.dkr-ecr.cn-north-1.on.aws",
        "123456789012.dkr.ecr.us-iso-east-1.amazonaws.com",
        "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.com",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.eu",
        "123456789012.dkr.ecr.us-isob-east-1.c2s.ic.gov",
        "123456789012.dkr.ecr.us-iso-east-1.ic.gov",
        "123456789012.dkr-ecr.us-iso-east-1.c2s.ic.gov",
        "123456789012.dkr.ecr.us-isob-east-1.on.aws.scloud",
        "123456789012.dkr-ecr.eu-west-1.on.aws.evil.test",
        "123456789012.dkr.ecr.eu-west-1.on.aws",
        "123456789012.dkr-ecr.eu-west-1.xon.aws",
        "public.ecr.aws",
        "amazonaws.com",
        "ecr.eu-west-1.amazonaws.com",
    ],
)
def test_nobody_is_asked_for_a_host_that_only_looks_like_it(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """CVE-2025-27403: decided by the host alone, before anything is imported or sent."""
    monkeypatch.setitem(sys.modules, "boto3.session", None)
    built = Built.new()
    repository = Repository(host, "acme/api")
    assert built.keychain.find(repository, soon()) == ()
    assert EcrKeychain(time.monotonic, built.clock.now).find(repository, soon()) == ()
    assert built.api.asked == []


class TestEcrKeychain:
    def test_what_a_credential_is(self) -> None:
        built = Built.new()
        (credential,) = built.keychain.find(REPOSITORY, soon())
        assert (credential.source, credential.username, credential.password) == (SOURCE, "AWS", "passw0rd-1")
        assert "ecr:BatchGetImage" in credential.remedy
        assert "ecr:GetDownloadUrlForLayer" in credential.remedy
        assert built.api.asked == [EcrRegistry("123456789012", "eu-west-1")]

    def test_a_token_is_renewed_at_four_fifths_of_its_life(self) -> None:
        built = Built.new()
        assert built.password() == "passw0rd-1"
        built.clock.advance(0.8 * 12 * HOUR - 1)
        assert built.password() == "passw0rd-1"
        built.clock.advance(2)
        assert built.password() == "passw0rd-2"

    def test_each_account_and_region_has_its_own(self) -> None:
        built = Built.new()
        other = Repository(HOST.replace("eu-west-1", "us-east-1"), "acme/api")
        stranger = Repository(HOST.replace("123456789012", "210987654321"), "acme/api")
        assert [built.password(which) for which in (REPOSITORY, other, stranger, REPOSITORY)] == [
            "passw0rd-1",
            "passw0rd-2",
            "passw0rd-3",
            "passw0rd-1",
        ]
        assert built.password(Repository(HOST, "acme/other")) == "passw0rd-1"

    def test_a_token_that_was_refused_is_dropped(self) -> None:
        built = Built.new()
        built.password()
        built.keychain.forget(Repository("ghcr.io", "acme/api"))
        assert built.password() == "passw0rd-1"
        built.keychain.forget(Repository(HOST, "acme/other"))
        assert built.password() == "passw0rd-2"

    @pytest.mark.parametrize("text", ["?", "", encoded("", "AWS"), encoded("x y"), base64.b64encode(b"AWS").decode()])
    def test_what_is_no_token_is_not_sent(self, text: str) -> None:
        built = Built.new()
        built.api.text = text or " "
        with pytest.raises(EvidenceUnavailable) as caught:
            built.password()
        assert caught.value.code is Code.REGISTRY_PROTOCOL
        assert HOST in caught.value.message

    @pytest.mark.parametrize(
        ("error", "code", "says"),
        [
            (NoCredentialsError(), Code.REGISTRY_UNAUTHORIZED, "NoCredentialsError"),
            (
                ClientError(
                    {"Error": {"Code": "AccessDeniedException", "Message": "hunter2"}}, "GetAuthorizationToken"
                ),
                Code.REGISTRY_UNAUTHORIZED,
                "ClientError (AccessDeniedException)",
            ),
            (
                ClientError({"Error": {"Code": "hunter2 " * 20}}, "GetAuthorizationToken"),
                Code.REGISTRY_UNAUTHORIZED,
                "ClientError",
            ),
            (EndpointConnectionError(endpoint_url="hunter2"), Code.REGISTRY_UNREACHABLE, "EndpointConnectionError"),
            (ConnectTimeoutError(endpoint_url="hunter2"), Code.REGISTRY_TIMEOUT, "ConnectTimeoutError"),
            (KeyError("hunter2"), Code.REGISTRY_UNAUTHORIZED, "KeyError"),
        ],
    )
    def test_a_failure_is_told_without_secrets(self, error: Exception, code: Code, says: str) -> None:
        built = Built.new()
        built.api.error = error
        with pytest.raises(EvidenceUnavailable) as caught:
            built.password()
        assert caught.value.code is code
        assert caught.value.message == f"{SOURCE} gave no credentials for {HOST}: {says}"
        assert "hunter2" not in str(caught.value)
        if code is Code.REGISTRY_UNAUTHORIZED:
            assert "ecr:GetAuthorizationToken" in caught.value.remedy

    def test_without_its_library_it_says_how_to_get_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "boto3", None)
        monkeypatch.setitem(sys.modules, "boto3.session", None)
        with pytest.raises(EvidenceUnavailable) as caught:
            EcrKeychain(time.monotonic, SettableClock().now).find(REPOSITORY, soon())
        assert caught.value.code is Code.REGISTRY_UNAUTHORIZED
        assert caught.value.remedy == "pip install imagegate[aws]"


class TestAgainstTheRegistry:
    def test_private_repositories_are_read_and_ended_tokens_renewed(self) -> None:
        fake = Ecr()
        digest = fake.repository("acme/secret", private=True).image("v1", "one")

        class Aws:
            def token(self, registry: EcrRegistry, deadline: Deadline) -> EcrToken:
                assert f"{registry.account}.dkr.ecr.{registry.region}.amazonaws.com" == fake.registry
                account = fake.account()
                return EcrToken(encoded(account.password), fake.clock.now() + timedelta(hours=12))

        keychain = EcrKeychain(fake.clock.monotonic, fake.clock.now, Aws())
        with fake, fake.client(keychain=keychain) as client:
            assert client.resolve(fake.named("acme/secret"), "v1", soon()) == digest
            fake.clock.advance(11 * HOUR)
            assert client.resolve(fake.named("acme/secret"), "v1", soon()) == digest
            assert len(fake.accounts) == 2
            fake.accounts[-1].ends = fake.clock.monotonic() - 1  # revoked
            assert client.resolve(fake.named("acme/secret"), "v1", soon()) == digest
            assert len(fake.accounts) == 3

    def test_somebody_who_may_not_read_is_told_what_is_missing(self) -> None:
        fake = Ecr()
        fake.repository("acme/secret", private=True).image("v1", "one")

        class Aws:
            def token(self, registry: EcrRegistry, deadline: Deadline) -> EcrToken:
                account = fake.account(reads=False)
                return EcrToken(encoded(account.password), fake.clock.now() + timedelta(hours=12))

        keychain = EcrKeychain(fake.clock.monotonic, fake.clock.now, Aws())
        with fake, fake.client(keychain=keychain) as client, pytest.raises(EvidenceUnavailable) as caught:
            client.resolve(fake.named("acme/secret"), "v1", soon())
        assert caught.value.code is Code.REGISTRY_UNAUTHORIZED
        assert SOURCE in caught.value.message
        assert "ecr:BatchGetImage" in caught.value.remedy
        assert not [account for account in fake.accounts if account.password in str(caught.value)]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment in which boto3 finds nothing of this machine's."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return monkeypatch


class TestBoto3:
    """The real library against a server on loopback."""

    def find(self) -> tuple[Credential, ...]:
        clock = SettableClock()
        return EcrKeychain(clock.monotonic, clock.now).find(REPOSITORY, soon())

    def test_it_asks_ecr_of_the_region_without_registry_ids(self, aws: pytest.MonkeyPatch) -> None:
        aws.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        aws.setenv("AWS_SECRET_ACCESS_KEY", "not-a-key")
        with ScriptedServer(lambda _: answer()) as server:
            aws.setenv("AWS_ENDPOINT_URL_ECR", server.url)
            (credential,) = self.find()
        assert (credential.username, credential.password) == ("AWS", "passw0rd")
        (asked,) = server.asked
        assert asked.headers["x-amz-target"].endswith(".GetAuthorizationToken")
        assert asked.body == b"{}"
        assert "/eu-west-1/ecr/aws4_request" in (asked.authorization or "")

    def test_irsa(self, aws: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """A Pod's token is traded at STS for keys, and those sign the request to ECR."""

        def script(asked: Asked) -> Reply:
            if b"AssumeRoleWithWebIdentity" in asked.body:
                body = (
                    "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
                    "<AccessKeyId>ASIAFROMSTS</AccessKeyId><SecretAccessKey>k</SecretAccessKey>"
                    "<SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
                    "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
                )
                return Reply(200, (), body.encode(), "text/xml")
            return answer()

        token = tmp_path / "token"
        token.write_text("a-pods-token")
        aws.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
        aws.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/gate")
        with ScriptedServer(script) as server:
            aws.setenv("AWS_ENDPOINT_URL_ECR", server.url)
            aws.setenv("AWS_ENDPOINT_URL_STS", server.url)
            (credential,) = self.find()
        assert credential.password == "passw0rd"
        assert "Credential=ASIAFROMSTS/" in (server.asked[-1].authorization or "")

    def test_no_identity(self, aws: pytest.MonkeyPatch) -> None:
        with pytest.raises(EvidenceUnavailable) as caught:
            self.find()
        assert "NoCredentialsError" in caught.value.message
        assert "ecr:GetAuthorizationToken" in caught.value.remedy

    def test_an_identity_that_may_not_and_no_retries(self, aws: pytest.MonkeyPatch) -> None:
        aws.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        aws.setenv("AWS_SECRET_ACCESS_KEY", "not-a-key")
        refusal = {"__type": "AccessDeniedException", "message": "User: arn:aws:iam::1:user/u is not authorized"}
        for status, says in ((400, "AccessDeniedException"), (503, "ClientError")):
            with ScriptedServer(lambda _, status=status: as_json(refusal, status)) as server:  # type: ignore[misc]
                aws.setenv("AWS_ENDPOINT_URL_ECR", server.url)
                with pytest.raises(EvidenceUnavailable, match=says):
                    self.find()
            assert len(server.asked) == 1

    def test_a_server_that_hangs(self, aws: pytest.MonkeyPatch) -> None:
        over = threading.Event()

        def script(_: Asked) -> Reply:
            over.wait(10)
            return Reply(500)

        aws.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        aws.setenv("AWS_SECRET_ACCESS_KEY", "not-a-key")
        self_clock = SettableClock()
        keychain = EcrKeychain(self_clock.monotonic, self_clock.now)
        with ScriptedServer(script) as server:
            aws.setenv("AWS_ENDPOINT_URL_ECR", server.url)
            before = time.monotonic()
            with pytest.raises(EvidenceUnavailable) as caught:
                keychain.find(REPOSITORY, soon(0.6))
            assert time.monotonic() - before < 2
            over.set()
        assert caught.value.code is Code.REGISTRY_TIMEOUT

    @pytest.mark.parametrize(
        ("host", "endpoint"),
        [
            (HOST, "api.ecr.eu-west-1.amazonaws.com"),
            ("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com", "api.ecr-fips.us-east-1.amazonaws.com"),
            ("123456789012.dkr-ecr.eu-west-1.on.aws", "ecr.eu-west-1.api.aws"),
            ("123456789012.dkr-ecr-fips.us-east-1.on.aws", "ecr-fips.us-east-1.api.aws"),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "api.ecr.cn-north-1.amazonaws.com.cn"),
            ("123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", "api.ecr.eusc-de-east-1.amazonaws.eu"),
            ("123456789012.dkr-ecr.us-isob-east-1.on.aws.scloud", "ecr.us-isob-east-1.api.aws.scloud"),
        ],
    )
    def test_whom_it_asks(self, host: str, endpoint: str, aws: pytest.MonkeyPatch) -> None:
        """Seen in what it wants of a proxy, which is also how it leaves a network that has one."""
        aws.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        aws.setenv("AWS_SECRET_ACCESS_KEY", "not-a-key")
        clock = SettableClock()
        with refusing_proxy() as (url, wanted):
            aws.setenv("HTTPS_PROXY", url)
            with pytest.raises(EvidenceUnavailable) as caught:
                EcrKeychain(clock.monotonic, clock.now).find(Repository(host, "acme/api"), soon())
        assert {tuple(line.split(" ")[:2]) for line in wanted} == {("CONNECT", f"{endpoint}:443")}
        assert caught.value.code is Code.REGISTRY_UNREACHABLE


@contextmanager
def refusing_proxy() -> Iterator[tuple[str, list[str]]]:
    """Its URL, and the first lines of what it is asked; it hangs up."""
    wanted: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                wanted.append(connection.recv(1000).decode().partition("\r\n")[0])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", wanted
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
