"""`gate policy test`: the cryptography runs, offline, on images in OCI layouts."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from gate.cli import watching
from gate.cli.watching import state_of, watch
from gate.demo.images import BUNDLE, Layer, LayoutWriter
from gate.errors import UsageError
from gate.image.digest import Digest
from gate.image.manifest import Descriptor
from gate.registry.layout import RECORDED
from tests.fakes.signing import alice, mallory
from tests.fakes.signing_authority import Signature, encode, shared_world, statement
from tests.unit.cli.bench import KEYLESS, person
from tests.unit.cli.support import AT, NOTHING, gate, pod, policy, write

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKOUT = Path(__file__).resolve().parents[3]
WORLD = shared_world()
API = "ghcr.io/acme/api"
SIGNED = {"name": "signed", "image": f"{API}:v1", "expect": {"verdict": "allow"}}
UNSIGNED = {
    "name": "unsigned",
    "image": f"{API}:v2",
    "expect": {"verdict": "deny", "findings": [{"rule": "signature", "code": "SIGNATURE_MISSING"}]},
}
STRANGER = {
    "name": "stranger",
    "image": f"{API}:v3",
    "expect": {"verdict": "deny", "findings": [{"rule": "signature", "code": "KEY_MISMATCH", "policy": "p"}]},
}
ALL = (SIGNED, UNSIGNED, STRANGER)


def gate_test(*cases: dict[str, Any], name: str = "t", **spec: Any) -> str:
    whole = {"at": AT, "evidence": [{"repository": API, "layout": "api"}], **spec, "cases": list(cases)}
    document = {"apiVersion": "imagegate.dev/v1", "kind": "GateTest", "metadata": {"name": name}, "spec": whole}
    return json.dumps(document, indent=1)


@pytest.fixture
def layout(tmp_path: Path) -> LayoutWriter:
    """Three images: signed by alice, not at all, and by a stranger; and the policy that wants alice's signature."""
    writer = LayoutWriter(tmp_path / "policies/api")
    writer.sign_legacy(writer.image("v1", "signed"), alice(), API)
    writer.image("v2", "unsigned")
    writer.sign_bundle(writer.image("v3", "stranger"), mallory())
    write(tmp_path, "policies/alice.pub", alice().pem.decode())
    signers = json.dumps({"alice": {"key": {"file": "alice.pub"}}})
    write(tmp_path, "policies/p.yaml", policy("[{signature: {by: alice}}]", signers=signers))
    return writer


def _digest(layout: LayoutWriter, tag: str) -> Digest:
    content = layout.content(tag)
    assert content is not None
    return Digest.of(content)


def _tag(layout: LayoutWriter, tag: str) -> str:
    """As the tags of what is attached begin."""
    return _digest(layout, tag).tag


def _blob(layout: LayoutWriter, tag: str) -> Path:
    """The file of a manifest."""
    return layout._path(_digest(layout, tag))


def test_all_as_expected(tmp_path: Path, layout: LayoutWriter) -> None:
    write(tmp_path, "policies/test.yaml", gate_test(*ALL))
    ran = gate("policy", "test", "policies")
    assert (ran.code, ran.err) == (0, "")
    assert (
        ran.out
        == """\
policies/test.yaml: GateTest t, as at 2026-11-23T12:00:00Z
        case      expected  got
  PASS  signed    allow     allow
  PASS  unsigned  deny      deny
  PASS  stranger  deny      deny

rule         passing  failing
p/signature  yes      yes
1 of 1 rule seen both passing and failing

1 test, 3 cases: 3 passed
"""
    )


@pytest.mark.parametrize("text", [b"dev.cosignproject.cosign/signature", b"application/vnd.oci.image.layer"])
def test_a_tampered_layout_flips_the_result(text: bytes, tmp_path: Path, layout: LayoutWriter) -> None:
    write(tmp_path, "policies/test.yaml", gate_test(SIGNED))
    assert gate("policy", "test", "policies").code == 0
    tampered = _blob(layout, "v1" if b"oci" in text else f"{_tag(layout, 'v1')}.sig")
    tampered.write_bytes(tampered.read_bytes().replace(text, text[:-1] + b"x"))
    ran = gate("policy", "test", "policies")
    assert ran.code == (1 if b"cosign" in text else 0)  # of an image nothing is read where its signature is there
    if ran.code:
        assert "  FAIL  signed  allow     error\n" in ran.out
        assert "not expected: REGISTRY_PROTOCOL [p/signature] of ghcr.io/acme/api:v1: layout policies/api: " in ran.out
        assert f"the file of sha256:{tampered.name} has other content" in ran.out


def test_a_forged_signature_flips_the_result(tmp_path: Path, layout: LayoutWriter) -> None:
    """Everything has its right digest. That is how one sees that the cryptography runs."""
    tag = f"{_tag(layout, 'v1')}.sig"
    content = layout.content(tag)
    assert content is not None
    document = json.loads(content)
    annotations = document["layers"][0]["annotations"]
    signature = bytearray(base64.b64decode(annotations["dev.cosignproject.cosign/signature"]))
    signature[-1] ^= 1
    annotations["dev.cosignproject.cosign/signature"] = base64.b64encode(signature).decode()
    layout.manifest(document, tag)
    write(tmp_path, "policies/test.yaml", gate_test(SIGNED))
    ran = gate("policy", "test", "policies")
    assert ran.code == 1
    assert "  FAIL  signed  allow     deny\n" in ran.out
    assert "not expected: KEY_MISMATCH [p/signature] of ghcr.io/acme/api:v1: " in ran.out


