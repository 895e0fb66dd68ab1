"""policies/release: what peers need dozens of lines for, and what it decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gate.documents import Document, read_documents
from gate.evidence.facts import (
    CertificateSigner,
    Format,
    FulcioClaims,
    Identity,
    TimeSource,
    VerifiedSignature,
    VerifiedTime,
    Witness,
)
from gate.policy.matching import Workload
from gate.policy.plan import Stage
from gate.policy.reading.sets import parse_set
from gate.policy.trust import PUBLIC_GOOD
from gate.trust.window import Window
from tests.fakes.clock import START
from tests.fakes.signing import alice, bob
from tests.policies import documents as doc
from tests.unit.policy.build import DIGEST, OTHER, attested, codes, decide, evidence, fact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.evidence.facts import Evidence, VerifiedAttestation
    from gate.policy.policy_set import PolicySet

FILE = Path(__file__).parents[3] / "policies" / "release" / "policy.yaml"
WORKFLOW = "https://github.com/acme/api/.github/workflows/release.yml"
ISSUER = "https://token.actions.githubusercontent.com"
MOST_LINES = 20
IMAGE = f"ghcr.io/acme/api@{DIGEST}"
DAY = timedelta(days=1)


def read() -> PolicySet:
    documents = [d for d in read_documents(FILE.read_text(), str(FILE)) if isinstance(d, Document)]
    found = parse_set(documents, lambda _document, _name, _limit: alice().pem)
    assert found.problems == ()
    return found.set


def by_ci(ref: str = "refs/heads/main", trigger: str = "push", source: str = "acme/api") -> VerifiedSignature:
    uri = f"{WORKFLOW}@{ref}"
    claims = FulcioClaims(
        build_signer_uri=uri,
        source_repository_uri=f"https://github.com/{source}",
        source_repository_ref=ref,
        build_trigger=trigger,
    )
    window = Window(START, START.replace(hour=13))
    signer = CertificateSigner(
        Identity(ISSUER, (uri,), claims), PUBLIC_GOOD, private=False, key="k", issuers=("r" * 64,), window=window,
        ct_logs=frozenset({"ct"}),
    )  # fmt: skip
    time = VerifiedTime(START, TimeSource.LOG, "rekor")
    return VerifiedSignature(Format.BUNDLE, OTHER, signer, Witness(frozenset({"rekor"}), (time,)), {})


def said(predicate_type: str, predicate: Any, by: VerifiedSignature | None = None) -> VerifiedAttestation:
    """What the workflow attests, or whoever else has signed."""
    return attested(predicate_type, predicate, signer=(by or by_ci()).signer, logged=START)


def sbom(*components: Any) -> VerifiedAttestation:
    return said(doc.CYCLONEDX, doc.cyclonedx(*components))


def scan(*findings: Any, age: timedelta = DAY) -> VerifiedAttestation:
    return said(doc.VULN, doc.scan(START - age, *findings))


def built(**how: Any) -> VerifiedAttestation:
    return said(doc.SLSA, doc.provenance(START, **how))


def found(*signatures: VerifiedSignature, attestations: Iterable[VerifiedAttestation] | None = None) -> Evidence:
    """Signatures, and beside them what a release has; or what is given."""
    return evidence(signatures, attestations=(sbom(), scan(), built()) if attestations is None else attestations)


BOTH = found(fact(alice()), by_ci())


def test_it_is_as_short_as_it_is_said_to_be() -> None:
    lines = [line for line in FILE.read_text().splitlines() if line and not line.startswith("#")]
    assert len(lines) <= MOST_LINES


@pytest.mark.parametrize(
    ("image", "facts", "decided"),
    [
        (f"ghcr.io/acme/api:v1@{DIGEST}", BOTH, []),
        (IMAGE, BOTH, []),
        ("ghcr.io/acme/api:latest", BOTH, [("image", "TAG_MUTABLE")]),
        ("ghcr.io/acme/api:main", BOTH, [("image", "TAG_MUTABLE")]),
        ("ghcr.io/acme/api", BOTH, [("image", "TAG_MISSING")]),
        (IMAGE, found(by_ci()), [("key", "IDENTITY_MISMATCH")]),
        (IMAGE, found(fact(bob()), by_ci()), [("key", "KEY_MISMATCH")]),
        (IMAGE, found(fact(alice())), [("workflow", "KEY_MISMATCH")]),
        (IMAGE, found(fact(alice()), by_ci("refs/tags/v1.2")), []),
        (
            IMAGE,
            found(fact(alice()), by_ci("refs/heads/dev")),
            [("workflow", "IDENTITY_MISMATCH")],
        ),
        (  # whoever may open a pull request runs code there
            IMAGE,
            found(fact(alice()), by_ci(trigger="pull_request_target")),
            [("workflow", "IDENTITY_MISMATCH")],
        ),
        (  # a reusable workflow says who calls it
            IMAGE,
            found(fact(alice()), by_ci(source="evil/api")),
            [("workflow", "IDENTITY_MISMATCH")],
        ),
        (f"ghcr.io/acme-evil/api@{DIGEST}", BOTH, [("", "NO_POLICY_MATCHED")]),
        ("nginx:1.27", BOTH, [("", "NO_POLICY_MATCHED")]),
    ],
)
def test_what_it_decides(image: str, facts: Evidence, decided: list[tuple[str, str]]) -> None:
    decision = decide(read(), image, Workload("Pod", "prod", {}), Stage.CHECK, facts)
    stopping = [(f.rule, str(f.code)) for f in decision.findings if f.verdict.stops]
    assert stopping == decided
    assert decision.verdict == ("deny" if decided else "allow"), codes(decision)


def test_a_claim_that_is_missing_denies() -> None:
    signer = by_ci().signer
    assert isinstance(signer, CertificateSigner)
    silent = replace(signer, identity=replace(signer.identity, claims=FulcioClaims()))
    facts = found(fact(alice()), replace(by_ci(), signer=silent))
    decision = decide(read(), IMAGE, Workload("Pod", "prod", {}), Stage.CHECK, facts)
    assert [(f.rule, str(f.code)) for f in decision.findings] == [("workflow", "IDENTITY_MISMATCH")]


AGPL = {"license": {"id": "AGPL-3.0-or-later"}}
EITHER = {"expression": "AGPL-3.0-only OR MIT"}
FORK = "https://github.com/evil/api"
FREE = {"license": {"id": "Apache-2.0"}}
MENDED = doc.LOG4J.replace("2.14.1", "2.17.1")


@pytest.mark.parametrize(
    ("attestations", "decided"),
    [
        ((sbom(), scan(), built()), []),
        # what is inside
        ((scan(), built()), [("sbom", "ATTESTATION_MISSING")]),
        ((said(doc.SPDX, doc.spdx(START)), scan(), built()), [("sbom", "SBOM_FORMAT")]),
        ((sbom(doc.component(doc.LOG4J, FREE)), scan(), built()), [("sbom", "COMPONENT_DENIED")]),
        ((sbom(doc.component(MENDED, FREE)), scan(), built()), []),
        ((sbom(doc.component("pkg:npm/a@1", AGPL)), scan(), built()), [("sbom", "LICENSE_DENIED")]),
        ((sbom(doc.component("pkg:npm/a@1", EITHER)), scan(), built()), []),
        ((sbom(doc.component("pkg:npm/a@1")), scan(), built()), [("sbom", "LICENSE_UNKNOWN")]),
        (
            (sbom(), sbom(doc.component(doc.LOG4J, AGPL)), scan(), built()),
            [("sbom", "COMPONENT_DENIED"), ("sbom", "LICENSE_DENIED")],
        ),
        ((said(doc.CYCLONEDX, {"bomFormat": "CycloneDX"}), scan(), built()), [("sbom", "PREDICATE_UNREADABLE")]),
        # what was found
        ((sbom(), built()), [("scan", "ATTESTATION_MISSING")]),
        ((sbom(), scan(age=8 * DAY), built()), [("scan", "SCAN_STALE")]),
        ((sbom(), scan(doc.finding()), built()), [("scan", "VULNERABILITY_DENIED")]),
        ((sbom(), scan(doc.finding(fixed="")), built()), []),
        ((sbom(), scan(doc.finding(severity="HIGH")), built()), []),
        ((sbom(), scan(doc.finding(severity="UNKNOWN")), built()), [("scan", "VULNERABILITY_DENIED")]),
        ((sbom(), scan(doc.finding("CVE-2025-0001")), built()), []),  # an exception is made
        ((sbom(), scan(age=2 * DAY), scan(doc.finding()), built()), [("scan", "VULNERABILITY_DENIED")]),
        ((sbom(), scan(doc.finding(), age=2 * DAY), scan(), built()), []),
        (
            (sbom(), said(doc.VULN, doc.scan(START) | {"scanner": {"result": {}}}), built()),
            [("scan", "PREDICATE_UNREADABLE")],
        ),
        # how it was built
        ((sbom(), scan()), [("provenance", "ATTESTATION_MISSING")]),
        ((sbom(), scan(), built(source=FORK)), [("provenance", "SOURCE_MISMATCH")]),
        ((sbom(), scan(), built(workflow=WORKFLOW.replace("release", "test"))), [("provenance", "BUILDER_MISMATCH")]),
        ((sbom(), scan(), built(), built(source=FORK)), [("provenance", "SOURCE_MISMATCH")]),
        # whose word it is
        (
            (sbom(), scan(), said(doc.SLSA, doc.provenance(START), by_ci(trigger="pull_request_target"))),
            [("provenance", "IDENTITY_MISMATCH")],
        ),
        ((), [("provenance", "ATTESTATION_MISSING"), ("sbom", "ATTESTATION_MISSING"), ("scan", "ATTESTATION_MISSING")]),
    ],
)  # fmt: skip
def test_what_is_attested_decides(
    attestations: tuple[VerifiedAttestation, ...], decided: list[tuple[str, str]]
) -> None:
    facts = found(fact(alice()), by_ci(), attestations=attestations)
    decision = decide(read(), IMAGE, Workload("Pod", "prod", {}), Stage.CHECK, facts)
    assert [(f.rule, str(f.code)) for f in decision.findings if f.verdict.stops] == decided
    assert decision.verdict == ("deny" if decided else "allow")
