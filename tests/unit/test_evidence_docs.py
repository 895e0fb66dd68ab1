"""docs/evidence.md, as it stands."""

from __future__ import annotations

import json
import re
from textwrap import indent

import pytest

from gate.policy.predicate_types import PROVENANCE_TYPES, SBOM_TYPES, SCAN_TYPES, VEX_TYPES
from tests.fakes import reports
from tests.fakes.clock import START
from tests.policies import documents as doc
from tests.unit.cli.support import gate
from tests.unit.policy.build import SIGNERS, attested, codes, decide, evidence, parsed, policies, policy, waiver
from tests.unit.test_readme import ROOT

TEXT = (ROOT / "docs" / "evidence.md").read_text("utf-8")


def _block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return str(found)


RULES = f"""\
apiVersion: imagegate.dev/v1
kind: ClusterGatePolicy
metadata: {{name: p}}
spec:
  signers: {json.dumps({"ci": SIGNERS["a"], "security": SIGNERS["b"]})}
  rules:
{indent(_block("yaml"), "  ")}"""


def test_the_rules_are_rules() -> None:
    found = parsed(RULES)
    assert [str(problem) for problem in found.problems] == []
    assert {rule.name for rule in found.set.policies[0].rules} == {"sbom", "scan", "provenance", "attestation"}


def test_the_cases_come_out_as_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    command, _, shown = _block("console").partition("\n")
    ran = gate(*command.removeprefix("$ gate ").split())
    assert (ran.code, ran.out) == (0, shown)


def test_what_is_unreadable_is_said_in_these_words() -> None:
    sarif = attested(doc.VULN, reports.vuln({"version": "2.1.0", "runs": []}))
    decision = decide(parsed(RULES).set, facts=evidence(attestations=[sarif]))
    assert _block("text").strip() in [f"{f.code}: {f.message}" for f in decision.findings]


def _told() -> set[str]:
    """The predicate types of the table, with the versions beside them."""
    found = set()
    for cell in re.findall(r"^\| `[\w.]+` \| ([^|]*`https://[^|]*)\|.*$", TEXT, re.MULTILINE):
        first, *more = re.findall(r"`([^`]+)`", cell)
        base = first if "also" in cell else first.rpartition("/")[0]
        found |= {first, *(f"{base}{version}" for version in more if version.startswith("/"))}
        if more == ["https://"]:
            found.add(first.removeprefix("https://"))
        if "to `" in cell:
            found |= {f"{base}/v1.{minor}" for minor in range(2, 8)}
    return found


def test_every_type_that_is_looked_for_is_told_of() -> None:
    told = _told() | {f"https://spdx.dev/Document{version}" for version in re.findall(r"`(/v3[.\d]*)`", TEXT)}
    sboms = (type_ for types in SBOM_TYPES.values() for type_ in types)
    assert told == {*SCAN_TYPES, *VEX_TYPES, *PROVENANCE_TYPES, *sboms}


def _unreadable(**narrowed: list[str]) -> list[str]:
    """The codes that deny what is unreadable, with an exception."""
    sarif = attested(doc.VULN, reports.vuln({"version": "2.1.0", "runs": []}), logged=START)
    rules = [{"scan": {"by": "a", "maxAge": "7d", "deny": [{"severity": "low"}]}}]
    found = policies(policy(rules, exceptions=[{**waiver("scan"), **narrowed}]))
    return [code for code, verdict in codes(decide(found, facts=evidence(attestations=[sarif]))) if verdict == "deny"]


def test_an_exception_waives_what_is_unreadable_if_it_is_not_narrowed() -> None:
    assert _unreadable() == []
    assert _unreadable(vulnerabilities=["CVE-2021-44228"]) == ["PREDICATE_UNREADABLE"]
    assert _unreadable(components=["pkg:npm/a"]) == ["PREDICATE_UNREADABLE"]


def test_vex_in_cyclonedx_by_the_signer_of_sboms_is_an_sbom_of_nothing() -> None:
    vex = reports.cyclonedx(reports.cyclonedx_vulnerability(affects=[]), components=[])
    facts = evidence(attestations=[attested(doc.CYCLONEDX, doc.cyclonedx()), attested(doc.CYCLONEDX, vex)])
    assert codes(decide(policies(policy([{"sbom": {"by": "a"}}])), facts=facts)) == [("SBOM_INCOMPLETE", "deny")]


@pytest.mark.parametrize("name", ["README.md", "docs/verification.md", "policies/README.md"])
def test_it_is_pointed_to(name: str) -> None:
    assert "evidence.md)" in (ROOT / name).read_text("utf-8")


def test_what_it_points_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
