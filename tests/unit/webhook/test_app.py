from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gate.codes import Code
from gate.kubernetes.admission import MAX_BODY
from gate.policy.config import MAX_IMAGES
from gate.review.prewarm import Prewarmer
from gate.review.review import Reviewer
from gate.review.warming import Warming
from gate.webhook.admission import budget
from gate.webhook.app import create_app, create_metrics_app
from gate.webhook.metrics import Metrics
from tests.fakes.clock import SettableClock
from tests.fakes.registry_simulator import RegistrySimulator
from tests.fakes.roots import NoRoots
from tests.fakes.signing import alice, mallory
from tests.unit.webhook.support import (
    ANYTHING,
    API,
    EVIL,
    LENIENT,
    UID,
    config,
    deployment,
    hook,
    only,
    parsed,
    patched,
    pod,
    policy,
    review_of,
    signed,
    steps_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.deadline import Deadline
    from gate.image.digest import Digest
    from gate.policy.plan import Stage
    from gate.policy.policy_set import PolicySet
    from gate.review.review import ImageReview, Subject

GOLDEN = Path(__file__).parents[2] / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.json") if not path.stem.endswith(".expected"))
TAGGED = f"{API}:v1"


def stocked() -> tuple[RegistrySimulator, Digest]:
    """A registry with one image that alice signed."""
    registry = RegistrySimulator()
    digest = registry.push_image(API, "v1")
    registry.sign_legacy(API, digest, alice(), {"stage": "test"})
    return registry, digest


class Broken(Reviewer):
    """A reviewer with a bug."""

    def review(
        self, policies: PolicySet, subjects: Sequence[Subject], stage: Stage, deadline: Deadline
    ) -> tuple[ImageReview, ...]:
        raise RuntimeError("a bug, with a secret in its words")


# What a real API server sends


def _expected(name: str) -> list[str]:
    """The texts of the images that have to be judged."""
    found = json.loads((GOLDEN / f"{name}.expected.json").read_bytes())
    texts = {image["path"]: image["text"] for image in found["images"]}
    return [texts[path] for path in found["judged"]]


@pytest.mark.parametrize("path", ["/validate", "/mutate"])
@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_review_with_images_to_judge_is_denied_where_all_are_denied(name: str, path: str) -> None:
    review = json.loads((GOLDEN / f"{name}.json").read_bytes())
    with hook(only("nowhere.test")) as webhook:
        response = webhook.ask(path, review)
    images = _expected(name)
    assert response["allowed"] is (not images)
    for image in images[:1]:
        assert response["status"]["code"] == 403
        assert response["status"]["message"].startswith("DENIED ")
        assert "REGISTRY_NOT_ALLOWED" in response["status"]["message"]
        assert any(text in response["status"]["message"] for text in images), image


@pytest.mark.parametrize("path", ["/validate", "/mutate"])
@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_review_is_allowed_where_all_are_allowed(name: str, path: str) -> None:
    review = json.loads((GOLDEN / f"{name}.json").read_bytes())
    with hook(ANYTHING) as webhook:
        response = webhook.ask(path, review)
    assert response["allowed"] is True
    assert "patch" not in response
    assert "status" not in response


@pytest.mark.parametrize("api_version", ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"])
@pytest.mark.parametrize(("image", "allowed"), [("registry.test/x:v1", True), (EVIL, False)])
@pytest.mark.parametrize("path", ["/validate", "/mutate"])
def test_version_and_uid_are_echoed(path: str, image: str, allowed: bool, api_version: str) -> None:  # noqa: FBT001
    with hook(only("registry.test")) as webhook:
        response = webhook.ask(path, review_of(pod(image), api_version=api_version, uid="any-uid.1:2_3"))
    assert (response["uid"], response["allowed"]) == ("any-uid.1:2_3", allowed)


@pytest.mark.parametrize("operation", ["DELETE", "CONNECT"])
@pytest.mark.parametrize("path", ["/validate", "/mutate"])
def test_what_brings_no_image_is_allowed(path: str, operation: str) -> None:
    with hook(only("nowhere.test")) as webhook:
        response = webhook.ask(path, review_of(None, old=pod(EVIL), operation=operation))
    assert (response["allowed"], "patch" in response, "warnings" in response) == (True, False, False)


@pytest.mark.parametrize("sub_resource", ["scale", "status", "binding", "eviction"])
def test_subresources_without_images_are_allowed(sub_resource: str) -> None:
    with hook(only("nowhere.test")) as webhook:
        for obj in (pod(EVIL), deployment(EVIL)):
            assert webhook.validate(obj, old=pod("x"), sub_resource=sub_resource)["allowed"] is True


def test_an_update_judges_and_pins_only_what_changed() -> None:
    registry, digest = stocked()
    with hook(signed(), registry=registry) as webhook:
        old = pod(EVIL, "old.test/x:1")
        new = pod(EVIL, TAGGED)
        assert [s["path"] for s in steps_of(webhook.mutate(new, old=old))] == ["/spec/containers/1/image"] * 2
        assert webhook.validate(pod(EVIL, f"{TAGGED}@{digest}"), old=old)["allowed"] is True
        calls = registry.calls.total()
        labelled = {**old, "metadata": {**old["metadata"], "labels": {"a": "b"}}}
        for answer in (webhook.mutate(labelled, old=old), webhook.validate(labelled, old=old)):
            assert answer == {"uid": UID, "allowed": True}
        assert registry.calls.total() == calls
        assert webhook.validate(pod("old.test/x:1", EVIL), old=old)["allowed"] is False


def test_kinds_that_hold_no_images_are_allowed() -> None:
    with hook(only("nowhere.test")) as webhook:
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "spec": pod(EVIL)["spec"]}
        assert webhook.validate(secret)["allowed"] is True


# Pinning


@pytest.mark.parametrize(
    ("where", "pinned", "unpinned_allowed"),
    [
        ("pods", {"Pod": True, "Deployment": False}, {"Pod": False, "Deployment": True}),
        ("all", {"Pod": True, "Deployment": True}, {"Pod": False, "Deployment": True}),
        ("none", {"Pod": False, "Deployment": False}, {"Pod": False, "Deployment": False}),
    ],
)
def test_where_is_pinned(where: str, pinned: dict[str, bool], unpinned_allowed: dict[str, bool]) -> None:
    registry, digest = stocked()
    with hook(signed(), config(f"{{pinning: {{where: {where}}}}}"), registry=registry) as webhook:
        for obj in (pod(TAGGED), deployment(TAGGED)):
            kind = obj["kind"]
            response = webhook.mutate(obj)
            if where == "none":
                assert "DIGEST_REQUIRED" in response["status"]["message"]
                continue
            assert bool(steps_of(response)) is pinned[kind]
            after = patched(obj, response)
            assert webhook.validate(after)["allowed"] is True
        for obj in (pod(TAGGED), deployment(TAGGED)):
            response = webhook.validate(obj)
            assert response["allowed"] is unpinned_allowed[obj["kind"]]
            if not response["allowed"]:
                assert "DIGEST_REQUIRED" in response["status"]["message"]
        written = f"{TAGGED}@{digest}"
        for obj in (pod(written), deployment(written)):
            assert steps_of(webhook.mutate(obj)) == []
            assert webhook.validate(obj)["allowed"] is True


def test_a_patch_is_one_test_and_one_replace_for_each_image() -> None:
    registry, digest = stocked()
    with hook(signed(), registry=registry) as webhook:
        obj = pod(
            TAGGED,
            f"{API}@{digest}",
            f"{API}:v1",
            initContainers=[{"name": "i", "image": TAGGED}],
            ephemeralContainers=[{"name": "e", "image": TAGGED}],
            volumes=[{"name": "tmp", "emptyDir": {}}, {"name": "m", "image": {"reference": TAGGED}}],
        )
        response = webhook.mutate(obj)
        steps = steps_of(response)
        paths = [
            "/spec/containers/0/image",
            "/spec/containers/2/image",
            "/spec/initContainers/0/image",
            "/spec/ephemeralContainers/0/image",
            "/spec/volumes/1/image/reference",
        ]
        assert steps == [
            {"op": op, "path": path, "value": TAGGED if op == "test" else f"{TAGGED}@{digest}"}
            for path in paths
            for op in ("test", "replace")
        ]
        after = patched(obj, response)
        assert steps_of(webhook.mutate(after)) == [], "sent again, as reinvocation does"
        assert webhook.validate(after)["allowed"] is True
        assert registry.calls["resolve"] == 1


@pytest.mark.parametrize(
    ("written", "resolved"),
    [
        ("nginx", "nginx@{}"),
        ("docker.io/nginx:latest", "docker.io/nginx:latest@{}"),
        ("NGINX.test/a", "NGINX.test/a@{}"),
    ],
)
def test_what_is_pinned_keeps_its_text(written: str, resolved: str) -> None:
    registry = RegistrySimulator()
    digest = registry.push_image(written, "latest")
    with hook(policy("[{image: {denyTags: []}}]"), registry=registry) as webhook:
        obj = pod(written)
        response = webhook.mutate(obj)
        assert patched(obj, response)["spec"]["containers"][0]["image"] == resolved.format(digest)
        assert response["auditAnnotations"]["resolved"] == resolved.format(digest)


def test_a_denied_tag_is_denied_by_mutate_and_never_pinned() -> None:
    registry, _ = stocked()
    registry.push_image(API, "latest")
    with hook(policy("[{image: {denyTags: [latest]}}]"), registry=registry) as webhook:
        for image in (f"{API}:latest", API):
            response = webhook.mutate(pod(image, TAGGED))
            assert response["allowed"] is False
            assert re.search("TAG_MUTABLE|TAG_MISSING", response["status"]["message"])


def test_warned_policies_pin_and_audited_ones_do_not() -> None:
    registry, _ = stocked()
    for mode, steps in (("warn", 2), ("audit", 0)):
        with hook(signed(mode), config("{unmatched: audit}"), registry=registry) as webhook:
            assert len(steps_of(webhook.mutate(pod(TAGGED)))) == steps


def test_a_tag_that_cannot_be_resolved_denies_at_mutate() -> None:
    registry, _ = stocked()
    registry.fail_with("resolve", Code.REGISTRY_TIMEOUT)
    with hook(signed(), registry=registry) as webhook:
        response = webhook.mutate(pod(TAGGED))
    assert (response["allowed"], response["status"]["code"]) == (False, 503)
    assert response["status"]["message"].startswith(f"NOT JUDGED {TAGGED} (container c0)")
    assert "REGISTRY_TIMEOUT" in response["status"]["message"]


# Bodies


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"hello", id="no JSON"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="an object"),
        pytest.param(b'{"kind":"Pod","apiVersion":"v1"}', id="a Pod"),
        pytest.param(
            b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v2","request":{}}', id="another version"
        ),
        pytest.param(b'{"kind":"AdmissionReview"}', id="no version"),
        pytest.param(b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","x":"\xff"}', id="no UTF-8"),
        pytest.param(b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}\0', id="a NUL"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b"kind: AdmissionReview\n", id="YAML"),
    ],
)
@pytest.mark.parametrize("path", ["/validate", "/mutate"])
def test_a_body_that_is_no_review_is_400(path: str, body: bytes) -> None:
    with hook(ANYTHING) as webhook:
        answer = webhook.send(path, body)
        assert (answer.status_code, answer.mimetype) == (400, "text/plain")
        assert b"Traceback" not in answer.data
        assert webhook.validate(pod("x:1"))["allowed"] is True, "and the next one is answered"


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(None, id="no request"),
        pytest.param({}, id="an empty request"),
        pytest.param({"kind": {"kind": "Pod"}}, id="no uid"),
        pytest.param({"uid": "", "kind": {"kind": "Pod"}}, id="an empty uid"),
        pytest.param({"uid": 7, "kind": {"kind": "Pod"}}, id="a uid that is a number"),
        pytest.param({"uid": "x" * 201, "kind": {"kind": "Pod"}}, id="a long uid"),
    ],
)
@pytest.mark.parametrize("lenient", [False, True])
def test_a_review_without_a_uid_is_answered_and_denied(request_: object, lenient: bool) -> None:  # noqa: FBT001
    body = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1beta1", "request": request_}
    with hook(LENIENT if lenient else ANYTHING) as webhook:
        answer = webhook.send("/validate", json.dumps(body).encode())
    assert answer.status_code == 200
    found = json.loads(answer.data)
    assert found["apiVersion"] == "admission.k8s.io/v1beta1"
    assert (found["response"]["uid"], found["response"]["allowed"]) == ("", False)


