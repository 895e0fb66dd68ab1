"""Policy documents into one frozen set, or everything that is wrong with them.

The schema says what may stand where; this module and `parse_rules` say what the parts mean and how they refer to
each other.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft7Validator, validators
from jsonschema.exceptions import ValidationError

from gate.errors import Place
from gate.policy.config import Config
from gate.policy.notes import Notes
from gate.policy.parse_config import parse_config
from gate.policy.parse_exceptions import check_reach, check_rules, parse_break_glass, parse_exception, parse_waivers
from gate.policy.parse_revocations import parse_revocation, together
from gate.policy.parse_rules import check_times, parse_rules
from gate.policy.parse_signers import parse_signers
from gate.policy.parse_trust_roots import parse_trust_root
from gate.policy.patterns import ImagePattern
from gate.policy.policy import LabelExpression, Match, Mode, NamespaceSelector, Policy, PolicySet, Rule, names_in
from gate.policy.problems import Problem, did_you_mean, problems_of
from gate.policy.schema import API_VERSION, KINDS, LATER_KINDS, schema_of
from gate.policy.signers import anchor_of
from gate.policy.trust import PUBLIC_GOOD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gate.documents import Document
    from gate.policy.break_glass import BreakGlass
    from gate.policy.exceptions import GateException
    from gate.policy.notes import ReadFile
    from gate.policy.revocation import Revocations
    from gate.policy.signers import SignerSpec
    from gate.policy.trust import TrustRoot

_GROUP: Final = "imagegate.dev/"
_POLICIES: Final = ("ClusterGatePolicy", "GatePolicy")
_NAMESPACED: Final = ("GatePolicy", "GateException")
_REVOCATION: Final = "GateRevocation"
_TESTS: Final = "GateTest"


@dataclass(frozen=True, slots=True)
class ParsedSet:
    """What documents amount to.

    Attributes:
        set: the policies that are whole; to be used only when there are no errors.
        problems: everything wrong, and what their authors should know.
        skipped: documents that are not ours.
        tests: `GateTest` documents, which only lint and test read.
    """

    set: PolicySet
    problems: tuple[Problem, ...]
    skipped: int
    tests: int

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Those problems with which nothing may be judged."""
        return tuple(problem for problem in self.problems if not problem.warning)


def parse_set(documents: Iterable[Document], read_file: ReadFile | None) -> ParsedSet:
    """Read every policy document.

    Args:
        documents: of any kind; those that are not ours are counted.
        read_file: reads a `file:` relative to its document; None where files are refused.
    """
    problems: list[Problem] = []
    read = _read(documents, read_file, problems)
    ours = read.ours
    # What others refer to comes first, wherever it stands.
    roots = {root.name: root for root in map(parse_trust_root, ours["GateTrustRoot"])}
    policies = [_policy(kind, notes, roots) for kind in _POLICIES for notes in ours[kind]]
    found = PolicySet(
        tuple(sorted(policies, key=lambda p: (p.kind, p.namespace or "", p.name))),
        _config(ours["GateConfig"], problems),
        roots,
        _exceptions(ours["GateException"], policies),
        together(read.revocations),
        _break_glasses(ours["GateBreakGlass"]),
    )
    return ParsedSet(found, tuple(problems), read.skipped, read.tests)


@dataclass(slots=True)
class _Read:
    """Documents of ours, by kind, that their schema holds of; of revocations what can be read, whatever it does."""

    ours: dict[str, list[Notes]]
    revocations: list[Revocations]
    skipped: int = 0
    tests: int = 0


def _read(documents: Iterable[Document], read_file: ReadFile | None, problems: list[Problem]) -> _Read:
    read = _Read({kind: [] for kind in KINDS}, [])
    seen: dict[tuple[object, ...], Place] = {}
    for document in documents:
        kind = _kind(document, problems)
        if kind == "":
            read.skipped += 1
        elif kind == _TESTS:
            read.tests += 1
        elif kind == _REVOCATION:
            read.revocations.append(_revocation(document, seen, problems))
        elif kind is not None and _is_valid(document, kind, problems) and _is_first(document, kind, seen, problems):
            files = None if kind == "GatePolicy" else read_file
            read.ours[kind].append(Notes(document, problems, files))
    return read


