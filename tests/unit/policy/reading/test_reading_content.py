"""Rules about attestations, what they say, bases and conditions, as they are read."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gate.authoring.lint import lint
from gate.image.digest import Digest
from gate.policy.bases import BaseRequirement
from gate.policy.content.sbom import SbomFormat
from gate.policy.content.scan import Severity
from gate.policy.contents import (
    DeniedFinding,
    ProvenanceContent,
    RequiredField,
    SbomContent,
    ScanContent,
    Select,
    UnknownSeverity,
    VexUse,
)
from gate.policy.licenses import LicenseRule
from gate.policy.packages import PackagePattern
from gate.policy.patterns import ImagePattern
from gate.policy.policy import AttestationRequirement, CelRequirement
from gate.policy.predicate_types import PROVENANCE_TYPES, SBOM_TYPES, SCAN_TYPES
from gate.policy.reading.checks import Check
from gate.policy.signers import AnyOf, One
from gate.policy.variables import Over
from tests.fakes.signing import alice
from tests.fakes.signing_authority import shared_world
from tests.unit.policy.build import Json, parsed, policies, policy
from tests.unit.policy.reading.test_reading_sets import TWO, problems
from tests.unit.policy.reading.test_reading_signers import CA

if TYPE_CHECKING:
    from gate.policy.policy import Requirement

GOLDEN = Path(__file__).parents[3] / "golden"
HEADER = {"apiVersion": "imagegate.dev/v1", "kind": "GateTrustRoot", "metadata": {"name": "acme-tsa"}}
REVIEWED = "https://acme.example/reviewed/v1"
LEAST: dict[str, Json] = {
    "attestation": {"by": "a", "type": REVIEWED},
    "sbom": {"by": "a"},
    "scan": {"by": "a", "maxAge": "7d", "deny": [{"severity": "high"}]},
    "provenance": {"by": "a"},
    "base": {"images": ["ghcr.io/acme/bases/**"]},
    "cel": {"expression": "image.user != ''"},
}
"""What a rule of each type has to have."""


def requirement(kind: str, **fields: object) -> Requirement:
    (found,) = policies(policy([{kind: {**LEAST[kind], **fields}}])).policies
    (rule,) = found.rules
    assert (rule.name, rule.needs_digest) == (kind, True)
    return rule.requirement


def attested(kind: str, **fields: object) -> AttestationRequirement:
    found = requirement(kind, **fields)
    assert isinstance(found, AttestationRequirement)
    return found


def test_an_attestation_of_any_type() -> None:
    assert attested("attestation") == AttestationRequirement(One("a"), (REVIEWED,), select=Select.NEWEST)
    said = {"maxAge": "2d", "select": "any", "cel": "predicate.ok == true", "message": "m"}
    kept = {"repository": "ghcr.io/acme/attested", "tagPrefix": "team-", "platformEvidence": "all"}
    found = attested("attestation", type="slsaprovenance1", **said, **kept)
    assert found.types == ("https://slsa.dev/provenance/v1",)
    assert (found.max_age, found.select, found.message) == (timedelta(days=2), Select.ANY, "m")
    assert (str(found.kept.repository), found.kept.tag_prefix) == ("ghcr.io/acme/attested", "team-")
    assert found.platform_evidence
    assert found.condition is not None
    assert (found.condition.source, found.condition.over) == ("predicate.ok == true", Over.STATEMENT)


@pytest.mark.parametrize(
    ("each", "type_", "over"),
    [
        ("component", "spdx", Over.COMPONENT),
        ("component", "https://cyclonedx.org/bom/v1.6", Over.COMPONENT),
        ("finding", "vuln", Over.FINDING),
        ("finding", "cyclonedx", Over.FINDING),
    ],
)
def test_a_condition_over_each(each: str, type_: str, over: Over) -> None:
    found = attested("attestation", type=type_, cel=f"{each}.version != ''", forEach=each)
    assert found.condition is not None
    assert found.condition.over is over


def test_an_sbom() -> None:
    types = (*SBOM_TYPES[SbomFormat.CYCLONEDX], *SBOM_TYPES[SbomFormat.SPDX])
    assert attested("sbom") == AttestationRequirement(One("a"), types, select=Select.ALL, content=SbomContent())
    found = attested(
        "sbom",
        formats=["spdx"],
        denyComponents=["pkg:npm/lodash@<4.17.21"],
        allowLicenses=["MIT", "LicenseRef-acme"],
        denyLicenses=["AGPL-3.0-*"],
        unknownLicense="allow",
        requireFields=["purl", "hash"],
        minComponents=3,
        select="newest",
    )
    assert (found.types, found.select) == (SBOM_TYPES[SbomFormat.SPDX], Select.NEWEST)
    assert found.content == SbomContent(
        (SbomFormat.SPDX,),
        (PackagePattern.parse("pkg:npm/lodash@<4.17.21"),),
        LicenseRule.parse(["MIT", "LicenseRef-acme"], ["AGPL-3.0-*"]),
        unknown_license_allowed=True,
        require=(RequiredField.PURL, RequiredField.HASH),
        at_least=3,
    )


def test_a_scan() -> None:
    content = ScanContent((DeniedFinding(Severity.HIGH),))
    assert attested("scan") == AttestationRequirement(
        One("a"), SCAN_TYPES, select=Select.NEWEST, max_age=timedelta(days=7), content=content
    )
    found = attested(
        "scan",
        scanners=["Trivy"],
        maxDatabaseAge="36h",
        deny=[{"severity": "low", "fix": "available", "grace": "14d"}, {"cvss": 7}, {"fix": "any"}],
        unknownSeverity={"as": "critical"},
        vex={"by": ["a", "b"], "maxAge": "90d"},
    )
    low = DeniedFinding(Severity.LOW, fixable=True, grace=timedelta(days=14))
    vex = VexUse(AnyOf((One("a"), One("b"))), timedelta(days=90))
    assert found.content == ScanContent(
        (low, DeniedFinding(cvss=7.0), DeniedFinding()), ("trivy",), timedelta(hours=36), Severity.CRITICAL, vex
    )


@pytest.mark.parametrize("word", ["deny", "ignore"])
def test_unknown_severities_in_a_word(word: str) -> None:
    content = attested("scan", unknownSeverity=word).content
    assert isinstance(content, ScanContent)
    assert content.unknown is UnknownSeverity(word)


def test_provenance() -> None:
    content = ProvenanceContent()
    assert attested("provenance") == AttestationRequirement(
        One("a"), PROVENANCE_TYPES, select=Select.ALL, content=content
    )
    found = attested(
        "provenance",
        builder="https://github.com/acme/**",
        source="github.com/acme/api",
        refs=["refs/heads/main"],
        buildType="https://actions.github.io/**",
        parameters={"workflow.path": "*"},
    )
    assert found.content == ProvenanceContent(
        "https://github.com/acme/**",
        "github.com/acme/api",
        ("refs/heads/main",),
        "https://actions.github.io/**",
        {"workflow.path": "*"},
    )


def test_a_base() -> None:
    pattern = ImagePattern.parse("ghcr.io/acme/bases/**")
    assert requirement("base") == BaseRequirement((pattern,))
    digest = f"sha256:{'1' * 64}"
    assert requirement("base", digests=[digest], by="b", maxAge="90d", minLayers=3) == BaseRequirement(
        (pattern,), (Digest.parse(digest),), One("b"), timedelta(days=90), 3
    )


def test_a_condition_on_the_image() -> None:
    found = requirement("cel", message="no")
    assert isinstance(found, CelRequirement)
    assert (found.condition.source, found.condition.over, found.message) == ("image.user != ''", Over.IMAGE, "no")


@pytest.mark.parametrize("kind", LEAST)
@pytest.mark.parametrize("value", [[], "x", "", 1, None])
def test_what_is_no_mapping_is_refused(kind: str, value: object) -> None:
    for rule in ({kind: value}, {"deny": {}, kind: value}):
        (found,) = parsed(json.dumps(policy([rule]))).errors
        assert f"`spec.rules[0].{kind}`: expected a mapping, got " in found.message


def test_a_gate_policy_has_all_but_cel() -> None:
    own = {kind: fields for kind, fields in LEAST.items() if kind != "cel"}
    (found,) = policies(policy([{kind: fields} for kind, fields in own.items()], namespace="n")).policies
    assert [rule.name for rule in found.rules] == list(own)


@pytest.mark.parametrize("kind", ["attestation", "sbom", "scan", "provenance"])
def test_a_gate_policy_names_no_repository_of_attestations(kind: str) -> None:
    """What it names would be asked for with the gate's credentials, by whoever may write in one namespace."""
    rule = {kind: {**LEAST[kind], "repository": "ghcr.io/other/secret"}}
    found = parsed(json.dumps(policy([rule], namespace="n"))).errors
    assert [(p.check, p.message) for p in found] == [(Check.CLUSTER_ONLY, "a GatePolicy has no `repository`")]
    assert parsed(json.dumps(policy([rule]))).errors == ()


