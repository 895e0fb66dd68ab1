"""A TUF repository on loopback: real metadata and signatures, and a server that can be told to misbehave."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Self

from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]
from tuf.api.metadata import (  # type: ignore[attr-defined]
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from gate.registry.guard.hosts import Hosts
from gate.registry.guard.transport import Request, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate.deadline import Deadline
    from gate.trust.tuf import Fetch

FAR: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""When metadata expires unless a test says otherwise: tuf has a clock of its own, so this is far from any today."""

PAST: Final = datetime(2001, 1, 1, tzinfo=UTC)
TARGET: Final = "trusted_root.json"
ROLES: Final = ("root", "timestamp", "snapshot", "targets")


@cache
def signer(name: str) -> CryptoSigner:
    return CryptoSigner.generate_ed25519()


@dataclass(frozen=True, slots=True)
class Odd:
    """How the server answers one path instead of with its file.

    Attributes:
        status: of HTTP.
        body: instead of the file's.
        location: of a redirect.
        drip: called before each byte of the body, which is sent byte by byte.
        drip_head: as `drip`, for the header.
        gate: waited for before the answer.
    """

    status: int = 200
    body: bytes | None = None
    location: str = ""
    drip: Callable[[], None] | None = None
    drip_head: Callable[[], None] | None = None
    gate: threading.Event | None = None


class TufServer:
    """The repository; served within `with`. `publish` signs what it has now; the attributes are what it will sign."""

    def __init__(self, target: bytes, *, keys: str = "first") -> None:
        self.files: dict[str, bytes] = {}
        self.odd: dict[str, Odd] = {}
        self.requests: list[str] = []
        self.target = target
        self.expires = dict.fromkeys(ROLES, FAR)
        self.signers = {role: signer(f"{keys}-{role}") for role in ROLES}
        self.versions = dict.fromkeys(ROLES, 1)
        self.name = TARGET
        self.root = Root(expires=FAR)
        for role in ROLES:
            self.root.add_key(self.signers[role].public_key, role)
        self.sign_root()
        self.pinned = self.files["1.root.json"]
        self.publish()
        self._lock = threading.Lock()
        self._stack = contextlib.ExitStack()
        self._port = 0

    def __enter__(self) -> Self:
        http = self._stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), _handler(self)))
        self._port = http.server_address[1]
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        self._stack.callback(thread.join)
        self._stack.callback(http.shutdown)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def count(self, path: str = "timestamp.json") -> int:
        with self._lock:
            return self.requests.count(path)

    def note(self, path: str) -> None:
        with self._lock:
            self.requests.append(path)

    def sign_root(self, *others: CryptoSigner) -> None:
        """The next root metadata is what `root` is now."""
        self.root.expires = self.expires["root"]
        metadata = Metadata(self.root)
        for by in (self.signers["root"], *others):
            metadata.sign(by, append=True)
        self.files[f"{self.root.version}.root.json"] = metadata.to_bytes()

    def rotate_root(self) -> None:
        """Every key is replaced; the old root key vouches for the new ones."""
        before = self.signers["root"]
        for role in ROLES:
            self.root.revoke_key(self.signers[role].public_key.keyid, role)
            self.signers[role] = signer(f"{role}-{self.root.version + 1}")
            self.root.add_key(self.signers[role].public_key, role)
        self.root.version += 1
        self.sign_root(before)
        self.publish()

    def publish(self, target: bytes | None = None) -> None:
        """Sign everything but the root anew, in the next version."""
        self.target = self.target if target is None else target
        version = self.versions["timestamp"] = self.versions["timestamp"] + 1
        file = TargetFile.from_data(self.name, self.target, ["sha256"])
        targets = self._signed(Targets(version, expires=self.expires["targets"], targets={self.name: file}))
        meta = MetaFile.from_data(version, targets, ["sha256"])
        snapshot = self._signed(Snapshot(version, expires=self.expires["snapshot"], meta={"targets.json": meta}))
        meta = MetaFile.from_data(version, snapshot, ["sha256"])
        timestamp = self._signed(Timestamp(version, expires=self.expires["timestamp"], snapshot_meta=meta))
        digest = hashlib.sha256(self.target).hexdigest()
        self.files |= {
            f"{version}.targets.json": targets,
            f"{version}.snapshot.json": snapshot,
            "timestamp.json": timestamp,
            f"targets/{digest}.{self.name}": self.target,
        }

    @property
    def target_path(self) -> str:
        return f"targets/{hashlib.sha256(self.target).hexdigest()}.{self.name}"

    def _signed(self, signed: Any) -> bytes:
        metadata: Metadata[Any] = Metadata(signed)
        metadata.sign(self.signers[signed.type])
        return metadata.to_bytes()


def _handler(server: TufServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.lstrip("/")
            server.note(path)
            odd = server.odd.get(path, Odd())
            if odd.gate is not None:
                odd.gate.wait(30)
            body = server.files.get(path, b"") if odd.body is None else odd.body
            known = path in server.files or odd.status != 200 or odd.body is not None
            status = odd.status if known else 404
            location = f"Location: {odd.location}\r\n" if odd.location else ""
            head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{location}Connection: close\r\n\r\n"
            with contextlib.suppress(OSError):
                self._send(head.encode(), odd.drip_head)
                self._send(body, odd.drip)
            self.close_connection = True

        def _send(self, content: bytes, drip: Callable[[], None] | None) -> None:
            if drip is None:
                self.wfile.write(content)
                return
            for index in range(len(content)):
                drip()
                self.wfile.write(content[index : index + 1])

        def log_message(self, *_: object) -> None:
            return

    return Handler


@contextlib.contextmanager
def fetching(*hosts: str, offline: bool = False) -> Iterator[Fetch]:
    """What `gate.wiring` gives a TufRepository: the transport of registries, redirects not followed."""
    transport = Transport(Hosts(insecure=frozenset(hosts), offline=offline))

    def fetch(url: str, limit: int, deadline: Deadline) -> tuple[int, bytes]:
        response = transport.send(Request("GET", url, limit, redirects=False), deadline)
        return response.status, response.body

    try:
        yield fetch
    finally:
        transport.close()
