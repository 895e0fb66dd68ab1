from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from gate.codes import INABILITY, Code
from gate.image.reference import Reference
from gate.policy.evaluate import conclude, unable
from gate.policy.finding import Reason, Verdict
from gate.policy.known import Known
from gate.policy.matching import Workload, match
from gate.policy.plan import Stage, invalid, plan
from gate.policy.trust import SIGSTORE, TrustNeeds, WitnessedKey
from tests.fakes.clock import START
from tests.fakes.signing import alice, bob
from tests.unit.policy.build import (
    ALLOW,
    DENY,
    DIGEST,
    OTHER,
    PINNED,
    REPOSITORY,
    SIGNED,
    SIGNERS,
    TAGGED,
    Json,
    codes,
    config,
    decide,
    evidence,
    fact,
    policies,
    policy,
)

if TYPE_CHECKING:
    from gate.policy.plan import Plan

CHECK, VALIDATE, MUTATE = Stage.CHECK, Stage.VALIDATE, Stage.MUTATE
POD, DEPLOYMENT = Workload("Pod"), Workload("Deployment")
UNPINNED = "ghcr.io/acme/api"
LATEST = "ghcr.io/acme/api:latest"
REASON = Reason(Code.REGISTRY_TIMEOUT, "no answer", "retry")


def planned(*documents: Json, image: str = TAGGED, workload: Workload | None = None, stage: Stage = CHECK) -> Plan:
    return plan(policies(*documents), Reference.parse(image), workload or Workload(), stage, START)


def shown(found: Plan) -> list[tuple[str, str]]:
    return [(str(f.code), str(f.verdict)) for f in found.findings]


# modes


@pytest.mark.parametrize(("mode", "verdict"), [("enforce", "deny"), ("warn", "warn"), ("audit", "allow")])
@pytest.mark.parametrize(
    ("rules", "image", "code"),
    [
        (DENY, PINNED, "DENIED_BY_POLICY"),
        ([{"image": {"registries": ["quay.io"]}}], PINNED, "REGISTRY_NOT_ALLOWED"),
        ([{"image": {"tags": "unsafeAny"}}], LATEST, "TAG_MUTABLE"),
        ([{"image": {"denyDigests": [str(DIGEST)]}}], PINNED, "DIGEST_DENIED"),
        (SIGNED, PINNED, "SIGNATURE_MISSING"),
    ],
)
def test_a_denial_in_every_mode(rules: list[Json], image: str, code: str, mode: str, verdict: str) -> None:
    found = decide(policies(policy(rules, mode=mode), config(unmatched="audit")), image)
    assert (code, verdict) in codes(found)
    assert found.verdict == verdict


@pytest.mark.parametrize(("mode", "verdict"), [("enforce", "error"), ("warn", "warn"), ("audit", "allow")])
@pytest.mark.parametrize("code", sorted(INABILITY))
def test_an_inability_in_every_mode(code: Code, mode: str, verdict: str) -> None:
    found = policies(policy(SIGNED, mode=mode), config(unmatched="audit"))
    decision = decide(found, facts=evidence(unavailable=[code]))
    assert (str(code), verdict) in codes(decision)
    assert decision.verdict == verdict
    at_once = unable(plan(found, Reference.parse(TAGGED), Workload(), CHECK, START), Reason(code, "m"))
    assert (str(code), verdict) in codes(at_once)
    assert at_once.verdict == verdict


