from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.evidence.facts import (
    CertificateSigner,
    Evidence,
    Format,
    FulcioClaims,
    Identity,
    KeySigner,
    Problem,
    TimeSource,
    Unavailable,
    VerifiedAttestation,
    VerifiedSignature,
    VerifiedTime,
    Witness,
)
from gate.policy.acceptance import counted, mine, objection, summed_up, too_few, unknown
from gate.policy.finding import Reason
from gate.policy.identity import IdentityPattern, TextPattern
from gate.policy.signers import AnyOf, AtLeast, CertificateSpec, KeylessSpec, KeySpec, LogUse, One
from gate.policy.trust import PUBLIC_GOOD, BuiltInRoot, MissingRoot, PrivateAuthorities
from gate.trust.window import Window
from tests.fakes.signing import alice, bob
from tests.unit.policy.build import OTHER, UNCHECKED, UNWITNESSED, WRONG_ENTRY

if TYPE_CHECKING:
    from gate.evidence.facts import Signer
    from gate.policy.signers import SignerSpec

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
SIGNED_AT = NOW - timedelta(days=100)
LEAF = Window(SIGNED_AT - timedelta(minutes=1), SIGNED_AT + timedelta(minutes=9))
ISSUER = "https://token.actions.githubusercontent.com"
SUBJECT = "https://github.com/acme/api/.github/workflows/release.yml@refs/tags/v1"
PKI = PrivateAuthorities("pki", (), None)
WHO = IdentityPattern(TextPattern(SUBJECT), TextPattern(ISSUER))
KEYLESS = KeylessSpec("ci", WHO)
CERTIFICATE = CertificateSpec("pki", IdentityPattern(TextPattern(SUBJECT), None), PKI)
KEY = KeySpec("a", alice().public)
BY_ALICE = KeySigner(alice().public, PUBLIC_GOOD)
BY_CI = CertificateSigner(
    Identity(ISSUER, (SUBJECT,)), PUBLIC_GOOD, private=False, key="k1", issuers=("r" * 64,), window=LEAF,
    ct_logs=frozenset({"ct"}),
)  # fmt: skip
BY_PKI = replace(BY_CI, trust="pki", private=True, key="k2", ct_logs=frozenset(), no_sct="it has none")


def who(signer: Signer) -> frozenset[str]:
    """What a signer is called who is alone."""
    return frozenset({min(signer.marks)})


def logged(at: datetime = SIGNED_AT) -> VerifiedTime:
    return VerifiedTime(at, TimeSource.LOG, "rekor.test")


def stamped(at: datetime = SIGNED_AT) -> VerifiedTime:
    return VerifiedTime(at, TimeSource.TSA, "tsa.test")


NO_STAMP = Problem(Code.TIMESTAMP_MISSING, "it has no timestamp")
NO_LOG = Problem(Code.LOG_ENTRY_MISSING, "it has no transparency log entry")
LOGGED = Witness(frozenset({"log"}), (logged(),), None, NO_STAMP)
STAMPED = Witness(frozenset(), (stamped(),), NO_LOG)
BOTH = Witness(frozenset({"log"}), (logged(), stamped()))
PROVEN = Witness(frozenset({"log"}), (), None, NO_STAMP)  # an entry of Rekor v2: a log, and no time of its own
WRONG_STAMP = Witness(frozenset({"log"}), (logged(),), None, Problem(Code.TIMESTAMP_INVALID, "it is of another"))


def code(spec: SignerSpec, signer: Signer, witness: Witness, now: datetime = NOW) -> Code | None:
    found = objection(spec, signer, witness, now)
    assert found is None or (found.message and found.remedy)
    return found.code if found else None


# whose it is


@pytest.mark.parametrize(
    ("spec", "signer", "expected"),
    [
        (KEY, BY_ALICE, True),
        (KEY, KeySigner(bob().public), False),
        (KEY, BY_CI, False),
        (replace(KEY, key=None), BY_ALICE, False),
        (replace(KEY, key=None), BY_CI, False),
        (KEYLESS, BY_CI, True),
        # whoever it names: "signed by somebody else" is an objection of its own
        (KEYLESS, replace(BY_CI, identity=Identity("x", ("y",))), True),
        (KEYLESS, replace(BY_CI, trust="ours"), False),
        (KEYLESS, BY_PKI, False),
        (KEYLESS, BY_ALICE, False),
        (replace(KEYLESS, trust_root=BuiltInRoot("ours")), replace(BY_CI, trust="ours"), True),
        (replace(KEYLESS, trust_root=BuiltInRoot("ours")), BY_CI, False),
        (CERTIFICATE, BY_PKI, True),
        (CERTIFICATE, BY_CI, False),
        (CERTIFICATE, BY_ALICE, False),
    ],
)
def test_whose_it_is(spec: SignerSpec, signer: Signer, expected: bool) -> None:  # noqa: FBT001
    assert mine(spec, signer) is expected


