"""Google's keychain."""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.reference import Repository
from gate.registry.credentials.google import SOURCE, GoogleKeychain, GoogleToken, is_google
from tests.fakes.clients import soon
from tests.fakes.clock import SettableClock
from tests.fakes.registry_vendors import HOUR, ArtifactRegistry, Gcr
from tests.fakes.scripted_server import Asked, Reply, ScriptedServer, as_json
from tests.unit.registry.credentials.support import lookalikes

if TYPE_CHECKING:
    from pathlib import Path

    from gate.deadline import Deadline

HOST = "europe-docker.pkg.dev"
REPOSITORY = Repository(HOST, "acme/images/api")
READ_ONLY = "https://www.googleapis.com/auth/cloud-platform.read-only"


@dataclass
class Tokens:
    """What Google gives: a new token each time, or an error."""

    clock: SettableClock
    life: float | None = HOUR
    error: Exception | None = None
    text: str = ""
    asked: int = 0

    def token(self, deadline: Deadline) -> GoogleToken:
        self.asked += 1
        if self.error is not None:
            raise self.error
        ends = None if self.life is None else self.clock.now() + timedelta(seconds=self.life)
        return GoogleToken(self.text or f"ya29.token-{self.asked}", ends)


@dataclass
class Built:
    """A keychain, its tokens and its clock."""

    clock: SettableClock = field(default_factory=SettableClock)

    def __post_init__(self) -> None:
        self.tokens = Tokens(self.clock)
        self.keychain = GoogleKeychain(self.clock.monotonic, self.clock.now, self.tokens)

    def password(self, repository: Repository = REPOSITORY) -> str:
        (credential,) = self.keychain.find(repository, soon())
        return credential.password


@pytest.mark.parametrize(
    "host",
    [
        "us-docker.pkg.dev",
        "europe-west1-docker.pkg.dev",
        "northamerica-northeast1-docker.pkg.dev",
        "docker.europe-west3.rep.pkg.dev",
        "gcr.io",
        "eu.gcr.io",
        "asia.gcr.io",
        "marketplace.gcr.io",
    ],
)
def test_registries_of_googles(host: str) -> None:
    assert is_google(host)


