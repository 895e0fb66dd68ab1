from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from gate.codes import INABILITY, Code
from gate.evidence.facts import TimeSource, VerifiedTime, Witness
from gate.image.reference import Reference
from gate.policy.finding import Verdict
from gate.policy.matching import Workload
from gate.policy.plan import Stage, plan
from tests.fakes.clock import START
from tests.fakes.signing import alice, bob, mallory
from tests.unit.policy.build import (
    PINNED,
    REPOSITORY,
    SIGNERS,
    UNCHECKED,
    UNWITNESSED,
    WRONG_ENTRY,
    Json,
    codes,
    decide,
    evidence,
    fact,
    parsed,
    policies,
    policy,
    rejection,
)

if TYPE_CHECKING:
    from gate.evidence.facts import Evidence, VerifiedSignature
    from gate.policy.finding import Finding

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
A, B, M = fact(alice()), fact(bob()), fact(mallory())
SECRET: Json = {"key": {"secret": {"name": "cosign", "key": "cosign.pub"}}}
IGNORING: Json = {"key": {**SIGNERS["a"]["key"], "transparencyLog": "ignore"}}


def finding(facts: Evidence, by: object = "a", signers: Json | None = None, **fields: object) -> Finding | None:
    """The one finding, or None where the rule passes."""
    found = policies(policy([{"signature": {"by": by, **fields}}], signers=signers or SIGNERS))
    decision = decide(found, PINNED, facts=facts)
    assert len(decision.findings) <= 1
    return decision.findings[0] if decision.findings else None


def code(facts: Evidence, by: object = "a", signers: Json | None = None, **fields: object) -> Code | None:
    found = finding(facts, by, signers, **fields)
    if found is not None:
        assert found.verdict is (Verdict.ERROR if found.code in INABILITY else Verdict.DENY)
        assert found.remedy
    return found.code if found is not None else None


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (evidence(), Code.SIGNATURE_MISSING),
        (evidence([A]), None),
        (evidence([A, B, M], [rejection(Code.SIGNATURE_INVALID)]), None),
        (evidence([B]), Code.KEY_MISMATCH),
        (evidence([], [rejection(Code.KEY_MISMATCH)]), Code.KEY_MISMATCH),
        (evidence([], [rejection(Code.SIGNATURE_INVALID)]), Code.SIGNATURE_INVALID),
        (evidence([], [rejection(Code.SIGNATURE_UNSUPPORTED)]), Code.SIGNATURE_UNSUPPORTED),
        # an attestation of somebody trusted is no signature, and none is there
        (evidence([], [rejection(Code.SIGNATURE_MISSING)]), Code.SIGNATURE_MISSING),
        # of several, what says most
        (evidence([], [rejection(Code.KEY_MISMATCH), rejection(Code.SIGNATURE_INVALID)]), Code.SIGNATURE_INVALID),
        (evidence([], [rejection(Code.SIGNATURE_UNSUPPORTED), rejection(Code.KEY_MISMATCH)]), Code.KEY_MISMATCH),
        (
            evidence([], [rejection(Code.SIGNATURE_MISSING), rejection(Code.SIGNATURE_UNSUPPORTED)]),
            Code.SIGNATURE_UNSUPPORTED,
        ),
    ],
)
def test_one_signer(facts: Evidence, expected: Code | None) -> None:
    assert code(facts) is expected


