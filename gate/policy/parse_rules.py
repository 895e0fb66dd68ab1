"""Signers and rules of one policy document, after its schema holds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gate.errors import GateError, ParseError
from gate.image.digest import Digest
from gate.image.reference import Reference
from gate.policy.patterns import RegistryPrefix, glob
from gate.policy.policy import (
    AttestationRequirement,
    DenyRequirement,
    ImageRequirement,
    Requirement,
    Rule,
    SignatureRequirement,
    Tags,
)
from gate.policy.problems import Problem, did_you_mean
from gate.policy.schema import RULE_TYPES
from gate.policy.signers import AnyOf, AtLeast, Expression, KeySpec, LogUse, One
from gate.trust.key import Hash, PublicKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gate.documents import Document, Path
    from gate.image.reference import Repository

MAX_DEPTH: Final = 4
MAX_SIGNERS: Final = 32
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Notes:
    """A document being read and the problems found so far."""

    document: Document
    problems: list[Problem]

    @property
    def data(self) -> dict[str, Any]:
        """The document, whose shape the schema has checked."""
        assert isinstance(self.document.data, dict)
        return self.document.data

    def add(self, path: Path, message: str, remedy: str = "") -> None:
        """Note a problem at a path."""
        self.problems.append(Problem(self.document.place(path), message, remedy))

    def attempt(self, path: Path, parse: Callable[[str], _T], text: str) -> _T | None:
        """The parsed value, or None with the problem noted."""
        try:
            return parse(text)
        except ParseError as error:
            self.add(path, error.message, error.remedy)
            return None


def parse_signers(
    notes: Notes, raw: dict[str, Any], read_file: Callable[[Document, str], bytes] | None
) -> dict[str, KeySpec]:
    """The signers by name. One key under two names is an error: it would be counted twice by its reader."""
    signers: dict[str, KeySpec] = {}
    owners: dict[str, str] = {}
    for name, spec in raw.items():
        path = ("spec", "signers", name, "key")
        signer = _key_signer(notes, path, name, spec["key"], read_file)
        if signer is None:
            continue
        if signer.key is not None:
            other = owners.setdefault(signer.key.fingerprint, name)
            if other != name:
                notes.add(path, f"signer {name} has the same key as {other}", "keep one: `by` counts people, not names")
        signers[name] = signer
    return signers


def _key_signer(
    notes: Notes, path: Path, name: str, raw: dict[str, Any], read_file: Callable[[Document, str], bytes] | None
) -> KeySpec | None:
    sources = [s for s in ("pem", "file", "secret") if s in raw]
    if len(sources) != 1:
        notes.add(path, f"a key has exactly one of pem, file, secret; this one has {', '.join(sources) or 'none'}")
        return None
    if raw.get("transparencyLog") == "required":
        notes.add(
            (*path, "transparencyLog"),
            "`transparencyLog: required` is not supported yet by this version of imagegate",
            "remove it",
        )
        return None
    log = LogUse(raw.get("transparencyLog", "optional"))
    if "secret" in raw:
        secret = raw["secret"]
        return KeySpec(name, None, log, f"the Secret {secret['name']} (key {secret['key']}) can't be read from here")
    try:
        pem = raw["pem"].encode() if "pem" in raw else _read_key(notes, raw["file"], read_file)
        return KeySpec(name, PublicKey.parse(pem, Hash(raw["hash"]) if "hash" in raw else None), log)
    except GateError as error:
        notes.add((*path, sources[0]), f"signer {name}: {error.message}", error.remedy)
        return None


def _read_key(notes: Notes, file: str, read_file: Callable[[Document, str], bytes] | None) -> bytes:
    if read_file is None:
        raise ParseError("`file` is refused here", remedy="write the key as `pem`")
    return read_file(notes.document, file)


def parse_rules(
    notes: Notes, raw: list[dict[str, Any]], signers: Mapping[str, KeySpec], *, namespaced: bool
) -> tuple[Rule, ...]:
    """The rules, each with the name that findings call it by."""
    rules: list[Rule] = []
    given: set[str] = set()
    for i, entry in enumerate(raw):
        path = ("spec", "rules", i)
        kinds = [k for k in RULE_TYPES if k in entry]
        if len(kinds) != 1:
            notes.add(
                path, f"a rule has exactly one of {', '.join(RULE_TYPES)}; this one has {', '.join(kinds) or 'none'}"
            )
            continue
        requirement = _requirement(notes, (*path, kinds[0]), kinds[0], entry[kinds[0]], signers, namespaced=namespaced)
        name = entry.get("name", kinds[0])
        if "name" in entry and (name in given or name in RULE_TYPES):
            why = "stands twice" if name in given else "is the name of a type"
            notes.add((*path, "name"), f"the rule name {name} {why}", "give it another")
        if "name" in entry:
            given.add(name)
        if requirement is not None:
            rules.append(Rule(name, requirement))
    _check_tags(notes, raw, rules)
    return tuple(rules)


def _requirement(
    notes: Notes, path: Path, kind: str, raw: dict[str, Any], signers: Mapping[str, KeySpec], *, namespaced: bool
) -> Requirement | None:
    match kind:
        case "image":
            return _image(notes, path, raw)
        case "deny":
            return DenyRequirement(raw.get("message", ""))
        case _:
            return _signature(notes, path, raw, signers, namespaced=namespaced)


def _image(notes: Notes, path: Path, raw: dict[str, Any]) -> ImageRequirement:
    registries = [
        notes.attempt((*path, "registries", i), RegistryPrefix.parse, r)
        for i, r in enumerate(raw.get("registries", ()))
    ]
    for i, pattern in enumerate(raw.get("denyTags", ())):
        notes.attempt((*path, "denyTags", i), glob, pattern)
    digests = [
        notes.attempt((*path, "denyDigests", i), Digest.parse, d) for i, d in enumerate(raw.get("denyDigests", ()))
    ]
    return ImageRequirement(
        tuple(r for r in registries if r is not None),
        Tags(raw.get("tags", "pin")),
        tuple(raw.get("denyTags", ["latest"])),
        raw.get("denyTagsWithDigest", False),
        tuple(d for d in digests if d is not None),
    )


def _signature(
    notes: Notes, path: Path, raw: dict[str, Any], signers: Mapping[str, KeySpec], *, namespaced: bool
) -> SignatureRequirement | None:
    by = parse_expression(notes, (*path, "by"), raw["by"], signers)
    repository: Repository | None = None
    if "repository" in raw:
        if namespaced:
            notes.add(
                (*path, "repository"), "a GatePolicy has no `repository`", "remove it, or use a ClusterGatePolicy"
            )
        reference = notes.attempt((*path, "repository"), Reference.parse, raw["repository"])
        repository = reference.name if reference else None
        if reference and (reference.tag or reference.digest):
            notes.add((*path, "repository"), "`repository` has a tag or digest", f"write {reference.name}")
    if by is None:
        return None
    return SignatureRequirement(by, raw.get("annotations", {}), repository, raw.get("reference") == "match")


def parse_expression(notes: Notes, path: Path, raw: object, signers: Mapping[str, KeySpec]) -> Expression | None:
    """A `by`: at most 4 deep, of signers that exist, at most 32 in all."""
    before = len(notes.problems)
    expression = _expression(notes, path, raw, signers, 1)
    if len(notes.problems) > before or expression is None:
        return None
    if _leaves(expression) > MAX_SIGNERS:
        notes.add(path, f"more than {MAX_SIGNERS} signers in one expression")
        return None
    return expression


def _expression(notes: Notes, path: Path, raw: object, signers: Mapping[str, KeySpec], depth: int) -> Expression | None:
    if depth > MAX_DEPTH + 1:
        notes.add(path, f"signers nested more than {MAX_DEPTH} deep")
        return None
    if isinstance(raw, str):
        # Defined elsewhere in this document, though perhaps unusable: that is a problem of its own, noted there.
        defined = notes.data["spec"].get("signers", {})
        if raw not in defined:
            notes.add(
                path, f"no signer is called {raw!r}", did_you_mean(raw, defined) if defined else "add it to `signers`"
            )
        return One(raw)
    if isinstance(raw, list):
        return AnyOf(_entries(notes, path, raw, signers, depth))
    assert isinstance(raw, dict)
    if "all" in raw:
        entries = _entries(notes, (*path, "all"), raw["all"], signers, depth)
        return AtLeast(len(entries), entries)
    entries = _entries(notes, (*path, "of"), raw["of"], signers, depth)
    if raw["atLeast"] > len(raw["of"]):
        notes.add(
            (*path, "atLeast"),
            f"at least {raw['atLeast']} of {len(raw['of'])} can never be met",
            f"write {len(raw['of'])} or fewer",
        )
    return AtLeast(raw["atLeast"], entries)


def _entries(
    notes: Notes, path: Path, raw: list[object], signers: Mapping[str, KeySpec], depth: int
) -> tuple[Expression, ...]:
    found = (_expression(notes, (*path, i), entry, signers, depth + 1) for i, entry in enumerate(raw))
    return tuple(e for e in found if e is not None)


def _leaves(expression: Expression) -> int:
    if isinstance(expression, One):
        return 1
    return sum(map(_leaves, expression.options if isinstance(expression, AnyOf) else expression.entries))


def _check_tags(notes: Notes, raw: list[dict[str, Any]], rules: list[Rule]) -> None:
    """`unsafeAny` beside what needs the digest contradicts itself (POLICY §4)."""
    needs = [r.name for r in rules if _implies_pin(r.requirement)]
    for i, entry in enumerate(raw):
        if entry.get("image", {}).get("tags") == "unsafeAny" and needs:
            notes.add(
                ("spec", "rules", i, "image", "tags"),
                f"`tags: unsafeAny` beside the rule {needs[0]}, which judges a digest",
                "write tags: pin",
            )


def _implies_pin(requirement: Requirement) -> bool:
    match requirement:
        case DenyRequirement():
            return False
        case ImageRequirement():
            return bool(requirement.deny_digests)
        case SignatureRequirement() | AttestationRequirement():
            return True


def policy_hash(kind: str, metadata: dict[str, Any], spec: dict[str, Any], signers: Mapping[str, KeySpec]) -> str:
    """`sha256:…` over what the policy says and the keys it read."""
    content = {
        "kind": kind,
        "name": metadata["name"],
        "namespace": metadata.get("namespace"),
        "spec": spec,
        "keys": {name: s.key.fingerprint for name, s in sorted(signers.items()) if s.key},
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
