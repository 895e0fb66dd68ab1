"""What a case asks, and whether what was decided is what it expects."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from gate.authoring.cases import compare, question
from gate.authoring.words import difference
from gate.codes import Code
from gate.documents import Document, read_documents
from gate.errors import Place
from gate.policy.decision import Decision
from gate.policy.finding import Finding, Verdict
from gate.policy.matching import Workload
from gate.policy.reading.tests import Case, CaseNamespace, ExpectedFinding
from gate.review.review import ImageReview, Subject

DENIED = Finding(Code.TAG_MUTABLE, Verdict.DENY, "latest is mutable", "write a digest", "p", "image")
WARNED = Finding(Code.DIGEST_REQUIRED, Verdict.WARN, "no digest", "", "q", "image")
UNKNOWN = Finding(Code.REGISTRY_TIMEOUT, Verdict.ERROR, "no answer", "", "p", "signature")
NOTED = Finding(Code.EXCEPTION_USED, Verdict.ALLOW, "waived", "", "p", "signature")


def case(verdict: Verdict, *findings: ExpectedFinding, **more: Any) -> Case:
    fields = {"image": "nginx", "namespace": None, **more}
    return Case("c", ("spec", "cases", 0), Place("t.yaml", 7, 5), verdict=verdict, findings=findings, **fields)


def review(*findings: Finding, image: str = "nginx") -> ImageReview:
    return ImageReview(Subject(image), Decision.of(findings))


def test_nothing_but_the_verdict() -> None:
    assert compare(case(Verdict.ALLOW), [review()]).passed
    assert compare(case(Verdict.WARN), [review(WARNED)]).passed
    assert compare(case(Verdict.ALLOW), [review(NOTED)]).passed
    result = compare(case(Verdict.ALLOW), [review(WARNED)])
    assert not result.passed
    assert list(difference(result)) == ["expected the verdict allow, got warn"]


def test_whatever_denies_has_to_be_expected_though_the_verdict_is_right() -> None:
    result = compare(case(Verdict.DENY), [review(DENIED, WARNED)])
    assert not result.passed
    assert list(difference(result)) == [
        "not expected: TAG_MUTABLE [p/image] of nginx: latest is mutable",
        "  Fix: write a digest",
    ]
    assert compare(case(Verdict.DENY, ExpectedFinding(Code.TAG_MUTABLE)), [review(DENIED, WARNED)]).passed


def test_an_expected_error_is_as_expected() -> None:
    assert compare(case(Verdict.ERROR, ExpectedFinding(Code.REGISTRY_TIMEOUT)), [review(UNKNOWN)]).passed
    assert not compare(case(Verdict.ERROR), [review(UNKNOWN)]).passed


@pytest.mark.parametrize("finding", [WARNED, NOTED])
def test_warnings_and_notes_may_be_expected_and_then_have_to_be_there(finding: Finding) -> None:
    verdict = finding.verdict
    wanted = ExpectedFinding(finding.code, finding.rule, finding.policy)
    assert compare(case(verdict, wanted), [review(finding)]).passed
    result = compare(case(Verdict.ALLOW, wanted), [review()])
    assert list(difference(result)) == [f"expected, and not there: {finding.code} [{finding.policy}/{finding.rule}]"]


def test_what_came_instead_is_told() -> None:
    result = compare(case(Verdict.WARN, ExpectedFinding(Code.TAG_MUTABLE)), [review(WARNED)])
    assert list(difference(result))[1] == "there is: DIGEST_REQUIRED [q/image] of nginx: no digest"


def test_an_expected_finding_stands_for_one_image() -> None:
    reviews = [review(WARNED, image="a"), review(DENIED, image="b"), review(DENIED, image="c")]
    wanted = ExpectedFinding(Code.TAG_MUTABLE, "image")
    once = compare(case(Verdict.DENY, wanted), reviews)
    assert [one.image for one in once.unexpected] == ["c"]
    assert list(difference(once))[-1].startswith("  Fix: each expected finding stands for one image")
    assert compare(case(Verdict.DENY, wanted, wanted), reviews).passed
    thrice = compare(case(Verdict.DENY, wanted, wanted, wanted), reviews)
    assert (thrice.verdict, thrice.absent, thrice.unexpected) == (Verdict.DENY, (wanted,), ())
    unexpected = compare(case(Verdict.DENY), reviews).unexpected
    assert [one.image for one in unexpected] == ["b", "c"]


def test_an_expected_finding_may_name_its_image() -> None:
    reviews = [review(DENIED, image="b"), review(DENIED, image="c")]
    b, c = (ExpectedFinding(Code.TAG_MUTABLE, image=image) for image in "bc")
    assert compare(case(Verdict.DENY, c, b), reviews).passed
    result = compare(case(Verdict.DENY, b, ExpectedFinding(Code.TAG_MUTABLE, image="d")), reviews)
    assert [one.image for one in result.unexpected] == ["c"]
    assert "expected, and not there: TAG_MUTABLE of d" in difference(result)


def test_the_same_image_in_two_containers_is_one() -> None:
    wanted = ExpectedFinding(Code.TAG_MUTABLE)
    assert compare(case(Verdict.DENY, wanted), [review(DENIED), review(DENIED)]).passed


def test_what_is_left_open_goes_to_the_image_that_needs_it() -> None:
    other = replace(DENIED, rule="other")
    reviews = [review(DENIED, other, image="a"), review(DENIED, image="b")]
    any_rule, named = ExpectedFinding(Code.TAG_MUTABLE), ExpectedFinding(Code.TAG_MUTABLE, "image")
    for wanted in ([any_rule, named], [named, any_rule]):
        assert compare(case(Verdict.DENY, *wanted), reviews).passed
    of_a = replace(named, image="a")
    assert not compare(case(Verdict.DENY, of_a, named), reviews).passed
    assert compare(case(Verdict.DENY, of_a, any_rule, named), reviews).passed
    swapped = [review(DENIED, image="a"), review(other, image="b")]
    assert compare(case(Verdict.DENY, any_rule, named), swapped).passed


def test_two_that_are_expected_may_stand_for_one_image() -> None:
    wanted = (ExpectedFinding(Code.TAG_MUTABLE), ExpectedFinding(Code.TAG_MUTABLE, "image"))
    assert compare(case(Verdict.DENY, *wanted), [review(DENIED)]).passed


def test_many_expectations_of_many_images() -> None:
    reviews = [review(replace(DENIED, rule=f"r{i % 50}"), image=f"i{i}") for i in range(1000)]
    wanted = [ExpectedFinding(Code.TAG_MUTABLE, f"r{i % 50}") for i in range(999)]
    result = compare(case(Verdict.DENY, *wanted), reviews)
    assert (len(result.absent), [one.image for one in result.unexpected]) == (0, ["i999"])


def manifest(data: object, namespace: CaseNamespace | None = None) -> tuple[list[Subject], list[str]]:
    text = json.dumps({"spec": {"cases": [{"manifest": data, "namespace": {"name": "x"}}]}}, indent=1)
    (document,) = read_documents(text, "t.yaml")
    assert isinstance(document, Document)
    asked, errors = question(document, case(Verdict.DENY, image=None, namespace=namespace))
    return list(asked.subjects), [str(error) for error in errors]


def pod(*images: str, namespace: str = "") -> dict[str, Any]:
    metadata = {"name": "p", **({"namespace": namespace} if namespace else {})}
    containers = [{"name": f"c{i}", "image": image} for i, image in enumerate(images)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}}


def test_an_image_stands_where_the_case_says() -> None:
    (document,) = read_documents("{}", "t.yaml")
    assert isinstance(document, Document)
    labels = {"env": "prod"}
    asked, errors = question(document, case(Verdict.DENY, namespace=CaseNamespace("web", labels)))
    assert (asked.subjects, errors) == ((Subject("nginx", Workload(None, "web", labels)),), ())
    assert question(document, case(Verdict.DENY))[0].subjects == (Subject("nginx"),)


def test_the_images_of_a_manifest() -> None:
    subjects, errors = manifest(pod("a", "b"), CaseNamespace("web", {"env": "prod"}))
    assert errors == []
    assert [s.text for s in subjects] == ["a", "b"]
    assert {s.workload.namespace for s in subjects} == {"web"}
    assert subjects[0].workload.namespace_labels == {"env": "prod"}
    assert subjects[0].workload.kind == "Pod"
    assert subjects[0].workload.service_account == "default"


def test_a_manifests_own_namespace() -> None:
    ((subject,), errors) = manifest(pod("a", namespace="shop"))
    assert (subject.workload.namespace, subject.workload.namespace_labels, errors) == ("shop", None, [])
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"a": "b"}}}
    listed = {"apiVersion": "v1", "kind": "List", "items": [space, pod("a", namespace="shop")]}
    ((subject,), errors) = manifest(listed)
    assert subject.workload.namespace_labels == {"a": "b", "kubernetes.io/metadata.name": "shop"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (pod("a", namespace="shop"), "the manifest is in namespace shop, and the case in web; keep one of them"),
        ({"apiVersion": "v1", "kind": "Service"}, "the manifest runs no image"),
        ({}, "the manifest runs no image"),
        (pod(), "this Pod names no image"),
        ({**pod("a"), "spec": {"containers": "x"}}, "containers"),
        ({**pod("a"), "apiVersion": "shop.test/v1", "kind": "Podd"}, "did you mean Pod?"),
    ],
)
def test_what_is_wrong_with_a_manifest(data: object, said: str) -> None:
    _, errors = manifest(data, CaseNamespace("web"))
    assert said in errors[0]
    assert errors[0].startswith("t.yaml:")