UNREADABLE = [
    pytest.param({"containers": {"name": "x", "image": EVIL}}, id="containers in an object"),
    pytest.param({"containers": [{"name": "x", "image": 7}]}, id="an image that is a number"),
    pytest.param({"containers": ["x"]}, id="a container that is a text"),
    pytest.param({"containers": [{"name": "x", "image": EVIL}], "volumes": "x"}, id="volumes that are a text"),
    pytest.param("spec", id="a spec that is a text"),
    pytest.param({"containers": [{"name": "x", "image": f"x:{i}"} for i in range(1001)]}, id="too many"),
]


@pytest.mark.parametrize("spec", UNREADABLE)
@pytest.mark.parametrize("path", ["/validate", "/mutate"])
def test_an_object_that_cannot_be_read_is_denied(path: str, spec: object) -> None:
    with hook(ANYTHING) as webhook:
        response = webhook.ask(path, review_of({**pod(), "spec": spec}))
    assert (response["allowed"], response["status"]["code"]) == (False, 503)
    assert response["status"]["message"].startswith("NOT JUDGED: ")


@pytest.mark.parametrize("spec", UNREADABLE)
def test_it_is_a_warning_where_nothing_loaded_could_deny(spec: object) -> None:
    with hook(LENIENT, only("nowhere.test", "warn")) as webhook:
        response = webhook.validate({**pod(), "spec": spec})
    assert response["allowed"] is True
    assert response["warnings"][0].startswith("NOT JUDGED: ")