@pytest.mark.parametrize(
    ("modes", "facts", "verdict"),
    [
        (("enforce", "warn"), [], "deny"),
        (("warn", "audit"), [], "warn"),
        (("audit", "audit"), [], "allow"),
        (("enforce", "enforce"), ["a"], "deny"),
        (("enforce", "enforce"), ["a", "b"], "allow"),
        (("enforce", "warn"), ["a"], "warn"),
        (("warn", "enforce"), ["a"], "deny"),
        (("enforce", "audit"), ["a"], "allow"),
    ],
)
def test_every_policy_has_to_pass(modes: tuple[str, str], facts: list[str], verdict: str) -> None:
    found = policies(
        policy([{"signature": {"by": "a"}}], name="one", mode=modes[0]),
        policy([{"signature": {"by": "b"}}], name="two", mode=modes[1]),
        config(unmatched="audit"),
    )
    keys = {"a": alice(), "b": bob()}
    assert decide(found, facts=evidence([fact(keys[k]) for k in facts])).verdict == verdict


def test_every_rule_has_to_pass_and_all_findings_are_kept() -> None:
    rules: list[Json] = [
        {"signature": {"by": "a"}, "name": "alice"},
        {"signature": {"by": "b"}, "name": "bob"},
        {"image": {"denyDigests": [str(DIGEST)]}},
    ]
    decision = decide(policies(policy(rules)))
    assert [(str(f.code), f.policy, f.rule) for f in decision.findings] == [
        ("SIGNATURE_MISSING", "p", "alice"),
        ("SIGNATURE_MISSING", "p", "bob"),
        ("DIGEST_DENIED", "p", "image"),
    ]


def test_error_beside_a_denial() -> None:
    found = policies(policy(SIGNED, name="one"), policy([{"image": {"denyDigests": [str(DIGEST)]}}], name="two"))
    decision = decide(found, facts=evidence(unavailable=[Code.REGISTRY_TIMEOUT]))
    assert codes(decision) == [("DIGEST_DENIED", "deny"), ("REGISTRY_TIMEOUT", "error")]
    assert decision.verdict is Verdict.DENY


def test_a_denied_digest_is_denied_by_tag_too() -> None:
    found = policies(policy([{"image": {"denyDigests": [str(DIGEST)]}}]))
    assert ("DIGEST_DENIED", "deny") in codes(decide(found, TAGGED, digest=DIGEST))
    assert decide(found, TAGGED, digest=OTHER).verdict is Verdict.ALLOW
    # the digest decides, whatever the tag beside it
    assert decide(found, f"{TAGGED}@{OTHER}", digest=DIGEST).verdict is Verdict.ALLOW


# unmatched


@pytest.mark.parametrize(
    ("unmatched", "verdict"), [(None, "deny"), ("deny", "deny"), ("warn", "warn"), ("audit", "allow")]
)
@pytest.mark.parametrize(
    "documents",
    [
        [],
        [policy(ALLOW, match={"images": ["quay.io/**"]})],
        [policy(ALLOW, match={"images": ["**"], "exclude": ["ghcr.io/acme/**"]})],
        [policy(ALLOW, mode="audit")],
        [policy(ALLOW, namespace="n")],
        [policy(ALLOW, namespace="n"), policy(ALLOW, name="q", mode="audit")],
    ],
    ids=["empty", "other images", "excluded", "audit", "GatePolicy", "both"],
)
def test_what_no_policy_matches(documents: list[Json], unmatched: str | None, verdict: str) -> None:
    found = policies(*documents, *([config(unmatched=unmatched)] if unmatched else []))
    decision = decide(found, workload=Workload("Pod", "n"))
    assert codes(decision) == [("NO_POLICY_MATCHED", verdict)]
    assert decision.verdict == verdict


@pytest.mark.parametrize("mode", ["enforce", "warn"])
def test_what_a_policy_matches(mode: str) -> None:
    assert codes(decide(policies(policy(ALLOW, mode=mode)))) == []


