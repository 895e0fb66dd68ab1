"""A registry whose every answer takes a set time, and who asked it for what: for counting requests that wait for others.

A process of its own (its CPU is not the gate's), one thread: delays are timers, so that any number of requests wait
side by side. It serves the repositories below a folder, each an OCI image layout, as read when `load` is called.
Standard library only. Settings and the log go by the same port, at once and unlogged:
`/_load`, `/_set?delay=0.02&referrers=1&tokens=0`, `/_reset`, `/_log`.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import http.client
import json
import selectors
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT = Path(__file__).parent.parent
HOST = "127.0.0.1"
MAX_HEAD = 64 * 1024
MAX_LOGGED = 200_000
TOLERANCE = 0.0005
"""Seconds that clocks and the writing of the log may make two requests overlap that do not."""

_REF_NAME = "org.opencontainers.image.ref.name"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed"}


# The client's half.


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request as the server saw it: read whole at `start`, answered at `end`, in seconds of time.monotonic."""

    start: float
    end: float
    method: str
    path: str
    status: int
    size: int

    @property
    def kind(self) -> str:
        """`tag`, `signature`, `fallback`, `manifest`, `blob`, `referrers`, `token` or `version`."""
        if self.path.startswith("/token"):
            return "token"
        if self.path in ("/v2/", "/v2"):
            return "version"
        _, what, last = self.path.rsplit("/", 2)
        if what != "manifests":
            return {"blobs": "blob"}.get(what, what)
        if ":" in last:
            return "manifest"
        if not last.startswith("sha256-"):
            return "tag"
        return "signature" if "." in last else "fallback"


def kinds(log: Iterable[Exchange]) -> Counter[str]:
    return Counter(exchange.kind for exchange in log)


def chain(log: Iterable[Exchange], tolerance: float = TOLERANCE) -> list[Exchange]:
    """The longest chain of requests that do not overlap in time: those that may have waited for each other."""
    found: list[Exchange] = []
    for exchange in sorted(log, key=lambda e: e.end):
        if not found or exchange.start >= found[-1].end - tolerance:
            found.append(exchange)
    return found


def waves(log: Iterable[Exchange]) -> int:
    """How many requests had to wait for each other."""
    return len(chain(log))


def blobs_fetched_twice(log: Iterable[Exchange]) -> list[str]:
    """Paths of blobs and of manifests by digest that were asked for more than once."""
    asked = Counter(e.path for e in log if e.kind in ("blob", "manifest") and e.status == 200)
    return sorted(path for path, times in asked.items() if times > 1)