@pytest.mark.parametrize(
    ("by", "signatures", "expected"),
    [
        (["a", "b"], [B], None),
        (["a", "b"], [M], Code.KEY_MISMATCH),
        ({"all": ["a", "b"]}, [A, B], None),
        ({"all": ["a", "b"]}, [A], Code.SIGNERS_TOO_FEW),
        ({"all": ["a", "b"]}, [A, A, M], Code.SIGNERS_TOO_FEW),
        ({"all": ["a", "b"]}, [], Code.SIGNATURE_MISSING),
        ({"all": ["a", "b"]}, [M], Code.KEY_MISMATCH),
        ({"atLeast": 2, "of": ["a", "b", "m"]}, [A, M], None),
        ({"atLeast": 2, "of": ["a", "b", "m"]}, [M], Code.SIGNERS_TOO_FEW),
        ({"atLeast": 2, "of": ["a", "b", "m"]}, [B, B, B], Code.SIGNERS_TOO_FEW),
        ({"atLeast": 2, "of": [["a", "b"], "m"]}, [A, B], Code.SIGNERS_TOO_FEW),
        ({"all": ["a", {"atLeast": 1, "of": ["b", "m"]}]}, [A, M], None),
        ({"all": ["a", "a"]}, [A, A], Code.SIGNERS_TOO_FEW),
    ],
)
def test_several_signers(by: object, signatures: list[object], expected: Code | None) -> None:
    facts = evidence([s for s in (A, B, M) for _ in range(sum(s is x for x in signatures))])
    assert code(facts, by) is expected


def test_who_signed_and_who_is_wanted_is_said() -> None:
    found = finding(evidence([A]), {"all": ["a", {"atLeast": 1, "of": ["b", "m"]}]})
    assert found is not None
    assert found.message == "signed by a; needs all of (a, 1 of (b, m))"
    assert found.remedy == "have b, m sign it"
    found = finding(evidence([M], [rejection(Code.KEY_MISMATCH, "by another key")]), ["a", "b"])
    assert found is not None
    assert (
        found.message == f"2 candidates found: by {mallory().public.short}; by another key; needs a signature by a or b"
    )
    # what somebody else signed is to be looked into, and not to be signed as well
    assert found.remedy.startswith("find out who signed it")
    missing = finding(evidence())
    assert missing is not None
    assert missing.message == "no signature found; needs a signature by a"
    assert missing.remedy == f"have its publisher sign it (cosign sign --key … {PINNED})"
    changed = finding(evidence([], [rejection(Code.SIGNATURE_INVALID)]))
    assert changed is not None
    assert changed.remedy.startswith("do not run or sign it as it is")


def test_many_candidates_are_counted() -> None:
    found = finding(evidence([], [rejection(Code.KEY_MISMATCH, f"reason {i}") for i in range(5)]))
    assert found is not None
    assert (
        found.message
        == "5 candidates found: reason 0; reason 1; reason 2; and 2 more kinds of reason; needs a signature by a"
    )


@pytest.mark.parametrize(
    ("signed", "wanted", "expected"),
    [
        ({"env": "prod"}, {"env": "prod"}, None),
        ({"env": "prod", "x": "y"}, {"env": "prod"}, None),
        ({"env": "prod"}, {}, None),
        ({"env": "dev"}, {"env": "prod"}, Code.ANNOTATION_MISMATCH),
        ({"env": "PROD"}, {"env": "prod"}, Code.ANNOTATION_MISMATCH),
        ({}, {"env": "prod"}, Code.ANNOTATION_MISMATCH),
        ({}, {"env": ""}, Code.ANNOTATION_MISMATCH),
        ({"env": "prod"}, {"env": "prod", "team": "x"}, Code.ANNOTATION_MISMATCH),
        ({"Env": "prod"}, {"env": "prod"}, Code.ANNOTATION_MISMATCH),
        ({"env": "prod-eu"}, {"env": "prod*"}, Code.ANNOTATION_MISMATCH),
    ],
)
def test_annotations(signed: dict[str, str], wanted: dict[str, str], expected: Code | None) -> None:
    assert code(evidence([fact(alice(), signed)]), annotations=wanted) is expected


def test_every_counted_signature_carries_the_annotations() -> None:
    both = {"all": ["a", "b"]}
    carrying = [fact(alice(), {"k": "v"}), fact(bob(), {"k": "v"})]
    assert code(evidence(carrying), both, annotations={"k": "v"}) is None
    assert code(evidence([carrying[0], B]), both, annotations={"k": "v"}) is Code.ANNOTATION_MISMATCH
    # one of several by the same signer suffices, and those of others change nothing
    assert code(evidence([A, carrying[0], B]), annotations={"k": "v"}) is None
    assert code(evidence([A, carrying[1]]), annotations={"k": "v"}) is Code.ANNOTATION_MISMATCH


