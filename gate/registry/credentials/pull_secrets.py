"""Which credentials of Kubernetes image pull secrets answer for a repository: kubelet's rules (pkg/credentialprovider).

The gate then asks a registry with what the node would pull with. Kubelet reads user and password of an entry and no
token, matches hosts by label, paths by their first characters, and tries every match in turn.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import msgspec

from gate.errors import ParseError
from gate.image.reference import DOCKER_HUB
from gate.registry.credentials.credential import Credential

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gate.deadline import Deadline
    from gate.image.reference import Repository

MAX_SECRET: Final = 1024 * 1024
"""Bytes of one secret that are read; Kubernetes stores none that is larger."""

MAX_ENTRIES: Final = 1000
"""Registries of all secrets together."""

_DOCKER_CONFIG_JSON: Final = "kubernetes.io/dockerconfigjson"
_FIELDS: Final = {_DOCKER_CONFIG_JSON: ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}
_HUB_KEY: Final = "index.docker.io"
_HOST: Final = re.compile(r"(?P<name>[A-Za-z0-9._*-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]*))?", re.ASCII)
_USERINFO: Final = re.compile(r"(?:[A-Za-z0-9._:~!$&'()*+,;=@-]|%[0-9A-Fa-f]{2})*", re.ASCII)
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", re.ASCII)
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class PullSecret:
    """A secret that a Pod or its ServiceAccount names.

    Attributes:
        namespace: of the Pod.
        name: of the secret.
        type: as the API server says; "" for one that is not there.
        data: by field, base64 decoded; None where there is no such secret.
    """

    namespace: str
    name: str
    type: str = ""
    data: Mapping[str, bytes] | None = field(default=None, repr=False, hash=False)

    @property
    def source(self) -> str:
        """What messages call it."""
        return f"secret {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class _Key:
    """What an entry stands for.

    Attributes:
        text: host and path; the entries' order.
        name: the host in lower case, each label with any number of `*`.
        port: "" for none and for 443.
        path: "", or what a repository's path starts with, with its slash.
    """

    text: str
    name: str
    port: str
    path: str

    @classmethod
    def parse(cls, text: str) -> _Key | None:
        """Read a key as kubelet does; None for what can match nothing."""
        scheme = next((scheme for scheme in ("https://", "http://") if text.startswith(scheme)), "")
        once = _split(text.removeprefix(scheme))
        if once is None:
            return None
        host, path = once
        if path.startswith(("/v1/", "/v2/")):
            path = path[len("/v1") :]
        key = host.lower() + (path if path != "/" else "")
        twice = _split(key)  # kubelet does: what was `%3F` is a `?` by now
        if twice is None:
            return None
        name, port = _name_port(twice[0])
        return cls(key, name, port, twice[1])

    def matches(self, name: str, port: str, path: str) -> bool:
        """Whether a repository's host, port and path (with its slash) are covered."""
        patterns, labels = self.name.split("."), name.split(".")
        return (
            self.port == port
            and len(patterns) == len(labels)
            and path.startswith(self.path)
            and all(_glob(pattern, label) for pattern, label in zip(patterns, labels, strict=True))
        )


@dataclass(frozen=True, slots=True)
class _Entry:
    """A key and what it answers with; None for an entry that has nothing to say."""

    key: _Key
    credential: Credential | None


@dataclass(frozen=True, slots=True)
class PullSecrets:
    """The readable entries of some secrets.

    Attributes:
        problems: what could not be read, a line each, which names the secret and nothing that is in it.
    """

    problems: tuple[str, ...] = ()
    _entries: tuple[_Entry, ...] = field(default=(), repr=False)

    @classmethod
    def parse(cls, secrets: Iterable[PullSecret]) -> PullSecrets:
        """Read secrets in the order that the Pod names them.

        One that is missing or malformed is a problem and no error: the others, or none, may do.
        """
        entries: list[_Entry] = []
        problems: list[str] = []
        for secret in secrets:
            try:
                accounts = _accounts(secret)
                if len(entries) + len(accounts) > MAX_ENTRIES:
                    raise ParseError(f"with it there would be more than {MAX_ENTRIES} registries")
                read = [(_Key.parse(text), _credential(secret, account)) for text, account in accounts.items()]
            except ParseError as error:
                problems.append(f"{secret.source}: {error}")
                continue
            entries += [_Entry(key, credential) for key, credential in read if key is not None]
            unknown = sum(key is None for key, _ in read)
            if unknown:
                problems.append(f"{secret.source}: {unknown} of the {len(read)} registries it names cannot be one")
        # Longer keys before those they start with; of one key, the first secret's before the next one's.
        ordered = sorted(entries, key=lambda entry: entry.key.text, reverse=True)
        return cls(tuple(problems), tuple(ordered))

    def forget(self, repository: Repository) -> None:
        """Nothing: secrets are given, and whoever gave them gives them anew."""

    def find(self, repository: Repository, deadline: Deadline) -> tuple[Credential, ...]:
        """Every credential for a repository, to be tried in turn; none asks anonymously.

        Hosts are compared as `Repository` has them: in lower case and without 443, of which kubelet knows nothing.
        """
        name, port = _name_port(repository.registry)
        found = [entry for entry in self._entries if entry.key.matches(name, port, f"/{repository.path}")]
        if not found and repository.registry == DOCKER_HUB:
            # What `docker login` writes for the Hub. Kubelet also takes it for `localhost/…`: nothing to imitate.
            found = [entry for entry in self._entries if entry.key.text == _HUB_KEY]
        return tuple(entry.credential for entry in found if entry.credential is not None)