def test_a_signature_of_another_image_is_none(tmp_path: Path, layout: LayoutWriter) -> None:
    signature = layout.content(f"{_tag(layout, 'v1')}.sig")
    assert signature is not None
    layout.manifest(json.loads(signature), f"{_tag(layout, 'v2')}.sig")
    write(tmp_path, "policies/test.yaml", gate_test(UNSIGNED))
    ran = gate("policy", "test", "policies")
    assert ran.code == 1
    assert "not expected: SIGNATURE_INVALID [p/signature] of ghcr.io/acme/api:v2: " in ran.out
    assert "expected, and not there: SIGNATURE_MISSING [signature]" in ran.out


def test_a_difference_is_told_with_its_place_and_remedy(tmp_path: Path, layout: LayoutWriter) -> None:
    wrong = {**STRANGER, "expect": {"verdict": "allow", "findings": [{"code": "EXCEPTION_USED"}]}}
    write(tmp_path, "policies/test.yaml", gate_test(SIGNED, wrong))
    lines = gate("policy", "test", "policies", "--no-coverage").out.splitlines()
    start = lines.index("  FAIL  stranger  allow     deny")
    assert lines[start + 1].startswith("        policies/test.yaml:")
    assert lines[start + 2 : start + 4] == [
        "        expected the verdict allow, got deny",
        "        expected, and not there: EXCEPTION_USED",
    ]
    assert lines[start + 4].startswith("        not expected: KEY_MISMATCH [p/signature] of ghcr.io/acme/api:v3: ")
    assert lines[start + 5].startswith("          Fix: ")
    assert lines[-1] == "1 test, 2 cases: 1 failed, 1 passed"


def test_what_has_no_evidence_is_an_error_and_may_be_expected(tmp_path: Path, layout: LayoutWriter) -> None:
    """Exit code 3 is never a test's: that an image can't be judged is as expected, or it is not."""
    finding = {"code": "REGISTRY_UNREACHABLE", "rule": "signature"}
    case = {"name": "elsewhere", "image": "ghcr.io/acme/web:v1", "expect": {"verdict": "error", "findings": [finding]}}
    write(tmp_path, "policies/test.yaml", gate_test(case))
    ran = gate("policy", "test", "policies")
    assert ran.code == 0
    assert "p/signature  never    never" in ran.out
    write(tmp_path, "policies/test.yaml", gate_test({**case, "expect": {"verdict": "deny"}}))
    ran = gate("policy", "test", "policies")
    assert ran.code == 1
    assert "not expected: REGISTRY_UNREACHABLE [p/signature] of ghcr.io/acme/web:v1: " in ran.out


def test_a_secret_can_not_be_read_as_in_a_check(tmp_path: Path, layout: LayoutWriter) -> None:
    signers = json.dumps({"alice": {"key": {"secret": {"name": "k", "key": "pub"}}}})
    write(tmp_path, "policies/p.yaml", policy("[{signature: {by: alice}}]", signers=signers))
    case = {**SIGNED, "expect": {"verdict": "error", "findings": [{"code": "TRUST_ROOT_UNAVAILABLE"}]}}
    write(tmp_path, "policies/test.yaml", gate_test(case))
    assert gate("policy", "test", "policies").code == 0


def _keyless(folder: Path, **signer: Any) -> None:
    """An image signed by a certificate of `WORLD`, a policy that wants that, and the world's trusted root."""
    writer = LayoutWriter(folder / "policies/api")
    signature = Signature.of_payload(WORLD.issue(profile=person()), statement(writer.image("v1", "api")))
    (digest,) = [entry.digest for entry in writer._listed()]
    writer.attach(digest, BUNDLE, [Layer(BUNDLE, encode(WORLD.bundle(signature)))])
    signers = {"s": {"keyless": {**{k: v for k, v in KEYLESS.items() if k != "trustRoot"}, **signer}}}
    write(folder, "policies/p.yaml", policy("[{signature: {by: s}}]", signers=json.dumps(signers)))
    (folder / "policies/root.json").write_bytes(WORLD.trusted_root())


@pytest.mark.parametrize("name", ["public-good", "ours"])
def test_a_trust_root_stands_in_for_another(name: str, tmp_path: Path) -> None:
    """For a built-in one too; and for one of the cluster, which is not here at all."""
    _keyless(tmp_path, **({} if name == "public-good" else {"trustRoot": name}))
    root = {"name": name, "file": "root.json"}
    write(tmp_path, "policies/test.yaml", gate_test(SIGNED, trustRoots=[root]))
    ran = gate("policy", "test", "policies")
    assert (ran.code, ran.err) == (0, "")
    write(tmp_path, "policies/test.yaml", gate_test(SIGNED))
    ran = gate("policy", "test", "policies")
    code = "CERTIFICATE_UNTRUSTED" if name == "public-good" else "TRUST_ROOT_UNAVAILABLE"
    assert (ran.code, f"not expected: {code} [p/signature]" in ran.out) == (1, True), ran.out


