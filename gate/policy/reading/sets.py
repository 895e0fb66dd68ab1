"""Policy documents into one frozen set, or everything that is wrong with them.

The schema says what may stand where; the modules beside this one say what the parts mean and how they refer to each
other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from gate.policy.config import Config
from gate.policy.policy_set import PolicySet
from gate.policy.reading.checks import Check
from gate.policy.reading.config import parse_config
from gate.policy.reading.exceptions import check_reach, parse_break_glass, parse_exception
from gate.policy.reading.notes import Notes
from gate.policy.reading.policies import parse_policy
from gate.policy.reading.problems import Problem
from gate.policy.reading.remains import remains
from gate.policy.reading.remedies import did_you_mean
from gate.policy.reading.revocations import parse_revocation, together
from gate.policy.reading.schema.kinds import API_VERSION, KINDS, NAMESPACED, TEST_KIND
from gate.policy.reading.shape import shape_problems
from gate.policy.reading.trust_roots import parse_trust_root
from gate.policy.trust import PUBLIC_GOOD, MissingRoot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from gate.documents import Document
    from gate.errors import Place
    from gate.policy.break_glass import BreakGlass
    from gate.policy.exceptions import GateException
    from gate.policy.policy import Policy
    from gate.policy.reading.notes import ReadFile
    from gate.policy.revocation import Revocations
    from gate.policy.trust import TrustRoot

_T = TypeVar("_T")
_GROUP: Final = "imagegate.dev/"
_POLICIES: Final = ("ClusterGatePolicy", "GatePolicy")
_REVOCATION: Final = "GateRevocation"
_CONFIG: Final = "GateConfig"
_OTHERS: Final[Mapping[str, Callable[[Notes], object]]] = {
    "GateException": parse_exception,
    "GateBreakGlass": parse_break_glass,
    "GateTrustRoot": parse_trust_root,
    _CONFIG: parse_config,
}
"""What reads the kinds that are no policies; of revocations every entry is read anyway."""


@dataclass(frozen=True, slots=True)
class Written(Generic[_T]):
    """A value and where it was written.

    Attributes:
        whole: nothing in it is wrong: all that the document lists is in the value, in the same order.
    """

    value: _T
    document: Document
    whole: bool


@dataclass(frozen=True, slots=True)
class ParsedSet:
    """What documents amount to.

    Attributes:
        set: the policies that are whole; to be used only when there are no errors.
        problems: everything wrong, and what their authors should know.
        skipped: documents that are not ours.
        tests: `GateTest` documents, as they are: only lint and test read them (`reading.tests`).
        policies: those of the set, in the order of their documents.
        exceptions: likewise.
        config: None where there is no document of it.
        broken: documents of ours that are not read further: their shape or their name is wrong.
        unreadable: where texts are that are no documents.
    """

    set: PolicySet
    problems: tuple[Problem, ...]
    skipped: int
    tests: tuple[Document, ...] = ()
    policies: tuple[Written[Policy], ...] = ()
    exceptions: tuple[Written[GateException], ...] = ()
    config: Written[Config] | None = None
    broken: tuple[Document, ...] = ()
    unreadable: tuple[Place, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Those problems with which nothing may be judged."""
        return tuple(problem for problem in self.problems if not problem.warning)


def parse_set(
    documents: Iterable[Document], read_file: ReadFile | None, stand_ins: Mapping[str, TrustRoot] | None = None
) -> ParsedSet:
    """Read every policy document.

    Args:
        documents: of any kind; those that are not ours are counted.
        read_file: reads a `file:` relative to its document; None where files are refused.
        stand_ins: trust roots of a test, by the names that they stand in for, built-in ones among them.
    """
    problems: list[Problem] = []
    read = _read(documents, read_file, problems)
    ours = read.ours
    # What others refer to comes first, wherever it stands.
    hurt = {name: MissingRoot(name, "it is not valid") for name in _names(read.hurt, "GateTrustRoot") - {PUBLIC_GOOD}}
    whole = {root.name: root for root in map(parse_trust_root, ours["GateTrustRoot"])}
    roots = {**hurt, **whole, **(stand_ins or {})}
    # There is one at most: it is called `default`, and no name may stand twice.
    config = next((_written(notes, parse_config) for notes in ours[_CONFIG]), None)
    read_policy = partial(parse_policy, roots=roots, custom_kinds=_custom_kinds(read))
    written = [_written(notes, partial(read_policy, kind)) for kind in _POLICIES for notes in ours[kind]]
    policies = [one.value for one in written]
    hurt_policies = _names(read.hurt, *_POLICIES)
    exceptions = [
        _written(notes, partial(_exception, policies=policies, hurt=hurt_policies)) for notes in ours["GateException"]
    ]
    _check_hurt(read.hurt, read_file, read_policy, problems)
    found = PolicySet(
        tuple(sorted(policies, key=lambda p: (p.kind, p.namespace or "", p.name))),
        config.value if config is not None else Config(),
        roots,
        tuple(sorted((one.value for one in exceptions), key=lambda e: (e.namespace, e.name))),
        together(read.revocations),
        _break_glasses(ours["GateBreakGlass"]),
    )
    return ParsedSet(
        found,
        tuple(problems),
        read.skipped,
        tuple(read.tests),
        tuple(written),
        tuple(exceptions),
        config,
        tuple(read.broken),
    )