@pytest.mark.parametrize(
    "host",
    [
        *lookalikes(HOST),
        HOST.replace("pkg", "pk\u0261"),
        HOST.replace("e", "\u0435", 1),
        HOST.replace(".pkg", "\u3002pkg"),
        "europe-docker.pkg.dev.evil.test",
        "europe-docker-pkg.dev",
        "europe-docker.evilpkg.dev",
        "europe-docker.pkg.device",
        "europe-docker.evil.pkg.dev",
        "-docker.pkg.dev",
        "docker.pkg.dev",
        "pkg.dev",
        "europe-python.pkg.dev",
        "docker.europe-west3.rep.pkg.dev.evil.test",
        "docker.evil.test.rep.pkg.dev",
        "docker..rep.pkg.dev",
        "gcr.io.evil.test",
        "evil-gcr.io",
        "evilgcr.io",
        "gcr.io.",
        "gcr.io\n",
        "gcr.io:5000",
        "GCR.io",
        ".gcr.io",
        "a.b.gcr.io",
        "gcr.io/evil",
        "g\u0441r.io",
        "google.com",
    ],
)
def test_nobody_is_asked_for_a_host_that_only_looks_like_it(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """CVE-2025-27403: decided by the host alone, before anything is imported or sent."""
    monkeypatch.setitem(sys.modules, "google.auth", None)
    built = Built()
    repository = Repository(host, "acme/api")
    assert built.keychain.find(repository, soon()) == ()
    assert GoogleKeychain(time.monotonic, built.clock.now).find(repository, soon()) == ()
    assert built.tokens.asked == 0


class TestGoogleKeychain:
    def test_what_a_credential_is(self) -> None:
        (credential,) = Built().keychain.find(REPOSITORY, soon())
        assert (credential.source, credential.username) == (SOURCE, "oauth2accesstoken")
        assert credential.password == "ya29.token-1"
        assert "roles/artifactregistry.reader" in credential.remedy

    def test_one_token_for_all_hosts_until_well_before_it_ends(self) -> None:
        built = Built()
        assert built.password() == built.password(Repository("gcr.io", "acme/api")) == "ya29.token-1"
        built.clock.advance(0.8 * HOUR - 1)
        assert built.password() == "ya29.token-1"
        built.clock.advance(2)
        assert built.password() == "ya29.token-2"

    @pytest.mark.parametrize("life", [None, 400 * HOUR])
    def test_no_token_is_kept_longer_than_an_hours(self, life: float | None) -> None:
        built = Built()
        built.tokens.life = life
        built.password()
        built.clock.advance(0.8 * HOUR + 1)
        assert built.password() == "ya29.token-2"

    def test_a_token_that_was_refused_is_dropped(self) -> None:
        built = Built()
        built.password()
        built.keychain.forget(Repository("gcr.io.evil.test", "acme/api"))
        assert built.password() == "ya29.token-1"
        built.keychain.forget(REPOSITORY)
        assert built.password() == "ya29.token-2"

    @pytest.mark.parametrize(
        ("kind", "code"),
        [
            (DefaultCredentialsError, Code.REGISTRY_UNAUTHORIZED),
            (RefreshError, Code.REGISTRY_UNAUTHORIZED),
            (TransportError, Code.REGISTRY_UNREACHABLE),
            (TimeoutError, Code.REGISTRY_TIMEOUT),
        ],
    )
    def test_a_failure_is_told_without_secrets(self, kind: type[Exception], code: Code) -> None:
        built = Built()
        built.tokens.error = kind("hunter2")
        with pytest.raises(EvidenceUnavailable) as caught:
            built.password()
        assert caught.value.code is code
        assert caught.value.message == f"{SOURCE} gave no credentials for {HOST}: {kind.__name__}"
        if code is Code.REGISTRY_UNAUTHORIZED:
            assert "roles/artifactregistry.reader" in caught.value.remedy

    @pytest.mark.parametrize("text", ["None and more", "a\nb", "\u0130"])
    def test_what_is_no_token_is_not_sent(self, text: str) -> None:
        built = Built()
        built.tokens.text = text
        with pytest.raises(EvidenceUnavailable) as caught:
            built.password()
        assert caught.value.code is Code.REGISTRY_PROTOCOL

    def test_without_its_library_it_says_how_to_get_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "google.auth", None)
        with pytest.raises(EvidenceUnavailable) as caught:
            GoogleKeychain(time.monotonic, SettableClock().now).find(REPOSITORY, soon())
        assert caught.value.code is Code.REGISTRY_UNAUTHORIZED
        assert caught.value.remedy == "pip install imagegate[google]"


@pytest.mark.parametrize("kind", [ArtifactRegistry, Gcr])
class TestAgainstTheRegistry:
    def test_private_repositories_are_read_and_ended_tokens_renewed(self, kind: type[ArtifactRegistry]) -> None:
        fake = kind()
        digest = fake.repository("acme/secret", private=True).image("v1", "one")

        class Google:
            def token(self, deadline: Deadline) -> GoogleToken:
                return GoogleToken(fake.account().password, fake.clock.now() + timedelta(hours=1))

        keychain = GoogleKeychain(fake.clock.monotonic, fake.clock.now, Google())
        with fake, fake.client(keychain=keychain) as client:
            assert client.resolve(fake.named("acme/secret"), "v1", soon()) == digest
            fake.clock.advance(2 * HOUR)
            assert client.resolve(fake.named("acme/secret"), "v1", soon()) == digest
            assert len(fake.accounts) == 2
            fake.accounts[-1].ends = fake.clock.monotonic() - 1  # revoked
            fake.expire_tokens()
            assert client.resolve(fake.named("acme/secret"), "v1", soon()) == digest
            assert len(fake.accounts) == 3

    def test_somebody_who_may_not_read_is_told_what_is_missing(self, kind: type[ArtifactRegistry]) -> None:
        fake = kind()
        fake.repository("acme/secret", private=True).image("v1", "one")

        class Google:
            def token(self, deadline: Deadline) -> GoogleToken:
                return GoogleToken(fake.account(reads=False).password, fake.clock.now() + timedelta(hours=1))

        keychain = GoogleKeychain(fake.clock.monotonic, fake.clock.now, Google())
        with fake, fake.client(keychain=keychain) as client, pytest.raises(EvidenceUnavailable) as caught:
            client.resolve(fake.named("acme/secret"), "v1", soon())
        assert caught.value.code is Code.REGISTRY_UNAUTHORIZED
        assert SOURCE in caught.value.message
        assert "roles/artifactregistry.reader" in caught.value.remedy


