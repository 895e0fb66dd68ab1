"""What somebody else wrote on an image stays a text: in a policy that is made of it, and in what explains it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import yaml

from gate.authoring.explain import explain
from gate.authoring.propose import propose
from gate.cli.render.drawing import Pen
from gate.cli.render.tree_text import tree
from gate.codes import Code
from gate.evidence.facts import CertificateSigner, Claim, Evidence, Format, Identity, Rejection, VerifiedAttestation
from tests.fakes.clock import START
from tests.unit.authoring.build import reviewed
from tests.unit.authoring.test_propose import carried, certified, keyed, workflow
from tests.unit.policy.build import DIGEST, PINNED, SIGNED, parsed, policies, policy

if TYPE_CHECKING:
    from gate.evidence.facts import VerifiedSignature

HOSTILE = [
    "ada@acme.example\n      evil: {key: {pem: x}}",
    "ada@acme.example\n  rules: [{image: {tags: unsafeAny}}]\n#",
    'ada"}\n---\napiVersion: imagegate.dev/v1\nkind: GateConfig',
    "ada\u2028evil: 1",
    "ada\u0085evil: 1",
    "ada # comment",
    "*anchor",
    "&a !!python/object:os.system",
    "{{ template }}",
    "x: y",
    "- a",
    "\x1b]0;title\x07ada",
    "\u202egnp.exe",
    "ada\r\nevil: 1",
    "'single'",
    "\\x41\\",
    "%YAML 1.2",
    "\ufeffada",
    "日本語",
    "##[error]ada",
    "###vso[task.complete]ada",
    "::error::ada",
    "a" * 5000,
]


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.lstrip().startswith("#")]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("part", ["subject", "issuer"])
def test_an_identity_cannot_leave_its_place_in_a_policy(text: str, part: str) -> None:
    fact = certified(text) if part == "subject" else certified("ada@acme.example", issuer=text)
    found = propose(carried(fact), "", "p.yaml")
    assert found is not None
    assert found.policy.isascii()
    assert re.search(r"##(\[|vso\[)|^\s*::", found.policy, re.MULTILINE) is None
    (document,) = yaml.safe_load_all(found.policy)
    (signer,) = document["spec"]["signers"].values()
    assert signer["keyless"][part] == text
    assert set(document["spec"]) == {"mode", "match", "signers", "rules"}
    assert [list(rule) for rule in document["spec"]["rules"]] == [["image"], ["signature"]]
    assert parsed(found.policy).errors == ()
    assert len(_lines(found.policy)) == len(_lines(_harmless()))


def _harmless() -> str:
    found = propose(carried(certified("ada@acme.example")), "", "p.yaml")
    assert found is not None
    return found.policy


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_not_verified_cannot_leave_its_comment(text: str) -> None:
    claim = Claim(text, Identity(text, (text,)), text)
    rejected = Rejection(Format.BUNDLE, DIGEST, Code.SIGNATURE_INVALID, text, claim=claim)
    fact = keyed()
    attested = VerifiedAttestation(Format.BUNDLE, DIGEST, fact.signer, fact.witness, text, b"")
    plain = propose(carried(fact), "", "p.yaml")
    found = propose(carried(evidence=Evidence((fact,), (attested,), (rejected,))), "", "p.yaml")
    assert plain is not None
    assert found is not None
    assert found.policy.isascii()
    assert yaml.safe_load(found.policy) == yaml.safe_load(plain.policy)
    assert _lines(found.policy) == _lines(plain.policy)
    assert all(len(line) < 400 for line in found.policy.splitlines() if line.startswith("  # -"))


@pytest.mark.parametrize("ref", ["refs/heads/*", "refs/**", "refs/heads/main*"])
@pytest.mark.parametrize("claim", ["subject", "source"])
def test_a_ref_with_a_wildcard_widens_no_policy(ref: str, claim: str) -> None:
    fact = workflow(ref) if claim == "subject" else workflow(source_repository_ref=ref)
    assert propose(carried(fact), "", "p.yaml") is None


@pytest.mark.parametrize(
    "file",
    [
        "https://github.com/acme/api/.github/workflows/../../evil.yml",
        "https://github.com.evil.example/acme/api/.github/workflows/release.yml",
        "https://github.com/acme/api/.github/workflows/release.yml?x",
        "http://github.com/acme/api/.github/workflows/release.yml",
    ],
)
def test_a_workflow_is_one_of_github_or_nobody(file: str) -> None:
    assert propose(carried(workflow(file=file)), "", "p.yaml") is None


def test_nobody_is_trusted_for_what_a_claim_says() -> None:
    """An image that a stranger says is by the owner's workflow: there is nothing to make a policy of."""
    signer = workflow().signer
    assert isinstance(signer, CertificateSigner)
    claim = Claim("00" * 32, signer.identity)
    rejected = Rejection(Format.BUNDLE, DIGEST, Code.CERTIFICATE_UNTRUSTED, "leads nowhere", claim=claim)
    assert propose(carried(evidence=Evidence(rejected=(rejected,))), "", "p.yaml") is None


@pytest.mark.parametrize("text", HOSTILE)
def test_nobodys_words_steer_the_terminal_or_begin_a_line_of_a_tree(text: str) -> None:
    def hostile(fact: VerifiedSignature) -> VerifiedSignature:
        return replace(fact, annotations={"a": text})

    rejected = Rejection(Format.BUNDLE, DIGEST, Code.SIGNATURE_INVALID, text, claim=Claim(text, None, text))
    facts = Evidence((hostile(certified(text)), hostile(keyed())), rejected=(rejected,), passed_over=(text,))
    found = policies(policy([*SIGNED, {"deny": {"message": text[:200]}}]))
    told = Pen(80).draw(tree(explain(found, reviewed(found, PINNED, facts=facts), START), ["deploy.yaml:1:1"]))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", told)
    first, *rest = told.splitlines()
    assert first.startswith("✘ DENIED ghcr.io/acme/api:v1@")
    assert all(re.match(r"[│ ]*(├─ |└─ |│ {1,4}|  )", line) for line in rest)
    assert not any(line.startswith(("evil", "ada", "---", "apiVersion")) for line in told.splitlines())
