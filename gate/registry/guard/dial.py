"""The way to an origin, as far as HTTP begins: addresses that were checked, a proxy, TLS; all in a request's time.

The proxy itself is the operator's word: it may be at a private address, but not at one that is never connected to.
Each certificate is compared with its own name and comes with its own files: `--registry-ca` and client certificates
for `host[:port]` of the proxy are for the proxy, those of the target for what is inside the tunnel.
"""

from __future__ import annotations

import math
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.guard import tls
from gate.registry.guard.hosts import Hosts
from gate.registry.guard.names import Names
from gate.registry.guard.proxied import check_target, check_tunnel, connect_request
from gate.registry.guard.silence import Tried, Unconnected
from gate.registry.guard.sockets import DeadlineSocket, Guard, ask_head
from gate.registry.guard.tls_stream import TlsStream

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from gate.registry.guard.origin import Origin
    from gate.registry.guard.proxies import Proxy
    from gate.registry.guard.sockets import Stream

_TRY_SECONDS: Final = 2.0  # for an address, while there is another: one that is silent leaves the next its say
_LOOK_SECONDS: Final = 2.0  # to see the certificate of a server that was not believed


@dataclass(frozen=True, slots=True)
class Seen:
    """How an origin was reached.

    Attributes:
        address: that the connection is with; the proxy's, where there is one.
        proxy: its URL without credentials; "" for none.
        tls: such as `TLSv1.3`; "" for plain HTTP.
        issuer: of the server's certificate.
        expires: of that certificate, aware; None for plain HTTP.
    """

    address: str
    proxy: str = ""
    tls: str = ""
    issuer: str = ""
    expires: datetime | None = None

    @classmethod
    def of(cls, stream: Stream, proxy: Proxy | None) -> Seen:
        """Of a stream that is open."""
        shown = proxy.shown if proxy else ""
        if isinstance(stream, DeadlineSocket):
            return cls("" if proxy else stream.peer, shown)
        assert isinstance(stream, TlsStream)
        certificate = stream.certificate
        names = {key: value for part in certificate.get("issuer", ()) for key, value in part}
        issuer = names.get("commonName") or names.get("organizationName") or "?"
        ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
        return cls(stream.peer if not proxy else "", shown, stream.version, issuer, ends)


class Timed(Guard, Protocol):
    """A guard whose time can be cut."""

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """At most so many seconds are left for what is done inside."""

    @property
    def waited(self) -> float:
        """Seconds since somebody was asked; 0 where nobody was."""

    @property
    def behalf(self) -> str:
        """The registry that is to be told what comes of it; "" for whoever is asked."""