@pytest.mark.parametrize(
    "rule",
    [
        {"cel": LEAST["cel"]},
        {"cel": {"expression": "this does not compile"}},
        {"attestation": {**LEAST["attestation"], "cel": "predicate.ok == true"}},
        {"attestation": {"by": "a", "type": "spdx", "cel": "component.name != ''", "forEach": "component"}},
        {"attestation": {"by": "a", "type": "spdx", "forEach": "component"}},
    ],
)
def test_a_gate_policy_has_no_cel(rule: Json) -> None:
    found = parsed(json.dumps(policy([rule], namespace="n"))).errors
    assert [(p.check, p.message) for p in found] == [(Check.CLUSTER_ONLY, "a GatePolicy has no CEL")]


SCAN = "by: a, maxAge: 7d, deny: [{cvss: 1}]"


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("attestation: {by: a}", "18: `spec.rules[0].attestation` has no `type`; add `type:`"),
        ("attestation: {by: a, type: 'in toto'}", "32: `spec.rules[0].attestation.type`: expected a URI, or a short"),
        ("attestation: {by: a, type: spdxjsn}", "32: 'spdxjsn' is no predicate type; write a URI, or one of custom, "),
        ("attestation: {by: a, type: x/y}", "32: 'x/y' is no predicate type; write a URI"),
        ("attestation: {by: a, type: custom, cel: 'predcate.x == 1'}", "45: "),
        ("attestation: {by: a, type: custom, cel: ''}", "45: `spec.rules[0].attestation.cel`: the text is empty"),
        ("attestation: {by: a, type: vuln, forEach: finding}", "47: `forEach` is of `cel`, and there is none; add cel"),
        (
            "attestation: {by: a, type: vuln, cel: 'component.name == x', forEach: component}",
            "43: ",
        ),
        (
            "attestation: {by: a, type: vuln, cel: component.version != '', forEach: component}",
            "77: there is no component in what has the type https://cosign.sigstore.dev/attestation/vuln/v1; remove it",
        ),
        (
            "attestation: {by: a, type: spdx, cel: finding.version != '', forEach: finding}",
            "75: there is no finding in what has the type https://spdx.dev/Document; remove it, or write the type of",
        ),
        ("attestation: {by: a, type: custom, repository: 'ghcr.io/x:v1'}", "52: `repository` has a tag or digest; "),
        ("attestation: {by: a, type: custom, maxAge: 0d}", "48: nothing is as young as 0d: every image is denied; "),
        ("sbom: {denyComponents: []}", "11: `spec.rules[0].sbom` has no `by`; add `by:`"),
        ("sbom: {by: c}", "16: no signer is called 'c'; "),
        ("sbom: {by: a, formats: []}", "28: `spec.rules[0].sbom.formats`: the list is empty"),
        ("sbom: {by: a, formats: [spdxjson]}", "29: `spec.rules[0].sbom.formats[0]`: expected one of cyclonedx, spdx"),
        ("sbom: {by: a, denyComponents: [lodash]}", "36: 'lodash' is not a package URL; write pkg:type/"),
        ("sbom: {by: a, denyComponents: [pkg:npm/a, 'pkg:npm/x@<']}", "47: "),
        ("sbom: {by: a, denyLicenses: [GPL-2.0]}", "34: 'GPL-2.0' is deprecated: it does not say whether later"),
        ("sbom: {by: a, allowLicenses: [MIT, MIT OR X]}", "40: 'MIT OR X' is an expression; write each of its"),
        ("sbom: {by: a, allowLicenses: []}", "34: `spec.rules[0].sbom.allowLicenses`: the list is empty"),
        ("sbom: {by: a, unknownLicense: deny}", "35: `unknownLicense` is about licences that are judged, and none are"),
        ("sbom: {by: a, maxAge: 0s}", "27: nothing is as young as 0s: every image is denied; write an age"),
        ("scan: {by: a, deny: [{cvss: 1}]}", "11: `spec.rules[0].scan` has no `maxAge`; add `maxAge:`"),
        ("scan: {by: a, maxAge: 7d}", "11: `spec.rules[0].scan` has no `deny`; add `deny:`"),
        ("scan: {by: a, maxAge: 7d, deny: []}", "37: `spec.rules[0].scan.deny`: the list is empty"),
        ("scan: {by: a, maxAge: 7d, deny: [{}]}", "38: `spec.rules[0].scan.deny[0]`: "),
        (
            "scan: {by: a, maxAge: 7d, deny: [{severity: hihg}]}",
            "49: `spec.rules[0].scan.deny[0].severity`: expected one of none, low, medium, high, critical, got 'hihg'",
        ),
        (
            "scan: {by: a, maxAge: 7d, deny: [{cvss: 11}]}",
            "45: `spec.rules[0].scan.deny[0].cvss`: expected 10 or less, got 11",
        ),
        (
            f"scan: {{{SCAN}, unknownSeverity: high}}",
            "67: `spec.rules[0].scan.unknownSeverity`: expected deny, ignore or {as: SEVERITY}, got 'high'",
        ),
        (f"scan: {{{SCAN}, maxDatabaseAge: 0d}}", "66: nothing is as young as 0d: every image is denied; "),
        (f"scan: {{{SCAN}, vex: {{maxAge: 1d}}}}", "55: `spec.rules[0].scan.vex` has no `by`; add `by:`"),
        # errors in its `by` have their own place
        (f"scan: {{{SCAN}, vex: {{by: c}}}}", "60: no signer is called 'c'; "),
        (f"scan: {{{SCAN}, vex: {{by: [a, {{all: [b, c]}}]}}}}", "74: no signer is called 'c'; "),
        (f"scan: {{{SCAN}, vex: {{by: {{atLeast: 3, of: [a, b]}}}}}}", "70: at least 3 of 2 can never be met; write 2"),
        (f"scan: {{{SCAN}, vex: {{by: {{any: [a]}}}}}}", "61: unknown field `any` in `spec.rules[0].scan.vex.by`"),
        (f"scan: {{{SCAN}, vex: {{by: a, maxAge: 0d}}}}", "71: nothing is as young as 0d: nobody's word counts; "),
        ("provenance: {by: a, source: acme}", "33: 'acme'"),
        (f"provenance: {{by: a, refs: [x, {'x' * 513}]}}", "35: "),
        (f"provenance: {{by: a, parameters: {{k: {'x' * 513}}}}}", "41: "),
        ("base: {by: a, minLayers: 0}", "30: `spec.rules[0].base.minLayers`: expected 1 or more, got 0"),
        ("base: {by: a}", "11: it has neither `images` nor `digests`: no base could fit; say which bases"),
        ("base: {images: [nginx]}", "21: 'nginx' names no registry; write docker.io/library/nginx"),
        ("base: {digests: ['sha256:0']}", "22: a sha256 digest has 64 hex digits"),
        (
            "base: {images: ['**'], maxAge: 1d}",
            "36: `maxAge` is about signatures, and nobody has to have signed the base; add `by`, or remove it",
        ),
        ("base: {images: ['**'], by: a, maxAge: 0d}", "43: nothing is as young as 0d: every image is denied; "),
        ("cel: {}", "10: `spec.rules[0].cel` has no `expression`; add `expression:`"),
        ("cel: {expression: 'image.tga == 1'}", "23: "),
        ("cel: {expression: 'predicate.x == 1'}", "23: "),
    ],
)
def test_every_error_has_its_place(rule: str, problem: str) -> None:
    (found,) = problems(f"{TWO}  rules:\n  - {rule}")
    assert found.startswith(f"p.yaml:9:{problem}")


