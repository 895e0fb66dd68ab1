"""Verifies what was listed, against what the signers of a review trust; what was verified before is remembered."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.evidence import cosign
from gate.evidence.claim import claim_of
from gate.evidence.facts import Evidence, Format, Rejection, Unavailable, VerifiedAttestation, VerifiedSignature
from gate.evidence.verifier import verify
from gate.image.content import InMemory
from gate.review.anchoring import Anchoring

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gate.deadline import Deadline
    from gate.evidence.candidate import Candidate
    from gate.evidence.verifier import Fact
    from gate.image.content import Content
    from gate.image.digest import Digest
    from gate.policy.trust import TrustNeeds
    from gate.review.anchoring import Used
    from gate.review.listing import Listed, Listing, Place
    from gate.review.ports import TrustedRoots
    from gate.trust.anchors import Anchors

_BESIDE: tuple[str, ...] = (cosign.LOG_BUNDLE, cosign.TIMESTAMP)
_ESCAPE: Final = b"\\u"  # any name may be written with it
_CERTIFICATE_IN_BUNDLE: Final = frozenset({b"ertificate", _ESCAPE})
_BESIDE_IN_BUNDLE: Final = frozenset({b"tlogEntries", b"rfc3161Timestamps", _ESCAPE})
_WORDS: Final = _CERTIFICATE_IN_BUNDLE | _BESIDE_IN_BUNDLE
MAX_RESULT_BYTES: Final = 16 * 1024 * 1024
"""Bytes of results that are remembered, about: what verifies."""

MAX_REJECTED_BYTES: Final = 4 * 1024 * 1024
"""Bytes of those of what does not, about: anybody can make as much of it as they like."""

_LARGE: Final = 64 * 1024  # bytes of content of which one at a time is in memory

_Key = tuple["Format", "Digest", str, bytes, "Digest", "TrustNeeds"]
_Result = tuple["Fact", ...] | Rejection


class Payloads(Protocol):
    """Where payloads come from (`contents`)."""

    def of(
        self, place: Place, entries: Iterable[Listed], deadline: Deadline
    ) -> Iterator[tuple[Digest, Content | EvidenceUnavailable]]:
        """Each different payload once, or why it is not there."""

    def keep(self, digest: Digest, content: bytes) -> None:
        """For the next time."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What came of a candidate, and the trust roots that it was tried against."""

    result: _Result
    used: Used

    @property
    def weight(self) -> int:
        if isinstance(self.result, Rejection):
            return 1000
        return 2000 + sum(len(f.statement) for f in self.result if isinstance(f, VerifiedAttestation))


class _Results:
    """What came of candidates, the least used of which leave first. Thread-safe."""

    def __init__(self, most: int) -> None:
        """`most` bytes, about."""
        self._most = most
        self._lock = threading.Lock()
        self._known: OrderedDict[_Key, _Known] = OrderedDict()
        self._weight = 0

    def get(self, key: _Key) -> _Known | None:
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
            return found

    def drop(self, key: _Key) -> None:
        with self._lock:
            before = self._known.pop(key, None)
            self._weight -= before.weight if before is not None else 0

    def put(self, key: _Key, known: _Known) -> None:
        self.drop(key)
        with self._lock:
            if key in self._known:  # by another, in between
                return
            if known.weight * 4 > self._most:  # it would drive out too much
                return
            self._weight += known.weight
            self._known[key] = known
            while self._weight > self._most:
                self._weight -= self._known.popitem(last=False)[1].weight


