"""What the fake registries have in common; the registries themselves are in `tests.fakes.registry_vendors`.

A fake is a server on a free port of loopback that answers as one registry does: its challenge, its token service,
what it says of private repositories and expired tokens, its quirks. Content is a `MemoryRepository` with real digests.

    with Ghcr() as ghcr:
        digest = ghcr.repository("acme/api", private=True).image("v1", "one")
        with ghcr.client(ghcr.good()) as client:
            assert client.resolve(ghcr.named("acme/api"), "v1", soon()) == digest
        assert ghcr.log[0] == Logged("ghcr.io", "HEAD", "/v2/acme/api/manifests/v1", "", 401)

It can be reached in three ways; its realm follows the one that was used:

* `fake.named(path)`: under its own name, `ghcr.io`, over TLS on port 443, with `fake.client(…)` or `client_for(…)`:
  see `tests.fakes.loopback`. The way to test whatever depends on a host's name.
* `fake.at(path)`: `127.0.0.1:PORT` over plain HTTP, with any client that is given `Hosts(insecure={fake.host})`, so
  also through the command line (`--insecure-registry`). Everything is then on that one host, blobs included: the gate
  takes no token from another host over plain HTTP.
* `Repository(fake.with_port, path)`: `ghcr.io:PORT` over plain HTTP, with `Hosts(insecure={fake.with_port})` and
  `everything_is_loopback` as the transport's resolver. To the gate that is no longer `ghcr.io`.

Credentials: `good()` may read everything, `wrong()` never could, `stale()` could once, `stranger()` is known but may
read no private repository. Everything secret that a fake has ever given out is in `fake.secrets`.

Faults: `fail(500, times=2)`, `fail(429, where="/manifests/", headers=…)`, `heal()`, `expire_tokens()`, `down()`,
`up()`; time passes with `fake.clock.advance(seconds)`, which is also the clock of `fake.client(…)`. What its client
would wait for a busy registry is in `fake.pauses`, and is not waited for.
"""

from __future__ import annotations

import base64
import binascii
import json
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from gate.demo.images import referrers_of
from gate.errors import ParseError
from gate.image.digest import Digest
from gate.image.manifest import OCI_INDEX
from gate.image.reference import Repository
from gate.registry.client import RegistryClient
from gate.registry.credentials.credential import Credential
from gate.registry.credentials.keychain import Remembering
from gate.registry.guard.hosts import Hosts
from tests.fakes.clients import Held
from tests.fakes.clock import SettableClock
from tests.fakes.loopback import LOOPBACK, Listener, LoopbackTransport, certificate_for
from tests.fakes.registry_simulator import MemoryRepository
from tests.fakes.scripted_server import Reply, as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate.registry.credentials.credential import Keychain
    from tests.fakes.scripted_server import Asked

SOURCE: Final = "/home/u/.docker/config.json"
"""Where the credentials of `good()` and its like say that they are from."""

_KINDS: Final = frozenset({"manifests", "blobs", "referrers", "tags"})
_STORAGE: Final = "/storage/"
_SIGNATURE: Final = "X-Signature"  # of a storage URL, instead of an Authorization header


@dataclass(frozen=True, slots=True)
class Logged:
    """A request and its answer. `scheme` is the Authorization header's, in lower case; what follows is not kept."""

    host: str
    method: str
    path: str
    scheme: str
    status: int


@dataclass(slots=True)
class _Fault:
    status: int
    left: int | None
    where: str
    headers: tuple[tuple[str, str], ...]
    method: str


