"""What is so at each registry: who may read what, and who is told what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.manifest import Manifest
from gate.image.reference import Repository
from gate.registry.credentials.credential import Credential
from tests.fakes.clients import Held, Saying, client_of, soon
from tests.fakes.loopback import everything_is_loopback
from tests.fakes.registries import SOURCE, client_for
from tests.fakes.registry_vendors import (
    ArtifactRegistry,
    CleanStart,
    DistributionBasic,
    DistributionOpen,
    DistributionToken,
    DockerHub,
    Ecr,
    Gcr,
    Ghcr,
)
from tests.unit.registry.vendors.support import (
    ACCOUNTS,
    ALL,
    OPEN,
    SECRET,
    TOKENS,
    asked_with,
    everything,
    refused,
    served,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.registry.credentials.credential import Credential
    from tests.fakes.registries import FakeRegistry
    from tests.fakes.registry_auth import BearerRegistry, Guarded


@pytest.mark.parametrize("kind", ALL)
def test_right_credentials_read_everything(kind: type[FakeRegistry]) -> None:
    fake = kind()
    with served(fake) as digest, fake.client(fake.good()) as client:
        everything(client, fake.named(SECRET), digest)
        everything(client, fake.named(OPEN), digest)


@pytest.mark.parametrize("kind", ALL)
def test_it_answers_at_its_address_too(kind: type[FakeRegistry]) -> None:
    """Over plain HTTP, as it is met by a command with --insecure-registry."""
    fake = kind()
    with served(fake) as digest, client_of(fake.host, keychain=Held(fake.good())) as client:
        everything(client, fake.at(SECRET), digest)


@pytest.mark.parametrize("kind", ALL)
def test_it_answers_under_a_name_with_a_port(kind: type[FakeRegistry]) -> None:
    fake = kind()
    with (
        served(fake) as digest,
        client_of(fake.with_port, keychain=Held(fake.good()), resolver=everything_is_loopback) as client,
    ):
        everything(client, Repository(fake.with_port, SECRET), digest)


@pytest.mark.parametrize("kind", ALL)
def test_referrers_are_listed_where_the_registry_does_that(kind: type[FakeRegistry]) -> None:
    """Elsewhere it answers 404, and the fallback tag has them."""
    fake = kind()
    with served(fake) as digest, fake.client(fake.good()) as client:
        everything(client, fake.named(SECRET), digest)
    listed = {entry.status for entry in fake.log if "/referrers/" in entry.path}
    assert listed == {404 if kind in (CleanStart, DockerHub, Ghcr) else 200}


@pytest.mark.parametrize("kind", [*TOKENS, DistributionOpen])
def test_what_is_public_is_read_with_no_credentials(kind: type[FakeRegistry]) -> None:
    fake = kind()
    with served(fake) as digest, fake.client() as client:
        everything(client, fake.named(OPEN), digest)


@pytest.mark.parametrize("kind", ACCOUNTS)
def test_what_is_private_is_not_read_with_no_credentials(kind: type[Guarded]) -> None:
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
def test_wrong_credentials_are_named_with_host_status_and_source(kind: type[Guarded]) -> None:
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
def test_expired_credentials_are_named_with_host_and_source(kind: type[Guarded]) -> None:
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
def test_somebody_who_may_not_read_is_unauthorized(kind: type[Guarded]) -> None:
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
def test_each_question_is_refused_alike(kind: type[Guarded], what: str) -> None:
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
def test_secrets_go_to_nobody_who_did_not_ask(kind: type[FakeRegistry]) -> None:
    """A password is never in the first request, and storage gets no header at all."""
    fake = kind()
    with served(fake) as digest, fake.client(fake.good()) as client:
        everything(client, fake.named(SECRET), digest)
    assert fake.log[0].scheme == ""
    assert asked_with(fake, "/storage/") == ([""] if fake.storage else [])
    if fake.storage:
        assert [entry.host for entry in fake.log if "/storage/" in entry.path] == [fake.storage]


def test_each_registry_gets_its_own_credentials() -> None:
    """One client for several registries, as a review of many images has it."""
    with Ghcr() as ghcr, DockerHub() as hub, Ecr() as ecr, DistributionOpen() as internal:
        fakes: tuple[FakeRegistry, ...] = (ghcr, hub, ecr, internal)
        held = {fake.registry: [fake.good()] for fake in fakes[:3]}
        digests = [fake.repository(SECRET, private=True).image("v1", fake.registry) for fake in fakes]
        keychain = Saying(lambda repository: held.get(repository.registry, []))
        with client_for(*fakes, keychain=keychain) as client:
            assert [client.resolve(fake.named(SECRET), "v1", soon()) for fake in fakes] == digests
        for fake in fakes:
            theirs = {asked.authorization for asked in fake.asked}
            others = {credential.basic for name, (credential,) in held.items() if name != fake.registry}
            assert theirs.isdisjoint(others)


@pytest.mark.parametrize("status", [403, 429, 500])
def test_credentials_that_were_not_sent_are_not_blamed(status: int) -> None:
    """The first request carries none: what it is answered says nothing of them."""
    fake = DistributionOpen()
    with served(fake), fake.client(fake.good()) as client:
        fake.fail(status, None)
        with pytest.raises(EvidenceUnavailable) as caught:
            client.resolve(fake.named(OPEN), "v1", soon())
    assert SOURCE not in caught.value.message
    assert caught.value.message.endswith("with no credentials")


def test_what_may_be_hidden_is_not_found_with_a_hint_to_log_in() -> None:
    """A registry that hides private repositories answers 404 to who has no credentials."""
    fake = DistributionToken(refused=404)
    with served(fake), fake.client() as client:
        error = refused(fake, lambda: client.resolve(fake.named(SECRET), "v1", soon()), Code.IMAGE_NOT_FOUND)
    assert "docker login" in error.remedy


def test_what_is_hidden_from_nobody_is_not_missing_to_somebody_who_was_refused() -> None:
    """Their credentials have ended, and 404 to nobody says nothing of what is there."""
    fake = DistributionToken(refused=404)
    held: list[Credential] = []
    with served(fake) as digest, fake.client(keychain=Saying(lambda _: held)) as client:
        held[:] = [fake.stale()]
        for call in (
            lambda: client.resolve(fake.named(SECRET), "v1", soon()),
            lambda: client.manifest(fake.named(SECRET), digest, soon()),
            lambda: client.referrers(fake.named(SECRET), digest, soon()),
            lambda: client.tags(fake.named(SECRET), soon()),
        ):
            refused(fake, call, Code.REGISTRY_UNAUTHORIZED, SOURCE, "401")
        held[:] = [fake.good()]
        fake.clock.advance(61)
        everything(client, fake.named(SECRET), digest)


@pytest.mark.parametrize("kind", TOKENS)
def test_stale_credentials_do_not_hide_what_is_public(kind: type[BearerRegistry]) -> None:
    """oras#1161: what is public is asked for again with no credentials, and from then on at once."""
    fake = kind()
    with served(fake) as digest, fake.client(fake.stale()) as client:
        everything(client, fake.named(OPEN), digest)
    assert asked_with(fake, fake.realm_path) == ["basic", ""]