# keys


@pytest.mark.parametrize(
    ("use", "witness", "expected"),
    [
        (LogUse.OPTIONAL, UNWITNESSED, None),
        (LogUse.OPTIONAL, LOGGED, None),
        (LogUse.OPTIONAL, STAMPED, None),
        (LogUse.OPTIONAL, WRONG_ENTRY, Code.LOG_ENTRY_INVALID),
        (LogUse.OPTIONAL, UNCHECKED, Code.TRUST_ROOT_UNAVAILABLE),
        (LogUse.REQUIRED, UNWITNESSED, Code.LOG_ENTRY_MISSING),
        (LogUse.REQUIRED, LOGGED, None),
        (LogUse.REQUIRED, PROVEN, None),
        (LogUse.REQUIRED, STAMPED, Code.LOG_ENTRY_MISSING),
        (LogUse.REQUIRED, WRONG_ENTRY, Code.LOG_ENTRY_INVALID),
        (LogUse.REQUIRED, UNCHECKED, Code.TRUST_ROOT_UNAVAILABLE),
        (LogUse.REQUIRED, Witness(), Code.LOG_ENTRY_MISSING),
        (LogUse.IGNORE, UNWITNESSED, None),
        (LogUse.IGNORE, LOGGED, None),
        (LogUse.IGNORE, WRONG_ENTRY, None),
        (LogUse.IGNORE, UNCHECKED, None),
    ],
)
def test_every_use_of_the_log(use: LogUse, witness: Witness, expected: Code | None) -> None:
    assert code(replace(KEY, log=use), BY_ALICE, witness) is expected


def test_every_use_of_the_log_is_tried() -> None:
    assert {u.value for u in LogUse} == {"optional", "required", "ignore"}


def test_a_remedy_says_what_to_do() -> None:
    missing = objection(replace(KEY, log=LogUse.REQUIRED), BY_ALICE, UNWITNESSED, NOW)
    assert missing is not None
    assert missing.message == "the signature by a: it has no transparency log entry"
    assert "transparencyLog: ignore" in missing.remedy
    unchecked = objection(KEY, BY_ALICE, UNCHECKED, NOW)
    assert unchecked is not None
    assert unchecked.remedy == "retry"


DAY = timedelta(days=1)
OLD = Window(None, SIGNED_AT + DAY)  # replaced since
NEW = Window(SIGNED_AT + DAY, None)


@pytest.mark.parametrize(
    ("window", "witness", "expected"),
    [
        # by the verified times, every one of them
        (OLD, LOGGED, None),
        (OLD, STAMPED, None),
        (NEW, LOGGED, Code.KEY_MISMATCH),
        (NEW, STAMPED, Code.KEY_MISMATCH),
        (OLD, Witness(frozenset({"log"}), (logged(), stamped(NOW))), Code.KEY_MISMATCH),
        (NEW, Witness(frozenset({"log"}), (logged(), stamped(NOW))), Code.KEY_MISMATCH),
        # and where there is none, now
        (OLD, UNWITNESSED, Code.KEY_MISMATCH),
        (NEW, UNWITNESSED, None),
        (OLD, PROVEN, Code.KEY_MISMATCH),
        (NEW, PROVEN, None),
        # the ends belong to it
        (Window(SIGNED_AT, SIGNED_AT), LOGGED, None),
        (Window(SIGNED_AT + timedelta(microseconds=1), None), LOGGED, Code.KEY_MISMATCH),
        (Window(None, SIGNED_AT - timedelta(microseconds=1)), LOGGED, Code.KEY_MISMATCH),
        (Window(NOW, NOW), UNWITNESSED, None),
        (Window(), UNWITNESSED, None),
        (Window(), LOGGED, None),
    ],
)
def test_the_window_of_a_key(window: Window, witness: Witness, expected: Code | None) -> None:
    assert code(replace(KEY, window=window), BY_ALICE, witness) is expected


