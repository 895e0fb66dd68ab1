"""`gate inspect`: what is known of an image, and each signature and attestation: by whom, and whether it verifies."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from gate.cli.common import common_flags, emit, one_line, say, say_all, settings_of
from gate.cli.render.json_report import evidence_json
from gate.cli.signers import kept_flags, kept_of, read_keys
from gate.cli.target import parse_target
from gate.errors import EvidenceUnavailable
from gate.evidence.facts import CertificateSigner
from gate.image.manifest import Index, Manifest
from gate.policy.trust import SIGSTORE, TrustNeeds, WitnessedKey
from gate.wiring import build

if TYPE_CHECKING:
    from gate.cli.target import Target
    from gate.deadline import Deadline
    from gate.evidence.facts import Evidence, Rejection, VerifiedAttestation, VerifiedSignature
    from gate.image.config import ImageConfig
    from gate.image.manifest import StoredManifest
    from gate.review.review import Reviewer
    from gate.review.tags import TagsOf


@click.command("inspect")
@click.argument("ref", metavar="REF")
@click.option("--key", "keys", multiple=True, metavar="FILE", help="A PEM public key to try signatures by keys with.")
@click.option("--tags", is_flag=True, help="Show the tags that point at it: each of its repository's is looked up.")
@click.option(
    "--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True, help="What to print."
)
@kept_flags
@common_flags("60s")
def command(ref: str, **flags: Any) -> None:
    """Show what is known of the image REF: digest, type, platforms, configuration, signatures and attestations.

    Certificates are tried against the trusted root; signatures by keys only against the keys given.

    \b
    Example:
      gate inspect ghcr.io/acme/api:v1 --key cosign.pub --tags
    """
    trust = TrustNeeds(tuple(WitnessedKey(key, SIGSTORE) for key in read_keys(flags["keys"]).values()), (SIGSTORE,))
    target = parse_target(ref)
    gate = build(settings_of(flags), target.layouts)
    deadline = gate.deadline()
    try:
        stored, evidence = gate.reviewer.survey(target.reference, kept_of(flags), trust, deadline)
        config = _config(gate.reviewer, target, stored, deadline)
        tags = _tags(gate.reviewer, target, stored, deadline) if flags["tags"] else None
    finally:
        gate.close()
    say_all([*gate.roots.notes, *(f"{u.code}: {u.message}" for u in evidence.unavailable)])
    shown = _Shown(target, stored, config, evidence, tags)
    emit((json.dumps(shown.json, indent=2) if flags["output"] == "json" else shown.text) + "\n")


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
        return {**value, **evidence_json(self.evidence)}

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
        lines += self._branch("signatures", [_signature(s) for s in self.evidence.signatures], last=False)
        lines += self._branch("attestations", [_attestation(a) for a in self.evidence.attestations], last=False)
        lines += self._branch("not verified", [_rejection(r) for r in self.evidence.rejected], last=True)
        return "\n".join(lines)

    def _branch(self, title: str, leaves: list[list[str]], *, last: bool) -> list[str]:
        stem, bar = ("└─", "  ") if last else ("├─", "│ ")
        lines = [f"{stem} {title}: {len(leaves) or 'none'}"]
        for i, (head, *details) in enumerate(leaves):
            final = i == len(leaves) - 1
            lines.append(f"{bar} {'└─' if final else '├─'} {one_line(head)}")
            lines += [f"{bar} {'  ' if final else '│ '}   {one_line(detail)}" for detail in details]
        return lines

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
    return [
        f"{signature.signer}  ({signature.format.value} {signature.digest.short})",
        *_beside(signature),
        *name,
        *signed,
    ]


def _attestation(attestation: VerifiedAttestation) -> list[str]:
    stored = f"({attestation.format.value} {attestation.digest.short})"
    return [f"{attestation.predicate_type}  {stored}", f"by {attestation.signer}", *_beside(attestation)]


def _rejection(rejection: Rejection) -> list[str]:
    return [f"{rejection.code}: {rejection.reason}  ({rejection.format.value} {rejection.digest.short})"]


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