@pytest.mark.parametrize(
    ("signed", "fields", "expected"),
    [
        (REPOSITORY, {"reference": "match"}, None),
        ("GHCR.io:443/acme/api", {"reference": "match"}, None),
        ("ghcr.io/acme/api-evil", {"reference": "match"}, Code.REFERENCE_MISMATCH),
        ("quay.io/acme/api", {"reference": "match"}, Code.REFERENCE_MISMATCH),
        ("ghcr.io/acme", {"reference": "match"}, Code.REFERENCE_MISMATCH),
        (None, {"reference": "match"}, Code.REFERENCE_MISMATCH),
        # images are mirrored and promoted: not compared unless asked for
        ("quay.io/acme/api", {}, None),
        (None, {}, None),
    ],
)
def test_the_signed_reference(signed: str | None, fields: Json, expected: Code | None) -> None:
    assert code(evidence([fact(alice(), docker_reference=signed)]), **fields) is expected


def test_a_signed_reference_that_is_none() -> None:
    odd = fact(alice())
    found = evidence([replace(odd, docker_reference="not a reference!")])
    assert code(found, reference="match") is Code.REFERENCE_MISMATCH
    assert code(found) is None


@pytest.mark.parametrize(
    ("signer", "witness", "expected"),
    [
        (SIGNERS["a"], UNWITNESSED, None),
        (SIGNERS["a"], Witness(frozenset({"log"})), None),
        (SIGNERS["a"], UNCHECKED, Code.TRUST_ROOT_UNAVAILABLE),
        (SIGNERS["a"], WRONG_ENTRY, Code.LOG_ENTRY_INVALID),
        (IGNORING, UNCHECKED, None),
        (IGNORING, WRONG_ENTRY, None),
        (IGNORING, UNWITNESSED, None),
    ],
)
def test_a_log_entry_that_was_not_checked_or_is_wrong(signer: Json, witness: Witness, expected: Code | None) -> None:
    assert code(evidence([fact(alice(), witness=witness)]), signers={"a": signer}) is expected


@pytest.mark.parametrize("witness", [UNCHECKED, WRONG_ENTRY])
def test_such_an_entry_does_not_spoil_another_signature(witness: Witness) -> None:
    assert code(evidence([fact(alice(), witness=witness), A])) is None
    assert code(evidence([A, fact(alice(), witness=witness)])) is None


@pytest.mark.parametrize("unavailable", sorted(INABILITY))
@pytest.mark.parametrize(
    "facts",
    [
        evidence(),
        evidence([B]),
        evidence([], [rejection(Code.SIGNATURE_INVALID)]),
        evidence([fact(alice(), witness=UNCHECKED)]),
        evidence([fact(alice(), witness=WRONG_ENTRY)]),
    ],
    ids=["nothing", "another's", "invalid", "unchecked", "wrong entry"],
)
def test_what_could_not_be_asked_is_never_called_missing(facts: Evidence, unavailable: Code) -> None:
    cut = evidence(facts.signatures, facts.rejected, [unavailable])
    assert code(cut) is unavailable
    assert code(cut, {"all": ["a", "b"]}) is unavailable


@pytest.mark.parametrize("unavailable", sorted(INABILITY))
def test_what_suffices_passes_whatever_could_not_be_asked(unavailable: Code) -> None:
    assert code(evidence([A], unavailable=[unavailable])) is None


def test_all_that_could_not_be_asked_is_said_once() -> None:
    found = policies(policy([{"signature": {"by": "a"}}]))
    facts = evidence(unavailable=[Code.REGISTRY_TIMEOUT, Code.REGISTRY_TIMEOUT, Code.RESPONSE_TOO_LARGE])
    assert codes(decide(found, facts=facts)) == [("REGISTRY_TIMEOUT", "error"), ("RESPONSE_TOO_LARGE", "error")]