def test_a_key_that_is_replaced_is_named_with_its_window_and_the_time() -> None:
    found = objection(replace(KEY, window=NEW), BY_ALICE, LOGGED, NOW)
    assert found is not None
    assert found.message == (f"the key of a counts from {NEW}, and the signature is of {SIGNED_AT:%Y-%m-%dT%H:%M:%SZ}")


AWAY = Problem(Code.TRUST_ROOT_UNAVAILABLE, "its log entry was not examined")


@pytest.mark.parametrize(
    "witness", [UNCHECKED, replace(UNWITNESSED, no_log=AWAY), replace(UNWITNESSED, no_timestamp=AWAY)]
)
def test_a_time_that_cannot_be_read_is_not_now(witness: Witness) -> None:
    for window in (OLD, NEW, Window(NOW, NOW), Window(None, NOW)):
        assert code(replace(KEY, log=LogUse.IGNORE, window=window), BY_ALICE, witness) is Code.TRUST_ROOT_UNAVAILABLE
    # without a window nobody asks, and a time that can be read is one
    assert code(replace(KEY, log=LogUse.IGNORE), BY_ALICE, witness) is None
    known = replace(witness, times=LOGGED.times)
    assert code(replace(KEY, log=LogUse.IGNORE, window=NEW), BY_ALICE, known) is Code.KEY_MISMATCH


@pytest.mark.parametrize("window", [OLD, NEW, Window(NOW, NOW), Window(None, NOW)])
def test_where_the_log_is_required_a_window_wants_a_time(window: Window) -> None:
    """Whoever takes the promise out of an entry takes its time away: that must not make it "now"."""
    spec = replace(KEY, log=LogUse.REQUIRED, window=window)
    found = objection(spec, BY_ALICE, PROVEN, NOW)
    assert found is not None
    assert found.code is Code.TIMESTAMP_MISSING
    assert found.message == (
        f"the key of a counts from {window}, and neither a log nor a timestamp states when the signature was made"
    )
    broken = replace(PROVEN, no_timestamp=Problem(Code.TIMESTAMP_INVALID, "its timestamp does not hold: why"))
    said = objection(spec, BY_ALICE, broken, NOW)
    assert said is not None
    assert (said.code, said.message) == (
        Code.TIMESTAMP_INVALID, f"{found.message}: its timestamp does not hold: why"
    )  # fmt: skip
    # without a window nothing depends on it; where the log is not asked for, it is now that counts
    assert code(replace(spec, window=Window()), BY_ALICE, PROVEN) is None
    for log in (LogUse.OPTIONAL, LogUse.IGNORE):
        expected = None if window.holds(NOW) else Code.KEY_MISMATCH
        assert code(replace(spec, log=log), BY_ALICE, PROVEN) is expected
    # a timestamp says "by then": who leaves the log's word out may have it stamped at any time
    stamped = replace(PROVEN, times=(VerifiedTime(NOW, TimeSource.TSA, "tsa"),), withheld=True)
    assert code(spec, BY_ALICE, stamped) is Code.TIMESTAMP_MISSING
    both = replace(stamped, times=(*stamped.times, *LOGGED.times))
    assert code(spec, BY_ALICE, both) is code(spec, BY_ALICE, replace(both, withheld=False))
    # a time that is stated is what counts
    stated = None if window.holds(SIGNED_AT) else Code.KEY_MISMATCH
    assert code(spec, BY_ALICE, LOGGED) is stated


def test_a_log_that_is_ignored_still_says_when() -> None:
    """Times come from logs too; a signer that asks for no log is not thereby blind to them."""
    spec = replace(KEY, log=LogUse.IGNORE, window=OLD)
    assert code(spec, BY_ALICE, LOGGED) is None
    assert code(spec, BY_ALICE, UNWITNESSED) is Code.KEY_MISMATCH


# certificates


