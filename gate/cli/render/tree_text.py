"""The text of `gate policy explain`: an explanation as a tree that reads from top to bottom."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, assert_never

from gate.authoring.explanation import Pinning, State, Use
from gate.cli.render.drawing import Branch, Mark
from gate.cli.render.json_report import kind_of
from gate.codes import NOTES
from gate.evidence.facts import CertificateSigner, VerifiedAttestation
from gate.policy.config import Where
from gate.policy.decision import Verdict
from gate.policy.policy import (
    AttestationRequirement,
    DenyRequirement,
    ImageRequirement,
    Mode,
    SignatureRequirement,
)
from gate.policy.signers import AnyOf, CertificateSpec, KeylessSpec, KeySpec, One

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gate.authoring.explanation import (
        Excepted,
        Explanation,
        Fact,
        PolicyExplained,
        Refused,
        RuleExplained,
        Search,
        Wanted,
    )
    from gate.evidence.facts import Rejection, Signer, Storage
    from gate.image.reference import Reference
    from gate.policy.decision import Finding
    from gate.policy.policy import Policy, Requirement
    from gate.policy.signers import SignerSpec

_MOST: Final = 20  # of one kind, such as signatures that do not verify; JSON has all
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
    at = [Branch(f"written at {places[0]}{_more(len(places) - 1)}")] if places else []
    below = (
        *at,
        _image(told),
        _workload(told),
        *(_policy(told.review.reference, policy) for policy in told.policies),
        *_unmatched(told),
        *_revocations(told),
        *(Branch(f"{one.glass}: {_GLASSES[one.use]}", Mark.NOTE) for one in told.glasses),
        *(_finding(finding) for finding in told.findings),
        Branch(_pinning(told)),
        Branch(_why(told), mark, word),
    )
    return Branch(told.review.subject.text, mark, word, below)


def _more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""


# the image and where it stands


def _image(told: Explanation) -> Branch:
    reference = told.review.reference
    if reference is None:
        return Branch("it is no image reference, so nothing was asked about it")
    plain = str(reference)
    named = f"read as {plain}" if plain != reference.text else "as written"
    if reference.digest is not None:
        return Branch(f"image: {named}; the digest decides")
    if told.review.digest is not None:
        return Branch(f"image: {named}, which is {told.review.digest} now")
    return Branch(f"image: {named}; its digest was not looked up" if not _tried(told) else f"image: {named}")


def _tried(told: Explanation) -> bool:
    return told.verdict is Verdict.ERROR


def _workload(told: Explanation) -> Branch:
    workload = told.review.subject.workload
    parts = {
        "kind": workload.kind,
        "namespace": workload.namespace,
        "service account": workload.service_account,
    }
    known = [f"{what} {value}" for what, value in parts.items() if value is not None]
    unknown = [what for what, value in parts.items() if value is None]
    if workload.namespace_labels is None:
        unknown.append("labels of the namespace")
    else:
        labels = ", ".join(f"{key}={value}" for key, value in sorted(workload.namespace_labels.items()))
        known.append(f"labels {labels}" if labels else "a namespace without labels")
    text = f"stands in: {'; '.join(known) or 'nothing that is known'}"
    return Branch(
        f"{text}. Not known, and so no reason to leave a policy out: {', '.join(unknown)}" if unknown else text
    )


def _unmatched(told: Explanation) -> Iterator[Branch]:
    if told.review.reference is None or told.excluded:
        return
    if told.covered_by:
        names = ", ".join(told.covered_by)
        yield Branch(f"matched: by {names}; so GateConfig.unmatched ({told.unmatched}) has no say")
    else:
        yield Branch(
            f"unmatched: no ClusterGatePolicy in enforce or warn is about it; GateConfig.unmatched is {told.unmatched}"
        )


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
    decisive = ", ".join(f"{policy.policy.name}/{rule.rule.name}" for policy, rule in told.decisive)
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
    }.get(state, _STATES[state][1])


# policies and rules


def _policy(reference: Reference | None, told: PolicyExplained) -> Branch:
    name = _named(told.policy)
    if told.misfits:
        whys = tuple(Branch(f"{misfit.field}: {misfit.why}") for misfit in told.misfits)
        return Branch("", Mark.SKIPPED, f"{name} is not about it", whys)
    states = {rule.state for rule in told.rules}
    worst = next(state for state in _ORDER if state in states)
    mark = _STATES[worst][0]
    caveat = f"applied because {told.caveat}; pass --namespace-label or --namespaces FILE"
    below = [*([Branch(caveat, Mark.NOTE)] if told.caveat else []), *(_rule(reference, rule) for rule in told.rules)]
    about = "is about it" if worst is not State.NOT_ASKED or reference is not None else "was not asked"
    return Branch(_covering(reference, told.policy), mark, f"{name} {about}", tuple(below))


def _named(policy: Policy) -> str:
    where = f"{policy.namespace}/" if policy.namespace else ""
    mode = "" if policy.mode is Mode.ENFORCE else f" ({policy.mode})"
    return f"{policy.kind} {where}{policy.name}{mode}"


def _covering(reference: Reference | None, policy: Policy) -> str:
    """The pattern that covers it."""
    pattern = next((p for p in policy.match.images if reference and p.matches(reference.name)), None)
    return f"(images: {pattern})" if pattern is not None else ""


def _rule(reference: Reference | None, told: RuleExplained) -> Branch:
    mark, word = _STATES[told.state]
    below = [_finding(finding) for finding in told.findings]
    below += [_excepted(one) for one in told.exceptions]
    if told.search is not None:
        below += _search(told.search, told.rule.requirement, reference)
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
        case AttestationRequirement(type=type_):
            return f"attestation {type_}"
        case _:
            assert_never(requirement)


def _finding(finding: Finding) -> Branch:
    mark = Mark.NOTE if finding.code in NOTES else _MARKS[finding.verdict]
    fix = (Branch(f"Fix: {finding.remedy}"),) if finding.remedy else ()
    return Branch(finding.message, mark, f"{finding.code.value}:", fix)


def _excepted(one: Excepted) -> Branch:
    return Branch(f"{one.waiver}: {_USES[one.use]}", Mark.NOTE, "exception:")


# what was found for a rule


def _search(found: Search, requirement: Requirement, reference: Reference | None) -> Iterator[Branch]:
    elsewhere = _elsewhere(found.place, reference)
    if elsewhere:
        yield Branch(f"looked for in {elsewhere}")
    if found.stale:
        yield Branch(found.stale, Mark.NOTE)
    yield _wanted(found.by, "needs ")
    if found.unless is not None:
        effect = "so minAge is void" if found.unless.met else "so minAge counts"
        yield _wanted(found.unless, f"unless ({effect}): ")
    asked = "attestation" if isinstance(requirement, AttestationRequirement) else "signature"
    yield from _group(f"verified, by nobody that the rule names: {{}} {asked}", [_fact(f) for f in found.strangers])
    yield from _group("do not verify: {}", [_rejected(r) for r in found.rejected])
    yield from _group("of other types, not looked at: {}", [Branch(t) for t in found.other_types])
    yield from _group(
        "could not be asked: {}",
        [Branch(u.message, Mark.UNKNOWN, f"{u.code.value}:") for u in found.unavailable],
    )


def _elsewhere(place: Storage, reference: Reference | None) -> str:
    prefix = f" below tags that begin with {place.tag_prefix}" if place.tag_prefix else ""
    home = reference is not None and place.repository == reference.name
    return "" if home and not prefix else f"{place.repository}{prefix}"


def _group(title: str, entries: list[Branch]) -> Iterator[Branch]:
    if entries:
        more = [Branch(f"and {len(entries) - _MOST} more; --output json has all")] if len(entries) > _MOST else []
        yield Branch(title.format(len(entries)), below=(*entries[:_MOST], *more))


def _wanted(wanted: Wanted, before: str = "") -> Branch:
    mark = Mark.GOOD if wanted.met else Mark.BAD
    if wanted.signer is not None:
        if wanted.missing:
            return Branch(wanted.missing, Mark.UNKNOWN, f"{before}{wanted.signer.name}:")
        chosen = [_fact(fact, wanted.signer, Mark.GOOD) for fact in wanted.chosen[:_MOST]]
        refused = [_refused(one) for one in wanted.refused[:_MOST]]
        left = len(wanted.chosen) + len(wanted.refused) - len(chosen) - len(refused)
        more = [Branch(f"and {left} more; --output json has all")] if left else []
        none = "" if chosen or refused else ": nothing by it was found"
        text = f"{_signer(wanted.signer)}{none}"
        return Branch(text, mark, f"{before}{wanted.signer.name}:", (*chosen, *refused, *more))
    parts = tuple(_wanted(part) for part in wanted.parts)
    fewer = sum(part.met for part in wanted.parts) > wanted.principals
    same = f"; who signed is {_count(wanted.principals, 'principal')} in all" if fewer else ""
    return Branch(f"{_expression(wanted)}{same}", mark, before.rstrip(), parts)


def _expression(wanted: Wanted) -> str:
    match wanted.expression:
        case One(name):
            return name
        case AnyOf():
            return "any of"
        case at_least:
            count = at_least.count
            return "all of, each by another" if count == len(wanted.parts) else f"{count} of, each by another"


def _signer(spec: SignerSpec) -> str:
    match spec:
        case KeySpec():
            return spec.key.short if spec.key is not None else "a key"
        case KeylessSpec() | CertificateSpec():
            return str(spec.identity)
        case _:
            assert_never(spec)


def _fact(fact: Fact, spec: SignerSpec | None = None, mark: Mark = Mark.NOTE) -> Branch:
    by = "" if isinstance(spec, KeySpec) else f" by {_who(fact.signer)}"
    return Branch(f"{_stored(fact)}{by}, {_when(fact)}", mark, "counts:" if mark is Mark.GOOD else "")


def _refused(one: Refused) -> Branch:
    reason = one.reason
    return Branch(f"{reason.message} ({_stored(one.fact)}, {_when(one.fact)})", Mark.BAD, f"{reason.code.value}:")


def _who(signer: Signer) -> str:
    return str(signer.identity) if isinstance(signer, CertificateSigner) else str(signer)


def _stored(fact: Fact) -> str:
    type_ = f"{fact.predicate_type} " if isinstance(fact, VerifiedAttestation) else ""
    return f"{type_}{fact.format.value} {fact.digest.short}"


def _when(fact: Fact) -> str:
    earliest = fact.witness.earliest
    if earliest is None:
        return "at no time that is proved"
    return f"{earliest.at:%Y-%m-%dT%H:%M:%SZ} says {earliest.by} ({earliest.source.value})"


def _rejected(rejection: Rejection) -> Branch:
    stored = f"({kind_of(rejection)}, {rejection.format.value} {rejection.digest.short})"
    return Branch(f"{rejection.reason} {stored}", Mark.BAD, f"{rejection.code.value}:")
