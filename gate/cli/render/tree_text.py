"""The text of `gate policy explain`: an explanation as a tree that reads from top to bottom.

What was found is told once and numbered; rules speak of the numbers.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, assert_never

from gate.authoring.explanation import Pinning, State, Use
from gate.cli.render.drawing import Branch, Mark
from gate.cli.render.tree_facts import Found
from gate.codes import NOTES, Code
from gate.policy.bases import BaseRequirement
from gate.policy.config import Where
from gate.policy.contents import AnyContent
from gate.policy.finding import Verdict
from gate.policy.policy import (
    AttestationRequirement,
    CelRequirement,
    DenyRequirement,
    ImageRequirement,
    Mode,
    SignatureRequirement,
    Unusable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gate.authoring.explanation import Excepted, Explanation, PolicyExplained, RuleExplained
    from gate.image.reference import Reference
    from gate.policy.finding import Finding
    from gate.policy.matching import Workload
    from gate.policy.policy import Policy, Requirement

_VERDICTS: Final = {
    Verdict.ALLOW: (Mark.GOOD, "ALLOWED"),
    Verdict.WARN: (Mark.WARNING, "WARNING"),
    Verdict.DENY: (Mark.BAD, "DENIED"),
    Verdict.ERROR: (Mark.UNKNOWN, "NOT JUDGED"),
}
_STATES: Final = {
    State.HOLDS: (Mark.GOOD, "holds"),
    State.WAIVED: (Mark.NOTE, "waived"),
    State.RECORDED: (Mark.NOTE, "does not hold: recorded, as its policy audits"),
    State.WARNED: (Mark.WARNING, "warns"),
    State.DENIED: (Mark.BAD, "denies"),
    State.NOT_JUDGED: (Mark.UNKNOWN, "could not be judged"),
    State.NOT_ASKED: (Mark.SKIPPED, "not asked"),
}
_MARKS: Final = {
    Verdict.ALLOW: Mark.NOTE,
    Verdict.WARN: Mark.WARNING,
    Verdict.DENY: Mark.BAD,
    Verdict.ERROR: Mark.UNKNOWN,
}
_USES: Final = {
    Use.USED: "used",
    Use.NOT_NEEDED: "not needed",
    Use.EXPIRED: "over, so it counts for nothing",
    Use.OTHER_IMAGE: "about other images",
    Use.NOT_YET: "reaches farther ahead than GateConfig allows, so it does not count yet",
    Use.NOT_GRANTED: "not granted by this policy here",
}
_TOLD: Final = {Use.USED: Code.EXCEPTION_USED, Use.EXPIRED: Code.EXCEPTION_EXPIRED}
_GLASSES: Final = {
    **_USES,
    Use.NOT_YET: "lasts longer than GateConfig allows, so it grants nothing",
    Use.NOT_GRANTED: "who created it is not known, so it grants nothing: only in a cluster is it",
}


def tree(told: Explanation, places: Sequence[str]) -> Branch:
    """The tree of one image.

    Args:
        told: why it got its verdict.
        places: where it is written, for people.
    """
    mark, word = _VERDICTS[told.verdict]
    reference = told.review.reference
    found = Found.of(told.review.known, reference)
    below = (
        *([Branch(f"written at {places[0]}{_more(len(places) - 1)}")] if places else []),
        *_image(told),
        *found.branches,
        *(_policy(reference, policy, found) for policy in told.policies),
        *_matched(told),
        *_revocations(told),
        *(Branch(f"{one.glass}: {_GLASSES[one.use]}", Mark.NOTE) for one in told.glasses),
        *(_finding(finding) for finding in told.findings if finding.code is not Code.PINNED_AT_ADMISSION),
        Branch(_pinning(told)),
        Branch(_why(told), mark, word),
    )
    return Branch(told.review.subject.text, mark, word, below)


def _more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""


# the image and where it stands


def _image(told: Explanation) -> Iterator[Branch]:
    reference = told.review.reference
    if reference is None:
        yield Branch("it is no image reference, so nothing was asked about it")
        return
    if str(reference) != reference.text:
        yield Branch(f"read as {reference}")
    if reference.digest is None and told.review.digest is not None:
        yield Branch(f"digest: {told.review.digest}, which is what {reference.effective_tag} means now")
    elif reference.digest is None and told.verdict is not Verdict.ERROR:
        yield Branch("digest: not looked up, as nothing asked for it")
    yield Branch(f"workload: {_workload(told.review.subject.workload)}")


def _workload(workload: Workload) -> str:
    parts = {
        "kind": workload.kind,
        "namespace": workload.namespace,
        "service account": workload.service_account,
        "its labels": _labels(workload.namespace_labels),
    }
    known = [f"{what} {value}" for what, value in parts.items() if value is not None]
    unknown = [what for what, value in parts.items() if value is None]
    if not known:
        return "not known, so no policy is left out for it"
    return ", ".join(known) + (f"; not known: {', '.join(unknown)}" if unknown else "")


def _labels(labels: Mapping[str, str] | None) -> str | None:
    if labels is None:
        return None
    return " ".join(f"{key}={value}" for key, value in sorted(labels.items())) or "none"


def _matched(told: Explanation) -> Iterator[Branch]:
    if told.review.reference is None or told.excluded:
        return
    if told.covered_by:
        yield Branch(f"matched by {', '.join(told.covered_by)}, so GateConfig.unmatched ({told.unmatched}) has no say")
    else:
        none = "no ClusterGatePolicy in enforce or warn is about it"
        yield Branch(f"unmatched: {none}, and GateConfig.unmatched is {told.unmatched}")


def _revocations(told: Explanation) -> Iterator[Branch]:
    digests, signers = told.revocations
    if digests or signers:
        yield Branch(f"revoked: {_count(digests, 'digest')} and {_count(signers, 'signer')} in this set")


def _count(number: int, one: str) -> str:
    return f"{number} {one}{'' if number == 1 else 's'}"


def _pinning(told: Explanation) -> str:
    match told.pinning:
        case Pinning.WRITTEN:
            return "pinning: nothing to do, its digest is written"
        case Pinning.STOPPED:
            return "pinning: none, as it may not run"
        case Pinning.NOT_WANTED:
            return "pinning: none, as no policy asks for it"
        case Pinning.PINS:
            what = "Pods and templates" if told.where is Where.ALL else "Pods; templates keep the tag"
            return f"pinning: admission writes {told.review.resolved or 'its digest'} in {what}"
        case _:
            assert_never(told.pinning)


def _why(told: Explanation) -> str:
    """Which findings decided, and over what."""
    rules = [rule for policy in told.policies for rule in policy.rules]
    counts = Counter(rule.state for rule in rules)
    words = [f"{counts[state]} {_counted(state)}" for state in _ORDER if counts[state]]
    names = ((one.policy.namespace, one.policy.name, rule.rule.name) for one, rule in told.decisive)
    decisive = ", ".join("/".join(filter(None, name)) for name in names)
    others = [f.code.value for f in told.findings if f.verdict is told.verdict and told.verdict is not Verdict.ALLOW]
    by = "; ".join(filter(None, (decisive, ", ".join(dict.fromkeys(others)))))
    tally = f"of {_count(len(rules), 'rule')}: {', '.join(words)}" if rules else "no rule is about it"
    several = len({State.DENIED, State.NOT_JUDGED, State.WARNED} & counts.keys()) > 1
    beats = ". Deny beats error beats warn beats allow" if several else ""
    return f"by {by} ({tally}){beats}" if by else tally


_ORDER: Final = (
    State.DENIED,
    State.NOT_JUDGED,
    State.WARNED,
    State.RECORDED,
    State.WAIVED,
    State.HOLDS,
    State.NOT_ASKED,
)


def _counted(state: State) -> str:
    return {
        State.NOT_JUDGED: "not judged",
        State.RECORDED: "recorded",
        State.DENIED: "denied",
        State.WARNED: "warned",
        State.HOLDS: "held",
    }.get(state, _STATES[state][1])


# policies and rules


def _policy(reference: Reference | None, told: PolicyExplained, found: Found) -> Branch:
    name = _named(told.policy)
    if told.misfits:
        whys = tuple(Branch(f"{misfit.field}: {misfit.why}") for misfit in told.misfits)
        return Branch("", Mark.SKIPPED, f"{name} is not about it", whys)
    states = {rule.state for rule in told.rules}
    worst = next(state for state in _ORDER if state in states)
    caveat = f"applied because {told.caveat}; pass --namespace-label or --namespaces FILE"
    below = [*([Branch(caveat, Mark.NOTE)] if told.caveat else []), *(_rule(rule, found) for rule in told.rules)]
    about = "is about it" if worst is not State.NOT_ASKED else "was not asked"
    return Branch(_covering(reference, told.policy), _STATES[worst][0], f"{name} {about}", tuple(below))


def _named(policy: Policy) -> str:
    where = f"{policy.namespace}/" if policy.namespace else ""
    mode = "" if policy.mode is Mode.ENFORCE else f" ({policy.mode})"
    return f"{policy.kind} {where}{policy.name}{mode}"


def _covering(reference: Reference | None, policy: Policy) -> str:
    """The pattern that covers it."""
    pattern = next((p for p in policy.match.images if reference and p.matches(reference.name)), None)
    return f"(images: {pattern})" if pattern is not None else ""


def _rule(told: RuleExplained, found: Found) -> Branch:
    mark, word = _STATES[told.state]
    below = [_finding(finding) for finding in told.findings]
    codes = {finding.code for finding in told.findings}
    below += [_excepted(one) for one in told.exceptions if _TOLD.get(one.use) not in codes]
    if told.search is not None:
        below += found.searched(told.search)
    kind = _kind(told.rule.requirement)
    name = told.rule.name if told.rule.name == kind else f"{told.rule.name} ({kind})"
    why = f": {told.not_asked}" if told.not_asked else ""
    return Branch(f"{word}{why}", mark, f"{name}:", tuple(below))


def _kind(requirement: Requirement) -> str:
    match requirement:
        case ImageRequirement():
            return "image"
        case DenyRequirement():
            return "deny"
        case SignatureRequirement():
            return "signature"
        case AttestationRequirement(content=AnyContent()):
            return f"attestation {requirement.types[0]}"
        case AttestationRequirement():
            return requirement.kind
        case BaseRequirement():
            return "base"
        case CelRequirement():
            return "cel"
        case Unusable():
            return "unusable"
        case _:
            assert_never(requirement)


def _finding(finding: Finding) -> Branch:
    mark = Mark.NOTE if finding.code in NOTES else _MARKS[finding.verdict]
    fix = (Branch(f"Fix: {finding.remedy}"),) if finding.remedy else ()
    return Branch(finding.message, mark, f"{finding.code.value}:", fix)


def _excepted(one: Excepted) -> Branch:
    return Branch(f"{one.waiver}: {_USES[one.use]}", Mark.NOTE)
