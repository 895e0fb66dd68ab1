from __future__ import annotations

import base64

import pytest

from gate.errors import UsageError
from gate.registry.guard.proxies import Proxies, Proxy

SECRET = "hunter2-correct-horse"
PROXY = "http://proxy.corp.test:3128"
# The list of Go's own test (httpproxy, TestUseProxy).
GO = (
    "foobar.com, .barbaz.net, *.wildcard.io, 192.168.1.1, 192.168.1.2:81, 192.168.1.3:80, 10.0.0.0/30, "
    "2001:db8::52:0:1, [2001:db8::52:0:2]:443, [2001:db8::52:0:3]:80, 2002:db8:a::45/64"
)


def _basic(text: bytes) -> str:
    return "Basic " + base64.b64encode(text).decode()


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "proxied"),
    [
        # Nothing is excepted but this very machine.
        ("", "ghcr.io", 443, True),
        ("", "10.0.0.1", 443, True),
        ("", "::2", 443, True),
        ("", "localhost", 443, False),
        ("", "LOCALHOST", 5000, False),
        ("", "127.0.0.1", 80, False),
        ("", "127.0.0.2", 5000, False),
        ("", "::1", 443, False),
        ("", "::ffff:127.0.0.1", 443, False),
        ("", "localhost.net", 443, True),
        ("", "local.localhost", 443, True),
        ("", "127.0.0.1.evil.test", 443, True),
        # Go's own cases.
        (GO, "192.168.1.1", 80, False),
        (GO, "192.168.1.2", 80, True),
        (GO, "192.168.1.3", 80, False),
        (GO, "192.168.1.4", 80, True),
        (GO, "10.0.0.2", 80, False),
        (GO, "2001:db8::52:0:1", 80, False),
        (GO, "2001:db8::52:0:2", 80, True),
        (GO, "2001:db8::52:0:2", 443, False),
        (GO, "2001:db8::52:0:3", 80, False),
        (GO, "2002:db8:a::123", 80, False),
        (GO, "fe80::424b:c8be:1643:a1b6", 80, True),
        (GO, "barbaz.net", 80, True),
        (GO, "www.barbaz.net", 80, False),
        (GO, "foobar.com", 80, False),
        (GO, "www.foobar.com", 80, False),
        (GO, "foofoobar.com", 80, True),
        (GO, "baz.com", 80, True),
        (GO, "barbarbaz.net", 80, True),
        (GO, "wildcard.io", 80, True),
        (GO, "nested.wildcard.io", 80, False),
        (GO, "deeply.nested.wildcard.io", 80, False),
        (GO, "awildcard.io", 80, True),
        # Everything.
        ("*", "ghcr.io", 443, False),
        ("*", "10.0.0.1", 443, False),
        ("foo.test, * ,bar.test", "ghcr.io", 443, False),
        ("*:443", "ghcr.io", 443, True),
        ("**", "ghcr.io", 443, True),
        # Domains: with and without their subdomains, whatever the case.
        ("ghcr.io", "ghcr.io", 443, False),
        ("GHCR.io", "ghcr.io", 443, False),
        ("ghcr.io", "GHCR.IO", 443, False),
        ("ghcr.io", "a.ghcr.io", 443, False),
        ("hcr.io", "ghcr.io", 443, True),
        (".ghcr.io", "ghcr.io", 443, True),
        (".ghcr.io", "a.b.ghcr.io", 443, False),
        ("*.ghcr.io", "ghcr.io", 443, True),  # the standard library knows no `*.`
        ("*.ghcr.io", "a.ghcr.io", 443, False),
        ("*.ghcr.io", "a.b.ghcr.io", 443, False),
        ("*ghcr.io", "ghcr.io", 443, True),
        ("g*.io", "ghcr.io", 443, True),
        (".svc,.cluster.local", "registry.kube-system.svc", 443, False),
        (".svc,.cluster.local", "registry.kube-system.svc.cluster.local", 443, False),
        ("registry", "registry", 5000, False),
        (".示例.com", "www.示例.com", 443, False),
        ("xn--fsq092h.com", "www.示例.com", 443, False),
        ("示例.com", "www.xn--fsq092h.com", 443, False),
        # Ports.
        ("ghcr.io:443", "ghcr.io", 443, False),
        ("ghcr.io:443", "ghcr.io", 80, True),
        ("ghcr.io:", "ghcr.io", 80, False),
        (".ghcr.io:5000", "a.ghcr.io", 5000, False),
        ("*.ghcr.io:5000", "a.ghcr.io", 443, True),
        ("ghcr.io:0443", "ghcr.io", 443, True),
        ("10.0.0.1:5000", "10.0.0.1", 5000, False),
        ("10.0.0.1:5000", "10.0.0.1", 443, True),
        # CIDR, of which the standard library knows none and requests only IPv4's.
        ("10.0.0.0/8", "10.255.0.1", 443, False),
        ("10.0.0.0/8", "11.0.0.1", 443, True),
        ("10.1.2.3/8", "10.255.0.1", 443, False),
        ("10.0.0.0/8", "10.evil.test", 443, True),
        ("0.0.0.0/0", "8.8.8.8", 443, False),
        ("0.0.0.0/0", "::2", 443, True),
        ("0.0.0.0/0", "ghcr.io", 443, True),
        ("2001:db8::/32", "2001:db8:1::1", 443, False),
        ("2001:db8::/32", "2001:db9::1", 443, True),
        ("fd00::/8", "fd12:3456::1", 5000, False),
        ("fe80::/10", "fe80::1%eth0", 5000, False),
        ("::/0", "2001:db8::1", 443, False),
        ("::/0", "10.0.0.1", 443, True),
        ("10.0.0.0/255.0.0.0", "10.0.0.1", 443, True),
        ("10.0.0.0/33", "10.0.0.1", 443, True),
        ("10.0.0.0/", "10.0.0.0", 443, True),
        ("10.0.0.0/-1", "10.0.0.0", 443, True),
        ("10.0.0.0/" + "0" * 5000, "10.0.0.0", 443, True),
        ("fe80::%eth0/10", "fe80::1", 443, True),
        ("[2001:db8::]/32", "2001:db8::1", 443, True),
        ("10.0.0.0/8:443", "10.0.0.1", 443, True),
        # Addresses, however they are written.
        ("2001:DB8:0::1", "2001:db8::1", 443, False),
        ("::ffff:10.0.0.1", "10.0.0.1", 443, False),
        ("10.0.0.1", "::ffff:a00:1", 443, False),
        ("::ffff:10.0.0.0/104", "10.9.9.9", 443, False),
        ("::ffff:0:0/90", "10.9.9.9", 443, True),
        ("[2001:db8::1]:5000", "2001:db8::1", 5000, False),
        ("[2001:db8::1]:", "2001:db8::1", 443, False),
        ("[2001:db8::1]", "2001:db8::1", 443, True),  # Go splits brackets off with a port only
        ("10.0.0", "10.0.0.1", 443, True),
        ("10.0.0.01", "10.0.0.1", 443, True),
        ("0.1", "10.0.0.1", 443, True),
        (".1", "10.0.0.1", 443, True),
        # A zone is no domain (CVE-2025-22870).
        ("example.com", "1000::%.example.com", 123, True),
        # Lists as people write them.
        (" ghcr.io ,\tquay.io\n", "quay.io", 443, False),
        (",,ghcr.io,", "ghcr.io", 443, False),
        ("ghcr.io quay.io", "quay.io", 443, True),
        ("https://ghcr.io", "ghcr.io", 443, True),
        (":443", "ghcr.io", 443, True),
        ("[]:443", "ghcr.io", 443, True),
        ("[ghcr.io:443", "ghcr.io", 443, True),
        ("::1]:443", "::2", 443, True),
        ("ghcr[.io:443", "ghcr.io", 443, True),
    ],
)
def test_no_proxy_excepts_what_go_excepts(no_proxy: str, host: str, port: int, *, proxied: bool) -> None:
    found = Proxies.parse(PROXY, PROXY, no_proxy).proxy_for("https", host, port)

    assert found == (Proxy("http", "proxy.corp.test", 3128) if proxied else None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", None),
        ("proxy", Proxy("http", "proxy", 80)),
        ("localhost", Proxy("http", "localhost", 80)),
        ("proxy:3128", Proxy("http", "proxy", 3128)),
        ("127.0.0.1:8080", Proxy("http", "127.0.0.1", 8080)),
        ("http://proxy", Proxy("http", "proxy", 80)),
        ("https://proxy", Proxy("https", "proxy", 443)),
        ("HTTPS://Proxy.Corp.test:8443", Proxy("https", "proxy.corp.test", 8443)),
        ("http://proxy:", Proxy("http", "proxy", 80)),
        ("http://proxy:3128/", Proxy("http", "proxy", 3128)),
        ("http://proxy:3128/path?query#fragment", Proxy("http", "proxy", 3128)),
        ("http://my_proxy:3128", Proxy("http", "my_proxy", 3128)),
        ("http://示例.com", Proxy("http", "xn--fsq092h.com", 80)),
        ("[2001:DB8:0::1]:3128", Proxy("http", "2001:db8::1", 3128)),
        ("https://[2001:db8::1]", Proxy("https", "2001:db8::1", 443)),
        ("http://[fe80::1%25eth0]:3128", Proxy("http", "fe80::1%eth0", 3128)),
        ("http://user:pass@proxy", Proxy("http", "proxy", 80, _basic(b"user:pass"))),
        ("user:pass@proxy:3128", Proxy("http", "proxy", 3128, _basic(b"user:pass"))),
        ("http://us%65r:p%40s%3as%2F@proxy", Proxy("http", "proxy", 80, _basic(b"user:p@s:s/"))),
        ("http://user:%ff%00@proxy", Proxy("http", "proxy", 80, _basic(b"user:\xff\x00"))),
        ("http://user:a+b@proxy", Proxy("http", "proxy", 80, _basic(b"user:a+b"))),
        ("http://user:a:b@proxy", Proxy("http", "proxy", 80, _basic(b"user:a:b"))),
        ("http://user:a@b@proxy", Proxy("http", "proxy", 80, _basic(b"user:a@b"))),
        ("http://user@proxy", Proxy("http", "proxy", 80, _basic(b"user:"))),
        ("http://:pass@proxy", Proxy("http", "proxy", 80, _basic(b":pass"))),
        ("http://DOM%5Cuser:pass@proxy", Proxy("http", "proxy", 80, _basic(rb"DOM\user:pass"))),
    ],
)
def test_a_proxy_is_read(value: str, expected: Proxy | None) -> None:
    assert Proxies.parse(value, "", "").proxy_for("https", "ghcr.io", 443) == expected
    assert Proxies.parse("", value, "").proxy_for("http", "ghcr.io", 80) == expected


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [("https", "secure"), ("http", "plain"), ("ftp", None), ("", None), ("HTTPS", None)],
)
def test_each_scheme_has_its_proxy(scheme: str, expected: str | None) -> None:
    found = Proxies.parse("secure", "plain", "").proxy_for(scheme, "ghcr.io", 443)

    assert (found and found.host) == expected


