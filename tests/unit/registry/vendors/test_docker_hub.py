"""`docker.io`."""

from __future__ import annotations

import pytest

from gate.codes import Code
from gate.image.reference import Reference
from tests.fakes.clients import soon
from tests.fakes.registries import SOURCE
from tests.fakes.registry_vendors import DockerHub
from tests.unit.registry.vendors.support import OPEN, SECRET, config_of, everything, refused, served


def test_the_api_and_the_token_service_are_other_hosts() -> None:
    fake = DockerHub()
    with served(fake) as digest, fake.client(fake.good()) as client:
        assert client.resolve(fake.named(SECRET), "v1", soon()) == digest
    assert [(entry.host, entry.scheme) for entry in fake.log] == [
        ("registry-1.docker.io", ""),
        ("auth.docker.io", "basic"),
        ("registry-1.docker.io", "bearer"),
    ]


def test_an_official_image_is_under_library() -> None:
    fake = DockerHub()
    digest = fake.repository("library/nginx").image("1", "one")
    with fake, fake.client() as client:
        assert client.resolve(Reference.parse("index.docker.io/nginx:1").name, "1", soon()) == digest


def test_a_tag_is_resolved_without_a_pull() -> None:
    fake = DockerHub(remaining=1)
    with served(fake) as digest, fake.client() as client:
        for _ in range(3):
            client.resolve(fake.named(OPEN), "v1", soon())
        assert fake.remaining == 1
        client.manifest(fake.named(OPEN), digest, soon())
        assert fake.remaining == 0


@pytest.mark.parametrize("after", ["", "3600"])
def test_when_no_pulls_are_left_that_is_said(after: str) -> None:
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


def test_a_paid_account_is_not_counted() -> None:
    fake = DockerHub(remaining=None)
    with served(fake) as digest, fake.client(fake.good()) as client:
        everything(client, fake.named(SECRET), digest)


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io"])
def test_its_key_in_config_json_has_several_spellings(key: str) -> None:
    fake = DockerHub()
    with served(fake) as digest, fake.client(keychain=config_of(key, fake.good())) as client:
        assert client.resolve(fake.named(SECRET), "v1", soon()) == digest


def test_a_limit_is_told_with_its_numbers() -> None:
    """`ratelimit-limit: 100;w=21600`: how many in how long, how many are left, and that logging in raises it."""
    fake = DockerHub(remaining=0)
    with served(fake) as digest, fake.client() as client:
        client.resolve(fake.named(OPEN), "v1", soon())
        error = refused(
            fake, lambda: client.manifest(fake.named(OPEN), digest, soon()), Code.REGISTRY_RATE_LIMITED, "docker.io"
        )
    assert "0 of 100 left in 6 h" in error.message
    assert "docker login docker.io for more" in error.remedy


def test_whoever_is_logged_in_is_not_told_to_log_in_when_there_are_no_pulls_left() -> None:
    fake = DockerHub(remaining=0)
    with served(fake) as digest, fake.client(fake.good()) as client:
        error = refused(
            fake, lambda: client.manifest(fake.named(SECRET), digest, soon()), Code.REGISTRY_RATE_LIMITED, SOURCE
        )
    assert error.remedy == "retry later"
