"""What is in force while documents are not whole (POLICY §2)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gate.feeds.folder import load_policies
from gate.policy.config import Unmatched
from gate.policy.matching import Workload
from gate.policy.plan import Stage
from gate.policy.reading.last_good import Standing, standing
from tests.fakes.signing import alice
from tests.unit.policy.build import (
    DIGEST,
    PINNED,
    SIGNED,
    SIGNERS,
    Json,
    codes,
    config,
    decide,
    evidence,
    fact,
    parsed,
    policy,
    waiver,
)

if TYPE_CHECKING:
    from pathlib import Path

OTHER = f"quay.io/x/y:v1@{DIGEST}"
LOOSE: list[Json] = [{"image": {"tags": "unsafeAny", "denyTags": []}}]
ANYWHERE = policy(LOOSE, name="any")
NOTHING: Json = {"name": "x"}


def broken(**spec: object) -> Json:
    """A policy with an unknown field."""
    whole = policy(SIGNED)
    return {**whole, "spec": {**whole["spec"], "match": {"images": ["ghcr.io/acme/**"]}, "mood": "warn", **spec}}


def stands(*documents: Json, before: Standing | None = None) -> Standing:
    return standing(parsed("\n---\n".join(map(json.dumps, documents))), before or Standing())


def decided(
    found: Standing, image: str = PINNED, namespace: str = "prod", *, signed: bool = True
) -> list[tuple[str, str]]:
    facts = evidence([fact(alice())] if signed else [])
    return codes(decide(found.set, image, Workload("Pod", namespace, {}), Stage.VALIDATE, facts))


def test_what_is_whole_is_in_force() -> None:
    found = stands(ANYWHERE, policy(SIGNED))
    assert (decided(found), decided(found, signed=False)) == ([], [("SIGNATURE_MISSING", "deny")])
    assert found.set.invalid == ()


def test_a_policy_that_never_was_whole_denies_what_it_is_about() -> None:
    found = stands(ANYWHERE, broken())
    assert decided(found) == [("POLICY_INVALID", "deny")]
    assert decided(found, OTHER) == []
    (named,) = found.set.invalid
    assert "unknown field `mood`" in named


@pytest.mark.parametrize(
    ("mode", "verdict"), [("enforce", "deny"), ("warn", "warn"), ("audit", "allow"), ("x", "deny"), (7, "deny")]
)
def test_in_its_mode_if_that_can_be_read(mode: object, verdict: str) -> None:
    assert decided(stands(ANYWHERE, broken(mode=mode))) == [("POLICY_INVALID", verdict)]


@pytest.mark.parametrize(
    "match",
    [
        {"images": ["nginx"]},
        {"images": []},
        {"images": "ghcr.io/acme/**"},
        {"images": ["ghcr.io/acme/**"], "exclude": ["*"]},
        {"images": ["ghcr.io/acme/**"], "kind": ["Pod"]},
        {"images": ["ghcr.io/acme/**"], "namespaces": {"matchExpressions": [{"key": "a", "operator": "In"}]}},
        [],
        None,
    ],
)
def test_and_everything_where_its_match_cannot_be_read(match: object) -> None:
    found = stands(ANYWHERE, broken(match=match))
    assert (decided(found), decided(found, OTHER)) == ([("POLICY_INVALID", "deny")], [("POLICY_INVALID", "deny")])


def test_a_namespaces_policy_never_beyond_its_namespace() -> None:
    tenant = policy(SIGNED, namespace="payments", match={"images": []})
    found = stands(ANYWHERE, tenant)
    assert (decided(found, namespace="payments"), decided(found)) == ([("POLICY_INVALID", "deny")], [])
    nowhere = {**tenant, "metadata": {"name": "p"}}
    assert decided(stands(ANYWHERE, nowhere)) == []
    assert stands(ANYWHERE, nowhere).set.invalid


def test_its_last_good_form_is_kept() -> None:
    before = stands(ANYWHERE, policy(SIGNED, match={"images": ["ghcr.io/acme/**"]}))
    after = stands(ANYWHERE, broken(), before=before)
    assert (decided(after), decided(after, signed=False)) == ([], [("SIGNATURE_MISSING", "deny")])
    assert after.set.invalid
    again = stands(ANYWHERE, broken(mode="audit"), before=after)
    assert decided(again, signed=False) == [("SIGNATURE_MISSING", "deny")]
    mended = stands(ANYWHERE, policy([{"deny": {}}]), before=again)
    assert decided(mended) == [("DENIED_BY_POLICY", "deny")]


def test_object_by_object() -> None:
    other = policy([{"deny": {}}], name="other", match={"images": ["quay.io/**"]})
    before = stands(ANYWHERE, policy(SIGNED), other)
    moved = policy([{"deny": {}}], name="other", match={"images": ["docker.io/**"]})
    after = stands(ANYWHERE, broken(), moved, before=before)
    assert decided(after, signed=False) == [("SIGNATURE_MISSING", "deny")]
    assert decided(after, OTHER) == []  # by the new form of the other one
    assert decided(after, f"nginx@{DIGEST}") == [("DENIED_BY_POLICY", "deny")]
    gone = stands(ANYWHERE, before=after)
    assert decided(gone, signed=False) == []


def test_a_policy_that_is_broken_after_it_was_removed_has_no_last_form() -> None:
    before = stands(ANYWHERE, policy(SIGNED))
    removed = stands(ANYWHERE, before=before)
    assert decided(stands(ANYWHERE, broken(), before=removed)) == [("POLICY_INVALID", "deny")]


def test_two_of_one_name_are_not_one_and_the_other_by_chance() -> None:
    found = stands(ANYWHERE, policy(SIGNED), policy([{"deny": {}}]))
    assert ("POLICY_INVALID", "deny") in decided(found)


def test_invalid_exceptions_grant_nothing() -> None:
    taking = policy(SIGNED, exceptionsFrom={"names": ["prod"]})
    lent = {
        "apiVersion": "imagegate.dev/v1",
        "kind": "GateException",
        "metadata": {"name": "x", "namespace": "prod"},
        "spec": {"policies": ["p"], "exceptions": [waiver()]},
    }
    assert decided(stands(taking, lent), signed=False) == [("EXCEPTION_USED", "allow")]
    spec = {"policies": ["p"], "exceptions": [waiver(), waiver(until="never")]}
    wrong = {**lent, "spec": spec}
    before = stands(taking, lent)
    assert decided(stands(taking, wrong, before=before), signed=False) == [("SIGNATURE_MISSING", "deny")]


def test_an_exception_inside_a_policy_that_is_wrong_breaks_the_policy() -> None:
    found = stands(ANYWHERE, policy(SIGNED, exceptions=[waiver(until="never")]))
    assert decided(found, signed=False) == [("POLICY_INVALID", "deny")]


def test_without_a_good_config_its_defaults_hold() -> None:
    good, bad = config(unmatched="audit"), config(unmatched="perhaps")
    assert stands(bad).set.config.unmatched is Unmatched.DENY
    before = stands(good)
    assert before.set.config.unmatched is Unmatched.AUDIT
    assert stands(bad, before=before).set.config.unmatched is Unmatched.AUDIT
    half = config(unmatched="audit", breakGlass={"max": "48h"})  # its shape is right
    assert stands(half).set.config.unmatched is Unmatched.DENY
    assert stands(before=before).set.config.unmatched is Unmatched.DENY  # there is none any more


def test_an_invalid_trust_root_makes_its_rules_errors() -> None:
    signers = {"k": {"keyless": {"issuer": "https://i.test", "subject": "a@b.test", "trustRoot": "acme"}}}
    root = {
        "apiVersion": "imagegate.dev/v1",
        "kind": "GateTrustRoot",
        "metadata": {"name": "acme"},
        "spec": {"json": {}},
    }
    found = stands(policy([{"signature": {"by": "k"}}], signers=signers), root)
    assert decided(found) == [("TRUST_ROOT_UNAVAILABLE", "error")]


def test_of_an_invalid_revocation_every_entry_counts() -> None:
    revoked = {
        "apiVersion": "imagegate.dev/v1",
        "kind": "GateRevocation",
        "metadata": {"name": "r"},
        "spec": {"digests": ["sha256:x", str(DIGEST)], "reason": "stolen"},
    }
    assert decided(stands(ANYWHERE, revoked)) == [("REVOKED", "deny")]


def test_a_text_that_is_no_yaml_hides_what_was_in_it(tmp_path: Path) -> None:
    (tmp_path / "any.yaml").write_text(json.dumps(ANYWHERE))
    file = tmp_path / "policy.yaml"
    file.write_text(json.dumps(policy(SIGNED)))
    before = standing(load_policies([tmp_path]).parsed, Standing())
    file.write_text("a: [")
    fresh = standing(load_policies([tmp_path]).parsed, Standing())
    assert decided(fresh, OTHER) == [("POLICY_INVALID", "deny")]  # anything may have been in it
    after = standing(load_policies([tmp_path]).parsed, before)
    assert (decided(after), decided(after, signed=False)) == ([], [("SIGNATURE_MISSING", "deny")])
    assert len(after.set.invalid) == 1


def test_a_key_that_is_gone_leaves_the_last_good_form(tmp_path: Path) -> None:
    (tmp_path / "k.pem").write_bytes(alice().pem)
    signers = {"a": {"key": {"file": "k.pem"}}}
    (tmp_path / "policy.yaml").write_text(json.dumps(policy(SIGNED, signers=signers)))
    before = standing(load_policies([tmp_path]).parsed, Standing())
    (tmp_path / "k.pem").write_text("-----BEGIN NOTHING-----")
    after = standing(load_policies([tmp_path]).parsed, before)
    assert (decided(after), decided(after, signed=False)) == ([], [("SIGNATURE_MISSING", "deny")])
    assert SIGNERS["a"] not in after.set.policies


STRICT = policy([{"deny": {}}], match={"images": ["ghcr.io/acme/**"]})


@pytest.mark.parametrize(
    "strange",
    [
        {**STRICT, "kind": "ClusterGatePolcy"},
        {**STRICT, "kind": "clustergatepolicy"},
        {key: value for key, value in STRICT.items() if key != "kind"},
        {"apiVersion": "v1", "kind": "List", "items": [STRICT]},
        {"apiVersion": "imagegate.dev/v1", "kind": "ClusterGatePolicyList", "items": [STRICT]},
    ],
)
def test_what_may_be_a_policy_is_none_in_silence(strange: Json) -> None:
    found = stands(ANYWHERE, strange)
    assert decided(found) == [("POLICY_INVALID", "deny")]
    assert found.set.invalid


@pytest.mark.parametrize("how", ["another version", "in a list"])
def test_a_revocation_that_cannot_be_used_counts_as_far_as_it_can_be_read(how: str) -> None:
    revoked = {
        "apiVersion": "imagegate.dev/v1",
        "kind": "GateRevocation",
        "metadata": {"name": "r"},
        "spec": {"digests": [str(DIGEST)], "reason": "stolen"},
    }
    other = {**revoked, "apiVersion": "imagegate.dev/v2"}
    strange = other if how == "another version" else {"apiVersion": "v1", "kind": "List", "items": [revoked]}
    assert ("REVOKED", "deny") in decided(stands(ANYWHERE, strange))


def test_a_text_that_is_none_takes_back_no_revocation_and_no_config(tmp_path: Path) -> None:
    head = {"apiVersion": "imagegate.dev/v1"}
    revoked = {**head, "kind": "GateRevocation", "metadata": {"name": "r"}}
    config = {**head, "kind": "GateConfig", "metadata": {"name": "default"}, "spec": {"unmatched": "audit"}}
    file, other = tmp_path / "a.yaml", tmp_path / "b.yaml"
    spec = {"digests": [str(DIGEST)], "reason": "stolen"}
    file.write_text("\n---\n".join(map(json.dumps, [{**revoked, "spec": spec}, config])))
    other.write_text(json.dumps(ANYWHERE))
    before = standing(load_policies([tmp_path]).parsed, Standing())
    whole = file.read_text()
    file.write_text("{")
    for _ in range(2):  # and what was kept once is kept again
        before = standing(load_policies([tmp_path]).parsed, before)
        assert ("REVOKED", "deny") in decided(before)
        assert before.set.config.unmatched is Unmatched.AUDIT
    file.write_text(whole)
    assert standing(load_policies([tmp_path]).parsed, before).set.revocations.digests == before.set.revocations.digests
    file.unlink()
    after = standing(load_policies([tmp_path]).parsed, before)
    assert not after.set.revocations.digests
    assert after.set.config.unmatched is Unmatched.DENY
