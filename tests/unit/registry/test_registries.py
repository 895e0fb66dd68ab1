"""The client against each registry as it behaves: what all have in common first, then each with what is its own."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from gate.codes import Code
from gate.demo.images import Layer
from gate.errors import EvidenceUnavailable
from gate.image.manifest import Manifest
from gate.image.reference import Reference, Repository
from gate.registry.hosts import Hosts
from gate.registry.keychain import Credential, DockerConfig
from gate.registry.transport import Request
from tests.fakes.clients import Held, client_of, soon
from tests.fakes.loopback import LoopbackTransport, everything_is_loopback
from tests.fakes.registries import SOURCE, client_for
from tests.fakes.registry_vendors import (
    HOUR,
    Acr,
    ArtifactRegistry,
    CleanStart,
    DistributionBasic,
    DistributionOpen,
    DistributionToken,
    DockerHub,
    Ecr,
    Gcr,
    Ghcr,
    Harbor,
    Quay,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gate.deadline import Deadline
    from gate.image.digest import Digest
    from gate.registry.client import RegistryClient
    from gate.registry.transport import Response
    from tests.fakes.registries import FakeRegistry
    from tests.fakes.registry_auth import BearerRegistry, Guarded

SBOM = "application/vnd.acme.sbom"
OPEN = "acme/open"
SECRET = "acme/secret"
TOKENS: list[type[BearerRegistry]] = [
    Acr,
    ArtifactRegistry,
    CleanStart,
    DistributionToken,
    DockerHub,
    Gcr,
    Ghcr,
    Harbor,
    Quay,
]
ACCOUNTS: list[type[Guarded]] = [*TOKENS, DistributionBasic, Ecr]
ALL: list[type[FakeRegistry]] = [*ACCOUNTS, DistributionOpen]


@contextmanager
def served(fake: FakeRegistry) -> Iterator[Digest]:
    """The fake, up, with the same image and one referrer in a public and in a private repository."""
    for path, private in ((OPEN, False), (SECRET, True)):
        memory = fake.repository(path, private=private)
        digest = memory.image("v1", "one")
        memory.attach(digest, SBOM, [Layer(SBOM, b"{}")])
    with fake:
        yield digest


def everything(client: RegistryClient, repository: Repository, digest: Digest) -> None:
    """A tag, a manifest, a blob, and what refers to it, where the registry keeps that."""
    assert client.resolve(repository, "v1", soon()) == digest
    stored = client.manifest(repository, digest, soon())
    assert stored is not None
    assert isinstance(stored.manifest, Manifest)
    config = json.loads(client.blob(repository, stored.manifest.config, 10_000, soon()))
    assert config["os"] == "linux"
    listed = client.referrers(repository, digest, soon())
    if not listed:
        fallback = client.manifest(repository, digest.tag, soon())
        assert fallback is not None
        assert not isinstance(fallback.manifest, Manifest)
        listed = fallback.manifest.manifests
    (entry,) = listed
    referrer = client.manifest(repository, entry.digest, soon())
    assert referrer is not None
    assert isinstance(referrer.manifest, Manifest)
    assert referrer.manifest.subject is not None
    assert (referrer.manifest.subject.digest, referrer.manifest.artifact_type) == (digest, SBOM)


def refused(
    fake: FakeRegistry, call: Callable[[], object], code: Code = Code.REGISTRY_UNAUTHORIZED, *says: str
) -> EvidenceUnavailable:
    """The call fails with the code; its text has what is named and nothing secret."""
    with pytest.raises(EvidenceUnavailable) as caught:
        call()
    text = str(caught.value)
    assert caught.value.code is code, text
    for part in says:
        assert part in text
    for secret in fake.secrets:
        assert secret not in text
    return caught.value


def asked_with(fake: FakeRegistry, part: str) -> list[str]:
    """The schemes of the Authorization headers of requests whose path has a part."""
    return [entry.scheme for entry in fake.log if part in entry.path]


class TestAll:
    """What is so at each of them."""

    @pytest.mark.parametrize("kind", ALL)
    def test_right_credentials_read_everything(self, kind: type[FakeRegistry]) -> None:
        fake = kind()
        with served(fake) as digest, fake.client(fake.good()) as client:
            everything(client, fake.named(SECRET), digest)
            everything(client, fake.named(OPEN), digest)

    @pytest.mark.parametrize("kind", ALL)
    def test_it_answers_at_its_address_too(self, kind: type[FakeRegistry]) -> None:
        """Over plain HTTP, as it is met by a command with --insecure-registry."""
        fake = kind()
        with served(fake) as digest, client_of(fake.host, keychain=Held(fake.good())) as client:
            everything(client, fake.at(SECRET), digest)

    @pytest.mark.parametrize("kind", ALL)
    def test_it_answers_under_a_name_with_a_port(self, kind: type[FakeRegistry]) -> None:
        fake = kind()
        with (
            served(fake) as digest,
            client_of(fake.with_port, keychain=Held(fake.good()), resolver=everything_is_loopback) as client,
        ):
            everything(client, Repository(fake.with_port, SECRET), digest)

    @pytest.mark.parametrize("kind", ALL)
    def test_referrers_are_listed_where_the_registry_does_that(self, kind: type[FakeRegistry]) -> None:
        """Elsewhere it answers 404, and the fallback tag has them."""
        fake = kind()
        with served(fake) as digest, fake.client(fake.good()) as client:
            everything(client, fake.named(SECRET), digest)
        listed = {entry.status for entry in fake.log if "/referrers/" in entry.path}
        assert listed == {404 if kind in (CleanStart, DockerHub, Ghcr) else 200}

    @pytest.mark.parametrize("kind", [*TOKENS, DistributionOpen])
    def test_what_is_public_is_read_with_no_credentials(self, kind: type[FakeRegistry]) -> None:
        fake = kind()
        with served(fake) as digest, fake.client() as client:
            everything(client, fake.named(OPEN), digest)

    @pytest.mark.parametrize("kind", ACCOUNTS)
    def test_what_is_private_is_not_read_with_no_credentials(self, kind: type[Guarded]) -> None:
        fake = kind()
        with served(fake), fake.client() as client:
            status = "403" if kind in (ArtifactRegistry, Gcr) else "401"
            refused(
                fake,
                lambda: client.resolve(fake.named(SECRET), "v1", soon()),
                Code.REGISTRY_UNAUTHORIZED,
                fake.registry,
                status,
                SECRET,
                "no credentials",
            )

    @pytest.mark.parametrize("kind", ACCOUNTS)
    def test_wrong_credentials_are_named_with_host_status_and_source(self, kind: type[Guarded]) -> None:
        fake = kind()
        with served(fake), fake.client(fake.wrong()) as client:
            refused(
                fake,
                lambda: client.resolve(fake.named(SECRET), "v1", soon()),
                Code.REGISTRY_UNAUTHORIZED,
                fake.registry,
                "403" if kind is Ghcr else "401",
                SECRET,
                SOURCE,
                f"docker login {fake.registry}",
            )

    @pytest.mark.parametrize("kind", ACCOUNTS)
    def test_expired_credentials_are_named_with_host_and_source(self, kind: type[Guarded]) -> None:
        fake = kind()
        status = "403" if kind in (Ecr, Ghcr) else "401"
        with served(fake), fake.client(fake.stale()) as client:
            refused(
                fake,
                lambda: client.resolve(fake.named(SECRET), "v1", soon()),
                Code.REGISTRY_UNAUTHORIZED,
                fake.registry,
                status,
                SOURCE,
            )

    @pytest.mark.parametrize("kind", ACCOUNTS)
    def test_somebody_who_may_not_read_is_unauthorized(self, kind: type[Guarded]) -> None:
        fake = kind()
        status = "403" if kind in (ArtifactRegistry, DistributionBasic, Ecr, Gcr, Ghcr) else "401"
        with served(fake) as digest, fake.client(fake.stranger()) as client:
            everything(client, fake.named(OPEN), digest)
            refused(
                fake,
                lambda: client.resolve(fake.named(SECRET), "v1", soon()),
                Code.REGISTRY_UNAUTHORIZED,
                fake.registry,
                status,
                SOURCE,
            )

    @pytest.mark.parametrize("what", ["manifest", "blob", "referrers"])
    @pytest.mark.parametrize("kind", ACCOUNTS)
    def test_each_question_is_refused_alike(self, kind: type[Guarded], what: str) -> None:
        fake = kind()
        with served(fake) as digest, fake.client(fake.stranger()) as client:
            private = fake.named(SECRET)
            stored = client.manifest(fake.named(OPEN), digest, soon())
            assert stored is not None
            assert isinstance(stored.manifest, Manifest)
            config = stored.manifest.config
            calls: dict[str, Callable[[], object]] = {
                "manifest": lambda: client.manifest(private, digest, soon()),
                "blob": lambda: client.blob(private, config, 10_000, soon()),
                "referrers": lambda: client.referrers(private, digest, soon()),
            }
            refused(fake, calls[what], Code.REGISTRY_UNAUTHORIZED, fake.registry, SOURCE)

    @pytest.mark.parametrize("kind", ALL)
    def test_secrets_go_to_nobody_who_did_not_ask(self, kind: type[FakeRegistry]) -> None:
        """A password is never in the first request, and storage gets no header at all."""
        fake = kind()
        with served(fake) as digest, fake.client(fake.good()) as client:
            everything(client, fake.named(SECRET), digest)
        assert fake.log[0].scheme == ""
        assert asked_with(fake, "/storage/") == ([""] if fake.storage else [])
        if fake.storage:
            assert [entry.host for entry in fake.log if "/storage/" in entry.path] == [fake.storage]

    @pytest.mark.parametrize(
        ("headers", "remedy"), [((), "retry later"), ((("Retry-After", "3600"),), "retry in 3600 s")]
    )
    @pytest.mark.parametrize("kind", ALL)
    def test_a_limit_is_a_code_of_its_own(
        self, kind: type[FakeRegistry], headers: tuple[tuple[str, str], ...], remedy: str
    ) -> None:
        fake = kind()
        with served(fake), fake.client(fake.good()) as client:
            fake.fail(429, None, where="/manifests/", headers=headers)
            error = refused(
                fake,
                lambda: client.resolve(fake.named(OPEN), "v1", soon()),
                Code.REGISTRY_RATE_LIMITED,
                fake.registry,
                "429",
            )
            assert error.remedy.startswith(remedy)

    @pytest.mark.parametrize("kind", ALL)
    def test_a_failing_registry_is_no_unsigned_image(self, kind: type[FakeRegistry]) -> None:
        fake = kind()
        with served(fake) as digest, fake.client(fake.good()) as client:
            fake.fail(500, None, where="/manifests/")
            for call in (
                lambda: client.resolve(fake.named(OPEN), "v1", soon()),
                lambda: client.manifest(fake.named(OPEN), digest, soon()),
            ):
                refused(fake, call, Code.REGISTRY_UNREACHABLE, fake.registry, "500")
            fake.heal()
            everything(client, fake.named(OPEN), digest)

    @pytest.mark.parametrize("kind", ALL)
    def test_a_registry_that_is_down_comes_back(self, kind: type[FakeRegistry]) -> None:
        fake = kind()
        with served(fake) as digest, fake.client(fake.good()) as client:
            everything(client, fake.named(OPEN), digest)
            fake.down()
            refused(
                fake,
                lambda: client.resolve(fake.named(OPEN), "v1", soon()),
                Code.REGISTRY_UNREACHABLE,
                fake.names[0],
                "could not be reached",
            )
            fake.up()
            everything(client, fake.named(OPEN), digest)

    @pytest.mark.parametrize("kind", ALL)
    def test_a_tag_that_is_not_there_is_not_found(self, kind: type[FakeRegistry]) -> None:
        fake = kind()
        with served(fake), fake.client(fake.good()) as client:
            refused(fake, lambda: client.resolve(fake.named(OPEN), "v2", soon()), Code.IMAGE_NOT_FOUND, fake.registry)
            refused(fake, lambda: client.resolve(fake.named("acme/no"), "v1", soon()), Code.IMAGE_NOT_FOUND, "acme/no")

    @pytest.mark.parametrize("kind", TOKENS)
    def test_a_token_is_renewed_before_it_ends(self, kind: type[BearerRegistry]) -> None:
        """Where no end is stated that is after a minute, however long it would have been good for."""
        fake = kind()
        with served(fake) as digest, fake.client(fake.good()) as client:
            everything(client, fake.named(SECRET), digest)
            assert fake.token_requests == 1
            fake.clock.advance((fake.stated or 60) - 20)
            assert client.manifest(fake.named(SECRET), digest, soon()) is not None
            assert fake.token_requests == 1
            if fake.password_seconds is not None and fake.password_seconds <= (fake.stated or 60):
                return  # the password ends with it
            fake.clock.advance(20)
            assert client.manifest(fake.named(SECRET), digest, soon()) is not None
            assert fake.token_requests == 2
        assert 401 not in [entry.status for entry in fake.log[1:]]

    @pytest.mark.parametrize("kind", [kind for kind in TOKENS if kind is not Ghcr])
    def test_a_token_that_ends_early_is_replaced(self, kind: type[BearerRegistry]) -> None:
        """The registry's keys were changed, or its clock is another (docker/hub-feedback#647)."""
        fake = kind()
        with served(fake) as digest, fake.client(fake.good()) as client:
            assert client.resolve(fake.named(SECRET), "v1", soon()) == digest
            for _ in range(2):
                fake.expire_tokens()
                everything(client, fake.named(SECRET), digest)
        assert fake.token_requests == 3

    @pytest.mark.parametrize("kind", TOKENS)
    def test_a_token_service_that_fails_is_no_refusal(self, kind: type[BearerRegistry]) -> None:
        fake = kind()
        with served(fake), fake.client(fake.good()) as client:
            for status, code in ((500, Code.REGISTRY_UNREACHABLE), (429, Code.REGISTRY_RATE_LIMITED)):
                fake.fail(status, None, where=fake.realm_path)
                refused(
                    fake,
                    lambda: client.resolve(fake.named(SECRET), "v1", soon()),
                    code,
                    fake.registry,
                    f"{status}",
                    SOURCE,
                )
                fake.heal()


