"""What the tests of registries share: an image in a public and a private repository, and asking for all of it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.demo.images import Layer
from gate.errors import EvidenceUnavailable
from gate.image.manifest import Manifest
from gate.registry.credentials.docker_config import DockerConfig
from gate.registry.guard.hosts import Hosts
from tests.fakes.clients import soon
from tests.fakes.loopback import LoopbackTransport
from tests.fakes.registries import SOURCE
from tests.fakes.registry_vendors import (
    Acr,
    ArtifactRegistry,
    CleanStart,
    DistributionBasic,
    DistributionOpen,
    DistributionToken,
    DockerHub,
    Ecr,
    Gcr,
    Ghcr,
    Harbor,
    Quay,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate.image.digest import Digest
    from gate.image.reference import Repository
    from gate.registry.client import RegistryClient
    from gate.registry.credentials.credential import Credential
    from gate.registry.guard.transport import Request, Response
    from tests.fakes.registries import FakeRegistry
    from tests.fakes.registry_auth import BearerRegistry, Guarded

SBOM = "application/vnd.acme.sbom"
OPEN = "acme/open"
SECRET = "acme/secret"
TOKENS: list[type[BearerRegistry]] = [
    Acr,
    ArtifactRegistry,
    CleanStart,
    DistributionToken,
    DockerHub,
    Gcr,
    Ghcr,
    Harbor,
    Quay,
]
ACCOUNTS: list[type[Guarded]] = [*TOKENS, DistributionBasic, Ecr]
ALL: list[type[FakeRegistry]] = [*ACCOUNTS, DistributionOpen]


@contextmanager
def served(fake: FakeRegistry) -> Iterator[Digest]:
    """The fake, up, with the same image and one referrer in a public and in a private repository."""
    for path, private in ((OPEN, False), (SECRET, True)):
        memory = fake.repository(path, private=private)
        digest = memory.image("v1", "one")
        memory.attach(digest, SBOM, [Layer(SBOM, b"{}")])
    with fake:
        yield digest


def everything(client: RegistryClient, repository: Repository, digest: Digest) -> None:
    """A tag, a manifest, a blob, and what refers to it, where the registry keeps that."""
    assert client.resolve(repository, "v1", soon()) == digest
    stored = client.manifest(repository, digest, soon())
    assert stored is not None
    assert isinstance(stored.manifest, Manifest)
    config = json.loads(client.blob(repository, stored.manifest.config, 10_000, soon()).read())
    assert config["os"] == "linux"
    listed = client.referrers(repository, digest, soon())
    if not listed:
        fallback = client.manifest(repository, digest.tag, soon())
        assert fallback is not None
        assert not isinstance(fallback.manifest, Manifest)
        listed = fallback.manifest.manifests
    (entry,) = listed
    referrer = client.manifest(repository, entry.digest, soon())
    assert referrer is not None
    assert isinstance(referrer.manifest, Manifest)
    assert referrer.manifest.subject is not None
    assert (referrer.manifest.subject.digest, referrer.manifest.artifact_type) == (digest, SBOM)


def refused(
    fake: FakeRegistry, call: Callable[[], object], code: Code = Code.REGISTRY_UNAUTHORIZED, *says: str
) -> EvidenceUnavailable:
    """The call fails with the code; its text has what is named and nothing secret."""
    with pytest.raises(EvidenceUnavailable) as caught:
        call()
    text = str(caught.value)
    assert caught.value.code is code, text
    for part in says:
        assert part in text
    for secret in fake.secrets:
        assert secret not in text
    return caught.value


def asked_with(fake: FakeRegistry, part: str) -> list[str]:
    """The schemes of the Authorization headers of requests whose path has a part."""
    return [entry.scheme for entry in fake.log if part in entry.path]


def config_of(key: str, credential: Credential) -> DockerConfig:
    """A config.json as `docker login` writes it."""
    entry = {"auth": credential.basic.removeprefix("Basic ")}
    if credential.identity_token:
        entry = {
            "auth": "MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwOg==",
            "identitytoken": credential.identity_token,
        }
    return DockerConfig.parse(json.dumps({"auths": {key: entry}}).encode(), SOURCE)


def send(fake: FakeRegistry, request: Request) -> Response:
    transport = LoopbackTransport(Hosts(insecure=frozenset({fake.host})), {})
    try:
        return transport.send(request, soon())
    finally:
        transport.close()
