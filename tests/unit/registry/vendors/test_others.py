"""Harbor, Quay and CleanStart."""

from __future__ import annotations

import pytest

from tests.fakes.clients import soon
from tests.fakes.registry_vendors import CleanStart, Harbor, Quay
from tests.unit.registry.vendors.support import OPEN, SECRET, asked_with, config_of, everything, served


def test_a_robots_name_has_a_dollar_in_it() -> None:
    fake = Harbor()
    with served(fake) as digest, fake.client(keychain=config_of(fake.registry, fake.good())) as client:
        everything(client, fake.named(SECRET), digest)
    assert fake.accounts[0].username == "robot$acme+ci"


def test_referrers_that_are_called_json_are_read() -> None:
    """goharbor/harbor#19690."""
    fake = Harbor()
    with served(fake) as digest, fake.client() as client:
        assert len(client.referrers(fake.named(OPEN), digest, soon())) == 1
    assert fake.listing_type == "application/json"


def test_a_robot_is_named_after_its_organisation() -> None:
    fake = Quay()
    with served(fake) as digest, fake.client(fake.good()) as client:
        everything(client, fake.named(SECRET), digest)
    assert fake.accounts[0].username == "acme+ci"
    assert asked_with(fake, "/v2/auth") == ["basic"]


@pytest.mark.parametrize(
    "key", ["registry.cleanstart.io", "https://registry.cleanstart.io", "registry.cleanstart.io/v2/"]
)
def test_what_docker_login_leaves_is_read(key: str) -> None:
    fake = CleanStart()
    with served(fake) as digest, fake.client(keychain=config_of(key, fake.good())) as client:
        everything(client, fake.named(SECRET), digest)