def test_a_request_of_the_wrong_type_is_denied_with_its_uid() -> None:
    body = review_of(pod("x:1"))
    body["request"]["namespace"] = ["shop"]
    with hook(ANYTHING) as webhook:
        assert webhook.ask("/validate", body)["allowed"] is False


def test_a_body_may_have_seven_mebibytes_and_no_more() -> None:
    body = json.dumps(review_of(pod("x:1"))).encode()
    with hook(ANYTHING) as webhook:
        assert webhook.send("/validate", body + b" " * (MAX_BODY - len(body))).status_code == 200
        answer = webhook.send("/validate", body + b" " * (MAX_BODY - len(body) + 1))
        assert answer.status_code == 413
        assert MAX_BODY == 7 * 1024 * 1024


@pytest.mark.parametrize("depth", [50, 5_000, 200_000])
def test_nesting_is_answered_with_the_uid(depth: int) -> None:
    nested = b'{"a":' * depth + b"1" + b"}" * depth
    body = json.dumps(review_of(pod(EVIL, x="NEST")), separators=(",", ":")).encode().replace(b'"NEST"', nested)
    body = body.replace(b'"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1",', b"", 1)
    body = body[:-1] + b',"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}'
    with hook(only("nowhere.test")) as webhook:
        answer = webhook.send("/validate", body)
    assert answer.status_code == 200
    response = json.loads(answer.data)["response"]
    assert (response["uid"], response["allowed"]) == (UID, False)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "a/b;;;"]
)
def test_the_content_type_does_not_matter(content_type: str) -> None:
    with hook(only("nowhere.test")) as webhook:
        answer = webhook.send("/validate", json.dumps(review_of(pod(EVIL))).encode(), content_type=content_type)
    assert answer.status_code == 200
    assert json.loads(answer.data)["response"]["allowed"] is False


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/validate", 405),
        ("PUT", "/mutate", 405),
        ("POST", "/", 404),
        ("POST", "/validate/", 404),
        ("GET", "/metrics", 404),
    ],
)
def test_other_routes(method: str, path: str, status: int) -> None:
    with hook(ANYTHING) as webhook:
        assert webhook.client.open(path, method=method).status_code == status


