"""policies/release: what peers need dozens of lines for, and what it decides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

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
from tests.unit.policy.build import DIGEST, OTHER, codes, decide, evidence, fact

if TYPE_CHECKING:
    from gate.evidence.facts import Evidence
    from gate.policy.policy_set import PolicySet

FILE = Path(__file__).parents[3] / "policies" / "release" / "policy.yaml"
WORKFLOW = "https://github.com/acme/api/.github/workflows/release.yml"
ISSUER = "https://token.actions.githubusercontent.com"
MOST_LINES = 13


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


BOTH = evidence([fact(alice()), by_ci()])


def test_it_is_as_short_as_it_is_said_to_be() -> None:
    lines = [line for line in FILE.read_text().splitlines() if line and not line.startswith("#")]
    assert len(lines) <= MOST_LINES


@pytest.mark.parametrize(
    ("image", "found", "decided"),
    [
        (f"ghcr.io/acme/api:v1@{DIGEST}", BOTH, []),
        (f"ghcr.io/acme/api@{DIGEST}", BOTH, []),
        ("ghcr.io/acme/api:latest", BOTH, [("image", "TAG_MUTABLE")]),
        ("ghcr.io/acme/api:main", BOTH, [("image", "TAG_MUTABLE")]),
        ("ghcr.io/acme/api", BOTH, [("image", "TAG_MISSING")]),
        (f"ghcr.io/acme/api@{DIGEST}", evidence([by_ci()]), [("key", "IDENTITY_MISMATCH")]),
        (f"ghcr.io/acme/api@{DIGEST}", evidence([fact(bob()), by_ci()]), [("key", "KEY_MISMATCH")]),
        (f"ghcr.io/acme/api@{DIGEST}", evidence([fact(alice())]), [("workflow", "KEY_MISMATCH")]),
        (f"ghcr.io/acme/api@{DIGEST}", evidence([fact(alice()), by_ci("refs/tags/v1.2")]), []),
        (
            f"ghcr.io/acme/api@{DIGEST}",
            evidence([fact(alice()), by_ci("refs/heads/dev")]),
            [("workflow", "IDENTITY_MISMATCH")],
        ),
        (  # whoever may open a pull request runs code there
            f"ghcr.io/acme/api@{DIGEST}",
            evidence([fact(alice()), by_ci(trigger="pull_request_target")]),
            [("workflow", "IDENTITY_MISMATCH")],
        ),
        (  # a reusable workflow says who calls it
            f"ghcr.io/acme/api@{DIGEST}",
            evidence([fact(alice()), by_ci(source="evil/api")]),
            [("workflow", "IDENTITY_MISMATCH")],
        ),
        (f"ghcr.io/acme-evil/api@{DIGEST}", BOTH, [("", "NO_POLICY_MATCHED")]),
        ("nginx:1.27", BOTH, [("", "NO_POLICY_MATCHED")]),
    ],
)
def test_what_it_decides(image: str, found: Evidence, decided: list[tuple[str, str]]) -> None:
    decision = decide(read(), image, Workload("Pod", "prod", {}), Stage.CHECK, found)
    stopping = [(f.rule, str(f.code)) for f in decision.findings if f.verdict.stops]
    assert stopping == decided
    assert decision.verdict == ("deny" if decided else "allow"), codes(decision)


def test_a_claim_that_is_missing_denies() -> None:
    signer = by_ci().signer
    assert isinstance(signer, CertificateSigner)
    silent = replace(signer, identity=replace(signer.identity, claims=FulcioClaims()))
    found = evidence([fact(alice()), replace(by_ci(), signer=silent)])
    decision = decide(read(), f"ghcr.io/acme/api@{DIGEST}", Workload("Pod", "prod", {}), Stage.CHECK, found)
    assert [(f.rule, str(f.code)) for f in decision.findings] == [("workflow", "IDENTITY_MISMATCH")]
