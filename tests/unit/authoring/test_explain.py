from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gate.authoring.explanation import Pinning, State, Use
from gate.codes import Code
from gate.evidence.facts import Evidence
from gate.policy.break_glass import Stamp
from gate.policy.finding import Verdict
from gate.policy.matching import Workload
from tests.fakes.clock import START
from tests.fakes.signing import alice, bob, mallory
from tests.unit.authoring.build import explained, only_rule
from tests.unit.policy.build import (
    ALLOW,
    DENY,
    OTHER,
    PINNED,
    SIGNED,
    TAGGED,
    Json,
    break_glass,
    config,
    evidence,
    exception,
    fact,
    policies,
    policy,
    rejection,
    revocation,
    waiver,
)

LATEST = "ghcr.io/acme/api:latest"
BOTH: list[Json] = [{"signature": {"by": {"all": ["a", "b"]}}}]


def test_which_signature_was_chosen_and_why_the_others_were_not() -> None:
    facts = evidence(
        [fact(mallory()), fact(alice(), {"stage": "prod"}), fact(alice())],
        [rejection(Code.SIGNATURE_INVALID, "changed")],
    )
    rules: list[Json] = [{"signature": {"by": ["a", "b"], "annotations": {"stage": "prod"}}}]
    rule = only_rule(explained(policies(policy(rules)), facts=facts))
    assert (rule.state, rule.findings, rule.not_asked) == (State.HOLDS, (), "")
    assert rule.search is not None
    a, b = rule.search.by.parts
    assert (rule.search.by.met, a.met, b.met) == (True, True, False)
    assert a.chosen == (facts.signatures[1],)
    assert [(r.fact, r.reason.code) for r in a.refused] == [(facts.signatures[2], Code.ANNOTATION_MISMATCH)]
    assert (b.chosen, b.refused, b.missing) == ((), (), "")
    assert rule.search.strangers == (facts.signatures[0],)
    assert [r.reason for r in rule.search.rejected] == ["changed"]


def test_each_part_of_by_is_told_by_itself() -> None:
    rule = only_rule(explained(policies(policy(BOTH)), facts=evidence([fact(bob())])))
    assert (rule.state, [f.code for f in rule.findings]) == (State.DENIED, [Code.SIGNERS_TOO_FEW])
    assert rule.search is not None
    assert [(str(p.expression), p.met, p.principals) for p in rule.search.by.parts] == [("a", False, 0), ("b", True, 1)]
    assert (rule.search.by.met, rule.search.by.principals) == (False, 1)


def test_evidence_of_every_image_of_an_index() -> None:
    rules: list[Json] = [{"signature": {"by": "a", "platformEvidence": "all"}}]
    signed = evidence([fact(alice())])
    here = {"amd64": signed, "arm64": evidence([fact(mallory())])}
    rule = only_rule(explained(policies(policy(rules)), platforms=here))
    assert rule.state is State.DENIED
    assert rule.search is not None
    assert [(str(p.image), p.search.by.met) for p in rule.search.platforms] == [
        ("linux/amd64", True),
        ("linux/arm64", False),
    ]
    assert (rule.search.by.met, rule.search.suffices) == (False, False)
    all_signed = only_rule(explained(policies(policy(rules)), platforms=dict.fromkeys(here, signed)))
    assert all_signed.search is not None
    assert (all_signed.state, all_signed.search.by.met, all_signed.search.suffices) == (State.HOLDS, False, True)


def test_a_rule_that_sets_its_age_aside() -> None:
    rules: list[Json] = [{"signature": {"by": "a", "minAge": "3d", "unless": {"by": "b"}}}]
    aged = only_rule(explained(policies(policy(rules)), facts=evidence([fact(alice())])))
    assert aged.search is not None
    assert aged.search.unless is not None
    assert [r.reason.code for r in aged.search.by.refused] == [Code.SIGNATURE_TOO_NEW]
    assert not aged.search.unless.met
    void = only_rule(explained(policies(policy(rules)), facts=evidence([fact(alice()), fact(bob())])))
    assert void.search is not None
    assert void.search.unless is not None
    assert (void.search.by.met, void.search.unless.met, void.state) == (True, True, State.HOLDS)


