"""The `image` rule: where it comes from and how it is written (POLICY §4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.codes import Code
from gate.policy.decision import Reason
from gate.policy.patterns import glob
from gate.policy.policy import Tags

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.image.digest import Digest
    from gate.image.reference import Reference
    from gate.policy.policy import ImageRequirement


def check_reference(wanted: ImageRequirement, reference: Reference) -> Iterator[Reason]:
    """What the reference alone shows; no registry is asked."""
    if wanted.registries and not any(prefix.covers(reference.name) for prefix in wanted.registries):
        allowed = ", ".join(map(str, wanted.registries))
        yield Reason(
            Code.REGISTRY_NOT_ALLOWED,
            f"{reference.name} is not from an allowed registry; allowed: {allowed}",
            "use an image from there, or have its registry allowed",
        )
    denied_tag = _denied_tag(wanted, reference)
    if denied_tag is not None:
        yield denied_tag
    elif wanted.tags is Tags.DIGEST and reference.digest is None:
        yield digest_required(reference)


def check_digest(wanted: ImageRequirement, digest: Digest) -> Iterator[Reason]:
    """What the digest shows."""
    if digest in wanted.deny_digests:
        yield Reason(Code.DIGEST_DENIED, f"{digest} is denied", "use another version of the image")


def digest_required(reference: Reference) -> Reason:
    """A tag, or nothing, where a digest has to stand."""
    if reference.tag is None:
        return _tag_missing(reference)
    return Reason(
        Code.DIGEST_REQUIRED,
        f"written with tag {reference.tag} and no digest; a digest is required",
        f"write what `gate resolve {reference.text}` prints",
    )


def _denied_tag(wanted: ImageRequirement, reference: Reference) -> Reason | None:
    """No tag and no digest counts as `latest`. Where a digest is written the tag decides nothing, unless wanted."""
    if reference.digest is not None and not (wanted.deny_tags_with_digest and reference.tag):
        return None
    tag = reference.tag or "latest"
    pattern = next((p for p in wanted.deny_tags if glob(p).fullmatch(tag)), None)
    if pattern is None:
        return None
    if reference.tag is None:
        return _tag_missing(reference)
    matched = "" if pattern == tag else f" (by {pattern})"
    return Reason(
        Code.TAG_MUTABLE,
        f"tag {tag} is denied{matched}: what it names can change",
        "write a version tag, and better its digest too",
    )


def _tag_missing(reference: Reference) -> Reason:
    return Reason(
        Code.TAG_MISSING,
        "has neither tag nor digest, so it means whatever `latest` is at the moment",
        f"write a version tag, and better its digest too: {reference.text}:VERSION@sha256:…",
    )
