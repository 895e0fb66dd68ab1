"""`GateTest` documents into values, and what is wrong with them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from gate.codes import Code
from gate.documents import Document, read_documents
from gate.errors import ParseError
from gate.image.reference import Repository
from gate.policy.finding import Finding, Verdict
from gate.policy.reading.schema.kinds import schema_of
from gate.policy.reading.schema.tests import MAX_CASES
from gate.policy.reading.sets import parse_set
from gate.policy.reading.tests import Case, CaseNamespace, ExpectedFinding, GateTest, check_references, parse_test
from gate.policy.trust import GivenRoot
from tests.fakes.signing_authority import shared_world
from tests.unit.policy.reading.walking import ANY, fields_of

if TYPE_CHECKING:
    from gate.policy.reading.problems import Problem

CASE: dict[str, Any] = {"name": "one", "image": "nginx", "expect": {"verdict": "allow"}}
SPEC: dict[str, Any] = {"at": "2026-11-23T12:00:00Z", "cases": [CASE]}
POLICY = """\
apiVersion: imagegate.dev/v1
kind: ClusterGatePolicy
metadata: {name: acme}
spec:
  signers: {s: {keyless: {issuer: https://i.test, subject: s@i.test, trustRoot: ours}}}
  rules: [{deny: {}}, {name: signed, signature: {by: s}}, {image: {}}, {image: {denyTags: [main]}}]
"""


def document(spec: object, **metadata: str) -> Document:
    whole = {
        "apiVersion": "imagegate.dev/v1",
        "kind": "GateTest",
        "metadata": {"name": "t", **metadata},
        "spec": spec,
    }
    (found,) = read_documents(json.dumps(whole, indent=1), "dir/t.yaml")
    assert isinstance(found, Document)
    return found


def _files(_document: Document, name: str, _limit: int) -> bytes:
    """A folder with one layout and one trusted root."""
    known = {"image/oci-layout": b"{}", "root.json": shared_world().trusted_root(), "bad.json": b"{}"}
    if name not in known:
        raise ParseError(f"dir/{name!r} cannot be read: No such file or directory", remedy="")
    return known[name]


def read(spec: object, **metadata: str) -> tuple[GateTest | None, list[Problem]]:
    problems: list[Problem] = []
    return parse_test(document(spec, **metadata), problems, _files), problems


def valid(**spec: object) -> GateTest:
    test, problems = read({**SPEC, **spec})
    assert problems == []
    assert test is not None
    return test


def test_a_test_as_a_value() -> None:
    test = valid(
        policies=["../p.yaml"],
        evidence=[{"repository": "nginx", "layout": "image"}],
        trustRoots=[{"name": "public-good", "file": "root.json"}],
        cases=[
            {
                **CASE,
                "namespace": {"name": "web", "labels": {"env": "prod"}},
                "expect": {"verdict": "deny", "findings": [{"rule": "r", "code": "TAG_MUTABLE", "policy": "p"}]},
            },
            {**CASE, "name": "two", "namespace": {"name": "x"}},
        ],
    )
    assert (test.name, test.at, test.policies) == ("t", datetime(2026, 11, 23, 12, tzinfo=UTC), ("../p.yaml",))
    (kept,) = test.evidence
    assert (kept.repository, kept.layout) == (Repository("docker.io", "library/nginx"), "image")
    assert isinstance(test.trust_roots["public-good"], GivenRoot)
    first, second = test.cases
    assert isinstance(first, Case)
    assert first.namespace == CaseNamespace("web", {"env": "prod", "kubernetes.io/metadata.name": "web"})
    assert first.findings == (ExpectedFinding(Code.TAG_MUTABLE, "r", "p"),)
    assert second.namespace == CaseNamespace("x")
    assert str(first.place).startswith("dir/t.yaml:")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"at": None}, "`spec.at`"),
        ({"at": "now"}, "'now' is not an instant; write RFC 3339"),
        ({"at": "2026-11-23"}, "is not an instant"),
        ({"policies": []}, "the list is empty"),
        ({"polices": ["p.yaml"]}, "did you mean policies?"),
        ({"cases": []}, "the list is empty"),
        ({"cases": [CASE, CASE]}, "a case of this name stands at dir/t.yaml:"),
        ({"cases": [{"name": "n", "expect": {"verdict": "deny"}}]}, "expected exactly one of image, manifest; found"),
        ({"cases": [{**CASE, "manifest": {}}]}, "expected exactly one of image, manifest"),
        ({"cases": [{**CASE, "expect": {}}]}, "has no `verdict`"),
        ({"cases": [{**CASE, "expect": {"verdict": "denied"}}]}, "did you mean deny?"),
        ({"cases": [{**CASE, "expect": {"verdict": "deny", "findings": [{"rule": "x"}]}}]}, "has no `code`"),
        (
            {"cases": [{**CASE, "expect": {"verdict": "deny", "findings": [{"code": "SIGNATUR_MISSING"}]}}]},
            "did you mean SIGNATURE_MISSING?",
        ),
        ({"cases": [{**CASE, "namespace": {"labels": {"a": "b"}}}]}, "has no `name`"),
        ({"evidence": [{"repository": "nginx:1", "layout": "image"}]}, "write docker.io/library/nginx"),
        ({"evidence": [{"repository": "Nginx", "layout": "image"}]}, "Nginx"),
        ({"evidence": [{"repository": "nginx", "layout": "imago"}]}, "'imago' is no OCI layout"),
        (
            {"evidence": [{"repository": name, "layout": "image"} for name in ("nginx", "docker.io/library/nginx")]},
            "docker.io/library/nginx stands twice",
        ),
        ({"trustRoots": [{"name": "a", "file": "none.json"}]}, "'none.json' cannot be read"),
        ({"trustRoots": [{"name": "a", "file": "bad.json"}]}, "trust root a: "),
        ({"trustRoots": [{"name": "a", "file": "root.json"}] * 2}, "the trust root a stands twice"),
    ],
)  # fmt: skip
def test_what_is_wrong_has_its_place_and_a_remedy(change: dict[str, Any], said: str) -> None:
    test, problems = read({**SPEC, **change})
    assert test is None
    assert said in str(problems[0])
    assert all(str(problem).startswith("dir/t.yaml:") for problem in problems)


def test_a_test_belongs_to_no_namespace() -> None:
    test, (problem,) = read(SPEC, namespace="web")
    assert test is None
    assert "remove metadata.namespace" in str(problem)


def test_what_is_left_out_is_as_the_schema_says() -> None:
    defaults = {path: form["default"] for path, form in fields_of(schema_of("GateTest")) if "default" in form}
    assert defaults.keys() == {
        ("spec", "evidence"),
        ("spec", "trustRoots"),
        ("spec", "cases", ANY, "expect", "findings"),
    }
    written = valid(evidence=[], trustRoots=[], cases=[{**CASE, "expect": {**CASE["expect"], "findings": []}}])
    left_out = valid()
    assert list(defaults.values()) == [[], [], []]
    assert (written.evidence, written.trust_roots) == (left_out.evidence, left_out.trust_roots)
    assert written.cases[0].findings == left_out.cases[0].findings


def test_cases_are_bounded() -> None:
    many = [{**CASE, "name": str(i)} for i in range(MAX_CASES)]
    assert len(valid(cases=many).cases) == MAX_CASES
    test, (problem,) = read({**SPEC, "cases": [*many, CASE]})
    assert test is None
    assert f"more than {MAX_CASES} entries" in str(problem)


@pytest.mark.parametrize(
    ("expected", "fits"),
    [
        (ExpectedFinding(Code.TAG_MUTABLE), True),
        (ExpectedFinding(Code.TAG_MUTABLE, "r"), True),
        (ExpectedFinding(Code.TAG_MUTABLE, "r", "p"), True),
        (ExpectedFinding(Code.TAG_MUTABLE, "", "p"), True),
        (ExpectedFinding(Code.TAG_MISSING, "r", "p"), False),
        (ExpectedFinding(Code.TAG_MUTABLE, "q"), False),
        (ExpectedFinding(Code.TAG_MUTABLE, "r", "q"), False),
        (ExpectedFinding(Code.TAG_MUTABLE, image="nginx"), True),
        (ExpectedFinding(Code.TAG_MUTABLE, image="nginx:1"), False),
    ],
)
def test_which_findings_are_meant(expected: ExpectedFinding, *, fits: bool) -> None:
    finding = Finding(Code.TAG_MUTABLE, Verdict.DENY, "m", policy="p", rule="r")
    assert expected.fits(finding, "nginx") is fits


def references(*findings: dict[str, str], roots: tuple[str, ...] = ()) -> list[str]:
    (policy,) = read_documents(POLICY, "p.yaml")
    assert isinstance(policy, Document)
    expect = {"verdict": "deny", "findings": list(findings)}
    own = [{"name": name, "file": "root.json"} for name in roots]
    test = valid(cases=[{**CASE, "expect": expect}], trustRoots=own)
    problems: list[Problem] = []
    check_references(test, parse_set([policy], None, test.trust_roots).set, problems)
    return [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("finding", "said"),
    [
        ({"rule": "signedd"}, "no rule of the policies under test is called 'signedd'; did you mean signed?"),
        ({"rule": "signed", "policy": "acne"}, "no policy under test is called 'acne'; did you mean acme?"),
        ({"rule": "sign", "policy": "acme"}, "no rule of acme is called 'sign'"),
        ({"rule": "image"}, "2 rules of acme are called image; give each a name"),
    ],
)
def test_what_it_names_has_to_be_there(finding: dict[str, str], said: str) -> None:
    (problem,) = references({"code": "KEY_MISMATCH", **finding})
    assert said in problem


def test_what_is_there_may_be_named() -> None:
    good: tuple[dict[str, str], ...] = ({"rule": "signed"}, {"rule": "deny", "policy": "acme"}, {"policy": "acme"}, {})
    assert references(*({"code": "KEY_MISMATCH", **one} for one in good), roots=("ours",)) == []


def test_a_trust_root_that_nobody_asks_for_is_a_warning() -> None:
    (problem,) = references(roots=("our", "ours"))
    assert "warning: no signer of the policies under test asks for the trust root our" in problem
    assert "did you mean ours?" in problem