def test_what_the_reference_alone_stops_is_asked_of_nobody() -> None:
    rules: list[Json] = [{"image": {}}, *SIGNED]
    found = explained(policies(policy(rules)), LATEST)
    (one,) = found.policies
    assert [r.state for r in one.rules] == [State.DENIED, State.NOT_ASKED]
    assert one.rules[1].not_asked == "what the reference alone shows stops the image: its registry was not asked"
    assert one.rules[1].search is None
    assert [r.rule.name for _, r in found.decisive] == ["image"]


def test_a_registry_that_is_away_is_the_finding_of_one_rule() -> None:
    rules: list[Json] = [{"image": {"denyTags": []}}, *SIGNED, {"signature": {"by": "b"}, "name": "zz"}]
    found = explained(policies(policy(rules)), TAGGED, away=Code.REGISTRY_TIMEOUT)
    (one,) = found.policies
    assert [r.state for r in one.rules] == [State.HOLDS, State.NOT_JUDGED, State.NOT_ASKED]
    assert one.rules[2].not_asked == "its digest is not known, and nothing that needs it could be judged"
    assert (found.verdict, found.digest) == (Verdict.ERROR, None)


def test_policies_that_are_about_something_else() -> None:
    found = explained(policies(policy(ALLOW), policy(DENY, name="q", match={"images": ["docker.io/**"]})))
    assert [[m.field for m in one.misfits] for one in found.policies] == [[], ["images"]]
    assert found.policies[1].rules == ()
    assert found.covered_by == ("p",)


def test_an_image_that_nothing_is_about() -> None:
    found = explained(policies(policy(DENY, match={"images": ["docker.io/**"]}), config(unmatched="warn")))
    assert (found.covered_by, str(found.unmatched), found.verdict) == ((), "warn", Verdict.WARN)
    assert [f.code for f in found.findings] == [Code.NO_POLICY_MATCHED]


def test_a_namespace_where_nothing_is_judged() -> None:
    found = explained(
        policies(policy(DENY), config(excludeNamespaces=["kube-system"])), workload=Workload("Pod", "kube-system")
    )
    assert found.excluded
    assert only_rule(found).not_asked == "nothing is judged in namespace kube-system"
    assert found.verdict is Verdict.ALLOW


def test_a_text_that_is_no_reference() -> None:
    found = explained(policies(policy(DENY)), "Not/An image")
    assert only_rule(found).not_asked == "the text is no image reference"
    assert ([f.code for f in found.findings], found.verdict) == ([Code.REFERENCE_INVALID], Verdict.DENY)
    assert found.pinning is Pinning.STOPPED


@pytest.mark.parametrize(
    ("mode", "state"), [("enforce", State.DENIED), ("warn", State.WARNED), ("audit", State.RECORDED)]
)
def test_what_a_mode_makes_of_it(mode: str, state: State) -> None:
    assert only_rule(explained(policies(policy(DENY, mode=mode)))).state is state


def test_what_became_of_each_exception() -> None:
    waivers = [
        waiver(reason="used"),
        waiver(until="2026-10-01", reason="over"),
        waiver(images=["docker.io/**"], reason="another image"),
        waiver(digests=[str(OTHER)], reason="another digest"),
        waiver(until="2026-12-01", reason="shorter"),
        waiver(until="2028-01-01", reason="too far ahead"),
        waiver("other", reason="another rule"),
    ]
    rules: list[Json] = [*SIGNED, {"deny": {}, "name": "other"}]
    lent = [
        exception(waiver(until="2026-12-01", reason="lent")),
        exception(waiver(reason="not let"), namespace="dev", name="y"),
    ]
    spec = policy(rules, exceptions=waivers, exceptionsFrom={"names": ["payments"]})
    found = explained(policies(spec, *lent), workload=Workload("Pod", "payments"))
    rule = found.policies[0].rules[0]
    assert {e.waiver.reason: e.use for e in rule.exceptions} == {
        "used": Use.USED,
        "over": Use.EXPIRED,
        "another image": Use.OTHER_IMAGE,
        "another digest": Use.OTHER_IMAGE,
        "shorter": Use.NOT_NEEDED,
        "too far ahead": Use.NOT_YET,
        "lent": Use.NOT_NEEDED,
        "not let": Use.NOT_GRANTED,
    }
    assert rule.state is State.WAIVED


