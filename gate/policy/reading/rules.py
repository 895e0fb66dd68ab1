"""Rules of one policy document, after its schema holds (POLICY §4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gate.image.digest import Digest
from gate.image.platforms import parse_platform
from gate.instants import duration_of
from gate.policy.assignment import MAX_CHOICES, choices_of
from gate.policy.patterns import RegistryPrefix, glob
from gate.policy.policy import DenyRequirement, ImageRequirement, Requirement, Rule, SignatureRequirement, Tags
from gate.policy.reading.ages import check_ages, check_times, parse_max_age
from gate.policy.reading.checks import Check
from gate.policy.reading.contents import parse_attestation, parse_base, parse_cel
from gate.policy.reading.keeping import parse_kept
from gate.policy.reading.remedies import did_you_mean
from gate.policy.reading.schema.policies import RULE_TYPES
from gate.policy.signers import AnyOf, AtLeast, Expression, One

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.documents import Path
    from gate.image.manifest import Platform
    from gate.policy.reading.notes import Notes
    from gate.policy.signers import SignerSpec

MAX_DEPTH: Final = 4
MAX_SIGNERS: Final = 32


def parse_rules(
    notes: Notes, raw: list[dict[str, Any]], signers: Mapping[str, SignerSpec], *, namespaced: bool
) -> tuple[Rule, ...]:
    """The rules, each with the name that findings call it by."""
    rules: list[Rule] = []
    given: set[str] = set()
    for i, entry in enumerate(raw):
        path = ("spec", "rules", i)
        kinds = [k for k in RULE_TYPES if k in entry]
        if len(kinds) != 1:
            notes.add(
                Check.ONE_OF,
                path,
                f"a rule has exactly one of {', '.join(RULE_TYPES)}; this one has {', '.join(kinds) or 'none'}",
                "make a rule of each" if kinds else "add one of them",
            )
            continue
        requirement = _requirement(notes, (*path, kinds[0]), kinds[0], entry[kinds[0]], namespaced=namespaced)
        name = entry.get("name", kinds[0])
        if "name" in entry and (name in given or name in RULE_TYPES):
            why = "stands twice" if name in given else "is the name of a type"
            notes.add(Check.RULE_NAME, (*path, "name"), f"the rule name {name} {why}", "give it another")
        if "name" in entry:
            given.add(name)
        if requirement is not None:
            rules.append(Rule(name, requirement))
            check_times(notes, (*path, kinds[0]), requirement, signers)
    _check_tags(notes, raw, rules)
    return tuple(rules)


def _requirement(notes: Notes, path: Path, kind: str, raw: dict[str, Any], *, namespaced: bool) -> Requirement | None:
    def parse_by(where: Path, by: object) -> Expression | None:
        return parse_expression(notes, where, by)

    match kind:
        case "image":
            return _image(notes, path, raw)
        case "deny":
            return DenyRequirement(raw.get("message", ""))
        case "signature":
            return _signature(notes, path, raw, namespaced=namespaced)
        case "base":
            return parse_base(notes, path, raw, parse_by)
        case "cel":
            return parse_cel(notes, path, raw, namespaced=namespaced)
        case _:
            return parse_attestation(notes, path, kind, raw, parse_by, namespaced=namespaced)


def _image(notes: Notes, path: Path, raw: dict[str, Any]) -> ImageRequirement:
    registries = [
        notes.attempt(Check.REGISTRY_PREFIX, (*path, "registries", i), RegistryPrefix.parse, r)
        for i, r in enumerate(raw.get("registries", ()))
    ]
    for i, pattern in enumerate(raw.get("denyTags", ())):
        notes.attempt(Check.TAG_PATTERN, (*path, "denyTags", i), glob, pattern)
    digests = [
        notes.attempt(Check.DIGEST, (*path, "denyDigests", i), Digest.parse, d)
        for i, d in enumerate(raw.get("denyDigests", ()))
    ]
    return ImageRequirement(
        tuple(r for r in registries if r is not None),
        Tags(raw.get("tags", "pin")),
        tuple(raw.get("denyTags", ["latest"])),
        raw.get("denyTagsWithDigest", False),
        tuple(d for d in digests if d is not None),
        parse_max_age(notes, path, raw),
        _platforms(notes, path, raw.get("platforms", [])),
        _labels(notes, path, raw.get("labels", {})),
        raw.get("nonRoot", False),
    )


def _platforms(notes: Notes, path: Path, raw: list[str]) -> tuple[Platform, ...]:
    found = [notes.attempt(Check.PLATFORM, (*path, "platforms", i), parse_platform, text) for i, text in enumerate(raw)]
    return tuple(platform for platform in found if platform is not None)


def _labels(notes: Notes, path: Path, raw: dict[str, str]) -> dict[str, str]:
    for name, pattern in raw.items():
        notes.attempt(Check.LABEL_PATTERN, (*path, "labels", name), glob, pattern)
    return raw


def _signature(notes: Notes, path: Path, raw: dict[str, Any], *, namespaced: bool) -> SignatureRequirement | None:
    by = parse_expression(notes, (*path, "by"), raw["by"])
    kept = parse_kept(notes, path, raw, namespaced=namespaced)
    most = parse_max_age(notes, path, raw)
    least = duration_of(raw["minAge"]) if "minAge" in raw else None
    unless = parse_expression(notes, (*path, "unless", "by"), raw["unless"]["by"]) if "unless" in raw else None
    check_ages(notes, path, raw, most, least)
    if by is None or ("unless" in raw and unless is None):
        return None
    return SignatureRequirement(
        by,
        raw.get("annotations", {}),
        kept,
        raw.get("reference") == "match",
        raw.get("platformEvidence") == "all",
        most,
        least,
        unless,
    )


def parse_expression(notes: Notes, path: Path, raw: object) -> Expression | None:
    """A `by`: at most 4 deep, of signers that exist, at most 32 in all."""
    before = len(notes.problems)
    expression = _expression(notes, path, raw, 1)
    if len(notes.problems) > before or expression is None:
        return None
    if _leaves(expression) > MAX_SIGNERS:
        notes.add(Check.EXPRESSION_SIZE, path, f"more than {MAX_SIGNERS} signers in one expression", "name fewer")
        return None
    if choices_of(expression) > MAX_CHOICES:
        notes.add(
            Check.EXPRESSION_SIZE,
            path,
            f"it can be met in more than {MAX_CHOICES} different ways",
            "write `atLeast` over names, or over fewer groups",
        )
        return None
    return expression


def _expression(notes: Notes, path: Path, raw: object, depth: int) -> Expression | None:
    if depth > MAX_DEPTH + 1:
        notes.add(
            Check.EXPRESSION_SIZE, path, f"signers nested more than {MAX_DEPTH} deep", "write it with fewer levels"
        )
        return None
    if isinstance(raw, str):
        # Defined elsewhere in this document, though perhaps unusable: that is a problem of its own, noted there.
        defined = notes.data["spec"].get("signers", {})
        if raw not in defined:
            notes.add(
                Check.UNKNOWN_SIGNER,
                path,
                f"no signer is called {raw!r}",
                did_you_mean(raw, defined) if defined else "add it to `signers`",
            )
        return One(raw)
    if isinstance(raw, list):
        return AnyOf(_entries(notes, path, raw, depth))
    assert isinstance(raw, dict)
    if "all" in raw:
        entries = _entries(notes, (*path, "all"), raw["all"], depth)
        return AtLeast(len(entries), entries)
    entries = _entries(notes, (*path, "of"), raw["of"], depth)
    if raw["atLeast"] > len(raw["of"]):
        notes.add(
            Check.NEVER_MET,
            (*path, "atLeast"),
            f"at least {raw['atLeast']} of {len(raw['of'])} can never be met",
            f"write {len(raw['of'])} or fewer",
        )
    return AtLeast(raw["atLeast"], entries)


def _entries(notes: Notes, path: Path, raw: list[object], depth: int) -> tuple[Expression, ...]:
    found = (_expression(notes, (*path, i), entry, depth + 1) for i, entry in enumerate(raw))
    return tuple(e for e in found if e is not None)


def _leaves(expression: Expression) -> int:
    if isinstance(expression, One):
        return 1
    return sum(map(_leaves, expression.options if isinstance(expression, AnyOf) else expression.entries))


def _check_tags(notes: Notes, raw: list[dict[str, Any]], rules: list[Rule]) -> None:
    """`unsafeAny` beside what needs the digest contradicts itself (POLICY §4)."""
    needs = [r.name for r in rules if r.needs_digest]
    for i, entry in enumerate(raw):
        if entry.get("image", {}).get("tags") == "unsafeAny" and needs:
            notes.add(
                Check.CONTRADICTION,
                ("spec", "rules", i, "image", "tags"),
                f"`tags: unsafeAny` beside the rule {needs[0]}, which judges a digest",
                "write tags: pin",
            )
