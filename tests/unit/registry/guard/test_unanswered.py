"""Whether somebody was asked, and for how long in vain: what `staleIfError` goes by (POLICY §2)."""

from __future__ import annotations

import errno
import math
import socket
import threading
import time
from contextlib import closing
from typing import Any

import pytest

from gate.codes import Code
from gate.deadline import Deadline
from gate.errors import EvidenceUnavailable
from gate.image.digest import Digest
from gate.image.reference import Repository
from gate.registry.guard.hosts import Hosts, Mirror
from gate.registry.guard.transport import Request, Transport
from gate.registry.mirrors import MirroredRegistry
from tests.fakes.clients import client_of, soon
from tests.fakes.hostile_server import HostileServer, Peer, answer
from tests.fakes.registry_simulator import RegistrySimulator

DIGEST = Digest.of(b"image")


def failed(host: str, hosts: Hosts | None = None, seconds: float = 5.0, **more: Any) -> EvidenceUnavailable:
    """How a question to a host fails."""
    with client_of(host, hosts=hosts, **more) as client, pytest.raises(EvidenceUnavailable) as caught:
        client.manifest(Repository(host, "acme/api"), DIGEST, soon(seconds))
    return caught.value


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_nobody_is_there() -> None:
    assert failed(f"127.0.0.1:{free_port()}").unanswered == math.inf


@pytest.mark.parametrize("number", [socket.EAI_NONAME, socket.EAI_AGAIN])
def test_a_name_that_is_not_found_may_be_our_doing(number: int) -> None:
    def no_address(*_: object) -> list[str]:
        raise socket.gaierror(number, "not found")

    assert failed("registry.test", resolver=no_address).unanswered == 0.0


def test_who_does_not_answer_was_asked_for_as_long_as_there_was_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        error = failed(f"127.0.0.1:{listener.getsockname()[1]}", seconds=0.5)
    assert error.code is Code.REGISTRY_TIMEOUT
    assert 0.4 < error.unanswered < 0.6


def test_time_for_its_name_is_not_time_for_an_answer() -> None:
    def slowly(*_: object) -> list[str]:
        time.sleep(0.4)
        return ["127.0.0.1"]

    with socket.create_server(("127.0.0.1", 0)) as listener:
        error = failed(f"127.0.0.1:{listener.getsockname()[1]}", seconds=0.5, resolver=slowly)
    assert error.unanswered < 0.2
    never = threading.Event()
    error = failed("registry.test", seconds=0.2, resolver=lambda *_: [str(never.wait(5))])
    never.set()
    assert (error.code, error.unanswered) == (Code.REGISTRY_TIMEOUT, 0.0)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EADDRNOTAVAIL, errno.EACCES])
def test_what_is_missing_here_says_nothing_of_who_is_there(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> socket.socket:
        raise OSError(number, "not from here")

    monkeypatch.setattr(socket, "create_connection", fail)
    error = failed("127.0.0.1:1")
    assert (error.code, error.unanswered) == (Code.REGISTRY_UNREACHABLE, 0.0)


def test_of_several_addresses_one_that_was_not_tried_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = [errno.ECONNREFUSED, errno.EMFILE, errno.ECONNREFUSED]
    addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]

    def fail(*_: object, **__: object) -> socket.socket:
        raise OSError(numbers.pop(), "no")

    monkeypatch.setattr(socket, "create_connection", fail)
    error = failed("registry.test:80", Hosts(insecure=frozenset({"registry.test:80"})), resolver=lambda *_: addresses)
    assert error.unanswered == 0.0
    assert numbers == []


@pytest.mark.parametrize(
    ("host", "hosts"),
    [
        ("127.0.0.1:1", Hosts()),  # an address that may not be asked
        ("169.254.169.254:80", Hosts(insecure=frozenset({"169.254.169.254:80"}))),
        ("127.0.0.1:1", Hosts(insecure=frozenset({"127.0.0.1:1"}), offline=True)),
    ],
)
def test_who_may_not_be_asked_has_not_failed_to_answer(host: str, hosts: Hosts) -> None:
    error = failed(host, hosts)
    assert (error.code, error.unanswered) == (Code.REGISTRY_UNREACHABLE, 0.0)


@pytest.mark.parametrize(
    ("status", "unanswered"),
    [
        *((status, math.inf) for status in (500, 502, 503, 504, 599)),
        *((status, 0.0) for status in (400, 401, 403, 410, 412, 418, 429, 451)),
    ],
)
def test_only_what_is_out_of_order_is_no_answer(status: int, unanswered: float) -> None:
    def script(peer: Peer) -> bool:
        peer.send(answer(status))
        return True

    with (
        HostileServer(script) as server,
        client_of(server.host) as client,
        pytest.raises(EvidenceUnavailable) as caught,
    ):
        client.manifest(Repository(server.host, "acme/api"), DIGEST, soon())
    assert caught.value.unanswered == unanswered