# What goes wrong inside


@pytest.mark.parametrize("api_version", ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"])
@pytest.mark.parametrize("path", ["/validate", "/mutate"])
def test_a_bug_is_a_denial_with_the_uid(path: str, api_version: str) -> None:
    registry = RegistrySimulator()
    with hook(ANYTHING, registry=registry, reviewer=Broken(registry, NoRoots(), float, SettableClock().now)) as webhook:
        response = webhook.ask(path, review_of(pod("x:1"), api_version=api_version))
    assert (response["allowed"], response["status"]["code"]) == (False, 503)
    assert response["status"]["message"] == "NOT JUDGED: INTERNAL: RuntimeError"


def test_a_bug_is_a_warning_where_nothing_loaded_could_deny() -> None:
    registry = RegistrySimulator()
    with hook(LENIENT, registry=registry, reviewer=Broken(registry, NoRoots(), float, SettableClock().now)) as webhook:
        response = webhook.validate(pod("x:1"))
    assert response == {"uid": UID, "allowed": True, "warnings": ["NOT JUDGED: INTERNAL: RuntimeError"]}


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("manifest", Code.REGISTRY_UNREACHABLE),
        ("referrers", Code.REGISTRY_RATE_LIMITED),
        ("blob", Code.REGISTRY_UNAUTHORIZED),
        ("manifest", Code.RESPONSE_TOO_LARGE),
    ],
)
def test_a_registry_that_fails_is_not_taken_for_an_unsigned_image(place: str, code: Code) -> None:
    registry, digest = stocked()
    registry.fail_with(place, code)
    with hook(signed(), registry=registry) as webhook:
        response = webhook.validate(pod(f"{TAGGED}@{digest}"))
        if place == "referrers":
            assert response["allowed"] is True, "the signature was found in another place"
            return
    assert (response["allowed"], response["status"]["code"]) == (False, 503)
    message = response["status"]["message"]
    assert message.startswith(f"NOT JUDGED {TAGGED}@{digest} (container c0) by signed/signature: {code}")
    assert "SIGNATURE_MISSING" not in message
    assert response["auditAnnotations"]["decision"] == "error"


