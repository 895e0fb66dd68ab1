"""What is so at each registry: limits, failures, tokens that end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.reference import Repository
from gate.registry.credentials.credential import Credential
from tests.fakes.clients import Saying, soon
from tests.fakes.registries import SOURCE
from tests.fakes.registry_auth import BearerRegistry
from tests.fakes.registry_vendors import Acr, ArtifactRegistry, DistributionOpen, DistributionToken, Ecr
from tests.unit.registry.vendors.support import ALL, OPEN, SECRET, TOKENS, everything, refused, served

if TYPE_CHECKING:
    from gate.image.reference import Repository
    from gate.registry.credentials.credential import Credential
    from tests.fakes.registries import FakeRegistry
    from tests.fakes.registry_auth import Guarded


@pytest.mark.parametrize(("headers", "remedy"), [((), "retry later"), ((("Retry-After", "3600"),), "retry in 3600 s")])
@pytest.mark.parametrize("kind", ALL)
def test_a_limit_is_a_code_of_its_own(
    kind: type[FakeRegistry], headers: tuple[tuple[str, str], ...], remedy: str
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
def test_a_failing_registry_is_no_unsigned_image(kind: type[FakeRegistry]) -> None:
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
def test_a_registry_that_is_down_comes_back(kind: type[FakeRegistry]) -> None:
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
def test_a_tag_that_is_not_there_is_not_found(kind: type[FakeRegistry]) -> None:
    fake = kind()
    with served(fake), fake.client(fake.good()) as client:
        refused(fake, lambda: client.resolve(fake.named(OPEN), "v2", soon()), Code.IMAGE_NOT_FOUND, fake.registry)
        refused(fake, lambda: client.resolve(fake.named("acme/no"), "v1", soon()), Code.IMAGE_NOT_FOUND, "acme/no")


@pytest.mark.parametrize("kind", TOKENS)
def test_a_token_is_renewed_before_it_ends(kind: type[BearerRegistry]) -> None:
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


@pytest.mark.parametrize("kind", TOKENS)
def test_a_token_that_ends_early_is_replaced(kind: type[BearerRegistry]) -> None:
    """The registry's keys were changed, or its clock is another (docker/hub-feedback#647)."""
    fake = kind()
    with served(fake) as digest, fake.client(fake.good()) as client:
        assert client.resolve(fake.named(SECRET), "v1", soon()) == digest
        for _ in range(2):
            fake.expire_tokens()
            everything(client, fake.named(SECRET), digest)
    assert fake.token_requests == 3


@pytest.mark.parametrize("kind", TOKENS)
def test_a_token_service_that_fails_is_no_refusal(kind: type[BearerRegistry]) -> None:
    fake = kind()
    with served(fake), fake.client(fake.good()) as client:
        for status, code in ((500, Code.REGISTRY_UNREACHABLE), (429, Code.REGISTRY_RATE_LIMITED)):
            fake.fail(status, None, where=fake.realm_path)
            refused(
                fake, lambda: client.resolve(fake.named(SECRET), "v1", soon()), code, fake.registry, f"{status}", SOURCE
            )
            fake.heal()


@pytest.mark.parametrize("kind", TOKENS)
@pytest.mark.parametrize(
    ("status", "headers", "remedy"),
    [(429, (("Retry-After", "7"),), "retry in 7 s"), (429, (), "retry later"), (503, (), "retry")],
)
def test_a_token_service_that_is_busy_is_not_mended_by_logging_in(
    kind: type[BearerRegistry], status: int, headers: tuple[tuple[str, str], ...], remedy: str
) -> None:
    fake = kind()
    with served(fake), fake.client(fake.good()) as client:
        fake.fail(status, None, where=fake.realm_path, headers=headers)
        with pytest.raises(EvidenceUnavailable) as caught:
            client.resolve(fake.named(SECRET), "v1", soon())
    assert caught.value.remedy == remedy


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("where", ["/manifests/", "/blobs/", "/referrers/", "/token"])
def test_what_fails_once_is_asked_again(status: int, where: str) -> None:
    """research/registry.md §2: one fast retry; of a rate limit only when the registry says when."""
    fake = DistributionToken()
    after = (("Retry-After", "1"),) if status == 429 else ()
    with served(fake) as digest, fake.client(fake.good()) as client:
        fake.fail(status, 1, where=where, headers=after)
        everything(client, fake.named(SECRET), digest)
    # a pause that is stated is kept by all that come after, and here nobody really waits
    assert max(fake.pauses) == pytest.approx(1 if status == 429 else 0.2, abs=0.1)


def test_a_rate_limit_without_an_end_is_not_asked_again() -> None:
    """It counts, and it is not over in a moment."""
    fake = DistributionToken()
    with served(fake), fake.client(fake.good()) as client:
        fake.fail(429, 1, where="/manifests/")
        refused(fake, lambda: client.resolve(fake.named(SECRET), "v1", soon()), Code.REGISTRY_RATE_LIMITED)
    assert fake.pauses == []


def test_retry_after_is_waited_for_within_the_deadline_only() -> None:
    fake = DistributionOpen()
    headers = (("Retry-After", "1"),)
    with served(fake) as digest, fake.client() as client:
        fake.fail(429, 1, where="/manifests/", headers=headers)
        assert client.resolve(fake.named(OPEN), "v1", soon(10)) == digest
        assert fake.pauses == [pytest.approx(1, abs=0.1)]
        fake.fail(429, None, where="/manifests/", headers=headers)
        refused(fake, lambda: client.resolve(fake.named(OPEN), "v1", soon(0.5)), Code.REGISTRY_RATE_LIMITED)
        assert len(fake.pauses) == 1


@pytest.mark.parametrize("kind", [Acr, ArtifactRegistry, Ecr])
def test_credentials_that_ended_are_asked_for_anew(kind: type[Guarded]) -> None:
    """kyverno#2790. The keychain's answer was remembered seconds before the password ended."""
    fake = kind()
    held: list[Credential] = []

    def renewed(_: Repository) -> list[Credential]:
        """One password until it has ended, as the clouds' helpers give it."""
        if not held or fake.expired(fake.accounts[-1]):
            held[:] = [fake.good()]
        return held

    keychain = Saying(renewed)
    with served(fake) as digest, fake.client(keychain=keychain) as client:
        renewed(fake.named(SECRET))
        fake.clock.advance((fake.password_seconds or 0) - 30)
        assert client.resolve(fake.named(SECRET), "v1", soon()) == digest
        fake.clock.advance(31)
        if isinstance(fake, BearerRegistry):
            fake.expire_tokens()
        assert client.resolve(fake.named(SECRET), "v1", soon()) == digest
    assert (keychain.asked, keychain.forgotten) == (2, 1)
