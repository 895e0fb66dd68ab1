from __future__ import annotations

import base64
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from gate import __version__
from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.guard.hosts import Hosts
from gate.registry.guard.proxied import check_target, connect_request
from gate.registry.guard.proxies import Proxies, Proxy
from gate.registry.guard.transport import Request, Transport
from tests.fakes.clients import soon
from tests.fakes.hostile_server import HostileServer, Peer, answer
from tests.fakes.loopback import certificate_for
from tests.fakes.proxy_server import ProxyServer
from tests.fakes.scripted_server import Asked, Reply, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAME = "registry.example.com"
SECRET = "pr0xy-s3cret"
BASIC = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
TOKEN = "Bearer t0ken-of-the-registry"


@dataclass
class World:
    target: HostileServer
    proxy: ProxyServer
    transport: Transport

    def get(self, url: str = f"https://{NAME}/v2/", limit: int = 1000) -> bytes:
        return self.transport.send(Request("GET", url, limit, {"Authorization": TOKEN}), soon(5)).body


def _resolver(host: str, port: int) -> list[str]:
    """No DNS, as in many networks that have a proxy."""
    if host == "127.0.0.1":
        return [host]
    raise OSError(f"asked for {host}")


def _proxies(port: int, scheme: str = "http", user: str = "") -> Proxies:
    url = f"{scheme}://{user}127.0.0.1:{port}"
    return Proxies.parse(url, url, "")


def _hello(peer: Peer) -> bool:
    peer.send(answer(200, (), b"hello"))
    return True


def _certificate(folder: Path, *names: str) -> tuple[Path, Path]:
    folder.mkdir()
    return certificate_for(folder, names)


@contextmanager
def world(
    folder: Path,
    *,
    scheme: str = "http",
    user: str = "",
    script: Callable[[Peer], bool] = _hello,
    first: Callable[[Peer], bool] = lambda peer: False,
) -> Iterator[World]:
    inner, outer = _certificate(folder / "inner", NAME, "other.example.com"), _certificate(folder / "outer", "proxy")
    with ExitStack() as stack:
        target = stack.enter_context(HostileServer(script, inner))
        ports = {f"{NAME}:443": target.port, "other.example.com:443": target.port}
        proxy = stack.enter_context(ProxyServer(ports, outer if scheme == "https" else None, first))
        hosts = Hosts(
            authorities={NAME: str(inner[0]), "other.example.com": str(inner[0]), proxy.host: str(outer[0])},
        )
        transport = Transport(hosts, _resolver, _proxies(proxy.port, scheme, user))
        stack.callback(transport.close)
        yield World(target, proxy, transport)


def _fails(call: Callable[[], object]) -> EvidenceUnavailable:
    with pytest.raises(EvidenceUnavailable) as caught:
        call()
    return caught.value


