from __future__ import annotations

import json
from pathlib import Path

import pytest

from gate.kubernetes.admission import parse_review
from gate.kubernetes.workload import GroupKind, dotted, images, service_account

GOLDEN = Path(__file__).parents[2] / "golden"
NAMES = (
    "cronjob-create",
    "deployment-create",
    "pod-delete",
    "pod-deleting-update",
    "pod-ephemeral-update",
    "pod-metadata-update",
    "pod-owned-create",
    "pod-resize-update",
    "podtemplate-create",
    "replicationcontroller-create",
    "statefulset-scale",
    "statefulset-update",
)


@pytest.mark.parametrize("name", NAMES)
def test_reads_what_a_real_api_server_sends(name: str) -> None:
    request = parse_review((GOLDEN / f"{name}.json").read_bytes())
    found = images(request.gk, request.obj) if request.obj is not None else ()
    assert json.loads((GOLDEN / f"{name}.expected.json").read_bytes()) == {
        "group": request.gk.group,
        "kind": request.gk.kind,
        "operation": request.operation,
        "subResource": request.sub_resource,
        "namespace": request.namespace,
        "name": request.name,
        "serviceAccount": service_account(request.gk, request.obj),
        "images": [
            {"path": dotted(field.path), "text": field.text, "container": field.container, "what": field.what}
            for field in found
        ],
        "judged": [dotted(field.path) for field in request.images_to_judge()],
    }


def test_the_rest_of_a_real_request() -> None:
    request = parse_review((GOLDEN / "deployment-create.json").read_bytes())
    assert request.api_version == "admission.k8s.io/v1"
    assert len(request.uid) == 36
    assert request.gk == GroupKind("apps", "Deployment")
    assert (request.username, request.dry_run, request.old_obj) == ("admin", False, None)