def test_each_registry_gets_its_own_credentials() -> None:
    """One client for several registries, as a review of many images has it."""

    @dataclass
    class Several:
        held: dict[str, Credential] = field(default_factory=dict)

        def find(self, repository: Repository, deadline: Deadline) -> Credential | None:
            return self.held.get(repository.registry)

    with Ghcr() as ghcr, DockerHub() as hub, Ecr() as ecr, DistributionOpen() as internal:
        fakes: tuple[FakeRegistry, ...] = (ghcr, hub, ecr, internal)
        keychain = Several({fake.registry: fake.good() for fake in fakes[:3]})
        digests = [fake.repository(SECRET, private=True).image("v1", fake.registry) for fake in fakes]
        with client_for(*fakes, keychain=keychain) as client:
            assert [client.resolve(fake.named(SECRET), "v1", soon()) for fake in fakes] == digests
        for fake in fakes:
            theirs = {asked.authorization for asked in fake.asked}
            others = {credential.basic for name, credential in keychain.held.items() if name != fake.registry}
            assert theirs.isdisjoint(others)


class TestDockerHub:
    def test_the_api_and_the_token_service_are_other_hosts(self) -> None:
        fake = DockerHub()
        with served(fake) as digest, fake.client(fake.good()) as client:
            assert client.resolve(fake.named(SECRET), "v1", soon()) == digest
        assert [(entry.host, entry.scheme) for entry in fake.log] == [
            ("registry-1.docker.io", ""),
            ("auth.docker.io", "basic"),
            ("registry-1.docker.io", "bearer"),
        ]

    def test_an_official_image_is_under_library(self) -> None:
        fake = DockerHub()
        digest = fake.repository("library/nginx").image("1", "one")
        with fake, fake.client() as client:
            assert client.resolve(Reference.parse("index.docker.io/nginx:1").name, "1", soon()) == digest

    def test_a_tag_is_resolved_without_a_pull(self) -> None:
        fake = DockerHub(remaining=1)
        with served(fake) as digest, fake.client() as client:
            for _ in range(3):
                client.resolve(fake.named(OPEN), "v1", soon())
            assert fake.remaining == 1
            client.manifest(fake.named(OPEN), digest, soon())
            assert fake.remaining == 0

    @pytest.mark.parametrize("after", ["", "3600"])
    def test_when_no_pulls_are_left_that_is_said(self, after: str) -> None:
        fake = DockerHub(remaining=0)
        fake.retry_after = after
        with served(fake) as digest, fake.client() as client:
            assert client.resolve(fake.named(OPEN), "v1", soon()) == digest
            error = refused(
                fake,
                lambda: client.manifest(fake.named(OPEN), digest, soon()),
                Code.REGISTRY_RATE_LIMITED,
                "docker.io",
                "429",
                "no credentials",
            )
            assert after in error.remedy

    def test_a_paid_account_is_not_counted(self) -> None:
        fake = DockerHub(remaining=None)
        with served(fake) as digest, fake.client(fake.good()) as client:
            everything(client, fake.named(SECRET), digest)

    @pytest.mark.parametrize(
        "key", ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io"]
    )
    def test_its_key_in_config_json_has_several_spellings(self, tmp_path: Path, key: str) -> None:
        fake = DockerHub()
        with served(fake) as digest, fake.client(keychain=_config(tmp_path, key, fake.good())) as client:
            assert client.resolve(fake.named(SECRET), "v1", soon()) == digest


