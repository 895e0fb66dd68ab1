"""Finds what may be signatures of a digest: every place asked, in few parallel waves.

Wave 1: cosign's `.sig` tag (and `.att`, where attestations are wanted), the referrers API, the referrers fallback tag.
Wave 2: the manifests of the referrers. What is found is listed, in the order of the places whoever answers first;
payloads are another's affair (`contents`). Nothing is judged here.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.evidence.candidate import BUNDLE_PREFIX, PREDICATE_TYPE
from gate.evidence.facts import Format, Rejection, Unavailable
from gate.image.manifest import Index, Manifest
from gate.review.budget import Account, Budget, OfOneImage, Spent
from gate.review.lanes import too_late
from gate.review.limits import (
    MAX_BESIDE,
    MAX_CANDIDATES,
    MAX_REFERRER,
    MAX_REFERRERS,
    REFERRERS_AT_ONCE,
)
from gate.review.listing import Listed, Listing
from gate.review.referrers import Referrer, choose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from gate.deadline import Deadline
    from gate.image.digest import Digest
    from gate.image.manifest import Descriptor, StoredManifest
    from gate.review.budget import Charge
    from gate.review.lanes import Lanes
    from gate.review.listing import Place
    from gate.review.ports import Registry

_LEGACY_REFERRER: Final = "application/vnd.dev.cosign.artifact.sig.v1+json"
_NOTATION: Final = "application/vnd.cncf.notary.signature"
_KINDS: Final = ("sig", "att")  # what cosign's tags end with
_LANDING: Final = (0.1, 0.05)  # seconds, and share of the time, that are left when a question's time is over
_FAIR_SECONDS: Final = (3.0, 10.0)  # in which whoever is there has answered, at least and at most
_LISTS: Final = ("referrers", "fallback")
_TOO_MANY: Final = f"more than {MAX_CANDIDATES} signatures, or the bytes beside them that are read"
_MAX_LISTS: Final = 512 * 1024  # bytes of what is kept of the lists of one image's referrers, about
_MOST: Final = MAX_BESIDE + 1024 * MAX_CANDIDATES + _MAX_LISTS  # bytes of all that is listed of it
_LAYER_PREDICATE_TYPE: Final = "predicateType"  # of a layer under cosign's `.att` tag


@dataclass(frozen=True, slots=True)
class _Attached:
    """What a referrer's manifest comes to.

    Attributes:
        entries: layers that may hold a signature.
        rejected: where it is stored as none can be.
        absent: it is listed and not there: not known to be no signature.
    """

    entries: tuple[Listed, ...] = ()
    rejected: tuple[Rejection, ...] = ()
    absent: bool = False


class Collector:
    """Collects from a registry; `lanes` run single requests, and nothing that waits for others."""

    def __init__(self, registry: Registry, lanes: Lanes) -> None:
        """Takes its collaborators."""
        self._registry = registry
        self._lanes = lanes
        self._budget = Budget()

    def collect(self, place: Place, deadline: Deadline) -> Iterator[Listing]:
        """What there is in a place: a listing that grows as its parts answer, and at last is whole.

        Each is in the order of the parts, so that the last is the same whoever answers first.
        """
        return _Collection(self._registry, self._lanes, self._budget, place, deadline).run()


class _Collection:
    """One run: what was asked, what came, and what could not be read."""

    def __init__(self, registry: Registry, lanes: Lanes, budget: Budget, place: Place, deadline: Deadline) -> None:
        self._registry = registry
        self._account = Account(budget, place.storage.repository.registry, _MOST)
        self._lane = lanes.of(place.storage.repository.registry)
        self._place = place
        self._repository = place.storage.repository
        self._deadline = deadline
        self._pending: dict[Future[Any], Callable[[Any], None]] = {}
        self._unavailable: list[Unavailable] = []
        self._tagged: dict[str, tuple[Listed, ...]] = {}
        self._lists: dict[str, tuple[Referrer, ...]] = {}
        self._charges: list[Charge] = []  # of the lists
        self._referrers: tuple[Digest, ...] = ()
        self._waiting: deque[Digest] = deque()
        self._attached: dict[Digest, _Attached] = {}
        self._layers = 0
        left = deadline.remaining()
        self._asking = deadline.earlier(min(_LANDING[0], left * _LANDING[1]))  # what comes of it is waited for
        least, most = _FAIR_SECONDS  # at least, for how much time there is may be for a stranger to say
        self._fair = max(least, min(left / 2, most))
        self._answered = False  # if only by a failure
        self._away = True  # as far as is known: nobody has answered who was asked
        self._beside = 0

    def run(self) -> Iterator[Listing]:
        """What comes, as it comes; nothing of it is held here any more when that is over."""
        try:
            yield from self._versions()
        finally:
            for kept in (self._pending, self._tagged, self._attached, self._lists, self._charges):
                kept.clear()

    def _versions(self) -> Iterator[Listing]:
        self._ask_places()
        known = 0
        while self._pending and self._land():
            found = self._entries()
            if len(found) > known and self._pending:
                known = len(found)
                yield self._listing(found, growing=True)
        found = self._entries()
        if not found and not self._unavailable:
            self._check_image()
        yield self._listing(found, growing=False)

    def _ask_places(self) -> None:
        prefix = f"{self._place.storage.tag_prefix}{self._place.image.tag}"
        for kind in _KINDS if self._place.attestations else _KINDS[:1]:
            self._ask(partial(self._tagged_by, kind, f"{prefix}.{kind}"), partial(self._tag_landed, kind))
        self._ask(self._listed_by_api, partial(self._list_landed, "referrers"))
        self._ask(self._listed_by_tag, partial(self._list_landed, "fallback"))

    # What is asked in a thread of the lane: each keeps of an answer no more than is looked at, for many are under way.

    def _tagged_by(self, kind: str, tag: str) -> tuple[Listed, ...]:
        stored = self._registry.manifest(self._repository, tag, self._asking)
        if stored is None:
            return ()
        if not isinstance(stored.manifest, Manifest):
            raise self._is_broken(f"{stored.digest.short} holds signatures and is a list of manifests")
        hint = _LAYER_PREDICATE_TYPE if kind == "att" else ""
        layers = stored.manifest.layers
        return self._charged([Listed.of(Format.LEGACY, one, one.annotations.get(hint, "")) for one in layers])

    def _listed_by_api(self) -> tuple[Referrer, ...]:
        return self._referring(self._registry.referrers(self._repository, self._place.image, self._asking))

    def _listed_by_tag(self) -> tuple[Referrer, ...]:
        image = self._place.image
        fallback = self._registry.manifest(self._repository, image.tag, self._asking)
        if fallback is None or fallback.digest == image:  # `cosign copy` tags what it copies so
            return ()
        if not isinstance(fallback.manifest, Index):
            raise self._is_broken(f"its tag {image.tag} is an image and not the list of referrers")
        return self._referring(fallback.manifest.manifests)

    def _referring(self, entries: Iterable[Descriptor]) -> tuple[Referrer, ...]:
        referrers = tuple(map(Referrer.of, entries))
        if charge := self._charge(sum(one.size for one in referrers)):
            self._charges.append(charge)
        return referrers

    def _charged(self, entries: Sequence[Listed]) -> tuple[Listed, ...]:
        """Entries that are held on the budget for as long as they are anywhere."""
        charge = self._charge(sum(entry.size for entry in entries))
        return tuple(replace(entry, charge=charge) for entry in entries) if charge else tuple(entries)

    def _charge(self, size: int) -> Charge | None:
        """Of the budget, beyond the little that an image has free.

        Raises:
            EvidenceUnavailable: OVERLOADED: it is spent; RESPONSE_TOO_LARGE: this image has more than is read of one.
        """
        try:
            return self._account.charge(size)
        except OfOneImage:
            raise self._is_cut(_TOO_MANY) from None
        except Spent:
            message = f"{self._repository} has many signatures, and so have too many other images that are looked at"
            raise EvidenceUnavailable(Code.OVERLOADED, message, remedy="retry, or remove old signatures") from None

    def _ask(self, question: Callable[[], Any], landed: Callable[[Any], None]) -> None:
        self._pending[self._lane.submit(question)] = landed

    def _land(self) -> bool:
        """Take in what has been answered since; False where the time ran out first."""
        done, _ = wait(self._pending, max(0.0, self._deadline.remaining()), FIRST_COMPLETED)
        for future in done:
            landed = self._pending.pop(future)
            self._answered = True
            try:
                result = future.result()
                self._away = False
            except EvidenceUnavailable as error:
                self._away = self._away and error.unanswered >= self._fair
                self._unavailable.append(Unavailable.of(error))
                result = None
            landed(result)
        if not done:
            self._away = False  # it may be there: who was not asked in time has not failed to answer
            late = too_late(self._repository.registry, self._pending, answered=self._answered)
            self._unavailable.append(Unavailable.of(late))
            for future in self._pending:
                future.cancel()
        return bool(done)

    def _tag_landed(self, kind: str, tagged: tuple[Listed, ...] | None) -> None:
        self._tagged[kind] = tagged or ()

    def _list_landed(self, which: str, listed: tuple[Referrer, ...] | None) -> None:
        self._lists[which] = listed or ()
        if len(self._lists) == len(_LISTS):
            both = (one for each in _LISTS for one in self._lists[each])
            self._referrers, unread = choose(both, attestations=self._place.attestations)
            self._lists.clear()
            self._charges.clear()
            if unread:
                self._cut(f"more than {MAX_REFERRERS} referrers, {unread} of which were not read")
            self._waiting.extend(self._referrers)
            for _ in range(REFERRERS_AT_ONCE):
                self._ask_referrer()

    def _ask_referrer(self) -> None:
        """The next one; none once there is more than is looked at."""
        enough = self._layers > MAX_CANDIDATES or self._beside > MAX_BESIDE or self._account.exceeded
        if self._waiting and not enough:
            digest = self._waiting.popleft()
            self._ask(partial(self._referrer, digest), partial(self._referrer_landed, digest))

    def _referrer(self, digest: Digest) -> _Attached:
        """What is kept of a referrer's manifest: no more, for many of them are read."""
        stored = self._registry.manifest(self._repository, digest, self._asking, MAX_REFERRER)
        if stored is None:
            return _Attached(absent=True)
        return self._attached_of(stored)

    def _attach(self, digest: Digest, attached: _Attached) -> None:
        self._attached[digest] = attached
        self._layers += len(attached.entries)
        self._beside += sum(entry.beside for entry in attached.entries)

    def _referrer_landed(self, digest: Digest, attached: _Attached | None) -> None:
        if attached is not None:
            self._attach(digest, attached)
            if attached.absent and not self._unavailable:  # a failure has been noted by its own name
                self._broken(f"it lists the referrer {digest.short} and has no such manifest")
        self._ask_referrer()

    def _attached_of(self, stored: StoredManifest) -> _Attached:
        """The layers of a referrer that may hold a signature of this image; judged by the manifest itself."""
        manifest = stored.manifest
        if not isinstance(manifest, Manifest) or manifest.subject is None:
            return _Attached()
        if manifest.subject.digest != self._place.image:
            return _Attached()
        types = (manifest.artifact_type, manifest.config.media_type)
        if _LEGACY_REFERRER in types:
            return _Attached(self._charged([Listed.of(Format.REFERRER_LEGACY, layer) for layer in manifest.layers]))
        if _NOTATION in types:
            return _Attached(self._charged([Listed.of(Format.NOTATION, layer) for layer in manifest.layers[:1]]))
        if any(layer.media_type.startswith(BUNDLE_PREFIX) for layer in manifest.layers):
            return self._bundle(stored.digest, manifest)
        return _Attached()

    def _bundle(self, digest: Digest, manifest: Manifest) -> _Attached:
        """One layer that is a bundle, and what its manifest says is in it."""
        if len(manifest.layers) != 1:
            reason = f"a manifest of {len(manifest.layers)} layers; a bundle's has one"
            return _Attached(rejected=(Rejection(Format.BUNDLE, digest, Code.SIGNATURE_INVALID, reason),))
        hint = manifest.annotations.get(PREDICATE_TYPE, "")
        return _Attached(self._charged([Listed.of(Format.BUNDLE, manifest.layers[0], hint)]))

    def _check_image(self) -> None:
        """Before anything is called unsigned: is there an image at all, and is it one?"""
        home, image = self._place.home, self._place.image
        self._ask(lambda: self._registry.manifest(home, image, self._asking), self._image_landed)
        self._land()

    def _image_landed(self, stored: StoredManifest | None) -> None:
        if stored is None and not self._unavailable:
            home = self._place.home
            message = f"{home.registry} has no manifest {self._place.image} in repository {home.path}"
            self._unavailable.append(Unavailable(Code.IMAGE_NOT_FOUND, message, "check the name and digest"))

    def _entries(self) -> list[Listed]:
        """What has been found, in the order of the parts."""
        attached = [self._attached[digest] for digest in self._referrers if digest in self._attached]
        return [
            *(entry for kind in _KINDS for entry in self._tagged.get(kind, ())),
            *(entry for one in attached for entry in one.entries),
        ]

    def _listing(self, entries: Sequence[Listed], *, growing: bool) -> Listing:
        within = _within_caps(entries)
        if within < len(entries) and not growing:
            self._cut(_TOO_MANY)
        rejected = [r for d in self._referrers if d in self._attached for r in self._attached[d].rejected]
        unavailable = tuple(dict.fromkeys(self._unavailable))
        listed = tuple(entries[:within])
        away = self._away and not growing
        return Listing(self._place.image, listed, tuple(rejected), unavailable, growing, away)

    def _broken(self, how: str) -> None:
        error = self._is_broken(how)
        self._unavailable.append(Unavailable.of(error))

    def _is_broken(self, how: str) -> EvidenceUnavailable:
        message = f"{self._repository.registry} (repository {self._repository.path}): {how}"
        return EvidenceUnavailable(Code.REGISTRY_PROTOCOL, message, remedy="")

    def _cut(self, what: str) -> None:
        """Something was left out: it may have been the one signature that counts."""
        error = self._is_cut(what)
        self._unavailable.append(Unavailable.of(error))

    def _is_cut(self, what: str) -> EvidenceUnavailable:
        message = f"{self._repository}@{self._place.image.short} has {what}"
        return EvidenceUnavailable(Code.RESPONSE_TOO_LARGE, message, remedy="remove old signatures")


def _within_caps(entries: Sequence[Listed]) -> int:
    """How many of the first are listed; how many of them are read is another's affair (`selection`)."""
    beside = 0
    for index, entry in enumerate(entries[:MAX_CANDIDATES]):
        beside += entry.beside
        if beside > MAX_BESIDE:
            return index
    return min(len(entries), MAX_CANDIDATES)