@pytest.mark.parametrize(
    ("changes", "signer", "witness", "expected"),
    [
        ({}, BY_CI, LOGGED, None),
        ({}, BY_CI, BOTH, None),
        ({}, replace(BY_CI, identity=Identity("x", (SUBJECT,))), LOGGED, Code.IDENTITY_MISMATCH),
        ({}, replace(BY_CI, identity=Identity(ISSUER, ("x",))), LOGGED, Code.IDENTITY_MISMATCH),
        ({}, replace(BY_CI, ct_logs=frozenset(), no_sct="no SCT"), LOGGED, Code.SCT_MISSING),
        ({"sct": False}, replace(BY_CI, ct_logs=frozenset(), no_sct="no SCT"), LOGGED, None),
        ({}, BY_CI, STAMPED, Code.LOG_ENTRY_MISSING),
        ({}, BY_CI, UNWITNESSED, Code.LOG_ENTRY_MISSING),
        ({}, BY_CI, WRONG_ENTRY, Code.LOG_ENTRY_INVALID),
        ({}, BY_CI, UNCHECKED, Code.TRUST_ROOT_UNAVAILABLE),
        ({"timestamp": True}, BY_CI, LOGGED, Code.TIMESTAMP_MISSING),
        ({"timestamp": True}, BY_CI, BOTH, None),
        ({"timestamp": True}, BY_CI, WRONG_STAMP, Code.TIMESTAMP_INVALID),
        # a wrong timestamp that nobody asks for is nobody's trouble
        ({}, BY_CI, WRONG_STAMP, None),
        ({"timestamp": True}, BY_CI, STAMPED, Code.LOG_ENTRY_MISSING),
        ({"log": LogUse.IGNORE, "timestamp": True}, BY_CI, STAMPED, None),
        ({"log": LogUse.IGNORE, "timestamp": True}, BY_CI, LOGGED, Code.TIMESTAMP_MISSING),
        ({"log": LogUse.IGNORE, "timestamp": True}, BY_CI, UNWITNESSED, Code.TIMESTAMP_MISSING),
        ({"log": LogUse.IGNORE, "timestamp": True}, BY_CI, Witness(), Code.TIMESTAMP_MISSING),
        # an entry without a time of its own proves the log and not the time
        ({}, BY_CI, PROVEN, Code.TIMESTAMP_MISSING),
        # not even while the certificate is valid: now is nobody's word on when it signed
        ({}, replace(BY_CI, window=Window(NOW - DAY, NOW + DAY)), PROVEN, Code.TIMESTAMP_MISSING),
    ],
)
def test_a_keyless_signature(
    changes: dict[str, bool | LogUse], signer: Signer, witness: Witness, expected: Code | None
) -> None:
    assert code(replace(KEYLESS, **changes), signer, witness) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "signer", "witness", "expected"),
    [
        ({}, BY_PKI, STAMPED, None),
        ({}, BY_PKI, BOTH, None),
        # no CT log sees certificates of a private PKI, and none is asked for
        ({}, replace(BY_PKI, no_sct="it has none"), STAMPED, None),
        ({}, BY_PKI, LOGGED, Code.TIMESTAMP_MISSING),
        ({}, BY_PKI, UNWITNESSED, Code.TIMESTAMP_MISSING),
        ({}, replace(BY_PKI, identity=Identity("", ("x",))), STAMPED, Code.IDENTITY_MISMATCH),
        ({"log": LogUse.REQUIRED}, BY_PKI, STAMPED, Code.LOG_ENTRY_MISSING),
        ({"log": LogUse.REQUIRED}, BY_PKI, BOTH, None),
        ({"log": LogUse.OPTIONAL}, BY_PKI, STAMPED, None),
        ({"timestamp": False}, BY_PKI, LOGGED, None),
        ({"timestamp": False}, BY_PKI, UNWITNESSED, Code.CERTIFICATE_EXPIRED),
        ({"timestamp": False}, replace(BY_PKI, window=Window(LEAF.start, NOW)), UNWITNESSED, None),
        ({"timestamp": False}, replace(BY_PKI, window=Window(NOW + DAY, None)), UNWITNESSED, Code.CERTIFICATE_EXPIRED),
        ({"timestamp": False}, replace(BY_PKI, window=Window()), UNWITNESSED, None),
    ],
)
def test_a_signature_under_a_private_pki(
    changes: dict[str, bool | LogUse], signer: Signer, witness: Witness, expected: Code | None
) -> None:
    assert code(replace(CERTIFICATE, **changes), signer, witness) is expected  # type: ignore[arg-type]


