"""What a policy can be about: policies that nothing matches, patterns and exceptions that reach nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.authoring.covering import below
from gate.authoring.demands import may_be_waived
from gate.policy.policy import ImageRequirement, LabelExpression
from gate.policy.reading.checks import Check

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gate.authoring.covering import Comparer
    from gate.documents import Path
    from gate.policy.config import Config
    from gate.policy.exceptions import GateException
    from gate.policy.policy import NamespaceSelector, Policy
    from gate.policy.reading.notes import Notes
    from gate.policy.waiver import Waiver

_MATCH: Final = ("spec", "match")
_NAME_LABEL: Final = "kubernetes.io/metadata.name"
"""The label in which every namespace has its name."""


def check_policy(notes: Notes, policy: Policy, config: Config, comparer: Comparer) -> None:
    """Note what of a policy reaches nothing."""
    images, excluded = _texts(policy.match.images), _texts(policy.match.exclude)
    _check_namespaces(notes, policy, config)
    _check_labels(notes, policy.match.namespaces)
    _check_covered(notes, (*_MATCH, "images"), images, comparer)
    _check_covered(notes, (*_MATCH, "exclude"), excluded, comparer)
    _check_excluded(notes, images, excluded, comparer)
    _check_registries(notes, policy, images, comparer)
    for i, waiver in enumerate(policy.waivers):
        _check_waiver(notes, ("spec", "exceptions", i), waiver, [policy], comparer)
    names = policy.match.namespaces.names
    for i, name in enumerate(_given(notes, "exceptionsFrom")):
        if names and name not in names:
            said = f"the policy does not match the namespace {name}, so it has no exceptions to take from there"
            notes.add(Check.EXCEPTION_UNREACHED, ("spec", "exceptionsFrom", "names", i), said, "remove it")


def check_exception(notes: Notes, exception: GateException, policies: Sequence[Policy], comparer: Comparer) -> None:
    """Note what of a `GateException` reaches nothing, of the policies that are there; that they take it is known."""
    meant = [p for p in policies if p.name in exception.policies and exception.namespace in p.exceptions_from]
    for i, waiver in enumerate(exception.waivers):
        path = ("spec", "exceptions", i)
        if waiver.scope.namespaces and exception.namespace not in waiver.scope.namespaces:
            said = f"a GateException reaches its own namespace only, which is {exception.namespace}"
            notes.add(Check.EXCEPTION_UNREACHED, (*path, "namespaces"), said, "remove `namespaces`")
        elif meant:
            _check_waiver(notes, path, waiver, meant, comparer)


def _check_namespaces(notes: Notes, policy: Policy, config: Config) -> None:
    names, path = policy.match.namespaces.names, (*_MATCH, "namespaces", "names")
    excluded = frozenset(config.exclude_namespaces)
    if policy.namespace is not None and names and policy.namespace not in names:
        said = f"a GatePolicy matches its own namespace only, which is {policy.namespace}"
        notes.add(Check.NEVER_MATCHES, path, f"nothing matches the policy: {said}", "remove `names`")
    elif policy.namespace in excluded:
        said = f"nothing matches the policy: GateConfig.excludeNamespaces has {policy.namespace}"
        notes.add(Check.NEVER_MATCHES, ("metadata", "namespace"), said, "take it out there, or remove the policy")
    elif names and excluded.issuperset(names):
        said = f"nothing matches the policy: GateConfig.excludeNamespaces has {', '.join(names)}"
        notes.add(Check.NEVER_MATCHES, path, said, "take them out there, or remove the policy")


def _check_labels(notes: Notes, wanted: NamespaceSelector) -> None:
    """Requirements of one label that exclude each other."""
    expressions = [*wanted.expressions, *(LabelExpression(key, "In", (value,)) for key, value in wanted.labels.items())]
    if wanted.names:
        expressions.append(LabelExpression(_NAME_LABEL, "In", wanted.names))
    for key in dict.fromkeys(expression.key for expression in expressions):
        if _exclude_each_other([expression for expression in expressions if expression.key == key]):
            said = f"nothing matches the policy: no namespace has what it asks of the label {key}"
            notes.add(Check.NEVER_MATCHES, (*_MATCH, "namespaces"), said, "keep one of the requirements")


def _exclude_each_other(expressions: list[LabelExpression]) -> bool:
    """Whether no value, nor that there is none, meets all requirements of one label."""
    candidates = {value for expression in expressions for value in expression.values}
    # A value that nobody names stands for all others.
    other = "".join(sorted(candidates)) + "-"
    labels = [{}, *({expressions[0].key: value} for value in (*candidates, other))]
    return not any(all(expression.matches(given) for expression in expressions) for given in labels)


def _check_covered(notes: Notes, path: Path, patterns: Sequence[str], comparer: Comparer) -> None:
    """Patterns that another of their list covers; of those that cover each other the first stays."""
    for i, pattern in enumerate(patterns):
        for j, other in enumerate(patterns):
            # That one stands twice is said elsewhere.
            if other != pattern and comparer.covers(other, pattern) and (j < i or not comparer.covers(pattern, other)):
                notes.add(Check.UNUSED_PATTERN, (*path, i), f"{other} covers {pattern} already", "remove it")
                break


def _check_excluded(notes: Notes, images: Sequence[str], excluded: Sequence[str], comparer: Comparer) -> None:
    gone = [comparer.any_covers(excluded, pattern) for pattern in images]
    if all(gone):
        said = "nothing matches the policy: `exclude` covers all of its `images`"
        notes.add(Check.NEVER_MATCHES, (*_MATCH, "exclude"), said, "narrow `exclude`, or remove the policy")
        return
    for i, pattern in enumerate(images):
        if gone[i]:
            said = f"`exclude` covers all of {pattern}"
            notes.add(Check.UNUSED_PATTERN, (*_MATCH, "images", i), said, "remove it, or narrow `exclude`")
    for i, pattern in enumerate(excluded):
        if comparer.all_apart([pattern], images):
            said = f"{pattern} excludes nothing: no image of the policy is in it"
            notes.add(Check.UNUSED_PATTERN, (*_MATCH, "exclude", i), said, "remove it")


def _check_registries(notes: Notes, policy: Policy, images: Sequence[str], comparer: Comparer) -> None:
    """Rules whose registries have nothing in common with the policy's images, or with those of another rule."""
    before: list[tuple[str, list[str]]] = []
    for i, rule in enumerate(policy.rules):
        wanted = rule.requirement
        if not isinstance(wanted, ImageRequirement) or not wanted.registries:
            continue
        path = ("spec", "rules", i, "image", "registries")
        within = [below(str(registry)) for registry in wanted.registries]
        lost = [comparer.all_apart([registry], images) for registry in within]
        strict = not may_be_waived(policy, rule)
        if all(lost):
            if strict:
                said = "no image that the policy matches is in these registries: each is denied"
                notes.add(
                    Check.ALWAYS_DENIES, path, said, "mend them or `match.images`; to deny all, write a `deny` rule"
                )
            continue
        for j, registry in enumerate(wanted.registries):
            if lost[j]:
                said = f"no image that the policy matches is in {registry}"
                notes.add(Check.UNUSED_PATTERN, (*path, j), said, "remove it")
        _check_covered(notes, path, within, comparer)
        other = next((name for name, others in before if strict and comparer.all_apart(within, others)), None)
        if other is not None:
            said = f"no image is in these registries and in those of the rule {other}: each is denied"
            notes.add(Check.ALWAYS_DENIES, path, said, "write them in one rule")
        if strict:
            before.append((rule.name, within))


