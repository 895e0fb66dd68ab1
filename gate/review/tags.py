"""Which tags have a digest: no registry keeps that list, so that each tag has to be looked up."""

from __future__ import annotations

import re
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.evidence.facts import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Executor, Future

    from gate.deadline import Deadline
    from gate.image.digest import Digest

MAX_TAGS: Final = 500
"""Tags of one repository that are looked up."""

_AT_ONCE: Final = 16
_ATTACHED: Final = re.compile(r"sha(?:256|512)-[0-9a-f]{64}(?:\.(?:sig|att|sbom))?", re.ASCII)
_HOPELESS: Final = frozenset({Code.REGISTRY_RATE_LIMITED, Code.DEADLINE_EXCEEDED})  # the next tag fares no better


@dataclass(frozen=True, slots=True)
class TagsOf:
    """The tags that have a digest, as far as was looked.

    Attributes:
        tags: in the registry's order.
        failed: those that could not be resolved, and why.
        unseen: those that were not looked at: beyond `MAX_TAGS`, or after the time or the registry's patience ran out.
        total: how many the repository has; what cosign attached is not counted.
    """

    tags: tuple[str, ...]
    failed: Mapping[str, Unavailable]
    unseen: tuple[str, ...]
    total: int

    @property
    def complete(self) -> bool:
        """Whether another tag is known not to have the digest."""
        return not self.failed and not self.unseen


def look_up(
    listed: Iterable[str], digest: Digest, resolve: Callable[[str], Digest], executor: Executor, deadline: Deadline
) -> TagsOf:
    """Resolve the first `MAX_TAGS`, some at a time, and leave out what cosign attached: it is nobody's image.

    Args:
        listed: every tag of a repository.
        digest: what is looked for.
        resolve: asks for the digest of a tag.
        executor: runs `resolve`.
        deadline: of all of it.
    """
    tags = [tag for tag in listed if not _ATTACHED.fullmatch(tag)]
    asked = tags[:MAX_TAGS]
    found: dict[str, Digest | Unavailable] = {}
    for start in range(0, len(asked), _AT_ONCE):
        started = {tag: executor.submit(resolve, tag) for tag in asked[start : start + _AT_ONCE]}
        wave = {tag: _landed(tag, future, deadline) for tag, future in started.items()}
        found.update(wave)
        if any(isinstance(has, Unavailable) and has.code in _HOPELESS for has in wave.values()):
            break
    return TagsOf(
        tuple(tag for tag, has in found.items() if has == digest),
        {tag: has for tag, has in found.items() if isinstance(has, Unavailable)},
        tuple(tags[len(found) :]),
        len(tags),
    )


def _landed(tag: str, future: Future[Digest], deadline: Deadline) -> Digest | Unavailable:
    try:
        return future.result(timeout=max(0.0, deadline.remaining()))
    except FutureTimeout:
        future.cancel()
        return Unavailable(Code.DEADLINE_EXCEEDED, f"the time allowed ran out while tag {tag} was looked up", "retry")
    except EvidenceUnavailable as error:
        return Unavailable.of(error)