class Content:
    """The repositories of a fake, and what is said of them to those who may read them."""

    referrers_api: bool = True
    listing_type: str = OCI_INDEX
    digest_header: bool = True

    def __init__(self) -> None:
        self.repositories: dict[str, MemoryRepository] = {}
        self.private: set[str] = set()

    def repository(self, path: str, *, private: bool = False) -> MemoryRepository:
        """A repository, made on first use."""
        if private:
            self.private.add(path)
        return self.repositories.setdefault(path, MemoryRepository())

    def listing(self, memory: MemoryRepository, subject: Digest) -> bytes:
        """The referrers of a digest."""
        return referrers_of(subject, list(memory.manifests.values()))

    def read(self, path: str, kind: str, last: str) -> Reply:
        """What is there, to a GET or HEAD that is allowed."""
        memory = self.repositories.get(path)
        if memory is None:
            return refusal(404, "NAME_UNKNOWN", "repository name not known to registry")
        try:
            match kind:
                case "manifests":
                    return self._manifest(memory, last)
                case "referrers" if self.referrers_api:
                    return Reply(200, (), self.listing(memory, Digest.parse(last)), self.listing_type)
                case "blobs":
                    digest = Digest.parse(last)
                    content = memory.blobs.get(digest)
                    return refusal(404, "BLOB_UNKNOWN") if content is None else self._content(digest, content, "")
                case "tags" if last == "list":
                    return as_json({"name": path, "tags": sorted(memory.tags)})
                case _:
                    return Reply(404, (), b"404 page not found\n", "text/plain")
        except ParseError:
            return refusal(400, "DIGEST_INVALID")

    def _manifest(self, memory: MemoryRepository, target: str) -> Reply:
        content = memory.content(Digest.parse(target) if ":" in target else target)
        if content is None and not self.referrers_api and target.startswith("sha256-"):
            content = self._fallback(memory, target)
        if content is None:
            return refusal(404, "MANIFEST_UNKNOWN", "manifest unknown")
        return self._content(Digest.of(content), content, str(json.loads(content)["mediaType"]))

    def _content(self, digest: Digest, content: bytes, media_type: str) -> Reply:
        headers = (("Docker-Content-Digest", str(digest)),) if self.digest_header else ()
        return Reply(200, headers, content, media_type or "application/octet-stream")

    @staticmethod
    def _fallback(memory: MemoryRepository, tag: str) -> bytes | None:
        """What cosign pushes to registries without the referrers API."""
        try:
            subject = Digest.parse(tag.replace("-", ":", 1))
        except ParseError:
            return None
        index = referrers_of(subject, list(memory.manifests.values()), fallback=True)
        return index if json.loads(index)["manifests"] else None


