"""Where a rule says that signatures or attestations are kept (POLICY §4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gate.image.reference import Reference
from gate.policy.policy import Kept
from gate.policy.reading.checks import Check

if TYPE_CHECKING:
    from gate.documents import Path
    from gate.policy.reading.notes import Notes


def parse_kept(notes: Notes, path: Path, raw: dict[str, Any], *, namespaced: bool) -> Kept:
    """The fields `repository` and `tagPrefix`."""
    prefix = raw.get("tagPrefix", "")
    if "repository" not in raw:
        return Kept(None, prefix)
    here = (*path, "repository")
    if namespaced:
        remedy = "remove it, or use a ClusterGatePolicy"
        notes.add(Check.CLUSTER_ONLY, here, "a GatePolicy has no `repository`", remedy)
    reference = notes.attempt(Check.REFERENCE, here, Reference.parse, raw["repository"])
    if reference and (reference.tag or reference.digest):
        notes.add(Check.REFERENCE, here, "`repository` has a tag or digest", f"write {reference.name}")
    return Kept(reference.name if reference else None, prefix)
