"""A server on loopback that writes whatever bytes its script likes: for what no HTTP server would send."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_HEAD_MOST = 64 * 1024


class GoneError(Exception):
    """The client went away, or the test is over."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One request of a client.

    Attributes:
        head: its request line and headers.
        number: counts the requests of the server, from 0.
    """

    head: str
    number: int
    _connection: socket.socket
    _over: threading.Event

    @property
    def method(self) -> str:
        return self.head.partition(" ")[0]

    @property
    def path(self) -> str:
        return self.head.split(" ")[1]

    def header(self, name: str) -> str | None:
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None

    def send(self, content: bytes) -> None:
        if self._over.is_set():
            raise GoneError
        try:
            self._connection.sendall(content)
        except OSError as error:
            raise GoneError from error

    def drip(self, content: bytes, every: float = 0.05) -> None:
        """One byte at a time."""
        for index in range(len(content)):
            self.send(content[index : index + 1])
            self._over.wait(every)

    def flood(self, content: bytes) -> None:
        """The same for ever."""
        while True:
            self.send(content)

    def silence(self) -> None:
        """Nothing, until the test is over."""
        self._over.wait()
        raise GoneError

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        raise GoneError


class HostileServer:
    """Use as a context manager.

    The script is called for each request; the connection is closed when it returns something false or the client is
    gone, kept when it returns True.
    """

    def __init__(self, script: Callable[[Peer], bool | None], certificate: tuple[Path, Path] | None = None) -> None:
        self.script = script
        self.heads: list[str] = []
        self.connections = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
        if self._context is not None and certificate is not None:
            self._context.load_cert_chain(*certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.port: int = self._listener.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"{'https' if certificate else 'http'}://{self.host}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        with self._lock:
            for connection in self._open:
                _hang_up(connection)
        for thread in list(self._threads):
            thread.join(10)
        self._listener.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        plain = connection
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(20)
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            while self._one(connection):
                pass
        except (OSError, GoneError):
            pass
        finally:
            with self._lock:
                self._open.discard(plain)
            connection.close()

    def _one(self, connection: socket.socket) -> bool:
        received = b""
        while b"\r\n\r\n" not in received:
            more = connection.recv(_HEAD_MOST)
            if not more or len(received) > _HEAD_MOST:
                return False
            received += more
        head = received.partition(b"\r\n\r\n")[0].decode("latin-1")
        with self._lock:
            number = len(self.heads)
            self.heads.append(head)
        return bool(self.script(Peer(head, number, connection, self._over)))


def answer(status: int, headers: tuple[str, ...] = (), body: bytes = b"", *, length: str | None = None) -> bytes:
    """The bytes of a response; `length` lies about its length."""
    lines = [f"HTTP/1.1 {status} X", *headers, f"Content-Length: {len(body) if length is None else length}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of its own for 127.0.0.1, and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hostile")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2099, 1, 1, tzinfo=UTC))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("registry.test")]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "hostile.pem", folder / "hostile.key"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return chain, private


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
