from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.kubernetes.workload import (
    BUILT_IN,
    EACH,
    MAX_FIELDS,
    GroupKind,
    ImageField,
    Kinds,
    ObjectUnreadable,
    Path,
    Places,
    changed,
    dotted,
    images,
    is_pod,
    is_workload,
    pointer,
    service_account,
)

TEMPLATE: Path = ("spec", "template", "spec")
KINDS: list[tuple[str, str, Path]] = [
    ("v1", "Pod", ("spec",)),
    ("v1", "PodTemplate", ("template", "spec")),
    ("v1", "ReplicationController", TEMPLATE),
    ("apps/v1", "Deployment", TEMPLATE),
    ("apps/v1", "ReplicaSet", TEMPLATE),
    ("apps/v1", "StatefulSet", TEMPLATE),
    ("apps/v1", "DaemonSet", TEMPLATE),
    ("batch/v1", "Job", TEMPLATE),
    ("batch/v1", "CronJob", ("spec", "jobTemplate", "spec", "template", "spec")),
    ("extensions/v1beta1", "Deployment", TEMPLATE),
    ("extensions/v1beta1", "ReplicaSet", TEMPLATE),
    ("extensions/v1beta1", "DaemonSet", TEMPLATE),
]
POSITIONS: list[tuple[str, dict[str, object], Path, str]] = [
    ("containers", {"name": "x", "image": "a:1"}, ("image",), "container"),
    ("initContainers", {"name": "x", "image": "a:1"}, ("image",), "init container"),
    ("ephemeralContainers", {"name": "x", "image": "a:1"}, ("image",), "ephemeral container"),
    ("volumes", {"name": "x", "image": {"reference": "a:1"}}, ("image", "reference"), "image volume"),
]
POD = GroupKind("", "Pod")
DEPLOYMENT = GroupKind("apps", "Deployment")

kinds = pytest.mark.parametrize(("api_version", "kind", "where"), KINDS)


def wrapped(where: Path, value: object) -> object:
    for key in reversed(where):
        value = {key: value}
    return value


def pod(**spec: object) -> dict[str, object]:
    return {"spec": spec}


@kinds
@pytest.mark.parametrize(("key", "entry", "inside", "what"), POSITIONS)
def test_every_position_of_every_kind(
    api_version: str, kind: str, where: Path, key: str, entry: dict[str, object], inside: Path, what: str
) -> None:
    gk = GroupKind.of(api_version, kind)
    other = {"name": "other", "emptyDir": {}}
    assert images(gk, wrapped(where, {key: [other, entry]})) == (
        ImageField((*where, key, 1, *inside), "a:1", "x", what),
    )
    assert is_workload(gk)


@kinds
@pytest.mark.parametrize("group", ["", "apps", "batch", "extensions", "acme.example", "apps.acme.example"])
def test_the_same_kind_of_another_group_is_not_ours(api_version: str, kind: str, where: Path, group: str) -> None:
    gk = GroupKind(group, kind)
    ours = any(GroupKind.of(other, name) == gk for other, name, _ in KINDS)
    found = images(gk, wrapped(where, {"containers": [{"name": "x", "image": "a:1"}]}))
    assert (is_workload(gk), bool(found)) == (ours, ours)


@pytest.mark.parametrize(
    ("group", "kind"), [("autoscaling", "Scale"), ("", "Service"), ("", "pod"), ("", ""), ("extensions", "StatefulSet")]
)
def test_other_kinds_have_no_images_whatever_they_hold(group: str, kind: str) -> None:
    gk = GroupKind(group, kind)
    assert not is_workload(gk)
    assert images(gk, pod(containers=[{"image": "a"}])) == ()
    assert images(gk, None) == ()


def test_only_the_pod_is_a_pod() -> None:
    assert [kind for version, kind, _ in KINDS if is_pod(GroupKind.of(version, kind))] == ["Pod"]
    assert not is_pod(GroupKind("acme.example", "Pod"))


@pytest.mark.parametrize(
    ("api_version", "group"), [("v1", ""), ("apps/v1", "apps"), ("batch/v1beta1", "batch"), ("a.b/v1", "a.b"), ("", "")]
)
def test_group_of_an_api_version(api_version: str, group: str) -> None:
    assert GroupKind.of(api_version, "Pod") == GroupKind(group, "Pod")


