"""Ways around admission that worked on others (research/kubernetes.md section 2): each must leave the image judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gate.kubernetes.admission import NotAReview, ReviewUnreadable, parse_review
from gate.kubernetes.workload import BUILT_IN, GroupKind, ObjectUnreadable, Places

if TYPE_CHECKING:
    from collections.abc import Mapping

GOLDEN = Path(__file__).parents[1] / "golden"
EVIL = "evil.example/miner:latest"
GOOD = "ghcr.io/acme/api:v1"


def pod(
    image: str, name: str = "api", *, spec: Mapping[str, object] | None = None, meta: Mapping[str, object] | None = None
) -> object:
    containers = [{"name": name, "image": image}]
    return {"metadata": {"name": "p", **(meta or {})}, "spec": {"containers": containers, **(spec or {})}}


def judged(operation: str, obj: object, old: object = None, sub_resource: str = "", kind: str = "Pod") -> list[str]:
    group = "apps" if kind == "Deployment" else ""
    request = {
        "uid": "u",
        "kind": {"group": group, "version": "v1", "kind": kind},
        "subResource": sub_resource,
        "operation": operation,
        "object": obj,
        "oldObject": old,
        "userInfo": {"username": "system:node:n1", "groups": ["system:nodes", "system:masters"]},
    }
    body = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    return [field.text for field in parse_review(json.dumps(body).encode()).images_to_judge()]


def recorded(name: str) -> list[str]:
    return [field.text for field in parse_review((GOLDEN / f"{name}.json").read_bytes()).images_to_judge()]


def test_cve_2023_2727_ephemeral_containers_are_seen() -> None:
    new = pod(GOOD, spec={"ephemeralContainers": [{"name": "debug", "image": EVIL, "targetContainerName": "api"}]})
    assert judged("UPDATE", new, pod(GOOD), "ephemeralcontainers") == [EVIL]
    assert judged("UPDATE", new, pod(GOOD)) == [EVIL]
    assert judged("CREATE", new) == [GOOD, EVIL]
    assert recorded("pod-ephemeral-update") == ["docker.io/library/busybox:1.36"]


def test_cve_2023_2727_an_ephemeral_container_of_a_known_image_is_judged() -> None:
    new = pod(GOOD, spec={"ephemeralContainers": [{"name": "api", "image": GOOD}]})
    assert judged("UPDATE", new, pod(GOOD), "ephemeralcontainers") == [GOOD]


def test_connaisseur_1311_an_extractor_that_fails_is_no_pass() -> None:
    broken = pod(GOOD, spec={"ephemeralContainers": {"name": "debug", "image": EVIL}})
    with pytest.raises(ObjectUnreadable):
        judged("UPDATE", broken, pod(GOOD), "ephemeralcontainers")


def test_ephemeral_containers_of_old_clusters_are_no_pass() -> None:
    with pytest.raises(ObjectUnreadable):
        judged("UPDATE", {"ephemeralContainers": [{"image": EVIL}]}, None, "ephemeralcontainers", "EphemeralContainers")


@pytest.mark.parametrize("kind", ["Pod", "Deployment"])
def test_kyverno_17555_policy_controller_1974_image_volumes_are_seen(kind: str) -> None:
    volumes = {"volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "model", "image": {"reference": EVIL}}]}
    new = pod(GOOD, spec=volumes)
    whole = new if kind == "Pod" else {"spec": {"template": new}}
    assert judged("CREATE", whole, kind=kind) == [GOOD, EVIL]


def test_kyverno_17060_resize_is_judged() -> None:
    assert judged("UPDATE", pod(EVIL), pod(GOOD), "resize") == [EVIL]
    assert recorded("pod-resize-update") == ["evil.example/x:1"]


def test_cve_2023_34091_deletion_timestamp_grants_nothing() -> None:
    marks = {
        "deletionTimestamp": "2026-01-01T00:00:00Z",
        "deletionGracePeriodSeconds": 0,
        "finalizers": ["acme.example/hold"],
    }
    assert judged("UPDATE", pod(EVIL, meta=marks), pod(GOOD, meta=marks)) == [EVIL]
    assert judged("CREATE", pod(EVIL, meta=marks)) == [EVIL]
    assert recorded("pod-deleting-update") == [EVIL]


@pytest.mark.parametrize(
    "old",
    [
        pytest.param(None, id="absent"),
        pytest.param([], id="of another type"),
        pytest.param(pod(EVIL, "other"), id="under another container's name"),
        pytest.param(pod(GOOD, spec={"initContainers": [{"name": "api", "image": EVIL}]}), id="as an init container"),
        pytest.param(
            {"spec": {"containers": [{"name": "x", "image": GOOD}, {"name": "api", "image": EVIL}]}}, id="moved"
        ),
        pytest.param({"spec": {"template": pod(EVIL)}}, id="of another kind"),
        pytest.param({"template": pod(EVIL)}, id="of a template"),
        pytest.param(pod(EVIL.upper()), id="in capitals"),
        pytest.param(pod(EVIL, spec={"volumes": "x"}), id="unreadable elsewhere"),
        pytest.param({"spec": {"containers": [{"name": "api", "image": [EVIL]}]}}, id="in a list"),
    ],
)
def test_cve_2021_25735_a_tampered_old_object_grants_nothing(old: object) -> None:
    assert judged("UPDATE", pod(EVIL), old) == [EVIL]


@pytest.mark.parametrize("operation", ["CREATE", "PATCH", "update", ""])
def test_cve_2021_25735_an_old_object_counts_on_update_only(operation: str) -> None:
    assert judged(operation, pod(EVIL), pod(EVIL)) == [EVIL]


def test_cve_2021_25735_a_new_object_that_cannot_be_read_is_no_update_without_change() -> None:
    with pytest.raises(ObjectUnreadable):
        judged("UPDATE", None, pod(EVIL))
    with pytest.raises(ObjectUnreadable):
        judged("UPDATE", {"spec": {"containers": {"0": {"name": "api", "image": EVIL}}}}, pod(EVIL))


@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
def test_portieris_owner_references_grant_nothing(operation: str) -> None:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "api-5d4f", "uid": "0-0-0", "controller": True}
    new = pod(EVIL, meta={"ownerReferences": [owner], "labels": {"pod-template-hash": "5d4f"}})
    assert judged(operation, new, pod(GOOD, meta={"ownerReferences": [owner]})) == [EVIL]
    assert recorded("pod-owned-create") == [EVIL]


@pytest.mark.parametrize(
    "key",
    [
        "kyverno.io/verify-images",
        "policy.sigstore.dev/exclude",
        "kubernetes.io/config.mirror",
        "imagegate.dev/verified",
        "kubectl.kubernetes.io/last-applied-configuration",
    ],
)
@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
def test_kyverno_16336_annotations_grant_nothing(operation: str, key: str) -> None:
    words = {"annotations": {key: json.dumps({EVIL: "pass"})}, "labels": {key: "true"}}
    assert judged(operation, pod(EVIL, meta=words), pod(GOOD, meta=words)) == [EVIL]


@pytest.mark.parametrize("kind", ["PodTemplate", "ReplicationController"])
def test_policy_controller_kinds_that_others_leave_out_are_seen(kind: str) -> None:
    template = {"template": pod(EVIL)}
    assert judged("CREATE", template if kind == "PodTemplate" else {"spec": template}, kind=kind) == [EVIL]


def test_a_uid_or_body_made_to_break_the_answer_is_refused() -> None:
    head = b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":'
    bomb = head + b'{"uid":"u","kind":{"kind":"Pod"},"object":'
    with pytest.raises(NotAReview, match="recursion"):
        parse_review(bomb + b'{"spec":' * 200_000 + b"1" + b"}" * 200_002)
    with pytest.raises(ReviewUnreadable):
        parse_review(bomb.replace(b'"uid":"u"', b'"uid":"' + b"u" * 1_000_000 + b'"') + b"null}}")
    with pytest.raises(ObjectUnreadable):
        judged("CREATE", {"spec": {"containers": [{"image": EVIL}] * 100_000}})


ROLLOUT = GroupKind("argoproj.io", "Rollout")
COVERED = {"template": {"spec": {"containers": [{"name": "api", "image": GOOD}]}}}
MISSPELT = Places((("spec", "templates", "spec"),))
RIGHT = Places((("spec", "template", "spec"),))


def of_rollout(spec: object, places: Places, old: object = None) -> list[str]:
    request = {
        "uid": "u",
        "kind": {"group": ROLLOUT.group, "version": "v1", "kind": ROLLOUT.kind},
        "operation": "UPDATE" if old else "CREATE",
        "object": {"spec": spec},
        "oldObject": {"spec": old},
    }
    body = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    review = parse_review(json.dumps(body).encode())
    return [field.text for field in review.images_to_judge({**BUILT_IN, ROLLOUT: places})]


def test_a_custom_resource_beside_its_paths_does_not_pass_unjudged() -> None:
    beside = {**COVERED, "sidecars": {"initContainers": [{"name": "x", "image": EVIL}]}}
    assert of_rollout(COVERED, RIGHT) == [GOOD]
    with pytest.raises(ObjectUnreadable, match=r"spec\.sidecars\.initContainers\[0\]\.image names an image"):
        of_rollout(beside, RIGHT)
    with pytest.raises(ObjectUnreadable, match="no path of the kind Rollout leads there"):
        of_rollout({"job": {"image": EVIL}}, RIGHT)
    with pytest.raises(ObjectUnreadable, match="names an image"):
        of_rollout(COVERED, MISSPELT)


@pytest.mark.parametrize(
    "beside",
    [
        {"script": {"image": EVIL}},
        {"sidecars": [{"image": EVIL}]},
        {"steps": [{"image": EVIL}]},
        {"initContainer": {"image": EVIL}},
        {"other": {"container": {"image": EVIL}}},
        {"chart": {"image": {"repository": "evil.example/miner", "tag": "latest"}}},
    ],
)
def test_that_one_path_leads_to_an_image_hides_no_other(beside: dict[str, object]) -> None:
    with pytest.raises(ObjectUnreadable, match="image"):
        of_rollout({**COVERED, **beside}, RIGHT)


def test_only_the_tag_of_an_image_in_parts_is_changed() -> None:
    chart = {"image": {"repository": "evil.example/miner", "tag": "good"}}
    old = {**COVERED, "chart": chart}
    new = {**COVERED, "chart": {"image": {**chart["image"], "tag": "evil"}}}
    assert of_rollout({**old, "replicas": 2}, RIGHT, old=old) == []
    with pytest.raises(ObjectUnreadable, match="in parts"):
        of_rollout(new, RIGHT, old=old)


def test_what_stood_there_before_keeps_no_custom_resource_from_being_changed() -> None:
    beside = {**COVERED, "sidecars": {"containers": [{"name": "x", "image": EVIL}]}}
    assert of_rollout({**beside, "replicas": 2}, RIGHT, old=beside) == []
    assert of_rollout({"paused": True, **COVERED}, MISSPELT, old=COVERED) == []
    with pytest.raises(ObjectUnreadable, match="names an image"):
        of_rollout(beside, RIGHT, old=COVERED)
