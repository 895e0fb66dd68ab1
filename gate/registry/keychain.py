"""Which credentials answer for a repository, from docker's config.json and podman's auth.json.

Secrets never leave this module but in the `Authorization` header: their `repr` is empty and messages name the source.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import subprocess
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from gate.codes import Code
from gate.errors import EvidenceUnavailable, ParseError, UsageError
from gate.image.reference import DOCKER_HUB, canonical_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from gate.deadline import Deadline
    from gate.image.reference import Repository

MAX_CONFIG: Final = 1024 * 1024
_TOKEN: Final = re.compile(r"[!-~]{1,16384}", re.ASCII)  # what a header may hold (RFC 9110, 5.5)
_HELPER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_HUB_KEY: Final = "https://index.docker.io/v1/"
_KEPT_SECONDS: Final = 60.0
_FAILURE_SECONDS: Final = 5.0
_MOST_KEPT: Final = 10_000
_HELPER_SECONDS: Final = 15
_NOT_FOUND: Final = "credentials not found in native keychain"


@dataclass(frozen=True, slots=True)
class Credential:
    """How to answer a registry's challenge.

    Attributes:
        source: where it comes from, for messages.
        username: of Basic, with `password`.
        password: the secret.
        identity_token: an OAuth2 refresh token, instead of both.
        registry_token: a bearer token to send as it is, instead of all.
    """

    source: str
    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    @property
    def scope(self) -> str:
        """Tells credentials apart in cache keys without containing them."""
        secret = f"{self.username}\0{self.password}\0{self.identity_token}\0{self.registry_token}"
        return hashlib.sha256(secret.encode()).hexdigest()[:16]

    @property
    def basic(self) -> str:
        """The value of a Basic `Authorization` header."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


class Keychain(Protocol):
    """Finds credentials."""

    def find(self, repository: Repository, deadline: Deadline) -> Credential | None:
        """The credentials for a repository; None asks anonymously."""


@dataclass(frozen=True, slots=True)
class Anonymous:
    """No credentials for anybody."""

    def find(self, repository: Repository, deadline: Deadline) -> Credential | None:
        """None."""
        return None


class _Auth(msgspec.Struct):
    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""
    registrytoken: str = ""


class _Config(msgspec.Struct):
    auths: dict[str, _Auth] | None = None
    credsStore: str | None = None
    credHelpers: dict[str, str] | None = None


class _HelperAnswer(msgspec.Struct):
    Username: str = ""
    Secret: str = ""


@dataclass(frozen=True, slots=True)
class DockerConfig:
    """One config.json or auth.json, read once."""

    source: str
    _config: _Config = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> DockerConfig:
        """Read a file.

        Raises:
            UsageError: it cannot be read or is not such a file.
        """
        try:
            with path.open("rb") as file:
                content = file.read(MAX_CONFIG + 1)
            if len(content) > MAX_CONFIG:
                raise UsageError(f"{path} has more than {MAX_CONFIG} bytes", remedy="is it a docker config.json?")
            return cls(str(path), msgspec.json.decode(content, type=_Config))
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}") from error
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            # The decoder's message names fields and offsets, never values.
            raise UsageError(f"{path} is not a docker config.json: {error}") from error

    def find(self, repository: Repository, deadline: Deadline) -> Credential | None:
        """credHelpers before credsStore before auths, as docker does; the longest matching auths key first."""
        helper = self._helper(repository.registry)
        if helper is not None:
            return _ask_helper(helper, repository.registry, deadline)
        for key in _keys_for(repository, tuple(self._config.auths or ())):
            return self._stored(key, (self._config.auths or {})[key])
        return None

    def _helper(self, registry: str) -> str | None:
        for key, helper in (self._config.credHelpers or {}).items():
            if _host_of(key) == registry:
                return helper
        return self._config.credsStore or None

    def _stored(self, key: str, auth: _Auth) -> Credential | None:
        username, password = auth.username, auth.password
        if auth.auth:
            try:
                padded = auth.auth + "=" * (-len(auth.auth) % 4)
                username, colon, password = base64.b64decode(padded).decode().rstrip("\0").partition(":")
                if not colon:
                    raise ValueError("it is not user:password")
            except (binascii.Error, ValueError) as error:
                raise EvidenceUnavailable(
                    Code.REGISTRY_UNAUTHORIZED,
                    f"the entry for {key[:200]} in {self.source} is not readable",
                    remedy=f"docker login {_host_of(key)}",
                ) from error
        if not (password or auth.identitytoken or auth.registrytoken):
            return None
        if auth.registrytoken and not _TOKEN.fullmatch(auth.registrytoken):
            raise EvidenceUnavailable(
                Code.REGISTRY_UNAUTHORIZED,
                f"the registrytoken for {key[:200]} in {self.source} is no token",
                remedy=f"docker login {_host_of(key)}",
            )
        return Credential(self.source, username, password, auth.identitytoken, auth.registrytoken)


@dataclass(frozen=True, slots=True)
class Chain:
    """The first keychain that has credentials answers."""

    keychains: Sequence[Keychain]

    def find(self, repository: Repository, deadline: Deadline) -> Credential | None:
        """The first credentials found, in order."""
        found = (keychain.find(repository, deadline) for keychain in self.keychains)
        return next((credential for credential in found if credential is not None), None)


