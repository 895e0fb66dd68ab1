"""TLS over a stream, also over one that has TLS itself, as that to a proxy has.

OpenSSL is fed in pieces and never sees the socket. Where it does, it goes on reading within one call for as long as it
is sent what needs no answer (HelloRequest before its turn, NewSessionTicket after it: RFC 5246, 7.4.1.1; RFC 8446,
4.6.1), and no timeout of Python's is looked at: a server without a certificate could hold a thread, and a core, for
good.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.registry.guard.sockets import Stream

_T = TypeVar("_T")
_PIECE: Final = 4 * 1024  # bytes: OpenSSL keeps room for one with each connection, for good


class TlsStream:
    """A stream whose bytes are inside TLS."""

    def __init__(self, inner: Stream, context: ssl.SSLContext, host: str) -> None:
        """Do the handshake.

        Args:
            inner: carries it, and is closed with this, or where this fails.
            context: says whom to believe.
            host: whose certificate it has to be.

        Raises:
            OSError: ssl.SSLError, TimeoutError and others.
        """
        name = host.partition("%")[0].rstrip(".")  # certificates know neither an address's zone nor the root's dot
        self._inner = inner
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ended = False
        try:
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
            self._do(self._tls.do_handshake)
        except BaseException:
            inner.close()
            raise

    @property
    def peer(self) -> str:
        """As `Stream`."""
        return self._inner.peer

    @property
    def version(self) -> str:
        """Such as `TLSv1.3`."""
        return self._tls.version() or "TLS"

    @property
    def certificate(self) -> dict[str, Any]:
        """The server's, as `ssl` takes it apart; empty where it was not verified."""
        return self._tls.getpeercert() or {}

    @property
    def encoded_certificate(self) -> bytes | None:
        """The server's, in DER; None where it showed none."""
        return self._tls.getpeercert(binary_form=True)

    @property
    def is_silent(self) -> bool:
        """As `Stream`: what a server says of TLS itself, such as a ticket for later, is no answer to anything."""
        if self._ended or self._tls.pending():
            return False
        try:
            if not self._inner.is_silent:
                if isinstance(self._inner, TlsStream):
                    return False  # what it has may be nothing that can be read, and would be waited for
                self._feed()
            if self._incoming.pending:
                self._tls.read(1)
                return False
        except ssl.SSLWantReadError:
            pass
        except OSError:
            return False
        return self._inner.is_silent

    def recv(self, size: int) -> bytes:
        """As `Stream`."""
        if not (self._tls.pending() or self._incoming.pending):
            self._feed()  # it would ask for that
        received = b""
        with suppress(ssl.SSLZeroReturnError, ssl.SSLEOFError):
            received = self._do(self._tls.read, size)
        self._ended = not received
        return received  # many servers end the connection and not the TLS in it; HTTP says what is whole

    def sendall(self, data: bytes) -> None:
        """As `Stream`."""
        left = memoryview(data)
        while left:
            left = left[self._do(self._tls.write, left) :]

    def close(self) -> None:
        """As `Stream`."""
        self._inner.close()

    def _do(self, act: Callable[..., _T], *arguments: Any) -> _T:
        while True:
            try:
                result = act(*arguments)
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
            except ssl.SSLError:
                with suppress(OSError):
                    self._flush()  # why, for the server
                raise
            else:
                self._flush()
                return result

    def _feed(self) -> None:
        piece = self._inner.recv(_PIECE)
        if piece:
            self._incoming.write(piece)
        else:
            self._incoming.write_eof()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._inner.sendall(self._outgoing.read())