def _config(documents: list[Notes], problems: list[Problem]) -> Config:
    configs = list(map(parse_config, documents))
    if len(configs) > 1:
        problems.append(Problem(Place(""), "several GateConfig documents", "keep one, named default"))
    return configs[0] if configs else Config()


def _exceptions(documents: list[Notes], policies: list[Policy]) -> tuple[GateException, ...]:
    found = []
    for notes in documents:
        found.append(parse_exception(notes))
        check_reach(notes, found[-1], policies)
    return tuple(sorted(found, key=lambda exception: (exception.namespace, exception.name)))


def _break_glasses(documents: list[Notes]) -> tuple[BreakGlass, ...]:
    for notes in documents:
        notes.warn(
            ("kind",), "from a file it lets nothing through", "create it in the cluster: who does is known there"
        )
    found = (glass for glass in map(parse_break_glass, documents) if glass is not None)
    return tuple(sorted(found, key=lambda glass: glass.name))


def _kind(document: Document, problems: list[Problem]) -> str | None:
    """The kind of a document of ours; "" where it is not ours; None where it cannot be used."""
    data = document.data
    inside = data.get("items") if isinstance(data, dict) else data
    if isinstance(inside, list) and any(map(_is_ours, inside)):
        problems.append(
            Problem(document.place(()), "policies inside a list are not read", "write each as a document of its own")
        )
        return None
    if not isinstance(data, dict):
        return ""
    kind, api = data.get("kind"), data.get("apiVersion")
    ours = (*KINDS, *LATER_KINDS)
    if kind in ours and api != API_VERSION:
        got = f"apiVersion {api!r}" if api is not None else "no apiVersion"
        problems.append(
            Problem(document.place(("apiVersion",)), f"a {kind} with {got}", f"write apiVersion: {API_VERSION}")
        )
        return None
    if not (isinstance(api, str) and api.startswith(_GROUP)):
        return ""
    if kind in LATER_KINDS and kind != _TESTS:
        problems.append(
            Problem(document.place(("kind",)), f"{kind} is not supported yet by this version of imagegate", "remove it")
        )
        return None
    if kind not in ours:
        problems.append(Problem(document.place(("kind",)), f"unknown kind {kind!r}", did_you_mean(kind, KINDS)))
        return None
    if api != API_VERSION:
        problems.append(Problem(document.place(("apiVersion",)), f"unknown apiVersion {api!r}", f"write {API_VERSION}"))
        return None
    return str(kind)


