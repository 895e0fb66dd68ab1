"""An explanation never disagrees with the decision that it explains."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.authoring.explanation import State
from gate.codes import INABILITY, NOTES, Code
from gate.policy.break_glass import Stamp
from gate.policy.finding import Verdict
from gate.policy.matching import Workload
from tests.fakes.clock import START
from tests.fakes.signing import alice, bob, mallory
from tests.unit.authoring.build import explained
from tests.unit.policy.build import (
    DIGEST,
    OTHER,
    PINNED,
    TAGGED,
    UNCHECKED,
    UNWITNESSED,
    Json,
    break_glass,
    config,
    evidence,
    fact,
    policies,
    policy,
    rejection,
    revocation,
    waiver,
)

if TYPE_CHECKING:
    from gate.authoring.explanation import Explanation
    from gate.evidence.facts import Evidence
    from gate.policy.policy_set import PolicySet

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEARCH = settings(max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.too_slow])

names = st.sampled_from("abm")
expressions = st.recursive(
    names,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=2)
        | st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=2)})
    ),
    max_leaves=3,
)
signature_rules = st.fixed_dictionaries(
    {"by": expressions},
    optional={
        "annotations": st.just({"k": "v"}),
        "reference": st.just("match"),
        "minAge": st.just("1d"),
        "repository": st.just("ghcr.io/acme/signatures"),
        "platformEvidence": st.just("all"),
    },
).map(lambda body: {"signature": body})
rules = st.one_of(
    signature_rules,
    signature_rules,
    st.sampled_from([{"deny": {}}, {"image": {}}, {"image": {"tags": "digest"}}, {"image": {"denyTags": []}}]),
    st.just({"image": {"denyDigests": [str(DIGEST)]}}),
    st.just({"image": {"registries": ["docker.io"]}}),
)
matches = st.sampled_from(
    [
        {},
        {},
        {"images": ["ghcr.io/acme/**"]},
        {"images": ["docker.io/**"]},
        {"exclude": ["ghcr.io/**"]},
        {"kinds": ["Job"]},
        {"namespaces": {"names": ["shop"]}},
        {"namespaces": {"matchLabels": {"env": "prod"}}},
    ]
)
modes = st.sampled_from(["enforce", "enforce", "warn", "audit"])
waivers = st.lists(
    st.builds(
        lambda rule, until, more: waiver(rule, until, **more),
        st.sampled_from(["r0", "r1"]),
        st.sampled_from(["2026-10-01", "2026-11-10", "2027-03-01"]),
        st.sampled_from([{}, {}, {"digests": [str(DIGEST)]}, {"digests": [str(OTHER)]}, {"images": ["docker.io/**"]}]),
    ),
    max_size=2,
)


@st.composite
def documents(draw: st.DrawFn, name: str) -> Json:
    some = draw(st.lists(rules, min_size=2, max_size=3))
    named = [{**rule, "name": f"r{i}"} for i, rule in enumerate(some)]
    namespace = draw(st.sampled_from(["", "", "shop"]))
    if namespace:
        named = [r for r in named if "repository" not in r.get("signature", {})] or [{"deny": {}, "name": "r0"}]
    # of one name now and then: findings have no more than the name
    called = draw(st.sampled_from([name, "same"])) if namespace or name == "p0" else name
    known = {rule["name"] for rule in named}
    excepted = [one for one in draw(waivers) if one["rule"] in known]
    return policy(named, name=called, namespace=namespace, mode=draw(modes), match=draw(matches), exceptions=excepted)


@st.composite
def sets(draw: st.DrawFn) -> PolicySet:
    some = [draw(documents(f"p{i}")) for i in range(draw(st.integers(0, 3)))]
    by_name = {(one["kind"], one["metadata"]["name"]): one for one in some}
    extra = [
        config(
            unmatched=draw(st.sampled_from(["deny", "warn", "audit"])),
            pinning={"where": draw(st.sampled_from(["pods", "all", "none"]))},
            excludeNamespaces=draw(st.sampled_from([[], [], ["shop"]])),
        )
    ]
    if draw(st.booleans()):
        extra.append(revocation(digests=[str(draw(st.sampled_from([DIGEST, OTHER])))]))
    if draw(st.booleans()):
        extra.append(break_glass(until="2026-11-01T14:00:00Z", images=["ghcr.io/**"]))
    found = policies(*by_name.values(), *extra)
    stamp = Stamp("ada", START - timedelta(hours=1)) if draw(st.booleans()) else None
    return replace(found, break_glasses=tuple(replace(glass, stamp=stamp) for glass in found.break_glasses))


facts = st.builds(
    evidence,
    st.lists(
        st.builds(
            lambda key, annotations, reference, witness: fact(key(), annotations, reference, witness=witness),
            st.sampled_from([alice, bob, mallory]),
            st.sampled_from([{}, {"k": "v"}]),
            st.sampled_from(["ghcr.io/acme/api", "ghcr.io/acme/other", None]),
            st.sampled_from([UNWITNESSED, UNCHECKED]),
        ),
        max_size=4,
    ),
    st.lists(st.just(rejection(Code.SIGNATURE_INVALID)), max_size=1),
    st.lists(st.sampled_from(sorted(INABILITY)), max_size=1),
)
workloads = st.builds(
    Workload,
    st.sampled_from([None, "Pod", "Job", "Deployment"]),
    st.sampled_from([None, "shop", "other"]),
    st.sampled_from([None, {}, {"env": "prod"}]),
)
images = st.sampled_from([PINNED, TAGGED, "ghcr.io/acme/api", "docker.io/library/nginx:1", "Not/An image"])
platforms = st.dictionaries(st.sampled_from(["amd64", "arm64"]), facts, max_size=2)
aways = st.sampled_from([None, None, None, Code.REGISTRY_TIMEOUT])


def check(
    found: PolicySet, image: str, workload: Workload, known: Evidence, away: Code | None, there: dict[str, Evidence]
) -> Explanation:
    told = explained(found, image, workload, known, away, platforms=there)
    decision = told.review.decision
    assert told.verdict is decision.verdict
    placed = [f for one in told.policies for rule in one.rules for f in rule.findings]
    assert {*placed, *told.findings} == {*decision.findings}
    assert not {*placed} & {*told.findings}
    assert [one.policy for one in told.policies] == [*found.policies]
    outcomes = {(id(o.matched.policy), o.rule.name): o for o in decision.outcomes}
    for one in told.policies:
        assert not (one.misfits and one.rules)
        for rule in one.rules:
            outcome = outcomes.get((id(one.policy), rule.rule.name))
            stops = [f for f in rule.findings if f.code not in NOTES]
            assert bool(stops) == (rule.state in (State.DENIED, State.NOT_JUDGED, State.WARNED, State.RECORDED))
            assert bool(rule.not_asked) == (rule.state is State.NOT_ASKED)
            if rule.state is State.HOLDS and outcome is not None:
                assert outcome.reasons == ()
            if rule.search is not None and outcome is not None:
                # what is wrong with a rule that wants signatures is what is wrong with its `by`, and nothing else
                assert rule.search.suffices is not bool(outcome.reasons)
    if decision.verdict is not Verdict.ALLOW:
        assert told.decisive or any(f.verdict is decision.verdict for f in told.findings)
    return told


@given(sets(), images, workloads, facts, aways, platforms)
@QUICK
def test_the_tree_amounts_to_the_decision(
    found: PolicySet, image: str, workload: Workload, known: Evidence, away: Code | None, there: dict[str, Evidence]
) -> None:
    check(found, image, workload, known, away, there)


@pytest.mark.property
@given(sets(), images, workloads, facts, aways, platforms)
@SEARCH
def test_the_tree_amounts_to_the_decision_searched(
    found: PolicySet, image: str, workload: Workload, known: Evidence, away: Code | None, there: dict[str, Evidence]
) -> None:
    check(found, image, workload, known, away, there)