def test_an_unmatched_image_is_never_asked_of_its_registry() -> None:
    for documents in ([], [policy(SIGNED, mode="audit")], [policy(SIGNED, namespace="n")]):
        found = planned(*documents, workload=Workload("Pod", "n"))
        assert shown(found)[-1] == ("NO_POLICY_MATCHED", "deny")
        assert (found.digest_wanted, found.sources, found.trust) == (False, frozenset(), TrustNeeds())


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize(
    ("namespace", "judged"), [("kube-system", False), ("kube-systemd", True), ("prod", True), (None, True)]
)
def test_excluded_namespaces(stage: Stage, namespace: str | None, judged: bool) -> None:  # noqa: FBT001
    found = policies(policy([{"deny": {}}, {"image": {}}]), config(excludeNamespaces=["kube-system"]))
    decision = decide(found, LATEST, Workload("Pod", namespace), stage)
    assert bool(decision.findings) is judged
    bad = invalid(found, Workload("Pod", namespace), Reason(Code.REFERENCE_INVALID, "m"))
    assert bad.verdict is (Verdict.DENY if judged else Verdict.ALLOW)


@pytest.mark.parametrize(
    ("documents", "verdict"),
    [
        ([], "deny"),
        ([config(unmatched="warn")], "warn"),
        ([config(unmatched="audit"), policy(ALLOW, mode="warn")], "warn"),
        ([config(unmatched="audit"), policy(ALLOW)], "deny"),
        ([config(unmatched="audit"), policy(ALLOW, namespace="n")], "deny"),
    ],
)
def test_a_text_that_is_no_reference(documents: list[Json], verdict: str) -> None:
    decision = invalid(policies(*documents), Workload(), Reason(Code.REFERENCE_INVALID, "m", "r"))
    assert codes(decision) == [("REFERENCE_INVALID", verdict)]


# match


NAMESPACES = {
    "matchLabels": {"env": "prod"},
    "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["x"]}],
}


def labelled(**labels: str) -> Workload:
    return Workload("Pod", "n", labels)


def expression(operator: str, *values: str) -> Json:
    return {
        "namespaces": {
            "matchExpressions": [{"key": "k", "operator": operator, **({"values": list(values)} if values else {})}]
        }
    }


@pytest.mark.parametrize(
    ("wanted", "workload", "matches"),
    [
        ({}, Workload(), True),
        ({"images": ["ghcr.io/acme/**"]}, Workload(), True),
        ({"images": ["quay.io/**", "ghcr.io/*/api"]}, Workload(), True),
        ({"images": ["quay.io/**"]}, Workload(), False),
        ({"exclude": ["ghcr.io/acme/*"]}, Workload(), False),
        ({"exclude": ["ghcr.io/acme"]}, Workload(), True),
        ({"images": ["ghcr.io/**"], "exclude": ["quay.io/**", "**/api"]}, Workload(), False),
        # kinds: a Pod is what every kind becomes
        ({"kinds": ["Job"]}, Workload("Job"), True),
        ({"kinds": ["Job"]}, Workload("Deployment"), False),
        ({"kinds": ["Job"]}, Workload("Pod"), True),
        ({"kinds": ["Job"]}, Workload(), True),
        ({"kinds": []}, Workload("Deployment"), True),
        ({"kinds": ["Pod"]}, Workload("Deployment"), False),
        # service accounts
        ({"serviceAccounts": ["ci"]}, Workload("Pod", service_account="ci"), True),
        ({"serviceAccounts": ["ci"]}, Workload("Pod", service_account="default"), False),
        ({"serviceAccounts": ["ci"]}, Workload("Pod"), True),
        ({"serviceAccounts": []}, Workload("Pod", service_account="x"), True),
        # namespaces by name
        ({"namespaces": {"names": ["n", "m"]}}, Workload("Pod", "n"), True),
        ({"namespaces": {"names": ["n"]}}, Workload("Pod", "nn"), False),
        ({"namespaces": {"names": ["n"]}}, Workload("Pod"), True),
        ({"namespaces": {"names": []}}, Workload("Pod", "n"), True),
        # and by labels
        ({"namespaces": NAMESPACES}, labelled(env="prod"), True),
        ({"namespaces": NAMESPACES}, labelled(env="prod", tier="y"), True),
        ({"namespaces": NAMESPACES}, labelled(env="prod", tier="x"), False),
        ({"namespaces": NAMESPACES}, labelled(env="dev"), False),
        ({"namespaces": NAMESPACES}, labelled(), False),
        ({"namespaces": NAMESPACES}, Workload("Pod", "n"), True),
        ({"namespaces": {**NAMESPACES, "names": ["m"]}}, Workload("Pod", "n"), False),
        ({"namespaces": {**NAMESPACES, "names": ["m"]}}, labelled(env="prod"), False),
        (expression("In", "a", "b"), labelled(k="b"), True),
        (expression("In", "a", "b"), labelled(k="c"), False),
        (expression("In", "a", "b"), labelled(), False),
        (expression("NotIn", "a"), labelled(k="b"), True),
        (expression("NotIn", "a"), labelled(k="a"), False),
        (expression("NotIn", "a"), labelled(), True),
        (expression("Exists"), labelled(k=""), True),
        (expression("Exists"), labelled(), False),
        (expression("DoesNotExist"), labelled(), True),
        (expression("DoesNotExist"), labelled(k=""), False),
        # all that is given has to fit
        ({"kinds": ["Job"], "serviceAccounts": ["ci"]}, Workload("Job", service_account="x"), False),
        ({"images": ["quay.io/**"], "kinds": ["Job"]}, Workload("Job"), False),
    ],
)
def test_match(wanted: Json, workload: Workload, matches: bool) -> None:  # noqa: FBT001
    (one,) = policies(policy(DENY, match=wanted)).policies
    assert (match(one, Reference.parse(TAGGED), workload) is not None) is matches