class Examiner:
    """Turns listings into evidence. Thread-safe.

    A result depends on the candidate, the image and what is trusted, and on nothing else: no clock, no repository. So
    it holds for as long as the trust roots it came of are the same.
    """

    def __init__(self, contents: Payloads, roots: TrustedRoots) -> None:
        """Takes its collaborators."""
        self._contents = contents
        self._roots = roots
        self._verified = _Results(MAX_RESULT_BYTES)
        self._rejected = _Results(MAX_REJECTED_BYTES)
        self._large = threading.Lock()

    def examine(
        self, place: Place, listing: Listing, needs: TrustNeeds, deadline: Deadline, *, claims: bool = False
    ) -> Evidence:
        """Facts and rejections. What there is no time for, or wants a root that can't be had, is unavailable.

        Args:
            place: where it was listed.
            listing: what was.
            needs: what is trusted.
            deadline: of all of it.
            claims: whether rejections say what the rejected claims of itself; then nothing is remembered.
        """
        return _Examination(self, place, listing, needs, deadline, claims=claims).run()

    def known(self, key: _Key) -> _Known | None:
        """What came of it before."""
        return self._verified.get(key) or self._rejected.get(key)

    def remember(self, key: _Key, known: _Known) -> None:
        """For the next time."""
        these, others = self._verified, self._rejected
        if isinstance(known.result, Rejection):
            these, others = others, these
        others.drop(key)
        these.put(key, known)

    @contextmanager
    def in_memory(self, content: Content, deadline: Deadline) -> Iterator[bytes]:
        """Content, as long as it is looked at; of what is large there is one at a time.

        Raises:
            EvidenceUnavailable: DEADLINE_EXCEEDED, while waiting for others.
        """
        if content.size <= _LARGE:
            yield content.read()
            return
        if not self._large.acquire(timeout=max(0.0, deadline.remaining())):
            message = "the time allowed ran out while other large signatures were verified"
            raise EvidenceUnavailable(Code.DEADLINE_EXCEEDED, message, remedy="retry")
        try:
            yield content.read()
        finally:
            self._large.release()

    def contents(
        self, place: Place, entries: list[Listed], deadline: Deadline
    ) -> Iterator[tuple[Digest, Content | EvidenceUnavailable]]:
        """The payloads of entries."""
        return self._contents.of(place, entries, deadline)

    def keep(self, digest: Digest, content: bytes) -> None:
        """A payload, for those who have other trust or come after this process."""
        self._contents.keep(digest, content)

    def anchoring(self, needs: TrustNeeds, deadline: Deadline) -> Anchoring:
        """What is trusted, fetched when it is wanted."""
        return Anchoring(needs, self._roots, deadline)


