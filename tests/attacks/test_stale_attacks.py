"""Registries that are there, and somebody who would have an old list stand in for what they say (`staleIfError`).

Who was heard, by whatever byte of whatever request that a question took, has not failed to answer: a signature that
was removed must not count again because the last of those requests went wrong.
"""

from __future__ import annotations

import errno
import itertools
import json
import math
import socket
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from gate.codes import Code
from gate.deadline import Deadline
from gate.errors import EvidenceUnavailable
from gate.hearing import Hearing
from gate.image.digest import Digest
from gate.image.manifest import OCI_INDEX, OCI_MANIFEST
from gate.image.reference import Repository
from gate.policy.finding import Verdict
from gate.policy.plan import Stage
from gate.registry.client import RegistryClient
from gate.registry.credentials.credential import Credential
from gate.registry.credentials.keychain import Remembering
from gate.registry.guard.hosts import Hosts, Mirror
from gate.registry.guard.proxies import Proxies
from gate.registry.guard.transport import Transport
from gate.registry.mirrors import MirroredRegistry
from gate.review.review import Reviewer, Subject
from tests.fakes.clients import Held, client_of, soon
from tests.fakes.clock import SettableClock
from tests.fakes.hostile_server import HostileServer, Peer, answer, make_certificate
from tests.fakes.registry_simulator import RegistrySimulator
from tests.fakes.roots import NoRoots
from tests.fakes.signing import alice
from tests.unit.policy.build import SIGNED, config, policies, policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DIGEST = Digest.of(b"image")
MINE = Credential("config.json", "u", "hunter2-correct-horse")
SHORT = 1.0
"""Seconds: enough to be heard, little to be silent in."""
EMPTY = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode()
BASIC = 'WWW-Authenticate: Basic realm="x"'
STALE = policies(policy(SIGNED), config(staleIfError="1h"))


# one question


def refers(host: str, seconds: float = SHORT, **options: Any) -> EvidenceUnavailable:
    """How asking a registry for referrers fails."""
    with client_of(host, **options) as client, pytest.raises(EvidenceUnavailable) as caught:
        client.referrers(Repository(host, "acme/api"), DIGEST, soon(seconds))
    return caught.value


def client_over(transport: Transport, hosts: Hosts) -> RegistryClient:
    remembering = Remembering(Held(None), time.monotonic)
    return RegistryClient.over(transport, remembering, hosts, time.monotonic, SettableClock().now, lambda _: None)


def reset(peer: Peer) -> bool:
    peer.reset()
    return False


def silence(peer: Peer) -> bool:
    peer.silence()
    return False


def out_of_order(peer: Peer) -> bool:
    peer.send(answer(503))
    return True


ENDS = [reset, silence, out_of_order]


def says(*headers: str, status: int = 200, body: bytes = b"") -> Callable[[Peer], bool]:
    def script(peer: Peer) -> bool:
        peer.send(answer(status, headers, b"" if peer.method == "HEAD" else body, length=str(len(body))))
        return True

    return script


@pytest.mark.parametrize("end", ENDS)
def test_a_registry_whose_first_page_came_is_there(end: Callable[[Peer], bool]) -> None:
    def script(peer: Peer) -> bool:
        first = says(f"Content-Type: {OCI_INDEX}", 'Link: </v2/acme/api/referrers/x?page=2>; rel="next"', body=EMPTY)
        return end(peer) if "page" in peer.path else first(peer)

    with HostileServer(script) as server:
        assert refers(server.host).unanswered == 0.0
        assert any("page=2" in head for head in server.heads)


@pytest.mark.parametrize("end", ENDS)
def test_a_registry_that_wants_credentials_is_there(end: Callable[[Peer], bool]) -> None:
    def script(peer: Peer) -> bool:
        return end(peer) if peer.header("Authorization") else says(BASIC, status=401)(peer)

    with HostileServer(script) as server:
        assert refers(server.host, keychain=Held(MINE)).unanswered == 0.0


