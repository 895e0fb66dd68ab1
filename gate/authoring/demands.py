"""Rules that nobody can meet, that change nothing, or that look for what there cannot be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, assert_never

from gate.image.platforms import KNOWN_ARCHITECTURES, is_known
from gate.policy.assignment import satisfied
from gate.policy.bases import BaseRequirement
from gate.policy.policy import (
    AttestationRequirement,
    CelRequirement,
    DenyRequirement,
    ImageRequirement,
    SignatureRequirement,
    Unusable,
)
from gate.policy.reading.checks import Check
from gate.policy.reading.remedies import did_you_mean
from gate.policy.reading.rules import MAX_SIGNERS
from gate.policy.reading.schema.policies import RULE_TYPES
from gate.policy.signers import CertificateSpec, KeylessSpec, KeySpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gate.documents import Path
    from gate.policy.assignment import Principals
    from gate.policy.policy import Policy, Rule
    from gate.policy.reading.notes import Notes
    from gate.policy.signers import Expression, SignerSpec

_TAG: Final = re.compile(r"(?:[A-Za-z0-9_*][A-Za-z0-9_.*-]*)", re.ASCII)
_LONGEST_TAG: Final = 128
_PATTERN: Final = re.compile(r"\*|^\^|\$$|\\\.")
_EXPRESSION: Final = re.compile(r"^\^|\$$|\\\.|\.\*|\.\+|\[")
_DIGEST: Final = re.compile(r"@?sha(?:256|512):", re.ASCII)


def check_demands(notes: Notes, policy: Policy) -> None:
    """Note what is wrong with each signer and rule of a policy by itself."""
    for name, spec in policy.signers.items():
        _check_letters(notes, name, spec)
    found = {name: _principals(name, spec) for name, spec in policy.signers.items()}
    for i, rule in enumerate(policy.rules):
        path = ("spec", "rules", i)
        wanted = rule.requirement
        match wanted:
            case SignatureRequirement() | AttestationRequirement() | BaseRequirement():
                for where, by in _expressions(notes.data["spec"]["rules"][i], wanted):
                    _check_met(notes, (*path, *where), by, found)
            case ImageRequirement():
                _check_tags(notes, (*path, "image", "denyTags"), wanted)
                _check_platforms(notes, (*path, "image", "platforms"), wanted)
            case DenyRequirement():
                _check_others(notes, path, policy, rule)
            case CelRequirement() | Unusable():  # of the second lint complains elsewhere: it stands for a policy
                continue
            case _:
                assert_never(wanted)


def _expressions(
    raw: Mapping[str, object], wanted: SignatureRequirement | AttestationRequirement | BaseRequirement
) -> Iterator[tuple[Path, Expression]]:
    """Each `by` of a rule, and where in it that stands."""
    kind = next(kind for kind in RULE_TYPES if kind in raw)
    match wanted:
        case SignatureRequirement(by=by, unless=beside):
            other = "unless"
        case AttestationRequirement(by=by):
            other, beside = "vex", wanted.vex.by if wanted.vex is not None else None
        case BaseRequirement(by=by):
            other, beside = "", None
        case _:
            assert_never(wanted)
    if by is not None:
        yield (kind, "by"), by
    if beside is not None:
        yield (kind, other, "by"), beside


def _check_letters(notes: Notes, name: str, spec: SignerSpec) -> None:
    """An identity that is compared to the letter and looks like a pattern fits nobody."""
    if isinstance(spec, KeySpec):
        return
    kind = next(iter(notes.data["spec"]["signers"][name]))
    for field, pattern in (("subject", spec.identity.subject), ("issuer", spec.identity.issuer)):
        if pattern is None or pattern.kind != "exact" or not _PATTERN.search(pattern.text):
            continue
        if _EXPRESSION.search(pattern.text):
            remedy = f"write it as `{field}Regex`, which fits from end to end"
        else:
            expression = "[^/]*".join(map(_escaped, re.split(r"\*+", pattern.text)))
            remedy = f"write {field}Regex: '{expression}'"
        said = f"`{field}` is compared to the letter, and {pattern.text[:200]!r} looks like a pattern"
        notes.add(Check.LITERAL_WILDCARD, ("spec", "signers", name, kind, field), said, remedy)


def _escaped(text: str) -> str:
    """As a regular expression that fits it alone; an apostrophe doubled, for YAML."""
    return re.sub(r"([.+?()\[\]{}^$|\\])", r"\\\1", text).replace("'", "''")


def may_be_waived(policy: Policy, rule: Rule) -> bool:
    """Whether some exception may let an image pass a rule that it breaks."""
    return bool(policy.exceptions_from) or any(waiver.rule == rule.name for waiver in policy.waivers)


def _principals(name: str, spec: SignerSpec) -> frozenset[str]:
    """As many as a signer can have at most: a key, and an identity to the letter, are one."""
    match spec:
        case KeySpec():
            one = True
        case KeylessSpec():
            issuer = spec.identity.issuer
            one = spec.identity.subject.kind == "exact" and issuer is not None and issuer.kind == "exact"
        case CertificateSpec():
            one = False  # each of its roots makes one
        case _:
            assert_never(spec)
    return frozenset(f"{name} {i}" for i in range(1 if one else MAX_SIGNERS))


def _check_met(notes: Notes, path: Path, expression: Expression, found: Principals) -> None:
    if not satisfied(expression, found):
        said = f"{expression} can never be met: each entry needs a principal of its own, and there are too few"
        notes.add(Check.NEVER_MET, path, said, "name each signer once, or ask for fewer")


def _check_tags(notes: Notes, path: Path, wanted: ImageRequirement) -> None:
    """A pattern that fits no tag denies nothing, whatever its author thinks."""
    for i, pattern in enumerate(wanted.deny_tags):
        if _TAG.fullmatch(pattern) and len(pattern.replace("*", "")) <= _LONGEST_TAG:
            continue
        tag = pattern.rpartition(":")[2]
        if _DIGEST.match(pattern):
            remedy = "write digests as `denyDigests`"
        elif tag != pattern and _TAG.fullmatch(tag):
            remedy = f"write {tag}"
        else:
            remedy = "tags have letters, digits, and . _ - behind the first, 128 at most; `*` is any run of them"
        notes.add(Check.TAG_PATTERN, (*path, i), f"{pattern[:200]!r} fits no tag: it denies nothing", remedy)


def _check_platforms(notes: Notes, path: Path, wanted: ImageRequirement) -> None:
    """An index may state any platform; what nobody builds for is more likely misspelt, and every image denied."""
    for i, platform in enumerate(wanted.platforms):
        if not is_known(platform):
            known = [f"linux/{architecture}" for architecture in KNOWN_ARCHITECTURES]
            notes.add(
                Check.UNKNOWN_PLATFORM, (*path, i), f"no image is known to be built for {platform}",
                did_you_mean(platform, known),
            )  # fmt: skip


def _check_others(notes: Notes, path: Path, policy: Policy, deny: Rule) -> None:
    if len(policy.rules) > 1 and not may_be_waived(policy, deny):
        said = f"the rule {deny.name} denies every image, whatever the other rules say"
        notes.add(Check.UNUSED_RULE, (*path, "deny"), said, "make it a policy of its own, or remove the others")