def test_a_trust_root_of_one_test_is_nobody_elses(tmp_path: Path) -> None:
    _keyless(tmp_path)
    root = {"name": "public-good", "file": "root.json"}
    untrusted = {"verdict": "deny", "findings": [{"code": "CERTIFICATE_UNTRUSTED"}]}
    own = gate_test(SIGNED, name="own", trustRoots=[root])
    others = gate_test({**SIGNED, "expect": untrusted}, name="others")
    write(tmp_path, "policies/a.yaml", f"{own}\n---\n{others}")
    assert gate("policy", "test", "policies").code == 0
    check = gate("check", "image:oci:policies/api", "--as", f"{API}:v1", "-p", "policies", "--offline", "--at", AT)
    assert check.code == 1
    assert "CERTIFICATE_UNTRUSTED" in check.out


def _real(name: str) -> Path:
    data = Path(os.environ.get("IMAGEGATE_REAL_DATA") or CHECKOUT.parent / "shared" / "testdata")  # noqa: TID251
    if not (data / name).is_dir():
        pytest.skip(f"no real signed images in {data}: IMAGEGATE_REAL_DATA says where they are")
    return data / name


def test_a_real_layout_of_cosign_save(tmp_path: Path) -> None:
    """slsa-verifier's example; its index.json names no tags."""
    folder = _real("slsa-container/v1.10.0/container_workflow_dispatch")
    name = "ghcr.io/slsa-framework/example-package"
    signers = json.dumps({"alice": {"key": {"pem": alice().pem.decode()}}})
    write(tmp_path, "p.yaml", policy("[{signature: {by: alice}}]", signers=signers))
    digest = folder.with_name(f"{folder.name}.digest").read_text().strip()
    cases = [
        {**UNSIGNED, "name": "by tag", "image": f"{name}:any"},
        {**UNSIGNED, "name": "by digest", "image": f"{name}@{digest}"},
    ]
    write(tmp_path, "t.yaml", gate_test(*cases, evidence=[{"repository": name, "layout": str(folder)}]))
    ran = gate("policy", "test", "t.yaml")
    assert (ran.code, ran.err) == (0, ""), ran.out


def test_real_signatures_by_keys_and_by_an_identity(tmp_path: Path) -> None:
    """Connaisseur's images, against the public-good root that is shipped."""
    folder, name = _real("cosign-legacy"), "docker.io/securesystemsengineering/testimage"
    writer = LayoutWriter(tmp_path / "layout")
    for blob in (folder / "blobs").iterdir():
        writer.blob(blob.read_bytes())
    entries = []
    for manifest in sorted((folder / "manifests").glob("*.json")):
        content = manifest.read_bytes()
        if manifest.stem != "co-unsigned":  # which is no manifest at all
            named = {"org.opencontainers.image.ref.name": manifest.name.removesuffix(".json")}
            digest = writer.blob(content)
            entries.append(Descriptor(json.loads(content)["mediaType"], digest, len(content), named))
    writer._write_index(entries)
    identity = {"issuer": "https://github.com/login/oauth", "subject": "philipp.belitz@securesystems.de"}
    keys = {who: {"key": {"pem": (folder / f"{who}.key").read_text()}} for who in ("alice", "bob", "charlie")}
    signers = json.dumps({**keys, "philipp": {"keyless": identity}})
    rules = "[{name: all, signature: {by: {all: [alice, bob, charlie]}}}]"
    write(tmp_path, "p/all.yaml", policy(rules, name="all", match="{images: ['**'], exclude: []}", signers=signers))
    write(tmp_path, "q/one.yaml", policy("[{name: one, signature: {by: philipp}}]", name="one", signers=signers))
    evidence = [{"repository": name, "layout": "layout"}]
    few = {"verdict": "deny", "findings": [{"code": "SIGNERS_TOO_FEW", "rule": "all"}]}
    three = [
        {"name": "three", "image": f"{name}:multi-cosigned-alice-bob-charlie", "expect": {"verdict": "allow"}},
        {"name": "one", "image": f"{name}:multi-cosigned-alice", "expect": few},
    ]
    wrong = {"verdict": "deny", "findings": [{"code": "IDENTITY_MISMATCH", "rule": "one"}]}
    keyless = [
        {"name": "keyless", "image": f"{name}:keyless", "expect": {"verdict": "allow"}},
        {"name": "by key", "image": f"{name}:multi-cosigned-alice", "expect": wrong},
    ]
    write(tmp_path, "t.yaml", gate_test(*three, evidence=evidence, policies=["p"]))
    write(tmp_path, "u.yaml", gate_test(*keyless, evidence=evidence, policies=["q"]))
    ran = gate("policy", "test", "t.yaml", "u.yaml", "--require-coverage")
    assert (ran.code, ran.err) == (0, ""), ran.out


# manifests, namespaces, time


