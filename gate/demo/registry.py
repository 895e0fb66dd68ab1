"""A registry on loopback over a folder of OCI layouts: the distribution-spec's reading half (v1.1), plain HTTP."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qs, urlsplit

from gate.demo.images import referrers_of
from gate.errors import GateError, ParseError, UsageError
from gate.image.digest import Digest
from gate.image.manifest import ACCEPTED, MAX_MANIFEST, OCI_INDEX, OCI_MANIFEST, parse_manifest
from gate.image.reference import Reference
from gate.registry.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

IDLE_SECONDS: Final = 30.0
"""How long a connection may say nothing."""

MAX_REMEMBERED: Final = 10_000
_KINDS: Final = frozenset({"manifests", "blobs", "referrers", "tags"})
_BINARY: Final = "application/octet-stream"
_JSON: Final = "application/json"
_NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content_type: str
    body: bytes
    digest: Digest | None = None
    headers: Mapping[str, str] | None = None


class _NotFoundError(Exception):
    """There is no such thing; the argument is the error code of the distribution-spec."""


class DemoRegistry:
    """Serves each repository from the layout at its path under `root`, read anew for each request.

    Use it as a context manager; the port is bound at construction.

    Attributes:
        host: `127.0.0.1:PORT`.
        requests: the last (method, path) pairs asked for, oldest first.
    """

    def __init__(self, root: Path, *, referrers_api: bool = True, port: int = 0) -> None:
        """Bind; nothing is answered before the context is entered.

        Args:
            root: the repository `acme/api` is the layout in `root/acme/api`.
            referrers_api: False for a registry without it. Then the fallback tag `sha256-…` answers with the index
                that cosign would have pushed.
            port: 0 for any that is free.
        """
        self._root = root
        self._referrers_api = referrers_api
        self.requests: deque[tuple[str, str]] = deque(maxlen=MAX_REMEMBERED)
        self._server = _Server(self, port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="registry", daemon=True)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.drop_connections()

    def drop_connections(self) -> None:
        """Close what clients keep open."""
        self._server.drop_connections()

    def answer(self, path: str, query: str = "") -> _Answer:
        """What a path is answered with; only values that the house's own parsers made reach the file system."""
        if path in ("/v2/", "/v2"):
            return _Answer(200, _JSON, b"{}", headers={"Docker-Distribution-Api-Version": "registry/2.0"})
        try:
            return self._found(*_split(path), query)
        except _NotFoundError as missing:
            return _failure(404, str(missing))
        except ParseError as error:
            return _failure(400, "NAME_INVALID", error.message)
        except GateError as error:
            return _failure(500, "UNKNOWN", error.message)

    def _found(self, name: str, kind: str, last: str, query: str) -> _Answer:
        folder = self._root / _repository(name)
        match kind:
            case "manifests":
                return self._manifest(folder, name, last)
            case "blobs":
                digest = Digest.parse(last)
                return _Answer(200, _BINARY, _blob(folder, digest, "BLOB_UNKNOWN"), digest)
            case "referrers" if self._referrers_api:
                index = referrers_of(Digest.parse(last), _manifests(_open(folder)))
                return _Answer(200, OCI_INDEX, index)
            case "tags" if last == "list":
                return _tags_page(name, _tags(_open(folder), fallback=not self._referrers_api), query)
            case _:
                raise _NotFoundError("NOT_FOUND")

    def _manifest(self, folder: Path, name: str, target: str) -> _Answer:
        if ":" in target:
            digest = Digest.parse(target)
            return _manifest_answer(_blob(folder, digest, "MANIFEST_UNKNOWN"), digest)
        Reference.parse(f"localhost/{name}:{target}")
        layout = _open(folder)
        found = layout.by_tag(target)
        if found is not None:
            return _manifest_answer(_blob(folder, found, "MANIFEST_UNKNOWN"), found)
        index = None if self._referrers_api else _fallback(layout, target)
        if index is None:
            raise _NotFoundError("MANIFEST_UNKNOWN")
        return _manifest_answer(index, Digest.of(index))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, registry: DemoRegistry, port: int) -> None:
        self.registry = registry
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""

    def drop_connections(self) -> None:
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # gone already


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "imagegate-demo"
    sys_version = ""
    timeout = IDLE_SECONDS
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        self._answer(self.server.registry.answer(asked.path, asked.query))

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self.close_connection = True  # its body is not read
        self._answer(_failure(405, "UNSUPPORTED", "this registry is read-only"))

    do_PUT = do_PATCH = do_DELETE = do_POST

    def _answer(self, answer: _Answer) -> None:
        self.server.registry.requests.append((self.command, self.path))
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.digest is not None:
            self.send_header("Docker-Content-Digest", str(answer.digest))
        for name, value in (answer.headers or {}).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: `requests` remembers."""


def _split(path: str) -> tuple[str, str, str]:
    """`/v2/NAME/KIND/LAST`, unchecked."""
    parts = path.removeprefix("/v2/").rsplit("/", 2)
    if not path.startswith("/v2/") or len(parts) != 3 or parts[1] not in _KINDS:
        raise _NotFoundError("NOT_FOUND")
    return parts[0], parts[1], parts[2]


def _repository(name: str) -> str:
    reference = Reference.parse(f"localhost/{name}")
    if reference.repository != name or reference.tag or reference.digest:
        raise ParseError(f"{name[:100]!r} is not a repository path")
    return reference.repository


def _open(folder: Path) -> Layout:
    try:
        return Layout.open(folder)
    except UsageError as error:
        raise _NotFoundError("NAME_UNKNOWN") from error


def _blob(folder: Path, digest: Digest, unknown: str) -> bytes:
    try:
        return (folder / "blobs" / digest.algorithm / digest.hex).read_bytes()
    except OSError as error:
        raise _NotFoundError(unknown) from error


def _manifests(layout: Layout) -> Iterator[bytes]:
    """What index.json lists; whatever is damaged is left out, as a registry would never have taken it."""
    for digest in dict.fromkeys(entry.digest for entry in layout.index.manifests):
        try:
            if layout.load(digest) is not None:
                yield _blob(layout.folder, digest, "MANIFEST_UNKNOWN")
        except GateError:
            continue


def _fallback(layout: Layout, tag: str) -> bytes | None:
    """What cosign pushes as `sha256-…` to a registry without the referrers API."""
    try:
        digest = Digest.parse(tag.replace("-", ":", 1))
    except ParseError:
        return None
    index = referrers_of(digest, _manifests(layout), fallback=True)
    return index if json.loads(index)["manifests"] else None


def _tags(layout: Layout, *, fallback: bool) -> list[str]:
    """The tags that can be asked for by name, in lexical order; `fallback`: those of cosign's indexes too."""
    subjects = [parse_manifest(content).subject for content in _manifests(layout)] if fallback else []
    return sorted({*layout.tags(), *(subject.digest.tag for subject in subjects if subject is not None)})


