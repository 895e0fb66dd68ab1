"""The set that is in force while a gate runs: what is whole, and of what is not its last good form (POLICY §2).

A policy that never was whole denies what it may be about, in its mode: that somebody wanted a rule there is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from gate.policy.config import Config
from gate.policy.patterns import ImagePattern
from gate.policy.policy import Match, Mode, Policy, Rule, Unusable
from gate.policy.policy_set import PolicySet
from gate.policy.reading.notes import Notes
from gate.policy.reading.policies import parse_match
from gate.policy.reading.revocations import together
from gate.policy.reading.schema.compiled import compiled
from gate.policy.reading.schema.kinds import KINDS, schema_of
from gate.policy.reading.schema.policies import WORKLOAD_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gate.documents import Document
    from gate.errors import Place
    from gate.policy.reading.problems import Problem
    from gate.policy.reading.sets import ParsedSet

_POLICIES: Final = ("ClusterGatePolicy", "GatePolicy")
_RULE: Final = "policy"  # what findings call the rule that stands for those that can't be read
_Key = tuple[str, str | None, str]
"""Kind, namespace and name."""


@dataclass(frozen=True, slots=True)
class Good:
    """A policy that was whole, and the file it was in."""

    policy: Policy
    file: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What is in force.

    Attributes:
        set: for judging.
        good: each policy as it was when last it was whole, of those that are still there.
        config: likewise; None where none ever was.
        config_file: the file it was in.
    """

    set: PolicySet = field(default_factory=PolicySet)
    good: Mapping[_Key, Good] = field(default_factory=dict, hash=False)
    config: Config | None = None
    config_file: str = ""


def standing(parsed: ParsedSet, before: Standing) -> Standing:
    """What is in force after documents were read; `before`, what was until then.

    Invalid exceptions and break-glasses grant nothing, an invalid trust root makes the rules of its signers errors, and
    of an invalid revocation every entry that can be read counts: all of that is in the parsed set already.
    """
    why = _Reasons(parsed.errors)
    good = {_key(one.value): Good(one.value, one.document.file) for one in parsed.policies if one.whole}
    broken = [one.document for one in parsed.policies if not one.whole]
    broken += [document for document in parsed.broken if _kind(document) in _POLICIES]
    # Of what kind it was meant to be nobody knows: anything may be in it.
    strange = [document for document in parsed.broken if _kind(document) not in KINDS]
    unread = frozenset(place.file for place in parsed.unreadable)
    stood_in: dict[_Key, Good] = {}
    policies = [one.policy for one in good.values()]
    for document in broken:
        last = before.good.get(_key_of(document))
        if last is not None and _key_of(document) not in good:
            stood_in[_key_of(document)] = last
        elif (made := _unusable(document, why.of(document))) is not None:
            policies.append(made)
    # A text that is none hides what was in it: that stays, and where nothing was known of it anything may be in it.
    hidden = {key: one for key, one in before.good.items() if one.file in unread and key not in good}
    stood_in |= hidden
    known = {one.file for one in hidden.values()}
    policies += [_anything(place, why.at(place)) for place in parsed.unreadable if place.file not in known]
    policies += [_anything(document.place(()), why.of(document)) for document in strange]
    policies += [one.policy for one in stood_in.values()]
    config, config_file = _config(parsed, before, unread)
    # What a text revoked that can't be read any more nobody has taken back.
    revocations = together([parsed.set.revocations, before.set.revocations] if unread else [parsed.set.revocations])
    found = replace(
        parsed.set,
        policies=tuple(sorted(policies, key=lambda p: (p.kind, p.namespace or "", p.name))),
        config=config or Config(),
        exceptions=tuple(one.value for one in parsed.exceptions if one.whole),
        revocations=revocations,
        invalid=why.named,
    )
    return Standing(found, {**good, **stood_in}, config, config_file)


