"""`gate policy test --record`: what a registry has of an image, kept for tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gate.authoring.writing import scalar
from gate.cli.common import begin, emit, say, settings_of
from gate.cli.signers import kept_of
from gate.errors import UsageError
from gate.local import shown
from gate.registry.recording import elsewhere
from gate.registry.recording import record as keep
from gate.settings import parse_reference
from gate.wiring import build

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.image.reference import Reference
    from gate.registry.recording import Recorded


def record(ref: str, paths: Sequence[str], flags: dict[str, Any]) -> None:
    """Keep REF in the layout `--into`, and print the `evidence` of a GateTest that names it.

    Signatures in another repository (`--signature-repository`) are kept in a folder beside it.

    Raises:
        UsageError: a flag that does not go with it, or a folder that is none of ours.
        EvidenceUnavailable: the registry could not be asked.
    """
    if paths or flags["watch"] or flags["filter_"]:
        raise UsageError("--record tests nothing", remedy="leave out PATH, --watch and --filter")
    if not flags["into"]:
        raise UsageError("an empty --into", remedy="name a folder")
    settings = settings_of(flags)
    deadline = begin(settings.timeout)
    reference = parse_reference(ref)
    reference = reference.renamed(settings.hosts.upstream(reference.name))
    storage = kept_of(flags).of(reference.name)
    gate = build(settings)
    try:
        recorded = keep(gate.registry, reference, Path(flags["into"]), deadline, storage)
    finally:
        gate.close()
    entries = {reference.name: flags["into"]}
    if storage.repository != reference.name:
        entries[storage.repository] = str(elsewhere(Path(flags["into"])))
    lines = [f"- {{repository: {scalar(str(name))}, layout: {scalar(folder)}}}" for name, folder in entries.items()]
    emit("\n".join(["evidence:", *lines, ""]))
    told(recorded, reference, Path(flags["into"]))
    say("gate: in a GateTest folders are relative to its file")


def told(recorded: Recorded, reference: Reference, folder: Path) -> None:
    """Say what was kept, and what was not."""
    counts = f"{recorded.manifests} manifests and {recorded.blobs} blobs, {recorded.size:,} bytes"
    say(f"gate: kept {reference.name}@{recorded.digest}: {counts}, in {shown(folder)}")
    for what in recorded.left_out:
        say(f"gate: left out: {what}")