# the good way


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_https_goes_through_a_tunnel_and_each_side_hears_only_its_own(tmp_path: Path, scheme: str) -> None:
    with world(tmp_path, scheme=scheme, user=f"me:{SECRET}@") as it:
        assert it.get() == b"hello"
        assert it.get() == b"hello"
        assert it.proxy.targets == [f"{NAME}:443"]  # one tunnel, kept
        connect = it.proxy.heads[0]
        assert connect.split("\r\n") == [
            f"CONNECT {NAME}:443 HTTP/1.1",
            f"Host: {NAME}:443",
            f"User-Agent: imagegate/{__version__}",
            f"Proxy-Authorization: {BASIC}",
        ]
        assert len(it.target.heads) == 2
        for head in it.target.heads:
            assert head.startswith("GET /v2/ HTTP/1.1\r\n")
            assert f"Authorization: {TOKEN}" in head
            assert "proxy" not in head.lower()
            assert f"Host: {NAME}\r\n" in head


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_large_answer_comes_whole_through_a_tunnel(tmp_path: Path, scheme: str) -> None:
    body = bytes(range(256)) * 8192

    def large(peer: Peer) -> bool:
        peer.send(answer(200, (), body))
        return True

    with world(tmp_path, scheme=scheme, script=large) as it:
        assert it.get(limit=len(body)) == body
        assert _fails(lambda: it.get(limit=1000)).code is Code.RESPONSE_TOO_LARGE
        assert it.get(limit=len(body)) == body


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("head", [b"Connection: close\r\nContent-Length: 300000", b"Connection: close", b"X: y"])
def test_an_answer_that_ends_the_connection_is_read_to_its_end(tmp_path: Path, scheme: str, head: bytes) -> None:
    """http.client lets go of the socket before the body is read: what reads it has to hold on."""

    def last(peer: Peer) -> bool:
        peer.send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + b"z" * 300_000)
        return False

    with world(tmp_path, scheme=scheme, script=last) as it:
        for _ in range(2):
            assert it.get(limit=300_000) == b"z" * 300_000
        assert len(it.proxy.targets) == 2


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_many_threads_share_a_proxy(tmp_path: Path, scheme: str) -> None:
    def own(peer: Peer) -> bool:
        peer.send(answer(200, (), peer.path.encode() * 3000))
        return True

    with world(tmp_path, scheme=scheme, script=own) as it, ThreadPoolExecutor(8) as pool:
        paths = [f"/v2/{number}" for number in range(80)]
        found = pool.map(lambda path: it.get(f"https://{NAME}{path}", 99_999), paths)
        assert list(found) == [path.encode() * 3000 for path in paths]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_plain_http_is_asked_in_absolute_form(tmp_path: Path, scheme: str) -> None:
    outer = _certificate(tmp_path / "outer", "proxy")
    with ScriptedServer(lambda asked: Reply(200, body=b"plain")) as target, ExitStack() as stack:
        port = int(target.host.partition(":")[2])
        ports = {f"{NAME}:80": port, f"{NAME}:5000": port}
        proxy = stack.enter_context(ProxyServer(ports, outer if scheme == "https" else None))
        hosts = Hosts(frozenset({f"{NAME}:80", f"{NAME}:5000"}), authorities={proxy.host: str(outer[0])})
        transport = Transport(hosts, _resolver, _proxies(proxy.port, scheme, f"me:{SECRET}@"))
        stack.callback(transport.close)
        for url in (f"http://{NAME}/v2/?a=b%2Fc", f"http://{NAME}:5000/v2/"):
            assert transport.send(Request("GET", url, 99, {"Authorization": TOKEN}), soon()).body == b"plain"
            head = proxy.heads[-1].split("\r\n")
            assert head[0] == f"GET {url} HTTP/1.1"
            assert f"Host: {url.split('/')[2]}" in head
            assert f"Proxy-Authorization: {BASIC}" in head
        assert [asked.authorization for asked in target.asked] == [TOKEN, TOKEN]
        assert not any("proxy-authorization" in asked.headers for asked in target.asked)


def test_what_no_proxy_names_is_reached_without(tmp_path: Path) -> None:
    with ScriptedServer(lambda asked: Reply(200, body=b"direct")) as target, ProxyServer({}) as proxy:
        port = target.host.partition(":")[2]
        name = f"{NAME}:{port}"
        transport = Transport(
            Hosts(frozenset({name})), lambda host, port: ["127.0.0.1"], Proxies.parse("", proxy.url, NAME)
        )
        assert transport.send(Request("GET", f"http://{name}/", 99), soon()).body == b"direct"
        transport.close()
        assert proxy.heads == []


def test_proxy_authorization_does_not_follow_a_redirect_out_of_the_proxy() -> None:
    """From plain HTTP through a proxy to a host that is reached directly."""
    with ScriptedServer(lambda asked: Reply(200, body=b"end")) as direct:
        there = f"direct.example.com:{direct.host.partition(':')[2]}"
        moved = Reply(307, (("Location", f"http://{there}/x"),))
        with ScriptedServer(lambda asked: moved) as target:
            ports = {f"{NAME}:80": int(target.host.partition(":")[2])}
            with ProxyServer(ports) as proxy:
                proxies = Proxies.parse("", f"http://me:{SECRET}@{proxy.host}", "direct.example.com")
                hosts = Hosts(frozenset({f"{NAME}:80", there}))
                transport = Transport(hosts, lambda host, port: ["127.0.0.1"], proxies)
                assert transport.send(Request("GET", f"http://{NAME}/", 99, {"Authorization": TOKEN}), soon()).body
                transport.close()
        assert direct.asked[0].headers.keys().isdisjoint({"proxy-authorization", "authorization"})


def test_the_target_proves_its_own_name_inside_the_tunnel(tmp_path: Path) -> None:
    """The proxy sends us elsewhere: its certificate, or anybody's, does not do."""
    elsewhere = _certificate(tmp_path / "elsewhere", "elsewhere.example.com")
    with HostileServer(_hello, elsewhere) as other, ProxyServer({f"{NAME}:443": other.port}) as proxy:
        transport = Transport(Hosts(authorities={NAME: str(elsewhere[0])}), _resolver, _proxies(proxy.port))
        error = _fails(lambda: transport.send(Request("GET", f"https://{NAME}/", 9), soon()))
        transport.close()
        assert other.heads == []
    assert error.code is Code.REGISTRY_UNREACHABLE
    assert f"{NAME} through the proxy {proxy.url}" in error.message
    assert "elsewhere.example.com" in error.message


