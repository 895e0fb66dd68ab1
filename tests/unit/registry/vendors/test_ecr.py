"""`ACCOUNT.dkr.ecr.REGION.amazonaws.com` and `public.ecr.aws`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.codes import Code
from tests.fakes.clients import Saying, soon
from tests.fakes.registries import SOURCE, refusal
from tests.fakes.registry_vendors import HOUR, Ecr, Quay
from tests.unit.registry.vendors.support import OPEN, SECRET, asked_with, everything, refused, served

if TYPE_CHECKING:
    from tests.fakes.scripted_server import Asked, Reply


def test_the_token_is_a_basic_password_sent_to_the_registry() -> None:
    fake = Ecr()
    with served(fake) as digest, fake.client(fake.good()) as client:
        everything(client, fake.named(SECRET), digest)
    assert asked_with(fake, "/v2/")[:2] == ["", "basic"]
    assert set(asked_with(fake, "/v2/")[1:]) == {"basic"}


def test_without_a_digest_header_the_tag_is_read_and_its_digest_computed() -> None:
    fake = Ecr()
    with served(fake) as digest, fake.client(fake.good()) as client:
        assert client.resolve(fake.named(SECRET), "v1", soon()) == digest
    assert [entry.method for entry in fake.log if entry.status == 200] == ["HEAD", "GET"]


def test_after_twelve_hours_a_token_is_refused_and_named() -> None:
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


def test_a_keychain_that_has_a_new_token_is_asked_again() -> None:
    fake = Ecr()
    renewing = Saying(lambda _: [fake.good()])
    with served(fake) as digest, fake.client(keychain=renewing) as client:
        for _ in range(3):
            assert client.resolve(fake.named(SECRET), "v1", soon()) == digest
            fake.clock.advance(12 * HOUR)
    assert renewing.asked == 3


class EcrPublic(Quay):
    """`public.ecr.aws`: an expired or invalid bearer token is 400 without a challenge (aws/containers-roadmap#2835)."""

    registry = "public.ecr.aws"
    storage = ""
    realm_path = "/token/"

    def refuse_header(self, asked: Asked, path: str) -> Reply:
        return refusal(400, "DENIED", "Your authorization token is invalid or has expired.")


def test_ecr_publics_400_for_an_ended_token_is_not_a_missing_referrers_api() -> None:
    fake = EcrPublic()
    with served(fake) as digest, fake.client() as client:
        client.resolve(fake.named(OPEN), "v1", soon())
        fake.expire_tokens()
        assert len(client.referrers(fake.named(OPEN), digest, soon())) == 1
    assert fake.token_requests == 2
