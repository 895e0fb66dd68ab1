"""TLS that is fed in pieces: what comes without end, and needs no answer, ends with the time."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from gate.registry.guard.sockets import DeadlineSocket
from gate.registry.guard.tls_stream import TlsStream
from tests.fakes.hostile_server import make_certificate
from tests.unit.registry.guard.support import Patient, carry_large

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HELLO_REQUEST = b"\x16\x03\x03\x00\x04\x00\x00\x00\x00"  # RFC 5246, 7.4.1.1: a client may ignore it


class Ending(Patient):
    """Has time for so many looks at it."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    def remaining(self) -> float:
        self.looks -= 1
        if self.looks < 0:
            raise TimeoutError("the time allowed ran out")
        return super().remaining()


@contextmanager
def secured(folder: Path, guard: Patient | None = None) -> Iterator[tuple[TlsStream, ssl.SSLSocket]]:
    """Our end, and a server's."""
    end, peer = socket.socketpair()
    certificate = make_certificate(folder)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*certificate)
    accepted: list[ssl.SSLSocket] = []
    accepting = threading.Thread(target=lambda: accepted.append(server.wrap_socket(peer, server_side=True)))
    accepting.start()
    client = ssl.create_default_context(cafile=str(certificate[0]))
    ours = TlsStream(DeadlineSocket(end, guard or Patient()), client, "registry.test")
    accepting.join()
    with closing(ours), closing(accepted[0]):
        yield ours, accepted[0]


def drained(peer: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        received += peer.recv(4096)
    return received


def test_what_is_large_is_sent_and_received_whole(tmp_path: Path) -> None:
    with secured(tmp_path) as (ours, peer):
        carry_large(ours, peer)


def test_a_record_is_given_out_bit_by_bit_and_not_waited_for(tmp_path: Path) -> None:
    with secured(tmp_path) as (ours, peer):
        peer.sendall(b"0123456789")  # one record, behind the tickets
        assert ours.recv(1) == b"0"
        assert not ours.is_silent  # the rest is inside
        assert b"".join(ours.recv(1) for _ in range(9)) == b"123456789"
        assert ours.is_silent


def test_tickets_are_no_answer(tmp_path: Path) -> None:
    """What a server of TLS 1.3 sends behind the handshake leaves the connection free."""
    with secured(tmp_path) as (ours, peer):
        assert ours.version == "TLSv1.3"
        assert ours.is_silent
        ours.sendall(b"question")
        assert drained(peer, 8) == b"question"
        peer.sendall(b"answer")
        assert ours.recv(100) == b"answer"
        assert ours.is_silent


def test_what_nobody_asked_for_is_not_silence(tmp_path: Path) -> None:
    with secured(tmp_path) as (ours, peer):
        peer.sendall(b"x")
        assert not ours.is_silent


@pytest.mark.parametrize("end", [lambda peer: peer.close(), lambda peer: peer.unwrap()])
def test_the_end_is_an_end(tmp_path: Path, end: Callable[[ssl.SSLSocket], object]) -> None:
    with secured(tmp_path) as (ours, peer):
        ending = threading.Thread(target=_ended, args=(end, peer))
        ending.start()
        assert ours.recv(1) == b""
        assert not ours.is_silent
        ours.close()
        ending.join(30)


def _ended(end: Callable[[ssl.SSLSocket], object], peer: ssl.SSLSocket) -> None:
    try:
        end(peer)
    except OSError:
        return


def test_nothing_is_read_without_time(tmp_path: Path) -> None:
    guard = Patient()
    with secured(tmp_path, guard) as (ours, _):
        guard.seconds = 0.05
        with pytest.raises(TimeoutError):
            ours.recv(1)


@pytest.mark.parametrize(
    "flood", [HELLO_REQUEST * 1000, b"\x14\x03\x03\x00\x01\x01" * 1000, struct.pack(">BHH", 22, 0x303, 4)]
)
def test_a_handshake_that_never_comes_ends_with_the_time(flood: bytes) -> None:
    """A server without a certificate may send what OpenSSL reads over for as long as it comes."""
    end, peer = socket.socketpair()
    context = ssl.create_default_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    flooding = threading.Thread(target=_flooded, args=(peer, flood))
    flooding.start()
    try:
        with pytest.raises((TimeoutError, ssl.SSLError)):
            TlsStream(DeadlineSocket(end, Ending(200)), context, "registry.test")
        assert end.fileno() == -1
    finally:
        peer.close()
        flooding.join(30)
    assert not flooding.is_alive()


def _flooded(peer: socket.socket, flood: bytes) -> None:
    try:
        while True:
            peer.sendall(flood)
    except OSError:
        return


def test_the_stream_is_closed_where_the_certificate_is_anothers(tmp_path: Path) -> None:
    end, peer = socket.socketpair()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*make_certificate(tmp_path))
    told: list[str] = []
    accepting = threading.Thread(target=_refused, args=(server, peer, told))
    accepting.start()
    with pytest.raises(ssl.SSLCertVerificationError):
        TlsStream(DeadlineSocket(end, Patient()), ssl.create_default_context(), "registry.test")
    accepting.join(30)
    assert end.fileno() == -1
    assert any("ALERT" in text.upper() for text in told)  # the server is told why


def _refused(server: ssl.SSLContext, peer: socket.socket, told: list[str]) -> None:
    try:
        server.wrap_socket(peer, server_side=True).recv(1)
    except OSError as error:
        told.append(str(error))
    finally:
        peer.close()