class DelayedRegistry:
    """The server, as whoever measures has it. Use as a context manager."""

    def __init__(self, root: Path) -> None:
        """Serve the layouts below `root`; nothing is read before `load`."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.delayed", str(root)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.host = f"{HOST}:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(15)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def load(self) -> int:
        """Read every layout anew; the number of repositories."""
        return int(self._told("/_load"))

    def set(self, *, delay: float, referrers: bool = True, tokens: bool = False) -> None:
        """Answer after `delay` seconds from now on; whether it has the referrers API, and wants Bearer tokens."""
        self._told(f"/_set?delay={delay}&referrers={referrers:d}&tokens={tokens:d}")

    def reset(self) -> None:
        self._told("/_reset")

    def log(self) -> list[Exchange]:
        """Every request since the last `reset`, in the order of the answers."""
        return [Exchange(*entry) for entry in self._told("/_log")]

    def _told(self, path: str) -> Any:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=60)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        assert answer.status == 200, body
        return json.loads(body)


# The server's half.


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    head: bytes
    body: bytes

    @classmethod
    def of(cls, status: int, content_type: str, body: bytes, *more: str) -> Self:
        lines = (
            f"HTTP/1.1 {status} {_REASONS[status]}",
            f"Content-Type: {content_type}",
            f"Content-Length: {len(body)}",
        )
        return cls(status, "\r\n".join((*lines, *more, "", "")).encode(), body)


def _json(value: object, status: int = 200, *more: str) -> _Answer:
    return _Answer.of(status, "application/json", json.dumps(value).encode(), *more)


def _failure(status: int, code: str, *more: str) -> _Answer:
    return _json({"errors": [{"code": code, "message": code.lower().replace("_", " ")}]}, status, *more)


def _stored(content: bytes, media_type: str) -> _Answer:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return _Answer.of(200, media_type, content, f"Docker-Content-Digest: {digest}")


_UNKNOWN = _failure(404, "MANIFEST_UNKNOWN")
_NO_BLOB = _failure(404, "BLOB_UNKNOWN")
_NO_API = _failure(404, "NOT_FOUND")
_VERSION = _json({}, 200, "Docker-Distribution-Api-Version: registry/2.0")
_NO_REFERRERS = _Answer.of(200, _INDEX, json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": []}).encode())
_WRONG = _failure(405, "UNSUPPORTED", "Connection: close")


@dataclass(slots=True)
class _Repository:
    """What one repository answers, by the last part of the path; made when it is read, so that asking costs nothing."""

    manifests: dict[str, _Answer] = field(default_factory=dict)
    blobs: dict[str, _Answer] = field(default_factory=dict)
    referrers: dict[str, _Answer] = field(default_factory=dict)
    fallbacks: dict[str, _Answer] = field(default_factory=dict)
    token: str = ""

    @classmethod
    def read(cls, folder: Path, token: str) -> Self:
        found = cls(token=token)
        for file in (folder / "blobs" / "sha256").iterdir():
            content = file.read_bytes()
            found.blobs[f"sha256:{file.name}"] = _stored(content, "application/octet-stream")
            media_type = _media_type_of_manifest(content)
            if media_type:
                found.manifests[f"sha256:{file.name}"] = _stored(content, media_type)
        listed: dict[str, list[dict[str, object]]] = {}
        for entry in json.loads((folder / "index.json").read_bytes())["manifests"]:
            tag = entry.get("annotations", {}).get(_REF_NAME)
            if tag is not None:
                found.manifests[tag] = found.manifests[entry["digest"]]
            document = json.loads(found.manifests[entry["digest"]].body)
            if "subject" in document:
                listed.setdefault(document["subject"]["digest"], []).append(_referrer(entry, document))
        for digest, entries in listed.items():
            index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": entries}
            found.referrers[digest] = _Answer.of(200, _INDEX, json.dumps(index).encode())
            found.fallbacks[digest.replace(":", "-")] = _stored(json.dumps(index).encode(), _INDEX)
        return found

    def answer(self, kind: str, last: str, *, referrers: bool) -> _Answer:
        match kind:
            case "manifests":
                found = self.manifests.get(last)
                return found or (None if referrers else self.fallbacks.get(last)) or _UNKNOWN
            case "blobs":
                return self.blobs.get(last, _NO_BLOB)
            case "referrers" if referrers:
                return self.referrers.get(last, _NO_REFERRERS)
            case _:
                return _NO_API


def _media_type_of_manifest(content: bytes) -> str:
    if not content.startswith(b'{"schemaVersion"'):  # as everything that is written for this server begins
        return ""
    document = json.loads(content)
    return str(document.get("mediaType") or (_INDEX if "manifests" in document else _MANIFEST))


def _referrer(entry: dict[str, Any], document: dict[str, Any]) -> dict[str, object]:
    return {
        "mediaType": entry["mediaType"],
        "digest": entry["digest"],
        "size": entry["size"],
        "artifactType": document.get("artifactType") or document["config"]["mediaType"],
        "annotations": document.get("annotations", {}),
    }


class _Server:
    """What all connections share."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.host = ""
        self.delay = 0.0
        self.referrers = True
        self.tokens = False
        self.log: list[tuple[float, float, str, str, int, int]] = []
        self.repositories: dict[str, _Repository] = {}

    def told(self, path: str, query: str) -> object:
        """Settings, and the log."""
        if path == "/_load":
            return self._load()
        if path == "/_log":
            return self.log
        if path == "/_set":
            asked = {name: float(values[-1]) for name, values in parse_qs(query).items()}
            self.delay = asked["delay"]
            self.referrers, self.tokens = bool(asked["referrers"]), bool(asked["tokens"])
        elif path == "/_reset":
            self.log = []
        return None

    def _load(self) -> int:
        self.repositories = {
            (name := str(file.parent.relative_to(self.root))): _Repository.read(file.parent, _token(name))
            for file in self.root.rglob("oci-layout")
        }
        gc.collect()
        gc.freeze()  # so that no collection stands in anybody's way
        return len(self.repositories)

    def answer(self, path: str, query: str, authorization: str) -> _Answer:
        if path == "/token":
            return self._token(query)
        if path in ("/v2/", "/v2"):
            return self._challenge("") if self.tokens and not authorization else _VERSION
        name, _, rest = path.removeprefix("/v2/").rpartition("/")
        name, _, kind = name.rpartition("/")
        repository = self.repositories.get(name)
        if self.tokens and (repository is None or authorization != f"Bearer {repository.token}"):
            return self._challenge(name)
        return _UNKNOWN if repository is None else repository.answer(kind, rest, referrers=self.referrers)

    def _token(self, query: str) -> _Answer:
        scope = parse_qs(query).get("scope", [""])[-1]
        return _json({"token": _token(scope.removeprefix("repository:").removesuffix(":pull")), "expires_in": 3600})

    def _challenge(self, name: str) -> _Answer:
        scope = f',scope="repository:{name}:pull"' if name else ""
        challenge = f'Bearer realm="http://{self.host}/token",service="bench"{scope}'
        return _failure(401, "UNAUTHORIZED", f"WWW-Authenticate: {challenge}")