class TestArtifactRegistry:
    @pytest.mark.parametrize("kind", [ArtifactRegistry, Gcr])
    def test_the_token_service_is_on_the_same_host(self, kind: type[ArtifactRegistry]) -> None:
        fake = kind()
        with served(fake) as digest, fake.client(fake.good()) as client:
            assert client.resolve(fake.named(SECRET), "v1", soon()) == digest
        assert [(entry.host, entry.path) for entry in fake.log][1] == (fake.registry, "/v2/token")
        assert fake.asked[1].query["service"] == [fake.registry]

    @pytest.mark.parametrize("kind", [ArtifactRegistry, Gcr])
    def test_a_service_accounts_key_is_a_password_of_many_lines(
        self, tmp_path: Path, kind: type[ArtifactRegistry]
    ) -> None:
        fake = kind()
        with (
            served(fake) as digest,
            fake.client(keychain=_config(tmp_path, fake.registry, fake.service_account())) as client,
        ):
            everything(client, fake.named(SECRET), digest)

    def test_after_its_hour_an_access_token_is_refused_and_named(self) -> None:
        fake = ArtifactRegistry()
        with served(fake), fake.client(fake.good()) as client:
            client.resolve(fake.named(SECRET), "v1", soon())
            fake.clock.advance(HOUR)
            refused(
                fake,
                lambda: client.resolve(fake.named(SECRET), "v1", soon()),
                Code.REGISTRY_UNAUTHORIZED,
                fake.registry,
                "401",
                SOURCE,
            )


