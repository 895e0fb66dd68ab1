"""`*-docker.pkg.dev` and `gcr.io`."""

from __future__ import annotations

import pytest

from gate.codes import Code
from tests.fakes.clients import soon
from tests.fakes.registries import SOURCE
from tests.fakes.registry_vendors import HOUR, ArtifactRegistry, Gcr
from tests.unit.registry.vendors.support import SECRET, config_of, everything, refused, served


@pytest.mark.parametrize("kind", [ArtifactRegistry, Gcr])
def test_the_token_service_is_on_the_same_host(kind: type[ArtifactRegistry]) -> None:
    fake = kind()
    with served(fake) as digest, fake.client(fake.good()) as client:
        assert client.resolve(fake.named(SECRET), "v1", soon()) == digest
    assert [(entry.host, entry.path) for entry in fake.log][1] == (fake.registry, "/v2/token")
    assert fake.asked[1].query["service"] == [fake.registry]


@pytest.mark.parametrize("kind", [ArtifactRegistry, Gcr])
def test_a_service_accounts_key_is_a_password_of_many_lines(kind: type[ArtifactRegistry]) -> None:
    fake = kind()
    with served(fake) as digest, fake.client(keychain=config_of(fake.registry, fake.service_account())) as client:
        everything(client, fake.named(SECRET), digest)


def test_after_its_hour_an_access_token_is_refused_and_named() -> None:
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
