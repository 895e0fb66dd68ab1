from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gate.authoring.carried import candidates, named, read_policies
from gate.authoring.propose import Carried, is_name, propose
from gate.codes import Code
from gate.evidence.facts import (
    CertificateSigner,
    Claim,
    Evidence,
    Format,
    FulcioClaims,
    Identity,
    KeySigner,
    Rejection,
    TimeSource,
    VerifiedAttestation,
    VerifiedSignature,
    VerifiedTime,
    Witness,
)
from gate.image.digest import Digest
from gate.image.reference import Reference
from gate.policy.finding import Verdict
from gate.policy.policy import Kept
from gate.policy.reading.signers import GITHUB_ISSUER
from gate.policy.trust import PUBLIC_GOOD
from gate.trust.window import ALWAYS
from tests.fakes.clock import START
from tests.fakes.signing import alice
from tests.unit.authoring.build import reviewed
from tests.unit.policy.build import DIGEST, TAGGED, UNWITNESSED, parsed

if TYPE_CHECKING:
    from gate.authoring.propose import Proposal
    from gate.policy.policy_set import PolicySet

LOGGED = Witness(frozenset({"log"}), (VerifiedTime(START, TimeSource.LOG, "a log"),))
WORKFLOW = "https://github.com/acme/api/.github/workflows/release.yml"


def certified(
    subject: str, issuer: str = "https://accounts.google.com", claims: FulcioClaims | None = None, *, sct: bool = True
) -> VerifiedSignature:
    signer = CertificateSigner(
        identity=Identity(issuer, (subject,), claims or FulcioClaims()),
        trust=PUBLIC_GOOD,
        private=False,
        key=Digest.of(subject.encode("utf-8", "surrogatepass")).hex,
        issuers=("root",),
        window=ALWAYS,
        ct_logs=frozenset({"ct"}) if sct else frozenset(),
        no_sct="no CT log has seen it",
    )
    return VerifiedSignature(
        Format.BUNDLE, Digest.of(subject.encode("utf-8", "surrogatepass")), signer, LOGGED, {}, None
    )


def workflow(ref: str = "refs/heads/main", *, file: str = WORKFLOW, **changed: str) -> VerifiedSignature:
    subject = f"{file}@{ref}"
    claims = FulcioClaims(
        build_signer_uri=subject,
        source_repository_uri="https://github.com/acme/api",
        source_repository_ref=ref,
        source_repository_id="123",
        source_repository_owner_id="45",
        build_trigger="push",
    )
    return certified(subject, GITHUB_ISSUER, replace(claims, **changed))


def keyed() -> VerifiedSignature:
    return VerifiedSignature(
        Format.LEGACY, Digest.of(b"k"), KeySigner(alice().public, PUBLIC_GOOD), UNWITNESSED, {}, None
    )


def carried(*facts: VerifiedSignature, image: str = TAGGED, **more: Any) -> Carried:
    evidence = more.pop("evidence", Evidence(facts))
    return Carried(Reference.parse(image), DIGEST, evidence, more.pop("kept", Kept()), START, **more)


def proposed(*facts: VerifiedSignature, image: str = TAGGED, **more: Any) -> Proposal:
    found = propose(carried(*facts, image=image, **more), "", "policy.yaml")
    assert found is not None
    return found


def spec_of(found: Proposal) -> Any:
    """What a reader of YAML finds; the text has no problem, not even a warning."""
    assert [str(problem) for problem in parsed(found.policy).problems] == []
    (document,) = yaml.safe_load_all(found.policy)
    assert isinstance(document, dict)
    return document["spec"]


def policies_of(found: Proposal) -> PolicySet:
    read = read_policies(found.policy)
    assert read is not None
    return read


SAYS_ENOUGH = {
    "workflow": "acme/api/.github/workflows/release.yml",
    "refs": ["refs/heads/main"],
    "repositoryId": 123,
    "ownerId": 45,
}


