"""`GateTest` documents: what policies are expected to say of images (POLICY §8). Only lint and test read them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from gate.codes import Code
from gate.errors import GateError, ParseError
from gate.image.reference import Reference
from gate.instants import parse_instant
from gate.policy.finding import Verdict
from gate.policy.reading.checks import Check
from gate.policy.reading.notes import Notes
from gate.policy.reading.remedies import did_you_mean
from gate.policy.reading.schema.kinds import TEST_KIND
from gate.policy.reading.shape import shape_problems
from gate.policy.reading.trust_roots import given_root
from gate.policy.signers import needs_of
from gate.trust.root import MAX_ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from gate.documents import Document, Path
    from gate.errors import Place
    from gate.image.reference import Repository
    from gate.policy.finding import Finding
    from gate.policy.policy import Policy
    from gate.policy.policy_set import PolicySet
    from gate.policy.reading.notes import ReadFile
    from gate.policy.reading.problems import Problem
    from gate.policy.trust import TrustRoot

_LAYOUT_FILE: Final = "oci-layout"
_NAME_LABEL: Final = "kubernetes.io/metadata.name"  # that Kubernetes gives every namespace


@dataclass(frozen=True, slots=True)
class ExpectedFinding:
    """A finding that a case wants. What it leaves open fits any.

    Attributes:
        code: of the finding.
        rule: that finds it; "" for any, or none.
        policy: of that rule; "" likewise.
        image: that it is of, as that is written; "" for any one of the case.
    """

    code: Code
    rule: str = ""
    policy: str = ""
    image: str = ""

    def fits(self, finding: Finding, image: str) -> bool:
        """Whether a finding of an image is one of those that are meant."""
        return (
            finding.code is self.code
            and self.image in ("", image)
            and self.rule in ("", finding.rule)
            and self.policy in ("", finding.policy)
        )  # fmt: skip

    def __str__(self) -> str:
        """As in a report: `CODE [policy/rule] of IMAGE`."""
        by = "/".join(filter(None, (self.policy, self.rule)))
        of = f" of {self.image}" if self.image else ""
        return f"{self.code} [{by}]{of}" if by else f"{self.code}{of}"


@dataclass(frozen=True, slots=True)
class CaseNamespace:
    """The namespace that a case's images stand in.

    Attributes:
        labels: None where they are not known.
    """

    name: str
    labels: Mapping[str, str] | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class Case:
    """What is expected of an image, or of a manifest's images together.

    Attributes:
        name: one of its test.
        path: of the case in its document.
        place: of its name.
        image: as written; None where there is a manifest instead.
        namespace: None where it is not known.
        verdict: over all images.
        findings: those that have to be there, each of one image. Of what denies or is `error` there may be no others.
    """

    name: str
    path: Path
    place: Place
    image: str | None
    namespace: CaseNamespace | None
    verdict: Verdict
    findings: tuple[ExpectedFinding, ...] = ()


@dataclass(frozen=True, slots=True)
class KeptEvidence:
    """The OCI layout that answers for a repository.

    Attributes:
        layout: as written, relative to the document.
        path: of the entry in the document.
    """

    repository: Repository
    layout: str
    path: Path


@dataclass(frozen=True, slots=True)
class GateTest:
    """A `GateTest`.

    Attributes:
        document: what it was read from.
        at: the instant that is decided at.
        policies: files and folders, relative to the document; () for its own folder.
        evidence: what registries would answer.
        trust_roots: that stand in for those of the same name, built-in ones among them.
        cases: at least one.
    """

    document: Document
    name: str
    at: datetime
    policies: tuple[str, ...]
    evidence: tuple[KeptEvidence, ...]
    trust_roots: Mapping[str, TrustRoot] = field(hash=False)
    cases: tuple[Case, ...]


def parse_test(document: Document, problems: list[Problem], read_file: ReadFile) -> GateTest | None:
    """Read a document; None, with the problems noted, where it is not valid.

    Args:
        document: of that kind, as it says.
        problems: where to note what is wrong.
        read_file: reads what it names.
    """
    wrong = shape_problems(document, TEST_KIND)
    problems.extend(wrong)
    if wrong:
        return None
    found: list[Problem] = []
    notes = Notes(document, found, read_file)
    metadata, spec = notes.data["metadata"], notes.data["spec"]
    if "namespace" in metadata:
        said = "a GateTest belongs to no namespace"
        notes.add(Check.NAMESPACE, ("metadata", "namespace"), said, "remove metadata.namespace")
    at = notes.attempt(Check.INSTANT, ("spec", "at"), parse_instant, spec["at"])
    evidence = tuple(_evidence(notes, spec.get("evidence", ())))
    roots = _roots(notes, spec.get("trustRoots", ()))
    cases = _cases(notes, spec["cases"])
    problems.extend(found)
    if at is None or any(not problem.warning for problem in found):
        return None
    return GateTest(document, metadata["name"], at, tuple(spec.get("policies", ())), evidence, roots, cases)


def check_references(test: GateTest, policies: PolicySet, problems: list[Problem]) -> None:
    """Note where a test names what its policies do not have: it would wait for it in vain.

    Args:
        test: as read.
        policies: the set it is of.
        problems: where to note it.
    """
    notes = Notes(test.document, problems)
    for case in test.cases:
        for i, expected in enumerate(case.findings):
            _check_finding(notes, (*case.path, "expect", "findings", i), expected, policies)
    wanted = wanted_roots(policies)
    for i, entry in enumerate(notes.data["spec"].get("trustRoots", ())):
        if entry["name"] not in wanted:
            message = f"no signer of the policies under test asks for the trust root {entry['name']}"
            path = ("spec", "trustRoots", i, "name")
            meant = did_you_mean(entry["name"], sorted(wanted)) if wanted else "remove it"
            notes.add(Check.UNUSED_TRUST_ROOT, path, message, meant)


def wanted_roots(policies: PolicySet) -> frozenset[str]:
    """The names of the trust roots that signers are known by."""
    needs = needs_of([signer for policy in policies.policies for signer in policy.signers.values()])
    roots = (*needs.roots, *(key.root for key in needs.keys), *(pki.root for pki in needs.private))
    return frozenset(root.name for root in roots if root is not None)


def _check_finding(notes: Notes, path: Path, expected: ExpectedFinding, policies: PolicySet) -> None:
    names = [policy.name for policy in policies.policies]
    if expected.policy and expected.policy not in names:
        message = f"no policy under test is called {expected.policy!r}"
        notes.add(Check.EXPECTED_POLICY, (*path, "policy"), message, did_you_mean(expected.policy, names))
        return
    meant = [policy for policy in policies.policies if expected.policy in ("", policy.name)]
    if not expected.rule:
        return
    rules = [rule.name for policy in meant for rule in policy.rules]
    if expected.rule not in rules:
        message = f"no rule of {expected.policy or 'the policies under test'} is called {expected.rule!r}"
        notes.add(Check.UNKNOWN_RULE, (*path, "rule"), message, did_you_mean(expected.rule, dict.fromkeys(rules)))
    for policy in meant:
        count = _count(policy, expected.rule)
        if count > 1:
            said = f"{count} rules of {policy.name} are called {expected.rule}"
            notes.add(Check.AMBIGUOUS_RULE, (*path, "rule"), said, "give each a name")


def _count(policy: Policy, rule: str) -> int:
    return sum(one.name == rule for one in policy.rules)


def _evidence(notes: Notes, raw: list[dict[str, str]]) -> list[KeptEvidence]:
    found: dict[Repository, KeptEvidence] = {}
    for i, entry in enumerate(raw):
        path = ("spec", "evidence", i)
        name = notes.attempt(Check.REFERENCE, (*path, "repository"), _repository, entry["repository"])
        _check_layout(notes, (*path, "layout"), entry["layout"])
        if name is None:
            continue
        if name in found:
            said = f"{name} stands twice"
            notes.add(Check.DUPLICATE_IN_TEST, (*path, "repository"), said, "one layout answers for a repository")
        found[name] = KeptEvidence(name, entry["layout"], path)
    return list(found.values())


def _repository(text: str) -> Repository:
    reference = Reference.parse(text)
    if reference.tag or reference.digest:
        raise ParseError(f"{text[:200]!r} names a tag or digest", remedy=f"write {reference.name}")
    return reference.name


def _check_layout(notes: Notes, path: Path, folder: str) -> None:
    assert notes.read_file is not None  # tests are files
    try:
        notes.read_file(notes.document, f"{folder}/{_LAYOUT_FILE}", 0)
    except GateError as error:
        remedy = "name an OCI layout, relative to this file: gate policy test --record REF --into DIR makes one"
        notes.add(Check.TEST_LAYOUT, path, f"{folder[:200]!r} is no OCI layout: {error.message}", remedy)


def _roots(notes: Notes, raw: list[dict[str, str]]) -> dict[str, TrustRoot]:
    found: dict[str, TrustRoot] = {}
    for i, entry in enumerate(raw):
        path = ("spec", "trustRoots", i)
        material = notes.material(path, entry, MAX_ROOT, "file")
        if entry["name"] in found:
            said = f"the trust root {entry['name']} stands twice"
            notes.add(Check.DUPLICATE_IN_TEST, (*path, "name"), said, "keep one of them")
        if material is not None:
            found[entry["name"]] = given_root(notes, (*path, "file"), entry["name"], material.content)
    return found


def _cases(notes: Notes, raw: list[dict[str, Any]]) -> tuple[Case, ...]:
    places: dict[str, Place] = {}
    cases = []
    for i, entry in enumerate(raw):
        path = ("spec", "cases", i)
        place = notes.document.place((*path, "name"))
        first = places.setdefault(entry["name"], place)
        if first is not place:
            notes.add(
                Check.DUPLICATE_IN_TEST, (*path, "name"), f"a case of this name stands at {first}", "give each its own"
            )
        notes.one_of(path, entry, "image", "manifest")
        expect = entry["expect"]
        findings = [
            ExpectedFinding(Code(one["code"]), one.get("rule", ""), one.get("policy", ""), one.get("image", ""))
            for one in expect.get("findings", ())
        ]
        namespace = _namespace(entry["namespace"]) if "namespace" in entry else None
        verdict = Verdict(expect["verdict"])
        cases.append(Case(entry["name"], path, place, entry.get("image"), namespace, verdict, tuple(findings)))
    return tuple(cases)


def _namespace(raw: dict[str, Any]) -> CaseNamespace:
    """Labels that are given are all there are, but for the one that every namespace has."""
    labels = {**raw["labels"], _NAME_LABEL: raw["name"]} if "labels" in raw else None
    return CaseNamespace(raw["name"], labels)