@kinds
def test_nothing_absent_or_null_names_an_image(api_version: str, kind: str, where: Path) -> None:
    gk = GroupKind.of(api_version, kind)
    for depth in range(len(where)):
        assert images(gk, wrapped(where[:depth], {})) == ()
        assert images(gk, wrapped(where[: depth + 1], None)) == ()
    for key, _, _, _ in POSITIONS:
        assert images(gk, wrapped(where, {key: None})) == ()
        assert images(gk, wrapped(where, {key: []})) == ()


@pytest.mark.parametrize(
    "spec",
    [
        {"containers": [{"name": "x"}]},
        {"containers": [{"name": "x", "image": None}]},
        {"containers": [{"name": "x", "image": ""}]},
        {"containers": [{"name": "x", "Image": "a:1"}]},
        {"volumes": [{"name": "x", "image": None}]},
        {"volumes": [{"name": "x", "image": {}}]},
        {"volumes": [{"name": "x", "image": {"reference": ""}}]},
        {"volumes": [{"name": "x", "image": {"reference": None, "pullPolicy": "Always"}}]},
        {"volumes": [{"name": "x", "configMap": {"name": "a:1"}}]},
    ],
)
def test_an_entry_without_image(spec: dict[str, object]) -> None:
    assert images(POD, {"spec": spec}) == ()


def test_order_of_the_document_and_text_as_written() -> None:
    obj = pod(
        volumes=[{"name": "v", "image": {"reference": "v:1"}}],
        initContainers=[{"name": "i", "image": " I:1 "}],
        ephemeralContainers=[{"image": "e:1"}],
        containers=[{"name": "a", "image": "c:1"}, {"name": "b", "image": "c:1"}],
    )
    assert [(field.text, field.container) for field in images(POD, obj)] == [
        ("v:1", "v"),
        (" I:1 ", "i"),
        ("e:1", ""),
        ("c:1", "a"),
        ("c:1", "b"),
    ]


UNREADABLE: list[tuple[object, str]] = [
    (None, "the object is null; it must be an object"),
    ([], "the object is a list; it must be an object"),
    ("x", "the object is a string; it must be an object"),
    (b"x", "the object is a bytes; it must be an object"),
    ({"spec": []}, "spec is a list; it must be an object"),
    ({"spec": {"template": "x"}}, "spec.template is a string; it must be an object"),
    ({"spec": {"template": False}}, "spec.template is a boolean; it must be an object"),
    ({"spec": {"template": {"spec": 0}}}, "spec.template.spec is a number; it must be an object"),
]
UNREADABLE_SPECS: list[tuple[dict[str, object], str]] = [
    ({"containers": {}}, "containers is an object; it must be a list"),
    ({"containers": ""}, "containers is a string; it must be a list"),
    ({"containers": 0}, "containers is a number; it must be a list"),
    ({"initContainers": "a:1"}, "initContainers is a string; it must be a list"),
    ({"ephemeralContainers": {"0": {"image": "a"}}}, "ephemeralContainers is an object; it must be a list"),
    ({"volumes": True}, "volumes is a boolean; it must be a list"),
    ({"containers": ["a:1"]}, "containers[0] is a string; it must be an object"),
    ({"containers": [{}, None]}, "containers[1] is null; it must be an object"),
    ({"containers": [{"image": ["a:1"]}]}, "containers[0].image is a list; it must be a string"),
    ({"containers": [{"image": 1.5}]}, "containers[0].image is a number; it must be a string"),
    ({"containers": [{"image": {}}]}, "containers[0].image is an object; it must be a string"),
    ({"containers": [{"image": "a", "name": 5}]}, "containers[0].name is a number; it must be a string"),
    ({"volumes": [{"image": "a:1"}]}, "volumes[0].image is a string; it must be an object"),
    ({"volumes": [{"image": {"reference": 7}}]}, "volumes[0].image.reference is a number; it must be a string"),
]


@pytest.mark.parametrize(("obj", "message"), UNREADABLE)
def test_wrong_types_on_the_way_are_never_skipped(obj: object, message: str) -> None:
    with pytest.raises(ObjectUnreadable) as caught:
        images(DEPLOYMENT, obj)
    assert caught.value.message == message


