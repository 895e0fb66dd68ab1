from __future__ import annotations

import pytest

from gate.kubernetes.uncovered import declared, uncovered
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
    ],
)
def test_images_beside_the_declared_paths(spec: dict[str, object], path: str) -> None:
    assert found(**COVERED, **spec) == [(path, "b:1")]


def test_where_no_path_leads_to_an_image_any_text_called_image_is_one() -> None:
    steps = {"steps": [{"script": {"image": "b:1"}}]}
    assert found(**steps) == [("spec.steps[].script.image", "b:1")]
    assert found(**COVERED, **steps) == [], "else it may be the picture of a menu"


@pytest.mark.parametrize(
    "spec",
    [
        {},
        COVERED,
        {"tools": ["a:1"], "containers": [{"name": "left to be filled in"}, {"image": ""}, {"image": {"tag": "1"}}]},
        {**COVERED, "containers": [{"probe": {"image": "no container"}}]},
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