@pytest.mark.parametrize(("namespace", "matches"), [("n", True), ("m", False), (None, True)])
def test_a_gate_policy_is_about_its_own_namespace(namespace: str | None, matches: bool) -> None:  # noqa: FBT001
    (one,) = policies(policy(DENY, namespace="n")).policies
    assert (match(one, Reference.parse(TAGGED), Workload("Pod", namespace)) is not None) is matches
    # and cannot name another
    (other,) = policies(policy(DENY, namespace="n", match={"namespaces": {"names": ["m"]}})).policies
    assert match(other, Reference.parse(TAGGED), Workload("Pod", "m")) is None


@pytest.mark.parametrize(
    ("spec", "workload", "caveat"),
    [
        ({"match": {"namespaces": NAMESPACES}}, Workload("Pod", "shop"), "the labels of namespace shop are unknown"),
        ({"match": {"namespaces": NAMESPACES}}, Workload("Pod"), "its namespace is not known"),
        ({"match": {"namespaces": {"names": ["n"]}}}, Workload("Pod"), "its namespace is not known"),
        ({"namespace": "n"}, Workload("Pod"), "its namespace is not known"),
    ],
)
def test_what_is_unknown_is_said(spec: Json, workload: Workload, caveat: str) -> None:
    found = policies(policy(DENY, **spec), policy(ALLOW, name="all"))
    (finding,) = decide(found, workload=workload).findings
    assert finding.message.endswith(f" (applied because {caveat})")
    assert finding.remedy.endswith("; or pass --namespace-label or --namespaces FILE")


def test_what_is_known_needs_no_caveat() -> None:
    found = policies(policy(DENY, match={"namespaces": NAMESPACES}))
    (finding,) = decide(found, workload=labelled(env="prod")).findings
    assert "applied because" not in finding.message


# tags


