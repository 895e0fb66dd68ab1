from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.errors import GateError
from gate.kubernetes.admission import (
    MAX_BODY,
    AdmissionRequest,
    NotAReview,
    ReviewUnreadable,
    fallback_uid,
    parse_review,
)
from gate.kubernetes.workload import GroupKind, ObjectUnreadable, dotted

UID = "0df28fbd-5f5f-11e8-bc74-36e6bb280816"
V1 = "admission.k8s.io/v1"
POD = GroupKind("", "Pod")


def review(**fields: object) -> bytes:
    request = {"uid": UID, "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE"} | fields
    return json.dumps({"kind": "AdmissionReview", "apiVersion": V1, "request": request}).encode()


def raw(request: bytes) -> bytes:
    return b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":%b}' % request


def containers(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "image": image} for name, image in pairs]


def pod(*pairs: tuple[str, str], **spec: object) -> dict[str, object]:
    return {"metadata": {"name": "p"}, "spec": {"containers": containers(*pairs)} | spec}


def asked(operation: str, obj: object, old: object = None, sub_resource: str = "", gk: GroupKind = POD) -> list[str]:
    request = AdmissionRequest(UID, V1, gk, sub_resource, operation, "app", "p", obj, old, dry_run=False, username="u")
    return [f"{dotted(field.path)}={field.text}" for field in request.images_to_judge()]


# images_to_judge


@pytest.mark.parametrize("operation", ["CREATE", "PATCH", "", "create", "delete", "UPDATE ", "SOMETHING"])
def test_all_images_on_create_and_on_unknown_operations(operation: str) -> None:
    obj = pod(("a", "a:1"), ("b", "b:1"))
    assert asked(operation, obj, obj) == ["spec.containers[0].image=a:1", "spec.containers[1].image=b:1"]


@pytest.mark.parametrize("operation", ["DELETE", "CONNECT"])
@pytest.mark.parametrize("obj", [None, [], pod(("a", "a:1"))])
def test_nothing_on_delete_and_connect(operation: str, obj: object) -> None:
    assert asked(operation, obj, pod(("a", "a:1"))) == []


@pytest.mark.parametrize("sub_resource", ["scale", "status", "binding", "eviction", "log", "exec", "Resize", "other"])
@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
def test_nothing_on_subresources_without_images(sub_resource: str, operation: str) -> None:
    assert asked(operation, pod(("a", "a:1")), None, sub_resource) == []
    assert asked(operation, None, None, sub_resource) == []


@pytest.mark.parametrize("sub_resource", ["", "ephemeralcontainers", "resize"])
def test_changed_images_on_subresources_with_images(sub_resource: str) -> None:
    old = pod(("a", "a:1"))
    new = pod(("a", "a:1"), ephemeralContainers=containers(("d", "busybox")))
    assert asked("UPDATE", new, old, sub_resource) == ["spec.ephemeralContainers[0].image=busybox"]


@pytest.mark.parametrize("sub_resource", ["ephemeralcontainers", "resize"])
def test_another_kind_at_a_pods_subresource_is_unreadable(sub_resource: str) -> None:
    with pytest.raises(ObjectUnreadable, match="only a Pod"):
        asked("UPDATE", {"ephemeralContainers": []}, None, sub_resource, GroupKind("", "EphemeralContainers"))


