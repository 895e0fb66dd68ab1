"""A proxy on loopback that opens tunnels (CONNECT) and passes plain HTTP on (absolute-form), over TLS if it likes.

It resolves names itself, as proxies do: by the table it is given, to ports of loopback. What a proxy would not do is
for the script, as in `HostileServer`: it is called for every request and goes first.
"""

from __future__ import annotations

import select
import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.fakes.hostile_server import HostileServer, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.fakes.hostile_server import Peer

_SILENCE = 20.0
_AT_ONCE = 64 * 1024


class ProxyServer(HostileServer):
    """Use as a context manager. `heads` are the requests it got itself, `targets` what they asked for."""

    def __init__(
        self,
        ports: Mapping[str, int],
        certificate: tuple[Path, Path] | None = None,
        first: Callable[[Peer], bool] = lambda peer: False,
    ) -> None:
        """`ports`: of each `host:port`. `first`: answers in its place, and says whether it did."""
        super().__init__(self._serve_one, certificate)
        self._ports = dict(ports)
        self._first = first
        self.targets: list[str] = []

    def _serve_one(self, peer: Peer) -> bool:
        if self._first(peer):
            return False
        connects = peer.method == "CONNECT"
        parts = urlsplit(f"//{peer.path}" if connects else peer.path)
        target = f"{parts.hostname}:{parts.port or 80}"
        self.targets.append(target)
        if target not in self._ports:
            peer.send(answer(502, ("Proxy-Status: fake; error=dns_error",)))
            return False
        with socket.create_connection(("127.0.0.1", self._ports[target]), timeout=_SILENCE) as upstream:
            if connects:
                peer.send(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 fake\r\n\r\n")
            else:
                upstream.sendall(_passed_on(peer, parts.path + (f"?{parts.query}" if parts.query else "")))
            _relay(peer._connection, upstream)
        return False


def _passed_on(peer: Peer, path: str) -> bytes:
    lines = [line for line in peer.head.split("\r\n")[1:] if not line.lower().startswith(("proxy-", "connection:"))]
    return "\r\n".join([f"{peer.method} {path} HTTP/1.1", *lines, "Connection: close", "", ""]).encode("latin-1")


def _relay(one: socket.socket, other: socket.socket) -> None:
    while True:
        ready: list[socket.socket] = [one] if isinstance(one, ssl.SSLSocket) and one.pending() else []
        ready = ready or select.select([one, other], [], [], _SILENCE)[0]
        if not ready:
            return
        for source in ready:
            content = source.recv(_AT_ONCE)
            if not content:
                return
            (other if source is one else one).sendall(content)
