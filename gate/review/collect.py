"""Finds what may be signatures of a digest: every place asked, in few parallel waves.

Wave 1: cosign's `.sig` tag (and `.att`, where attestations are wanted), the referrers API, the referrers fallback tag.
Wave 2: the payloads of the first, the manifests of the others. Wave 3: their payloads. Nothing is judged here beyond
which bytes are worth fetching.
"""

from __future__ import annotations

from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.evidence.candidate import BUNDLE_PREFIX, Candidate
from gate.evidence.dsse import COSIGN_SIGN
from gate.evidence.facts import Format, Rejection, Unavailable
from gate.image.manifest import Index, Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Executor, Future

    from gate.deadline import Deadline
    from gate.evidence.facts import Storage
    from gate.image.digest import Digest
    from gate.image.manifest import Descriptor, StoredManifest
    from gate.image.reference import Repository
    from gate.review.ports import Registry

MAX_PAYLOAD: Final = 8 * 1024 * 1024
"""Bytes of one signature payload or bundle."""

MAX_PAYLOADS: Final = 100
"""Different payloads read for one image (CVE-2023-46737); one payload with many signatures counts once."""

MAX_CANDIDATES: Final = 1000
"""Signatures looked at for one image; cosign reads as many layers."""

MAX_TOTAL: Final = 32 * 1024 * 1024
"""Bytes of all payloads of one image, where attestations are wanted."""

MAX_TOTAL_SIGNATURES: Final = 8 * 1024 * 1024
"""The same where they are not."""

MAX_BESIDE: Final = 4 * 1024 * 1024
"""Bytes of what stands beside the payloads of one image: certificates, chains, log entries."""

MAX_REFERRERS: Final = 100
"""Manifests that refer to one image."""

MAX_REFERRER: Final = 512 * 1024
"""Bytes of one of them: it has one bundle, or one signer's layers."""

