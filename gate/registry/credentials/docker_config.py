"""docker's config.json and podman's auth.json: credentials as people log in."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from gate.codes import Code
from gate.errors import EvidenceUnavailable, ParseError, UsageError
from gate.image.reference import canonical_registry
from gate.local import read_local
from gate.registry.credentials.credential import Credential, decode_basic, is_token
from gate.registry.credentials.sharing import Sharing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gate.deadline import Deadline
    from gate.image.reference import Repository

MAX_CONFIG: Final = 1024 * 1024


class _Auth(msgspec.Struct):
    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""
    registrytoken: str = ""


class _Config(msgspec.Struct):
    auths: dict[str, _Auth | None] | None = None  # null is what docker reads as nothing, wherever it stands
    credsStore: str | None = None
    credHelpers: dict[str, str | None] | None = None


# What msgspec knows of a type it finds out when it first meets it, and two threads that do so at once end the process:
# a decoder that is made here has it found out before there are any.
_CONFIG: Final = msgspec.json.Decoder(_Config)


@dataclass(frozen=True, slots=True)
class DockerConfig:
    """What one such text says.

    Attributes:
        source: where it is from, for messages.
    """

    source: str
    _config: _Config = field(repr=False)
    _sharing: Sharing = field(repr=False, compare=False)

    @classmethod
    def parse(cls, content: bytes, source: str, sharing: Sharing | None = None) -> DockerConfig:
        """Read the text of a file, or of DOCKER_AUTH_CONFIG; `sharing` asks its helpers.

        Raises:
            UsageError: it is no such text. The message holds nothing of it.
        """
        if len(content) > MAX_CONFIG:
            raise UsageError(f"{source} has more than {MAX_CONFIG} bytes", remedy="is it a docker config.json?")
        try:
            return cls(source, _CONFIG.decode(content), sharing or Sharing())
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            # The decoder's message names fields and offsets, never values.
            raise UsageError(f"{source} is not a docker config.json: {error}") from error

    def find(self, repository: Repository, deadline: Deadline) -> tuple[Credential, ...]:
        """credHelpers before credsStore before auths, as docker does; of auths the longest key that matches."""
        helper = self._helper(repository.registry)
        if helper is not None:
            return self._sharing.find(helper, repository.registry, deadline)
        auths = {key: auth for key, auth in (self._config.auths or {}).items() if auth is not None}
        key = next(iter(_keys_for(repository, tuple(auths))), None)
        found = None if key is None else self._stored(key, auths[key])
        return () if found is None else (found,)

    def forget(self, repository: Repository) -> None:
        """Have its helper asked anew; a text does not change."""
        helper = self._helper(repository.registry)
        if helper is not None:
            self._sharing.renew(helper, repository.registry)

    def _helper(self, registry: str) -> str | None:
        """Whom to ask; None for what is in the file. An empty name says so of one registry, whatever credsStore is."""
        for key, helper in (self._config.credHelpers or {}).items():
            if _host_of(key) == registry:
                return helper or None
        return self._config.credsStore or None

    def _stored(self, key: str, auth: _Auth) -> Credential | None:
        username, password = auth.username, auth.password
        if auth.auth:
            try:
                username, password = decode_basic(auth.auth)
            except ParseError as error:
                raise self._unusable(key, f"the entry for {key[:200]} in {self.source} is not readable") from error
        if not (password or auth.identitytoken or auth.registrytoken):
            return None
        if auth.registrytoken and not is_token(auth.registrytoken):
            raise self._unusable(key, f"the registrytoken for {key[:200]} in {self.source} is no token")
        return Credential(self.source, username, password, auth.identitytoken, auth.registrytoken)

    @staticmethod
    def _unusable(key: str, message: str) -> EvidenceUnavailable:
        return EvidenceUnavailable(Code.REGISTRY_UNAUTHORIZED, message, remedy=f"docker login {_host_of(key)}")


class DockerConfigFile:
    """Such a file, read again when it has changed: logins are renewed while a process runs. Thread-safe."""

    def __init__(self, path: Path, source: str, deadline: Deadline | None = None) -> None:
        """Read it; `source` is what messages call it.

        Raises:
            UsageError: it cannot be read or is no such file.
            EvidenceUnavailable: DEADLINE_EXCEEDED: it is a pipe; without a deadline those are no such files.
        """
        self._path = path
        self._source = source
        self._lock = threading.Lock()
        self._sharing = Sharing()
        self._version = self._stat()
        self._config = self._read(deadline)
        self._again = False

    def find(self, repository: Repository, deadline: Deadline) -> tuple[Credential, ...]:
        """As `DockerConfig.find`, of the file as it is now."""
        return self._current(deadline).find(repository, deadline)

    def forget(self, repository: Repository) -> None:
        """Read it anew the next time, whatever its times say, and have its helper asked anew."""
        with self._lock:
            self._again = True
            self._config.forget(repository)

    def _current(self, deadline: Deadline) -> DockerConfig:
        with self._lock:
            version = self._stat()
            if self._again or version is None or version != self._version:
                try:
                    self._config = self._read(deadline)
                except UsageError as error:
                    raise EvidenceUnavailable(
                        Code.REGISTRY_UNAUTHORIZED, error.message, remedy=f"mend {self._source}"
                    ) from error
                if version != self._version:
                    self._sharing.drop()  # `docker login` writes what it has a helper keep here, too
                self._version, self._again = version, False
            return self._config

    def _stat(self) -> tuple[int, int, int] | None:
        """What changes with it: a file that is written anew, or a link that leads elsewhere (mounted Secrets)."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return (found.st_ino, found.st_size, found.st_mtime_ns)

    def _read(self, deadline: Deadline | None) -> DockerConfig:
        try:
            return DockerConfig.parse(read_local(self._path, MAX_CONFIG, deadline), self._source, self._sharing)
        except OSError as error:
            raise UsageError(f"{self._source} cannot be read: {error.strerror}") from error


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
