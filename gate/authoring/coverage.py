"""Which rules and exceptions the cases of tests have shown to work, and which they have not (POLICY §8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from gate.codes import INABILITY, NOTES
from gate.policy.policy import DenyRequirement, Mode, Tags, Unusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gate.authoring.cases import GateTestResult
    from gate.codes import Code
    from gate.policy.decision import Decision
    from gate.policy.finding import Finding
    from gate.policy.matching import Outcome
    from gate.policy.policy import Policy, Rule
    from gate.policy.policy_set import PolicySet
    from gate.policy.waiver import Waiver

_PolicyKey = tuple[str, str | None, str, str]
_RuleKey = tuple[_PolicyKey, int]
_WaiverKey: TypeAlias = "tuple[_PolicyKey | str, Waiver]"  # of a policy, or by the name of its GateException


@dataclass(frozen=True, slots=True)
class RuleCoverage:
    """What was seen of a rule.

    Attributes:
        passing: nothing was wrong, by itself: not because of an exception.
        failing: something was, and stood. That something could not be known is neither.
    """

    policy: Policy
    rule: Rule
    passing: bool
    failing: bool

    @property
    def name(self) -> str:
        """As findings quote it: `policy/rule`, of a `GatePolicy` `namespace/policy/rule`."""
        return "/".join(filter(None, (self.policy.namespace, self.policy.name, self.rule.name)))

    @property
    def complete(self) -> bool:
        """Whether all was seen that can be: nothing passes a `deny`."""
        return self.failing and (self.passing or isinstance(self.rule.requirement, DenyRequirement | Unusable))


@dataclass(frozen=True, slots=True)
class ExceptionCoverage:
    """What was seen of an exception.

    Attributes:
        owner: the policy whose it is, a GatePolicy with its namespace, or the `GateException`.
        policy: that policy; None of a `GateException`.
        used: it waived something.
        refused: its rule's finding stood: the exception is over, or does not reach that far.
    """

    owner: str
    policy: Policy | None
    waiver: Waiver
    used: bool
    refused: bool

    @property
    def name(self) -> str:
        """For people: whose, of which rule, how long and why."""
        return f"{self.owner}/{self.waiver.rule}: until {self.waiver.until} ({self.waiver.reason})"

    @property
    def complete(self) -> bool:
        """Whether both were seen."""
        return self.used and self.refused


@dataclass(frozen=True, slots=True)
class Coverage:
    """What all cases together have shown, in the order of tests, policies and rules."""

    rules: tuple[RuleCoverage, ...]
    exceptions: tuple[ExceptionCoverage, ...]

    @property
    def complete(self) -> bool:
        """Whether nothing is left that no case has shown."""
        return all(rule.complete for rule in self.rules) and all(one.complete for one in self.exceptions)


def coverage(results: Iterable[GateTestResult]) -> Coverage:
    """What the cases of tests have shown; a policy under several tests counts once."""
    seen = _Seen()
    for result in results:
        seen.add_policies(result.policies)
        for case in result.cases:
            for review in case.reviews:
                for outcome, found in _found(review.decision):
                    seen.add_outcome(outcome, found)
    return Coverage(tuple(seen.rules()), tuple(seen.exceptions()))


def _found(decision: Decision) -> Iterator[tuple[Outcome, list[Code]]]:
    """Each outcome with the codes of what its rule found, notes left out.

    Some of it shows only in the end: that nothing pins the tag that the rule wants pinned.
    """
    told = {_told(finding) for outcome in decision.outcomes for finding in outcome.findings}
    late = [finding for finding in decision.findings if _told(finding) not in told]
    for outcome in decision.outcomes:
        matched, rule = outcome.matched, outcome.rule.name
        own = list(outcome.findings)
        if matched.tags is Tags.PIN and matched.tag_rule == rule and matched.policy.mode is not Mode.AUDIT:
            own += [one for one in late if (one.namespace, one.policy, one.rule) == (*_named(matched.policy), rule)]
        yield outcome, [finding.code for finding in own if finding.code not in NOTES]


def _named(policy: Policy) -> tuple[str, str]:
    return policy.namespace or "", policy.name


def _told(finding: Finding) -> tuple[Code, str, str, str, str]:
    """What of a finding a break-glass leaves as it was."""
    return finding.code, finding.namespace, finding.policy, finding.rule, finding.message


class _Seen:
    """What has been seen so far."""

    def __init__(self) -> None:
        self._rules: dict[_RuleKey, tuple[Policy, Rule]] = {}
        self._waivers: dict[_WaiverKey, Policy | None] = {}
        self._of_rule: dict[_RuleKey, list[_WaiverKey]] = {}
        self._passing: set[_RuleKey] = set()
        self._failing: set[_RuleKey] = set()
        self._used: set[_WaiverKey] = set()
        self._refused: set[_WaiverKey] = set()

    def add_policies(self, policies: PolicySet) -> None:
        """What there is to be seen."""
        for policy in policies.policies:
            lent: list[_WaiverKey] = [
                (waiver.origin, waiver)
                for exception in policies.exceptions
                if policy.name in exception.policies and exception.namespace in policy.exceptions_from
                for waiver in exception.waivers
            ]
            own: list[_WaiverKey] = [(_key(policy), waiver) for waiver in policy.waivers]
            keys = [*own, *lent]
            self._waivers.update(dict.fromkeys(own, policy))
            self._waivers.update(dict.fromkeys(lent))
            for i, rule in enumerate(policy.rules):
                key = (_key(policy), i)
                self._rules[key] = (policy, rule)
                about = [one for one in keys if one[1].rule == rule.name]
                self._of_rule[key] = list(dict.fromkeys([*self._of_rule.get(key, ()), *about]))

    def add_outcome(self, outcome: Outcome, found: list[Code]) -> None:
        """What one rule came to, of one image; `found` are the codes of what it is quoted with."""
        policy = outcome.matched.policy
        key = (_key(policy), policy.rules.index(outcome.rule))
        if not outcome.reasons and not found:
            self._passing.add(key)
        if outcome.waived_by is not None:
            waiver = outcome.waived_by
            self._used.add((waiver.origin or _key(policy), waiver))
        # What could not be known says nothing of the rule; what an exception waived is no failure.
        if (not outcome.holds or not outcome.reasons) and any(code not in INABILITY for code in found):
            self._failing.add(key)
            self._refused.update(self._of_rule.get(key, ()))

    def rules(self) -> Iterator[RuleCoverage]:
        for key, (policy, rule) in self._rules.items():
            yield RuleCoverage(policy, rule, key in self._passing, key in self._failing)

    def exceptions(self) -> Iterator[ExceptionCoverage]:
        for key, policy in self._waivers.items():
            owner, waiver = key
            name = owner if isinstance(owner, str) else _name(owner)
            yield ExceptionCoverage(name, policy, waiver, key in self._used, key in self._refused)


def _key(policy: Policy) -> _PolicyKey:
    """The same for the same text, wherever it was read."""
    return policy.kind, policy.namespace, policy.name, policy.hash


def _name(key: _PolicyKey) -> str:
    """A namespace's policy may be called as the cluster's is."""
    kind, namespace, name, _ = key
    return f"{kind} {namespace}/{name}" if namespace else name