def test_without_a_time_the_certificate_is_judged_by_now() -> None:
    spec = replace(CERTIFICATE, timestamp=False)
    for now, expected in [
        (LEAF.start, None),
        (LEAF.end, None),
        (LEAF.start and LEAF.start - timedelta(microseconds=1), Code.CERTIFICATE_EXPIRED),
        (LEAF.end and LEAF.end + timedelta(microseconds=1), Code.CERTIFICATE_EXPIRED),
    ]:
        assert now is not None
        assert code(spec, BY_PKI, UNWITNESSED, now) is expected
    found = objection(spec, BY_PKI, UNWITNESSED, NOW)
    assert found is not None
    assert f"its certificate was valid from {LEAF}" in found.message


def test_of_a_stranger_nothing_else_is_said() -> None:
    stranger = replace(BY_CI, identity=Identity("x", ("y",)), ct_logs=frozenset(), no_sct="none")
    assert code(KEYLESS, stranger, WRONG_ENTRY) is Code.IDENTITY_MISMATCH


def test_claims_of_whoever_called_a_reusable_workflow() -> None:
    """A reusable workflow is the subject, whoever calls it: only the claims tell whose repository it built.

    Without them a stranger's call of acme's public workflow counts as acme's.
    """
    shared = "https://github.com/acme/workflows/.github/workflows/build.yml@refs/tags/v1"
    claims = FulcioClaims(build_signer_uri=shared, source_repository_uri="https://github.com/acme/api")
    ours = replace(BY_CI, identity=Identity(ISSUER, (shared,), claims))
    stranger = replace(
        BY_CI,
        identity=Identity(ISSUER, (shared,), replace(claims, source_repository_uri="https://github.com/evil/api")),
    )
    silent = replace(BY_CI, identity=Identity(ISSUER, (shared,), replace(claims, source_repository_uri="")))
    source = ("source_repository_uri", (TextPattern.parse_regex("https://github.com/acme/[^/]+"),))
    loose = replace(KEYLESS, identity=IdentityPattern(TextPattern(shared), TextPattern(ISSUER)))
    strict = replace(loose, identity=replace(loose.identity, claims=(source,)))
    assert [code(loose, who, LOGGED) for who in (ours, stranger)] == [None, None]
    assert [code(strict, who, LOGGED) for who in (ours, stranger, silent)] == [
        None,
        Code.IDENTITY_MISMATCH,
        Code.IDENTITY_MISMATCH,
    ]


# who counts


def signature(signer: Signer, witness: Witness) -> VerifiedSignature:
    return VerifiedSignature(Format.BUNDLE, OTHER, signer, witness, {})


def test_who_counts_and_why_others_do_not() -> None:
    specs: dict[str, SignerSpec] = {"a": KEY, "b": KeySpec("b", bob().public), "ci": KEYLESS}
    by = AnyOf((One("a"), One("b"), One("ci")))
    facts = [
        signature(BY_ALICE, UNWITNESSED),
        signature(BY_ALICE, WRONG_ENTRY),
        signature(KeySigner(bob().public, PUBLIC_GOOD), WRONG_ENTRY),
        signature(replace(BY_CI, identity=Identity(ISSUER, ("x",))), LOGGED),
        signature(BY_PKI, STAMPED),
    ]
    found, refused = counted(by, specs, facts, NOW)
    assert found == {"a": who(BY_ALICE), "b": frozenset(), "ci": frozenset()}
    # of somebody who counts, what else was signed and does not is not said
    assert [r.code for r in refused] == [Code.LOG_ENTRY_INVALID, Code.IDENTITY_MISMATCH]


def test_only_signers_the_expression_speaks_of_count() -> None:
    specs: dict[str, SignerSpec] = {"a": KEY, "ci": KEYLESS}
    found, refused = counted(One("a"), specs, [signature(BY_CI, LOGGED), signature(BY_CI, WRONG_ENTRY)], NOW)
    assert (found, refused) == ({"a": frozenset()}, [])


def test_one_person_under_two_signers_is_one_principal() -> None:
    specs: dict[str, SignerSpec] = {"ci": KEYLESS, "again": replace(KEYLESS, name="again"), "a": KEY}
    found, _ = counted(AtLeast(2, (One("ci"), One("again"), One("a"))), specs, [signature(BY_CI, LOGGED)] * 3, NOW)
    assert found["ci"] == found["again"]
    assert len(found["ci"]) == 1
    assert found["a"] == frozenset()


