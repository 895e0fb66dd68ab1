"""What is wrong with a policy set that does not make it invalid: what has ended, what can never be, what does nothing.

Beside the problems that reading it finds (`ParsedSet.problems`): those keep it from being used, these do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.authoring import clock, demands, entries, inside, mirrors, reach
from gate.authoring.covering import Comparer
from gate.policy.policy import Mode
from gate.policy.reading.checks import Check
from gate.policy.reading.notes import Notes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from gate.policy.policy import Policy
    from gate.policy.reading.problems import Problem
    from gate.policy.reading.sets import ParsedSet, Written


def lint(parsed: ParsedSet, now: datetime) -> tuple[Problem, ...]:
    """What its authors should know of a set at an instant. Of what is invalid nothing is said that is not certain.

    Args:
        parsed: the set, as it was read.
        now: the instant: some things end.
    """
    problems: list[Problem] = []
    comparer = Comparer()
    config = parsed.set.config
    policies = [written for written in parsed.policies if written.whole]
    for written in policies:
        notes = Notes(written.document, problems)
        clock.check_waivers(notes, written.value.waivers, config, now)
        clock.check_signers(notes, written.value.signers, now)
        entries.check_entries(notes)
        demands.check_demands(notes, written.value)
        inside.check_policy(notes, written.value)
        mirrors.check_policy(notes, written.value, config)
        if not comparer.exhausted():
            reach.check_policy(notes, written.value, config, comparer)
            if comparer.exhausted():
                said = "from here on patterns are not compared with each other: there are too many"
                notes.add(Check.NOT_COMPARED, ("kind",), said, "lint fewer policies at a time")
    known = [written.value for written in policies]
    for exception in parsed.exceptions:
        if exception.whole:
            notes = Notes(exception.document, problems)
            clock.check_waivers(notes, exception.value.waivers, config, now)
            entries.check_entries(notes)
            mirrors.check_waivers(notes, exception.value.waivers, config)
            if len(policies) == len(parsed.policies):
                inside.check_exception(notes, exception.value, known)
                reach.check_exception(notes, exception.value, known, comparer)
    _check_enforced(parsed.policies, problems)
    return tuple(problems)


def _check_enforced(policies: Iterable[Written[Policy]], problems: list[Problem]) -> None:
    """Where cluster policies only record, `unmatched` decides on every image."""
    cluster = [written for written in policies if written.value.kind == "ClusterGatePolicy"]
    if cluster and all(written.value.mode is Mode.AUDIT for written in cluster):
        Notes(cluster[0].document, problems).add(
            Check.NOTHING_ENFORCED,
            ("spec", "mode"),
            "no ClusterGatePolicy here enforces or warns: every image is unmatched, as `GateConfig.unmatched` has it",
            "write mode: enforce or mode: warn in one",
        )
