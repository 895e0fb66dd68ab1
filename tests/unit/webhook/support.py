"""What the tests of the webhook share: an app over the registry simulator, and the API server's part of a talk."""

from __future__ import annotations

import base64
import copy
import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gate.documents import Document, read_documents
from gate.policy.reading.sets import parse_set
from gate.review.review import Reviewer
from gate.webhook.app import create_app
from gate.webhook.metrics import Metrics
from tests.fakes.clock import SettableClock
from tests.fakes.registry_simulator import RegistrySimulator
from tests.fakes.roots import NoRoots
from tests.fakes.signing import alice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from gate.policy.policy_set import PolicySet

API = "registry.test/acme/api"
EVIL = "evil.example/miner:latest"
UID = "0b7a1d6e-6f5c-4d2c-9a53-8f3c9a3e1c11"


def policy(rules: str, *, name: str = "p", mode: str = "enforce", match: str = "{}", signers: str = "{}") -> str:
    return (
        f"apiVersion: imagegate.dev/v1\nkind: ClusterGatePolicy\nmetadata: {{name: {name}}}\n"
        f"spec: {{mode: {mode}, match: {match}, signers: {signers}, rules: {rules}}}\n"
    )


def signed(mode: str = "enforce") -> str:
    """A policy that wants alice's signature, and so pins."""
    signers = json.dumps({"alice": {"key": {"pem": alice().pem.decode()}}})
    return policy("[{signature: {by: alice}}]", name="signed", mode=mode, signers=signers)


def only(registry: str, mode: str = "enforce") -> str:
    """A policy that allows one registry and asks none; both webhooks judge it."""
    return policy(f"[{{image: {{registries: [{registry}], tags: unsafeAny, denyTags: []}}}}]", name="only", mode=mode)


def config(spec: str) -> str:
    return f"apiVersion: imagegate.dev/v1\nkind: GateConfig\nmetadata: {{name: default}}\nspec: {spec}\n"


ANYTHING = policy("[{image: {tags: unsafeAny, denyTags: []}}]", name="anything")
LENIENT = config("{unmatched: warn}")
"""A set in which nothing could deny."""


def parsed(*texts: str) -> PolicySet:
    documents = [d for text in texts for d in read_documents(text, "policy.yaml")]
    assert all(isinstance(d, Document) for d in documents)
    found = parse_set([d for d in documents if isinstance(d, Document)], None)
    assert not found.problems, found.problems
    return found.set


class Hook:
    """The webhook and who asks it.

    Attributes:
        registry: the world behind it.
        policies: those in force; may be replaced.
    """

    def __init__(self, reviewer: Reviewer, registry: RegistrySimulator, policies: PolicySet) -> None:
        self.reviewer = reviewer
        self.registry = registry
        self.policies = policies
        self.metrics = Metrics()
        self.client: FlaskClient = create_app(reviewer, lambda: self.policies, metrics=self.metrics).test_client()

    def send(self, path: str, body: bytes, *, content_type: str = "application/json") -> TestResponse:
        return self.client.post(path, data=body, content_type=content_type)

    def ask(self, path: str, review: Mapping[str, Any]) -> dict[str, Any]:
        """The response to a review, as the API server accepts it."""
        answer = self.send(path, json.dumps(review).encode())
        assert (answer.status_code, answer.mimetype) == (200, "application/json")
        found: dict[str, Any] = json.loads(answer.data)
        assert (found["kind"], found["apiVersion"]) == ("AdmissionReview", review["apiVersion"])
        response: dict[str, Any] = found["response"]
        assert response["uid"] == review["request"]["uid"]
        assert ("patch" in response) is ("patchType" in response)
        if path.startswith("/validate") or not response["allowed"]:
            assert "patch" not in response
        return response

    def validate(self, obj: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        return self.ask("/validate?timeout=10s", review_of(obj, **more))

    def mutate(self, obj: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        return self.ask("/mutate?timeout=10s", review_of(obj, **more))


@contextmanager
def hook(*policies: str, registry: RegistrySimulator | None = None, reviewer: Reviewer | None = None) -> Iterator[Hook]:
    registry = registry or RegistrySimulator()
    reviewer = reviewer or Reviewer(registry, NoRoots(), time.monotonic, SettableClock().now)
    try:
        yield Hook(reviewer, registry, parsed(*policies))
    finally:
        reviewer.close()


def pod(*images: str, **spec: Any) -> dict[str, Any]:
    containers = [{"name": f"c{i}", "image": image} for i, image in enumerate(images)]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"containers": containers, **spec},
    }


def deployment(*images: str, **spec: Any) -> dict[str, Any]:
    inner = pod(*images, **spec)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": inner["metadata"],
        "spec": {"template": {"metadata": {}, "spec": inner["spec"]}},
    }


def review_of(
    obj: Mapping[str, Any] | None,
    *,
    old: Mapping[str, Any] | None = None,
    operation: str = "",
    sub_resource: str = "",
    api_version: str = "admission.k8s.io/v1",
    dry_run: bool = False,
    user: str = "someone",
    uid: str = UID,
) -> dict[str, Any]:
    shown = obj or old or {}
    group, _, version = str(shown.get("apiVersion", "v1")).rpartition("/")
    kind = {"group": group, "version": version, "kind": shown.get("kind", "Pod")}
    return {
        "kind": "AdmissionReview",
        "apiVersion": api_version,
        "request": {
            "uid": uid,
            "kind": kind,
            "subResource": sub_resource,
            "name": "web",
            "namespace": "shop",
            "operation": operation or ("UPDATE" if old else "CREATE"),
            "userInfo": {"username": user, "groups": ["system:authenticated"]},
            "object": obj,
            "oldObject": old,
            "dryRun": dry_run,
        },
    }


def steps_of(response: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The patch that an answer carries."""
    if "patch" not in response:
        return []
    assert response["patchType"] == "JSONPatch"
    steps: list[dict[str, Any]] = json.loads(base64.b64decode(response["patch"]))
    return steps


def patched(obj: Mapping[str, Any], response: Mapping[str, Any]) -> dict[str, Any]:
    """The object after the patch, as RFC 6902 has it: a `test` that fails is an error."""
    result: dict[str, Any] = copy.deepcopy(dict(obj))
    for step in steps_of(response):
        *above, last = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
        holder: Any = result
        for part in above:
            holder = holder[int(part) if isinstance(holder, list) else part]
        if step["op"] == "test":
            assert holder[last] == step["value"]
        else:
            assert step["op"] == "replace"
            assert last in holder
            holder[last] = step["value"]
    return result