def test_what_a_rule_asks_of_content_comes_last() -> None:
    asked: list[str] = []

    def content(spec: SignerSpec, fact: VerifiedSignature) -> Reason | None:
        asked.append(spec.name)
        return Reason(Code.ANNOTATION_MISMATCH, "another", "sign it anew")

    facts = [signature(BY_ALICE, WRONG_ENTRY), signature(BY_ALICE, UNWITNESSED), signature(BY_CI, LOGGED)]
    found, refused = counted(One("a"), {"a": KEY}, facts, NOW, content)
    assert found == {"a": frozenset()}
    assert [r.code for r in refused] == [Code.LOG_ENTRY_INVALID, Code.ANNOTATION_MISMATCH]
    assert asked == ["a"]


def test_signers_that_share_a_mark_through_others_are_one_principal() -> None:
    """A key, a certificate of it, and another certificate of that one's name: one who signed thrice."""
    certificate = replace(BY_PKI, key=alice().public.fingerprint)
    other = replace(BY_PKI, key="k9")
    assert not BY_ALICE.marks & other.marks
    specs: dict[str, SignerSpec] = {"a": KEY, "pki": CERTIFICATE}
    by = AtLeast(2, (One("a"), One("pki")))
    alone, _ = counted(by, specs, [signature(BY_ALICE, UNWITNESSED), signature(other, STAMPED)], NOW)
    assert len(alone["a"] | alone["pki"]) == 2
    signers: list[Signer] = [BY_ALICE, certificate, other]
    for order in itertools.permutations(signers):
        found, _ = counted(by, specs, [signature(who, STAMPED) for who in order], NOW)
        assert len(found["a"] | found["pki"]) == 1
    # what does not count makes nobody one: a stranger's certificate for a name and for another's key
    strange = replace(certificate, trust="another pki")
    signers[1] = strange
    found, _ = counted(by, specs, [signature(who, STAMPED) for who in signers], NOW)
    assert len(found["a"] | found["pki"]) == 2


def test_what_is_said_of_too_few() -> None:
    by = AtLeast(3, (One("a"), One("b"), One("c")))
    one, two = frozenset({"1"}), frozenset({"2"})
    said = too_few("signed", "sign", by, {"a": one, "b": one, "c": frozenset()})
    assert said.code is Code.SIGNERS_TOO_FEW
    assert said.message == f"signed by a, b, who are 1 principal in all; needs {by}"
    assert said.remedy == "have c sign it"
    said = too_few("attested", "attest", by, {"a": one, "b": two, "c": two})
    assert said.message == f"attested by a, b, c, who are 2 principals in all; needs {by}"
    assert said.remedy == "have somebody else attest it: one principal counts once"
    assert (
        too_few("signed", "sign", by, {"a": one, "b": two, "c": frozenset()}).message == f"signed by a, b; needs {by}"
    )


def test_attestations_count_as_signatures_do() -> None:
    facts = [
        VerifiedAttestation(Format.BUNDLE, OTHER, BY_ALICE, UNWITNESSED, "https://spdx.dev/Document", b"{}"),
        VerifiedAttestation(Format.BUNDLE, OTHER, BY_CI, LOGGED, "https://spdx.dev/Document", b"{}"),
    ]
    specs: dict[str, SignerSpec] = {"a": KEY, "ci": KEYLESS}
    found, refused = counted(AnyOf((One("a"), One("ci"))), specs, facts, NOW)
    assert found == {"a": who(BY_ALICE), "ci": who(BY_CI)}
    assert refused == []


def test_what_is_not_known_is_said_once_signers_first() -> None:
    away = Unavailable(Code.REGISTRY_TIMEOUT, "no answer", "retry")
    specs: dict[str, SignerSpec] = {"a": KEY, "s": KeySpec("s", None, missing="it is in a Secret"), "ci": KEYLESS}
    found = unknown(AnyOf((One("s"), One("a"), One("s"))), specs, Evidence(unavailable=(away, away)))
    assert [(r.code, r.message) for r in found] == [
        (Code.TRUST_ROOT_UNAVAILABLE, "signer s: it is in a Secret"),
        (Code.REGISTRY_TIMEOUT, "no answer"),
    ]
    assert unknown(AnyOf((One("a"), One("ci"))), specs, Evidence()) == []


