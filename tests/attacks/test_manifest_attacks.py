"""Manifests and policies that would say one thing here and another to kubectl or to whoever wrote them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gate.deadline import Deadline
from gate.documents import Document, read_documents
from gate.errors import EvidenceUnavailable, UsageError
from gate.feeds.folder import load_policies
from gate.image.reference import Repository
from gate.kubernetes.workload import WORKLOAD_KINDS
from gate.policy.reading.schema import policies as schema
from gate.policy.reading.sets import parse_set
from gate.registry.credentials.docker_config import DockerConfig
from gate.settings import parse_duration
from gate.sources.manifests import Found, read_manifests

if TYPE_CHECKING:
    from pathlib import Path

EVIL = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "evil"},
    "spec": {"containers": [{"name": "a", "image": "evil.example/x:latest"}]},
}


def found(text: str) -> Found:
    result = Found()
    read_manifests(text, "f.yaml", result)
    return result


@pytest.mark.parametrize("kind", ["Namespace", "ConfigMap", "Secret", "ClusterGatePolicy", "Anything", "Deployment"])
def test_what_has_items_is_a_list_whatever_it_calls_itself(kind: str) -> None:
    """kubectl creates the items, and of a Deployment nothing else."""
    api = "imagegate.dev/v1" if kind == "ClusterGatePolicy" else "apps/v1" if kind == "Deployment" else "v1"
    result = found(json.dumps({"apiVersion": api, "kind": kind, "metadata": {"name": "x"}, "items": [EVIL]}))
    assert [use.text for use in result.uses] == ["evil.example/x:latest"]


def test_an_object_with_items_is_judged_itself_too() -> None:
    good = json.loads(json.dumps(EVIL).replace("evil.example/x:latest", "good.example/x:v1"))
    result = found(json.dumps({**good, "items": [EVIL]}))
    assert sorted(use.text for use in result.uses) == ["evil.example/x:latest", "good.example/x:v1"]


@pytest.mark.parametrize(
    "spec",
    [
        {"ephemeralContainers": [{"name": "a", "image": "evil.example/x:latest"}]},
        {"volumes": [{"name": "v", "image": {"reference": "evil.example/x:latest"}}]},
    ],
)
def test_a_misspelled_kind_with_images_elsewhere_is_an_error(spec: object) -> None:
    assert found(json.dumps({"apiVersion": "v1", "kind": "pod", "spec": spec})).errors


@pytest.mark.parametrize("depth", [5, 60, 90])
def test_an_image_hidden_deep_in_an_unknown_kind_is_an_error(depth: int) -> None:
    spec: object = {"image": "evil.example/x:latest"}
    for _ in range(depth):
        spec = {"a": spec}
    assert found(json.dumps({"apiVersion": "acme.example/v1", "kind": "Runner", "spec": spec})).errors


@pytest.mark.parametrize("wrap", ["List", "array", "ConfigMap"])
def test_policies_inside_a_list_are_an_error(wrap: str) -> None:
    """Skipped, a denial would be gone without a word."""
    policy = {
        "apiVersion": "imagegate.dev/v1",
        "kind": "ClusterGatePolicy",
        "metadata": {"name": "no-evil"},
        "spec": {"rules": [{"deny": {}}]},
    }
    inside: object = [policy] if wrap == "array" else {"apiVersion": "v1", "kind": wrap, "items": [policy]}
    documents = [d for d in read_documents(json.dumps(inside), "p.yaml") if isinstance(d, Document)]
    (problem,) = parse_set(documents, None).problems
    assert "policies inside a list are not read" in problem.message


@pytest.mark.parametrize(
    "match",
    [
        {"kinds": ["deployment"]},
        {"kinds": ["Deploymnt"]},
        {"namespaces": {"names": ["Prod"]}},
        {"namespaces": {"names": ["*"]}},
    ],
)
def test_a_policy_that_can_match_nothing_is_an_error(match: object) -> None:
    policy = {
        "apiVersion": "imagegate.dev/v1",
        "kind": "ClusterGatePolicy",
        "metadata": {"name": "p"},
        "spec": {"match": match, "rules": [{"deny": {}}]},
    }
    documents = [d for d in read_documents(json.dumps(policy), "p.yaml") if isinstance(d, Document)]
    assert len(parse_set(documents, None).problems) == 1


def test_the_kinds_a_policy_may_name_are_those_that_are_read() -> None:
    assert set(schema.WORKLOAD_KINDS) == set(WORKLOAD_KINDS)


def test_a_token_that_is_no_header_is_shown_to_nobody() -> None:
    """It stood in the message, and so in the answer to everybody who may create a Pod."""
    for token in ("S3CRET-TOKEN\n", "S3CRET\u20acTOKEN", "S3CRET TOKEN"):
        text = json.dumps({"auths": {"registry.test": {"registrytoken": token}}}).encode()
        with pytest.raises(EvidenceUnavailable) as refused:
            DockerConfig.parse(text, "config.json").find(
                Repository("registry.test", "a"), Deadline.after(10, lambda: 0.0)
            )
        assert "S3CRET" not in str(refused.value)
        assert "config.json" in str(refused.value)


def test_folders_that_link_to_themselves_end(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        "apiVersion: imagegate.dev/v1\nkind: GateConfig\nmetadata: {name: default}\nspec: {}"
    )
    for name in ("x", "y"):
        (tmp_path / name).symlink_to(tmp_path)
    assert load_policies([tmp_path]).files == 1


@pytest.mark.parametrize("text", ["200000d", "999999999d", "25h"])
def test_a_time_that_no_clock_holds_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_duration(text)
