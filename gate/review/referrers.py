"""Which of an image's referrers are read: of a list longer than that, those first that may be what is looked for.

What a list says of a referrer is a hint. Registries and clients get it wrong, or leave it out; so whatever may be a
signature is read, and its manifest judged, and only what plainly says that it is something else is left out: an
attestation where none is wanted, and what there is no room for. Who lies there hides what they could remove.
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


_ENTRY: Final = 300  # bytes of one with nothing said


@dataclass(frozen=True, slots=True)
class Choice:
    """What is done with the referrers.

    Attributes:
        read: in the order of the lists.
        unread: predicate types of attestations that are not read.
        excess: there are more that may be signatures than are read.
    """

    read: tuple[Digest, ...]
    unread: tuple[str, ...]
    excess: bool


def choose(listed: Iterable[Referrer], *, attestations: bool) -> Choice:
    """Which are read.

    Args:
        listed: in order; one may be in it twice, and says something only where it says the same each time.
        attestations: whether they are wanted.
    """
    found: dict[Digest, Referrer] = {}
    for one in listed:
        before = found.setdefault(one.digest, one)
        if before != one:
            found[one.digest] = Referrer(one.digest)
    wanted = [one for one in found.values() if attestations or not one.predicate_type]
    first = _in_turn(wanted)[:MAX_REFERRERS]
    chosen = {one.digest for one in first}
    left = [one for one in found.values() if one.digest not in chosen]
    return Choice(
        tuple(digest for digest in found if digest in chosen),
        tuple(dict.fromkeys(one.predicate_type for one in left if one.predicate_type)),
        excess=any(not one.predicate_type and not one.foreign for one in left),
    )


def _in_turn(referrers: Iterable[Referrer]) -> list[Referrer]:
    """What may be a signature, then attestations, each type in its turn, and last what says it is neither."""
    counts: Counter[str] = Counter()
    ranked: list[tuple[int, int, Referrer]] = []
    for one in referrers:
        counts[one.predicate_type] += 1
        rank = 2 if one.foreign else 1 if one.predicate_type else 0
        ranked.append((rank, counts[one.predicate_type] if rank == 1 else 0, one))
    return [one for _, _, one in sorted(ranked, key=lambda ranking: ranking[:2])]