def _tags_page(name: str, tags: list[str], query: str) -> _Answer:
    """`n` of the tags that come after `last` (distribution-spec, "Listing Tags"), and where there are more."""
    asked = {key: values[-1] for key, values in parse_qs(query).items()}
    after = asked.get("last", "")
    rest = [tag for tag in tags if tag > after]
    number = asked.get("n")
    if number is not None and not _NUMBER.fullmatch(number):
        return _failure(400, "PAGINATION_NUMBER_INVALID")
    page = rest if number is None else rest[: int(number)]
    more = page and len(page) < len(rest)
    headers = {"Link": f'</v2/{name}/tags/list?n={number}&last={page[-1]}>; rel="next"'} if more else None
    return _Answer(200, _JSON, json.dumps({"name": name, "tags": page}).encode(), headers=headers)


def _manifest_answer(content: bytes, digest: Digest) -> _Answer:
    """A manifest as it is stored; its bytes are for clients to check. Another blob is no manifest."""
    try:
        document = json.loads(content) if len(content) <= MAX_MANIFEST else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or "schemaVersion" not in document:
        raise _NotFoundError("MANIFEST_UNKNOWN")
    media_type = document.get("mediaType") or (OCI_INDEX if "manifests" in document else OCI_MANIFEST)
    return _Answer(200, media_type if media_type in ACCEPTED else OCI_MANIFEST, content, digest)


def _failure(status: int, code: str, message: str = "") -> _Answer:
    body = json.dumps({"errors": [{"code": code, "message": message or code.lower().replace("_", " ")}]})
    return _Answer(status, _JSON, body.encode())
