"""Reads a registry over the distribution-spec's API (v1.1): tags, manifests, blobs, referrers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import EvidenceUnavailable, ParseError
from gate.image.digest import Digest
from gate.image.manifest import ACCEPTED, MAX_MANIFEST, SCHEMA1_TYPES, StoredManifest, parse_manifest
from gate.registry import referrers, tags
from gate.registry.challenge import parse_challenges
from gate.registry.limits import check_size
from gate.registry.transport import Request

if TYPE_CHECKING:
    from gate.deadline import Deadline
    from gate.image.manifest import Descriptor
    from gate.image.reference import Repository
    from gate.registry.auth import Authenticator
    from gate.registry.hosts import Hosts
    from gate.registry.transport import Response, Transport

_ACCEPT: Final = {"Accept": ", ".join(ACCEPTED)}
_OK: Final = 200
_UNAUTHORIZED: Final = 401
_NOT_FOUND: Final = 404
_CODES: Final = {
    401: Code.REGISTRY_UNAUTHORIZED,
    403: Code.REGISTRY_UNAUTHORIZED,
    429: Code.REGISTRY_RATE_LIMITED,
}


class RegistryClient:
    """The registry port over HTTP. Thread-safe."""

    def __init__(self, transport: Transport, authenticator: Authenticator, hosts: Hosts) -> None:
        """Takes its collaborators; connects to nothing."""
        self._transport = transport
        self._authenticator = authenticator
        self._hosts = hosts

    def scope(self, repository: Repository, deadline: Deadline) -> str:
        """Tells callers with different credentials apart; contains none."""
        credential = self._authenticator.credential(repository, deadline)
        return credential.scope if credential else ""

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
        path = f"/v2/{repository.path}/manifests/{tag}"
        response = self._ask("HEAD", repository, path, _ACCEPT, 0, deadline)
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
        if response.status in (_UNAUTHORIZED, 403, 429):
            raise self._failure(repository, response, f"tag {tag}", deadline)
        stored = self.manifest(repository, tag, deadline)
        if stored is None:
            raise EvidenceUnavailable(
                Code.IMAGE_NOT_FOUND,
                f"{repository.registry} has no tag {tag} in repository {repository.path} "
                f"(asked with {self._who(repository, deadline)})",
                remedy="check the name",
            )
        return stored.digest

    def tags(self, repository: Repository, deadline: Deadline) -> tuple[str, ...]:
        """Every tag of a repository once, in the registry's order.

        Raises:
            EvidenceUnavailable: IMAGE_NOT_FOUND where there is no such repository; RESPONSE_TOO_LARGE where there are
                more tags than are read; REGISTRY_PROTOCOL when it is no list of tags, or breaks off.
        """

        def get(path: str) -> Response:
            response = self._ask("GET", repository, path, {"Accept": "application/json"}, tags.MAX_PAGE, deadline)
            if response.status not in (_OK, _NOT_FOUND):
                raise self._failure(repository, response, "the tags", deadline)
            return response

        try:
            found = tags.collect(repository, get)
        except ParseError as error:
            raise _protocol(repository, f"its list of tags: {error.message}") from error
        if found is None:
            raise EvidenceUnavailable(
                Code.IMAGE_NOT_FOUND,
                f"{repository.registry} has no repository {repository.path} "
                f"(asked with {self._who(repository, deadline)})",
                remedy="check the name",
            )
        return found

    def manifest(self, repository: Repository, target: Digest | str, deadline: Deadline) -> StoredManifest | None:
        """The manifest of a digest or tag; None where the registry says there is none.

        Raises:
            EvidenceUnavailable: REGISTRY_PROTOCOL when it is no manifest or not the one of the digest asked for.
        """
        response = self._ask(
            "GET", repository, f"/v2/{repository.path}/manifests/{target}", _ACCEPT, MAX_MANIFEST, deadline
        )
        if response.status == _NOT_FOUND:
            return None
        if response.status != _OK:
            raise self._failure(repository, response, f"manifest {target}", deadline)
        digest = target if isinstance(target, Digest) else Digest.of(response.body)
        if not digest.matches(response.body):
            raise _protocol(repository, f"it sent other content for {digest}")
        try:
            return StoredManifest(digest, parse_manifest(response.body, response.headers.get("content-type", "")))
        except ParseError as error:
            raise _protocol(repository, f"for {target}: {error.message}") from error

    def blob(self, repository: Repository, descriptor: Descriptor, limit: int, deadline: Deadline) -> bytes:
        """A blob, compared with its digest and size.

        Raises:
            EvidenceUnavailable: RESPONSE_TOO_LARGE over `limit` bytes (by its descriptor or in fact);
                REGISTRY_PROTOCOL when it is absent or not what the descriptor says.
        """
        check_size(repository, descriptor, limit)
        path = f"/v2/{repository.path}/blobs/{descriptor.digest}"
        response = self._ask("GET", repository, path, {}, descriptor.size, deadline)
        if response.status == _NOT_FOUND:
            raise _protocol(repository, f"it has no blob {descriptor.digest}, which a manifest of its names")
        if response.status != _OK:
            raise self._failure(repository, response, f"blob {descriptor.digest}", deadline)
        if len(response.body) != descriptor.size or not descriptor.digest.matches(response.body):
            raise _protocol(repository, f"it sent other content for {descriptor.digest}")
        return response.body

    def referrers(self, repository: Repository, digest: Digest, deadline: Deadline) -> tuple[Descriptor, ...]:
        """What the referrers API lists for a digest; nothing where the registry has no such API."""

        def get(path: str) -> Response:
            response = self._ask("GET", repository, path, {"Accept": ACCEPTED[0]}, MAX_MANIFEST, deadline)
            if response.status not in (_OK, *referrers.NO_API):
                raise self._failure(repository, response, f"referrers of {digest}", deadline)
            return response

        try:
            return referrers.collect(f"/v2/{repository.path}/referrers/{digest}", get)
        except ParseError as error:
            raise _protocol(repository, f"its referrers of {digest}: {error.message}") from error

    def _who(self, repository: Repository, deadline: Deadline) -> str:
        """Whose credentials were used, for messages."""
        credential = self._authenticator.credential(repository, deadline)
        return f"the credentials of {credential.source}" if credential else "no credentials"

    def _ask(
        self, method: str, repository: Repository, path: str, headers: dict[str, str], limit: int, deadline: Deadline
    ) -> Response:
        url = self._hosts.base_url(repository.registry) + path
        authorization = self._authenticator.known(repository, deadline)
        response = self._transport.send(_with(method, url, limit, headers, authorization), deadline)
        if response.status != _UNAUTHORIZED or not response.url.startswith(url.removesuffix(path) + "/"):
            return response  # what a redirect's target asks for is not the registry's word
        challenges = parse_challenges(response.headers.get("www-authenticate", ""))
        fresh = self._authenticator.answer(repository, challenges, authorization, deadline)
        if fresh is None or fresh == authorization:
            return response
        return self._transport.send(_with(method, url, limit, headers, fresh), deadline)

    def _failure(
        self, repository: Repository, response: Response, what: str, deadline: Deadline
    ) -> EvidenceUnavailable:
        who = self._who(repository, deadline)
        code = _CODES.get(response.status, Code.REGISTRY_UNREACHABLE)
        remedy = "retry"
        if code is Code.REGISTRY_UNAUTHORIZED:
            remedy = f"docker login {repository.registry}"
        elif code is Code.REGISTRY_RATE_LIMITED:
            after = response.headers.get("retry-after", "")
            remedy = f"retry in {after} s" if after.isdecimal() else "retry later"
        return EvidenceUnavailable(
            code,
            f"{repository.registry} answered {response.status} for {what} of repository {repository.path} with {who}",
            remedy=remedy,
        )


def _with(method: str, url: str, limit: int, headers: dict[str, str], authorization: str | None) -> Request:
    return Request(method, url, limit, {**headers, "Authorization": authorization} if authorization else headers)


def _protocol(repository: Repository, message: str) -> EvidenceUnavailable:
    return EvidenceUnavailable(
        Code.REGISTRY_PROTOCOL, f"{repository.registry} (repository {repository.path}): {message}", remedy=""
    )
