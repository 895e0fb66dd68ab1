"""Names whose servers do not answer: they hold nobody else, and not the end of the program."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.guard.hosts import Hosts
from gate.registry.guard.names import Names
from gate.registry.guard.transport import Request, Transport
from tests.fakes.clients import soon
from tests.fakes.scripted_server import Reply, ScriptedServer


class Resolver:
    """Names under `.slow.test` are not answered until it is over."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        if host.endswith(".slow.test"):
            self.over.wait(60)
            raise OSError("no answer")
        return ["127.0.0.1"]


def _port(server: ScriptedServer) -> str:
    return server.host.rpartition(":")[2]


@pytest.fixture
def resolver() -> Resolver:
    return Resolver()


def test_what_it_finds_and_what_it_does_not() -> None:
    assert Names(lambda host, port: [host, str(port)]).addresses("a.test", 5, 10) == ["a.test", "5"]

    def none(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known")

    with pytest.raises(OSError, match="Name or service not known"):
        Names(none).addresses("a.test", 5, 10)

    def unspeakable(host: str, port: int) -> list[str]:
        raise UnicodeError("label too long")

    with pytest.raises(OSError, match="label too long"):
        Names(unspeakable).addresses("a.test", 5, 10)


def test_a_name_is_looked_up_once_however_many_ask(resolver: Resolver) -> None:
    names = Names(resolver)

    def ask(_: int) -> bool:
        with pytest.raises(TimeoutError, match="too long to resolve"):
            names.addresses("a.slow.test", 443, 0.05)
        return True

    with ThreadPoolExecutor(20) as pool:
        assert all(pool.map(ask, range(40)))
    assert resolver.asked == ["a.slow.test"]
    resolver.over.set()


def test_many_names_that_hang_do_not_hold_another(resolver: Resolver) -> None:
    """A registry's name is a stranger's word; his are not to be everybody's."""
    with ScriptedServer(lambda _: Reply(200)) as server:
        hosts = Hosts(insecure=frozenset({f"good.test:{_port(server)}"}))
        transport = Transport(hosts, resolver)
        with ThreadPoolExecutor(100) as pool:

            def ask(number: int) -> Code:
                with pytest.raises(EvidenceUnavailable) as raised:
                    transport.send(Request("GET", f"https://{number}.slow.test/", 10), soon(0.2))
                return raised.value.code

            assert set(pool.map(ask, range(100))) == {Code.REGISTRY_TIMEOUT}
        answer = transport.send(Request("GET", f"http://good.test:{_port(server)}/", 10), soon(20))
        assert answer.status == 200
        transport.close()
    resolver.over.set()


def _hanging(names: Names, registry: str, most: int = 600) -> int:
    """How many names that hang are looked up for one registry, until there is an end to it."""
    for number in range(most):
        try:
            names.addresses(f"{number}.{registry}.slow.test", 443, 0, registry)
        except TimeoutError:
            continue
        except EvidenceUnavailable:
            return number
    return most


def test_of_the_names_that_hang_each_registry_has_a_share(resolver: Resolver) -> None:
    names = Names(resolver)
    shares = [_hanging(names, f"evil{number}.test") for number in range(40)]
    assert shares[:3] == [85, 57, 38]
    assert sum(shares[:20]) <= 256 + 20
    assert shares[-1] == 1
    assert names.addresses("a.test", 443, 10) == ["127.0.0.1"]
    resolver.over.set()


def test_there_is_an_end_to_them_and_it_is_said(resolver: Resolver) -> None:
    names = Names(resolver)
    for number in range(512):
        with pytest.raises(TimeoutError):
            names.addresses(f"{number}.slow.test", 443, 0)
    with pytest.raises(EvidenceUnavailable, match=r"more\.test was not asked: 512 other names") as raised:
        names.addresses("more.test", 443, 1)
    assert "DNS" in raised.value.remedy
    resolver.over.set()
    end = time.monotonic() + 20
    while names._flights and time.monotonic() < end:
        time.sleep(0.01)
    assert not names._shares
    assert names.addresses("a.test", 443, 10) == ["127.0.0.1"]


def test_a_name_that_hangs_does_not_hold_the_end_of_the_program() -> None:
    program = """
import time
from gate.registry.guard.names import Names
try:
    Names(lambda host, port: time.sleep(60)).addresses("a.test", 443, 0.1)
except TimeoutError:
    print("in time")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "in time\n"


def test_an_address_that_is_silent_leaves_the_next_its_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken IPv6 is common: the first address of two is where nobody answers."""
    asked: list[tuple[str, float]] = []
    connect = socket.create_connection

    def silent(address: tuple[str, int], timeout: float) -> socket.socket:
        asked.append((address[0], timeout))
        if address[0] == "127.0.0.2":
            raise TimeoutError("timed out")
        return connect(address, timeout)

    with ScriptedServer(lambda _: Reply(200)) as server:
        monkeypatch.setattr(socket, "create_connection", silent)
        transport = Transport(
            Hosts(insecure=frozenset({f"two.test:{_port(server)}"})), lambda host, port: ["127.0.0.2", "127.0.0.1"]
        )
        answer = transport.send(Request("GET", f"http://two.test:{_port(server)}/", 10), soon(15))
        transport.close()
    assert answer.status == 200
    (first, allowed), (second, rest) = asked
    assert (first, second) == ("127.0.0.2", "127.0.0.1")
    assert allowed <= 2 < rest
