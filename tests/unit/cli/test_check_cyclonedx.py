"""`gate check --output cyclonedx`: a bill of what was judged, that its makers' schema takes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from gate.policy.content import cyclonedx
from tests.unit.cli.support import AT, gate, pod, policy, write

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = f"sha256:{'ab' * 32}"


def bill(folder: Path, *images: str) -> dict[str, Any]:
    source = write(folder, "pod.yaml", pod(*images))
    rules = write(folder, "policy.yaml", policy("[{image: {tags: unsafeAny}}]"))
    ran = gate("check", source, "-p", rules, "--offline", "--at", AT, "-o", "cyclonedx")
    found: dict[str, Any] = json.loads(ran.out)
    cyclonedx.checked(found)
    return found


def properties(component: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["name"], one["value"]) for one in component["properties"]]


def test_each_image_is_a_component(tmp_path: Path) -> None:
    found = bill(tmp_path, f"ghcr.io/acme/api:v1@{DIGEST}", "ghcr.io/acme/web:latest", "Not A Reference")
    by_name = {component["name"]: component for component in found["components"]}
    api = by_name["ghcr.io/acme/api"]
    assert (api["type"], api["version"]) == ("container", DIGEST)
    assert api["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    assert api["purl"] == f"pkg:oci/api@{DIGEST}?repository_url=ghcr.io/acme/api&tag=v1"
    assert ("imagegate:verdict", "allow") in properties(api)
    web = by_name["ghcr.io/acme/web"]
    assert ("imagegate:verdict", "deny") in properties(web)
    assert any(value.startswith("TAG_MUTABLE deny p/image: ") for name, value in properties(web))
    (place,) = (value for name, value in properties(web) if name == "imagegate:location")
    assert re.search(r"pod\.yaml:[0-9]+:[0-9]+$", place)
    assert ("imagegate:verdict", "deny") in properties(by_name["Not A Reference"])
    assert ("imagegate:verdict", "deny") in properties(found["metadata"])


def test_it_is_the_same_for_the_same_report(tmp_path: Path) -> None:
    one, other = (bill(tmp_path, f"ghcr.io/acme/api@{DIGEST}") for _ in range(2))
    assert one == other