def _token(name: str) -> str:
    """About as long as real ones; what it is for is in it, and nothing is secret here."""
    return base64.urlsafe_b64encode(name.encode().ljust(600, b".")).decode()


class _Connection(asyncio.Protocol):
    """One client's connection: requests without a body, one after the other."""

    def __init__(self, server: _Server, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self.loop = loop
        self.received = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # and TCP_NODELAY is set by asyncio
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, _, self.received = self.received.partition(b"\r\n\r\n")
            self._asked(head.decode("latin-1"))
        if len(self.received) > MAX_HEAD and self.transport is not None:
            self.transport.abort()

    def connection_lost(self, _error: Exception | None) -> None:
        self.transport = None

    def _asked(self, head: str) -> None:
        start = self.loop.time()
        line, *fields = head.split("\r\n")
        method, target, _ = line.split(" ", 2)
        parts = urlsplit(target)
        if parts.path.startswith("/_"):
            self._send(_json(self.server.told(parts.path, parts.query)), "GET")
            return
        authorization = next((f.split(":", 1)[1].strip() for f in fields if f[:14].lower() == "authorization:"), "")
        answer = _WRONG
        if method in ("GET", "HEAD"):
            answer = self.server.answer(parts.path, parts.query, authorization)
        self.loop.call_at(start + self.server.delay, self._answer, start, method, parts.path, answer)

    def _answer(self, start: float, method: str, path: str, answer: _Answer) -> None:
        size = 0 if method == "HEAD" else len(answer.body)
        if len(self.server.log) < MAX_LOGGED:
            self.server.log.append((start, self.loop.time(), method, path, answer.status, size))
        self._send(answer, method)

    def _send(self, answer: _Answer, method: str) -> None:
        if self.transport is None:
            return  # the client is gone
        self.transport.write(answer.head if method == "HEAD" else answer.head + answer.body)
        if answer is _WRONG:
            self.transport.close()


async def _serve(root: Path) -> None:
    loop = asyncio.get_running_loop()
    server = _Server(root)
    listener = await loop.create_server(lambda: _Connection(server, loop), HOST, 0, backlog=1024)
    port = listener.sockets[0].getsockname()[1]
    server.host = f"{HOST}:{port}"
    print(port, flush=True)
    await listener.serve_forever()


def main(argv: Sequence[str]) -> None:
    # epoll rounds a timer up to whole milliseconds (asyncio's does), which would be counted as the gate's own.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    with suppress(KeyboardInterrupt):
        loop.run_until_complete(_serve(Path(argv[0])))


if __name__ == "__main__":
    main(sys.argv[1:])