@pytest.mark.parametrize("status", [403, 500])
def test_who_redirects_is_there(status: int) -> None:
    def there(peer: Peer) -> bool:
        peer.send(answer(status))
        return True

    with HostileServer(there) as other:

        def here(peer: Peer) -> bool:
            peer.send(answer(307, ((f"Location: http://{other.host}/x"),)))
            return True

        with HostileServer(here) as server, client_of(server.host, other.host) as client:
            with pytest.raises(EvidenceUnavailable) as caught:
                client.manifest(Repository(server.host, "acme/api"), DIGEST, soon())
            assert caught.value.unanswered == 0.0


def test_of_two_addresses_the_one_that_is_slow_gets_what_time_is_left() -> None:
    refused = free_port()
    tried: list[tuple[str, float]] = []

    def connect(address: tuple[str, int], seconds: float) -> socket.socket:
        tried.append((address[0], seconds))
        if address[0] == "127.0.0.2":
            raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
        raise TimeoutError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "create_connection", connect)
        error = failed(f"127.0.0.1:{refused}", resolver=lambda *_: ["127.0.0.1", "127.0.0.2"], seconds=9.0)
    assert error.code is Code.REGISTRY_TIMEOUT
    assert [address for address, _ in tried] == ["127.0.0.1", "127.0.0.2", "127.0.0.1"]
    assert tried[0][1] <= 2.0
    assert tried[2][1] > 8.0


def test_a_kept_connection_that_leads_nowhere_leaves_time_for_another() -> None:
    silent = threading.Event()
    known: list[object] = []

    def script(peer: Peer) -> bool:
        if silent.is_set() and any(peer._connection is one for one in known):
            time.sleep(3)
            return False
        known.append(peer._connection)
        peer.send(answer(200, (), b"{}"))
        return True

    with HostileServer(script) as server:
        transport = Transport(Hosts(insecure=frozenset({server.host})))
        request = Request("GET", f"http://{server.host}/v2/", 100)
        with closing(transport):
            transport.send(request, soon())
            silent.set()
            assert transport.send(request, Deadline.after(2.0, time.monotonic)).status == 200
    assert len(known) == 2


def test_who_began_to_answer_is_there() -> None:
    def script(peer: Peer) -> bool:
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")
        time.sleep(1)
        return False

    with HostileServer(script) as server:
        error = failed(server.host, seconds=0.4)
    assert (error.code, error.unanswered) == (Code.REGISTRY_TIMEOUT, 0.0)


def test_who_redirects_to_nobody_is_there() -> None:
    def script(peer: Peer) -> bool:
        peer.send(answer(307, (f"Location: http://127.0.0.1:{nobody}/x",)))
        return True

    nobody = free_port()
    with HostileServer(script) as server:
        error = failed(server.host, Hosts(insecure=frozenset({server.host, f"127.0.0.1:{nobody}"})))
    assert (error.code, error.unanswered) == (Code.REGISTRY_UNREACHABLE, 0.0)


@pytest.mark.parametrize("what", [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", b"rubbish\r\n"])
def test_who_says_something_is_there(what: bytes) -> None:
    def script(peer: Peer) -> bool:
        peer.send(what)
        return False

    with HostileServer(script) as server:
        assert failed(server.host).unanswered == 0.0


@pytest.mark.parametrize(
    ("origins", "mirrors", "expected"),
    [
        (math.inf, math.inf, math.inf),
        (math.inf, 0.0, 0.0),
        (0.0, math.inf, 0.0),
        (3.0, math.inf, 3.0),
        (math.inf, 2.0, 2.0),
    ],
)
@pytest.mark.parametrize("by_digest", [False, True])
def test_of_a_mirror_and_its_origin_neither_may_have_answered(
    origins: float, mirrors: float, expected: float, *, by_digest: bool
) -> None:
    origin, mirror = Repository("origin.test", "acme/api"), Repository("mirror.test", "acme/api")
    registry = RegistrySimulator()

    def fail(_method: str, place: Repository, _what: str) -> None:
        unanswered = origins if place == origin else mirrors
        raise EvidenceUnavailable(Code.REGISTRY_UNREACHABLE, f"{place} fails", unanswered=unanswered)

    registry.hook = fail
    mirrored = MirroredRegistry(
        registry, {"origin.test": (Mirror(mirror.registry, authoritative=True),)}, time.monotonic
    )
    with pytest.raises(EvidenceUnavailable) as caught:
        mirrored.manifest(origin, DIGEST if by_digest else "v1", soon())
    assert caught.value.unanswered == expected