_AT_ONCE: Final = 16  # referrers' manifests
_LEGACY_REFERRER: Final = "application/vnd.dev.cosign.artifact.sig.v1+json"
_NOTATION: Final = "application/vnd.cncf.notary.signature"
_PREDICATE_TYPE: Final = "dev.sigstore.bundle.predicateType"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listing:
    """All candidates for one digest in one repository.

    Attributes:
        image: the digest.
        candidates: what may be a signature or, where they were asked for, an attestation.
        rejected: what is none for the way it is stored.
        unavailable: places and payloads that could not be read; while there are any, the listing is not complete.
    """

    image: Digest
    candidates: tuple[Candidate, ...]
    rejected: tuple[Rejection, ...]
    unavailable: tuple[Unavailable, ...]

    @property
    def complete(self) -> bool:
        """Whether everything could be read."""
        return not self.unavailable

    @property
    def timed_out(self) -> bool:
        """Whether more time would have shown more."""
        return any(u.code in (Code.DEADLINE_EXCEEDED, Code.REGISTRY_TIMEOUT) for u in self.unavailable)

    @property
    def size(self) -> int:
        """Bytes, about: of each different payload, and of each candidate's annotations."""
        payloads = {c.digest: len(c.content) for c in self.candidates}
        beside = sum(len(text) for c in self.candidates for text in c.annotations.values())
        return sum(payloads.values()) + beside + 500 * len(self.candidates)


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer that may hold a signature."""

    format: Format
    descriptor: Descriptor


@dataclass(frozen=True, slots=True)
class _Attached:
    """What is kept of a referrer's manifest: no more, for many of them are read.

    Attributes:
        layers: that may hold a signature.
        rejected: where it is stored as none can be.
        absent: it is listed and not there: not known to be no signature.
    """

    layers: tuple[_Layer, ...] = ()
    rejected: tuple[Rejection, ...] = ()
    absent: bool = False


class Collector:
    """Collects from a registry; `executor` runs single requests, and nothing that waits for others."""

    def __init__(self, registry: Registry, executor: Executor) -> None:
        """Takes its collaborators."""
        self._registry = registry
        self._executor = executor

    def collect(
        self, storage: Storage, image: Digest, deadline: Deadline, *, home: Repository, attestations: bool = False
    ) -> Listing:
        """Every candidate for `image` that is kept there; the image itself is in `home`."""
        collection = _Collection(
            self._registry, self._executor, storage, image, deadline, home, attestations=attestations
        )
        return collection.run()


class _Collection:
    """One run over one repository: what was asked, and what could not be read."""

    def __init__(
        self,
        registry: Registry,
        executor: Executor,
        storage: Storage,
        image: Digest,
        deadline: Deadline,
        home: Repository,
        *,
        attestations: bool,
    ) -> None:
        self._attestations = attestations
        self._registry = registry
        self._executor = executor
        self._repository = storage.repository
        self._tag = f"{storage.tag_prefix}{image.tag}"
        self._image = image
        self._deadline = deadline
        self._home = home
        self._unavailable: list[Unavailable] = []
        self._rejected: list[Rejection] = []
        self._payloads: dict[Digest, bytes] = {}
        self._total = 0
        self._beside = 0

    def run(self) -> Listing:
        # Wave 1: the places. One that does not answer leaves the others their say.
        tags = [f"{self._tag}.sig", *([f"{self._tag}.att"] if self._attestations else []), self._image.tag]
        tagged = self._start([partial(self._manifest, tag) for tag in tags])
        listed = self._start([lambda: self._registry.referrers(self._repository, self._image, self._deadline)])
        *attached_by_tag, fallback = self._finish(tagged)
        entries = [d for found in self._finish(listed) if found for d in found]
        entries.extend(self._fallback_entries(fallback))
        # Wave 2: the payloads of the tags, and the manifests of the referrers.
        layers = [layer for stored in attached_by_tag for layer in self._layers(stored, Format.LEGACY)]
        payloads = self._start_payloads(layers)
        attached = self._referrers(self._capped(entries))
        self._keep_payloads(payloads)
        # Wave 3: the payloads of the referrers.
        self._keep_payloads(self._start_payloads(attached))
        candidates = tuple(islice(self._candidates([*layers, *attached]), MAX_CANDIDATES + 1))
        if len(candidates) > MAX_CANDIDATES:
            self._cut(f"more than {MAX_CANDIDATES} signatures")
        if not candidates and not self._unavailable:
            self._check_image()
        return Listing(
            self._image,
            candidates[:MAX_CANDIDATES],
            tuple(self._rejected),
            tuple(dict.fromkeys(self._unavailable)),
        )

    def _manifest(self, target: Digest | str) -> StoredManifest | None:
        return self._registry.manifest(self._repository, target, self._deadline)

    def _check_image(self) -> None:
        """Before anything is called unsigned: is there an image at all, and is it one?"""
        (stored,) = self._finish(
            self._start([lambda: self._registry.manifest(self._home, self._image, self._deadline)])
        )
        if stored is None and not self._unavailable:
            message = f"{self._home.registry} has no manifest {self._image} in repository {self._home.path}"
            self._unavailable.append(Unavailable(Code.IMAGE_NOT_FOUND, message, "check the name and digest"))

    def _referrers(self, digests: Sequence[Digest]) -> list[_Layer]:
        """The layers of all referrers, some at a time; of their manifests nothing else is kept."""
        found: list[_Layer] = []
        for start in range(0, len(digests), _AT_ONCE):
            some = digests[start : start + _AT_ONCE]
            attached = self._finish(self._start([partial(self._referrer, digest) for digest in some]))
            for digest, one in zip(some, attached, strict=True):
                if one is None:
                    continue
                found.extend(one.layers)
                self._rejected.extend(one.rejected)
                if one.absent and not self._unavailable:  # a failure has been noted by its own name
                    self._broken(f"it lists the referrer {digest.short} and has no such manifest")
            if len(found) > MAX_CANDIDATES or sum(map(_beside, found)) > MAX_BESIDE:
                break
        return found

    def _referrer(self, digest: Digest) -> _Attached:
        stored = self._registry.manifest(self._repository, digest, self._deadline, MAX_REFERRER)
        return _Attached(absent=True) if stored is None else self._attached(stored)

    def _fallback_entries(self, fallback: StoredManifest | None) -> tuple[Descriptor, ...]:
        if fallback is None or fallback.digest == self._image:
            return ()  # nothing, or the image itself: `cosign copy` tags what it copies so
        if not isinstance(fallback.manifest, Index):
            self._broken(f"its tag {self._image.tag} is an image and not the list of referrers")
            return ()
        return fallback.manifest.manifests

    def _layers(self, stored: StoredManifest | None, kind: Format) -> list[_Layer]:
        if stored is None:
            return []
        if not isinstance(stored.manifest, Manifest):
            self._broken(f"{stored.digest.short} holds signatures and is a list of manifests")
            return []
        return [_Layer(kind, layer) for layer in stored.manifest.layers]

    def _attached(self, stored: StoredManifest) -> _Attached:
        """The layers of a referrer that may hold a signature of this image; judged by the manifest itself."""
        manifest = stored.manifest
        if not isinstance(manifest, Manifest) or manifest.subject is None or manifest.subject.digest != self._image:
            return _Attached()
        types = (manifest.artifact_type, manifest.config.media_type)
        if _LEGACY_REFERRER in types:
            return _Attached(tuple(_Layer(Format.REFERRER_LEGACY, layer) for layer in manifest.layers))
        if _NOTATION in types:
            return _Attached(tuple(_Layer(Format.NOTATION, layer) for layer in manifest.layers[:1]))
        if any(layer.media_type.startswith(BUNDLE_PREFIX) for layer in manifest.layers):
            return self._bundle(stored.digest, manifest)
        return _Attached()

    def _bundle(self, digest: Digest, manifest: Manifest) -> _Attached:
        """One layer that is a bundle, unless its annotation says that it is an attestation and none is wanted.

        The annotation is unsigned; lying in it can only hide a signature, and the signed bytes are looked at again.
        """
        if len(manifest.layers) != 1:
            reason = f"a manifest of {len(manifest.layers)} layers; a bundle's has one"
            return _Attached(rejected=(Rejection(Format.BUNDLE, digest, Code.SIGNATURE_INVALID, reason),))
        if self._attestations or manifest.annotations.get(_PREDICATE_TYPE, COSIGN_SIGN) == COSIGN_SIGN:
            return _Attached((_Layer(Format.BUNDLE, manifest.layers[0]),))
        return _Attached()

    def _capped(self, entries: Sequence[Descriptor]) -> list[Digest]:
        digests = list(dict.fromkeys(d.digest for d in entries))
        if len(digests) > MAX_REFERRERS:
            self._cut(f"{len(digests)} referrers; {MAX_REFERRERS} are read")
        return digests[:MAX_REFERRERS]

    def _start_payloads(self, layers: Sequence[_Layer]) -> list[tuple[Digest, Future[bytes]]]:
        """Fetch each different payload once, within the caps."""
        wanted: dict[Digest, Descriptor] = {}
        for layer in layers:
            descriptor = layer.descriptor
            known = descriptor.digest in self._payloads or descriptor.digest in wanted
            self._beside += _beside(layer)
            self._total += 0 if known else descriptor.size
            too_many = not known and len(self._payloads) + len(wanted) >= MAX_PAYLOADS
            most = MAX_TOTAL if self._attestations else MAX_TOTAL_SIGNATURES
            if too_many or self._total > most or self._beside > MAX_BESIDE:
                self._cut(f"more than {MAX_PAYLOADS} signatures, or {most} bytes of them")
                break
            if not known and layer.format is not Format.NOTATION:
                wanted[descriptor.digest] = descriptor
        blob = self._registry.blob
        started = self._start(
            [partial(blob, self._repository, d, MAX_PAYLOAD, self._deadline) for d in wanted.values()]
        )
        return list(zip(wanted, started, strict=True))

    def _keep_payloads(self, started: Sequence[tuple[Digest, Future[bytes]]]) -> None:
        contents = self._finish([future for _, future in started])
        self._payloads.update({d: c for (d, _), c in zip(started, contents, strict=True) if c is not None})

    def _candidates(self, layers: Iterable[_Layer]) -> Iterator[Candidate]:
        for layer in layers:
            descriptor = layer.descriptor
            content = b"" if layer.format is Format.NOTATION else self._payloads.get(descriptor.digest)
            if content is not None:
                yield Candidate(layer.format, descriptor.digest, descriptor.media_type, content, descriptor.annotations)

    def _start(self, thunks: Iterable[Callable[[], T]]) -> list[Future[T]]:
        return [self._executor.submit(thunk) for thunk in thunks]

    def _finish(self, futures: Iterable[Future[T]]) -> list[T | None]:
        """The results; None, and a note of why, for what could not be read."""
        results: list[T | None] = []
        for future in futures:
            try:
                results.append(future.result(timeout=max(0.0, self._deadline.remaining())))
            except FutureTimeout:
                future.cancel()
                message = f"the time allowed ran out while {self._repository.registry} was asked for signatures"
                self._unavailable.append(Unavailable(Code.DEADLINE_EXCEEDED, message, "retry"))
                results.append(None)
            except EvidenceUnavailable as error:
                self._unavailable.append(Unavailable(error.code, error.message, error.remedy))
                results.append(None)
        return results

    def _broken(self, how: str) -> None:
        message = f"{self._repository.registry} (repository {self._repository.path}): {how}"
        self._unavailable.append(Unavailable(Code.REGISTRY_PROTOCOL, message, ""))

    def _cut(self, what: str) -> None:
        message = f"{self._repository}@{self._image.short} has {what}"
        self._unavailable.append(Unavailable(Code.RESPONSE_TOO_LARGE, message, "remove old signatures"))


def _beside(layer: _Layer) -> int:
    return sum(len(key) + len(text) for key, text in layer.descriptor.annotations.items())