OLD = pod(("a", "a:1"), ("b", "b:1"), initContainers=containers(("i", "i:1")))
UPDATES: list[tuple[str, dict[str, object], list[str]]] = [
    ("nothing", OLD, []),
    ("metadata only", OLD | {"metadata": {"name": "p", "labels": {"x": "y"}}}, []),
    ("other fields of the spec", pod(("a", "a:1"), ("b", "b:1"), initContainers=containers(("i", "i:1")), x=1), []),
    ("one image", pod(("a", "a:2"), ("b", "b:1")), ["spec.containers[0].image=a:2"]),
    ("reordered", pod(("b", "b:1"), ("a", "a:1")), ["spec.containers[0].image=b:1", "spec.containers[1].image=a:1"]),
    ("renamed", pod(("a", "a:1"), ("c", "b:1")), ["spec.containers[1].image=b:1"]),
    (
        "swapped images",
        pod(("a", "b:1"), ("b", "a:1")),
        ["spec.containers[0].image=b:1", "spec.containers[1].image=a:1"],
    ),
    ("one removed before", pod(("b", "b:1")), ["spec.containers[0].image=b:1"]),
    ("one removed after", pod(("a", "a:1")), []),
    ("one added", pod(("a", "a:1"), ("b", "b:1"), ("c", "a:1")), ["spec.containers[2].image=a:1"]),
    ("init to main", pod(("i", "i:1"), ("b", "b:1")), ["spec.containers[0].image=i:1"]),
    ("another spelling", pod(("a", "docker.io/library/a:1")), ["spec.containers[0].image=docker.io/library/a:1"]),
    ("white space", pod(("a", "a:1 ")), ["spec.containers[0].image=a:1 "]),
    (
        "image volume",
        pod(("a", "a:1"), volumes=[{"name": "v", "image": {"reference": "a:1"}}]),
        ["spec.volumes[0].image.reference=a:1"],
    ),
]


@pytest.mark.parametrize(("new", "judged"), [pytest.param(*case[1:], id=case[0]) for case in UPDATES])
def test_changed_images_on_update(new: dict[str, object], judged: list[str]) -> None:
    assert asked("UPDATE", new, OLD) == judged


@pytest.mark.parametrize(
    "old",
    [None, [], "x", {}, {"spec": None}, {"spec": {"containers": "a:1"}}, {"spec": {"containers": [{"image": 1}]}}],
)
def test_all_images_where_the_old_object_says_nothing(old: object) -> None:
    assert asked("UPDATE", pod(("a", "a:1")), old) == ["spec.containers[0].image=a:1"]


@pytest.mark.parametrize("operation", ["CREATE", "UPDATE", "OTHER"])
@pytest.mark.parametrize("obj", [None, [], "x", 5, {"spec": {"containers": {}}}])
def test_a_workload_that_cannot_be_read(operation: str, obj: object) -> None:
    with pytest.raises(ObjectUnreadable):
        asked(operation, obj, OLD)


@pytest.mark.parametrize("obj", [None, [], pod(("a", "a:1"))])
def test_other_kinds_have_nothing_to_judge(obj: object) -> None:
    assert asked("CREATE", obj, gk=GroupKind("", "Service")) == []


# parse_review


def test_reads_every_field() -> None:
    body = review(
        kind={"group": "apps", "version": "v1", "kind": "Deployment"},
        resource={"group": "apps", "version": "v1", "resource": "deployments"},
        subResource="scale",
        operation="UPDATE",
        namespace="shop",
        name="api",
        object={"a": 1},
        oldObject={"b": [2]},
        dryRun=True,
        userInfo={"username": "alice", "groups": ["g"], "extra": {"x": ["y"]}},
        options=None,
        unknown={"future": True},
    )
    assert parse_review(body) == AdmissionRequest(
        UID,
        V1,
        GroupKind("apps", "Deployment"),
        "scale",
        "UPDATE",
        "shop",
        "api",
        {"a": 1},
        {"b": [2]},
        dry_run=True,
        username="alice",
    )


@pytest.mark.parametrize("api_version", [V1, "admission.k8s.io/v1beta1"])
def test_defaults_of_what_is_left_out(api_version: str) -> None:
    body = {"kind": "AdmissionReview", "apiVersion": api_version, "request": {"uid": "u", "kind": {"kind": "Pod"}}}
    request = parse_review(json.dumps(body).encode())
    assert request == AdmissionRequest("u", api_version, POD, "", "", "", "", None, None, dry_run=False, username="")
    assert len({request, parse_review(json.dumps(body).encode())}) == 1


