"""`gate serve` in front of a real registry: what the API server would ask, and what it is told."""

from __future__ import annotations

import base64
import http.client
import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from gate.demo.cluster import LOOPBACK, Webhook, pod_of, review_of
from tests.e2e.commands import Format
from tests.e2e.policies import deployment, signed_by
from tests.e2e.registries import Repository, distribution

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.commands import Key, Shell
    from tests.e2e.conftest import Keys
    from tests.e2e.registries import Process

pytestmark = pytest.mark.e2e


@dataclass(frozen=True, slots=True)
class Cluster:
    """A webhook and its registry."""

    webhook: Webhook
    registry: Process

    def repository(self, name: str) -> Repository:
        return Repository(self.registry.host, f"shop/{name}")


@contextmanager
def _cluster(folder: Path, key: Key) -> Iterator[Cluster]:
    with distribution(folder / "registry") as registry:
        policy = folder / "policy.yaml"
        policy.write_text(signed_by(key, f"{registry.host}/shop"))
        with Webhook(folder, policy, registry.host) as webhook:
            yield Cluster(webhook, registry)


@pytest.fixture(scope="module")
def cluster(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with _cluster(tmp_path_factory.mktemp("cluster"), keys.release) as running:
        yield running


def _deployment_review(image: str) -> dict[str, Any]:
    review = review_of(deployment("api", image))
    kind = {"group": "apps", "version": "v1", "kind": "Deployment"}
    resource = {"group": "apps", "version": "v1", "resource": "deployments"}
    review["request"] |= {"kind": kind, "requestKind": kind, "resource": resource}
    return review


def _patch(response: dict[str, Any]) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = json.loads(base64.b64decode(response.get("patch", "") or b"W10="))
    return steps


@pytest.mark.parametrize("form", [Format.LEGACY, Format.BUNDLE], ids=lambda form: form.value)
def test_a_signed_pod_is_pinned_and_runs(cluster: Cluster, shell: Shell, keys: Keys, form: Format) -> None:
    repository = cluster.repository(f"signed-{form.value}")
    digest = repository.image("v1", "one")
    shell.sign(repository.at(digest), keys.release, form)
    pinned = f"{repository.at('v1')}@{digest}"

    mutated = cluster.webhook.post("/mutate", review_of(pod_of(repository.at("v1"))))
    assert mutated["allowed"] is True
    replaced = [step for step in _patch(mutated) if step["op"] != "test"]
    assert replaced == [{"op": "replace", "path": "/spec/containers/0/image", "value": pinned}]

    review = review_of(pod_of(pinned))
    validated = cluster.webhook.post("/validate", review)
    assert validated["allowed"] is True
    assert validated["uid"] == review["request"]["uid"]

    by_tag = cluster.webhook.post("/validate", review_of(pod_of(repository.at("v1"))))
    assert by_tag["allowed"] is False
    assert "DIGEST_REQUIRED" in by_tag["status"]["message"]

    answer = cluster.webhook.admit(repository.at("v1"))
    assert (answer.allowed, answer.image) == (True, pinned)


def test_an_unsigned_pod_is_denied(cluster: Cluster) -> None:
    repository = cluster.repository("unsigned")
    repository.image("v1", "one")
    answer = cluster.webhook.admit(repository.at("v1"))
    assert answer.allowed is False
    assert answer.message.startswith(f"DENIED {repository.at('v1')}")
    assert "SIGNATURE_MISSING: " in answer.message
    assert "(container app) by shop/signature" in answer.message.splitlines()[0]


def test_a_strangers_pod_is_denied(cluster: Cluster, shell: Shell, keys: Keys) -> None:
    repository = cluster.repository("stranger")
    shell.sign(repository.at(repository.image("v1", "one")), keys.stranger, Format.BUNDLE)
    answer = cluster.webhook.admit(repository.at("v1"))
    assert answer.allowed is False
    assert "KEY_MISMATCH: " in answer.message


def test_a_deployment_keeps_its_tag_and_is_judged(cluster: Cluster, shell: Shell, keys: Keys) -> None:
    signed = cluster.repository("deployed")
    shell.sign(signed.at(signed.image("v1", "one")), keys.release, Format.LEGACY)
    mutated = cluster.webhook.post("/mutate", _deployment_review(signed.at("v1")))
    assert (mutated["allowed"], _patch(mutated)) == (True, [])
    assert cluster.webhook.post("/validate", _deployment_review(signed.at("v1")))["allowed"] is True

    unsigned = cluster.repository("deployed-unsigned")
    unsigned.image("v1", "one")
    mutated = cluster.webhook.post("/mutate", _deployment_review(unsigned.at("v1")))
    assert (mutated["allowed"], _patch(mutated)) == (True, [])
    refused = cluster.webhook.post("/validate", _deployment_review(unsigned.at("v1")))
    assert refused["allowed"] is False
    assert "SIGNATURE_MISSING: " in refused["status"]["message"]


def test_what_the_reference_alone_decides_is_denied_first(cluster: Cluster) -> None:
    api = cluster.repository("api")
    for image, code in ((api.at("latest"), "TAG_MUTABLE"), ("docker.io/library/nginx:1.27", "REGISTRY_NOT_ALLOWED")):
        answer = cluster.webhook.admit(image)
        assert answer.allowed is False
        assert code in answer.message


def test_the_metrics_count_reviews_and_findings(cluster: Cluster) -> None:
    repository = cluster.repository("counted")
    repository.image("v1", "one")
    before = _metrics(cluster)
    assert cluster.webhook.admit(repository.at("v1")).allowed is False
    after = _metrics(cluster)
    for name in (
        'imagegate_reviews_total{stage="mutate",verdict="allow"}',
        'imagegate_reviews_total{stage="validate",verdict="deny"}',
        'imagegate_findings_total{code="SIGNATURE_MISSING",verdict="deny"}',
    ):
        assert after[name] == before.get(name, 0) + 1, name
    assert any(name.startswith("imagegate_build_info") for name in after)


def test_a_stopped_registry_is_no_verdict_and_stops_the_pod(shell: Shell, keys: Keys, tmp_path: Path) -> None:
    with _cluster(tmp_path, keys.release) as cluster:
        repository = cluster.repository("unreachable")
        digest = repository.image("v1", "one")
        shell.sign(repository.at(digest), keys.release, Format.LEGACY)
        cluster.registry.stop()
        for path, image in (("/mutate", repository.at("v1")), ("/validate", f"{repository.at('v1')}@{digest}")):
            review = review_of(pod_of(image))
            response = cluster.webhook.post(path, review)  # raises unless the status is 200
            assert response["allowed"] is False
            assert response["uid"] == review["request"]["uid"]
            message = response["status"]["message"]
            assert message.startswith(f"NOT JUDGED {image} (container app)"), message
            assert "REGISTRY_UNREACHABLE: " in message


def _metrics(cluster: Cluster) -> dict[str, float]:
    connection = http.client.HTTPConnection(LOOPBACK, cluster.webhook.metrics_port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        assert answer.status == 200
        lines = answer.read().decode().splitlines()
    finally:
        connection.close()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}
