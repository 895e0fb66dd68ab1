"""Attestations of any type, and expressions over what they say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.policy.build import DIGEST, Json, attested, codes, decide, evidence, parsed, policies, policy
from tests.unit.policy.requirements.test_sbom import component, cyclonedx
from tests.unit.policy.requirements.test_selection import VULN, finding, scan

if TYPE_CHECKING:
    from gate.evidence.facts import VerifiedAttestation

TEST = "https://in-toto.io/attestation/test-result/v0.1"
PASSED = 'predicate.result == "PASSED"'
REJECTED, UNREADABLE = "PREDICATE_REJECTED", "PREDICATE_UNREADABLE"


def of(*attestations: VerifiedAttestation, type_: str = TEST, **spec: object) -> list[str]:
    found = policies(policy([{"attestation": {"by": "a", "type": type_, **spec}}]))
    return [code for code, _ in codes(decide(found, facts=evidence(attestations=attestations)))]


def result_of(result: str = "PASSED", **more: object) -> VerifiedAttestation:
    return attested(TEST, {"result": result, **more})


def test_that_it_is_there_suffices_where_nothing_is_asked_of_it() -> None:
    assert of(result_of()) == []
    assert of(result_of("FAILED")) == []
    assert of() == ["ATTESTATION_MISSING"]
    assert of(attested("https://acme.example/other", {})) == ["ATTESTATION_MISSING"]


@pytest.mark.parametrize(
    ("predicate", "code"),
    [
        ({"result": "PASSED"}, None),
        ({"result": "FAILED"}, REJECTED),
        ({"result": 1}, REJECTED),
        ({}, REJECTED),
        (None, REJECTED),
        ([], REJECTED),
        ("PASSED", REJECTED),
        ({"Data": '{"result": "PASSED"}', "Timestamp": "2026-11-01T00:00:00Z"}, None),
        ({"Data": {"result": "PASSED"}, "Timestamp": "2026-11-01T00:00:00Z"}, None),
        ({"Data": "no JSON", "Timestamp": "2026-11-01T00:00:00Z"}, REJECTED),
    ],
)
def test_an_expression_has_to_be_true_and_nothing_else(predicate: object, code: str | None) -> None:
    assert of(attested(TEST, predicate), cel=PASSED) == ([code] if code else [])


@pytest.mark.parametrize(
    "text", [b"", b"{", b'{"predicate": NaN}', b'{"predicate": {"result": "FAILED", "result": "PASSED"}}']
)
def test_what_cannot_be_read_is_a_denial(text: bytes) -> None:
    assert of(attested(TEST, text), cel=PASSED) == [UNREADABLE]


def test_without_a_time_all_of_them_have_to_pass() -> None:
    """Of two results by a key nobody can say which is the newer."""
    assert of(result_of(), result_of("FAILED"), cel=PASSED) == [REJECTED]
    assert of(result_of(), result_of("FAILED"), cel=PASSED, select="any") == []


def test_an_expression_of_every_component() -> None:
    sbom = cyclonedx(component(), component("pkg:npm/x@1", "x", "1"))
    how: Json = {"type_": "cyclonedx", "forEach": "component"}
    assert of(sbom, cel='component.purl.startsWith("pkg:")', **how) == []
    assert of(sbom, cel='component.purl.startsWith("pkg:npm/")', **how) == [REJECTED]
    assert of(cyclonedx(), cel="true", **how) == [REJECTED]


def test_an_expression_of_every_finding() -> None:
    how: Json = {"type_": VULN, "forEach": "finding"}
    assert of(scan(), cel="false", **how) == []
    assert of(scan(finding("HIGH")), cel='finding.severity != "critical"', **how) == []
    assert of(scan(finding()), cel='finding.severity != "critical"', **how) == [REJECTED]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"attestation": {"by": "a", "type": TEST, "cel": "predicate.result =="}}, "expression"),
        ({"attestation": {"by": "a", "type": TEST, "cel": "1 + 1"}}, "expression"),
        ({"attestation": {"by": "a", "type": TEST, "cel": "image.registy == 'x'"}}, "registry"),
        ({"attestation": {"by": "a", "type": TEST, "forEach": "component"}}, "forEach"),
        ({"attestation": {"by": "a", "type": TEST, "forEach": "component", "cel": "true"}}, "no component"),
        ({"cel": {"expression": "predicate.x"}}, "predicate"),
        ({"sbom": {"by": "a", "denyComponents": ["log4j"]}}, "package URL"),
        ({"sbom": {"by": "a", "denyLicenses": ["AGPL-3.0"]}}, "deprecated"),
        ({"provenance": {"by": "a", "source": "https://github.com/acme/api.git"}}, "sources"),
        ({"base": {"by": "a"}}, "neither"),
        ({"base": {"images": ["**"], "maxAge": "1d"}}, "maxAge"),
        ({"scan": {"by": "a", "deny": [{"severity": "critical"}]}}, "maxAge"),
        ({"scan": {"by": "a", "maxAge": "1d", "deny": []}}, "deny"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_an_error(rule: Json, message: str) -> None:
    errors = parsed(json.dumps(policy([rule]))).errors
    assert len(errors) == 1
    assert message in str(errors[0])


@pytest.mark.parametrize(
    "rule",
    [
        {"cel": {"expression": "true"}},
        {"attestation": {"by": "a", "type": TEST, "cel": "true"}},
        {"attestation": {"by": "a", "type": TEST, "repository": "ghcr.io/acme/x"}},
    ],
)
def test_what_no_namespace_may_write(rule: Json) -> None:
    errors = parsed(json.dumps(policy([rule], namespace="payments"))).errors
    assert [str(error.check) for error in errors] == ["cluster-only"]


def test_the_image_may_be_judged_by_an_expression_alone() -> None:
    found = policies(policy([{"cel": {"expression": 'image.repository.startsWith("acme/")', "message": "not ours"}}]))
    assert codes(decide(found)) == []
    (denied,) = decide(found, f"ghcr.io/evil/api@{DIGEST}").findings
    assert (denied.code.value, denied.message.startswith("not ours")) == (REJECTED, True)