@pytest.mark.parametrize(
    ("rule", "image", "code"),
    [
        # denyTags: [latest] unless said, no tag counts as latest, and a digest settles it
        ({"tags": "unsafeAny"}, LATEST, "TAG_MUTABLE"),
        ({"tags": "unsafeAny"}, UNPINNED, "TAG_MISSING"),
        ({"tags": "unsafeAny"}, TAGGED, None),
        ({"tags": "unsafeAny"}, f"{LATEST}@{DIGEST}", None),
        ({"tags": "unsafeAny"}, f"{UNPINNED}@{DIGEST}", None),
        ({"tags": "unsafeAny", "denyTags": []}, LATEST, None),
        ({"tags": "unsafeAny", "denyTags": []}, UNPINNED, None),
        ({"tags": "unsafeAny", "denyTags": ["main", "*-dev"]}, LATEST, None),
        ({"tags": "unsafeAny", "denyTags": ["main", "*-dev"]}, UNPINNED, None),
        ({"tags": "unsafeAny", "denyTags": ["main", "*-dev"]}, f"{REPOSITORY}:1-dev", "TAG_MUTABLE"),
        ({"tags": "unsafeAny", "denyTags": ["main"]}, f"{REPOSITORY}:mains", None),
        ({"tags": "unsafeAny", "denyTags": ["*"]}, f"{REPOSITORY}:v1", "TAG_MUTABLE"),
        ({"tags": "unsafeAny", "denyTags": ["*"]}, UNPINNED, "TAG_MISSING"),
        # with a digest only where it is asked for, and only a tag that is written
        ({"tags": "unsafeAny", "denyTagsWithDigest": True}, f"{LATEST}@{DIGEST}", "TAG_MUTABLE"),
        ({"tags": "unsafeAny", "denyTagsWithDigest": True}, f"{UNPINNED}@{DIGEST}", None),
        ({"tags": "unsafeAny", "denyTagsWithDigest": True}, LATEST, "TAG_MUTABLE"),
        ({"tags": "unsafeAny", "denyTagsWithDigest": True}, PINNED, None),
        # digest
        ({"tags": "digest"}, TAGGED, "DIGEST_REQUIRED"),
        ({"tags": "digest"}, LATEST, "TAG_MUTABLE"),
        ({"tags": "digest"}, UNPINNED, "TAG_MISSING"),
        ({"tags": "digest", "denyTags": []}, LATEST, "DIGEST_REQUIRED"),
        ({"tags": "digest", "denyTags": []}, UNPINNED, "TAG_MISSING"),
        ({"tags": "digest"}, PINNED, None),
        # pin
        ({}, TAGGED, None),
        ({}, LATEST, "TAG_MUTABLE"),
        ({}, UNPINNED, "TAG_MISSING"),
        ({"denyTags": []}, UNPINNED, None),
        ({}, PINNED, None),
    ],
)
def test_codes_of_tags(rule: Json, image: str, code: str | None) -> None:
    found = policies(policy([{"image": rule}]))
    notes = [("PINNED_AT_ADMISSION", "allow")] if "tags" not in rule and "@" not in image and code is None else []
    assert codes(decide(found, image)) == ([(code, "deny")] if code else notes)


