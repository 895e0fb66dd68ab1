"""`gate verify`: one image's signatures against keys named on the command line.

It is the engine that judges policies, with a policy made of the flags.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gate.cli.common import Exit, common_flags, not_yet, one_line, printable, settings_of
from gate.cli.render.json_report import evidence_json, finding_json
from gate.cli.target import parse_target
from gate.codes import NOTES
from gate.errors import ParseError, UsageError
from gate.policy.decision import Verdict
from gate.policy.evaluate import Stage
from gate.policy.patterns import ImagePattern
from gate.policy.policy import Match, Mode, Policy, PolicySet, Rule, SignatureRequirement
from gate.policy.signers import AnyOf, KeySpec, LogUse, One
from gate.review.review import Subject
from gate.review.words import block
from gate.trust.key import MAX_KEY, PublicKey
from gate.wiring import build

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.cli.target import Target
    from gate.review.review import ImageReview

_NOT_YET: Final = (
    "type_", "certificate_identity", "certificate_identity_regexp", "certificate_oidc_issuer",
    "certificate_oidc_issuer_regexp", "ca_roots", "ca_intermediates", "insecure_ignore_sct",
)  # fmt: skip
_EXITS: Final = {Verdict.DENY: Exit.DENIED, Verdict.ERROR: Exit.NOT_EVALUATED}


@click.command("verify")
@click.argument("ref", metavar="REF")
@click.option("--key", "keys", multiple=True, metavar="FILE", help="A PEM public key; of several, any suffices.")
@click.option(
    "--annotation", "-a", "annotations", multiple=True, metavar="K=V", help="What the signature has to carry."
)
@click.option("--insecure-ignore-tlog", is_flag=True, help="Do not look at transparency log entries.")
@click.option(
    "--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True, help="What to print."
)
@click.option("--type", "type_", metavar="T", help="Not supported yet: verify attestations of this type.")
@click.option("--certificate-identity", metavar="ID", help="Not supported yet.")
@click.option("--certificate-identity-regexp", metavar="RE", help="Not supported yet.")
@click.option("--certificate-oidc-issuer", metavar="URL", help="Not supported yet.")
@click.option("--certificate-oidc-issuer-regexp", metavar="RE", help="Not supported yet.")
@click.option("--ca-roots", metavar="FILE", help="Not supported yet.")
@click.option("--ca-intermediates", metavar="FILE", help="Not supported yet.")
@click.option("--insecure-ignore-sct", is_flag=True, help="Not supported yet.")
@common_flags("60s")
def command(ref: str, **flags: Any) -> None:
    """Verify the signatures of the image REF: `registry/repo:tag`, `…@sha256:…`, or `oci:DIR`.

    \b
    Examples:
      gate verify ghcr.io/acme/api:v1 --key cosign.pub
      gate verify oci:./image --key cosign.pub --insecure-ignore-tlog --output json
    """
    not_yet(flags, *_NOT_YET)
    if not flags["keys"]:
        raise UsageError("no --key", remedy="name the public key that has to have signed")
    policies = _policies(flags["keys"], _pairs(flags["annotations"]), ignore_log=flags["insecure_ignore_tlog"])
    target = parse_target(ref)
    gate = build(settings_of(flags), target.layouts)
    try:
        (review,) = gate.reviewer.review(policies, [Subject(target.reference.text)], Stage.CHECK, gate.deadline())
    finally:
        gate.close()
    click.echo(_json(target, review) if flags["output"] == "json" else printable(_text(target, review)))
    sys.exit(_EXITS.get(review.decision.verdict, Exit.PASS))


def _policies(files: Sequence[str], annotations: dict[str, str], *, ignore_log: bool) -> PolicySet:
    """One policy with one rule: signed by any of the keys. A key named twice is one signer."""
    log = LogUse.IGNORE if ignore_log else LogUse.OPTIONAL
    keys = {file: _read_key(file) for file in files}
    signers = {file: KeySpec(file, key, log) for file, key in keys.items()}
    rule = Rule("signature", SignatureRequirement(AnyOf(tuple(One(name) for name in signers)), annotations))
    everything = Match((ImagePattern.parse("**"),))
    return PolicySet((Policy("ClusterGatePolicy", "verify", Mode.ENFORCE, everything, (rule,), signers),))


def _read_key(file: str) -> PublicKey:
    try:
        with Path(file).open("rb") as opened:
            return PublicKey.parse(opened.read(MAX_KEY + 1))
    except OSError as error:
        raise UsageError(
            f"--key {file} cannot be read: {error.strerror}", remedy="name a PEM public key file"
        ) from error
    except ParseError as error:
        raise UsageError(f"--key {file}: {error.message}", remedy=error.remedy) from error


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    if not all(key and equals for key, equals, _ in pairs):
        raise UsageError("--annotation wants K=V", remedy="such as --annotation stage=prod")
    return {key: value for key, _, value in pairs}


def _resolved(target: Target, review: ImageReview) -> str | None:
    digest = target.reference.digest or review.digest
    return target.resolved(digest) if digest else None


def _text(target: Target, review: ImageReview) -> str:
    if review.decision.verdict.stops:
        text = block(review, "").replace(review.subject.text, target.text)
        reasons = [f"  {r.format.value} {r.digest.short}: {r.reason}" for r in review.evidence.rejected]
        return "\n".join([text, *reasons])
    lines = [f"VERIFIED {_resolved(target, review)}"]
    for signature in review.evidence.signatures:
        signed = "".join(f" {one_line(k)}={one_line(v)}" for k, v in sorted(signature.annotations.items()))
        lines.append(f"  signed by {signature.signer} ({signature.format.value} {signature.digest.short}){signed}")
    return "\n".join(lines)


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