NO_LATEST = policy("[{image: {tags: unsafeAny, denyTags: [latest]}}]", name="tags")
ROLLOUTS = config(
    "{limits: {imagesPerReview: 2}, customResources: "
    "[{group: argoproj.io, kind: Rollout, podSpecs: [spec.template.spec], images: ['spec.tools[]']}]}"
)


def test_a_kind_that_the_config_names_is_judged() -> None:
    with hook(ANYTHING, NO_LATEST, ROLLOUTS) as webhook:
        rollout = deployment("x:1") | {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}
        assert webhook.validate(rollout)["allowed"] is True
        rollout["spec"]["tools"] = ["y:latest"]
        response = webhook.validate(rollout)
        assert response["allowed"] is False
        assert response["status"]["message"].startswith("DENIED y:latest (image) by tags/image\nTAG_MUTABLE")
        rollout["spec"]["tools"] = {"y": "latest"}
        assert webhook.validate(rollout)["status"]["message"].startswith("NOT JUDGED: spec.tools is an object")
        rollout["spec"] |= {"tools": [], "sidecars": {"containers": [{"image": "y:latest"}]}}
        said = "NOT JUDGED: spec.sidecars.containers[0].image names an image, and no path of the kind Rollout"
        assert webhook.validate(rollout)["status"]["message"].startswith(said)
    with hook(ANYTHING, NO_LATEST) as webhook:
        assert webhook.validate(rollout)["allowed"] is True, "its Pods are judged"


