"""Which of an image's referrers are read: all; of more than are read those that may be what is looked for.

What a list says of a referrer is a hint, which registries and clients get wrong, or leave out: where there is room for
all, all are read, and their manifests judged. Where there is not, those are left out that say they are something else,
and what there is still no room for. That something was left out is said: it may have been what counts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.evidence.candidate import BUNDLE_PREFIX, PREDICATE_TYPE
from gate.evidence.dsse import COSIGN_SIGN
from gate.review.limits import MAX_REFERRERS
from gate.review.listing import predicate_type_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.image.digest import Digest
    from gate.image.manifest import Descriptor

_OURS: Final = (BUNDLE_PREFIX, "application/vnd.dev.cosign.", "application/vnd.cncf.notary.")
_SAYS_NOTHING: Final = frozenset(  # clients write the type of an empty configuration, or of any
    {
        "",
        "application/json",
        "application/octet-stream",
        "application/vnd.docker.container.image.v1+json",
        "application/vnd.oci.empty.v1+json",
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
    }
)
_ENTRY: Final = 300  # bytes of one with nothing said


@dataclass(frozen=True, slots=True)
class Referrer:
    """An entry of a list.

    Attributes:
        predicate_type: of the attestation that it says it is; "" where it names none.
        foreign: whether it says that it is neither signature nor attestation.
    """

    digest: Digest
    predicate_type: str = ""
    foreign: bool = False

    @classmethod
    def of(cls, entry: Descriptor) -> Referrer:
        """No more than is looked at: lists are long, and many are under way."""
        named = predicate_type_of(entry.annotations.get(PREDICATE_TYPE, ""))
        kind = entry.artifact_type.partition(";")[0].strip()
        foreign = kind not in _SAYS_NOTHING and not kind.startswith(_OURS)
        return cls(entry.digest, "" if named == COSIGN_SIGN or foreign else named, foreign)

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        return _ENTRY + len(self.predicate_type)


def choose(listed: Iterable[Referrer], *, attestations: bool) -> tuple[tuple[Digest, ...], int]:
    """Which are read, in the order of the lists; and how many are not.

    Args:
        listed: in order; one may be in it twice, and says something only where it says the same each time.
        attestations: whether they are wanted.
    """
    found: dict[Digest, Referrer] = {}
    for one in listed:
        before = found.setdefault(one.digest, one)
        if before != one:
            found[one.digest] = Referrer(one.digest)
    if len(found) <= MAX_REFERRERS:
        return tuple(found), 0
    likely = (one for one in found.values() if not one.foreign and (attestations or not one.predicate_type))
    first = {one.digest for one in _in_turn(likely)[:MAX_REFERRERS]}
    return tuple(digest for digest in found if digest in first), len(found) - len(first)


def _in_turn(referrers: Iterable[Referrer]) -> list[Referrer]:
    """What may be a signature, then attestations, the first of each type before the second of any."""
    counts: Counter[str] = Counter()
    ranked: list[tuple[int, Referrer]] = []
    for one in referrers:
        counts[one.predicate_type] += bool(one.predicate_type)
        ranked.append((counts[one.predicate_type], one))
    return [one for _, one in sorted(ranked, key=lambda ranking: ranking[0])]