def test_the_proxy_for_http_does_not_serve_https() -> None:
    assert Proxies.parse("", "plain", "").proxy_for("https", "ghcr.io", 443) is None
    assert Proxies.parse("secure", "", "").proxy_for("http", "ghcr.io", 80) is None


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("socks5://proxy:1080", "the scheme socks5, which is not supported"),
        ("socks5h://proxy:1080", "the scheme socks5h"),
        (f"SOCKS5://user:{SECRET}@proxy:1080", "the scheme socks5"),
        ("ftp://proxy", "the scheme ftp"),
        ("http://", "no host"),
        ("http:///path", "no host"),
        ("//proxy:3128", "no host"),
        (":3128", "host:port"),
        (f"http://user:{SECRET}@", "no host"),
        (f"http://user:{SECRET}@:3128", "host:port"),
        ("http:proxy", "host:port"),
        ("http://proxy:port", "host:port"),
        ("http://proxy:0", "port is not 1 to 65535"),
        ("http://proxy:65536", "port is not 1 to 65535"),
        ("http://proxy:123456", "host:port"),
        ("http://proxy:-1", "host:port"),
        ("http://pro xy", "host:port"),
        (" http://proxy", "host:port"),
        ("http://proxy\n", "host:port"),
        ("http://proxy,other", "host:port"),
        ("http://2001:db8::1", "host:port"),
        ("http://[2001:db8::1", "host:port"),
        ("http://[::1::2]", "not an IPv6 address"),
        ("http://[10.0.0.1]", "not an IPv6 address"),
        ("http://..示例", "its host is no name"),
        (f"http://user:{SECRET}/@proxy:3128", "stands behind the host's end"),
        (f"http://user:1{SECRET}#@proxy:3128", "stands behind the host's end"),
        (f"http://user:3128?{SECRET}@proxy:3128", "stands behind the host's end"),
        (f"http://user:{SECRET}/", "host:port"),
        (f"http://user:{SECRET} @proxy", "must be written as %XX"),
        (f"http://user:{SECRET}%@proxy", "must be written as %XX"),
        (f"http://user:{SECRET}%zz@proxy", "must be written as %XX"),
        (f"http://user:{SECRET}^@proxy", "must be written as %XX"),
        (f"http://user:{SECRET}é@proxy", "must be written as %XX"),
        (f"http://DOM\\user:{SECRET}@proxy", "must be written as %XX"),
    ],
)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "HTTP_PROXY"])
def test_a_proxy_that_cannot_be_used_is_refused(variable: str, value: str, why: str) -> None:
    with pytest.raises(UsageError) as error:
        Proxies.parse(*((value, "") if variable == "HTTPS_PROXY" else ("", value)), "*")

    assert error.value.message.startswith(variable)
    assert why in error.value.message
    assert "http://host:port" in error.value.remedy
    assert SECRET not in f"{error.value} {error.value.__cause__}"


def test_no_message_shows_the_secret() -> None:
    proxies = Proxies.parse(f"https://user:{SECRET}@[2001:db8::1]:8443", f"user:{SECRET}@proxy", "")

    found = proxies.proxy_for("https", "ghcr.io", 443)
    assert found is not None
    assert found.shown == "https://[2001:db8::1]:8443"
    assert found.authorization == _basic(f"user:{SECRET}".encode())
    for text in (repr(found), str(found), repr(proxies)):
        assert SECRET not in text
        assert found.authorization not in text


def test_proxies_that_are_not_set_are_none() -> None:
    assert Proxies().proxy_for("https", "ghcr.io", 443) is None
    assert Proxies() == Proxies.parse("", "", "") == Proxies.parse(PROXY, PROXY, "*")
