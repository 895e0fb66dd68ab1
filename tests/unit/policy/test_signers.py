from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gate.policy.identity import IdentityPattern, TextPattern
from gate.policy.signers import (
    AnyOf,
    AtLeast,
    CertificateSpec,
    Expression,
    KeylessSpec,
    KeySpec,
    LogUse,
    One,
    SignerSpec,
    names,
    needs_of,
    satisfied,
)
from gate.policy.trust import SIGSTORE, BuiltInRoot, PrivateAuthorities, TrustNeeds, WitnessedKey
from gate.trust.window import Window
from tests.fakes.signing import alice, bob

A, B, C, D = map(One, "abcd")


def found(text: str) -> dict[str, frozenset[str]]:
    """`a=1 b=1,2`: signer a was met by principal 1, b by 1 and 2."""
    pairs = (entry.split("=") for entry in text.split())
    return {name: frozenset(principals.split(",")) for name, principals in pairs}


def at_least(count: int, *entries: Expression) -> AtLeast:
    return AtLeast(count, entries)


def every(*entries: Expression) -> AtLeast:
    return AtLeast(len(entries), entries)


def either(*options: Expression) -> AnyOf:
    return AnyOf(options)


@pytest.mark.parametrize(
    ("expression", "met", "not_met"),
    [
        (A, ["a=1", "a=1,2 b=3"], ["", "b=1"]),
        (either(A, B), ["a=1", "b=1", "a=1 b=1"], ["", "c=1"]),
        (every(A, B), ["a=1 b=2", "a=1 b=1,2", "a=1,2 b=1"], ["", "a=1", "b=1", "a=1,2", "a=1 b=1"]),
        (every(A), ["a=1"], ["b=1"]),
        (every(A, A), ["a=1,2"], ["a=1", "a=1 b=2"]),
        (at_least(1, A, B), ["a=1", "b=1"], ["c=1"]),
        (at_least(2, A, B, C), ["a=1 b=2", "b=1 c=2", "a=1 c=2", "a=1 b=1 c=2"], ["a=1", "a=1,2", "a=1 b=1 c=1"]),
        # two principals of one entry count once
        (at_least(2, either(A, B), C), ["a=1 c=2", "b=1 c=2"], ["a=1 b=2", "a=1,2"]),
        # one principal meets one entry, here and below
        (every(either(A, B), either(B, C)), ["a=1 c=2", "b=1,2", "a=1 b=2"], ["b=1", "a=1 b=1", "b=1 c=1"]),
        (every(A, at_least(1, B, C)), ["a=1 b=2", "a=1 c=2", "a=1 b=1 c=2"], ["a=1", "b=1 c=2", "a=1 b=1 c=1"]),
        (every(either(A, every(B, C)), D), ["a=1 d=2", "b=1 c=2 d=3"], ["b=1 d=2", "b=1 c=2 d=1", "b=1 c=2"]),
        (either(every(A, B), every(C, D)), ["a=1 b=2", "c=1 d=2"], ["a=1 c=2", "b=1 d=2"]),
        # the first choice may have to be taken back
        (every(A, B, C), ["a=1,2,3 b=1 c=2", "a=1,2,3 b=1,2 c=1"], ["a=1,2 b=1 c=2", "a=1,2 b=1,2 c=1,2"]),
        (at_least(2, every(A, B), every(B, C), every(C, D)), ["a=1 b=2 c=3 d=4"], ["a=1 b=2 c=3", "b=1 c=2 d=3"]),
    ],
)
def test_satisfied(expression: Expression, met: list[str], not_met: list[str]) -> None:
    assert [text for text in met if not satisfied(expression, found(text))] == []
    assert [text for text in not_met if satisfied(expression, found(text))] == []


@pytest.mark.parametrize("count", range(1, 6))
@pytest.mark.parametrize("present", range(6))
def test_n_of_m(count: int, present: int) -> None:
    signers = [One(str(i)) for i in range(5)]
    for there in itertools.combinations(range(5), present):
        principals = {str(i): frozenset({f"key:{i}"}) for i in there}
        assert satisfied(AtLeast(count, tuple(signers)), principals) is (present >= count)


@pytest.mark.parametrize("count", range(1, 6))
def test_one_key_under_many_names_counts_once(count: int) -> None:
    principals = {str(i): frozenset({"key:the same"}) for i in range(5)}
    assert satisfied(AtLeast(count, tuple(One(str(i)) for i in range(5))), principals) is (count == 1)


def test_more_is_wanted_than_there_is() -> None:
    assert not satisfied(AtLeast(3, (A, B)), found("a=1,2,3 b=4,5,6"))


def test_many_signers_are_decided_at_once() -> None:
    signers = tuple(One(f"s{i}") for i in range(32))
    principals = {f"s{i}": frozenset({f"key:{i}"}) for i in range(32)}
    assert satisfied(AtLeast(32, signers), principals)
    principals["s31"] = frozenset({"key:0"})
    assert not satisfied(AtLeast(32, signers), principals)
    assert satisfied(AtLeast(31, signers), principals)


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
    assert names(expression) == frozenset(spoken_of)


def test_a_contrived_expression_ends_unmet_instead_of_searching_for_ever() -> None:
    names = [f"s{i}" for i in range(15)]
    leaves = tuple(One(n) for n in names)
    impossible = AtLeast(2, (One("s0"), One("missing")))
    expression = AtLeast(16, (*leaves, *leaves, impossible))
    found = {n: frozenset({f"key:{n}"}) for n in names} | {"missing": frozenset({"key:s0"})}
    assert not satisfied(expression, found)


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