@pytest.mark.parametrize(
    ("fact", "signers"),
    [
        (workflow(), {"release": {"github": SAYS_ENOUGH}}),
        (
            workflow("refs/tags/v1.4.2"),
            {"release": {"github": {**SAYS_ENOUGH, "refs": ["refs/tags/v1.4.2"]}}},
        ),
        (
            workflow(source_repository_ref="refs/heads/dev", source_repository_id="", source_repository_owner_id="x"),
            {
                "release": {
                    "github": {
                        "workflow": "acme/api/.github/workflows/release.yml",
                        "refs": ["refs/heads/main"],
                        "sourceRefs": ["refs/heads/dev"],
                    }
                }
            },
        ),
        (
            workflow(source_repository_uri="https://github.com/acme/other"),
            {"release": {"github": {**SAYS_ENOUGH, "repository": "acme/other"}}},
        ),
        (
            certified("ada@acme.example"),
            {"ada": {"keyless": {"issuer": "https://accounts.google.com", "subject": "ada@acme.example"}}},
        ),
        (keyed(), {"release": {"key": {"pem": alice().pem.decode()}}}),
    ],
)
def test_who_signed_is_who_has_to(fact: VerifiedSignature, signers: object) -> None:
    found = proposed(fact)
    spec = spec_of(found)
    assert spec["signers"] == signers
    assert spec["match"] == {"images": ["ghcr.io/acme/api"]}
    (name,) = spec["signers"]
    assert spec["rules"] == [
        {"image": {"registries": ["ghcr.io/acme"], "tags": "pin", "denyTags": ["latest"]}},
        {"signature": {"by": name}},
    ]
    # it lets this image run, and one that nobody has signed not
    assert reviewed(policies_of(found), TAGGED, facts=Evidence((fact,))).decision.verdict is Verdict.ALLOW
    assert reviewed(policies_of(found), TAGGED).decision.verdict is Verdict.DENY


def test_all_who_signed_have_to_and_a_workflow_is_one_whatever_its_refs() -> None:
    facts = (workflow(), workflow("refs/tags/v1"), certified("ada@acme.example"), keyed())
    found = proposed(*facts)
    spec = spec_of(found)
    assert spec["rules"][1] == {"signature": {"by": {"all": ["release", "ada", "release-2"]}}}
    assert spec["signers"]["release"]["github"]["refs"] == ["refs/heads/main", "refs/tags/v1"]
    assert found.signers == 3
    policies = policies_of(found)
    assert reviewed(policies, TAGGED, facts=Evidence(facts)).decision.verdict is Verdict.ALLOW
    assert reviewed(policies, TAGGED, facts=Evidence(facts[:3])).decision.verdict is Verdict.DENY


def test_who_are_one_principal_are_not_asked_for_twice() -> None:
    first, second = certified("ada@acme.example"), certified("bob@acme.example")
    assert isinstance(first.signer, CertificateSigner)
    assert isinstance(second.signer, CertificateSigner)
    same = replace(second, signer=replace(second.signer, key=first.signer.key))
    found = proposed(first, same)
    assert spec_of(found)["rules"][1] == {"signature": {"by": ["ada", "bob"]}}
    assert reviewed(policies_of(found), TAGGED, facts=Evidence((first, same))).decision.verdict is Verdict.ALLOW


@pytest.mark.parametrize(
    ("fact", "why"),
    [
        (certified("ada@acme.example", sct=False), "no CT log has seen it"),
        (workflow(build_trigger="pull_request_target"), "started by pull_request_target, which strangers may do"),
        (workflow(source_repository_uri=""), "does not say for which repository the workflow ran"),
        (workflow(build_signer_uri="https://github.com/evil/x"), "does not say for which repository the workflow ran"),
        (certified(f"{WORKFLOW}@refs/heads/*", GITHUB_ISSUER), "does not say for which repository the workflow ran"),
        (workflow(source_repository_ref="refs/**"), "does not say for which repository the workflow ran"),
        (certified("ada@acme.example", issuer=""), "cannot be written as a signer"),
        (replace(certified("ada@acme.example"), witness=UNWITNESSED), "transparency log"),
    ],
)
def test_what_would_not_count_is_nobodys(fact: VerifiedSignature, why: str) -> None:
    assert propose(carried(fact), "", "p.yaml") is None
    (one,) = candidates([fact], START)
    assert why in one.objection
    # beside somebody who counts it is a comment, with the reason
    found = proposed(fact, keyed())
    assert list(spec_of(found)["signers"]) == ["release"]
    assert any(why in line for line in found.policy.splitlines() if line.startswith("  # - "))


def test_nobody_is_no_policy() -> None:
    assert propose(carried(), "", "p.yaml") is None


def test_what_is_not_verified_is_a_comment_and_no_signer() -> None:
    claim = Claim(key_hint="ab" * 32, identity=Identity("https://evil.example", ("ceo@acme.example",)))
    rejected = Rejection(Format.BUNDLE, DIGEST, Code.CERTIFICATE_UNTRUSTED, "leads nowhere", claim=claim)
    by_key = Rejection(Format.LEGACY, DIGEST, Code.IDENTITY_MISMATCH, "signed with a key", attestation=False)
    assert propose(carried(evidence=Evidence(rejected=(rejected, by_key))), "", "p.yaml") is None
    found = proposed(evidence=Evidence((keyed(),), rejected=(rejected, by_key)))
    assert list(spec_of(found)["signers"]) == ["release"]
    told = found.policy.splitlines()
    at = told.index("  # Not verified, so what it says of itself is worth nothing:")
    assert "claims to be by ceo@acme.example" in told[at + 1]
    assert told[at + 2].endswith("a signature does not tell its key: --key FILE")
    assert "ceo@acme.example" not in str(spec_of(found))


