"""SBOMs, scans and provenance that the real cosign attached, judged by `gate check` and by the webhook."""

from __future__ import annotations

import json
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from gate.demo.cluster import Webhook
from gate.policy.content import cyclonedx
from tests.e2e.commands import Format
from tests.e2e.registries import Repository
from tests.unit.policy.requirements.test_selection import finding, trivy, vuln

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.commands import Key, Ran, Shell
    from tests.e2e.conftest import Keys
    from tests.e2e.registries import Process

pytestmark = pytest.mark.e2e
FORMS = pytest.mark.parametrize("form", [Format.LEGACY, Format.BUNDLE], ids=lambda form: form.value)
WORKFLOW = "https://github.com/acme/api/.github/workflows/release.yml"


def policy(key: Key) -> str:
    """An SBOM without log4j, a fresh scan without criticals, provenance of our workflow."""
    return f"""\
apiVersion: imagegate.dev/v1
kind: ClusterGatePolicy
metadata: {{name: shop}}
spec:
  signers:
    ci:
      key:
        pem: |
{textwrap.indent(key.public.read_text().strip(), " " * 10)}
  rules:
  - sbom: {{by: ci, denyComponents: ["pkg:maven/org.apache.logging.log4j/log4j-core@<2.17.1"], minComponents: 20}}
  - scan: {{by: ci, maxAge: 7d, deny: [{{severity: critical}}]}}
  - provenance: {{by: ci, builder: "{WORKFLOW}@**", source: github.com/acme/api}}
"""


def environment(shell: Shell) -> dict[str, Any]:
    """An SBOM of the environment that the tests run in, by cyclonedx-py."""
    made = shell.run([sys.executable, "-m", "cyclonedx_py", "environment", "--sv", "1.6", sys.prefix])
    assert made.code == 0, made.text
    return made.json


def scanned(*found: dict[str, Any], age: timedelta = timedelta(0)) -> dict[str, Any]:
    at = datetime.now(UTC) - age  # noqa: TID251 - the gate goes by its own clock
    return vuln(trivy(*found, at=at), at)


def built() -> dict[str, Any]:
    workflow = {"repository": "https://github.com/acme/api", "ref": "refs/heads/main", "path": "release.yml"}
    return {
        "buildDefinition": {
            "buildType": "https://actions.github.io/buildtypes/workflow/v1",
            "externalParameters": {"workflow": workflow},
            "internalParameters": {},
            "resolvedDependencies": [],
        },
        "runDetails": {
            "builder": {"id": f"{WORKFLOW}@refs/heads/main"},
            "metadata": {"invocationId": "https://github.com/acme/api/actions/runs/1"},
        },
    }


def attest(shell: Shell, keys: Keys, image: str, form: Format, type_: str, predicate: object) -> None:
    file = shell.home / "predicate.json"
    file.write_text(json.dumps(predicate))
    shell.attest_as(image, form, type_, str(file), "--key", str(keys.release.private))


def codes(ran: Ran) -> list[str]:
    (image,) = ran.json["images"]
    return [finding["code"] for finding in image["findings"] if finding["verdict"] != "allow"]


@FORMS
def test_what_cosign_attached_is_judged(plain: Process, shell: Shell, keys: Keys, tmp_path: Path, form: Format) -> None:
    repository = Repository(plain.host, f"content/{form.value}")
    image = repository.at(repository.image("v1", "one"))
    (tmp_path / "policy.yaml").write_text(policy(keys.release))

    def check() -> Ran:
        flags = ("-p", str(tmp_path), "--insecure-registry", plain.host, "--output", "json")
        return shell.gate("check", f"image:{repository.at('v1')}", *flags)

    assert codes(check()) == ["ATTESTATION_MISSING"] * 3
    bom = environment(shell)
    attest(shell, keys, image, form, "cyclonedx", bom)
    attest(shell, keys, image, form, "vuln", scanned(finding("HIGH"), age=timedelta(days=1)))
    attest(shell, keys, image, form, "slsaprovenance1", built())
    passed = check()
    assert (passed.code, codes(passed)) == (0, []), passed.text

    attest(shell, keys, image, form, "vuln", scanned(finding(), age=timedelta(hours=1)))
    denied = check()
    assert (denied.code, codes(denied)) == (1, ["VULNERABILITY_DENIED"]), denied.text
    (said,) = [f for f in denied.json["images"][0]["findings"] if f["code"] == "VULNERABILITY_DENIED"]
    assert "CVE-2021-44228 critical in log4j-core 2.14.1, fixed in 2.15.0; scan by trivy" in said["message"]

    attest(shell, keys, image, form, "vuln", scanned())
    assert codes(check()) == []
    log4j = {"type": "library", "name": "log4j-core", "version": "2.14.1"}
    hidden = {**log4j, "purl": "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", "bom-ref": "x"}
    attest(shell, keys, image, form, "cyclonedx", {**bom, "components": [*bom["components"], hidden]})
    assert codes(check()) == ["COMPONENT_DENIED"]

    with Webhook(tmp_path, tmp_path / "policy.yaml", plain.host) as webhook:
        answer = webhook.admit(repository.at("v1"))
    assert answer.allowed is False
    assert "COMPONENT_DENIED: log4j-core 2.14.1 is in the image" in answer.message


@FORMS
def test_what_a_stranger_attached_is_nothing(
    plain: Process, shell: Shell, keys: Keys, tmp_path: Path, form: Format
) -> None:
    repository = Repository(plain.host, f"content/stranger-{form.value}")
    image = repository.at(repository.image("v1", "one"))
    (tmp_path / "policy.yaml").write_text(policy(keys.stranger))
    attest(shell, keys, image, form, "vuln", scanned())
    flags = ("-p", str(tmp_path), "--insecure-registry", plain.host, "--output", "json")
    found = shell.gate("check", f"image:{repository.at('v1')}", *flags)
    assert found.code == 1
    assert set(codes(found)) == {"ATTESTATION_INVALID"}


def test_a_bill_of_what_was_judged(plain: Process, shell: Shell, keys: Keys, tmp_path: Path) -> None:
    repository = Repository(plain.host, "content/bill")
    digest = repository.image("v1", "one")
    shell.sign(repository.at(digest), keys.release, Format.BUNDLE)
    text = policy(keys.release).partition("  rules:")[0] + "  rules:\n  - signature: {by: ci}\n"
    (tmp_path / "policy.yaml").write_text(text)
    flags = ("-p", str(tmp_path), "--insecure-registry", plain.host, "--output", "cyclonedx")
    made = shell.gate("check", f"image:{repository.at('v1')}", *flags)
    assert made.code == 0, made.text
    (component,) = cyclonedx.checked(made.json)["components"]
    assert component["version"] == str(digest)
    properties = {(p["name"], p["value"]) for p in component["properties"]}  # type: ignore[typeddict-item]
    assert ("imagegate:verdict", "allow") in properties