class FakeRegistry(Content):
    """Use as a context manager. See the module.

    Attributes:
        registry: its name in references.
        api: the host of its API, where that is another.
        others: further hosts that are its.
        storage: the host that blobs are redirected to; "" for none.
        log: each request with its answer.
        clock: by which tokens end.
        secrets: what must be in no message.
        pauses: the seconds that its client would have waited.
        host: `127.0.0.1:PORT`.
    """

    registry: str = ""
    api: str = ""
    others: tuple[str, ...] = ()
    storage: str = ""

    def __init__(self, clock: SettableClock | None = None) -> None:
        super().__init__()
        self.clock = clock or SettableClock()
        self.secrets: set[str] = set()
        self.log: list[Logged] = []
        self.pauses: list[float] = []
        self.asked: list[Asked] = []  # the server's own record, secrets and all
        self._faults: list[_Fault] = []
        self._over = ExitStack()
        self._pair = (Path(), Path())
        self._listener: Listener | None = None
        self.port = 0

    def __enter__(self) -> Self:
        folder = self._over.enter_context(tempfile.TemporaryDirectory(prefix="fake-registry-"))
        self._pair = certificate_for(Path(folder), self.names)
        self.up()
        self._over.callback(self.down)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.close()

    # where it is

    @property
    def names(self) -> tuple[str, ...]:
        """Its hosts: the API first."""
        return tuple(name for name in (self.api or self.registry, *self.others, self.storage) if name)

    @property
    def host(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def with_port(self) -> str:
        return f"{self.registry.partition(':')[0]}:{self.port}"

    def named(self, path: str) -> Repository:
        return Repository(self.registry, path)

    def at(self, path: str) -> Repository:
        return Repository(self.host, path)

    @property
    def authority(self) -> str:
        """The CA file of its certificate."""
        return str(self._pair[0])

    @contextmanager
    def client(
        self, credential: Credential | None = None, *, keychain: Keychain | None = None
    ) -> Iterator[RegistryClient]:
        """A client that reaches it by name and by address, with one credential, a keychain, or none."""
        with client_for(self, keychain=keychain or Held(credential)) as client:
            yield client

    # what tests do to it

    def fail(
        self,
        status: int,
        times: int | None = 1,
        *,
        where: str = "",
        method: str = "",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Answer with an error instead, so many times (None: until `heal`), to what has `where` in its path."""
        self._faults.append(_Fault(status, times, where, headers, method))

    def heal(self) -> None:
        self._faults.clear()

    def down(self) -> None:
        """Refuse connections, and drop those there are."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None

    def up(self) -> None:
        """Listen: on the same port as before."""
        if self._listener is None:
            self._listener = Listener(self, *self._pair, self.port)
            self.port = self._listener.port

    # whom it lets in

    def good(self) -> Credential:
        raise NotImplementedError

    def wrong(self) -> Credential:
        return self.credential("nobody", "wr0ng-passw0rd")

    def credential(self, username: str, password: str) -> Credential:
        """Both as a Credential; the password, alone and encoded, is secret from now on."""
        found = Credential(SOURCE, username, password)
        self.secrets |= {password, found.basic.removeprefix("Basic ")}
        return found

    def admit(self, asked: Asked, path: str) -> Reply | None:
        """Why a repository may not be read with this request; None where it may."""
        raise NotImplementedError

    def special(self, asked: Asked) -> Reply | None:
        """The answer of something that is not the registry's API: a token service."""
        return None

    # what it says

    @property
    def script(self) -> Callable[[Asked], Reply]:
        return self._logged

    def _logged(self, asked: Asked) -> Reply:
        reply = self._fault(asked) or self.answer(asked)
        scheme = (asked.authorization or "").partition(" ")[0].lower()
        self.log.append(Logged(asked.headers.get("host", ""), asked.method, asked.path, scheme, reply.status))
        return reply

    def _fault(self, asked: Asked) -> Reply | None:
        for fault in self._faults:
            if fault.left == 0 or fault.where not in asked.path or fault.method not in ("", asked.method):
                continue
            if fault.left is not None:
                fault.left -= 1
            code = "TOOMANYREQUESTS" if fault.status == 429 else "UNKNOWN"
            return refusal(fault.status, code, headers=fault.headers)
        return None

    def answer(self, asked: Asked) -> Reply:
        """The answer to a request, faults aside."""
        if asked.path.startswith(_STORAGE):
            return self._stored(asked)
        found = self.special(asked)
        if found is not None:
            return found
        if asked.path.rstrip("/") == "/v2":
            return self.admit(asked, "") or Reply(200, (), b"{}", "application/json")
        path, kind, last = _split(asked.path)
        if kind not in _KINDS:
            return Reply(404, (), b"404 page not found\n", "text/plain")
        refused = self.admit(asked, path)
        if refused is not None:
            return refused
        reply = self.read(path, kind, last)
        if kind == "blobs" and reply.status == 200 and self.storage and asked.headers.get("host") in self.names:
            location = f"https://{self.storage}{_STORAGE}{path}/{last}?{_SIGNATURE}=abc"
            return Reply(307, (("Location", location),))
        return reply

    def url(self, asked: Asked, name: str, path: str) -> str:
        """A URL of one of its hosts, for somebody who asked under a name; on the same host for everybody else."""
        host = asked.headers.get("host", "")
        return f"https://{name}{path}" if host in self.names else f"http://{host}{path}"

    def _stored(self, asked: Asked) -> Reply:
        """As S3 and its like: a signed URL is enough, and another way of authenticating beside it is an error."""
        if asked.authorization is not None or _SIGNATURE not in asked.query:
            return Reply(400, (), b"<Error><Code>InvalidArgument</Code></Error>", "application/xml")
        path, _, digest = asked.path.removeprefix(_STORAGE).rpartition("/")
        return self.read(path, "blobs", digest)


@dataclass(frozen=True, slots=True)
class Presented:
    """The user and password of a Basic header."""

    username: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, header: str | None) -> Presented | None:
        """None where there is no header; both empty where it is not Basic or not readable."""
        if header is None:
            return None
        scheme, _, encoded = header.partition(" ")
        try:
            text = base64.b64decode(encoded, validate=True).decode() if scheme.lower() == "basic" else ""
        except (binascii.Error, ValueError):
            text = ""
        username, _, password = text.partition(":")
        return cls(username, password)


@contextmanager
def client_for(
    *fakes: FakeRegistry, keychain: Keychain, insecure: frozenset[str] = frozenset()
) -> Iterator[RegistryClient]:
    """A client that reaches these fakes by name and address, and nothing else; its clock is the first one's."""
    authorities = {name: fake.authority for fake in fakes for name in fake.names}
    hosts = Hosts(insecure=insecure | {fake.host for fake in fakes}, authorities=authorities)
    transport = LoopbackTransport(hosts, {name: fake.port for fake in fakes for name in fake.names})
    clock, pause = fakes[0].clock, fakes[0].pauses.append
    remembering = Remembering(keychain, clock.monotonic)
    try:
        yield RegistryClient.over(transport, remembering, hosts, clock.monotonic, clock.now, pause)
    finally:
        transport.close()


def refusal(status: int, code: str, message: str = "", headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """An error as the distribution-spec writes it."""
    document = {"errors": [{"code": code, "message": message or code.lower().replace("_", " ")}]}
    return Reply(status, headers, json.dumps(document).encode(), "application/json")


def _split(path: str) -> tuple[str, str, str]:
    """`/v2/NAME/KIND/LAST`."""
    parts = path.removeprefix("/v2/").rsplit("/", 2)
    if not path.startswith("/v2/") or len(parts) != 3:
        return "", "", ""
    return parts[0], parts[1], parts[2]