NOT_REVIEWS: list[tuple[str, bytes]] = [
    ("empty", b""),
    ("white space", b" \n"),
    ("text", b"hello"),
    ("null", b"null"),
    ("list", b"[]"),
    ("string", b'"AdmissionReview"'),
    ("object", b"{}"),
    ("no kind", b'{"apiVersion":"admission.k8s.io/v1","request":{"uid":"u"}}'),
    ("kind", b'{"kind":"Pod","apiVersion":"admission.k8s.io/v1"}'),
    ("kind in capitals", b'{"kind":"ADMISSIONREVIEW","apiVersion":"admission.k8s.io/v1"}'),
    ("kind of another type", b'{"kind":["AdmissionReview"],"apiVersion":"admission.k8s.io/v1"}'),
    ("no version", b'{"kind":"AdmissionReview","request":{"uid":"u","kind":{"kind":"Pod"}}}'),
    ("another version", b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v2","request":null}'),
    ("another group", b'{"kind":"AdmissionReview","apiVersion":"v1","request":{"uid":5}}'),
    ("version of another type", b'{"kind":"AdmissionReview","apiVersion":1}'),
    ("cut short", review()[:-1]),
    ("more behind", review() + b"{}"),
    ("byte order mark", b"\xef\xbb\xbf" + review()),
    ("UTF-16", review().decode().encode("utf-16")),
    ("NUL behind", review() + b"\0"),
    ("NUL inside", review(name="a").replace(b'"a"', b'"a\0b"')),
    ("invalid UTF-8", review(name="a").replace(b'"a"', b'"\xff"')),
    ("invalid UTF-8 where nobody looks", review(options="a").replace(b'"a"', b'"\xff"')),
    ("overlong UTF-8", review(name="a").replace(b'"a"', b'"\xc0\xaf"')),
    ("half a surrogate pair", review(name="a").replace(b'"a"', b'"\\ud800"')),
    ("NaN", review(object=float("nan"))),
    ("nested too deeply", raw(b'{"uid":"u","kind":{"kind":"Pod"},"object":' + b"[" * 100_000 + b"]" * 100_000 + b"}")),
    ("nested too deeply, unknown field", b'{"x":' + b'{"x":' * 100_000 + b"1" + b"}" * 100_001),
    ("never closed", b"[" * 1_000_000),
    ("too large", review() + b" " * MAX_BODY),
]


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in NOT_REVIEWS])
def test_what_is_no_review(body: bytes) -> None:
    with pytest.raises(NotAReview):
        parse_review(body)


def test_the_largest_body() -> None:
    body = review(object=pod(("a", "a:1")))
    assert parse_review(body.ljust(MAX_BODY)).uid == UID
    with pytest.raises(NotAReview, match="7340033 bytes"):
        parse_review(body.ljust(MAX_BODY + 1))


UNUSABLE: list[tuple[str, bytes, str]] = [
    ("request absent", b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}', ""),
    ("request null", raw(b"null"), ""),
    ("request a list", raw(b"[]"), ""),
    ("request a text", raw(b'"u"'), ""),
    ("request empty", raw(b"{}"), ""),
    ("uid absent", raw(b'{"kind":{"kind":"Pod"}}'), ""),
    ("uid empty", review(uid=""), ""),
    ("uid null", review(uid=None), ""),
    ("uid a number", review(uid=7), ""),
    ("uid too long", review(uid="u" * 201), ""),
    ("kind absent", raw(b'{"uid":"u"}'), "u"),
    ("kind null", review(kind=None), UID),
    ("kind a text", review(kind="Pod"), UID),
    ("kind empty", review(kind={}), UID),
    ("kind without name", review(kind={"group": "", "kind": ""}), UID),
    ("kind of another type", review(kind={"group": "", "kind": 1}), UID),
    ("group of another type", review(kind={"group": None, "kind": "Pod"}), UID),
    ("operation of another type", review(operation=["UPDATE"]), UID),
    ("subresource of another type", review(subResource={}), UID),
    ("namespace of another type", review(namespace=1), UID),
    ("name of another type", review(name=False), UID),
    ("dryRun of another type", review(dryRun="false"), UID),
    ("userInfo of another type", review(userInfo="alice"), UID),
    ("username of another type", review(userInfo={"username": 1}), UID),
    ("number out of range", raw(b'{"uid":"u","kind":{"kind":"Pod"},"object":1e999}'), "u"),
    ("uid behind what is wrong", raw(b'{"kind":5,"object":{"metadata":{"uid":"wrong"}},"uid":"right"}'), "right"),
]