def _written(notes: Notes, parse: Callable[[Notes], _T]) -> Written[_T]:
    before = len(notes.problems)
    value = parse(notes)
    return Written(value, notes.document, all(problem.warning for problem in notes.problems[before:]))


def _custom_kinds(read: _Read) -> frozenset[str]:
    """The kinds that are declared, though what declares them is not whole: that is said of it alone."""
    configs = (*(notes.document for notes in read.ours[_CONFIG]), *(d for d, kind in read.hurt if kind == _CONFIG))
    specs = (one.data.get("spec") for one in configs if isinstance(one.data, dict))
    entries = (spec.get("customResources") for spec in specs if isinstance(spec, dict))
    kinds = (
        entry.get("kind")
        for listed in entries
        if isinstance(listed, list)
        for entry in listed
        if isinstance(entry, dict)
    )
    return frozenset(kind for kind in kinds if isinstance(kind, str))


@dataclass(slots=True)
class _Read:
    """Documents of ours, by kind, that their schema holds of; of revocations what can be read, whatever it does.

    Attributes:
        hurt: those of the broken ones whose kind is known.
    """

    ours: dict[str, list[Notes]]
    revocations: list[Revocations]
    broken: list[Document]
    tests: list[Document]
    hurt: list[tuple[Document, str]]
    skipped: int = 0


def _read(documents: Iterable[Document], read_file: ReadFile | None, problems: list[Problem]) -> _Read:
    read = _Read({kind: [] for kind in KINDS}, [], [], [], [])
    seen: dict[tuple[object, ...], Place] = {}
    for document in documents:
        kind = kind_of(document, problems)
        if kind == "":
            read.skipped += 1
        elif kind == TEST_KIND:
            read.tests.append(document)
        elif kind == _REVOCATION:
            read.revocations.append(_revocation(document, seen, problems))
        elif kind is not None and _is_valid(document, kind, problems) and _is_first(document, kind, seen, problems):
            files = None if kind == "GatePolicy" else read_file
            read.ours[kind].append(Notes(document, problems, files))
        else:
            read.broken.append(document)
            read.revocations.extend(_revocations_in(document))
            if kind is not None:
                read.hurt.append((document, kind))
    return read


def _check_hurt(
    hurt: Iterable[tuple[Document, str]],
    read_file: ReadFile | None,
    read_policy: Callable[[str, Notes], Policy],
    problems: list[Problem],
) -> None:
    """Note what is wrong with values in documents that are not read further."""
    for document, kind in hurt:
        notes = remains(document, kind, problems, None if kind == "GatePolicy" else read_file)
        if notes is None:
            continue
        if kind in _POLICIES:
            read_policy(kind, notes)
        else:
            _OTHERS[kind](notes)


def _names(hurt: Iterable[tuple[Document, str]], *kinds: str) -> frozenset[str]:
    """What documents that are not read further are called."""
    metadata = (d.data.get("metadata") for d, kind in hurt if kind in kinds and isinstance(d.data, dict))
    names = (inner.get("name") for inner in metadata if isinstance(inner, dict))
    return frozenset(name for name in names if isinstance(name, str))


def _exception(notes: Notes, policies: list[Policy], hurt: frozenset[str]) -> GateException:
    found = parse_exception(notes)
    check_reach(notes, found, policies, hurt)
    return found


def _break_glasses(documents: list[Notes]) -> tuple[BreakGlass, ...]:
    for notes in documents:
        notes.add(
            Check.BREAK_GLASS_FILE,
            ("kind",),
            "from a file it lets nothing through",
            "create it in the cluster: who does is known there",
        )
    found = (glass for glass in map(parse_break_glass, documents) if glass is not None)
    return tuple(sorted(found, key=lambda glass: glass.name))