def test_a_proxy_has_to_be_who_it_says(tmp_path: Path) -> None:
    with world(tmp_path, scheme="https", user=f"me:{SECRET}@") as it:
        strangers = Transport(Hosts(), _resolver, it.transport._proxies)
        error = _fails(lambda: strangers.send(Request("GET", f"https://{NAME}/", 9), soon()))
        strangers.close()
        assert it.proxy.heads == []
    assert error.code is Code.REGISTRY_UNREACHABLE
    assert error.message.startswith(f"TLS with the proxy {it.proxy.url} failed")
    assert f"--registry-ca {it.proxy.host}=FILE" in error.remedy


@pytest.mark.parametrize(
    ("host", "port", "target"),
    [
        ("ghcr.io", 443, "ghcr.io:443"),
        ("2606:4700::1111", 8443, "[2606:4700::1111]:8443"),
        ("2606:4700::1111%25eth0", 443, "[2606:4700::1111]:443"),
        ("b\u00fccher.example", 443, "xn--bcher-kva.example:443"),
    ],
)
def test_a_target_is_written_as_proxies_read_it(host: str, port: int, target: str) -> None:
    lines = connect_request(Proxy("http", "proxy.corp", 3128), host, port).split(b"\r\n")
    assert lines[0] == f"CONNECT {target} HTTP/1.1".encode()
    assert lines[1] == f"Host: {target}".encode()
    assert lines[-2:] == [b"", b""]


# refusals and misbehaviour


def _answers(content: bytes) -> Callable[[Peer], bool]:
    def first(peer: Peer) -> bool:
        peer.send(content)
        return True

    return first