class TestEcr:
    def test_the_token_is_a_basic_password_sent_to_the_registry(self) -> None:
        fake = Ecr()
        with served(fake) as digest, fake.client(fake.good()) as client:
            everything(client, fake.named(SECRET), digest)
        assert asked_with(fake, "/v2/")[:2] == ["", "basic"]
        assert set(asked_with(fake, "/v2/")[1:]) == {"basic"}

    def test_without_a_digest_header_the_tag_is_read_and_its_digest_computed(self) -> None:
        fake = Ecr()
        with served(fake) as digest, fake.client(fake.good()) as client:
            assert client.resolve(fake.named(SECRET), "v1", soon()) == digest
        assert [entry.method for entry in fake.log if entry.status == 200] == ["HEAD", "GET"]

    def test_after_twelve_hours_a_token_is_refused_and_named(self) -> None:
        """kyverno#2790: secrets that are read once at the start."""
        fake = Ecr()
        with served(fake), fake.client(fake.good()) as client:
            client.resolve(fake.named(SECRET), "v1", soon())
            fake.clock.advance(12 * HOUR)
            refused(
                fake,
                lambda: client.resolve(fake.named(SECRET), "v1", soon()),
                Code.REGISTRY_UNAUTHORIZED,
                fake.registry,
                "403",
                SOURCE,
            )

    def test_a_keychain_that_has_a_new_token_is_asked_again(self) -> None:
        fake = Ecr()
        renewing = Renewing(fake)
        with served(fake) as digest, fake.client(keychain=renewing) as client:
            for _ in range(3):
                assert client.resolve(fake.named(SECRET), "v1", soon()) == digest
                fake.clock.advance(12 * HOUR)
        assert renewing.asked == 3