def test_a_manifest_and_its_namespace(tmp_path: Path, layout: LayoutWriter) -> None:
    match = "{namespaces: {matchLabels: {env: prod}}}"
    write(tmp_path, "policies/p.yaml", policy("[{image: {registries: [ghcr.io/acme], denyTags: []}}]", match=match))
    manifest = json.loads(pod("nginx:1", f"{API}:v1"))
    denied = {"verdict": "deny", "findings": [{"code": "REGISTRY_NOT_ALLOWED"}]}
    of_nobody = [{"code": "NO_POLICY_MATCHED", "image": image} for image in ("nginx:1", f"{API}:v1")]
    unmatched = {"verdict": "deny", "findings": of_nobody}
    cases = [
        {"name": str(i), "manifest": manifest, "namespace": {"name": "web", "labels": labels}, "expect": expect}
        for i, (labels, expect) in enumerate([({"env": "prod"}, denied), ({"env": "test"}, unmatched)])
    ]
    cases.append({"name": "unknown", "manifest": manifest, "expect": denied})
    write(tmp_path, "policies/test.yaml", gate_test(*cases))
    ran = gate("policy", "test", "policies")
    assert ran.code == 0, ran.out


def test_a_manifest_of_a_kind_that_the_config_names(tmp_path: Path, layout: LayoutWriter) -> None:
    kinds = [{"group": "acme.test", "kind": "Job", "images": ["spec.image"]}]
    config = {"kind": "GateConfig", "metadata": {"name": "default"}, "spec": {"customResources": kinds}}
    manifest = {"apiVersion": "acme.test/v1", "kind": "Job", "spec": {"image": f"{API}:v2"}}
    case = {"name": "job", "manifest": manifest, "expect": UNSIGNED["expect"]}
    write(tmp_path, "policies/test.yaml", gate_test(case))
    ran = gate("policy", "test", "policies")
    assert (ran.code, ran.out) == (2, "")
    assert "the kind Job (acme.test) names images and is not supported" in ran.err
    write(tmp_path, "policies/config.yaml", json.dumps({"apiVersion": "imagegate.dev/v1", **config}))
    ran = gate("policy", "test", "policies")
    assert (ran.code, ran.err) == (0, ""), ran.out


def test_time_is_the_tests_own_unless_it_is_said(tmp_path: Path, layout: LayoutWriter) -> None:
    text = (tmp_path / "policies/p.yaml").read_text()
    write(
        tmp_path, "policies/p.yaml", f"{text}  exceptions:\n  - {{rule: signature, until: 2026-11-30, reason: soon}}\n"
    )
    used = {"verdict": "allow", "findings": [{"code": "EXCEPTION_USED"}]}
    over = {"verdict": "deny", "findings": [{"code": "SIGNATURE_MISSING"}, {"code": "EXCEPTION_EXPIRED"}]}
    write(tmp_path, "policies/test.yaml", gate_test({**UNSIGNED, "expect": used}))
    ran = gate("policy", "test", "policies")
    assert ran.code == 0
    assert "p/signature: until 2026-11-30 (soon)  yes      never" in ran.out
    assert gate("policy", "test", "policies", "--at", "2026-12-24T00:00:00Z").code == 1
    later = gate_test({**UNSIGNED, "expect": over}, name="later", at="2026-12-24T00:00:00Z")
    write(tmp_path, "policies/later.yaml", later)
    ran = gate("policy", "test", "policies")
    assert ran.code == 0
    assert "p/signature: until 2026-11-30 (soon)  yes      yes" in ran.out
    assert "1 of 1 exception used and refused" in ran.out


def test_the_instant_that_is_judged_at_is_said(tmp_path: Path, layout: LayoutWriter) -> None:
    write(tmp_path, "policies/test.yaml", gate_test(SIGNED))
    for flags, at in (((), AT), (("--at", "2026-12-24T01:02:03+01:00"), "2026-12-24T00:02:03Z")):
        command = ("policy", "test", "policies", "--no-coverage", *flags)
        own = f" (--at; its own is {AT})" if flags else ""
        assert gate(*command).out.splitlines()[0] == f"policies/test.yaml: GateTest t, as at {at}{own}"
        assert gate(*command, "-o", "json").json["tests"][0]["at"] == at
        (suite,) = ET.fromstring(gate(*command, "-o", "junit").out)
        assert suite.get("timestamp") == at.removesuffix("Z")
        assert [(p.get("name"), p.get("value")) for p in suite[0]] == [("at", at)]


def test_a_mirror_is_judged_by_the_name_of_its_origin(tmp_path: Path, layout: LayoutWriter) -> None:
    config = """---
apiVersion: imagegate.dev/v1
kind: GateConfig
metadata: {name: default}
spec:
  registries: [{host: harbor.test, prefix: acme, mirrorOf: ghcr.io, ca: {file: none.pem}}]
  credentials: {keychains: [ecr], dockerConfig: {file: none.json}}
"""
    write(tmp_path, "policies/config.yaml", config)
    case = {**SIGNED, "image": "harbor.test/acme/acme/api:v1"}
    for repository in (API, "harbor.test/acme/acme/api"):
        evidence = [{"repository": repository, "layout": "api"}]
        write(tmp_path, "policies/test.yaml", gate_test(case, evidence=evidence))
        ran = gate("policy", "test", "policies")
        assert (ran.code, ran.err) == (0, ""), ran.out


