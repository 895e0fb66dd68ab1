"""`gate verify-blob`: a file, or its digest, against a Sigstore bundle."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from gate.cli.common import Exit, begin, common_flags, emit, one_line, printable, say_all, settings_of
from gate.cli.render.json_report import evidence_json
from gate.cli.signers import signer_flags, signers_of
from gate.codes import INABILITY, Code
from gate.errors import ParseError, UsageError
from gate.evidence.facts import Evidence
from gate.evidence.message import Message
from gate.local import exists, read_chunks, read_local
from gate.policy.finding import Reason
from gate.policy.predicate_types import parse_predicate_type
from gate.policy.signers import AnyOf, One, needs_of
from gate.review.blob import examine_bundle, judge_blob
from gate.wiring import build

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gate.deadline import Deadline
    from gate.evidence.facts import VerifiedAttestation, VerifiedSignature
    from gate.policy.signers import SignerSpec
    from gate.wiring import Gate

MAX_BUNDLE: Final = 16 * 1024 * 1024
MAX_BLOB: Final = 4 * 1024 * 1024 * 1024
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
    settings = settings_of(flags)
    deadline = begin(settings.timeout)
    signers = signers_of(flags, deadline)
    wanted = _predicate_type(flags["type_"])
    gate = build(settings)
    try:
        content = _bundle(flags["bundle"], deadline)
        message = _message(blob, deadline)
        evidence, reasons = _judged(content, message, signers, wanted, gate, deadline)
    finally:
        gate.close()
    say_all(gate.roots.notes)
    json_wanted = flags["output"] == "json"
    emit((_json(blob, message, evidence, reasons) if json_wanted else _text(blob, evidence, reasons)) + "\n")
    unable = any(reason.code in INABILITY for reason in reasons)
    sys.exit(Exit.NOT_EVALUATED if unable else Exit.DENIED if reasons else Exit.PASS)


def _judged(
    content: bytes,
    message: Message,
    signers: Mapping[str, SignerSpec],
    wanted: str | None,
    gate: Gate,
    deadline: Deadline,
) -> tuple[Evidence, list[Reason]]:
    """What the bundle proves, and why that does not suffice."""
    if len(content) > MAX_BUNDLE:
        what = f"the bundle has more than {MAX_BUNDLE // 1024**2} MiB, and no more is read of one"
        return Evidence(), [Reason(Code.SIGNATURE_INVALID, what, "is it a Sigstore bundle? get it again")]
    evidence = examine_bundle(content, message, needs_of(signers.values()), gate.roots, deadline)
    by = AnyOf(tuple(One(name) for name in signers))
    return evidence, list(judge_blob(evidence, by, signers, gate.now(), wanted, whole=message.was_read))


def _predicate_type(text: str | None) -> str | None:
    try:
        return None if text is None else parse_predicate_type(text)
    except ParseError as error:
        raise UsageError(f"--type {error.message}", remedy=error.remedy) from error


def _bundle(file: str, deadline: Deadline) -> bytes:
    """What is in it, one byte more than is read of bundles where it is longer.

    Raises:
        UsageError: it cannot be read.
        EvidenceUnavailable: the time ran out.
    """
    try:
        return read_local(file, MAX_BUNDLE, deadline)
    except OSError as error:
        raise UsageError(
            f"--bundle {file} cannot be read: {error.strerror}", remedy="name the bundle's file"
        ) from error


def _message(blob: str, deadline: Deadline) -> Message:
    """A file where there is one of that name, else a digest.

    Raises:
        UsageError: neither, or it cannot be read.
        EvidenceUnavailable: the time ran out.
    """
    digest = _DIGEST.fullmatch(blob)
    if digest is not None and not exists(blob):
        return Message(bytes.fromhex(digest[1]))
    try:
        return Message.read(_capped(read_chunks(blob, deadline), blob))
    except OSError as error:
        raise UsageError(
            f"{blob} cannot be read: {error.strerror}", remedy="name a file, or write sha256: and 64 hex digits"
        ) from error


def _capped(chunks: Iterable[bytes], blob: str) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_BLOB:
            raise UsageError(f"{blob} has more than {MAX_BLOB} bytes", remedy="give its sha256:HEX")
        yield chunk


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
