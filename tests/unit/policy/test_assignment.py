"""Whether principals meet an expression: each entry by one of its own, always soon."""

from __future__ import annotations

import itertools

import pytest

from gate.policy.assignment import MAX_CHOICES, choices_of, satisfied
from gate.policy.signers import AtLeast, Expression, One
from tests.unit.policy.expressions import A, B, C, D, at_least, either, every, found


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


# what once took seconds, or was given up as unmet


@pytest.mark.parametrize("people", [5, 30, 400])
def test_many_who_fit_everything_and_one_who_has_to_be_among_them(people: int) -> None:
    """One workflow signs for every branch, and four signers of five accept all of them (a policy may say so)."""
    anybody = frozenset(f"identity:{number:04}" for number in range(people))
    names = ["b0", "b1", "b2", "b3"]
    found = {**dict.fromkeys(names, anybody), "lead": frozenset({"identity:0000"})}
    everyone = AtLeast(5, tuple(map(One, [*names, "lead"])))
    assert satisfied(everyone, found)
    found["deputy"] = frozenset({"identity:0000"})
    assert not satisfied(AtLeast(6, (*everyone.entries, One("deputy"))), found)


def test_groups_take_others_of_theirs_where_one_is_wanted_elsewhere() -> None:
    # `a` of the first group is the only one for the second: the first has to take `b`, `c`
    found = {"a": frozenset({"1"}), "b": frozenset({"2"}), "c": frozenset({"3"}), "d": frozenset({"1"})}
    groups = every(at_least(2, One("a"), One("b"), One("c")), at_least(1, One("d"), One("none")))
    assert satisfied(groups, found)
    assert not satisfied(every(at_least(3, One("a"), One("b"), One("c")), groups), found)


def test_a_deep_exchange() -> None:
    """Each of a row takes its neighbour's, down to the last, who takes what nobody has."""
    found = {f"s{i}": frozenset({f"{i}", f"{i + 1}"}) for i in range(30)} | {"s30": frozenset({"0"})}
    assert satisfied(AtLeast(31, tuple(One(f"s{i}") for i in range(31))), found)
    found["s29"] = frozenset({"29"})
    assert not satisfied(AtLeast(31, tuple(One(f"s{i}") for i in range(31))), found)


@pytest.mark.parametrize(
    ("expression", "choices"),
    [
        (A, 1),
        (either(A, B, either(C, D)), 1),
        (AtLeast(16, tuple(One(f"s{i}") for i in range(32))), 1),
        (every(A, at_least(1, B, C), either(C, D)), 1),
        (either(A, every(B, C)), 2),
        (at_least(2, A, B, every(C, D)), 3),
        (at_least(2, every(A, B), every(B, C), every(C, D)), 3),
        (AtLeast(8, tuple(every(One(f"a{i}"), One(f"b{i}")) for i in range(16))), MAX_CHOICES + 1),
        (every(*(either(every(A, B), every(C, D)) for _ in range(7))), MAX_CHOICES + 1),
    ],
)
def test_how_many_choices_an_expression_is(expression: Expression, choices: int) -> None:
    assert choices_of(expression) == choices