def test_a_repository_and_its_mirror_are_one(tmp_path: Path, layout: LayoutWriter) -> None:
    """Which of two layouts answered was up to their order."""
    config = """---
apiVersion: imagegate.dev/v1
kind: GateConfig
metadata: {name: default}
spec: {registries: [{host: harbor.test, prefix: acme, mirrorOf: ghcr.io}]}
"""
    evidence = [{"repository": name, "layout": "api"} for name in (API, "harbor.test/acme/acme/api")]
    write(tmp_path, "policies/test.yaml", gate_test(SIGNED, evidence=evidence))
    assert gate("policy", "test", "policies").code == 0
    flagged = gate("policy", "test", "policies", "--mirror", "ghcr.io=harbor.test/acme")
    write(tmp_path, "policies/config.yaml", config)
    for ran in (flagged, gate("policy", "test", "policies")):
        assert (ran.code, ran.out) == (2, "")
        assert f"harbor.test/acme/acme/api and {API} are both judged as {API}" in ran.err
        assert ran.err.startswith("policies/test.yaml:15:19: ")
    assert "duplicate-in-test" in gate("policy", "lint", "policies").out


def test_a_layout_that_was_recorded_of_another_repository(tmp_path: Path, layout: LayoutWriter) -> None:
    index = json.loads((tmp_path / "policies/api/index.json").read_text())
    for of, said in (("ghcr.io/acme/web", True), ("no name\x1b[31m", True), (API, False)):
        write(tmp_path, "policies/api/index.json", json.dumps({**index, "annotations": {RECORDED: of}}))
        write(tmp_path, "policies/test.yaml", gate_test(*ALL))
        ran = gate("policy", "test", "policies")
        assert ran.code == 0
        assert (f"was recorded of {of!r}, and answers here for {API}" in ran.err) is said
        assert "\x1b" not in ran.err


def test_a_layout_that_was_recorded_of_a_mirror(tmp_path: Path, layout: LayoutWriter) -> None:
    index = json.loads((tmp_path / "policies/api/index.json").read_text())
    annotations = {RECORDED: "harbor.test/acme/acme/api"}
    write(tmp_path, "policies/api/index.json", json.dumps({**index, "annotations": annotations}))
    write(tmp_path, "policies/test.yaml", gate_test(*ALL))
    ran = gate("policy", "test", "policies", "--mirror", "ghcr.io=harbor.test/acme")
    assert (ran.code, ran.err) == (0, "")


def test_no_credentials_are_read(tmp_path: Path, layout: LayoutWriter) -> None:
    """Nor anything else of the machine: a pipe that nobody writes to would hold it up."""
    os.mkfifo(tmp_path / "config.json")
    write(tmp_path, "policies/test.yaml", gate_test(SIGNED))
    assert gate("policy", "test", "policies", "--registry-config", "config.json", "--timeout", "5s").code == 0


# outputs


def test_json(tmp_path: Path, layout: LayoutWriter) -> None:
    write(tmp_path, "policies/test.yaml", gate_test(SIGNED, {**STRANGER, "expect": {"verdict": "deny"}}))
    ran = gate("policy", "test", "policies", "-o", "json")
    assert ran.code == 1
    assert ran.json["apiVersion"] == "imagegate.dev/tests/v1"
    assert (ran.json["passed"], ran.json["summary"]) == (False, {"tests": 1, "cases": 2, "passed": 1, "failed": 1})
    first, second = ran.json["tests"][0]["cases"]
    assert (first["name"], first["passed"], first["unexpected"]) == ("signed", True, [])
    (unexpected,) = second["unexpected"]
    assert (unexpected["image"], unexpected["code"], second["verdict"]) == (f"{API}:v3", "KEY_MISMATCH", "deny")
    (rule,) = ran.json["coverage"]["rules"]
    assert (rule["policy"]["name"], rule["rule"], rule["passing"], rule["failing"]) == ("p", "signature", True, True)
    assert "coverage" not in gate("policy", "test", "policies", "-o", "json", "--no-coverage").json


HOSTILE = 'x\x00\x1b[31m<&">]]>\u202e\n2'


def test_junit_is_xml_whatever_names_hold(tmp_path: Path, layout: LayoutWriter) -> None:
    cases = [SIGNED, {**STRANGER, "name": f"{HOSTILE}\ufffe"}, {**STRANGER, "name": "<a>", "image": HOSTILE}]
    write(tmp_path, "policies/test.yaml", gate_test(*cases))
    ran = gate("policy", "test", "policies", "-o", "junit", "--output-file", "report.xml")
    assert (ran.code, ran.out) == (1, "")
    suites = ET.fromstring((tmp_path / "report.xml").read_bytes())
    assert (suites.get("tests"), suites.get("failures")) == ("3", "1")
    (suite,) = suites
    shown = suite.findall("testcase")
    assert [case.get("name") for case in shown][::2] == ["signed", "<a>"]
    failure = shown[2].find("failure")
    assert failure is not None
    assert "REFERENCE_INVALID" in str(failure.text)


def test_junit_has_the_coverage_that_is_required(tmp_path: Path, layout: LayoutWriter) -> None:
    write(tmp_path, "policies/test.yaml", gate_test(SIGNED))
    ran = gate("policy", "test", "policies", "-o", "junit", "--require-coverage")
    assert (ran.code, "--require-coverage" in ran.err) == (1, True)
    suites = ET.fromstring(ran.out)
    assert [(suite.get("name"), suite.get("failures")) for suite in suites][1] == ("coverage", "1")
    assert gate("policy", "test", "policies").code == 0
    write(tmp_path, "policies/test.yaml", gate_test(*ALL))
    assert gate("policy", "test", "policies", "--require-coverage").code == 0


