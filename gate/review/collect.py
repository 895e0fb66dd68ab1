"""Finds what may be signatures of a digest: every place asked, in few parallel waves.

Wave 1: cosign's `.sig` tag, the referrers API, the referrers fallback tag. Wave 2: the payloads of the first, the
manifests of the others. Wave 3: their payloads. Nothing is judged here beyond which bytes are worth fetching.
"""

from __future__ import annotations

from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.evidence import bundle
from gate.evidence.dsse import COSIGN_SIGN
from gate.evidence.facts import Evidence, Format, Rejection, Unavailable, VerifiedSignature
from gate.evidence.verifier import Candidate, verify
from gate.image.manifest import Index, Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Executor, Future

    from gate.deadline import Deadline
    from gate.image.digest import Digest
    from gate.image.manifest import Descriptor, StoredManifest
    from gate.image.reference import Repository
    from gate.review.ports import Registry
    from gate.trust.key import PublicKey

MAX_PAYLOAD: Final = 8 * 1024 * 1024
"""Bytes of one signature payload or bundle."""

MAX_PAYLOADS: Final = 100
"""Different payloads read for one image (CVE-2023-46737); one payload with many signatures counts once."""

MAX_TOTAL: Final = 32 * 1024 * 1024
"""Bytes of all payloads of one image."""

MAX_REFERRERS: Final = 100
_LEGACY_REFERRER: Final = "application/vnd.dev.cosign.artifact.sig.v1+json"
_NOTATION: Final = "application/vnd.cncf.notary.signature"
_PREDICATE_TYPE: Final = "dev.sigstore.bundle.predicateType"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listing:
    """All candidates for one digest in one repository.

    Attributes:
        image: the digest.
        candidates: what may be a signature.
        unavailable: places and payloads that could not be read; while there are any, the listing is not complete.
    """

    image: Digest
    candidates: tuple[Candidate, ...]
    unavailable: tuple[Unavailable, ...]
    _verified: dict[tuple[PublicKey, ...], Evidence] = field(default_factory=dict, compare=False, repr=False)

    @property
    def complete(self) -> bool:
        """Whether everything could be read."""
        return not self.unavailable

    def verified(self, keys: tuple[PublicKey, ...]) -> Evidence:
        """The facts under some keys; computed once for each set of keys."""
        known = self._verified.get(keys)
        if known is None:
            known = self._verified[keys] = self._verify(keys)
        return known

    def _verify(self, keys: tuple[PublicKey, ...]) -> Evidence:
        signatures: list[VerifiedSignature] = []
        rejected: list[Rejection] = []
        for candidate in self.candidates:
            result = verify(candidate, self.image, keys)
            if isinstance(result, Rejection):
                rejected.append(result)
            else:
                signatures.extend(result)
        return Evidence(tuple(signatures), tuple(rejected), self.unavailable)


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer that may hold a signature."""

    format: Format
    descriptor: Descriptor


class Collector:
    """Collects from a registry; `executor` runs single requests, and nothing that waits for others."""

    def __init__(self, registry: Registry, executor: Executor) -> None:
        """Takes its collaborators."""
        self._registry = registry
        self._executor = executor

    def collect(self, repository: Repository, image: Digest, deadline: Deadline, *, home: Repository) -> Listing:
        """Every candidate for `image` that is kept in `repository`; the image itself is in `home`."""
        return _Collection(self._registry, self._executor, repository, image, deadline, home).run()


class _Collection:
    """One run over one repository: what was asked, and what could not be read."""

    def __init__(
        self,
        registry: Registry,
        executor: Executor,
        repository: Repository,
        image: Digest,
        deadline: Deadline,
        home: Repository,
    ) -> None:
        self._registry = registry
        self._executor = executor
        self._repository = repository
        self._image = image
        self._deadline = deadline
        self._home = home
        self._unavailable: list[Unavailable] = []
        self._payloads: dict[Digest, bytes] = {}
        self._total = 0

    def run(self) -> Listing:
        # Wave 1: the three places. One that does not answer leaves the others their say.
        tagged = self._start(
            [lambda: self._manifest(f"{self._image.tag}.sig"), lambda: self._manifest(self._image.tag)]
        )
        listed = self._start([lambda: self._registry.referrers(self._repository, self._image, self._deadline)])
        legacy_manifest, fallback = self._finish(tagged)
        entries = [d for found in self._finish(listed) if found for d in found]
        if fallback is not None and isinstance(fallback.manifest, Index):
            entries.extend(fallback.manifest.manifests)
        # Wave 2: the payloads of the `.sig` tag, and the manifests of the referrers.
        layers = _layers(legacy_manifest, Format.LEGACY)
        payloads = self._start_payloads(layers)
        manifests = self._start([partial(self._manifest, digest) for digest in self._capped(entries)])
        self._keep_payloads(payloads)
        # Wave 3: the payloads of the referrers.
        attached = [layer for stored in self._finish(manifests) for layer in self._attached(stored)]
        self._keep_payloads(self._start_payloads(attached))
        candidates = tuple(self._candidates([*layers, *attached]))
        if not candidates and not self._unavailable:
            self._check_image()
        return Listing(self._image, candidates, tuple(dict.fromkeys(self._unavailable)))

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

    def _attached(self, stored: StoredManifest | None) -> Iterator[_Layer]:
        """The layers of a referrer that may hold a signature of this image; judged by the manifest itself."""
        if stored is None or not isinstance(stored.manifest, Manifest):
            return
        manifest = stored.manifest
        if manifest.subject is None or manifest.subject.digest != self._image:
            return
        types = (manifest.artifact_type, manifest.config.media_type)
        if _LEGACY_REFERRER in types:
            yield from _layers(stored, Format.REFERRER_LEGACY)
        elif _NOTATION in types:
            yield from (_Layer(Format.NOTATION, layer) for layer in manifest.layers[:1])
        elif _is_signature_bundle(manifest):
            yield _Layer(Format.BUNDLE, manifest.layers[0])

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
            if layer.format is Format.NOTATION or descriptor.digest in self._payloads or descriptor.digest in wanted:
                continue
            if len(self._payloads) + len(wanted) >= MAX_PAYLOADS or self._total + descriptor.size > MAX_TOTAL:
                self._cut(f"more than {MAX_PAYLOADS} signatures, or {MAX_TOTAL} bytes of them")
                break
            self._total += descriptor.size
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

    def _cut(self, what: str) -> None:
        message = f"{self._repository}@{self._image.short} has {what}"
        self._unavailable.append(Unavailable(Code.RESPONSE_TOO_LARGE, message, "remove old signatures"))


def _layers(stored: StoredManifest | None, kind: Format) -> list[_Layer]:
    if stored is None or not isinstance(stored.manifest, Manifest):
        return []
    return [_Layer(kind, layer) for layer in stored.manifest.layers]


def _is_signature_bundle(manifest: Manifest) -> bool:
    """One layer that is a bundle, unless its annotation says it is an attestation.

    The annotation is unsigned; lying in it can only hide a signature, and the signed bytes are looked at again.
    """
    if len(manifest.layers) != 1 or not manifest.layers[0].media_type.startswith(bundle.MEDIA_TYPE_PREFIX):
        return False
    return manifest.annotations.get(_PREDICATE_TYPE, COSIGN_SIGN) == COSIGN_SIGN