@pytest.mark.parametrize(
    ("by", "signatures", "expected"),
    [
        ("s", [], Code.TRUST_ROOT_UNAVAILABLE),
        ("s", [A, B], Code.TRUST_ROOT_UNAVAILABLE),
        (["a", "s"], [A], None),
        (["s", "a"], [A], None),
        (["a", "s"], [B], Code.TRUST_ROOT_UNAVAILABLE),
        ({"all": ["a", "s"]}, [A], Code.TRUST_ROOT_UNAVAILABLE),
        ({"atLeast": 1, "of": ["a", "s"]}, [A], None),
        ({"atLeast": 2, "of": ["a", "b", "s"]}, [A, B], None),
        ({"atLeast": 2, "of": ["a", "b", "s"]}, [A], Code.TRUST_ROOT_UNAVAILABLE),
    ],
)
def test_a_signer_that_cannot_be_read(by: object, signatures: list[object], expected: Code | None) -> None:
    facts = evidence([s for s in (A, B) if s in signatures])
    signers = {**SIGNERS, "s": SECRET}
    assert code(facts, by, signers) is expected
    found = finding(facts, by, signers)
    assert found is None or "signer s: the Secret cosign (key cosign.pub) can't be read from here" in found.message


def test_only_the_unreadable_signer_a_rule_speaks_of_matters() -> None:
    assert code(evidence(), "a", {**SIGNERS, "s": SECRET}) is Code.SIGNATURE_MISSING


def test_a_key_set_to_another_hash_is_another_signer() -> None:
    sha512: Json = {"key": {**SIGNERS["a"]["key"], "hash": "sha512"}}
    assert code(evidence([A]), signers={"a": sha512}) is Code.KEY_MISMATCH


# age

BEFORE_1970: Final = START - datetime(1969, 12, 31, tzinfo=UTC)


def proved(fact: VerifiedSignature, *ages: timedelta, source: TimeSource = TimeSource.LOG) -> VerifiedSignature:
    times = tuple(sorted((VerifiedTime(START - age, source, "rekor.test") for age in ages), key=lambda time: time.at))
    return replace(fact, witness=replace(UNWITNESSED, times=times))


@pytest.mark.parametrize(
    ("signatures", "expected"),
    [
        ([proved(A, 72 * HOUR)], None),
        ([proved(A, 72 * HOUR, source=TimeSource.TSA)], None),
        ([proved(A, 72 * HOUR - SECOND)], Code.SIGNATURE_TOO_NEW),
        ([A], Code.SIGNATURE_TOO_NEW),
        ([proved(A, -HOUR)], Code.SIGNATURE_TOO_NEW),
        ([proved(A, BEFORE_1970)], Code.SIGNATURE_TOO_NEW),
        ([proved(A, HOUR, 100 * HOUR)], None),  # the oldest proof is its age
        ([proved(A, HOUR), proved(A, 73 * HOUR)], None),
        ([proved(B, 100 * HOUR)], Code.KEY_MISMATCH),
    ],
)
def test_min_age(signatures: list[VerifiedSignature], expected: Code | None) -> None:
    assert code(evidence(signatures), minAge="72h") is expected


@pytest.mark.parametrize(
    ("signatures", "expected"),
    [
        ([proved(A, 72 * HOUR)], None),
        ([proved(A, 72 * HOUR + SECOND)], Code.SIGNATURE_TOO_OLD),
        ([proved(A, HOUR, 73 * HOUR)], Code.SIGNATURE_TOO_OLD),  # signed again is as old as it ever was
        ([A], Code.SIGNATURE_TOO_OLD),
        ([proved(A, -4 * MINUTE)], None),  # clocks differ
        ([proved(A, -6 * MINUTE)], Code.SIGNATURE_TOO_OLD),
        ([proved(A, BEFORE_1970)], Code.SIGNATURE_TOO_OLD),
        ([proved(A, 100 * HOUR), proved(A, HOUR)], None),
    ],
)
def test_max_age(signatures: list[VerifiedSignature], expected: Code | None) -> None:
    assert code(evidence(signatures), maxAge="72h") is expected