def test_a_deny_that_was_seen_is_covered(tmp_path: Path) -> None:
    write(tmp_path, "p.yaml", NOTHING)
    case = {"name": "any", "image": "nginx", "expect": {"verdict": "deny", "findings": [{"code": "DENIED_BY_POLICY"}]}}
    write(tmp_path, "t.yaml", gate_test(case, evidence=[]))
    assert gate("policy", "test", "--require-coverage").code == 0


def test_a_rule_that_denied_in_the_end_was_not_seen_passing(tmp_path: Path) -> None:
    """Where nothing pins, a tag that a rule wants pinned is denied, though the rule finds nothing by itself."""
    write(tmp_path, "policy.yaml", policy("[{image: {registries: [ghcr.io/acme], denyTags: []}}]"))
    head = "apiVersion: imagegate.dev/v1\nkind: GateConfig\nmetadata: {name: default}\n"
    write(tmp_path, "config.yaml", f"{head}spec: {{pinning: {{where: none}}}}\n")
    expect = {"verdict": "deny", "findings": [{"rule": "image", "code": "DIGEST_REQUIRED"}]}
    write(
        tmp_path,
        "test.yaml",
        gate_test({"name": "a tag", "image": "ghcr.io/acme/api:v1", "expect": expect}, evidence=[]),
    )
    ran = gate("policy", "test", tmp_path)
    assert ran.code == 0, ran.out
    assert "p/image  never    yes" in ran.out


def test_policies_of_one_name_are_covered_apart(tmp_path: Path, layout: LayoutWriter) -> None:
    """A cluster's and a namespace's, with the same exception of the same rule: each has to be seen."""
    signers = json.dumps({"alice": {"key": {"pem": alice().pem.decode()}}})
    exception = "  exceptions:\n  - {rule: signature, images: ['**'], until: 2026-11-30, reason: soon}\n"
    cluster = policy("[{signature: {by: alice}}]", signers=signers, match="{namespaces: {names: [shop]}}") + exception
    own = cluster.replace("ClusterGatePolicy", "GatePolicy").replace("{name: p}", "{name: p, namespace: web}")
    own = own.replace("  match: {namespaces: {names: [shop]}}\n", "")
    write(tmp_path, "policies/p.yaml", cluster)
    write(tmp_path, "policies/own.yaml", own)
    expect = {"verdict": "allow", "findings": [{"code": "EXCEPTION_USED"}]}
    case = {**UNSIGNED, "namespace": {"name": "shop"}, "expect": expect}
    write(tmp_path, "policies/test.yaml", gate_test(case))
    ran = gate("policy", "test", "policies", "-o", "json")
    assert ran.code == 0, ran.out
    seen = {one["of"]: (one["policy"]["kind"], one["used"]) for one in ran.json["coverage"]["exceptions"]}
    assert seen == {"p": ("ClusterGatePolicy", True), "GatePolicy web/p": ("GatePolicy", False)}
    text = gate("policy", "test", "policies").out
    assert "p/signature: until 2026-11-30 (soon)                 yes      never" in text
    assert "GatePolicy web/p/signature: until 2026-11-30 (soon)  never    never" in text


def test_a_finding_of_one_policy_is_no_failure_of_another_of_its_name(tmp_path: Path) -> None:
    rules = "[{image: {registries: [ghcr.io/acme], denyTags: []}}]"
    write(tmp_path, "p.yaml", policy(rules, match="{images: ['**']}"))
    own = policy(rules.replace("ghcr.io/acme", "nowhere.test/x")).replace("ClusterGatePolicy", "GatePolicy")
    write(tmp_path, "own.yaml", own.replace("{name: p}", "{name: p, namespace: web}"))
    expect = {"verdict": "deny", "findings": [{"code": "REGISTRY_NOT_ALLOWED"}]}
    case = {"name": "one", "image": f"{API}:v1", "namespace": {"name": "web"}, "expect": expect}
    write(tmp_path, "test.yaml", gate_test(case, evidence=[]))
    ran = gate("policy", "test", tmp_path, "-o", "json")
    assert ran.code == 0, ran.out
    rules_seen = {one["policy"]["kind"]: (one["passing"], one["failing"]) for one in ran.json["coverage"]["rules"]}
    assert rules_seen == {"ClusterGatePolicy": (True, False), "GatePolicy": (False, True)}
    text = gate("policy", "test", tmp_path).out.splitlines()
    assert {tuple(line.split()) for line in text} >= {("p/image", "yes", "never"), ("web/p/image", "never", "yes")}
    write(tmp_path, "test.yaml", gate_test({**case, "expect": {"verdict": "allow"}}, evidence=[]))
    assert f"not expected: REGISTRY_NOT_ALLOWED [web/p/image] of {API}:v1" in gate("policy", "test", tmp_path).out
    source = write(tmp_path, "pod.yaml", pod(f"{API}:v1", namespace="web"))
    given = (source, "-p", tmp_path / "p.yaml", "-p", tmp_path / "own.yaml")
    assert "[web/p/image]" in gate("check", *given).out
    assert "web/p/image" in gate("policy", "explain", *given).out