def test_an_exception_that_nothing_needs() -> None:
    found = policies(policy(SIGNED, exceptions=[waiver()]))
    rule = only_rule(explained(found, facts=evidence([fact(alice())])))
    assert (rule.state, [e.use for e in rule.exceptions]) == (State.HOLDS, [Use.NOT_NEEDED])


def test_what_became_of_each_break_glass() -> None:
    scope: Json = {"images": ["ghcr.io/acme/**"]}
    soon = "2026-11-01T14:00:00Z"
    written = [
        break_glass("none", until=soon, **scope),
        break_glass("other", until=soon, images=["docker.io/**"]),
        break_glass("over", until="2026-11-01T11:30:00Z", **scope),
        break_glass("used", until=soon, **scope),
        break_glass("zz", until=soon, **scope),
        break_glass("long", until="2026-11-02T11:00:00Z", **scope),
    ]
    found = policies(policy(SIGNED), *written)
    stamp = Stamp("ada", START - timedelta(hours=1))
    stamped = tuple(g if g.name == "none" else replace(g, stamp=stamp) for g in found.break_glasses)
    told = explained(replace(found, break_glasses=stamped))
    assert {g.glass.name: g.use for g in told.glasses} == {
        "none": Use.NOT_GRANTED,
        "other": Use.OTHER_IMAGE,
        "over": Use.EXPIRED,
        "used": Use.USED,
        "zz": Use.NOT_NEEDED,
        "long": Use.NOT_YET,
    }
    assert only_rule(told).state is State.WARNED
    assert told.verdict is Verdict.WARN


def test_what_is_revoked() -> None:
    written = revocation(digests=[str(OTHER)], signers=[{"fingerprint": alice().public.fingerprint}])
    found = explained(policies(policy(SIGNED), written), facts=evidence([fact(alice())]))
    assert found.revocations == (1, 1)
    rule = only_rule(found)
    assert rule.search is not None
    assert [r.reason.code for r in rule.search.by.refused] == [Code.REVOKED]


@pytest.mark.parametrize(
    ("rules", "image", "facts", "pinning"),
    [
        (SIGNED, PINNED, evidence([fact(alice())]), Pinning.WRITTEN),
        (SIGNED, TAGGED, evidence([fact(alice())]), Pinning.PINS),
        (SIGNED, TAGGED, Evidence(), Pinning.STOPPED),
        (ALLOW, TAGGED, Evidence(), Pinning.NOT_WANTED),
    ],
)
def test_what_mutate_would_do(rules: list[Json], image: str, facts: Evidence, pinning: Pinning) -> None:
    assert explained(policies(policy(rules)), image, facts=facts).pinning is pinning


def test_where_nothing_pins_the_rule_that_wants_a_digest_has_the_finding() -> None:
    found = explained(policies(policy(SIGNED), config(pinning={"where": "none"})), TAGGED)
    assert [f.code for f in only_rule(found).findings] == [Code.DIGEST_REQUIRED]
    assert found.findings == ()


def test_what_the_labels_of_a_namespace_would_say() -> None:
    match = {"namespaces": {"matchLabels": {"env": "prod"}}}
    found = explained(policies(policy(ALLOW, match=match)), workload=Workload("Pod", "shop"))
    assert found.policies[0].caveat == "the labels of namespace shop are unknown"
