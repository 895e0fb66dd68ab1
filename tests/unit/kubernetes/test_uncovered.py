from __future__ import annotations

import pytest

from gate.kubernetes.uncovered import declared, explained, uncovered
from gate.kubernetes.workload import BUILT_IN, EACH, GroupKind, ObjectUnreadable, Places

ROLLOUT = GroupKind("argoproj.io", "Rollout")
KINDS = {**BUILT_IN, ROLLOUT: Places((("spec", "template"),), (("spec", "tools", EACH),))}
COVERED = {"template": {"containers": [{"name": "c", "image": "a:1"}], "volumes": [{"image": {"reference": "v:1"}}]}}


def found(**spec: object) -> list[tuple[str, str]]:
    return [(declared(field.path), field.text) for field in uncovered(ROLLOUT, {"spec": spec}, KINDS)]


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"sidecars": {"containers": [{"image": "b:1"}]}}, "spec.sidecars.containers[].image"),
        ({"initContainers": [{"image": "b:1"}]}, "spec.initContainers[].image"),
        ({"sidecarContainers": [{"image": "b:1"}]}, "spec.sidecarContainers[].image"),
        ({"containers": {"web": {"image": "b:1"}}}, "spec.containers.web.image"),
        ({"volumes": [{"image": {"reference": "b:1"}}]}, "spec.volumes[].image.reference"),
        ({"script": {"image": "b:1"}}, "spec.script.image"),
        ({"sidecars": [{"image": "b:1"}]}, "spec.sidecars[].image"),
        ({"steps": [{"script": {"image": "b:1"}}]}, "spec.steps[].script.image"),
        ({"initContainer": {"image": "b:1"}}, "spec.initContainer.image"),
        ({"other": {"container": {"image": "b:1"}}}, "spec.other.container.image"),
        ({"tasks": [[{"image": "b:1"}]]}, "spec.tasks[][].image"),
        ({"web": {"image": {"reference": "b:1"}}}, "spec.web.image.reference"),
        ({"web": {"metadata": {"image": "b:1"}}}, "spec.web.metadata.image"),
    ],
)
def test_images_beside_the_declared_paths(spec: dict[str, object], path: str) -> None:
    assert found(**COVERED, **spec) == [(path, "b:1")]


def test_an_image_of_the_object_itself() -> None:
    (field,) = uncovered(ROLLOUT, {"image": "b:1", "spec": COVERED}, KINDS)
    assert (declared(field.path), field.text) == ("image", "b:1")


@pytest.mark.parametrize("repository", ["b", "b:1"])
def test_an_image_in_parts_cannot_be_read_whatever_leads_to_a_part(repository: str) -> None:
    kinds = {ROLLOUT: Places((("spec", "template"),), (("spec", "web", "image", "repository"),))}
    for tag in ("1", "2"):
        spec = {**COVERED, "web": {"image": {"repository": repository, "tag": tag}}}
        (field,) = uncovered(ROLLOUT, {"spec": spec}, kinds)
        message, remedy = explained(field, ROLLOUT)
        assert message.startswith("spec.web.image is an image in parts and can't be read: no path leads to a text")
        assert remedy.startswith("write it as one text if Rollout takes that")
        assert tag in field.text, "another tag is another image"


def test_more_than_are_read_are_an_error() -> None:
    with pytest.raises(ObjectUnreadable, match="more than 1000 images where no path"):
        found(**COVERED, steps=[{"image": f"b:{i}"} for i in range(1001)])


@pytest.mark.parametrize(
    "spec",
    [
        {},
        COVERED,
        {"tools": ["a:1"], "containers": [{"name": "left to be filled in"}, {"image": ""}, {"image": {"tag": "1"}}]},
        {**COVERED, "pod": {"metadata": {"labels": {"image": "x"}, "annotations": {"image": "x"}}}},
    ],
)
def test_what_is_covered_or_names_none(spec: dict[str, object]) -> None:
    assert found(**spec) == []


def test_what_an_object_says_of_itself_runs_nothing() -> None:
    told = {"containers": [{"image": "b:1"}]}
    assert uncovered(ROLLOUT, {"metadata": told, "status": told}, KINDS) == ()


def test_kubernetes_own_kinds_and_unknown_ones_have_none() -> None:
    obj = {"spec": {"sidecars": {"containers": [{"image": "b:1"}]}}}
    assert uncovered(GroupKind("apps", "Deployment"), obj, KINDS) == ()
    assert uncovered(GroupKind("other.io", "Rollout"), obj, KINDS) == ()


def test_deeper_than_anybody_writes_is_not_known() -> None:
    deep: object = {"containers": [{"image": "b:1"}]}
    for _ in range(60):
        deep = {"a": deep}
    with pytest.raises(ObjectUnreadable, match="more than 50 deep"):
        found(**COVERED, deep=deep)
