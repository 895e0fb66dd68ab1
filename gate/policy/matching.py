"""Which policies are about an image where it stands, and how what their rules say becomes findings (POLICY §2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.codes import INABILITY, Code
from gate.policy.decision import Finding, Reason, Verdict
from gate.policy.policy import Mode, Policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.image.reference import Reference

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
class Matched:
    """A policy that is about this image.

    Attributes:
        policy: itself.
        caveat: why it applies although not everything it asks for is known; "" where all is.
    """

    policy: Policy
    caveat: str = ""

    def finding(self, rule: str, reason: Reason) -> Finding:
        """The finding that a reason is in this policy's mode."""
        message, remedy = reason.message, reason.remedy
        if self.caveat:
            message = f"{message} (applied because {self.caveat})"
            remedy = f"{remedy}; or pass --namespace-label or --namespaces FILE"
        return Finding(reason.code, verdict_in(self.policy.mode, reason.code), message, remedy, self.policy.name, rule)


def match(policy: Policy, reference: Reference, workload: Workload) -> Matched | None:
    """Whether a policy is about this image here; all its restrictions have to fit."""
    wanted = policy.match
    if not any(p.matches(reference.name) for p in wanted.images) or any(
        p.matches(reference.name) for p in wanted.exclude
    ):
        return None
    if wanted.kinds and workload.kind not in (None, "Pod", *wanted.kinds):
        return None
    if wanted.service_accounts and workload.service_account not in (None, *wanted.service_accounts):
        return None
    return _match_namespace(policy, workload)


def _match_namespace(policy: Policy, workload: Workload) -> Matched | None:
    wanted = policy.match.namespaces
    restricted = policy.namespace is not None or wanted.names or wanted.wants_labels
    if not restricted:
        return Matched(policy)
    name = workload.namespace
    if name is None:
        return Matched(policy, "its namespace is not known")
    if (policy.namespace is not None and name != policy.namespace) or (wanted.names and name not in wanted.names):
        return None
    if not wanted.wants_labels:
        return Matched(policy)
    if workload.namespace_labels is None:
        return Matched(policy, f"the labels of namespace {name} are unknown")
    return Matched(policy) if wanted.labels_match(workload.namespace_labels) else None


def verdict_in(mode: Mode, code: Code) -> Verdict:
    """What a finding of this code is in a policy of this mode."""
    if mode is Mode.ENFORCE and code in INABILITY:
        return Verdict.ERROR
    return _MODES[mode]