def kind_of(document: Document, problems: list[Problem]) -> str | None:
    """The kind of a document of ours; "" where it is not ours; None where it cannot be used."""
    data = document.data
    inside = data.get("items") if isinstance(data, dict) else data
    if isinstance(inside, list) and any(map(_is_ours, inside)):
        problems.append(
            Problem(
                Check.INSIDE_LIST,
                document.place(()),
                "policies inside a list are not read",
                "write each as a document of its own",
            )
        )
        return None
    if not isinstance(data, dict):
        return ""
    kind, api = data.get("kind"), data.get("apiVersion")
    if kind in KINDS and api != API_VERSION:
        got = f"apiVersion {api!r}" if api is not None else "no apiVersion"
        problems.append(
            Problem(
                Check.API_VERSION,
                document.place(("apiVersion",)),
                f"a {kind} with {got}",
                f"write apiVersion: {API_VERSION}",
            )
        )
        return None
    if not (isinstance(api, str) and api.startswith(_GROUP)):
        return ""
    if kind not in KINDS:
        problems.append(
            Problem(Check.UNKNOWN_KIND, document.place(("kind",)), f"unknown kind {kind!r}", did_you_mean(kind, KINDS))
        )
        return None
    if api != API_VERSION:
        problems.append(
            Problem(
                Check.API_VERSION,
                document.place(("apiVersion",)),
                f"unknown apiVersion {api!r}",
                f"write {API_VERSION}",
            )
        )
        return None
    return str(kind)


def _is_ours(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    api = entry.get("apiVersion")
    return entry.get("kind") in KINDS or (isinstance(api, str) and api.startswith(_GROUP))


def _is_valid(document: Document, kind: str, problems: list[Problem]) -> bool:
    found = shape_problems(document, kind)
    problems.extend(found)
    return not found


def _revocation(document: Document, seen: dict[tuple[object, ...], Place], problems: list[Problem]) -> Revocations:
    """What a document revokes, though it be invalid: what is wrong with it spares nobody."""
    if _is_valid(document, _REVOCATION, problems):
        _is_first(document, _REVOCATION, seen, problems)
    notes = Notes(document, problems)
    found = parse_revocation(notes)
    if not found.digests and not found.signers:
        notes.add(Check.REVOKES_NOTHING, ("spec",), "it revokes nothing", "give `digests` or `signers`")
    return found


def _revocations_in(document: Document) -> Iterator[Revocations]:
    """What can be read of revocations in a document that is not: under another apiVersion, or inside a list."""
    data = document.data
    inside = data.get("items") if isinstance(data, dict) else data
    for entry in inside if isinstance(inside, list) else [data]:
        if isinstance(entry, dict) and entry.get("kind") == _REVOCATION:
            yield parse_revocation(Notes(replace(document, data=entry), []))


def _is_first(document: Document, kind: str, seen: dict[tuple[object, ...], Place], problems: list[Problem]) -> bool:
    assert isinstance(document.data, dict)  # the schema has been checked
    metadata = document.data["metadata"]
    place = document.place(("metadata", "name"))
    if kind in NAMESPACED and "namespace" not in metadata:
        problems.append(
            Problem(Check.NAMESPACE, place, f"a {kind} without metadata.namespace", "add the namespace it is for")
        )
        return False
    if kind not in NAMESPACED and "namespace" in metadata:
        here = document.place(("metadata", "namespace"))
        problems.append(
            Problem(Check.NAMESPACE, here, f"a {kind} belongs to no namespace", "remove metadata.namespace")
        )
        return False
    if kind == "GateTrustRoot" and metadata["name"] == PUBLIC_GOOD:
        problems.append(
            Problem(Check.RESERVED_NAME, place, f"the trust root {PUBLIC_GOOD} is built in", "give yours another name")
        )
        return False
    if kind == _CONFIG and metadata["name"] != "default":
        problems.append(
            Problem(Check.RESERVED_NAME, place, f"a GateConfig named {metadata['name']!r}", "name it default")
        )
        return False
    first = seen.setdefault((kind, metadata.get("namespace"), metadata["name"]), place)
    if first is not place:
        problems.append(
            Problem(
                Check.DUPLICATE_DOCUMENT,
                place,
                f"{kind} {metadata['name']} stands twice; the other is at {first}",
                "rename one",
            )
        )
        return False
    return True