@pytest.mark.parametrize(
    ("content", "said", "remedy"),
    [
        (answer(407, ('Proxy-Authenticate: Basic realm="p"',)), "answered 407", "check those in HTTPS_PROXY"),
        (answer(407, ("Proxy-Authenticate: Negotiate", "proxy-authenticate: NTLM")), "negotiate or ntlm", "Basic"),
        (answer(407), "does not take the user and password", "HTTPS_PROXY"),
        (answer(403, (), b"<html>no"), "answered 403", f"allow {NAME}"),
        (answer(404), "answered 404", "NO_PROXY"),
        (answer(401, ("WWW-Authenticate: Bearer realm=x",)), "answered 401", "NO_PROXY"),
        (answer(302, ("Location: https://login.example.com/",)), "answered 302", "NO_PROXY"),
        (answer(503), "could not reach it", "log of the proxy"),
        (answer(200, ("Content-Type: text/html",), b"<html>log in"), "content instead of a tunnel", "login"),
        (b"<html>hello</html>\r\n\r\n", "did not answer CONNECT as a proxy does", "HTTPS_PROXY"),
        (b"SSH-2.0-x\r\n", "did not answer CONNECT", "HTTPS_PROXY"),
        (b"", "ended the connection", "HTTPS_PROXY"),
        (b"HTTP/1.1 200 OK\r\n", "did not answer CONNECT", "HTTPS_PROXY"),
        (b"HTTP/2 200\r\n\r\n", "did not answer CONNECT", "HTTPS_PROXY"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 9999, "did not answer CONNECT", "HTTPS_PROXY"),
        (b"HTTP/1.1 200 " + b"x" * 99999, "did not answer CONNECT", "HTTPS_PROXY"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxys_answer_is_never_the_registrys(
    tmp_path: Path, scheme: str, content: bytes, said: str, remedy: str
) -> None:
    with world(tmp_path, scheme=scheme, user=f"me:{SECRET}@", first=_answers(content)) as it:
        error = _fails(it.get)
        assert it.target.heads == []
        assert it.proxy.url in error.message
    assert error.code is Code.REGISTRY_UNREACHABLE
    assert said in error.message
    assert remedy in error.remedy
    assert SECRET not in str(error)
    assert BASIC.split()[1] not in str(error)


def test_who_gives_no_password_is_told_to() -> None:
    with ProxyServer({}, first=_answers(answer(407, ("Proxy-Authenticate: basic",)))) as proxy:
        transport = Transport(Hosts(), _resolver, _proxies(proxy.port))
        error = _fails(lambda: transport.send(Request("GET", f"https://{NAME}/", 9), soon()))
        transport.close()
    assert "wants a user and password" in error.message
    assert "HTTPS_PROXY" in error.remedy


@pytest.mark.parametrize(
    "content",
    [
        answer(407, ("Proxy-Authenticate: Basic",)),
        answer(403, ("X-Squid-Error: ERR_ACCESS_DENIED 0",)),
        answer(404, ("Proxy-Status: p; error=destination_not_found",)),
        answer(502, ("Proxy-Status: p; error=dns_error",)),
    ],
)
def test_a_refusal_of_plain_http_that_says_so_is_the_proxys(content: bytes) -> None:
    with ProxyServer({}, first=_answers(content)) as proxy:
        transport = Transport(Hosts(frozenset({f"{NAME}:80"})), _resolver, _proxies(proxy.port))
        error = _fails(lambda: transport.send(Request("GET", f"http://{NAME}/", 9), soon()))
        transport.close()
    assert error.code is Code.REGISTRY_UNREACHABLE
    assert f"the proxy {proxy.url} answered" in error.message
    assert "PROXY" in error.remedy


def test_a_407_of_the_target_is_not_the_proxys(tmp_path: Path) -> None:
    def refuses(peer: Peer) -> bool:
        peer.send(answer(407, ("Proxy-Authenticate: Basic",)))
        return True

    with world(tmp_path, user=f"me:{SECRET}@", script=refuses) as it:
        assert it.transport.send(Request("GET", f"https://{NAME}/", 9), soon()).status == 407
        assert SECRET not in str(it.target.heads)
        assert BASIC not in str(it.target.heads)


def _silent(peer: Peer) -> bool:
    peer.silence()
    return True


def _drips(peer: Peer) -> bool:
    peer.drip(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 1000)
    return True


def _half(peer: Peer) -> bool:
    peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    peer.silence()
    return True


def _page_later(peer: Peer) -> bool:
    peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    time.sleep(0.1)
    peer.send(b"<html>log in</html>")
    return True


def test_a_page_behind_a_tunnels_answer_is_not_taken_for_plain_http(tmp_path: Path) -> None:
    with world(tmp_path, first=_page_later) as it:
        error = _fails(it.get)
        assert it.proxy.url in error.message
    assert error.code is Code.REGISTRY_UNREACHABLE
    assert "insecure" not in error.remedy


def _drips_tls(peer: Peer) -> bool:
    peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    time.sleep(0.05)
    peer.drip(b"\x16\x03\x03\x3f\xff" + b"\x02" * 1000)
    return True


@pytest.mark.parametrize("first", [_silent, _drips, _half, _drips_tls])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_deadline_covers_the_proxy_and_both_handshakes(
    tmp_path: Path, scheme: str, first: Callable[[Peer], bool]
) -> None:
    with world(tmp_path, scheme=scheme, first=first) as it:
        begun = time.monotonic()
        error = _fails(lambda: it.transport.send(Request("GET", f"https://{NAME}/", 9), soon(0.6)))
        assert time.monotonic() - begun < 1.2
        assert it.proxy.url in error.message
    assert error.code is Code.REGISTRY_TIMEOUT


def test_the_deadline_covers_tls_with_the_proxy() -> None:
    with HostileServer(_silent) as proxy:  # speaks no TLS and waits for a blank line
        transport = Transport(Hosts(), _resolver, _proxies(proxy.port, "https"))
        begun = time.monotonic()
        error = _fails(lambda: transport.send(Request("GET", f"https://{NAME}/", 9), soon(0.5)))
        transport.close()
        assert time.monotonic() - begun < 1.1
    assert error.code is Code.REGISTRY_TIMEOUT


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_deadline_and_the_cap_hold_inside_a_tunnel(tmp_path: Path, scheme: str) -> None:
    def drips(peer: Peer) -> bool:
        if peer.path == "/flood":
            peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
            peer.flood(b"x" * 4096)
        peer.drip(answer(200, (), b"x" * 1000))
        return True

    with world(tmp_path, scheme=scheme, script=drips) as it:
        begun = time.monotonic()
        error = _fails(lambda: it.transport.send(Request("GET", f"https://{NAME}/", 9999), soon(0.6)))
        assert error.code is Code.REGISTRY_TIMEOUT
        error = _fails(lambda: it.get(f"https://{NAME}/flood", 10_000))
        assert error.code is Code.RESPONSE_TOO_LARGE
        assert time.monotonic() - begun < 2


def test_a_reset_by_the_proxy_names_it(tmp_path: Path) -> None:
    def resets(peer: Peer) -> bool:
        peer.reset()
        return True

    with world(tmp_path, first=resets) as it:
        error = _fails(it.get)
        assert f"the proxy {it.proxy.url} could not be reached" in error.message
    assert error.code is Code.REGISTRY_UNREACHABLE


@pytest.mark.parametrize("target", [f"https://{NAME}/", f"http://{NAME}/"])
def test_a_proxy_that_is_not_there_is_named_without_its_password(target: str) -> None:
    with ProxyServer({}) as proxy:
        port = proxy.port
    transport = Transport(Hosts(frozenset({f"{NAME}:80"})), _resolver, _proxies(port, "http", f"me:{SECRET}@"))
    error = _fails(lambda: transport.send(Request("GET", target, 9), soon()))
    transport.close()
    assert error.code is Code.REGISTRY_UNREACHABLE
    assert f"http://127.0.0.1:{port}" in error.message
    assert ("HTTPS_PROXY" if target.startswith("https") else "HTTP_PROXY") in error.remedy
    assert SECRET not in str(error)


@pytest.mark.parametrize("address", ["169.254.169.254", "224.0.0.1", "0.0.0.0", "fe80::1", "::ffff:169.254.169.254"])
def test_a_proxy_is_never_at_an_address_that_is_no_hosts(address: str) -> None:
    proxies = Proxies.parse("http://proxy.corp:3128", "", "")
    transport = Transport(Hosts(), lambda host, port: [address], proxies)
    error = _fails(lambda: transport.send(Request("GET", f"https://{NAME}/", 9), soon(2)))
    transport.close()
    assert error.code is Code.REGISTRY_UNREACHABLE
    assert "the proxy http://proxy.corp:3128" in error.message
    assert "never connected to" in error.message


# what can still hold of targets


REFUSED = [
    "10.0.0.1",
    "169.254.169.254",
    "192.168.1.1",
    "0.0.0.0",
    "100.64.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "fd00::1",
    "fd00::1%25eth0",
    "2130706433",
    "0x7f.1",
    "127.1",
    "0177.0.0.1",
    "10.1",
    "10.0.0.1.",
    "a.localhost",
    "A.LOCALHOST",
    "localhost.",
    "metadata",
    "metadata.google.internal",
    "metadata.google.internal.",
    "kubernetes",
    "registry.corp.internal",
    "nas.local",
    "box.home.arpa",
    "registry",
    "kubernetes.default",
    "kubernetes.default.svc",
    "KUBERNETES.default.SVC.",
    "registry.kube-system",
    "registry.kube-system.svc.cluster.local",
    "10-0-0-1.default.pod",
    "vault.corp",
    "x.lan",
    "x.home",
    "mail.mail",
    "x.intranet",
    "x.private",
    "x.localdomain",
    "x.onion",
    "x.test",
    "x.invalid",
    "x.example",
    "x.alt",
    "1.0.0.10.in-addr.arpa",
    "vault.service.consul",
    "host.docker.internal",
    "registry.v1",
    "registry.x",
    "registry.my_team",
    "168.63.129.16",
    "192.0.0.192",
]


@pytest.mark.parametrize("host", REFUSED)
def test_what_a_name_tells_is_refused_before_the_proxy_hears_of_it(host: str) -> None:
    with ProxyServer({}) as proxy:
        transport = Transport(Hosts(), _resolver, _proxies(proxy.port))
        url = f"https://[{host}]/v2/" if ":" in host else f"https://{host}/v2/"
        error = _fails(lambda: transport.send(Request("GET", url, 9), soon()))
        transport.close()
        assert proxy.heads == []
    assert error.code is Code.REGISTRY_UNREACHABLE


@pytest.mark.parametrize("host", ["a b", "a\r\nX: y", "%31%30.0.0.1", "a;b", "a,b"])
def test_what_is_no_name_is_not_sent(host: str) -> None:
    with ProxyServer({}) as proxy:
        transport = Transport(Hosts(), _resolver, _proxies(proxy.port))
        assert _fails(lambda: transport.send(Request("GET", f"https://{host}/", 9), soon())).code in (
            Code.REGISTRY_PROTOCOL,
            Code.REGISTRY_UNREACHABLE,
        )
        transport.close()
        assert all("\r\nX: y" not in head for head in proxy.heads)
        assert not [target for target in proxy.targets if " " in target or "%" in target]


@pytest.mark.parametrize(
    "host",
    [
        *("10.0.0.1", "fd00::1", "nas.local", "registry", "a.localhost", "0x0a000001"),
        *("registry.infra.svc", "registry.kube-system", "hub.corp", "x.lan", "x.test"),
    ],
)
def test_a_private_target_may_be_asked_for_where_it_is_named(host: str) -> None:
    name = f"[{host}]:5000" if ":" in host else f"{host}:5000"
    check_target(Hosts(private=frozenset({name})), name, host)
    with pytest.raises(EvidenceUnavailable) as caught:
        check_target(Hosts(), name, host)
    assert f"--private-registry {name}" in caught.value.remedy


@pytest.mark.parametrize("host", ["169.254.169.254", "metadata.google.internal", "metadata", "224.0.0.1"])
def test_some_targets_are_never_asked_for(host: str) -> None:
    with pytest.raises(EvidenceUnavailable):
        check_target(Hosts(private=frozenset({host})), host, host)


@pytest.mark.parametrize("host", ["\uff11\uff10.0.0.1", "10\u30020\u30020\u30021", "fullwidth\uff0elocal"])
def test_other_scripts_hide_no_address(host: str) -> None:
    with pytest.raises(EvidenceUnavailable) as caught:
        check_target(Hosts(), host, host)
    assert caught.value.code is Code.REGISTRY_UNREACHABLE


@pytest.mark.parametrize(
    "host",
    [
        *("ghcr.io", "8.8.8.8", "2606:4700::1111", "bücher.example.com", "a_b.example.com", "local.dev"),
        *("registry.gitlab.com", "registry.example.рф", "quay.io.", "corp.example.org", "x.xn--p1ai", "svc.io"),
    ],
)
def test_public_targets_pass(host: str) -> None:
    check_target(Hosts(), host, host)


def _redirects(location: str) -> Callable[[Peer], bool]:
    def script(peer: Peer) -> bool:
        peer.send(answer(307, (f"Location: {location}",)) if peer.number == 0 else answer(200, (), b"there"))
        return True

    return script


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://other.example.com/", Code.REGISTRY_PROTOCOL),
        ("https://10.0.0.1/", Code.REGISTRY_UNREACHABLE),
        ("https://a.localhost/", Code.REGISTRY_UNREACHABLE),
        ("https://[::ffff:169.254.169.254]/", Code.REGISTRY_UNREACHABLE),
        ("https://metadata.google.internal/", Code.REGISTRY_UNREACHABLE),
        ("https://u:p@other.example.com/", Code.REGISTRY_PROTOCOL),
    ],
)
def test_redirects_keep_to_their_rules(tmp_path: Path, location: str, code: Code) -> None:
    with world(tmp_path, script=_redirects(location)) as it:
        assert _fails(it.get).code is code
        assert it.proxy.targets == [f"{NAME}:443"]


def test_a_redirect_through_the_proxy_leaves_the_token_behind(tmp_path: Path) -> None:
    with world(tmp_path, script=_redirects("https://other.example.com/blob")) as it:
        assert it.get() == b"there"
        assert it.proxy.targets == [f"{NAME}:443", "other.example.com:443"]
        assert "Authorization" not in it.target.heads[1]


def test_a_tunnel_that_was_closed_meanwhile_is_opened_anew(tmp_path: Path) -> None:
    def once(peer: Peer) -> bool:
        peer.send(answer(200, (), b"hello"))
        return False

    with world(tmp_path, script=once) as it:
        for _ in range(3):
            assert it.get() == b"hello"
        assert len(it.proxy.targets) >= 3


def test_offline_asks_no_proxy() -> None:
    with ProxyServer({}) as proxy:
        transport = Transport(Hosts(offline=True), _resolver, _proxies(proxy.port))
        assert "--offline" in _fails(lambda: transport.send(Request("GET", f"https://{NAME}/", 9), soon())).message
        transport.close()
        assert proxy.connections == 0


def test_localhost_is_reached_without_a_proxy() -> None:
    with ScriptedServer(lambda asked: Reply(200, body=_said(asked))) as target, ProxyServer({}) as proxy:
        transport = Transport(Hosts(frozenset({target.host})), _resolver, _proxies(proxy.port))
        assert transport.send(Request("GET", target.url, 99), soon()).body == b"/"
        transport.close()
        assert proxy.connections == 0


def _said(asked: Asked) -> bytes:
    return asked.path.encode()
