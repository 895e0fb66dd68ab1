from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from gate.policy.content import openvex
from gate.policy.content.document import Unreadable
from gate.policy.content.vex import Product, Statement, Status
from tests.fakes import reports
from tests.fakes.reports import openvex_first, openvex_statement

ISSUED = datetime(2026, 11, 20, 19, 7, 16, 853479, tzinfo=timezone(timedelta(hours=-6)))


def only(**fields: Any) -> Statement:
    (statement,) = openvex.read(reports.openvex(openvex_statement(**fields))).statements
    return statement


def test_a_document_of_the_second_version() -> None:
    document = openvex.read(reports.openvex(openvex_statement()))
    assert document.author == "Acme Security <security@acme.example>"
    assert document.at == ISSUED
    assert document.statements == (
        Statement(
            ids=("CVE-2021-44228", "GHSA-jfh8-c2jp-5v3q"),
            status=Status.NOT_AFFECTED,
            products=(
                Product(
                    ids=("cpe:2.3:a:acme:api:1:*:*:*:*:*:*:*", "pkg:oci/api@sha256%3Aaa"),
                    hashes=("aa" * 32,),
                    subcomponents=("pkg:maven/org.apache.logging.log4j/log4j-core@2.4",),
                ),
            ),
            why="vulnerable_code_not_in_execute_path",
            at=ISSUED,
        ),
    )


def test_a_document_of_the_first_version() -> None:
    statement = {
        "timestamp": "2022-12-22T16:36:43-05:00",
        "products": ["pkg:apk/wolfi/bash@1.0.0", "pkg:apk/wolfi/bash@1.0.0?arch=armv7"],
        "subcomponents": ["pkg:apk/wolfi/readline@8"],
        "vulnerability": "CVE-1234-5678",
        "status": "under_investigation",
        "status_notes": "",
    }
    document = openvex.read(openvex_first(statement))
    assert (document.author, document.at) == ("John Doe", None)
    assert document.statements == (
        Statement(
            ids=("CVE-1234-5678",),
            status=Status.UNDER_INVESTIGATION,
            products=(
                Product(ids=("pkg:apk/wolfi/bash@1.0.0",), subcomponents=("pkg:apk/wolfi/readline@8",)),
                Product(ids=("pkg:apk/wolfi/bash@1.0.0?arch=armv7",), subcomponents=("pkg:apk/wolfi/readline@8",)),
            ),
            at=datetime(2022, 12, 22, 21, 36, 43, tzinfo=UTC),
        ),
    )


@pytest.mark.parametrize("version", ["", "/", "/v0.0.1", "/v0.2.0"])
def test_contexts_that_are_known(version: str) -> None:
    assert openvex.read(reports.openvex(**{"@context": f"https://openvex.dev/ns{version}"})).statements == ()


def test_a_statements_time_goes_before_the_documents_and_a_change_before_the_issue() -> None:
    statement = openvex_statement(timestamp="2026-11-01T00:00:00Z")
    document = openvex.read(reports.openvex(statement, last_updated="2026-11-21T00:00:00Z"))
    assert document.at == datetime(2026, 11, 21, tzinfo=UTC)
    assert document.statements[0].at == datetime(2026, 11, 1, tzinfo=UTC)


def test_a_statement_inherits_the_time_of_issue_not_of_the_last_change() -> None:
    """Otherwise another statement that is added would refresh it."""
    document = openvex.read(reports.openvex(openvex_statement(), last_updated="2026-11-22T00:00:00Z"))
    assert document.statements[0].at == ISSUED


def test_without_any_time_there_is_none() -> None:
    document = reports.openvex(openvex_statement())
    del document["timestamp"]
    assert openvex.read(document).statements[0].at is None


@pytest.mark.parametrize("products", [None, []])
def test_a_statement_without_products_is_about_none(products: object) -> None:
    assert only(products=products).products == ()


def test_an_impact_statement_is_a_reason_too() -> None:
    assert only(justification="", impact_statement="not called").why == "not called"


@pytest.mark.parametrize("status", ["affected", "fixed", "under_investigation"])
def test_only_not_affected_needs_a_reason(status: str) -> None:
    statement = openvex_statement(status=status)
    del statement["justification"]
    assert openvex.read(reports.openvex(statement)).statements[0].status == status


def test_a_subcomponent_that_has_only_hashes_still_narrows() -> None:
    (product,) = only(products=[{"@id": "pkg:oci/x", "subcomponents": [{"hashes": {"sha-256": "AB"}}]}]).products
    assert product.subcomponents == ("sha-256:ab",)


def test_a_product_can_be_known_by_its_hash_only() -> None:
    assert only(products=[{"hashes": {"sha-256": "AB"}}]).products == (Product(ids=(), hashes=("ab",)),)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"status": "not_vulnerable"}, "not_vulnerable"),
        ({"status": ""}, "status"),
        ({"justification": ""}, "needs a justification or an impact_statement"),
        ({"justification": "trust_me"}, "does not know the justification 'trust_me'"),
        ({"vulnerability": ""}, "vulnerability without name"),
        ({"vulnerability": {"name": ""}}, "vulnerability without name"),
        ({"vulnerability": {"@id": "https://nvd.nist.gov/vuln/detail/CVE-1"}}, "name"),
        ({"products": [{}]}, "neither name nor hash"),
        ({"products": [""]}, "neither name nor hash"),
        ({"products": [{"@id": "", "identifiers": {"purl": ""}, "hashes": {}}]}, "neither name nor hash"),
        ({"products": [{"@id": "a", "subcomponents": [{}]}]}, "a subcomponent has neither"),
        ({"products": [{"@id": "a", "subcomponents": [""]}]}, "a subcomponent has neither"),
        ({"subcomponents": [""]}, "a subcomponent has neither"),
        ({"timestamp": "soon"}, "time that is none"),
    ],
)
def test_a_statement_that_is_none_makes_its_document_unreadable(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        only(**fields)


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (reports.openvex(**{"@context": "https://openvex.dev/ns/v0.3.0"}), "v0.3.0"),
        (reports.openvex(**{"@context": "https://openvex.dev/nsx"}), "nsx"),
        ({"id": "my-vexdoc", "format": "text/vex+json", "statements": []}, "@context"),  # before v0.0.1
        ({"@context": "https://openvex.dev/ns"}, "statements"),
        (reports.openvex(timestamp="x"), "time that is none"),
        ({"document": {"category": "csaf_vex"}}, "@context"),
        (reports.cyclonedx(), "@context"),
        ([], "OpenVEX"),
    ],
)
def test_what_is_not_openvex_is_unreadable(document: object, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        openvex.read(document)