def test_a_set_may_lower_what_a_review_may_have() -> None:
    with hook(ANYTHING, ROLLOUTS) as webhook:
        assert webhook.validate(pod("x:1", "x:2"))["allowed"] is True
        response = webhook.validate(pod("x:1", "x:2", "x:3"))
        assert response["status"]["message"].startswith("NOT JUDGED: OVERLOADED: more than 2 different images")


def test_more_images_than_a_review_may_have() -> None:
    with hook(ANYTHING) as webhook:
        assert webhook.validate(pod(*(f"x:{i}" for i in range(MAX_IMAGES))))["allowed"] is True
        response = webhook.validate(pod(*(f"x:{i}" for i in range(MAX_IMAGES + 1))))
        assert (response["allowed"], response["status"]["code"]) == (False, 503)
        assert response["status"]["message"].startswith("NOT JUDGED: OVERLOADED")
        assert webhook.validate(pod(*["x:1"] * (MAX_IMAGES + 1)))["allowed"] is True, "one text counts once"


# What the answer says


def test_a_denial_is_the_words_of_the_contract() -> None:
    registry = RegistrySimulator()
    digest = registry.push_image(API, "v1")
    registry.sign_bundle(API, digest, mallory())
    with hook(signed(), registry=registry) as webhook:
        response = webhook.validate(pod(f"{TAGGED}@{digest}"))
    status = response["status"]
    assert (status["code"], status["reason"]) == (403, "Forbidden")
    first, second, third = status["message"].splitlines()
    assert first == f"DENIED {TAGGED}@{digest} (container c0) by signed/signature"
    assert second.startswith("KEY_MISMATCH: ")
    assert third.startswith("Fix: ")


def test_a_denial_of_many_images_is_short_and_counts_the_rest() -> None:
    with hook(only("nowhere.test")) as webhook:
        message = webhook.validate(pod(*(f"registry.test/some/long/name-{i}:v1" for i in range(60))))["status"][
            "message"
        ]
    assert len(message) <= 900
    shown = message.count("DENIED ")
    assert message.splitlines()[-1] == f"(+{60 - shown} more images)"


def test_the_worst_comes_first() -> None:
    registry, digest = stocked()
    registry.fail_with(f"manifest:{digest.tag}.sig", Code.REGISTRY_UNREACHABLE)
    other = registry.push_image("registry.test/acme/plain", "v1", "another")
    with hook(signed(), registry=registry) as webhook:
        response = webhook.validate(pod(f"{TAGGED}@{digest}", f"registry.test/acme/plain@{other}"))
    assert response["status"]["code"] == 403
    assert response["status"]["message"].startswith("DENIED registry.test/acme/plain")


def test_warnings_are_short_and_name_code_and_image() -> None:
    long = f"registry.test/{'x/' * 60}y:v1"
    with hook(only("nowhere.test", "warn")) as webhook:
        response = webhook.validate(pod(EVIL, long))
    assert response["allowed"] is True
    assert response["warnings"][0].startswith(f"REGISTRY_NOT_ALLOWED {EVIL}: ")
    assert len(response["warnings"]) == 2
    assert all(0 < len(text) <= 120 for text in response["warnings"])


def test_warnings_are_of_a_bounded_number() -> None:
    with hook(only("nowhere.test", "warn")) as webhook:
        response = webhook.validate(pod(*(f"evil.example/x:{i}" for i in range(90))))
    assert 0 < len(response["warnings"]) <= 20


