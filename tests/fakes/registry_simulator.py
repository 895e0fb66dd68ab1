"""The Registry port in memory, with real bytes and real digests (gate.review.ports.Registry)."""

from __future__ import annotations

import json
import math
import threading
from collections import Counter
from typing import TYPE_CHECKING

from gate.codes import Code
from gate.demo.images import Writer, describe, referrers_of
from gate.errors import EvidenceUnavailable, ParseError
from gate.image.content import InMemory
from gate.image.digest import Digest
from gate.image.manifest import MAX_MANIFEST, Index, StoredManifest, parse_manifest
from gate.image.reference import Reference, Repository
from gate.registry.limits import check_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gate.deadline import Deadline
    from gate.demo.signing import SigningKey
    from gate.image.content import Content
    from gate.image.manifest import Descriptor

_AWAY = frozenset({Code.REGISTRY_UNREACHABLE, Code.REGISTRY_TIMEOUT, Code.DEADLINE_EXCEEDED})


class MemoryRepository(Writer):
    """One repository: blobs, manifests and tags. Tests may change the dictionaries."""

    def __init__(self) -> None:
        self.blobs: dict[Digest, bytes] = {}
        self.manifests: dict[Digest, bytes] = {}
        self.tags: dict[str, Digest] = {}

    def blob(self, content: bytes) -> Digest:
        digest = Digest.of(content)
        self.blobs[digest] = content
        return digest

    def manifest(self, document: Mapping[str, object], tag: str | None = None) -> Descriptor:
        content = json.dumps(document, separators=(",", ":")).encode()
        entry = describe(content)
        self.manifests[entry.digest] = content
        if tag is not None:
            self.tags[tag] = entry.digest
        return entry

    def content(self, target: Digest | str) -> bytes | None:
        digest = target if isinstance(target, Digest) else self.tags.get(target)
        return self.manifests.get(digest) if digest is not None else None