@dataclass(frozen=True, slots=True)
class _Remembered:
    """What a keychain said, or why it could not."""

    until: float
    credential: Credential | None
    failure: EvidenceUnavailable | None = None


class Remembering:
    """Keeps a keychain's answers for a minute, failures for seconds: helpers are processes, and reviews ask often."""

    def __init__(self, keychain: Keychain, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds."""
        self._keychain = keychain
        self._clock = clock
        self._lock = threading.Lock()
        self._turns: dict[Repository, threading.Lock] = {}
        self._kept: dict[Repository, _Remembered] = {}

    def at_hand(self, repository: Repository) -> _Remembered | None:
        """What is remembered of a repository; nobody is asked."""
        kept = self._kept.get(repository)
        return kept if kept is not None and kept.until > self._clock() else None

    def find(self, repository: Repository, deadline: Deadline) -> Credential | None:
        """What the keychain says, or said within the last minute; one thread at a time asks it of a repository."""
        kept = self.at_hand(repository)
        if kept is None:
            with self._lock:
                if len(self._turns) >= _MOST_KEPT:
                    self._turns.clear()
                turn = self._turns.setdefault(repository, threading.Lock())
            if not turn.acquire(timeout=max(0.0, deadline.remaining())):
                raise EvidenceUnavailable(
                    Code.DEADLINE_EXCEEDED,
                    f"the time allowed ran out while waiting for the credentials of {repository}",
                )
            try:
                kept = self.at_hand(repository) or self._ask(repository, deadline)
            finally:
                turn.release()
        if kept.failure is not None:
            # Anew each time: an exception that is raised again collects the traces of all who raised it.
            raise EvidenceUnavailable(kept.failure.code, kept.failure.message, remedy=kept.failure.remedy)
        return kept.credential

    def _ask(self, repository: Repository, deadline: Deadline) -> _Remembered:
        try:
            kept = _Remembered(self._clock() + _KEPT_SECONDS, self._keychain.find(repository, deadline))
        except EvidenceUnavailable as failure:
            kept = _Remembered(self._clock() + _FAILURE_SECONDS, None, failure)
            if deadline.remaining() <= 0:
                return kept  # it had no time: that says nothing to those who have
        with self._lock:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[repository] = kept
        return kept


def _host_of(key: str) -> str:
    """The canonical host of a key: `ghcr.io`, `https://index.docker.io/v1/`, `host:5000/namespace`."""
    host = key.removeprefix("https://").removeprefix("http://").partition("/")[0]
    try:
        return canonical_registry(host)
    except ParseError:
        return ""


def _keys_for(repository: Repository, keys: Sequence[str]) -> list[str]:
    """The keys that cover a repository, the most specific first.

    Docker's keys are hosts (with a scheme and path for old registries), podman's may go on with whole segments of
    the repository (containers-auth.json(5)).
    """
    found: list[tuple[int, str]] = []
    for key in keys:
        if _host_of(key) != repository.registry:
            continue
        path = "" if "://" in key else key.partition("/")[2].rstrip("/")
        if path in ("", "v1", "v2"):
            found.append((0, key))
        elif f"{repository.path}/".startswith(f"{path}/"):
            found.append((len(path), key))
    return [key for _, key in sorted(found, key=lambda entry: -entry[0])]


def _ask_helper(helper: str, registry: str, deadline: Deadline) -> Credential | None:
    """Run `docker-credential-<helper> get` (docker/docker-credential-helpers)."""
    source = f"docker-credential-{helper}"
    if not _HELPER.fullmatch(helper):
        raise EvidenceUnavailable(
            Code.REGISTRY_UNAUTHORIZED,
            f"{helper[:100]!r} is not the name of a credential helper",
            remedy="mend config.json",
        )
    server = _HUB_KEY if registry == DOCKER_HUB else registry
    try:
        done = subprocess.run(
            [source, "get"],
            input=server.encode(),
            capture_output=True,
            timeout=min(_HELPER_SECONDS, deadline.check(f"asking the credential helper {source}")),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        why = "is not installed" if isinstance(error, FileNotFoundError) else "did not answer"
        raise EvidenceUnavailable(
            Code.REGISTRY_UNAUTHORIZED, f"the credential helper {source} {why}", remedy="install it or mend config.json"
        ) from error
    if done.returncode != 0:
        if _NOT_FOUND.encode() in done.stdout:
            return None
        raise EvidenceUnavailable(
            Code.REGISTRY_UNAUTHORIZED,
            f"the credential helper {source} failed for {registry} (exit {done.returncode})",
            remedy=f"docker login {registry}",
        )
    return _helper_credential(source, done.stdout, registry)


def _helper_credential(source: str, output: bytes, registry: str) -> Credential | None:
    try:
        answer = msgspec.json.decode(output[:MAX_CONFIG], type=_HelperAnswer)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EvidenceUnavailable(
            Code.REGISTRY_UNAUTHORIZED, f"the credential helper {source} gave no credentials for {registry}"
        ) from error
    if not answer.Secret:
        return None
    if answer.Username == "<token>":
        return Credential(source, identity_token=answer.Secret)
    return Credential(source, answer.Username, answer.Secret)