def test_each_of_several_errors_is_said() -> None:
    rules = "scan: {by: x, maxAge: 0d, deny: [{cvss: 1}], maxDatabaseAge: 0d, vex: {by: y, maxAge: 0d}}"
    found = [one.partition(": ")[0] for one in problems(f"{TWO}  rules:\n  - {rules}")]
    assert sorted(found) == [f"p.yaml:9:{column}" for column in (16, 27, 66, 80, 91)]


def test_an_age_is_said_to_be_unproven_where_it_stands_though_a_rule_before_it_is_wrong() -> None:
    signers = {"s": {"key": {**policy([])["spec"]["signers"]["a"]["key"], "transparencyLog": "ignore"}}}
    rules = [{"sbom": {"by": "nobody"}}, {"signature": {"by": "s", "maxAge": "1d"}}]
    found = parsed(json.dumps(policy(rules, signers=signers), indent=1))
    (unproven,) = [p for p in found.errors if p.check is Check.UNPROVEN_AGE]
    line = json.dumps(policy(rules, signers=signers), indent=1).splitlines()[unproven.place.line - 1]
    assert line.strip() == '"maxAge": "1d"'


def test_a_policy_with_every_kind_of_rule_and_signer_has_no_problem() -> None:
    """Nor a warning: neither of what is read nor of what lint knows."""
    text = (GOLDEN / "acme-prod.yaml").read_text(encoding="utf-8")
    text = text.replace("PEM", json.dumps(alice().pem.decode())).replace("{pem: CA}", f"{{pem: {json.dumps(CA)}}}")
    root = {**HEADER, "spec": {"json": json.loads(shared_world().trusted_root())}}
    found = parsed(f"{text}---\n{json.dumps(root)}")
    assert found.problems == ()
    assert lint(found, datetime(2026, 11, 23, tzinfo=UTC)) == ()
    (policy,) = found.set.policies
    assert {type(rule.requirement).__name__ for rule in policy.rules} == {
        "ImageRequirement",
        "SignatureRequirement",
        "AttestationRequirement",
        "BaseRequirement",
    }
    assert [rule.name for rule in policy.rules] == [
        *("image", "signature", "two-people", "sbom", "scan", "provenance", "attestation", "base"),
    ]
    assert [waiver.inside.vulnerabilities for waiver in policy.waivers] == [("CVE-2025-0001",)]