def _check_waiver(notes: Notes, path: Path, waiver: Waiver, policies: Sequence[Policy], comparer: Comparer) -> None:
    """What an exception is narrowed to, and none of some policies is about."""
    matched = [text for policy in policies for text in _texts(policy.match.images)]
    patterns = _texts(waiver.scope.images)
    lost = [comparer.all_apart([pattern], matched) or _is_excluded(pattern, policies, comparer) for pattern in patterns]
    for i, pattern in enumerate(patterns):
        if lost[i]:
            said = f"the policy matches no image in {pattern}: nothing of it needs an exception"
            notes.add(Check.EXCEPTION_UNREACHED, (*path, "images", i), said, "mend it, or remove it")
    for i, name in enumerate(waiver.scope.namespaces):
        if not any(_is_about(policy, name) for policy in policies):
            said = f"the policy does not match the namespace {name}"
            notes.add(Check.EXCEPTION_UNREACHED, (*path, "namespaces", i), said, "mend it, or remove it")


def _is_excluded(pattern: str, policies: Iterable[Policy], comparer: Comparer) -> bool:
    return all(comparer.any_covers(_texts(policy.match.exclude), pattern) for policy in policies)


def _is_about(policy: Policy, namespace: str) -> bool:
    """Whether a namespace's name alone keeps it from no policy."""
    names = policy.match.namespaces.names
    return policy.namespace in (None, namespace) and (not names or namespace in names)


def _texts(patterns: Iterable[object]) -> list[str]:
    return [str(pattern) for pattern in patterns]


def _given(notes: Notes, field: str) -> list[str]:
    names: list[str] = notes.data["spec"].get(field, {}).get("names", [])
    return names