@pytest.mark.parametrize("image", [EVIL, "registry.test/x:v1", f"registry.test/x@sha256:{'1' * 64}", "Not A Reference"])
@pytest.mark.parametrize("path", ["/validate", "/mutate"])
def test_audit_annotations_have_legal_keys(path: str, image: str) -> None:
    registry = RegistrySimulator()
    registry.push_image("registry.test/x", "v1")
    with hook(only("registry.test"), signed(), registry=registry) as webhook:
        response = webhook.ask(path, review_of(pod(image)))
    found = response.get("auditAnnotations", {})
    assert found["decision"] in {"allow", "warn", "deny", "error"}
    assert all(re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", key) for key in found)
    assert all(isinstance(value, str) and value and len(value) <= 1024 for value in found.values())


def test_a_text_that_is_no_reference_is_denied_without_its_controls() -> None:
    with hook(ANYTHING) as webhook:
        for path in ("/validate", "/mutate"):
            response = webhook.ask(path, review_of(pod("nginx\x1b[31m\u202e:x")))
            assert response["allowed"] is False
            message = response["status"]["message"]
            assert "REFERENCE_INVALID" in message
            assert all(c == "\n" or c.isprintable() for c in message)


@pytest.mark.parametrize(
    ("unmatched", "allowed", "warned"), [("deny", False, False), ("warn", True, True), ("audit", True, False)]
)
def test_an_image_that_no_policy_matches(unmatched: str, allowed: bool, warned: bool) -> None:  # noqa: FBT001
    narrow = policy("[{deny: {}}]", match='{images: ["other.test/**"]}')
    with hook(narrow, config(f"{{unmatched: {unmatched}}}")) as webhook:
        response = webhook.validate(pod("x:1"))
    assert (response["allowed"], bool(response.get("warnings"))) == (allowed, warned)
    assert response["auditAnnotations"]["codes"] == "NO_POLICY_MATCHED"


def test_an_empty_set_denies() -> None:
    with hook() as webhook:
        assert "NO_POLICY_MATCHED" in webhook.validate(pod("x:1"))["status"]["message"]


def test_excluded_namespaces_are_not_judged() -> None:
    with hook(only("nowhere.test"), config("{excludeNamespaces: [shop]}")) as webhook:
        assert webhook.validate(pod(EVIL))["allowed"] is True
        other = review_of(pod(EVIL))
        other["request"]["namespace"] = "shop2"
        assert webhook.ask("/validate", other)["allowed"] is False


@pytest.mark.parametrize("path", ["/validate", "/mutate"])
@pytest.mark.parametrize("image", [TAGGED, EVIL])
def test_a_dry_run_is_answered_alike(path: str, image: str) -> None:
    registry, _ = stocked()
    with hook(signed(), registry=registry) as webhook:
        answers = [webhook.ask(path, review_of(pod(image), dry_run=dry)) for dry in (True, False)]
    assert answers[0] == answers[1]


def test_policies_are_asked_for_each_review() -> None:
    with hook(only("nowhere.test")) as webhook:
        assert webhook.validate(pod(EVIL))["allowed"] is False
        webhook.policies = parsed(ANYTHING)
        assert webhook.validate(pod(EVIL))["allowed"] is True
        assert b"ready: 1 policy" in webhook.client.get("/readyz").data


def test_ready_names_what_is_invalid() -> None:
    with hook(ANYTHING) as webhook:
        webhook.policies = replace(parsed(ANYTHING), invalid=tuple(f"p.yaml:{i}:1: wrong\nready: 7" for i in range(23)))
        answer = webhook.client.get("/readyz")
        assert answer.status_code == 200
        lines = answer.text.splitlines()
        assert (lines[0], lines[1]) == ("ready: 1 policy", "invalid: p.yaml:0:1: wrong ready: 7")
        assert (len(lines), lines[-1]) == (22, "invalid: and 3 more")


# Time


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        ("10s", 9.0),
        ("30s", 29.0),
        ("60s", 29.0),
        ("1m", 29.0),
        ("1m0s", 29.0),
        ("99999s", 29.0),
        ("5s", 4.5),
        ("2s", 1.8),
        ("1s", 0.85),
        ("0.2s", 0.1),
        ("0.1s", 0.05),
        ("2.5s", 2.25),
        ("", 7.2),
        ("0s", 7.2),
        ("0m0s", 7.2),
        ("10", 7.2),
        ("-10s", 7.2),
        ("1e9s", 7.2),
        ("\u0661\u0660s", 7.2),
        ("10s10s", 7.2),
        ("soon", 7.2),
        ("9" * 5000 + "s", 7.2),
    ],
    ids=lambda value: str(value)[:20],
)
def test_the_budget_of_a_review(timeout: str, seconds: float) -> None:
    assert budget(timeout, 8.0) == pytest.approx(seconds)


