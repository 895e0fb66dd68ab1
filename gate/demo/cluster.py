"""The part of a cluster that a demonstration needs: a certificate, a webhook process, and an API server's questions."""

from __future__ import annotations

import base64
import http.client
import ipaddress
import json
import socket
import ssl
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gate.errors import GateError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LOOPBACK: Final = "127.0.0.1"
_START_SECONDS: Final = 30
_OK: Final = 200


class DemoError(GateError):
    """The demonstration could not be run."""


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "imagegate demo")])
    now = datetime(2020, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "tls.crt", folder / "tls.key"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.touch(mode=0o600)
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return chain, private


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a Pod: both webhooks' word, as kubectl would show it."""

    allowed: bool
    message: str
    warnings: tuple[str, ...]
    image: str
    seconds: float


class Webhook:
    """`gate serve` as a process of its own, and the API server's way of asking it."""

    def __init__(
        self, folder: Path, policy: Path, registry: str, *, workers: int = 2, more: Sequence[str] = ()
    ) -> None:
        """Start it.

        Args:
            folder: for the certificate and the log.
            policy: file or folder.
            registry: the host it may speak plain HTTP to; "" for none.
            workers: processes.
            more: flags.
        """
        plain = ["--insecure-registry", registry] if registry else []
        certificate, key = write_certificate(folder)
        self.certificate = certificate
        self.port, self.metrics_port = free_port(), free_port()
        self.log = folder / "webhook.log"
        self._context = ssl.create_default_context(cafile=str(certificate))
        self._output = self.log.open("wb")
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "gate", "serve", "-p", str(policy), *plain,
                "--listen", f"{LOOPBACK}:{self.port}", "--metrics-listen", f"{LOOPBACK}:{self.metrics_port}",
                "--tls-cert", str(certificate), "--tls-key", str(key), "--workers", str(workers), *more,
            ],
            stdout=self._output, stderr=self._output, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def __enter__(self) -> Self:
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._output.close()

    def _wait(self) -> None:
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                connection = http.client.HTTPSConnection(LOOPBACK, self.port, timeout=2, context=self._context)
                connection.request("GET", "/readyz")
                if connection.getresponse().status == _OK:
                    return
            except OSError:
                time.sleep(0.05)
            finally:
                connection.close()
        raise DemoError(f"the webhook did not start: {self.log.read_text(errors='replace')[-2000:]}")

    def post(self, path: str, review: dict[str, Any]) -> dict[str, Any]:
        """One AdmissionReview, one response."""
        connection = http.client.HTTPSConnection(LOOPBACK, self.port, timeout=30, context=self._context)
        try:
            connection.request("POST", f"{path}?timeout=10s", json.dumps(review), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != _OK:
            raise DemoError(f"the webhook answered {answer.status} on {path}")
        response: dict[str, Any] = json.loads(body)["response"]
        return response

    def admit(self, image: str) -> Answer:
        """A Pod with one container, as the API server has it judged: `/mutate`, its patch applied, `/validate`."""
        started = time.perf_counter()
        pod = pod_of(image)
        warnings: list[str] = []
        for path in ("/mutate", "/validate"):
            response = self.post(path, review_of(pod))
            warnings += response.get("warnings", [])
            if not response["allowed"]:
                return Answer(
                    False, response["status"]["message"], tuple(warnings), image, time.perf_counter() - started
                )
            for step in json.loads(base64.b64decode(response.get("patch", "") or b"W10=")):
                if step["op"] == "replace":
                    pod["spec"]["containers"][0]["image"] = step["value"]
        return Answer(True, "", tuple(warnings), pod["spec"]["containers"][0]["image"], time.perf_counter() - started)


def pod_of(image: str) -> dict[str, Any]:
    """A Pod with one container."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "demo", "namespace": "shop"},
        "spec": {"containers": [{"name": "app", "image": image}]},
    }


def review_of(pod: dict[str, Any]) -> dict[str, Any]:
    """The AdmissionReview of its creation."""
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": str(uuid.uuid4()),
            "kind": kind,
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "requestKind": kind,
            "name": pod["metadata"]["name"],
            "namespace": pod["metadata"]["namespace"],
            "operation": "CREATE",
            "userInfo": {"username": "demo", "groups": ["system:authenticated"]},
            "object": pod,
            "oldObject": None,
            "dryRun": False,
        },
    }
