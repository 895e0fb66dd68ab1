"""Real registries as processes on loopback, and pushing to them by the distribution-spec's API."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from gate.demo.cluster import LOOPBACK, free_port
from gate.demo.images import Writer, describe
from gate.image.digest import Digest
from gate.image.manifest import ACCEPTED
from tests.e2e.tools import DOCKER_REGISTRY, ENVIRONMENT, REFERRERS_REGISTRY, REGISTRY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gate.image.manifest import Descriptor

_START_SECONDS = 30
USER, PASSWORD = "robot", "open-sesame"
# bcrypt of PASSWORD, cost 4: the registry reads no other hash.
HTPASSWD = f"{USER}:$2y$04$abcdefghijklmnopqrstuuXcjcm5avyCiJoD2uS24xa2lb6fjMB3G\n"


class Process:
    """A program that listens on a port of loopback; use as a context manager."""

    def __init__(self, command: list[str], port: int, log: Path) -> None:
        self.host = f"{LOOPBACK}:{port}"
        self._address = (LOOPBACK, port)
        self._log = log
        self._output = log.open("wb")
        self._process = subprocess.Popen(
            command,
            env={**ENVIRONMENT, "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"},
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
        )

    def __enter__(self) -> Self:
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            try:
                socket.create_connection(self._address, timeout=2).close()
            except OSError:
                time.sleep(0.02)
            else:
                return self
        self.stop()
        raise RuntimeError(f"it does not listen on {self.host}: {self._log.read_text(errors='replace')[-2000:]}")

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it; a second time does nothing."""
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()

    def kill(self) -> None:
        """End it as the kernel does that has no memory left: it gets no say."""
        self._process.kill()
        self.stop()


def distribution(folder: Path, *, password: bool = False) -> Process:
    """The CNCF registry: it has no referrers API. With `password`, only USER may read or write."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": {"addr": f"{LOOPBACK}:{port}"},
    }
    if password:
        (folder / "htpasswd").write_text(HTPASSWD)
        config["auth"] = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    file = folder / "config.yml"
    file.write_text(json.dumps(config))  # JSON is YAML
    return Process([str(REGISTRY.path()), "serve", str(file)], port, folder / "log")


def docker_registry(
    folder: Path,
    *,
    data: Path | None = None,
    port: int = 0,
    tls: Mapping[str, object] | None = None,
    **more: object,
) -> Process:
    """Debian's docker-registry, which has no referrers API either.

    Args:
        folder: for its configuration and log.
        data: what it stores in; another may serve the same.
        port: 0 for a free one.
        tls: `http.tls` of its configuration.
        more: of its configuration: `auth`, `middleware`, `proxy`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    config = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(data or folder / "data")}},
        "http": {"addr": f"{LOOPBACK}:{port}", **({"tls": tls} if tls else {})},
        **more,
    }
    file = folder / "config.yml"
    file.write_text(json.dumps(config))  # JSON is YAML
    return Process([str(DOCKER_REGISTRY.path()), "serve", str(file)], port, folder / "log")


def referrers_registry(folder: Path) -> Process:
    """A registry with the referrers API, in memory."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    return Process([str(REFERRERS_REGISTRY.path()), f"{LOOPBACK}:{port}"], port, folder / "log")


@dataclass(frozen=True, slots=True)
class Repository(Writer):
    """One repository of a registry, written to as clients do.

    Attributes:
        host: of the registry.
        path: of the repository.
    """

    host: str
    path: str
    authorization: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        return f"{self.host}/{self.path}"

    def at(self, target: Digest | str) -> str:
        """The reference of a digest or tag."""
        return f"{self.name}@{target}" if isinstance(target, Digest) else f"{self.name}:{target}"

    def blob(self, content: bytes) -> Digest:
        digest = Digest.of(content)
        if self._ask("HEAD", f"{self._base}/blobs/{digest}")[0] == 200:
            return digest
        status, headers, body = self._ask("POST", f"{self._base}/blobs/uploads/")
        assert status == 202, body
        upload = urlsplit(headers["location"])
        path = f"{upload.path}?{upload.query + '&' if upload.query else ''}digest={digest}"
        status, _, body = self._ask("PUT", path, content, "application/octet-stream")
        assert status == 201, body
        return digest

    def manifest(self, document: Mapping[str, object], tag: str | None = None) -> Descriptor:
        content = json.dumps(document, separators=(",", ":")).encode()
        entry = describe(content)
        self.put(content, tag or str(entry.digest), entry.media_type)
        return entry

    def put(self, content: bytes, target: str, media_type: str) -> None:
        """Store the bytes of a manifest under a tag or its digest."""
        status, _, body = self._ask("PUT", f"{self._base}/manifests/{target}", content, media_type)
        assert status == 201, body

    def content(self, target: Digest | str) -> bytes | None:
        status, _, body = self._ask("GET", f"{self._base}/manifests/{target}")
        assert status in (200, 404), body
        return body if status == 200 else None

    def digest(self, tag: str) -> Digest:
        """What the registry says a tag is."""
        status, headers, _ = self._ask("HEAD", f"{self._base}/manifests/{tag}")
        assert status == 200
        return Digest.parse(headers["docker-content-digest"])

    def referrers(self, digest: Digest) -> list[Digest]:
        """What the referrers API lists."""
        status, _, body = self._ask("GET", f"{self._base}/referrers/{digest}")
        assert status == 200, body
        return [Digest.parse(entry["digest"]) for entry in json.loads(body)["manifests"]]

    def retag(self, digest: Digest, tag: str) -> None:
        """Move a tag, or make one."""
        content = self.content(digest)
        assert content is not None
        self.put(content, tag, describe(content).media_type)

    @property
    def _base(self) -> str:
        return f"/v2/{self.path}"

    def _ask(
        self, method: str, path: str, body: bytes | None = None, media_type: str = ""
    ) -> tuple[int, dict[str, str], bytes]:
        headers = {"Accept": ", ".join(ACCEPTED)}
        if media_type:
            headers["Content-Type"] = media_type
        if self.authorization:
            headers["Authorization"] = self.authorization
        connection = http.client.HTTPConnection(self.host, timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()


def basic(password: str = PASSWORD) -> str:
    """USER's credentials as registries and docker's config.json want them, without the word Basic."""
    return base64.b64encode(f"{USER}:{password}".encode()).decode()