def _is_ours(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    api = entry.get("apiVersion")
    return entry.get("kind") in (*KINDS, *LATER_KINDS) or (isinstance(api, str) and api.startswith(_GROUP))


@cache
def _validator(kind: str) -> Draft7Validator:
    # Python's `$` also holds before a newline at the end; JSON Schema's does not.
    anchored = validators.extend(Draft7Validator, {"pattern": _check_pattern})  # type: ignore[no-untyped-call]
    validator: Draft7Validator = anchored(schema_of(kind))
    return validator


def _check_pattern(_validator: object, pattern: str, instance: object, _schema: object) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _is_valid(document: Document, kind: str, problems: list[Problem]) -> bool:
    errors = sorted(_validator(kind).iter_errors(document.data), key=lambda e: [str(p) for p in e.absolute_path])
    problems.extend(problems_of(document, errors))
    return not errors


def _revocation(document: Document, seen: dict[tuple[object, ...], Place], problems: list[Problem]) -> Revocations:
    """What a document revokes, though it be invalid: what is wrong with it spares nobody."""
    if _is_valid(document, _REVOCATION, problems):
        _is_first(document, _REVOCATION, seen, problems)
    notes = Notes(document, problems)
    found = parse_revocation(notes)
    if not found.digests and not found.signers:
        notes.add(("spec",), "it revokes nothing", "give `digests` or `signers`")
    return found


def _is_first(document: Document, kind: str, seen: dict[tuple[object, ...], Place], problems: list[Problem]) -> bool:
    assert isinstance(document.data, dict)  # the schema has been checked
    metadata = document.data["metadata"]
    place = document.place(("metadata", "name"))
    if kind in _NAMESPACED and "namespace" not in metadata:
        problems.append(Problem(place, f"a {kind} without metadata.namespace", "add the namespace it is for"))
        return False
    if kind not in _NAMESPACED and "namespace" in metadata:
        here = document.place(("metadata", "namespace"))
        problems.append(Problem(here, f"a {kind} belongs to no namespace", "remove metadata.namespace"))
        return False
    if kind == "GateTrustRoot" and metadata["name"] == PUBLIC_GOOD:
        problems.append(Problem(place, f"the trust root {PUBLIC_GOOD} is built in", "give yours another name"))
        return False
    if kind == "GateConfig" and metadata["name"] != "default":
        problems.append(Problem(place, f"a GateConfig named {metadata['name']!r}", "name it default"))
        return False
    first = seen.setdefault((kind, metadata.get("namespace"), metadata["name"]), place)
    if first is not place:
        problems.append(
            Problem(place, f"{kind} {metadata['name']} stands twice; the other is at {first}", "rename one")
        )
        return False
    return True


def _policy(kind: str, notes: Notes, roots: Mapping[str, TrustRoot]) -> Policy:
    spec = notes.data["spec"]
    metadata = notes.data["metadata"]
    own = kind == "GatePolicy"
    match = _match(notes, spec.get("match", {}))
    signers = parse_signers(notes, spec.get("signers", {}), roots)
    rules = parse_rules(notes, spec["rules"], namespaced=own)
    _warn_unused(notes, signers, rules)
    check_times(notes, rules, signers)
    excepted = spec.get("exceptions", [])
    check_rules(notes, ("spec", "exceptions"), excepted, rules)
    return Policy(
        kind,
        metadata["name"],
        Mode(spec.get("mode", "enforce")),
        match,
        rules,
        signers,
        metadata["namespace"] if own else None,
        _hash(kind, metadata, spec, signers),
        parse_waivers(notes, ("spec", "exceptions"), excepted),
        frozenset(spec.get("exceptionsFrom", {}).get("names", ())),
    )


def _warn_unused(notes: Notes, signers: Mapping[str, SignerSpec], rules: tuple[Rule, ...]) -> None:
    used = {name for rule in rules for name in names_in(rule.requirement)}
    for name in signers:
        if name not in used:
            notes.warn(("spec", "signers", name), f"no rule speaks of the signer {name}", "use it, or remove it")


def _match(notes: Notes, raw: dict[str, Any]) -> Match:
    path = ("spec", "match")
    return Match(
        _patterns(notes, (*path, "images"), raw.get("images", ["**"])),
        _patterns(notes, (*path, "exclude"), raw.get("exclude", [])),
        _namespaces(notes, raw.get("namespaces", {})),
        tuple(raw.get("kinds", ())),
        tuple(raw.get("serviceAccounts", ())),
    )


def _patterns(notes: Notes, path: tuple[str, ...], raw: list[str]) -> tuple[ImagePattern, ...]:
    found = (notes.attempt((*path, i), ImagePattern.parse, text) for i, text in enumerate(raw))
    return tuple(p for p in found if p is not None)


def _namespaces(notes: Notes, raw: dict[str, Any]) -> NamespaceSelector:
    expressions = []
    for i, entry in enumerate(raw.get("matchExpressions", [])):
        values = tuple(entry.get("values", ()))
        if (entry["operator"] in ("In", "NotIn")) != bool(values):
            wrong = "needs values" if not values else "takes no values"
            notes.add(
                ("spec", "match", "namespaces", "matchExpressions", i), f"the operator {entry['operator']} {wrong}"
            )
        expressions.append(LabelExpression(entry["key"], entry["operator"], values))
    return NamespaceSelector(tuple(raw.get("names", ())), raw.get("matchLabels", {}), tuple(expressions))


def _hash(kind: str, metadata: dict[str, Any], spec: dict[str, Any], signers: Mapping[str, SignerSpec]) -> str:
    """`sha256:…` over what the policy says and what it read from elsewhere: keys, certificates, trust roots."""
    content = {
        "kind": kind,
        "name": metadata["name"],
        "namespace": metadata.get("namespace"),
        "spec": spec,
        "trust": {name: anchor for name, spec in sorted(signers.items()) if (anchor := anchor_of(spec))},
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
