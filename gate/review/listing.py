"""What is stored beside an image that may be a signature or attestation of it: listed, not fetched, not judged."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from gate.evidence.candidate import Candidate
from gate.evidence.cosign import BESIDE
from gate.evidence.facts import Format
from gate.image.manifest import Descriptor
from gate.policy.config import MAX_ATTESTATION

if TYPE_CHECKING:
    from gate.evidence.facts import Rejection, Storage, Unavailable
    from gate.image.digest import Digest
    from gate.image.reference import Repository
    from gate.review.budget import Charge

_TYPE: Final = re.compile(r"[!-~]{1,100}://[!-~]{1,200}")  # it is shown to people
_ENTRY: Final = 700  # bytes of an entry with nothing beside it


def predicate_type_of(said: str) -> str:
    """What something says that it attests, where that is a URI; otherwise nothing is said, and ""."""
    return said if _TYPE.fullmatch(said) else ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where evidence is looked for, and for whom: what a listing is kept under.

    Never the digest alone, or a stranger's repository could speak for ours; nor without the credentials, or one
    namespace would see with another's.

    Attributes:
        storage: where signatures are kept.
        image: whose.
        scope: of the credentials.
        home: the image's own repository.
        attestations: whether they are wanted too.
        most: bytes that one may have then.
    """

    storage: Storage
    image: Digest
    scope: str
    home: Repository
    attestations: bool
    most: int = MAX_ATTESTATION


@dataclass(frozen=True, slots=True)
class Listed:
    """A layer that may hold a signature, and how it is stored.

    Attributes:
        predicate_type: of the attestation in it, as its manifest says and nobody has signed; "" where it names no URI.
        charge: of the budget that it is held on, while it is under way and large.
    """

    format: Format
    descriptor: Descriptor
    predicate_type: str = ""
    charge: Charge | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, kind: Format, layer: Descriptor, predicate_type: str = "") -> Listed:
        """Of a layer no more is kept than is read of it: nothing beside one that is not verified."""
        read = BESIDE if kind is not Format.NOTATION else ()
        beside = {key: text for key, text in layer.annotations.items() if key in read}
        described = Descriptor(layer.media_type, layer.digest, layer.size, beside)
        return cls(kind, described, predicate_type_of(predicate_type))

    @property
    def beside(self) -> int:
        """Bytes in memory of what stands beside its payload, about."""
        return sum(len(text) if text.isascii() else 4 * len(text) for text in self.descriptor.annotations.values())

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        return _ENTRY + self.beside + len(self.predicate_type)

    def candidate(self, content: bytes) -> Candidate:
        """With its payload."""
        described = self.descriptor
        return Candidate(self.format, described.digest, described.media_type, content, described.annotations)


@dataclass(frozen=True, slots=True)
class Listing:
    """All that was found for one digest in one place.

    Attributes:
        image: the digest.
        entries: each layer, in the order of its place.
        rejected: what is none for the way it is stored.
        unavailable: places that could not be read; while there are any, the listing is not complete.
        growing: some places have not answered yet.
        away: every place was asked in time for an answer, and there was none, but that it is out of order.
        passed_over: predicate types that some entries said they have, which nobody wanted and which are left out.
    """

    image: Digest
    entries: tuple[Listed, ...]
    rejected: tuple[Rejection, ...] = ()
    unavailable: tuple[Unavailable, ...] = ()
    growing: bool = False
    away: bool = False
    passed_over: tuple[str, ...] = ()

    def uncharged(self) -> Listing:
        """The same, to be kept on another account."""
        if not any(entry.charge for entry in self.entries):
            return self
        return replace(self, entries=tuple(replace(entry, charge=None) for entry in self.entries))

    @property
    def complete(self) -> bool:
        """Whether everything could be read."""
        return not self.unavailable and not self.growing

    @property
    def timed_out(self) -> bool:
        """Whether more time would have shown more."""
        return any(u.hurried for u in self.unavailable)

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        return sum(entry.size for entry in self.entries) + _ENTRY * len(self.rejected)
