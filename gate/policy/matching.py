"""Which policies are about an image where it stands, and how what their rules say becomes findings (POLICY §2)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from gate.codes import INABILITY, NOTES, Code
from gate.policy.finding import Finding, Reason, Verdict
from gate.policy.patterns import ImagePattern
from gate.policy.policy import Match, Mode
from gate.policy.summary import summed_up
from gate.policy.waiver import Inside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gate.image.digest import Digest
    from gate.image.reference import Reference
    from gate.policy.exceptions import Applicable, Leniency
    from gate.policy.policy import NamespaceSelector, Policy, Rule, Tags
    from gate.policy.waiver import Waiver

_NOTHING: Final[frozenset[str]] = frozenset()
_ANYTHING: Final = Inside()
_MODES: Final = {Mode.ENFORCE: Verdict.DENY, Mode.WARN: Verdict.WARN, Mode.AUDIT: Verdict.ALLOW}


@dataclass(frozen=True, slots=True)
class Workload:
    """What the image stands in. What is None is not known, and what is not known excludes no policy.

    Attributes:
        kind: such as `Deployment`.
        namespace: its name.
        namespace_labels: of that namespace.
        service_account: its name.
    """

    kind: str | None = None
    namespace: str | None = None
    namespace_labels: Mapping[str, str] | None = field(default=None, hash=False)
    service_account: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one rule of a policy came to.

    Attributes:
        matched: the policy.
        rule: the rule.
        reasons: why it does not hold; none where it does.
        findings: what becomes of them, exceptions and mode considered.
        waived_by: the exception that was used; None where none was.
    """

    matched: Matched
    rule: Rule
    reasons: tuple[Reason, ...]
    findings: tuple[Finding, ...]
    waived_by: Waiver | None = None

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong, or only what is waived."""
        return all(finding.code in NOTES for finding in self.findings)

    def joined(self, other: Outcome) -> Outcome:
        """What both halves of a rule come to."""
        if not other.reasons:
            return self
        findings = (*self.findings, *other.findings)
        used = self.waived_by or other.waived_by
        return replace(self, reasons=self.reasons + other.reasons, findings=findings, waived_by=used)


@dataclass(frozen=True, slots=True)
class Matched:
    """A policy that is about this image.

    Attributes:
        policy: itself.
        caveat: why it applies although not everything it asks for is known; "" where all is.
        exceptions: that are about the image, those that last longest first.
    """

    policy: Policy
    caveat: str = ""
    exceptions: tuple[Applicable, ...] = ()

    @property
    def tags(self) -> Tags | None:
        """What it wants of a tag."""
        return self.policy.tags(self._waived)

    @property
    def tag_rule(self) -> str:
        """The rule that wants it: what was judged by another rule than one that is waived has to be what runs."""
        return self.policy.tag_rule(self._waived)

    @property
    def _waived(self) -> frozenset[str]:
        """Rules that may be broken, whatever the digest is."""
        if not self.exceptions:
            return _NOTHING
        return frozenset(
            e.waiver.rule
            for e in self.exceptions
            if not e.over and not e.waiver.scope.digests and e.waiver.inside == _ANYTHING
        )

    def waives(self, rule: str, digest: Digest | None) -> bool:
        """Whether what a rule finds of an image counts for nothing."""
        return any(not one.over for one in self._about(rule, digest))

    def findings(self, rule: str, reason: Reason, digest: Digest | None) -> Iterator[Finding]:
        """What a rule's reason comes to: the finding, or that it is waived. That somebody is revoked nothing waives.

        Args:
            rule: its name.
            reason: what it says.
            digest: the image's; None where it is not known.
        """
        about = self._about(rule, digest, reason) if reason.code is not Code.REVOKED else []
        used = next((one for one in about if not one.over), None)
        if used is None:
            yield self.finding(rule, reason)
            yield from (self._note(Code.EXCEPTION_EXPIRED, rule, f"{one.waiver} is over") for one in about)
            return
        yield self._note(Code.EXCEPTION_USED, rule, f"{reason.code} waived by {used.waiver}; it was: {reason.message}")
        if used.ending:
            yield self._note(Code.EXCEPTION_EXPIRING, rule, f"{used.waiver} is in use and ends soon")

    def outcome(self, rule: Rule, reasons: Iterable[Reason], digest: Digest | None) -> Outcome:
        """What a rule's reasons come to, none of them being that it holds."""
        told = tuple(reasons)
        if not told:
            return Outcome(self, rule, (), ())
        findings = summed_up(f for reason in told for f in self.findings(rule.name, reason, digest))
        used = (one.waiver for reason in told for one in self._about(rule.name, digest, reason) if not one.over)
        waived = any(finding.code is Code.EXCEPTION_USED for finding in findings)
        return Outcome(self, rule, told, findings, next(used, None) if waived else None)

    def _about(self, rule: str, digest: Digest | None, reason: Reason | None = None) -> list[Applicable]:
        """The exceptions for what a rule finds; without a reason those that waive whatever it finds."""
        return [
            one
            for one in self.exceptions
            if one.waiver.rule == rule
            and one.waiver.scope.holds(digest)
            and one.waiver.inside.covers(reason.about if reason is not None else None)
        ]

    def _note(self, code: Code, rule: str, message: str) -> Finding:
        remedy = "renew it, or mend what it waives" if code is not Code.EXCEPTION_USED else ""
        return Finding(code, Verdict.ALLOW, message, remedy, self.policy.name, rule, self.policy.namespace or "")

    def finding(self, rule: str, reason: Reason) -> Finding:
        """The finding that a reason is in this policy's mode."""
        message, remedy = reason.message, reason.remedy
        verdict = verdict_in(self.policy.mode, reason.code)
        if self.caveat:
            message = f"{message} (applied because {self.caveat})"
            remedy = f"{remedy}; or pass --namespace-label or --namespaces FILE"
        return Finding(
            reason.code,
            verdict,
            message,
            remedy,
            self.policy.name,
            rule,
            self.policy.namespace or "",
            reason.rank,
        )


