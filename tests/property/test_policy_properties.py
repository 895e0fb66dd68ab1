"""Policies: any text is read or refused, expressions mean what they say, and less evidence never allows more."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.codes import INABILITY, Code
from gate.documents import Document, read_documents
from gate.errors import SourceError
from gate.image.reference import Reference
from gate.policy.assignment import satisfied
from gate.policy.evaluate import conclude
from gate.policy.finding import Verdict
from gate.policy.known import Known
from gate.policy.matching import Workload
from gate.policy.plan import Stage, plan
from gate.policy.reading.sets import parse_set
from gate.policy.signers import AnyOf, AtLeast, Expression, One
from tests.fakes.clock import START
from tests.fakes.signing import alice, bob, mallory
from tests.unit.policy.build import (
    DIGEST,
    PINNED,
    REPOSITORY,
    UNCHECKED,
    UNWITNESSED,
    WRONG_ENTRY,
    evidence,
    fact,
    policies,
    policy,
    rejection,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.evidence.facts import Evidence, VerifiedSignature
    from gate.policy.policy_set import PolicySet

QUICK = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEARCH = settings(max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# texts

WORDS = [
    *("apiVersion: imagegate.dev/v1", "kind: ClusterGatePolicy", "kind: GateConfig", "metadata: {name: p}", "spec:"),
    *("rules:", "- deny: {}", "- signature: {by: a}", "signers:", "match: {images: ['**']}", "mode: warn", "image: {}"),
    *("---", "...", "- ", ": ", "? ", "[", "]", "{", "}", ",", "&a ", "*a", "<<: *a", "!!str ", "!x ", "|", ">-", "#"),
    *("'", '"', "\\", "\t", "\r\n", "\u2028", "\ufeff", "\x85", "{{", "}}", "%YAML 1.2", "~", "1e3", "\\ud83d\\ude00"),
]
lines = st.tuples(
    st.integers(0, 3).map("  ".__mul__), st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=4)
)
yaml_ish = st.lists(lines.map(lambda line: line[0] + "".join(line[1])), max_size=14).map("\n".join)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 40)
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["a", "b", "**"])
)
FIELDS = [
    *(
        "apiVersion",
        "kind",
        "metadata",
        "name",
        "namespace",
        "spec",
        "mode",
        "match",
        "images",
        "exclude",
        "namespaces",
    ),
    *(
        "names",
        "matchLabels",
        "matchExpressions",
        "key",
        "operator",
        "values",
        "kinds",
        "signers",
        "pem",
        "file",
        "secret",
    ),
    *("hash", "rules", "image", "registries", "tags", "denyTags", "denyDigests", "deny", "message", "signature", "by"),
    *("all", "atLeast", "of", "annotations", "repository", "reference", "unmatched", "pinning", "where", "scan", "a"),
]
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


def read(text: str) -> tuple[PolicySet, int]:
    """What a text amounts to, and how many things are wrong with it."""
    found = list(read_documents(text, "p.yaml"))
    errors = [f for f in found if isinstance(f, SourceError)]
    for error in errors:
        assert error.place is not None
        assert error.place.line >= 1
    parsed = parse_set([f for f in found if isinstance(f, Document)], None)
    for problem in parsed.problems:
        assert problem.place.line >= 1
        assert problem.message
    return parsed.set, len(errors) + len(parsed.errors)


def check_text(text: str) -> None:
    found, wrong = read(text)
    if found.policies and not wrong:
        for one in found.policies:
            assert one.rules
            assert one.match.images
            assert one.name
        # whatever it is, it decides without raising
        for stage in Stage:
            plan(found, Reference.parse(PINNED), Workload(), stage, START)


@given(yaml_ish | st.text(max_size=200))
@QUICK
def test_any_text_is_read_or_refused(text: str) -> None:
    check_text(text)


@pytest.mark.property
@given(yaml_ish | st.text(max_size=400))
@SEARCH
def test_any_text_is_read_or_refused_searched(text: str) -> None:
    check_text(text)


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, str]:
    """A good policy, and the same with one part of it replaced."""
    document = policy(
        [
            {"image": {"registries": ["ghcr.io"], "tags": "digest"}},
            {"signature": {"by": {"atLeast": 1, "of": ["a", ["b"]]}, "annotations": {"k": "v"}}},
        ],
        match={
            "images": ["**"],
            "namespaces": {"names": ["n"], "matchExpressions": [{"key": "k", "operator": "Exists"}]},
        },
    )
    paths = [p for p in every_path(document) if p]
    path = draw(st.sampled_from(paths))
    broken = json.loads(json.dumps(document))
    inner = broken
    for part in path[:-1]:
        inner = inner[part]
    match draw(st.sampled_from(["replace", "remove", "add"])):
        case "replace":
            inner[path[-1]] = draw(values)
        case "remove":
            del inner[path[-1]]
        case _ if isinstance(inner, dict):
            inner[draw(st.sampled_from(FIELDS) | st.text(max_size=4))] = draw(values)
        case _:
            inner.append(draw(values))
    return json.dumps(document), json.dumps(broken)


def every_path(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    entries: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        entries = list(value.items())
    elif isinstance(value, list):
        entries = list(enumerate(value))
    for key, inner in entries:
        yield from every_path(inner, (*path, key))


def check_damaged(texts: tuple[str, str]) -> None:
    good, broken = texts
    assert read(good)[1] == 0
    check_text(broken)
    found, wrong = read(broken)
    # nothing is quietly dropped: a policy that is read has all of its rules
    if not wrong and found.policies:
        (one,) = found.policies
        (document,) = read_documents(broken, "p.yaml")
        assert isinstance(document, Document)
        assert isinstance(document.data, dict)
        assert len(one.rules) == len(document.data["spec"]["rules"])


@given(damaged())
@QUICK
def test_one_part_replaced(texts: tuple[str, str]) -> None:
    check_damaged(texts)


@pytest.mark.property
@given(damaged())
@SEARCH
def test_one_part_replaced_searched(texts: tuple[str, str]) -> None:
    check_damaged(texts)


@given(values)
@QUICK
def test_json_is_read_as_it_is(value: object) -> None:
    text = json.dumps({"x": value}, allow_nan=False) if finite(value) else "{}"
    (document,) = read_documents(text, "p.yaml")
    assert isinstance(document, Document)
    assert document.data == json.loads(text)


def finite(value: object) -> bool:
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
    except ValueError:
        return False
    # what YAML's reader takes for no text at all
    return all(c.isprintable() or c in "\n\t" for c in text)


# expressions

SIGNERS = "abcd"
signers = st.sampled_from(SIGNERS).map(One)


def nested(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    several = st.lists(inner, min_size=1, max_size=3).map(tuple)
    counted = several.flatmap(lambda entries: st.integers(1, len(entries)).map(lambda n: AtLeast(n, entries)))
    return several.map(AnyOf) | counted


expressions: st.SearchStrategy[Expression] = st.recursive(signers, nested, max_leaves=6)
principals = st.dictionaries(st.sampled_from(SIGNERS), st.frozensets(st.sampled_from("123"), max_size=3), max_size=4)


def choices(expression: Expression) -> list[tuple[str, ...]]:
    """Every list of signers that would meet an expression, each by a principal of its own."""
    match expression:
        case One(name):
            return [(name,)]
        case AnyOf(options):
            return [choice for option in options for choice in choices(option)]
        case AtLeast(count, entries):
            picked = itertools.combinations(entries, count)
            return [sum(way, ()) for some in picked for way in itertools.product(*map(choices, some))]


def by_brute_force(expression: Expression, found: dict[str, frozenset[str]]) -> bool:
    return any(
        len(set(assignment)) == len(assignment)
        for wanted in choices(expression)
        for assignment in itertools.product(*(sorted(found.get(name, ())) for name in wanted))
    )


@given(expressions, principals)
@QUICK
def test_expressions_agree_with_brute_force(expression: Expression, found: dict[str, frozenset[str]]) -> None:
    assert satisfied(expression, found) is by_brute_force(expression, found)


@pytest.mark.property
@given(expressions, principals)
@SEARCH
def test_expressions_agree_with_brute_force_searched(expression: Expression, found: dict[str, frozenset[str]]) -> None:
    assert satisfied(expression, found) is by_brute_force(expression, found)


@given(expressions, principals, st.sampled_from(SIGNERS), st.sampled_from("1234"))
@QUICK
def test_another_principal_never_hurts(
    expression: Expression, found: dict[str, frozenset[str]], name: str, principal: str
) -> None:
    more = {**found, name: found.get(name, frozenset()) | {principal}}
    assert satisfied(expression, more) >= satisfied(expression, found)
    assert satisfied(expression, {k: v for k, v in found.items() if k in expression.names}) is satisfied(
        expression, found
    )


# evidence

KEYS = {"a": alice, "b": bob, "m": mallory}
facts = st.builds(
    lambda key, annotations, reference, witness: fact(KEYS[key](), annotations, reference, witness=witness),
    st.sampled_from("abm"),
    st.sampled_from([{}, {"k": "v"}, {"k": "w"}]),
    st.sampled_from([REPOSITORY, "ghcr.io/other/api", None]),
    st.sampled_from([UNWITNESSED, UNCHECKED, WRONG_ENTRY]),
)
rejections = st.builds(
    rejection,
    st.sampled_from([Code.SIGNATURE_INVALID, Code.KEY_MISMATCH, Code.SIGNATURE_UNSUPPORTED, Code.SIGNATURE_MISSING]),
    st.sampled_from(["one", "two"]),
)
known = st.builds(
    evidence,
    st.lists(facts, max_size=4),
    st.lists(rejections, max_size=3),
    st.lists(st.sampled_from(sorted(INABILITY)), max_size=2),
)
wanted = st.recursive(
    st.sampled_from("abm"),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.lists(inner, min_size=1, max_size=3).map(lambda entries: {"all": entries})
        | st.lists(inner, min_size=1, max_size=3).map(lambda entries: {"atLeast": 1, "of": entries})
    ),
    max_leaves=4,
)


@st.composite
def requirements(draw: st.DrawFn) -> PolicySet:
    fields = {
        **draw(st.sampled_from([{}, {"annotations": {"k": "v"}}])),
        **draw(st.sampled_from([{}, {"reference": "match"}])),
    }
    by = draw(wanted.filter(lambda by: json.dumps(by).count("[") <= 4))
    return policies(policy([{"signature": {"by": by, **fields}}]))


def verdict(found: PolicySet, facts: Evidence) -> Verdict:
    planned = plan(found, Reference.parse(PINNED), Workload(), Stage.CHECK, START)
    return conclude(planned, Known(DIGEST, dict.fromkeys(planned.sources, facts)), START).verdict


def subsets(found: Evidence) -> Iterator[Evidence]:
    """The same with one signature less."""
    for i in range(len(found.signatures)):
        yield replace(found, signatures=(*found.signatures[:i], *found.signatures[i + 1 :]))


def check_evidence(found: PolicySet, there: Evidence, more: list[VerifiedSignature]) -> None:
    now = verdict(found, there)
    assert now in (Verdict.ALLOW, Verdict.DENY, Verdict.ERROR)
    # what is rejected proves nothing: with or without it the image passes, or it does not
    assert (verdict(found, replace(there, rejected=())) is Verdict.ALLOW) is (now is Verdict.ALLOW)
    # nor does what could not be asked: it only tells an error from a denial
    asked = verdict(found, replace(there, unavailable=()))
    assert (asked is Verdict.ALLOW) is (now is Verdict.ALLOW)
    # but for a log entry that could not be checked
    assert asked is not Verdict.ERROR or any(s.witness is UNCHECKED for s in there.signatures)
    assert not (now is Verdict.DENY and there.unavailable)
    # less evidence never allows what more did not
    for less in subsets(there):
        assert not (verdict(found, less) is Verdict.ALLOW and now is not Verdict.ALLOW)
    if now is Verdict.ALLOW:
        assert verdict(found, replace(there, signatures=(*more, *there.signatures))) is Verdict.ALLOW
    # the order in which things were found decides nothing
    assert verdict(found, replace(there, signatures=there.signatures[::-1], rejected=there.rejected[::-1])) is now


@given(requirements(), known, st.lists(facts, max_size=2))
@QUICK
def test_evidence_only_ever_helps(found: PolicySet, there: Evidence, more: list[VerifiedSignature]) -> None:
    check_evidence(found, there, more)


@pytest.mark.property
@given(requirements(), known, st.lists(facts, max_size=2))
@SEARCH
def test_evidence_only_ever_helps_searched(found: PolicySet, there: Evidence, more: list[VerifiedSignature]) -> None:
    check_evidence(found, there, more)