def _accounts(secret: PullSecret) -> dict[str, msgspec.Raw]:
    """The entries of a secret by key, undecoded.

    Raises:
        ParseError: it is missing, of another type, too large or malformed.
    """
    if secret.data is None:
        raise ParseError("it is not there", remedy="create it, or take it out of imagePullSecrets")
    name = _FIELDS.get(secret.type)
    if name is None:
        raise ParseError(
            f"it has the type {secret.type[:100]!r}, not {' or '.join(_FIELDS)}",
            remedy="make it with kubectl create secret docker-registry",
        )
    content = secret.data.get(name, b"")
    if not content:
        raise ParseError(f"it has no {name}", remedy="make it with kubectl create secret docker-registry")
    if len(content) > MAX_SECRET:
        raise ParseError(f"its {name} has more than {MAX_SECRET} bytes")
    return _object(_object(content, lower=True).get("auths") if secret.type == _DOCKER_CONFIG_JSON else content)


def _credential(secret: PullSecret, account: msgspec.Raw) -> Credential | None:
    """What an entry answers with: `auth` before `username` and `password`.

    Raises:
        ParseError: malformed. One such entry makes all of a secret unreadable to kubelet, too.
    """
    members = _object(account, lower=True)
    auth, username, password = (_text(members.get(name)) for name in ("auth", "username", "password"))
    if auth:
        username, password = _decoded(auth)
    return Credential(secret.source, username, password) if username or password else None


def _object(content: bytes | msgspec.Raw | None, *, lower: bool = False) -> dict[str, msgspec.Raw]:
    """The members of a JSON object, none of null; by names in lower case where Go reads them regardless of it."""
    try:
        members = msgspec.json.decode(content or b"null", type=dict[str, msgspec.Raw] | None) or {}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed() from error
    return {name.lower(): value for name, value in members.items()} if lower else members


def _text(content: msgspec.Raw | None) -> str:
    try:
        return msgspec.json.decode(content or b"null", type=str | None) or ""
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _malformed() from error


def _decoded(auth: str) -> tuple[str, str]:
    """User and password of an `auth`: base64, padded or not, of `user:password`."""
    text = auth.translate({ord("\r"): None, ord("\n"): None})
    if "=" not in text:
        text += "=" * (-len(text) % 4)
    try:
        if not _BASE64.fullmatch(text):
            raise ValueError("b64decode takes padding that is too long")
        decoded = base64.b64decode(text).decode()
    except ValueError:
        # Not `from` it: UnicodeDecodeError holds the password.
        raise ParseError("an auth in it is not base64 of text", remedy="make it anew") from None
    username, colon, password = decoded.rstrip("\0").partition(":")
    if not colon:
        raise ParseError("an auth in it is not base64 of user:password", remedy="make it anew")
    return username, password


def _malformed() -> ParseError:
    return ParseError("it is not a docker config", remedy="make it with kubectl create secret docker-registry")


def _split(text: str) -> tuple[str, str] | None:
    """Host and decoded path of a URL without its scheme, as Go's url.Parse; None where it has none."""
    before, _, fragment = text.partition("#")
    authority, slash, path = before.partition("?")[0].partition("/")
    userinfo, _, host = authority.rpartition("@")
    if not (_USERINFO.fullmatch(userinfo) and _HOST.fullmatch(host)) or _BAD_ESCAPE.search(f"{path}#{fragment}"):
        return None
    return host, unquote(slash + path)


def _name_port(host: str) -> tuple[str, str]:
    """Name and port as `Repository` has them: no leading zeros, and 443 is none."""
    found = _HOST.fullmatch(host)
    if not found:
        return host, ""
    port = found["port"] or ""
    port = port.lstrip("0") or port[:1]
    return found["name"], "" if port == "443" else port


def _glob(pattern: str, label: str) -> bool:
    """Whether a label matches, `*` being any characters; linear, whatever a secret's author writes."""
    first, *others = pattern.split("*")
    if not others:
        return pattern == label
    *middle, last = others
    if not label.startswith(first):
        return False
    start = len(first)
    for part in middle:
        at = label.find(part, start)
        if at < 0:
            return False
        start = at + len(part)
    return len(label) - start >= len(last) and label.endswith(last)
