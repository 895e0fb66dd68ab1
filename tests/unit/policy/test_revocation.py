"""Revocations: whatever else is said, what they name does not count (POLICY §6)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.evidence.facts import (
    CertificateSigner,
    Format,
    Identity,
    KeySigner,
    TimeSource,
    VerifiedAttestation,
    VerifiedTime,
    Witness,
)
from gate.image.reference import Reference
from gate.policy import attested
from gate.policy.acceptance import Case
from gate.policy.evaluate import suffices, unable
from gate.policy.finding import Reason, Verdict
from gate.policy.known import Known
from gate.policy.matching import Workload
from gate.policy.plan import Stage, plan
from gate.policy.policy import AttestationRequirement
from gate.policy.revocation import RevokedSigner
from gate.policy.signers import KeySpec, One
from gate.trust.window import ALWAYS
from tests.fakes.clock import START
from tests.fakes.signing import alice, bob
from tests.unit.policy.build import (
    ALLOW,
    DIGEST,
    OTHER,
    PINNED,
    SIGNED,
    TAGGED,
    UNWITNESSED,
    Json,
    codes,
    config,
    decide,
    evidence,
    fact,
    parsed,
    policies,
    policy,
    revocation,
    waiver,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.evidence.facts import Signer
    from gate.policy.policy_set import PolicySet

AT = datetime(2026, 11, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
LATER = f"{START + timedelta(days=60):%Y-%m-%d}"
REVOKED = ("REVOKED", "deny")
POD = Workload("Pod")
ALICES: Json = {"fingerprint": alice().public.fingerprint}
IDENTITY = Identity("https://issuer.test", ("ci@acme.example",))
CERTIFIED = CertificateSigner(IDENTITY, "public-good", private=False, key="k" * 64, issuers=("c" * 64,), window=ALWAYS)
BOTH_SIGNED: list[Json] = [{"signature": {"by": {"all": ["a", "b"]}}}]


def signed_at(*times: datetime, source: TimeSource = TimeSource.LOG) -> Witness:
    return replace(UNWITNESSED, times=tuple(VerifiedTime(at, source, "x") for at in sorted(times)))


def revoking(*signers: Json, rules: list[Json] | None = None, **spec: object) -> PolicySet:
    return policies(policy(rules or SIGNED, **spec), revocation(signers=list(signers)))  # type: ignore[arg-type]


# digests


@pytest.mark.parametrize("mode", ["enforce", "warn", "audit"])
def test_a_digest_is_denied_in_every_mode(mode: str) -> None:
    found = policies(policy(ALLOW, mode=mode), config(unmatched="audit"), revocation(digests=[str(DIGEST)]))
    for image in (PINNED, TAGGED):
        decision = decide(found, image)
        assert (decision.verdict, codes(decision)[0]) == (Verdict.DENY, REVOKED)
    assert decision.findings[0].message == f"{DIGEST} is revoked by GateRevocation r (stolen)"
    assert decide(found, PINNED.replace(str(DIGEST), str(OTHER))).verdict is Verdict.ALLOW


def test_a_digest_is_denied_where_no_policy_matches() -> None:
    found = policies(config(unmatched="audit"), revocation(digests=[str(DIGEST)]))
    for image in (PINNED, TAGGED):
        assert REVOKED in codes(decide(found, image))
    excluded = policies(
        policy(ALLOW, match={"exclude": ["**"]}), config(unmatched="warn"), revocation(digests=[str(DIGEST)])
    )
    assert decide(excluded, TAGGED).verdict is Verdict.DENY


def test_one_that_is_written_is_asked_of_no_registry() -> None:
    found = policies(policy(SIGNED), revocation(digests=[str(DIGEST)]))
    assert not plan(found, Reference.parse(PINNED), POD, Stage.VALIDATE, START).digest_wanted


def test_no_exception_spares_a_digest() -> None:
    found = policies(policy(SIGNED, exceptions=[waiver(until=LATER)]), revocation(digests=[str(DIGEST)]))
    assert codes(decide(found, PINNED)) == [REVOKED]
    assert codes(decide(found, TAGGED))[0] == REVOKED


@pytest.mark.parametrize(
    ("mode", "verdict"), [("enforce", Verdict.ERROR), ("warn", Verdict.WARN), ("audit", Verdict.WARN)]
)
def test_where_the_digest_cannot_be_known_that_is_said(mode: str, verdict: Verdict) -> None:
    found = policies(policy(ALLOW, mode=mode), config(unmatched="audit"), revocation(digests=[str(OTHER)]))
    planned = plan(found, Reference.parse(TAGGED), POD, Stage.VALIDATE, START)
    assert planned.digest_wanted
    decision = unable(planned, Reason(Code.REGISTRY_TIMEOUT, "no answer", "retry"))
    assert (decision.verdict, decision.findings[0].code) == (verdict, Code.REGISTRY_TIMEOUT)
    assert decision.findings[0].message == "whether it is revoked is not known: no answer"


def test_nothing_is_resolved_for_revocations_of_signers() -> None:
    found = policies(policy(ALLOW), revocation(signers=[ALICES]))
    assert not plan(found, Reference.parse(TAGGED), POD, Stage.VALIDATE, START).digest_wanted


# signers


def test_a_revoked_key_does_not_count() -> None:
    decision = decide(revoking(ALICES), facts=evidence([fact(alice())]))
    assert codes(decision) == [REVOKED]
    assert "who is revoked by GateRevocation r (stolen)" in decision.findings[0].message
    assert decide(revoking(ALICES), facts=evidence([fact(bob())])).findings[0].code is Code.KEY_MISMATCH


def test_another_signer_still_counts() -> None:
    either = revoking(ALICES, rules=[{"signature": {"by": ["a", "b"]}}])
    assert decide(either, facts=evidence([fact(alice()), fact(bob())])).verdict is Verdict.ALLOW
    assert codes(decide(either, facts=evidence([fact(alice())]))) == [REVOKED]
    both = revoking(ALICES, rules=BOTH_SIGNED)
    assert codes(decide(both, facts=evidence([fact(alice()), fact(bob())]))) == [REVOKED]


def test_no_exception_spares_a_signer() -> None:
    found = revoking(ALICES, exceptions=[waiver(until=LATER)])
    assert codes(decide(found, facts=evidence([fact(alice())]))) == [REVOKED]
    # What was signed by nobody may be excepted still.
    assert codes(decide(found)) == [("EXCEPTION_USED", "allow")]


def test_who_is_revoked_is_known_whatever_was_not() -> None:
    found = revoking(ALICES, exceptions=[waiver(until=LATER)])
    facts = evidence([fact(alice())], unavailable=[Code.REGISTRY_TIMEOUT])
    assert codes(decide(found, facts=facts)) == [REVOKED]


def test_an_early_answer_does_not_count_a_revoked_signer() -> None:
    facts = evidence([fact(alice())])
    for found, enough in ((policies(policy(SIGNED)), True), (revoking(ALICES), False)):
        planned = plan(found, Reference.parse(PINNED), POD, Stage.VALIDATE, START)
        (source,) = planned.sources
        assert suffices(planned, source, facts, START) is enough


@pytest.mark.parametrize(
    ("witness", "counts"),
    [
        (signed_at(AT - HOUR), True),
        (signed_at(AT - HOUR, source=TimeSource.TSA), True),
        (signed_at(AT - HOUR, AT + HOUR), True),
        (signed_at(AT), False),
        (signed_at(AT + HOUR), False),
        (UNWITNESSED, False),
    ],
)
def test_what_was_signed_before_still_counts_where_somebody_else_says_so(witness: Witness, counts: bool) -> None:  # noqa: FBT001
    found = revoking({**ALICES, "signedAfter": "2026-11-20"})
    decision = decide(found, facts=evidence([replace(fact(alice()), witness=witness)]))
    assert codes(decision) == ([] if counts else [REVOKED])
    if not counts:
        assert decision.findings[0].message.endswith("and nothing proves it older than 2026-11-20T00:00:00Z")


@pytest.mark.parametrize(
    ("revoked", "signer", "about"),
    [
        (RevokedSigner(alice().public.fingerprint), KeySigner(alice().public), True),
        (RevokedSigner(alice().public.fingerprint), KeySigner(alice().public, "public-good"), True),
        (RevokedSigner(alice().public.fingerprint), KeySigner(bob().public), False),
        (RevokedSigner("k" * 64), CERTIFIED, True),
        (RevokedSigner("c" * 64), CERTIFIED, True),  # an authority above it
        (RevokedSigner("d" * 64), CERTIFIED, False),
        (RevokedSigner("", "https://issuer.test", "ci@acme.example"), CERTIFIED, True),
        (RevokedSigner("", "https://issuer.test", "ci@acme.example"), replace(CERTIFIED, trust="another"), True),
        (RevokedSigner("", "https://issuer.test/", "ci@acme.example"), CERTIFIED, False),
        (RevokedSigner("", "https://issuer.test", "ci@acme.exampl"), CERTIFIED, False),
        (RevokedSigner("", "https://issuer.test", "ci@acme.example"), KeySigner(alice().public), False),
    ],
)
def test_whom_it_is_about(revoked: RevokedSigner, signer: Signer, about: bool) -> None:  # noqa: FBT001
    assert revoked.is_about(signer) is about


def test_any_name_of_a_certificate_is_its_name() -> None:
    two = replace(CERTIFIED, identity=Identity("i", ("a", "b")))
    assert RevokedSigner("", "i", "b").is_about(two)


def test_attestations_of_a_revoked_signer_do_not_count_either() -> None:
    kind = "https://acme.example/t"
    found = evidence(
        attestations=[
            VerifiedAttestation(
                Format.LEGACY, OTHER, KeySigner(alice().public, "public-good"), UNWITNESSED, kind, b"{}"
            )
        ]
    )
    case = Case({"a": KeySpec("a", alice().public)}, Reference.parse(PINNED), revoking(ALICES).revocations, START)
    wanted = AttestationRequirement(One("a"), (kind,))
    reasons = list(attested.check(wanted, case, found, Known(DIGEST), DIGEST))
    assert [reason.code for reason in reasons] == [Code.REVOKED]


# documents


@pytest.mark.parametrize("written", [str.lower, str.upper, "sha256:{}".format])
def test_fingerprints_are_read_as_tools_print_them(written: Callable[[str], str]) -> None:
    found = revoking({"fingerprint": written(alice().public.fingerprint)})
    assert codes(decide(found, facts=evidence([fact(alice())]))) == [REVOKED]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "it revokes nothing"),
        ({"digests": [], "signers": []}, "it revokes nothing"),
        ({"digests": ["sha256:12"]}, "digest"),
        ({"digests": [1]}, "expected a text, got 1"),
        ({"signers": [{}]}, "a signer is revoked by its `fingerprint`, or by its `issuer` and `subject`"),
        ({"signers": [{"issuer": "i"}]}, "a signer is revoked by its `fingerprint`"),
        ({"signers": [{"fingerprint": "0" * 64, "issuer": "i", "subject": "s"}]}, "a signer is revoked by its"),
        ({"signers": [{"fingerprint": "0" * 63}]}, "is no fingerprint"),
        ({"signers": [{**ALICES, "signedAfter": "yesterday"}]}, "neither a day nor an instant"),
        ({"signers": [{**ALICES, "until": "2026-01-01"}]}, "unknown field `until`"),
        ({"digests": [str(OTHER)], "reason": 7}, "expected a text, got 7"),
    ],
)
def test_what_is_wrong_with_one_has_its_place(spec: Json, message: str) -> None:
    errors = [str(problem) for problem in parsed(json.dumps(revocation(**spec))).errors]
    assert any(message in error for error in errors), errors
    assert all(error.startswith("p.yaml:1:") for error in errors)


@pytest.mark.parametrize(
    "spec",
    [
        {"signers": [{"fingerprint": "nonsense"}, ALICES]},
        {"signers": [7, ALICES], "digests": {}},
        {"signers": [ALICES], "digests": ["sha256:12"], "unknown": 1},
        {"signers": [{**ALICES, "signedAfter": "yesterday"}]},
        {"signers": [{**ALICES, "signedAfter": 7}]},
        {"signers": [ALICES], "reason": ["x"]},
    ],
)
def test_of_an_invalid_one_every_entry_that_can_be_read_counts(spec: Json) -> None:
    found = parsed(json.dumps(policy(SIGNED)) + "\n---\n" + json.dumps(revocation(**spec)))
    assert found.errors
    late = signed_at(AT - 1000 * HOUR)
    assert codes(decide(found.set, facts=evidence([replace(fact(alice()), witness=late)]))) == [REVOKED]


def test_several_documents_count_together_in_any_order() -> None:
    documents = [
        revocation("a", signers=[ALICES]),
        revocation("b", digests=[str(OTHER)]),
        revocation("c", signers=[ALICES], digests=[str(OTHER)]),
    ]
    sets = {policies(*order).revocations for order in (documents, documents[::-1])}
    assert len(sets) == 1
    (both,) = sets
    assert (len(both.digests), len(both.signers)) == (2, 2)