@pytest.mark.parametrize("end", ENDS)
def test_a_registry_that_refuses_credentials_is_there_whatever_it_tells_nobody(end: Callable[[Peer], bool]) -> None:
    def script(peer: Peer) -> bool:
        return says(status=403)(peer) if peer.header("Authorization") else end(peer)

    with HostileServer(script) as server, client_of(server.host, keychain=Held(MINE)) as client:
        client._authenticator._learn(server.host, None)  # it wanted them before
        with pytest.raises(EvidenceUnavailable) as caught:
            client.referrers(Repository(server.host, "acme/api"), DIGEST, soon(SHORT))
    assert caught.value.unanswered == 0.0


@pytest.mark.parametrize("end", ENDS)
def test_a_registry_that_has_nothing_is_there_whatever_its_door_does(end: Callable[[Peer], bool]) -> None:
    def script(peer: Peer) -> bool:
        if peer.method == "HEAD" or peer.path == "/v2/":
            return end(peer)
        return says(status=404)(peer)

    with HostileServer(script) as server:
        assert refers(server.host, keychain=Held(MINE)).unanswered == 0.0
        assert any(head.startswith("HEAD") for head in server.heads)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("known", [False, True])
def test_what_a_token_service_does_says_nothing_of_its_registry(end: Callable[[Peer], bool], *, known: bool) -> None:
    def script(peer: Peer) -> bool:
        realm = f'Bearer realm="http://{server.host}/token",service="x"'
        if not peer.path.startswith("/token"):
            return says(f"WWW-Authenticate: {realm}", status=401)(peer)
        if gone:
            return end(peer)
        return says(body=b'{"token":"t","expires_in":1}')(peer)

    gone = not known
    with HostileServer(script) as server, client_of(server.host) as client:
        repository = Repository(server.host, "acme/api")
        for _ in range(2 if known else 1):
            with pytest.raises(EvidenceUnavailable) as caught:
                client.referrers(repository, DIGEST, soon(SHORT))
            client._authenticator._tokens.clear()
            gone = True
    assert caught.value.unanswered == 0.0


@pytest.mark.parametrize("end", ENDS)
def test_who_redirects_to_himself_is_there(end: Callable[[Peer], bool]) -> None:
    def script(peer: Peer) -> bool:
        return end(peer) if "again" in peer.path else says(f"Location: {peer.path}?again", status=307)(peer)

    with HostileServer(script) as server:
        assert refers(server.host).unanswered == 0.0


BEGUN = [
    b"H",
    b"HTTP/1.1 404 Not Found\r\nContent-Type: a/b\r\n",
    b"HTTP/1.1 503 X\r\n",
    b"HTTP/1.1 503 X\r\nContent-Length: 10\r\n\r\nx",
    b"HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
    b"HTTP/1.1 103 Early Hints\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
    b"rubbish\r\n",
]


@pytest.mark.parametrize("begun", BEGUN)
@pytest.mark.parametrize("end", [reset, silence, lambda _: False])
def test_who_begins_to_answer_is_there(begun: bytes, end: Callable[[Peer], bool]) -> None:
    def script(peer: Peer) -> bool:
        peer.send(begun)
        time.sleep(0.02)
        return end(peer)

    with HostileServer(script) as server:
        assert refers(server.host).unanswered == 0.0


def test_that_it_is_out_of_order_is_its_word_behind_another_that_is_none() -> None:
    with HostileServer(lambda peer: peer.send(b"HTTP/1.1 103 X\r\n\r\n" + answer(503))) as server:
        assert refers(server.host).unanswered == math.inf


@pytest.mark.parametrize("end", [reset, lambda _: False])
def test_who_takes_a_connection_and_ends_it_was_asked_for_as_long_as_that_took(end: Callable[[Peer], bool]) -> None:
    def script(peer: Peer) -> bool:
        time.sleep(0.3)
        return end(peer)

    with HostileServer(script) as server:
        assert 0.2 < refers(server.host, seconds=5.0).unanswered < 3.0


