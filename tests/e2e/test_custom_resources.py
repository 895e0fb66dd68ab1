"""Our custom resources at a real API server: it takes the definitions and the examples, and refuses what is wrong."""

from __future__ import annotations

import json
import time
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from docs.generate import ROOT
from gate.documents import Document, read_documents
from gate.policy.reading.schema.structural import RESOURCES, definition
from tests.e2e.api_server import MERGE, ApiServer, api_server

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GROUP = "/apis/imagegate.dev/v1"
Json = dict[str, Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """With our definitions, and the namespace that the examples are of."""
    with api_server(tmp_path_factory.mktemp("cluster")) as found:
        for kind in RESOURCES:
            status, answer = found.ask("POST", f"{DEFINITIONS}?fieldValidation=Strict", definition(kind))
            assert status == 201, answer
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "payments"}}
        assert found.ask("POST", "/api/v1/namespaces", namespace)[0] == 201
        for kind in RESOURCES:
            await_established(found, kind)
        yield found


def await_established(server: ApiServer, kind: str) -> None:
    name = definition(kind)["metadata"]["name"]
    for _ in range(300):
        conditions = conditions_of(server, name)
        if conditions.get("Established") == "True" and server.ask("GET", path_of({"kind": kind}))[0] == 200:
            return
        time.sleep(0.1)
    pytest.fail(f"{name} is not established: {conditions}")


def conditions_of(server: ApiServer, name: str) -> dict[str, str]:
    found = server.ask("GET", f"{DEFINITIONS}/{name}")[1]
    return {entry["type"]: entry["status"] for entry in found.get("status", {}).get("conditions", [])}


def path_of(document: Json) -> str:
    spec = definition(document["kind"])["spec"]
    namespace = "/namespaces/payments" if spec["scope"] == "Namespaced" else ""
    return f"{GROUP}{namespace}/{spec['names']['plural']}"


def example(kind: str) -> Json:
    """The one of the reference, under a name of its own but where there is one name only."""
    text = (ROOT / "docs" / "examples" / f"{kind}.yaml").read_text(encoding="utf-8")
    (document,) = read_documents(text, kind)
    assert isinstance(document, Document)
    found: Json = json.loads(json.dumps(document.data))
    return found


def named(document: Json, name: str) -> Json:
    return {**document, "metadata": {**document["metadata"], "name": name}}


def create(server: ApiServer, document: Json) -> tuple[int, str]:
    """Whether the server would take it, and what it says if not."""
    status, answer = server.ask("POST", f"{path_of(document)}?dryRun=All&fieldValidation=Strict", document)
    return status, str(answer.get("message", ""))


@pytest.mark.parametrize("kind", RESOURCES)
def test_a_definition_is_established_and_structural(server: ApiServer, kind: str) -> None:
    name = definition(kind)["metadata"]["name"]
    assert conditions_of(server, name) == {"NamesAccepted": "True", "Established": "True"}


@pytest.mark.parametrize("kind", RESOURCES)
def test_an_example_is_taken_as_it_is(server: ApiServer, kind: str) -> None:
    document = example(kind)
    status, answer = server.ask("POST", f"{path_of(document)}?fieldValidation=Strict", document)
    assert status == 201, answer
    assert answer["spec"] == document["spec"]
    assert server.ask("DELETE", f"{path_of(document)}/{document['metadata']['name']}")[0] == 200


def changed(kind: str, *path: Any, to: object) -> Json:
    document = deepcopy(example(kind))
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return document


