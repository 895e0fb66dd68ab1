"""`ghcr.io`."""

from __future__ import annotations

import pytest

from gate.codes import Code
from tests.fakes.clients import soon
from tests.fakes.registries import SOURCE
from tests.fakes.registry_vendors import Ghcr
from tests.unit.registry.vendors.support import OPEN, SECRET, asked_with, everything, refused, served


def test_what_is_public_needs_a_token_too() -> None:
    fake = Ghcr()
    with served(fake) as digest, fake.client() as client:
        assert client.resolve(fake.named(OPEN), "v1", soon()) == digest
    assert [(entry.path, entry.scheme, entry.status) for entry in fake.log] == [
        (f"/v2/{OPEN}/manifests/v1", "", 401),
        ("/token", "", 200),
        (f"/v2/{OPEN}/manifests/v1", "bearer", 200),
    ]


def test_a_personal_access_token_goes_to_the_token_service_only() -> None:
    """The API answers it with 403 and no challenge (renovate#11446)."""
    fake = Ghcr()
    with served(fake) as digest, fake.client(fake.good()) as client:
        everything(client, fake.named(SECRET), digest)
    assert asked_with(fake, "/token") == ["basic"]
    assert "basic" not in asked_with(fake, "/v2/")


@pytest.mark.parametrize("which", ["stale", "wrong"])
def test_stale_credentials_do_not_hide_what_is_public(which: str) -> None:
    """oras#1161, and most reports of `denied: denied`: what is public is asked for again with no credentials."""
    fake = Ghcr()
    credential = fake.stale() if which == "stale" else fake.wrong()
    with served(fake) as digest, fake.client(credential) as client:
        everything(client, fake.named(OPEN), digest)
    assert asked_with(fake, "/token") == ["basic", ""]


def test_stale_credentials_for_what_is_private_are_still_named() -> None:
    """The refusal that is told is that of the credentials, and not the one of asking without."""
    fake = Ghcr()
    with served(fake), fake.client(fake.stale()) as client:
        refused(
            fake,
            lambda: client.resolve(fake.named(SECRET), "v1", soon()),
            Code.REGISTRY_UNAUTHORIZED,
            "ghcr.io",
            "403",
            SOURCE,
            "docker login ghcr.io",
        )
    assert asked_with(fake, "/token") == ["basic", ""]


def test_a_token_refused_with_403_and_no_challenge_is_replaced() -> None:
    """renovate#11446: only a request without the header is challenged. Once: then 403 is 403."""
    fake = Ghcr()
    with served(fake) as digest, fake.client(fake.good()) as client:
        everything(client, fake.named(SECRET), digest)
        fake.expire_tokens()
        everything(client, fake.named(SECRET), digest)
    assert fake.token_requests == 2