@pytest.mark.parametrize(("body", "uid"), [pytest.param(*case[1:], id=case[0]) for case in UNUSABLE])
def test_a_review_that_cannot_be_used_still_has_its_uid(body: bytes, uid: str) -> None:
    with pytest.raises(ReviewUnreadable) as caught:
        parse_review(body)
    assert (caught.value.uid, caught.value.api_version) == (uid, V1)


def test_an_unusable_review_keeps_its_version() -> None:
    with pytest.raises(ReviewUnreadable) as caught:
        parse_review(raw(b'{"uid":"u"}').replace(b"/v1", b"/v1beta1"))
    assert caught.value.api_version == "admission.k8s.io/v1beta1"
    assert ReviewUnreadable("x").api_version == V1


def test_the_longest_uid() -> None:
    assert parse_review(review(uid="u" * 200)).uid == "u" * 200


@pytest.mark.parametrize(
    ("body", "uid"),
    [
        (b"", ""),
        (b"\xff\0", ""),
        (b"[]", ""),
        (b'{"request":{"uid":"u"}}', "u"),
        (b'{"request":{"kind":{"uid":"no"},"uid":"u"}}', "u"),
        (b'{"request":{"uid":5}}', ""),
        (b'{"uid":"u"}', ""),
        (review()[:-1], UID),
        (b'{"request": {\n "uid" : "u-1", "object": \xff', "u-1"),
        (raw(b'{"uid":"deep","object":' + b"[" * 100_000), "deep"),
        (review(uid="u").replace(b" ", b"") + b" " * MAX_BODY, "u"),
        (b" " * MAX_BODY + review(), ""),
        (b'{"request":{"uid":"' + b"u" * 201 + b'"}}', ""),
        (b'{"request":{"uid":"' + b"u" * 201 + b'"', ""),
        (b'{"request":{"uid":"a\\u0022b"', ""),
        (b'{"x":"{\\"request\\":{\\"uid\\":\\"no\\"}}"', ""),
    ],
)
def test_the_uid_of_what_could_not_be_read(body: bytes, uid: str) -> None:
    assert fallback_uid(body) == uid


BYTES = (
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["uid", "kind", "group", "object", "operation", "userInfo"]), inner)
        ),
    ).map(lambda value: raw(json.dumps(value).encode()))
    | st.tuples(st.integers(0, 200), st.binary(max_size=3)).map(lambda cut: review()[: cut[0]] + cut[1])
)


@settings(max_examples=300, deadline=None)
@given(body=BYTES)
def test_any_bytes_are_a_review_or_one_of_two_errors(body: bytes) -> None:
    uid = fallback_uid(body)
    try:
        request = parse_review(body)
    except (NotAReview, ReviewUnreadable) as error:
        assert error.message  # noqa: PT017 - one of two good outcomes
        assert getattr(error, "uid", "") in {"", uid}  # noqa: PT017
    else:
        assert request.uid == uid
        assert request.gk.kind


def test_both_are_errors_of_the_gate() -> None:
    assert issubclass(NotAReview, GateError)
    assert issubclass(ReviewUnreadable, GateError)
    assert not issubclass(ReviewUnreadable, NotAReview)
