"""The `image` rule: where it comes from, how it is written, and what its publisher says of it (POLICY §4)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import ParseError
from gate.image.platforms import covers
from gate.instants import parse_instant
from gate.policy.age import AHEAD, EPOCH, shown
from gate.policy.finding import Reason
from gate.policy.patterns import glob
from gate.policy.policy import Tags

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta

    from gate.image.config import ImageConfig
    from gate.image.digest import Digest
    from gate.image.platforms import PlatformImage
    from gate.image.reference import Reference
    from gate.policy.policy import ImageRequirement

_NUMBER: Final = re.compile(r"[+-]?[0-9]+", re.ASCII)
_LAST_USER: Final = 2**31 - 1
_DIGITS: Final = len(str(_LAST_USER))
_SHOWN: Final = 100  # characters of a text of the image's


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


def check_configs(
    wanted: ImageRequirement, images: tuple[PlatformImage, ...] | Reason | None, now: datetime
) -> Iterator[Reason]:
    """What its publisher says of it, on every platform that counts; all of it is a claim.

    Args:
        wanted: the rule.
        images: what runs, one image a platform, with the configurations that the rule wants; or why they are not known.
        now: the instant that is decided at.
    """
    if wanted.configs is None:
        return
    if images is None or isinstance(images, Reason):
        yield images or Reason(Code.INTERNAL, "nobody has asked which platforms the image is for", "report it")
        return
    yield from _missing_platforms(wanted, images)
    counted = [image for image in images if wanted.configs.of(image.platform)]
    if not counted and not wanted.platforms:
        yield Reason(Code.PLATFORM_MISSING, "its index has no image that could run", "push it again, with an image")
    found: dict[Reason, list[PlatformImage]] = {}
    for image in counted if wanted.max_age is not None or wanted.labels or wanted.non_root else ():
        for reason in _check_config(wanted, image.config, now):
            found.setdefault(reason, []).append(image)
    for reason, those in found.items():
        where = "" if len(those) == len(counted) else f"on {', '.join(map(str, those))}: "
        yield replace(reason, message=f"{where}{reason.message}")


def _missing_platforms(wanted: ImageRequirement, images: tuple[PlatformImage, ...]) -> Iterator[Reason]:
    there = [image.platform for image in images if image.platform is not None]
    missing = [one for one in wanted.platforms if not any(covers(one, platform) for platform in there)]
    if missing:
        yield Reason(
            Code.PLATFORM_MISSING,
            f"not built for {', '.join(map(str, missing))}; built for {', '.join(map(str, there)) or 'nothing named'}",
            f"build it with --platform {','.join(map(str, wanted.platforms))}",
        )


def _check_config(wanted: ImageRequirement, config: ImageConfig | None, now: datetime) -> Iterator[Reason]:
    if config is None:
        yield Reason(Code.INTERNAL, "nobody has read the image's configuration", "report it")
        return
    if wanted.max_age is not None and (age := _too_old(wanted.max_age, config, now)):
        yield Reason(Code.IMAGE_TOO_OLD, age, "build it anew, or use a newer version")
    for name, pattern in sorted(wanted.labels.items()):
        value = config.labels.get(name)
        if value is None:
            yield Reason(Code.LABEL_MISSING, f"has no label {name}", f"build it with --label {name}=…")
        elif not glob(pattern).fullmatch(value):
            message = f"label {name} is {value[:_SHOWN]!r}; needs {pattern}"
            yield Reason(Code.LABEL_MISSING, message, f"build it with a --label {name}=… that fits")
    if wanted.non_root and (why := _as_root(config.user)):
        yield Reason(Code.RUNS_AS_ROOT, why, "end its Dockerfile with USER and a number from 1, such as USER 65532")


def _too_old(most: timedelta, config: ImageConfig, now: datetime) -> str:
    """Why it is too old; "" where it is not. Without a time that can be, it is (POLICY §4)."""
    if not config.created:
        return "does not say when it was created"
    try:
        created = parse_instant(config.created)
    except ParseError:
        return f"says it was created {config.created[:_SHOWN]!r}, no instant"
    if created < EPOCH:
        return f"does not say when it was created: {config.created[:_SHOWN]} stands for no time"
    if created - now > AHEAD:
        return f"says it was created {created:%Y-%m-%dT%H:%M:%SZ}, which has not been yet"
    if now - created <= most:
        return ""
    return f"created {created:%Y-%m-%dT%H:%M:%SZ}, {shown(now - created)} ago; may be {shown(most)} old at most"


def _as_root(user: str) -> str:
    """Why it runs as root, or may; "" where it does not.

    Runtimes read a number as Go's Atoi does, and have taken one of more than 32 bits for its last (CVE-2024-40635).
    """
    name = user.partition(":")[0]
    if not name:
        return "names no user, and so runs as root"
    if _NUMBER.fullmatch(name):
        digits = name.lstrip("+-").lstrip("0")
        if not digits:
            return f"runs as root (user {user[:_SHOWN]})"
        fits = len(digits) <= _DIGITS and int(digits) <= _LAST_USER and not name.startswith("-")
        return "" if fits else f"runs as user {user[:_SHOWN]}, which runtimes may take for root"
    return f"runs as {user[:_SHOWN]}" if name == "root" else ""


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