@pytest.mark.parametrize(
    ("tags", "stage", "workload", "where", "code", "pins"),
    [
        # the author writes a tag, and ...
        ("pin", CHECK, POD, "pods", "PINNED_AT_ADMISSION", True),
        ("pin", CHECK, DEPLOYMENT, "pods", "PINNED_AT_ADMISSION", True),
        ("pin", CHECK, POD, "all", "PINNED_AT_ADMISSION", True),
        ("pin", CHECK, POD, "none", "DIGEST_REQUIRED", False),
        ("pin", CHECK, DEPLOYMENT, "none", "DIGEST_REQUIRED", False),
        ("pin", MUTATE, POD, "pods", None, True),
        ("pin", MUTATE, DEPLOYMENT, "pods", None, False),
        ("pin", MUTATE, POD, "all", None, True),
        ("pin", MUTATE, DEPLOYMENT, "all", None, True),
        ("pin", MUTATE, POD, "none", "DIGEST_REQUIRED", False),
        ("pin", MUTATE, DEPLOYMENT, "none", "DIGEST_REQUIRED", False),
        ("pin", VALIDATE, POD, "pods", "DIGEST_REQUIRED", False),
        ("pin", VALIDATE, DEPLOYMENT, "pods", None, True),
        ("pin", VALIDATE, POD, "all", "DIGEST_REQUIRED", False),
        ("pin", VALIDATE, DEPLOYMENT, "all", None, True),
        ("pin", VALIDATE, POD, "none", "DIGEST_REQUIRED", False),
        ("pin", VALIDATE, DEPLOYMENT, "none", "DIGEST_REQUIRED", False),
        *(
            ("digest", s, w, p, "DIGEST_REQUIRED", False)
            for s in Stage
            for w in (POD, DEPLOYMENT)
            for p in ("pods", "all", "none")
        ),
        *(
            ("unsafeAny", s, w, p, None, False)
            for s in Stage
            for w in (POD, DEPLOYMENT)
            for p in ("pods", "all", "none")
        ),
    ],
)
def test_tags_by_stage_and_kind(
    tags: str,
    stage: Stage,
    workload: Workload,
    where: str,
    code: str | None,
    pins: bool,  # noqa: FBT001
) -> None:
    found = planned(
        policy([{"image": {"tags": tags}}]), config(pinning={"where": where}), workload=workload, stage=stage
    )
    verdict = "allow" if code == "PINNED_AT_ADMISSION" else "deny"
    assert shown(found) == ([(code, verdict)] if code else [])
    if not any(f.verdict.stops for f in found.findings):
        assert found.pins is pins
    if stage is MUTATE:
        assert found.pins is pins
        assert found.digest_wanted is pins
    else:
        assert not found.digest_wanted  # an `image` rule of tags alone asks no registry


@pytest.mark.parametrize("stage", Stage)
def test_a_digest_is_never_pinned_or_refused(stage: Stage) -> None:
    for tags, where in itertools.product(["pin", "digest", "unsafeAny"], ["pods", "all", "none"]):
        documents = [policy([{"image": {"tags": tags}}]), config(pinning={"where": where})]
        found = planned(*documents, image=PINNED, workload=POD, stage=stage)
        assert (shown(found), found.pins) == ([], False)


@pytest.mark.parametrize("rules", [SIGNED, [{"image": {"denyDigests": [str(OTHER)]}}], [{"image": {}}]])
def test_rules_that_imply_pin(rules: list[Json]) -> None:
    found = policies(policy(rules))
    (finding,) = plan(found, Reference.parse(TAGGED), POD, VALIDATE, START).findings
    assert (finding.code, finding.verdict) == (Code.DIGEST_REQUIRED, Verdict.DENY)
    assert plan(found, Reference.parse(TAGGED), POD, MUTATE, START).pins
    assert {f.code for f in plan(found, Reference.parse(UNPINNED), POD, VALIDATE, START).findings} == {Code.TAG_MISSING}


def test_deny_implies_nothing() -> None:
    found = policies(policy(DENY, mode="warn"))
    assert shown(plan(found, Reference.parse(TAGGED), POD, VALIDATE, START)) == [("DENIED_BY_POLICY", "warn")]
    assert not plan(found, Reference.parse(TAGGED), POD, MUTATE, START).pins


def tagging(tags: str, name: str, mode: str = "enforce") -> Json:
    return policy([{"image": {"tags": tags, "denyTags": []}}], name=name, mode=mode)