def _config(parsed: ParsedSet, before: Standing, unread: frozenset[str]) -> tuple[Config | None, str]:
    """The last good one and its file, as long as somebody seems to want one."""
    now = parsed.config
    if now is not None and now.whole:
        return now.value, now.document.file
    wanted = now is not None or any(_kind(document) == "GateConfig" for document in parsed.broken)
    return (before.config, before.config_file) if wanted or before.config_file in unread else (None, "")


class _Reasons:
    """What is wrong, by where it is."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self._problems = tuple(problems)

    @property
    def named(self) -> tuple[str, ...]:
        return tuple(f"{problem.place}: {problem.message}" for problem in self._problems)

    def of(self, document: Document) -> str:
        """The first problem inside a document."""
        first = document.place(()).line
        inside = [p for p in self._problems if p.place.file == document.file and p.place.line >= first]
        return _shown(min(inside, key=lambda p: (p.place.line, p.place.column), default=None))

    def at(self, place: Place) -> str:
        return _shown(next((problem for problem in self._problems if problem.place == place), None))


def _shown(problem: Problem | None) -> str:
    return f"{problem.place}: {problem.message}" if problem is not None else "it is not valid"


def _unusable(document: Document, why: str) -> Policy | None:
    """What denies in place of a policy that can't be read: as much of its match and mode counts as can be."""
    data = document.data if isinstance(document.data, dict) else {}
    metadata = data.get("metadata") if isinstance(data.get("metadata"), dict) else {}
    assert isinstance(metadata, dict)
    kind, namespace = str(data["kind"]), metadata.get("namespace")
    if kind == "GatePolicy" and not isinstance(namespace, str):
        return None  # it is about one namespace only, and nobody knows which
    spec = data.get("spec") if isinstance(data.get("spec"), dict) else {}
    assert isinstance(spec, dict)
    name = metadata.get("name")
    return Policy(
        kind,
        name if isinstance(name, str) else document.file,
        _mode(spec),
        _match(document, spec),
        (Rule(_RULE, Unusable(why)),),
        namespace=namespace if kind == "GatePolicy" and isinstance(namespace, str) else None,
    )


def _anything(place: Place, why: str) -> Policy:
    """What denies in place of a text that is none."""
    match = Match((ImagePattern.parse("**"),))
    return Policy("ClusterGatePolicy", place.file, Mode.ENFORCE, match, (Rule(_RULE, Unusable(why)),))


def _mode(spec: dict[str, Any]) -> Mode:
    mode = spec.get("mode", "enforce")
    return Mode(mode) if mode in tuple(Mode) else Mode.ENFORCE


def _match(document: Document, spec: dict[str, Any]) -> Match:
    """Its own, if all of that can be read: of a part of it nobody knows what it left out.

    But of any kind where one is not Kubernetes' own: if it is misspelt it is that of no object.
    """
    raw = spec.get("match", {})
    schema = schema_of("ClusterGatePolicy")["properties"]["spec"]["properties"]["match"]
    notes = Notes(document, [])
    if compiled(schema)(raw):
        match = parse_match(notes, raw)
        if not any(not problem.warning for problem in notes.problems):
            return match if set(match.kinds).issubset(WORKLOAD_KINDS) else replace(match, kinds=())
    return Match((ImagePattern.parse("**"),))


def _kind(document: Document) -> str:
    kind = document.data.get("kind") if isinstance(document.data, dict) else ""
    return kind if isinstance(kind, str) else ""


def _key(policy: Policy) -> _Key:
    return (policy.kind, policy.namespace, policy.name)


def _key_of(document: Document) -> _Key:
    metadata = document.data.get("metadata") if isinstance(document.data, dict) else {}
    inner = metadata if isinstance(metadata, dict) else {}
    kind, namespace, name = _kind(document), inner.get("namespace"), inner.get("name")
    return (kind, namespace if isinstance(namespace, str) else None, name if isinstance(name, str) else "")
