from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gate.policy.identity import IdentityPattern, TextPattern
from gate.policy.signers import (
    CertificateSpec,
    Expression,
    KeylessSpec,
    KeySpec,
    LogUse,
    SignerSpec,
    needs_of,
)
from gate.policy.trust import SIGSTORE, BuiltInRoot, PrivateAuthorities, TrustNeeds, WitnessedKey
from gate.trust.window import Window
from tests.fakes.signing import alice, bob
from tests.unit.policy.expressions import A, B, C, at_least, either, every


@pytest.mark.parametrize(
    ("expression", "text", "spoken_of"),
    [
        (A, "a", "a"),
        (either(A, B), "a or b", "ab"),
        (every(A, B), "all of (a, b)", "ab"),
        (at_least(1, A, B), "1 of (a, b)", "ab"),
        (every(A, at_least(1, B, either(C, A))), "all of (a, 1 of (b, c or a))", "abc"),
    ],
)
def test_in_words(expression: Expression, text: str, spoken_of: str) -> None:
    assert str(expression) == text
    assert expression.names == frozenset(spoken_of)


# what signers want to be tried against

WHO = IdentityPattern(TextPattern("s"), TextPattern("i"))
KEY = KeySpec("a", alice().public)
OURS = BuiltInRoot("ours")
PKI = PrivateAuthorities("pki", (), OURS)
IN_TIME = Window(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("signers", "expected"),
    [
        ([], TrustNeeds()),
        ([KEY], TrustNeeds((WitnessedKey(alice().public, SIGSTORE),))),
        ([replace(KEY, log=LogUse.REQUIRED)], TrustNeeds((WitnessedKey(alice().public, SIGSTORE),))),
        ([replace(KEY, log=LogUse.IGNORE)], TrustNeeds((WitnessedKey(alice().public),))),
        # a key that counts for a time wants to know when
        ([replace(KEY, log=LogUse.IGNORE, window=IN_TIME)], TrustNeeds((WitnessedKey(alice().public, SIGSTORE),))),
        # whoever can't be read wants nothing
        ([KeySpec("s", None, missing="a Secret")], TrustNeeds()),
        ([KeySpec("s", None, LogUse.REQUIRED, "a Secret", IN_TIME)], TrustNeeds()),
        # to whom no witness matters, what is found with one is as good
        (
            [replace(KEY, log=LogUse.IGNORE), replace(KEY, trust_root=OURS), KEY],
            TrustNeeds((WitnessedKey(alice().public, OURS), WitnessedKey(alice().public, SIGSTORE))),
        ),
        ([KEY, replace(KEY, name="again")], TrustNeeds((WitnessedKey(alice().public, SIGSTORE),))),
        (
            [replace(KEY, log=LogUse.IGNORE), KeySpec("b", bob().public, LogUse.OPTIONAL)],
            TrustNeeds((WitnessedKey(alice().public), WitnessedKey(bob().public, SIGSTORE))),
        ),
        (
            [KeySpec("b", bob().public), KEY],
            TrustNeeds((WitnessedKey(bob().public, SIGSTORE), WitnessedKey(alice().public, SIGSTORE))),
        ),
        ([KeylessSpec("ci", WHO)], TrustNeeds(roots=(SIGSTORE,))),
        (
            [KeylessSpec("ci", WHO, OURS), KeylessSpec("cd", WHO), KeylessSpec("x", WHO, OURS, LogUse.IGNORE)],
            TrustNeeds(roots=(OURS, SIGSTORE)),
        ),
        (
            [CertificateSpec("p", WHO, PKI), CertificateSpec("q", WHO, replace(PKI)), KeylessSpec("ci", WHO)],
            TrustNeeds(roots=(SIGSTORE,), private=(PKI,)),
        ),
        (
            [CertificateSpec("p", WHO, PKI), CertificateSpec("q", WHO, replace(PKI, root=None))],
            TrustNeeds(private=(PKI, replace(PKI, root=None))),
        ),
    ],
)
def test_what_signers_are_tried_against(signers: list[SignerSpec], expected: TrustNeeds) -> None:
    found = needs_of(signers)
    assert found == expected
    assert hash(found) == hash(expected)