@pytest.mark.parametrize(
    ("one", "other", "pins"),
    [
        (("digest", "enforce"), ("pin", "enforce"), False),
        (("digest", "enforce"), ("unsafeAny", "enforce"), False),
        (("pin", "enforce"), ("unsafeAny", "enforce"), True),
        (("unsafeAny", "enforce"), ("unsafeAny", "enforce"), False),
        (("digest", "enforce"), ("pin", "warn"), False),
        (("digest", "warn"), ("pin", "warn"), False),
        (("unsafeAny", "enforce"), ("pin", "warn"), True),
        # what only warns does not keep an enforced pin from being done
        (("digest", "warn"), ("pin", "enforce"), True),
        # audit has no say
        (("digest", "audit"), ("pin", "enforce"), True),
        (("unsafeAny", "enforce"), ("pin", "audit"), False),
        (("unsafeAny", "warn"), ("pin", "audit"), False),
    ],
)
def test_digest_beats_pin_beats_unsafe_any(one: tuple[str, str], other: tuple[str, str], pins: bool) -> None:  # noqa: FBT001
    documents = [tagging(one[0], "one", one[1]), tagging(other[0], "other", other[1])]
    for order in (documents, documents[::-1]):
        assert planned(*order, workload=POD, stage=MUTATE).pins is pins


@pytest.mark.parametrize("mode", ["enforce", "warn", "audit"])
def test_a_pod_without_digest_by_mode(mode: str) -> None:
    found = planned(tagging("pin", "p", mode), config(unmatched="warn"), workload=POD, stage=VALIDATE)
    expected = {"enforce": [("DIGEST_REQUIRED", "deny")], "warn": [("DIGEST_REQUIRED", "warn")], "audit": []}[mode]
    assert [f for f in shown(found) if f[0] != "NO_POLICY_MATCHED"] == expected


@pytest.mark.parametrize("unmatched", ["warn", "audit"])
def test_a_gate_policy_alone_pins_what_it_refuses_unpinned(unmatched: str) -> None:
    documents = [policy(SIGNED, namespace="n"), config(unmatched=unmatched)]
    workload = Workload("Pod", "n")
    refused = planned(*documents, workload=workload, stage=VALIDATE)
    assert ("DIGEST_REQUIRED", "deny") in shown(refused)
    assert planned(*documents, workload=workload, stage=MUTATE).pins


# what is asked of the registry


@pytest.mark.parametrize(
    "rules",
    [
        [*DENY, *SIGNED],
        [{"image": {"registries": ["quay.io"]}}, *SIGNED],
        [{"image": {"tags": "digest"}}, *SIGNED],
        [{"image": {"denyTags": ["v1"]}}, *SIGNED],
    ],
)
@pytest.mark.parametrize(("mode", "asked"), [("enforce", False), ("warn", True), ("audit", True)])
def test_only_an_enforced_denial_on_the_reference_ends_it(rules: list[Json], mode: str, asked: bool) -> None:  # noqa: FBT001
    found = planned(policy(rules, mode=mode), policy(SIGNED, name="other"))
    assert found.digest_wanted is asked
    assert bool(found.sources) is asked
    assert bool(found.trust.keys) is asked


def test_the_registry_is_asked_for_what_rules_need() -> None:
    nothing = planned(policy([{"image": {"registries": ["ghcr.io"], "tags": "unsafeAny", "denyTags": ["x"]}}]))
    assert (nothing.digest_wanted, nothing.sources) == (False, frozenset())
    digest = planned(policy([{"image": {"denyDigests": [str(OTHER)]}}]))
    assert (digest.digest_wanted, digest.sources) == (True, frozenset())
    elsewhere = {"signature": {"by": ["a", "b"], "repository": "ghcr.io/acme/sigs"}}
    signed = planned(policy([*SIGNED, {**elsewhere, "name": "x"}]))
    assert {str(s.repository) for s in signed.sources} == {REPOSITORY, "ghcr.io/acme/sigs"}
    assert {known.key for known in signed.trust.keys} == {alice().public, bob().public}


def test_facts_count_from_the_repository_that_is_named() -> None:
    found = policies(policy([{"signature": {"by": "a", "repository": "ghcr.io/acme/sigs"}}]))
    here = plan(found, Reference.parse(PINNED), Workload(), CHECK, START)
    (source,) = here.sources
    assert (str(source.repository), source.tag_prefix) == ("ghcr.io/acme/sigs", "")
    assert conclude(here, Known(DIGEST, {source: evidence([fact(alice())])}), START).verdict is Verdict.ALLOW


