"""The CNCF distribution."""

from __future__ import annotations

import pytest

from gate.codes import Code
from tests.fakes.clients import soon
from tests.fakes.registries import SOURCE
from tests.fakes.registry_vendors import DistributionBasic, DistributionOpen, DistributionToken
from tests.unit.registry.vendors.support import OPEN, SECRET, asked_with, everything, refused, served


@pytest.mark.parametrize("refusing", [401, 403])
def test_what_may_not_be_read_is_unauthorized(refusing: int) -> None:
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


def test_what_is_hidden_as_not_there_is_not_found_and_says_who_asked() -> None:
    fake = DistributionToken(refused=404)
    with served(fake), fake.client(fake.stranger()) as client:
        refused(fake, lambda: client.resolve(fake.named(SECRET), "v1", soon()), Code.IMAGE_NOT_FOUND, SOURCE)


def test_an_identity_token_is_posted() -> None:
    fake = DistributionToken()
    with served(fake) as digest, fake.client(fake.identity()) as client:
        everything(client, fake.named(SECRET), digest)
    assert [entry.method for entry in fake.log if entry.path == "/token"] == ["POST"]


def test_a_token_service_elsewhere_is_asked_with_no_credentials_only() -> None:
    fake = DistributionToken(elsewhere=True)
    with served(fake) as digest:
        with fake.client() as client:
            everything(client, fake.named(OPEN), digest)
        for credential in (fake.identity(), fake.good()):
            with fake.client(credential) as client:
                everything(client, fake.named(OPEN), digest)
        with fake.client(fake.good()) as client:
            error = refused(
                fake,
                lambda: client.resolve(fake.named(SECRET), "v1", soon()),
                Code.REGISTRY_UNAUTHORIZED,
                "sent to another host, auth.acme.example; they were not sent",
                SOURCE,
            )
    assert "tokenRealms" in error.remedy
    assert {(asked.method, asked.authorization) for asked in fake.asked if asked.path == "/token"} == {("GET", None)}


def test_htpasswd_lets_nobody_in_without_a_password() -> None:
    fake = DistributionBasic()
    with served(fake) as digest:
        with fake.client() as client:
            refused(fake, lambda: client.resolve(fake.named(OPEN), "v1", soon()))
        with fake.client(fake.good()) as client:
            everything(client, fake.named(OPEN), digest)
    assert "bearer" not in asked_with(fake, "/v2/")


def test_an_open_registry_is_told_no_secrets() -> None:
    fake = DistributionOpen()
    with served(fake) as digest, fake.client(fake.good()) as client:
        everything(client, fake.named(OPEN), digest)
    assert {entry.scheme for entry in fake.log} == {""}