def test_what_is_said_of_age() -> None:
    new = finding(evidence([proved(A, 3 * HOUR)]), minAge="72h", unless={"by": "b"})
    assert new is not None
    assert new.message == "the signature by a is 3h old (rekor.test); has to be 3d old"
    assert new.remedy == f"wait until {START + 69 * HOUR:%Y-%m-%dT%H:%M:%SZ}, or have b sign it"
    old = finding(evidence([proved(A, 100 * HOUR)]), maxAge="90m")
    assert old is not None
    assert old.message == "the signature by a is 4d old (rekor.test); may be 90m old"
    unproved = finding(evidence([A]), minAge="1d")
    assert unproved is not None
    assert unproved.message == "of the signature by a how old it is is not proved; has to be 24h old"


@pytest.mark.parametrize(
    ("signatures", "unless", "expected"),
    [
        ([proved(A, HOUR), B], "b", None),
        ([proved(A, HOUR), proved(B, HOUR)], "b", None),
        ([A, B], "b", None),
        ([proved(A, HOUR)], "b", Code.SIGNATURE_TOO_NEW),
        ([proved(A, HOUR), M], "b", Code.SIGNATURE_TOO_NEW),
        ([proved(A, HOUR), B], {"all": ["b", "m"]}, Code.SIGNATURE_TOO_NEW),
        ([proved(A, HOUR), B, M], {"all": ["b", "m"]}, None),
        ([B], "b", Code.KEY_MISMATCH),  # it makes the wait void, not the signature
    ],
)
def test_unless(signatures: list[VerifiedSignature], unless: object, expected: Code | None) -> None:
    assert code(evidence(signatures), minAge="72h", unless={"by": unless}) is expected


def test_every_signature_that_counts_has_to_be_old_enough() -> None:
    both = {"all": ["a", "b"]}
    assert code(evidence([proved(A, 80 * HOUR), proved(B, HOUR)]), both, minAge="72h") is Code.SIGNATURE_TOO_NEW
    assert code(evidence([proved(A, 80 * HOUR), proved(B, 73 * HOUR)]), both, minAge="72h") is None


def test_who_makes_the_wait_void_has_to_be_known_before_anything_is_denied() -> None:
    signers = {**SIGNERS, "s": SECRET}
    found = finding(evidence([proved(A, HOUR)]), signers=signers, minAge="72h", unless={"by": "s"})
    assert found is not None
    assert (found.code, found.verdict) == (Code.TRUST_ROOT_UNAVAILABLE, Verdict.ERROR)
    assert code(evidence([proved(A, 80 * HOUR)]), signers=signers, minAge="72h", unless={"by": "s"}) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"unless": {"by": "b"}}, "`unless` makes `minAge` void, and there is none"),
        ({"minAge": "1d", "maxAge": "24h"}, "no signature is older than minAge and younger than maxAge"),
        ({"minAge": "1d", "unless": {"by": "nobody"}}, "no signer is called 'nobody'"),
        ({"minAge": "1 day"}, "expected a duration such as 30s, 5m, 2h or 1d"),
        ({"minAge": "1d", "by": "ignoring"}, "nothing proves when ignoring has signed"),
        ({"maxAge": "1d", "by": ["a", "ignoring"]}, "nothing proves when ignoring has signed"),
    ],
)
def test_ages_that_make_no_sense_are_refused(fields: Json, message: str) -> None:
    rules: list[Json] = [{"signature": {"by": "a", **fields}}]
    errors = parsed(json.dumps(policy(rules, signers={**SIGNERS, "ignoring": IGNORING}))).errors
    assert any(message in problem.message for problem in errors), errors


def test_max_age_of_a_key_is_warned_of() -> None:
    found = parsed(json.dumps(policy([{"signature": {"by": "a", "maxAge": "7d"}}])))
    assert not found.errors
    assert any("can renew the proof of when a has signed" in problem.message for problem in found.problems)


def test_signers_of_unless_are_used_and_verified() -> None:
    document = policy([{"signature": {"by": "a", "minAge": "1d", "unless": {"by": "b"}}}])
    found = parsed(json.dumps(document))
    assert [problem.message for problem in found.problems] == ["no rule speaks of the signer m"]
    planned = plan(found.set, Reference.parse(PINNED), Workload(), Stage.CHECK, START)
    assert len(planned.trust.keys) == 2