class Dialer:
    """Connects. Thread-safe."""

    def __init__(
        self,
        hosts: Hosts,
        resolver: Callable[[str, int], list[str]] | None,
        contexts: tls.Contexts,
        guard: Timed,
        direct: Callable[[Origin], socket.socket],
    ) -> None:
        """`direct` connects where there is no proxy, as `connect` does. Nothing is connected or read yet."""
        self._hosts = hosts
        self._names = Names(resolver)
        self._contexts = contexts
        self._guard = guard
        self._direct = direct

    def dial(self, origin: Origin, proxy: Proxy | None, context: ssl.SSLContext | None) -> Stream:
        """A connection on which HTTP with `origin` may begin; with TLS where there is a `context`.

        Raises:
            OSError: of TLS with the origin, or no time is left.
            EvidenceUnavailable: everything else.
        """
        connection = self._reach(origin, proxy)
        return connection if context is None else TlsStream(connection, context, origin.host)

    def explain(self, error: ssl.SSLError, peer: tls.Peer, origin: Origin, proxy: Proxy | None) -> EvidenceUnavailable:
        """Why TLS with an origin failed."""
        return self._explained(error, peer, partial(self._reach, origin, proxy), origin.host)

    def connect(self, origin: Origin) -> socket.socket:
        """A TCP connection to an address of `origin` that has been checked, and to no other.

        Raises:
            TimeoutError: no time is left for its name.
            Unconnected, OSError: nobody is there.
            EvidenceUnavailable: everything else.
        """
        return self._connect(origin.host, origin.port, partial(self._hosts.check_address, origin.name))

    def _reach(self, origin: Origin, proxy: Proxy | None) -> Stream:
        """A connection to `origin`, without its TLS; to the proxy where it is asked in plain HTTP through one."""
        if proxy is None:
            return DeadlineSocket(self._direct(origin), self._guard)
        check_target(self._hosts, origin.name, origin.host)
        return self._tunnel(proxy, origin) if origin.scheme == "https" else self._to_proxy(proxy, origin)

    def _tunnel(self, proxy: Proxy, origin: Origin) -> Stream:
        connection = self._to_proxy(proxy, origin)
        try:
            answer = ask_head(connection, connect_request(proxy, origin.host, origin.port))
            check_tunnel(proxy, origin.name, answer)
        except ssl.SSLError as error:  # what TLS 1.3 says of a client's certificate comes after the handshake
            connection.close()
            raise self._proxy_tls(error, proxy, origin) from error
        except TimeoutError:
            connection.close()
            raise
        except OSError as error:
            connection.close()
            raise _proxy_unreachable(proxy, origin, error) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _to_proxy(self, proxy: Proxy, origin: Origin) -> Stream:
        """A connection to a proxy, with its TLS if it has any."""
        connection = self._tcp_to_proxy(proxy, origin)
        if proxy.scheme == "http":
            return connection
        files = tls.Files.of(self._hosts, proxy.name)
        try:
            return TlsStream(connection, self._contexts.get(files), proxy.host)
        except ssl.SSLError as error:
            if not self._contexts.renewed(files):
                raise self._proxy_tls(error, proxy, origin) from error
        connection = self._tcp_to_proxy(proxy, origin)
        try:
            return TlsStream(connection, self._contexts.get(files), proxy.host)
        except ssl.SSLError as error:
            raise self._proxy_tls(error, proxy, origin) from error

    def _tcp_to_proxy(self, proxy: Proxy, origin: Origin) -> Stream:
        name = f"the proxy {proxy.shown}"
        allowed = Hosts(private=frozenset({name}))
        try:
            found = self._connect(proxy.host, proxy.port, partial(allowed.check_address, name))
            return DeadlineSocket(found, self._guard)
        except TimeoutError:
            raise
        except OSError as error:
            if isinstance(error, Unconnected) and isinstance(error.why, TimeoutError):
                raise error.why from None
            raise _proxy_unreachable(proxy, origin, error) from error

    def _proxy_tls(self, error: ssl.SSLError, proxy: Proxy, origin: Origin) -> EvidenceUnavailable:
        files = tls.Files.of(self._hosts, proxy.name)
        peer = tls.Peer(proxy.name, f"the proxy {proxy.shown}", files, is_proxy=True)
        return self._explained(error, peer, partial(self._tcp_to_proxy, proxy, origin), proxy.host)

    def _explained(
        self, error: ssl.SSLError, peer: tls.Peer, reach: Callable[[], Stream], host: str
    ) -> EvidenceUnavailable:
        """Why TLS failed, with what the certificate says if that helps and can be had in a moment."""
        seen = None
        if tls.is_about_certificate(error):
            try:
                with self._guard.within(_LOOK_SECONDS):
                    seen = tls.see_unverified(reach(), host)
            except (OSError, ValueError, EvidenceUnavailable):
                seen = None  # what is known already has to do
        return tls.failure(error, peer, seen)

    def _connect(self, host: str, port: int, check: Callable[[str], None]) -> socket.socket:
        addresses = self._names.addresses(host, port, self._guard.remaining(), self._guard.behalf)
        for address in addresses:
            check(address)
        tried = Tried()
        for others, address in zip(range(len(addresses) - 1, -1, -1), addresses, strict=True):
            most, share = (_TRY_SECONDS, 1.0) if others else (math.inf, 0.5 if tried.slow else 1.0)
            if (found := self._try(address, port, tried, most, share)) is not None:
                return found
        # Somebody may be there: with all the time that is left.
        if tried.slow and (found := self._try(tried.slow, port, tried)) is not None:
            return found
        raise tried.failure()

    def _try(
        self, address: str, port: int, tried: Tried, most: float = math.inf, share: float = 1.0
    ) -> socket.socket | None:
        """A connection to an address within so many seconds, and such a share of what is left; None where it fails."""
        self._guard.asked()
        try:
            return _connected(address, port, min(most, share * self._guard.remaining()))
        except OverflowError as error:
            tried.add(address, OSError(str(error)), 0.0)
        except OSError as error:
            tried.add(address, error, self._guard.waited)
        return None


def _connected(address: str, port: int, seconds: float) -> socket.socket:
    connection = socket.create_connection((address, port), seconds)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def cause(error: BaseException) -> str:
    """The words of what went wrong first."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error)[:200] or type(error).__name__


def _proxy_unreachable(proxy: Proxy, origin: Origin, error: OSError) -> EvidenceUnavailable:
    variable = "HTTPS_PROXY" if origin.scheme == "https" else "HTTP_PROXY"
    return EvidenceUnavailable(
        Code.REGISTRY_UNREACHABLE,
        f"{origin.name} could not be asked: the proxy {proxy.shown} could not be reached: {cause(error)}",
        remedy=f"check {variable}, or name {origin.name} in NO_PROXY to reach it directly",
    )