class _Examination:
    """One listing."""

    def __init__(
        self,
        examiner: Examiner,
        place: Place,
        listing: Listing,
        needs: TrustNeeds,
        deadline: Deadline,
        *,
        claims: bool,
    ) -> None:
        self._examiner = examiner
        self._place = place
        self._listing = listing
        self._needs = needs
        self._deadline = deadline
        self._claims = claims
        self._anchoring = examiner.anchoring(needs, deadline)
        self._results: dict[int, _Result] = {}
        self._unavailable = list(listing.unavailable)

    def run(self) -> Evidence:
        entries = self._listing.entries
        missing: dict[Digest, list[int]] = {}
        for index, entry in enumerate(entries):
            known = None if self._claims else self._examiner.known(self._key(entry))
            if known is not None and self._anchoring.still(known.used):
                self._results[index] = known.result
            else:
                missing.setdefault(entry.descriptor.digest, []).append(index)
        try:
            self._verify_all(missing)
        except EvidenceUnavailable as error:
            self._unavailable.append(Unavailable.of(error))
        return self._evidence()

    def _key(self, entry: Listed) -> _Key:
        described = entry.descriptor
        beside = _digest_of(described.annotations)
        return (entry.format, described.digest, described.media_type, beside, self._listing.image, self._needs)

    def _verify_all(self, missing: dict[Digest, list[int]]) -> None:
        entries = self._listing.entries
        wanted: dict[Digest, list[int]] = {}
        for digest, indices in missing.items():
            # Each by its own format: of one digest there may be a payload, and what only says that it is one.
            unread = [index for index in indices if entries[index].format is Format.NOTATION]
            self._verify(self._trusted(unread, InMemory(b"")), b"")
            if read := [index for index in indices if index not in unread]:
                wanted[digest] = read
        firsts = [entries[indices[0]] for indices in wanted.values()]
        for digest, content in self._examiner.contents(self._place, firsts, self._deadline):
            if isinstance(content, EvidenceUnavailable):
                self._unavailable.append(Unavailable.of(content))
                continue
            indices = wanted.pop(digest)
            trusted = self._trusted(indices, content)
            with self._examiner.in_memory(content, self._deadline) as payload:
                good = self._verify(trusted, payload)
                # What is large and by nobody would only drive out what is not.
                if good or content.size <= _LARGE:
                    self._examiner.keep(digest, payload)
        if wanted and not self._unavailable:  # nothing that is listed is passed over
            raise EvidenceUnavailable(Code.INTERNAL, f"{len(wanted)} payloads were not looked at", remedy="report it")

    def _trusted(self, indices: list[int], content: Content) -> list[tuple[int, Anchors, Used]]:
        """The candidates that have one payload, and what each is tried against.

        Trust roots are fetched for it: so it is done before content is in memory, where others wait for room.
        """
        entries = self._listing.entries
        reads = any(entries[index].format is Format.BUNDLE for index in indices)
        words = _words(content) if reads else frozenset()
        found = []
        for index in indices:
            anchors = self._anchoring.anchors(
                certificate=_names_certificate(entries[index], words), countersigned=_has_beside(entries[index], words)
            )
            found.append((index, *anchors))
        return found

    def _verify(self, trusted: list[tuple[int, Anchors, Used]], payload: bytes) -> bool:
        """The candidates that have one payload; whether one of them is by somebody who is trusted.

        Nothing here waits for anybody.

        Raises:
            EvidenceUnavailable: DEADLINE_EXCEEDED.
        """
        good = False
        for index, anchors, used in trusted:
            if self._deadline.remaining() <= 0:
                total = len(self._listing.entries)
                message = f"the time allowed ran out after {len(self._results)} of {total} signatures"
                raise EvidenceUnavailable(Code.DEADLINE_EXCEEDED, message, remedy="retry")
            candidate = self._listing.entries[index].candidate(payload)
            result = self._verified(candidate, anchors)
            if isinstance(result, Rejection):
                result = replace(result, claim=claim_of(candidate)) if self._claims else result
            else:
                good = True
            self._results[index] = result
            if not self._claims:
                self._examiner.remember(self._key(self._listing.entries[index]), _Known(result, used))
        return good

    def _verified(self, candidate: Candidate, anchors: Anchors) -> _Result:
        meter, clock = self._deadline.meter, self._deadline.clock
        if meter is None:
            return verify(candidate, self._listing.image, anchors)
        begun = clock()
        result = verify(candidate, self._listing.image, anchors)
        meter.verified(clock() - begun)
        return result

    def _evidence(self) -> Evidence:
        """In the order of the listing."""
        signatures: list[VerifiedSignature] = []
        attestations: list[VerifiedAttestation] = []
        rejected = list(self._listing.rejected)
        for _, result in sorted(self._results.items()):
            if isinstance(result, Rejection):
                rejected.append(result)
                continue
            signatures.extend(fact for fact in result if isinstance(fact, VerifiedSignature))
            attestations.extend(fact for fact in result if isinstance(fact, VerifiedAttestation))
        unavailable = dict.fromkeys([*self._unavailable, *self._anchoring.unavailable])
        return Evidence(
            tuple(signatures),
            tuple(attestations),
            tuple(rejected),
            tuple(unavailable),
            partial=self._listing.growing,
            passed_over=self._listing.passed_over,
        )


def _digest_of(annotations: Mapping[str, str]) -> bytes:
    """Stands for them: they may be large, and results are many. Each part says how long it is."""
    hashing = hashlib.sha256()
    for part in (part for pair in sorted(annotations.items()) for part in pair):
        encoded = part.encode("utf-8", "surrogatepass")
        hashing.update(len(encoded).to_bytes(8) + encoded)
    return hashing.digest()


def _words(content: Content) -> frozenset[bytes]:
    """Those of `_WORDS` that are in it; a bit of it at a time is in memory."""
    found: set[bytes] = set()
    last = b""
    for chunk in content.chunks():
        window = last + chunk
        found.update(word for word in _WORDS if word in window)
        last = window[1 - max(map(len, _WORDS)) :]
    return frozenset(found)


def _names_certificate(entry: Listed, words: frozenset[bytes]) -> bool:
    if entry.format is Format.BUNDLE:
        return not words.isdisjoint(_CERTIFICATE_IN_BUNDLE)
    return cosign.CERTIFICATE in entry.descriptor.annotations


def _has_beside(entry: Listed, words: frozenset[bytes]) -> bool:
    """Whether a log entry or timestamp may stand beside it: what is overlooked here is an error, never a pass."""
    if entry.format is Format.BUNDLE:
        return not words.isdisjoint(_BESIDE_IN_BUNDLE)
    return any(name in entry.descriptor.annotations for name in _BESIDE)