@pytest.mark.parametrize(("spec", "message"), UNREADABLE_SPECS)
def test_wrong_types_inside_are_never_skipped(spec: dict[str, object], message: str) -> None:
    good: dict[str, object] = {} if "containers" in spec else {"containers": [{"name": "x", "image": "a:1"}]}
    with pytest.raises(ObjectUnreadable) as caught:
        images(DEPLOYMENT, wrapped(TEMPLATE, good | spec))
    assert caught.value.message == f"spec.template.spec.{message}"


def test_at_most_so_many_fields() -> None:
    half = [{"name": str(n), "image": "a"} for n in range(MAX_FIELDS // 2)]
    assert len(images(POD, pod(containers=half, initContainers=half))) == MAX_FIELDS
    with pytest.raises(ObjectUnreadable, match="more than 1000 images"):
        images(POD, pod(containers=half, initContainers=half, ephemeralContainers=half[:1]))
    with pytest.raises(ObjectUnreadable, match=r"spec\.containers has 1001 entries"):
        images(POD, pod(containers=[{}] * (MAX_FIELDS + 1)))


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ({}, "default"),
        ({"serviceAccountName": "a"}, "a"),
        ({"serviceAccount": "old"}, "old"),
        ({"serviceAccountName": "a", "serviceAccount": "old"}, "a"),
        ({"serviceAccountName": "", "serviceAccount": "old"}, "old"),
        ({"serviceAccountName": None}, "default"),
        ({"serviceAccountName": 5, "serviceAccount": []}, "default"),
    ],
)
def test_service_account(spec: dict[str, object], name: str) -> None:
    assert service_account(DEPLOYMENT, wrapped(TEMPLATE, spec)) == name


@pytest.mark.parametrize("obj", [None, [], {"spec": {"template": None}}, {"spec": 5}])
def test_service_account_of_what_has_none(obj: object) -> None:
    assert service_account(DEPLOYMENT, obj) == "default"
    assert service_account(GroupKind("", "Service"), {"spec": {"serviceAccountName": "a"}}) == "default"


def test_changed_compares_path_container_and_text() -> None:
    field = ImageField(("spec", "containers", 0, "image"), "a:1", "x", "container")
    others = [
        ImageField(("spec", "containers", 1, "image"), "a:1", "x", "container"),
        ImageField(("spec", "initContainers", 0, "image"), "a:1", "x", "init container"),
        ImageField(field.path, "a:2", "x", "container"),
        ImageField(field.path, "a:1", "y", "container"),
    ]
    assert changed([field], others) == (field,)
    assert changed([field, *others], [field]) == tuple(others)
    assert changed([field], [*others, field]) == ()
    assert changed([], [field]) == ()


@pytest.mark.parametrize(
    ("path", "words", "json_pointer"),
    [
        ((), "", ""),
        (("spec", "containers", 0, "image"), "spec.containers[0].image", "/spec/containers/0/image"),
        (("a", 0, 12, "b"), "a[0][12].b", "/a/0/12/b"),
        ((0, "a"), "[0].a", "/0/a"),
        (("a/b", "m~n", "~1", ""), "a/b.m~n.~1.", "/a~1b/m~0n/~01/"),
    ],
)
def test_paths_in_words_and_as_pointers(path: Path, words: str, json_pointer: str) -> None:
    assert dotted(path) == words
    assert pointer(path) == json_pointer


KEYS = st.sampled_from(
    ["spec", "template", "jobTemplate", "containers", "initContainers", "volumes", "image", "reference", "name", "x"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=40,
)


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from(KINDS), obj=JSON | st.dictionaries(KEYS, JSON), deep=st.booleans())
def test_any_object_is_read_or_unreadable(kind: tuple[str, str, Path], obj: object, deep: bool) -> None:  # noqa: FBT001
    gk = GroupKind.of(kind[0], kind[1])
    whole = wrapped(kind[2], obj) if deep else obj
    assert service_account(gk, whole)
    try:
        found = images(gk, whole)
    except ObjectUnreadable as error:
        assert "must be" in error.message  # noqa: PT017 - one of two good outcomes
    else:
        assert all(field.text and field.path[: len(kind[2])] == kind[2] for field in found)
        assert changed(found, found) == ()


