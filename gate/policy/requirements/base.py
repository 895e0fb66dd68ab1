"""That an image is built on a base that is allowed: proven by its layers, whatever it says (POLICY §4, `base`).

It proves where an image begins, not what was added on top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.image.platforms import same_platform
from gate.policy.finding import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gate.evidence.facts import Evidence
    from gate.image.platforms import PlatformImage
    from gate.image.reference import Reference
    from gate.policy.acceptance import Case
    from gate.policy.bases import Base, BaseRequirement

_SHOWN: Final = 3
_EMPTY: Final = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
"""The layer of nothing, which builders write where a step changed no file."""

_REBUILD: Final = (
    "build it on a base that the policy allows, with its name and digest in org.opencontainers.image.base.*"
)


def check(
    wanted: BaseRequirement,
    case: Case,
    images: Sequence[PlatformImage],
    bases: Mapping[Reference, Base | Reason],
    unsigned: Callable[[Evidence], Sequence[Reason]],
) -> Iterator[Reason]:
    """Nothing where every image is built on a base that is allowed; else why not.

    Args:
        wanted: the requirement.
        case: what it is asked about.
        images: that the image stands for, with their configurations.
        bases: what is known of those that they may be built on.
        unsigned: why a base's signatures do not suffice; nothing where they do.
    """
    for image in images:
        yield from _check(wanted, case, image, bases, unsigned)


def _check(
    wanted: BaseRequirement,
    case: Case,
    image: PlatformImage,
    bases: Mapping[Reference, Base | Reason],
    unsigned: Callable[[Evidence], Sequence[Reason]],
) -> Iterator[Reason]:
    candidates = wanted.candidates(image.claims)
    if not candidates:
        yield _no_candidate(wanted, image)
        return
    against = [tuple(_against(wanted, case, image, one, bases.get(one), unsigned)) for one in candidates]
    if all(against):
        yield from dict.fromkeys(reason for reasons in against for reason in reasons)


def _no_candidate(wanted: BaseRequirement, image: PlatformImage) -> Reason:
    allowed = " or ".join([*map(str, wanted.images), *(digest.short for digest in wanted.digests)])
    names = list(dict.fromkeys(f"{claim.name[:200]} {claim.digest[:80]}".strip() for claim in image.claims))
    if not names:
        said = f"{image}: nothing says what it is built on; needs {allowed}"
        return Reason(Code.BASE_UNKNOWN, said, _REBUILD)
    said = f"{image}: it is said to be built on {', '.join(names[:_SHOWN])}; needs {allowed}"
    return Reason(Code.BASE_NOT_ALLOWED, said, _REBUILD)


def _against(
    wanted: BaseRequirement,
    case: Case,
    image: PlatformImage,
    name: Reference,
    base: Base | Reason | None,
    unsigned: Callable[[Evidence], Sequence[Reason]],
) -> Iterator[Reason]:
    """Why one candidate is not what the image is built on, or may not be."""
    if base is None:
        yield Reason(Code.INTERNAL, f"nobody has looked at the base {_called(name)}", "report it")
    elif isinstance(base, Reason):
        yield Reason(base.code, f"the base {_called(name)}: {base.message}", base.remedy)
    elif gone := case.revocations.of_digest(base.digest):
        yield Reason(Code.REVOKED, f"the base {_called(name)}: {gone.message}", "build it on another base")
    elif not any(_is_beneath(one, image, wanted.min_layers) for one in base.images):
        said = f"{image}: its layers do not begin with those of {_called(name)}"
        yield Reason(Code.BASE_NOT_ALLOWED, said, "build it anew on that base as it is now, or state the right one")
    else:
        for reason in unsigned(base.evidence):
            yield Reason(reason.code, f"the base {_called(name)}: {reason.message}", reason.remedy)


def _called(base: Reference) -> str:
    """For people: the name, and as much of a digest as tells it apart."""
    tag = f":{base.tag}" if base.tag else ""
    digest = f" ({base.digest.short})" if base.digest else ""
    return f"{base.name}{tag}{digest}"


def _is_beneath(base: PlatformImage, image: PlatformImage, least: int) -> bool:
    """Whether the layers of one image are the lowest of another's, and enough of them hold anything."""
    if base.config is None or image.config is None or not same_platform(base, image):
        return False
    layers = base.config.layers
    return image.config.layers[: len(layers)] == layers and sum(layer != _EMPTY for layer in layers) >= max(1, least)