def service_account(folder: Path, token_uri: str) -> Path:
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    document = {
        "type": "service_account",
        "project_id": "acme",
        "private_key_id": "1",
        "private_key": key.decode(),
        "client_email": "gate@acme.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": token_uri,
    }
    path = folder / "key.json"
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def adc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment in which google-auth finds nothing of this machine's."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return monkeypatch


class TestGoogleAuth:
    """The real library against a server on loopback."""

    def test_a_service_account_asks_to_read_only(self, adc: pytest.MonkeyPatch, tmp_path: Path) -> None:
        clock = SettableClock()
        with ScriptedServer(lambda _: as_json({"access_token": "ya29.real", "expires_in": 3600})) as server:
            adc.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service_account(tmp_path, f"{server.url}/token")))
            (credential,) = GoogleKeychain(clock.monotonic, clock.now).find(REPOSITORY, soon())
        assert (credential.username, credential.password) == ("oauth2accesstoken", "ya29.real")
        (asked,) = server.asked
        claims = parse_qs(asked.body.decode())["assertion"][0].split(".")[1]
        assert json.loads(base64.urlsafe_b64decode(claims + "=="))["scope"] == READ_ONLY

    def test_a_workload_of_another_cloud(self, adc: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Workload identity federation: a file's token is traded at Google's token service."""
        subject = tmp_path / "subject"
        subject.write_text("a-pods-token")
        clock = SettableClock()
        answer = {"access_token": "ya29.real", "expires_in": 3600, "token_type": "Bearer", "issued_token_type": "t"}
        with ScriptedServer(lambda _: as_json(answer)) as server:
            document = {
                "type": "external_account",
                "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": f"{server.url}/v1/token",
                "credential_source": {"file": str(subject)},
            }
            path = tmp_path / "federation.json"
            path.write_text(json.dumps(document))
            adc.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
            adc.setenv("GOOGLE_CLOUD_PROJECT", "acme")
            (credential,) = GoogleKeychain(clock.monotonic, clock.now).find(REPOSITORY, soon())
        assert credential.password == "ya29.real"
        form = parse_qs(server.asked[-1].body.decode())
        assert (form["subject_token"], form["scope"]) == (["a-pods-token"], [READ_ONLY])

    def test_no_identity(self, adc: pytest.MonkeyPatch) -> None:
        clock = SettableClock()
        with pytest.raises(EvidenceUnavailable) as caught:
            GoogleKeychain(clock.monotonic, clock.now).find(REPOSITORY, soon())
        assert "DefaultCredentialsError" in caught.value.message
        assert "GOOGLE_APPLICATION_CREDENTIALS" in caught.value.remedy

    def test_a_server_that_hangs_is_left_in_time(self, adc: pytest.MonkeyPatch, tmp_path: Path) -> None:
        over = threading.Event()

        def hang(_: Asked) -> Reply:
            over.wait(10)
            return Reply(500)

        clock = SettableClock()
        with ScriptedServer(hang) as server:
            adc.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service_account(tmp_path, f"{server.url}/token")))
            before = time.monotonic()
            with pytest.raises(EvidenceUnavailable) as caught:
                GoogleKeychain(clock.monotonic, clock.now).find(REPOSITORY, soon(0.5))
            assert time.monotonic() - before < 1.5
            over.set()
        assert caught.value.code in (Code.REGISTRY_TIMEOUT, Code.REGISTRY_UNREACHABLE)  # ours, or the library's

    def test_a_server_that_fails_is_not_asked_beyond_the_time(self, adc: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """The library would ask again a second later."""
        clock = SettableClock()
        with ScriptedServer(lambda _: as_json({"error": "internal_failure"}, 503)) as server:
            adc.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service_account(tmp_path, f"{server.url}/token")))
            with pytest.raises(EvidenceUnavailable) as caught:
                GoogleKeychain(clock.monotonic, clock.now).find(REPOSITORY, soon(0.9))
            time.sleep(0.9)
            assert len(server.asked) == 1
        assert caught.value.code is Code.REGISTRY_TIMEOUT