GONE = MissingRoot("acme", "no GateTrustRoot of this name is loaded")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (replace(KEYLESS, trust_root=GONE), "its trust root acme: no GateTrustRoot of this name is loaded"),
        (replace(KEY, trust_root=GONE), "its trust root acme: "),  # though the log is optional to it
        (CertificateSpec("pki", WHO, None, missing="it is in a Secret"), "it is in a Secret"),
        (CertificateSpec("pki", WHO, PrivateAuthorities("pki", (), GONE)), "its trust root acme: "),
    ],
)
def test_who_cannot_be_judged_from_here_is_no_stranger(spec: SignerSpec, said: str) -> None:
    by = One(spec.name)
    (reason,) = unknown(by, {spec.name: spec}, Evidence())
    assert reason.code is Code.TRUST_ROOT_UNAVAILABLE
    assert f"signer {spec.name}: {said}" in reason.message
    facts = [signature(BY_ALICE, LOGGED), signature(BY_CI, LOGGED), signature(BY_PKI, STAMPED)]
    assert counted(by, {spec.name: spec}, facts, NOW) == ({spec.name: frozenset()}, [])


def test_to_whom_the_log_is_no_matter_a_missing_trust_root_is_none() -> None:
    spec = replace(KEY, trust_root=GONE, log=LogUse.IGNORE)
    assert unknown(One("a"), {"a": spec}, Evidence()) == []
    assert counted(One("a"), {"a": spec}, [signature(BY_ALICE, WRONG_ENTRY)], NOW)[0] == {"a": who(BY_ALICE)}


def test_a_trust_root_that_is_away_matters_to_those_who_trust_it() -> None:
    away = Unavailable(Code.TRUST_ROOT_UNAVAILABLE, "no answer", "retry", "ours")
    ours = BuiltInRoot("ours")
    specs: dict[str, SignerSpec] = {
        "a": KEY,
        "ignoring": replace(KEY, log=LogUse.IGNORE, trust_root=ours),
        "b": replace(KEY, trust_root=ours),
        "ci": replace(KEYLESS, trust_root=ours),
        "pki": CertificateSpec("pki", WHO, PrivateAuthorities("pki", (), ours)),
        "alone": CertificateSpec("alone", WHO, PrivateAuthorities("pki", (), None)),
    }
    evidence = Evidence(unavailable=(away,))
    concerned = {name for name in specs if unknown(One(name), specs, evidence)}
    assert concerned == {"b", "ci", "pki"}
    assert unknown(AnyOf((One("a"), One("ci"))), specs, evidence) != []


def test_a_witness_of_another_trust_root_is_none() -> None:
    """One key, known to two signers by two logs: what one log has seen says nothing to who asks the other."""
    private = replace(KEY, name="p", log=LogUse.REQUIRED, trust_root=BuiltInRoot("ours"))
    public = replace(KEY, log=LogUse.REQUIRED)
    specs: dict[str, SignerSpec] = {"a": public, "p": private}
    facts = [signature(BY_ALICE, LOGGED), signature(KeySigner(alice().public, "ours"), UNWITNESSED)]
    found, refused = counted(AnyOf((One("a"), One("p"))), specs, facts, NOW)
    assert found == {"a": who(BY_ALICE), "p": frozenset()}
    assert [r.code for r in refused] == [Code.LOG_ENTRY_MISSING]


# in few words


def stranger(number: int) -> Reason:
    return Reason(Code.IDENTITY_MISMATCH, f"signed by {number}; needs us", "sign it as us")


OWN = Reason(Code.LOG_ENTRY_MISSING, "the signature by ci: none", "sign it")


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        ([stranger(1)], [stranger(1)]),
        ([stranger(1)] * 3, [stranger(1)]),
        (
            [stranger(1), stranger(2)],
            [Reason(Code.IDENTITY_MISMATCH, "signed by 1; needs us; signed by 2; needs us", "sign it as us")],
        ),
        # what is the signers' own says more than who else signed
        ([stranger(1), OWN, stranger(2)], [OWN]),
        ([OWN, OWN], [OWN]),
        ([OWN, replace(OWN, message="another")], [OWN, replace(OWN, message="another")]),
    ],
)
def test_objections_are_summed_up(refused: list[Reason], expected: list[Reason]) -> None:
    assert list(summed_up(refused)) == expected


def test_many_strangers_are_one_finding() -> None:
    (found,) = summed_up([stranger(i % 10) for i in range(100)])
    assert found.code is Code.IDENTITY_MISMATCH
    assert found.message.startswith("signed by 0; needs us; signed by 1; needs us; signed by 2; needs us; and 7 more")
    assert "signed by 3" not in found.message