def test_nothing_steers_the_terminal(tmp_path: Path, layout: LayoutWriter) -> None:
    hostile = {**STRANGER, "name": HOSTILE, "image": f"{HOSTILE}:v1"}
    write(tmp_path, "policies/test.yaml", gate_test(hostile, {**SIGNED, "manifest": {}, "name": "y\x1b[0m"}))
    text = gate_test(hostile)
    for document in (text, text.replace('"at"', '"\\u001b[31mat"'), gate_test(hostile, hostile)):
        write(tmp_path, "policies/test.yaml", document)
        ran = gate("policy", "test", "policies")
        shown = ran.out + ran.err
        assert all(c == "\n" or c.isprintable() for c in shown), ascii(shown)


def test_a_filter(tmp_path: Path, layout: LayoutWriter) -> None:
    write(tmp_path, "policies/test.yaml", gate_test(*ALL))
    ran = gate("policy", "test", "policies", "--filter", "signed")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "1 test, 2 cases: 2 passed")
    assert "passing" not in ran.out
    ran = gate("policy", "test", "policies", "--filter", "nobody")
    assert (ran.code, ran.out) == (2, "")
    assert "no case has 'nobody' in its name" in ran.err


# what is wrong


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none"], "none cannot be read"),
        (["empty"], "no GateTest in empty"),
        (["policies", ""], "an empty PATH"),
        (["policies", "--record", "nginx"], "--into DIR belong together"),
        (["policies", "--into", "x"], "--into DIR belong together"),
        (["policies", "--record", "nginx", "--into", "x"], "--record tests nothing"),
        (["policies", "--require-coverage", "--filter", "a"], "leave out --filter"),
        (["policies", "--output", "sarif"], "sarif"),
        (["policies", "--at", "now"], "is not an instant"),
    ],
)
def test_what_cannot_be_used(arguments: list[str], said: str, tmp_path: Path, layout: LayoutWriter) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path, "policies/test.yaml", gate_test(SIGNED))
    ran = gate("policy", "test", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: write(p, "p.yaml", NOTHING.replace("mode:", "mood:")), "p.yaml:5:3: unknown field `mood`"),
        (lambda p: write(p, "u.yaml", "kind: GateTest\na: ["), "u.yaml:3:1: not YAML"),
        (lambda p: (p / "u.yaml").write_bytes(b"a: \xff"), "u.yaml:1:4: the file is not UTF-8"),
        (lambda p: write(p, "u.yaml", "kind: GateTest\nspec: {}\n"), "a GateTest with no apiVersion"),
        (lambda p: write(p, "t.yaml", gate_test(SIGNED, policies=["no.yaml"])), "no.yaml cannot be read"),
        (lambda p: write(p, "t.yaml", gate_test(SIGNED, policies=["api"])), "there is no policy in policies/api"),
        (lambda p: write(p, "api/index.json", "{}"), "index.json: not a manifest"),
        (lambda p: (p / "api/oci-layout").unlink(), "'api' is no OCI layout"),
        (lambda p: write(p, "t.yaml", f"{gate_test(SIGNED)}\n---\n{gate_test(SIGNED)}"), "a GateTest t stands above"),
    ],
)
def test_what_is_not_valid_is_not_judged(
    change: Callable[[Path], object], said: str, tmp_path: Path, layout: LayoutWriter
) -> None:
    write(tmp_path, "policies/t.yaml", gate_test(SIGNED))
    change(tmp_path / "policies")
    ran = gate("policy", "test", "policies")
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert ran.err.splitlines()[-1].endswith("nothing was tested")


def test_other_files_beside_tests_may_be_anything(tmp_path: Path, layout: LayoutWriter) -> None:
    write(tmp_path, "policies/test.yaml", gate_test(SIGNED))
    write(tmp_path, "chart/templates/x.yaml", "{{ if }}: [")
    ran = gate("policy", "test")
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize("name", ["oci-layout", "index.json", "blob"])
def test_what_never_ends_in_a_layout_holds_nobody_up(name: str, tmp_path: Path, layout: LayoutWriter) -> None:
    folder = tmp_path / "policies/api"
    path = _blob(layout, f"{_tag(layout, 'v1')}.sig") if name == "blob" else folder / name
    path.unlink()
    os.mkfifo(path)
    write(tmp_path, "policies/test.yaml", gate_test(SIGNED))
    ran = gate("policy", "test", "policies")
    assert ran.code == (1 if name == "blob" else 2)
    assert "it is no regular file" in ran.out + ran.err


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    with (tmp_path / "t.yaml").open("wb") as file:
        file.truncate(16 * 1024 * 1024 + 1)
    ran = gate("policy", "test", "t.yaml")
    assert (ran.code, "more than 16777216 bytes" in ran.err) == (2, True)


def test_many_cases(tmp_path: Path) -> None:
    """More than threads, listings and caches have room for."""
    write(tmp_path, "policies/p.yaml", NOTHING)
    denied = {"verdict": "deny", "findings": [{"code": "DENIED_BY_POLICY"}]}
    cases = [{"name": str(i), "image": f"nginx:{i}", "expect": denied} for i in range(3000)]
    write(tmp_path, "t.yaml", gate_test(*cases, evidence=[], policies=["policies"]))
    ran = gate("policy", "test")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "1 test, 3000 cases: 3000 passed")


# the ready policies


def test_the_ready_policies_are_as_their_tests_say() -> None:
    ran = gate("policy", "test", CHECKOUT / "policies", "--require-coverage")
    assert (ran.code, ran.err) == (0, ""), ran.out