# kinds beside Kubernetes' own

ROLLOUT = GroupKind("argoproj.io", "Rollout")
JOB_SET = GroupKind("jobset.x-k8s.io", "JobSet")
OURS: Kinds = {
    **BUILT_IN,
    ROLLOUT: Places(
        (("spec", "template", "spec"), ("spec", "jobs", EACH, "spec")), (("spec", "tools", EACH, EACH), ("image",))
    ),
}


TOOLS = [["b:1"], [], ["c:1"]]


def test_kinds_that_are_named_are_read_where_it_is_said() -> None:
    spec = {"containers": [{"name": "x", "image": "a:1"}]}
    obj = {
        "spec": {
            "template": {"spec": spec},
            "jobs": [{"spec": spec}, {}, {"spec": None}],
            "tools": [["b:1"], [], ["c:1"]],
        },
        "image": "d:1",
    }
    assert [(dotted(field.path), field.text, field.container, field.what) for field in images(ROLLOUT, obj, OURS)] == [
        ("spec.template.spec.containers[0].image", "a:1", "x", "container"),
        ("spec.jobs[0].spec.containers[0].image", "a:1", "x", "container"),
        ("spec.tools[0][0]", "b:1", "", "image"),
        ("spec.tools[2][0]", "c:1", "", "image"),
        ("image", "d:1", "", "image"),
    ]
    assert images(ROLLOUT, obj) == ()
    assert images(JOB_SET, obj, OURS) == ()
    assert (is_workload(ROLLOUT, OURS), is_workload(ROLLOUT)) == (True, False)
    assert images(POD, {"spec": spec}, OURS) == images(POD, {"spec": spec})


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ([], "the object is a list; it must be an object"),
        ({"spec": {"template": []}}, "spec.template is a list; it must be an object"),
        ({"spec": {"jobs": {"spec": {}}}}, "spec.jobs is an object; it must be a list"),
        ({"spec": {"jobs": ["x"]}}, "spec.jobs[0] is a string; it must be an object"),
        ({"spec": {"tools": [["a"], "b"]}}, "spec.tools[1] is a string; it must be a list"),
        ({"spec": {"tools": [[7]]}}, "spec.tools[0][0] is a number; it must be a string"),
        ({"image": {"repository": "a"}}, "image is an object; it must be a string"),
        (
            {"spec": {"tools": [[]] * (MAX_FIELDS + 1)}},
            "spec.tools has 1001 entries; at most 1000 are read",
        ),
        ({"spec": {"tools": [["a"] * 600] * 2}}, "the object names more than 1000 images"),
    ],
)
def test_what_cannot_be_read_of_them_is_never_skipped(obj: object, message: str) -> None:
    with pytest.raises(ObjectUnreadable) as caught:
        images(ROLLOUT, obj, OURS)
    assert caught.value.message == message


def test_two_paths_to_one_image_count_once() -> None:
    kinds_: Kinds = {ROLLOUT: Places((("spec",), ("spec",)), (("spec", "containers", EACH, "image"),))}
    obj = {"spec": {"containers": [{"name": "x", "image": "a:1"}]}}
    assert [field.what for field in images(ROLLOUT, obj, kinds_)] == ["container"]


def test_the_service_account_is_that_of_the_first_pod_spec() -> None:
    obj = {"spec": {"template": {"spec": {"serviceAccountName": "api"}}}}
    assert service_account(ROLLOUT, obj, OURS) == "api"
    assert service_account(ROLLOUT, {"spec": {"template": {"spec": "x"}}}, OURS) == "default"
    assert service_account(ROLLOUT, obj) == "default"


def test_each_pod_spec_has_its_own_service_account() -> None:
    named = {"containers": [{"name": "x", "image": "a:1"}], "serviceAccountName": "prod"}
    other = {"containers": [{"name": "x", "image": "b:1"}]}
    obj = {"spec": {"template": {"spec": other}, "jobs": [{"spec": named}]}, "image": "c:1"}
    assert [(field.text, field.account) for field in images(ROLLOUT, obj, OURS)] == [
        ("b:1", "default"),
        ("a:1", "prod"),
        ("c:1", None),
    ]