class TestGhcr:
    def test_what_is_public_needs_a_token_too(self) -> None:
        fake = Ghcr()
        with served(fake) as digest, fake.client() as client:
            assert client.resolve(fake.named(OPEN), "v1", soon()) == digest
        assert [(entry.path, entry.scheme, entry.status) for entry in fake.log] == [
            (f"/v2/{OPEN}/manifests/v1", "", 401),
            ("/token", "", 200),
            (f"/v2/{OPEN}/manifests/v1", "bearer", 200),
        ]

    def test_a_personal_access_token_goes_to_the_token_service_only(self) -> None:
        """The API answers it with 403 and no challenge (renovate#11446)."""
        fake = Ghcr()
        with served(fake) as digest, fake.client(fake.good()) as client:
            everything(client, fake.named(SECRET), digest)
        assert asked_with(fake, "/token") == ["basic"]
        assert "basic" not in asked_with(fake, "/v2/")


class TestAcr:
    def test_a_service_principal_is_a_password(self) -> None:
        fake = Acr()
        with served(fake) as digest, fake.client(fake.principal()) as client:
            everything(client, fake.named(SECRET), digest)

    def test_what_az_acr_login_leaves_in_config_json_is_read(self, tmp_path: Path) -> None:
        """The user of zeros with no password, and the refresh token as an identity token."""
        fake = Acr()
        identity = fake.identity()
        with served(fake) as digest, fake.client(keychain=_config(tmp_path, fake.registry, identity)) as client:
            everything(client, fake.named(SECRET), digest)
        assert [entry.method for entry in fake.log if entry.path == "/oauth2/token"] == ["POST"]

    def test_an_expired_refresh_token_is_named(self) -> None:
        fake = Acr()
        with served(fake), fake.client(fake.identity()) as client:
            client.resolve(fake.named(SECRET), "v1", soon())
            fake.clock.advance(3 * HOUR)
            refused(
                fake,
                lambda: client.resolve(fake.named(SECRET), "v1", soon()),
                Code.REGISTRY_UNAUTHORIZED,
                fake.registry,
                "401",
                SOURCE,
            )

    def test_a_refresh_token_may_come_of_an_exchange(self) -> None:
        """What the fake does for whoever trades a token of Entra ID: both uses of what comes back."""
        fake = Acr()
        with served(fake) as digest:
            traded = _exchange(fake, fake.entra_token())
            for credential in (
                Credential(SOURCE, identity_token=traded),
                Credential(SOURCE, Acr.user, traded),
            ):
                with fake.client(credential) as client:
                    assert client.resolve(fake.named(SECRET), "v1", soon()) == digest
            assert _exchange(fake, "another") == ""

    def test_referrers_without_artifact_types_are_listed(self) -> None:
        """Azure/acr#784: what they are is in the manifests."""
        fake = Acr()
        with served(fake) as digest, fake.client() as client:
            (entry,) = client.referrers(fake.named(OPEN), digest, soon())
        assert entry.artifact_type == ""