def test_the_budget_is_always_less_than_the_callers_timeout_and_more_than_nothing() -> None:
    for tenths in range(1, 301):
        found = budget(f"{tenths / 10}s", 10.0)
        assert 0 < found < tenths / 10


# Health and figures


def test_health_is_told_on_both_ports() -> None:
    metrics = Metrics()
    with hook(ANYTHING, only("x.test")) as webhook:
        other = create_metrics_app(lambda: webhook.policies, metrics.exposition).test_client()
        for client in (webhook.client, other):
            for path in ("/healthz", "/readyz"):
                answer = client.get(path)
                assert (answer.status_code, answer.mimetype) == (200, "text/plain")
            assert client.get("/readyz").text == "ready: 2 policies\n"
        assert other.get("/metrics").content_type == "text/plain; version=0.0.4; charset=utf-8"
        assert other.post("/validate").status_code == 404


def test_readiness_waits_for_what_is_warmed_where_that_is_asked() -> None:
    registry, digest = stocked()
    warming = Warming((f"{TAGGED}@{digest}",), wait=True)
    with hook(signed(), registry=registry) as webhook:
        prewarmer = Prewarmer(webhook.reviewer, lambda: webhook.policies, warming, time.monotonic)
        app = create_app(webhook.reviewer, lambda: webhook.policies, prewarmer=prewarmer).test_client()
        other = create_metrics_app(lambda: webhook.policies, Metrics().exposition, prewarmer).test_client()
        for client in (app, other):
            answer = client.get("/readyz")
            assert (answer.status_code, answer.text) == (503, "warming: 0 of 1 images\n")
            assert client.get("/healthz").status_code == 200
        prewarmer.run()
        for client in (app, other):
            answer = client.get("/readyz")
            assert (answer.status_code, answer.text) == (200, "ready: 1 policy\n")


def _samples(exposition: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(exposition.decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_what_the_store_was_troubled_by_is_counted_once_a_time() -> None:
    def trouble(metrics: Metrics) -> dict[str, float]:
        found = _samples(metrics.exposition())
        return {
            labels[0][1]: value for (name, labels), value in found.items() if name == "imagegate_store_trouble_total"
        }

    metrics = Metrics()
    for so_far in ({"corrupt": 2, "failed": 0}, {"corrupt": 2, "failed": 1}, {"corrupt": 5}, {"corrupt": 4}):
        metrics.store_trouble(so_far)
    assert trouble(metrics) == {"corrupt": 5, "failed": 1}
    with hook(signed()) as webhook:
        webhook.validate(pod(EVIL))
        assert trouble(webhook.metrics) == {"corrupt": 0}


def test_reviews_and_findings_are_counted_under_closed_labels() -> None:
    registry, _ = stocked()
    with hook(signed(), only("registry.test"), registry=registry) as webhook:
        webhook.mutate(pod(TAGGED))
        webhook.validate(pod(TAGGED))
        webhook.validate(pod(EVIL))
        webhook.validate(pod("secret-host.test/x:v1"))
        webhook.validate({**pod(), "spec": "x"})
        webhook.send("/validate", b"hello")
        text = webhook.metrics.exposition()
    found = _samples(text)

    def reviews(stage: str, verdict: str) -> Any:
        return found.get(("imagegate_reviews_total", (("stage", stage), ("verdict", verdict))))

    assert (reviews("mutate", "allow"), reviews("validate", "deny"), reviews("validate", "error")) == (1, 3, 1)
    assert found["imagegate_findings_total", (("code", "REGISTRY_NOT_ALLOWED"), ("verdict", "deny"))] == 2
    assert found["imagegate_review_seconds_count", (("stage", "validate"),)] == 4
    assert {label for _, labels in found for label, _ in labels} == {
        *("stage", "verdict", "code", "le", "version", "what"),
    }
    assert not any(word in text.decode() for word in ("evil.example", "secret-host", "registry.test", "shop"))
    assert {value for _, labels in found for key, value in labels if key == "code"} <= {code.value for code in Code}