def test_the_example_of_the_reference_is_as_it_says() -> None:
    ran = gate("policy", "test", CHECKOUT / "docs" / "examples")
    assert (ran.code, ran.err) == (0, ""), ran.out


# --watch


def test_watching_sees_changes_and_survives_what_is_half_written(tmp_path: Path, layout: LayoutWriter) -> None:
    write(tmp_path, "policies/test.yaml", gate_test(SIGNED))
    command = [sys.executable, "-m", "gate", "policy", "test", "policies", "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None

        def seen(stream: Any, text: str) -> str:
            """The next line that has a text in it."""
            return next(str(line) for line in iter(stream.readline, "") if text in line)

        try:
            assert seen(process.stdout, "1 test, ").endswith("1 passed\n")
            seen(process.stderr, "Ctrl-C ends")
            write(tmp_path, "policies/test.yaml", gate_test(SIGNED)[:-9])
            seen(process.stderr, "nothing was tested")
            seen(process.stderr, "Ctrl-C ends")
            write(tmp_path, "policies/test.yaml", gate_test(SIGNED, UNSIGNED))
            assert seen(process.stdout, "1 test, ").endswith("2 passed\n")
            seen(process.stderr, "Ctrl-C ends")
            write(tmp_path, "policies/alice.pub", mallory().pem.decode())
            assert "failed" in seen(process.stdout, "1 test, ")
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
        assert "\033" not in process.stdout.read()


def _watched(*flags: str) -> frozenset[Path]:
    """What a run with these flags depends on."""
    seen: list[frozenset[Path]] = []

    def once(run: Callable[[], frozenset[Path]], _begin: object, **_: object) -> None:
        seen.append(run())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watching, "watch", once)
        assert gate("policy", "test", "tests", "--watch", *flags, "--no-coverage").code in (0, 1, 2)
    return seen[0]


def test_everything_that_a_test_depends_on_is_watched(tmp_path: Path) -> None:
    """A change of any of it is seen, and so is that what is missing comes."""
    _keyless(tmp_path, trustRoot="ours")
    write(tmp_path, "policies/alice.pub", alice().pem.decode())
    signers = {"s": {"key": {"file": "alice.pub"}}}
    write(tmp_path, "policies/q.yaml", policy("[{signature: {by: s}}]", name="q", signers=json.dumps(signers)))
    (tmp_path / "flag.json").write_bytes(WORLD.trusted_root())
    LayoutWriter(tmp_path / "elsewhere").image("v1", "x")
    spec: dict[str, Any] = {
        "policies": ["../policies/p.yaml", "../policies/q.yaml"],
        "evidence": [{"repository": API, "layout": "../policies/api"}],
        "trustRoots": [{"name": "ours", "file": "../policies/root.json"}],
    }
    write(tmp_path, "tests/t.yaml", gate_test(SIGNED, **spec))
    flags = ("--layout", "ghcr.io/acme/web=elsewhere", "--trusted-root", "flag.json")
    depends = [
        *("tests/t.yaml", "policies/p.yaml", "policies/q.yaml", "policies/alice.pub", "policies/root.json"),
        *("policies/api/index.json", "policies/api/oci-layout", "elsewhere/index.json", "flag.json"),
    ]
    for name in depends:
        involved, file = _watched(*flags), tmp_path / name
        before, content = state_of(involved), file.read_bytes()
        file.write_bytes(content + b" ")
        assert state_of(involved) != before, name
        file.unlink()
        missing = _watched(*flags)  # it is still looked for
        before = state_of(missing)
        file.write_bytes(content)
        assert state_of(missing) != before, name


def test_what_changes_while_it_runs_is_seen(tmp_path: Path) -> None:
    file = write(tmp_path, "a/t.yaml", "1")
    runs: list[str] = []

    def run() -> frozenset[Path]:
        runs.append(file.read_text())
        if len(runs) == 1:
            file.write_text("22")
        return frozenset({tmp_path / "a"})

    watch(run, [tmp_path / "a"], again=lambda: False)
    assert runs == ["1", "22"]


def test_what_it_writes_itself_is_no_change(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "1")
    before = state_of([tmp_path], tmp_path / "report.xml")
    write(tmp_path, "report.xml", "<x/>")
    write(tmp_path, ".hidden/x", "1")
    assert state_of([tmp_path], tmp_path / "report.xml") == before
    write(tmp_path, "deep/b.yaml", "1")
    assert state_of([tmp_path], tmp_path / "report.xml") != before


def test_what_it_writes_is_known_under_each_of_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "real/report.xml", "<x/>")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "other.xml").symlink_to("report.xml")
    monkeypatch.chdir(tmp_path / "real")
    names = (Path("report.xml"), Path("../real/report.xml"), tmp_path / "link" / "report.xml", Path("other.xml"))
    for but in names:
        before = state_of([tmp_path], but)
        write(tmp_path, "real/report.xml", f"<x>{but}</x>")
        assert state_of([tmp_path], but) == before, but


def test_there_may_be_too_much_to_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MAX_WATCHED", 3)
    for i in range(4):
        write(tmp_path, str(i), "")
    with pytest.raises(UsageError, match="more than 3 files"):
        state_of([tmp_path])
