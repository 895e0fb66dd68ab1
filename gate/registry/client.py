"""Reads a registry over the distribution-spec's API (v1.1): tags, manifests, blobs, referrers."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from gate.codes import Code
from gate.errors import EvidenceUnavailable, ParseError
from gate.hearing import Hearing
from gate.image.digest import Digest
from gate.image.manifest import ACCEPTED, MAX_MANIFEST, SCHEMA1_TYPES, StoredManifest, parse_manifest
from gate.registry import referrers, tags
from gate.registry.answer import Question
from gate.registry.asking import Asker
from gate.registry.auth import Authenticator
from gate.registry.credentials.credential import scope_of
from gate.registry.failures import failure
from gate.registry.guard.patience import Patience
from gate.registry.limits import check_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from gate.deadline import Deadline
    from gate.image.content import Content
    from gate.image.manifest import Descriptor
    from gate.image.reference import Repository
    from gate.registry.answer import Answer
    from gate.registry.credentials.keychain import Remembering
    from gate.registry.guard.hosts import Hosts
    from gate.registry.guard.transport import Response, Transport

_ACCEPT: Final = {"Accept": ", ".join(ACCEPTED)}
_ACCEPT_INDEX: Final = {"Accept": ACCEPTED[0]}
# The image that a tag of cosign's, or the fallback for referrers, is about.
_SIGNATURES: Final = re.compile(
    r"sha256-([0-9a-f]{64})(?:\.[a-z]{1,10})?$", re.ASCII
)  # cosign's tags, and the fallback's
_OK: Final = 200
_NOT_FOUND: Final = 404


@contextmanager
def _question(repository: Repository, deadline: Deadline) -> Iterator[Deadline]:
    """All that is asked for one question's sake: of a registry that was heard meanwhile nobody says it is not there.

    Here and nowhere else, so that none of the ways in which a question ends is forgotten.
    """
    hearing = Hearing(repository.registry)
    try:
        yield deadline.asking(hearing)
    except EvidenceUnavailable as error:
        if hearing.heard:
            error.unanswered = 0.0
        raise


class RegistryClient:
    """The registry port over HTTP. Thread-safe."""

    def __init__(self, asker: Asker, authenticator: Authenticator, now: Callable[[], datetime]) -> None:
        """Takes its collaborators, and the time of day, aware, for messages; connects to nothing."""
        self._asker = asker
        self._authenticator = authenticator
        self._now = now

    @classmethod
    def over(
        cls,
        transport: Transport,
        keychain: Remembering,
        hosts: Hosts,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        pause: Callable[[float], None],
    ) -> RegistryClient:
        """A client that asks through one transport.

        Args:
            transport: the guard.
            keychain: whose credentials are tried.
            hosts: what the operator said about hosts.
            clock: monotonic, in seconds.
            now: the time of day, aware.
            pause: waits for so many seconds.
        """
        patient = Patience(transport, pause)
        authenticator = Authenticator(patient, keychain, hosts, clock, now)
        return cls(Asker(patient, authenticator, hosts, clock), authenticator, now)

    def scope(self, repository: Repository, deadline: Deadline) -> str:
        """Tells callers with different credentials apart; contains none."""
        return scope_of(self._authenticator.found(repository, deadline).credentials)

    def known_scope(self, repository: Repository) -> str | None:
        """The scope, if no helper has to be asked for it."""
        return self._authenticator.known_scope(repository)

    def resolve(self, repository: Repository, tag: str, deadline: Deadline) -> Digest:
        """The digest a tag has now.

        HEAD, which Docker Hub does not count as a pull; its header is a claim that everything later is bound to.
        Where there is none, GET and compute.

        Raises:
            EvidenceUnavailable: IMAGE_NOT_FOUND, or the registry's failure.
        """
        with _question(repository, deadline) as asking:
            return self._resolve(repository, tag, asking)

    def _resolve(self, repository: Repository, tag: str, deadline: Deadline) -> Digest:
        path = f"/v2/{repository.path}/manifests/{tag}"
        answer = self._ask(repository, Question("HEAD", path, _ACCEPT, 0), f"tag {tag}", deadline)
        response = answer.response
        claimed = response.headers.get("docker-content-digest", "")
        if response.status == _OK and claimed:
            if response.headers.get("content-type", "").partition(";")[0].strip() in SCHEMA1_TYPES:
                raise EvidenceUnavailable(
                    Code.REGISTRY_PROTOCOL,
                    f"{repository}:{tag} is a schema 1 manifest",
                    remedy="push it again with a current client",
                )
            try:
                return Digest.parse(claimed)
            except ParseError as error:
                raise _protocol(
                    repository, f"its Docker-Content-Digest for tag {tag} is unusable: {error.message}"
                ) from error
        if response.status in (401, 403, 429):
            raise self._failure(repository, answer, f"tag {tag}")
        stored, answer = self._manifest(repository, tag, deadline, MAX_MANIFEST)
        if stored is None:
            raise self._not_found(repository, f"tag {tag} in repository {repository.path}", answer)
        return stored.digest

    def tags(self, repository: Repository, deadline: Deadline) -> tuple[str, ...]:
        """Every tag of a repository once, in the registry's order.

        Raises:
            EvidenceUnavailable: IMAGE_NOT_FOUND where there is no such repository; RESPONSE_TOO_LARGE where there are
                more tags than are read; REGISTRY_PROTOCOL when it is no list of tags, or breaks off.
        """
        absent: list[Answer] = []

        def get(path: str) -> Response:
            question = Question("GET", path, {"Accept": "application/json"}, tags.MAX_PAGE, listed="tags")
            answer = self._ask(repository, question, "the tags", asking)
            if answer.response.status not in (_OK, _NOT_FOUND):
                raise self._failure(repository, answer, "the tags")
            if answer.response.status == _NOT_FOUND:
                absent.append(answer)
            return answer.response

        try:
            with _question(repository, deadline) as asking, self._asker.room.entered():
                found = tags.collect(repository, get)
        except ParseError as error:
            raise _protocol(repository, f"its list of tags: {error.message}") from error
        if found is None:
            raise self._not_found(repository, f"repository {repository.path}", absent[0])
        return found

    def manifest(
        self, repository: Repository, target: Digest | str, deadline: Deadline, limit: int = MAX_MANIFEST
    ) -> StoredManifest | None:
        """The manifest of a digest or tag; None where the registry says there is none.

        Raises:
            EvidenceUnavailable: REGISTRY_PROTOCOL when it is no manifest or not the one of the digest asked for;
                RESPONSE_TOO_LARGE over `limit` bytes.
        """
        with _question(repository, deadline) as asking:
            return self._manifest(repository, target, asking, limit)[0]

    def _manifest(
        self, repository: Repository, target: Digest | str, deadline: Deadline, limit: int
    ) -> tuple[StoredManifest | None, Answer]:
        with self._asker.room.entered():
            return self._read_manifest(repository, target, deadline, limit)

    def _read_manifest(
        self, repository: Repository, target: Digest | str, deadline: Deadline, limit: int
    ) -> tuple[StoredManifest | None, Answer]:
        path = f"/v2/{repository.path}/manifests/{target}"
        about = _SIGNATURES.search(str(target))
        shown = f"/v2/{repository.path}/manifests/sha256:{about[1]}" if about else ""
        question = Question("GET", path, _ACCEPT, limit, shown)
        answer = self._ask(repository, question, f"manifest {target}", deadline)
        response = answer.response
        if response.status == _NOT_FOUND and _is_a_registrys(response, f"/manifests/{target}"):
            return None, answer
        if response.status != _OK:
            raise self._failure(repository, answer, f"manifest {target}")
        digest = target if isinstance(target, Digest) else Digest.of(response.body)
        if not digest.matches(response.body):
            raise _protocol(repository, f"{_sender(response)} sent other content for {digest}")
        try:
            manifest = parse_manifest(response.body, response.headers.get("content-type", ""))
            return StoredManifest(digest, manifest, response.body), answer
        except ParseError as error:
            raise _protocol(repository, f"for {target}: {error.message}") from error

    def blob(self, repository: Repository, descriptor: Descriptor, limit: int, deadline: Deadline) -> Content:
        """A blob, compared with its digest and size while it arrives; a large one is on disk.

        Raises:
            EvidenceUnavailable: RESPONSE_TOO_LARGE over `limit` bytes (by its descriptor or in fact);
                REGISTRY_PROTOCOL when it is absent or not what the descriptor says.
        """
        check_size(repository, descriptor, limit)
        path = f"/v2/{repository.path}/blobs/{descriptor.digest}"
        question = Question("GET", path, {}, descriptor.size, stored=descriptor.digest.algorithm)
        with _question(repository, deadline) as asking:
            return self._read_blob(repository, question, descriptor, asking)

    def _read_blob(
        self, repository: Repository, question: Question, descriptor: Descriptor, deadline: Deadline
    ) -> Content:
        answer = self._ask(repository, question, f"blob {descriptor.digest}", deadline)
        response = answer.response
        if response.status == _NOT_FOUND:
            raise _protocol(
                repository, f"{_sender(response)} has no blob {descriptor.digest}, which a manifest of its names"
            )
        if response.status != _OK:
            raise self._failure(repository, answer, f"blob {descriptor.digest}")
        content = response.content
        if content is None or content.size != descriptor.size or content.digest != descriptor.digest:
            raise _protocol(repository, f"{_sender(response)} sent other content for {descriptor.digest}")
        return content

    def referrers(self, repository: Repository, digest: Digest, deadline: Deadline) -> tuple[Descriptor, ...]:
        """What the referrers API lists for a digest; nothing where the registry has no such API."""
        return self.listed(repository, digest, deadline)[1]

    def listed(self, repository: Repository, digest: Digest, deadline: Deadline) -> tuple[int, tuple[Descriptor, ...]]:
        """The same, after the status of its first page: one of `NO_API` where there is no such API."""
        statuses: list[int] = []
        shown = f"/v2/{repository.path}/manifests/{digest}"

        def get(path: str) -> Response:
            question = Question("GET", path, _ACCEPT_INDEX, MAX_MANIFEST, shown, "manifests")
            answer = self._ask(repository, question, f"referrers of {digest}", asking)
            known = answer.response.status == _OK or (
                answer.response.status in referrers.NO_API and _is_a_registrys(answer.response, f"/referrers/{digest}")
            )
            if not known:
                raise self._failure(repository, answer, f"referrers of {digest}")
            statuses.append(answer.response.status)
            return answer.response

        try:
            with _question(repository, deadline) as asking, self._asker.room.entered():
                found = referrers.collect(f"/v2/{repository.path}/referrers/{digest}", get)
        except ParseError as error:
            raise _protocol(repository, f"its referrers of {digest}: {error.message}") from error
        return statuses[0], found

    def _ask(self, repository: Repository, question: Question, what: str, deadline: Deadline) -> Answer:
        """An answer that is no refusal, whatever its status.

        Raises:
            EvidenceUnavailable: it is one, or there is none.
        """
        answer = self._asker.ask(repository, question, deadline)
        if answer.refused or answer.about:
            raise self._failure(repository, answer, what)
        return answer

    def _failure(self, repository: Repository, answer: Answer, what: str) -> EvidenceUnavailable:
        return failure(repository, answer, what, self._now())

    def _not_found(self, repository: Repository, what: str, answer: Answer) -> EvidenceUnavailable:
        """Nothing there; to somebody who may not see it, a registry says the same."""
        who = answer.credential.shown(self._now()) if answer.credential else "no credentials"
        who += f", and {answer.others} more" if answer.others else ""
        private = "" if answer.credential else f"; if it is private: docker login {repository.registry}"
        return EvidenceUnavailable(
            Code.IMAGE_NOT_FOUND,
            f"{repository.registry} has no {what} (asked with {who})",
            remedy=f"check the name{private}",
        )


def _is_a_registrys(response: Response, question: str) -> bool:
    """Whether "not found" is the word of a registry: of who was asked, or of another that it sends to for everything.

    registry.k8s.io does that. What a store of blobs or a page says of not found says nothing of a signature.
    """
    return not response.elsewhere or urlsplit(response.url).path.endswith(question)


def _sender(response: Response) -> str:
    return f"{response.elsewhere}, which it redirected to," if response.elsewhere else "it"


def _protocol(repository: Repository, message: str) -> EvidenceUnavailable:
    return EvidenceUnavailable(
        Code.REGISTRY_PROTOCOL, f"{repository.registry} (repository {repository.path}): {message}", remedy=""
    )
