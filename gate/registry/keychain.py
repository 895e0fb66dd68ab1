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

    from gate.image.reference import Repository

MAX_CONFIG: Final = 1024 * 1024
_HELPER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_HUB_KEY: Final = "https://index.docker.io/v1/"
_KEPT_SECONDS: Final = 60.0
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

    def find(self, repository: Repository) -> Credential | None:
        """The credentials for a repository; None asks anonymously."""


@dataclass(frozen=True, slots=True)
class Anonymous:
    """No credentials for anybody."""

    def find(self, repository: Repository) -> Credential | None:
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

    def find(self, repository: Repository) -> Credential | None:
        """credHelpers before credsStore before auths, as docker does; the longest matching auths key first."""
        helper = self._helper(repository.registry)
        if helper is not None:
            return _ask_helper(helper, repository.registry)
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
                username, _, password = base64.b64decode(padded).decode().rstrip("\0").partition(":")
            except (binascii.Error, ValueError) as error:
                raise EvidenceUnavailable(
                    Code.REGISTRY_UNAUTHORIZED,
                    f"the entry for {key[:200]} in {self.source} is not readable",
                    remedy=f"docker login {_host_of(key)}",
                ) from error
        if not (password or auth.identitytoken or auth.registrytoken):
            return None
        return Credential(self.source, username, password, auth.identitytoken, auth.registrytoken)


@dataclass(frozen=True, slots=True)
class Chain:
    """The first keychain that has credentials answers."""

    keychains: Sequence[Keychain]

    def find(self, repository: Repository) -> Credential | None:
        """The first credentials found, in order."""
        return next((c for keychain in self.keychains if (c := keychain.find(repository)) is not None), None)


class Remembering:
    """Keeps a keychain's answers for a minute: credential helpers are processes, and reviews ask for each image."""

    def __init__(self, keychain: Keychain, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds."""
        self._keychain = keychain
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[Repository, tuple[Credential | None, float]] = {}

    def find(self, repository: Repository) -> Credential | None:
        """What the keychain says, or said within the last minute."""
        kept = self._kept.get(repository)
        if kept is not None and kept[1] > self._clock():
            return kept[0]
        found = self._keychain.find(repository)
        with self._lock:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[repository] = (found, self._clock() + _KEPT_SECONDS)
        return found


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


def _ask_helper(helper: str, registry: str) -> Credential | None:
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
            [source, "get"], input=server.encode(), capture_output=True, timeout=_HELPER_SECONDS, check=False
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
    try:
        answer = msgspec.json.decode(done.stdout[:MAX_CONFIG], type=_HelperAnswer)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EvidenceUnavailable(
            Code.REGISTRY_UNAUTHORIZED, f"the credential helper {source} gave no credentials for {registry}"
        ) from error
    if not answer.Secret:
        return None
    if answer.Username == "<token>":
        return Credential(source, identity_token=answer.Secret)
    return Credential(source, answer.Username, answer.Secret)