def match(policy: Policy, reference: Reference, workload: Workload, leniency: Leniency | None = None) -> Matched | None:
    """Whether a policy is about this image here; all its restrictions have to fit."""
    wanted = policy.match
    path = f"/{reference.name}"
    if not any(p.covers(path) for p in wanted.images) or any(p.covers(path) for p in wanted.exclude):
        return None
    if wanted.kinds and workload.kind not in (None, "Pod", *wanted.kinds):
        return None
    if wanted.service_accounts and workload.service_account not in (None, *wanted.service_accounts):
        return None
    caveat = _namespace_caveat(policy, workload)
    if caveat is None:
        return None
    exceptions = leniency.of(policy, reference.name, workload.namespace) if leniency else ()
    return Matched(policy, caveat, exceptions)


def _namespace_caveat(policy: Policy, workload: Workload) -> str | None:
    """What of a workload's namespace is not known, "" where nothing that matters; None where it does not fit."""
    wanted = policy.match.namespaces
    restricted = policy.namespace is not None or wanted.names or wanted.wants_labels
    if not restricted:
        return ""
    name = workload.namespace
    if name is None:
        return "its namespace is not known"
    if (policy.namespace is not None and name != policy.namespace) or (wanted.names and name not in wanted.names):
        return None
    if not wanted.wants_labels:
        return ""
    if workload.namespace_labels is None:
        return f"the labels of namespace {name} are unknown"
    return "" if wanted.labels_match(workload.namespace_labels) else None


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a policy is not about an image.

    Attributes:
        field: of `match`, such as `images`; `namespace` is that of a GatePolicy itself.
        why: got and wanted, for people.
    """

    field: str
    why: str


def misfits(policy: Policy, reference: Reference, workload: Workload) -> tuple[Misfit, ...]:
    """Every restriction of a policy that an image does not fit; () where the policy is about it.

    Each is put to `match` alone, so that the two never disagree, and `match` has nothing more to do.
    """
    wanted, anywhere = policy.match, Match((ImagePattern.parse("**"),))
    alone: dict[str, tuple[Match, str | None]] = {
        "images": (Match(wanted.images), None),
        "exclude": (replace(anywhere, exclude=wanted.exclude), None),
        "namespace": (anywhere, policy.namespace),
        "namespaces": (replace(anywhere, namespaces=wanted.namespaces), None),
        "kinds": (replace(anywhere, kinds=wanted.kinds), None),
        "serviceAccounts": (replace(anywhere, service_accounts=wanted.service_accounts), None),
    }
    return tuple(
        Misfit(field, _why_not(field, policy, reference, workload))
        for field, (only, namespace) in alone.items()
        if match(replace(policy, match=only, namespace=namespace), reference, workload) is None
    )


def _why_not(field: str, policy: Policy, reference: Reference, workload: Workload) -> str:
    wanted, name = policy.match, reference.name
    match field:
        case "images":
            return f"{name} is none of {', '.join(map(str, wanted.images))}"
        case "exclude":
            return f"{name} is excluded by {next(p for p in wanted.exclude if p.matches(name))}"
        case "namespace":
            return f"namespace {workload.namespace} is not its own, {policy.namespace}"
        case "namespaces":
            return f"namespace {workload.namespace} {_unlike(wanted.namespaces, workload)}"
        case "kinds":
            return f"kind {workload.kind} is none of {', '.join(('Pod', *wanted.kinds))}"
        case _:
            return f"service account {workload.service_account} is none of {', '.join(wanted.service_accounts)}"


def _unlike(wanted: NamespaceSelector, workload: Workload) -> str:
    if wanted.names and workload.namespace not in wanted.names:
        return f"is none of {', '.join(wanted.names)}"
    asked = [f"{key}={value}" for key, value in sorted(wanted.labels.items())]
    asked += [" ".join((e.key, e.operator, *e.values)) for e in wanted.expressions]
    keys = sorted({*wanted.labels, *(e.key for e in wanted.expressions)})
    labels = workload.namespace_labels or {}
    got = ", ".join(f"{key}={labels[key]}" for key in keys if key in labels)
    return f"has {got or 'none of these labels'}; wanted: {', '.join(asked)}"


def verdict_in(mode: Mode, code: Code) -> Verdict:
    """What a finding of this code is in a policy of this mode."""
    if mode is Mode.ENFORCE and code in INABILITY:
        return Verdict.ERROR
    return _MODES[mode]