class TestHarbor:
    def test_a_robots_name_has_a_dollar_in_it(self, tmp_path: Path) -> None:
        fake = Harbor()
        with served(fake) as digest, fake.client(keychain=_config(tmp_path, fake.registry, fake.good())) as client:
            everything(client, fake.named(SECRET), digest)
        assert fake.accounts[0].username == "robot$acme+ci"

    def test_referrers_that_are_called_json_are_read(self) -> None:
        """goharbor/harbor#19690."""
        fake = Harbor()
        with served(fake) as digest, fake.client() as client:
            assert len(client.referrers(fake.named(OPEN), digest, soon())) == 1
        assert fake.listing_type == "application/json"


class TestQuay:
    def test_a_robot_is_named_after_its_organisation(self) -> None:
        fake = Quay()
        with served(fake) as digest, fake.client(fake.good()) as client:
            everything(client, fake.named(SECRET), digest)
        assert fake.accounts[0].username == "acme+ci"
        assert asked_with(fake, "/v2/auth") == ["basic"]


class TestCleanStart:
    @pytest.mark.parametrize(
        "key", ["registry.cleanstart.io", "https://registry.cleanstart.io", "registry.cleanstart.io/v2/"]
    )
    def test_what_docker_login_leaves_is_read(self, tmp_path: Path, key: str) -> None:
        fake = CleanStart()
        with served(fake) as digest, fake.client(keychain=_config(tmp_path, key, fake.good())) as client:
            everything(client, fake.named(SECRET), digest)