class RegistrySimulator:
    """Any number of repositories, in memory. Thread-safe for reading.

    Attributes:
        calls: how often each method of the port was called.
        log: each call: method, repository, what was asked for.
        scopes: what `scope` answers for a repository; "" for others.
        unknown_scopes: repositories whose scope somebody would have to be asked for.
        hook: called before each answer with method, repository and what is asked for; may block or raise.
    """

    def __init__(self, *, referrers_api: bool = True) -> None:
        self.calls: Counter[str] = Counter()
        self.log: list[tuple[str, Repository, str]] = []
        self.scopes: dict[Repository, str] = {}
        self.unknown_scopes: set[Repository] = set()
        self.hook: Callable[[str, Repository, str], None] | None = None
        self._referrers_api = referrers_api
        self._repositories: dict[Repository, MemoryRepository] = {}
        self._failures: dict[str, EvidenceUnavailable] = {}
        self._alternating: dict[tuple[Repository, str], list[Digest]] = {}
        self._lock = threading.Lock()

    # what tests do

    def repository(self, name: Repository | str) -> MemoryRepository:
        """The repository of a name such as `registry.test/acme/api`, made on first use."""
        return self._repositories.setdefault(_name(name), MemoryRepository())

    def push_image(self, name: Repository | str, tag: str | None, content: str = "v1") -> Digest:
        return self.repository(name).image(tag, content)

    def sign_legacy(
        self, name: Repository | str, digest: Digest, key: SigningKey, annotations: Mapping[str, str] | None = None
    ) -> Digest:
        return self.repository(name).sign_legacy(digest, key, str(_name(name)), annotations)

    def sign_referrer_legacy(
        self, name: Repository | str, digest: Digest, key: SigningKey, annotations: Mapping[str, str] | None = None
    ) -> Digest:
        return self.repository(name).sign_referrer_legacy(digest, key, str(_name(name)), annotations)

    def sign_bundle(
        self, name: Repository | str, digest: Digest, key: SigningKey, annotations: Mapping[str, str] | None = None
    ) -> Digest:
        return self.repository(name).sign_bundle(digest, key, annotations)

    def set_tag(self, name: Repository | str, tag: str, *digests: Digest) -> None:
        """What a tag is from now on; of several digests each serves one `resolve`, and the last all that follow."""
        self.repository(name).tags[tag] = digests[-1]
        self._alternating[_name(name), tag] = list(digests[:-1])

    def fail(self, place: str, error: EvidenceUnavailable) -> None:
        """Raise `error` at a place: a method's name, or `method:what` such as `manifest:sha256-….sig`."""
        self._failures[place] = error

    def fail_with(self, place: str, code: Code, unanswered: float | None = None) -> None:
        """As `fail`, with a made-up message; one that cannot be reached was asked, if nothing else is said."""
        if unanswered is None:
            unanswered = math.inf if code in _AWAY else 0.0
        self.fail(place, EvidenceUnavailable(code, f"the simulator fails at {place}", unanswered=unanswered))

    def heal(self, place: str | None = None) -> None:
        """End one failure, or all."""
        if place is None:
            self._failures.clear()
        else:
            self._failures.pop(place, None)

    # the port

    def scope(self, repository: Repository, deadline: Deadline) -> str:
        failure = self._failures.get("scope")
        if failure is not None:
            raise failure
        return self.scopes.get(repository, "")

    def known_scope(self, repository: Repository) -> str | None:
        return None if repository in self.unknown_scopes else self.scopes.get(repository, "")

    def resolve(self, repository: Repository, tag: str, deadline: Deadline) -> Digest:
        self._enter("resolve", repository, tag, deadline)
        with self._lock:
            upcoming = self._alternating.get((repository, tag))
            if upcoming:
                return upcoming.pop(0)
        found = self._repositories.get(repository)
        if found is None or tag not in found.tags:
            raise EvidenceUnavailable(
                Code.IMAGE_NOT_FOUND, f"the simulator has no tag {tag} for {repository}", remedy="check the name"
            )
        return found.tags[tag]

    def tags(self, repository: Repository, deadline: Deadline) -> tuple[str, ...]:
        self._enter("tags", repository, "list", deadline)
        found = self._repositories.get(repository)
        if found is None:
            raise EvidenceUnavailable(
                Code.IMAGE_NOT_FOUND, f"the simulator has no repository {repository}", remedy="check the name"
            )
        subjects = [] if self._referrers_api else [parse_manifest(m).subject for m in found.manifests.values()]
        return tuple(sorted({*found.tags, *(subject.digest.tag for subject in subjects if subject is not None)}))

    def manifest(
        self, repository: Repository, target: Digest | str, deadline: Deadline, limit: int = MAX_MANIFEST
    ) -> StoredManifest | None:
        self._enter("manifest", repository, str(target), deadline)
        found = self._repositories.get(repository)
        content = found.content(target) if found else None
        if content is None and isinstance(target, str) and not self._referrers_api:
            content = self._fallback(repository, target)
        if content is None:
            return None
        digest = Digest.of(content)
        wanted = target if isinstance(target, Digest) else digest
        if wanted != digest:
            raise _protocol(repository, f"other content for {wanted}")
        try:
            return StoredManifest(digest, parse_manifest(content), content)
        except ParseError as error:
            raise _protocol(repository, error.message) from error

    def blob(self, repository: Repository, descriptor: Descriptor, limit: int, deadline: Deadline) -> Content:
        self._enter("blob", repository, str(descriptor.digest), deadline)
        check_size(repository, descriptor, limit)
        found = self._repositories.get(repository)
        content = found.blobs.get(descriptor.digest) if found else None
        if content is None:
            raise _protocol(repository, f"no blob {descriptor.digest}")
        if len(content) > descriptor.size:
            raise EvidenceUnavailable(Code.RESPONSE_TOO_LARGE, f"{repository}: more than {descriptor.size} bytes")
        if len(content) != descriptor.size or not descriptor.digest.matches(content):
            raise _protocol(repository, f"other content for {descriptor.digest}")
        return InMemory(content, descriptor.digest.algorithm)

    def referrers(self, repository: Repository, digest: Digest, deadline: Deadline) -> tuple[Descriptor, ...]:
        self._enter("referrers", repository, str(digest), deadline)
        found = self._repositories.get(repository)
        if found is None or not self._referrers_api:
            return ()
        listing = parse_manifest(referrers_of(digest, list(found.manifests.values())))
        assert isinstance(listing, Index)
        return listing.manifests

    def _enter(self, method: str, repository: Repository, what: str, deadline: Deadline) -> None:
        with self._lock:
            self.calls[method] += 1
            self.log.append((method, repository, what))
        if self.hook is not None:
            self.hook(method, repository, what)
        deadline.check(f"asking the simulator for {what}")
        failure = self._failures.get(f"{method}:{what}") or self._failures.get(method)
        if failure is not None:
            raise failure

    def _fallback(self, repository: Repository, tag: str) -> bytes | None:
        """The index that cosign pushes to a registry without the referrers API."""
        try:
            digest = Digest.parse(tag.replace("-", ":", 1))
        except ParseError:
            return None
        found = self._repositories.get(repository)
        listing = referrers_of(digest, list(found.manifests.values()) if found else [], fallback=True)
        parsed = parse_manifest(listing)
        return listing if isinstance(parsed, Index) and parsed.manifests else None


def _name(name: Repository | str) -> Repository:
    return name if isinstance(name, Repository) else Reference.parse(name).name


def _protocol(repository: Repository, message: str) -> EvidenceUnavailable:
    return EvidenceUnavailable(Code.REGISTRY_PROTOCOL, f"the simulator's {repository}: {message}", remedy="")
