"""Of rules on content: which documents were read, which have to pass, which are set aside, and what they say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gate.cli.render import tree_json
from gate.cli.render.drawing import Pen
from gate.cli.render.tree_text import tree
from tests.fakes.clock import START
from tests.fakes.signing import bob, mallory
from tests.unit.authoring.build import explained, only_rule
from tests.unit.policy.build import Json, attested, evidence, policies, policy
from tests.unit.policy.requirements.test_selection import DAY, DIRTY, VULN, finding, rule, scan, trivy, vuln

if TYPE_CHECKING:
    from datetime import timedelta

    from gate.authoring.explanation import Explanation
    from gate.evidence.facts import VerifiedAttestation

BOM = "https://cyclonedx.org/bom"
VEX = "https://openvex.dev/ns"


def told(*found: VerifiedAttestation, rules: list[Json] | None = None) -> Explanation:
    return explained(policies(policy(rules or rule())), facts=evidence(attestations=found))


def lines(explanation: Explanation) -> list[str]:
    return [line.strip("│├└─ ") for line in Pen(400).draw(tree(explanation, ())).splitlines()]


def as_json(explanation: Explanation) -> Any:
    document = json.loads(tree_json.render([(explanation, ())], (), explanation.verdict, START))
    return document["images"][0]["policies"][0]["rules"][0]["search"]


def test_the_newest_is_judged_and_what_is_older_set_aside() -> None:
    old, new, strange = scan(*DIRTY, age=3 * DAY), scan(age=DAY), scan(*DIRTY, age=DAY, key=mallory())
    explanation = told(old, new, strange)
    assert "✔ newest: #2 by a of 2026-10-31T12:00:00Z: scan by trivy 0.58: no findings" in lines(explanation)
    assert "· older, set aside: #1 by a of 2026-10-29T12:00:00Z: scan by trivy 0.58: 1 critical" in lines(explanation)
    assert "by nobody that this rule names: #3" in lines(explanation)
    search = as_json(explanation)
    assert (search["select"], [one["counts"] for one in search["documents"]]) == ("newest", [False, True])
    assert [one["summary"]["findings"] for one in search["documents"]] == [{"critical": 1}, {}]
    assert (search["documents"][1]["by"], search["documents"][1]["at"]) == ("a", "2026-10-31T12:00:00Z")


def test_what_is_wrong_with_the_one_that_was_chosen() -> None:
    explanation = told(scan(*DIRTY, finding("HIGH", "CVE-1"), age=9 * DAY))
    shown = "✘ newest: #1 by a of 2026-10-23T12:00:00Z: scan by trivy 0.58: 1 critical, 1 high"
    assert f"{shown}; SCAN_STALE, VULNERABILITY_DENIED" in lines(explanation)
    (document,) = as_json(explanation)["documents"]
    assert [one["code"] for one in document["against"]] == ["SCAN_STALE", "VULNERABILITY_DENIED"]


def test_all_and_any() -> None:
    both = scan(*DIRTY, age=3 * DAY), scan(age=DAY)
    for select in ("all", "any"):
        shown = lines(told(*both, rules=rule(select=select)))
        assert [line.split(" by ")[0] for line in shown if f" {select}: #" in line] == [
            f"✘ {select}: #1",
            f"✔ {select}: #2",
        ]
        assert not [line for line in shown if "set aside" in line]


def test_one_that_is_unreadable_says_why() -> None:
    explanation = told(attested(VULN, {"scanner": {"result": []}}))
    (line,) = [line for line in lines(explanation) if "newest: #1" in line]
    assert line.startswith(f"✘ newest: #1 by a: it can't be read as a vulnerability scan ({VULN}): ")
    assert line.endswith("PREDICATE_UNREADABLE")
    (document,) = as_json(explanation)["documents"]
    assert (document["summary"], document["unread"]["code"]) == (None, "PREDICATE_UNREADABLE")


def test_what_is_not_what_the_rule_is_about_does_not_count_for_its_signer() -> None:
    """A CycloneDX document without vulnerabilities is no scan."""
    bom = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": []}
    explanation = told(scan(), attested(BOM, bom))
    assert f"· ATTESTATION_MISSING: #2: what a attested as {BOM} is not a vulnerability scan" in lines(explanation)
    search = only_rule(explanation).search
    assert search is not None
    assert len(search.documents) == 1


def test_whose_vex_is_heard() -> None:
    def word(age: timedelta, **more: Any) -> VerifiedAttestation:
        at = f"{START - age:%Y-%m-%dT%H:%M:%SZ}"
        said = {"@context": "https://openvex.dev/ns/v0.2.0", "@id": "x", "author": "Acme", "timestamp": at}
        return attested(VEX, {**said, "version": 1, "statements": []}, bob(), **more)

    explanation = told(scan(), word(DAY), word(3 * DAY), rules=rule(vex={"by": "b", "maxAge": "2d"}))
    shown = lines(explanation)
    assert "✔ VEX, heard: #2 by b of 2026-10-31T12:00:00Z: VEX by Acme: 0 statements" in shown
    assert "· older, set aside: #3 by b of 2026-10-29T12:00:00Z: VEX by Acme: 0 statements" in shown
    late = told(scan(), word(3 * DAY), rules=rule(vex={"by": "b", "maxAge": "2d"}))
    assert any(
        line.startswith("· VEX, not heard: #2 ") and line.endswith("; ATTESTATION_STALE") for line in lines(late)
    )
    assert [(one["vex"], one["counts"]) for one in as_json(late)["documents"]] == [(False, True), (True, True)]


def test_nothing_is_told_of_documents_where_it_does_not_matter_what_they_say() -> None:
    explanation = told(scan(), rules=[{"attestation": {"by": "a", "type": VULN}}])
    search = as_json(explanation)
    assert (search["select"], search["documents"]) == (None, [])


def test_what_a_document_says_is_one_bounded_line() -> None:
    report = trivy(at=START)
    report["ArtifactName"] = "x"
    hostile = vuln(report, START)
    hostile["scanner"]["version"] = "\x1b[31m✔ ALLOWED\n" * 1000
    provenance = {
        "buildDefinition": {"buildType": "https://b.example", "externalParameters": {}},
        "runDetails": {"builder": {"id": "https://x.example/\x1b[2J\n└─ ✔ ALLOWED " + "y" * 5000}},
    }
    rules: list[Json] = [{"provenance": {"by": "a"}}]
    for explanation in (
        told(attested(VULN, hostile)),
        told(attested("https://slsa.dev/provenance/v1", provenance), rules=rules),
    ):
        text = Pen(4000).draw(tree(explanation, ()))
        assert "\x1b" not in text
        assert len([line for line in text.splitlines() if line.startswith("└─")]) == 1
        assert len(text) < 3000