class TestDistribution:
    @pytest.mark.parametrize("refusing", [401, 403])
    def test_what_may_not_be_read_is_unauthorized(self, refusing: int) -> None:
        fake = DistributionToken(refused=refusing)
        with served(fake), fake.client(fake.stranger()) as client:
            refused(
                fake,
                lambda: client.resolve(fake.named(SECRET), "v1", soon()),
                Code.REGISTRY_UNAUTHORIZED,
                f"{refusing}",
                fake.registry,
                SOURCE,
            )

    def test_what_is_hidden_as_not_there_is_not_found_and_says_who_asked(self) -> None:
        fake = DistributionToken(refused=404)
        with served(fake), fake.client(fake.stranger()) as client:
            refused(fake, lambda: client.resolve(fake.named(SECRET), "v1", soon()), Code.IMAGE_NOT_FOUND, SOURCE)

    def test_an_identity_token_is_posted(self) -> None:
        fake = DistributionToken()
        with served(fake) as digest, fake.client(fake.identity()) as client:
            everything(client, fake.named(SECRET), digest)
        assert [entry.method for entry in fake.log if entry.path == "/token"] == ["POST"]

    def test_a_token_service_elsewhere_is_asked_with_no_credentials_only(self) -> None:
        fake = DistributionToken(elsewhere=True)
        with served(fake) as digest:
            with fake.client() as client:
                everything(client, fake.named(OPEN), digest)
            with fake.client(fake.good()) as client:
                before = len(asked_with(fake, "/token"))
                refused(
                    fake,
                    lambda: client.resolve(fake.named(OPEN), "v1", soon()),
                    Code.REGISTRY_UNAUTHORIZED,
                    "auth.acme.example",
                    SOURCE,
                )
        assert len(asked_with(fake, "/token")) == before

    def test_htpasswd_lets_nobody_in_without_a_password(self) -> None:
        fake = DistributionBasic()
        with served(fake) as digest:
            with fake.client() as client:
                refused(fake, lambda: client.resolve(fake.named(OPEN), "v1", soon()))
            with fake.client(fake.good()) as client:
                everything(client, fake.named(OPEN), digest)
        assert "bearer" not in asked_with(fake, "/v2/")

    def test_an_open_registry_is_told_no_secrets(self) -> None:
        fake = DistributionOpen()
        with served(fake) as digest, fake.client(fake.good()) as client:
            everything(client, fake.named(OPEN), digest)
        assert {entry.scheme for entry in fake.log} == {""}


