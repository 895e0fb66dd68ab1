"""Policies as frozen values (POLICY.md §1, §4, §7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, assert_never

from gate.evidence.facts import Storage
from gate.image.platforms import ConfigsWanted
from gate.policy.bases import BaseRequirement
from gate.policy.contents import ANY_CONTENT, AnyContent, ScanContent, Select
from gate.policy.predicate_types import VEX_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from gate.image.digest import Digest
    from gate.image.manifest import Platform
    from gate.image.reference import Repository
    from gate.policy.contents import Content, VexUse
    from gate.policy.expressions import Condition
    from gate.policy.patterns import ImagePattern, RegistryPrefix
    from gate.policy.signers import Expression, SignerSpec
    from gate.policy.waiver import Waiver


class Mode(StrEnum):
    """What a policy's findings do."""

    ENFORCE = "enforce"
    WARN = "warn"
    AUDIT = "audit"


class Tags(StrEnum):
    """What is wanted of a reference written with a tag."""

    PIN = "pin"
    DIGEST = "digest"
    UNSAFE_ANY = "unsafeAny"


@dataclass(frozen=True, slots=True)
class LabelExpression:
    """A Kubernetes label selector requirement."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """As Kubernetes: `NotIn` holds where the label is absent."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels


@dataclass(frozen=True, slots=True)
class NamespaceSelector:
    """Which namespaces: empty parts restrict nothing, all that are given must fit."""

    names: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    expressions: tuple[LabelExpression, ...] = ()

    @property
    def wants_labels(self) -> bool:
        """Whether it can't be answered by the name alone."""
        return bool(self.labels or self.expressions)

    def labels_match(self, labels: Mapping[str, str]) -> bool:
        """Whether a namespace's labels fit."""
        return all(labels.get(k) == v for k, v in self.labels.items()) and all(
            e.matches(labels) for e in self.expressions
        )


