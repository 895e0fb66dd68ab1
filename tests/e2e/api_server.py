"""A real kube-apiserver over a real etcd, on loopback: admission and storage, and nothing that would run a Pod."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gate.demo.cluster import LOOPBACK, free_port
from tests.e2e.registries import Process
from tests.e2e.tools import ETCD, KUBE_APISERVER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TOKEN: Final = "of-the-administrator"
_READY_SECONDS: Final = 60
MERGE: Final = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class ApiServer:
    """Asked as its administrator.

    Attributes:
        host: with its port.
        tls: that believes its certificate.
    """

    host: str
    tls: ssl.SSLContext

    def ask(
        self, method: str, path: str, body: object = None, content_type: str = "application/json"
    ) -> tuple[int, dict[str, Any]]:
        """Status and body of an answer."""
        connection = http.client.HTTPSConnection(self.host, context=self.tls, timeout=30)
        headers = {"Authorization": f"Bearer {_TOKEN}", "Accept": "application/json", "Content-Type": content_type}
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        is_json = answer.headers.get_content_type() == "application/json"
        return answer.status, json.loads(content) if is_json else {"text": content.decode()}

    def is_ready(self) -> bool:
        """Whether it answers questions."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.ask("GET", "/readyz")[0] == 200
        return False


@contextmanager
def api_server(folder: Path) -> Iterator[ApiServer]:
    """One of its own, ready, for as long as the block runs."""
    folder.mkdir(parents=True, exist_ok=True)
    with _etcd(folder) as etcd, _kube_apiserver(folder, etcd.host) as process:
        tls = ssl.create_default_context(cafile=folder / "certificates" / "apiserver.crt")
        server = ApiServer(process.host, tls)
        end = time.monotonic() + _READY_SECONDS
        while not server.is_ready():
            if time.monotonic() > end:
                raise RuntimeError(f"it is not ready: {(folder / 'kube-apiserver.log').read_text()[-2000:]}")
            time.sleep(0.1)
        yield server


def _etcd(folder: Path) -> Process:
    port, peers = free_port(), f"http://{LOOPBACK}:{free_port()}"
    here = f"http://{LOOPBACK}:{port}"
    command = [
        str(ETCD.path()), f"--data-dir={folder / 'etcd'}", "--unsafe-no-fsync", "--log-level=error",
        f"--listen-client-urls={here}", f"--advertise-client-urls={here}",
        f"--listen-peer-urls={peers}", f"--initial-advertise-peer-urls={peers}", f"--initial-cluster=default={peers}",
    ]  # fmt: skip
    return Process(command, port, folder / "etcd.log")


def _kube_apiserver(folder: Path, etcd: str) -> Process:
    port = free_port()
    key = rsa.generate_private_key(65537, 2048)
    private, public = folder / "accounts.key", folder / "accounts.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (folder / "tokens.csv").write_text(f"{_TOKEN},admin,admin,system:masters\n")
    command = [
        str(KUBE_APISERVER.path()), f"--etcd-servers=http://{etcd}", f"--bind-address={LOOPBACK}",
        f"--secure-port={port}", f"--advertise-address={LOOPBACK}", "--endpoint-reconciler-type=none",
        f"--cert-dir={folder / 'certificates'}", "--service-cluster-ip-range=10.0.0.0/24",
        f"--service-account-issuer=https://{LOOPBACK}:{port}/", f"--service-account-key-file={public}",
        f"--service-account-signing-key-file={private}", f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount",
    ]  # fmt: skip
    return Process(command, port, folder / "kube-apiserver.log")
