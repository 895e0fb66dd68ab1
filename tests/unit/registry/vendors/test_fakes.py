"""What the tests of registries lean on."""

from __future__ import annotations

import json

from gate.codes import Code
from gate.image.reference import Repository
from gate.registry.guard.transport import Request
from tests.fakes.clients import soon
from tests.fakes.registry_vendors import DistributionOpen, Ecr, Ghcr
from tests.unit.registry.vendors.support import OPEN, SECRET, everything, refused, send, served


def test_a_name_that_no_fake_has_leads_nowhere() -> None:
    with Ghcr() as fake, fake.client() as client:
        refused(fake, lambda: client.resolve(Repository("quay.io", OPEN), "v1", soon()), Code.REGISTRY_UNREACHABLE)


def test_a_fault_ends_after_so_many_times() -> None:
    fake = DistributionOpen()
    with served(fake):
        fake.fail(503, 2, where="/manifests/", headers=(("Retry-After", "1"),))
        url = f"http://{fake.host}/v2/{OPEN}/"
        answers = [send(fake, Request("GET", f"{url}{path}", 10_000)) for path in ("tags/list", *["manifests/v1"] * 3)]
    assert [answer.status for answer in answers] == [200, 503, 503, 200]
    assert answers[1].headers["retry-after"] == "1"
    assert json.loads(answers[0].body) == {"name": OPEN, "tags": ["v1"]}


def test_the_log_has_no_secrets() -> None:
    fake = Ghcr()
    with served(fake) as digest, fake.client(fake.good()) as client:
        everything(client, fake.named(SECRET), digest)
    assert len(fake.secrets) == 3
    assert not any(secret in repr(fake.log) for secret in fake.secrets)


def test_storage_takes_a_signature_or_a_header_and_not_both() -> None:
    fake = Ecr()
    with served(fake):
        blob = next(iter(fake.repositories[OPEN].blobs))
        for query, headers, status in (
            ("?X-Signature=abc", {}, 200),
            ("?X-Signature=abc", {"Authorization": "Basic eA=="}, 400),
            ("", {}, 400),
        ):
            url = f"http://{fake.host}/storage/{OPEN}/{blob}{query}"
            assert send(fake, Request("GET", url, 10_000, headers)).status == status
