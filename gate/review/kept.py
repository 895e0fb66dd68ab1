"""What outlives a request, perhaps the process: it can be lost, and it cannot lie.

Whoever can write to a store may put anything there. So blobs are compared with their digest on every read, and
listings, which have none, are sealed: with a key that the store does not have, over what they are about and until
when they count. Without a key only blobs are kept.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import TYPE_CHECKING, Final

import msgspec

from gate.codes import Code
from gate.errors import ParseError
from gate.evidence.facts import Format, Rejection
from gate.image.digest import Digest
from gate.image.manifest import Descriptor
from gate.review.listing import Listed, Listing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gate.review.listing import Place
    from gate.review.ports import Store

BLOB_SECONDS: Final = 30 * 86400.0
"""That a blob is kept after it was last fetched."""

MAX_KEPT: Final = 8 * 1024 * 1024
"""Bytes of a blob that is kept; larger ones are fetched again."""

_SEAL: Final = 32  # bytes of HMAC-SHA256
_UNTIL: Final = struct.Struct(">d")
_LEAST_KEY: Final = 32  # bytes
_AHEAD: Final = 5.0  # seconds that another machine's clock may be ahead


class Nothing:
    """A store that keeps nothing."""

    def get(self, keys: Sequence[str]) -> dict[str, bytes]:  # noqa: ARG002 - the port's
        """Nothing."""
        return {}

    def put(self, key: str, value: bytes, seconds: float) -> None:
        """Forgotten at once."""

    @property
    def counts(self) -> dict[str, int]:
        """No trouble either."""
        return {}

    def close(self) -> None:
        """Nothing to let go of."""


class Blobs:
    """Bytes by digest. Thread-safe."""

    def __init__(self, store: Store) -> None:
        """Nothing is read yet."""
        self._store = store
        self.corrupt = 0
        """How many were not what their digest says."""

    def get(self, digests: Iterable[Digest]) -> dict[Digest, bytes]:
        """Those of them that are there and are what they are called."""
        wanted = {f"blob:{digest}": digest for digest in digests}
        found: dict[Digest, bytes] = {}
        for key, content in (self._store.get(list(wanted)) if wanted else {}).items():
            digest = wanted.get(key)
            if digest is None:
                continue
            if digest.matches(content):
                found[digest] = content
            else:
                self.corrupt += 1
        return found

    def put(self, digest: Digest, content: bytes) -> None:
        """Keep what has been compared with its digest."""
        if len(content) <= MAX_KEPT:
            self._store.put(f"blob:{digest}", content, BLOB_SECONDS)


class _Entry(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    format: str
    media_type: str
    digest: str
    size: int
    annotations: dict[str, str]
    predicate_type: str


class _Rejected(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    format: str
    digest: str
    code: str
    reason: str


class _Record(msgspec.Struct, forbid_unknown_fields=True):
    at: float
    entries: list[_Entry]
    rejected: list[_Rejected]


# What msgspec knows of a type it finds out when it first meets it, and two threads that do so at once end the process:
# a decoder that is made here has it found out before there are any.
_RECORD: Final = msgspec.json.Decoder(_Record)


class Listings:
    """Complete listings by place, sealed. Thread-safe."""

    def __init__(self, store: Store, key: bytes, now: Callable[[], float], clock: Callable[[], float]) -> None:
        """Take what is sealed with.

        Args:
            store: keeps them.
            key: nobody else has it; at least 32 bytes.
            now: seconds since 1970, for processes whose monotonic clocks have nothing in common.
            clock: such a one, in seconds: it goes on where the other is set back.

        Raises:
            ValueError: the key is shorter.
        """
        if len(key) < _LEAST_KEY:
            raise ValueError(f"a key of {len(key)} bytes seals nothing; it needs {_LEAST_KEY}")
        self._store = store
        self._key = key
        self._now = now
        self._clock = clock
        self._ahead = float("-inf")  # the most that the one was ahead of the other
        self.corrupt = 0
        """How many had no seal of ours: changed, moved from another place, or sealed with another key."""

    def get(self, place: Place) -> tuple[Listing, float] | None:
        """The listing, and how many seconds old it is; None where there is none that can be believed."""
        name = self._name(place)
        sealed = self._store.get([name]).get(name)
        if sealed is None:
            return None
        value = self._opened(name, sealed)
        if value is None:
            return None
        try:
            record = _RECORD.decode(value)
            listing = _listing(place.image, record)
        except (msgspec.MsgspecError, ParseError, ValueError, RecursionError):  # of a version before or after this one
            self.corrupt += 1
            return None
        age = self._latest() - record.at
        return (listing, max(0.0, age)) if age > -_AHEAD else None

    def put(self, place: Place, listing: Listing, seconds: float, age: float = 0.0) -> None:
        """Keep a complete listing that is so old, until it is so many seconds old; not where there is a newer one."""
        assert listing.complete
        there = self.get(place)
        if there is not None and there[1] < age:
            return
        entries = [
            _Entry(
                e.format,
                e.descriptor.media_type,
                str(e.descriptor.digest),
                e.descriptor.size,
                dict(e.descriptor.annotations),
                e.predicate_type,
            )
            for e in listing.entries
        ]
        rejected = [_Rejected(r.format, str(r.digest), r.code, r.reason) for r in listing.rejected]
        self._latest()  # by which it will be read here
        at = self._now() - age
        name = self._name(place)
        until = _UNTIL.pack(at + seconds)
        value = msgspec.json.encode(_Record(at, entries, rejected))
        self._store.put(name, self._seal(name, until, value) + until + value, seconds)

    def _name(self, place: Place) -> str:
        """What it is kept under; to whoever has no key it says nothing."""
        storage = place.storage
        parts = (
            str(storage.repository),
            storage.tag_prefix,
            str(place.image),
            place.scope,
            str(place.home),
            str(place.attestations),
        )
        return f"listing:{self._mac('name', *(part.encode() for part in parts)).hex()}"

    def _seal(self, name: str, until: bytes, value: bytes) -> bytes:
        return self._mac("value", name.encode(), until, value)

    def _mac(self, what: str, *parts: bytes) -> bytes:
        """Over parts of which each says how long it is: no two different rows of them look the same."""
        mac = hmac.new(self._key, f"imagegate listing 2 {what}".encode(), hashlib.sha256)
        for part in parts:
            mac.update(struct.pack(">Q", len(part)) + part)
        return mac.digest()

    def _opened(self, name: str, sealed: bytes) -> bytes | None:
        seal, until, value = sealed[:_SEAL], sealed[_SEAL : _SEAL + _UNTIL.size], sealed[_SEAL + _UNTIL.size :]
        if not hmac.compare_digest(seal, self._seal(name, until, value)):
            self.corrupt += 1
            return None
        return value if _UNTIL.unpack(until)[0] > self._latest() else None

    def _latest(self) -> float:
        """Now, and never less than this process has known it to be: what was over once is not begun again.

        Of a clock that was set back, what it would say by now. One that was ahead for a moment makes all older.
        """
        clock = self._clock()
        self._ahead = max(self._ahead, self._now() - clock)
        return clock + self._ahead


def _listing(image: Digest, record: _Record) -> Listing:
    entries = tuple(Listed(Format(e.format), _descriptor(e), e.predicate_type) for e in record.entries)
    rejected = tuple(
        Rejection(Format(r.format), Digest.parse(r.digest), Code(r.code), r.reason) for r in record.rejected
    )
    return Listing(image, entries, rejected)


def _descriptor(entry: _Entry) -> Descriptor:
    return Descriptor(entry.media_type, Digest.parse(entry.digest), entry.size, entry.annotations)
