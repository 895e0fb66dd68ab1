"""Exceptions: what they waive, for whom, how long, and what they never do (POLICY §6)."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from gate.codes import INABILITY, Code
from gate.image.reference import Reference
from gate.policy.evaluate import unable
from gate.policy.finding import Reason, Verdict
from gate.policy.matching import Workload
from gate.policy.plan import Stage, plan
from tests.fakes.clock import START
from tests.fakes.signing import alice, bob
from tests.unit.policy.build import (
    DIGEST,
    OTHER,
    PINNED,
    REPOSITORY,
    SIGNED,
    TAGGED,
    Json,
    codes,
    config,
    decide,
    evidence,
    exception,
    fact,
    parsed,
    policies,
    policy,
    waiver,
)

if TYPE_CHECKING:
    from gate.policy.decision import Decision
    from gate.policy.policy_set import PolicySet

DAY = timedelta(days=1)
SOON = f"{START + 5 * DAY:%Y-%m-%d}"
LATER = f"{START + 60 * DAY:%Y-%m-%d}"
GONE = f"{START - DAY:%Y-%m-%d}"
PAYMENTS = Workload("Pod", "payments")
USED = ("EXCEPTION_USED", "allow")
UNSIGNED = ("SIGNATURE_MISSING", "deny")


def excepted(*waivers: Json, rules: list[Json] | None = None) -> PolicySet:
    return policies(policy(rules or SIGNED, exceptions=list(waivers)))


def lent(*documents: Json) -> PolicySet:
    return policies(policy(SIGNED, exceptionsFrom={"names": ["payments"]}), *documents)


def messages(decision: Decision) -> str:
    return "\n".join(finding.message for finding in decision.findings)


# what is waived


def test_a_finding_of_its_rule_is_waived_and_said() -> None:
    found = decide(excepted(waiver(until=LATER, ticket="SEC-1", approvedBy="sec@acme.example")))
    assert (found.verdict, codes(found)) == (Verdict.ALLOW, [USED])
    assert messages(found) == (
        f"SIGNATURE_MISSING waived by an exception until {LATER} (vendor is slow, SEC-1, said to be approved by "
        "sec@acme.example); it was: no signature found; needs a signature by a"
    )
    assert (found.findings[0].policy, found.findings[0].rule) == ("p", "signature")


def test_what_needs_no_exception_uses_none() -> None:
    found = decide(excepted(waiver(until=LATER)), facts=evidence([fact(alice())]))
    assert (found.verdict, found.findings) == (Verdict.ALLOW, ())


def test_findings_of_other_rules_stand() -> None:
    rules = [*SIGNED, {"signature": {"by": "b"}, "name": "second"}]
    assert codes(decide(excepted(waiver(until=LATER), rules=rules))) == [UNSIGNED, USED]
    assert codes(decide(excepted(waiver("second", LATER), rules=rules))) == [UNSIGNED, USED]
    both = decide(excepted(waiver(until=LATER), waiver("second", LATER), rules=rules))
    assert codes(both) == [USED, USED]


def test_findings_of_other_policies_stand() -> None:
    found = policies(policy(SIGNED, exceptions=[waiver(until=LATER)]), policy(SIGNED, name="q"))
    decision = decide(found)
    assert codes(decision) == [UNSIGNED, USED]
    assert decision.findings[0].policy == "q"


@pytest.mark.parametrize("mode", ["enforce", "warn", "audit"])
def test_it_waives_in_every_mode(mode: str) -> None:
    found = policies(policy(SIGNED, exceptions=[waiver(until=LATER)], mode=mode), policy([{"image": {}}], name="q"))
    assert codes(decide(found)) == [USED]


def test_the_reference_alone_may_be_excepted_before_any_registry_is_asked() -> None:
    found = excepted(waiver("image", LATER), rules=[{"image": {"denyTags": ["v1"]}}])
    assert codes(decide(found, TAGGED)) == [("PINNED_AT_ADMISSION", "allow"), USED]
    denied = policies(policy([{"deny": {"message": "no"}}], exceptions=[waiver("deny", LATER)]))
    assert decide(denied).verdict is Verdict.ALLOW


@pytest.mark.parametrize("code", sorted(INABILITY))
def test_errors_of_its_rule_are_waived_too(code: Code) -> None:
    found = excepted(waiver(until=LATER))
    assert codes(decide(found, facts=evidence(unavailable=[code]))) == [USED]
    planned = plan(found, Reference.parse(TAGGED), PAYMENTS, Stage.CHECK, START)
    assert codes(unable(planned, Reason(code, "no answer"))) == [("PINNED_AT_ADMISSION", "allow"), USED]


def test_an_error_stands_where_one_rule_is_not_waived() -> None:
    rules = [*SIGNED, {"signature": {"by": "b"}, "name": "second"}]
    for waived, left in (("signature", "second"), ("second", "signature")):
        planned = plan(
            excepted(waiver(waived, LATER), rules=rules), Reference.parse(TAGGED), PAYMENTS, Stage.CHECK, START
        )
        decision = unable(planned, Reason(Code.REGISTRY_TIMEOUT, "no answer"))
        assert (decision.verdict, decision.findings[0].rule) == (Verdict.ERROR, left)


# for whom


@pytest.mark.parametrize(
    ("narrowed", "waived"),
    [
        ({"images": [REPOSITORY]}, True),
        ({"images": ["ghcr.io/acme/*"]}, True),
        ({"images": ["ghcr.io/other/**", REPOSITORY]}, True),
        ({"images": ["ghcr.io/acme"]}, False),
        ({"images": ["ghcr.io/acme/api2"]}, False),
        ({"digests": [str(DIGEST)]}, True),
        ({"digests": [str(OTHER), str(DIGEST)]}, True),
        ({"digests": [str(OTHER)]}, False),
        ({"namespaces": ["payments"]}, True),
        ({"namespaces": ["payment"]}, False),
        ({"images": [REPOSITORY], "digests": [str(DIGEST)], "namespaces": ["payments"]}, True),
        ({"images": [REPOSITORY], "digests": [str(OTHER)], "namespaces": ["payments"]}, False),
        ({"images": [REPOSITORY], "digests": [str(DIGEST)], "namespaces": ["shop"]}, False),
        ({"images": ["ghcr.io/other/**"], "digests": [str(DIGEST)], "namespaces": ["payments"]}, False),
    ],
)
def test_all_that_it_is_narrowed_to_has_to_fit(narrowed: Json, waived: bool) -> None:  # noqa: FBT001
    found = decide(excepted(waiver(until=LATER, **narrowed)), workload=PAYMENTS)
    assert codes(found) == ([USED] if waived else [UNSIGNED])


@pytest.mark.parametrize("field", ["images", "digests", "namespaces"])
def test_an_empty_list_is_not_everything(field: str) -> None:
    found = parsed(str(policy(SIGNED, exceptions=[{**waiver(until=LATER), field: []}])).replace("'", '"'))
    assert [p.message for p in found.errors] == [f"`spec.exceptions[0].{field}`: the list is empty"]


def test_a_namespace_that_is_not_known_is_none_of_those_named() -> None:
    found = excepted(waiver(until=LATER, namespaces=["payments"]))
    assert codes(decide(found)) == [UNSIGNED]


def test_of_a_digest_that_is_not_known_nothing_is_waived() -> None:
    """A denied tag is denied before it is resolved, whatever it would have been."""
    found = excepted(waiver("image", LATER, digests=[str(DIGEST)]), rules=[{"image": {"denyTags": ["v1"]}}])
    assert codes(decide(found, TAGGED)) == [("TAG_MUTABLE", "deny")]
    planned = plan(
        excepted(waiver(until=LATER, digests=[str(DIGEST)])), Reference.parse(TAGGED), PAYMENTS, Stage.CHECK, START
    )
    assert unable(planned, Reason(Code.REGISTRY_TIMEOUT, "no answer")).verdict is Verdict.ERROR


# how long


@pytest.mark.parametrize(
    ("until", "code"),
    [
        (f"{START:%Y-%m-%d}", "EXCEPTION_USED"),  # to the end of that day
        (f"{START - DAY:%Y-%m-%d}", "EXCEPTION_EXPIRED"),
        (f"{START + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}", "EXCEPTION_USED"),
        (f"{START:%Y-%m-%dT%H:%M:%SZ}", "EXCEPTION_EXPIRED"),  # up to but not including
    ],
)
def test_it_ends_with_its_day_or_just_before_its_instant(until: str, code: str) -> None:
    found = decide(excepted(waiver(until=until)))
    assert code in {finding.code for finding in found.findings}
    assert found.verdict is (Verdict.ALLOW if code == "EXCEPTION_USED" else Verdict.DENY)


def test_one_that_is_over_is_named_beside_the_finding_that_stands() -> None:
    found = decide(excepted(waiver(until=GONE)))
    assert codes(found) == [UNSIGNED, ("EXCEPTION_EXPIRED", "allow")]
    assert messages(found).endswith(f"an exception until {GONE} (vendor is slow) is over")


def test_one_that_is_over_is_not_named_where_it_is_not_missed() -> None:
    assert decide(excepted(waiver(until=GONE)), facts=evidence([fact(alice())])).findings == ()
    assert codes(decide(excepted(waiver(until=GONE), waiver(until=LATER)))) == [USED]


def test_one_that_ends_soon_says_so() -> None:
    found = decide(excepted(waiver(until=SOON)))
    assert sorted(codes(found)) == [("EXCEPTION_EXPIRING", "allow"), USED]
    assert codes(decide(excepted(waiver(until=SOON), waiver(until=LATER)))) == [USED]


def test_one_that_reaches_too_far_does_not_count_yet() -> None:
    far = f"{START + 181 * DAY:%Y-%m-%d}"
    assert codes(decide(excepted(waiver(until=far)))) == [UNSIGNED]
    allowed = policies(policy(SIGNED, exceptions=[waiver(until=far)]), config(exceptions={"max": "365d"}))
    assert codes(decide(allowed)) == [USED]
    short = policies(policy(SIGNED, exceptions=[waiver(until=LATER)]), config(exceptions={"max": "7d"}))
    assert codes(decide(short)) == [UNSIGNED]
    assert codes(decide(short, now=START + 58 * DAY)) == [("EXCEPTION_EXPIRING", "allow"), USED]


# pinning: what is judged is what runs


@pytest.mark.parametrize("stage", [Stage.VALIDATE, Stage.MUTATE])
def test_an_exception_to_one_rule_pins_for_the_others(stage: Stage) -> None:
    rules = [{"image": {"tags": "digest"}}, {"signature": {"by": "a"}}]
    found = excepted(waiver("image", LATER), rules=rules)
    planned = plan(found, Reference.parse(TAGGED), PAYMENTS, stage, START)
    if stage is Stage.MUTATE:
        assert planned.pins
        return
    stops = [finding for finding in planned.findings if finding.verdict.stops]
    assert [(finding.code, finding.rule) for finding in stops] == [("DIGEST_REQUIRED", "signature")]


def test_where_every_rule_is_waived_nothing_has_to_be_pinned() -> None:
    planned = plan(excepted(waiver(until=LATER)), Reference.parse(TAGGED), PAYMENTS, Stage.VALIDATE, START)
    assert [str(finding.code) for finding in planned.findings] == ["EXCEPTION_USED"]
    mutating = plan(excepted(waiver(until=LATER)), Reference.parse(TAGGED), PAYMENTS, Stage.MUTATE, START)
    assert mutating.pins
    assert not unable(mutating, Reason(Code.REGISTRY_TIMEOUT, "no answer")).verdict.stops


def test_an_exception_for_a_digest_pins_nothing_away() -> None:
    narrowed = excepted(waiver(until=LATER, digests=[str(DIGEST)]))
    planned = plan(narrowed, Reference.parse(TAGGED), PAYMENTS, Stage.VALIDATE, START)
    assert [str(finding.code) for finding in planned.findings] == ["DIGEST_REQUIRED"]


# GateException


def test_a_namespace_is_lent_an_exception_where_the_policy_lists_it() -> None:
    found = lent(exception(waiver(until=LATER)))
    decision = decide(found, workload=PAYMENTS)
    assert codes(decision) == [USED]
    assert "waived by GateException payments/x until" in messages(decision)


@pytest.mark.parametrize("workload", [Workload("Pod", "shop"), Workload("Pod"), Workload()])
def test_it_reaches_no_other_namespace(workload: Workload) -> None:
    assert codes(decide(lent(exception(waiver(until=LATER))), workload=workload)) == [UNSIGNED]


def test_nobody_lends_himself_one() -> None:
    """A GateException of a namespace that no policy lists, or about another policy."""
    for documents in (
        [policy(SIGNED), exception(waiver(until=LATER))],
        [policy(SIGNED, exceptionsFrom={"names": ["shop"]}), exception(waiver(until=LATER))],
        [
            policy(SIGNED, exceptionsFrom={"names": ["payments"]}),
            policy(SIGNED, name="q"),
            exception(waiver(until=LATER), policies=["q"]),
        ],
    ):
        assert decide(policies(*documents), workload=PAYMENTS).verdict is Verdict.DENY


def test_it_may_be_narrowed_further_but_not_to_another_namespace() -> None:
    elsewhere = lent(exception(waiver(until=LATER, namespaces=["shop"])))
    assert codes(decide(elsewhere, workload=PAYMENTS)) == [UNSIGNED]
    assert codes(decide(elsewhere, workload=Workload("Pod", "shop"))) == [UNSIGNED]


def test_what_nobody_can_reach_is_warned_of() -> None:
    found = parsed(
        "\n---\n".join(
            str(document).replace("'", '"')
            for document in (policy(SIGNED), exception(waiver(until=LATER), policies=["p", "pp"]))
        )
    )
    assert not found.errors
    assert [
        problem.message for problem in found.problems if "exception" in problem.message or "called" in problem.message
    ] == [
        "ClusterGatePolicy p takes no exceptions from namespace payments",
        "no policy here is called 'pp'",
    ]


@pytest.mark.parametrize(
    ("rules", "named", "message"),
    [
        (SIGNED, "signatures", "no rule is called 'signatures'; did you mean signature?"),
        ([*SIGNED, *SIGNED], "signature", "2 rules are called signature; give each a `name`"),
        ([*SIGNED, *SIGNED], "signature-2", "no rule is called 'signature-2'"),
        ([*SIGNED, *SIGNED], "signature_1", "no rule is called 'signature_1'"),
    ],
)
def test_the_rule_is_named_as_findings_name_it(rules: list[Json], named: str, message: str) -> None:
    inline = parsed(str(policy(rules, exceptions=[waiver(named, LATER)])).replace("'", '"'))
    assert any(message in str(problem) for problem in inline.errors)
    documents = (policy(rules, exceptionsFrom={"names": ["payments"]}), exception(waiver(named, LATER)))
    other = parsed("\n---\n".join(str(document).replace("'", '"') for document in documents))
    assert any(message in str(problem) for problem in other.errors)


@pytest.mark.parametrize(
    "narrowed", [{"vulnerabilities": ["CVE-2026-1"]}, {"components": ["pkg:npm/x"]}, {"licenses": ["MIT"]}]
)
def test_what_is_narrowed_to_content_waives_nothing_of_a_signature(narrowed: Json) -> None:
    assert codes(decide(excepted(waiver(until=LATER)))) == [USED]
    assert codes(decide(excepted(waiver(until=LATER, **narrowed)))) == [UNSIGNED]


def test_the_order_of_exceptions_never_matters() -> None:
    waivers = [waiver(until=GONE), waiver(until=SOON), waiver(until=LATER), waiver(until=LATER, reason="another")]
    decisions = {decide(excepted(*order)) for order in permutations(waivers)}
    assert len(decisions) == 1


def test_an_exception_for_one_image_is_not_lent_to_another() -> None:
    found = excepted(waiver(until=LATER, images=["ghcr.io/acme/sidecar"]))
    assert codes(decide(found, PINNED)) == [UNSIGNED]
    assert codes(decide(found, PINNED.replace("api", "sidecar"))) == [USED]


def test_somebody_elses_signature_is_waived_as_well() -> None:
    assert codes(decide(excepted(waiver(until=LATER)), facts=evidence([fact(bob())]))) == [USED]