@dataclass(frozen=True, slots=True)
class Match:
    """Which images a policy is about."""

    images: tuple[ImagePattern, ...]
    exclude: tuple[ImagePattern, ...] = ()
    namespaces: NamespaceSelector = NamespaceSelector()
    kinds: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageRequirement:
    """The `image` rule.

    Attributes:
        registries: where it may come from; empty: anywhere.
        tags: what becomes of a tag.
        deny_tags: tags, or patterns of them, that are denied.
        deny_tags_with_digest: whether they are where a digest is written too.
        deny_digests: digests that are denied.
        max_age: since it was created, as its publisher says.
        platforms: what it has to be built for, and what the rest is asked of; empty: all that it is built for.
        labels: that it has to have, each with a pattern of its value.
        non_root: whether it has to run as somebody else than root.
    """

    registries: tuple[RegistryPrefix, ...] = ()
    tags: Tags = Tags.PIN
    deny_tags: tuple[str, ...] = ("latest",)
    deny_tags_with_digest: bool = False
    deny_digests: tuple[Digest, ...] = ()
    max_age: timedelta | None = None
    platforms: tuple[Platform, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    non_root: bool = False

    @property
    def configs(self) -> ConfigsWanted | None:
        """The configurations that it is judged by; None where it asks nothing of what its publisher says."""
        if self.max_age is not None or self.labels or self.non_root:
            return ConfigsWanted(frozenset(self.platforms) or None)
        return ConfigsWanted() if self.platforms else None


@dataclass(frozen=True, slots=True)
class DenyRequirement:
    """The `deny` rule."""

    message: str = ""


@dataclass(frozen=True, slots=True)
class Unusable:
    """Stands for the rules of a policy that can't be used, so that its images are denied in its mode (POLICY §2).

    Attributes:
        why: for people.
    """

    why: str


@dataclass(frozen=True, slots=True)
class Kept:
    """Where signatures or attestations are kept.

    Attributes:
        repository: another than the image's.
        tag_prefix: before cosign's tags.
    """

    repository: Repository | None = None
    tag_prefix: str = ""

    def of(self, home: Repository) -> Storage:
        """Those of an image in `home`."""
        return Storage(self.repository or home, self.tag_prefix)


@dataclass(frozen=True, slots=True)
class SignatureRequirement:
    """The `signature` rule.

    Attributes:
        by: whose signatures are wanted.
        annotations: what every counted signature carries.
        kept: where the signatures are.
        reference_match: the signed docker-reference has to be the image's repository.
        platform_evidence: whether the signatures of every image of an index may stand in for those of the index.
        max_age: how old a signature may be.
        min_age: how old every signature that counts has to be.
        unless: whose signatures make `min_age` void.
    """

    by: Expression
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    kept: Kept = Kept()
    reference_match: bool = False
    platform_evidence: bool = False
    max_age: timedelta | None = None
    min_age: timedelta | None = None
    unless: Expression | None = None

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Everybody that it speaks of."""
        return (self.by, self.unless) if self.unless is not None else (self.by,)


@dataclass(frozen=True, slots=True)
class AttestationRequirement:
    """The `attestation` rule; and `sbom`, `scan` and `provenance`, which are this with a known predicate.

    Attributes:
        by: whose attestation is wanted.
        types: the predicate types of what is looked for, URIs.
        kept: where the attestations are.
        select: which of several have to pass.
        max_age: how old one may be.
        content: what its predicate has to say.
        condition: CEL on it; None where there is none.
        message: why, for people, beside what is wrong.
        platform_evidence: as of signatures.
    """

    by: Expression
    types: tuple[str, ...]
    kept: Kept = Kept()
    select: Select = Select.ANY
    max_age: timedelta | None = None
    content: Content = ANY_CONTENT
    condition: Condition | None = None
    message: str = ""
    platform_evidence: bool = False

    @property
    def kind(self) -> str:
        """The type of the rule, as policies write it."""
        return self.content.kind

    @property
    def vex(self) -> VexUse | None:
        """Whose word on findings counts."""
        return self.content.vex if isinstance(self.content, ScanContent) else None

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Everybody that it speaks of."""
        return (self.by,) if self.vex is None else (self.by, self.vex.by)

    @property
    def looks_inside(self) -> bool:
        """Whether it matters what predicates say, be it only when they were made."""
        return not isinstance(self.content, AnyContent) or self.condition is not None or self.max_age is not None

    @property
    def fetched_types(self) -> tuple[str, ...]:
        """The predicate types that have to be read to judge it."""
        return self.types if self.vex is None else (*self.types, *VEX_TYPES)


@dataclass(frozen=True, slots=True)
class CelRequirement:
    """The `cel` rule: an expression about the image.

    Attributes:
        message: why, for people; "" for nothing beside the expression.
    """

    condition: Condition
    message: str = ""


Requirement = (
    ImageRequirement
    | DenyRequirement
    | SignatureRequirement
    | AttestationRequirement
    | BaseRequirement
    | CelRequirement
    | Unusable
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One requirement and what findings call it.

    Attributes:
        signers: that it speaks of, sorted.
        needs_digest: whether the reference alone does not tell everything.
    """

    name: str
    requirement: Requirement
    signers: tuple[str, ...] = field(init=False, compare=False, repr=False)
    needs_digest: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "signers", tuple(sorted(_names_in(self.requirement))))
        object.__setattr__(self, "needs_digest", _needs_digest(self.requirement))


def _needs_digest(requirement: Requirement) -> bool:
    match requirement:
        case ImageRequirement():
            return bool(requirement.deny_digests) or requirement.configs is not None
        case DenyRequirement() | Unusable():
            return False
        case SignatureRequirement() | AttestationRequirement() | BaseRequirement() | CelRequirement():
            return True
        case _:
            assert_never(requirement)


def _names_in(requirement: Requirement) -> frozenset[str]:
    match requirement:
        case SignatureRequirement() | AttestationRequirement():
            return frozenset().union(*(expression.names for expression in requirement.expressions))
        case BaseRequirement(by=by):
            return by.names if by is not None else frozenset()
        case ImageRequirement() | DenyRequirement() | CelRequirement() | Unusable():
            return frozenset()
        case _:
            assert_never(requirement)


@dataclass(frozen=True, slots=True)
class Policy:
    """A `ClusterGatePolicy`, or a `GatePolicy` (then `namespace` is its own).

    Attributes:
        hash: of its content, `sha256:…`; the same text gives the same hash everywhere.
        waivers: its own exceptions.
        exceptions_from: namespaces whose `GateException`s count.
    """

    kind: str
    name: str
    mode: Mode
    match: Match
    rules: tuple[Rule, ...]
    signers: Mapping[str, SignerSpec] = field(default_factory=dict, hash=False)
    namespace: str | None = None
    hash: str = ""
    waivers: tuple[Waiver, ...] = ()
    exceptions_from: frozenset[str] = frozenset()
    _tags: Tags | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tags", self._strictest(frozenset()))

    def tags(self, waived: frozenset[str] = frozenset()) -> Tags | None:
        """The strictest `tags` of its rules, those that imply `pin` included; None where it has no say.

        Args:
            waived: rules that may be broken: to want a digest becomes to have it written by admission.
        """
        return self._strictest(waived) if waived else self._tags

    def _strictest(self, waived: frozenset[str]) -> Tags | None:
        wanted = [_tags_of(rule, waived) for rule in self.rules]
        return next((t for t in (Tags.DIGEST, Tags.PIN, Tags.UNSAFE_ANY) if t in wanted), None)

    def tag_rule(self, waived: frozenset[str] = frozenset()) -> str:
        """The rule that `tags` comes from: one that may not be broken, if there is any; their order does not matter."""
        wanted = self.tags(waived)
        names = sorted(rule.name for rule in self.rules if _tags_of(rule, waived) is wanted)
        return next((name for name in names if name not in waived), names[0] if names else "")


def _tags_of(rule: Rule, waived: frozenset[str]) -> Tags | None:
    match rule.requirement:
        case ImageRequirement(tags=Tags.DIGEST) if rule.name in waived:
            return Tags.PIN
        case ImageRequirement():
            return rule.requirement.tags
        case DenyRequirement() | Unusable():
            return None
        case SignatureRequirement() | AttestationRequirement() | BaseRequirement() | CelRequirement():
            return Tags.PIN
