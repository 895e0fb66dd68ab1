"""`NAME.azurecr.io`."""

from __future__ import annotations

import json
from urllib.parse import urlencode

from gate.codes import Code
from gate.registry.credentials.credential import Credential
from gate.registry.guard.transport import Request
from tests.fakes.clients import soon
from tests.fakes.registries import SOURCE
from tests.fakes.registry_vendors import HOUR, Acr
from tests.unit.registry.vendors.support import OPEN, SECRET, config_of, everything, refused, send, served


def test_a_service_principal_is_a_password() -> None:
    fake = Acr()
    with served(fake) as digest, fake.client(fake.principal()) as client:
        everything(client, fake.named(SECRET), digest)


def test_what_az_acr_login_leaves_in_config_json_is_read() -> None:
    """The user of zeros with no password, and the refresh token as an identity token."""
    fake = Acr()
    identity = fake.identity()
    with served(fake) as digest, fake.client(keychain=config_of(fake.registry, identity)) as client:
        everything(client, fake.named(SECRET), digest)
    assert [entry.method for entry in fake.log if entry.path == "/oauth2/token"] == ["POST"]


def test_an_expired_refresh_token_is_named() -> None:
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


def test_a_refresh_token_may_come_of_anexchange() -> None:
    """What the fake does for whoever trades a token of Entra ID: both uses of what comes back."""
    fake = Acr()
    with served(fake) as digest:
        traded = exchange(fake, fake.entra_token())
        for credential in (Credential(SOURCE, identity_token=traded), Credential(SOURCE, Acr.user, traded)):
            with fake.client(credential) as client:
                assert client.resolve(fake.named(SECRET), "v1", soon()) == digest
        assert exchange(fake, "another") == ""


def test_referrers_without_artifact_types_are_listed() -> None:
    """Azure/acr#784: what they are is in the manifests."""
    fake = Acr()
    with served(fake) as digest, fake.client() as client:
        (entry,) = client.referrers(fake.named(OPEN), digest, soon())
    assert entry.artifact_type == ""


def exchange(fake: Acr, token: str) -> str:
    """The refresh token that an access token is traded for; "" for none."""
    form = {"grant_type": "access_token", "service": fake.registry, "tenant": fake.tenant, "access_token": token}
    url = f"http://{fake.host}/oauth2/exchange"
    body = send(fake, Request("POST", url, 10_000, {}, urlencode(form).encode())).body
    return str(json.loads(body).get("refresh_token", ""))
