"""What somebody with a part in policies, or in images, may try with the language itself (POLICY §2 to §6)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.feeds.folder import load_policies
from gate.image.reference import Reference
from gate.policy.finding import Verdict
from gate.policy.matching import Workload
from gate.policy.plan import Stage
from gate.policy.reading.last_good import Standing, standing
from tests.fakes.signing import alice, bob, mallory
from tests.unit.policy.build import (
    DIGEST,
    PINNED,
    SIGNED,
    SIGNERS,
    TAGGED,
    Json,
    codes,
    config,
    decide,
    evidence,
    fact,
    parsed,
    policies,
    policy,
    waiver,
)
from tests.unit.webhook.support import deployment, hook, patched, pod
from tests.unit.webhook.support import policy as text_policy

if TYPE_CHECKING:
    from pathlib import Path

    from gate.policy.policy_set import PolicySet

HEAD: Json = {"apiVersion": "imagegate.dev/v1"}
PROD = Workload("Pod", "prod", {})
GOOD = evidence([fact(alice())])


def decided(found: PolicySet, image: str = PINNED, workload: Workload = PROD, **more: object) -> list[tuple[str, str]]:
    return codes(decide(found, image, workload, Stage.VALIDATE, facts=GOOD, **more))  # type: ignore[arg-type]


def problems(*documents: Json) -> list[str]:
    return [str(problem) for problem in parsed("\n---\n".join(map(json.dumps, documents))).errors]


def test_a_mutable_tag_is_not_pinned_out_of_sight_of_validate() -> None:
    # policy-controller and Kyverno pin first, and what validates sees a digest and no `latest` any more
    rules = text_policy("[{image: {denyTags: [latest], tags: pin}}]")
    with hook(rules) as webhook:
        webhook.registry.push_image("registry.test/nginx", "latest")
        image = "registry.test/nginx:latest"
        answer = webhook.mutate(pod(image))
        assert (answer["allowed"], "patch" in answer) == (False, False)
        assert "TAG_MUTABLE" in answer["status"]["message"]
        # and whoever gets past /mutate all the same has a Pod that /validate refuses
        assert webhook.validate(pod(image))["allowed"] is False
        version = webhook.registry.push_image("registry.test/nginx", "1.27")
        good = "registry.test/nginx:1.27"
        made = patched(pod(good), webhook.mutate(pod(good)))
        assert made == pod(f"{good}@{version}")
        assert webhook.validate(made)["allowed"] is True


def test_a_tenants_policy_makes_no_image_matched_whatever_its_mode() -> None:
    for mode in ("audit", "warn", "enforce"):
        tenant = policy([{"image": {"tags": "unsafeAny", "denyTags": []}}], namespace="prod", mode=mode)
        assert decided(policies(tenant)) == [("NO_POLICY_MATCHED", "deny")]
    audit = policy([{"deny": {}}], mode="audit", match={"images": ["**"]})
    assert ("NO_POLICY_MATCHED", "deny") in decided(policies(audit))


def test_a_tenants_policy_reaches_no_other_namespace() -> None:
    cluster = policy([{"image": {"tags": "unsafeAny", "denyTags": []}}], name="c")
    tenant = policy([{"deny": {}}], namespace="evil", match={"images": ["**"]})
    assert decided(policies(cluster, tenant)) == []
    assert ("DENIED_BY_POLICY", "deny") in decided(policies(cluster, tenant), workload=Workload("Pod", "evil", {}))


def test_one_key_under_two_names_is_one_principal() -> None:
    two = {"a": SIGNERS["a"], "same": SIGNERS["a"], "b": SIGNERS["b"]}
    rule = {"signature": {"by": {"atLeast": 2, "of": ["a", "same", "b"]}}}
    (problem,) = problems(policy([rule], signers=two))
    assert "same" in problem
    # and where nobody lints: by evidence, not by names
    spaced = {**two, "same": {"key": {"pem": SIGNERS["a"]["key"]["pem"].replace("\n", "\r\n")}}}
    assert problems(policy([rule], signers=spaced))


def test_an_exception_for_one_image_is_not_lent_to_its_neighbour_in_the_pod() -> None:
    found = policies(policy(SIGNED, exceptions=[waiver(images=["ghcr.io/acme/api"])]))
    nothing = evidence()
    lent = decide(found, PINNED, PROD, Stage.VALIDATE, nothing)
    other = decide(found, f"ghcr.io/acme/web:v1@{DIGEST}", PROD, Stage.VALIDATE, nothing)
    assert (lent.verdict, other.verdict) == (Verdict.ALLOW, Verdict.DENY)


def test_a_rule_without_a_name_is_not_called_by_its_number() -> None:
    # what waives `signature-2` waives another rule once one is put before it
    two: list[Json] = [{"signature": {"by": "a"}}, {"signature": {"by": "b"}}]
    (problem,) = problems(policy(two, exceptions=[waiver("signature")]))
    assert "signature" in problem
    assert problems(policy(two, exceptions=[waiver("signature-2")]))
    named = [{**rule, "name": name} for rule, name in zip(two, ("first", "second"), strict=True)]
    found = policies(policy([{"deny": {}, "name": "new"}, *named], exceptions=[waiver("second")]))
    assert [pair for pair in decided(found) if pair[1] == "deny"] == [("DENIED_BY_POLICY", "deny")]


def test_an_exception_of_a_namespace_that_nobody_listed() -> None:
    lent = {
        "apiVersion": "imagegate.dev/v1",
        "kind": "GateException",
        "metadata": {"name": "x", "namespace": "prod"},
        "spec": {"policies": ["p"], "exceptions": [waiver()]},
    }
    listed = policy(SIGNED, exceptionsFrom={"names": ["payments"]})
    for one in (policy(SIGNED), listed):
        found = parsed("\n---\n".join(map(json.dumps, [one, lent])))
        assert codes(decide(found.set, PINNED, PROD, Stage.VALIDATE, evidence())) == [("SIGNATURE_MISSING", "deny")]


def test_a_trust_root_does_not_take_the_name_of_one_that_is_built_in() -> None:
    root: Json = {**HEAD, "kind": "GateTrustRoot", "metadata": {"name": "public-good"}, "spec": {"json": {}}}
    problem, content = problems(root)
    assert "built in" in problem
    assert "trust root public-good" in content


def test_roots_of_tests_beside_a_policy_count_nowhere_else(tmp_path: Path) -> None:
    signer = {"keyless": {"issuer": "https://issuer.test", "subject": "a@b.test"}}
    (tmp_path / "policy.yaml").write_text(json.dumps(policy([{"signature": {"by": "k"}}], signers={"k": signer})))
    (tmp_path / "evil.json").write_text("{}")
    roots = [{"name": "public-good", "file": "evil.json"}]
    case = {"name": "c", "image": PINNED, "expect": {"verdict": "allow"}}
    spec = {"at": "2026-11-01T00:00:00Z", "trustRoots": roots, "cases": [case]}
    test = {**HEAD, "kind": "GateTest", "metadata": {"name": "t"}, "spec": spec}
    (tmp_path / "policy_test.yaml").write_text(json.dumps(test))
    found = load_policies([tmp_path]).parsed
    assert found.set.trust_roots == {}
    assert [p.name for p in found.set.policies] == ["p"]


def test_what_is_revoked_no_exception_and_no_mode_lets_through() -> None:
    revoked: Json = {
        "apiVersion": "imagegate.dev/v1",
        "kind": "GateRevocation",
        "metadata": {"name": "r"},
        "spec": {"digests": [str(DIGEST)], "reason": "stolen"},
    }
    for mode in ("enforce", "warn", "audit"):
        found = policies(policy(SIGNED, mode=mode, exceptions=[waiver()]), revoked, config(unmatched="audit"))
        assert ("REVOKED", "deny") in decided(found)


def test_a_host_that_is_one_by_its_capitals_is_refused() -> None:
    # to one reader a host, to another a path at Docker Hub
    found = policies(policy([{"image": {"tags": "unsafeAny", "denyTags": []}}]))
    with hook(text_policy("[{image: {tags: unsafeAny, denyTags: []}}]")) as webhook:
        answer = webhook.validate(pod("Foo/bar:v1"))
        assert answer["allowed"] is False
        assert "REFERENCE_INVALID" in answer["status"]["message"]
    assert found.enforces


def test_a_registry_prefix_ends_where_a_segment_ends() -> None:
    found = policies(policy([{"image": {"registries": ["ghcr.io/acme"], "tags": "unsafeAny"}}]))
    assert ("REGISTRY_NOT_ALLOWED", "deny") in decided(found, "ghcr.io/acme-evil/api:v1")
    assert decided(found, "ghcr.io/acme/api:v1") == []
    matched = policies(policy([{"image": {"tags": "unsafeAny"}}], match={"images": ["ghcr.io/acme/**"]}))
    assert decided(matched, "ghcr.io/acme-evil/api:v1") == [("NO_POLICY_MATCHED", "deny")]


# what authors of peers' policies say goes wrong: research on six policies side by side


@pytest.mark.parametrize(
    ("pattern", "corrected"),
    [
        ("*", "**"),
        ("ghcr.io/acme/*:v1", "ghcr.io/acme/*"),
        ("ghcr.io/acme/api@sha256:*", "ghcr.io/acme/api"),
        ("nginx", "docker.io/library/nginx"),
        ("redis:7", "docker.io/library/redis"),
        ("acme/*", "docker.io/acme/*"),
        ("ghcr.io/Acme/**", "ghcr.io/acme/**"),
        ("ghcr.io/acme**", "ghcr.io/acme*"),
        ("index.docker.io/library/*", "docker.io/library/*"),
    ],
)
def test_globs_that_would_not_match_what_they_seem_to_are_told_the_right_text(pattern: str, corrected: str) -> None:
    (problem,) = problems(policy(SIGNED, match={"images": [pattern]}))
    assert f"write {corrected}" in problem


@pytest.mark.parametrize("image", ["nginx:1.27", "docker.io/nginx:1.27", "docker.io/library/nginx:1.27"])
def test_no_image_escapes_a_policy_by_how_it_is_written(image: str) -> None:
    # patterns on the raw text: docker.io/* misses nginx, and what is not matched is admitted
    found = policies(policy([{"deny": {}}], match={"images": ["docker.io/library/**"]}))
    assert ("DENIED_BY_POLICY", "deny") in decided(found, image)


def test_every_container_is_asked_about() -> None:
    # samples that test `images.containers` only let init, ephemeral containers and image volumes through
    with hook(text_policy("[{deny: {}}]")) as webhook:
        for spec in (
            {"initContainers": [{"name": "i", "image": "x:1"}]},
            {"ephemeralContainers": [{"name": "e", "image": "x:1"}]},
            {"volumes": [{"name": "v", "image": {"reference": "x:1"}}]},
        ):
            assert webhook.validate(pod(**spec))["allowed"] is False


def test_nothing_that_is_empty_matches_nothing_in_silence() -> None:
    assert problems(policy(SIGNED, match={"images": []}))
    assert problems(policy([]))
    assert problems(policy([{"signature": {"by": []}}]))
    assert problems(policy([{"signature": {"by": {"all": []}}}]))
    assert decided(policies()) == [("NO_POLICY_MATCHED", "deny")]


@pytest.mark.parametrize("kinds", [["Deploy"], ["Deployment", "ReplicationSet"]])
def test_a_kind_that_nobody_declares_matches_nothing_in_silence(kinds: list[str]) -> None:
    # Kyverno and policy-controller take any kind: a misspelt one is a policy about nothing
    loose = policy([{"image": {"tags": "unsafeAny", "denyTags": []}}], name="any")
    strict = policy([{"deny": {}}], match={"images": ["**"], "kinds": kinds})
    (problem,) = problems(loose, strict)
    assert f"{kinds[-1]} is no kind of Kubernetes' own" in problem
    # a gate that runs has the rest of the set in force: the policy denies whatever it may be about
    found = standing(parsed("\n---\n".join(map(json.dumps, (loose, strict)))), Standing())
    assert decided(found.set, workload=Workload("ReplicaSet", "prod", {})) == [("POLICY_INVALID", "deny")]


@pytest.mark.parametrize("stage", list(Stage)[:2])
def test_an_exception_that_is_over_is_over_for_everybody(stage: Stage) -> None:
    # in CI and at admission alike
    found = policies(policy(SIGNED, exceptions=[waiver(until="2026-10-31")]))
    decision = decide(found, PINNED, PROD, stage, evidence())
    assert codes(decision) == [("SIGNATURE_MISSING", "deny"), ("EXCEPTION_EXPIRED", "allow")]


def test_two_exceptions_for_one_rule_are_no_contradiction() -> None:
    both = [waiver(images=["ghcr.io/acme/api"]), waiver(digests=[str(DIGEST)])]
    found = policies(policy(SIGNED, exceptions=both))
    assert decide(found, PINNED, PROD, Stage.VALIDATE, evidence()).verdict is Verdict.ALLOW


def test_all_namespaces_are_checked_without_a_label() -> None:
    found = policies(policy([{"deny": {}}]))
    assert ("DENIED_BY_POLICY", "deny") in decided(found, workload=Workload("Pod", "anything", {}))


def test_what_could_not_be_evaluated_never_passes() -> None:
    found = policies(policy(SIGNED))
    for code in (Code.REGISTRY_TIMEOUT, Code.REGISTRY_UNAUTHORIZED, Code.DEADLINE_EXCEEDED):
        decision = decide(found, PINNED, PROD, Stage.VALIDATE, evidence(unavailable=[code]))
        assert codes(decision) == [(code.value, "error")]


def test_alternatives_live_only_inside_by() -> None:
    # authorities of a policy are any of them elsewhere; here every rule has to hold
    both: list[Json] = [{"signature": {"by": "a"}, "name": "one"}, {"signature": {"by": "b"}, "name": "two"}]
    assert ("KEY_MISMATCH", "deny") in decided(policies(policy(both)))
    either = policies(policy([{"signature": {"by": ["a", "b"]}}]))
    assert decided(either) == []
    for key in (bob, mallory):
        other = decide(either, PINNED, PROD, Stage.VALIDATE, evidence([fact(key())]))
        assert other.verdict is (Verdict.ALLOW if key is bob else Verdict.DENY)


def test_templates_and_pods_are_judged_by_one_language() -> None:
    rules = text_policy("[{image: {registries: [ghcr.io], tags: unsafeAny, denyTags: []}}]")
    with hook(rules) as webhook:
        for made in (pod, deployment):
            assert webhook.validate(made("ghcr.io/a:1"))["allowed"] is True
            assert webhook.validate(made("quay.io/a/b:1"))["allowed"] is False
    assert Reference.parse(TAGGED).tag == "v1"
