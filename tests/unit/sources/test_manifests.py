from __future__ import annotations

import json

import pytest

from gate.sources.manifests import Found, Location, read_manifests


def read(text: str) -> Found:
    found = Found()
    read_manifests(text, "f.yaml", found)
    return found


POD = """apiVersion: v1
kind: Pod
metadata: {name: p, namespace: n}
spec:
  serviceAccountName: sa
  containers:
  - name: api
    image: ghcr.io/acme/api:v1
  initContainers:
  - {name: init, image: busybox}
"""


def test_images_with_their_places() -> None:
    found = read(f"# a comment\n---\n{POD}")
    assert [(u.text, u.location, u.service_account) for u in found.uses] == [
        (
            "ghcr.io/acme/api:v1",
            Location("f.yaml", 10, 12, "spec.containers[0].image", "Pod", "n", "p", "api", "container"),
            "sa",
        ),
        (
            "busybox",
            Location("f.yaml", 12, 25, "spec.initContainers[0].image", "Pod", "n", "p", "init", "init container"),
            "sa",
        ),
    ]
    assert (found.errors, found.skipped) == ([], 0)


def test_names_that_are_generated() -> None:
    (use, _) = read(POD.replace("name: p, namespace: n", "generateName: p-")).uses
    assert (use.location.name, use.location.namespace) == ("p-", "")


def listed(kind: str, item: str, api: str = "v1") -> str:
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
    return json.dumps({"apiVersion": api, "kind": kind, "items": [{**json.loads(item), **pod}]})


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (listed("List", '{"apiVersion": "v1", "kind": "Pod"}'), "items[0].spec.containers[0].image"),
        (listed("PodList", '{"apiVersion": "v1", "kind": "Pod"}'), "items[0].spec.containers[0].image"),
        # as kubectl reads it: an entry that states no kind is of the list's
        (listed("PodList", "{}"), "items[0].spec.containers[0].image"),
        (listed("PodList", '{"kind": "", "apiVersion": null}'), "items[0].spec.containers[0].image"),
    ],
)
def test_lists(text: str, path: str) -> None:
    (use,) = read(text).uses
    assert (use.text, use.location.path, use.location.kind) == ("nginx", path, "Pod")


def test_lists_in_lists() -> None:
    inner = json.loads(listed("PodList", "{}"))
    found = read(json.dumps({"apiVersion": "v1", "kind": "List", "items": [inner, 5, {"kind": "Secret"}, inner]}))
    assert [u.location.path for u in found.uses] == [
        "items[0].items[0].spec.containers[0].image",
        "items[3].items[0].spec.containers[0].image",
    ]
    assert found.skipped == 1
    assert [error.message for error in found.errors] == ["is no object with apiVersion and kind"]


def test_entries_of_a_plain_list_have_no_kind_by_it() -> None:
    found = read(listed("List", "{}"))
    assert (found.uses, found.skipped) == ([], 1)


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nkind: ConfigMap\ndata: {image: nginx}",
        "apiVersion: v1\nkind: Secret\nstringData: {image: nginx}",
        "apiVersion: acme.example/v1\nkind: Settings\nspec: {containers: [{name: x}], image: {tag: v1}}",
        "apiVersion: imagegate.dev/v1\nkind: ClusterGatePolicy",
        "- a list",
        "kind: 5",
        "kind: List\nitems: x",
        "{}",
    ],
)
def test_other_documents_are_skipped_and_counted(text: str) -> None:
    found = read(text)
    assert (found.uses, found.errors, found.skipped, found.later) == ([], [], 1, {})


LATER = "is not supported by this version of imagegate"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nspec: {template: {spec: {containers: [{image: nginx}]}}}",
            f"f.yaml:2:7: the kind Rollout (argoproj.io) names images and {LATER}; judge the Pods it makes",
        ),
        (
            "apiVersion: tekton.dev/v1\nkind: Task\nspec: {steps: [{image: nginx}]}",
            f"f.yaml:2:7: the kind Task (tekton.dev) names images and {LATER}; judge the Pods it makes",
        ),
        (
            "apiVersion: apps/v1\nkind: Deploymnt\nspec: {template: {spec: {containers: [{image: nginx}]}}}",
            f"f.yaml:2:7: the kind Deploymnt (apps) names images and {LATER}; did you mean Deployment?",
        ),
        (
            "apiVersion: v1\nkind: pod\nspec: {containers: [{image: nginx}]}",
            f"f.yaml:2:7: the kind pod names images and {LATER}; did you mean Pod?",
        ),
        (
            "apiVersion: v1\nkind: Pod\nspec: {contianers: [{image: nginx}]}",
            "f.yaml:3:7: this Pod names no image; is `containers` spelled right?",
        ),
        (
            "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a, image: nginx}, {name: b, Image: nginx}]}",
            "f.yaml:3:46: container b names no image; write `image:`",
        ),
        (
            "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a, image: ''}]}",
            "f.yaml:3:21: container a names no image; write `image:`",
        ),
        ("a text", "f.yaml:1:1: is no object with apiVersion and kind; write a Kubernetes manifest, or take it out"),
    ],
)
def test_what_runs_images_that_cannot_be_seen_is_an_error(text: str, said: str) -> None:
    """Passed over, it would pass."""
    found = read(text)
    assert [str(error) for error in found.errors] == [said]


def test_a_template_that_is_absent_names_no_image_and_is_no_error() -> None:
    found = read("apiVersion: v1\nkind: ReplicationController\nspec: {template: null}")
    assert (found.uses, found.errors) == ([], [])


def test_a_compose_file_is_noted() -> None:
    found = read("services:\n  web: {image: nginx}\n")
    assert found.later == {"f.yaml": "a compose file"}


def test_namespaces_and_their_labels() -> None:
    text = (
        "apiVersion: v1\nkind: Namespace\n"
        "metadata: {name: prod, labels: {env: prod, on: 5, kubernetes.io/metadata.name: other}}\n"
        "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: bare}\n"
        "---\napiVersion: v1\nkind: Namespace\nmetadata: {}\n"
        "---\napiVersion: acme.example/v1\nkind: Namespace\nmetadata: {name: not-ours}\n"
    )
    found = read(text)
    assert found.namespaces == {
        "prod": {"env": "prod", "on": "5", "kubernetes.io/metadata.name": "prod"},
        "bare": {"kubernetes.io/metadata.name": "bare"},
    }


def test_an_object_that_cannot_be_read_is_an_error_and_the_rest_is_read() -> None:
    found = read(f"{POD}---\n{POD.replace('image: ghcr.io/acme/api:v1', 'image: 5')}---\na: [\n---\n{POD}")
    assert [u.text for u in found.uses] == ["ghcr.io/acme/api:v1", "busybox"] * 2
    first, second = found.errors
    assert str(first) == (
        "f.yaml:19:12: spec.containers[0].image is a number; it must be a string; write it as the Kubernetes API has it"
    )
    assert str(second).startswith("f.yaml:24:1: not YAML: ")


def test_a_written_digest_stays_as_it_is() -> None:
    text = f"nginx:1@sha256:{'0' * 64}"
    assert read(POD.replace("ghcr.io/acme/api:v1", text)).uses[0].text == text
    assert read(POD.replace("ghcr.io/acme/api:v1", "'no'")).uses[0].text == "no"