@contextmanager
def accepting(take: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a server that does this with each connection, and keeps it until the end."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as kept:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                kept.callback(connection.close)
                take(connection)

        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        kept.callback(serving.join, 10)
        kept.callback(listener.shutdown, socket.SHUT_RDWR)
        yield listener.getsockname()[1]


@pytest.mark.parametrize("ends", [False, True])
def test_who_begins_a_handshake_is_there(*, ends: bool) -> None:
    def begin(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"\x16\x03\x03\x00\x7a\x02")  # the first bytes of a ServerHello
        if ends:
            time.sleep(0.05)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()

    with accepting(begin) as port:
        host = f"127.0.0.1:{port}"
        assert refers(host, hosts=Hosts(private=frozenset({host}))).unanswered == 0.0


def test_who_says_nothing_to_a_handshake_was_asked() -> None:
    with accepting(lambda _: None) as port:
        host = f"127.0.0.1:{port}"
        assert 0.2 < refers(host, 2.0, hosts=Hosts(private=frozenset({host}))).unanswered < 2.2


@pytest.mark.parametrize("end", ENDS)
def test_behind_a_handshake_only_its_own_word_says_that_it_is_out_of_order(
    end: Callable[[Peer], bool], tmp_path: Path
) -> None:
    certificate = make_certificate(tmp_path)
    with HostileServer(end, certificate) as server:
        name = f"registry.test:{server.port}"
        hosts = Hosts(authorities={name: str(certificate[0])})
        seconds = 2.0 if end is silence else 20.0
        error = refers(name, seconds, hosts=hosts, resolver=lambda *_: ["127.0.0.1"])
    assert error.unanswered == (math.inf if end is out_of_order else 0.0)


def test_what_came_before_it_was_asked_is_no_answer(tmp_path: Path) -> None:
    """Over a connection that was kept: tickets for later, and its end."""
    certificate = make_certificate(tmp_path)
    with ExitStack() as there:
        server = there.enter_context(HostileServer(says(status=404), certificate))
        name = f"registry.test:{server.port}"
        hosts = Hosts(authorities={name: str(certificate[0])})
        with client_of(hosts=hosts, resolver=lambda *_: ["127.0.0.1"]) as client:
            assert client.referrers(Repository(name, "acme/api"), DIGEST, soon()) == ()
            there.close()
            with pytest.raises(EvidenceUnavailable) as caught:
                client.referrers(Repository(name, "acme/api"), DIGEST, soon(1))
    assert caught.value.unanswered == math.inf


def test_a_kept_connection_that_is_gone_is_no_time_of_asking_while_our_dns_is_silent() -> None:
    never, known = threading.Event(), threading.Event()

    def script(peer: Peer) -> bool:
        if known.is_set():
            time.sleep(0.2)
            return reset(peer)
        return says(status=404)(peer)

    def resolve(*_: object) -> list[str]:
        if known.is_set():
            never.wait(5)
        return ["127.0.0.1"]

    with HostileServer(script) as server:
        name = f"registry.test:{server.port}"
        with client_of(name, resolver=resolve) as client:
            assert client.referrers(Repository(name, "acme/api"), DIGEST, soon()) == ()
            known.set()
            with pytest.raises(EvidenceUnavailable) as caught:
                client.referrers(Repository(name, "acme/api"), DIGEST, soon(1.0))
        never.set()
    assert (caught.value.code, caught.value.unanswered) == (Code.REGISTRY_TIMEOUT, 0.0)


# several addresses

SILENT, BROKEN = "silent", "broken after a second"
HERE, OTHER, SIX = "127.0.0.1", "127.0.0.2", "2001:db8::1"


@pytest.mark.parametrize(
    ("said", "unanswered"),
    [
        ({HERE: errno.ECONNREFUSED, OTHER: errno.ECONNREFUSED}, math.inf),
        ({HERE: errno.ECONNREFUSED, OTHER: SILENT}, 9.0),
        ({HERE: SILENT}, 9.0),
        ({HERE: SILENT, OTHER: SILENT}, 3.5),  # each for its share of the time
        ({HERE: SILENT, OTHER: errno.ECONNREFUSED}, 7.0),
        ({HERE: SILENT, OTHER: errno.EMFILE}, 0.0),
        ({HERE: errno.EMFILE, OTHER: SILENT}, 0.0),
        ({HERE: errno.ECONNREFUSED, OTHER: errno.EADDRNOTAVAIL}, 0.0),
        ({HERE: errno.ECONNREFUSED, OTHER: BROKEN}, 1.0),
        ({HERE: BROKEN}, 1.0),
        ({SIX: BROKEN}, 1.0),
        ({HERE: errno.ENETUNREACH}, 0.0),
        ({SIX: errno.ENETUNREACH}, 0.0),
        ({SIX: errno.EADDRNOTAVAIL}, 0.0),
        # of an address that there is no way to from here, the others are all there is
        ({SIX: errno.ENETUNREACH, HERE: errno.ECONNREFUSED}, math.inf),
        ({SIX: errno.EADDRNOTAVAIL, HERE: errno.ECONNREFUSED}, math.inf),
        ({SIX: errno.ENETUNREACH, HERE: SILENT}, 9.0),
        ({SIX: errno.ENETUNREACH, HERE: errno.EMFILE}, 0.0),
    ],
)
def test_of_several_addresses_each_speaks_for_itself(
    said: dict[str, str | int], unanswered: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SettableClock()

    def connect(address: tuple[str, int], seconds: float) -> socket.socket:
        match said[address[0]]:
            case "silent":
                clock.advance(seconds)
                raise TimeoutError("timed out")
            case "broken after a second":
                clock.advance(1.0)
                raise OSError(errno.EHOSTUNREACH, "no route")
            case number:
                raise OSError(number, "no")

    monkeypatch.setattr(socket, "create_connection", connect)
    name = "registry.test:80"
    hosts = Hosts(insecure=frozenset({name}), private=frozenset({name}))
    with client_of(hosts=hosts, resolver=lambda *_: list(said)) as client, pytest.raises(EvidenceUnavailable) as caught:
        client.referrers(Repository(name, "acme/api"), DIGEST, clock.deadline(9.0))
    assert caught.value.unanswered == pytest.approx(unanswered)


def test_a_proxy_whose_way_breaks_says_nothing_of_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    with accepting(lambda _: None) as port:
        proxies = Proxies.parse("", f"http://127.0.0.1:{port}", "")
        hosts = Hosts(insecure=frozenset({"registry.example.com:80"}))
        transport = Transport(hosts, proxies=proxies)
        client = client_over(transport, hosts)
        repository = Repository("registry.example.com:80", "acme/api")
        for fails in (False, True):
            if fails:

                def broken(*_: object) -> bytes:
                    raise OSError(errno.EHOSTUNREACH, "No route to host")

                monkeypatch.setattr("gate.registry.guard.sockets.DeadlineSocket.recv", broken)
            with pytest.raises(EvidenceUnavailable) as caught:
                client.referrers(repository, DIGEST, soon(SHORT))
            assert caught.value.unanswered == 0.0
        transport.close()


# a registry that is out of order


def test_it_says_so_and_then_nothing() -> None:
    def script(peer: Peer) -> bool:
        return out_of_order(peer) if peer.number == 0 else silence(peer)

    with HostileServer(script) as server:
        error = refers(server.host, 1.0)
        assert len(server.heads) > 1
    assert error.unanswered == math.inf


@pytest.mark.parametrize("begun", BEGUN)
def test_it_says_so_and_then_begins_to_say_something(begun: bytes) -> None:
    def script(peer: Peer) -> bool:
        if peer.number == 0:
            return out_of_order(peer)
        peer.send(begun)
        return False

    with HostileServer(script) as server:
        assert refers(server.host, 2.0).unanswered == 0.0


@pytest.mark.parametrize(("status", "unanswered"), [(503, math.inf), (429, 0.0)])
def test_who_has_no_turn_for_its_pause_has_been_told(status: int, unanswered: float) -> None:
    pause = says("Retry-After: 30", status=status)
    with HostileServer(pause) as server, client_of(server.host) as client:
        for sent in (1, 1):
            with pytest.raises(EvidenceUnavailable) as caught:
                client.referrers(Repository(server.host, "acme/api"), DIGEST, soon(2.0))
            assert caught.value.unanswered == unanswered
            assert len(server.heads) == sent
        with pytest.raises(EvidenceUnavailable) as caught:  # of another repository it has said nothing yet
            client.referrers(Repository(server.host, "acme/other"), DIGEST, soon(2.0))
        assert len(server.heads) == 2


@pytest.mark.parametrize(("status", "unanswered"), [(503, math.inf), (500, math.inf), (429, 0.0)])
def test_who_waits_for_others_has_been_told(status: int, unanswered: float) -> None:
    """One at a time is let in, and it is slow."""
    slow = threading.Event()

    def script(peer: Peer) -> bool:
        if slow.is_set():
            time.sleep(0.6)
        return says(status=status)(peer)

    with HostileServer(script) as server, client_of(server.host) as client:
        repository = Repository(server.host, "acme/api")
        pace = client._asker._transport._pace
        for _ in range(20):
            pace.refused(server.host, time.monotonic(), 0.0)
            pace._host(server.host).slowed = -math.inf
        assert pace.limit(server.host) == 1
        with pytest.raises(EvidenceUnavailable):
            client.referrers(repository, DIGEST, soon())
        pace._host(server.host).limit = 1.0
        slow.set()
        with pace.turn(server.host, soon(), repository.path), pytest.raises(EvidenceUnavailable) as caught:
            client.referrers(repository, DIGEST, soon(0.3))
    assert (caught.value.code, caught.value.unanswered) == (Code.OVERLOADED, unanswered)


def test_a_mirror_that_is_left_alone_is_asked_where_its_origin_is_down() -> None:
    """However that is said: that there is no turn to ask it, or the 5xx itself."""
    origin, mirror = Repository("origin.test", "acme/api"), Repository("mirror.test", "acme/api")
    registry = RegistrySimulator()
    fails = {mirror: EvidenceUnavailable(Code.REGISTRY_TIMEOUT, "it is slow", unanswered=3.0)}

    def fail(_method: str, place: Repository, _what: str) -> None:
        if place in fails:
            raise fails[place]

    registry.hook = fail
    registry.push_image(mirror, "v1")
    mirrored = MirroredRegistry(registry, {"origin.test": (Mirror("mirror.test", authoritative=True),)}, time.monotonic)
    assert mirrored.manifest(origin, "v1", soon()) is None
    fails = {origin: EvidenceUnavailable(Code.REGISTRY_RATE_LIMITED, "no request for 5 s", unanswered=math.inf)}
    assert mirrored.manifest(origin, "v1", soon()) is not None


def test_an_answer_ends_what_it_said_before() -> None:
    said = [503, 404]

    def script(peer: Peer) -> bool:
        status = said.pop(0)
        return says("Retry-After: 30", status=status)(peer)

    with HostileServer(script) as server, client_of(server.host) as client:
        repository, pace = Repository(server.host, "acme/api"), client._asker._transport._pace
        with pytest.raises(EvidenceUnavailable):
            client.referrers(repository, DIGEST, soon(2.0))
        pace._refusals._known.clear()  # the pause is over
        assert client.referrers(repository, DIGEST, soon(2.0)) == ()
        assert pace.outages.lately(server.host, repository.path, time.monotonic()) is None


def test_a_request_with_a_body_is_sent_once() -> None:
    """A refresh token may be good for one time."""
    token = Credential("config.json", identity_token="refresh")

    def script(peer: Peer) -> bool:
        if peer.method == "POST":
            return out_of_order(peer)
        return says(f'WWW-Authenticate: Bearer realm="http://{server.host}/token",service="x"', status=401)(peer)

    with HostileServer(script) as server:
        refers(server.host, keychain=Held(token))
        assert sum(head.startswith("POST") for head in server.heads) == 1


# names


def test_names_that_hang_for_one_registry_leave_room_for_others() -> None:
    """A hostile registry redirects to a name for each request; their servers do not answer."""
    over = threading.Event()

    def resolve(host: str, _port: int) -> list[str]:
        if host.endswith(".slow.test"):
            over.wait(30)
            raise OSError("no answer")
        return ["127.0.0.1"]

    with HostileServer(says(status=404)) as server:
        name = f"good.test:{server.port}"
        hosts = Hosts(insecure=frozenset({name}))
        transport = Transport(hosts, resolve)
        names = transport._dialer._names
        refused: list[float] = []
        for number, evil in itertools.product(range(300), range(8)):
            try:
                names.addresses(f"{number}.{evil}.slow.test", 443, 0.0, f"evil{evil}.test")
            except TimeoutError:
                continue
            except EvidenceUnavailable as error:
                refused.append(error.unanswered)
        assert refused == [0.0] * len(refused)
        assert len(refused) > 2000
        with closing(transport):
            client = client_over(transport, hosts)
            assert client.referrers(Repository(name, "acme/api"), DIGEST, soon()) == ()
        over.set()


def test_a_name_is_looked_up_on_behalf_of_who_led_to_it() -> None:
    asked: list[tuple[str, str]] = []
    with HostileServer(says("Location: https://n1.slow.test/x", status=307)) as server:
        hosts = Hosts(insecure=frozenset({server.host}))
        transport = Transport(hosts, lambda *_: [])
        names = transport._dialer._names
        addresses = names.addresses

        def look(host: str, port: int, seconds: float, registry: str = "") -> list[str]:
            asked.append((host, registry))
            return addresses(host, port, seconds, registry) if host != "127.0.0.1" else ["127.0.0.1"]

        names.addresses = look  # type: ignore[method-assign]
        client = client_over(transport, hosts)
        with closing(transport), pytest.raises(EvidenceUnavailable):
            client.referrers(Repository(server.host, "acme/api"), DIGEST, soon())
    assert asked == [("127.0.0.1", server.host), ("n1.slow.test", server.host)]


# a whole image: what each of its places says


class Place:
    """A registry on loopback with an image that was signed; from then on each of its places does as a test says."""

    def __init__(self) -> None:
        self.clock = SettableClock()
        self.registry = RegistrySimulator()
        self.does: dict[str, Callable[[Peer], bool]] = {}

    @contextmanager
    def running(self) -> Iterator[None]:
        """It is there; `gone` ends that."""
        with ExitStack() as here, ExitStack() as there:
            server = there.enter_context(HostileServer(self._one))
            self.gone = there.close
            self.name = f"{server.host}/acme/api"
            self.digest = self.registry.push_image(self.name, "v1")
            self.registry.sign_legacy(self.name, self.digest, alice())
            client = here.enter_context(client_of(server.host))
            self.reviewer = Reviewer(client, NoRoots(), self.clock.monotonic, self.clock.now, jobs=2)
            here.callback(self.reviewer.close)
            yield

    def unsigned_since(self) -> None:
        """It was signed when it was looked at, and is no more."""
        assert self.verdict() == (Verdict.ALLOW, False)
        self.clock.advance(11)
        repository = self.registry.repository(self.name)
        for tag in [tag for tag in repository.tags if tag.startswith("sha256-")]:
            del repository.tags[tag]

    def _one(self, peer: Peer) -> bool:
        kind = "referrers" if "/referrers/" in peer.path else "sig" if peer.path.endswith(".sig") else "others"
        return self.does.get(kind, self._honest)(peer)

    def _honest(self, peer: Peer) -> bool:
        what = peer.path.rpartition("/")[2]
        repository = self.registry.repository(self.name)
        found = repository.blobs.get(Digest.parse(what)) if "/blobs/" in peer.path else None
        if "/manifests/" in peer.path:
            found = repository.content(Digest.parse(what) if ":" in what else what)
        media = f"Content-Type: {OCI_MANIFEST}"
        return says(media, status=200 if found else 404, body=found or b"{}")(peer)

    def verdict(self) -> tuple[Verdict, bool]:
        """And whether something stood in."""
        (review,) = self.reviewer.review(
            STALE, [Subject(f"{self.name}@{self.digest}")], Stage.CHECK, Deadline.after(20, time.monotonic)
        )
        return review.decision.verdict, any("stands in" in f.message for f in review.decision.findings)


def _begins(peer: Peer) -> bool:
    peer.send(b"HTTP/1.1 404 Not Found\r\n")
    return False


def _breaks_off(peer: Peer) -> bool:
    peer.send(answer(503, length="10"))
    return False


def _then(first: Callable[[Peer], bool], second: Callable[[Peer], bool]) -> Callable[[Peer], bool]:
    """Of each path that is asked for."""
    seen: set[str] = set()

    def script(peer: Peer) -> bool:
        again = peer.path in seen
        seen.add(peer.path)
        return (second if again else first)(peer)

    return script


def _does() -> dict[str, tuple[bool, Callable[[Peer], bool]]]:
    """What a registry may do, and whether all it says by that is that it is out of order."""
    return {
        "500": (True, says(status=500)),
        "503": (True, out_of_order),
        "503 and when": (True, says("Retry-After: 9", status=503)),
        "503, then a reset": (True, _then(out_of_order, reset)),
        "503, then begins": (False, _then(out_of_order, _begins)),
        "503, then nothing": (False, _then(out_of_order, says(status=404))),
        "503 that breaks off": (False, _breaks_off),
        "nothing": (False, says(status=404)),
        "wants credentials": (False, says(BASIC, status=401)),
        "forbids": (False, says(status=403)),
        "too many": (False, says(status=429)),
        "begins": (False, _begins),
        "resets at once": (False, reset),
        "ends at once": (False, lambda _: False),
        "leads to nobody": (False, says("Location: http://127.0.0.1:1/x", status=307)),
    }


OFTEN = frozenset({"503", "nothing"})
PAIRS = [
    # Each beside what is usual, and beside itself; all the others where there is time.
    pytest.param(one, others, marks=() if one == others or {one, others} & OFTEN else pytest.mark.property)
    for one in _does()
    for others in _does()
]


@pytest.mark.parametrize(("one", "others"), PAIRS)
def test_a_list_stands_in_only_where_all_that_was_said_is_that_it_is_out_of_order(one: str, others: str) -> None:
    place = Place()
    with place.running():
        place.unsigned_since()
        does = _does()
        (first_down, first), (down, second) = does[one], does[others]
        place.does = {"sig": first, "referrers": second, "others": second}
        verdict, stood_in = place.verdict()
    assert stood_in is (first_down and down)
    assert (verdict is Verdict.ALLOW) is stood_in


def test_a_list_stands_in_where_nobody_is_there() -> None:
    place = Place()
    with place.running():
        place.unsigned_since()
        place.gone()
        assert place.verdict() == (Verdict.ALLOW, True)


def test_a_hearing_is_that_of_its_deadline_and_of_those_within_it() -> None:
    hearing = Hearing("registry.test")
    deadline = soon().asking(hearing)
    told = [deadline.heard, soon().heard]
    deadline.sooner(1).earlier(0.1).hear()
    soon().hear()  # nobody wants to know
    told += [deadline.heard, soon().heard]
    assert told == [False, False, True, False]
    assert hearing == Hearing("registry.test", heard=True)
