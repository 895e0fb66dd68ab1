"""How tests reach a server on loopback under a name that belongs to somebody else, such as `ghcr.io`.

Names, not ports, decide what the gate does (where Docker Hub's API is, which token service is a registry's own, which
cloud a host belongs to), so a fake has to be met under its very name, over TLS and on port 443. Resolvers can't do
that: they give addresses, and loopback's 443 is taken or not ours to bind. So `LoopbackTransport` is the real
transport but for one step: where it would connect to a name that it was given a port for, it connects to that port of
127.0.0.1. Everything else is the gate's own: the check of addresses (the names have to be in `Hosts.authorities`, or
they have a private address), TLS with the certificate's name compared, redirects, deadlines. A name it was given no
port for does not resolve: nothing leaves the machine.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gate.registry.guard.transport import Transport
from tests.fakes.scripted_server import _Handler

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from gate.registry.guard.hosts import Hosts
    from gate.registry.guard.origin import Origin
    from tests.fakes.scripted_server import Asked, Reply

LOOPBACK: Final = "127.0.0.1"
_SILENCE: Final = 20.0  # seconds a connection may say nothing
_HANDSHAKE: Final = b"\x16"  # the first byte of TLS (RFC 8446, 5.1)


class Scripted(Protocol):
    """Whose answers are given, as in `ScriptedServer`."""

    @property
    def script(self) -> Callable[[Asked], Reply]: ...

    @property
    def asked(self) -> list[Asked]: ...


class Listener(ThreadingHTTPServer):
    """One port that takes plain HTTP and TLS alike. `stop` ends what is under way, too."""

    daemon_threads = True

    def __init__(self, owner: Scripted, chain: Path, key: Path, port: int = 0) -> None:
        self.owner = owner
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(chain, key)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__((LOOPBACK, port), _Handler)
        self.port: int = self.server_address[1]
        self._thread = threading.Thread(target=self.serve_forever, args=(0.005,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._lock:
            for connection in self._open:
                _hang_up(connection)

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(_SILENCE)
        secured = request.recv(1, socket.MSG_PEEK) == _HANDSHAKE
        connection = self._context.wrap_socket(request, server_side=True) if secured else request
        with self._lock:
            self._open.add(connection)
        try:
            super().finish_request(connection, client_address)
        finally:
            with self._lock:
                self._open.discard(connection)
            _hang_up(connection)
            connection.close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients go away."""


class LoopbackTransport(Transport):
    """See the module."""

    def __init__(self, hosts: Hosts, ports: Mapping[str, int]) -> None:
        """`ports`: of each name, written as operators write it: without 443."""
        super().__init__(hosts, resolve_loopback)
        self._ports = dict(ports)

    def _connect(self, origin: Origin) -> socket.socket:
        port = self._ports.get(origin.name)
        if port is None:
            return super()._connect(origin)
        self._hosts.check_address(origin.name, LOOPBACK)
        self.asked()
        return socket.create_connection((LOOPBACK, port), timeout=self.remaining())


def resolve_loopback(host: str, port: int) -> list[str]:
    """A resolver that knows no name but loopback's own."""
    if host in (LOOPBACK, "localhost"):
        return [LOOPBACK]
    raise OSError(f"{host} is not among the fakes")


def everything_is_loopback(host: str, port: int) -> list[str]:
    """A resolver for names with a fake's port in them: `ghcr.io:41234`."""
    return [LOOPBACK]


def certificate_for(folder: Path, hosts: Sequence[str]) -> tuple[Path, Path]:
    """A certificate of its own for names and addresses of IPv4 (their ports are left out) and loopback, and its key.

    Both as PEM files.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a fake registry")])
    names = [_general_name(host) for host in dict.fromkeys((*(host.partition(":")[0] for host in hosts), LOOPBACK))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2099, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "fake.pem", folder / "fake.key"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return chain, private


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _hang_up(connection: socket.socket) -> None:
    try:
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        return
