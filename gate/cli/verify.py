"""`gate verify`: one image's signatures, or its attestations of one type, against signers named on the command line.

It is the engine that judges policies, with a policy made of the flags.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from gate.cli.common import Exit, begin, common_flags, emit, one_line, printable, say_all, settings_of
from gate.cli.render.json_report import evidence_json, finding_json
from gate.cli.report import EXITS
from gate.cli.signers import kept_flags, kept_of, pairs_of, signer_flags, signers_of
from gate.cli.target import parse_target
from gate.codes import NOTES
from gate.errors import ParseError, UsageError
from gate.evidence.facts import VerifiedSignature
from gate.policy.acceptance import accepted_by_any
from gate.policy.patterns import ImagePattern
from gate.policy.plan import Stage
from gate.policy.policy import AttestationRequirement, Match, Mode, Policy, Rule, SignatureRequirement
from gate.policy.policy_set import PolicySet
from gate.policy.predicate_types import parse_predicate_type
from gate.policy.signers import AnyOf, One
from gate.review.review import Subject
from gate.review.words import block
from gate.wiring import build

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from gate.cli.target import Target
    from gate.deadline import Deadline
    from gate.evidence.facts import Evidence, VerifiedAttestation, Witness
    from gate.policy.policy import Kept
    from gate.policy.signers import SignerSpec
    from gate.review.review import ImageReview


@click.command("verify")
@click.argument("ref", metavar="REF")
@signer_flags
@kept_flags
@click.option("--type", "type_", metavar="T", help="Verify attestations of this predicate type instead of signatures.")
@click.option(
    "--annotation", "-a", "annotations", multiple=True, metavar="K=V", help="What the signature has to carry."
)
@click.option(
    "--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True, help="What to print."
)
@common_flags("60s", config=True)
def command(ref: str, **flags: Any) -> None:
    """Verify the signatures of the image REF: `registry/repo:tag`, `…@sha256:…`, or `oci:DIR`.

    \b
    Examples:
      gate verify ghcr.io/acme/api:v1 --key cosign.pub
      gate verify REF --certificate-identity releases@acme.example --certificate-oidc-issuer https://accounts.google.com
      gate verify oci:./image --key cosign.pub --type spdxjson --output json
    """
    settings = settings_of(flags)
    deadline = begin(settings.timeout)
    wanted = _Wanted.of(flags, deadline)
    target = parse_target(ref)
    gate = build(settings, target.layouts)
    try:
        (review,) = gate.reviewer.review(wanted.policies, [Subject(target.reference.text)], Stage.CHECK, deadline)
    finally:
        gate.close()
    say_all(gate.roots.notes)
    shown = _json(target, review) if flags["output"] == "json" else printable(_text(target, review, wanted, gate.now()))
    emit(f"{shown}\n")
    sys.exit(EXITS.get(review.decision.verdict, Exit.PASS))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the flags ask for.

    Attributes:
        signers: any of whom suffices.
        kept: where signatures are looked for.
        annotations: that a signature has to carry.
        predicate_type: of the attestations that are wanted instead of signatures; None for signatures.
    """

    signers: Mapping[str, SignerSpec]
    kept: Kept
    annotations: dict[str, str]
    predicate_type: str | None

    @classmethod
    def of(cls, flags: dict[str, Any], deadline: Deadline) -> _Wanted:
        """As the flags say.

        Raises:
            UsageError: one that cannot be used.
        """
        annotations, type_ = pairs_of(flags["annotations"]), flags["type_"]
        signers, kept = signers_of(flags, deadline), kept_of(flags)
        if type_ is None:
            return cls(signers, kept, annotations, None)
        if annotations:
            raise UsageError("--annotation with --type", remedy="annotations are signatures'; leave one of them out")
        try:
            return cls(signers, kept, {}, parse_predicate_type(type_))
        except ParseError as error:
            raise UsageError(f"--type {error.message}", remedy=error.remedy) from error

    @property
    def policies(self) -> PolicySet:
        """One policy with one rule: signed, or attested, by any of the signers."""
        by = AnyOf(tuple(One(name) for name in self.signers))
        rule = Rule("signature", SignatureRequirement(by, self.annotations, self.kept))
        if self.predicate_type is not None:
            rule = Rule("attestation", AttestationRequirement(by, (self.predicate_type,), self.kept))
        everything = Match((ImagePattern.parse("**"),))
        return PolicySet((Policy("ClusterGatePolicy", "verify", Mode.ENFORCE, everything, (rule,), self.signers),))

    def counted(self, evidence: Evidence, now: datetime) -> Iterator[VerifiedSignature | VerifiedAttestation]:
        """Of what was found, what the rule counts."""
        facts: Iterable[VerifiedSignature | VerifiedAttestation] = (
            (s for s in evidence.signatures if self.annotations.items() <= s.annotations.items())
            if self.predicate_type is None
            else (a for a in evidence.attestations if a.predicate_type == self.predicate_type)
        )
        return (fact for fact in facts if accepted_by_any(self.signers, fact, now))


def _resolved(target: Target, review: ImageReview) -> str | None:
    digest = target.reference.digest or review.digest
    return target.resolved(digest) if digest else None


def _text(target: Target, review: ImageReview, wanted: _Wanted, now: datetime) -> str:
    if review.decision.verdict.stops:
        text = block(review, "").replace(review.subject.text, target.text)
        reasons = [f"  {r.format.value} {r.digest.short}: {r.reason}" for r in review.evidence.rejected]
        return "\n".join([text, *reasons])
    lines = [f"VERIFIED {_resolved(target, review)}"]
    for fact in wanted.counted(review.evidence, now):
        stored = f"({fact.format.value} {fact.digest.short})"
        if isinstance(fact, VerifiedSignature):
            signed = "".join(f" {one_line(k)}={one_line(v)}" for k, v in sorted(fact.annotations.items()))
            lines.append(f"  signed by {fact.signer} {stored}{signed}{_when(fact.witness)}")
        else:
            lines.append(f"  {fact.predicate_type} by {fact.signer} {stored}{_when(fact.witness)}")
    return "\n".join(lines)


def _when(witness: Witness) -> str:
    earliest = witness.earliest
    return f" at {earliest.at:%Y-%m-%dT%H:%M:%SZ} (by {earliest.by})" if earliest else ""


def _json(target: Target, review: ImageReview) -> str:
    value = {
        "apiVersion": "imagegate.dev/verify/v1",
        "image": target.text,
        "resolved": _resolved(target, review),
        "verdict": review.decision.verdict.value,
        "findings": [finding_json(f) for f in review.decision.findings if f.code not in NOTES],
        **evidence_json(review.evidence),
    }
    return json.dumps(value, indent=2)