BY = ("ClusterGatePolicy", "spec", "rules", 1, "signature", "by")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (changed("ClusterGatePolicy", "spec", "mode", to="on"), 'supported values: "enforce", "warn", "audit"'),
        (changed("ClusterGatePolicy", "spec", "rules", to={}), "spec.rules in body must be of type array"),
        (changed("ClusterGatePolicy", "spec", "rules", to=[]), "should have at least 1 items"),
        (changed("ClusterGatePolicy", "spec", "match", "images", to=[5]), "must be of type string"),
        (changed("ClusterGatePolicy", "spec", to={}), "spec.rules: Required value"),
        (changed("ClusterGatePolicy", "spec", "signers", to={"a": {}}), "should have at least 1 properties"),
        (changed("ClusterGatePolicy", "spec", "rules", 2, "signature", "minAge", to="3 days"), "should match"),
        (changed("GatePolicy", "spec", "signers", "team", "key", "secret", to={"name": "x"}), "key: Required value"),
        (changed("GateException", "spec", "exceptions", 0, "until", to=5), "until in body must be of type string"),
        (changed("GateException", "spec", "policies", to=[]), "should have at least 1 items"),
        (changed("GateRevocation", "spec", to={"reason": "x"}), "it revokes nothing"),
        (changed("GateBreakGlass", "spec", to={"until": "2030-01-01", "reason": "x"}), "it lets everything through"),
        (changed("GateTrustRoot", "spec", to={"file": "root.json"}), "a file can't be read from here"),
        (changed("GateTrustRoot", "spec", "json", to={"a": 1}), "give exactly one of json, secret and tuf"),
        (named(example("GateTrustRoot"), "public-good"), "public-good is built in"),
        (named(example("GateConfig"), "second"), "its name is default"),
        (changed("GateConfig", "spec", "registries", to=[{"host": 5}]), "host in body must be of type string"),
        # of a union what can be told without a type
        (changed(*BY, to=""), "should be at least 1 chars long"),
        (changed(*BY, to=[]), "should have at least 1 items"),
        (changed(*BY, to={}), "should have at least 1 properties"),
        (changed(*BY, to=5), "should be less than or equal to 0"),
        (changed(*BY, to={"all": "ci"}), "by.all in body must be of type array"),
        (changed(*BY, to={"atLeast": 0, "of": ["ci"]}), "by.atLeast in body should be greater than or equal to 1"),
        (changed(*BY, to={"all": [["ci", 5]]}), "by.all[0][1] in body should be less than or equal to 0"),
    ],
)
def test_what_is_wrong_is_refused(server: ApiServer, document: Json, said: str) -> None:
    status, message = create(server, document)
    assert (status, said in message) == (422, True), message


@pytest.mark.parametrize("by", ["ci", ["ci", "release"], {"all": ["ci", ["release"]]}, {"atLeast": 1, "of": ["ci"]}])
def test_every_form_of_by_is_taken(server: ApiServer, by: object) -> None:
    assert create(server, changed(*BY, to=by)) == (201, "")


def test_a_break_glass_stays_as_it_was_created(server: ApiServer) -> None:
    document = named(example("GateBreakGlass"), "outage-2")
    path = f"{path_of(document)}/outage-2"
    assert server.ask("POST", path_of(document), document)[0] == 201
    for change in ({"until": "2030-01-01"}, {"images": ["**"]}, {"ticket": None}, {"unknown": 1}):
        status, answer = server.ask("PATCH", path, {"spec": change}, MERGE)
        assert (status, "stays as it was created" in answer["message"]) == (422, True), change
    assert server.ask("PATCH", path, {"metadata": {"labels": {"seen": "yes"}}}, MERGE)[0] == 200
    assert server.ask("GET", path)[1]["spec"] == document["spec"]


@pytest.mark.parametrize("field", ["file", "unheardOf"])
def test_a_field_that_is_not_known_reaches_the_gate(server: ApiServer, field: str) -> None:
    """Pruned, it would make the policy ask for less than its author wrote."""
    document = changed("ClusterGatePolicy", "spec", "rules", 0, "image", field, to="x")
    status, answer = server.ask("POST", f"{path_of(document)}?dryRun=All", document)
    assert (status, answer["spec"]) == (201, document["spec"])


def test_the_status_is_a_matter_of_its_own(server: ApiServer) -> None:
    document = named(example("GateRevocation"), "with-status")
    assert server.ask("POST", path_of(document), document)[0] == 201
    path = f"{path_of(document)}/with-status"
    condition = {
        "type": "Valid", "status": "False", "reason": "PolicyInvalid", "message": "no", "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    change = {"spec": {"reason": "y"}, "status": {"observedGeneration": 1, "conditions": [condition], "message": "no"}}
    status, answer = server.ask("PATCH", f"{path}/status", change, MERGE)
    assert (status, answer["spec"], answer["status"]) == (200, document["spec"], change["status"])