def test_a_signer_that_cannot_be_read_has_no_key_to_try() -> None:
    signers = {**SIGNERS, "s": {"key": {"secret": {"name": "n", "key": "k"}}}}
    assert planned(policy([{"signature": {"by": ["a", "s"]}}], signers=signers)).trust.keys == (
        WitnessedKey(alice().public, SIGSTORE),
    )


# mutate


@pytest.mark.parametrize(
    ("rules", "image", "expected"),
    [
        ([*DENY, *SIGNED], TAGGED, []),
        ([*DENY, {"image": {"denyTags": ["v1"]}}], TAGGED, [("TAG_MUTABLE", "deny")]),
        (
            [{"image": {"registries": ["quay.io"], "tags": "digest"}}],
            TAGGED,
            [("DIGEST_REQUIRED", "deny"), ("REGISTRY_NOT_ALLOWED", "deny")],
        ),
        ([{"image": {}}], UNPINNED, [("TAG_MISSING", "deny")]),
        ([{"image": {"denyDigests": [str(DIGEST)]}}], PINNED, []),
        (SIGNED, PINNED, []),
    ],
)
def test_mutate_judges_image_rules_on_the_reference_only(rules: list[Json], image: str, expected: list[object]) -> None:
    found = policies(policy(rules))
    assert codes(decide(found, image, POD, MUTATE)) == expected


@pytest.mark.parametrize(
    "documents",
    [
        [policy([*DENY, *SIGNED])],
        [policy(DENY), policy(SIGNED, name="other")],
        [policy([{"image": {"denyTags": ["v1"]}}])],
        [policy([{"image": {"registries": ["quay.io"]}}])],
        [],
        [policy(SIGNED, mode="audit")],
        [policy(SIGNED, namespace="n")],
    ],
)
def test_what_will_be_denied_is_not_pinned(documents: list[Json]) -> None:
    found = planned(*documents, workload=Workload("Pod", "n"), stage=MUTATE)
    assert (found.pins, found.digest_wanted) == (False, False)


def test_mutate_says_nothing_of_unmatched_images() -> None:
    assert shown(planned(workload=POD, stage=MUTATE)) == []


@pytest.mark.parametrize(
    ("documents", "stage", "expected"),
    [
        ([policy(SIGNED)], CHECK, [("REGISTRY_TIMEOUT", "error"), ("PINNED_AT_ADMISSION", "allow")]),
        ([policy(SIGNED, mode="warn")], CHECK, [("REGISTRY_TIMEOUT", "warn"), ("PINNED_AT_ADMISSION", "allow")]),
        ([policy(SIGNED)], MUTATE, [("REGISTRY_TIMEOUT", "error")]),
        ([policy([{"image": {}}])], MUTATE, [("REGISTRY_TIMEOUT", "error")]),
        ([policy(SIGNED, mode="warn")], MUTATE, [("REGISTRY_TIMEOUT", "warn")]),
        (
            [policy(SIGNED, mode="audit"), policy([{"image": {}}], name="q", mode="warn")],
            MUTATE,
            [("REGISTRY_TIMEOUT", "warn")],
        ),
        # a policy that needs no digest has nothing to say about its absence
        ([policy(SIGNED), policy(ALLOW, name="q")], MUTATE, [("REGISTRY_TIMEOUT", "error")]),
    ],
)
def test_a_digest_that_cannot_be_known(documents: list[Json], stage: Stage, expected: list[object]) -> None:
    assert codes(unable(planned(*documents, workload=POD, stage=stage), REASON)) == expected


def test_what_could_not_be_done_is_said_of_each_policy() -> None:
    decision = unable(planned(policy(SIGNED), policy([{"signature": {"by": "b"}, "name": "x"}], name="q")), REASON)
    assert [(f.policy, f.rule) for f in decision.findings if f.code is REASON.code] == [("p", "signature"), ("q", "x")]