def test_what_was_attested_is_a_comment() -> None:
    fact = keyed()
    made = VerifiedAttestation(Format.LEGACY, DIGEST, fact.signer, UNWITNESSED, "https://slsa.dev/provenance/v1", b"")
    found = proposed(evidence=Evidence((fact,), (made, made)))
    assert f"  # - https://slsa.dev/provenance/v1 by {alice().public.short} (2)" in found.policy.splitlines()


def test_signatures_of_every_image_of_an_index_stand_in() -> None:
    signed = Evidence((keyed(), certified("ada@acme.example")))
    here = {"linux/amd64": signed, "linux/arm64": Evidence((keyed(),))}
    found = proposed(platforms=here)
    assert spec_of(found)["rules"][1] == {"signature": {"by": "release", "platformEvidence": "all"}}
    assert propose(carried(platforms={**here, "linux/s390x": Evidence()}), "", "p.yaml") is None


def test_where_signatures_are_kept_elsewhere() -> None:
    kept = Kept(Reference.parse("ghcr.io/acme/signatures").name, "v2-")
    rule = spec_of(proposed(keyed(), kept=kept))["rules"][1]
    assert rule == {"signature": {"by": "release", "repository": "ghcr.io/acme/signatures", "tagPrefix": "v2-"}}


def test_an_image_by_the_tag_latest_passes_and_is_told_so() -> None:
    found = proposed(keyed(), image="nginx")
    spec = spec_of(found)
    assert spec["match"]["images"] == ["docker.io/library/nginx"]
    assert spec["rules"][0]["image"] == {"registries": ["docker.io/library"], "tags": "pin", "denyTags": []}
    assert reviewed(policies_of(found), "nginx", facts=Evidence((keyed(),))).decision.verdict is Verdict.ALLOW


@pytest.mark.parametrize(
    "image", ["localhost:5000/api:v1", "127.0.0.1:5000/acme/api:v1", "[::1]:5000/a/b:v1", "ghcr.io/a/b_c__d.e:v1"]
)
def test_images_of_any_name(image: str) -> None:
    found = proposed(keyed(), image=image)
    assert spec_of(found)["match"]["images"] == [str(Reference.parse(image).name)]
    assert reviewed(policies_of(found), image, facts=Evidence((keyed(),))).decision.verdict is Verdict.ALLOW


def test_the_test_beside_it() -> None:
    found = proposed(keyed())
    document = yaml.safe_load(found.test)
    assert (document["apiVersion"], document["kind"]) == ("imagegate.dev/v1", "GateTest")
    assert document["metadata"] == {"name": "acme-api"}
    assert document["spec"] == {
        "policies": ["policy.yaml"],
        "at": "2026-11-01T12:00:00Z",
        "evidence": [{"repository": "ghcr.io/acme/api", "layout": "testdata/acme-api"}],
        "cases": [
            {"name": "signed as it was", "image": f"{TAGGED}@{DIGEST}", "expect": {"verdict": "allow"}},
            {
                "name": "a tag that may mean anything tomorrow",
                "image": "ghcr.io/acme/api:latest",
                "expect": {"verdict": "deny", "findings": [{"rule": "image", "code": "TAG_MUTABLE"}]},
            },
        ],
    }
    assert f"#   gate policy test --record {TAGGED}@{DIGEST} --into testdata/acme-api" in found.test
    # what it expects is what happens
    read = policies_of(found)
    assert reviewed(read, f"{TAGGED}@{DIGEST}", facts=Evidence((keyed(),))).decision.verdict is Verdict.ALLOW
    denied = reviewed(read, "ghcr.io/acme/api:latest").decision.findings
    assert [(f.rule, f.code) for f in denied] == [("image", Code.TAG_MUTABLE)]


def test_names() -> None:
    facts = [certified(text) for text in ("ada@a.example", "ada@b.example", "@", "x" * 90, "https://h/p/Build It")]
    assert list(named(candidates(facts, START))) == ["ada", "ada-2", "signer", "x" * 40, "build-it"]
    assert [is_name(name) for name in ("api", "a.b-c", "", "-a", "A", "a\n", "a" * 254)] == [True, True, *[False] * 5]
    found = propose(carried(keyed()), "null", "p.yaml")
    assert found is not None
    assert yaml.safe_load(found.policy)["metadata"] == {"name": "null"}
