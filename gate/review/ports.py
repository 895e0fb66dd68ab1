"""What a review needs of the world. Adapters fit these shapes; they do not import them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gate.image.manifest import MAX_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gate.deadline import Deadline
    from gate.image.content import Content
    from gate.image.digest import Digest
    from gate.image.manifest import Descriptor, StoredManifest
    from gate.image.reference import Repository
    from gate.policy.trust import TrustRoot
    from gate.trust.root import TrustedRoot


class Registry(Protocol):
    """Reads repositories. Everything returned by digest has been compared with it.

    Every method raises `EvidenceUnavailable` for what could not be known.
    """

    def scope(self, repository: Repository, deadline: Deadline) -> str:
        """What separates answers given to different credentials; part of cache keys, holds no secret."""

    def known_scope(self, repository: Repository) -> str | None:
        """The scope, if it is known without asking anybody."""

    def resolve(self, repository: Repository, tag: str, deadline: Deadline) -> Digest:
        """The digest a tag has now."""

    def tags(self, repository: Repository, deadline: Deadline) -> tuple[str, ...]:
        """Every tag of a repository once, in the registry's order; never a part of them."""

    def manifest(
        self, repository: Repository, target: Digest | str, deadline: Deadline, limit: int = MAX_MANIFEST
    ) -> StoredManifest | None:
        """The manifest of a digest or tag, of at most `limit` bytes; None where the registry says there is none."""

    def blob(self, repository: Repository, descriptor: Descriptor, limit: int, deadline: Deadline) -> Content:
        """A blob of at most `limit` bytes; whoever asked closes it."""

    def referrers(self, repository: Repository, digest: Digest, deadline: Deadline) -> tuple[Descriptor, ...]:
        """Descriptors of manifests that name `digest` as subject; empty where the registry keeps no such list."""


class Store(Protocol):
    """Bytes that outlive a request, perhaps the process, and may be shared with others.

    It may lose anything at any time, and whoever can write to it may have changed anything: what it gives is nobody's
    word until it has been compared with its digest, or its seal (`review.kept`).
    """

    def get(self, keys: Sequence[str]) -> dict[str, bytes]:
        """What there is of these keys, in one round trip. Never raises, never hangs: what cannot be read is absent."""

    def put(self, key: str, value: bytes, seconds: float) -> None:
        """Keep a value for at most so long. Returns at once, whether it will be kept or not; never raises."""

    @property
    def counts(self) -> Mapping[str, int]:
        """How often it met trouble: `set_aside` (files that were none of ours), `dropped` and `failed`."""

    def close(self) -> None:
        """Let go of files, threads and connections, once what was put has been written or a second has passed."""


class TrustedRoots(Protocol):
    """Where trusted roots come from."""

    def current(self, root: TrustRoot, deadline: Deadline) -> TrustedRoot:
        """What a trust root holds, as good as it can be had now.

        Raises:
            EvidenceUnavailable: TRUST_ROOT_UNAVAILABLE, TRUST_ROOT_EXPIRED.
        """
