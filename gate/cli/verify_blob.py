"""`gate verify-blob`: a file, or its digest, against a Sigstore bundle."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gate.cli.common import Exit, common_flags, emit, one_line, printable, say_all, settings_of
from gate.cli.render.json_report import evidence_json
from gate.cli.signers import signer_flags, signers_of
from gate.codes import INABILITY
from gate.errors import ParseError, UsageError
from gate.evidence.message import Message
from gate.policy.predicate_types import parse_predicate_type
from gate.policy.signers import AnyOf, One, needs_of
from gate.review.blob import examine_bundle, judge_blob
from gate.wiring import build

if TYPE_CHECKING:
    from gate.evidence.facts import Evidence, VerifiedAttestation, VerifiedSignature
    from gate.policy.decision import Reason

MAX_BUNDLE: Final = 16 * 1024 * 1024
MAX_BLOB: Final = 4 * 1024 * 1024 * 1024
_WHOLE: Final = 64 * 1024 * 1024
"""Bytes of a file that are kept: signatures that need more than a SHA-256 of it can be verified up to this size."""

_CHUNK: Final = 1024 * 1024
_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)


@click.command("verify-blob")
@click.argument("blob", metavar="FILE|sha256:HEX")
@click.option("--bundle", required=True, metavar="B", help="The Sigstore bundle (JSON).")
@signer_flags
@click.option("--type", "type_", metavar="T", help="The predicate type that the bundle's statement has to have.")
@click.option(
    "--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True, help="What to print."
)
@common_flags("60s")
def command(blob: str, **flags: Any) -> None:
    """Verify that FILE was signed as a Sigstore bundle says, and by whom it has to be.

    \b
    Examples:
      gate verify-blob --bundle app.tar.gz.sigstore.json --key cosign.pub app.tar.gz
      gate verify-blob --bundle b.json --certificate-identity releases@acme.example \\
        --certificate-oidc-issuer https://accounts.google.com sha256:HEX
    """
    signers = signers_of(flags)
    wanted = _predicate_type(flags["type_"])
    content = _read(flags["bundle"])
    message = _message(blob)
    gate = build(settings_of(flags))
    try:
        evidence = examine_bundle(content, message, needs_of(signers.values()), gate.roots, gate.deadline())
    finally:
        gate.close()
    by = AnyOf(tuple(One(name) for name in signers))
    reasons = list(judge_blob(evidence, by, signers, gate.now(), wanted))
    say_all(gate.roots.notes)
    json_wanted = flags["output"] == "json"
    emit((_json(blob, message, evidence, reasons) if json_wanted else _text(blob, evidence, reasons)) + "\n")
    unable = any(reason.code in INABILITY for reason in reasons)
    sys.exit(Exit.NOT_EVALUATED if unable else Exit.DENIED if reasons else Exit.PASS)


def _predicate_type(text: str | None) -> str | None:
    try:
        return None if text is None else parse_predicate_type(text)
    except ParseError as error:
        raise UsageError(f"--type {error.message}", remedy=error.remedy) from error


def _read(file: str) -> bytes:
    try:
        with Path(file).open("rb") as opened:
            content = opened.read(MAX_BUNDLE + 1)
    except OSError as error:
        raise UsageError(
            f"--bundle {file} cannot be read: {error.strerror}", remedy="name the bundle's file"
        ) from error
    if len(content) > MAX_BUNDLE:
        raise UsageError(f"--bundle {file} has more than {MAX_BUNDLE} bytes", remedy="is it a Sigstore bundle?")
    return content


def _message(blob: str) -> Message:
    """A file where there is one of that name, else a digest."""
    path = Path(blob)
    digest = _DIGEST.fullmatch(blob)
    if digest is not None and not path.exists():
        return Message(bytes.fromhex(digest[1]))
    hashed = hashlib.sha256()
    kept: list[bytes] | None = []
    size = 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                hashed.update(chunk)
                size += len(chunk)
                if size > MAX_BLOB:
                    raise UsageError(f"{blob} has more than {MAX_BLOB} bytes", remedy="give its sha256:HEX")
                if kept is not None:
                    kept.append(chunk)
                    kept = kept if size <= _WHOLE else None
    except OSError as error:
        raise UsageError(
            f"{blob} cannot be read: {error.strerror}", remedy="name a file, or write sha256: and 64 hex digits"
        ) from error
    return Message(hashed.digest(), None if kept is None else b"".join(kept))


def _text(blob: str, evidence: Evidence, reasons: list[Reason]) -> str:
    if reasons:
        lines = [f"{'NOT JUDGED' if any(r.code in INABILITY for r in reasons) else 'DENIED'} {one_line(blob)}"]
        for reason in reasons:
            remedy = f"\nFix: {reason.remedy}" if reason.remedy else ""
            lines.append(f"{reason.code}: {one_line(reason.message)}{remedy}")
        return printable("\n".join(lines))
    lines = [f"VERIFIED {one_line(blob)}"]
    facts: list[VerifiedSignature | VerifiedAttestation] = [*evidence.signatures, *evidence.attestations]
    for fact in facts:
        earliest = fact.witness.earliest
        when = f" at {earliest.at:%Y-%m-%dT%H:%M:%SZ} (by {earliest.by})" if earliest else ""
        lines.append(f"  signed by {one_line(str(fact.signer))}{one_line(when)}")
    return "\n".join(lines)


def _json(blob: str, message: Message, evidence: Evidence, reasons: list[Reason]) -> str:
    unable = any(r.code in INABILITY for r in reasons)
    value = {
        "apiVersion": "imagegate.dev/verify/v1",
        "blob": blob,
        "digest": f"sha256:{message.sha256.hex()}",
        "verdict": "error" if unable else "deny" if reasons else "allow",
        "findings": [{"code": r.code.value, "message": r.message, "remedy": r.remedy} for r in reasons],
        **evidence_json(evidence),
    }
    return json.dumps(value, indent=2)
