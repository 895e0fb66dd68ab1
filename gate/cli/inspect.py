"""`gate inspect`: what is known of an image, and each signature and attestation: by whom, and whether it verifies."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, assert_never

import click

from gate.cli.attested import Said, read
from gate.cli.common import Exit, begin, common_flags, emit, one_line, say, say_all, settings_of
from gate.cli.render.json_report import attestation_json, evidence_json, kind_of
from gate.cli.signers import kept_flags, kept_of, read_keys
from gate.cli.target import parse_target
from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.evidence.dsse import COSIGN_SIGN
from gate.evidence.facts import CertificateSigner, KeySigner
from gate.image.manifest import Index, Manifest
from gate.policy.trust import SIGSTORE, TrustNeeds, WitnessedKey
from gate.wiring import build

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from gate.cli.target import Target
    from gate.deadline import Deadline
    from gate.evidence.facts import Evidence, Rejection, Signer, Unavailable, VerifiedAttestation, VerifiedSignature
    from gate.image.config import ImageConfig
    from gate.image.manifest import StoredManifest
    from gate.review.review import Reviewer
    from gate.review.tags import TagsOf

_NARROWEST: Final = 40  # columns


@click.command("inspect")
@click.argument("ref", metavar="REF")
@click.option("--key", "keys", multiple=True, metavar="FILE", help="A PEM public key to try signatures by keys with.")
@click.option("--tags", is_flag=True, help="Show the tags that point at it: each of its repository's is looked up.")
@click.option(
    "--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True, help="What to print."
)
@kept_flags
@common_flags("60s", config=True)
def command(ref: str, **flags: Any) -> None:
    """Show what is known of the image REF: digest, type, platforms, configuration, signatures and attestations.

    Certificates are tried against the trusted root; signatures by keys only against the keys given. Where something
    could not be looked at, the exit code is 3.

    \b
    Example:
      gate inspect ghcr.io/acme/api:v1 --key cosign.pub --tags
    """
    settings = settings_of(flags)
    deadline = begin(settings.timeout)
    keys = read_keys(flags["keys"], deadline)
    trust = TrustNeeds(tuple(WitnessedKey(key, SIGSTORE) for key in keys.values()), (SIGSTORE,))
    target = parse_target(ref)
    gate = build(settings, target.layouts)
    try:
        stored, evidence = gate.reviewer.survey(target.reference, kept_of(flags), trust, deadline)
        config = _config(gate.reviewer, target, stored, deadline)
        tags = _tags(gate.reviewer, target, stored, deadline) if flags["tags"] else None
    finally:
        gate.close()
    say_all(gate.roots.notes)
    said = read(evidence.attestations, stored.digest, deadline)
    shown = _Shown(target, stored, config, _explained(evidence, keyed=bool(trust.keys)), tags, said, gate.now())
    emit((json.dumps(shown.json, indent=2) if flags["output"] == "json" else _fitted(shown.text)) + "\n")
    late = sum(one.late for one in said.values())
    if evidence.unavailable:
        say(f"gate: not all could be looked at, there may be more: {len(evidence.unavailable)} unavailable")
    if late:
        say(f"gate: {late} attestations were not read: the time allowed ran out; give it more with --timeout")
    if evidence.unavailable or late:
        sys.exit(Exit.NOT_EVALUATED)


def _config(reviewer: Reviewer, target: Target, stored: StoredManifest, deadline: Deadline) -> ImageConfig | None:
    """Its configuration; None where it has none, or where it could not be read, which is said."""
    if not isinstance(stored.manifest, Manifest):
        return None
    try:
        return reviewer.config(target.reference.name, stored.manifest, deadline)
    except EvidenceUnavailable as error:
        say(f"gate: its configuration: {error.code}: {error}")
        return None


def _tags(reviewer: Reviewer, target: Target, stored: StoredManifest, deadline: Deadline) -> TagsOf | None:
    """The tags that point at it; None where there was no list of them. What is not known is said."""
    try:
        found = reviewer.tags_of(target.reference, stored.digest, deadline)
    except EvidenceUnavailable as error:
        say(f"gate: its tags: {error.code}: {error}")
        return None
    if found.unseen:
        say(f"gate: its tags: of {found.total} tags, {len(found.unseen)} were not looked at")
    counts = Counter(failure.code for failure in found.failed.values())
    examples = {failure.code: failure.message for failure in found.failed.values()}
    for code, count in counts.items():
        say(f"gate: its tags: of {found.total} tags, {count} could not be resolved: {code}: {examples[code]}")
    return found


@dataclass(frozen=True, slots=True)
class _Shown:
    """One image, for people and for scripts."""

    target: Target
    stored: StoredManifest
    config: ImageConfig | None
    evidence: Evidence
    tags: TagsOf | None
    said: Mapping[VerifiedAttestation, Said]
    now: datetime

    @property
    def json(self) -> dict[str, object]:
        manifest = self.stored.manifest
        value: dict[str, object] = {
            "apiVersion": "imagegate.dev/inspect/v1",
            "image": self.target.text,
            "resolved": self.target.resolved(self.stored.digest),
            "digest": str(self.stored.digest),
            "mediaType": manifest.media_type,
            "platforms": self._platforms,
            "size": self._size,
        }
        if self.config is not None:
            value["created"] = self.config.created or None
            value["user"] = self.config.user
            value["labels"] = dict(self.config.labels)
        if self.tags is not None:
            value["tags"] = list(self.tags.tags)
        unavailable = [
            {"code": u.code.value, "message": u.message, "remedy": u.remedy} for u in self.evidence.unavailable
        ]
        attestations = [self._attestation_json(one) for one in self.evidence.attestations]
        evidence = {**evidence_json(self.evidence), "attestations": attestations}
        return {**value, **evidence, "unavailable": unavailable}

    def _attestation_json(self, attestation: VerifiedAttestation) -> dict[str, object]:
        """With what it says, where its type is known."""
        said = self.said.get(attestation)
        return {**attestation_json(attestation), **({"summary": said.json} if said is not None else {})}

    @property
    def text(self) -> str:
        rows = [
            ("digest", str(self.stored.digest)),
            ("type", self.stored.manifest.media_type),
            ("platforms", ", ".join(self._platforms) or "none stated"),
            ("size", f"{self._size:,} bytes" if self._size is not None else ""),
        ]
        if self.config is not None:
            rows += [("created", self.config.created), ("user", self.config.user or "root (none is set)")]
            rows += [("label", f"{k}={v}") for k, v in sorted(self.config.labels.items())]
        if self.tags is not None:
            rows.append(("tags", ", ".join(self.tags.tags) or ("none" if self.tags.complete else "none known")))
        lines = [one_line(self.target.text), *(f"├─ {name}: {one_line(value)}" for name, value in rows if value)]
        evidence = self.evidence
        branches = [
            self._branch("signatures", [_signature(s) for s in evidence.signatures]),
            self._branch("attestations", [self._attestation(a) for a in evidence.attestations]),
            self._branch("not verified", [_rejection(r) for r in evidence.rejected]),
        ]
        if evidence.unavailable:
            branches.append(("unavailable", str(len(evidence.unavailable)), [_place(u) for u in evidence.unavailable]))
        for i, branch in enumerate(branches):
            lines += _drawn(*branch, last=i == len(branches) - 1)
        return "\n".join(lines)

    def _attestation(self, attestation: VerifiedAttestation) -> list[str]:
        who, *issuer = _who(attestation.signer)
        stored = f"({attestation.format.value} {attestation.digest.short})"
        said = self.said.get(attestation, Said()).lines(self.now)
        return [f"{attestation.predicate_type}  {stored}", f"by {who}", *issuer, *_beside(attestation), *said]

    def _branch(self, title: str, leaves: list[list[str]]) -> tuple[str, str, list[list[str]]]:
        """Its title, how many leaves are known of, and the leaves: only where all was looked at, none is none."""
        complete = not self.evidence.unavailable
        if leaves:
            count = str(len(leaves)) if complete else f"{len(leaves)}, and maybe more"
        elif not complete:
            count = "not known"
        else:
            count = "none verified" if self._is_hidden(title) else "none"
        return title, count, leaves

    def _is_hidden(self, title: str) -> bool:
        """Whether something of that title, or that may be, is among what does not verify."""
        return any(kind_of(r) in ("unknown", title.removesuffix("s")) for r in self.evidence.rejected)

    @property
    def _platforms(self) -> list[str]:
        manifest = self.stored.manifest
        if isinstance(manifest, Index):
            found = [str(m.platform) for m in manifest.manifests if m.platform is not None and m.platform.runnable]
            return list(dict.fromkeys(found))
        return [str(self.config.platform)] if self.config is not None and str(self.config.platform) else []

    @property
    def _size(self) -> int | None:
        """Bytes of its layers, as stored; of an index there is no one size."""
        manifest = self.stored.manifest
        return sum(layer.size for layer in manifest.layers) if isinstance(manifest, Manifest) else None


def _signature(signature: VerifiedSignature) -> list[str]:
    signed = [f"{key}={value}" for key, value in sorted(signature.annotations.items())]
    name = [f"signed as {signature.docker_reference}"] if signature.docker_reference else []
    who, *issuer = _who(signature.signer)
    stored = f"({signature.format.value} {signature.digest.short})"
    return [f"{who}  {stored}", *issuer, *_beside(signature), *name, *signed]


def _who(signer: Signer) -> list[str]:
    """The name, and who vouched for it."""
    match signer:
        case KeySigner():
            return [str(signer)]
        case CertificateSigner(identity=identity):
            return [identity.subject, *([f"issuer {identity.issuer}"] if identity.issuer else [])]
        case _:
            assert_never(signer)


def _rejection(rejection: Rejection) -> list[str]:
    stored = f"({rejection.format.value} {rejection.digest.short})"
    claim = rejection.claim
    what = f" of {claim.predicate_type}" if claim.predicate_type not in ("", COSIGN_SIGN) else ""
    key = [f"names key {claim.key_hint[:12]} (not verified)"] if claim.key_hint else []
    who = [f"claims to be by {claim.identity} (not verified)"] if claim.identity else []
    return [f"{kind_of(rejection)}{what}  {stored}", *key, *who, f"{rejection.code}: {rejection.reason}"]


def _place(unavailable: Unavailable) -> list[str]:
    remedy = [f"Fix: {unavailable.remedy}"] if unavailable.remedy else []
    return [f"{unavailable.code}: {unavailable.message}", *remedy]


def _explained(evidence: Evidence, *, keyed: bool) -> Evidence:
    """The evidence with the reasons that nobody's policy is behind: whoever inspects wants no signer.

    Args:
        evidence: as it was found.
        keyed: whether keys were given to try.
    """
    return evidence if keyed else replace(evidence, rejected=tuple(map(_untried, evidence.rejected)))


def _untried(rejection: Rejection) -> Rejection:
    """Of what a key signed while no key was given, or a certificate without its trusted root, that it was not tried."""
    match rejection.code:
        case Code.IDENTITY_MISMATCH:
            reason = "signed with a key, and none was given to try: --key FILE verifies it"
        case Code.KEY_MISMATCH:
            reason = "signed with a certificate, and there is no trusted root to try"
        case _:
            return rejection
    return replace(rejection, code=Code.KEY_MISMATCH, reason=reason)


def _drawn(title: str, count: str, leaves: list[list[str]], *, last: bool) -> list[str]:
    stem, bar = ("└─", "  ") if last else ("├─", "│ ")
    lines = [f"{stem} {title}: {count}"]
    for i, (head, *details) in enumerate(leaves):
        final = i == len(leaves) - 1
        lines.append(f"{bar} {'└─' if final else '├─'} {one_line(head)}")
        lines += [f"{bar} {'  ' if final else '│ '}   {one_line(detail)}" for detail in details]
    return lines


def _fitted(text: str) -> str:
    """On a terminal, long lines go on below where their words began, beside the tree's bars."""
    if not sys.stdout.isatty():
        return text
    width = max(_NARROWEST, shutil.get_terminal_size().columns)
    return "\n".join(part for line in text.split("\n") for part in _wrapped(line, width))


def _wrapped(line: str, width: int) -> list[str]:
    words = line.lstrip("│├└─ ")
    drawn = line[: len(line) - len(words)]
    below = drawn.replace("├─", "│ ").replace("└─", "  ") + ("  " if drawn else "")
    return textwrap.wrap(
        words, width, initial_indent=drawn, subsequent_indent=below, break_long_words=False, break_on_hyphens=False
    ) or [line]


def _beside(fact: VerifiedSignature | VerifiedAttestation) -> list[str]:
    """When, and what is missing."""
    witness = fact.witness
    lines = [f"at {time.at:%Y-%m-%dT%H:%M:%SZ}, by {time.by} ({time.source.value})" for time in witness.times]
    if witness.no_log is not None:
        lines.append(f"log: {witness.no_log.reason}")
    signer = fact.signer
    if isinstance(signer, CertificateSigner) and not signer.ct_logs:
        lines.append(f"certificate transparency: {signer.no_sct}")
    return lines