class TestFakes:
    """What the tests above lean on."""

    def test_a_name_that_no_fake_has_leads_nowhere(self) -> None:
        with Ghcr() as fake, fake.client() as client:
            refused(fake, lambda: client.resolve(Repository("quay.io", OPEN), "v1", soon()), Code.REGISTRY_UNREACHABLE)

    def test_a_fault_ends_after_so_many_times(self) -> None:
        fake = DistributionOpen()
        with served(fake):
            fake.fail(503, 2, where="/manifests/", headers=(("Retry-After", "1"),))
            url = f"http://{fake.host}/v2/{OPEN}/"
            answers = [
                _send(fake, Request("GET", f"{url}{path}", 10_000)) for path in ("tags/list", *["manifests/v1"] * 3)
            ]
        assert [answer.status for answer in answers] == [200, 503, 503, 200]
        assert answers[1].headers["retry-after"] == "1"
        assert json.loads(answers[0].body) == {"name": OPEN, "tags": ["v1"]}

    def test_the_log_has_no_secrets(self) -> None:
        fake = Ghcr()
        with served(fake) as digest, fake.client(fake.good()) as client:
            everything(client, fake.named(SECRET), digest)
        assert len(fake.secrets) == 3
        assert not any(secret in repr(fake.log) for secret in fake.secrets)

    def test_storage_takes_a_signature_or_a_header_and_not_both(self) -> None:
        fake = Ecr()
        with served(fake):
            blob = next(iter(fake.repositories[OPEN].blobs))
            for query, headers, status in (
                ("?X-Signature=abc", {}, 200),
                ("?X-Signature=abc", {"Authorization": "Basic eA=="}, 400),
                ("", {}, 400),
            ):
                url = f"http://{fake.host}/storage/{OPEN}/{blob}{query}"
                assert _send(fake, Request("GET", url, 10_000, headers)).status == status


@dataclass
class Renewing:
    """A keychain with a new password each time."""

    fake: Guarded
    asked: int = 0

    def find(self, repository: Repository, deadline: Deadline) -> Credential:
        self.asked += 1
        return self.fake.good()


def _config(folder: Path, key: str, credential: Credential) -> DockerConfig:
    """A config.json as `docker login` writes it."""
    entry = {"auth": credential.basic.removeprefix("Basic ")}
    if credential.identity_token:
        entry = {
            "auth": "MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwOg==",
            "identitytoken": credential.identity_token,
        }
    path = folder / "config.json"
    path.write_text(json.dumps({"auths": {key: entry}}))
    return DockerConfig.read(path)


def _exchange(fake: Acr, token: str) -> str:
    """The refresh token that an access token is traded for; "" for none."""
    form = {"grant_type": "access_token", "service": fake.registry, "tenant": fake.tenant, "access_token": token}
    url = f"http://{fake.host}/oauth2/exchange"
    body = _send(fake, Request("POST", url, 10_000, {}, urlencode(form).encode())).body
    return str(json.loads(body).get("refresh_token", ""))


def _send(fake: FakeRegistry, request: Request) -> Response:
    transport = LoopbackTransport(Hosts(insecure=frozenset({fake.host})), {})
    try:
        return transport.send(request, soon())
    finally:
        transport.close()
