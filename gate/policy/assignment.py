"""Whether principals meet an expression, each entry by a principal of its own (POLICY §5).

An expression is a choice of *demands*: so many of some leaves, a leaf being a name or any of several names. One choice
is met if leaves can be given different principals, which is a matching and needs no search. Expressions that are more
than `MAX_CHOICES` choices are refused where they are written, so there is always an answer, and always soon.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, assert_never

from gate.policy.signers import AnyOf, AtLeast, Expression, One

MAX_CHOICES: Final = 64

Principals = Mapping[str, frozenset[str]]
"""The principals that were found, by signer name."""

_Leaf = frozenset[str]


@dataclass(frozen=True, slots=True)
class _Demand:
    """So many of some leaves."""

    count: int
    leaves: tuple[_Leaf, ...]


def satisfied(expression: Expression, found: Principals) -> bool:
    """Whether an assignment of distinct principals meets the expression."""
    leaf = _leaf(expression)
    if leaf is not None:
        return any(found.get(name) for name in leaf)
    return any(_is_met(choice, found) for choice in _choices(expression))


def choices_of(expression: Expression) -> int:
    """How many choices an expression is; `MAX_CHOICES` and one more stands for all that are more."""
    return sum(1 for _ in itertools.islice(_choices(expression), MAX_CHOICES + 1))


def _choices(expression: Expression) -> Iterator[tuple[_Demand, ...]]:
    """Each way to meet an expression, as demands that have to be met together."""
    leaf = _leaf(expression)
    if leaf is not None:
        yield (_Demand(1, (leaf,)),)
        return
    match expression:
        case AnyOf(options):
            for option in options:
                yield from _choices(option)
        case AtLeast(count, entries):
            leaves = [_leaf(entry) for entry in entries]
            if None not in leaves:
                yield (_Demand(count, tuple(leaf for leaf in leaves if leaf is not None)),)
                return
            for chosen in itertools.combinations(entries, count):
                for together in itertools.product(*(tuple(_some(entry)) for entry in chosen)):
                    yield tuple(itertools.chain.from_iterable(together))
        case One():
            raise AssertionError("a name is a leaf")
        case _:
            assert_never(expression)


def _some(expression: Expression) -> Iterator[tuple[_Demand, ...]]:
    return itertools.islice(_choices(expression), MAX_CHOICES + 1)


def _leaf(expression: Expression) -> _Leaf | None:
    """The names of which one principal meets an expression; None where that is not all there is to it."""
    match expression:
        case One():
            return expression.names
        case AnyOf(options):
            return expression.names if all(isinstance(o, One) or _leaf(o) is not None for o in options) else None
        case AtLeast():
            return None
        case _:
            assert_never(expression)


def _is_met(choice: tuple[_Demand, ...], found: Principals) -> bool:
    """Whether the demands can be met together."""
    flow = _Flow(choice, found)
    return all(flow.add(group, set(), set()) for group, demand in enumerate(choice) for _ in range(demand.count))


class _Flow:
    """Each demand takes as many of its leaves as it wants, each leaf a principal, and each principal is taken once.

    A maximum flow by augmenting paths (Ford and Fulkerson): what was given is moved where that serves one more.
    """

    def __init__(self, choice: tuple[_Demand, ...], found: Principals) -> None:
        leaves = [(group, leaf) for group, demand in enumerate(choice) for leaf in demand.leaves]
        self._group_of = [group for group, _ in leaves]
        # A leaf that as many principals fit as there are leaves can be served last, whoever took what.
        self._options = [
            sorted(frozenset().union(*(found.get(name, frozenset()) for name in leaf)))[: len(leaves)]
            for _, leaf in leaves
        ]
        self._used = [False] * len(leaves)
        self._taken: dict[str, int] = {}

    def add(self, group: int, groups: set[int], principals: set[str]) -> bool:
        """Serve one more leaf of a demand; the sets are what this path has been through."""
        if group in groups:
            return False
        groups.add(group)
        for leaf, of_group in enumerate(self._group_of):
            if of_group == group and not self._used[leaf] and self._serve(leaf, groups, principals):
                self._used[leaf] = True
                return True
        return False

    def _serve(self, leaf: int, groups: set[int], principals: set[str]) -> bool:
        """Give a leaf a principal: one that is free, or one whose leaf takes another or whose demand another leaf."""
        for principal in self._options[leaf]:
            if principal in principals:
                continue
            principals.add(principal)
            other = self._taken.get(principal)
            if other is not None and not self._serve(other, groups, principals):
                if not self.add(self._group_of[other], groups, principals):
                    continue
                self._used[other] = False
            self._taken[principal] = leaf
            return True
        return False
